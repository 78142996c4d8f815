"""Is this value what the setting's annotation asks for? The words of the errors live here.

Settings are the keyword-only parameters of stages; their annotations are the specification: `int, float, str, bool,
tuple[T, ...], dict[str, T], Literal[...], Asset`, any of them `| None` (written "off"), and `Annotated[T, Range(...)]`.
Numbers are not negative unless a Range says so: counts, thresholds, seconds and seeds never are.
"""

import difflib
import math
import re
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.base.errors import UserError
from pipeline.runner.dag import Asset

_TRUTHS = {"true": "true", "yes": "true", "on": "true", "1": "true"}
_TRUTHS |= {"false": "false", "no": "false", "off": "false", "0": "false"}


@dataclass(frozen=True)
class Range:
    """Bounds of a number, both inclusive, in an annotation: `Annotated[float, Range(0, 1)]`."""

    min: float = 0
    max: float = math.inf


@dataclass(frozen=True)
class Source:
    """Where values come from: a TOML file, or one `--set` of the command line."""

    name: str
    folder: Path  # relative paths in it start here
    data: dict[str, Any]
    lines: dict[tuple, int] | None  # None: the command line
    raw: str = ""  # what stood behind `=` on the command line

    def place(self, path: tuple) -> str:
        """`file:line` of the key, or of the nearest table around it."""
        if self.lines is None:
            return self.name
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.name}:{self.lines.get(path, 1)}"


@dataclass(frozen=True)
class Said:
    """A value and where it was said."""

    value: Any
    source: Source
    path: tuple

    @property
    def place(self) -> str:
        return self.source.place(self.path)

    def of(self, key: str | int) -> "Said":
        """The value's entry `key`."""
        return Said(self.value[key], self.source, (*self.path, key))

    @property
    def head(self) -> str:
        """What an error begins with: `my.toml:4: [near] `, or `--set near.keep: `."""
        return f"{self.place}: " + (section(self.path) if self.source.lines is not None else "")

    def wrong(self, what: str) -> UserError:
        return UserError(f"{self.head}{what}")


