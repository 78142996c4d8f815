"""What a run leaves behind: markers of finished shards, manifests of finished steps, and the way back to their rows.

    <step>/<configuration>/shards/<content key>.json   marker of a finished shard: files, checksums, cost
    <step>/<configuration>/manifests/<key>.parquet     the shards of a finished step, in order (`shard_table.py`)
    <step>/<configuration>/manifests/<key>.json        written last: identity, totals, where the table is
    <step>/<configuration>/costs/<key>.parquet         what each of these shards cost, wherever it was computed

The shards of all runs whose steps have one configuration share a folder; a manifest says which are those of a step.
"""

import json
import logging
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from pipeline.base.errors import CorruptFile, DamagedObject
from pipeline.runner.dag import InputFiles, Step, ancestors
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard, listed_files
from pipeline.store.shard_table import ShardList, ShardTable, TableRef, write_table

COSTS = pa.schema([("cpu_seconds", pa.float64()), ("wall_seconds", pa.float64()), ("peak_rss_bytes", pa.int64())])

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Manifest:
    """A finished step, as the JSON file of its manifest has it.

    shards: how many it has. digest: of the contents of all, in order, hex. buckets: the most that a table has.
    bytes: of all files. rows, reasons: totals by output.
    """

    step: str
    key: str
    identity: dict[str, Any]
    shards: int
    digest: str
    buckets: int
    bytes: int
    rows: dict[str, int]
    reasons: dict[str, dict[str, int]]
    table: TableRef


def marker_name(folder: str, key: str) -> str:
    """Return the name of the marker that the shard with this content key is finished."""
    return f"{folder}/shards/{key}.json"


def read_marker(store: Store, folder: str, key: str) -> dict[str, Any] | None:
    """Return the marker of a finished shard; None where there is none (`gc` may have removed it) or where it is cut."""
    try:
        return store.read_json(marker_name(folder, key))
    except (CorruptFile, FileNotFoundError, DamagedObject):
        return None


def manifest_name(step: Step) -> str:
    return f"{step.folder}/manifests/{step.key}.json"


def table_of(manifest: str) -> str:
    """Return the name of the table of the step with this manifest."""
    return f"{manifest.removesuffix('.json')}.parquet"


def costs_of(manifest: str) -> str:
    """Return the name of the costs of the step with this manifest."""
    return table_of(manifest).replace("/manifests/", "/costs/")


def load_manifest(store: Store, name: str) -> Manifest:
    """Read a manifest that exists. Raises CorruptFile where it is damaged."""
    content = store.read_final_json(name)
    if "table" not in content:
        raise CorruptFile(name, store.uri(name), "it is no manifest of this release")
    folder = name.rpartition("/manifests/")[0]
    table = TableRef(store, folder, table_of(name), **content.pop("table"))
    return Manifest(**content, table=table)


def read_manifest(store: Store, step: Step, sizes: Mapping[str, int] | None = None) -> Manifest | None:
    """Return the manifest of a finished step; None where there is none, where it is corrupt, or where a file that it
    lists is missing or has another size. `sizes` is the listing of the step's folder, where it was made already."""
    name = manifest_name(step)
    if sizes is None:
        with store.listing(f"{step.folder}/manifests"):
            there = store.exists(name)
    else:
        there = name.removeprefix(f"{step.folder}/") in sizes
    if not there:
        return None
    try:
        manifest = load_manifest(store, name)
        return None if damaged_files(store, manifest, sizes) else manifest
    except CorruptFile as error:
        log.warning("%s; the step is looked at as unfinished", error)
        return None


def damaged_files(store: Store, manifest: Manifest, sizes: Mapping[str, int] | None = None) -> list[str]:
    """Return the files of a step that are missing or have another size, relative to its folder."""
    folder, table = manifest.table.folder, ShardTable(manifest.table)
    if sizes is None and "/" not in folder:  # one published folder, and no other
        key, _ = table.shard(0)
        sizes = {f"{key}/{name}": size for name, size in store.sizes(f"{folder}/{key}").items()}
    elif sizes is None:
        sizes = store.sizes(folder)
    shards = table.shards()
    return [name for key, marker in shards for name, size, _ in listed_files(marker, key) if sizes.get(name) != size]


def shards_of(store: Store, source: Step | InputFiles) -> Sequence[Shard]:
    """Return every shard of a finished step, or of raw input."""
    if isinstance(source, InputFiles):
        return [input_shard(store, source, i) for i in range(len(source.rows))]
    return ShardList(load_manifest(store, manifest_name(source)).table)


def input_shard(store: Store, source: InputFiles, index: int) -> Shard:
    """Return a row of raw input as a shard: a table of its `files`, where it has several, else of itself."""
    row = source.rows[index]
    rows = {"part": pa.Table.from_pylist(row.get("files") or [row])}
    return Shard(store, "", source.name, index, len(source.rows), None, rows)


