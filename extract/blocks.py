"""The learned extraction engine: which blocks of a page are its main text, by boosted trees over one scan's features.

`block_scan` finds blocks of text in the page's bytes, `block_features` describes them, `block_model` decides which to
take, `block_render` writes them. The weights, `blocks.npz`, come from `python -m extract.train_blocks`. Nothing is kept
between pages.
"""

import numpy as np

from extract.block_features import features, second
from extract.block_model import BIAS, Model, choose, probability, score, shipped
from extract.block_nodes import Page
from extract.block_render import render
from extract.block_scan import scan
from extract.block_text import WORDS


def extract_blocks(html: str, favour: str = "default", markdown: bool = False) -> str:
    """Main text of a page, paragraphs one a line. `favour`: precision, default, fast (as default) or recall.

    Never raises on any string; KeyError for an unknown `favour`. Time is linear in the page's length.
    """
    data = html.encode("utf-8", "replace")
    page = scan(data)
    return render(page, data, chosen(page, log_odds(page, data, shipped()), BIAS[favour]), markdown)


def render_all(html: str, markdown: bool = False) -> str:
    """All text of a page, nothing left out: what other engines choose, as HTML, in the form that we write."""
    data = html.encode("utf-8", "replace")
    page = scan(data)
    return render(page, data, np.ones(len(page.blocks), np.bool_), markdown)


def log_odds(page: Page, data: bytes, model: Model) -> np.ndarray:
    """(blocks,) float64: how much each block looks like main text."""
    x = features(page, data, model.vocabulary)
    p = probability(score(x, model.first))
    more = second(page.blocks, page.nodes, page.paths, p)
    return score(np.hstack((x, more)), model.second)


def chosen(page: Page, odds: np.ndarray, bias: float) -> np.ndarray:
    """(blocks,) bool: which blocks to take when `bias` is taken from their log-odds."""
    return choose(probability(odds - bias), page.blocks[:, WORDS].astype(np.float64))
