"""What a stage yields for one shard, and the files that are written from it."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from pipeline.base.errors import CorruptFile
from pipeline.store import shuffle
from pipeline.store.checksums import hash_file
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard, file_name

ROW_GROUP_ROWS = 8192
ROW_GROUP_BYTES = 32 << 20  # of Arrow tables in memory
SAMPLE_ROWS = 1000  # that decide which columns get a dictionary
ZSTD_LEVEL = 3


@dataclass(frozen=True)
class Output:
    """Rows for another output than "part", or for one bucket, or a raw file."""

    table: pa.Table | None
    name: str = "part"
    bucket: int | None = None
    data: bytes | Path | Iterator[bytes] | None = None
    link: str | None = None  # relative to the root
    digest: str | None = None  # that the linked file must have

    @classmethod
    def file(cls, name: str, data: bytes | Path | Iterator[bytes]) -> "Output":
        """A raw file `name`: with these bytes, given at once or piece by piece, or a copy of the file at this path."""
        return cls(None, name, data=data)

    @classmethod
    def copy(cls, name: str, shard: Shard, output: str = "part") -> "Output":
        """A raw file `name` with the bytes of a shard's file (a hard link on a local disk)."""
        return cls(None, name, link=shard.shard(output), digest=shard.outputs[output]["xxh3"])


class ShardWriter:
    """Writes what a stage yields for one shard. `close` moves the files into place and returns the shard's marker.

    The shard's `key` names its files. Temporary files are in folder `scratch`, which a run has for itself.
    """

    def __init__(self, store: Store, folder: str, key: str, outputs: Mapping[str, pa.Schema], scratch: str = ""):
        self._store, self._folder, self._key, self._scratch = store, folder, key, scratch or folder
        self._files: dict[str, dict] = {}
        # Tables are written to temporary files, which are moved into place together when the shard is complete.
        self._tables = {
            name: _TableWriter(schema, name, store.temporary_path(self._scratch)) for name, schema in outputs.items()
        }

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *error: Any) -> None:
        for table in self._tables.values():
            table.close_file()
            table.path.unlink(missing_ok=True)

    def add(self, item: pa.Table | pa.RecordBatch | Output) -> None:
        """Write rows or a raw file. Raises KeyError for an output, and TypeError for a schema, that is not declared."""
        output = item if isinstance(item, Output) else Output(item)
        if output.table is not None:
            if output.name not in self._tables:
                raise KeyError(f"no output {output.name!r} is declared; there are {sorted(self._tables)}")
            self._tables[output.name].add(output.table, output.bucket)
        elif output.link is not None:
            self._store.copy(output.link, f"{self._folder}/{self._key}/{output.name}", self._scratch)
            with self._store.open(output.link) as file:
                digest = hash_file(file)
            if digest != output.digest:
                raise CorruptFile(output.link, self._store.uri(output.link))
            self._files[output.name] = {"bytes": self._store.size(output.link), "xxh3": digest}
        else:
            assert output.data is not None
            with self._store.writing(f"{self._folder}/{self._key}/{output.name}", scratch=self._scratch) as path:
                digest = _write_and_hash(path, output.data)
                self._files[output.name] = {"bytes": path.stat().st_size, "xxh3": digest}

    def close(self) -> dict[str, Any]:
        """Move the tables into place.

        Returns {"outputs": {name: {rows, bytes, xxh3, reasons, buckets}}, "files": {name: {bytes, xxh3}}}.
        """
        outputs = {}
        for name, table in self._tables.items():
            table.close()
            with open(table.path, "rb") as file:
                digest = hash_file(file)
            outputs[name] = {"bytes": table.path.stat().st_size, "xxh3": digest, **table.counts()}
        for name, output in outputs.items():
            target = f"{self._folder}/{file_name(name, self._key, output)}"
            self._store.move_into_place(self._tables[name].path, target)
        return {"outputs": outputs, "files": self._files}


