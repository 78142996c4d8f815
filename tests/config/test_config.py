"""Recipes: what they give to stages, and one line for everything that can be wrong in them."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import UserError
from pipeline.config.recipe_file import load_config
from pipeline.config.recipe_schema import RecipeSchema
from pipeline.config.toml_lines import line_numbers
from pipeline.config.values import Range
from pipeline.runner.dag import Asset


def extract(source, *, engine: Literal["trafilatura", "resiliparse"] = "trafilatura", timeout: float = 30.0): ...


def signals(pages, *, stop_words: tuple[str, ...] = (), bad_words: Asset | None = None, language: str = "en"): ...


def signatures(
    pages,
    *,
    bands: int = 14,
    seed: Annotated[int, Range(-5, 5)] = 1,
    threshold: Annotated[float, Range(0, 1)] = 0.8,
): ...


def clusters(
    pairs,
    *,
    keep: str = "longest",
    exact: bool = True,
    weights: dict[str, float] | None = None,
    sizes: tuple[int, ...] = (),
): ...


def train(pages, *, lists: tuple[Asset, ...] = (), limit: int | None = 5): ...


SECTIONS = {"extract": extract, "signals": signals, "near": (signatures, clusters), "quality": train}
COLUMNS = {
    "pages": pa.schema([("id", pa.string()), ("host", pa.string()), ("date", pa.timestamp("s", "UTC"))]),
    "signals": pa.schema([("word_count", pa.int64()), ("ratio", pa.float64()), ("stop_word_count", pa.int64())]),
    "quality": pa.schema([("quality", pa.float64())]),
    "flags": pa.schema([("flag", pa.bool_())]),
}
PRESETS = {
    "length": """