def output_folder(store: Store, step: Step) -> str:
    """Return the folder with what a finished step has made: of one that is published, the folder for people."""
    if not step.stage.published:
        return step.folder
    return f"{step.folder}/{shards_of(store, step)[0].key}"


def write_manifest(
    store: Store,
    step: Step,
    shards: Iterator[tuple[bytes, bytes, dict]],
    digest: bytes,
    seconds: float,
    scratch: str,
) -> dict[str, int]:
    """Write what a finished step consists of: table, costs, and the manifest last; return the rows of each output.

    `shards` are key, digest and marker of each, in order, and `digest` is that of all. `seconds` is the wall clock of
    the run that finished it.
    """
    name, totals = manifest_name(step), _Totals(step.stage.outputs)
    with store.writing(table_of(name), scratch=scratch) as path:
        table = write_table(path, step.stage.outputs, totals.added(shards))
    columns = [pa.array(np.asarray(totals.costs[field.name]), field.type, safe=False) for field in COSTS]
    run = {"wall_seconds": seconds, "input_bytes": input_bytes(step)}
    costs = pa.table(columns, schema=COSTS).replace_schema_metadata({"totals": json.dumps(run)})
    with store.writing(costs_of(name), durable=False, scratch=scratch) as path:
        pq.write_table(costs, path)
    content = {"step": step.name, "key": step.key, "identity": step.identity, "digest": digest.hex(), "table": table}
    store.write_json(name, {**content, **totals.fields()}, indent=1, scratch=scratch)
    return totals.rows


def write_published_manifest(
    store: Store, step: Step, key: str, marker: dict, steps: dict[str, str], scratch: str
) -> None:
    """Write the manifest of a published folder: its files with checksums, and exactly what it was made from."""
    shard = {name: marker[name] for name in ("outputs", "files")}
    content = {"step": step.name, "key": key, "identity": step.configuration, "shards": [shard], "steps": steps}
    store.write_json(f"{step.folder}/{key}/manifest.json", content, indent=1, scratch=scratch)


class _Totals:
    """Sums over the shards of a step."""

    def __init__(self, outputs: Any):
        self.rows = dict.fromkeys(sorted(outputs), 0)
        self.reasons: dict[str, dict[str, int]] = {}
        self.shards = self.bytes = self.buckets = 0
        self.costs = {field.name: array("d") for field in COSTS}

    def added(self, shards: Iterator[tuple[bytes, bytes, dict]]) -> Iterator[tuple[bytes, bytes, dict]]:
        """Pass shards on while they are added up."""
        for shard in shards:
            marker = shard[-1]
            self.shards += 1
            for name, values in self.costs.items():
                values.append(marker["cost"][name])
            for name, output in marker["outputs"].items():
                self.rows[name] += output["rows"]
                self.bytes += output["bytes"]
                self.buckets = max(self.buckets, output["buckets"])
                for reason, n in output["reasons"].items():
                    self.reasons.setdefault(name, {})[reason] = self.reasons.get(name, {}).get(reason, 0) + n
            self.bytes += sum(file["bytes"] for file in marker["files"].values())
            yield shard

    def fields(self) -> dict[str, Any]:
        numbers = {"shards": self.shards, "bytes": self.bytes, "buckets": self.buckets}
        return {**numbers, "rows": self.rows, "reasons": self.reasons}


def read_costs(store: Store, name: str) -> tuple[pa.Table, dict[str, Any]] | None:
    """Return the costs of the shards of a step, and totals; None where they are not known."""
    if not store.exists(name):
        return None
    try:
        with store.open(name) as file:
            table = pq.read_table(file)
        return table, json.loads(table.schema.metadata[b"totals"])
    except (ValueError, KeyError, TypeError):
        return None


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


def key_folders(store: Store) -> Iterator[str]:
    """Yield the folders of a root that have shards by content key: those of published steps have no level below."""
    for step in _subfolders(store, ""):
        if step[0] != "." and step not in ("runs", "indexes"):
            names = _subfolders(store, step)
            yield from [step] if "manifests" in names or "shards" in names else [f"{step}/{name}" for name in names]


def _subfolders(store: Store, folder: str) -> list[str]:
    return [info.base_name for info in store.list(folder) if info.type == fs.FileType.Directory]


def manifests_in(store: Store, folder: str) -> Iterator[str]:
    """Yield the names of the manifests in a folder, the latest first."""
    files = [info for info in store.list(f"{folder}/manifests") if info.extension == "json"]
    for info in sorted(files, key=lambda info: -(info.mtime_ns or 0)):
        yield f"{folder}/manifests/{info.base_name}"
