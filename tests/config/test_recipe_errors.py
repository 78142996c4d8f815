"""Everything that can be wrong in a recipe is one line: the place, what is wrong, what to type."""

import pytest

from pipeline.base.errors import UserError
from tests.support.recipe_world import load_recipe, load_text

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
        ADD + 'name = "a"\ncolumn = "zzz"\nmin = 3\n',
        "my.toml:2: [[rules.add]] rule 'a': unknown column 'zzz': there are [pages] date, host; "
        "[signals] ratio, stop_word_count, word_count; [flags] flag",
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
    # depth
    (
        'language = "xx"\na = ' + "[" * 5000 + "]" * 5000 + "\n",
        "my.toml:2: values are nested more than 20 deep; no setting needs that",
    ),
    (
        'language = "xx"\n[near]\na = ' + "[" * 5000,
        "my.toml:3: values are nested more than 20 deep; no setting needs that",
    ),
    (
        'language = "xx"\n' + "a = {" * 5000 + "b = 1" + "}" * 5000 + "\n",
        "my.toml:2: values are nested more than 20 deep; no setting needs that",
    ),
    (
        'language = "xx"\na' + ".a" * 5000 + " = 1\n",
        "my.toml:2: values are nested more than 20 deep; no setting needs that",
    ),
    (
        'language = "xx"\n[a' + ".a" * 5000 + "]\n",
        "my.toml:2: values are nested more than 20 deep; no setting needs that",
    ),
    (
        'language = "xx"\na = [\n' + "[" * 300 + "\n" + "]" * 300 + "]\n",
        "my.toml:3: values are nested more than 20 deep; no setting needs that",
    ),
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
        load_text(folder, text)
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
        load_recipe(folder, overrides=overrides)
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
        load_recipe(folder, recipe)
    assert str(error.value) == (
        f"{message}to add one, copy configs/fr.toml to configs/{recipe}.toml (CONTRIBUTING.md), "
        "or give the path of a .toml file"
    )


def test_a_missing_recipe_file(folder):
    with pytest.raises(UserError, match=r"^mine/none.toml: there is no such recipe file$"):
        load_recipe(folder, "mine/none.toml")
