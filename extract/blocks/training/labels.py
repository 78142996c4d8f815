"""Labels of blocks: which of a page's blocks are main text, and how much each one weighs in training."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from extract.blocks.scan.page import Page
from extract.blocks.scan.scanner import scan
from extract.blocks.training.gold import GoldPage, share_in_gold

FOLDS = 4
SEED = 7
RARE_KINDS = ("forum", "product", "listing", "collection", "service", "documentation")  # of few pages
WORD_POWER = 0.6  # a block weighs as its number of words to this power
# Weight of all blocks of a page together: with a gold text, of a rare kind, with weak labels; and of one segment.
PAGE_WEIGHT, RARE_PAGE_WEIGHT, WEAK_PAGE_WEIGHT, SEGMENT_WEIGHT = 100.0, 160.0, 40.0, 10.0
MIN_GOLD_SHARE = 0.5  # of its words in the gold text, from which a block is main text


@dataclass
class Example:
    """A scanned page.

    Attributes:
        page: The page with its gold text.
        scan: What the scanner saw of it.
        html: The bytes that were scanned.
        label: (blocks,) float64, 1 for main text, else 0.
        weight: (blocks,) float64.
        fold: Of its registered domain.
    """

    page: GoldPage
    scan: Page
    html: bytes
    label: np.ndarray
    weight: np.ndarray
    fold: int


def fold_of(host: str) -> int:
    """Fold of a registered domain, the same in every run."""
    return hashlib.sha256(f"{SEED}:{host}".encode()).digest()[0] % FOLDS


def make_example(page: GoldPage) -> Example:
    """Scan and label a page."""
    html = page.html.encode("utf-8", "replace")
    scanned = scan(html)
    label, weight = label_blocks(page, scanned)
    return Example(page, scanned, html, label, weight, fold_of(page.host))


def block_texts(page: Page) -> list[str]:
    """The text of each block."""
    text = page.text.tobytes()
    return [text[block["start"] : block["end"]].decode("utf-8", "replace") for block in page.blocks]


def label_blocks(page: GoldPage, scanned: Page) -> tuple[np.ndarray, np.ndarray]:
    """(blocks,) labels and weights: by the gold text, by segments where there is none."""
    texts = block_texts(scanned)
    word_weight = scanned.blocks["words"].astype(np.float64) ** WORD_POWER + 0.5
    if page.gold is None:
        return _label_by_segments(page, texts, word_weight)
    share = share_in_gold(texts, page.gold)
    if share.sum() == 0:  # the gold text is not on the page (a script writes it): nothing can be learned
        word_weight[:] = 0
    page_weight = RARE_PAGE_WEIGHT if page.kind in RARE_KINDS else PAGE_WEIGHT
    label = (share >= MIN_GOLD_SHARE).astype(np.float64)
    return label, page_weight * word_weight / max(word_weight.sum(), 1)


def _label_by_segments(page: GoldPage, texts: list[str], word_weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label blocks with segments that must be there 1, with segments that must not 0.

    All others are labelled weakly: as trafilatura does, where its settings agree.
    """
    votes = [share_in_gold(texts, text) >= MIN_GOLD_SHARE for text in trafilatura_texts(page)]
    label, weak_weight = votes[0].astype(np.float64), word_weight * (votes[0] == votes[1])
    plain = [" ".join(text.split()) for text in texts]
    segment_weight = np.zeros(len(texts))
    for segments, value in ((page.comments, 0.0), (page.must_not, 0.0), (page.must, 1.0)):
        for segment in segments:
            plain_segment = " ".join(segment.split())
            hits = [b for b, text in enumerate(plain) if plain_segment in text]
            for b in hits:
                label[b] = value
                segment_weight[b] = max(segment_weight[b], 1 / len(hits))
    weak_weight = weak_weight * (segment_weight == 0)
    weak_weight = WEAK_PAGE_WEIGHT * weak_weight / max(weak_weight.sum(), 1)
    return label, weak_weight + SEGMENT_WEIGHT * segment_weight


def trafilatura_texts(page: GoldPage) -> list[str]:
    """What trafilatura extracts when it favours precision, and when it favours recall."""
    from trafilatura import extract

    settings: tuple[dict[str, Any], ...] = ({"favor_precision": True}, {"favor_recall": True})
    return [extract(page.html, include_comments=False, deduplicate=False, **favour) or "" for favour in settings]
