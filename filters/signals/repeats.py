"""What repeats within one document, by 64-bit hashes: the table that counts them, and n-grams of tokens.

One open-addressing table serves every document and every question; a question uses, and clears, only as much of it as
it has keys, so that the cost is linear in the text, whatever it is.
"""

from typing import NamedTuple

import numpy as np

from filters.signals.words import BASE
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import mix

GRAMS = 10  # n-grams are asked about for n = 2 to 10
TOP = 4  # up to this n: characters in the most frequent n-gram; above: characters in repeated n-grams


class Table(NamedTuple):
    """Room for `size` (a power of two) keys."""

    key: np.ndarray  # (size,) uint64
    times: np.ndarray  # (size,) int32, 0 where there is no key
    sieve: np.ndarray  # (4 * size,) uint8: whether a hash with these last bits came once (1), more often (> 1)


class Room(NamedTuple):
    """Room for the n-grams of one document of m - 1 tokens."""

    prefix: np.ndarray  # (m,) uint64: hash of the tokens before
    chars: np.ndarray  # (m,) int64: characters of the tokens before
    where: np.ndarray  # (m,) int32: tokens at which an n-gram starts that may repeat
    slot: np.ndarray  # (m,) int64: its entry in the table


@njit(cache=True, nogil=True)
def ask(table, n):
    """Start a question about at most n keys; returns the mask of the part of the table that it uses."""
    size = 16
    while size < 2 * n and size < len(table.key):
        size *= 2
    table.times[:size] = 0
    return size - 1


@njit(cache=True, nogil=True, inline="always")
def enter(table, mask, key):
    """Count `key` once more; returns its entry."""
    at = np.int64(mix(key) & np.uint64(mask))
    while table.times[at] and table.key[at] != key:
        at = (at + 1) & mask
    table.key[at] = key
    table.times[at] += 1
    return at


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
    out[:] = 0
    left, power = n, np.uint64(BASE)
    for size in range(2, GRAMS + 1):
        power *= np.uint64(BASE)
        left = _candidates(room.where, left, n - size) if size > 2 else _sieved(room, n - 1, power, table.sieve)
        left = _repeated(room, left, size, power, table)
        if not left:
            return
        out[size] = _top(room, left, size, table.times) if size <= TOP else _again(room, left, size, table.times)


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
def _sieved(room, left, power, sieve):
    """Keep the starts whose 2-gram may occur twice: without branches, since nobody can foresee which do."""
    size, kept = 256, 0
    while size < 8 * left and size < len(sieve):
        size *= 2
    sieve[:size] = 0
    for i in range(left):
        at = mix(room.prefix[i + 2] - room.prefix[i] * power) & np.uint64(size - 1)
        sieve[at] = sieve[at] << 1 | 1
    for i in range(left):
        room.where[kept] = i
        kept += sieve[mix(room.prefix[i + 2] - room.prefix[i] * power) & np.uint64(size - 1)] > 1
    return kept


@njit(cache=True, nogil=True)
def _repeated(room, left, size, power, table):
    """Keep the starts whose n-gram occurs at least twice, with their entries."""
    mask, kept = ask(table, left), 0
    for j in range(left):
        i = room.where[j]
        room.slot[j] = enter(table, mask, room.prefix[i + size] - room.prefix[i] * power)
    for j in range(left):
        if table.times[room.slot[j]] > 1:
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
