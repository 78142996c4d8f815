"""Lists of hosts, addresses and words: read quickly, kept small (eight bytes a name), looked up by the column.

A name is its 64-bit FNV-1a hash (Fowler, Noll, Vo); hosts are hashed from their end, so that one pass over a host
meets every parent domain, and addresses from their start, so that one pass meets every path above. With five million
names and 10^10 lookups less than 0.01 false hits are expected.
"""

import gzip
import importlib.util
import io
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from pipeline.base.errors import UserError
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import buffers

BREAK = re.compile(r"[\W_]+")
_BLOCK = 16 << 20
_SEED, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_DOT, _SLASH, _QUERY = 46, 47, 63


@dataclass(frozen=True, eq=False)
class Names:
    """A set of names as sorted hashes, uint64[n] (a name that stands there twice is there twice)."""

    hashes: np.ndarray

    def suffixes(self, hosts: pa.Array) -> Iterator[tuple[int, int]]:
        """(row, byte where the listed name starts) of hosts that are listed or lie below a listed name."""
        return _hits(_suffixes(*buffers(hosts), self.hashes)) if len(self.hashes) else iter(())

    def prefixes(self, addresses: pa.Array) -> Iterator[tuple[int, int]]:
        """(row, byte where the listed address ends) of addresses that are listed or lie below a listed one."""
        return _hits(_prefixes(*buffers(addresses), self.hashes)) if len(self.hashes) else iter(())


def _hits(found: np.ndarray) -> Iterator[tuple[int, int]]:
    return ((int(i), int(found[i])) for i in np.flatnonzero(found >= 0))


