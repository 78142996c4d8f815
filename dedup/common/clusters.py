"""What exact and near deduplication share: rows on their way to partitions, and the way back to their shards."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.base.schema import DUPLICATES
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

# Members of clusters of two and more, in the bucket of their shard.
ELECTED = pa.schema([("row", pa.int64()), *list(DUPLICATES)[1:]])
ALARMS = pa.schema([("rule", pa.string()), ("id", pa.string()), ("value", pa.float64()), ("threshold", pa.float64())])
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


def join(ids: pa.ChunkedArray, kept: np.ndarray, copies: np.ndarray, elected: pa.Table) -> pa.Table:
    """DUPLICATES of one shard: `elected` where it has the row, else a cluster of one; no cluster for what took no part.

    ids (d,), kept (d,) bool, copies (d,) int64: documents that each one stands for already.
    """
    at = np.full(len(ids), -1, np.int64)
    at[elected["row"].to_numpy()] = np.arange(elected.num_rows)
    found = pc.take(elected, pa.array(at, mask=at < 0))
    alone = {"cluster": ids.combine_chunks(), "cluster_size": pa.array(copies)}
    missing, taking_part = pa.array(at < 0), pa.array(kept)
    columns = {"id": ids, **{name: found[name] for name in DUPLICATES.names[1:]}}
    for name, value in alone.items():
        value = pc.if_else(taking_part, value, pa.scalar(None, value.type))
        columns[name] = pc.if_else(missing, value, columns[name])
    return pa.table(columns, schema=DUPLICATES)
