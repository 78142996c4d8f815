"""Files of buckets: what one shard of a step writes for each task of the next step.

    schema | batches of bucket 0 | batches of bucket 1 | ... | end of stream | index: P + 1 entries

An Arrow IPC stream (`.arrows`) followed by an index. An entry (the first one is the schema's) has the range of bytes of
the schema or of a bucket, the xxh3 of these bytes, and the xxh3 of the entry itself, so that a reader of one bucket
verifies what it reads and nothing else. To read a bucket costs a read of 32 bytes and a read of its rows, however many
buckets there are. Rows are compressed with LZ4, as they are read about as often as they are written. Any reader of
Arrow streams reads the file.
"""

import os
import shutil
import struct
from itertools import accumulate, pairwise
from pathlib import Path

import pyarrow as pa
import xxhash

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
ENTRY_BYTES = 32


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
        ends = [self._schema_bytes] * (self.buckets + 1)  # of the schema, and of each bucket
        for bucket, start, end in by_bucket:
            ends[bucket + 1] += end - start
        ends[1:] = [end - self._schema_bytes for end in ends[1:]]
        bounds = [0, *accumulate(ends)]
        with open(self._path, "r+b") as file:
            entries = []
            for number, (start, end) in enumerate(pairwise(bounds)):
                file.seek(start)
                entries.append(_pack_entry(number, start, end, file.read(end - start)))
            file.seek(0, os.SEEK_END)
            file.write(b"".join(entries))

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


def _pack_entry(number: int, start: int, end: int, data: bytes) -> bytes:
    fields = struct.pack("<3Q", start, end, xxhash.xxh3_64_intdigest(data))
    return fields + struct.pack("<Q", xxhash.xxh3_64_intdigest(fields, seed=number))


def _read_entry(file: pa.NativeFile, size: int, buckets: int, number: int) -> bytes:
    """Return the bytes of entry `number` (0: the schema). Raises ValueError where a checksum differs."""
    entry = file.read_at(ENTRY_BYTES, size - ENTRY_BYTES * (buckets + 1 - number))
    if len(entry) != ENTRY_BYTES:
        raise ValueError("it is cut")
    start, end, digest, check = struct.unpack("<4Q", entry)
    if xxhash.xxh3_64_intdigest(entry[:-8], seed=number) != check:
        raise ValueError("a checksum of its index differs")
    data = file.read_at(end - start, start)
    if xxhash.xxh3_64_intdigest(data) != digest:
        raise ValueError("a checksum differs")
    return data


def read_schema(file: pa.NativeFile, size: int, buckets: int) -> bytes:
    """Return the serialized schema of a file of `size` bytes. It is the same in every file of a step's output.

    Raises ValueError where a checksum differs.
    """
    return _read_entry(file, size, buckets, 0)


def read_bucket(
    file: pa.NativeFile, size: int, buckets: int, bucket: int | None, columns: list[str] | None, schema: bytes
) -> pa.RecordBatchStreamReader:
    """Return the rows of one bucket of a file of `size` bytes; with bucket None, those of all buckets in their order.

    `schema` is what `read_schema` returns; `columns` None reads all. Raises ValueError where a checksum differs.
    """
    numbers = range(buckets) if bucket is None else [bucket] if bucket < buckets else []
    rows = [_read_entry(file, size, buckets, number + 1) for number in numbers]
    fields = None
    if columns is not None:
        names = pa.ipc.read_schema(pa.py_buffer(schema)).names
        fields = [names.index(name) for name in columns]
    options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
    return pa.ipc.open_stream(pa.py_buffer(b"".join([schema, *rows])), options=options)
