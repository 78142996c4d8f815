"""Words as decontamination compares them: a leaked copy in another format has the same words."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.base.combining_marks import order_marks_in_column
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import CHARACTER, WORD, Words, class_of, classes, decode, lowered, mix, words

_HASH_SEED = np.uint64(0x9E3779B97F4A7C15)  # of a word's hash, as in `pipeline.kernels.tokens`
_FNV_PRIME = np.uint64(0x100000001B3)
_FIRST_MULTIBYTE = 0xC2  # lead byte of the first codepoint beyond ASCII
_DIGIT_0, _DIGIT_9, _COMMA, _PERIOD, _SPACE, _APOSTROPHE = 48, 57, 44, 46, 32, 39


class NormalizedWords(NamedTuple):
    """Words of d documents as they are compared: n in all, byte offsets into the document's column."""

    hash: np.ndarray  # (n,) uint64
    start: np.ndarray  # (n,) int64
    end: np.ndarray  # (n,) int64
    first: np.ndarray  # (d + 1,) int64: words of document i are first[i] to first[i + 1]


def normalize_words(column: pa.Array | pa.ChunkedArray) -> NormalizedWords:
    """Return the words of a column of texts without what copies differ in.

    `words` ignores case, punctuation and line breaks already. Ignored here:

    - whether letters are composed (NFC; offsets remain those of the text given),
    - single Latin letters (labels of choices: `A)`, `(b)`),
    - soft hyphens and zero-width characters within words,
    - the format of numbers: `1,000`, `1.000`, `1 000`, `1'000` and `1000.00` are `1000`.
    """
    parsed = words(column)
    composed = _composed_words(column, parsed) if _has_combining_marks(parsed.data) else None
    hashes = (composed or parsed).hash
    return NormalizedWords(*_normalize(hashes, parsed, classes(), lowered()))


def _has_combining_marks(data: np.ndarray) -> bool:
    """Whether the bytes contain combining diacritics (U+0300 to U+036F), whose lead byte is 0xCC or 0xCD."""
    return bool(((data & np.uint8(0xFE)) == np.uint8(0xCC)).any())


def _composed_words(column: pa.Array | pa.ChunkedArray, parsed: Words) -> Words | None:
    """Words of the NFC form if there are as many (a mark never splits its word, so nearly always), else None."""
    import pyarrow.compute as pc

    composed = words(pc.utf8_normalize(order_marks_in_column(column), form="NFC"))
    return composed if np.array_equal(composed.first, parsed.first) else None


@njit(cache=True, nogil=True)
def _normalize(hashes, parsed, char_classes, lower):
    """Fields of NormalizedWords; `hashes` are those of the words parsed, composed or not."""
    start, end, first, data = parsed.start, parsed.end, parsed.first, parsed.data
    out_hash, out_start, out_end = np.empty_like(hashes), np.empty_like(start), np.empty_like(end)
    out_first = np.zeros(len(first), np.int64)
    n = 0
    for document in range(len(first) - 1):
        i, stop = first[document], first[document + 1]
        while i < stop:
            byte = data[start[i]]
            last = i
            if _DIGIT_0 <= byte <= _DIGIT_9 or (end[i] < len(data) and data[end[i]] >= _FIRST_MULTIBYTE):  # rare
                last = _last_joined(i, stop, start, end, data)
            if last > i or end[i] - start[i] > 1 or not _is_latin(byte):
                last_hashed = i if last == i else _without_decimal_zeros(i, last, start, end, data)
                out_start[n], out_end[n] = start[i], end[last]
                out_hash[n] = hashes[i]
                if last_hashed > i:
                    out_hash[n] = hash_span(data, start[i], end[last_hashed], char_classes, lower)
                n += 1
            i = last + 1
        out_first[document + 1] = n
    return out_hash[:n], out_start[:n], out_end[:n], out_first


