"""Reading TOML files for people: every problem is one line with file, line and what to type."""

import re
import tomllib
from pathlib import Path

from pipeline.base.errors import UserError
from pipeline.base.paths import CHECKOUT
from pipeline.config.toml_lines import places
from pipeline.config.values import Source


def read(path: Path, folder: Path) -> Source:
    """The TOML file at `path`; relative paths in it start at `folder`. Raises UserError with file and line."""
    name = shown(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")  # some editors put a mark in front
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{name}:{line}: not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror})") from error
    text = text.replace("\r\n", "\n")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(_syntax(name, text, str(error))) from error
    return Source(name, folder, data, places(text))


def shown(path: Path) -> str:
    """`path` as short as a user can type it: relative to here or to the checkout."""
    full = path.resolve()
    for base in (Path.cwd(), CHECKOUT):
        if full.is_relative_to(base):
            return str(full.relative_to(base))
    return str(path)


# What tomllib says, what stands at that place, and what to type.
_HINTS = (
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


def _syntax(name: str, text: str, said: str) -> str:
    """tomllib's message with the place in front: it says `... (at line 3, column 5)` or `(at end of document)`."""
    what, _, where = said.removesuffix(")").rpartition(" (at ")
    found = re.fullmatch(r"line (\d+), column (\d+)", where)
    line = int(found[1]) if found else text.count("\n", 0, len(text.rstrip())) + 1
    there = text.split("\n")[line - 1][int(found[2]) - 1 :] if found else ""
    hint = next((f"; {hint}" for start, at, hint in _HINTS if what.startswith(start) and re.match(at, there)), "")
    column = f", column {found[2]}" if found else ""
    return f"{name}:{line}{column}: not TOML: {what[:1].lower()}{what[1:]}{hint}"
