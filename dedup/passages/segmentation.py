"""Units of texts (words, sentences, lines) and hashes of runs of them: what repeated pieces are found by.

Two runs are equal when they have the same words in the same order, as `pipeline.kernels.tokens` defines words:
lower-cased, so
that case, punctuation and white space tell nothing apart, and numbers do. Equality is that of 122 bits: polynomials of
the words' hashes over two bases, modulo the prime 2^61 - 1 (Carter and Wegman 1979).
"""

from typing import Literal, NamedTuple

import numpy as np

from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import SPACE, Words, class_of, classes, decode, mix

Unit = Literal["line", "sentence", "word"]
_PRIME = np.uint64((1 << 61) - 1)
_BASES = (np.uint64(0x0F3C9D1B5A7E2C47), np.uint64(0x1A56E8D3B17F9405))
_LOW31, _LOW30 = np.uint64((1 << 31) - 1), np.uint64((1 << 30) - 1)
_S30, _S31, _S61, _ONE = np.uint64(30), np.uint64(31), np.uint64(61), np.uint64(1)


class Units(NamedTuple):
    """Units of d documents that hold a word, n in all, in order; together they hold every word."""

    start: np.ndarray  # (n,) int64, byte offset into the words' data
    end: np.ndarray  # (n,) int64, byte offset behind the unit, white space left out
    word: np.ndarray  # (n + 1,) int64: words of unit i are word[i] to word[i + 1]
    first: np.ndarray  # (d + 1,) int64: units of document i are first[i] to first[i + 1]


def units(words: Words, unit: Unit) -> Units:
    """Lines; sentences, which end with their line at the latest; or words, with the marks that adhere to them."""
    n, kinds = len(words.hash), classes()
    if unit == "word":
        start, end = np.empty(n, np.int64), np.empty(n, np.int64)
        _adhering(words.data, words.offsets, kinds, words.start, words.end, words.first, start, end)
        return Units(start, end, np.arange(n + 1), words.first)
    start, end, word = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n + 1, np.int64)
    first = np.zeros_like(words.first)
    _cut(words.data, words.offsets, kinds, unit == "sentence", words.start, words.first, start, end, word, first)
    m = first[-1]
    return Units(start[:m], end[:m], word[: m + 1], first)


def windows(found: Units, span: int, min_words: int) -> tuple[np.ndarray, np.ndarray]:
    """Runs of `span` units of at least `min_words` words: the document (0..d) of each and its first unit (0..n)."""
    counts = np.maximum(np.diff(found.first) - span + 1, 0)
    owner = np.repeat(np.arange(len(counts)), counts)
    begin = np.cumsum(counts) - counts
    at = np.arange(len(owner)) - begin[owner] + found.first[owner]
    long = found.word[at + span] - found.word[at] >= min_words
    return owner[long], at[long]