@njit(cache=True, nogil=True)
def _last_joined(i, stop, start, end, data):
    """The last word that makes one word with word i: groups of digits, decimal zeros, or parts around a soft hyphen."""
    last = i
    if _are_digits(data, start[i], end[i]):
        if end[i] - start[i] <= 3:
            while last + 1 < stop and _is_separator(data, end[last], start[last + 1]):
                following_start, following_end = start[last + 1], end[last + 1]
                if not _are_digits(data, following_start, following_end) or following_end - following_start != 3:
                    break
                if not _same_bytes(data, end[i], start[i + 1], end[last], following_start):
                    break
                last += 1
        if last + 1 < stop and _are_decimal_zeros(data, end[last], start[last + 1], end[last + 1]):
            last += 1
        return last
    while last + 1 < stop and start[last + 1] > end[last] and _is_invisible(data, end[last], start[last + 1]):
        last += 1
    return last


@njit(cache=True, nogil=True)
def _without_decimal_zeros(i, last, start, end, data):
    """`last`, or the word before it if word `last` is the decimal zeros of a number."""
    if last > i and end[last] - start[last] <= 2 and _are_zeros(data, start[last], end[last]):
        return last - 1 if _are_digits(data, start[i], end[i]) else last
    return last


@njit(cache=True, nogil=True, inline="always")
def _is_latin(byte):
    return 65 <= byte <= 90 or 97 <= byte <= 122


@njit(cache=True, nogil=True)
def _are_digits(data, start, end):
    for i in range(start, end):
        if data[i] < _DIGIT_0 or data[i] > _DIGIT_9:
            return False
    return end > start


@njit(cache=True, nogil=True)
def _are_decimal_zeros(data, mark, start, end):
    """Whether the word [start, end) is one or two zeros after a decimal mark at `mark`."""
    is_after_mark = start == mark + 1 and data[mark] in (_COMMA, _PERIOD)
    return is_after_mark and end - start <= 2 and _are_zeros(data, start, end)


@njit(cache=True, nogil=True)
def _are_zeros(data, start, end):
    for i in range(start, end):
        if data[i] != _DIGIT_0:
            return False
    return end > start


@njit(cache=True, nogil=True)
def _is_separator(data, start, end):
    """Whether the bytes between two words are one mark that groups digits: , . ' ’ or a (no-break, thin) space."""
    if end - start == 1:
        return data[start] in (_SPACE, _APOSTROPHE, _COMMA, _PERIOD)
    if end - start == 2:
        return data[start] == 0xC2 and data[start + 1] == 0xA0
    if end - start == 3 and data[start] == 0xE2 and data[start + 1] == 0x80:
        return data[start + 2] in (0x89, 0x99, 0xAF)
    return False


@njit(cache=True, nogil=True)
def _same_bytes(data, start, end, other_start, other_end):
    """Whether two spans have the same bytes: one and the same mark groups all digits of a number."""
    return end - start == other_end - other_start and np.all(data[start:end] == data[other_start:other_end])


@njit(cache=True, nogil=True)
def _is_invisible(data, start, end):
    """Whether the bytes are soft hyphens (U+00AD), zero-width marks (U+200B to U+200D) and word joiners (U+2060)."""
    while start < end:
        if data[start] == 0xC2 and data[start + 1] == 0xAD:
            start += 2
        elif data[start] == 0xE2 and (
            (data[start + 1] == 0x80 and 0x8B <= data[start + 2] <= 0x8D)
            or (data[start + 1] == 0x81 and data[start + 2] == 0xA0)
        ):
            start += 3
        else:
            return False
    return True


@njit(cache=True, nogil=True)
def hash_span(data, start, end, char_classes, lower):
    """Hash of the letters and digits of a span, equal to that of `pipeline.kernels.tokens.words` for one such word."""
    hash_ = _HASH_SEED
    while start < end:
        point, start = decode(data, start)
        if class_of(point, char_classes) >= WORD:
            folded = lower[point] if point < np.uint32(0x20000) else point
            hash_ = (hash_ ^ np.uint64(folded)) * _FNV_PRIME
            hash_ ^= hash_ >> np.uint64(29)
    return mix(hash_)


@njit(cache=True, nogil=True)
def text_lengths(start, first, data, char_classes):
    """Length of each document in words, a character of a script without spaces as half a word: (d,) float64."""
    lengths = np.zeros(len(first) - 1)
    for document in range(len(lengths)):
        for i in range(first[document], first[document + 1]):
            point, _ = decode(data, start[i])
            lengths[document] += 0.5 if class_of(point, char_classes) == CHARACTER else 1.0
    return lengths
