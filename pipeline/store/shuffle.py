"""Files of buckets: what one shard of a step wrote for each task of the next step.

    schema | batches of bucket 0 | batches of bucket 1 | ... | end of stream | P + 1 offsets (uint64, little-endian)

An Arrow IPC stream (`.arrows`) with the bounds of its buckets behind it: a bucket costs a read of 16 bytes and one of
its rows, however many buckets there are, and an empty one 8 bytes of index. Bodies are compressed with LZ4, as they are
read about as often as written. Whatever reads Arrow streams reads the whole file.
"""

import shutil
import struct
from itertools import accumulate
from pathlib import Path

import pyarrow as pa

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_OFFSET = 8


class BucketWriter:
    """Writes tables of one schema, each for a bucket, to a local file. Holds 3 numbers a table in memory."""

    def __init__(self, path: Path, schema: pa.Schema):
        self._path, self._head = path, schema.serialize().size
        self._file = pa.OSFile(str(path), "wb")
        self._stream = pa.ipc.new_stream(self._file, schema, options=_OPTIONS)
        self._spills: list[tuple[int, int, int]] = []  # bucket, first byte, end
        self.buckets = 0

    def add(self, table: pa.Table, bucket: int) -> None:
        """Rows of a bucket, behind those that it has."""
        start = max(self._file.tell(), self._head)
        self._stream.write_table(table)
        self._spills.append((bucket, start, self._file.tell()))
        self.buckets = max(self.buckets, bucket + 1)

    def close(self) -> None:
        """Finish the file: buckets in their order, the index behind them."""
        self.abandon()
        ordered = sorted(self._spills, key=lambda spill: spill[0])
        if ordered != self._spills:
            self._reorder([(0, 0, self._head), *ordered, (0, self._spills[-1][2], self._path.stat().st_size)])
        sizes = [0] * self.buckets
        for bucket, start, end in ordered:
            sizes[bucket] += end - start
        with open(self._path, "ab") as file:
            file.write(struct.pack(f"<{self.buckets + 1}Q", *accumulate(sizes, initial=self._head)))

    def _reorder(self, pieces: list[tuple[int, int, int]]) -> None:
        other = self._path.with_suffix(".ordered")
        with open(self._path, "rb") as source, open(other, "wb") as sink:
            for _, start, end in pieces:
                source.seek(start)
                sink.write(source.read(end - start))
        shutil.move(other, self._path)

    def abandon(self) -> None:
        """Close the file as it is (or leave it closed)."""
        if not self._file.closed:
            self._stream.close()
            self._file.close()


def head(file: pa.NativeFile, size: int, buckets: int) -> bytes:
    """The schema as it stands in a file of `size` bytes: the same in every file of a step's output."""
    (end,) = struct.unpack("<Q", file.read_at(_OFFSET, size - _OFFSET * (buckets + 1)))
    return file.read_at(end, 0)


def read(
    file: pa.NativeFile, size: int, buckets: int, bucket: int | None, columns: list[str] | None, schema: bytes
) -> pa.RecordBatchStreamReader:
    """Rows of one bucket (None: of all, in the order of buckets) of a file of `size` bytes; `schema` is its `head`."""
    low, high = 0, 0
    if bucket is not None and bucket < buckets:
        low, high = struct.unpack("<2Q", file.read_at(2 * _OFFSET, size - _OFFSET * (buckets + 1 - bucket)))
    file.seek(0)  # where Arrow begins to read a stream
    source = file if bucket is None else pa.py_buffer(schema + file.read_at(high - low, low))
    names = pa.ipc.read_schema(pa.py_buffer(schema)).names if columns is not None else []
    fields = None if columns is None else [names.index(name) for name in columns]
    return pa.ipc.open_stream(source, options=pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False))
