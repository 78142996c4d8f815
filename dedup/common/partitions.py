"""The shuffle of rows by hash: numbers of documents, partitions of hashes, and reading a partition of all shards."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from pipeline.store.shard import Shard
from pipeline.store.writer import Output

CONCURRENT_READS = 16  # requests that a task has under way at an object store
ROW_BITS = 32  # a document's number is shard << 32 | row
_ROW_MASK = (1 << ROW_BITS) - 1


def document_numbers(shard: int, rows: np.ndarray) -> np.ndarray:
    """Return numbers of documents that are unique in the corpus, (d,) int64.

    A shard has fewer than 2^32 rows, and there are fewer than 2^31 shards.
    """
    return np.int64(shard) << ROW_BITS | rows.astype(np.int64)


def row_of(numbers: np.ndarray) -> np.ndarray:
    """Return the row in its shard of each document number."""
    return numbers & _ROW_MASK


def shard_of(numbers: np.ndarray) -> np.ndarray:
    """Return the shard of each document number."""
    return numbers >> ROW_BITS


def partition_of(hashes: np.ndarray, partitions: int) -> np.ndarray:
    """Return the partition of each uint64 hash by its prefix, (d,) int64: the i-th of `partitions` equal ranges."""
    return ((hashes >> np.uint64(32)) * np.uint64(partitions) >> np.uint64(32)).astype(np.int64)


def partition_rows(table: pa.Table, partition: np.ndarray) -> Iterator[Output]:
    """Yield the rows of `table` by their partition, (d,) int64, in the order that they have within it."""
    order = np.argsort(partition, kind="stable")
    numbers, first = np.unique(partition[order], return_index=True)
    table = table.take(pa.array(order))
    for number, low, high in zip(numbers, first, np.append(first, len(order))[1:], strict=True):
        yield Output(table.slice(low, high - low), bucket=int(number))


def concat_shards(shards: list[Shard], schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """Return one partition of all shards as a table of single chunks, in the order of the shards."""
    empty = schema.empty_table().select(columns) if columns else schema.empty_table()
    return pa.concat_tables([empty, *_read_tables(shards, columns)]).combine_chunks()


def concat_documents(shards: list[Shard], schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """Return what `concat_shards` does, `doc` being the number of the document in the corpus.

    In the files it is the row in the shard, so that what is written of a shard does not depend on how many are before.
    """
    empty = schema.empty_table().select(columns) if columns else schema.empty_table()
    place = empty.schema.get_field_index("doc")
    tables = [empty]
    for shard, table in zip(shards, _read_tables(shards, columns), strict=True):
        numbers = pc.add(table["doc"], pa.scalar(shard.index << ROW_BITS, pa.int64()))
        tables.append(table.set_column(place, empty.schema.field(place), numbers))
    return pa.concat_tables(tables).combine_chunks()


def _read_tables(shards: list[Shard], columns: list[str] | None) -> list[pa.Table]:
    """Read tables, several at once from an object store, where a request takes long to be answered."""
    if all(shard.store is None or shard.store.local for shard in shards):
        return [shard.table(columns) for shard in shards]
    with ThreadPoolExecutor(CONCURRENT_READS) as pool:
        return list(pool.map(lambda shard: shard.table(columns), shards))


def dump_hashes(dumps: pa.ChunkedArray) -> np.ndarray:
    """Return a hash of the dump of each document, (d,) uint64. Documents without one are a dump of their own."""
    coded = dumps.combine_chunks().dictionary_encode(null_encoding="encode")
    names = [repr(name).encode() for name in coded.dictionary.to_pylist()]
    return np.array([xxhash.xxh3_64_intdigest(name) for name in names], np.uint64)[coded.indices.to_numpy()]
