"""Near duplicates: candidates compared by their whole shingle sets, and who stays.

    near_candidates -> near_clusters -> drop_near_duplicates

Documents are taken in the keep order, best first. One is removed if and only if an earlier *kept* document is its
candidate (`dedup.near.lsh`) and their exact Jaccard similarity is at least the threshold; of several such documents
it is a duplicate of the most similar, the first among equals. So every removed document is verified similar to the one
that stays, and no chain of neighbours removes anything. The answer does not depend on shards or partitions.
"""

import os
import tempfile
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.common.clusters import CLUSTERS, OVERSIZED, alarms, to_shard
from dedup.common.partitions import ROW_BITS, concat, in_buckets
from dedup.common.selections import read_selection, selection_table
from dedup.near.gather import GATHERED, HELD
from dedup.near.greedy import Greedy
from dedup.near.lsh import banded, sketch_words, spread
from dedup.near.minhash import sketch_cut
from pipeline.runner.stage import selection as selection_stage
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

_LIGHT = [name for name in GATHERED.names if name != "shingles"]


@stage(version=1, outputs={"part": CLUSTERS, "alarms": OVERSIZED})
def near_clusters(
    candidates: list[Shard], *, bands: int = 14, rows: int = 8, threshold: float = 0.8, alarm: int = 1000
) -> Iterator[Output]:
    """One partition: members of every cluster of two and more, in the bucket of their shard.

    Memory: bands and ids of the partition's documents (some 600 bytes each with 14 bands), and the shingles of those
    kept in one component; all others are read once, in order, from a file beside. `alarms` has a row for every cluster
    and every component of `alarm` documents or more, and for bands that led to more kept documents than are looked at.

    Args:
        bands: Number of bands of the signature.
        rows: MinHash values a band.
        threshold: Jaccard similarity of shingle sets from which two documents are near duplicates.
        alarm: Size in documents from which a cluster or component is reported as too large to pass unseen.
    """
    light = concat(candidates, GATHERED, _LIGHT)
    order = pc.sort_indices(light, sort_keys=[(name, "ascending") for name in ("component", "order", "id")])
    light = light.take(order).combine_chunks()
    component = light["component"].to_numpy()
    groups, first, count = _shared_bands(light["bands"], component)
    sketch = np.column_stack(sketch_words(light["sketch"]))
    greedy = Greedy(groups, first, count, sketch, threshold, sketch_cut(threshold, bands, rows))
    with _Spilled(candidates, order.to_numpy()) as spilled:
        for low, high, fresh in _pieces(component, spilled.sizes):
            greedy.walk(low, *spilled.read(low, high), fresh)
    yield from _elected(light, greedy, alarm)


def _shared_bands(column: pa.ChunkedArray, component: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Bands that several documents of a component share, numbered: of all documents in order, bounds, how many."""
    hashes, owner = banded(column)
    _, number, size = np.unique(hashes ^ spread(component)[owner], return_inverse=True, return_counts=True)
    shared = size[number] > 1
    renumbered = np.cumsum(size > 1, dtype=np.int32) - 1
    first = np.zeros(len(component) + 1, np.int64)
    first[1:] = np.cumsum(np.bincount(owner[shared], minlength=len(component)))
    return renumbered[number[shared]].astype(np.int32), first, int((size > 1).sum())


def _pieces(component: np.ndarray, sizes: np.ndarray) -> Iterator[tuple[int, int, bool]]:
    """(first, end, does a component begin there): whole components, or pieces of one, of some 64 MB of shingles."""
    new = np.append(np.flatnonzero(np.diff(component, prepend=-1)), len(component))
    total = np.append(0, np.cumsum(sizes))
    low = 0
    while low < len(component):
        most = max(low + 1, int(np.searchsorted(total, total[low] + HELD, side="right")) - 1)
        whole = int(new[np.searchsorted(new, most, side="right") - 1])  # last beginning of a component up to `most`
        high = whole if whole > low else most
        yield low, high, bool(low == 0 or component[low] != component[low - 1])
        low = high


class _Spilled:
    """Shingle sets of a partition in a scratch file, read back in keep order."""

    def __init__(self, parts: list[Shard], order: np.ndarray):
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        lengths = [np.zeros(0, np.int64)]
        for part in parts:
            for batch in part.batches(["shingles"]):
                array = batch["shingles"]
                ends = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
                lengths.append(np.diff(ends))
                self._file.write(memoryview(array.buffers()[2] or b"")[ends[0] : ends[-1]])
        self._file.flush()
        sizes = np.concatenate(lengths)
        self._start, self.sizes = (np.cumsum(sizes) - sizes)[order], sizes[order]

    def __enter__(self) -> "_Spilled":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def read(self, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
        """Shingles (uint64) and bounds of documents low to high."""
        bounds = np.append(0, np.cumsum(self.sizes[low:high]))
        out = bytearray(bounds[-1])
        view = memoryview(out)
        for start, a, b in zip(self._start[low:high].tolist(), bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            if os.preadv(self._file.fileno(), [view[a:b]], start) != b - a:
                raise OSError("the scratch file of shingles is cut short")
        return np.frombuffer(out, np.uint64), bounds // 8


def _elected(light: pa.Table, greedy: Greedy, alarm: int) -> Iterator[Output]:
    """Clusters of two and more by shard, and the alarms."""
    n = light.num_rows
    stays = np.where(greedy.stays < 0, np.arange(n), greedy.stays)
    members, size = np.bincount(stays, minlength=n), np.zeros(n, np.int64)
    np.add.at(size, stays, light["copies"].to_numpy())
    chosen = np.flatnonzero(members[stays] > 1)
    removed = pa.array(greedy.stays[chosen] >= 0)
    cluster = light["id"].take(pa.array(stays[chosen]))
    duplicate_of = pc.if_else(removed, cluster, pa.scalar(None, pa.string()))
    similarity = pc.if_else(removed, pa.array(greedy.similarity[chosen]), pa.scalar(None, pa.float64()))
    doc = light["doc"].to_numpy()[chosen]
    columns = [doc & ((1 << ROW_BITS) - 1), duplicate_of, similarity, cluster, size[stays[chosen]]]
    yield from in_buckets(pa.table(columns, schema=CLUSTERS), doc >> ROW_BITS)
    yield alarms(light["id"], np.where(members > 1, size, 0), alarm, "large_near_cluster")
    _, first, documents = np.unique(light["component"].to_numpy(), return_index=True, return_counts=True)
    ids = light["id"].take(pa.array(first))
    yield alarms(ids, documents, alarm, "large_component")
    yield alarms(ids[:1], greedy.used[3:4][: len(ids)], 1, "full_bands")


@selection_stage(version=3, relation="like")
def drop_near_duplicates(
    pages: Shard, clusters: list[Shard], selection: Shard | None = None, *, threshold: float = 0.8
) -> Iterator[pa.Table]:
    """Drop every document that a kept one was verified similar to. `value` is the true Jaccard similarity.

    Args:
        threshold: Jaccard similarity of shingle sets from which two documents are near duplicates.
    """
    ids = pages.table(["id"])["id"]
    before = read_selection(ids, selection)
    columns = to_shard(ids, before, concat(clusters, CLUSTERS))
    columns["value"] = columns.pop("similarity")
    dropped = pc.is_valid(columns["duplicate_of"]).to_numpy()
    yield selection_table(ids, before, dropped, stage="near", rule="near_duplicate", threshold=threshold, **columns)
