"""configs/REFERENCE.md: the reference of recipes as a page."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.config.recipe_schema import RecipeSchema
from pipeline.config.reference.settings_reference import (
    FILLED_IN_DEFAULTS,
    PresetReference,
    read_presets,
    rule_keys,
    section_columns,
    section_settings,
    section_state,
)

REFERENCE_COMMAND = "python -m pipeline settings --markdown > configs/REFERENCE.md"
_INTRODUCTION = f"""\
# What a recipe may contain

<!-- Written by `{REFERENCE_COMMAND}`; do not edit. -->

A recipe is a TOML file: `configs/<language>.toml`, or one of your own. This page lists its settings by section, the
keys of rules, the columns that rules may name, and the presets. `python -m pipeline settings --recipe my.toml` shows
the same settings with the values of a recipe and the place where each was set.

## Settings
"""
_RULES_INTRODUCTION = """\
A rule is a table `[[rules.add]]` with a name, a column and exactly one bound. In `[rules]`, `presets` lists presets by
name or by path. `[rules.set]` changes the bound of a rule by its name (`gopher_short_doc = 100`), or drops the rule
(`gopher_short_doc = "off"`)."""


def reference_markdown(schema: RecipeSchema, presets: Path) -> str:
    """Return configs/REFERENCE.md."""
    return "\n".join(_markdown_lines(schema, presets)) + "\n"


def _markdown_lines(schema: RecipeSchema, presets: Path) -> Iterator[str]:
    yield from _INTRODUCTION.splitlines()
    for section, stages in schema.sections.items():
        yield from ("", f"### [{section}]", "", f"{section_state(schema, section).capitalize()}.", "")
        settings = section_settings(stages)
        setting_rows = [(f"`{s.name}`", s.type, s.range, _code(s.default), s.meaning) for s in settings]
        yield from _markdown_table(("setting", "type", "range", "default", "meaning"), setting_rows)
    yield from ("", "## Rules", "")
    yield from _RULES_INTRODUCTION.splitlines()
    yield ""
    yield from _markdown_table(("key", "type", "meaning"), [(f"`{k.name}`", k.type, k.meaning) for k in rule_keys()])
    yield from ("", "## Columns", "", "The columns that rules may name, by the section that makes them.")
    for section in schema.columns:
        yield from ("", f"### Columns of [{section}]", "")
        columns = section_columns(schema, section)
        rows = [(f"`{c.name}`", c.type, c.range, c.meaning) for c in columns]
        yield from _markdown_table(("column", "type", "range", "meaning"), rows)
    yield from ("", "## Presets")
    for name, files in read_presets(presets).items():
        yield from ("", f"### {name}", "")
        yield from _preset_by_language(files) if len(files) > 1 or files[0].name != name else _preset(files[0])


def _preset(preset: PresetReference) -> Iterator[str]:
    notes = [f"Source: {preset.source}."]
    if preset.includes:
        notes.append(f"Includes {', '.join(preset.includes)}.")
    if preset.needs:
        notes.append(f"Left out where [{preset.needs}] is off.")
    yield " ".join(notes)
    if preset.rules:
        rows = [(f"`{rule}`", f"`{column}`", f"`{bound}`", why) for rule, column, bound, why in preset.rules]
        yield from ("", *_markdown_table(("rule", "column", "bound", "reason"), rows))


def _preset_by_language(files: list[PresetReference]) -> Iterator[str]:
    """Yield a table of rules with one column for each language's bound; empty where a language lacks the rule."""
    yield f"A file for each language. Source of the first: {files[0].source}."
    yield ""
    rules: dict[tuple[str, str, str], dict[str, str]] = {}
    for file in files:
        for rule, column, bound, _ in file.rules:
            key, _, value = bound.partition(" = ")
            rules.setdefault((rule, column, key), {})[file.name] = value
    languages = [file.name for file in files]
    rows = [
        (f"`{rule}`", f"`{column}`", f"`{key}`", *(bounds.get(language, "") for language in languages))
        for (rule, column, key), bounds in rules.items()
    ]
    yield from _markdown_table(("rule", "column", "bound", *languages), rows)


def _code(text: str) -> str:
    return f"`{text}`" if text not in ("none", "not set", *FILLED_IN_DEFAULTS.values()) else text


def _markdown_table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
