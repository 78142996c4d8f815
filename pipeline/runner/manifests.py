"""What a run leaves behind: markers of finished shards, manifests of finished steps, and the way back to their rows."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from pipeline.base.errors import CorruptFile
from pipeline.runner.dag import InputFiles, Step, ancestors
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard, file_name

log = logging.getLogger(__name__)


def folder_of(step: Step) -> str:
    """Return the folder of a step, relative to the root."""
    return f"{step.name}/{step.key}"


def marker_name(folder: str, index: int) -> str:
    """Return the name of the marker that shard `index` of a step is finished."""
    return f"{folder}/shards/{index:05d}.json"


def read_manifest(store: Store, step: Step) -> dict | None:
    """Return the manifest of a finished step; None where there is none, where it is corrupt, or where a file that it
    lists is missing or has another size."""
    name = f"{folder_of(step)}/manifest.json"
    with store.listing(folder_of(step)):
        if not store.exists(name):
            return None
        try:
            manifest = store.read_final_json(name)
        except CorruptFile as error:
            log.warning("%s; the step is looked at as unfinished", error)
            return None
        return None if damaged_files(store, folder_of(step), manifest) else manifest


def damaged_files(store: Store, folder: str, manifest: dict) -> list[str]:
    """Return the files that a manifest lists and that are missing or have another size."""
    shards = enumerate(manifest["shards"])
    return [name for index, shard in shards for name in missing_files(store, folder, shard, index)]


def missing_files(store: Store, folder: str, marker: dict, index: int) -> list[str]:
    """Return the files of one shard that its marker lists and that are missing or have another size."""
    return [name for name, size in listed_files(marker, index) if store.size(f"{folder}/{name}") != size]


def listed_files(marker: dict, index: int) -> Iterator[tuple[str, int]]:
    """Yield the files of a shard and their sizes, as its marker has them."""
    for name, output in marker["outputs"].items():
        yield file_name(name, index, output), output["bytes"]
    for name, file in marker["files"].items():
        yield name, file["bytes"]


@dataclass(frozen=True)
class ShardList:
    """All shards of a finished step, or one partition of each, by the step's folder: tasks ship no lists of shards."""

    store: Store
    folder: str
    bucket: int | None = None

    def shards(self) -> list[Shard]:
        """Read the manifest and return the shards."""
        markers = self.store.read_final_json(f"{self.folder}/manifest.json")["shards"]
        common, heads, count = (self.store, self.folder), dict[str, bytes](), len(markers)
        return [
            Shard(*common, i, count, self.bucket, {}, marker["outputs"], marker["files"], heads)
            for i, marker in enumerate(markers)
        ]


def shards_of(store: Store, source: Step | InputFiles) -> list[Shard]:
    """Return every shard of a finished step, or of raw input."""
    if isinstance(source, InputFiles):
        rows = source.rows
        return [Shard(store, "", i, len(rows), None, {"part": pa.Table.from_pylist([r])}) for i, r in enumerate(rows)]
    return ShardList(store, folder_of(source)).shards()


def missing_steps(goal: Step, store: Store) -> list[Step]:
    """Return the steps that must run, each after its inputs. A finished step needs none of its ancestors."""
    needed: dict[str, Step] = {}

    def visit(node: Step | InputFiles) -> None:
        if isinstance(node, InputFiles) or node.key in needed or read_manifest(store, node) is not None:
            return
        needed[node.key] = node
        for edge in node.edges.values():
            visit(edge.source)

    visit(goal)
    return [step for step in ancestors(goal) if step.key in needed]


def input_bytes(step: Step) -> int:
    """Return the bytes of raw input that a step depends on: its cost is in proportion to them."""
    sources = [edge.source for ancestor in ancestors(step) for edge in ancestor.edges.values()]
    files = {source.key: source for source in sources if isinstance(source, InputFiles)}
    return sum(source.bytes() for source in files.values())
