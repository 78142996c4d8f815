"""Units of texts (lines, sentences, words) and hashes of runs of them, by which repeated passages are found.

Two passages are equal when they have the same words in the same order, as `pipeline.kernels.tokens` defines words:
lower-cased, so that case, punctuation and white space make no difference; numbers do. Equality is that of 122 bits:
polynomials of the words' hashes over two bases, modulo the prime 2^61 - 1 (Carter and Wegman 1979).
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
    """Units of d documents that have a word, n in all, in order; every word is in one of them.

    start: (n,) int64, byte offset into the words' data.
    end: (n,) int64, byte offset after the unit, without the white space that follows.
    word: (n + 1,) int64; the words of unit i are word[i] to word[i + 1].
    first: (d + 1,) int64; the units of document i are first[i] to first[i + 1].
    """

    start: np.ndarray
    end: np.ndarray
    word: np.ndarray
    first: np.ndarray


def split_units(words: Words, unit: Unit) -> Units:
    """Split texts into lines; sentences, which end with their line at the latest; or words with adjacent marks."""
    n, kinds = len(words.hash), classes()
    if unit == "word":
        start, end = np.empty(n, np.int64), np.empty(n, np.int64)
        _attach_marks(words.data, words.offsets, kinds, words.start, words.end, words.first, start, end)
        return Units(start, end, np.arange(n + 1), words.first)
    start, end, word = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n + 1, np.int64)
    first = np.zeros_like(words.first)
    is_sentence = unit == "sentence"
    _split(words.data, words.offsets, kinds, is_sentence, words.start, words.first, start, end, word, first)
    count = first[-1]
    return Units(start[:count], end[:count], word[: count + 1], first)


def unit_windows(units: Units, span: int, min_words: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the runs of `span` units with at least `min_words` words: document (0 to d - 1) and first unit of each.

    Units are numbered over all documents.
    """
    counts = np.maximum(np.diff(units.first) - span + 1, 0)
    owner = np.repeat(np.arange(len(counts)), counts)
    begin = np.cumsum(counts) - counts
    first_unit = np.arange(len(owner)) - begin[owner] + units.first[owner]
    is_long = units.word[first_unit + span] - units.word[first_unit] >= min_words
    return owner[is_long], first_unit[is_long]


