"""The reference of settings: complete, in the words of a recipe, and current."""

from typing import Annotated, Literal

import pytest

from pipeline.__main__ import main
from pipeline.base.paths import CONFIGS
from pipeline.build import recipe_schema
from pipeline.config.recipe_schema import setting_annotations
from pipeline.config.reference.docstrings import parse_arguments
from pipeline.config.reference.markdown import REFERENCE_COMMAND, reference_markdown
from pipeline.config.reference.settings_reference import (
    describe_annotation,
    section_columns,
    section_settings,
    undocumented_settings,
)
from pipeline.config.values import Range
from pipeline.runner.dag import Asset
from tests.support.recipe_world import SCHEMA


def test_the_page_is_current():
    current = (CONFIGS / "REFERENCE.md").read_text("utf-8")
    assert current == reference_markdown(recipe_schema(), CONFIGS / "presets"), f"stale: run {REFERENCE_COMMAND}"


def test_every_setting_has_a_meaning():
    assert undocumented_settings(recipe_schema()) == []


def test_arguments_of_a_google_style_docstring():
    docstring = """Find duplicates.

    Args:
        pages: The documents.
        threshold (float): Jaccard similarity from which two documents are
            near duplicates: inclusive.

        width, height: Size in pixels.
        **options: Others.
        later:
            On a line of its own.

    Returns:
        other: Not an argument.
    """
    assert parse_arguments(docstring) == {
        "pages": "The documents.",
        "threshold": "Jaccard similarity from which two documents are near duplicates: inclusive.",
        "width": "Size in pixels.",
        "height": "Size in pixels.",
        "options": "Others.",
        "later": "On a line of its own.",
    }
    assert parse_arguments("Find duplicates.\n\nthreshold: no section") == parse_arguments("") == {}


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, ("whole number", "at least 0")),
        (Annotated[float, Range(0, 1)], ("number", "0 to 1")),
        (bool, ("true or false", "")),
        (str | None, ("text", "")),
        (Annotated[int, Range(1, 5)] | None, ('whole number or "off"', "1 to 5")),
        (Literal["a", "b", "c"], ('"a", "b" or "c"', "")),
        (tuple[str, ...], ("list of texts", "")),
        (tuple[Asset, ...], ("list of files", "")),
        (dict[str, float], ("table of numbers", "")),
        (Asset | None, ('file or "off"', "")),
    ],
)
def test_types_and_ranges_in_words(annotation, words):
    assert describe_annotation(annotation) == words


def test_settings_of_several_stages_with_their_defaults():
    def first(pages, *, bands: int = 14, limit: float | None = None): ...

    def second(pages, *, bands: int = 14, names: tuple[str, ...] = ("a", "b"), kind: str):
        """Do the second thing.

        Args:
            bands: Number of LSH bands.
        """

    shown = {setting.name: (setting.default, setting.meaning) for setting in section_settings((first, second))}
    assert shown == {
        "bands": ("14", "Number of LSH bands."),
        "limit": ('"off"', ""),
        "names": ('["a", "b"]', ""),
        "kind": ("none", ""),
    }


def test_columns_have_the_declared_range_and_meaning():
    shown = {column.name: (column.type, column.range, column.meaning) for column in section_columns(SCHEMA, "signals")}
    assert shown == {
        "word_count": ("whole number", "at least 0", "Words."),
        "ratio": ("number", "0 to 1", "Share of something."),
        "stop_word_count": ("whole number", "", ""),
    }
    assert [column.name for column in section_columns(SCHEMA, "pages")] == ["host"]  # no rule fits a date


def test_the_page_lists_every_setting_rule_key_column_and_preset():
    page = reference_markdown(recipe_schema(), CONFIGS / "presets")
    for section, stages in recipe_schema().sections.items():
        block = page.partition(f"\n### [{section}]\n")[2].partition("\n#")[0]
        assert all(f"| `{name}` |" in block for name in setting_annotations(stages))
    for name in ("upper_ratio", "lacks", "gopher_short_doc", "quality_percentile", "### fineweb-2"):
        assert name in page


def settings(capsys, *arguments: str) -> str:
    assert main(["settings", *arguments]) == 0
    answer, log = capsys.readouterr()
    assert log == ""
    return answer


def test_the_command_shows_what_a_recipe_sets_and_where(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.toml").write_text('extends = "de"\n[near]\nthreshold = 0.7\n[rules.set]\nall_caps = 0.5\n')
    answer = settings(capsys, "near", "--recipe", "my.toml")
    assert answer.startswith("[near]  always on\n")
    assert "= 0.7  (my.toml:3)" in answer and "number, 0.01 to 1, default 0.8" in answer
    answer = settings(capsys, "--recipe", "my.toml")
    assert "split_hyphens" in answer and "= false  (configs/de.toml:" in answer
    assert "[spans]  off in my.toml" in answer and "[quality]  on in my.toml" in answer
    assert "upper_ratio: max = 0.5  (my.toml:5)" in settings(capsys, "rules", "--recipe", "my.toml")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_fit_the_terminal(monkeypatch, capsys, width):
    monkeypatch.setenv("COLUMNS", str(width))
    for arguments in ((), ("--recipe", "de"), ("presets",), ("columns",), ("rules",)):
        answer = settings(capsys, *arguments)
        assert max(len(line) for line in answer.splitlines()) <= width


def test_the_command_writes_the_page(capsys):
    assert settings(capsys, "--markdown") == (CONFIGS / "REFERENCE.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["naer"], "unknown section 'naer': did you mean 'near'?"),
        (["near", "--recipe", "xyz"], "no recipe for language 'xyz'"),
        (["near", "--markdown"], "--markdown writes the whole page: leave out the section and --recipe"),
    ],
)
def test_what_the_command_cannot_show(capsys, arguments, message):
    assert main(["settings", *arguments]) == 2
    assert message in capsys.readouterr().err
