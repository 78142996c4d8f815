"""A shard of an input, read when asked."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.store import shuffle
from pipeline.store.filesystem import Store


def file_name(output: str, index: int, said: dict) -> str:
    """The file of an output of shard `index`, of which its marker says `said`."""
    return f"{output}-{index:05d}.{'arrows' if said.get('buckets') else 'parquet'}"


@dataclass(frozen=True)
class Shard:
    """One shard of an input, read when asked. `bucket` narrows every table to that bucket's rows."""

    store: Store | None = None
    folder: str = ""
    index: int = 0
    count: int = 1
    bucket: int | None = None
    tables: dict[str, Any] = field(default_factory=dict)  # held in memory instead: raw inputs, and tests
    outputs: dict[str, dict] = field(default_factory=dict)  # what the shard's marker says of each
    heads: dict[str, bytes] = field(default_factory=dict, compare=False)  # schemas read before, of all shards

    @classmethod
    def of(cls, table: pa.Table, index: int = 0, count: int = 1, **others: pa.Table) -> "Shard":
        return cls(index=index, count=count, tables={"part": table, **others})

    def table(self, columns: list[str] | None = None, name: str = "part") -> pa.Table:
        """All rows, or those of the bucket."""
        if name in self.tables:
            return self.tables[name].select(columns) if columns else self.tables[name]
        with self._open(name) as file:
            if self._shuffled(name):
                return self._read(file, columns, name).read_all()
            return pq.ParquetFile(file).read(columns, use_threads=False)  # a task has one core

    def batches(
        self, columns: list[str] | None = None, name: str = "part", rows: int = 4096
    ) -> Iterator[pa.RecordBatch]:
        """The same rows in batches of at most `rows`, one row group or batch of the file in memory at a time."""
        if name in self.tables:
            yield from self.table(columns, name).to_batches(max_chunksize=rows)
            return
        with self._open(name) as file:
            if self._shuffled(name):
                for batch in self._read(file, columns, name):
                    yield from pa.Table.from_batches([batch]).to_batches(max_chunksize=rows)
            else:
                yield from pq.ParquetFile(file).iter_batches(rows, columns=columns, use_threads=False)

    def rows(self, name: str = "part") -> int:
        """Row count, from the marker or the footer."""
        if name in self.tables:
            return self.tables[name].num_rows
        if self.bucket is not None:
            return self.table(name=name).num_rows
        if name in self.outputs:
            return self.outputs[name]["rows"]
        with self._open(name) as file:
            return pq.ParquetFile(file).metadata.num_rows

    def columns(self) -> list[str]:
        """Names of the main table's columns."""
        if "part" in self.tables:
            return self.tables["part"].column_names
        with self._open("part") as file:
            return pq.ParquetFile(file).schema_arrow.names

    def has(self, name: str) -> bool:
        """Return whether the step writes an output `name`."""
        return name in self.tables or name in self.outputs

    def _shuffled(self, name: str) -> bool:
        """Is it a file of buckets? A shard without rows for any bucket has an empty table instead."""
        said = self.outputs.get(name, {})
        if self.bucket is not None and said.get("rows") and not said["buckets"]:
            raise AssertionError(f"{self.shard(name)}: read by bucket, and written without")
        return bool(said.get("buckets"))

    def _read(self, file: pa.NativeFile, columns: list[str] | None, name: str) -> pa.RecordBatchStreamReader:
        said = self.outputs[name]
        head = self.heads.get(name) or shuffle.read_schema(file, said["bytes"], said["buckets"])
        self.heads[name] = head
        return shuffle.read_bucket(file, said["bytes"], said["buckets"], self.bucket, columns, head)

    def file(self, name: str) -> Path:
        """A raw file of the same step, as a local path (fetched from an object store once)."""
        assert self.store is not None
        if self.store.local:
            return Path(self.store.path(f"{self.folder}/{name}"))
        local = Path(tempfile.gettempdir()) / "corpus-files" / self.folder / name
        if not local.exists():
            local.parent.mkdir(parents=True, exist_ok=True)
            with (
                Store(local.parent).writing(name.rpartition("/")[2]) as path,
                self.store.open(f"{self.folder}/{name}") as source,
                open(path, "wb") as sink,
            ):
                shutil.copyfileobj(source, sink, 8 << 20)
        return local

    def shard(self, name: str) -> str:
        """The file of output `name`, relative to the root."""
        return f"{self.folder}/{file_name(name, self.index, self.outputs.get(name, {}))}"

    def _open(self, name: str) -> pa.NativeFile:
        assert self.store is not None
        return self.store.open(self.shard(name))
