"""The learned extraction engine: which blocks of a page are its main text, by boosted trees over one scan's features.

`block_scan` finds blocks of text in the page's bytes, `block_features` describes them, `block_model` decides which to
take, `block_render` writes them. The weights, `blocks.npz`, come from `python -m extract.blocks.train`. Nothing is kept
between pages.
"""

import numpy as np

from extract.blocks.features.prefix_sums import hashes
from extract.blocks.features.second_pass import N_SECOND, second
from extract.blocks.features.shape import N_FEATURES, features
from extract.blocks.gbdt import score
from extract.blocks.model import BIAS, SHARPER, Model, bare, bridged, choose, headed, probability, shipped, unrepeated
from extract.blocks.render import render
from extract.blocks.scan.nodes import CELL, HEADING, LIST, N_FLAGS, PREFORMATTED, QUOTE, Page
from extract.blocks.scan.scanner import scan
from extract.blocks.scan.text_runs import NODE, WORDS
from extract.limits import TooMuch


def extract_blocks(html: str | bytes, favour: str = "default", markdown: bool = False) -> str:
    """Main text of a page, paragraphs one a line. `favour`: precision, default, fast (as default) or recall.

    `html`: text, or bytes in UTF-8.

    Raises KeyError for an unknown `favour`, TooMuch for more than MAX_BLOCKS blocks of text; else nothing, on any
    string. Time is linear in the page's length.
    """
    page, data = _scanned(html)
    return render(page, data, chosen(page, log_odds(page, data, shipped()), BIAS[favour]), markdown)


def render_all(html: str, markdown: bool = False) -> str:
    """All text of a page, nothing left out: what other engines choose, as HTML, in the form that we write."""
    page, data = _scanned(html)
    return render(page, data, np.ones(len(page.blocks), np.bool_), markdown)


def _scanned(html: str | bytes) -> tuple[Page, bytes]:
    data = html.encode("utf-8", "replace") if isinstance(html, str) else html
    page = scan(data)
    if page.lost:
        raise TooMuch("too_many_blocks", len(page.blocks) + page.lost, len(page.blocks))
    return page, data


def log_odds(page: Page, data: bytes, model: Model) -> np.ndarray:
    """(blocks,) float64: how much each block looks like main text."""
    x = features(page, data, model.vocabulary, N_SECOND)
    x[:, N_FEATURES:] = second(page, probability(score(x, model.first)))
    return score(x, model.second)


def chosen(page: Page, odds: np.ndarray, bias: float) -> np.ndarray:
    """(blocks,) bool: which blocks to take when `bias` is taken from their log-odds; none of a page that is bare."""
    words = page.blocks[:, WORDS].astype(np.float64)
    flags = page.nodes[page.blocks[:, NODE], N_FLAGS]
    odds = SHARPER * odds - bias
    if bare(odds, words):
        return np.zeros(len(odds), np.bool_)
    heading, whole = flags & HEADING != 0, flags & (CELL | LIST | PREFORMATTED | QUOTE) != 0
    whole[:-1] |= heading[:-1] & whole[1:]
    taken = bridged(choose(odds, words), odds, whole)
    return unrepeated(headed(taken, odds, heading), hashes(page.text, page.blocks), words, heading)
