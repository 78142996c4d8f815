"""Bytes of HTML syntax by name, and searches over a page's bytes: end tags, words in attribute values."""

# mypy: disable-error-code="arg-type,assignment,return-value,call-arg,var-annotated"
# (kernels: NumPy's scalars are passed for int)

import numpy as np

from extract.blocks.scan.hashing import FNV_BASIS, extend_hash
from extract.html.byte_search import GREATER_THAN, LESS_THAN, SLASH, SPACE, find_byte
from pipeline.kernels.njit import njit

TAB, NEWLINE, CARRIAGE_RETURN, COLON, AT_SIGN, DOLLAR = b"\t\n\r:@$"  # others are in byte_search


@njit(cache=True, nogil=True, inline="always")
def is_letter(byte: int) -> bool:
    """Whether a byte is an ASCII letter."""
    return 97 <= (byte | 32) <= 122


@njit(cache=True, nogil=True, inline="always")
def is_digit(byte: int) -> bool:
    """Whether a byte is an ASCII digit."""
    return 48 <= byte <= 57


@njit(cache=True, nogil=True, inline="always")
def is_upper(byte: int) -> bool:
    """Whether a byte is an ASCII capital letter."""
    return 65 <= byte <= 90


@njit(cache=True, nogil=True, inline="always")
def to_lower(byte: int) -> int:
    """ASCII capital letters in lower case, other values as they are."""
    return byte | 32 if 65 <= byte <= 90 else byte


@njit(cache=True, nogil=True)
def count_byte(data: np.ndarray, byte: int) -> int:
    """Number of times that a byte occurs."""
    n = 0
    for i in range(len(data)):
        n += data[i] == byte
    return n


@njit(cache=True, nogil=True)
def find_end_tag(data: np.ndarray, i: int, end: int, name_hash: np.uint64, name_length: int) -> int:
    """Offset of the first `</name` at or after i whose name has that hash and length; `end` where there is none."""
    i = find_byte(data, i, end, LESS_THAN)
    while i + 2 + name_length <= end:
        if data[i + 1] == SLASH:
            code = np.uint64(FNV_BASIS)
            for k in range(i + 2, i + 2 + name_length):
                code = extend_hash(code, to_lower(np.int64(data[k])))
            after = data[i + 2 + name_length] if i + 2 + name_length < end else np.uint8(GREATER_THAN)
            if code == name_hash and (after <= SPACE or after in (SLASH, GREATER_THAN)):
                return i
        i = find_byte(data, i + 1, end, LESS_THAN)
    return end


@njit(cache=True, nogil=True)
def contains_word(data: np.ndarray, i: int, end: int, word: bytes) -> bool:
    """Whether data[i:end] contains `word`, ignoring ASCII case and white space."""
    matched = 0
    while i < end:
        byte = to_lower(np.int64(data[i]))
        if byte > SPACE:
            if byte == word[matched]:
                matched += 1
                if matched == len(word):
                    return True
            else:
                matched = 1 if byte == word[0] else 0
        i += 1
    return False
