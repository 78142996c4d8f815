"""The election of near duplicates within components: one walk in the keep order, against the documents kept so far."""

import numpy as np

from dedup.near.lsh import bits
from dedup.near.shingles import jaccard
from pipeline.kernels.njit import njit

WIDEST = 1000  # kept documents that one band leads to


class Greedy:
    """State of the walk over n documents in (component, keep order): only kept documents' shingles stay in memory.

    `groups` and `first` list the bands (numbered 0..count within component) of each document that others have too;
    `sketch` is (n, 2) uint64. A band leads to the first `WIDEST` documents kept with it: families of templates that are
    alike but below the threshold would cost the square of their size otherwise. `full` counts what this left out.
    """

    def __init__(
        self, groups: np.ndarray, first: np.ndarray, count: int, sketch: np.ndarray, threshold: float, cut: int
    ):
        self.groups, self.first, self.sketch = groups, first, sketch
        self.threshold, self.cut = threshold, cut
        self.head, self.length = np.full(count, -1, np.int32), np.zeros(count, np.int32)
        self.stays = np.full(len(sketch), -1, np.int64)  # of a removed document: the one that stays, -1 for those
        self.similarity = np.zeros(len(sketch))
        self.nodes = np.empty((0, 2), np.int32)  # (kept document, next node) of the bands' chains
        self.kept = np.empty((0, 4), np.int64)  # (document, start, end of its shingles, last document that met it)
        self.data = np.empty(0, np.uint64)
        self.used = np.zeros(4, np.int64)  # nodes, kept, data in use; bands found full

    def walk(self, begin: int, shingles: np.ndarray, bounds: np.ndarray, fresh: bool) -> None:
        """Documents begin, begin + 1, ... with their shingle sets; `fresh` when a new component begins with them.

        A call may hold several whole components, or a piece of one.
        """
        if fresh:
            self.used[:3] = 0
        n = len(bounds) - 1
        nodes = int(self.first[begin + n] - self.first[begin])
        self.nodes = _grown(self.nodes, self.used[0] + nodes, self.used[0])
        self.kept = _grown(self.kept, self.used[1] + n, self.used[1])
        self.data = _grown(self.data, self.used[2] + len(shingles), self.used[2])
        _walk(begin, shingles, bounds, self.groups, self.first, self.sketch, self.threshold, self.cut, self.head,
              self.length, self.nodes, self.kept, self.data, self.used, self.stays, self.similarity)  # fmt: skip


def _grown(array: np.ndarray, wanted: int, used: int) -> np.ndarray:
    """Room for `wanted` rows, doubling, with the first `used` rows kept."""
    if wanted <= len(array):
        return array
    out = np.empty((max(int(wanted), 2 * int(used)), *array.shape[1:]), array.dtype)
    out[:used] = array[:used]
    return out


@njit(cache=True, nogil=True)
def _walk(
    begin, shingles, bounds, groups, first, sketch, threshold, cut, head, length, nodes, kept, data, used, stays, sim
):
    for i in range(len(bounds) - 1):
        d = begin + i
        mine = shingles[bounds[i] : bounds[i + 1]]
        best, most = -1, threshold
        for g in range(first[d], first[d + 1]):
            node = head[groups[g]]
            while node >= 0:
                k, node = nodes[node, 0], nodes[node, 1]
                if kept[k, 3] == d:
                    continue
                kept[k, 3] = d
                other = kept[k, 0]
                if bits(sketch[d, 0] ^ sketch[other, 0]) + bits(sketch[d, 1] ^ sketch[other, 1]) > cut:
                    continue
                similarity = jaccard(mine, data[kept[k, 1] : kept[k, 2]], most)
                if similarity > most or (similarity == most and (best < 0 or k < best)):
                    best, most = k, similarity
        if best >= 0:
            stays[d], sim[d] = kept[best, 0], most
        else:
            _keep(d, mine, groups, first, head, length, nodes, kept, data, used)


@njit(cache=True, nogil=True)
def _keep(d, mine, groups, first, head, length, nodes, kept, data, used):
    k, start = used[1], used[2]
    kept[k, 0], kept[k, 1], kept[k, 2], kept[k, 3] = d, start, start + len(mine), -1
    data[start : start + len(mine)] = mine
    used[1], used[2] = k + 1, start + len(mine)
    for g in range(first[d], first[d + 1]):
        group = groups[g]
        if length[group] >= WIDEST:
            used[3] += 1
            continue
        nodes[used[0], 0], nodes[used[0], 1] = k, head[group]
        head[group] = used[0]
        used[0] += 1
        length[group] += 1
