"""The cheap question before extraction: may this page be in the language? Lenient: what it refuses is never seen."""

import functools
import logging
import re

import numpy as np

from extract import lid_embedded as lid
from extract.lid_html import Runs, joined, runs

log = logging.getLogger(__name__)

WINDOW = 800  # bytes of text in each of at most
WINDOWS = 4  # windows that are looked at
LONG = 100  # letters that make a run a paragraph rather than a menu entry
LITTLE = 100  # letters below which nothing can be said
# Written so alike that another identifier may well decide otherwise on the extracted text: admitted together.
_ALIKE = ("bs hr sr", "da nb nn", "id ms", "cs sk", "gl pt", "af nl", "de lb", "wuu yue zh", "ar ary arz", "uz uzs")
_LANG = re.compile(rb"<html[^>]{0,2000}?\s(?:xml:)?lang\s*=\s*[\"']?([A-Za-z]{2,3})", re.I)


def prefilter(html: bytes | str, language: str, threshold: float = 0.05) -> tuple[bool, str, float]:
    """May the page be in `language` (ISO 639-1, else 639-3)? Returns the answer, the best guess and its score (0..1).

    `html` is text, or bytes in UTF-8. Admitted are pages where any window of visible text has a probability of
    `language`, or of one written much alike, of at least `threshold`; that declare the language; that have too little
    text; and all pages when the identifier does not know the language. Never raises on any content.
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
    likely = scores[:, list(_columns(language, model.labels))].sum(axis=1).max() >= threshold
    return bool(likely) or declared(data) == language, model.labels[best], float(total[best])


@functools.cache
def _columns(language: str, labels: tuple[str, ...]) -> tuple[int, ...]:
    group = next((names.split() for names in _ALIKE if language in names.split()), [language])
    return tuple(labels.index(name) for name in group if name in labels)


def declared(data: bytes) -> str | None:
    """The language that `<html lang>` says, None when it says none."""
    found = _LANG.search(data, 0, 8192)
    return lid.two_letters(found[1].decode()) if found else None


@functools.cache
def _say_unknown(language: str) -> None:
    log.warning("the prefilter does not know %r: every page goes to extraction", language)


def windows(found: Runs) -> tuple[np.ndarray, np.ndarray]:
    """Pieces of text to look at: bytes (uint8) and their (w + 1,) int64 offsets.

    WINDOWS of WINDOW bytes, evenly spaced over the paragraphs, and two more over the short runs where those say
    something (lists and tables between paragraphs in another language); all runs alike where there are no paragraphs.
    """
    long = found.letters >= LONG
    in_long = int(found.letters[long].sum())
    if in_long < WINDOW:
        pieces = _spaced(joined(found, found.letters > 0), WINDOWS)
    else:
        pieces = _spaced(joined(found, long), WINDOWS)
        if int(found.letters.sum()) - in_long >= WINDOW:
            pieces += _spaced(joined(found, ~long & (found.letters > 0)), 2)
    return np.concatenate(pieces), np.cumsum([0, *(len(piece) for piece in pieces)])


def _spaced(text: np.ndarray, count: int) -> list[np.ndarray]:
    """At most `count` pieces of at least WINDOW bytes: all of a short text, else evenly spaced."""
    if len(text) <= WINDOW * count:
        return np.array_split(text, max(1, len(text) // WINDOW))
    step = (len(text) - WINDOW) / (count - 1)
    return [text[at : at + WINDOW] for at in (*(int(i * step) for i in range(count - 1)), len(text) - WINDOW)]
