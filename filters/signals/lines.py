"""The lines of one document, found once: how they look, and which of them repeat."""

from typing import NamedTuple

import numpy as np

from filters.signals.character_classes import ALPHA, BREAK, DIGIT, SPACE, TERMINAL, UPPER
from filters.signals.repeats import ask, enter
from filters.signals.words import BASE
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import mix

_NEWLINE, _RETURN, _DOT, _ELLIPSIS, _BULLET, _DASH, _HASH = 0x0A, 0x0D, 0x2E, 0x2026, 0x2022, 0x2D, 0x23


class Lines(NamedTuple):
    """Room for the lines of a document, as codepoints from its start."""

    start: np.ndarray  # (m,) int32
    end: np.ndarray  # (m,) int32, without the line break
    first: np.ndarray  # (m,) int32, of the line without the white space at both ends
    last: np.ndarray  # (m,) int32, behind it; equal to `first` where the line is blank


@njit(cache=True, nogil=True)
def room_for_lines(m):
    """Room for m lines; memory that no line touches costs nothing."""
    return Lines(np.empty(m, np.int32), np.empty(m, np.int32), np.empty(m, np.int32), np.empty(m, np.int32))


@njit(cache=True, nogil=True)
def feeds(points, kinds, n, lines):
    """Fill `lines` with what line feeds separate; returns (lines, whether there are other line breaks)."""
    count = start = i = 0
    other = False
    while i <= n:
        while i < n and not kinds[i] & BREAK:
            i += 1
        if i < n and points[i] != _NEWLINE:
            other = True
        else:
            _add(kinds, start, i, lines, count)
            count, start = count + 1, i + 1
        i += 1
    return count, other


@njit(cache=True, nogil=True)
def breaks(points, kinds, n, lines):
    """Fill `lines` with the lines of str.splitlines; returns how many."""
    count = start = i = 0
    while start < n:
        while i < n and not kinds[i] & BREAK:
            i += 1
        _add(kinds, start, i, lines, count)
        i += 2 if i + 1 < n and points[i] == _RETURN and points[i + 1] == _NEWLINE else 1
        count, start = count + 1, i
    return count


@njit(cache=True, nogil=True, inline="always")
def _add(kinds, start, end, lines, count):
    a, b = strip(kinds, start, end)
    lines.start[count], lines.end[count], lines.first[count], lines.last[count] = start, end, a, b


@njit(cache=True, nogil=True, inline="always")
def strip(kinds, a, b):
    """[a, b) without the white space at both ends."""
    while a < b and kinds[a] & SPACE:
        a += 1
    while b > a and kinds[b - 1] & SPACE:
        b -= 1
    return a, b


@njit(cache=True, nogil=True)
def marked(points, lines, count):
    """(lines that start with a bullet or a dash, lines that end with an ellipsis), their white space apart."""
    bullets = ellipses = 0
    for k in range(count):
        a, b = lines.first[k], lines.last[k]
        if b > a:
            bullets += points[a] == _BULLET or points[a] == _DASH
            ellipses += points[b - 1] == _ELLIPSIS or (
                b - a > 2 and points[b - 1] == _DOT and points[b - 2] == _DOT and points[b - 3] == _DOT
            )
    return bullets, ellipses


@njit(cache=True, nogil=True)
def shaped(kinds, lines, count, short):
    """(lines, those that end with a terminal mark, those of at most `short` characters), blank lines left out."""
    solid = ended = brief = 0
    for k in range(count):
        if lines.last[k] > lines.first[k]:
            solid += 1
            ended += kinds[lines.end[k] - 1] & TERMINAL != 0
            brief += lines.end[k] - lines.start[k] <= short
    return solid, ended, brief


