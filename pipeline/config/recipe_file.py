"""Recipes: one TOML file for each language, checked in full before anything runs.

A section is a stage (or several), a key in it a keyword-only parameter of the stage: name, type and default come from
the signature, so a new parameter is a recipe key at once. Settings of the command line (`--set near.threshold=0.7`)
go through the same checks. Every problem is a UserError of one line: place, what is wrong, what to type.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.base.columns import Column
from pipeline.base.paths import CONFIGS
from pipeline.config.config_value import ConfigValue
from pipeline.config.merge import MergedRecipe
from pipeline.config.plugins import Plugin, group_plugins
from pipeline.config.presets import PresetLibrary
from pipeline.config.recipe_schema import RecipeSchema, setting_annotations
from pipeline.config.recipe_sources import language_warning, override_sources, read_recipe_chain
from pipeline.config.rules import Rule, bound_warnings


@dataclass(frozen=True)
class Config:
    """A checked recipe: `config["near"]` has the settings of a section, ready for its stages.

    name: of the recipe file, without .toml.
    language: ISO 639 code, or "any".
    settings: section -> setting -> value, for settings that the recipe has.
    rules: in order, for `filters.rules.verdicts`.
    reasons: rule -> the preset's reason for it, for reports; never part of a key.
    sections_on: the sections that are switched on.
    plugins: "sidecars", "selections", "sources" -> the user's functions, those of extended recipes first.
    origins: "section.key", "section" (its header), "rules.name" and "language" -> the value, with its location.
    files: the TOML files of the recipe, those of extended recipes first.
    warnings: one line each, with the location, for what is allowed and probably a mistake.
    off_columns: column -> the section that would make it and is off.
    """

    name: str
    language: str
    settings: dict[str, dict[str, Any]]
    rules: tuple[dict[str, Any], ...]
    reasons: dict[str, str]
    sections_on: frozenset[str]
    plugins: dict[str, tuple[Plugin, ...]]
    origins: dict[str, ConfigValue]
    files: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    off_columns: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, section: str) -> dict[str, Any]:
        return self.settings[section]

    def is_on(self, section: str) -> bool:
        """Return whether the section is on: an optional one when the recipe has its header, others unless "off"."""
        return section in self.sections_on

    def settings_for(self, section: str, stage: Callable) -> dict[str, Any]:
        """Return the settings of `section` that `stage` takes, for sections of several stages."""
        return {key: value for key, value in self[section].items() if key in setting_annotations(stage)}

    def error_prefix(self, setting: str) -> str:
        """Return what an error about `setting` ("near.keep") begins with.

        That is the place where it was set, else the header of its section, else the recipe.
        """
        section, _, key = setting.partition(".")
        if setting in self.origins and (key or setting == "language"):
            return self.origins[setting].prefix
        if section in self.origins:
            return f"{self.origins[section].prefix}[{section}] "
        return f"{self.files[-1]}: [{section}] "

    def folder_of(self, setting: str) -> Path:
        """Return the folder where relative paths in `setting` ("source.paths") start."""
        return self.origins[setting].source.folder


def load_config(
    recipe: str | Path,
    overrides: Mapping[str, Any] | None,
    schema: RecipeSchema,
    configs: Path = CONFIGS,
    plugin_columns: Callable[[Iterable[Plugin]], Mapping[str, tuple[Column, ...]]] = lambda _: {},
) -> Config:
    """Load the recipe of a language (`de`) or in a file (`my/recipe.toml`), with command line overrides applied.

    `overrides`: dotted key -> value, or its text. `plugin_columns` loads the user's sidecars and returns the columns
    that these measure. Parameters called `language` and `stop_words` are filled in where the
    recipe does not set them. Raises UserError.
    """
    path, chain = read_recipe_chain(str(recipe), configs)
    sources = [*chain, *override_sources(overrides or {})]
    merged = MergedRecipe(schema)
    for source in sources:
        merged.merge(source)
    plugins = group_plugins(merged.plugins)
    schema = merged.schema = schema.with_columns(plugin_columns(plugins["sidecars"]))
    language = merged.language_code(chain[-1])
    settings = merged.check_settings()
    library = PresetLibrary(configs / "presets", language, set(schema.sections) - merged.enabled)
    rules = merged.build_rules(library)
    _fill_recipe_wide_settings(settings, schema, rules, library)
    mixed_languages = language_warning(sources, configs)
    return Config(
        name=path.stem,
        language=language,
        settings=settings,
        rules=tuple(rule.spec() for rule in rules),
        reasons={rule.name: rule.values.get("why", "") for rule in rules},
        sections_on=frozenset(merged.enabled),
        plugins=plugins,
        origins={**merged.origins(), **{f"rules.{rule.name}": rule.origin for rule in rules}},
        files=tuple(source.name for source in chain),
        warnings=(*([mixed_languages] if mixed_languages else []), *bound_warnings(rules, schema.declared)),
        off_columns=schema.rule_columns(merged.enabled).off_columns(),
    )


def _fill_recipe_wide_settings(
    settings: dict[str, dict[str, Any]], schema: RecipeSchema, rules: list[Rule], library: PresetLibrary
) -> None:
    """Give every stage with a parameter `language` or `stop_words` the recipe's, where it is not set.

    Raises UserError for a rule that counts stop words when there are none for the language.
    """
    recipe_wide: dict[str, Any] = {"language": library.language, "stop_words": library.stop_words()}
    takes_stop_words = has_stop_words = False
    for section, stages in schema.sections.items():
        for key in recipe_wide.keys() & setting_annotations(stages).keys():
            if recipe_wide[key]:
                settings[section].setdefault(key, recipe_wide[key])
            takes_stop_words |= key == "stop_words"
            has_stop_words |= key == "stop_words" and key in settings[section]
    counting_rule = next((rule for rule in rules if rule.column == "stop_word_count"), None)
    if counting_rule and takes_stop_words and not has_stop_words:
        raise counting_rule.origin.error(
            f"rule '{counting_rule.name}' counts stop words and there are none for '{library.language}': "
            f'type stop_words = ["...", "..."] in [signals], or {counting_rule.name} = "off" in [rules.set]'
        )
