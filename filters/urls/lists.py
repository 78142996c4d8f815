"""Lists of hosts, addresses and words: files on disk and those that datatrove ships."""

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

from filters.urls.hashed_names import HashedNames, hash_addresses, hash_host_lines
from pipeline.base.errors import UserError

WORD_BREAK = re.compile(r"[\W_]+")
_COMMENT = re.compile(r"(?:^|\s)#")
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
    """Read hosts, one a line. Raises UserError for a line that is no host name."""
    parts = [np.zeros(0, np.uint64)]
    for file in files:
        for first, data in file.blocks():
            if not data.isascii():
                lines = file.decode(first, data).split("\n")
                ascii_lines = (line if line.isascii() else to_ascii(line.partition("#")[0].strip()) for line in lines)
                data = "\n".join(ascii_lines).encode()
            hashes, bad_line = hash_host_lines(np.frombuffer(data, np.uint8))
            if bad_line >= 0:
                entry = data.split(b"\n")[bad_line].decode().strip()
                hint = "one host a line" + ("; addresses go into `addresses`" if "/" in entry else "")
                raise UserError(f"{file.name}:{first + bad_line}: '{entry[:_SHOWN]}' is no host name: {hint}")
            parts.append(hashes)
    return HashedNames(np.sort(np.concatenate(parts)))


def read_addresses(files: list[ListFile], split_url: Callable[[str], tuple[str, str]]) -> HashedNames:
    """Read addresses (`host/path`, with or without scheme), one a line. Raises UserError for a line with blanks."""
    addresses = []
    for file in files:
        for number, entry in file.entries():
            host, address = split_url(entry)
            if len(entry.split()) > 1 or not host:
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
