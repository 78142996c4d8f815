"""Shipped presets and recipes: each bound from below, at and above; sources; the same facts as FineWeb-2's files."""

import json
import math
import tomllib
from pathlib import Path

import pyarrow as pa
import pytest

from filters.make_presets import SHIPPED, main, preset
from filters.rules import judge
from pipeline.base.errors import UserError
from pipeline.base.paths import CONFIGS
from pipeline.build import recipe_schema
from pipeline.config.recipe_file import load_config
from pipeline.config.recipe_sources import shipped_languages

FILES = sorted((CONFIGS / "presets").rglob("*.toml"))
TYPES = {f.name: f.type for schema in recipe_schema().columns.values() for f in schema}
REQUIRED = ("cs", "da", "de", "en", "es", "fr", "it", "nl", "pl", "pt", "ru", "sv", "tr")


def recipe(language: str | Path, **overrides):
    return load_config(language, overrides, recipe_schema())


def cases():
    for path in FILES:
        for rule in tomllib.loads(path.read_text()).get("rule", []):
            yield pytest.param(rule, id=f"{path.parent.name}/{path.stem}:{rule['name']}")


def around(rule: dict):
    """(value, kept) below, at and above the bound, or inside and outside of a choice; written out, no operators."""
    is_integer = pa.types.is_integer(TYPES[rule["column"]])
    match next((k, rule[k]) for k in ("min", "max", "equals", "not_equals", "lacks") if k in rule):
        case ("min" | "max") as side, bound:
            below = bound - 1 if is_integer else math.nextafter(bound, -math.inf)
            above = bound + 1 if is_integer else math.nextafter(bound, math.inf)
            at = not rule.get("exclusive", False)
            return [(below, side == "max"), (bound, at), (above, side == "min")]
        case "equals", bool() as bound:
            return [(bound, True), (not bound, False)]
        case "equals", bound:
            return [(bound, True), (bound + "x", False), ("", False)]
        case "not_equals", bound:
            return [(bound, False), (bound + "x", True), (None, True)]
        case "lacks", words:
            named = [(f"a,{word},z", False) for word in words] + [(word, False) for word in words]
            return [*named, ("all", True), (None, True), ("x" + words[0], True), (words[0] + "x", True)]
    raise AssertionError(rule)


@pytest.mark.parametrize("rule", cases())
def test_each_rule_below_at_and_above_its_bound(rule):
    values, outcomes = zip(*around(rule), strict=True)
    table = pa.table(
        {"id": [str(i) for i in range(len(values))], rule["column"]: pa.array(values, TYPES[rule["column"]])}
    )
    decisions, failed = judge(table, ({"stage": "s", **{k: v for k, v in rule.items() if k != "detail"}},))
    assert decisions["keep"].to_pylist() == list(outcomes)
    assert {len(names) for names in failed["failed"].to_pylist()} == {0, 1}  # each bound decides something


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_presets_name_their_source_and_each_rule_its_reason(path):
    data = tomllib.loads(path.read_text())
    assert len(data["source"]) > 20
    assert data.get("rule") or data.get("includes")
    for rule in data.get("rule", []):
        assert len(rule["why"]) > 10, rule["name"]
        assert rule["column"] in TYPES and rule.get("detail", "id") in TYPES


@pytest.mark.parametrize("language", shipped_languages())
def test_every_shipped_recipe_loads(language):
    config = recipe(language)
    assert (config.language, config.warnings) == (language, ())
    if language == "any":
        assert not [r for r in config.rules if r["name"] == "language" or r["column"] == "stop_word_count"]
        return
    assert len(config.rules) > 20
    assert len(config["signals"]["stop_words"]) >= 8
    assert all(word == word.lower() for word in config["signals"]["stop_words"])
    assert [r["equals"] for r in config.rules if r["name"] == "language"] == [language]


def test_the_languages_that_must_be_there():
    assert set(REQUIRED) <= set(shipped_languages())


