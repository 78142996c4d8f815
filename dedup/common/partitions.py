"""Rows on their way to partitions: numbers of documents, the shuffle by hash, and the way back to the shards."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import xxhash

from pipeline.store.shard import Shard
from pipeline.store.writer import Output

READERS = 16  # requests of a task to an object store at a time
ROW_BITS = 32  # a document's number is shard << 32 | row


def numbers(shard: int, rows: np.ndarray) -> np.ndarray:
    """(d,) int64 numbers of documents, unique in the corpus. A shard holds fewer than 2**32 rows, there are < 2**31."""
    return np.int64(shard) << ROW_BITS | rows.astype(np.int64)


def in_buckets(table: pa.Table, bucket: np.ndarray) -> Iterator[Output]:
    """The rows of `table`, each in its bucket (d,), in the order they have."""
    order = np.argsort(bucket, kind="stable")
    found, first = np.unique(bucket[order], return_index=True)
    table = table.take(pa.array(order))
    for b, low, high in zip(found, first, np.append(first, len(order))[1:], strict=True):
        yield Output(table.slice(low, high - low), bucket=int(b))


def concat(parts: list[Shard], schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """The same bucket of all shards as one table, in the order of the shards, single chunks."""
    empty = schema.empty_table().select(columns) if columns else schema.empty_table()
    return pa.concat_tables([empty, *_tables(parts, columns)]).combine_chunks()


def _tables(parts: list[Shard], columns: list[str] | None) -> list[pa.Table]:
    """Several at once from an object store, whose answers take their time."""
    if all(part.store is None or part.store.local for part in parts):
        return [part.table(columns) for part in parts]
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(lambda part: part.table(columns), parts))


def dump_hashes(dumps: pa.ChunkedArray) -> np.ndarray:
    """(d,) uint64, equal for documents of one dump; null is a dump of its own."""
    coded = dumps.combine_chunks().dictionary_encode(null_encoding="encode")
    names = [repr(name).encode() for name in coded.dictionary.to_pylist()]
    return np.array([xxhash.xxh3_64_intdigest(name) for name in names], np.uint64)[coded.indices.to_numpy()]


def partition_of(hashes: np.ndarray, partitions: int) -> np.ndarray:
    """(d,) int64 partition of each uint64 hash, by its prefix: the i-th of `partitions` equal ranges."""
    return ((hashes >> np.uint64(32)) * np.uint64(partitions) >> np.uint64(32)).astype(np.int64)
