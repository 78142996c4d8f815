"""Values of a recipe together with the place where they were set, so that every error can name it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.errors import UserError

PLUGIN_TABLES = ("sidecars", "selections", "sources")
_ARRAYS_OF_TABLES = (("rules", "add"), ("rule",), *((table,) for table in PLUGIN_TABLES))


@dataclass(frozen=True)
class ConfigSource:
    """Where values come from: a TOML file, or one `--set` option of the command line.

    name: the path as the user would type it, or `--set section.key`.
    folder: where relative paths in the values start.
    data: the parsed document.
    lines: key path -> line, 1-based; None for the command line.
    raw: the text after `=` on the command line, "" for files.
    """

    name: str
    folder: Path
    data: dict[str, Any]
    lines: dict[tuple, int] | None
    raw: str = ""

    @property
    def from_command_line(self) -> bool:
        return self.lines is None

    def root(self) -> "ConfigValue":
        """Return the whole document as a value."""
        return ConfigValue(self.data, self, ())

    def location(self, path: tuple) -> str:
        """Return `file:line` of the key at `path`, or of the nearest table around it."""
        if self.lines is None:
            return self.name
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.name}:{self.lines.get(path, 1)}"


@dataclass(frozen=True)
class ConfigValue:
    """A value, the source that set it and its key path there."""

    value: Any
    source: ConfigSource
    path: tuple

    @property
    def location(self) -> str:
        """`file:line`, or `--set section.key`."""
        return self.source.location(self.path)

    @property
    def prefix(self) -> str:
        """What an error about this value begins with: `my.toml:4: [near] `, or `--set near.keep: `."""
        return f"{self.location}: " + ("" if self.source.from_command_line else header_of(self.path))

    @property
    def key(self) -> str:
        """The key as the recipe spells it; for an entry of a list its position, counted from 1."""
        last = self.path[-1]
        return f"entry {last + 1} of {self.path[-2]}" if isinstance(last, int) else str(last)

    def child(self, key: str | int) -> "ConfigValue":
        """Return the entry `key` of this table or list."""
        return ConfigValue(self.value[key], self.source, (*self.path, key))

    def children(self) -> Iterator["ConfigValue"]:
        """Yield the entries of this table or list in their order."""
        for key in self.value if isinstance(self.value, dict) else range(len(self.value)):
            yield self.child(key)

    def error(self, message: str) -> UserError:
        """Return a UserError with the location in front of `message`."""
        return UserError(with_prefix(self.prefix, message))


def with_prefix(prefix: str, message: str) -> str:
    """Join the prefix and the message of an error, without repeating the key in `--set near.keep: keep: ...`."""
    key = prefix.removesuffix(": ").rpartition(".")[2]
    return prefix + message.removeprefix(f"{key}: ")


def header_of(path: tuple) -> str:
    """Return the header above the key at `path` and a blank; "" for keys above all headers and for headers."""
    for table in _ARRAYS_OF_TABLES:
        if path[: len(table)] == table and len(path) > len(table):
            return f"[[{'.'.join(table)}]] "
    if path[:2] == ("rules", "set") and len(path) > 2:
        return "[rules.set] "
    return f"[{path[0]}] " if len(path) > 1 and isinstance(path[1], str) else ""