def section(path: tuple) -> str:
    """The header below which a key stands, and a blank; nothing for keys above all headers and for headers."""
    for table, header in (
        (("rules", "add"), "[[rules.add]] "),
        (("rules", "set"), "[rules.set] "),
        (("rule",), "[[rule]] "),
    ):
        if path[: len(table)] == table and len(path) > len(table):
            return header
    return f"[{path[0]}] " if len(path) > 1 and isinstance(path[1], str) else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that `name` is most like, "" when none is."""
    return next(iter(difflib.get_close_matches(name, list(known), 1, 0.5)), "")


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """`unknown <what> 'nam': did you mean 'name'?`, or the list where nothing is near."""
    names = sorted(known)
    guess = nearest(name, names)
    if guess:
        return f"unknown {what} '{name}': did you mean '{guess}'?"
    return f"unknown {what} '{name}': there {'are' if len(names) != 1 else 'is'} {', '.join(names) or 'none'}"


def check(said: Said, annotation: Any) -> Any:
    """The value of a setting, spelled as the stage expects it (`1` as `1.0`, a list as a tuple, a path as an Asset).

    Raises UserError with place, what is wanted, what was said.
    """
    kind, low, high = _bounded(annotation)
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return _union(said, kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return _choice(said, arguments)
    if origin is tuple:
        return tuple(check(item, arguments[0]) for item in _entries(said, arguments[0]))
    if origin is dict:
        return {k: check(said.of(k), arguments[1]) for k in _want(said, dict, "a table like { name = 1 }")}
    if kind is Asset:
        return _asset(said)
    return _plain(said, kind, low, high)


def _bounded(annotation: Any) -> tuple[Any, float, float]:
    if typing.get_origin(annotation) is not typing.Annotated:
        return annotation, 0, math.inf
    kind, *rest = typing.get_args(annotation)
    found = next((r for r in rest if isinstance(r, Range)), Range())
    return kind, found.min, found.max


def _union(said: Said, kind: Any) -> Any:
    options = [option for option in typing.get_args(kind) if option is not type(None)]
    if said.value == "off" and len(options) < len(typing.get_args(kind)) and str not in options:
        return None
    errors = []
    for option in options:
        try:
            return check(said, option)
        except UserError as error:
            errors.append(error)
    raise errors[-1]


def _choice(said: Said, choices: tuple) -> Any:
    if said.value in choices and not isinstance(said.value, bool):
        return said.value
    known = [str(c) for c in choices]
    guess = nearest(str(said.value), known)
    hint = f"did you mean '{guess}'?" if guess else f"it is one of {', '.join(known)}"
    raise said.wrong(f"{_key(said)} cannot be {_show(said.value)}: {hint}")


def _entries(said: Said, kind: Any) -> list[Said]:
    example = {str: '["a", "b"]', Asset: '["a.txt", "b.txt"]'}.get(kind, "[1, 2]")
    if said.source.lines is None and isinstance(said.value, str):  # --set source.paths=one.warc.gz
        return [said]
    if isinstance(said.value, str) and kind in (str, Asset):
        raise said.wrong(f'{_key(said)} must be a list, not "{said.value}"; type {_key(said)} = ["{said.value}"]')
    return [said.of(i) for i in range(len(_want(said, list, f"a list like {example}")))]


def _want(said: Said, kind: type, words: str) -> Any:
    if not isinstance(said.value, kind):
        raise said.wrong(f"{_key(said)} must be {words}, not {_show(said.value)}")
    return said.value


def _asset(said: Said) -> Asset:
    path = Path(_want(said, str, 'the path of a file, like "lists/words.txt"'))
    full = said.source.folder / path.expanduser()
    if not full.is_file():
        raise said.wrong(f"{_key(said)}: there is no file {path} (looked in {_near(full.parent)})")
    return Asset.of(full)


def _near(folder: Path) -> str:
    """`folder` as the user sees it from here."""
    try:
        return str(folder.resolve().relative_to(Path.cwd())) or "."
    except ValueError:
        return str(folder)


def _plain(said: Said, kind: type, low: float, high: float) -> Any:
    value = said.value
    if kind is str and said.source.lines is None and not isinstance(value, (str, list, dict)):
        return said.source.raw or str(value)  # --set publish.name=2026
    words = {int: "a whole number", float: "a number", str: "text in quotes", bool: "true or false"}[kind]
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise said.wrong(f"{_key(said)} must be {words}, not {_show(value)}{_retype(said, kind)}")
    if kind in (int, float):
        if not (math.isfinite(value) and low <= value <= high):
            raise said.wrong(f"{_key(said)} = {value} is out of range: {_span(low, high)}")
        return kind(value)
    return value


def _span(low: float, high: float) -> str:
    spelled = [f"{int(n):,}" if n < math.inf and n == int(n) else f"{n:g}" for n in (low, high)]
    return f"at least {spelled[0]}" if high == math.inf else " to ".join(spelled)


def _retype(said: Said, kind: type) -> str:
    """`; type threshold = 0.3` for a number in quotes or a text without them."""
    start = "type" if isinstance(said.path[-1], int) else f"type {_key(said)} ="
    if isinstance(said.value, str) and kind in (int, float):
        number = _number(said.value, kind)
        return "" if number is None else f"; {start} {number}"
    truth = _TRUTHS.get(str(said.value).lower())
    if kind is bool and truth:
        return f"; {start} {truth}"
    if kind is str and isinstance(said.value, (int, float)):
        return f'; {start} "{_show(said.value)}"'
    return ""


def _number(text: str, kind: type) -> str | None:
    """What a text means as a number: "0.3", "64 MB"; None where it means none."""
    size = re.fullmatch(r"([0-9.]+) ?([kKMGT])(i?)B?", text)
    try:
        if size:
            power = "KMGT".index(size[2].upper()) + 1
            return f"{round(float(size[1]) * (1024 if size[3] else 1000) ** power):_}"
        return str(kind(text))
    except ValueError:
        return None


def _key(said: Said) -> str:
    """The setting as the recipe spells it; an entry of a list by its position from 1."""
    *_, last = said.path
    return f"entry {last + 1} of {said.path[-2]}" if isinstance(last, int) else str(last)


def _show(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"' if len(value) <= 40 else f'"{value[:37]}..."'
        case list():
            return "a list"
        case dict():
            return "a table"
    return str(value)
