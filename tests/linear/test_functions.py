"""Every function that takes page text, HTML or an address takes linear time, and a bounded time a megabyte.

`tests/support/text_functions.py` lists them. Shapes are hostile ones of every kind, and near-matches of the patterns of
the function's own package. With `CORPUS_LINEAR_BYTES=10000000` all shapes are measured at 10 MB against 2.5 MB, which
takes hours.
"""

import os
import random

import pytest

from filters.pii.mask import mask
from tests.support.hostile_shapes import SEEDS, cpu_seconds, growth_fault, make_shape, pattern_seeds
from tests.support.pattern_table import compiled_patterns, module_names
from tests.support.text_functions import text_functions

SIZE = int(os.environ.get("CORPUS_LINEAR_BYTES", 64_000)) // 4  # of the small text
LARGE = max(4 * SIZE, 2_000_000)
SECONDS_PER_MB = 5.0
SLOWER = {"filters.pii": 25.0, "filters.fix_text": 15.0}  # numbering plans; ftfy
LARGE_SEEDS = {
    "one line": "ein Wort nach dem anderen ",
    "one word": "a",
    "empty lines": "\n",
    "CRLF": "\r\n",
    "marks": "\u0301\u0316",
    "zero-width": "\u200b",
    "dots and apostrophes before an at sign": ("@", "a'.'"),
    "leader dots": ".",
    "nested elements": "<div>",
    "unclosed tags": "<a b='",
}
FUNCTIONS = text_functions()
PATTERNS = compiled_patterns()


def seconds_per_mb(name: str) -> float:
    return next((seconds for prefix, seconds in SLOWER.items() if name.startswith(prefix)), SECONDS_PER_MB)


def own_seeds(name: str) -> list:
    """Near-matches of the patterns of the function's package."""
    package = name.split(",")[0].split(" ")[0].rpartition(".")[0].rpartition(".")[0]
    patterns = [pattern for place, pattern in PATTERNS.items() if place.startswith(package)]
    return [seed for pattern in patterns for seed in pattern_seeds(pattern)[:40]]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_time_is_linear_on_hostile_shapes(name):
    function = FUNCTIONS[name]
    function("warm " * 100)
    for seed in SEEDS.values():
        function(make_shape(seed, 4000))  # compiles what it needs

    def fault(seed) -> str:
        def measure(length: int) -> float:
            text = make_shape(seed, length).encode("utf-8", "replace").decode()
            return cpu_seconds(lambda: function(text))

        return growth_fault(measure, SIZE, seconds_per_mb(name))

    faults = [(seed, problem) for seed in [*SEEDS.values(), *own_seeds(name)] if (problem := fault(seed))]
    assert faults == []


@pytest.mark.parametrize("shape", LARGE_SEEDS)
def test_a_large_text_takes_a_bounded_time(shape):
    text, slow = make_shape(LARGE_SEEDS[shape], LARGE), {}
    for name, function in FUNCTIONS.items():
        function(text[:1000])
        seconds = cpu_seconds(lambda function=function: function(text))
        if seconds > seconds_per_mb(name) * LARGE / 1e6:
            slow[name] = seconds
    assert slow == {}


def test_every_module_with_patterns_is_measured():
    """A module with a pattern is reached by a function of the list: it is of the same package."""
    packages = {name.split(",")[0].rpartition(".")[0].rpartition(".")[0] for name in FUNCTIONS}
    modules = {place.rpartition(".")[0] for place in PATTERNS} & set(module_names())
    missing = {module for module in modules if not any(module.startswith(package) for package in packages if package)}
    assert missing == set()


@pytest.mark.parametrize("region", ["DE", "US"])
@pytest.mark.parametrize("form", ["+49 {}", "Tel. 0{}", "00{}", "+1 {}", "DE89 {}"])
def test_masking_takes_a_bounded_time_on_numbers_that_are_all_different(form, region):
    """A cache of known numbers helps with none of these chains of digits, each a candidate at every blank."""
    rng = random.Random(1)
    text = "  ".join(form.format(" ".join(rng.choices("0123456789", k=39))) for _ in range(300))
    assert cpu_seconds(lambda: mask(text, region=region)) <= seconds_per_mb("filters.pii") * len(text) / 1e6
