"""Near duplicates: candidates are compared by their complete shingle sets, and the best documents are kept.

    near_candidates -> near_clusters -> drop_near_duplicates

Documents are taken in the keep order, best first. One is dropped if and only if an earlier *kept* document is its
candidate (`dedup.near.components`) and their exact Jaccard similarity is at least the threshold; of several such
documents it is a duplicate of the most similar, the first among equals. So every dropped document is verified to be
similar to the one that is kept, and no chain of neighbours drops anything. The result does not depend on shards or
partitions.
"""

import os
import tempfile
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.common.clusters import CLUSTERS, OVERSIZED, alarms, shard_clusters
from dedup.common.partitions import concat_shards, partition_rows, row_of, shard_of
from dedup.common.selections import read_selection, selection_table
from dedup.near.candidates import BUFFER_BYTES, CANDIDATES
from dedup.near.greedy import Documents, GreedyKeep
from dedup.near.lsh import band_hashes_of, mixed_hashes, sketch_halves
from dedup.near.minhash import max_sketch_distance
from pipeline.runner.stage import selection as selection_stage
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

_METADATA = [name for name in CANDIDATES.names if name != "shingles"]


@stage(version=1, outputs={"part": CLUSTERS, "alarms": OVERSIZED})
def near_clusters(
    candidates: list[Shard], *, bands: int = 14, rows: int = 8, threshold: float = 0.8, alarm: int = 1000
) -> Iterator[Output]:
    """Write the members of every cluster of one partition, in the partition of their shard.

    Memory: bands and ids of the partition's documents (some 600 bytes each with 14 bands), and the shingles of those
    kept in one component; all others are read once, in order, from a temporary file. `alarms` has a row for every
    cluster and every component of `alarm` documents or more, and for bands that lead to more kept documents than are
    compared.

    Args:
        bands: Number of bands of the signature.
        rows: MinHash values a band.
        threshold: Jaccard similarity of shingle sets from which two documents are near duplicates.
        alarm: Size in documents from which a cluster or component is reported as too large to pass unseen.
    """
    metadata = concat_shards(candidates, CANDIDATES, _METADATA)
    order = pc.sort_indices(metadata, sort_keys=[(name, "ascending") for name in ("component", "order", "id")])
    metadata = metadata.take(order).combine_chunks()
    component = metadata["component"].to_numpy()
    keep = GreedyKeep(_documents(metadata), threshold, max_sketch_distance(threshold, bands, rows))
    with _SpilledShingles(candidates, order.to_numpy()) as spilled:
        for low, high, new_component in _batches(component, spilled.sizes):
            keep.walk(low, *spilled.read(low, high), new_component)
    yield from _cluster_tables(metadata, keep, alarm)


def _documents(metadata: pa.Table) -> Documents:
    """Return the documents with the bands that several of their component share."""
    component = metadata["component"].to_numpy()
    hashes, owner = band_hashes_of(metadata["bands"])
    _, number, size = np.unique(hashes ^ mixed_hashes(component)[owner], return_inverse=True, return_counts=True)
    shared = size[number] > 1
    renumbered = np.cumsum(size > 1, dtype=np.int32) - 1
    first = np.zeros(len(component) + 1, np.int64)
    first[1:] = np.cumsum(np.bincount(owner[shared], minlength=len(component)))
    sketch = np.column_stack(sketch_halves(metadata["sketch"]))
    return Documents(renumbered[number[shared]].astype(np.int32), first, sketch, int((size > 1).sum()))


def _batches(component: np.ndarray, sizes: np.ndarray) -> Iterator[tuple[int, int, bool]]:
    """Yield (low, high, whether a component begins at low): complete components, or parts of one.

    `sizes` are the bytes of shingles of each document; a batch has some `BUFFER_BYTES` of them.
    """
    begins = np.append(np.flatnonzero(np.diff(component, prepend=-1)), len(component))
    total = np.append(0, np.cumsum(sizes))
    low = 0
    while low < len(component):
        limit = max(low + 1, int(np.searchsorted(total, total[low] + BUFFER_BYTES, side="right")) - 1)
        last_begin = int(begins[np.searchsorted(begins, limit, side="right") - 1])
        high = last_begin if last_begin > low else limit
        yield low, high, bool(low == 0 or component[low] != component[low - 1])
        low = high


