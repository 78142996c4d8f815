"""Merging the sources of a recipe: bases, the recipe itself and the command line, later ones over earlier ones."""

import re
from collections.abc import Iterable
from typing import Any

from pipeline.base.errors import UserError
from pipeline.base.suggestions import unknown_name
from pipeline.config.config_value import PLUGIN_TABLES, ConfigSource, ConfigValue
from pipeline.config.plugins import Plugin, parse_plugin_tables
from pipeline.config.presets import PresetLibrary
from pipeline.config.recipe_schema import RecipeSchema, setting_annotations
from pipeline.config.rules import Rule, parse_rule, resolve_rules
from pipeline.config.values import check_value

_RULES_KEYS = {"presets": list, "set": dict, "add": list}
_RULES_EXAMPLES = {"presets": 'presets = ["language", "gopher"]', "set": "[rules.set]", "add": "[[rules.add]]"}


class MergedRecipe:
    """The contents of a recipe's sources, merged in the order in which `merge` is called.

    language: the last `language`, None where there is none.
    settings: section -> key -> value.
    headers: section -> the table where it was written last, in a file.
    enabled: the sections that are on.
    presets: the last list of presets.
    rule_changes: the entries of [rules.set] by rule.
    own_rules: the tables of [[rules.add]], of all sources.
    plugins: the tables of user code, of all sources.
    """

    def __init__(self, schema: RecipeSchema):
        self.schema = schema
        self.language: ConfigValue | None = None
        self.settings: dict[str, dict[str, ConfigValue]] = {name: {} for name in schema.sections}
        self.headers: dict[str, ConfigValue] = {}
        self.enabled = {name for name in schema.sections if name not in schema.optional}
        self.presets: list[ConfigValue] = []
        self.rule_changes: dict[str, ConfigValue] = {}
        self.own_rules: list[ConfigValue] = []
        self.plugins: list[Plugin] = []

    def merge(self, source: ConfigSource) -> None:
        """Add what `source` sets. Raises UserError for keys that no recipe has and for values of the wrong shape."""
        for entry in source.root().children():
            if entry.key == "language":
                self.language = entry
            elif entry.key == "rules":
                self._merge_rules(entry)
            elif entry.key in PLUGIN_TABLES:
                self.plugins += parse_plugin_tables(entry)
            elif entry.key in self.schema.sections:
                self._merge_section(entry)
            elif entry.key != "extends":
                raise self._unknown_key(entry)

    def _merge_section(self, section: ConfigValue) -> None:
        name = section.key
        if section.value == "off" and name in self.schema.always:
            raise section.error(f"[{name}] cannot be switched off: every corpus needs it; leave the line out")
        if section.value == "off":
            self.enabled.discard(name)
            return
        if section.value != "on" and not isinstance(section.value, dict):
            or_off = "" if name in self.schema.always else f', or {name} = "off"'
            raise section.error(f"{name} is a section: type [{name}] on a line of its own{or_off}")
        self.enabled.add(name)
        if section.value == "on":
            return
        if not section.source.from_command_line:
            self.headers[name] = section
        annotations = setting_annotations(self.schema.sections[name])
        for setting in section.children():
            if setting.key not in annotations:
                raise self._unknown_key(setting, name)
            self.settings[name][setting.key] = setting

    def _merge_rules(self, rules: ConfigValue) -> None:
        if not isinstance(rules.value, dict):
            raise rules.error("rules is a section: type [rules] on a line of its own")
        for entry in rules.children():
            if entry.key not in _RULES_KEYS:
                raise entry.error(unknown_name("key", entry.key, _RULES_KEYS))
            if not isinstance(entry.value, _RULES_KEYS[entry.key]):
                raise entry.error(f"rules.{entry.key} is not like that: type {_RULES_EXAMPLES[entry.key]}")
            if entry.key == "presets":
                self.presets = list(entry.children())
            elif entry.key == "set":
                self.rule_changes |= {change.key: change for change in entry.children()}
            else:
                self.own_rules += entry.children()

    def _unknown_key(self, entry: ConfigValue, section: str = "") -> UserError:
        """Return the error for a key that does not belong here: it may be a setting of another section."""
        sections = self.schema.sections
        home = next((name for name, stages in sections.items() if entry.key in setting_annotations(stages)), "")
        if home:
            type_override = f"type --set {home}.{entry.key}=..."
            hint = type_override if entry.source.from_command_line else "move it below that header"
            return entry.error(f"'{entry.key}' is a setting of [{home}]: {hint}")
        if section:
            return entry.error(unknown_name("setting", entry.key, setting_annotations(sections[section])))
        return entry.error(
            unknown_name("section", entry.key, ["language", "extends", "rules", *sections, *PLUGIN_TABLES])
        )

    def language_code(self, recipe: ConfigSource) -> str:
        """Return the checked language. Raises UserError where `recipe` and its bases have none."""
        if self.language is None:
            raise UserError(f'{recipe.name}:1: no language: type language = "de" in the first line')
        code = check_value(self.language, str)
        if not re.fullmatch(r"[a-z]{2,3}", code):
            problem = f'language = "{code}" is no ISO 639 code: two or three small letters, like "de"'
            raise self.language.error(problem)
        return code

    def check_settings(self) -> dict[str, dict[str, Any]]:
        """Return section -> setting -> value as the stages expect it."""
        checked: dict[str, dict[str, Any]] = {}
        for section, settings in self.settings.items():
            annotations = setting_annotations(self.schema.sections[section])
            checked[section] = {key: check_value(setting, annotations[key]) for key, setting in settings.items()}
        return checked

    def build_rules(self, library: PresetLibrary) -> list[Rule]:
        """Return the rules of the presets and the recipe's own ones after them, changed by [rules.set]."""
        rules: Iterable[Rule] = [rule for preset in self.presets for rule in library.expand(preset)]
        rules = [*rules, *(parse_rule(table, "rules", library.language) for table in self.own_rules)]
        columns = self.schema.rule_columns(self.enabled)
        return resolve_rules(rules, self.rule_changes, columns, library.left_out)

    def origins(self) -> dict[str, ConfigValue]:
        """Return "section.key", "section" (its header) and "language" -> the value, which knows where it was set."""
        settings = {f"{name}.{key}": value for name, values in self.settings.items() for key, value in values.items()}
        language = {"language": self.language} if self.language else {}
        return {**settings, **self.headers, **language}
