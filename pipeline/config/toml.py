"""Reading TOML files; every problem is one line with file, line and what to type."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.base.errors import UserError
from pipeline.base.paths import CHECKOUT
from pipeline.config.config_value import ConfigSource
from pipeline.config.toml_lines import line_numbers

_MAX_NESTING = 20  # levels of tables and arrays
_BRACKET = re.compile(r"[\[\]{}]")


def read_toml(path: Path, folder: Path) -> ConfigSource:
    """Read the TOML file at `path`; relative paths in it start at `folder`.

    Raises UserError with file and line.
    """
    name = display_path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")  # some editors write a byte order mark
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{name}:{line}: not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror})") from error
    text = text.replace("\r\n", "\n")
    try:
        data = parse_toml(text, name)
    except tomllib.TOMLDecodeError as error:
        raise UserError(_syntax_message(name, text, str(error))) from error
    return ConfigSource(name, folder, data, line_numbers(text))


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """Parse a TOML document. Raises tomllib.TOMLDecodeError, and UserError for values nested too deeply.

    `name` is where it comes from, for the message. tomllib, and all that reads its values, is recursive.
    """
    try:
        data = tomllib.loads(text)
        values: list[Any] = [data]
        for _ in range(_MAX_NESTING):
            nested = [value.values() if isinstance(value, dict) else value for value in values]
            values = [item for value in nested for item in value if isinstance(item, dict | list)]
            if not values:
                return data
    except RecursionError:
        pass
    place = f"{name}:{_deepest_line(text)}" if "\n" in text else name
    raise UserError(f"{place}: values are nested more than {_MAX_NESTING} deep; no setting needs that")


def _deepest_line(text: str) -> int:
    """The line of a document where most brackets are open, or that has the longest dotted key."""
    depths, depth = [], 0
    for line in text.split("\n"):
        counts = [depth + (opening - closing) for opening, closing in _bracket_counts(line)]
        depths.append(max([depth, *counts, line.count(".")]))
        depth = counts[-1] if counts else depth
    return 1 + max(range(len(depths)), key=depths.__getitem__)


def _bracket_counts(line: str) -> Iterator[tuple[int, int]]:
    """(opening brackets, closing brackets) of a line up to each of its brackets."""
    opening = closing = 0
    for match in _BRACKET.finditer(line):
        opening, closing = opening + (match[0] in "[{"), closing + (match[0] in "]}")
        yield opening, closing


def display_path(path: Path) -> str:
    """Return `path` as short as a user can type it: relative to the current folder or to the checkout."""
    full_path = path.resolve()
    for base in (Path.cwd(), CHECKOUT):
        if full_path.is_relative_to(base):
            return str(full_path.relative_to(base))
    return str(path)


# The start of tomllib's message, a pattern of the text at that position, and what to type.
_SYNTAX_HINTS = (
    ("Invalid value", r"[“”„‘’«»]", 'the quotes are straight ones: name = "value"'),
    ("Invalid value", r"(?i)true|false", "true and false have small letters"),
    ("Invalid value", r"\.[0-9]", "a number begins with a digit: 0.7"),
    ("Invalid value", "", 'text stands in quotes: name = "value"'),
    ("Unclosed array", "", "close it with ]"),
    ("Expected '=' after a key in a key/value pair", "", "type name = value"),
    ("Cannot overwrite a value", "", "the key is there twice: leave one out"),
    ("Cannot declare", "", "the header is there twice: put all of its settings below one"),
    ("Invalid statement", "", "type name = value or [section]"),
    ("Expected newline", r",[0-9]", "numbers have a point: 0.7"),
    ("Expected newline", "", "one setting a line, text in quotes"),
)


def _syntax_message(name: str, text: str, tomllib_message: str) -> str:
    """Return tomllib's message with the location in front and a hint after it.

    tomllib puts the position at the end: `... (at line 3, column 5)`, or `(at end of document)`.
    """
    problem, _, position = tomllib_message.removesuffix(")").rpartition(" (at ")
    match = re.fullmatch(r"line (\d+), column (\d+)", position)
    line = int(match[1]) if match else text.count("\n", 0, len(text.rstrip())) + 1
    following = text.split("\n")[line - 1][int(match[2]) - 1 :] if match else ""
    hints = (
        hint for start, pattern, hint in _SYNTAX_HINTS if problem.startswith(start) and re.match(pattern, following)
    )
    hint = next((f"; {hint}" for hint in hints), "")
    column = f", column {match[2]}" if match else ""
    return f"{name}:{line}{column}: not TOML: {problem[:1].lower()}{problem[1:]}{hint}"