def run_hashes(words: Words, owner: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two uint64 hashes of each run of words low[i] to high[i] of document owner[i]; owners in order."""
    longest = int(np.diff(words.first).max(initial=0))
    out = np.empty((2, len(low)), np.uint64)
    for base, into in zip(_BASES, out, strict=True):
        _runs(words.hash, words.first, owner, low, high, base, _powers(base, longest + 1), into)
    return out[0], out[1]


@njit(cache=True, nogil=True, inline="always")
def _times(a, b):
    """a * b modulo 2^61 - 1, for a and b below it, in 64 bits."""
    a_high, a_low, b_high, b_low = a >> _S31, a & _LOW31, b >> _S31, b & _LOW31
    middle = a_low * b_high + a_high * b_low
    return _reduced(
        ((a_high * b_high) << _ONE) + (middle >> _S30) + ((middle & _LOW30) << _S31) + a_low * b_low
    )  # fmt: skip


@njit(cache=True, nogil=True, inline="always")
def _reduced(x):
    """x modulo 2^61 - 1."""
    x = (x & _PRIME) + (x >> _S61)
    return x - _PRIME if x >= _PRIME else x


@njit(cache=True, nogil=True)
def _powers(base, count):
    out = np.ones(count + 1, np.uint64)
    for i in range(count):
        out[i + 1] = _times(out[i], base)
    return out


@njit(cache=True, nogil=True)
def _runs(hashes, first, owner, low, high, base, powers, out):
    prefix, document = np.zeros(len(powers), np.uint64), -1
    for i in range(len(low)):
        begin = first[owner[i]]
        if owner[i] != document:
            document = owner[i]
            for w in range(begin, first[document + 1]):
                prefix[w - begin + 1] = _reduced(_times(prefix[w - begin], base) + _reduced(hashes[w]))
        before = _times(prefix[low[i] - begin], powers[high[i] - low[i]])
        out[i] = mix(_reduced(prefix[high[i] - begin] + _PRIME - before))


@njit(cache=True, nogil=True)
def _adhering(data, offsets, kinds, w_start, w_end, first, start, end):
    """Marks up to the next white space belong to the word before them, others to the word behind them."""
    for d in range(len(offsets) - 1):
        at = offsets[d]
        for w in range(first[d], first[d + 1]):
            start[w] = at
            while at < w_start[w]:
                point, at = decode(data, at)
                if class_of(point, kinds) == SPACE:
                    start[w] = at
            at, limit = w_end[w], w_start[w + 1] if w + 1 < first[d + 1] else offsets[d + 1]
            while at < limit:
                point, behind = decode(data, at)
                if class_of(point, kinds) == SPACE:
                    break
                at = behind
            end[w] = at


@njit(cache=True, nogil=True)
def _cut(data, offsets, kinds, sentences, w_start, w_first, start, end, word, first):
    n = 0
    for d in range(len(offsets) - 1):
        at, limit, w = offsets[d], offsets[d + 1], w_first[d]
        while at < limit:
            point, behind = decode(data, at)
            if class_of(point, kinds) == SPACE:
                at = behind
                continue
            begin = at
            last, at = _unit_end(data, at, limit, kinds, sentences)
            before = w
            while w < w_first[d + 1] and w_start[w] < last:
                w += 1
            if w > before:
                start[n], end[n], word[n] = begin, last, before
                n += 1
        first[d + 1] = n
    word[n] = w_first[-1]


@njit(cache=True, nogil=True, inline="always")
def _unit_end(data, at, limit, kinds, sentences):
    """Where the unit that begins at `at` ends, white space left out, and where to look for the next."""
    last = at
    while at < limit and data[at] != 0x0A:
        point, at = decode(data, at)
        if class_of(point, kinds) != SPACE:
            last = at
        if sentences and (_stops(point) or _stops_wide(point)):
            wide = _stops_wide(point)
            at = _behind_marks(data, at, limit, wide)
            last = at
            if wide or at == limit or class_of(decode(data, at)[0], kinds) == SPACE:
                return last, at
    return last, at


@njit(cache=True, nogil=True, inline="always")
def _behind_marks(data, at, limit, wide):
    """Behind more stops of the same kind, and then behind closing marks."""
    closing = False
    while at < limit:
        point, behind = decode(data, at)
        if closing or not (_stops_wide(point) if wide else _stops(point)):
            closing = True
            if not (_closes_wide(point) if wide else _closes(point)):
                return at
        at = behind
    return at


@njit(cache=True, nogil=True, inline="always")
def _stops(point):
    return point == 0x2E or point == 0x21 or point == 0x3F or point == 0x2026  # . ! ? …


@njit(cache=True, nogil=True, inline="always")
def _stops_wide(point):
    return point == 0x3002 or point == 0xFF01 or point == 0xFF1F  # 。！？


@njit(cache=True, nogil=True, inline="always")
def _closes(point):
    """ " ' ) ] « » ‘ ’ “ ”"""
    if point < 0x80:
        return point == 0x22 or point == 0x27 or point == 0x29 or point == 0x5D
    return point == 0xAB or point == 0xBB or point == 0x2018 or point == 0x2019 or point == 0x201C or point == 0x201D


@njit(cache=True, nogil=True, inline="always")
def _closes_wide(point):
    return point == 0x300D or point == 0x300F or point == 0x201D or point == 0xFF09  # 」』”）
