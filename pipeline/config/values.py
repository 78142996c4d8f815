"""Checking a setting's value against the annotation of the parameter it is for. The words of the errors are here.

Settings are the keyword-only parameters of stages; their annotations are the specification: `int, float, str, bool,
tuple[T, ...], dict[str, T], Literal[...], Asset`, any of them `| None` (written "off"), and `Annotated[T, Range(...)]`.
Numbers are not negative unless a Range allows it: counts, thresholds, seconds and seeds never are.
"""

import math
import re
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.base.errors import UserError
from pipeline.base.suggestions import nearest_name
from pipeline.config.config_value import ConfigValue
from pipeline.runner.dag import Asset

_SHOWN_CHARACTERS = 40  # of a text that an error quotes
_BOOLEAN_SPELLINGS = {"true": "true", "yes": "true", "on": "true", "1": "true"}
_BOOLEAN_SPELLINGS |= {"false": "false", "no": "false", "off": "false", "0": "false"}


@dataclass(frozen=True)
class Range:
    """Bounds of a number, both inclusive, in an annotation: `Annotated[float, Range(0, 1)]`."""

    min: float = 0
    max: float = math.inf


def check_value(setting: ConfigValue, annotation: Any) -> Any:
    """Return the value as the stage expects it (`1` as `1.0`, a list as a tuple, a path as an Asset).

    Raises UserError with the location, what is expected and what was given.
    """
    value_type, bounds = split_annotation(annotation)
    if isinstance(value_type, types.UnionType) or typing.get_origin(value_type) is typing.Union:
        return _check_union(setting, value_type)
    origin, arguments = typing.get_origin(value_type), typing.get_args(value_type)
    if origin is Literal:
        return _check_choice(setting, arguments)
    if origin is tuple:
        return tuple(check_value(item, arguments[0]) for item in _list_items(setting, arguments[0]))
    if origin is dict:
        _require_type(setting, dict, "a table like { name = 1 }")
        return {entry.path[-1]: check_value(entry, arguments[1]) for entry in setting.children()}
    if value_type is Asset:
        return _check_asset(setting)
    return _check_scalar(setting, value_type, bounds)


def split_annotation(annotation: Any) -> tuple[Any, Range]:
    """Return the type of an annotation without its Range, and the Range (the default one where there is none)."""
    if typing.get_origin(annotation) is not typing.Annotated:
        return annotation, Range()
    value_type, *metadata = typing.get_args(annotation)
    return value_type, next((entry for entry in metadata if isinstance(entry, Range)), Range())


def accepts_off(union: Any) -> bool:
    """Whether "off" in a recipe means None for this union: not where the union has text, which "off" is too."""
    options = typing.get_args(union)
    return type(None) in options and str not in options


def describe_range(low: float, high: float) -> str:
    """Return `0 to 1`, `at least 0` or `at most 1`; "" for a number without bounds."""
    low_text, high_text = (f"{int(n):,}" if math.isfinite(n) and n == int(n) else f"{n:g}" for n in (low, high))
    if high == math.inf:
        return f"at least {low_text}" if low > -math.inf else ""
    return f"{low_text} to {high_text}" if low > -math.inf else f"at most {high_text}"


def _check_union(setting: ConfigValue, union: Any) -> Any:
    if setting.value == "off" and accepts_off(union):
        return None
    errors = []
    for option in typing.get_args(union):
        if option is not type(None):
            try:
                return check_value(setting, option)
            except UserError as error:
                errors.append(error)
    raise errors[-1]


def _check_choice(setting: ConfigValue, choices: tuple) -> Any:
    if setting.value in choices and not isinstance(setting.value, bool):
        return setting.value
    known = [str(choice) for choice in choices]
    guess = nearest_name(str(setting.value), known)
    hint = f"did you mean '{guess}'?" if guess else f"it is one of {', '.join(known)}"
    raise setting.error(f"{setting.key} cannot be {_display_value(setting.value)}: {hint}")


