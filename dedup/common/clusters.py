"""What exact and near deduplication share: rows on their way to partitions, and the way back to their shards."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.common.selections import Remaining
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

# Members of clusters of two and more, in the partition of their shard.
CLUSTERS = pa.schema(
    [
        ("row", pa.int64()),  # in the shard
        ("duplicate_of", pa.string()),  # the document that stays; null for that document
        ("similarity", pa.float64()),  # to it, verified; null for that document
        ("cluster", pa.string()),  # id of the document that stays
        ("cluster_size", pa.int64()),  # documents, those that members represent already included
    ]
)
OVERSIZED = pa.schema(
    [("rule", pa.string()), ("id", pa.string()), ("value", pa.float64()), ("threshold", pa.float64())]
)
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


def to_shard(ids: pa.ChunkedArray, before: Remaining, clusters: pa.Table) -> dict[str, pa.Array]:
    """Return columns `duplicate_of`, `similarity`, `cluster`, `cluster_size` for all d documents of a shard.

    `clusters` (schema CLUSTERS) has the members of clusters of two and more; every other document is a cluster of its
    own, of the size that it had before.
    """
    position = np.full(len(ids), -1, np.int64)
    position[clusters["row"].to_numpy()] = np.arange(clusters.num_rows)
    alone = pa.array(position < 0)
    members = pc.take(clusters, pa.array(position, mask=position < 0))
    return {
        "duplicate_of": members["duplicate_of"],
        "similarity": members["similarity"],
        "cluster": pc.if_else(alone, ids, members["cluster"]),
        "cluster_size": pc.if_else(alone, pa.array(before.cluster_size), members["cluster_size"]),
    }
