"""Words as decontamination compares them: what a leaked copy has in another format is the same word."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import Words, class_of, classes, decode, lowered, mix, words

_BASIS = np.uint64(0x9E3779B97F4A7C15)  # of a word's hash, as in `pipeline.kernels.tokens`


class Folded(NamedTuple):
    """Words of d documents as compared: n in all, byte offsets into the document's column."""

    hash: np.ndarray  # (n,) uint64
    start: np.ndarray  # (n,) int64
    end: np.ndarray  # (n,) int64
    first: np.ndarray  # (d + 1,) int64


def fold(column: pa.Array | pa.ChunkedArray) -> Folded:
    """Words of the column as they are compared: case, punctuation and line breaks are gone already, and here go

    - composed or decomposed letters (NFC; offsets stay those of the text given),
    - single Latin letters (labels of choices: `A)`, `(b)`),
    - soft hyphens and zero-width characters within words,
    - the format of numbers: `1,000`, `1.000`, `1 000`, `1'000` and `1000.00` are `1000`.
    """
    found = words(column)
    composed = _composed(column, found) if _has_marks(found.data) else None
    hashes = (composed or found).hash
    return Folded(*_fold(hashes, found.start, found.end, found.first, found.data, classes(), lowered()))


def _has_marks(data: np.ndarray) -> bool:
    """Whether bytes of combining diacritics (U+0300 to U+036F) are there: 0xCC or 0xCD lead them."""
    return bool(((data & np.uint8(0xFE)) == np.uint8(0xCC)).any())


def _composed(column: pa.Array | pa.ChunkedArray, found: Words) -> Words | None:
    """Words of the NFC form, where there are as many (a mark never splits its word, so nearly always)."""
    import pyarrow.compute as pc

    nfc = words(pc.utf8_normalize(column, form="NFC"))
    return nfc if np.array_equal(nfc.first, found.first) else None


@njit(cache=True, nogil=True)
def _fold(hashes, start, end, first, data, table, lower):
    out_hash, out_start, out_end = np.empty_like(hashes), np.empty_like(start), np.empty_like(end)
    out_first = np.zeros(len(first), np.int64)
    n = 0
    for d in range(len(first) - 1):
        i, last = first[d], first[d + 1]
        while i < last:
            byte = data[start[i]]
            j = i
            if 48 <= byte <= 57 or (end[i] < len(data) and data[end[i]] >= 0xC2):  # hardly ever: the rest is plain
                j = _joined(i, last, start, end, data)
            if j > i or end[i] - start[i] > 1 or not _is_latin(byte):
                whole = i if j == i else _without_zeros(i, j, start, end, data)
                out_start[n], out_end[n] = start[i], end[j]
                out_hash[n] = hashes[i]
                if whole > i:
                    out_hash[n] = hash_span(data, start[i], end[whole], table, lower)
                n += 1
            i = j + 1
        out_first[d + 1] = n
    return out_hash[:n], out_start[:n], out_end[:n], out_first


@njit(cache=True, nogil=True)
def _joined(i, last, start, end, data):
    """The last word that makes one word with word i: groups of digits, decimal zeros, or parts around a soft hyphen."""
    j = i
    if _digits(data, start[i], end[i]):
        if end[i] - start[i] <= 3:
            while j + 1 < last and _groups(data, end[j], start[j + 1]) and _digits(data, start[j + 1], end[j + 1]):
                if end[j + 1] - start[j + 1] != 3 or not _same(data, end[i], start[i + 1], end[j], start[j + 1]):
                    break
                j += 1
        if j + 1 < last and _decimal_zeros(data, end[j], start[j + 1], end[j + 1]):
            j += 1
        return j
    while j + 1 < last and start[j + 1] > end[j] and _invisible(data, end[j], start[j + 1]):
        j += 1
    return j


@njit(cache=True, nogil=True)
def _without_zeros(i, j, start, end, data):
    """`j`, or the word before it when word j is the decimal zeros of a number."""
    if j > i and end[j] - start[j] <= 2 and _zeros(data, start[j], end[j]) and _digits(data, start[i], end[i]):
        return j - 1
    return j


@njit(cache=True, nogil=True, inline="always")
def _is_latin(byte):
    return 65 <= byte <= 90 or 97 <= byte <= 122


@njit(cache=True, nogil=True)
def _digits(data, at, stop):
    for i in range(at, stop):
        if data[i] < 48 or data[i] > 57:
            return False
    return stop > at


@njit(cache=True, nogil=True)
def _decimal_zeros(data, at, start, end):
    """Whether the word from start to end is one or two zeros behind a decimal mark at `at`."""
    return start == at + 1 and data[at] in (44, 46) and end - start <= 2 and _zeros(data, start, end)


@njit(cache=True, nogil=True)
def _zeros(data, at, stop):
    for i in range(at, stop):
        if data[i] != 48:
            return False
    return stop > at


@njit(cache=True, nogil=True)
def _groups(data, at, stop):
    """Whether the bytes between two words are one mark that groups digits: , . ' ’ or a (no-break, thin) space."""
    if stop - at == 1:
        return data[at] in (32, 39, 44, 46)
    if stop - at == 2:
        return data[at] == 0xC2 and data[at + 1] == 0xA0
    if stop - at == 3 and data[at] == 0xE2 and data[at + 1] == 0x80:
        return data[at + 2] in (0x89, 0x99, 0xAF)
    return False


@njit(cache=True, nogil=True)
def _same(data, at, stop, other, other_stop):
    """Whether two stretches have the same bytes: one mark groups all digits of a number."""
    return stop - at == other_stop - other and np.all(data[at:stop] == data[other:other_stop])


@njit(cache=True, nogil=True)
def _invisible(data, at, stop):
    """Whether the bytes are soft hyphens (U+00AD), zero-width marks (U+200B to U+200D) and word joiners (U+2060)."""
    while at < stop:
        if data[at] == 0xC2 and data[at + 1] == 0xAD:
            at += 2
        elif data[at] == 0xE2 and (
            (data[at + 1] == 0x80 and 0x8B <= data[at + 2] <= 0x8D) or (data[at + 1] == 0x81 and data[at + 2] == 0xA0)
        ):
            at += 3
        else:
            return False
    return True


@njit(cache=True, nogil=True)
def hash_span(data, at, stop, table, lower):
    """Hash of the letters and digits of a span, the same as `pipeline.kernels.tokens.words` gives them as one word."""
    h = _BASIS
    while at < stop:
        point, at = decode(data, at)
        if class_of(point, table) >= 2:
            folded = lower[point] if point < np.uint32(0x20000) else point
            h = (h ^ np.uint64(folded)) * np.uint64(0x100000001B3)
            h ^= h >> np.uint64(29)
    return mix(h)


@njit(cache=True, nogil=True)
def lengths(start, first, data, table):
    """(d,) float64: words of each document, a character of a script without spaces as half a word."""
    out = np.zeros(len(first) - 1)
    for d in range(len(out)):
        for i in range(first[d], first[d + 1]):
            point, _ = decode(data, start[i])
            out[d] += 0.5 if class_of(point, table) == 3 else 1.0
    return out
