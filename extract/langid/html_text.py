"""Visible text of HTML as a stream of runs, by one scan over the bytes: no tree, for language identification only."""

# mypy: disable-error-code="no-untyped-def,call-arg,var-annotated"

import functools
import html.entities
from typing import NamedTuple

import numpy as np

from extract.html.byte_search import comment_end, element_end, find_byte, name_key, read_name
from pipeline.kernels.njit import njit
from pipeline.kernels.simd import WIDE, at_most, equal, lowest
from pipeline.kernels.tokens import encode

# Elements whose content is not read. `title` stays: it is text in the page's language.
_SKIPPED = ("script", "style", "noscript", "template", "svg", "textarea", "select", "math", "iframe", "code")
# Elements that do not end a run of text; the others do.
_INLINE = ("a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "em", "font", "i", "ins", "kbd", "mark", "nobr",
           "q", "s", "small", "span", "strong", "sub", "sup", "tt", "u", "var", "wbr", "br", "img")  # fmt: skip
_INLINE_KIND, _SPACED_KIND = 100, 101  # of an element: below are places in _SKIPPED, -1 is all others


class Runs(NamedTuple):
    """Visible text of a page: run i is text[start[i]:start[i + 1]], UTF-8 where the page is; `letters` counts its
    bytes that are no ASCII digit, sign or space."""

    text: np.ndarray  # uint8
    start: np.ndarray  # (n + 1,) int64
    letters: np.ndarray  # (n,) int64


@functools.cache
def _tables() -> tuple[np.ndarray, ...]:
    kinds = dict.fromkeys(_INLINE, _INLINE_KIND) | {"a": _SPACED_KIND, "br": _SPACED_KIND}
    elements, kind = np.zeros(_SLOTS, np.int64), np.full(_SLOTS, -1, np.int8)
    for name, one in (*kinds.items(), *((name, i) for i, name in enumerate(_SKIPPED))):
        slot = _slot(name_key(name))
        while elements[slot]:
            slot = (slot + 1) % _SLOTS
        elements[slot], kind[slot] = name_key(name), one
    entities = sorted((name_key(k), v) for k, v in html.entities.name2codepoint.items() if len(k) <= 8)
    points = np.array(entities, np.int64)
    return elements, kind, points[:, 0].copy(), points[:, 1].copy()


_SLOTS = 256  # of the table of elements: places go by the name's hash