def _list_items(setting: ConfigValue, item_type: Any) -> list[ConfigValue]:
    """Return the entries of a list; a single text on the command line (`--set source.paths=one.warc.gz`) is one."""
    if setting.source.from_command_line and isinstance(setting.value, str):
        return [setting]
    if isinstance(setting.value, str) and item_type in (str, Asset):
        key, text = setting.key, setting.value
        raise setting.error(f'{key} must be a list, not "{text}"; type {key} = ["{text}"]')
    example = {str: '["a", "b"]', Asset: '["a.txt", "b.txt"]'}.get(item_type, "[1, 2]")
    _require_type(setting, list, f"a list like {example}")
    return list(setting.children())


def _require_type(setting: ConfigValue, expected: type, description: str) -> None:
    if not isinstance(setting.value, expected):
        raise setting.error(f"{setting.key} must be {description}, not {_display_value(setting.value)}")


def _check_asset(setting: ConfigValue) -> Asset:
    _require_type(setting, str, 'the path of a file, like "lists/words.txt"')
    path = Path(setting.value)
    full_path = setting.source.folder / path.expanduser()
    if not full_path.is_file():
        raise setting.error(f"{setting.key}: {missing_file(path, full_path)}")
    return Asset.of(full_path)


def missing_file(path: Path, full_path: Path) -> str:
    """Return `there is no file words.txt (looked in lists)`, with the folder as the user sees it from here."""
    folder = full_path.parent
    try:
        looked_in = str(folder.resolve().relative_to(Path.cwd())) or "."
    except ValueError:
        looked_in = str(folder)
    return f"there is no file {path} (looked in {looked_in})"


def _check_scalar(setting: ConfigValue, value_type: type, bounds: Range) -> Any:
    value = setting.value
    if value_type is str and setting.source.from_command_line and not isinstance(value, (str, list, dict)):
        return setting.source.raw or str(value)  # --set publish.name=2026 is a text
    description = {int: "a whole number", float: "a number", str: "text in quotes", bool: "true or false"}[value_type]
    fits = isinstance(value, (int, float) if value_type is float else value_type)
    if not fits or (isinstance(value, bool) and value_type is not bool):
        shown = _display_value(value)
        raise setting.error(f"{setting.key} must be {description}, not {shown}{_retype_hint(setting, value_type)}")
    if value_type not in (int, float):
        return value
    if not (math.isfinite(value) and bounds.min <= value <= bounds.max):
        allowed = describe_range(bounds.min, bounds.max)
        raise setting.error(f"{setting.key} = {value} is out of range: {allowed}")
    return value_type(value)


def _retype_hint(setting: ConfigValue, value_type: type) -> str:
    """Return `; type threshold = 0.3` for a number in quotes or a text without them, "" where nothing is clear."""
    start = "type" if isinstance(setting.path[-1], int) else f"type {setting.key} ="
    if isinstance(setting.value, str) and value_type in (int, float):
        number = _number_in_text(setting.value, value_type)
        return "" if number is None else f"; {start} {number}"
    boolean = _BOOLEAN_SPELLINGS.get(str(setting.value).lower())
    if value_type is bool and boolean:
        return f"; {start} {boolean}"
    if value_type is str and isinstance(setting.value, (int, float)):
        return f'; {start} "{_display_value(setting.value)}"'
    return ""


def _number_in_text(text: str, value_type: type) -> str | None:
    """Return the number that a text like "0.3" or "64 MB" stands for, None where it stands for none."""
    size = re.fullmatch(r"([0-9.]+) ?([kKMGT])(i?)B?", text)
    try:
        if size:
            power = "KMGT".index(size[2].upper()) + 1
            return f"{round(float(size[1]) * (1024 if size[3] else 1000) ** power):_}"
        return str(value_type(text))
    except ValueError:
        return None


def _display_value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"' if len(value) <= _SHOWN_CHARACTERS else f'"{value[: _SHOWN_CHARACTERS - 3]}..."'
        case list():
            return "a list"
        case dict():
            return "a table"
    return str(value)
