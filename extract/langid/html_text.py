"""Visible text of HTML as a stream of runs, for language identification only: one scan over the bytes, no tree."""

# mypy: disable-error-code="no-untyped-def,call-arg,var-annotated"

import functools
import html.entities
from typing import NamedTuple

import numpy as np

from extract.html.byte_search import (
    AMPERSAND,
    DOUBLE_QUOTE,
    EQUALS,
    EXCLAMATION,
    GREATER_THAN,
    HASH,
    HYPHEN,
    LESS_THAN,
    QUESTION,
    SEMICOLON,
    SINGLE_QUOTE,
    SLASH,
    SPACE,
    comment_end,
    element_end,
    find_byte,
    name_key,
    read_name,
)
from pipeline.kernels.njit import njit
from pipeline.kernels.simd import VECTOR_BYTES, at_most_mask, equal_mask, lowest_bit
from pipeline.kernels.tokens import encode

# Elements whose content is not read. `title` is: it is text in the page's language.
_SKIPPED = ("script", "style", "noscript", "template", "svg", "textarea", "select", "math", "iframe", "code")
# Elements that do not end a run of text; all others do.
_INLINE = ("a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "em", "font", "i", "ins", "kbd", "mark", "nobr",
           "q", "s", "small", "span", "strong", "sub", "sup", "tt", "u", "var", "wbr", "br", "img")  # fmt: skip
_INLINE_KIND, _SPACED_KIND = 100, 101  # kinds of elements; smaller ones are indexes into _SKIPPED, and -1 is all others
_SLOTS = 256  # of the hash table of elements
_MAX_NAME_BYTES = 12
_MAX_TAG_BYTES = 2048  # in which quotes are followed
_MAX_REFERENCE_BYTES = 12
_NO_BREAK_SPACE = 160


class TextRuns(NamedTuple):
    """Visible text of a page: run i is text[start[i]:start[i + 1]], in UTF-8 if the page is.

    `letters` counts the bytes of a run that are no ASCII digit, sign or space.
    """

    text: np.ndarray  # uint8
    start: np.ndarray  # (n + 1,) int64
    letters: np.ndarray  # (n,) int64


@functools.cache
def _build_tables() -> tuple[np.ndarray, ...]:
    """(names of elements by slot, their kinds, names of character references in order, their codepoints)."""
    kinds = dict.fromkeys(_INLINE, _INLINE_KIND) | {"a": _SPACED_KIND, "br": _SPACED_KIND}
    elements, element_kinds = np.zeros(_SLOTS, np.int64), np.full(_SLOTS, -1, np.int8)
    for name, kind in (*kinds.items(), *((name, i) for i, name in enumerate(_SKIPPED))):
        slot = _hash_slot(name_key(name))
        while elements[slot]:
            slot = (slot + 1) % _SLOTS
        elements[slot], element_kinds[slot] = name_key(name), kind
    references = sorted((name_key(k), v) for k, v in html.entities.name2codepoint.items() if len(k) <= 8)
    points = np.array(references, np.int64)
    return elements, element_kinds, points[:, 0].copy(), points[:, 1].copy()


