"""Rules of presets and recipes: their keys, their types, and whether the columns they name have such values.

A rule is one question, one reason, one number: a document is dropped when its column's value is outside the bound.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pyarrow as pa

from pipeline.base.columns import Column
from pipeline.base.suggestions import unknown_name, unknown_name_in_groups
from pipeline.config.config_value import ConfigValue
from pipeline.config.values import Range, check_value, describe_range

_NUMBER = Annotated[float, Range(-math.inf, math.inf)]
BOUND_KEYS: dict[str, Any] = {
    "min": _NUMBER,
    "max": _NUMBER,
    "equals": bool | _NUMBER | str,
    "not_equals": bool | _NUMBER | str,
    "any_of": tuple[str, ...],
    "none_of": tuple[str, ...],
    "lacks": tuple[str, ...],
}
OTHER_KEYS: dict[str, Any] = {
    "name": str,
    "column": str,
    "exclusive": bool,
    "null": Literal["pass", "drop"],
    "detail": str,
    "why": str,
}
KEY_MEANINGS = {
    "name": "Name of the rule, unique in the recipe: the ledger and [rules.set] use it.",
    "column": "Column that the rule looks at.",
    "min": "Documents with a smaller value are dropped.",
    "max": "Documents with a larger value are dropped.",
    "equals": "Documents with another value are dropped.",
    "not_equals": "Documents with this value are dropped.",
    "any_of": "Documents whose text in the column is none of these are dropped.",
    "none_of": "Documents whose text in the column is one of these are dropped.",
    "lacks": 'Documents with one of these words in a comma-separated column ("noai,nofollow") are dropped.',
    "exclusive": "With true, a value equal to `min` or `max` is dropped, too.",
    "null": "What happens to a document without a value.",
    "detail": "Column that the ledger shows as detail, instead of the value of a text column.",
    "why": "Reason for the rule, shown in reports.",
}
BOUNDS_OF_KIND = {
    "a number": ("min", "max", "equals", "not_equals"),
    "true or false": ("equals", "not_equals"),
    "text": ("equals", "not_equals", "any_of", "none_of", "lacks"),
}


@dataclass(frozen=True)
class Rule:
    """A checked rule.

    stage: the preset it is from, or "rules" for the recipe's own.
    origin: the table of the rule, or the entry of [rules.set] that changed its bound.
    values: the checked keys of the table.
    bound: which key of BOUND_KEYS the rule uses.
    """

    stage: str
    origin: ConfigValue
    values: dict[str, Any]
    bound: str

    @property
    def name(self) -> str:
        return self.values["name"]

    @property
    def column(self) -> str:
        return self.values["column"]

    def spec(self) -> dict[str, Any]:
        """Return what the stage `verdicts` takes and keys are made of: no prose, and nothing that is the default."""
        spec = {key: value for key, value in self.values.items() if key != "why"}
        if spec.get("null") == "pass":
            spec.pop("null")
        if not spec.get("exclusive"):
            spec.pop("exclusive", None)
        return {"stage": self.stage, **spec}

    def with_bound(self, change: ConfigValue) -> "Rule":
        """Return the rule with the bound that [rules.set] gives; with bound None where it is switched "off"."""
        value = None if change.value == "off" else check_value(change, BOUND_KEYS[self.bound])
        return Rule(self.stage, change, {**self.values, self.bound: value}, self.bound)


@dataclass(frozen=True)
class RuleColumns:
    """The columns that rules may look at.

    types: column -> Arrow type, for the sections that are on.
    sections: column -> the section that makes it, on or off.
    declared: column -> its declaration, for columns that have one.
    """

    types: Mapping[str, pa.DataType]
    sections: Mapping[str, str]
    declared: Mapping[str, Column] = field(default_factory=dict)

    def off_columns(self) -> dict[str, str]:
        """Return column -> section for the columns of sections that are off."""
        return {name: section for name, section in self.sections.items() if name not in self.types}

    def by_section(self) -> dict[str, list[str]]:
        """Return the names in `types` by section."""
        groups: dict[str, list[str]] = {}
        for name in self.types:
            groups.setdefault(self.sections[name], []).append(name)
        return groups


def parse_rule(table: ConfigValue, stage: str, language: str) -> Rule:
    """Check the table of one rule: its keys, their types, exactly one bound. `{language}` in texts is filled in.

    Raises UserError with the location.
    """
    if not isinstance(table.value, dict):
        raise table.error("a rule is a table: [[rules.add]] with name, column and a bound")
    known = OTHER_KEYS | BOUND_KEYS
    for entry in table.children():
        if entry.key not in known:
            raise entry.error(unknown_name("key", entry.key, known))
    for key in ("name", "column"):
        if key not in table.value:
            raise table.error(f'a rule needs a {key}: type {key} = "..."')
    bounds = [key for key in BOUND_KEYS if key in table.value]
    if len(bounds) != 1:
        problem = f"two bounds ({' and '.join(bounds)}): write two rules"
        if not bounds:
            problem = f"no bound: {', '.join(BOUND_KEYS)}"
        raise table.error(f"rule '{table.value['name']}' has {problem}")
    values = {entry.key: _fill_language(check_value(entry, known[entry.key]), language) for entry in table.children()}
    return Rule(stage, table, values, bounds[0])


def _fill_language(value: Any, language: str) -> Any:
    if isinstance(value, tuple):
        return tuple(_fill_language(item, language) for item in value)
    return value.replace("{language}", language) if isinstance(value, str) else value


def resolve_rules(
    rules: Iterable[Rule], changes: Mapping[str, ConfigValue], columns: RuleColumns, left_out: Mapping[str, str]
) -> list[Rule]:
    """Return the rules with the bounds of [rules.set], without those that are switched off.

    `left_out`: rule -> the section that its preset needs and that is off. Raises UserError for a name that occurs
    twice, an unknown rule or column, a bound of the wrong type, and bounds that nothing can pass.
    """
    by_name: dict[str, Rule] = {}
    for rule in rules:
        if rule.name in by_name:
            raise rule.origin.error(
                f"rule '{rule.name}' is there twice: also at {_other_rule(rule, by_name[rule.name])}"
            )
        by_name[rule.name] = rule
    for name, change in changes.items():
        if name in left_out:
            raise change.error(f"rule '{name}' needs [{left_out[name]}], which is off: type [{left_out[name]}]")
        if name not in by_name:
            raise change.error(unknown_name("rule", name, by_name))
        by_name[name] = by_name[name].with_bound(change)
    active = [rule for rule in by_name.values() if rule.values[rule.bound] is not None]
    for rule in active:
        _check_columns(rule, columns)
    _check_satisfiable(active)
    return active


def _other_rule(rule: Rule, earlier: Rule) -> str:
    """Return the location of the earlier rule of the same name, and for a recipe's own rule how to change a bound."""
    own_rule_repeats_preset = rule.origin.path[0] == "rules" and earlier.origin.source is not rule.origin.source
    hint = f"; to change its bound, type {rule.name} = ... in [rules.set]" if own_rule_repeats_preset else ""
    return earlier.origin.location + hint


