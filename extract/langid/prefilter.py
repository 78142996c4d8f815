"""Language check before extraction. It is lenient: it only rejects pages that are surely in another language."""

# mypy: disable-error-code="no-untyped-def"

import functools
import logging
import re

import numpy as np

from extract.langid.html_text import TextRuns, visible_runs
from extract.langid.languages import two_letter_code
from extract.langid.model import label_probabilities, load_model
from pipeline.kernels.njit import njit

log = logging.getLogger(__name__)

WINDOW_BYTES = 800  # of text in each of at most
MAX_WINDOWS = 4  # windows over the paragraphs, and
MAX_SHORT_WINDOWS = 2  # windows over the short runs between them
PARAGRAPH_LETTERS = 100  # that make a run of text a paragraph rather than a menu entry
MIN_LETTERS = 100  # of a page whose language can be told
ADMITTED = (True, "und", 0.0)
# Written so alike that another identifier may well decide otherwise on the extracted text: admitted together.
_SIMILAR = ("bs hr sr", "da nb nn", "id ms", "cs sk", "gl pt", "af nl", "de lb", "wuu yue zh", "ar ary arz", "uz uzs")
_HTML_LANG = re.compile(rb"<html[^>]{0,2000}?\s(?:xml:)?lang\s*=\s*[\"']?([A-Za-z]{2,3})", re.I)
_HTML_LANG_BYTES = 8192  # of the page in which the attribute is looked for


def prefilter(html: bytes | str, language: str, threshold: float = 0.05) -> tuple[bool, str, float]:
    """Whether the page may be in `language` (ISO 639-1, else 639-3); if not, also the best guess and its score (0..1).

    `html` is text, or bytes in UTF-8. Pages are admitted (True, "und", 0.0) if any window of visible text has a
    probability of `language`, or of one written much alike, of at least `threshold`; if they declare the language; if
    they have too little text; and all of them if the identifier does not know the language. Never raises.
    """
    data = html.encode("utf-8", "replace") if isinstance(html, str) else html
    if declared_language(data) == language:
        return ADMITTED
    labels = load_model().labels
    if language not in labels:
        _warn_unknown(language)
        return ADMITTED
    runs = visible_runs(np.frombuffer(data, np.uint8))
    if runs.letters.sum() < MIN_LETTERS:
        return ADMITTED
    probabilities = label_probabilities(*select_windows(runs))
    if probabilities[:, _similar_columns(language, labels)].sum(axis=1).max() >= threshold:
        return ADMITTED
    mean = probabilities.mean(axis=0)
    best = int(mean.argmax())
    return False, labels[best], float(mean[best])


@functools.cache
def _similar_columns(language: str, labels: tuple[str, ...]) -> list[int]:
    group = next((names.split() for names in _SIMILAR if language in names.split()), [language])
    return [labels.index(name) for name in group if name in labels]


def declared_language(data: bytes) -> str | None:
    """The language that `<html lang>` declares, None if there is none."""
    match = _HTML_LANG.search(data, 0, _HTML_LANG_BYTES)
    return two_letter_code(match[1].decode()) if match else None


@functools.cache
def _warn_unknown(language: str) -> None:
    log.warning("the prefilter does not know %r: every page goes to extraction", language)


def select_windows(runs: TextRuns) -> tuple[np.ndarray, np.ndarray]:
    """Pieces of text to look at: bytes (uint8) and their (w + 1,) int64 offsets.

    They are MAX_WINDOWS of WINDOW_BYTES, evenly spaced over the paragraphs, and MAX_SHORT_WINDOWS more over the short
    runs if those have enough text (lists and tables between paragraphs in another language). Without paragraphs, all
    runs count alike. A short text is all in windows, of one to two times WINDOW_BYTES.
    """
    count = MAX_WINDOWS + MAX_SHORT_WINDOWS
    out, bounds = np.empty(2 * WINDOW_BYTES * count, np.uint8), np.zeros(count + 1, np.int64)
    n = _select_windows(runs.text, runs.start, runs.letters, np.empty_like(runs.text), out, bounds)
    return out[: bounds[n]], bounds[: n + 1]


@njit(cache=True, nogil=True)
def _select_windows(text, start, letters, scratch, out, bounds):
    """Write the windows to `out` and their ends to bounds[1:]. Returns how many there are."""
    all_letters, in_paragraphs = letters.sum(), letters[letters >= PARAGRAPH_LETTERS].sum()
    minimum = PARAGRAPH_LETTERS if in_paragraphs >= WINDOW_BYTES else 1
    joined = _join_runs(text, start, letters, minimum, len(text), scratch)
    n = _add_windows(joined, MAX_WINDOWS, 0, out, bounds)
    if in_paragraphs >= WINDOW_BYTES and all_letters - in_paragraphs >= WINDOW_BYTES:
        joined = _join_runs(text, start, letters, 1, PARAGRAPH_LETTERS - 1, scratch)
        n = _add_windows(joined, MAX_SHORT_WINDOWS, n, out, bounds)
    return n


@njit(cache=True, nogil=True)
def _join_runs(text, start, letters, minimum, maximum, scratch):
    """Text of the runs with `minimum` to `maximum` letters."""
    n = 0
    for i in range(len(letters)):
        if minimum <= letters[i] <= maximum:
            size = start[i + 1] - start[i]
            scratch[n : n + size] = text[start[i] : start[i + 1]]
            n += size
    return scratch[:n]


@njit(cache=True, nogil=True)
def _add_windows(text, count, n, out, bounds):
    """Add at most `count` windows to the first n: all of a short text in equal parts, else evenly spaced."""
    is_short = len(text) <= WINDOW_BYTES * count
    parts = max(1, len(text) // WINDOW_BYTES) if is_short else count
    for k in range(parts):
        if is_short:
            size, remainder = len(text) // parts, len(text) % parts
            begin, end = k * size + min(k, remainder), (k + 1) * size + min(k + 1, remainder)
        else:
            last = len(text) - WINDOW_BYTES
            begin = int(k * (last / (parts - 1))) if k < parts - 1 else last
            end = begin + WINDOW_BYTES
        out[bounds[n] : bounds[n] + end - begin] = text[begin:end]
        bounds[n + 1] = bounds[n] + end - begin
        n += 1
    return n