class _TableWriter:
    """One file: Parquet in row groups of a bounded size, or a file of buckets."""

    def __init__(self, schema: pa.Schema, name: str, path: Path):
        self.schema, self.name, self.path = schema, name, path
        self.rows = 0
        self.reasons: dict[str, int] = {}  # rows by the value of the column "rule", where the schema has one
        self._buffered: list[pa.Table] = []
        self._buffered_bytes = 0
        self._parquet: pq.ParquetWriter | None = None
        self._shuffled: shuffle.BucketWriter | None = None

    def add(self, rows: pa.Table | pa.RecordBatch, bucket: int | None) -> None:
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
        if not table.schema.equals(self.schema):
            raise TypeError(
                f"output {self.name!r}: schema differs from the declared one:\n{table.schema}\n{self.schema}"
            )
        if not table.num_rows:
            return
        self.rows += table.num_rows
        if "rule" in self.schema.names:
            for entry in table["rule"].value_counts().to_pylist():
                if entry["values"] is not None:
                    self.reasons[entry["values"]] = self.reasons.get(entry["values"], 0) + entry["counts"]
        if bucket is None:
            self._buffered.append(table)
            self._buffered_bytes += table.nbytes
            buffered_rows = sum(buffered.num_rows for buffered in self._buffered)
            if self._buffered_bytes >= ROW_GROUP_BYTES or buffered_rows >= ROW_GROUP_ROWS:
                self._write_row_group()
        else:
            self._shuffled = self._shuffled or shuffle.BucketWriter(self.path, self.schema)
            self._shuffled.add(table, bucket)
        if self._shuffled and (self._buffered or self._parquet):
            raise TypeError(f"output {self.name!r}: some rows are for a bucket and some are not")

    def _write_row_group(self) -> None:
        """Write the buffered tables as one row group."""
        table = pa.concat_tables([self.schema.empty_table(), *self._buffered])
        self._buffered, self._buffered_bytes = [], 0
        self._parquet = self._parquet or pq.ParquetWriter(
            self.path,
            self.schema,
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            use_dictionary=_repetitive_columns(table),
            write_page_checksum=True,
        )
        if table.num_rows:
            self._parquet.write_table(table, row_group_size=table.num_rows)

    def close(self) -> None:
        """Write what is buffered and finish the file."""
        if self._shuffled:
            self._shuffled.close()
        else:
            self._write_row_group()
            assert self._parquet is not None
            self._parquet.close()

    def close_file(self) -> None:
        """Close the file as it is, or leave it closed."""
        if self._parquet and self._parquet.is_open:
            self._parquet.close()
        if self._shuffled:
            self._shuffled.close_file()

    def counts(self) -> dict[str, Any]:
        """Rows, reasons and buckets, as the shard's marker has them."""
        return {
            "rows": self.rows,
            "reasons": dict(sorted(self.reasons.items())),
            "buckets": self._shuffled.buckets if self._shuffled else 0,
        }


def _repetitive_columns(table: pa.Table) -> list[str]:
    """Columns worth a dictionary, judged by the first rows: one of distinct values only costs time, to readers too."""
    sample = table.slice(0, SAMPLE_ROWS)
    return [
        f"{name}.list.element" if pa.types.is_list(column.type) else name
        for name, column in zip(sample.column_names, sample.columns, strict=True)
        if pa.types.is_list(column.type) or 2 * pc.count_distinct(column).as_py() <= sample.num_rows
    ]


def _write_and_hash(path: Path, data: bytes | Path | Iterable[bytes]) -> str:
    """Write bytes, pieces of bytes, or the bytes of another file; returns their xxh3 hash."""
    if isinstance(data, Path):
        shutil.copyfile(data, path)
        with open(path, "rb") as copied:
            return hash_file(copied)
    hasher = xxhash.xxh3_128()
    with open(path, "wb") as file:
        for piece in [data] if isinstance(data, bytes) else data:
            hasher.update(piece)
            file.write(piece)
    return hasher.hexdigest()
