"""The normal form of a text that its exact duplicates share."""

import functools
import unicodedata

import numpy as np
import pyarrow as pa

from pipeline.base.combining_marks import order_marks
from pipeline.base.unseen import INVISIBLE
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import SPACE, WORD, buffers, class_of, classes, decode, lowered

_OMITTED = 0xFFFFFFFF  # stands for the lower case of a character that the normal form leaves out
_CODEPOINTS = 0x20000  # planes 0 and 1, which the tables cover


def normalize(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Return the normal forms of d texts as UTF-8 bytes and (d + 1,) bounds; that of null is empty.

    Unicode NFC, lower case (one codepoint for one), runs of white space as one space, none at the ends, invisible marks
    left out. Not NFKC, which makes "x2" of "x²"; numbers, punctuation and accents distinguish documents.
    """
    data, offsets = buffers(column)
    needs_nfc = _needs_nfc(data, offsets, _nfc_suspects())
    if needs_nfc.any():
        column = pa.chunked_array([_compose(column, needs_nfc)])
        data, offsets = buffers(column)
    out, bounds = np.empty(_max_bytes(offsets), np.uint8), np.zeros(len(offsets), np.int64)
    _fold(data, offsets, classes(), _folded_codepoints(), out, bounds)
    return out, bounds


def has_words(column: pa.ChunkedArray) -> np.ndarray:
    """Return which texts of the column have a word, (d,) bool, as `pipeline.kernels.tokens` defines words."""
    data, offsets = buffers(column)
    worded = np.zeros(len(offsets) - 1, np.bool_)
    _find_words(data, offsets, classes(), worded)
    return worded


def _max_bytes(offsets: np.ndarray) -> int:
    """Return an upper bound of folded bytes: a lower case has at most half as many more (U+023A: two bytes, three)."""
    return int((offsets[-1] - offsets[0]) * 3 // 2 + len(offsets))


def _compose(column: pa.ChunkedArray, needs_nfc: np.ndarray) -> pa.Array:
    texts = column.to_pylist()
    for i in np.flatnonzero(needs_nfc):
        texts[i] = unicodedata.normalize("NFC", order_marks(texts[i]))
    return pa.array(texts, pa.large_string())


@functools.cache
def _nfc_suspects() -> np.ndarray:
    """Return the codepoints after which a text may not be in NFC, (131072,) bool (UAX 15, NFC_Quick_Check No or Maybe).

    These are codepoints that are not NFC themselves, combining marks, and those that a composition ends in (vowel
    signs, jamo).
    """
    table = np.zeros(_CODEPOINTS, bool)
    for point in range(0x300, _CODEPOINTS):
        if 0xD800 <= point < 0xE000:
            continue
        char = chr(point)
        table[point] = unicodedata.combining(char) or not unicodedata.is_normalized("NFC", char)
        parts = unicodedata.decomposition(char).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            table[int(parts[1], 16)] = True
    table[0x1160:0x1200] = True  # Hangul vowels and finals compose by rule, not by table
    return table


@functools.cache
def _folded_codepoints() -> np.ndarray:
    """Return the lower case of each codepoint, (131072,) uint32; `_OMITTED` for invisible marks."""
    table = lowered().copy()
    table[list(map(ord, INVISIBLE))] = _OMITTED
    return table


@njit(cache=True, nogil=True)
def _needs_nfc(data, offsets, suspects):
    needs_nfc = np.zeros(len(offsets) - 1, np.bool_)
    for d in range(len(needs_nfc)):
        position = offsets[d]
        while position < offsets[d + 1]:
            if data[position] < 0xCC:  # below U+0300
                position += 1 if data[position] < 0x80 else 2
                continue
            point, position = decode(data, position)
            if point >= np.uint32(_CODEPOINTS) or suspects[point]:  # Han compatibility ideographs above plane 1
                needs_nfc[d] = True
                break
    return needs_nfc


@njit(cache=True, nogil=True)
def _find_words(data, offsets, table, worded):
    for d in range(len(worded)):
        position = offsets[d]
        while position < offsets[d + 1] and not worded[d]:
            point, position = decode(data, position)
            worded[d] = class_of(point, table) >= WORD


@njit(cache=True, nogil=True)
def _fold(data, offsets, table, folded, out, bounds):
    n = 0
    for d in range(len(offsets) - 1):
        position, begin, gap = offsets[d], n, False
        while position < offsets[d + 1]:
            point, position = decode(data, position)
            if point < np.uint32(_CODEPOINTS):
                if table[point] == SPACE:
                    gap = True
                    continue
                point = folded[point]
                if point == np.uint32(_OMITTED):
                    continue
            if gap and n > begin:
                out[n] = 0x20
                n += 1
            gap = False
            n = _encode(point, out, n)
        bounds[d + 1] = n


@njit(cache=True, nogil=True, inline="always")
def _encode(point, out, n):
    """Write a codepoint as UTF-8 at out[n]; return the offset after it."""
    if point < np.uint32(0x80):
        out[n] = point
        return n + 1
    if point < np.uint32(0x800):
        out[n] = np.uint32(0xC0) | (point >> np.uint32(6))
        out[n + 1] = np.uint32(0x80) | (point & np.uint32(0x3F))
        return n + 2
    if point < np.uint32(0x10000):
        out[n] = np.uint32(0xE0) | (point >> np.uint32(12))
        out[n + 1] = np.uint32(0x80) | ((point >> np.uint32(6)) & np.uint32(0x3F))
        out[n + 2] = np.uint32(0x80) | (point & np.uint32(0x3F))
        return n + 3
    out[n] = np.uint32(0xF0) | (point >> np.uint32(18))
    out[n + 1] = np.uint32(0x80) | ((point >> np.uint32(12)) & np.uint32(0x3F))
    out[n + 2] = np.uint32(0x80) | ((point >> np.uint32(6)) & np.uint32(0x3F))
    out[n + 3] = np.uint32(0x80) | (point & np.uint32(0x3F))
    return n + 4