def _check_columns(rule: Rule, columns: RuleColumns) -> None:
    for key in ("column", "detail"):
        name = rule.values.get(key, rule.column)
        if name in columns.types:
            continue
        if name in columns.sections:
            section = columns.sections[name]
            hint = f"type [{section}] to switch it on, or drop the rule"
            problem = f"column '{name}' is made by [{section}], which is off: {hint}"
        else:
            problem = unknown_name_in_groups("column", name, columns.by_section())
        raise rule.origin.error(f"rule '{rule.name}': {problem}")
    kind, value = kind_of(columns.types[rule.column]), rule.values[rule.bound]
    described = f"rule '{rule.name}': column '{rule.column}' is {kind}"
    if rule.bound not in BOUNDS_OF_KIND.get(kind, ()):
        raise rule.origin.error(f"{described}, {rule.bound} does not fit it")
    expected = {"a number": float, "true or false": bool, "text": str}[kind]
    if rule.bound in ("equals", "not_equals") and type(value) is not expected:
        raise rule.origin.error(f"{described}, so {rule.bound} must be {kind}")


def kind_of(arrow_type: pa.DataType) -> str:
    """Return a key of BOUNDS_OF_KIND, or `a <type>` for a type that no bound fits."""
    if pa.types.is_boolean(arrow_type):
        return "true or false"
    if pa.types.is_integer(arrow_type) or pa.types.is_floating(arrow_type):
        return "a number"
    return "text" if pa.types.is_string(arrow_type) else f"a {arrow_type}"


def _check_satisfiable(rules: list[Rule]) -> None:
    """Raise UserError for a lower bound above an upper bound of the same column: nothing would pass."""
    for lower in (rule for rule in rules if rule.bound == "min"):
        for upper in (rule for rule in rules if rule.bound == "max" and rule.column == lower.column):
            if lower.values["min"] > upper.values["max"]:
                raise lower.origin.error(
                    f"nothing can pass: {lower.column} >= {lower.values['min']:g} ({lower.name}) and "
                    f"<= {upper.values['max']:g} ({upper.name}, {upper.origin.location})"
                )


def bound_warnings(rules: Iterable[Rule], declared: Mapping[str, Column]) -> Iterator[str]:
    """Yield a warning for every `min` or `max` outside the range that its column is declared with."""
    for rule in rules:
        if rule.bound not in ("min", "max") or rule.column not in declared:
            continue
        column, bound = declared[rule.column], rule.values[rule.bound]
        if column.low <= bound <= column.high:
            continue
        side = "above" if bound > column.high else "below"
        possible = f"anything {column.name} can be ({describe_range(column.low, column.high)})"
        if column.high <= 1 < bound and column.low <= bound / 100 <= column.high:
            consequence = f": did you mean {bound / 100:g}?"  # a percentage where the column is a share
        else:
            drops_nothing = (rule.bound == "max") == (side == "above")
            consequence = f", so the rule drops {'nothing' if drops_nothing else 'every document with a value'}"
        origin = rule.origin.child(rule.bound) if isinstance(rule.origin.value, dict) else rule.origin
        yield f"{origin.location}: rule '{rule.name}': {rule.bound} = {bound:g} is {side} {possible}{consequence}"
