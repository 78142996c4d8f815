"""Clusters of duplicates: how they come back to the shards of their members, and alarms for large ones."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.common.selections import Remaining
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


def alarms(ids: pa.ChunkedArray, sizes: np.ndarray, bound: int, rule: str) -> Output:
    """Rows of `alarms` for every id whose size is at or over `bound`."""
    large = np.flatnonzero(sizes >= bound)
    n = len(large)
    columns = [pa.array([rule] * n, pa.string()), ids.take(pa.array(large)), sizes[large].astype(float)]
    return Output(pa.table([*columns, np.full(n, float(bound))], schema=OVERSIZED), name="alarms")
