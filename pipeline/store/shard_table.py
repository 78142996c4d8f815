"""The shards of a finished step as a Parquet table: one row a shard, read by row groups and columns.

    key      content key, which names the shard's files
    digest   of everything in them
    files    raw files as JSON, null where there are none
    <output>.rows, .bytes, .xxh3, .buckets, .reasons (JSON)   of each table that the step writes

A reader needs the footer, whose hash the manifest has, and the row groups of the shards it asks for, whose pages have
checksums: 330,000 shards cost a task what the ones that it reads cost.
"""

import functools
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, overload

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from pipeline.base.errors import CorruptFile, DamagedObject
from pipeline.store.checksums import unreadable_is_corrupt
from pipeline.store.filesystem import Store
from pipeline.store.shard import DIGEST_BYTES, KEY_BYTES, Shard

ROW_GROUP_SHARDS = 2048
FOOTER_TAIL_BYTES = 8  # length of the footer, and PAR1
_NUMBERS = {"rows": pa.int64(), "bytes": pa.int64(), "buckets": pa.int32()}


def content_digest(marker: Mapping[str, Any]) -> bytes:
    """Return the digest of everything that a shard consists of, DIGEST_BYTES: what reads it depends on nothing else."""
    outputs = [[name, output["xxh3"], output["buckets"]] for name, output in sorted(marker["outputs"].items())]
    files = [[name, file["xxh3"]] for name, file in sorted(marker["files"].items())]
    return hashlib.sha256(json.dumps([outputs, files]).encode()).digest()[:DIGEST_BYTES]


def write_table(path: Path, outputs: Iterable[str], shards: Iterator[tuple[bytes, bytes, dict]]) -> dict[str, Any]:
    """Write key, digest and marker of each shard; return {"bytes", "footer_bytes", "footer_xxh3"} of the file."""
    outputs = sorted(outputs)
    schema = _schema(outputs)
    options: Any = {"compression": "zstd", "write_page_checksum": True, "write_statistics": False}
    with pq.ParquetWriter(path, schema, use_dictionary=False, **options) as writer:
        while group := [_row(*shard) for shard in islice(shards, ROW_GROUP_SHARDS)]:
            writer.write_table(pa.Table.from_pylist(group, schema))
    size = path.stat().st_size
    with pa.OSFile(str(path)) as file:
        footer_bytes = int.from_bytes(file.read_at(4, size - FOOTER_TAIL_BYTES), "little") + FOOTER_TAIL_BYTES
        footer = file.read_at(footer_bytes, size - footer_bytes)
    return {"bytes": size, "footer_bytes": footer_bytes, "footer_xxh3": xxhash.xxh3_128_hexdigest(footer)}


def _schema(outputs: Iterable[str]) -> pa.Schema:
    fields = [("key", pa.binary(KEY_BYTES)), ("digest", pa.binary(DIGEST_BYTES)), ("files", pa.string())]
    for name in outputs:
        fields += [(f"{name}.{field}", kind) for field, kind in _NUMBERS.items()]
        fields += [(f"{name}.xxh3", pa.binary(16)), (f"{name}.reasons", pa.string())]
    return pa.schema(fields)


def _row(key: bytes, digest: bytes, marker: dict) -> dict[str, Any]:
    row = {"key": key, "digest": digest, "files": _json(marker["files"])}
    for name, output in marker["outputs"].items():
        row |= {f"{name}.{field}": output[field] for field in _NUMBERS}
        row[f"{name}.xxh3"] = bytes.fromhex(output["xxh3"])
        row[f"{name}.reasons"] = _json(output["reasons"])
    return row


def _json(value: Mapping[str, Any]) -> str | None:
    """Return JSON with sorted keys, null for an empty mapping: a worker has its marker in another order than a file."""
    return json.dumps(value, sort_keys=True) if value else None


@dataclass(frozen=True)
class TableRef:
    """Where the table of a finished step is, and the hash of its footer: all that a task is sent of it."""

    store: Store
    folder: str
    name: str
    bytes: int
    footer_bytes: int
    footer_xxh3: str


