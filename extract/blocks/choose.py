"""The choice of a page's blocks by their log-odds of being main text.

The threshold is the page's own: blocks are taken in order of probability as long as the expected F1 over words grows
(Ye et al., ICML 2012, "Optimizing F-measure: A Tale of Two Approaches"). Errors of a page's blocks are not independent:
the expectation is also over a shift of all of its log-odds, normal with a standard deviation of SHIFT_DEVIATION.
"""

import numpy as np

from extract.blocks.features.page_structure import group_equal, hash_texts
from extract.blocks.model import probability
from extract.blocks.scan.page import CELL, HEADING, LIST, PREFORMATTED, QUOTE, Page
from pipeline.kernels.njit import njit

LOGIT_SCALE = 1.15  # factor of all log-odds: the forest's probabilities are too close to 0.5
LOGIT_BIAS = {"precision": 1.1, "default": 0.4, "fast": 0.4, "recall": -0.5}  # subtracted from all log-odds, by mode
SHIFT_DEVIATION = 1.5
MIN_GAP_LOGIT = -3.5  # mean log-odds from which a table, list, quote or listing between taken text is taken
MIN_HEADING_LOGIT = -1.7  # log-odds from which a heading right above taken text is taken
# A page with fewer expected words of main text, and with a smaller expected share of all words, has no main text.
MIN_EXPECTED_WORDS, MIN_EXPECTED_SHARE = 12.0, 0.1
MIN_REPEATED_WORDS = 4  # of a block that is a repeat if it occurs twice; shorter ones recur in any text
_QUADRATURE_POINTS = 7
_SHIFTS, _SHIFT_WEIGHTS = np.polynomial.hermite_e.hermegauss(_QUADRATURE_POINTS)
_SHIFTS, _SHIFT_WEIGHTS = SHIFT_DEVIATION * _SHIFTS, _SHIFT_WEIGHTS / _SHIFT_WEIGHTS.sum()


def choose_blocks(page: Page, log_odds: np.ndarray, bias: float) -> np.ndarray:
    """(blocks,) bool, the blocks to take when `bias` is subtracted from their log-odds; none of an empty page."""
    words = page.blocks["words"].astype(np.float64)
    flags = page.nodes["flags"][page.blocks["node"]]
    log_odds = LOGIT_SCALE * log_odds - bias
    if is_empty_page(log_odds, words):
        return np.zeros(len(log_odds), np.bool_)
    is_heading = flags & HEADING != 0
    is_structured = flags & (CELL | LIST | PREFORMATTED | QUOTE) != 0
    is_structured[:-1] |= is_heading[:-1] & is_structured[1:]
    taken = fill_gaps(maximize_f1(log_odds, words), log_odds, is_structured)
    taken = add_headings(taken, log_odds, is_heading)
    return drop_repeats(taken, hash_texts(page.text, page.blocks), words, is_heading)


def is_empty_page(log_odds: np.ndarray, words: np.ndarray) -> bool:
    """Whether hardly a word is likely to be main text: the page's frame was served, and scripts add the text."""
    expected = float(words @ probability(log_odds))
    return expected < MIN_EXPECTED_WORDS and expected < MIN_EXPECTED_SHARE * float(words.sum())


def maximize_f1(log_odds: np.ndarray, words: np.ndarray) -> np.ndarray:
    """(blocks,) bool, the most likely blocks, as many as have the greatest expected F1 over words."""
    order = np.argsort(-log_odds, kind="mergesort")
    taken = np.zeros(len(log_odds), np.bool_)
    taken[order[: _best_size(log_odds[order], words[order], _SHIFTS, _SHIFT_WEIGHTS)]] = True
    return taken


@njit(cache=True, nogil=True)
def _best_size(log_odds, words, shifts, shift_weights):  # type: ignore[no-untyped-def]
    """Number of blocks to take, of blocks sorted by falling log-odds."""
    n = len(log_odds)
    f1, expected_hits = np.zeros(n), np.zeros(n)
    for shift in range(len(shifts)):
        expected = 0.0
        for b in range(n):
            expected += words[b] / (1.0 + np.exp(-log_odds[b] - shifts[shift]))
            expected_hits[b] = expected
        taken_words = 0.0
        for b in range(n):
            taken_words += words[b]
            if taken_words + expected > 0:
                f1[b] += shift_weights[shift] * 2 * expected_hits[b] / (taken_words + expected)
    best_size, best = 0, -1.0
    for b in range(n):
        if f1[b] > best + 1e-12:
            best_size, best = b + 1, f1[b]
    return best_size


@njit(cache=True, nogil=True)
def fill_gaps(taken: np.ndarray, log_odds: np.ndarray, is_structured: np.ndarray) -> np.ndarray:
    """Take all of a table, list, quote or listing between two taken blocks of text, partly taken ones too.

    A gap counts where all of its blocks are structured and their mean log-odds are above MIN_GAP_LOGIT.
    """
    taken, last = taken.copy(), -1
    for b in range(len(taken)):
        if not taken[b] or is_structured[b]:
            continue
        if last >= 0 and b > last + 1:
            gap = slice(last + 1, b)
            if is_structured[gap].all() and log_odds[gap].mean() > MIN_GAP_LOGIT:
                taken[gap] = True
        last = b
    return taken


@njit(cache=True, nogil=True)
def add_headings(taken: np.ndarray, log_odds: np.ndarray, is_heading: np.ndarray) -> np.ndarray:
    """Take headings with log-odds above MIN_HEADING_LOGIT right before a taken block."""
    taken = taken.copy()
    for b in range(len(taken) - 2, -1, -1):
        if is_heading[b] and taken[b + 1] and log_odds[b] > MIN_HEADING_LOGIT:
            taken[b] = True
    return taken


@njit(cache=True, nogil=True)
def drop_repeats(taken: np.ndarray, hashes: np.ndarray, words: np.ndarray, is_heading: np.ndarray) -> np.ndarray:
    """Keep one of the taken blocks with the same text, if it has at least MIN_REPEATED_WORDS words.

    It is the first heading, so that a table of contents gives way to the headings that it lists, else the first block.
    """
    candidates = np.flatnonzero(taken & (words >= MIN_REPEATED_WORDS))
    groups, n_groups = group_equal(hashes[candidates])
    kept, taken = np.full(n_groups, -1, np.int64), taken.copy()
    for k in range(len(candidates)):
        group, b = groups[k], candidates[k]
        if kept[group] < 0 or (is_heading[b] and not is_heading[kept[group]]):
            kept[group] = b
    for k in range(len(candidates)):
        taken[candidates[k]] = kept[groups[k]] == candidates[k]
    return taken
