"""Named rule sets (configs/presets) and a recipe's own rules, checked and put in order.

A rule is one question, one reason, one number: a document is dropped when its column's value is outside the bound.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa

from pipeline.config.toml import read
from pipeline.config.values import Range, Said, Source, check, unknown

_NUMBER = Annotated[float, Range(-math.inf, math.inf)]
BOUNDS: dict[str, Any] = {
    "min": _NUMBER,  # inclusive, as max is, unless exclusive = true
    "max": _NUMBER,
    "equals": bool | _NUMBER | str,
    "not_equals": bool | _NUMBER | str,
    "any_of": tuple[str, ...],
    "none_of": tuple[str, ...],
    "lacks": tuple[str, ...],  # none of these words in a comma-joined column ("noai,nofollow")
}
_KEYS = ("source", "includes", "needs", "stop_words", "rule")  # of a preset file
_OTHER: dict[str, Any] = {
    "name": str,
    "column": str,
    "exclusive": bool,
    "null": Literal["pass", "drop"],
    "detail": str,  # the column that the ledger shows as detail, instead of a text column's value
    "why": str,
}
_FITS = {
    "a number": ("min", "max", "equals", "not_equals"),
    "true or false": ("equals", "not_equals"),
    "text": ("equals", "not_equals", "any_of", "none_of", "lacks"),
}


@dataclass(frozen=True)
class Rule:
    """A checked rule. `bound` is the key of BOUNDS that it uses."""

    stage: str  # preset, or "rules" for the recipe's own
    said: Said
    values: dict[str, Any]
    bound: str

    @property
    def name(self) -> str:
        return self.values["name"]

    @property
    def column(self) -> str:
        return self.values["column"]

    def spec(self) -> dict[str, Any]:
        """What the stage `verdicts` takes, and what keys are made of: no prose, nothing that is the default."""
        said = {k: v for k, v in self.values.items() if k != "why"}
        if said.get("null") == "pass":
            said.pop("null")
        if not said.get("exclusive"):
            said.pop("exclusive", None)
        return {"stage": self.stage, **said}


@dataclass(frozen=True)
class Columns:
    """What rules may look at: column -> type, and column -> section for the sections that are switched off."""

    types: Mapping[str, pa.DataType]
    off: Mapping[str, str]


class Shelf:
    """The presets of a folder for one language, each file read once."""

    def __init__(self, folder: Path, language: str, off: Collection[str] = ()):
        self.folder, self.language, self.off = folder, language, off
        self.left_out: dict[str, str] = {}  # rule -> the section that it needs and that is off
        self._words: tuple[str, ...] = ()

    def expand(self, said: Said, above: tuple[str, ...] = ()) -> Iterator[Rule]:
        """Rules of the preset named by `said`, after those that it includes.

        A preset that `needs` a section which is switched off has none.
        """
        name = check(said, str)
        source = self._find(said, name)
        if source.name in above:
            raise said.wrong(f"preset '{name}' includes itself")
        whole = Said(source.data, source, ())
        for key in source.data:
            if key not in _KEYS:
                raise whole.of(key).wrong(unknown("key", key, _KEYS))
        self._words = self._words or _words(whole, self.language)
        for entry in _items(whole, "includes"):
            yield from self.expand(entry, (*above, source.name))
        stage = Path(name).stem
        needs = check(whole.of("needs"), str) if "needs" in source.data else ""
        for entry in _items(whole, "rule"):
            made = rule(entry, stage, self.language)
            if needs in self.off:
                self.left_out[made.name] = needs
            else:
                yield made

    def _find(self, said: Said, name: str) -> Source:
        if name.endswith(".toml"):
            path = said.source.folder / name
            if not path.is_file():
                raise said.wrong(f"there is no preset file {name}")
            return read(path, path.parent)
        for path in (self.folder / f"{name}.toml", self.folder / name / f"{self.language}.toml"):
            if re.fullmatch(r"[\w.-]+", name) and path.is_file():
                return read(path, path.parent)
        if (self.folder / name).is_dir():
            there = ", ".join(sorted(p.stem for p in (self.folder / name).glob("*.toml")))
            file = f"configs/presets/{name}/{self.language}.toml"
            hint = f"only for {there}; write {file} (CONTRIBUTING.md)"
            raise said.wrong(f"preset '{name}' has no bounds for language '{self.language}', {hint}")
        raise said.wrong(unknown("preset", name, self.names()))

    def words(self) -> tuple[str, ...]:
        """Stop words of the language: of the first preset expanded that has them, else FineWeb-2's, else none."""
        path = self.folder / "fineweb-2" / f"{self.language}.toml"
        if not self._words and path.is_file():
            self._words = _words(Said((source := read(path, path.parent)).data, source, ()), self.language)
        return self._words

    def names(self) -> list[str]:
        """What a recipe may list."""
        return sorted(p.stem if p.is_file() else p.name for p in self.folder.iterdir() if not p.name.startswith("."))


