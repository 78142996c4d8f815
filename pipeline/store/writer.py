"""What a stage yields for one shard, and the files that it becomes."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from pipeline.store import shuffle
from pipeline.store.filesystem import Store
from pipeline.store.shard import file_name

_ROW_GROUP_ROWS = 8192
_ROW_GROUP_BYTES = 32 << 20


@dataclass(frozen=True)
class Output:
    """Rows for another output than "part", or for one bucket, or a raw file."""

    table: pa.Table | None
    name: str = "part"
    bucket: int | None = None
    data: bytes | Path | Iterator[bytes] | None = None
    link: str | None = None  # relative to the root

    @classmethod
    def file(cls, name: str, data: bytes | Path | Iterator[bytes]) -> "Output":
        """A raw file `name` with these bytes, at once or piece by piece (or a copy of the file at this path)."""
        return cls(None, name, data=data)

    @classmethod
    def copy(cls, name: str, source: str) -> "Output":
        """A raw file `name` with the bytes of `source`, a file relative to the root (no copy on a local disk)."""
        return cls(None, name, link=source)


class ShardWriter:
    """Writes what a stage yields for one shard. `close` publishes all of it and returns the shard's marker."""

    def __init__(self, store: Store, folder: str, index: int, outputs: Mapping[str, pa.Schema]):
        self._store, self._folder, self._index = store, folder, index
        self._files: dict[str, dict] = {}
        # tables go to local scratch first; they are published together when the shard is whole
        self._tables = {name: _TableWriter(schema, name, store.scratch(folder)) for name, schema in outputs.items()}

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *error: Any) -> None:
        for table in self._tables.values():
            table.abandon()
            table.path.unlink(missing_ok=True)

    def add(self, item: pa.Table | pa.RecordBatch | Output) -> None:
        out = item if isinstance(item, Output) else Output(item)
        if out.table is not None:
            if out.name not in self._tables:
                raise KeyError(f"no output {out.name!r} is declared; there are {sorted(self._tables)}")
            self._tables[out.name].add(out.table, out.bucket)
        elif out.link is not None:
            self._store.copy(out.link, f"{self._folder}/{out.name}")
            self._files[out.name] = {"bytes": self._store.size(out.link), "xxh3": _hash_stored(self._store, out.link)}
        else:
            assert out.data is not None
            with self._store.writing(f"{self._folder}/{out.name}") as path:
                if isinstance(out.data, Path):
                    shutil.copyfile(out.data, path)
                    digest = _hash_file(path)
                else:
                    digest = _written(path, [out.data] if isinstance(out.data, bytes) else out.data)
                self._files[out.name] = {"bytes": path.stat().st_size, "xxh3": digest}

    def close(self) -> dict[str, Any]:
        """Publish the tables; returns {"outputs": {name: {rows, bytes, xxh3, reasons, buckets}}, "files": {...}}."""
        outputs = {}
        for name, table in self._tables.items():
            table.close()
            outputs[name] = {"bytes": table.path.stat().st_size, "xxh3": _hash_file(table.path), **table.said()}
        for name, said in outputs.items():
            self._store.publish(self._tables[name].path, f"{self._folder}/{file_name(name, self._index, said)}")
        return {"outputs": outputs, "files": self._files}


class _TableWriter:
    """One file: Parquet in row groups of a bounded size, or a file of buckets."""

    def __init__(self, schema: pa.Schema, name: str, path: Path):
        self.schema, self.name = schema, name
        self.rows, self.reasons = 0, {}  # type: ignore[var-annotated]
        self._held: list[pa.Table] = []
        self._size = 0  # bytes of these
        self.path = path
        self._parquet: pq.ParquetWriter | None = None
        self._shuffled: shuffle.BucketWriter | None = None

    def add(self, rows: pa.Table | pa.RecordBatch, bucket: int | None) -> None:
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
        if not table.schema.equals(self.schema):
            raise TypeError(
                f"output {self.name!r}: schema differs from the declared one:\n{table.schema}\n{self.schema}"
            )
        self.rows += table.num_rows
        if "rule" in self.schema.names and table.num_rows:
            for entry in table["rule"].value_counts().to_pylist():
                if entry["values"] is not None:
                    self.reasons[entry["values"]] = self.reasons.get(entry["values"], 0) + entry["counts"]
        if table.num_rows:
            self._write(table, bucket)

    def _write(self, table: pa.Table, bucket: int | None) -> None:
        if bucket is None:
            self._held.append(table)
            self._size += table.nbytes
            if self._size >= _ROW_GROUP_BYTES or sum(t.num_rows for t in self._held) >= _ROW_GROUP_ROWS:
                self._flush()
        else:
            self._shuffled = self._shuffled or shuffle.BucketWriter(self.path, self.schema)
            self._shuffled.add(table, bucket)
        if self._shuffled and (self._held or self._parquet):
            raise TypeError(f"output {self.name!r}: some rows are for a bucket and some are not")

    def _flush(self) -> None:
        """Write what is held as a row group."""
        table, self._held, self._size = pa.concat_tables([self.schema.empty_table(), *self._held]), [], 0
        self._parquet = self._parquet or pq.ParquetWriter(
            self.path, self.schema, compression="zstd", compression_level=3, use_dictionary=_repetitive(table)
        )
        if table.num_rows:
            self._parquet.write_table(table, row_group_size=table.num_rows)

    def close(self) -> None:
        if self._shuffled:
            self._shuffled.close()
        else:
            self._flush()
            assert self._parquet is not None
            self._parquet.close()

    def abandon(self) -> None:
        if self._parquet and self._parquet.is_open:
            self._parquet.close()
        if self._shuffled:
            self._shuffled.abandon()

    def said(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "reasons": dict(sorted(self.reasons.items())),
            "buckets": self._shuffled.buckets if self._shuffled else 0,
        }


def _repetitive(table: pa.Table) -> list[str]:
    """Columns worth a dictionary, by the first thousand rows: one of unique values only costs time, to readers too."""
    head = table.slice(0, 1000)
    return [
        f"{name}.list.element" if pa.types.is_list(column.type) else name
        for name, column in zip(head.column_names, head.columns, strict=True)
        if pa.types.is_list(column.type) or 2 * pc.count_distinct(column).as_py() <= head.num_rows
    ]


def _written(path: Path, pieces: Iterable[bytes]) -> str:
    """Write the pieces; returns their hash."""
    hasher = xxhash.xxh3_128()
    with open(path, "wb") as file:
        for piece in pieces:
            hasher.update(piece)
            file.write(piece)
    return hasher.hexdigest()


def _hash_file(path: Path) -> str:
    hasher = xxhash.xxh3_128()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


def _hash_stored(store: Store, name: str) -> str:
    hasher = xxhash.xxh3_128()
    with store.open(name) as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()
