"""What every language identifier shares: the guess it makes, and how much of a text it reads."""

from typing import NamedTuple, Protocol


class Guess(NamedTuple):
    """A text's language. `und` with score 0 is a text without letters."""

    language: str  # ISO 639-1 where there is one, else 639-3; zxx is no language (numbers, code)
    script: str  # ISO 15924, counted
    score: float  # 0..1
    second: str | None = None
    second_score: float | None = None


class Identifier(Protocol):
    """What every backend offers. The guess for a text depends on that text alone; none raises on any text."""

    def identify(self, texts: list[str]) -> list[Guess]: ...


UNKNOWN = Guess("und", "Zyyy", 0.0)


def sample(text: str, size: int = 1000) -> str:
    """At most three pieces of `size` characters, a line each: the beginning, the middle and the end of a long text.

    More changes no label of the real pages at hand, and takes longer (`tests/bench/language.py`).
    """
    if len(text) <= 3 * size + 2:
        return text
    middle = (len(text) - size) // 2
    return "\n".join((text[:size], text[middle : middle + size], text[-size:]))


def best_two(found: dict[str, float], script: str) -> Guess:
    """The two best of `found` (language to score); ties by name."""
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    second, second_score = ranked[1] if len(ranked) > 1 else (None, None)
    return Guess(ranked[0][0], script, ranked[0][1], second, second_score)