class ShardTable:
    """The table as the driver reads it: digests of all shards, markers by number, with their reasons or without."""

    def __init__(self, ref: TableRef, with_reasons: bool = False):
        self.ref, self._with_reasons = ref, with_reasons
        try:
            with ref.store.open(ref.name, ref.bytes) as file:
                footer = file.read_at(ref.footer_bytes, ref.bytes - ref.footer_bytes)
        except (FileNotFoundError, DamagedObject) as error:
            raise CorruptFile(ref.name, ref.store.uri(ref.name), "it is missing or cut") from error
        if xxhash.xxh3_128_hexdigest(footer) != ref.footer_xxh3:
            raise CorruptFile(ref.name, ref.store.uri(ref.name))
        self._metadata = pq.read_metadata(pa.BufferReader(footer))
        self.count: int = self._metadata.num_rows
        names = self._metadata.schema.to_arrow_schema().names
        self._outputs = [name.removesuffix(".xxh3") for name in names if name.endswith(".xxh3")]
        self._columns = [name for name in names if with_reasons or not name.endswith(".reasons")]
        self._group = functools.lru_cache(2)(self._read_group)

    def column(self, name: str) -> bytes:
        """Return the values of a column of fixed width, `key` or `digest`, one after the other."""
        return _fixed_bytes(self._read(range(self._metadata.num_row_groups), [name])[name])

    def shard(self, index: int) -> tuple[str, dict[str, Any]]:
        """Return key and marker of a shard."""
        return self._group(index // ROW_GROUP_SHARDS)[index % ROW_GROUP_SHARDS]

    def shards(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield key and marker of every shard."""
        for group in range(self._metadata.num_row_groups):
            yield from self._read_group(group)

    def _read_group(self, group: int) -> list[tuple[str, dict[str, Any]]]:
        table = self._read([group], self._columns)
        keys, files = _hex(table["key"]), table["files"].to_pylist()
        outputs = [self._entries(table, name) for name in self._outputs]
        return [
            (key, {"outputs": dict(zip(self._outputs, entries, strict=True)), "files": json.loads(raw) if raw else {}})
            for key, raw, *entries in zip(keys, files, *outputs, strict=True)
        ]

    def _entries(self, table: pa.Table, name: str) -> list[dict[str, Any]]:
        """Return what the markers of all shards of a row group have of an output."""
        columns = [table[f"{name}.{field}"].to_pylist() for field in _NUMBERS]
        fields = [*_NUMBERS, "xxh3"]
        entries = [
            dict(zip(fields, row, strict=True)) for row in zip(*columns, _hex(table[f"{name}.xxh3"]), strict=True)
        ]
        if self._with_reasons:
            for entry, reasons in zip(entries, table[f"{name}.reasons"].to_pylist(), strict=True):
                entry["reasons"] = json.loads(reasons) if reasons else {}
        return entries

    def _read(self, groups: Iterable[int], columns: list[str] | None) -> pa.Table:
        ref = self.ref
        options: Any = {"page_checksum_verification": True, "pre_buffer": True}
        with unreadable_is_corrupt(ref.store, ref.name), ref.store.open(ref.name, ref.bytes) as file:
            parquet = pq.ParquetFile(file, metadata=self._metadata, **options)
            return parquet.read_row_groups(list(groups), columns, use_threads=False)


class ShardList(Sequence[Shard]):
    """All shards of a finished step, or one partition of each. Rows are read when they are asked for.

    Tasks are sent where the table is, not the rows. Raises CorruptFile where the table is not what was written.
    """

    def __init__(self, ref: TableRef, bucket: int | None = None):
        self._ref, self._bucket = ref, bucket
        self._heads: dict[str, bytes] = {}

    def __reduce__(self):
        return ShardList, (self._ref, self._bucket)

    @functools.cached_property
    def _table(self) -> ShardTable:
        return ShardTable(self._ref)

    def __len__(self) -> int:
        return self._table.count

    @overload
    def __getitem__(self, index: int) -> Shard: ...
    @overload
    def __getitem__(self, index: slice) -> list[Shard]: ...
    def __getitem__(self, index: int | slice) -> Shard | list[Shard]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        key, marker = self._table.shard(index)
        place = (self._ref.store, self._ref.folder, key, index, len(self))
        return Shard(*place, self._bucket, {}, marker["outputs"], marker["files"], self._heads)


def _fixed_bytes(column: pa.ChunkedArray) -> bytes:
    """Return the values of a column of fixed width, one after the other."""
    parts = []
    for chunk in column.chunks:
        width = chunk.type.byte_width
        parts.append(chunk.buffers()[1].to_pybytes()[chunk.offset * width : (chunk.offset + len(chunk)) * width])
    return b"".join(parts)


def _hex(column: pa.ChunkedArray) -> list[str]:
    text, width = _fixed_bytes(column).hex(), 2 * column.type.byte_width
    return [text[i : i + width] for i in range(0, len(text), width)]