source = "a paper"
[stop_words]
xx = ["uno", "du"]
[[rule]]
name = "short"
column = "word_count"
min = 50
why = "a stub"
[[rule]]
name = "long"
column = "word_count"
max = 1000
""",
    "all": 'includes = ["length"]\n[[rule]]\nname = "host"\ncolumn = "host"\nnot_equals = "{language}.example"\n',
    "looped": 'includes = ["looped"]\n',
    "best": '[[rule]]\nname = "best"\ncolumn = "quality"\nmin = 0.5\n',
    "good": 'needs = "quality"\n[[rule]]\nname = "good"\ncolumn = "quality"\nmin = 0.5\n',
    "stops": '[[rule]]\nname = "stops"\ncolumn = "stop_word_count"\nmin = 2\n',
    "odd": "rules = []\n",
    "local/xx": '[[rule]]\nname = "own"\ncolumn = "ratio"\nmax = 0.5\n',
}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A checkout with one shipped language (xx) and presets; the user stands in it."""
    for name, text in PRESETS.items():
        path = tmp_path / "configs" / "presets" / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "configs" / "xx.toml").write_text(
        'language = "xx"\n[near]\nbands = 20\n[rules]\npresets = ["length"]\n'
    )
    (tmp_path / "words.txt").write_text("bad\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder: Path, text: str | bytes = 'language = "xx"\n', overrides: dict | None = None, name: str = "my.toml"):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return shipped(folder, name, overrides)


def shipped(folder: Path, recipe: str = "xx", overrides: dict | None = None):
    return load_config(recipe, overrides, RecipeSchema(SECTIONS, COLUMNS, ("quality",)), folder / "configs")


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
    config = read(folder, text)
    assert config["extract"] == {"timeout": 5.0} and type(config["extract"]["timeout"]) is float
    assert config["signals"]["bad_words"] == Asset.of(folder / "words.txt")
    assert config["near"] == {"weights": {"a": 1.0, "b": 2.5}, "sizes": (1, 2), "exact": False}
    assert config.settings_for("near", clusters) == config["near"] and config.settings_for("near", signatures) == {}
    assert config["quality"] == {"limit": None, "lists": (Asset.of(folder / "words.txt"),)}
    assert (config.name, config.language, config.is_on("quality")) == ("my", "xx", True)


def test_language_and_stop_words_reach_the_stages_that_take_them(folder):
    config = shipped(folder)
    assert config["signals"] == {"language": "xx", "stop_words": ("uno", "du")}
    said = read(folder, 'language = "xx"\n[signals]\nstop_words = ["a"]\n[rules]\npresets = ["length"]\n')
    assert said["signals"]["stop_words"] == ("a",)


def test_optional_sections_are_off_until_said(folder):
    assert not shipped(folder).is_on("quality")
    assert read(folder, 'language = "xx"\n[quality]\n').is_on("quality")
    assert not read(folder, 'language = "xx"\nquality = "off"\n').is_on("quality")
    assert not shipped(folder, overrides={"extract": "off"}).is_on("extract")
    assert shipped(folder, overrides={"quality": "on"}).is_on("quality")


def test_a_preset_that_needs_a_section_goes_with_it(folder):
    text = 'language = "xx"\n[rules]\npresets = ["good"]\n'
    assert read(folder, text).rules == ()
    assert [r["name"] for r in read(folder, text, {"quality.limit": "3"}).rules] == ["good"]


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
    config = read(folder, text)
    assert config.rules == (
        {"stage": "length", "name": "short", "column": "word_count", "min": 30.0},
        {"stage": "all", "name": "host", "column": "host", "not_equals": "yy.example"},
        {"stage": "quick", "name": "quick", "column": "flag", "equals": False},
        {"stage": "rules", "name": "mine", "column": "ratio", "max": 0.5, "null": "drop", "exclusive": True},
    )
    assert config.reasons["short"] == "a stub" and config.reasons["mine"] == "because"


def test_a_recipe_builds_on_a_shipped_one(folder):
    config = read(folder, 'extends = "xx"\n[near]\nthreshold = 0.7\n[rules.set]\nshort = 10\n', name="mine/base.toml")
    assert config["near"] == {"bands": 20, "threshold": 0.7}
    assert config.rules[0]["min"] == 10.0
    deeper = read(folder, 'extends = "base.toml"\n[near]\nbands = 5\n', name="mine/deeper.toml")
    assert deeper["near"] == {"bands": 5, "threshold": 0.7}
    assert deeper.files == ("configs/xx.toml", "mine/base.toml", "mine/deeper.toml")


def test_relative_paths_start_at_the_file_that_says_them(folder):
    (folder / "mine").mkdir()
    (folder / "mine" / "words.txt").write_text("other\n")
    text = 'language = "xx"\n[signals]\nbad_words = "words.txt"\n'
    config = read(folder, text, name="mine/my.toml")
    assert config["signals"]["bad_words"] == Asset.of(folder / "mine" / "words.txt")
    assert config.folder_of("signals.bad_words") == Path("mine")
    (folder / "configs" / "yy.toml").write_text(text)  # shipped: from the checkout
    assert shipped(folder, "yy")["signals"]["bad_words"] == Asset.of(folder / "words.txt")


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
    assert shipped(folder, overrides=overrides)[section] == settings


def test_the_command_line_changes_rules(folder):
    changed = shipped(folder, overrides={"rules.set.short": "7", "rules.set.long": "off"})
    assert [(r["name"], r.get("min")) for r in changed.rules] == [("short", 7.0)]
    assert shipped(folder, overrides={"rules.presets": "[]"}).rules == ()


ADD = 'language = "xx"\n[[rules.add]]\n'
BAD = [
    # misspelt names
    ('language = "xx"\n\n[naer]\n', "my.toml:3: unknown section 'naer': did you mean 'near'?"),
    (
        'language = "xx"\n[zzz]\n',
        "my.toml:2: unknown section 'zzz': there are extends, extract, language, near, quality, rules, selections, "
        "sidecars, signals, sources",
    ),
    (
        'language = "xx"\n[near]\n# so\ntreshold = 0.7\n',
        "my.toml:4: [near] unknown setting 'treshold': did you mean 'threshold'?",
    ),
    (
        'language = "xx"\n[extract]\nthreshold = 0.7\n',
        "my.toml:3: [extract] 'threshold' is a setting of [near]: move it below that header",
    ),
    ('bands = 3\nlanguage = "xx"\n', "my.toml:1: 'bands' is a setting of [near]: move it below that header"),
    (
        'language = "xx"\n[rules]\npreset = ["length"]\n',
        "my.toml:3: [rules] unknown key 'preset': did you mean 'presets'?",
    ),
    (
        'language = "xx"\n[rules]\npresets = [\n  "length",\n  "lenght",\n]\n',
        "my.toml:5: [rules] unknown preset 'lenght': did you mean 'length'?",
    ),
    (
        'language = "xx"\n[rules]\npresets = ["length"]\n[rules.set]\nshrt = 3\n',
        "my.toml:5: [rules.set] unknown rule 'shrt': did you mean 'short'?",
    ),
    (
        'language = "xx"\n[rules]\npresets = ["good"]\n[rules.set]\ngood = 0.7\n',
        "my.toml:5: [rules.set] rule 'good' needs [quality], which is off: type [quality]",
    ),
    (ADD + 'nmae = "a"\n', "my.toml:3: [[rules.add]] unknown key 'nmae': did you mean 'name'?"),
    (
        ADD + 'name = "a"\ncolumn = "word_cuont"\nmin = 3\n',
        "my.toml:2: [[rules.add]] rule 'a': unknown column 'word_cuont': did you mean 'word_count'?",
    ),
    (
        ADD + 'name = "a"\ncolumn = "ratio"\nmin = 3\ndetail = "hst"\n',
        "my.toml:2: [[rules.add]] rule 'a': unknown column 'hst': did you mean 'host'?",
    ),
    (
        'language = "xx"\n[rules]\npresets = ["odd"]\n',
        "configs/presets/odd.toml:1: unknown key 'rules': did you mean 'rule'?",
    ),
    # wrong types and values
    (
        'language = "xx"\n[near]\nthreshold = "0.3"\n',
        'my.toml:3: [near] threshold must be a number, not "0.3"; type threshold = 0.3',
    ),
    ('language = "xx"\n[near]\nthreshold = "a"\n', 'my.toml:3: [near] threshold must be a number, not "a"'),
    ('language = "xx"\n[near]\nbands = true\n', "my.toml:3: [near] bands must be a whole number, not true"),
    ('language = "xx"\n[near]\nbands = 2.5\n', "my.toml:3: [near] bands must be a whole number, not 2.5"),
    ('language = "xx"\n[near]\nbands = -1\n', "my.toml:3: [near] bands = -1 is out of range: at least 0"),
    ('language = "xx"\n[near]\nthreshold = 1.5\n', "my.toml:3: [near] threshold = 1.5 is out of range: 0 to 1"),
    ('language = "xx"\n[near]\nthreshold = nan\n', "my.toml:3: [near] threshold = nan is out of range: 0 to 1"),
    ('language = "xx"\n[near]\nseed = -6\n', "my.toml:3: [near] seed = -6 is out of range: -5 to 5"),
    ('language = "xx"\n[extract]\ntimeout = inf\n', "my.toml:3: [extract] timeout = inf is out of range: at least 0"),
    (
        'language = "xx"\n[near]\nexact = "True"\n',
        'my.toml:3: [near] exact must be true or false, not "True"; type exact = true',
    ),
    ('language = "xx"\n[near]\nexact = 1\n', "my.toml:3: [near] exact must be true or false, not 1; type exact = true"),
    (
        'language = "xx"\n[near]\nexact = "yes"\n',
        'my.toml:3: [near] exact must be true or false, not "yes"; type exact = true',
    ),
    (
        'language = "xx"\n[near]\nbands = "1.5 MB"\n',
        'my.toml:3: [near] bands must be a whole number, not "1.5 MB"; type bands = 1_500_000',
    ),
    (
        'language = "xx"\n[near]\nbands = "2GiB"\n',
        'my.toml:3: [near] bands must be a whole number, not "2GiB"; type bands = 2_147_483_648',
    ),
    ('language = "xx"\n[near]\nbands = "1..5k"\n', 'my.toml:3: [near] bands must be a whole number, not "1..5k"'),
    ('language = "xx"\n[near]\nsizes = "3"\n', 'my.toml:3: [near] sizes must be a list like [1, 2], not "3"'),
    ('language = "xx"\n[near]\nkeep = 3\n', 'my.toml:3: [near] keep must be text in quotes, not 3; type keep = "3"'),
    ('language = "xx"\n[near]\nsizes = 3\n', "my.toml:3: [near] sizes must be a list like [1, 2], not 3"),
    (
        'language = "xx"\n[near]\nsizes = [\n1,\n"2"]\n',
        'my.toml:5: [near] entry 2 of sizes must be a whole number, not "2"; type 2',
    ),
    ('language = "xx"\n[near]\nweights = 3\n', "my.toml:3: [near] weights must be a table like { name = 1 }, not 3"),
    ('language = "xx"\n[near.weights]\na = 1\nb = "x"\n', 'my.toml:4: [near] b must be a number, not "x"'),
    (
        'language = "xx"\n[extract]\nengine = "trafilatur"\n',
        "my.toml:3: [extract] engine cannot be \"trafilatur\": did you mean 'trafilatura'?",
    ),
    (
        'language = "xx"\n[extract]\nengine = 7\n',
        "my.toml:3: [extract] engine cannot be 7: it is one of trafilatura, resiliparse",
    ),
    (
        'language = "xx"\n[signals]\nstop_words = "a"\n',
        'my.toml:3: [signals] stop_words must be a list, not "a"; type stop_words = ["a"]',
    ),
    ('language = "xx"\nnear = 3\n', 'my.toml:2: near is a section: type [near] on a line of its own, or near = "off"'),
    ('language = "xx"\nrules = 3\n', "my.toml:2: rules is a section: type [rules] on a line of its own"),
    (
        'language = "xx"\n[rules]\npresets = "length"\n',
        'my.toml:3: [rules] rules.presets is not like that: type presets = ["language", "gopher"]',
    ),
    (
        'language = "xx"\n[rules]\npresets = [3]\n',
        'my.toml:3: [rules] entry 1 of presets must be text in quotes, not 3; type "3"',
    ),
    # files
    (
        'language = "xx"\n[signals]\nbad_words = "lists/none.txt"\n',
        "my.toml:3: [signals] bad_words: there is no file lists/none.txt (looked in lists)",
    ),
    (
        'language = "xx"\n[quality]\nlists = ["words.txt", "none.txt"]\n',
        "my.toml:3: [quality] entry 2 of lists: there is no file none.txt (looked in .)",
    ),
    ('language = "xx"\n[rules]\npresets = ["none.toml"]\n', "my.toml:3: [rules] there is no preset file none.toml"),
    (
        'language = "yy"\n[rules]\npresets = ["local"]\n',
        "my.toml:3: [rules] preset 'local' has no bounds for language 'yy', only for xx; "
        "write configs/presets/local/yy.toml (CONTRIBUTING.md)",
    ),
    # TOML
    (
        "language = xx\n",
        'my.toml:1, column 12: not TOML: invalid value; text stands in quotes: name = "value"',
    ),
    (
        'language = "xx"\n[near\n',
        "my.toml:2, column 6: not TOML: expected ']' at the end of a table declaration",
    ),
    (
        'language = "xx"\n[near]\nbands = 3\nbands = 4\n',
        "my.toml:4, column 10: not TOML: cannot overwrite a value; the key is there twice: leave one out",
    ),
    (
        'language = "xx"\n[rules]\npresets = ["a"\n',
        "my.toml:3: not TOML: unclosed array; close it with ]",
    ),
    (
        'language = "xx"\n[near]\n[extract]\n[near]\n',
        "my.toml:4, column 6: not TOML: cannot declare ('near',) twice; "
        "the header is there twice: put all of its settings below one",
    ),
    (
        'language = "xx"\n[near]\nthreshold = 0,7\n',
        "my.toml:3, column 14: not TOML: expected newline or end of document after a statement; "
        "numbers have a point: 0.7",
    ),
    (
        'language = "xx"\n[near]\nthreshold = .7\n',
        "my.toml:3, column 13: not TOML: invalid value; a number begins with a digit: 0.7",
    ),
    (
        'language = "xx"\n[near]\nbands = 3 sizes = [1]\n',
        "my.toml:3, column 11: not TOML: expected newline or end of document after a statement; "
        "one setting a line, text in quotes",
    ),
    (
        'language = "xx"\n[near]\nexact = False\n',
        "my.toml:3, column 9: not TOML: invalid value; true and false have small letters",
    ),
    (
        "language = “xx”\n",
        'my.toml:1, column 12: not TOML: invalid value; the quotes are straight ones: name = "value"',
    ),
    (b'language = "xx"\n# \xfc\n', "my.toml:2: not UTF-8; save the file as UTF-8"),
    # language
    ("[near]\n", 'my.toml:1: no language: type language = "de" in the first line'),
    (
        'language = "German"\n',
        'my.toml:1: language = "German" is no ISO 639 code: two or three small letters, like "de"',
    ),
    # extends
    ('extends = "my.toml"\n', "my.toml:1: extends goes round in a circle: my.toml <- my.toml"),
    ('extends = "no.toml"\n', "my.toml:1: extends: no.toml: there is no such recipe file"),
    # rules
    (ADD + 'column = "ratio"\nmin = 1\n', 'my.toml:2: [[rules.add]] a rule needs a name: type name = "..."'),
    (ADD + 'name = "a"\nmin = 1\n', 'my.toml:2: [[rules.add]] a rule needs a column: type column = "..."'),
    (
        ADD + 'name = "a"\ncolumn = "ratio"\n',
        "my.toml:2: [[rules.add]] rule 'a' has no bound: min, max, equals, not_equals, any_of, none_of, lacks",
    ),
    (
        ADD + 'name = "a"\ncolumn = "ratio"\nmin = 1\nmax = 2\n',
        "my.toml:2: [[rules.add]] rule 'a' has two bounds (min and max): write two rules",
    ),
    (
        ADD + 'name = "a"\ncolumn = "ratio"\nmin = 0.7\n[[rules.add]]\nname = "b"\ncolumn = "ratio"\nmax = 0.3\n',
        "my.toml:2: [[rules.add]] nothing can pass: ratio >= 0.7 (a) and <= 0.3 (b, my.toml:6)",
    ),
    (
        'language = "xx"\n[rules]\npresets = ["length"]\n[rules.set]\nshort = 2000\n',
        "my.toml:5: [rules.set] nothing can pass: word_count >= 2000 (short) "
        "and <= 1000 (long, configs/presets/length.toml:10)",
    ),
    (
        'language = "xx"\n[rules]\npresets = ["length"]\n[[rules.add]]\nname = "long"\ncolumn = "ratio"\nmin = 1\n',
        "my.toml:4: [[rules.add]] rule 'long' is there twice: also at configs/presets/length.toml:10; "
        "to change its bound, type long = ... in [rules.set]",
    ),
    (
        'language = "xx"\n[rules]\npresets = ["length", "all"]\n',
        "configs/presets/length.toml:5: [[rule]] rule 'short' is there twice: also at configs/presets/length.toml:5",
    ),
    (
        'language = "xx"\n[rules]\npresets = ["looped"]\n',
        "configs/presets/looped.toml:1: preset 'looped' includes itself",
    ),
    (
        'language = "xx"\n[rules]\npresets = ["length"]\n[rules.set]\nshort = "x"\n',
        'my.toml:5: [rules.set] short must be a number, not "x"',
    ),
    (
        ADD + 'name = "a"\ncolumn = "host"\nmin = 1\n',
        "my.toml:2: [[rules.add]] rule 'a': column 'host' is text, min does not fit it",
    ),
    (
        ADD + 'name = "a"\ncolumn = "flag"\nequals = "yes"\n',
        "my.toml:2: [[rules.add]] rule 'a': column 'flag' is true or false, so equals must be true or false",
    ),
    (
        ADD + 'name = "a"\ncolumn = "date"\nequals = "2020"\n',
        "my.toml:2: [[rules.add]] rule 'a': column 'date' is a timestamp[s, tz=UTC], equals does not fit it",
    ),
    (
        ADD + 'name = "a"\ncolumn = "ratio"\nmin = "1"\n',
        'my.toml:5: [[rules.add]] min must be a number, not "1"; type min = 1.0',
    ),
    (
        ADD + 'name = "a"\ncolumn = "host"\nany_of = "b"\n',
        'my.toml:5: [[rules.add]] any_of must be a list, not "b"; type any_of = ["b"]',
    ),
    (
        ADD + 'name = "a"\ncolumn = "ratio"\nmin = 1\nnull = "keep"\n',
        'my.toml:6: [[rules.add]] null cannot be "keep": it is one of pass, drop',
    ),
    (
        'language = "xx"\n[rules]\npresets = ["best"]\n',
        "configs/presets/best.toml:1: [[rule]] rule 'best': column 'quality' is made by [quality], which is off: "
        "type [quality] to switch it on, or drop the rule",
    ),
    (
        'language = "yy"\n[rules]\npresets = ["stops"]\n',
        "configs/presets/stops.toml:1: [[rule]] rule 'stops' counts stop words and there are none for 'yy': "
        'type stop_words = ["...", "..."] in [signals], or stops = "off" in [rules.set]',
    ),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[message.partition(": ")[2][:50] for _, message in BAD])
def test_a_bad_recipe_is_one_line_with_its_place(folder, text, message):
    with pytest.raises(UserError) as error:
        read(folder, text)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"near.threshold": "high"}, '--set near.threshold: threshold must be a number, not "high"'),
        (
            {"near.treshold": "0.7"},
            "--set near.treshold: unknown setting 'treshold': did you mean 'threshold'?",
        ),
        ({"naer.threshold": "0.7"}, "--set naer.threshold: unknown section 'naer': did you mean 'near'?"),
        ({"threshold": "0.7"}, "--set threshold: 'threshold' is a setting of [near]: type --set near.threshold=..."),
        ({"rules.set.shrt": "1"}, "--set rules.set.shrt: unknown rule 'shrt': did you mean 'short'?"),
        ({"rules.presets": '["lenght"]'}, "--set rules.presets: unknown preset 'lenght': did you mean 'length'?"),
        ({"near.bands": "-3"}, "--set near.bands: bands = -3 is out of range: at least 0"),
        ({"signals.bad_words": "no.txt"}, "--set signals.bad_words: there is no file no.txt (looked in .)"),
    ],
)
def test_the_command_line_goes_through_the_same_checks(folder, overrides, message):
    with pytest.raises(UserError) as error:
        shipped(folder, overrides=overrides)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("xy", "no recipe for language 'xy': did you mean xx? There are xx; "),
        ("xx_XX.UTF-8", "no recipe for language 'xx_XX.UTF-8': did you mean xx? There are xx; "),
        ("german", "no recipe for language 'german': there are xx; "),
        ("xxxx", "no recipe for language 'xxxx': there are xx; "),
    ],
)
def test_an_unknown_language(folder, recipe, message):
    with pytest.raises(UserError) as error:
        shipped(folder, recipe)
    assert str(error.value) == (
        f"{message}to add one, copy configs/fr.toml to configs/{recipe}.toml (CONTRIBUTING.md), "
        "or give the path of a .toml file"
    )


