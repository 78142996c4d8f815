"""Folders of shards: the only code that knows file systems and Parquet.

`root/<step>/<key>/` holds `part-00000.parquet ...` (or `.arrows`, for what is shuffled by bucket: `shuffle.py`), one
marker a finished shard in `shards/`, and, written last, `manifest.json`. A folder with a manifest is complete. Files
appear whole or not at all: written beside and renamed on a local disk, one PUT on an object store. Everything but costs
(`cost.json`) is a function of the step's identity alone.
"""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash
from pyarrow import fs

from pipeline.base.errors import UserError
from pipeline.store import shuffle

_TEMPORARY = ".tmp-"  # begins the name of what is not whole yet
_ROW_GROUP_ROWS = 8192
_ROW_GROUP_BYTES = 32 << 20


class Store:
    """A root folder, local or on S3 (`s3://bucket/prefix`), named by paths relative to it."""

    def __init__(self, root: str | Path):
        self.root = str(root) if "://" in str(root) else str(Path(root).absolute())
        try:
            remote: tuple[Any, str] | None = fs.FileSystem.from_uri(self.root) if "://" in self.root else None
        except (pa.ArrowInvalid, OSError) as error:
            raise UserError(f"ROOT={root}: not a folder that can be used ({error})") from error
        self._fs, self._base = remote or (fs.LocalFileSystem(), self.root)
        if self.local and os.path.isfile(self.root):
            raise UserError(f"ROOT={root}: a file, not a folder; give another ROOT")

    def __reduce__(self):
        return Store, (self.root,)

    @property
    def local(self) -> bool:
        return isinstance(self._fs, fs.LocalFileSystem)

    def path(self, name: str) -> str:
        return f"{self._base}/{name}" if name else self._base

    def uri(self, name: str) -> str:
        """What a user types to look at `name`."""
        return f"{self.root}/{name}"

    def exists(self, name: str) -> bool:
        return self.info(name).type != fs.FileType.NotFound

    def info(self, name: str) -> fs.FileInfo:
        return self._fs.get_file_info(self.path(name))

    def size(self, name: str) -> int:
        """Bytes; -1 when there is no such file."""
        info = self.info(name)
        return info.size if info.type == fs.FileType.File else -1

    def list(self, name: str = "") -> list[fs.FileInfo]:
        """Entries directly below `name`, sorted by name; empty when there is none."""
        found = self._fs.get_file_info(fs.FileSelector(self.path(name), allow_not_found=True))
        return sorted(found, key=lambda info: info.path)

    def open(self, name: str) -> pa.NativeFile:
        return self._fs.open_input_file(self.path(name))

    def read_json(self, name: str) -> Any:
        with self.open(name) as file:
            return json.loads(file.read())

    def write(self, name: str, data: bytes, lasting: bool = True) -> None:
        with self.writing(name, lasting) as path:
            path.write_bytes(data)

    def write_json(self, name: str, value: Any, indent: int | None = None, lasting: bool = True) -> None:
        """`indent` for what people read: it takes Python's slow encoder."""
        data = json.dumps(value, indent=indent, sort_keys=True, ensure_ascii=False).encode() + b"\n"
        self.write(name, data, lasting)

    @contextlib.contextmanager
    def writing(self, name: str, lasting: bool = True) -> Iterator[Path]:
        """A local path to write to; it becomes `name` at once when the block ends well, and is removed when not."""
        temporary = self.scratch(os.path.dirname(name))
        try:
            yield temporary
            self.publish(temporary, name, lasting)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def scratch(self, folder: str) -> Path:
        """A path for a local file that is to become one of `folder`: beside it on a local disk."""
        where = self.path(folder) if self.local else tempfile.gettempdir()
        os.makedirs(where, exist_ok=True)
        return Path(where, f"{_TEMPORARY}{uuid.uuid4().hex}")

    def publish(self, temporary: Path, name: str, lasting: bool = True) -> None:
        """Make a local file, at a `scratch` path, `name`; where it is `lasting`, a power failure does not cut it."""
        target = self.path(name)
        if self.local:
            if lasting:
                with open(temporary, "rb") as file:
                    os.fsync(file.fileno())
            os.replace(temporary, target)
        else:
            with open(temporary, "rb") as source, self._fs.open_output_stream(target) as sink:
                shutil.copyfileobj(source, sink, 8 << 20)
            temporary.unlink()

    def copy(self, source: str, target: str) -> None:
        """`target` has the bytes of `source`: a hard link on a local disk, a copy elsewhere."""
        if not self.local:
            return self._fs.copy_file(self.path(source), self.path(target))
        with self.writing(target) as temporary:
            try:
                os.link(self.path(source), temporary)
            except OSError:  # a file system without hard links
                shutil.copyfile(self.path(source), temporary)

    def delete(self, name: str) -> None:
        self._fs.delete_dir(self.path(name))

    def sweep(self, name: str) -> None:
        """Remove what killed writers left in `name` and below (call it with the lock held)."""
        for folder, inside, files in os.walk(self.path(name)) if self.local else ():
            for left in [entry for entry in inside if entry.startswith(_TEMPORARY)]:
                shutil.rmtree(f"{folder}/{left}")
                inside.remove(left)
            for left in [entry for entry in files if entry.startswith(_TEMPORARY)]:
                os.unlink(f"{folder}/{left}")

    def lock(self, name: str) -> "contextlib.AbstractContextManager | None":
        """An exclusive lock on folder `name`, None while another run has it. It ends with the process, however.

        Object stores have no locks: two runs there waste work and write the same bytes.
        """
        if not self.local:
            return contextlib.nullcontext()
        folder = Path(self.path(name))
        folder.mkdir(parents=True, exist_ok=True)
        handle = open(folder / ".lock", "a")  # noqa: SIM115 - closed by the caller's `with`
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return None
        return handle


