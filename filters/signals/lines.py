"""The lines of one document, split once: their shape, and which of them repeat."""

from typing import NamedTuple

import numpy as np

from filters.signals.character_classes import ALPHA, BREAK, DIGIT, SPACE, TERMINAL, UPPER
from filters.signals.repeats import count_key, start_count
from filters.signals.word_splits import HASH_BASE
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import mix

_NEWLINE, _RETURN, _DOT, _ELLIPSIS, _BULLET, _DASH, _HASH = 0x0A, 0x0D, 0x2E, 0x2026, 0x2022, 0x2D, 0x23


class Lines(NamedTuple):
    """Buffers for the lines of a document; positions are codepoints from its start."""

    start: np.ndarray  # (m,) int32
    end: np.ndarray  # (m,) int32, without the line break
    text_start: np.ndarray  # (m,) int32, without the white space at both ends
    text_end: np.ndarray  # (m,) int32, equal to `text_start` if the line is blank


@njit(cache=True, nogil=True)
def allocate_lines(size):
    """Buffers for `size` lines; memory pages that no line touches are never mapped."""
    return Lines(np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32))


@njit(cache=True, nogil=True)
def split_newlines(points, kinds, length, lines):
    """Fill `lines` with what line feeds separate, as str.split("\\n") does.

    Returns (lines, whether the text has other line breaks).
    """
    count = start = i = 0
    has_other_breaks = False
    while i <= length:
        while i < length and not kinds[i] & BREAK:
            i += 1
        if i < length and points[i] != _NEWLINE:
            has_other_breaks = True
        else:
            _set_line(kinds, start, i, lines, count)
            count, start = count + 1, i + 1
        i += 1
    return count, has_other_breaks


@njit(cache=True, nogil=True)
def splitlines(points, kinds, length, lines):
    """Fill `lines` with the lines of str.splitlines; returns how many."""
    count = start = i = 0
    while start < length:
        while i < length and not kinds[i] & BREAK:
            i += 1
        _set_line(kinds, start, i, lines, count)
        i += 2 if i + 1 < length and points[i] == _RETURN and points[i + 1] == _NEWLINE else 1
        count, start = count + 1, i
    return count


@njit(cache=True, nogil=True, inline="always")
def _set_line(kinds, start, end, lines, number):
    text_start, text_end = strip(kinds, start, end)
    lines.start[number], lines.end[number] = start, end
    lines.text_start[number], lines.text_end[number] = text_start, text_end


@njit(cache=True, nogil=True, inline="always")
def strip(kinds, start, end):
    """[start, end) without the white space at both ends."""
    while start < end and kinds[start] & SPACE:
        start += 1
    while end > start and kinds[end - 1] & SPACE:
        end -= 1
    return start, end


@njit(cache=True, nogil=True)
def count_bullets(points, lines, count):
    """(lines that start with a bullet or a hyphen, lines that end with an ellipsis), ignoring white space around."""
    bullets = ellipses = 0
    for k in range(count):
        start, end = lines.text_start[k], lines.text_end[k]
        if end > start:
            bullets += points[start] == _BULLET or points[start] == _DASH
            ellipses += points[end - 1] == _ELLIPSIS or (
                end - start > 2 and points[end - 1] == _DOT and points[end - 2] == _DOT and points[end - 3] == _DOT
            )
    return bullets, ellipses


@njit(cache=True, nogil=True)
def line_stats(kinds, lines, count, short):
    """(lines, lines that end with a terminal mark, lines of at most `short` characters), blank lines left out."""
    nonblank = terminated = short_lines = 0
    for k in range(count):
        if lines.text_end[k] > lines.text_start[k]:
            nonblank += 1
            terminated += kinds[lines.end[k] - 1] & TERMINAL != 0
            short_lines += lines.end[k] - lines.start[k] <= short
    return nonblank, terminated, short_lines


@njit(cache=True, nogil=True)
def hash_line(points, start, end):
    """Hash of the codepoints [start, end), three of 21 bits a step.

    It is no polynomial modulo 2^64, as a token's hash is: two long Thue-Morse words have the same polynomial hash,
    whatever its base.
    """
    hash_, i = np.uint64(end - start), start
    while i + 3 <= end:
        high = np.uint64(points[i + 1]) << np.uint64(21) | np.uint64(points[i + 2]) << np.uint64(42)
        hash_ = (hash_ ^ np.uint64(points[i]) ^ high) * np.uint64(HASH_BASE)
        hash_ ^= hash_ >> np.uint64(32)
        i += 3
    while i < end:
        hash_ = (hash_ ^ np.uint64(points[i])) * np.uint64(HASH_BASE)
        hash_ ^= hash_ >> np.uint64(32)
        i += 1
    return hash_