@njit(cache=True, nogil=True)
def _hash_slot(name):
    return np.int64((np.uint64(name) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(56))


@njit(cache=True, nogil=True)
def _element_kind(name, elements, element_kinds):
    slot = _hash_slot(name)
    while elements[slot] != name and elements[slot] != 0:
        slot = (slot + 1) & (_SLOTS - 1)
    return np.int64(element_kinds[slot])


def visible_runs(data: np.ndarray) -> TextRuns:
    """Runs of visible text of a page's bytes (uint8, ASCII-compatible). Linear in the length whatever the markup."""
    text = np.empty(len(data) + 8, np.uint8)
    start, letters = np.empty(len(data) // 2 + 2, np.int64), np.empty(len(data) // 2 + 2, np.int64)
    n, size = _scan_runs(data, *_build_tables(), text, start, letters)
    return TextRuns(text[:size], start[: n + 1], letters[:n])


@njit(cache=True, nogil=True)
def _find_quote_or_end(data, position, stop):
    """Offset of the next `>` or quote, `stop` if there is none before."""
    while position + VECTOR_BYTES <= stop:
        mask = equal_mask(data, position, GREATER_THAN, 0) | equal_mask(data, position, DOUBLE_QUOTE, 0)
        mask |= equal_mask(data, position, SINGLE_QUOTE, 0)
        if mask != 0:
            return position + lowest_bit(mask)
        position += VECTOR_BYTES
    while position < stop and data[position] not in (GREATER_THAN, DOUBLE_QUOTE, SINGLE_QUOTE):
        position += 1
    return position


@njit(cache=True, nogil=True)
def tag_end(data, position):
    """Offset after the `>` that ends a tag. One inside a quoted value does not, unless the quote is never closed."""
    stop = min(len(data), position + _MAX_TAG_BYTES)
    first, quote = -1, 0
    position = _find_quote_or_end(data, position, stop)
    while position < stop:
        byte = data[position]
        if byte == GREATER_THAN and quote == 0:
            return position + 1
        if byte == GREATER_THAN and first < 0:
            first = position + 1
        if quote == 0 and byte != GREATER_THAN and data[position - 1] == EQUALS:
            quote = byte
        elif byte == quote:
            quote = 0
        position = _find_quote_or_end(data, position + 1, stop)
    return first if first >= 0 else find_byte(data, position, len(data), GREATER_THAN) + 1


@njit(cache=True, nogil=True)
def skip_blanks(data, position):
    """Offset of the next byte that is no blank, the length if there is none."""
    while position + VECTOR_BYTES <= len(data):
        mask = ~at_most_mask(data, position, SPACE)
        if mask:
            return position + lowest_bit(mask)
        position += VECTOR_BYTES
    while position < len(data) and data[position] <= SPACE:
        position += 1
    return position


@njit(cache=True, nogil=True)
def _read_reference(data, begin, names, points):
    """(codepoint of the character reference at `begin` (an ampersand), offset after it); -1 if it is none."""
    stop = min(len(data), begin + _MAX_REFERENCE_BYTES)
    if begin + 2 < stop and data[begin + 1] == HASH:
        position, value, base = begin + 2, np.int64(0), 10
        if data[position] | 32 == 120:
            position, base = position + 1, 16
        digits = position
        while position < stop:
            byte = np.int64(data[position])
            digit = (
                byte - 48 if 48 <= byte <= 57 else (byte | 32) - 87 if base == 16 and 97 <= (byte | 32) <= 102 else -1
            )
            if digit < 0:
                break
            value, position = value * base + digit, position + 1
        if position == digits or value > 0xFFFF or 0xD800 <= value < 0xE000:
            return np.int64(-1), begin
        return value, position + (position < len(data) and data[position] == SEMICOLON)
    name, n, position = np.int64(0), 0, begin + 1
    while position < stop and n < 8:
        byte = np.int64(data[position])
        if not (97 <= (byte | 32) <= 122 or 48 <= byte <= 57):
            break
        name, n, position = (name << 8) | byte, n + 1, position + 1
    i = np.searchsorted(names, name)
    if n and i < len(names) and names[i] == name:
        return points[i], position + (position < len(data) and data[position] == SEMICOLON)
    return np.int64(-1), begin


@njit(cache=True, nogil=True)
def _scan_runs(data, elements, element_kinds, names, points, text, start, letters):
    """Write the visible text to `text`, where runs start to `start`, and their letters to `letters`.

    Returns (number of runs, size of the text).
    """
    position, n, size, count, after_space = 0, 0, 0, 0, True
    start[0] = 0
    never_closed = np.zeros(_INLINE_KIND, np.bool_)  # skipped elements that nothing closes from here on
    while position < len(data):
        byte = data[position]
        if byte == LESS_THAN and position + 1 < len(data):
            next_byte = data[position + 1]
            is_start_tag = 97 <= (next_byte | 32) <= 122
            if is_start_tag or next_byte in (SLASH, EXCLAMATION, QUESTION):
                is_comment = next_byte == EXCLAMATION and position + 3 < len(data)
                if is_comment and data[position + 2] == HYPHEN and data[position + 3] == HYPHEN:
                    position = comment_end(data, position + 4)
                    position = position if position >= 0 else len(data)
                    continue
                name, _ = read_name(
                    data, position + 1 + (next_byte == SLASH), min(len(data), position + _MAX_NAME_BYTES)
                )
                position = tag_end(data, position + 1)
                kind = _element_kind(name, elements, element_kinds)
                if is_start_tag and 0 <= kind < _INLINE_KIND and not never_closed[kind]:
                    end = element_end(data, position, name)
                    never_closed[kind] = end < 0
                    position = max(position, end)
                ends_run = kind < _INLINE_KIND
                if size > start[n] and not after_space and kind != _INLINE_KIND:
                    text[size] = SPACE
                    size, after_space = size + 1, True
                if ends_run and size > start[n]:
                    letters[n] = count
                    n, count = n + 1, 0
                    start[n] = size
                    after_space = True
                continue
        if byte <= SPACE:
            if not after_space:
                text[size] = SPACE
                size, after_space = size + 1, True
            position = skip_blanks(data, position + 1)
            continue
        if byte == AMPERSAND:
            point, after = _read_reference(data, position, names, points)
            if point >= 0:
                if point <= SPACE or point == _NO_BREAK_SPACE:
                    if not after_space:
                        text[size] = SPACE
                        size, after_space = size + 1, True
                else:
                    size, after_space = encode(text, size, point), False
                    count += point >= 0x80 or 97 <= (point | 32) <= 122
                position = after
                continue
        text[size] = byte
        size, after_space, position = size + 1, False, position + 1
        count += byte >= 0x80 or 97 <= (byte | 32) <= 122
    if size > start[n]:
        letters[n] = count
        n += 1
        start[n] = size
    return n, size
