"""The reference of everything a recipe may contain, taken from the stages: settings, rule keys, columns and presets.

`python -m pipeline settings` prints it (`pipeline.commands.settings`), also as configs/REFERENCE.md
(`pipeline.config.reference.markdown`).
"""

import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from pipeline.config.recipe_schema import RecipeSchema, Stages, as_tuple, setting_annotations, setting_defaults
from pipeline.config.reference.docstrings import parse_arguments
from pipeline.config.rules import BOUND_KEYS, BOUNDS_OF_KIND, KEY_MEANINGS, OTHER_KEYS, kind_of
from pipeline.config.values import accepts_off, describe_range, split_annotation
from pipeline.runner.dag import Asset

_GROUPED_DIGITS_FROM = 10_000  # whole numbers from here on are written with underscores
# Settings that are filled in where a recipe does not set them.
FILLED_IN_DEFAULTS = {
    "language": "the recipe's language",
    "stop_words": "those of the recipe's presets",
    "partitions": "by the size of the input",
}
_TYPE_NAMES = {int: "whole number", float: "number", str: "text", bool: "true or false", Asset: "file"}
_PLURALS = {int: "whole numbers", float: "numbers", str: "texts", bool: "truth values", Asset: "files"}


@dataclass(frozen=True)
class SettingReference:
    """One setting of a section, in the words of a recipe. `range` and `meaning` are "" where there is none."""

    name: str
    type: str
    range: str
    default: str
    meaning: str


@dataclass(frozen=True)
class ColumnReference:
    """One column that rules may name. `range` and `meaning` are "" where the column is not declared with them."""

    name: str
    type: str
    range: str
    meaning: str


@dataclass(frozen=True)
class PresetReference:
    """One preset file: its source, what it includes and needs, and its rules as (name, column, bound, reason)."""

    name: str
    source: str
    includes: tuple[str, ...]
    needs: str
    rules: tuple[tuple[str, str, str, str], ...]


def section_settings(stages: Stages) -> list[SettingReference]:
    """Return the settings of a section: the keyword-only parameters of its stages, in their order."""
    defaults = setting_defaults(stages)
    meanings: dict[str, str] = {}
    for stage in as_tuple(stages):
        for name, meaning in parse_arguments(stage.__doc__ or "").items():
            meanings.setdefault(name, meaning)
    settings = []
    for name, annotation in setting_annotations(stages).items():
        default = "none" if name not in defaults else toml_text(defaults[name], annotation)
        default = FILLED_IN_DEFAULTS.get(name, default)
        settings.append(SettingReference(name, *describe_annotation(annotation), default, meanings.get(name, "")))
    return settings


def undocumented_settings(schema: RecipeSchema) -> list[str]:
    """Return "section.key" of every setting that no docstring of its stages describes."""
    return [
        f"{section}.{setting.name}"
        for section, stages in schema.sections.items()
        for setting in section_settings(stages)
        if not setting.meaning
    ]


def section_state(schema: RecipeSchema, section: str) -> str:
    """Return whether a section is on without being named in a recipe, and how to change that."""
    if section in schema.optional:
        return f"off; type [{section}] to switch it on"
    return "always on" if section in schema.always else f'on; type {section} = "off" to switch it off'


def section_columns(schema: RecipeSchema, section: str) -> list[ColumnReference]:
    """Return the columns that a section makes and that rules may look at."""
    columns = []
    for column in schema.columns.get(section, ()):
        if column.name == "id" or kind_of(column.type) not in BOUNDS_OF_KIND:
            continue
        kind = "whole number" if pa.types.is_integer(column.type) else kind_of(column.type).removeprefix("a ")
        declared = schema.declared.get(column.name)
        value_range = describe_range(declared.low, declared.high) if declared else ""
        columns.append(ColumnReference(column.name, kind, value_range, declared.doc if declared else ""))
    return columns


def rule_keys() -> list[ColumnReference]:
    """Return the keys of a rule: name, type, "" and meaning."""
    annotations = {"name": OTHER_KEYS["name"], "column": OTHER_KEYS["column"], **BOUND_KEYS, **OTHER_KEYS}
    types_in_words = {key: describe_annotation(annotation)[0] for key, annotation in annotations.items()}
    return [ColumnReference(key, words, "", KEY_MEANINGS[key]) for key, words in types_in_words.items()]


def read_presets(folder: Path) -> dict[str, list[PresetReference]]:
    """Return preset -> its files: one, or one for each language, named by it."""
    presets: dict[str, list[PresetReference]] = {}
    for path in sorted(folder.rglob("*.toml")):
        name = path.stem if path.parent == folder else path.parent.name
        presets.setdefault(name, []).append(_read_preset(path))
    return dict(sorted(presets.items()))


def _read_preset(path: Path) -> PresetReference:
    data = tomllib.loads(path.read_text("utf-8"))
    rules = []
    for rule in data.get("rule", []):
        rules.append((rule["name"], rule["column"], rule_bound(rule), rule.get("why", "")))
    source, includes = data.get("source", ""), tuple(data.get("includes", ()))
    return PresetReference(path.stem, source, includes, data.get("needs", ""), tuple(rules))


def rule_bound(rule: Mapping[str, Any]) -> str:
    """Return the bound of a rule as a recipe spells it: `max = 0.3, exclusive = true`."""
    keys = (*BOUND_KEYS, "exclusive", "null")
    return ", ".join(f"{key} = {toml_text(rule[key])}" for key in keys if key in rule)


def describe_annotation(annotation: Any) -> tuple[str, str]:
    """Return type and range of a setting in words: ("number", "0 to 1"), ('"a" or "b"', "")."""
    value_type, bounds = split_annotation(annotation)
    if isinstance(value_type, types.UnionType) or typing.get_origin(value_type) is typing.Union:
        options = [describe_annotation(option) for option in typing.get_args(value_type) if option is not type(None)]
        words = [words for words, _ in options] + (['"off"'] if accepts_off(value_type) else [])
        return _join_alternatives(words), next((value_range for _, value_range in options if value_range), "")
    origin, arguments = typing.get_origin(value_type), typing.get_args(value_type)
    if origin is Literal:
        return _join_alternatives([toml_text(choice) for choice in arguments]), ""
    if origin in (tuple, dict):
        items = arguments[0] if origin is tuple else arguments[1]
        return f"{'list' if origin is tuple else 'table'} of {_PLURALS.get(items, 'values')}", ""
    value_range = describe_range(bounds.min, bounds.max) if value_type in (int, float) else ""
    return _TYPE_NAMES.get(value_type, str(value_type)), value_range


def _join_alternatives(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)


def toml_text(value: Any, annotation: Any = None) -> str:
    """Return a value as a recipe would spell it; None as "off" where `annotation` accepts that, else `not set`."""
    match value:
        case None:
            return '"off"' if accepts_off(annotation) else "not set"
        case bool():
            return str(value).lower()
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case int():
            return f"{value:_}" if value >= _GROUPED_DIGITS_FROM else str(value)
        case float():
            return repr(value).removesuffix(".0")
        case Asset():
            return toml_text(Path(value.path).name)
        case list() | tuple():
            return f"[{', '.join(toml_text(item) for item in value)}]"
        case dict():
            pairs = ", ".join(f"{key} = {toml_text(item)}" for key, item in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
    return str(value)