@dataclass(frozen=True)
class Listing:
    """An open list, and what errors call it."""

    name: str
    file: IO[bytes]

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """(number of the first line, whole lines) of about 16 MB."""
        first, rest = 1, b""
        while data := self.file.read(_BLOCK):
            data = rest + data
            cut = data.rfind(b"\n") + 1
            yield first, data[:cut]
            first, rest = first + data.count(b"\n", 0, cut), data[cut:]
        yield first, rest

    def lines(self) -> Iterator[tuple[int, str]]:
        """(number, entry), without blanks and comments. Raises UserError for what is not UTF-8."""
        for first, data in self.blocks():
            for number, line in enumerate(self.text(first, data).split("\n"), first):
                if entry := re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip():
                    yield number, entry

    def text(self, first: int, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            line = first + data.count(b"\n", 0, error.start)
            raise UserError(f"{self.name}:{line}: not UTF-8; save the list as UTF-8") from error


def opened(path: str | Path) -> Listing:
    """A list on disk, plain or `.gz`."""
    file = open(path, "rb")  # noqa: SIM115 - read to its end at once
    if file.read(2) == b"\x1f\x8b":
        file = gzip.open(path)  # type: ignore[assignment]  # noqa: SIM115
    else:
        file.seek(0)
    return Listing(str(path), file)


def bundled() -> dict[str, Path]:
    """datatrove's own lists: `banned_words` and two other word lists, `archive` with `domains` and `urls` in it."""
    found = importlib.util.find_spec("datatrove")
    if not found or not found.submodule_search_locations:
        raise UserError("datatrove_lists: datatrove is not installed; pip install datatrove, or set it to false")
    folder = Path(found.submodule_search_locations[0]) / "assets"
    lists = {path.stem: path for path in folder.glob("*banned_*words.txt")}
    if archives := sorted(folder.glob("url_filterblacklists*.tar.gz")):
        lists["archive"] = archives[-1]
    if missing := {"archive", "banned_words", "soft_banned_words", "banned_subwords"} - lists.keys():
        raise UserError(f"datatrove_lists: {folder} lacks {', '.join(sorted(missing))}; set it to false")
    return lists


def archived(path: Path) -> dict[str, Listing]:
    """The lists in datatrove's archive: `domains` and `urls`."""
    with tarfile.open(path) as archive:
        files = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        lists = {name: Listing(f"{path}/{name}", io.BytesIO(file.read())) for name, file in files.items() if file}
    if missing := {"domains", "urls"} - lists.keys():
        raise UserError(f"datatrove_lists: {path} lacks {', '.join(sorted(missing))}; set it to false")
    return lists


def hosts_of(listings: list[Listing], in_ascii: Callable[[str], str]) -> Names:
    """Hosts, one a line. Raises UserError for a line that is no host name."""
    parts = [np.zeros(0, np.uint64)]
    for listing in listings:
        for first, data in listing.blocks():
            if not data.isascii():
                lines = listing.text(first, data).split("\n")
                data = "\n".join(x if x.isascii() else in_ascii(x.partition("#")[0].strip()) for x in lines).encode()
            hashes, bad = _host_lines(np.frombuffer(data, np.uint8))
            if bad >= 0:
                entry = data.split(b"\n")[bad].decode().strip()
                hint = "one host a line" + ("; addresses go into `addresses`" if "/" in entry else "")
                raise UserError(f"{listing.name}:{first + bad}: '{entry[:60]}' is no host name: {hint}")
            parts.append(hashes)
    return Names(np.sort(np.concatenate(parts)))


def addresses_of(listings: list[Listing], parts: Callable[[str], tuple[str, str]]) -> Names:
    """Addresses (`host/path`, with or without scheme), one a line. Raises UserError for a line with blanks inside."""
    found = []
    for listing in listings:
        for number, entry in listing.lines():
            if len(entry.split()) > 1 or not parts(entry)[0]:
                raise UserError(f"{listing.name}:{number}: '{entry[:60]}' is no address: one host/path a line")
            found.append(parts(entry)[1])
    return Names(np.sort(_whole(*buffers(pa.array(found, pa.string())))))


def words_of(listings: list[Listing]) -> frozenset[str]:
    """Words, one a line, case-folded and without punctuation (`2 girls` is `2girls`, as datatrove has it)."""
    found = set()
    for listing in listings:
        for number, entry in listing.lines():
            word = BREAK.sub("", entry.casefold())
            if not word:
                raise UserError(f"{listing.name}:{number}: '{entry[:60]}' has no letter or digit: one word a line")
            found.add(word)
    return frozenset(found)


@njit(cache=True, nogil=True)
def _host_lines(data: np.ndarray) -> tuple[np.ndarray, int]:
    """Hashes of the lines' hosts, and the index of the first line that is none (-1: all are)."""
    out = np.empty(1 + np.sum(data == 10), np.uint64)
    n, line, start = 0, 0, 0
    while start < len(data):
        end = start
        while end < len(data) and data[end] != 10:
            end += 1
        a, b = _trimmed(data, start, end)
        if b > a:
            if not _is_host(data, a, b):
                return out[:n], line
            out[n] = _backwards(data, a, b)
            n += 1
        start = end + 1
        line += 1
    return out[:n], -1


@njit(cache=True, nogil=True)
def _trimmed(data: np.ndarray, a: int, b: int) -> tuple[int, int]:
    """A line without comment, blanks, `*.`, `www.` and dots at its ends."""
    for i in range(a, b):
        if data[i] == 35:  # '#'
            b = i
            break
    while a < b and (data[a] <= 32 or data[a] == 42 or data[a] == _DOT):
        a += 1
    while b > a and (data[b - 1] <= 32 or data[b - 1] == _DOT):
        b -= 1
    www = b - a > 4 and data[a + 3] == _DOT
    for i in range(a, a + 3 if www else a):
        www = www and (data[i] == 119 or data[i] == 87)
    return (a + 4 if www else a), b


@njit(cache=True, nogil=True)
def _is_host(data: np.ndarray, a: int, b: int) -> bool:
    ok = True
    for i in range(a, b):
        ok = ok and data[i] > 32 and data[i] not in (_SLASH, _QUERY, 44, 58, 64)  # no blank and none of / ? , : @
    return ok


@njit(cache=True, nogil=True)
def _next(h: np.uint64, c: np.uint8) -> np.uint64:
    return (h ^ np.uint64(c)) * _PRIME


@njit(cache=True, nogil=True)
def _backwards(data: np.ndarray, a: int, b: int) -> np.uint64:
    h = _SEED
    for i in range(b - 1, a - 1, -1):
        c = data[i]
        h = _next(h, c + np.uint8(32) if 65 <= c <= 90 else c)
    return h


@njit(cache=True, nogil=True)
def _listed(names: np.ndarray, h: np.uint64) -> bool:
    at = np.searchsorted(names, h)
    return bool(at < len(names) and names[at] == h)


@njit(cache=True, nogil=True)
def _suffixes(data: np.ndarray, bounds: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Start of the longest listed name that ends each (lower-case) host at a dot, -1 for none. Addresses of digits
    have no parents."""
    out = np.full(len(bounds) - 1, -1, np.int64)
    for row in range(len(out)):
        a, b = bounds[row], bounds[row + 1]
        numeric = b > a and 48 <= data[b - 1] <= 57
        h = _SEED
        for i in range(b - 1, a - 1, -1):
            h = _next(h, data[i])
            if (i == a or (data[i - 1] == _DOT and not numeric)) and _listed(names, h):
                out[row] = i - a
    return out


@njit(cache=True, nogil=True)
def _prefixes(data: np.ndarray, bounds: np.ndarray, names: np.ndarray) -> np.ndarray:
    """End of the shortest listed address that starts each address at `/` or `?` or is all of it, -1 for none."""
    out = np.full(len(bounds) - 1, -1, np.int64)
    for row in range(len(out)):
        a, b = bounds[row], bounds[row + 1]
        h = _SEED
        for i in range(a, b):
            h = _next(h, data[i])
            if (i + 1 == b or data[i + 1] == _SLASH or data[i + 1] == _QUERY) and _listed(names, h):
                out[row] = i + 1 - a
                break
    return out


@njit(cache=True, nogil=True)
def _whole(data: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    out = np.empty(len(bounds) - 1, np.uint64)
    for row in range(len(out)):
        h = _SEED
        for i in range(bounds[row], bounds[row + 1]):
            h = _next(h, data[i])
        out[row] = h
    return out
