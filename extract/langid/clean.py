"""Text as identifiers read it: UTF-8 bytes without addresses and digits, and without words all in capitals."""

# mypy: disable-error-code="no-untyped-def"

import functools
import unicodedata

import numpy as np

from pipeline.base.combining_marks import order_marks
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import lowered

_TWO_BYTE_POINTS = 2048  # codepoints of one or two bytes in UTF-8
_BLANK, _AT, _COLON, _SLASH, _POINT = 32, 64, 58, 47, 46
_W = 119


def encode_texts(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """UTF-8 bytes (uint8) of NFC texts and their (d + 1,) int64 offsets. A lone surrogate becomes a question mark."""
    parts = [
        (text if text.isascii() else unicodedata.normalize("NFC", order_marks(text))).encode("utf-8", "replace")
        for text in texts
    ]
    offsets = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return np.frombuffer(b"".join(parts), np.uint8), offsets


@functools.cache
def _lower_case_table() -> np.ndarray:
    """(2048,) uint16: lower case of the codepoints of one and two bytes whose lower case has as many bytes."""
    table = lowered()[:_TWO_BYTE_POINTS].copy()
    points = np.arange(_TWO_BYTE_POINTS)
    changes_length = (table >= _TWO_BYTE_POINTS) | ((table < 128) != (points < 128))
    table[changes_length] = points[changes_length]
    return table.astype(np.uint16)


@njit(cache=True, nogil=True, inline="always")
def _read_word(data, begin, stop, lower):
    """(end of the word at `begin`, whether it is an address (with @ or ://, or www.), whether it is all in capitals)"""
    end, address, capitals, has_small = begin, False, 0, False
    while end < stop and data[end] > _BLANK:
        byte = data[end]
        slashes = byte == _COLON and end + 2 < stop and data[end + 1] == _SLASH and data[end + 2] == _SLASH
        address |= slashes or (byte == _AT and end > begin)
        point, size = np.uint16(byte), 1
        if 0xC0 <= byte < 0xE0 and end + 1 < stop:
            point, size = (np.uint16(byte & 31) << np.uint16(6)) | np.uint16(data[end + 1] & 63), 2
        if (byte < 0x80 or size == 2) and lower[point] != point:
            capitals += 1
        elif 97 <= byte <= 122 or (size == 2 and point > 0xBF):
            has_small = True
        end += size
    if end - begin > 4 and data[begin + 3] == _POINT:
        address |= data[begin] | 32 == _W and data[begin + 1] | 32 == _W and data[begin + 2] | 32 == _W
    return end, address, capitals > 1 and not has_small


@njit(cache=True, nogil=True)
def _clean_texts(data, offsets, lower, out, bounds):
    n = 0
    for text in range(len(offsets) - 1):
        position, stop = offsets[text], offsets[text + 1]
        while position < stop:
            while position < stop and data[position] <= _BLANK:
                position += 1
            end, address, fold = _read_word(data, position, stop, lower)
            if not address and end > position:
                n = _write_word(data, position, end, fold, lower, out, n)
            position = end
        bounds[text + 1] = n


@njit(cache=True, nogil=True, inline="always")
def _write_word(data, begin, end, fold, lower, out, n):
    """Write a word, in lower case if `fold` is true, and a space to out[n:]. Returns the index after them.

    Digits are left out, except for those of words in capitals (COVID-19).
    """
    while begin < end:
        byte = data[begin]
        if fold and byte < 0x80:
            out[n] = np.uint8(lower[byte])
            n += 1
        elif fold and 0xC0 <= byte < 0xE0 and begin + 1 < end:
            point = lower[(np.uint16(byte & 31) << np.uint16(6)) | np.uint16(data[begin + 1] & 63)]
            out[n] = np.uint8(0xC0 | (point >> np.uint16(6)))
            out[n + 1] = np.uint8(0x80 | (point & np.uint16(63)))
            n += 2
            begin += 1
        elif byte < 48 or byte > 57:
            out[n] = byte
            n += 1
        begin += 1
    out[n] = _BLANK
    return n + 1


def clean_texts(data: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Text that identifiers read of d texts: (bytes, (d + 1,) offsets), as from `encode_texts`.

    Words in capitals become lower case; addresses, digits and extra white space are removed.
    """
    out, bounds = np.empty(2 * len(data) + 2, np.uint8), np.zeros(len(offsets), np.int64)
    _clean_texts(data, offsets, _lower_case_table(), out, bounds)
    return out, bounds