@njit(cache=True, nogil=True)
def line_hash(points, a, b):
    """Hash of the codepoints [a, b), three of 21 bits a step.

    No polynomial modulo 2^64, as a token's is: two long Thue-Morse words have the same one, whatever its base.
    """
    h, i = np.uint64(b - a), a
    while i + 3 <= b:
        high = np.uint64(points[i + 1]) << np.uint64(21) | np.uint64(points[i + 2]) << np.uint64(42)
        h = (h ^ np.uint64(points[i]) ^ high) * np.uint64(BASE)
        h ^= h >> np.uint64(32)
        i += 3
    while i < b:
        h = (h ^ np.uint64(points[i])) * np.uint64(BASE)
        h ^= h >> np.uint64(32)
        i += 1
    return h


@njit(cache=True, nogil=True)
def repeated_lines(points, lines, count, hashes, table):
    """(lines, repeated, characters of those, characters of those that are not blank) of what line feeds separate.

    An empty line is none, but one at either end is (regex split at "\\n+", as in the reference). Leaves the hash of
    line k in hashes[k].
    """
    mask, pieces, repeated, chars, solid_chars = ask(table, count), 0, 0, 0, 0
    for k in range(count):
        start, end = lines.start[k], lines.end[k]
        if end > start:
            hashes[k] = line_hash(points, start, end)
            if table.times[enter(table, mask, hashes[k])] > 1:
                repeated, chars = repeated + 1, chars + end - start
                solid_chars += end - start if lines.last[k] > lines.first[k] else 0
            pieces += 1
    if count > 1:
        at_front, at_end = lines.end[0] == lines.start[0], lines.end[count - 1] == lines.start[count - 1]
        pieces, repeated = pieces + at_front + at_end, repeated + (at_front and at_end)
    return pieces, repeated, chars, solid_chars


@njit(cache=True, nogil=True)
def repeated_paragraphs(points, kinds, n, lines, count, hashes, table):
    """(paragraphs, repeated, characters of those): pieces of the stripped text between two line feeds or more.

    A paragraph is its lines, so its hash is one of their hashes; the stripped ends of the text are hashed anew.
    """
    low, high = strip(kinds, 0, n)
    mask, paragraphs, repeated, chars, k = ask(table, count // 2 + 1), 0, 0, 0, 0
    while k < count:
        if lines.end[k] == lines.start[k] or lines.end[k] <= low or lines.start[k] >= high:
            k += 1
            continue
        start, h, end = max(lines.start[k], low), np.uint64(0), 0
        while k < count and lines.end[k] > lines.start[k] and lines.start[k] < high:
            cut = lines.start[k] < low or lines.end[k] > high
            a, end = max(lines.start[k], low), min(lines.end[k], high)
            h = mix(h * np.uint64(BASE) ^ (line_hash(points, a, end) if cut else hashes[k]))
            k += 1
        again = table.times[enter(table, mask, h)] > 1
        paragraphs, repeated, chars = paragraphs + 1, repeated + again, chars + again * (end - start)
    return paragraphs, repeated, chars


@njit(cache=True, nogil=True)
def letters(points, kinds, n):
    """(letters, upper-case letters, decimal digits, `#`, ellipses `...` and `…`) among `n` codepoints."""
    alpha = upper = digits = hashes = ellipses = triples = 0
    for i in range(n):
        alpha += kinds[i] & ALPHA != 0
        upper += kinds[i] & (ALPHA | UPPER) == ALPHA | UPPER
        digits += kinds[i] & DIGIT != 0
    for i in range(n):
        hashes += points[i] == _HASH
        ellipses += points[i] == _ELLIPSIS
    for i in range(n - 2):
        triples += (points[i] == _DOT) & (points[i + 1] == _DOT) & (points[i + 2] == _DOT)
    return alpha, upper, digits, hashes, ellipses + (_dots(points, n) if triples else 0)


@njit(cache=True, nogil=True)
def _dots(points, n):
    """Occurrences of `...` without overlap."""
    found = run = 0
    for i in range(n):
        run = run + 1 if points[i] == _DOT else 0
        if run == 3:
            found, run = found + 1, 0
    return found