def run_hashes(words: Words, owner: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two uint64 hashes of each run of words low[i] to high[i] of document owner[i]; owners are in order."""
    longest = int(np.diff(words.first).max(initial=0))
    out = np.empty((2, len(low)), np.uint64)
    for base, hashes in zip(_BASES, out, strict=True):
        _hash_runs(words.hash, words.first, owner, low, high, base, _powers(base, longest + 1), hashes)
    return out[0], out[1]


@njit(cache=True, nogil=True, inline="always")
def _multiply_mod(a, b):
    """Return a * b modulo 2^61 - 1, for a and b below it, in 64 bits."""
    a_high, a_low, b_high, b_low = a >> _S31, a & _LOW31, b >> _S31, b & _LOW31
    middle = a_low * b_high + a_high * b_low
    return _reduce_mod(
        ((a_high * b_high) << _ONE) + (middle >> _S30) + ((middle & _LOW30) << _S31) + a_low * b_low
    )  # fmt: skip


@njit(cache=True, nogil=True, inline="always")
def _reduce_mod(value):
    """Return a value modulo 2^61 - 1."""
    value = (value & _PRIME) + (value >> _S61)
    return value - _PRIME if value >= _PRIME else value


@njit(cache=True, nogil=True)
def _powers(base, count):
    out = np.ones(count + 1, np.uint64)
    for i in range(count):
        out[i + 1] = _multiply_mod(out[i], base)
    return out


@njit(cache=True, nogil=True)
def _hash_runs(hashes, first, owner, low, high, base, powers, out):
    prefix, document = np.zeros(len(powers), np.uint64), -1
    for i in range(len(low)):
        begin = first[owner[i]]
        if owner[i] != document:
            document = owner[i]
            for w in range(begin, first[document + 1]):
                prefix[w - begin + 1] = _reduce_mod(_multiply_mod(prefix[w - begin], base) + _reduce_mod(hashes[w]))
        before = _multiply_mod(prefix[low[i] - begin], powers[high[i] - low[i]])
        out[i] = mix(_reduce_mod(prefix[high[i] - begin] + _PRIME - before))


@njit(cache=True, nogil=True)
def _attach_marks(data, offsets, kinds, word_start, word_end, first, start, end):
    """Marks up to the next white space belong to the word before them, others to the word after them."""
    for d in range(len(offsets) - 1):
        position = offsets[d]
        for w in range(first[d], first[d + 1]):
            start[w] = position
            while position < word_start[w]:
                point, position = decode(data, position)
                if class_of(point, kinds) == SPACE:
                    start[w] = position
            position, limit = word_end[w], word_start[w + 1] if w + 1 < first[d + 1] else offsets[d + 1]
            while position < limit:
                point, following = decode(data, position)
                if class_of(point, kinds) == SPACE:
                    break
                position = following
            end[w] = position


@njit(cache=True, nogil=True)
def _split(data, offsets, kinds, is_sentence, word_start, word_first, start, end, word, first):
    n = 0
    for d in range(len(offsets) - 1):
        position, limit, w = offsets[d], offsets[d + 1], word_first[d]
        while position < limit:
            point, following = decode(data, position)
            if class_of(point, kinds) == SPACE:
                position = following
                continue
            begin = position
            last, position = _unit_end(data, position, limit, kinds, is_sentence)
            before = w
            while w < word_first[d + 1] and word_start[w] < last:
                w += 1
            if w > before:
                start[n], end[n], word[n] = begin, last, before
                n += 1
        first[d + 1] = n
    word[n] = word_first[-1]


@njit(cache=True, nogil=True, inline="always")
def _unit_end(data, position, limit, kinds, is_sentence):
    """Return where the unit that begins at `position` ends, without white space, and where to look for the next one."""
    last = position
    while position < limit and data[position] != 0x0A:
        point, position = decode(data, position)
        if class_of(point, kinds) != SPACE:
            last = position
        if is_sentence and (_is_stop(point) or _is_wide_stop(point)):
            wide = _is_wide_stop(point)
            position = _skip_marks(data, position, limit, wide)
            last = position
            if wide or position == limit or class_of(decode(data, position)[0], kinds) == SPACE:
                return last, position
    return last, position


@njit(cache=True, nogil=True, inline="always")
def _skip_marks(data, position, limit, wide):
    """Return the offset after further stops of the same kind and the closing marks that follow them."""
    closing = False
    while position < limit:
        point, following = decode(data, position)
        if closing or not (_is_wide_stop(point) if wide else _is_stop(point)):
            closing = True
            if not (_is_wide_closing(point) if wide else _is_closing(point)):
                return position
        position = following
    return position


@njit(cache=True, nogil=True, inline="always")
def _is_stop(point):
    return point == 0x2E or point == 0x21 or point == 0x3F or point == 0x2026  # . ! ? …


@njit(cache=True, nogil=True, inline="always")
def _is_wide_stop(point):
    return point == 0x3002 or point == 0xFF01 or point == 0xFF1F  # 。！？


@njit(cache=True, nogil=True, inline="always")
def _is_closing(point):
    """Return whether it is one of " ' ) ] « » ‘ ’ “ ”."""
    if point < 0x80:
        return point == 0x22 or point == 0x27 or point == 0x29 or point == 0x5D
    return point == 0xAB or point == 0xBB or point == 0x2018 or point == 0x2019 or point == 0x201C or point == 0x201D


@njit(cache=True, nogil=True, inline="always")
def _is_wide_closing(point):
    return point == 0x300D or point == 0x300F or point == 0x201D or point == 0xFF09  # 」』”）