class _SpilledShingles:
    """Shingle sets of a partition in a temporary file, read back in the keep order.

    sizes: bytes of each document's set, in that order.
    """

    def __init__(self, candidates: list[Shard], order: np.ndarray):
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        lengths = [np.zeros(0, np.int64)]
        for shard in candidates:
            for batch in shard.batches(["shingles"]):
                array = batch["shingles"]
                ends = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
                lengths.append(np.diff(ends))
                self._file.write(memoryview(array.buffers()[2] or b"")[ends[0] : ends[-1]])
        self._file.flush()
        sizes = np.concatenate(lengths)
        self._start, self.sizes = (np.cumsum(sizes) - sizes)[order], sizes[order]

    def __enter__(self) -> "_SpilledShingles":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def read(self, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
        """Return shingles (uint64) and bounds of documents low to high."""
        bounds = np.append(0, np.cumsum(self.sizes[low:high]))
        out = bytearray(bounds[-1])
        view = memoryview(out)
        for start, a, b in zip(self._start[low:high].tolist(), bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            if os.preadv(self._file.fileno(), [view[a:b]], start) != b - a:
                raise OSError("the temporary file of shingles is truncated")
        return np.frombuffer(out, np.uint64), bounds // 8


def _cluster_tables(metadata: pa.Table, keep: GreedyKeep, alarm: int) -> Iterator[Output]:
    """Yield the members of clusters of two and more in the partition of their shard, and the alarms."""
    n, decisions = metadata.num_rows, keep.decisions
    representative = np.where(decisions.representative < 0, np.arange(n), decisions.representative)
    members, size = np.bincount(representative, minlength=n), np.zeros(n, np.int64)
    np.add.at(size, representative, metadata["copies"].to_numpy())
    rows = np.flatnonzero(members[representative] > 1)
    dropped = pa.array(decisions.representative[rows] >= 0)
    cluster = metadata["id"].take(pa.array(representative[rows]))
    duplicate_of = pc.if_else(dropped, cluster, pa.scalar(None, pa.string()))
    similarity = pc.if_else(dropped, pa.array(decisions.similarity[rows]), pa.scalar(None, pa.float64()))
    doc = metadata["doc"].to_numpy()[rows]
    columns = [row_of(doc), duplicate_of, similarity, cluster, size[representative[rows]]]
    yield from partition_rows(pa.table(columns, schema=CLUSTERS), shard_of(doc))
    yield alarms(metadata["id"], np.where(members > 1, size, 0), alarm, "large_near_cluster")
    _, first, documents = np.unique(metadata["component"].to_numpy(), return_index=True, return_counts=True)
    ids = metadata["id"].take(pa.array(first))
    yield alarms(ids, documents, alarm, "large_component")
    yield alarms(ids[:1], np.array([keep.full_bands])[: len(ids)], 1, "full_bands")


@selection_stage(version=3, relation="like")
def drop_near_duplicates(
    pages: Shard, clusters: list[Shard], selection: Shard | None = None, *, threshold: float = 0.8
) -> Iterator[pa.Table]:
    """Drop every document that was verified to be similar to a kept one. `value` is the exact Jaccard similarity.

    Args:
        threshold: Jaccard similarity of shingle sets from which two documents are near duplicates.
    """
    ids = pages.table(["id"])["id"]
    before = read_selection(ids, selection)
    columns = shard_clusters(ids, before, concat_shards(clusters, CLUSTERS))
    columns["value"] = columns.pop("similarity")
    dropped = pc.is_valid(columns["duplicate_of"]).to_numpy()
    yield selection_table(ids, before, dropped, stage="near", rule="near_duplicate", threshold=threshold, **columns)
