"""Gradient-boosted trees applied to rows of features, without a branch a node.

A row's leaf is found as in QuickScorer (Lucchese et al., SIGIR 2015): every leaf of a tree is a bit. A node whose test
a row fails clears the leaves on its left, and the first leaf that remains is the row's. All nodes are evaluated, for
many rows at once, which compilers turn into vector instructions.
"""

# mypy: disable-error-code="arg-type,assignment,return-value,no-untyped-def"
# (kernels: NumPy's scalars are passed for int)

from typing import NamedTuple

import numpy as np

from pipeline.kernels.njit import njit

MAX_LEAVES = 32  # of a tree: bits of a mask
_BATCH_ROWS = 64  # rows that are scored together
_NODES_PER_PASS = 4  # nodes evaluated in one pass over the rows; trees are padded with nodes that change nothing
_ALL_LEAVES = np.uint32(0xFFFFFFFF)
_DE_BRUIJN = np.uint32(0x077CB531)  # its products with powers of two differ in their highest five bits


class Forest(NamedTuple):
    """Trees in pre-order.

    Attributes:
        feature: (nodes,) int16, column of the node's test, -1 at a leaf.
        value: (nodes,) float32, a node's threshold (where the feature is <= it, the next node follows) or a leaf's
            log-odds.
        right: (nodes,) int32, the node that follows otherwise.
        roots: (trees,) int32.
    """

    feature: np.ndarray
    value: np.ndarray
    right: np.ndarray
    roots: np.ndarray


class BitvectorForest(NamedTuple):
    """A Forest as `predict_log_odds` reads it: tests of all nodes, tree by tree.

    Attributes:
        starts: (trees + 1,) int32, those of tree k are [starts[k], starts[k + 1]).
        column: (tests,) int32.
        threshold: (tests,) float32.
        keeps: (tests,) uint32, bits of the leaves that remain where the feature is above the threshold.
        leaves: (trees, MAX_LEAVES) float32 log-odds, by `_bit_number` of their bits.
    """

    starts: np.ndarray
    column: np.ndarray
    threshold: np.ndarray
    keeps: np.ndarray
    leaves: np.ndarray


def to_bitvectors(forest: Forest | BitvectorForest) -> BitvectorForest:
    """Convert trees. Raises ValueError for a tree of more than MAX_LEAVES leaves."""
    if isinstance(forest, BitvectorForest):
        return forest
    *arrays, max_leaves = _to_bitvectors(*forest)
    if max_leaves > MAX_LEAVES:
        raise ValueError(f"a tree of {max_leaves} leaves; there can be {MAX_LEAVES}")
    return BitvectorForest(*arrays)


@njit(cache=True, nogil=True)
def _bit_number(bits):
    """A number below 32 that is different for each lowest set bit."""
    lowest = np.uint32(bits & (~bits + np.uint32(1)))
    return np.uint32(lowest * _DE_BRUIJN) >> np.uint32(27)


@njit(cache=True, nogil=True)
def _to_bitvectors(feature, value, right, roots):
    n, max_leaves = len(feature), 0
    max_tests = n + _NODES_PER_PASS * len(roots)
    starts, leaves = np.zeros(len(roots) + 1, np.int32), np.zeros((len(roots), MAX_LEAVES), np.float32)
    column, threshold = np.zeros(max_tests, np.int32), np.full(max_tests, np.inf, np.float32)
    keeps, n_tests, leaves_before = np.full(max_tests, _ALL_LEAVES, np.uint32), 0, np.zeros(n + 1, np.int32)
    for node in range(n):
        leaves_before[node + 1] = leaves_before[node] + (feature[node] < 0)
    for tree in range(len(roots)):
        root, end = roots[tree], roots[tree + 1] if tree + 1 < len(roots) else n
        n_leaves = leaves_before[end] - leaves_before[root]
        max_leaves = max(max_leaves, n_leaves)
        if n_leaves > MAX_LEAVES:
            continue
        for node in range(root, end):
            first_leaf = leaves_before[node] - leaves_before[root]
            if feature[node] < 0:
                leaves[tree, _bit_number(np.uint32(1 << first_leaf))] = value[node]
                continue
            left_leaves = leaves_before[right[node]] - leaves_before[node]
            column[n_tests], threshold[n_tests] = feature[node], value[node]
            keeps[n_tests] = np.uint32(~(((1 << left_leaves) - 1) << first_leaf))
            n_tests += 1
        while n_tests % _NODES_PER_PASS:
            column[n_tests] = column[n_tests - 1]
            n_tests += 1
        starts[tree + 1] = n_tests
    return starts, column[:n_tests], threshold[:n_tests], keeps[:n_tests], leaves, max_leaves


def predict_log_odds(features: np.ndarray, forest: Forest | BitvectorForest) -> np.ndarray:
    """(rows,) float64 log-odds for float32 features (rows, columns); fastest where a column is contiguous."""
    trees = to_bitvectors(forest)
    n = len(features)
    total = np.zeros(max(n, _BATCH_ROWS), np.float64)
    if n >= _BATCH_ROWS:
        columns = np.ascontiguousarray(features.T)
    else:
        columns = np.zeros((features.shape[1], _BATCH_ROWS), np.float32)
        columns[:, :n] = features.T
    _add_log_odds(columns, total, *trees)
    return total[:n]


@njit(cache=True, nogil=True)
def _add_log_odds(columns, total, starts, column, threshold, keeps, leaves):
    """Add the trees' log-odds for `columns` (columns, rows) to `total` (rows,), at least _BATCH_ROWS of them."""
    remaining = np.empty(_BATCH_ROWS, np.uint32)
    for row in range(0, len(total), _BATCH_ROWS):
        first = min(row, len(total) - _BATCH_ROWS)  # the last rows are scored with some of those before them again
        for tree in range(len(leaves)):
            remaining[:] = _ALL_LEAVES
            for test in range(starts[tree], starts[tree + 1], _NODES_PER_PASS):
                _apply_tests(remaining, columns, first, test, column, threshold, keeps)
            for k in range(row - first, _BATCH_ROWS):
                total[first + k] += leaves[tree, _bit_number(remaining[k])]


@njit(cache=True, nogil=True, inline="always")
def _apply_tests(remaining, columns, row, i, column, threshold, keeps):
    """Clear the leaves that the rows from `row` on cannot reach, by the four (_NODES_PER_PASS) tests from i on."""
    x0, x1 = columns[column[i], row:], columns[column[i + 1], row:]
    x2, x3 = columns[column[i + 2], row:], columns[column[i + 3], row:]
    threshold0, threshold1, threshold2, threshold3 = threshold[i], threshold[i + 1], threshold[i + 2], threshold[i + 3]
    keeps0, keeps1, keeps2, keeps3 = keeps[i], keeps[i + 1], keeps[i + 2], keeps[i + 3]
    for k in range(_BATCH_ROWS):
        leaves = remaining[k]
        leaves &= _ALL_LEAVES if x0[k] <= threshold0 else keeps0
        leaves &= _ALL_LEAVES if x1[k] <= threshold1 else keeps1
        leaves &= _ALL_LEAVES if x2[k] <= threshold2 else keeps2
        leaves &= _ALL_LEAVES if x3[k] <= threshold3 else keeps3
        remaining[k] = leaves
