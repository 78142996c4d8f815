"""Words of UTF-8 text as 64-bit hashes, computed straight from Arrow buffers: the base of shingles and n-grams.

A word is a maximal run of lower-cased letters, digits, underscores and combining marks (regex `\\w+`, but a mark never
splits its word). In scripts that are written without spaces every character is a word. Numbers are words like others:
pages that differ only in numbers differ.
"""

import functools
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.kernels import disk_cache
from pipeline.kernels.njit import njit

SPACE, SYMBOL, WORD, CHARACTER = 0, 1, 2, 3  # classes of codepoints
TABLE_CODEPOINTS = 0x20000  # planes 0 and 1; of the planes above, only Han (2 and 3) is text
# Blocks of scripts written without spaces between words (Unicode 15.1, chapters 12, 16 and 18; block boundaries).
_UNSPACED_BLOCKS = (
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
    end: np.ndarray  # (n,) int64, byte offset after the word
    first: np.ndarray  # (d + 1,) int64: words of document i are first[i] to first[i + 1]
    data: np.ndarray  # uint8, the column's UTF-8 bytes
    offsets: np.ndarray  # (d + 1,) int64: bytes of document i


def classes() -> np.ndarray:
    """(131072,) uint8: SPACE, SYMBOL, WORD or CHARACTER for each codepoint of planes 0 and 1."""
    return _tables()["classes"]


def lowered() -> np.ndarray:
    """(131072,) uint32: the one-codepoint lower case of each codepoint (itself where lower case has two)."""
    return _tables()["lowered"]


@functools.cache
def _tables() -> dict[str, np.ndarray]:
    depends_on = (Path(__file__), unicodedata.unidata_version)
    return disk_cache.cached_arrays(
        "codepoints", depends_on, lambda: {"classes": _class_table(), "lowered": _lower_case_table()}
    )


def _class_table() -> np.ndarray:
    table = np.full(TABLE_CODEPOINTS, SYMBOL, np.uint8)
    for codepoint in range(TABLE_CODEPOINTS):
        character = chr(codepoint)
        if character.isspace():
            table[codepoint] = SPACE
        elif character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M":
            table[codepoint] = WORD
    for low, high in _UNSPACED_BLOCKS:
        block = table[low : high + 1]
        block[block == WORD] = CHARACTER
    return table


def _lower_case_table() -> np.ndarray:
    table = np.arange(TABLE_CODEPOINTS, dtype=np.uint32)
    for codepoint in range(TABLE_CODEPOINTS):
        lower = chr(codepoint).lower()
        if len(lower) == 1:
            table[codepoint] = ord(lower)
    return table


def buffers(column: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """UTF-8 bytes (uint8) and document offsets (int64, one more than documents) of a string column; null is empty.

    A single chunk without nulls is not copied.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # more than 2 GiB in one column
        array = pa.concat_arrays([chunk.cast(pa.large_string()) for chunk in array.chunks])
    if array.null_count:
        array = array.fill_null("")
    offset_type = np.int64 if pa.types.is_large_string(array.type) else np.int32
    _, offset_buffer, data = array.buffers()
    offsets = np.zeros(1, offset_type)
    if len(array):
        offsets = np.frombuffer(offset_buffer, offset_type)[array.offset : array.offset + len(array) + 1]
    return (np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)), offsets.astype(np.int64)


def words(column: pa.Array | pa.ChunkedArray) -> Words:
    """All words of a string column (d documents), in order."""
    data, offsets = buffers(column)
    # As if every word had one letter and one space after it. Memory that is not touched costs nothing.
    limit = (int(offsets[-1] - offsets[0]) + len(offsets)) // 2
    hashes, start, end = np.empty(limit, np.uint64), np.empty(limit, np.int64), np.empty(limit, np.int64)
    first = np.zeros(len(offsets), np.int64)
    count = _hash_words(data, offsets, classes(), lowered(), first, hashes, start, end)
    return Words(hashes[:count], start[:count], end[:count], first, data, offsets)


@njit(cache=True, nogil=True, inline="always")
def decode(data, position):
    """Codepoint at byte `position` of valid UTF-8, and the offset after it."""
    lead = np.uint32(data[position])
    if lead < 0x80:
        return lead, position + 1
    if lead < 0xE0:
        return ((lead & np.uint32(0x1F)) << np.uint32(6)) | np.uint32(data[position + 1] & 0x3F), position + 2
    if lead < 0xF0:
        high = (lead & np.uint32(0x0F)) << np.uint32(12) | np.uint32(data[position + 1] & 0x3F) << np.uint32(6)
        return high | np.uint32(data[position + 2] & 0x3F), position + 3
    high = (lead & np.uint32(0x07)) << np.uint32(18) | np.uint32(data[position + 1] & 0x3F) << np.uint32(12)
    low = np.uint32(data[position + 2] & 0x3F) << np.uint32(6) | np.uint32(data[position + 3] & 0x3F)
    return high | low, position + 4


@njit(cache=True, nogil=True)
def encode(out, position, codepoint):
    """Write a codepoint as UTF-8 at `position` of `out`; returns the offset after it."""
    if codepoint < 0x80:
        out[position] = codepoint
        return position + 1
    if codepoint < 0x800:
        out[position], out[position + 1] = 0xC0 | (codepoint >> 6), 0x80 | (codepoint & 0x3F)
        return position + 2
    if codepoint < 0x10000:
        out[position], out[position + 1] = 0xE0 | (codepoint >> 12), 0x80 | ((codepoint >> 6) & 0x3F)
        out[position + 2] = 0x80 | (codepoint & 0x3F)
        return position + 3
    out[position], out[position + 1] = 0xF0 | (codepoint >> 18), 0x80 | ((codepoint >> 12) & 0x3F)
    out[position + 2], out[position + 3] = 0x80 | ((codepoint >> 6) & 0x3F), 0x80 | (codepoint & 0x3F)
    return position + 4


@njit(cache=True, nogil=True, inline="always")
def class_of(codepoint, table):
    """Class of a codepoint; Han above plane 1 is CHARACTER, everything else there is SYMBOL."""
    if codepoint < np.uint32(0x20000):
        return table[codepoint]
    return np.uint8(3) if codepoint < np.uint32(0x33480) else np.uint8(1)


@njit(cache=True, nogil=True, inline="always")
def mix(value):
    """Finaliser of MurmurHash3 (public domain, fmix64): every input bit reaches every output bit."""
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


@njit(cache=True, nogil=True)
def _hash_words(data, offsets, table, lower, first, hashes, start, end):
    """Fill in `first`, `hashes`, `start` and `end` (see Words); returns the number of words."""
    count = 0
    for document in range(len(offsets) - 1):
        position = offsets[document]
        while position < offsets[document + 1]:
            codepoint, after = decode(data, position)
            kind = class_of(codepoint, table)
            if kind >= 2:
                start[count], state = position, np.uint64(0x9E3779B97F4A7C15)
                while True:
                    folded = lower[codepoint] if codepoint < np.uint32(0x20000) else codepoint
                    state = (state ^ np.uint64(folded)) * np.uint64(0x100000001B3)
                    state ^= state >> np.uint64(29)
                    position = after
                    if kind == 3 or position == offsets[document + 1]:
                        break
                    codepoint, after = decode(data, position)
                    kind = class_of(codepoint, table)
                    if kind != 2:
                        break
                hashes[count], end[count] = mix(state), position
                count += 1
            else:
                position = after
        first[document + 1] = count
    return count
