"""Boosted trees over rows of features, without a branch a node.

A row's leaf is found as in QuickScorer (Lucchese et al., SIGIR 2015): every leaf of a tree is a bit, a node that a row
goes right of takes away the leaves on its left, and the first leaf that remains is the row's. All nodes are looked at,
for many rows at once, which compilers turn into vector instructions.
"""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars stand for int)

from typing import NamedTuple

import numpy as np

from pipeline.kernels.njit import njit

LEAVES = 32  # of a tree at most
_ROWS = 64  # that are scored together
_TOGETHER = 4  # nodes that are looked at in one pass over the rows; trees are filled up with nodes that change nothing
_ALL = np.uint32(0xFFFFFFFF)
_DE_BRUIJN = np.uint32(0x077CB531)  # this times a power of two has in its highest five bits what no other power has


class Forest(NamedTuple):
    """Trees in pre-order: `feature` (nodes,) int16, -1 at a leaf; `value` float32, a node's bound (go left where the
    feature is <= it: to the next node) or a leaf's log-odds; `right` int32; `roots` (trees,) int32."""

    feature: np.ndarray
    value: np.ndarray
    right: np.ndarray
    roots: np.ndarray


class Trees(NamedTuple):
    """A Forest as `score` reads it. Inner nodes by tree, of which [starts[t], starts[t + 1]) are tree t's: `column`
    int32, `bound` float32, `keeps` uint32, the leaves that remain where the feature is above the bound. `leaves`
    (trees, LEAVES) float32, ordered by `_place` of their bits."""

    starts: np.ndarray
    column: np.ndarray
    bound: np.ndarray
    keeps: np.ndarray
    leaves: np.ndarray


def laid_out(forest: Forest | Trees) -> Trees:
    """The same trees. Raises ValueError for a tree of more than LEAVES leaves."""
    if isinstance(forest, Trees):
        return forest
    starts, column, bound, keeps, leaves, most = _laid_out(*forest)
    if most > LEAVES:
        raise ValueError(f"a tree of {most} leaves; there can be {LEAVES}")
    return Trees(starts, column, bound, keeps, leaves)


@njit(cache=True, nogil=True)
def _place(bits):  # type: ignore[no-untyped-def]
    """A number below 32 that tells which is the lowest of the bits set."""
    low = np.uint32(bits & (~bits + np.uint32(1)))
    return np.uint32(low * _DE_BRUIJN) >> np.uint32(27)


@njit(cache=True, nogil=True)
def _laid_out(feature, value, right, roots):  # type: ignore[no-untyped-def]
    n, most = len(feature), 0
    room = n + _TOGETHER * len(roots)
    starts, leaves = np.zeros(len(roots) + 1, np.int32), np.zeros((len(roots), LEAVES), np.float32)
    column, bound = np.zeros(room, np.int32), np.full(room, np.inf, np.float32)
    keeps, inner, before = np.full(room, _ALL, np.uint32), 0, np.zeros(n + 1, np.int32)
    for node in range(n):
        before[node + 1] = before[node] + (feature[node] < 0)
    for t in range(len(roots)):
        root, end = roots[t], roots[t + 1] if t + 1 < len(roots) else n
        most = max(most, before[end] - before[root])
        if before[end] - before[root] > LEAVES:
            continue
        for node in range(root, end):
            first = before[node] - before[root]
            if feature[node] < 0:
                leaves[t, _place(np.uint32(1 << first))] = value[node]
                continue
            left = before[right[node]] - before[node]  # leaves that are left of the bound
            column[inner], bound[inner] = feature[node], value[node]
            keeps[inner] = np.uint32(~(((1 << left) - 1) << first))
            inner += 1
        while inner % _TOGETHER:
            column[inner] = column[inner - 1]
            inner += 1
        starts[t + 1] = inner
    return starts, column[:inner], bound[:inner], keeps[:inner], leaves, most


def score(x: np.ndarray, forest: Forest | Trees) -> np.ndarray:
    """(rows,) float64 log-odds for float32 features (rows, columns); fastest where a column is contiguous."""
    trees = laid_out(forest)
    total = np.zeros(max(len(x), _ROWS), np.float64)
    columns = np.ascontiguousarray(x.T) if len(x) >= _ROWS else np.zeros((x.shape[1], _ROWS), np.float32)
    if len(x) < _ROWS:
        columns[:, : len(x)] = x.T
    _score(columns, total, *trees)
    return total[: len(x)]


@njit(cache=True, nogil=True)
def _score(x, total, starts, column, bound, keeps, leaves):  # type: ignore[no-untyped-def]
    """Add to `total` (rows,), at least _ROWS of them, what the trees say of `x` (columns, rows)."""
    alive = np.empty(_ROWS, np.uint32)
    for row in range(0, len(total), _ROWS):
        first = min(row, len(total) - _ROWS)  # the last rows are scored together with some of those before them
        for t in range(len(leaves)):
            alive[:] = _ALL
            for node in range(starts[t], starts[t + 1], _TOGETHER):
                _narrow(alive, x, first, node, column, bound, keeps)
            for k in range(row - first, _ROWS):
                total[first + k] += leaves[t, _place(alive[k])]


@njit(cache=True, nogil=True, inline="always")
def _narrow(alive, x, row, i, column, bound, keeps):  # type: ignore[no-untyped-def]
    """Take away the leaves that the rows of `x` from `row` on go past at _TOGETHER nodes from i on."""
    a, b, c, d = x[column[i], row:], x[column[i + 1], row:], x[column[i + 2], row:], x[column[i + 3], row:]
    a_bound, b_bound, c_bound, d_bound = bound[i], bound[i + 1], bound[i + 2], bound[i + 3]
    a_keeps, b_keeps, c_keeps, d_keeps = keeps[i], keeps[i + 1], keeps[i + 2], keeps[i + 3]
    for k in range(_ROWS):
        left = alive[k]
        left &= _ALL if a[k] <= a_bound else a_keeps
        left &= _ALL if b[k] <= b_bound else b_keeps
        left &= _ALL if c[k] <= c_bound else c_keeps
        left &= _ALL if d[k] <= d_bound else d_keeps
        alive[k] = left
