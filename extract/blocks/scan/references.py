"""Character references of HTML, as the block scanner meets them."""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars stand for int)

import numpy as np

from extract.blocks.scan.byte_kernels import step
from extract.blocks.scan.tags import ENTITY_CODES, ENTITY_VALUES, FNV_BASIS, look
from pipeline.kernels.njit import njit


@njit(cache=True, nogil=True)
def reference(data: np.ndarray, i: int, end: int) -> tuple[int, int, int]:
    """Character reference at data[i] == '&': (bytes it takes, code point or -1, entity number or 0); 0 bytes: none."""
    j = i + 1
    if j < end and data[j] == 35:
        return _numeric(data, j + 1, end, i)
    code = np.uint64(FNV_BASIS)
    best, best_length = 0, 0
    while j < end and j - i <= 33:
        c = data[j]
        if c == 59:
            code = step(code, 59)
            found = look(ENTITY_CODES, ENTITY_VALUES, code)
            if found:
                return j + 1 - i, -1, found
            break
        if not (48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122):
            break
        code = step(code, c)
        j += 1
        found = look(ENTITY_CODES, ENTITY_VALUES, code)
        if found:
            best, best_length = found, j - i
    return best_length, -1, best


@njit(cache=True, nogil=True)
def _numeric(data: np.ndarray, j: int, end: int, i: int) -> tuple[int, int, int]:
    base, value, start = 10, 0, j
    if j < end and (data[j] | 32) == 120:
        base, j, start = 16, j + 1, j + 1
    while j < end:
        c = data[j]
        if 48 <= c <= 57:
            digit = np.int64(c) - 48
        elif base == 16 and 97 <= (c | 32) <= 102:
            digit = np.int64(c | 32) - 87
        else:
            break
        value = min(value * base + digit, 0x110000)
        j += 1
    if j == start:
        return 0, -1, 0
    if j < end and data[j] == 59:
        j += 1
    if value == 0 or value > 0x10FFFF or 0xD800 <= value <= 0xDFFF:
        value = 0xFFFD
    elif 0x80 <= value < 0xA0:
        value = _windows_1252(value)
    return j - i, value, 0


@njit(cache=True, nogil=True)
def _windows_1252(value: int) -> int:
    """The HTML standard reads 0x80-0x9F as Windows-1252: the quotes, dashes and dots that occur."""
    if value == 0x80:
        return 0x20AC
    if value == 0x85:
        return 0x2026
    if value == 0x91 or value == 0x92:
        return 0x2018 + (value - 0x91)
    if value == 0x93 or value == 0x94:
        return 0x201C + (value - 0x93)
    if value == 0x96 or value == 0x97:
        return 0x2013 + (value - 0x96)
    if value == 0x95:
        return 0x2022
    if value == 0x99:
        return 0x2122
    return value
