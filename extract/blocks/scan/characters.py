"""Characters of the block scanner: UTF-8, and the classes that are counted."""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars stand for int)

import numpy as np

from pipeline.kernels.njit import njit

SPACES, WORD, DIGIT, UPPERCASE, COMMA, ENDER, SYMBOL, PUNCT, IDEOGRAPH, DROP = range(10)


def _classes() -> np.ndarray:
    of = np.full(128, PUNCT, np.uint8)
    of[:33] = SPACES
    of[127] = DROP
    of[:9] = DROP
    for chars, kind in (
        ("0123456789", DIGIT),
        ("abcdefghijklmnopqrstuvwxyz_", WORD),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", UPPERCASE),
        (",;", COMMA),
        (".!?:", ENDER),
        ("|<>/\\{}[]=+*#@$%^&~", SYMBOL),
    ):
        for char in chars:
            of[ord(char)] = kind
    return of


ASCII = _classes()


@njit(cache=True, nogil=True)
def wide_class(code: int) -> int:
    """Class of a code point above 127; coarse, by Unicode blocks."""
    if code < 0xC0:
        if code == 0xA0 or code == 0x85:
            return SPACES
        if code == 0xAD or code < 0xA0:
            return DROP
        return WORD if code in (0xAA, 0xB5, 0xBA) else SYMBOL
    if code < 0x2000:
        if 0xC0 <= code <= 0xDE and code != 0xD7:
            return UPPERCASE
        if 0x391 <= code <= 0x3A9 or 0x400 <= code <= 0x42F:
            return UPPERCASE
        return SPACES if code == 0x1680 else WORD
    if code < 0x2070:
        if code <= 0x200A or code in (0x2028, 0x2029, 0x202F, 0x205F):
            return SPACES
        if code in (0x200B, 0x200E, 0x200F, 0x2060) or 0x202A <= code <= 0x202E:
            return DROP
        return ENDER if code == 0x2026 else PUNCT
    if code < 0x2E80:
        return SYMBOL
    if code < 0x3041:
        if code == 0x3000:
            return SPACES
        return ENDER if code == 0x3002 else (COMMA if code == 0x3001 else PUNCT)
    if code < 0xA000 or 0xF900 <= code < 0xFB00 or 0x20000 <= code < 0x40000:
        return IDEOGRAPH
    if code == 0xFFFD:
        return SYMBOL
    if code == 0xFEFF or 0xE000 <= code < 0xF900 or 0xFFF0 <= code < 0xFFFD:
        return DROP
    if 0xFF00 <= code < 0xFF21:
        if code in (0xFF01, 0xFF0E, 0xFF1F):
            return ENDER
        return COMMA if code == 0xFF0C else PUNCT
    if 0x1F000 <= code < 0x20000:
        return SYMBOL
    return WORD


@njit(cache=True, nogil=True)
def decode(data: np.ndarray, i: int, end: int) -> tuple[int, int]:
    """(code point, bytes) of the UTF-8 sequence at i; U+FFFD and one byte where it is none."""
    c = np.int64(data[i])
    if c < 0x80:
        return c, 1
    if 0xC2 <= c < 0xE0 and i + 1 < end:
        return ((c & 31) << 6) | (np.int64(data[i + 1]) & 63), 2
    if 0xE0 <= c < 0xF0 and i + 2 < end:
        return ((c & 15) << 12) | ((np.int64(data[i + 1]) & 63) << 6) | (np.int64(data[i + 2]) & 63), 3
    if 0xF0 <= c < 0xF5 and i + 3 < end:
        high = ((c & 7) << 18) | ((np.int64(data[i + 1]) & 63) << 12)
        return high | ((np.int64(data[i + 2]) & 63) << 6) | (np.int64(data[i + 3]) & 63), 4
    return 0xFFFD, 1
