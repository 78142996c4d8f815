"""Shingles of documents (word n-grams) as 64-bit hashes, and Jaccard similarity of sets of them."""

import numpy as np
import pyarrow as pa

from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import CHARACTER, WORD, buffers, class_of, classes, decode, lowered, mix


def shingles(column: pa.Array | pa.ChunkedArray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return hashes (uint64) of all runs of n words of d texts, in order, and their (d + 1,) bounds.

    Words are those of `pipeline.kernels.tokens.words`; they are scanned and hashed in one pass here, since nobody needs
    their positions. A document of fewer than n words, and at least one, has one shingle of all its words.
    """
    data, offsets = buffers(column)
    sizes = np.diff(offsets)
    out = np.empty(
        int((sizes // 2 + 1).sum()), np.uint64
    )  # a word and what separates it from the next: 2 bytes or more
    word_hashes = np.empty(int(sizes.max(initial=0)) // 2 + 1, np.uint64)
    bounds = np.zeros(len(offsets), np.int64)
    _hash_shingles(data, offsets, classes(), lowered(), n, word_hashes, out, bounds)
    return out[: bounds[-1]], bounds


def shingle_sets(hashes: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the shingles of each document sorted and without repetition, and their (d + 1,) bounds."""
    out, set_bounds = hashes.copy(), np.zeros(len(bounds), np.int64)
    _sorted_sets(out, bounds, np.empty(np.diff(bounds).max(initial=0), np.uint64), set_bounds)
    return out[: set_bounds[-1]], set_bounds


@njit(cache=True, nogil=True)
def _hash_shingles(data, offsets, table, lower, n, word_hashes, out, bounds):
    """Hash of a shingle: the polynomial of its length and words, rolled from one to the next, and mixed."""
    base, written = np.uint64(0xD6E8FEB86659FD93), 0  # odd: multiplying by it loses nothing
    for d in range(len(offsets) - 1):
        count = _hash_words(data, offsets[d], offsets[d + 1], table, lower, word_hashes)
        length = min(n, count)
        polynomial, power = np.uint64(0), np.uint64(1)
        for w in range(length):
            polynomial = polynomial * base + word_hashes[w]
            power *= base
        length_term = np.uint64(length) * power
        for end in range(length, count + 1 if count else 0):
            out[written] = mix(polynomial + length_term)
            written += 1
            if end < count:
                polynomial = polynomial * base + word_hashes[end] - word_hashes[end - length] * power
        bounds[d + 1] = written


@njit(cache=True, nogil=True, inline="always")
def _hash_words(data, position, end, table, lower, out):
    """Hash the words of one document, as `pipeline.kernels.tokens` does; return how many there are."""
    count, in_word, word_hash = 0, False, np.uint64(0)
    while position < end:
        point, position = decode(data, position)
        kind = class_of(point, table)
        if in_word and kind != WORD:
            out[count] = mix(word_hash)
            count += 1
        if kind >= WORD:
            if not in_word or kind == CHARACTER:
                word_hash = np.uint64(0x9E3779B97F4A7C15)
            folded = lower[point] if point < np.uint32(0x20000) else point
            word_hash = (word_hash ^ np.uint64(folded)) * np.uint64(0x100000001B3)
            word_hash ^= word_hash >> np.uint64(29)
            if kind == CHARACTER:
                out[count] = mix(word_hash)
                count += 1
        in_word = kind == WORD
    if in_word:
        out[count] = mix(word_hash)
        count += 1
    return count


@njit(cache=True, nogil=True)
def _sorted_sets(hashes, bounds, scratch, set_bounds):
    n = 0
    for d in range(len(bounds) - 1):
        own = scratch[: bounds[d + 1] - bounds[d]]
        _bucket_sort(hashes[bounds[d] : bounds[d + 1]], own)
        for i in range(len(own)):
            if i == 0 or own[i] != own[i - 1]:
                hashes[n] = own[i]
                n += 1
        set_bounds[d + 1] = n


@njit(cache=True, nogil=True)
def _bucket_sort(hashes, out):
    """Sort `hashes` into `out`: a bucket a hash by the leading bits, since hashes are evenly spread, then insertion."""
    width = 1
    while (1 << width) < len(hashes):
        width += 1
    shift = np.uint64(64 - width)
    next_place = np.zeros((1 << width) + 1, np.int64)
    for value in hashes:
        next_place[np.int64(value >> shift) + 1] += 1
    for k in range(1 << width):
        next_place[k + 1] += next_place[k]
    for value in hashes:
        bucket = np.int64(value >> shift)
        out[next_place[bucket]] = value
        next_place[bucket] += 1
    for i in range(1, len(out)):
        value, j = out[i], i
        while j > 0 and out[j - 1] > value:
            out[j] = out[j - 1]
            j -= 1
        out[j] = value


@njit(cache=True, nogil=True)
def jaccard(a, b, minimum):
    """Return the Jaccard similarity of two sorted sets (uint64, no repetition); -1.0 where it is below `minimum`.

    The comparison stops as soon as too few hashes are left. Two empty sets have similarity 0.
    """
    if len(a) == 0 or len(b) == 0:
        return 0.0 if minimum <= 0 else -1.0
    # common / (len a + len b - common) >= t  <=>  common >= t / (1 + t) * (len a + len b); one less, for the rounding
    max_unshared = len(a) + len(b) - 2 * (minimum / (1 + minimum) * (len(a) + len(b)) - 1)
    i, j, common = 0, 0, 0
    while i < len(a) and j < len(b):
        x, y = a[i], b[j]
        common += x == y
        i += x <= y
        j += y <= x
        if i + j - 2 * common > max_unshared:
            return -1.0
    similarity = common / (len(a) + len(b) - common)
    return similarity if similarity >= minimum else -1.0