@njit(cache=True, nogil=True)
def repeated_lines(points, lines, count, hashes, table):
    """Lines that repeat an earlier one, among those that line feeds separate.

    Returns (lines, repeated lines, their characters, characters of those that are not blank). As in the reference,
    which splits at the regular expression "\\n+", an empty line counts only at either end of the text. Leaves the hash
    of line k in hashes[k].
    """
    mask, all_lines, repeated, chars, nonblank_chars = start_count(table, count), 0, 0, 0, 0
    for k in range(count):
        start, end = lines.start[k], lines.end[k]
        if end > start:
            hashes[k] = hash_line(points, start, end)
            if table.times[count_key(table, mask, hashes[k])] > 1:
                repeated, chars = repeated + 1, chars + end - start
                nonblank_chars += end - start if lines.text_end[k] > lines.text_start[k] else 0
            all_lines += 1
    if count > 1:
        at_front, at_end = lines.end[0] == lines.start[0], lines.end[count - 1] == lines.start[count - 1]
        all_lines, repeated = all_lines + at_front + at_end, repeated + (at_front and at_end)
    return all_lines, repeated, chars, nonblank_chars


@njit(cache=True, nogil=True)
def repeated_paragraphs(points, kinds, length, lines, count, hashes, table):
    """Paragraphs of the stripped text that repeat an earlier one; two line feeds or more separate paragraphs.

    Returns (paragraphs, repeated paragraphs, their characters). A paragraph's hash is made of `hashes`, those of its
    lines (see `repeated_lines`); a line that stripping the text shortens is hashed anew.
    """
    text_start, text_end = strip(kinds, 0, length)
    mask, paragraphs, repeated, chars, k = start_count(table, count // 2 + 1), 0, 0, 0, 0
    while k < count:
        if lines.end[k] == lines.start[k] or lines.end[k] <= text_start or lines.start[k] >= text_end:
            k += 1
            continue
        start, hash_, end = max(lines.start[k], text_start), np.uint64(0), 0
        while k < count and lines.end[k] > lines.start[k] and lines.start[k] < text_end:
            is_shortened = lines.start[k] < text_start or lines.end[k] > text_end
            line_start, end = max(lines.start[k], text_start), min(lines.end[k], text_end)
            line_hash = hash_line(points, line_start, end) if is_shortened else hashes[k]
            hash_ = mix(hash_ * np.uint64(HASH_BASE) ^ line_hash)
            k += 1
        is_repeated = table.times[count_key(table, mask, hash_)] > 1
        paragraphs, repeated, chars = paragraphs + 1, repeated + is_repeated, chars + is_repeated * (end - start)
    return paragraphs, repeated, chars


@njit(cache=True, nogil=True)
def count_characters(points, kinds, length):
    """(letters, upper-case letters, decimal digits, `#`, ellipses `...` and `…`) among `length` codepoints.

    Separate loops without branches: the compiler vectorizes each.
    """
    letters = upper = digits = hashes = ellipses = three_dots = 0
    for i in range(length):
        letters += kinds[i] & ALPHA != 0
        upper += kinds[i] & (ALPHA | UPPER) == ALPHA | UPPER
        digits += kinds[i] & DIGIT != 0
    for i in range(length):
        hashes += points[i] == _HASH
        ellipses += points[i] == _ELLIPSIS
    for i in range(length - 2):
        three_dots += (points[i] == _DOT) & (points[i + 1] == _DOT) & (points[i + 2] == _DOT)
    if three_dots:
        ellipses += _count_three_dots(points, length)
    return letters, upper, digits, hashes, ellipses


@njit(cache=True, nogil=True)
def _count_three_dots(points, length):
    """Occurrences of `...` without overlap."""
    count = run = 0
    for i in range(length):
        run = run + 1 if points[i] == _DOT else 0
        if run == 3:
            count, run = count + 1, 0
    return count
