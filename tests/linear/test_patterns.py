"""Every regular expression that reads page text takes linear time, or reads a bounded piece.

Shapes are those of `tests/support/hostile_shapes.py`, and near-matches made from each pattern itself.
"""

import re

import pytest

from tests.support.hostile_shapes import SEEDS, cpu_seconds, growth_fault, make_shape, pattern_seeds
from tests.support.pattern_table import EXCEPTIONS, Use, compiled_patterns, inline_patterns, use_of

SIZE = 16_000  # characters of the small text; the large one has four times as many
SECONDS_PER_MB = 10.0
COMPILED, INLINE = compiled_patterns(), inline_patterns()


def fault(pattern: re.Pattern, use: Use, seeds: list | None = None, size: int = SIZE) -> str:
    """The first shape on which a pattern takes too long, and how long; "" if there is none."""
    size = max(1, use.max_length // 4) if use.max_length else size
    for seed in seeds or [*SEEDS.values(), *pattern_seeds(pattern)]:

        def measure(length: int, seed=seed) -> float:
            text: str | bytes = make_shape(seed, length) + "!"  # so that no shape ends as a pattern may ask for
            text = text.encode("utf-8", "replace") if isinstance(pattern.pattern, bytes) else text  # type: ignore[union-attr]
            if use.method == "finditer":
                return cpu_seconds(lambda: sum(1 for _ in pattern.finditer(text)))
            return cpu_seconds(lambda: getattr(pattern, use.method)(text))

        if problem := growth_fault(measure, size, SECONDS_PER_MB):
            return f"{seed!r}: {problem}"
    return ""


@pytest.mark.parametrize("name", COMPILED)
def test_a_compiled_pattern_takes_linear_time(name):
    assert fault(COMPILED[name], use_of(name)) == ""


@pytest.mark.parametrize("name", INLINE)
def test_an_inline_pattern_takes_linear_time(name):
    pattern, method = INLINE[name]
    assert fault(pattern, Use(method)) == ""


def test_the_table_names_patterns_that_exist():
    assert EXCEPTIONS.keys() - COMPILED.keys() == set()
    assert len(COMPILED) > 90 and len(INLINE) > 15


@pytest.mark.parametrize(
    "pattern",
    [r"x(?:[.']+[a-z]+)*@", r"\s*x", r"<a[^<>]*?\sb=c[^<>]*>d", r"a.*b.*c", r"/+$", r"<!--.*?-->", r"\w+:"],
)
def test_a_pattern_that_backtracks_is_noticed(pattern):
    compiled = re.compile(pattern)
    assert any(fault(compiled, Use(), [seed], 6000) for seed in [*pattern_seeds(compiled), *SEEDS.values()])