def _words(whole: Said, language: str) -> tuple[str, ...]:
    """The stop words for `language` that a preset file brings, none where it has none."""
    table = whole.value.get("stop_words", {})
    if not isinstance(table, dict):
        raise whole.of("stop_words").wrong('stop_words must be a table of languages: en = ["the", "of"]')
    return check(whole.of("stop_words").of(language), tuple[str, ...]) if language in table else ()


def _items(whole: Said, key: str) -> list[Said]:
    values = whole.value.get(key, [])
    if not isinstance(values, list):
        raise whole.of(key).wrong(f"{key} must be a list")
    return [whole.of(key).of(i) for i in range(len(values))]


def rule(said: Said, stage: str, language: str) -> Rule:
    """Check the table of one rule: its keys, their types, exactly one bound. `{language}` in texts is filled in."""
    if not isinstance(said.value, dict):
        raise said.wrong("a rule is a table: [[rules.add]] with name, column and a bound")
    for key in said.value:
        if key not in BOUNDS and key not in _OTHER:
            raise said.of(key).wrong(unknown("key", key, [*_OTHER, *BOUNDS]))
    bounds = [key for key in BOUNDS if key in said.value]
    for key in ("name", "column"):
        if key not in said.value:
            raise said.wrong(f'a rule needs a {key}: type {key} = "..."')
    if len(bounds) != 1:
        found = f"two bounds ({' and '.join(bounds)}): write two rules" if bounds else f"no bound: {', '.join(BOUNDS)}"
        raise said.wrong(f"rule '{said.value['name']}' has {found}")
    values = {key: _filled(check(said.of(key), (_OTHER | BOUNDS)[key]), language) for key in said.value}
    return Rule(stage, said, values, bounds[0])


def _filled(value: Any, language: str) -> Any:
    if isinstance(value, tuple):
        return tuple(_filled(item, language) for item in value)
    return value.replace("{language}", language) if isinstance(value, str) else value


def resolve(
    rules: list[Rule], changes: Mapping[str, Said], columns: Columns | None, left_out: Mapping[str, str]
) -> list[Rule]:
    """Apply [rules.set], then check names, columns and that the rules leave anything to pass."""
    seen: dict[str, Rule] = {}
    for entry in rules:
        if entry.name in seen:
            raise entry.said.wrong(f"rule '{entry.name}' is there twice: also at {_whereabouts(entry, seen)}")
        seen[entry.name] = entry
    for name, said in changes.items():
        if name in left_out:
            raise said.wrong(f"rule '{name}' needs [{left_out[name]}], which is off: type [{left_out[name]}]")
        if name not in seen:
            raise said.wrong(unknown("rule", name, seen))
        seen[name] = _changed(seen[name], said)
    left = [entry for entry in seen.values() if entry.values[entry.bound] is not None]
    for entry in left:
        if columns is not None:
            _check_columns(entry, columns)
    _check_room(left)
    return left


def _whereabouts(entry: Rule, seen: Mapping[str, Rule]) -> str:
    before = seen[entry.name].said
    other = before.source is not entry.said.source and entry.said.path[0] == "rules"
    return before.place + (f"; to change its bound, type {entry.name} = ... in [rules.set]" if other else "")


def _changed(entry: Rule, said: Said) -> Rule:
    """`entry` with another bound; with bound None where it is switched "off"."""
    value = None if said.value == "off" else check(said, BOUNDS[entry.bound])
    return Rule(entry.stage, said, {**entry.values, entry.bound: value}, entry.bound)


def _check_columns(entry: Rule, columns: Columns) -> None:
    said = f"rule '{entry.name}': "
    for key in ("column", "detail"):
        name = entry.values.get(key, entry.column)
        if name in columns.off:
            home = columns.off[name]
            hint = f"type [{home}] to switch it on, or drop the rule"
            raise entry.said.wrong(f"{said}column '{name}' is made by [{home}], which is off: {hint}")
        if name not in columns.types:
            raise entry.said.wrong(said + unknown("column", name, columns.types))
    kind, value = _kind(columns.types[entry.column]), entry.values[entry.bound]
    if entry.bound not in _FITS.get(kind, ()):
        raise entry.said.wrong(f"{said}column '{entry.column}' is {kind}, {entry.bound} does not fit it")
    wanted = {"a number": float, "true or false": bool, "text": str}[kind]
    if entry.bound in ("equals", "not_equals") and type(value) is not wanted:
        raise entry.said.wrong(f"{said}column '{entry.column}' is {kind}, so {entry.bound} must be {kind}")


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "true or false"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "a number"
    return "text" if pa.types.is_string(kind) else f"a {kind}"


def _check_room(rules: list[Rule]) -> None:
    """A lower bound above an upper bound of the same column lets nothing pass."""
    for low in (r for r in rules if r.bound == "min"):
        for high in (r for r in rules if r.bound == "max" and r.column == low.column):
            if low.values["min"] > high.values["max"]:
                raise low.said.wrong(
                    f"nothing can pass: {low.column} >= {low.values['min']:g} ({low.name}) and "
                    f"<= {high.values['max']:g} ({high.name}, {high.said.place})"
                )
