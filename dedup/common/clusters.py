"""Clusters of duplicates: the way back to the shards of their members, and alarms for large ones."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.common.selections import Remaining
from pipeline.store.writer import Output

# Members of clusters of two and more, in the partition of their shard. The representative is the member that is kept.
CLUSTERS = pa.schema(
    [
        ("row", pa.int64()),  # in the shard
        ("duplicate_of", pa.string()),  # id of the representative; null for the representative itself
        ("similarity", pa.float64()),  # verified, to the representative; null for the representative itself
        ("cluster", pa.string()),  # id of the representative
        ("cluster_size", pa.int64()),  # documents, with those that the members represented before
    ]
)
# Alarms: clusters, components and bands that are larger than a threshold says.
OVERSIZED = pa.schema(
    [("rule", pa.string()), ("id", pa.string()), ("value", pa.float64()), ("threshold", pa.float64())]
)


def shard_clusters(ids: pa.ChunkedArray, before: Remaining, clusters: pa.Table) -> dict[str, pa.Array]:
    """Return columns `duplicate_of`, `similarity`, `cluster` and `cluster_size` for the d documents of a shard.

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


def alarms(ids: pa.ChunkedArray, sizes: np.ndarray, threshold: int, rule: str) -> Output:
    """Return output "alarms" with a row for every id whose size reaches the threshold."""
    large = np.flatnonzero(sizes >= threshold)
    count = len(large)
    columns = [pa.array([rule] * count, pa.string()), ids.take(pa.array(large)), sizes[large].astype(float)]
    return Output(pa.table([*columns, np.full(count, float(threshold))], schema=OVERSIZED), name="alarms")
