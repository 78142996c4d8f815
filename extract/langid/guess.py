"""What every language identifier shares: the guess it makes, and how much of a text it reads."""

from typing import NamedTuple, Protocol

SAMPLE_CHARACTERS = 1000  # of each of the three pieces of a text that are read


class Guess(NamedTuple):
    """The language of a text. `und` with score 0 is a text without letters."""

    language: str  # ISO 639-1 if there is such a code, else 639-3; zxx is no language (numbers, code)
    script: str  # ISO 15924, counted
    score: float  # 0 to 1
    second: str | None = None
    second_score: float | None = None


class Identifier(Protocol):
    """A backend of language identification. The guess for a text depends on that text alone; no text makes it raise."""

    def identify(self, texts: list[str]) -> list[Guess]: ...


UNKNOWN = Guess("und", "Zyyy", 0.0)


def sample_text(text: str, size: int = SAMPLE_CHARACTERS) -> str:
    """At most three pieces of `size` characters, one per line: the beginning, the middle and the end of a long text.

    Reading more changes no label of the real pages at hand and takes longer (`tests/bench/language.py`).
    """
    if len(text) <= 3 * size + 2:
        return text
    middle = (len(text) - size) // 2
    return "\n".join((text[:size], text[middle : middle + size], text[-size:]))


def best_two(scores: dict[str, float], script: str) -> Guess:
    """The guess with the two best of `scores` (language to score); ties are broken by name."""
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    second, second_score = ranked[1] if len(ranked) > 1 else (None, None)
    return Guess(ranked[0][0], script, ranked[0][1], second, second_score)
