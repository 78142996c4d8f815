"""Recipes: one TOML file a language, checked in full before anything runs.

A section is a stage (or several), a key in it a keyword-only parameter of the stage: name, type and default come from
the signature, so a new parameter is a recipe key at once. What is said on the command line (`--set near.threshold=0.7`)
goes through the same checks. Every problem is a UserError of one line: place, what is wrong, what to type.
"""

import inspect
import re
import tomllib
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.base.errors import UserError
from pipeline.base.paths import CONFIGS
from pipeline.config.presets import Columns, Rule, Shelf, resolve, rule
from pipeline.config.toml import read
from pipeline.config.values import Said, Source, check, nearest, unknown

Sections = Mapping[str, Callable | tuple[Callable, ...]]


@dataclass(frozen=True)
class Config:
    """A checked recipe: `config["near"]` has the settings said for a section, ready for its stages."""

    name: str  # of the recipe file, without .toml
    language: str
    settings: dict[str, dict[str, Any]]
    rules: tuple[dict[str, Any], ...]  # for filters.rules.verdicts, in order
    why: dict[str, str]  # rule -> the preset's words, for reports (never in a key)
    on: frozenset[str]
    folders: dict[str, Path]  # "section.key" -> where relative paths in that setting start
    heads: dict[str, str]  # "section.key", "section" -> `file:line: [section] ` or `--set section.key: `
    files: tuple[str, ...]  # read, in order
    off_columns: Mapping[str, str] = field(default_factory=dict)  # column -> its section, which is switched off

    def __getitem__(self, section: str) -> dict[str, Any]:
        return self.settings[section]

    def has(self, section: str) -> bool:
        """Whether the section is switched on: optional ones when the recipe has their header, others unless "off"."""
        return section in self.on

    def at(self, setting: str) -> str:
        """What an error about a setting ("near.keep") begins with: its place, else its section's, else the recipe."""
        section = setting.partition(".")[0]
        return self.heads.get(setting) or self.heads.get(section) or f"{self.files[-1]}: [{section}] "

    def of(self, section: str, stage: Callable) -> dict[str, Any]:
        """The settings of `section` that `stage` takes, for sections of several stages."""
        return {k: v for k, v in self[section].items() if k in parameters(stage)}


def parameters(stages: Callable | tuple[Callable, ...]) -> dict[str, Any]:
    """Keyword-only parameters of one or several stages -> annotation."""
    found: dict[str, Any] = {}
    for stage in stages if isinstance(stages, tuple) else (stages,):
        hints = typing.get_type_hints(stage, include_extras=True)
        for name, parameter in inspect.signature(stage).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY:
                found.setdefault(name, hints.get(name, str))
    return found


def load(
    recipe: str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    sections: Sections,
    columns: Mapping[str, pa.Schema] | None = None,
    optional: Collection[str] = (),
    always: Collection[str] = (),
    configs: Path = CONFIGS,
) -> Config:
    """The recipe of a language (`de`) or in a file (`my/recipe.toml`), with command line overrides applied.

    `sections`: name -> stage(s). `columns`: section -> schema of the columns that rules may name (None: unchecked).
    `optional`: sections that are off unless the recipe has them. `always`: those that
    cannot be switched off. `overrides`: dotted key -> value, or its text.
    Parameters called `language` and `stop_words` are filled in where the recipe does not say them.
    Raises UserError.
    """
    path, folder = _find(str(recipe), configs)
    chain = _chain(path, folder, configs)
    merged = _Merged(sections, optional, always)
    for source in [*chain, *_overrides(overrides or {})]:
        merged.take(source)
    language = merged.speaks(chain[-1])
    settings = {name: _settings(merged, name, sections[name]) for name in sections}
    shelf = Shelf(configs / "presets", language, merged.off())
    known = _types(merged, columns)
    rules = merged.ruled(shelf, known)
    _fill(settings, sections, rules, shelf)
    return Config(
        path.stem,
        language,
        settings,
        tuple(r.spec() for r in rules),
        {r.name: r.values.get("why", "") for r in rules},
        frozenset(merged.on),
        {f"{name}.{key}": said.source.folder for name in sections for key, said in merged.said[name].items()},
        merged.heads(),
        tuple(source.name for source in chain),
        known.off if known else {},
    )


