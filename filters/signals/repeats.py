"""What repeats within one document, by 64-bit hashes: the table that counts keys, and n-grams of tokens.

One open-addressing table serves every document and every count. A count uses, and clears, only as much of it as it has
keys, so the cost is linear in the text whatever the text is.
"""

from typing import NamedTuple

import numpy as np

from filters.signals.word_splits import HASH_BASE
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import mix

MAX_NGRAM = 10  # n-grams are measured for n = 2 to 10
MAX_TOP_NGRAM = 4  # up to this n: characters in the most frequent n-gram; above: characters in repeated n-grams
_MIN_SLOTS = 16  # of the table that a count uses
_MIN_SIEVE = 256


class CountTable(NamedTuple):
    """Hash table with open addressing for `size` (a power of two) keys."""

    key: np.ndarray  # (size,) uint64
    times: np.ndarray  # (size,) int32, 0 where there is no key
    sieve: np.ndarray  # (4 * size,) uint8: whether a hash with these last bits came once (1) or more often (> 1)


class NgramBuffers(NamedTuple):
    """Buffers for the n-grams of one document of m - 1 tokens."""

    prefix: np.ndarray  # (m,) uint64: hash of the tokens before each one
    chars: np.ndarray  # (m,) int64: characters of the tokens before each one
    start: np.ndarray  # (m,) int32: tokens at which an n-gram starts that may repeat
    slot: np.ndarray  # (m,) int64: slot of that n-gram in the table


@njit(cache=True, nogil=True)
def start_count(table, keys):
    """Clear as much of the table as a count of at most `keys` keys needs; returns the mask of its slots."""
    size = _MIN_SLOTS
    while size < 2 * keys and size < len(table.key):
        size *= 2
    table.times[:size] = 0
    return size - 1


@njit(cache=True, nogil=True, inline="always")
def count_key(table, mask, key):
    """Count `key` once more; returns its slot."""
    slot = np.int64(mix(key) & np.uint64(mask))
    while table.times[slot] and table.key[slot] != key:
        slot = (slot + 1) & mask
    table.key[slot] = key
    table.times[slot] += 1
    return slot


@njit(cache=True, nogil=True)
def repeated_ngrams(hashes, lengths, count, table, buffers, chars):
    """Fill chars[n] with the characters in repeated n-grams of `count` tokens, n = 2 to 10.

    n up to 4: in the most frequent n-gram, its spaces included (0 if none occurs twice). n from 5 on: in all n-grams
    that occurred before, counted without overlap and without spaces. An n-gram can only repeat where the (n-1)-grams at
    its first and second token do, so few candidates remain.
    """
    buffers.prefix[0], buffers.chars[0] = 0, 0
    for i in range(count):
        buffers.prefix[i + 1] = buffers.prefix[i] * np.uint64(HASH_BASE) + mix(hashes[i])
        buffers.chars[i + 1] = buffers.chars[i] + lengths[i]
    chars[:] = 0
    candidates, power = count, np.uint64(HASH_BASE)
    for n in range(2, MAX_NGRAM + 1):
        power *= np.uint64(HASH_BASE)
        if n == 2:
            candidates = _sieve_bigrams(buffers, count - 1, power, table.sieve)
        else:
            candidates = _extend_candidates(buffers.start, candidates, count - n)
        candidates = _keep_repeated(buffers, candidates, n, power, table)
        if not candidates:
            return
        if n <= MAX_TOP_NGRAM:
            chars[n] = _top_ngram_chars(buffers, candidates, n, table.times)
        else:
            chars[n] = _duplicate_ngram_chars(buffers, candidates, n, table.times)


@njit(cache=True, nogil=True)
def _extend_candidates(starts, candidates, last):
    """Keep the starts i <= last for which i + 1 is a candidate as well; returns how many."""
    kept = 0
    for j in range(candidates - 1):
        if starts[j + 1] == starts[j] + 1 and starts[j] <= last:
            starts[kept] = starts[j]
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _sieve_bigrams(buffers, count, power, sieve):
    """Keep the starts whose 2-gram may occur twice; returns how many.

    It has no branches, since the processor could not predict them.
    """
    size, kept = _MIN_SIEVE, 0
    while size < 8 * count and size < len(sieve):
        size *= 2
    sieve[:size] = 0
    for i in range(count):
        entry = mix(buffers.prefix[i + 2] - buffers.prefix[i] * power) & np.uint64(size - 1)
        sieve[entry] = sieve[entry] << 1 | 1
    for i in range(count):
        buffers.start[kept] = i
        kept += sieve[mix(buffers.prefix[i + 2] - buffers.prefix[i] * power) & np.uint64(size - 1)] > 1
    return kept


@njit(cache=True, nogil=True)
def _keep_repeated(buffers, candidates, n, power, table):
    """Keep the starts whose n-gram occurs at least twice, with their slots; returns how many."""
    mask, kept = start_count(table, candidates), 0
    for j in range(candidates):
        i = buffers.start[j]
        buffers.slot[j] = count_key(table, mask, buffers.prefix[i + n] - buffers.prefix[i] * power)
    for j in range(candidates):
        if table.times[buffers.slot[j]] > 1:
            buffers.start[kept], buffers.slot[kept] = buffers.start[j], buffers.slot[j]
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _top_ngram_chars(buffers, candidates, n, times):
    """Characters of the most frequent n-gram (the first of equals), spaces between its tokens included."""
    most_times, first = 0, 0
    for j in range(candidates):
        if times[buffers.slot[j]] > most_times:
            most_times, first = times[buffers.slot[j]], buffers.start[j]
    return most_times * (buffers.chars[first + n] - buffers.chars[first] + n - 1)


@njit(cache=True, nogil=True)
def _duplicate_ngram_chars(buffers, candidates, n, times):
    """Characters of n-grams seen before, from left to right; after such an n-gram the search continues at its end."""
    chars, next_start = 0, 0
    for j in range(candidates):
        i, slot = buffers.start[j], buffers.slot[j]
        if i < next_start:
            continue
        if times[slot] < 0:  # seen: its count is no longer needed
            chars += buffers.chars[i + n] - buffers.chars[i]
            next_start = i + n
        times[slot] = -1
    return chars
