"""The line of every key of a TOML file, so that an error can name its place (tomllib keeps none).

The scanner expects text that tomllib has accepted. It follows the grammar (https://toml.io/en/v1.0.0) unchecked.
"""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Callable

KeyPath = tuple[str | int, ...]

_BLANKS_AND_COMMENTS = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BLANKS = re.compile(r"[ \t]*")
_KEY = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[A-Za-z0-9_-]+')
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)
# A number, a truth value or a date; the blank inside `1979-05-27 07:32:00` belongs to the value.
_BARE_VALUE = re.compile(r"[^\s,\]}#]+(?:[ ][0-9]{2}:[^\s,\]}#]+)?")


def line_numbers(text: str) -> dict[KeyPath, int]:
    """Return the line (1-based) of each table, key and array element of the TOML document `text` by its key path."""
    scanner = _Scanner(text)
    scanner.read_document()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str):
        self.text = text
        self.position = 0
        self.lines: dict[KeyPath, int] = {}
        self._line_ends = [match.start() for match in re.finditer("\n", text)]
        self._table_counts: dict[KeyPath, int] = {}  # array of tables -> tables so far

    def read_document(self) -> None:
        table: KeyPath = ()
        while self._skip_blank() < len(self.text):
            if self.text[self.position] == "[":
                table = self._read_header()
            else:
                self._read_pair(table)

    def _read_header(self) -> KeyPath:
        """Read `[a.b]` or `[[a.b]]` and return the path of the table that it opens."""
        start = self.position
        is_array = self.text.startswith("[[", start)
        self.position += 1 + is_array
        keys = self._read_dotted_key()
        self.position = self.text.index("]", self.position) + 1 + is_array
        path: KeyPath = ()
        for key in keys[:-1]:
            path = self._latest_table((*path, key))
            self._record_line(path, start)
        path = (*path, keys[-1])
        self._record_line(path, start)
        if is_array:
            self._table_counts[path] = self._table_counts.get(path, 0) + 1
            path = self._latest_table(path)
            self._record_line(path, start)
        return path

    def _latest_table(self, path: KeyPath) -> KeyPath:
        """Return the path of the last table so far where `path` is an array of tables, else `path`."""
        return (*path, self._table_counts[path] - 1) if path in self._table_counts else path

    def _read_pair(self, table: KeyPath) -> None:
        start, path = self.position, table
        for key in self._read_dotted_key():
            path = (*path, key)
            self._record_line(path, start)
        self.position = self.text.index("=", self.position) + 1
        self._read_value(path)

    def _read_dotted_key(self) -> list[str]:
        keys = []
        while True:
            self._match(_BLANKS)
            spelled = self._match(_KEY)
            keys.append(next(iter(tomllib.loads(f"{spelled} = 0"))))
            self._match(_BLANKS)
            if self.text[self.position] != ".":
                return keys
            self.position += 1

    def _read_value(self, path: KeyPath) -> None:
        opening = self.text[self._skip_blank()]
        if opening == "[":
            self._read_items("]", lambda i: self._read_element((*path, i)))
        elif opening == "{":
            self._read_items("}", lambda i: self._read_pair(path))
        else:
            self._match(_STRING if opening in "\"'" else _BARE_VALUE)

    def _read_element(self, path: KeyPath) -> None:
        self._record_line(path, self.position)
        self._read_value(path)

    def _read_items(self, closing: str, read_item: Callable[[int], None]) -> None:
        """Read the items of an array or inline table up to `closing`."""
        self.position += 1
        count = 0
        while self.text[self._skip_blank()] != closing:
            read_item(count)
            count += 1
            if self.text[self._skip_blank()] == ",":
                self.position += 1
        self.position += 1

    def _record_line(self, path: KeyPath, start: int) -> None:
        self.lines.setdefault(path, bisect_left(self._line_ends, start) + 1)

    def _skip_blank(self) -> int:
        self._match(_BLANKS_AND_COMMENTS)
        return self.position

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.position)
        assert match, f"not TOML at offset {self.position}"
        self.position = match.end()
        return match[0]
