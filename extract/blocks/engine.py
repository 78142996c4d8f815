"""The learned extraction engine: HTML to main text. The package's docstring says what each part does."""

import numpy as np

from extract.blocks.choose import LOGIT_BIAS, choose_blocks
from extract.blocks.features.columns import N_FEATURES
from extract.blocks.features.first_pass import first_pass_features
from extract.blocks.features.second_pass import fill_second_pass
from extract.blocks.gbdt import predict_log_odds
from extract.blocks.model import Model, probability, shipped_model
from extract.blocks.render import render
from extract.blocks.scan.page import Page
from extract.blocks.scan.scanner import scan
from extract.limits import TooMuch


def extract_blocks(html: str | bytes, favour: str = "default", markdown: bool = False) -> str:
    """Extract a page's main text, one paragraph a line.

    `html`: text, or bytes in UTF-8. `favour`: precision, default, fast (the same as default) or recall. Time is linear
    in the page's length.

    Raises KeyError for an unknown `favour`, TooMuch for more than MAX_BLOCKS blocks of text; any string is a page.
    """
    page, data = _scan_all(html)
    taken = choose_blocks(page, block_log_odds(page, data, shipped_model()), LOGIT_BIAS[favour])
    return render(page, data, taken, markdown)


def render_all(html: str, markdown: bool = False) -> str:
    """Write all text of a page in the form of `extract_blocks`: for main text that another engine returns as HTML."""
    page, data = _scan_all(html)
    return render(page, data, np.ones(len(page.blocks), np.bool_), markdown)


def _scan_all(html: str | bytes) -> tuple[Page, bytes]:
    data = html.encode("utf-8", "replace") if isinstance(html, str) else html
    page = scan(data)
    if page.lost_blocks:
        raise TooMuch("too_many_blocks", len(page.blocks) + page.lost_blocks, len(page.blocks))
    return page, data


def block_log_odds(page: Page, html: bytes, model: Model) -> np.ndarray:
    """(blocks,) float64 log-odds of each block's being main text, before scale and bias."""
    features = first_pass_features(page, html, model.vocabulary, N_FEATURES)
    fill_second_pass(features, page, probability(predict_log_odds(features, model.first)))
    return predict_log_odds(features, model.second)
