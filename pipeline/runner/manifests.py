"""What a run leaves behind: markers of finished shards, manifests of finished steps, and the way back to their rows."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from pipeline.runner.dag import InputFiles, Step, ancestors
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard, file_name


def folder_of(step: Step) -> str:
    return f"{step.name}/{step.key}"


def marker_name(folder: str, index: int) -> str:
    return f"{folder}/shards/{index:05d}.json"


def manifest(store: Store, step: Step) -> dict | None:
    """The manifest of a finished step; None when it has none, or when a file that it lists is missing or cut."""
    name = f"{folder_of(step)}/manifest.json"
    if not store.exists(name):
        return None
    said = store.read_json(name)
    return None if damaged(store, folder_of(step), said) else said


def damaged(store: Store, folder: str, said: dict) -> list[str]:
    """Files that `said` lists and that are not there in full."""
    return [name for index, shard in enumerate(said["shards"]) for name in not_whole(store, folder, shard, index)]


def not_whole(store: Store, folder: str, shard: dict, index: int) -> list[str]:
    """The same of one shard, of which its marker says `shard`."""
    return [name for name, size in _files(shard, index) if store.size(f"{folder}/{name}") != size]


def _files(shard: dict, index: int) -> Iterator[tuple[str, int]]:
    for name, output in shard["outputs"].items():
        yield file_name(name, index, output), output["bytes"]
    for name, file in shard["files"].items():
        yield name, file["bytes"]


@dataclass(frozen=True)
class Shards:
    """All shards of a finished step, or one bucket of each, by name: the worker lists them, no task ships a list."""

    store: Store
    folder: str
    bucket: int | None = None

    def parts(self) -> list[Shard]:
        said = self.store.read_json(f"{self.folder}/manifest.json")["shards"]
        common, heads = (self.store, self.folder), dict[str, bytes]()
        return [Shard(*common, i, len(said), self.bucket, {}, shard["outputs"], heads) for i, shard in enumerate(said)]


def parts(store: Store, source: Step | InputFiles) -> list[Shard]:
    """Every shard of a finished step, or of raw input."""
    if isinstance(source, InputFiles):
        rows = source.rows
        return [Shard(store, "", i, len(rows), None, {"part": pa.Table.from_pylist([r])}) for i, r in enumerate(rows)]
    return Shards(store, folder_of(source)).parts()


def missing(goal: Step, store: Store) -> list[Step]:
    """Steps that must run, each after its inputs. A finished step needs none of its ancestors."""
    needed: dict[str, Step] = {}

    def visit(node: Step | InputFiles) -> None:
        if isinstance(node, InputFiles) or node.key in needed or manifest(store, node) is not None:
            return
        needed[node.key] = node
        for edge in node.inputs:
            visit(edge.source)

    visit(goal)
    return [step for step in ancestors(goal) if step.key in needed]


def input_bytes(step: Step) -> int:
    """Bytes of raw input that a step rests on: what its cost is in proportion to."""
    leaves = {e.source.key: e.source for s in ancestors(step) for e in s.inputs if isinstance(e.source, InputFiles)}
    return sum(leaf.bytes() for leaf in leaves.values())