def file_name(output: str, index: int, said: dict) -> str:
    """The file of an output of shard `index`, of which its marker says `said`."""
    return f"{output}-{index:05d}.{'arrows' if said.get('buckets') else 'parquet'}"


@dataclass(frozen=True)
class Part:
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
    def of(cls, table: pa.Table, index: int = 0, count: int = 1, **others: pa.Table) -> "Part":
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

    def _shuffled(self, name: str) -> bool:
        """Is it a file of buckets? A shard without rows for any bucket has an empty table instead."""
        said = self.outputs.get(name, {})
        if self.bucket is not None and said.get("rows") and not said["buckets"]:
            raise AssertionError(f"{self.shard(name)}: read by bucket, and written without")
        return bool(said.get("buckets"))

    def _read(self, file: pa.NativeFile, columns: list[str] | None, name: str) -> pa.RecordBatchStreamReader:
        said = self.outputs[name]
        head = self.heads.get(name) or shuffle.head(file, said["bytes"], said["buckets"])
        self.heads[name] = head
        return shuffle.read(file, said["bytes"], said["buckets"], self.bucket, columns, head)

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


def together(*parts: tuple[Part, list[str] | None]) -> pa.Table:
    """The columns of aligned sidecars side by side.

    Raises AssertionError where ids differ: rows are never paired by luck.
    """
    joined = _with_id(*parts[0])
    for part, columns in parts[1:]:
        table = paired(joined["id"], part, columns)
        for name in table.column_names:
            if name not in joined.column_names:
                joined = joined.append_column(table.schema.field(name), table[name])
    return joined


def paired(ids: pa.ChunkedArray, part: Part, columns: list[str] | None = None) -> pa.Table:
    """The columns (all, or these and `id`) of a sidecar of documents with these ids, in this order.

    Raises AssertionError where ids differ: rows are never paired by luck.
    """
    table = _with_id(part, columns)
    if not table["id"].equals(ids):
        raise AssertionError(f"{part.folder or 'sidecar'} shard {part.index}: ids differ from those beside it")
    return table


def _with_id(part: Part, columns: list[str] | None) -> pa.Table:
    return part.table(None if columns is None else list(dict.fromkeys(["id", *columns])))


@dataclass(frozen=True)
class Out:
    """Rows for another output than "part", or for one bucket, or a raw file."""

    table: pa.Table | None
    name: str = "part"
    bucket: int | None = None
    data: bytes | Path | Iterator[bytes] | None = None
    link: str | None = None  # relative to the root

    @classmethod
    def file(cls, name: str, data: bytes | Path | Iterator[bytes]) -> "Out":
        """A raw file `name` with these bytes, at once or piece by piece (or a copy of the file at this path)."""
        return cls(None, name, data=data)

    @classmethod
    def copy(cls, name: str, source: str) -> "Out":
        """A raw file `name` with the bytes of `source`, a file relative to the root (no copy on a local disk)."""
        return cls(None, name, link=source)


class ShardWriter:
    """Writes what a stage yields for one shard. `close` publishes all of it and returns the shard's marker."""

    def __init__(self, store: Store, folder: str, index: int, outputs: dict[str, pa.Schema]):
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

    def add(self, item: pa.Table | pa.RecordBatch | Out) -> None:
        out = item if isinstance(item, Out) else Out(item)
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