def languages(configs: Path = CONFIGS) -> list[str]:
    """Languages that a recipe is shipped for."""
    return sorted(p.stem for p in configs.glob("*.toml"))


def _find(recipe: str, configs: Path) -> tuple[Path, Path]:
    """File of a recipe, and where relative paths in it start."""
    if recipe.endswith(".toml") or "/" in recipe:
        path = Path(recipe).expanduser()
        if not path.is_file():
            raise UserError(f"{recipe}: there is no such recipe file")
        shipped = path.resolve().parent == configs.resolve()
        return path, configs.parent if shipped else path.parent
    path = configs / f"{recipe}.toml"
    if recipe in languages(configs):
        return path, configs.parent
    known = languages(configs)
    guess = next((k for k in (re.split(r"[-_.]", recipe)[0].lower(), _guess(recipe, known)) if k in known), "")
    hint = f"did you mean {guess}? There" if guess else "there"
    raise UserError(
        f"no recipe for language '{recipe}': {hint} are {', '.join(known)}; to add one, "
        f"copy configs/fr.toml to configs/{recipe}.toml (CONTRIBUTING.md), or give the path of a .toml file"
    )


def _guess(recipe: str, known: list[str]) -> str:
    """A code that was meant; none where it is a word, which resembles any code by chance."""
    return nearest(recipe.lower(), known) if len(recipe) <= 3 else ""


def _chain(path: Path, folder: Path, configs: Path) -> list[Source]:
    """The recipe and what it extends, the base first."""
    chain = [read(path, folder)]
    seen = {path.resolve()}
    while "extends" in chain[0].data:
        said = Said(chain[0].data, chain[0], ()).of("extends")
        name = check(said, str)
        if name.endswith(".toml") and not Path(name).is_absolute():
            name = str(path.parent / name)
        try:
            path, folder = _find(name, configs)
        except UserError as error:
            raise said.wrong(f"extends: {error}") from error
        if path.resolve() in seen:
            circle = " <- ".join([*(source.name for source in chain), chain[-1].name])
            raise said.wrong(f"extends goes round in a circle: {circle}")
        seen.add(path.resolve())
        chain.insert(0, read(path, folder))
    return chain


def _overrides(overrides: Mapping[str, Any]) -> list[Source]:
    """Each `near.threshold=0.7` as a recipe of its own. A text that is a TOML value is read as one."""
    sources = []
    for key, value in overrides.items():
        raw = value if isinstance(value, str) else ""
        data: Any = _toml_value(value) if isinstance(value, str) else value
        for part in reversed(key.split(".")):
            data = {part: data}
        sources.append(Source(f"--set {key}", Path.cwd(), data, None, raw))
    return sources


def _toml_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if len(parsed) == 1 else text