@njit(cache=True, nogil=True)
def _slot(name):
    return np.int64((np.uint64(name) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(56))


@njit(cache=True, nogil=True)
def _kind(name, elements, kind):
    slot = _slot(name)
    while elements[slot] != name and elements[slot] != 0:
        slot = (slot + 1) & (_SLOTS - 1)
    return np.int64(kind[slot])


def runs(data: np.ndarray) -> Runs:
    """Runs of visible text of a page's bytes (uint8, ASCII-compatible). Linear in the length whatever the markup."""
    text = np.empty(len(data) + 8, np.uint8)
    start, letters = np.empty(len(data) // 2 + 2, np.int64), np.empty(len(data) // 2 + 2, np.int64)
    n, size = _runs(data, *_tables(), text, start, letters)
    return Runs(text[:size], start[: n + 1], letters[:n])


@njit(cache=True, nogil=True)
def _sign(data, at, stop):
    """Offset of the next `>` or quote; `stop` where there is none before."""
    while at + WIDE <= stop:
        mask = equal(data, at, 62, 0) | equal(data, at, 34, 0) | equal(data, at, 39, 0)
        if mask != 0:
            return at + lowest(mask)
        at += WIDE
    while at < stop and data[at] != 62 and data[at] != 34 and data[at] != 39:
        at += 1
    return at


@njit(cache=True, nogil=True)
def _tag_end(data, at):
    """Offset behind the `>` that ends a tag; one inside a quoted value does not, unless the quote is never closed."""
    stop = min(len(data), at + 2048)
    first, quote = -1, 0
    at = _sign(data, at, stop)
    while at < stop:
        b = data[at]
        if b == 62 and quote == 0:
            return at + 1
        if b == 62 and first < 0:
            first = at + 1
        if quote == 0 and b != 62 and data[at - 1] == 61:
            quote = b
        elif b == quote:
            quote = 0
        at = _sign(data, at + 1, stop)
    return first if first >= 0 else find_byte(data, at, len(data), 62) + 1


@njit(cache=True, nogil=True)
def _behind_blanks(data, at):
    """Offset of the next byte that is no blank, the length where there is none."""
    while at + WIDE <= len(data):
        mask = ~at_most(data, at, 32)
        if mask:
            return at + lowest(mask)
        at += WIDE
    while at < len(data) and data[at] <= 32:
        at += 1
    return at


@njit(cache=True, nogil=True)
def _point(data, at, names, points):
    """Codepoint of the character reference at `at` (an ampersand) and the offset behind it; -1 when it is none."""
    stop = min(len(data), at + 12)
    if at + 2 < stop and data[at + 1] == 35:
        here, value, base = at + 2, np.int64(0), 10
        if data[here] | 32 == 120:
            here, base = here + 1, 16
        digits = here
        while here < stop:
            b = np.int64(data[here])
            digit = b - 48 if 48 <= b <= 57 else (b | 32) - 87 if base == 16 and 97 <= (b | 32) <= 102 else -1
            if digit < 0:
                break
            value, here = value * base + digit, here + 1
        if here == digits or value > 0xFFFF or 0xD800 <= value < 0xE000:
            return np.int64(-1), at
        return value, here + (here < len(data) and data[here] == 59)
    key, n, here = np.int64(0), 0, at + 1
    while here < stop and n < 8:
        b = np.int64(data[here])
        if not (97 <= (b | 32) <= 122 or 48 <= b <= 57):
            break
        key, n, here = (key << 8) | b, n + 1, here + 1
    i = np.searchsorted(names, key)
    if n and i < len(names) and names[i] == key:
        return points[i], here + (here < len(data) and data[here] == 59)
    return np.int64(-1), at


@njit(cache=True, nogil=True)
def _runs(data, elements, kinds, names, points, text, start, letters):
    at, n, size, count, space = 0, 0, 0, 0, True
    start[0] = 0
    open_ended = np.zeros(_INLINE_KIND, np.bool_)  # elements that nothing closes from here on: not looked for again
    while at < len(data):
        b = data[at]
        if b == 60 and at + 1 < len(data):
            c = data[at + 1]
            letter = 97 <= (c | 32) <= 122
            if letter or c == 47 or c == 33 or c == 63:
                if c == 33 and at + 3 < len(data) and data[at + 2] == 45 and data[at + 3] == 45:
                    at = comment_end(data, at + 4)
                    at = at if at >= 0 else len(data)
                    continue
                name, _ = read_name(data, at + 1 + (c == 47), min(len(data), at + 12))
                at = _tag_end(data, at + 1)
                kind = _kind(name, elements, kinds)
                if letter and 0 <= kind < _INLINE_KIND and not open_ended[kind]:
                    end = element_end(data, at, name)
                    open_ended[kind] = end < 0
                    at = max(at, end)
                ends = kind < _INLINE_KIND
                if size > start[n] and not space and kind != _INLINE_KIND:
                    text[size] = 32
                    size, space = size + 1, True
                if ends and size > start[n]:
                    letters[n] = count
                    n, count = n + 1, 0
                    start[n] = size
                    space = True
                continue
        if b <= 32:
            if not space:
                text[size] = 32
                size, space = size + 1, True
            at = _behind_blanks(data, at + 1)
            continue
        if b == 38:
            point, after = _point(data, at, names, points)
            if point >= 0:
                if point <= 32 or point == 160:
                    if not space:
                        text[size] = 32
                        size, space = size + 1, True
                else:
                    size, space = encode(text, size, point), False
                    count += point >= 0x80 or 97 <= (point | 32) <= 122
                at = after
                continue
        text[size] = b
        size, space, at = size + 1, False, at + 1
        count += b >= 0x80 or 97 <= (b | 32) <= 122
    if size > start[n]:
        letters[n] = count
        n += 1
        start[n] = size
    return n, size
