"""The normal form of a text that exact duplicates share."""

import functools
import unicodedata

import numpy as np
import pyarrow as pa

from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import SPACE, WORD, buffers, class_of, classes, decode, lowered

_INVISIBLE = (0x00AD, 0x200B, 0x2060, 0xFEFF)  # soft hyphen, zero width space, word joiner, byte order mark
_POINTS = 0x20000


def normalised(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """UTF-8 bytes and (d + 1,) bounds of the column in normal form; null is empty.

    Unicode NFC, lower case (one codepoint for one), runs of white space as one space, none at the ends, invisible marks
    left out. Not NFKC, which makes "x2" of "x²"; numbers, punctuation and accents tell documents apart.
    """
    data, offsets = buffers(column)
    needs = _needs_nfc(data, offsets, _nfc_suspects())
    if needs.any():
        column = pa.chunked_array([_composed(column, needs)])
        data, offsets = buffers(column)
    out, bounds = np.empty(_room(offsets), np.uint8), np.zeros(len(offsets), np.int64)
    _fold(data, offsets, classes(), _folded(), out, bounds)
    return out, bounds


def has_words(column: pa.ChunkedArray) -> np.ndarray:
    """Return which texts of the column have a word, (d,) bool, in the sense of `pipeline.kernels.tokens`."""
    data, offsets = buffers(column)
    worded = np.zeros(len(offsets) - 1, np.bool_)
    _find_words(data, offsets, classes(), worded)
    return worded


def _room(offsets: np.ndarray) -> int:
    """Bytes that the folded text may take: a lower case is at most half as long again (U+023A: two bytes to three)."""
    return int((offsets[-1] - offsets[0]) * 3 // 2 + len(offsets))


def _composed(column: pa.ChunkedArray, needs: np.ndarray) -> pa.Array:
    texts = column.to_pylist()
    for i in np.flatnonzero(needs):
        texts[i] = unicodedata.normalize("NFC", texts[i])
    return pa.array(texts, pa.large_string())


@functools.cache
def _nfc_suspects() -> np.ndarray:
    """(131072,) bool: codepoints after which a text may not be in NFC (UAX 15, NFC_Quick_Check No or Maybe).

    Those that are not NFC themselves, combining marks, and those that some composition ends in (vowel signs, jamo).
    """
    table = np.zeros(_POINTS, bool)
    for point in range(0x300, _POINTS):
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
def _folded() -> np.ndarray:
    """(131072,) uint32: lower case; 0xFFFFFFFF for what is left out."""
    table = lowered().copy()
    table[list(_INVISIBLE)] = 0xFFFFFFFF
    return table


@njit(cache=True, nogil=True)
def _needs_nfc(data, offsets, suspects):
    needs = np.zeros(len(offsets) - 1, np.bool_)
    for d in range(len(needs)):
        at = offsets[d]
        while at < offsets[d + 1]:
            if data[at] < 0xCC:  # below U+0300
                at += 1 if data[at] < 0x80 else 2
                continue
            point, at = decode(data, at)
            if point >= np.uint32(0x20000) or suspects[point]:  # Han compatibility ideographs above plane 1
                needs[d] = True
                break
    return needs


@njit(cache=True, nogil=True)
def _find_words(data, offsets, table, worded):
    for d in range(len(worded)):
        at = offsets[d]
        while at < offsets[d + 1] and not worded[d]:
            point, at = decode(data, at)
            worded[d] = class_of(point, table) >= WORD


@njit(cache=True, nogil=True)
def _fold(data, offsets, table, folded, out, bounds):
    n = 0
    for d in range(len(offsets) - 1):
        at, begin, gap = offsets[d], n, False
        while at < offsets[d + 1]:
            point, at = decode(data, at)
            if point < np.uint32(0x20000):
                if table[point] == SPACE:
                    gap = True
                    continue
                point = folded[point]
                if point == np.uint32(0xFFFFFFFF):
                    continue
            if gap and n > begin:
                out[n] = 0x20
                n += 1
            gap = False
            n = _encode(point, out, n)
        bounds[d + 1] = n


@njit(cache=True, nogil=True, inline="always")
def _encode(point, out, n):
    """Write a codepoint as UTF-8 at out[n]; returns the offset behind it."""
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
