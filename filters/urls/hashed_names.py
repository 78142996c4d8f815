"""Sets of host names or addresses as sorted 64-bit hashes, eight bytes a name, looked up by the column.

A name is its FNV-1a hash (Fowler, Noll, Vo). Hosts are hashed from their end, so one pass over a host meets every
parent domain, and addresses from their start, so one pass meets every path above. With five million names and 10^10
lookups less than 0.01 false hits are expected.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import buffers

_FNV_BASIS, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_NEWLINE, _HASH_SIGN, _ASTERISK, _COMMA, _DOT, _SLASH, _COLON, _QUESTION, _AT = 10, 35, 42, 44, 46, 47, 58, 63, 64
_CARET, _PIPE = 94, 124
_LAST_BLANK = 32  # bytes up to it are white space or controls


@dataclass(frozen=True, eq=False)
class HashedNames:
    """A set of names as sorted hashes, uint64[n]; a name that a list has twice is there twice."""

    hashes: np.ndarray

    def match_hosts(self, hosts: pa.Array) -> Iterator[tuple[int, int]]:
        """Yield (row, byte where the listed name starts) of hosts that are listed or below a listed name."""
        return _matches(_match_suffixes(*buffers(hosts), self.hashes)) if len(self.hashes) else iter(())

    def match_addresses(self, addresses: pa.Array) -> Iterator[tuple[int, int]]:
        """Yield (row, byte where the listed address ends) of addresses that are listed or below a listed one."""
        return _matches(_match_prefixes(*buffers(addresses), self.hashes)) if len(self.hashes) else iter(())


def _matches(positions: np.ndarray) -> Iterator[tuple[int, int]]:
    return ((int(i), int(positions[i])) for i in np.flatnonzero(positions >= 0))


def hash_addresses(addresses: list[str]) -> np.ndarray:
    """Hash of each address, uint64[n]."""
    return _hash_texts(*buffers(pa.array(addresses, pa.string())))


@njit(cache=True, nogil=True)
def hash_host_lines(data: np.ndarray) -> tuple[np.ndarray, int]:
    """Hash the host of each line of bytes; returns (hashes, index of the first line that is no host, -1 for none)."""
    hashes = np.empty(1 + np.sum(data == _NEWLINE), np.uint64)
    n, line, start = 0, 0, 0
    while start < len(data):
        end = start
        while end < len(data) and data[end] != _NEWLINE:
            end += 1
        host_start, host_end = _trim_line(data, start, end)
        if host_end > host_start:
            if not _is_host(data, host_start, host_end):
                return hashes[:n], line
            hashes[n] = _hash_backwards(data, host_start, host_end)
            n += 1
        start = end + 1
        line += 1
    return hashes[:n], -1


@njit(cache=True, nogil=True)
def _trim_line(data: np.ndarray, start: int, end: int) -> tuple[int, int]:
    """[start, end) without comment, blanks, `*.`, `www.` and dots at its ends."""
    for i in range(start, end):
        if data[i] == _HASH_SIGN:
            end = i
            break
    while start < end and (data[start] <= _LAST_BLANK or data[start] == _ASTERISK or data[start] == _DOT):
        start += 1
    while end > start and (data[end - 1] <= _LAST_BLANK or data[end - 1] == _DOT):
        end -= 1
    has_www = end - start > 4 and data[start + 3] == _DOT
    for i in range(start, start + 3 if has_www else start):
        has_www = has_www and (data[i] == 119 or data[i] == 87)  # w W
    return (start + 4 if has_www else start), end


@njit(cache=True, nogil=True)
def _is_host(data: np.ndarray, start: int, end: int) -> bool:
    """Whether [start, end) has no blank, none of / ? , @ ^ | and no colon (but for the two or more of IPv6)"""
    is_host, colons = True, 0
    for i in range(start, end):
        is_host = is_host and data[i] > _LAST_BLANK and data[i] not in (_SLASH, _QUESTION, _COMMA, _AT, _CARET, _PIPE)
        colons += data[i] == _COLON
    return is_host and colons != 1


@njit(cache=True, nogil=True)
def _hash_byte(hash_: np.uint64, byte: np.uint8) -> np.uint64:
    return (hash_ ^ np.uint64(byte)) * _FNV_PRIME


@njit(cache=True, nogil=True)
def _hash_backwards(data: np.ndarray, start: int, end: int) -> np.uint64:
    """Hash of [start, end) in lower case, from its end."""
    hash_ = _FNV_BASIS
    for i in range(end - 1, start - 1, -1):
        byte = data[i]
        hash_ = _hash_byte(hash_, byte + np.uint8(32) if 65 <= byte <= 90 else byte)
    return hash_


@njit(cache=True, nogil=True)
def _is_listed(names: np.ndarray, hash_: np.uint64) -> bool:
    i = np.searchsorted(names, hash_)
    return bool(i < len(names) and names[i] == hash_)


@njit(cache=True, nogil=True)
def _match_suffixes(data: np.ndarray, bounds: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Start of the longest listed name that ends each (lower-case) host at a dot, -1 for none.

    IP addresses have no parent domains.
    """
    starts = np.full(len(bounds) - 1, -1, np.int64)
    for row in range(len(starts)):
        start, end = bounds[row], bounds[row + 1]
        is_numeric = end > start and 48 <= data[end - 1] <= 57
        hash_ = _FNV_BASIS
        for i in range(end - 1, start - 1, -1):
            hash_ = _hash_byte(hash_, data[i])
            if (i == start or (data[i - 1] == _DOT and not is_numeric)) and _is_listed(names, hash_):
                starts[row] = i - start
    return starts


@njit(cache=True, nogil=True)
def _match_prefixes(data: np.ndarray, bounds: np.ndarray, names: np.ndarray) -> np.ndarray:
    """End of the shortest listed address that starts each address at `/` or `?` or is all of it, -1 for none."""
    ends = np.full(len(bounds) - 1, -1, np.int64)
    for row in range(len(ends)):
        start, end = bounds[row], bounds[row + 1]
        hash_ = _FNV_BASIS
        for i in range(start, end):
            hash_ = _hash_byte(hash_, data[i])
            is_boundary = i + 1 == end or data[i + 1] == _SLASH or data[i + 1] == _QUESTION
            if is_boundary and _is_listed(names, hash_):
                ends[row] = i + 1 - start
                break
    return ends


@njit(cache=True, nogil=True)
def _hash_texts(data: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    hashes = np.empty(len(bounds) - 1, np.uint64)
    for row in range(len(hashes)):
        hash_ = _FNV_BASIS
        for i in range(bounds[row], bounds[row + 1]):
            hash_ = _hash_byte(hash_, data[i])
        hashes[row] = hash_
    return hashes
