"""A shard of an input, read when asked, its bytes compared with the checksums of its marker."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.store import shuffle
from pipeline.store.checksums import open_verified, unreadable_is_corrupt
from pipeline.store.filesystem import Store


def file_name(output: str, key: str, entry: Mapping[str, Any]) -> str:
    """Return the file of an output of the shard with this key; `entry` is what the shard's marker has of it."""
    return f"{output}-{key}.{'arrows' if entry.get('buckets') else 'parquet'}"


def listed_files(marker: Mapping[str, Any], key: str) -> Iterator[tuple[str, int, str]]:
    """Yield the files of a shard, relative to its step's folder, with size and xxh3 as the marker has them."""
    for name, output in marker["outputs"].items():
        yield file_name(name, key, output), output["bytes"], output["xxh3"]
    for name, file in marker["files"].items():
        yield f"{key}/{name}", file["bytes"], file["xxh3"]


KEY_BYTES = 12  # of a content key: 24 hex digits
DIGEST_BYTES = 16  # of everything that a shard consists of
NO_INDEX = -1  # of a shard whose reader must not depend on its number


@dataclass(frozen=True)
class Shard:
    """One shard of an input, read when asked. `bucket` narrows every table to that bucket's rows.

    A file is compared with the checksum in the shard's marker when a process first opens it: a Parquet file as a whole
    (it is read once for that, and parsed from memory), of a file of buckets the bucket that is read. Every method that
    reads raises CorruptFile where a checksum differs.

    `key` names its files. `index` is its number among all `count` shards of its step, NO_INDEX where the stage that
    reads it is not told.
    """

    store: Store | None = None
    folder: str = ""
    key: str = ""
    index: int = 0
    count: int = 1
    bucket: int | None = None
    tables: dict[str, Any] = field(default_factory=dict)  # held in memory instead: raw inputs, and tests
    outputs: dict[str, dict] = field(default_factory=dict)  # by name: rows, bytes, checksum ... of the shard's marker
    files: dict[str, dict] = field(default_factory=dict)  # raw files by name: bytes and checksum
    heads: dict[str, bytes] = field(default_factory=dict, compare=False)  # schemas read before, of all shards

    @classmethod
    def of(cls, table: pa.Table, index: int = 0, count: int = 1, **others: pa.Table) -> "Shard":
        return cls(index=index, count=count, tables={"part": table, **others})

    def table(self, columns: list[str] | None = None, name: str = "part") -> pa.Table:
        """Return all rows, or those of the bucket."""
        if name in self.tables:
            return self.tables[name].select(columns) if columns else self.tables[name]
        if self._shuffled(name):
            return self._read_bucket(columns, name).read_all()
        with self._open_verified(name) as file:
            return pq.ParquetFile(file).read(columns, use_threads=False)  # a task has one core

    def batches(
        self, columns: list[str] | None = None, name: str = "part", rows: int = 4096
    ) -> Iterator[pa.RecordBatch]:
        """Yield the same rows in batches of at most `rows`."""
        if name in self.tables:
            yield from self.table(columns, name).to_batches(max_chunksize=rows)
        elif self._shuffled(name):
            for batch in self._read_bucket(columns, name):
                yield from pa.Table.from_batches([batch]).to_batches(max_chunksize=rows)
        else:
            with self._open_verified(name) as file:
                yield from pq.ParquetFile(file).iter_batches(rows, columns=columns, use_threads=False)

    def rows(self, name: str = "part") -> int:
        """Return the number of rows, from the marker or the footer."""
        if name in self.tables:
            return self.tables[name].num_rows
        if self.bucket is not None:
            return self.table(name=name).num_rows
        if name in self.outputs:
            return self.outputs[name]["rows"]
        with self._open_verified(name) as file:
            return pq.ParquetFile(file).metadata.num_rows

    def columns(self) -> list[str]:
        """Return the names of the main table's columns."""
        if "part" in self.tables:
            return self.tables["part"].column_names
        with self._open_verified("part") as file:
            return pq.ParquetFile(file).schema_arrow.names

    def has(self, name: str) -> bool:
        """Return whether the step writes an output `name`."""
        return name in self.tables or name in self.outputs

    def _shuffled(self, name: str) -> bool:
        """Return whether it is a file of buckets. A shard without rows for any bucket has an empty table instead."""
        entry = self.outputs.get(name, {})
        if self.bucket is not None and entry.get("rows") and not entry["buckets"]:
            raise AssertionError(f"{self.shard(name)}: read by bucket, and written without")
        return bool(entry.get("buckets"))

    def _read_bucket(self, columns: list[str] | None, name: str) -> pa.RecordBatchStreamReader:
        assert self.store is not None
        entry, file_name_ = self.outputs[name], self.shard(name)
        size, buckets = entry["bytes"], entry["buckets"]
        with unreadable_is_corrupt(self.store, file_name_), self.store.open(file_name_, size) as file:
            self.heads[name] = self.heads.get(name) or shuffle.read_schema(file, size, buckets)
            return shuffle.read_bucket(file, size, buckets, self.bucket, columns, self.heads[name])

    def _open_verified(self, name: str) -> pa.NativeFile:
        assert self.store is not None
        entry = self.outputs.get(name)
        return open_verified(self.store, self.shard(name), entry) if entry else self.store.open(self.shard(name))

    def file(self, name: str) -> Path:
        """Return a raw file of the same step as a local path (fetched from an object store once)."""
        assert self.store is not None
        if name in self.files:
            open_verified(self.store, self.raw(name), self.files[name]).close()
        if self.store.local:
            return Path(self.store.path(self.raw(name)))
        local = Path(tempfile.gettempdir()) / "corpus-files" / self.raw(name)
        if not local.exists():
            local.parent.mkdir(parents=True, exist_ok=True)
            with (
                Store(local.parent).writing(name.rpartition("/")[2]) as path,
                self.store.open(self.raw(name)) as source,
                open(path, "wb") as sink,
            ):
                shutil.copyfileobj(source, sink, 8 << 20)
        return local

    def shard(self, name: str) -> str:
        """Return the file of output `name`, relative to the root."""
        return f"{self.folder}/{file_name(name, self.key, self.outputs.get(name, {}))}"

    def raw(self, name: str) -> str:
        """Return a raw file, relative to the root."""
        return f"{self.folder}/{self.key}/{name}"

    @property
    def label(self) -> str:
        """What messages call the shard."""
        return f"{self.folder or 'a table'}, shard {self.key or self.index}"