def test_a_missing_recipe_file(folder):
    with pytest.raises(UserError, match=r"^mine/none.toml: there is no such recipe file$"):
        shipped(folder, "mine/none.toml")


TOML = '''# a comment with [brackets] = and "quotes"
title = "a # b" # c
"quoted key" = 1
a.b.'c.d' = [1, [2,
  3], # three
  { x = 1, y.z = "}" },
]
text = """
[not.a.table]
x = 1""""
raw = \'\'\'
''\'\'\'
when = 1979-05-27 07:32:00
[table]
key = { inner = [ "]", 'it' ], other = true }
[ spaced . "out" ]
k=1
[[rows]]
n = 1
[rows.sub]
m = 2
[[rows]]
n = 3
[[rows.more]]
o = 4
'''


def test_places_of_keys():
    found = line_numbers(TOML)
    lines = {
        ("title",): 2,
        ("quoted key",): 3,
        ("a", "b", "c.d"): 4,
        ("a", "b", "c.d", 1, 0): 4,
        ("a", "b", "c.d", 1, 1): 5,
        ("a", "b", "c.d", 2, "y", "z"): 6,
        ("text",): 8,
        ("raw",): 11,
        ("when",): 13,
        ("table", "key", "inner", 1): 15,
        ("table", "key", "other"): 15,
        ("spaced", "out", "k"): 17,
        ("rows", 0): 18,
        ("rows", 0, "sub", "m"): 21,
        ("rows", 1, "n"): 23,
        ("rows", 1, "more", 0, "o"): 25,
    }
    assert {path: found[path] for path in lines} == lines
    assert set(found) == set(paths(tomllib.loads(TOML)))


def paths(value, path=()):
    if path:
        yield path
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(item, (*path, key))


KEYS = st.text("ab.é \"'#[]=", min_size=1, max_size=4)
VALUES = st.recursive(
    st.one_of(st.integers(), st.booleans(), st.text("ab\"'\\#]}\n,=", max_size=6), st.just(1979)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


def text_of(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def written(value) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return text_of(value)
        case list():
            return "[\n" + "".join(f"{written(item)}, # ]\n" for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"{text_of(k)} = {written(v)}" for k, v in value.items()) + "}"
    return str(value)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=3))
def test_every_key_of_any_document_has_its_line(document):
    text = ""
    lines = {}
    for table, entries in document.items():
        lines[(table,)] = text.count("\n") + 1
        text += f"[{text_of(table)}]\n"
        for key, value in entries.items():
            lines[(table, key)] = text.count("\n") + 1
            text += f"{text_of(key)} = {written(value)}\n"
    assert tomllib.loads(text) == document
    found = line_numbers(text)
    assert set(found) == set(paths(document))
    assert {path: found[path] for path in lines} == lines
