"""The cheap question before extraction: may this page be in the language? Lenient: what it refuses is never seen."""

# mypy: disable-error-code="no-untyped-def"

import functools
import logging
import re

import numpy as np

from extract.langid import embedded as lid
from extract.langid.html_text import Runs, runs
from pipeline.kernels.njit import njit

log = logging.getLogger(__name__)

WINDOW = 800  # bytes of text in each of at most
WINDOWS = 4  # windows that are looked at
LONG = 100  # letters that make a run a paragraph rather than a menu entry
LITTLE = 100  # letters below which nothing can be said
ADMITTED = (True, "und", 0.0)
# Written so alike that another identifier may well decide otherwise on the extracted text: admitted together.
_ALIKE = ("bs hr sr", "da nb nn", "id ms", "cs sk", "gl pt", "af nl", "de lb", "wuu yue zh", "ar ary arz", "uz uzs")
_LANG = re.compile(rb"<html[^>]{0,2000}?\s(?:xml:)?lang\s*=\s*[\"']?([A-Za-z]{2,3})", re.I)


def prefilter(html: bytes | str, language: str, threshold: float = 0.05) -> tuple[bool, str, float]:
    """May the page be in `language` (ISO 639-1, else 639-3)? Where not, also the best guess and its score (0..1).

    `html` is text, or bytes in UTF-8. Admitted (True, "und", 0.0) are pages where any window of visible text has a
    probability of `language`, or of one written much alike, of at least `threshold`; that declare the language; that
    have too little text; and all pages when the identifier does not know the language. Never raises on any content.
    """
    data = html.encode("utf-8", "replace") if isinstance(html, str) else html
    return ADMITTED if declared(data) == language else _told(data, language, threshold)


def _told(data: bytes, language: str, threshold: float) -> tuple[bool, str, float]:
    model = lid.load()
    if language not in model.labels:
        _say_unknown(language)
        return ADMITTED
    found = runs(np.frombuffer(data, np.uint8))
    if found.letters.sum() < LITTLE:
        return ADMITTED
    scores = lid.probabilities(*windows(found))
    if scores[:, _columns(language, model.labels)].sum(axis=1).max() >= threshold:
        return ADMITTED
    total = scores.mean(axis=0)
    best = int(total.argmax())
    return False, model.labels[best], float(total[best])


@functools.cache
def _columns(language: str, labels: tuple[str, ...]) -> list[int]:
    group = next((names.split() for names in _ALIKE if language in names.split()), [language])
    return [labels.index(name) for name in group if name in labels]


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
    A short text is all in windows, of one to two times WINDOW bytes.
    """
    out, bounds = np.empty(2 * WINDOW * (WINDOWS + 2), np.uint8), np.zeros(WINDOWS + 3, np.int64)
    n = _windows(found.text, found.start, found.letters, np.empty_like(found.text), out, bounds)
    return out[: bounds[n]], bounds[: n + 1]


@njit(cache=True, nogil=True)
def _windows(text, start, letters, scratch, out, bounds):
    """Write the windows to `out`, their ends to bounds[1:]; how many they are."""
    every, in_long = letters.sum(), letters[letters >= LONG].sum()
    least = LONG if in_long >= WINDOW else 1
    n = _spaced(_joined(text, start, letters, least, len(text), scratch), WINDOWS, 0, out, bounds)
    if in_long >= WINDOW and every - in_long >= WINDOW:
        n = _spaced(_joined(text, start, letters, 1, LONG - 1, scratch), 2, n, out, bounds)
    return n


@njit(cache=True, nogil=True)
def _joined(text, start, letters, least, most, scratch):
    """Text of the runs with `least` to `most` letters."""
    n = 0
    for i in range(len(letters)):
        if least <= letters[i] <= most:
            size = start[i + 1] - start[i]
            scratch[n : n + size] = text[start[i] : start[i + 1]]
            n += size
    return scratch[:n]


@njit(cache=True, nogil=True)
def _spaced(text, count, n, out, bounds):
    """Add at most `count` windows to the first n: all of a short text in equal parts, else evenly spaced."""
    short = len(text) <= WINDOW * count
    parts = max(1, len(text) // WINDOW) if short else count
    for k in range(parts):
        if short:
            size, more = len(text) // parts, len(text) % parts
            begin, end = k * size + min(k, more), (k + 1) * size + min(k + 1, more)
        else:
            begin = int(k * ((len(text) - WINDOW) / (parts - 1))) if k < parts - 1 else len(text) - WINDOW
            end = begin + WINDOW
        out[bounds[n] : bounds[n] + end - begin] = text[begin:end]
        bounds[n + 1] = bounds[n] + end - begin
        n += 1
    return n
