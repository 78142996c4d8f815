"""Searching a page's bytes: end tags, words of attributes; hashes. Kernels of the block scanner."""

# mypy: disable-error-code="arg-type,assignment,return-value,call-arg,var-annotated"
# (kernels: NumPy's scalars stand for int)

import numpy as np

from extract.blocks.scan.tags import FNV_BASIS, FNV_PRIME
from extract.html.byte_search import find_byte
from pipeline.kernels.njit import njit


@njit(cache=True, nogil=True, inline="always")
def is_letter(c: int) -> bool:
    return 97 <= (c | 32) <= 122


@njit(cache=True, nogil=True)
def step(code: np.uint64, c: int) -> np.uint64:
    """FNV-1a, 64 bits: the hash `code` after one more byte, or number, `c`."""
    return np.uint64((code ^ np.uint64(c)) * np.uint64(FNV_PRIME))


@njit(cache=True, nogil=True)
def count(data: np.ndarray, byte: int) -> int:
    """How often a byte occurs."""
    n = 0
    for i in range(len(data)):
        n += data[i] == byte
    return n


@njit(cache=True, nogil=True)
def end_tag(data: np.ndarray, i: int, n: int, name: np.uint64, length: int) -> int:
    """Where `</name` with that hash and length starts at or after i; n when it is absent."""
    i = find_byte(data, i, n, 60)
    while i + 2 + length <= n:
        if data[i + 1] == 47:
            code = np.uint64(FNV_BASIS)
            for k in range(i + 2, i + 2 + length):
                c = np.int64(data[k])
                code = step(code, c | 32 if 65 <= c <= 90 else c)
            after = data[i + 2 + length] if i + 2 + length < n else np.uint8(62)
            if code == name and (after <= 32 or after == 47 or after == 62):
                return i
        i = find_byte(data, i + 1, n, 60)
    return n


@njit(cache=True, nogil=True)
def contains(data: np.ndarray, i: int, end: int, word: bytes) -> bool:
    """Whether data[i:end], lower-cased and without blanks, contains `word`."""
    m, k = len(word), 0
    while i < end:
        c = np.int64(data[i])
        if c > 32:
            if 65 <= c <= 90:
                c |= 32
            if c == word[k]:
                k += 1
                if k == m:
                    return True
            else:
                k = 1 if c == word[0] else 0
        i += 1
    return False
