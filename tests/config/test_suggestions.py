"""Guesses at misspelt names."""

import pytest

from pipeline.base.suggestions import nearest_name, unknown_name, unknown_name_in_groups

POLICIES = ("oldest", "newest", "longest", "best:<column>")


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("oldst", "oldest"),
        ("bestt", "best:<column>"),
        ("best", "best:<column>"),
        ("bestt:quality", "best:<column>"),
        ("long", "longest"),
        ("xyz", ""),
    ],
)
def test_a_name_with_a_placeholder_is_compared_by_its_start(name, guess):
    assert nearest_name(name, POLICIES) == guess


def test_messages_name_the_guess_or_the_list():
    assert unknown_name("policy", "bestt", POLICIES) == "unknown policy 'bestt': did you mean 'best:<column>'?"
    assert unknown_name("kind", "xyz", ["b", "a"]) == "unknown kind 'xyz': there are a, b"
    assert unknown_name("kind", "xyz", ["a"]) == "unknown kind 'xyz': there is a"
    assert unknown_name("kind", "xyz", []) == "unknown kind 'xyz': there are none"


def test_lists_of_many_names_are_grouped():
    groups = {"pages": ["host", "url"], "signals": ["ratio"], "quality": []}
    assert (
        unknown_name_in_groups("column", "zzz", groups)
        == "unknown column 'zzz': there are [pages] host, url; [signals] ratio"
    )
    assert unknown_name_in_groups("column", "ratios", groups) == "unknown column 'ratios': did you mean 'ratio'?"
