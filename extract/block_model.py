"""Applying the block classifier: gradient-boosted trees over flat arrays, and the choice of a page's blocks.

The threshold is the page's own: blocks are taken in order of probability as long as the expected F1 over words grows
(the optimum takes what is above half the F1 it reaches; Ye et al., ICML 2012, "Optimizing F-measure: A Tale of Two
Approaches").
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np

WEIGHTS = Path(__file__).with_name("blocks.npz")
BIAS = {"precision": 0.7, "default": 0.0, "fast": 0.0, "recall": -0.9}  # taken from every block's log-odds


class Forest(NamedTuple):
    """Trees in pre-order: `feature` (nodes,) int16, -1 at a leaf; `value` float32, a node's bound (go left where the
    feature is <= it: to the next node) or a leaf's log-odds; `right` int32; `roots` (trees,) int32."""

    feature: np.ndarray
    value: np.ndarray
    right: np.ndarray
    roots: np.ndarray


class Model(NamedTuple):
    """`vocabulary`: (hash table codes, places, weights by place); `first`, `second`: the two passes."""

    vocabulary: tuple[np.ndarray, np.ndarray, np.ndarray]
    first: Forest
    second: Forest


def save(model: Model, path: Path) -> None:
    """Write the model as a compressed NumPy archive, the same bytes for the same model."""
    arrays = {f"vocabulary_{k}": array for k, array in enumerate(model.vocabulary)}
    for name, forest in (("first", model.first), ("second", model.second)):
        arrays |= {f"{name}_{key}": array for key, array in forest._asdict().items()}
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load(path: Path = WEIGHTS) -> Model:
    """The model that `save` wrote. Raises FileNotFoundError where there is none."""
    with np.load(path) as held:
        vocabulary = tuple(held[f"vocabulary_{k}"] for k in range(3))
        forests = [Forest(*(held[f"{name}_{key}"] for key in Forest._fields)) for name in ("first", "second")]
    return Model(vocabulary, *forests)  # type: ignore[arg-type]


@cache
def shipped() -> Model:
    """The weights that come with the repository, read once."""
    return load()


@numba.njit(cache=True, nogil=True)
def _score(x, total, feature, value, right, roots):  # type: ignore[no-untyped-def]
    for root in roots:
        for row in range(len(x)):
            node = root
            while feature[node] >= 0:
                node = node + 1 if x[row, feature[node]] <= value[node] else right[node]
            total[row] += value[node]


def score(x: np.ndarray, forest: Forest) -> np.ndarray:
    """(rows,) float64 log-odds for float32 features (rows, columns)."""
    total = np.zeros(len(x), np.float64)
    _score(x, total, *forest)
    return total


def probability(log_odds: np.ndarray) -> np.ndarray:
    """Logistic function."""
    return 1.0 / (1.0 + np.exp(-log_odds))


@numba.njit(cache=True, nogil=True)
def choose(p: np.ndarray, words: np.ndarray) -> np.ndarray:
    """(blocks,) bool: the blocks whose taking gives the greatest expected F1 over words; `p` their probabilities."""
    n = len(p)
    taken = np.zeros(n, np.bool_)
    if n == 0:
        return taken
    order = np.argsort(-p, kind="mergesort")
    expected = 0.0
    for b in range(n):
        expected += p[b] * words[b]
    hit, size, best, keep = 0.0, 0.0, -1.0, 0
    for k in range(n):
        b = order[k]
        hit += p[b] * words[b]
        size += words[b]
        f1 = 2 * hit / (size + expected) if size + expected > 0 else 0.0
        if f1 > best + 1e-12:
            best, keep = f1, k + 1
    for k in range(keep):
        taken[order[k]] = True
    return taken
