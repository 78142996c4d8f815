"""What repeats within one document: lines, paragraphs and n-grams of tokens, by 64-bit hashes.

One open-addressing table serves every document and every question: an entry counts only when its stamp is that of the
question being asked, so nothing is ever cleared and the cost is linear in the text, whatever it is.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from filters.signal_classes import SPACE
from filters.signal_words import BASE, hash_of
from pipeline.tokens import mix

GRAMS = 10  # n-grams are asked about for n = 2 to 10
TOP = 4  # up to this n: characters in the most frequent n-gram; above: characters in repeated n-grams
_NEWLINE = 0x0A


class Table(NamedTuple):
    """Room for `size` (a power of two) keys."""

    key: np.ndarray  # (size,) uint64
    stamp: np.ndarray  # (size,) int64: the question this entry belongs to
    count: np.ndarray  # (size,) int32
    asked: np.ndarray  # (1,) int64: the question being asked


class Room(NamedTuple):
    """Room for the n-grams of one document of m - 1 tokens."""

    prefix: np.ndarray  # (m,) uint64: hash of the tokens before
    chars: np.ndarray  # (m,) int64: characters of the tokens before
    where: np.ndarray  # (m,) int32: tokens at which an n-gram starts that may repeat
    slot: np.ndarray  # (m,) int64: its entry in the table


@njit(cache=True, nogil=True)
def ask(table, n):
    """Start a question about at most n keys; returns the mask of the part of the table that it uses."""
    table.asked[0] += 1
    size = 16
    while size < 2 * n and size < len(table.key):
        size *= 2
    return size - 1


@njit(cache=True, nogil=True, inline="always")
def enter(table, mask, key):
    """Count `key` once more; returns its entry."""
    at = np.int64(mix(key) & np.uint64(mask))
    while table.stamp[at] == table.asked[0] and table.key[at] != key:
        at = (at + 1) & mask
    if table.stamp[at] != table.asked[0]:
        table.stamp[at], table.key[at], table.count[at] = table.asked[0], key, 0
    table.count[at] += 1
    return at


@njit(cache=True, nogil=True)
def lines(points, kinds, n, table):
    """Repeated lines among the `n` codepoints of a text.

    Returns (lines, repeated, characters of those) of the pieces between runs of line feeds (Gopher; a line feed at
    either end makes an empty piece, as in the reference), then (lines, characters of repeated ones) without the blank.
    """
    feeds = 0
    for i in range(n):
        feeds += points[i] == _NEWLINE
    mask = ask(table, feeds + 1)
    count = repeated = chars = solid = solid_chars = i = 0
    while i <= n:
        start, blank = i, True
        while i < n and points[i] != _NEWLINE:
            blank &= kinds[i] & SPACE != 0
            i += 1
        if i > start:
            again = table.count[enter(table, mask, hash_of(points, start, i))] > 1
            count, solid = count + 1, solid + (not blank)
            repeated, chars = repeated + again, chars + again * (i - start)
            solid_chars += again * (not blank) * (i - start)
        i += 1
    edges = (n > 0 and points[0] == _NEWLINE) + (n > 0 and points[n - 1] == _NEWLINE)
    return count + edges, repeated + (edges == 2), chars, solid, solid_chars


@njit(cache=True, nogil=True)
def paragraphs(points, kinds, n, table):
    """(paragraphs, repeated, characters of those): pieces of the stripped text between two line feeds or more."""
    a, b = strip(kinds, 0, n)
    breaks = 1
    for i in range(a + 1, b):
        breaks += points[i] == _NEWLINE and points[i - 1] == _NEWLINE
    mask = ask(table, breaks)
    count = repeated = chars = 0
    while a < b:
        stop = a
        while stop < b and not (points[stop] == _NEWLINE and stop + 1 < b and points[stop + 1] == _NEWLINE):
            stop += 1
        again = table.count[enter(table, mask, hash_of(points, a, stop))] > 1
        count, repeated, chars = count + 1, repeated + again, chars + again * (stop - a)
        a = stop
        while a < b and points[a] == _NEWLINE:
            a += 1
    return count, repeated, chars


@njit(cache=True, nogil=True, inline="always")
def strip(kinds, a, b):
    """[a, b) without the white space at both ends."""
    while a < b and kinds[a] & SPACE:
        a += 1
    while b > a and kinds[b - 1] & SPACE:
        b -= 1
    return a, b


@njit(cache=True, nogil=True)
def grams(hashes, lengths, n, table, room, out):
    """Characters in repeated n-grams of `n` tokens: out[2..4] in the most frequent one (0 when none comes twice), with
    its spaces, out[5..10] in all that came before, counted without overlap and without spaces.

    An n-gram can only repeat where the (n-1)-grams at its first and second token do, so that few are left to look at.
    """
    room.prefix[0], room.chars[0] = 0, 0
    for i in range(n):
        room.prefix[i + 1] = room.prefix[i] * np.uint64(BASE) + mix(hashes[i])
        room.chars[i + 1] = room.chars[i] + lengths[i]
        room.where[i] = i
    out[:] = 0
    left, power = n, np.uint64(BASE)
    for size in range(2, GRAMS + 1):
        power *= np.uint64(BASE)
        left = _candidates(room.where, left, n - size) if size > 2 else max(0, n - 1)
        left = _repeated(room, left, size, power, table)
        if not left:
            return
        out[size] = _top(room, left, size, table.count) if size <= TOP else _again(room, left, size, table.count)


@njit(cache=True, nogil=True)
def _candidates(where, left, last):
    """Keep the starts i <= last with i + 1 in the list as well."""
    kept = 0
    for j in range(left - 1):
        if where[j + 1] == where[j] + 1 and where[j] <= last:
            where[kept] = where[j]
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _repeated(room, left, size, power, table):
    """Keep the starts whose n-gram occurs at least twice, with their entries."""
    mask, kept = ask(table, left), 0
    for j in range(left):
        i = room.where[j]
        room.slot[j] = enter(table, mask, room.prefix[i + size] - room.prefix[i] * power)
    for j in range(left):
        if table.count[room.slot[j]] > 1:
            room.where[kept], room.slot[kept] = room.where[j], room.slot[j]
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _top(room, left, size, count):
    """Characters of the most frequent n-gram (the first of equals), spaces between its tokens included."""
    best, at = 0, 0
    for j in range(left):
        if count[room.slot[j]] > best:
            best, at = count[room.slot[j]], room.where[j]
    return best * (room.chars[at + size] - room.chars[at] + size - 1)


@njit(cache=True, nogil=True)
def _again(room, left, size, count):
    """Characters of n-grams seen before, from left to right; behind such a one the search goes on."""
    chars, free = 0, 0
    for j in range(left):
        i, slot = room.where[j], room.slot[j]
        if i < free:
            continue
        if count[slot] < 0:
            chars += room.chars[i + size] - room.chars[i]
            free = i + size
        count[slot] = -1
    return chars