def test_german_is_judged_by_german_bounds():
    bounds = {r["name"]: r for r in recipe("de").rules}
    assert bounds["gopher_above_avg_threshold"]["max"] == 15
    assert bounds["gopher_below_alpha_threshold"]["min"] == 0.774
    assert bounds["top_2_gram"]["max"] == 0.169
    assert bounds["list_ratio"]["max"] == 0.152
    assert not {"line_punct_ratio", "gopher_below_avg_threshold", "short_line_ratio", "c4_curly_bracket"} & set(bounds)
    assert "wurde" in recipe("de")["signals"]["stop_words"]


def test_english_rules_on_another_language_count_its_own_stop_words(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text('language = "de"\n[rules]\npresets = ["gopher"]\n')
    assert recipe(path)["signals"]["stop_words"] == recipe("de")["signals"]["stop_words"]


def test_a_turkish_page_of_english_leftovers_has_no_turkish_stop_words():
    assert "the" not in recipe("tr")["signals"]["stop_words"]


def test_fineweb_2_has_no_english(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text('language = "en"\n[rules]\npresets = ["fineweb-2"]\n')
    with pytest.raises(
        UserError, match=r"my.toml:3: \[rules\] preset 'fineweb-2' has no bounds for language 'en', only for cs, "
    ):
        recipe(path)


@pytest.fixture(scope="module")
def published(shared) -> dict[str, dict]:
    lines = (shared / "quality" / "fineweb2-configs.jsonl").read_text().splitlines()
    return {entry["language"]: entry for entry in map(json.loads, lines)}


@pytest.mark.parametrize("language", SHIPPED)
def test_the_files_have_the_bounds_of_fineweb_2(language, published):
    config = published[SHIPPED[language]]
    data = tomllib.loads((CONFIGS / "presets" / "fineweb-2" / f"{language}.toml").read_text())
    rules = {rule["name"]: rule for rule in data["rule"]}

    def bound(name: str, side: str) -> float | None:
        return rules[name][side] if name in rules else None

    def live(value: float) -> float | None:
        return value if value > 0 else None

    assert data["stop_words"] == {language: config["stopwords"]}
    assert bound("dup_line_frac", "max") == config["dup_line_frac"]
    assert [[n, bound(f"top_{n}_gram", "max")] for n in (2, 3, 4)] == config["top_n_grams"]
    assert [[n, bound(f"dup_{n}_gram", "max")] for n in range(5, 11)] == config["dup_n_grams"]
    assert bound("line_punct_ratio", "min") == live(config["line_punct_thr"])
    assert bound("list_ratio", "max") == config["new_line_ratio"]
    assert bound("gopher_below_avg_threshold", "min") == live(config["min_avg_word_length"])
    assert bound("gopher_above_avg_threshold", "max") == config["max_avg_word_length"]
    assert bound("gopher_below_alpha_threshold", "min") == config["max_non_alpha_words_ratio"]


def test_all_languages_of_fineweb_2_make_valid_presets(published):
    for code, config in published.items():
        data = tomllib.loads(preset(config, "xx"))
        assert f"configs/{code}.yml" in data["source"]
        for rule in data["rule"]:
            assert rule.get("min", 1) > 0
            share = rule["column"] not in ("new_line_ratio", "word_count", "mean_word_length")
            assert not share or rule.get("max", 0) < 1


def test_the_command_writes_the_file_of_another_language(shared, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("filters.make_presets.FOLDER", tmp_path / "fineweb-2")
    source = str(shared / "quality" / "fineweb2-configs.jsonl")
    main([source, "fi=fin_Latn"])
    assert capsys.readouterr().out.strip().endswith("fi.toml")
    assert list(tomllib.loads((tmp_path / "fineweb-2" / "fi.toml").read_text())["stop_words"]) == ["fi"]
    with pytest.raises(UserError, match="no language eng_Latn"):
        main([source, "en=eng_Latn"])


def test_shipped_files_are_what_the_command_writes(shared, tmp_path, monkeypatch):
    monkeypatch.setattr("filters.make_presets.FOLDER", tmp_path)
    main([str(shared / "quality" / "fineweb2-configs.jsonl")])
    for path in tmp_path.iterdir():
        assert path.read_text() == (CONFIGS / "presets" / "fineweb-2" / path.name).read_text()
