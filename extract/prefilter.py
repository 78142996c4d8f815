"""The cheap question before extraction: may this page be in the language? Lenient: what it refuses is never seen."""

import functools
import logging
import re

import numpy as np

from extract import lid_embedded as lid
from extract.lid_html import Runs, runs

log = logging.getLogger(__name__)

WINDOW = 800  # bytes of text in each of at most
WINDOWS = 4  # windows that are looked at
LONG = 100  # letters that make a run a paragraph rather than a menu entry
LITTLE = 100  # letters below which nothing can be said
_LANG = re.compile(rb"<html[^>]{0,2000}?\s(?:xml:)?lang\s*=\s*[\"']?([A-Za-z]{2,3})", re.I)


def prefilter(html: bytes | str, language: str, threshold: float = 0.05) -> tuple[bool, str, float]:
    """May the page be in `language` (ISO 639-1, else 639-3)? Returns the answer, the best guess and its score (0..1).

    `html` is text, or bytes in UTF-8. Admitted are pages where any window of visible text has a probability of
    `language` of at least `threshold`, that declare the language, that have too little text, and all pages when the
    identifier does not know the language. Never raises on any content.
    """
    data = html.encode("utf-8", "replace") if isinstance(html, str) else bytes(html)
    model = lid.load()
    if language not in model.labels:
        _say_unknown(language)
        return True, "und", 0.0
    found = runs(np.frombuffer(data, np.uint8))
    if found.letters.sum() < LITTLE:
        return True, "und", 0.0
    scores = lid.probabilities(*windows(found))
    total = scores.mean(axis=0)
    best = int(total.argmax())
    may = float(scores[:, model.labels.index(language)].max()) >= threshold or declared(data) == language
    return may, model.labels[best], float(total[best])


def declared(data: bytes) -> str | None:
    """The language that `<html lang>` says, None when it says none."""
    found = _LANG.search(data, 0, 8192)
    return lid.two_letters(found[1].decode()) if found else None


@functools.cache
def _say_unknown(language: str) -> None:
    log.warning("the prefilter does not know %r: every page goes to extraction", language)


def windows(found: Runs) -> tuple[np.ndarray, np.ndarray]:
    """Up to WINDOWS pieces of text, evenly spaced over the paragraphs, or over all runs where those say too little.

    Returns bytes (uint8) and their (w + 1,) int64 offsets.
    """
    size = np.diff(found.start)
    keep = found.letters >= LONG
    if size[keep].sum() < WINDOW:
        keep = found.letters > 0
    text = found.text[np.repeat(keep, size)]
    if len(text) <= WINDOW * WINDOWS:
        count = max(1, len(text) // WINDOW)
        return text, np.linspace(0, len(text), count + 1).astype(np.int64)
    first = np.linspace(0, len(text) - WINDOW, WINDOWS).astype(np.int64)
    return np.concatenate([text[a : a + WINDOW] for a in first]), np.arange(WINDOWS + 1, dtype=np.int64) * WINDOW
