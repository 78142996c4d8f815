"""64-bit FNV-1a hashes of names and tokens, and hash tables that kernels can read."""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars are passed for int)

import numpy as np

from pipeline.kernels.njit import njit

FNV_BASIS = 0xCBF29CE484222325
FNV_PRIME = 0x100000001B3


def fnv1a(name: bytes) -> int:
    """FNV-1a hash of a name, 64 bits (Fowler, Noll, Vo; RFC 9923)."""
    code = FNV_BASIS
    for byte in name:
        code = ((code ^ byte) * FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return code


@njit(cache=True, nogil=True)
def extend_hash(code: np.uint64, value: int) -> np.uint64:
    """FNV-1a hash `code` after one more byte, or number, `value`."""
    return np.uint64((code ^ np.uint64(value)) * np.uint64(FNV_PRIME))


def build_table(values_by_hash: dict[int, int], bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Hash table with open addressing and linear probing.

    Returns (hashes uint64, values int32), each of 2**bits places; the hash is 0 where a place is empty.
    """
    mask = (1 << bits) - 1
    hashes, values = np.zeros(mask + 1, np.uint64), np.zeros(mask + 1, np.int32)
    for code, value in values_by_hash.items():
        place = code & mask
        while hashes[place]:
            place = (place + 1) & mask
        hashes[place], values[place] = code, value
    return hashes, values


@njit(cache=True, nogil=True)
def look_up(hashes: np.ndarray, values: np.ndarray, code: np.uint64) -> int:
    """Value of the hash `code` in a table of `build_table`, 0 where the table does not have it."""
    mask = np.uint64(len(hashes) - 1)
    place = np.uint64(code & mask)
    while hashes[place] != 0:
        if hashes[place] == code:
            return values[place]
        place = np.uint64((place + np.uint64(1)) & mask)
    return 0
