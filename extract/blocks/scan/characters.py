"""Characters of a page: UTF-8 and character references (`&amp;`, `&#228;`) decoded, and the classes that are counted.

References follow the HTML Living Standard, section 13.2.5.72 on.
"""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars are passed for int)

from html.entities import html5

import numpy as np

from extract.blocks.scan.byte_kernels import is_digit, is_letter
from extract.blocks.scan.hashing import FNV_BASIS, build_table, extend_hash, fnv1a, look_up
from extract.html.byte_search import AMPERSAND, HASH, SEMICOLON
from pipeline.kernels.njit import njit

# The numbers are values of the features `first_class` and `last_class`: a new class comes last.
SPACE, WORD, DIGIT, UPPERCASE, COMMA, SENTENCE_END, SYMBOL, PUNCTUATION, IDEOGRAPH, DROPPED = range(10)

_MAX_REFERENCE = 33  # bytes of `&` and the longest name
_ENTITY_NAMES = sorted(html5)
_ENTITY_TEXTS = [html5[name].encode() for name in _ENTITY_NAMES]
_ENTITY_HASHES, _ENTITY_VALUES = build_table(
    {fnv1a(name.encode()): number for number, name in enumerate(_ENTITY_NAMES, 1)}, 13
)
# the text of entity k (from 1 on) is ENTITY_TEXT[ENTITY_BOUNDS[k - 1]:ENTITY_BOUNDS[k]]
ENTITY_TEXT = np.frombuffer(b"".join(_ENTITY_TEXTS), np.uint8)
ENTITY_BOUNDS = np.cumsum([0, *map(len, _ENTITY_TEXTS)]).astype(np.int32)


def _ascii_classes() -> np.ndarray:
    classes = np.full(128, PUNCTUATION, np.uint8)
    classes[:33] = SPACE
    classes[127] = DROPPED
    classes[:9] = DROPPED
    for chars, char_class in (
        ("0123456789", DIGIT),
        ("abcdefghijklmnopqrstuvwxyz_", WORD),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", UPPERCASE),
        (",;", COMMA),
        (".!?:", SENTENCE_END),
        ("|<>/\\{}[]=+*#@$%^&~", SYMBOL),
    ):
        for char in chars:
            classes[ord(char)] = char_class
    return classes


ASCII_CLASSES = _ascii_classes()

# What a byte of plain text is: bit 0 is set where it is shown (white space waits), bit 1 in a word, bit 2 in a capital,
# bit 3 where it is not plain. The bits above are five counters of 12 bits, one a class of _COUNTED_CLASSES.
SHOWN, IN_WORD, CAPITAL, NOT_PLAIN = 1, 2, 4, 8
FIRST_COUNTER_BIT, COUNTER_BITS = 4, 12
_COUNTED_CLASSES = (DIGIT, UPPERCASE, COMMA, SENTENCE_END, SYMBOL)


def _byte_properties() -> np.ndarray:
    """(2, 256) int64: what bytes are outside (row 0) and inside `pre` (row 1), where white space is not plain."""
    table = np.full((2, 256), NOT_PLAIN, np.int64)
    for byte in range(128):
        char_class = ASCII_CLASSES[byte]
        if char_class == SPACE:
            table[0, byte] = 0
        elif char_class != DROPPED and byte != AMPERSAND:
            in_word = char_class in (WORD, DIGIT, UPPERCASE)
            table[:, byte] = SHOWN | (IN_WORD if in_word else 0)
            table[:, byte] |= CAPITAL if char_class == UPPERCASE else 0
            if char_class in _COUNTED_CLASSES:
                table[:, byte] |= 1 << FIRST_COUNTER_BIT + COUNTER_BITS * _COUNTED_CLASSES.index(char_class)
    return table


BYTE_PROPERTIES = _byte_properties()


