"""What is allowed in a recipe and probably a mistake is a warning with its place; the recipe still loads."""

import pytest

from pipeline.__main__ import main
from tests.support.recipe_world import load_recipe, load_text


def rule_with(column: str, bound: str) -> str:
    return f'language = "xx"\n[[rules.add]]\nname = "shouting"\ncolumn = "{column}"\n{bound}\n'


@pytest.mark.parametrize(
    ("column", "bound", "warning"),
    [
        ("ratio", "max = 40", "max = 40 is above anything ratio can be (0 to 1): did you mean 0.4?"),
        ("ratio", "min = 12.5", "min = 12.5 is above anything ratio can be (0 to 1): did you mean 0.125?"),
        ("ratio", "max = 400", "max = 400 is above anything ratio can be (0 to 1), so the rule drops nothing"),
        (
            "ratio",
            "min = 400",
            "min = 400 is above anything ratio can be (0 to 1), so the rule drops every document with a value",
        ),
        ("ratio", "min = -1", "min = -1 is below anything ratio can be (0 to 1), so the rule drops nothing"),
        (
            "word_count",
            "max = -1",
            "max = -1 is below anything word_count can be (at least 0), so the rule drops every document with a value",
        ),
    ],
)
def test_a_bound_outside_the_range_of_its_column(folder, column, bound, warning):
    config = load_text(folder, rule_with(column, bound))
    assert config.warnings == (f"my.toml:5: rule 'shouting': {warning}",)
    assert len(config.rules) == 1


@pytest.mark.parametrize(
    ("column", "bound"),
    [("ratio", "max = 1"), ("ratio", "min = 0"), ("word_count", "max = 1e9"), ("quality", "min = -5\n[quality]")],
)
def test_a_bound_in_the_range_or_of_an_undeclared_column(folder, column, bound):
    assert load_text(folder, rule_with(column, bound)).warnings == ()


def test_a_bound_changed_in_the_recipe_is_at_the_change(folder):
    text = 'language = "xx"\n[rules]\npresets = ["local"]\n[rules.set]\nown = 50\n'
    warning = "rule 'own': max = 50 is above anything ratio can be (0 to 1): did you mean 0.5?"
    assert load_text(folder, text).warnings == (f"my.toml:5: {warning}",)
    assert load_text(folder, text, {"rules.set.own": "0.5"}).warnings == ()
    assert load_recipe(folder, overrides={"rules.presets": '["local"]', "rules.set.own": "50"}).warnings == (
        f"--set rules.set.own: {warning}",
    )


@pytest.mark.parametrize(
    ("text", "overrides", "warning"),
    [
        (
            'extends = "xx"\nlanguage = "yy"\n',
            {},
            'my.toml:2: language "yy" extends the recipe of "xx", whose word lists, reference texts and rules were '
            'chosen for "xx": type extends = "yy"',
        ),
        (
            'extends = "xx"\nlanguage = "zz"\n',
            {},
            'my.toml:2: language "zz" extends the recipe of "xx", whose word lists, reference texts and rules were '
            'chosen for "xx": type extends = "any"',
        ),
        (
            'language = "xx"\n',
            {"language": "yy"},
            '--set language: language "yy" changes the recipe of "xx", whose word lists, reference texts and rules '
            'were chosen for "xx": type yy as the recipe',
        ),
    ],
)
def test_a_recipe_that_extends_another_language(folder, text, overrides, warning):
    (folder / "configs" / "yy.toml").write_text('language = "yy"\n')
    config = load_text(folder, text, overrides)
    assert config.warnings == (warning,)
    assert config.language == warning.partition('language "')[2][:2]


@pytest.mark.parametrize("text", ['extends = "xx"\nlanguage = "xx"\n', 'extends = "any"\nlanguage = "yy"\n'])
def test_a_recipe_that_extends_its_own_language_or_every_language(folder, text):
    (folder / "configs" / "any.toml").write_text('language = "any"\n')
    assert load_text(folder, text).warnings == ()


def test_commands_print_warnings_to_stderr_and_go_on(tmp_path, capsys):
    path = tmp_path / "my.toml"
    path.write_text('extends = "de"\nlanguage = "fr"\n')
    for command in (["plan", str(path), "--root", str(tmp_path / "root")], ["settings", "near", "--recipe", str(path)]):
        assert main(command) == 0
        answer, log = capsys.readouterr()
        assert " WARNING " in log and 'my.toml:2: language "fr" extends the recipe of "de"' in log
        assert answer and "warning" not in answer
