"""Words of UTF-8 text as 64-bit hashes, straight from Arrow buffers: one scan that shingles and n-grams rest on.

A word is a maximal run of lower-cased letters, digits, underscores and combining marks (regex `\\w+`, but a mark never
splits its word); in scripts written without spaces every character is a word of its own. Numbers are words like others:
pages that differ only in numbers differ.
"""

import functools
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.kernels import disk_cache as kept
from pipeline.kernels.njit import njit

SPACE, SYMBOL, WORD, CHARACTER = 0, 1, 2, 3  # classes of codepoints
_LIMIT = 0x20000  # planes 0 and 1; of what is above only Han (planes 2 and 3) is text
# Blocks of scripts written without spaces between words (Unicode 15.1, chapter 12, 16 and 18; block boundaries).
_UNSPACED = (
    (0x0E00, 0x0E7F),  # Thai
    (0x0E80, 0x0EFF),  # Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9D),  # half-width kana
)


class Words(NamedTuple):
    """Words of a column of d documents, n words in all."""

    hash: np.ndarray  # (n,) uint64
    start: np.ndarray  # (n,) int64, byte offset into `data`
    end: np.ndarray  # (n,) int64, byte offset behind the word
    first: np.ndarray  # (d + 1,) int64: words of document i are first[i] to first[i + 1]
    data: np.ndarray  # uint8, the column's UTF-8 bytes
    offsets: np.ndarray  # (d + 1,) int64: bytes of document i


def classes() -> np.ndarray:
    """(131072,) uint8: SPACE, SYMBOL, WORD or CHARACTER of each codepoint in planes 0 and 1."""
    return _tables()["classes"]


def lowered() -> np.ndarray:
    """(131072,) uint32: the one-codepoint lower case of each codepoint (itself where lower case has two)."""
    return _tables()["lowered"]


@functools.cache
def _tables() -> dict[str, np.ndarray]:
    made_from = (Path(__file__), unicodedata.unidata_version)
    return kept.arrays("codepoints", made_from, lambda: {"classes": _classes(), "lowered": _lowered()})


def _classes() -> np.ndarray:
    table = np.full(_LIMIT, SYMBOL, np.uint8)
    for point in range(_LIMIT):
        char = chr(point)
        if char.isspace():
            table[point] = SPACE
        elif char.isalnum() or char == "_" or unicodedata.category(char)[0] == "M":
            table[point] = WORD
    for low, high in _UNSPACED:
        block = table[low : high + 1]
        block[block == WORD] = CHARACTER
    return table


def _lowered() -> np.ndarray:
    table = np.arange(_LIMIT, dtype=np.uint32)
    for point in range(_LIMIT):
        lower = chr(point).lower()
        if len(lower) == 1:
            table[point] = ord(lower)
    return table


def buffers(column: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """UTF-8 bytes (uint8) and document offsets (int64, one more than documents) of a string column; null is empty.

    No copy for a single chunk without nulls.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # more than 2 GiB in one column
        array = pa.concat_arrays([chunk.cast(pa.large_string()) for chunk in array.chunks])
    if array.null_count:
        array = array.fill_null("")
    kind = np.int64 if pa.types.is_large_string(array.type) else np.int32
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, kind)[array.offset : array.offset + len(array) + 1] if len(array) else np.zeros(1)
    return (np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)), bounds.astype(np.int64)


def words(column: pa.Array | pa.ChunkedArray) -> Words:
    """All words of a string column (d documents), in order."""
    data, offsets = buffers(column)
    most = (
        int(offsets[-1] - offsets[0]) + len(offsets)
    ) // 2  # words of one letter; memory that is not used costs none
    hashes, start, end = np.empty(most, np.uint64), np.empty(most, np.int64), np.empty(most, np.int64)
    first = np.zeros(len(offsets), np.int64)
    n = _fill(data, offsets, classes(), lowered(), first, hashes, start, end)
    return Words(hashes[:n], start[:n], end[:n], first, data, offsets)


@njit(cache=True, nogil=True, inline="always")
def decode(data, at):
    """Codepoint at byte `at` of valid UTF-8, and the offset behind it."""
    b = np.uint32(data[at])
    if b < 0x80:
        return b, at + 1
    if b < 0xE0:
        return ((b & np.uint32(0x1F)) << np.uint32(6)) | np.uint32(data[at + 1] & 0x3F), at + 2
    if b < 0xF0:
        high = (b & np.uint32(0x0F)) << np.uint32(12) | np.uint32(data[at + 1] & 0x3F) << np.uint32(6)
        return high | np.uint32(data[at + 2] & 0x3F), at + 3
    high = (b & np.uint32(0x07)) << np.uint32(18) | np.uint32(data[at + 1] & 0x3F) << np.uint32(12)
    return high | np.uint32(data[at + 2] & 0x3F) << np.uint32(6) | np.uint32(data[at + 3] & 0x3F), at + 4


@njit(cache=True, nogil=True)
def encode(out, n, point):
    """Write a codepoint as UTF-8 at n; returns the place behind it."""
    if point < 0x80:
        out[n] = point
        return n + 1
    if point < 0x800:
        out[n], out[n + 1] = 0xC0 | (point >> 6), 0x80 | (point & 0x3F)
        return n + 2
    if point < 0x10000:
        out[n], out[n + 1], out[n + 2] = 0xE0 | (point >> 12), 0x80 | ((point >> 6) & 0x3F), 0x80 | (point & 0x3F)
        return n + 3
    out[n], out[n + 1] = 0xF0 | (point >> 18), 0x80 | ((point >> 12) & 0x3F)
    out[n + 2], out[n + 3] = 0x80 | ((point >> 6) & 0x3F), 0x80 | (point & 0x3F)
    return n + 4


@njit(cache=True, nogil=True, inline="always")
def class_of(point, table):
    """Class of a codepoint; Han above plane 1 is CHARACTER, the rest there SYMBOL."""
    if point < np.uint32(0x20000):
        return table[point]
    return np.uint8(3) if point < np.uint32(0x33480) else np.uint8(1)


@njit(cache=True, nogil=True, inline="always")
def mix(h):
    """Finaliser of MurmurHash3 (public domain, fmix64): every input bit reaches every output bit."""
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    return h ^ (h >> np.uint64(33))


@njit(cache=True, nogil=True)
def _fill(data, offsets, table, lower, first, hashes, start, end):
    n = 0
    for d in range(len(offsets) - 1):
        at = offsets[d]
        while at < offsets[d + 1]:
            point, after = decode(data, at)
            kind = class_of(point, table)
            if kind >= 2:
                start[n], h = at, np.uint64(0x9E3779B97F4A7C15)
                while True:
                    folded = lower[point] if point < np.uint32(0x20000) else point
                    h = (h ^ np.uint64(folded)) * np.uint64(0x100000001B3)
                    h ^= h >> np.uint64(29)
                    at = after
                    if kind == 3 or at == offsets[d + 1]:
                        break
                    point, after = decode(data, at)
                    kind = class_of(point, table)
                    if kind != 2:
                        break
                hashes[n], end[n] = mix(h), at
                n += 1
            else:
                at = after
        first[d + 1] = n
    return n