@njit(cache=True, nogil=True)
def non_ascii_class(code: int) -> int:
    """Class of a code point above 127, by ranges of Unicode blocks."""
    if code < 0xC0:
        if code == 0xA0 or code == 0x85:
            return SPACE
        if code == 0xAD or code < 0xA0:
            return DROPPED
        return WORD if code in (0xAA, 0xB5, 0xBA) else SYMBOL
    if code < 0x2000:
        if 0xC0 <= code <= 0xDE and code != 0xD7:
            return UPPERCASE
        if 0x391 <= code <= 0x3A9 or 0x400 <= code <= 0x42F:
            return UPPERCASE
        return SPACE if code == 0x1680 else WORD
    if code < 0x2070:
        if code <= 0x200A or code in (0x2028, 0x2029, 0x202F, 0x205F):
            return SPACE
        if code in (0x200B, 0x200E, 0x200F, 0x2060) or 0x202A <= code <= 0x202E:
            return DROPPED
        return SENTENCE_END if code == 0x2026 else PUNCTUATION
    if code < 0x2E80:
        return SYMBOL
    if code < 0x3041:
        if code == 0x3000:
            return SPACE
        return SENTENCE_END if code == 0x3002 else (COMMA if code == 0x3001 else PUNCTUATION)
    if code < 0xA000 or 0xF900 <= code < 0xFB00 or 0x20000 <= code < 0x40000:
        return IDEOGRAPH
    if code == 0xFFFD:
        return SYMBOL
    if code == 0xFEFF or 0xE000 <= code < 0xF900 or 0xFFF0 <= code < 0xFFFD:
        return DROPPED
    if 0xFF00 <= code < 0xFF21:
        if code in (0xFF01, 0xFF0E, 0xFF1F):
            return SENTENCE_END
        return COMMA if code == 0xFF0C else PUNCTUATION
    if 0x1F000 <= code < 0x20000:
        return SYMBOL
    return WORD


@njit(cache=True, nogil=True)
def decode_utf8(data: np.ndarray, i: int, end: int) -> tuple[int, int]:
    """Code point of the UTF-8 sequence at i and its length in bytes; (U+FFFD, 1) where there is no valid sequence."""
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


@njit(cache=True, nogil=True)
def read_reference(data: np.ndarray, i: int, end: int) -> tuple[int, int, int]:
    """Read the character reference at data[i] == `&`.

    Returns its length in bytes (0 where there is none), its code point (-1 for a named one), and the number of its
    entity (0 for a numeric one). Of names that continue each other, the longest counts.
    """
    j = i + 1
    if j < end and data[j] == HASH:
        return _read_numeric(data, j + 1, end, i)
    code = np.uint64(FNV_BASIS)
    longest, longest_length = 0, 0
    while j < end and j - i <= _MAX_REFERENCE:
        byte = data[j]
        if byte == SEMICOLON:
            entity = look_up(_ENTITY_HASHES, _ENTITY_VALUES, extend_hash(code, SEMICOLON))
            if entity:
                return j + 1 - i, -1, entity
            break
        if not (is_digit(byte) or is_letter(byte)):
            break
        code = extend_hash(code, byte)
        j += 1
        entity = look_up(_ENTITY_HASHES, _ENTITY_VALUES, code)
        if entity:
            longest, longest_length = entity, j - i
    return longest_length, -1, longest


@njit(cache=True, nogil=True)
def _read_numeric(data: np.ndarray, j: int, end: int, i: int) -> tuple[int, int, int]:
    base, value, start = 10, 0, j
    if j < end and (data[j] | 32) == 120:  # x
        base, j, start = 16, j + 1, j + 1
    while j < end:
        byte = data[j]
        if is_digit(byte):
            digit = np.int64(byte) - 48
        elif base == 16 and 97 <= (byte | 32) <= 102:  # a to f
            digit = np.int64(byte | 32) - 87
        else:
            break
        value = min(value * base + digit, 0x110000)
        j += 1
    if j == start:
        return 0, -1, 0
    if j < end and data[j] == SEMICOLON:
        j += 1
    if value == 0 or value > 0x10FFFF or 0xD800 <= value <= 0xDFFF:
        value = 0xFFFD
    elif 0x80 <= value < 0xA0:
        value = _decode_windows_1252(value)
    return j - i, value, 0


@njit(cache=True, nogil=True)
def _decode_windows_1252(value: int) -> int:
    """Code point of a byte 0x80 to 0x9F of Windows-1252, as which HTML reads it: quotes, dashes and dots only."""
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
