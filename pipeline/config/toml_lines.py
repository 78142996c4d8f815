"""The line of every key of a TOML file, so that an error can name its place (tomllib keeps none).

Call it on text that tomllib has accepted: the scanner follows the grammar (https://toml.io/en/v1.0.0), unchecked.
"""

import re
import tomllib
from bisect import bisect_left

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_INLINE = re.compile(r"[ \t]*")
_KEY = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[A-Za-z0-9_-]+')
_TEXT = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_BARE = re.compile(r"[^\s,\]}#]+(?:[ ][0-9]{2}:[^\s,\]}#]+)?")  # the blank inside `1979-05-27 07:32:00` belongs to it


def places(text: str) -> dict[Path, int]:
    """Key path -> line (1-based) of each table, key and array element of the TOML document `text`."""
    scan = _Scan(text)
    scan.document()
    return scan.found


class _Scan:
    def __init__(self, text: str):
        self.text, self.at = text, 0
        self.found: dict[Path, int] = {}
        self._ends = [m.start() for m in re.finditer("\n", text)]
        self._entries: dict[Path, int] = {}  # array of tables -> tables so far

    def document(self) -> None:
        table: Path = ()
        while self._blank() < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        start, many = self.at, self.text.startswith("[[", self.at)
        self.at += 1 + many
        keys = self._keys()
        self.at = self.text.index("]", self.at) + 1 + many
        path: Path = ()
        for key in keys[:-1]:
            path = self._latest((*path, key))
            self._note(path, start)
        path = (*path, keys[-1])
        self._note(path, start)
        if many:
            self._entries[path] = self._entries.get(path, 0) + 1
            path = self._latest(path)
            self._note(path, start)
        return path

    def _latest(self, path: Path) -> Path:
        return (*path, self._entries[path] - 1) if path in self._entries else path

    def _pair(self, table: Path) -> None:
        start, path = self.at, table
        for key in self._keys():
            path = (*path, key)
            self._note(path, start)
        self.at = self.text.index("=", self.at) + 1
        self._value(path)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_INLINE)
            spelled = self._skip(_KEY)
            keys.append(next(iter(tomllib.loads(f"{spelled} = 0"))))
            self._skip(_INLINE)
            if self.text[self.at] != ".":
                return keys
            self.at += 1

    def _value(self, path: Path) -> None:
        opening = self.text[self._blank()]
        if opening == "[":
            self._items("]", lambda i: self._element((*path, i)))
        elif opening == "{":
            self._items("}", lambda i: self._pair(path))
        else:
            self._skip(_TEXT if opening in "\"'" else _BARE)

    def _element(self, path: Path) -> None:
        self._note(path, self.at)
        self._value(path)

    def _items(self, closing: str, read) -> None:
        self.at += 1
        count = 0
        while self.text[self._blank()] != closing:
            read(count)
            count += 1
            if self.text[self._blank()] == ",":
                self.at += 1
        self.at += 1

    def _note(self, path: Path, start: int) -> None:
        self.found.setdefault(path, bisect_left(self._ends, start) + 1)

    def _blank(self) -> int:
        self._skip(_BLANK)
        return self.at

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        assert found, f"not TOML at offset {self.at}"
        self.at = found.end()
        return found[0]
