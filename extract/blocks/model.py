"""The block classifier's weights, and the choice of a page's blocks.

The threshold is the page's own: blocks are taken in order of probability as long as the expected F1 over words grows
(Ye et al., ICML 2012, "Optimizing F-measure: A Tale of Two Approaches"). Errors of a page's blocks are not independent:
the expectation is also over a shift of all of its log-odds, normal with a standard deviation of 1.5.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from extract.blocks.features.prefix_sums import groups
from extract.blocks.gbdt import Forest, Trees, laid_out
from pipeline.kernels.njit import njit

WEIGHTS = Path(__file__).with_name("weights.npz")
SHARPER = 1.15  # what log-odds are multiplied by before blocks are chosen: the forest is too cautious
UNLIKELY = -3.5  # log-odds of a table amid text that is left out all the same
DOUBTFUL = -1.7  # the same for a heading right above text
FEW, SCARCE = 12.0, 0.1  # a page with fewer expected words of main text, and a smaller share of all words, has none
LONG = 4  # words of a block that a page has twice only by mistake, or for another width of screen
_SHIFTS, _SHARES = np.polynomial.hermite_e.hermegauss(7)
_SHIFTS, _SHARES = 1.5 * _SHIFTS, _SHARES / _SHARES.sum()
BIAS = {"precision": 1.1, "default": 0.4, "fast": 0.4, "recall": -0.5}  # taken from every block's log-odds


class Model(NamedTuple):
    """`vocabulary`: (hash table codes, places, weights by place); `first`, `second`: the two passes; a Forest is what
    `save` stores."""

    vocabulary: tuple[np.ndarray, np.ndarray, np.ndarray]
    first: Forest | Trees
    second: Forest | Trees


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
    """The weights that come with the repository, read and laid out once."""
    vocabulary, first, second = load()
    return Model(vocabulary, laid_out(first), laid_out(second))


def probability(log_odds: np.ndarray) -> np.ndarray:
    """Logistic function."""
    return 1.0 / (1.0 + np.exp(-log_odds))


def bare(odds: np.ndarray, words: np.ndarray) -> bool:
    """Whether next to nothing of a page is likely to be main text: its frame alone was served, scripts do the rest."""
    expected = float(words @ probability(odds))
    return expected < FEW and expected < SCARCE * float(words.sum())


def choose(odds: np.ndarray, words: np.ndarray) -> np.ndarray:
    """(blocks,) bool: the most likely blocks, as many as give the greatest expected F1 over words."""
    order = np.argsort(-odds, kind="mergesort")
    taken = np.zeros(len(odds), np.bool_)
    taken[order[: _best(odds[order], words[order], _SHIFTS, _SHARES)]] = True
    return taken


@njit(cache=True, nogil=True)
def _best(odds, words, shifts, shares):  # type: ignore[no-untyped-def]
    """How many of the blocks, sorted by falling log-odds, to take."""
    n = len(odds)
    f1, hit = np.zeros(n), np.zeros(n)
    for s in range(len(shifts)):
        expected = 0.0
        for b in range(n):
            expected += words[b] / (1.0 + np.exp(-odds[b] - shifts[s]))
            hit[b] = expected
        size = 0.0
        for b in range(n):
            size += words[b]
            if size + expected > 0:
                f1[b] += shares[s] * 2 * hit[b] / (size + expected)
    keep, best = 0, -1.0
    for b in range(n):
        if f1[b] > best + 1e-12:
            keep, best = b + 1, f1[b]
    return keep


@njit(cache=True, nogil=True)
def headed(taken: np.ndarray, odds: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """`taken`, and headings with log-odds above DOUBTFUL right before what is taken."""
    taken = taken.copy()
    for b in range(len(taken) - 2, -1, -1):
        if heading[b] and taken[b + 1] and odds[b] > DOUBTFUL:
            taken[b] = True
    return taken


@njit(cache=True, nogil=True)
def bridged(taken: np.ndarray, odds: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`taken`, and between two taken blocks of text all of the table, list, quote or listing (where `whole` is true)
    whose blocks have log-odds above UNLIKELY on average, also where some are taken already."""
    taken, last = taken.copy(), -1
    for b in range(len(taken)):
        if not taken[b] or whole[b]:
            continue
        if last >= 0 and b > last + 1:
            gap = slice(last + 1, b)
            if whole[gap].all() and odds[gap].mean() > UNLIKELY:
                taken[gap] = True
        last = b
    return taken


@njit(cache=True, nogil=True)
def unrepeated(taken: np.ndarray, hashes: np.ndarray, words: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """`taken` without the blocks of LONG words or more that say the same as one taken before, or as a heading: a table
    of contents gives way to the headings that it lists."""
    of = np.flatnonzero(taken & (words >= LONG))
    group, n = groups(hashes[of])
    kept, taken = np.full(n, -1, np.int64), taken.copy()
    for k in range(len(of)):
        g, b = group[k], of[k]
        if kept[g] < 0 or (heading[b] and not heading[kept[g]]):
            kept[g] = b
    for k in range(len(of)):
        taken[of[k]] = kept[group[k]] == of[k]
    return taken
