"""Which near duplicates are kept: one walk over the documents, best first, against those kept so far.

The walk compares a document with the *kept* documents that share a band with it, by their exact Jaccard similarity. It
drops the document if one of them is at least as similar as the threshold asks.
"""

from typing import NamedTuple

import numpy as np

from dedup.near.lsh import count_bits
from dedup.near.shingles import jaccard
from pipeline.kernels.njit import njit

MAX_KEPT_PER_BAND = 1000  # kept documents that one band leads to
KEPT = np.dtype(
    [
        ("document", np.int64),
        ("start", np.int64),  # its shingles are shingles[start:end] of the walk's memory
        ("end", np.int64),
        ("compared_with", np.int64),  # the last document that it was compared with: a pair may share several bands
    ]
)
NODE = np.dtype([("kept", np.int32), ("next", np.int32)])  # of the linked list of a band; next is -1 at the end
COUNTS = np.dtype(
    [
        ("nodes", np.int64),  # entries in use of each array
        ("kept", np.int64),
        ("shingles", np.int64),
        ("full_bands", np.int64),  # times that a band was full, so that it does not lead to a kept document
    ]
)


class Documents(NamedTuple):
    """The n documents of a partition in the order (component, keep order).

    bands: (m,) int32, the bands of all documents that others of the component have too, numbered from 0.
    first: (n + 1,) int64; the bands of document i are bands[first[i]:first[i + 1]].
    sketch: (n, 2) uint64.
    band_count: number of different bands.
    """

    bands: np.ndarray
    first: np.ndarray
    sketch: np.ndarray
    band_count: int


class Memory(NamedTuple):
    """What the walk remembers of the kept documents of a component.

    head: (band_count,) int32, the first node of each band's linked list of kept documents; -1 without one.
    length: (band_count,) int32, how long that list is.
    nodes: NODE records; kept: KEPT records; shingles: uint64 hashes. The entries in use are counted in `counts`.
    counts: one COUNTS record.
    """

    head: np.ndarray
    length: np.ndarray
    nodes: np.ndarray
    kept: np.ndarray
    shingles: np.ndarray
    counts: np.ndarray


class Decisions(NamedTuple):
    """What the walk decided of each of n documents.

    representative: (n,) int64, the kept document that a dropped one duplicates; -1 for a kept document.
    similarity: (n,) float64, Jaccard similarity to the representative; 0 for a kept document.
    """

    representative: np.ndarray
    similarity: np.ndarray


class GreedyKeep:
    """The walk over a partition. Only the shingles of the kept documents of one component are in memory.

    A band leads to the first `MAX_KEPT_PER_BAND` documents kept with it: large families of pages of one template, which
    are similar but below the threshold, would cost the square of their size otherwise. `full_bands` counts what that
    left out. Pairs whose sketches differ in more than `max_distance` bits are not compared.
    """

    def __init__(self, documents: Documents, threshold: float, max_distance: int):
        n, count = len(documents.sketch), documents.band_count
        self.documents, self.threshold, self.max_distance = documents, threshold, max_distance
        self.decisions = Decisions(np.full(n, -1, np.int64), np.zeros(n))
        lists = np.full(count, -1, np.int32), np.zeros(count, np.int32)
        self.memory = Memory(*lists, np.empty(0, NODE), np.empty(0, KEPT), np.empty(0, np.uint64), np.zeros(1, COUNTS))

    @property
    def full_bands(self) -> int:
        """Times that a band was full, so that it does not lead to a kept document."""
        return int(self.memory.counts["full_bands"][0])

    def walk(self, begin: int, shingles: np.ndarray, bounds: np.ndarray, new_component: bool) -> None:
        """Decide on documents begin, begin + 1, ... in order; a call may have whole components, or a part of one.

        `shingles` (uint64) and `bounds` are their sorted shingle sets; `new_component`: the first document begins one.
        """
        counts = self.memory.counts
        if new_component:
            counts["nodes"] = counts["kept"] = counts["shingles"] = 0
        n, first = len(bounds) - 1, self.documents.first
        self.memory = self.memory._replace(
            nodes=_with_capacity(self.memory.nodes, counts["nodes"][0], int(first[begin + n] - first[begin])),
            kept=_with_capacity(self.memory.kept, counts["kept"][0], n),
            shingles=_with_capacity(self.memory.shingles, counts["shingles"][0], len(shingles)),
        )
        _walk(
            begin, shingles, bounds, self.documents, self.threshold, self.max_distance, self.memory, self.decisions
        )  # fmt: skip


def _with_capacity(array: np.ndarray, used: int, more: int) -> np.ndarray:
    """Return an array with space for `more` entries after the first `used`, which are copied; it at least doubles."""
    if used + more <= len(array):
        return array
    larger = np.empty(max(int(used) + more, 2 * int(used)), array.dtype)
    larger[:used] = array[:used]
    return larger


@njit(cache=True, nogil=True)
def _walk(begin, shingles, bounds, documents, threshold, max_distance, memory, decisions):
    first, sketch, kept = documents.first, documents.sketch, memory.kept
    for i in range(len(bounds) - 1):
        d = begin + i
        own = shingles[bounds[i] : bounds[i + 1]]
        best, best_similarity = -1, threshold
        for b in range(first[d], first[d + 1]):
            node = memory.head[documents.bands[b]]
            while node >= 0:
                k, node = memory.nodes[node].kept, memory.nodes[node].next
                if kept[k].compared_with == d:
                    continue
                kept[k].compared_with = d
                other = kept[k].document
                distance = count_bits(sketch[d, 0] ^ sketch[other, 0]) + count_bits(sketch[d, 1] ^ sketch[other, 1])
                if distance > max_distance:
                    continue
                similarity = jaccard(own, memory.shingles[kept[k].start : kept[k].end], best_similarity)
                if similarity > best_similarity or (similarity == best_similarity and (best < 0 or k < best)):
                    best, best_similarity = k, similarity
        if best >= 0:
            decisions.representative[d], decisions.similarity[d] = kept[best].document, best_similarity
        else:
            _keep(d, own, documents, memory)


@njit(cache=True, nogil=True)
def _keep(d, own, documents, memory):
    """Remember document d, and put it into the lists of its bands."""
    counts = memory.counts[0]
    k, start = counts.kept, counts.shingles
    memory.kept[k].document, memory.kept[k].compared_with = d, -1
    memory.kept[k].start, memory.kept[k].end = start, start + len(own)
    memory.shingles[start : start + len(own)] = own
    counts.kept, counts.shingles = k + 1, start + len(own)
    for b in range(documents.first[d], documents.first[d + 1]):
        band = documents.bands[b]
        if memory.length[band] >= MAX_KEPT_PER_BAND:
            counts.full_bands += 1
            continue
        memory.nodes[counts.nodes].kept, memory.nodes[counts.nodes].next = k, memory.head[band]
        memory.head[band] = counts.nodes
        counts.nodes += 1
        memory.length[band] += 1
