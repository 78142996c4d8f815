"""Recipes: what they give to the stages."""

from pathlib import Path

import pytest

from pipeline.runner.dag import Asset
from tests.support.recipe_world import clusters, load_recipe, load_text, signatures


def test_settings_are_spelled_as_the_stages_expect(folder):
    text = """language = "xx"
[extract]
timeout = 5
[signals]
bad_words = "words.txt"
[near]
weights = { a = 1, b = 2.5 }
sizes = [1, 2]
exact = false
[quality]
limit = "off"
lists = ["words.txt"]
"""
    config = load_text(folder, text)
    assert config["extract"] == {"timeout": 5.0} and type(config["extract"]["timeout"]) is float
    assert config["signals"]["bad_words"] == Asset.of(folder / "words.txt")
    assert config["near"] == {"weights": {"a": 1.0, "b": 2.5}, "sizes": (1, 2), "exact": False}
    assert config.settings_for("near", clusters) == config["near"] and config.settings_for("near", signatures) == {}
    assert config["quality"] == {"limit": None, "lists": (Asset.of(folder / "words.txt"),)}
    assert (config.name, config.language, config.is_on("quality")) == ("my", "xx", True)


def test_language_and_stop_words_reach_the_stages_that_take_them(folder):
    config = load_recipe(folder)
    assert config["signals"] == {"language": "xx", "stop_words": ("uno", "du")}
    config = load_text(folder, 'language = "xx"\n[signals]\nstop_words = ["a"]\n[rules]\npresets = ["length"]\n')
    assert config["signals"]["stop_words"] == ("a",)


def test_optional_sections_are_off_until_a_recipe_has_them(folder):
    assert not load_recipe(folder).is_on("quality")
    assert load_text(folder, 'language = "xx"\n[quality]\n').is_on("quality")
    assert not load_text(folder, 'language = "xx"\nquality = "off"\n').is_on("quality")
    assert not load_recipe(folder, overrides={"extract": "off"}).is_on("extract")
    assert load_recipe(folder, overrides={"quality": "on"}).is_on("quality")


def test_a_preset_that_needs_a_section_goes_with_it(folder):
    text = 'language = "xx"\n[rules]\npresets = ["good"]\n'
    assert load_text(folder, text).rules == ()
    assert [r["name"] for r in load_text(folder, text, {"quality.limit": "3"}).rules] == ["good"]


def test_rules_are_expanded_changed_and_added_in_order(folder):
    text = """language = "yy"
[rules]
presets = ["all", "quick.toml"]
[rules.set]
short = 30
long = "off"
[[rules.add]]
name = "mine"
column = "ratio"
max = 0.5
null = "drop"
exclusive = true
why = "because"
"""
    (folder / "quick.toml").write_text('[[rule]]\nname = "quick"\ncolumn = "flag"\nequals = false\n')
    config = load_text(folder, text)
    assert config.rules == (
        {"stage": "length", "name": "short", "column": "word_count", "min": 30.0},
        {"stage": "all", "name": "host", "column": "host", "not_equals": "yy.example"},
        {"stage": "quick", "name": "quick", "column": "flag", "equals": False},
        {"stage": "rules", "name": "mine", "column": "ratio", "max": 0.5, "null": "drop", "exclusive": True},
    )
    assert config.reasons["short"] == "a stub" and config.reasons["mine"] == "because"


def test_a_recipe_builds_on_a_shipped_one(folder):
    config = load_text(
        folder, 'extends = "xx"\n[near]\nthreshold = 0.7\n[rules.set]\nshort = 10\n', name="mine/base.toml"
    )
    assert config["near"] == {"bands": 20, "threshold": 0.7}
    assert config.rules[0]["min"] == 10.0
    deeper = load_text(folder, 'extends = "base.toml"\n[near]\nbands = 5\n', name="mine/deeper.toml")
    assert deeper["near"] == {"bands": 5, "threshold": 0.7}
    assert deeper.files == ("configs/xx.toml", "mine/base.toml", "mine/deeper.toml")


def test_relative_paths_start_at_the_file_that_names_them(folder):
    (folder / "mine").mkdir()
    (folder / "mine" / "words.txt").write_text("other\n")
    text = 'language = "xx"\n[signals]\nbad_words = "words.txt"\n'
    config = load_text(folder, text, name="mine/my.toml")
    assert config["signals"]["bad_words"] == Asset.of(folder / "mine" / "words.txt")
    assert config.folder_of("signals.bad_words") == Path("mine")
    (folder / "configs" / "yy.toml").write_text(text)  # shipped: from the checkout
    assert load_recipe(folder, "yy")["signals"]["bad_words"] == Asset.of(folder / "words.txt")


@pytest.mark.parametrize(
    ("overrides", "section", "settings"),
    [
        ({"near.threshold": "0.7"}, "near", {"bands": 20, "threshold": 0.7}),
        ({"near.keep": "oldest"}, "near", {"bands": 20, "keep": "oldest"}),
        ({"near.keep": "2026"}, "near", {"bands": 20, "keep": "2026"}),
        ({"near.exact": "false", "near.bands": 3}, "near", {"bands": 3, "exact": False}),
        ({"near.sizes": "[3, 4]"}, "near", {"bands": 20, "sizes": (3, 4)}),
        ({"extract.engine": "resiliparse"}, "extract", {"engine": "resiliparse"}),
        ({"near.weights.a": "2"}, "near", {"bands": 20, "weights": {"a": 2.0}}),
    ],
)
def test_the_command_line_changes_settings(folder, overrides, section, settings):
    assert load_recipe(folder, overrides=overrides)[section] == settings


def test_the_command_line_changes_rules(folder):
    changed = load_recipe(folder, overrides={"rules.set.short": "7", "rules.set.long": "off"})
    assert [(r["name"], r.get("min")) for r in changed.rules] == [("short", 7.0)]
    assert load_recipe(folder, overrides={"rules.presets": "[]"}).rules == ()


def test_every_setting_and_rule_knows_where_it_was_set(folder):
    config = load_text(
        folder, 'extends = "xx"\n[near]\nthreshold = 0.7\n[rules.set]\nshort = 10\n', {"near.keep": "oldest"}
    )
    origins = {name: value.location for name, value in config.origins.items()}
    assert origins["near.bands"] == "configs/xx.toml:3"
    assert origins["near.threshold"] == "my.toml:3"
    assert origins["near.keep"] == "--set near.keep"
    assert origins["rules.short"] == "my.toml:5"
    assert origins["rules.long"] == "configs/presets/length.toml:10"
    assert config.error_prefix("near.threshold") == "my.toml:3: [near] "
    assert config.error_prefix("near.exact") == "my.toml:2: [near] "  # not set: the header
    assert config.error_prefix("quality.limit") == "my.toml: [quality] "  # no header: the file
    assert config.error_prefix("language") == "configs/xx.toml:1: "
