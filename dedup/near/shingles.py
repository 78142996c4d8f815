"""Shingles of documents (word n-grams) as 64-bit hashes, and Jaccard similarity of sets of them."""

import numpy as np
import pyarrow as pa

from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import buffers, class_of, classes, decode, lowered, mix


def shingles(column: pa.Array | pa.ChunkedArray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Hashes (uint64) of all runs of n words of d texts, in order, and their (d + 1,) bounds.

    Words are those of `pipeline.kernels.tokens.words`, scanned and hashed in one pass here, since their places are
    not asked
    for. A document of fewer than n words (and at least one) has one shingle of all its words.
    """
    data, offsets = buffers(column)
    sizes = np.diff(offsets)
    out = np.empty(int((sizes // 2 + 1).sum()), np.uint64)  # a word and what parts it from the next: two bytes at least
    scratch = np.empty(int(sizes.max(initial=0)) // 2 + 1, np.uint64)
    bounds = np.zeros(len(offsets), np.int64)
    _shingles(data, offsets, classes(), lowered(), n, scratch, out, bounds)
    return out[: bounds[-1]], bounds


def shingle_sets(hashes: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same documents with each document's hashes sorted and without repetition."""
    out, ends = hashes.copy(), np.zeros(len(bounds), np.int64)
    _sorted_sets(out, bounds, np.empty(np.diff(bounds).max(initial=0), np.uint64), ends)
    return out[: ends[-1]], ends


@njit(cache=True, nogil=True)
def _shingles(data, offsets, table, lower, n, scratch, out, bounds):
    """A shingle's hash is the polynomial of its length and words, rolled from one to the next, and mixed."""
    base, done = np.uint64(0xD6E8FEB86659FD93), 0  # odd: multiplying by it loses nothing
    for d in range(len(offsets) - 1):
        count = _scan(data, offsets[d], offsets[d + 1], table, lower, scratch)
        length = min(n, count)
        h, power = np.uint64(0), np.uint64(1)
        for w in range(length):
            h = h * base + scratch[w]
            power *= base
        longest = np.uint64(length) * power
        for end in range(length, count + 1 if count else 0):
            out[done] = mix(h + longest)
            done += 1
            if end < count:
                h = h * base + scratch[end] - scratch[end - length] * power
        bounds[d + 1] = done


@njit(cache=True, nogil=True, inline="always")
def _scan(data, at, end, table, lower, out):
    """Word hashes of one document, as `pipeline.kernels.tokens` defines them; returns how many."""
    n, inside, h = 0, False, np.uint64(0)
    while at < end:
        point, at = decode(data, at)
        kind = class_of(point, table)
        if inside and kind != 2:
            out[n] = mix(h)
            n += 1
        if kind >= 2:
            if not inside or kind == 3:
                h = np.uint64(0x9E3779B97F4A7C15)
            folded = lower[point] if point < np.uint32(0x20000) else point
            h = (h ^ np.uint64(folded)) * np.uint64(0x100000001B3)
            h ^= h >> np.uint64(29)
            if kind == 3:
                out[n] = mix(h)
                n += 1
        inside = kind == 2
    if inside:
        out[n] = mix(h)
        n += 1
    return n


@njit(cache=True, nogil=True)
def _sorted_sets(hashes, bounds, scratch, ends):
    n = 0
    for d in range(len(bounds) - 1):
        these = scratch[: bounds[d + 1] - bounds[d]]
        _sort(hashes[bounds[d] : bounds[d + 1]], these)
        for i in range(len(these)):
            if i == 0 or these[i] != these[i - 1]:
                hashes[n] = these[i]
                n += 1
        ends[d + 1] = n


@njit(cache=True, nogil=True)
def _sort(hashes, out):
    """`hashes` in order, to `out`: one bucket a hash by the leading bits, as hashes are even; then by insertion."""
    width = 1
    while (1 << width) < len(hashes):
        width += 1
    shift = np.uint64(64 - width)
    place = np.zeros((1 << width) + 1, np.int64)
    for h in hashes:
        place[np.int64(h >> shift) + 1] += 1
    for k in range(1 << width):
        place[k + 1] += place[k]
    for h in hashes:
        mine = np.int64(h >> shift)
        out[place[mine]] = h
        place[mine] += 1
    for i in range(1, len(out)):
        h, at = out[i], i
        while at > 0 and out[at - 1] > h:
            out[at] = out[at - 1]
            at -= 1
        out[at] = h


@njit(cache=True, nogil=True)
def jaccard(a, b, at_least):
    """Jaccard similarity of two sorted sets (uint64, no repetition), or -1.0 where it is below `at_least`.

    It gives up as soon as too few hashes are left. Two empty sets have similarity 0.
    """
    if len(a) == 0 or len(b) == 0:
        return 0.0 if at_least <= 0 else -1.0
    # inter / (la + lb - inter) >= t  <=>  inter >= t / (1 + t) * (la + lb); one less, for the rounding
    spare = len(a) + len(b) - 2 * (at_least / (1 + at_least) * (len(a) + len(b)) - 1)
    i, j, same = 0, 0, 0
    while i < len(a) and j < len(b):
        x, y = a[i], b[j]
        same += x == y
        i += x <= y
        j += y <= x
        if i + j - 2 * same > spare:
            return -1.0
    similarity = same / (len(a) + len(b) - same)
    return similarity if similarity >= at_least else -1.0
