"""`python -m pipeline settings`: every setting with type, range, default and meaning, and what a recipe sets."""

import argparse
import logging
import shutil
import textwrap
from collections.abc import Iterable, Iterator

from pipeline.base.errors import UserError
from pipeline.base.paths import CONFIGS
from pipeline.base.suggestions import unknown_name
from pipeline.config.recipe_file import Config, load_config
from pipeline.config.recipe_schema import RecipeSchema, setting_annotations
from pipeline.config.reference.markdown import reference_markdown
from pipeline.config.reference.settings_reference import (
    read_presets,
    rule_bound,
    rule_keys,
    section_columns,
    section_settings,
    section_state,
    toml_text,
)

_MIN_WIDTH, _MAX_WIDTH = 60, 120  # characters of a line

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("section", nargs="?", help="a section, or rules, columns or presets (default: all settings)")
    parser.add_argument("--recipe", metavar="LANGUAGE-or-recipe.toml", help="show what it sets, and where")
    parser.add_argument("--markdown", action="store_true", help="the page configs/REFERENCE.md")


def run(arguments: argparse.Namespace) -> None:
    text, warnings = settings_text(arguments.section, arguments.recipe, arguments.markdown)
    print(text, end="")
    for warning in warnings:
        log.warning(warning)


def settings_text(section: str | None, recipe: str | None, markdown: bool) -> tuple[str, tuple[str, ...]]:
    """Return the reference as text, and the warnings about the recipe.

    Args:
        section: The section to show, "rules", "columns" or "presets"; None for all sections of settings.
        recipe: A language or a TOML file whose values are shown; None for the defaults alone.
        markdown: Whether to return the page configs/REFERENCE.md instead.

    Raises UserError for an unknown section and for what is wrong in the recipe.
    """
    from pipeline.build import recipe_schema

    schema = recipe_schema()
    if markdown:
        if section is not None or recipe is not None:
            raise UserError("--markdown writes the whole page: leave out the section and --recipe")
        return reference_markdown(schema, CONFIGS / "presets"), ()
    known = [*schema.sections, "rules", "columns", "presets"]
    if section is not None and section not in known:
        raise UserError(unknown_name("section", section, known))
    config = load_config(recipe, None, schema) if recipe is not None else None
    width = min(max(shutil.get_terminal_size((100, 24)).columns, _MIN_WIDTH), _MAX_WIDTH)
    sections = [section] if section else list(schema.sections)
    blocks = ["\n".join(_block(name, schema, config, width)) for name in sections]
    if section is None:
        more = "`settings rules`, `settings columns` and `settings presets` show what [rules] may contain."
        blocks.append(textwrap.fill(more, width))
    return "\n\n".join(blocks) + "\n", config.warnings if config else ()


def _block(name: str, schema: RecipeSchema, config: Config | None, width: int) -> Iterator[str]:
    if name == "rules":
        yield "[rules]  keys of a rule, a table [[rules.add]]"
        yield from _aligned([(key.name, [key.type, key.meaning]) for key in rule_keys()], width)
        if config is not None:
            yield from ("", f"rules of {config.files[-1]}, in order")
            yield from _aligned(list(_rule_rows(config)), width)
    elif name == "columns":
        for number, section in enumerate(schema.columns):
            yield from ("",) if number else ()
            yield f"[{section}]  columns that rules may name"
            columns = section_columns(schema, section)
            yield from _aligned([(c.name, [_joined(c.type, c.range), c.meaning]) for c in columns], width)
    elif name == "presets":
        yield "presets of [rules]; configs/REFERENCE.md has their rules"
        files = read_presets(CONFIGS / "presets").items()
        yield from _aligned([(preset, [versions[0].source]) for preset, versions in files], width)
    else:
        yield f"[{name}]  {_state_in(name, schema, config)}"
        yield from _aligned(list(_setting_rows(name, schema, config)), width)


def _state_in(section: str, schema: RecipeSchema, config: Config | None) -> str:
    if config is None or section in schema.always:
        return section_state(schema, section)
    return f"{'on' if config.is_on(section) else 'off'} in {config.files[-1]}"


def _setting_rows(section: str, schema: RecipeSchema, config: Config | None) -> Iterator[tuple[str, list[str]]]:
    """Yield (name, paragraphs) of each setting: what the recipe sets, what the setting accepts, what it means."""
    annotations = setting_annotations(schema.sections[section])
    for setting in section_settings(schema.sections[section]):
        accepted = _joined(setting.type, setting.range, f"default {setting.default}")
        paragraphs = [accepted, setting.meaning]
        if config is not None and setting.name in config[section]:
            value = toml_text(config[section][setting.name], annotations[setting.name])
            origin = config.origins.get(f"{section}.{setting.name}")
            place = origin.location if origin else "filled in by the language and presets of the recipe"
            paragraphs = [f"= {value}  ({place})", *paragraphs]
        yield setting.name, paragraphs


def _rule_rows(config: Config) -> Iterator[tuple[str, list[str]]]:
    """Yield (name, paragraphs) of each rule of a recipe: its bound and where that was set, and its reason."""
    for rule in config.rules:
        location = config.origins[f"rules.{rule['name']}"].location
        yield rule["name"], [f"{rule['column']}: {rule_bound(rule)}  ({location})", config.reasons[rule["name"]]]


def _joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _aligned(rows: Iterable[tuple[str, list[str]]], width: int) -> Iterator[str]:
    """Yield lines with the names on the left and their paragraphs, wrapped, in one column on the right."""
    rows = list(rows)
    left = max((len(name) for name, _ in rows), default=0) + 4
    for name, paragraphs in rows:
        start = f"  {name}".ljust(left)
        for paragraph in filter(None, paragraphs):
            lines = textwrap.wrap(paragraph, width - left, break_long_words=False, break_on_hyphens=False)
            for line in lines:
                yield start + line
                start = " " * left