@dataclass
class _Merged:
    """What recipe, bases and command line say, later over earlier."""

    sections: Sections
    optional: Collection[str]
    always: Collection[str] = ()
    language: Said | None = None
    said: dict[str, dict[str, Said]] = field(default_factory=dict)
    on: set[str] = field(default_factory=set)
    presets: list[Said] = field(default_factory=list)
    changes: dict[str, Said] = field(default_factory=dict)
    own: list[Said] = field(default_factory=list)
    headers: dict[str, Said] = field(default_factory=dict)  # of sections, where one was said last

    def __post_init__(self) -> None:
        self.said = {name: {} for name in self.sections}
        self.on = {name for name in self.sections if name not in self.optional}

    def take(self, source: Source) -> None:
        whole = Said(source.data, source, ())
        for key in source.data:
            said = whole.of(key)
            if key == "language":
                self.language = said
            elif key == "rules":
                self._rules(said)
            elif key in self.sections:
                self._section(key, said)
            elif key != "extends":
                raise said.wrong(self._stray(said))

    def _stray(self, said: Said, section: str = "") -> str:
        """Words for a key that is not here, but perhaps elsewhere."""
        key = said.path[-1]
        homes = [name for name, stages in self.sections.items() if key in parameters(stages)]
        if homes:
            hint = "move it below that header" if said.source.lines else f"type --set {homes[0]}.{key}=..."
            return f"'{key}' is a setting of [{homes[0]}]: {hint}"
        if section:
            return unknown("setting", key, parameters(self.sections[section]))
        return unknown("section", key, ["language", "extends", "rules", *self.sections])

    def _section(self, name: str, said: Said) -> None:
        if said.value == "off" and name in self.always:
            raise said.wrong(f"[{name}] cannot be switched off: every corpus needs it; leave the line out")
        if said.value in ("on", "off"):
            (self.on.add if said.value == "on" else self.on.discard)(name)
            return
        if not isinstance(said.value, dict):
            off = "" if name in self.always else f', or {name} = "off"'
            raise said.wrong(f"{name} is a section: type [{name}] on a line of its own{off}")
        self.on.add(name)
        if said.source.lines is not None:
            self.headers[name] = said
        known = parameters(self.sections[name])
        for key in said.value:
            if key not in known:
                raise said.of(key).wrong(self._stray(said.of(key), name))
            self.said[name][key] = said.of(key)

    def _rules(self, said: Said) -> None:
        if not isinstance(said.value, dict):
            raise said.wrong("rules is a section: type [rules] on a line of its own")
        for key, value in said.value.items():
            kinds = {"presets": list, "set": dict, "add": list}
            if key not in kinds:
                raise said.of(key).wrong(unknown("key", key, kinds))
            if not isinstance(value, kinds[key]):
                example = {"presets": 'presets = ["language", "gopher"]', "set": "[rules.set]", "add": "[[rules.add]]"}
                raise said.of(key).wrong(f"rules.{key} is not like that: type {example[key]}")
        entries = {key: said.of(key) for key in said.value}
        if "presets" in entries:
            self.presets = [entries["presets"].of(i) for i in range(len(entries["presets"].value))]
        if "set" in entries:
            self.changes |= {name: entries["set"].of(name) for name in entries["set"].value}
        if "add" in entries:
            self.own += [entries["add"].of(i) for i in range(len(entries["add"].value))]

    def heads(self) -> dict[str, str]:
        """For `Config.at`."""
        of_settings = {f"{n}.{k}": said.head for n, section in self.said.items() for k, said in section.items()}
        lead = {n: f"{said.head}[{n}] " for n, said in self.headers.items()}
        return {**of_settings, **lead, **({"language": self.language.head} if self.language else {})}

    def off(self) -> set[str]:
        return set(self.sections) - self.on

    def speaks(self, recipe: Source) -> str:
        if self.language is None:
            raise UserError(f'{recipe.name}:1: no language: type language = "de" in the first line')
        code = check(self.language, str)
        if not re.fullmatch(r"[a-z]{2,3}", code):
            raise self.language.wrong(f'language = "{code}" is no ISO 639 code: two or three small letters, like "de"')
        return code

    def ruled(self, shelf: Shelf, columns: Columns | None) -> list[Rule]:
        rules = [entry for said in self.presets for entry in shelf.expand(said)]
        rules += [rule(said, "rules", shelf.language) for said in self.own]
        return resolve(rules, self.changes, columns, shelf.left_out)


def _settings(merged: _Merged, name: str, stages: Callable | tuple[Callable, ...]) -> dict[str, Any]:
    known = parameters(stages)
    return {key: check(said, known[key]) for key, said in merged.said[name].items()}


def _types(merged: _Merged, columns: Mapping[str, pa.Schema] | None) -> Columns | None:
    """Columns that rules may name, and those of stages that are switched off."""
    if columns is None:
        return None
    on = {f.name: f.type for key, schema in columns.items() for f in schema if key not in merged.off()}
    off = {f.name: key for key, schema in columns.items() for f in schema if f.name not in on}
    return Columns({name: kind for name, kind in on.items() if name != "id"}, off)


def _fill(settings: dict, sections: Sections, rules: list[Rule], shelf: Shelf) -> None:
    """Give every stage that has a parameter `language` or `stop_words` the recipe's, where it says nothing itself."""
    facts: dict[str, Any] = {"language": shelf.language, "stop_words": shelf.words()}
    measured = False
    for name, stages in sections.items():
        for key in facts.keys() & parameters(stages).keys():
            if facts[key] and key not in settings[name]:
                settings[name][key] = facts[key]
            measured |= key == "stop_words" and key in settings[name]
    counted = next((r for r in rules if r.column == "stop_word_count"), None)
    if counted and not measured and any("stop_words" in parameters(s) for s in sections.values()):
        raise counted.said.wrong(
            f"rule '{counted.name}' counts stop words and there are none for '{shelf.language}': "
            f'type stop_words = ["...", "..."] in [signals], or {counted.name} = "off" in [rules.set]'
        )
