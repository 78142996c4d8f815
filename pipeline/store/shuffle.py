"""Files of buckets: what one shard of a step writes for each task of the next step.

    schema | batches of bucket 0 | batches of bucket 1 | ... | end of stream | P + 1 offsets (uint64, little-endian)

An Arrow IPC stream (`.arrows`) followed by the offsets of its buckets. To read a bucket costs a read of 16 bytes and a
read of its rows, however many buckets there are; an empty bucket costs 8 bytes of the index. Rows are compressed with
LZ4, as they are read about as often as they are written. Any reader of Arrow streams can read the whole file.
"""

import shutil
import struct
from itertools import accumulate
from pathlib import Path

import pyarrow as pa

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
OFFSET_BYTES = 8


class BucketWriter:
    """Writes tables of one schema, each for one bucket, to a local file. Keeps three numbers a table in memory."""

    def __init__(self, path: Path, schema: pa.Schema):
        self._path, self._schema_bytes = path, schema.serialize().size
        self._file = pa.OSFile(str(path), "wb")
        self._stream = pa.ipc.new_stream(self._file, schema, options=_OPTIONS)
        self._written: list[tuple[int, int, int]] = []  # of each table: bucket, first byte, end
        self.buckets = 0

    def add(self, table: pa.Table, bucket: int) -> None:
        """Append rows to a bucket."""
        start = max(self._file.tell(), self._schema_bytes)
        self._stream.write_table(table)
        self._written.append((bucket, start, self._file.tell()))
        self.buckets = max(self.buckets, bucket + 1)

    def close(self) -> None:
        """Finish the file: sort the tables by bucket and append the index."""
        self.close_file()
        by_bucket = sorted(self._written, key=lambda table: table[0])
        if by_bucket != self._written:
            end_of_stream = (self._written[-1][2], self._path.stat().st_size)
            ranges = [(0, self._schema_bytes), *((start, end) for _, start, end in by_bucket), end_of_stream]
            self._reorder(ranges)
        sizes = [0] * self.buckets
        for bucket, start, end in by_bucket:
            sizes[bucket] += end - start
        with open(self._path, "ab") as file:
            file.write(struct.pack(f"<{self.buckets + 1}Q", *accumulate(sizes, initial=self._schema_bytes)))

    def _reorder(self, ranges: list[tuple[int, int]]) -> None:
        """Replace the file by these ranges of its bytes, in this order."""
        reordered = self._path.with_suffix(".ordered")
        with open(self._path, "rb") as source, open(reordered, "wb") as sink:
            for start, end in ranges:
                source.seek(start)
                sink.write(source.read(end - start))
        shutil.move(reordered, self._path)

    def close_file(self) -> None:
        """Close the file as it is, or leave it closed."""
        if not self._file.closed:
            self._stream.close()
            self._file.close()


def read_schema(file: pa.NativeFile, size: int, buckets: int) -> bytes:
    """Serialized schema of a file of `size` bytes. It is the same in every file of a step's output."""
    (end,) = struct.unpack("<Q", file.read_at(OFFSET_BYTES, size - OFFSET_BYTES * (buckets + 1)))
    return file.read_at(end, 0)


def read_bucket(
    file: pa.NativeFile, size: int, buckets: int, bucket: int | None, columns: list[str] | None, schema: bytes
) -> pa.RecordBatchStreamReader:
    """Rows of one bucket of a file of `size` bytes; with bucket None, the rows of all buckets in their order.

    `schema` is what `read_schema` returns. `columns` None reads all columns.
    """
    start, end = 0, 0
    if bucket is not None and bucket < buckets:
        offsets = file.read_at(2 * OFFSET_BYTES, size - OFFSET_BYTES * (buckets + 1 - bucket))
        start, end = struct.unpack("<2Q", offsets)
    file.seek(0)  # where Arrow begins to read a stream
    source = file if bucket is None else pa.py_buffer(schema + file.read_at(end - start, start))
    fields = None
    if columns is not None:
        names = pa.ipc.read_schema(pa.py_buffer(schema)).names
        fields = [names.index(name) for name in columns]
    return pa.ipc.open_stream(source, options=pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False))
