"""Lists of hosts, addresses and words: files on disk and those that datatrove ships."""

import gzip
import importlib.util
import io
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import IO

import numpy as np

from filters.urls.hashed_names import HashedNames, hash_addresses, hash_host_lines
from pipeline.base.errors import UserError

WORD_BREAK = re.compile(r"[\W_]+")
_COMMENT = re.compile(r"(?:^|\s)#")
_UNUSUAL = re.compile(r"[^\x00-\x7f]|\|\||[:![]")  # in the few lines of hosts that are not looked up as they are
_BLOCK_BYTES = 16 << 20
_SHOWN = 60  # characters of an entry in an error message


@dataclass(frozen=True)
class ListFile:
    """An open list, and its name in errors."""

    name: str
    file: IO[bytes]

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Yield (number of the first line, complete lines) of about 16 MB."""
        first, rest = 1, b""
        while data := self.file.read(_BLOCK_BYTES):
            data = rest + data
            end = data.rfind(b"\n") + 1
            yield first, data[:end]
            first, rest = first + data.count(b"\n", 0, end), data[end:]
        yield first, rest

    def entries(self) -> Iterator[tuple[int, str]]:
        """Yield (line number, entry) without blanks and comments. Raises UserError for what is not UTF-8."""
        for first, data in self.blocks():
            for number, line in enumerate(self.decode(first, data).split("\n"), first):
                if entry := _COMMENT.split(line, maxsplit=1)[0].strip():
                    yield number, entry

    def decode(self, first: int, data: bytes) -> str:
        """The text of lines from number `first` on. Raises UserError for what is not UTF-8."""
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            line = first + data.count(b"\n", 0, error.start)
            raise UserError(f"{self.name}:{line}: not UTF-8; save the list as UTF-8") from error


def open_list(path: str | Path) -> ListFile:
    """Open a list on disk, plain or `.gz`."""
    file = open(path, "rb")  # noqa: SIM115 - read to its end at once
    if file.read(2) == b"\x1f\x8b":
        file = gzip.open(path)  # type: ignore[assignment]  # noqa: SIM115
    else:
        file.seek(0)
    return ListFile(str(path), file)


def datatrove_files() -> dict[str, Path]:
    """Return datatrove's own lists: `banned_words` and two other word lists, and `archive` (see `open_archive`).

    Raises UserError if datatrove or one of them is not there.
    """
    spec = importlib.util.find_spec("datatrove")
    if not spec or not spec.submodule_search_locations:
        raise UserError("datatrove_lists: datatrove is not installed; pip install datatrove, or set it to false")
    folder = Path(spec.submodule_search_locations[0]) / "assets"
    lists = {path.stem: path for path in folder.glob("*banned_*words.txt")}
    if archives := sorted(folder.glob("url_filterblacklists*.tar.gz")):
        lists["archive"] = archives[-1]
    if missing := {"archive", "banned_words", "soft_banned_words", "banned_subwords"} - lists.keys():
        raise UserError(f"datatrove_lists: {folder} lacks {', '.join(sorted(missing))}; set it to false")
    return lists


def open_archive(path: Path) -> dict[str, ListFile]:
    """Open the lists in datatrove's archive: `domains` and `urls`. Raises UserError if one is missing."""
    with tarfile.open(path) as archive:
        files = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        lists = {name: ListFile(f"{path}/{name}", io.BytesIO(file.read())) for name, file in files.items() if file}
    if missing := {"domains", "urls"} - lists.keys():
        raise UserError(f"datatrove_lists: {path} lacks {', '.join(sorted(missing))}; set it to false")
    return lists


def read_hosts(files: list[ListFile], to_ascii: Callable[[str], str]) -> HashedNames:
    """Read hosts, one a line: names, IP addresses, or `||host^`. Raises UserError for a line that is no host."""
    parts = [np.zeros(0, np.uint64)]
    for file in files:
        for first, data in file.blocks():
            lines = data
            if not data.isascii() or any(mark in data for mark in (b"||", b":", b"!", b"[")):
                given = file.decode(first, data).split("\n")
                plain = (_plain_host(line, to_ascii) if _UNUSUAL.search(line) else line for line in given)
                lines = "\n".join(plain).encode()
            hashes, bad_line = hash_host_lines(np.frombuffer(lines, np.uint8))
            if bad_line >= 0:
                entry = data.split(b"\n")[bad_line].decode().strip()
                hint = "one host a line" + (
                    "; addresses go into `addresses`"
                    if "/" in entry
                    else "; what stands behind ^ is for browsers, remove it or the line"
                    if "^" in entry
                    else ""
                )
                raise UserError(f"{file.name}:{first + bad_line}: '{entry[:_SHOWN]}' is no host name: {hint}")
            parts.append(hashes)
    return HashedNames(np.sort(np.concatenate(parts)))


def plain_entry(entry: str) -> str:
    """Return an entry of a list without the marks of Adblock Plus, `||host^`; "" for its comments (`! Title`).

    What stands behind `^` (`$third-party`) is left, so that the entry is refused: it is no rule for a page.
    """
    if entry.startswith("!") or (entry.startswith("[Adblock") and entry.endswith("]")):
        return ""
    return entry[2:].removesuffix("^") if entry.startswith("||") else entry


def plain_ipv6(host: str) -> str | None:
    """Return the shortest form of an IPv6 address, with or without brackets; None for what is none."""
    try:
        return IPv6Address(host.removeprefix("[").removesuffix("]")).compressed
    except ValueError:
        return None


def _plain_host(line: str, to_ascii: Callable[[str], str]) -> str:
    """A line of a list of hosts as the others are: an IPv6 address in its shortest form, a name as DNS has it."""
    host = plain_entry(line.partition("#")[0].strip())
    return plain_ipv6(host) or (host if host.isascii() else to_ascii(host))


def read_addresses(files: list[ListFile], split_url: Callable[[str], tuple[str, str]]) -> HashedNames:
    """Read addresses (`host/path`, with or without scheme), one a line. Raises UserError for a line with blanks."""
    addresses = []
    for file in files:
        for number, entry in file.entries():
            if not (plain := plain_entry(entry)):
                continue
            host_part, slash, path = plain.partition("/")
            if (ipv6 := plain_ipv6(host_part)) is not None:
                plain = f"[{ipv6}]{slash}{path}"
            host, address = split_url(plain)
            if len(plain.split()) > 1 or not host or "^" in host:
                raise UserError(f"{file.name}:{number}: '{entry[:_SHOWN]}' is no address: one host/path a line")
            addresses.append(address)
    return HashedNames(np.sort(hash_addresses(addresses)))


def read_words(files: list[ListFile]) -> frozenset[str]:
    """Read words, one a line, case-folded and without punctuation (`2 girls` is `2girls`, as in datatrove).

    Raises UserError for a line without letter or digit.
    """
    words = set()
    for file in files:
        for number, entry in file.entries():
            word = WORD_BREAK.sub("", entry.casefold())
            if not word:
                raise UserError(f"{file.name}:{number}: '{entry[:_SHOWN]}' has no letter or digit: one word a line")
            words.add(word)
    return frozenset(words)
