"""User code in a recipe: which functions are named, and one line for everything that can be wrong."""

from typing import Annotated

import pytest

from pipeline.base.errors import UserError
from pipeline.config.plugins import check_plugin_settings
from pipeline.config.values import Range
from tests.support.recipe_world import load_recipe, load_text

EMOJI = '[[sidecars]]\nuse = "my_signals.py:emoji_ratio"\n'


def emoji_ratio(texts, *, threshold: Annotated[float, Range(0, 1)] = 0.5, marks: tuple[str, ...] = ()): ...


@pytest.fixture
def code(folder):
    (folder / "my_signals.py").touch()
    (folder / "mine").mkdir()
    (folder / "mine" / "readers.py").touch()
    return folder


def test_functions_and_their_settings(code):
    text = f"""language = "xx"
{EMOJI}threshold = 1
marks = ["a"]
[[selections]]
use = "my_signals.py:same_title"
name = "titles"
[[sources]]
use = "mine/readers.py:tsv"
"""
    plugins = load_text(code, text).plugins
    assert {kind: [plugin.name for plugin in group] for kind, group in plugins.items()} == {
        "sidecars": ["emoji_ratio"],
        "selections": ["titles"],
        "sources": ["tsv"],
    }
    (sidecar,), (selection,), (source,) = plugins.values()
    assert (sidecar.kind, sidecar.function) == ("sidecars", "emoji_ratio")
    assert sidecar.path.resolve() == code / "my_signals.py"
    assert sidecar.location == "my.toml:2" and sidecar.use.location == "my.toml:3"
    assert check_plugin_settings(sidecar, emoji_ratio) == {"threshold": 1.0, "marks": ("a",)}
    assert (selection.function, selection.settings) == ("same_title", {})
    assert source.path.resolve() == code / "mine" / "readers.py"


def test_a_recipe_without_user_code(folder):
    assert load_recipe(folder).plugins == {"sidecars": (), "selections": (), "sources": ()}


def test_extended_recipes_come_first_and_paths_start_at_their_own_folder(code):
    (code / "mine" / "base.toml").write_text('language = "xx"\n[[sidecars]]\nuse = "readers.py:first"\n')
    plugins = load_text(code, f'extends = "mine/base.toml"\n{EMOJI}').plugins["sidecars"]
    assert [(plugin.name, plugin.path.resolve()) for plugin in plugins] == [
        ("first", code / "mine" / "readers.py"),
        ("emoji_ratio", code / "my_signals.py"),
    ]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ("[[sidecars]]\n", 'my.toml:2: [[sidecars]] no function is named: type use = "my_file.py:my_function"'),
        (
            '[[sidecars]]\nuse = "my_signals.py"\n',
            'my.toml:3: [[sidecars]] use = "my_signals.py" names no function in a file: '
            'type use = "my_signals.py:my_function"',
        ),
        (
            '[[sidecars]]\nuse = "emoji_ratio"\n',
            'my.toml:3: [[sidecars]] use = "emoji_ratio" names no function in a file: '
            'type use = "my_file.py:my_function"',
        ),
        ("[[sidecars]]\nuse = 3\n", 'my.toml:3: [[sidecars]] use must be text in quotes, not 3; type use = "3"'),
        (
            '[[selections]]\nuse = "mine/none.py:f"\n',
            "my.toml:3: [[selections]] use: there is no file mine/none.py (looked in mine)",
        ),
        (
            f"{EMOJI}{EMOJI}",
            "my.toml:5: [[sidecars]] 'emoji_ratio' is there twice: also at my.toml:2; "
            'type name = "..." in one of them',
        ),
        (
            "[sidecars]\n",
            "my.toml:2: sidecars is a list of tables, one for each function: type [[sidecars]]",
        ),
        (
            '[sources]\npaths = ["a"]\n',
            "my.toml:2: sources is a list of tables, one for each function: type [[sources]], "
            "or [source] for input files",
        ),
        ("[[sidecar]]\n", "my.toml:2: unknown section 'sidecar': did you mean 'sidecars'?"),
    ],
)
def test_what_is_wrong_in_the_recipe(code, tables, message):
    with pytest.raises(UserError) as error:
        load_text(code, f'language = "xx"\n{tables}')
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("treshold = 1", "my.toml:4: [[sidecars]] unknown setting 'treshold': did you mean 'threshold'?"),
        ("threshold = 2", "my.toml:4: [[sidecars]] threshold = 2 is out of range: 0 to 1"),
        ('marks = "a"', 'my.toml:4: [[sidecars]] marks must be a list, not "a"; type marks = ["a"]'),
        ("zzz = 1", "my.toml:4: [[sidecars]] unknown setting 'zzz': there are marks, threshold"),
    ],
)
def test_settings_that_the_function_does_not_take(code, setting, message):
    (plugin,) = load_text(code, f'language = "xx"\n{EMOJI}{setting}\n').plugins["sidecars"]
    with pytest.raises(UserError) as error:
        check_plugin_settings(plugin, emoji_ratio)
    assert str(error.value) == message
