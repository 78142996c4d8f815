"""Search for a few phrases at once, whatever their case, as Wu and Manber (1994) do it."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import lowered

_PAIRS = 4096  # entries of the tables indexed by two letters, a power of two
_MAX_WINDOW = 256  # skips are bytes
_FOLDED_END = 0x20000  # codepoints with an entry in the table of lower case


class Phrases(NamedTuple):
    """Phrases to search for in lower case, each with the bits that stand for it in a result.

    A window as long as the shortest phrase slides over the text. Its last two letters say how far no phrase can start
    (`skip`); at 0, one may start with the window.
    """

    skip: np.ndarray  # (4096,) uint8, letters
    window: int  # letters of the shortest phrase
    may_start: np.ndarray  # (4096,) bool: whether a phrase may start with two letters
    letters: np.ndarray  # uint32, lower case
    first: np.ndarray  # (k + 1,) int64: letters of phrase i are first[i] to first[i + 1]
    bit: np.ndarray  # (k,) int64
    lower: np.ndarray  # lower case of a codepoint


def compile_phrases(phrases: Sequence[tuple[str, int]]) -> Phrases:
    """Tables for (phrase, bit) pairs; a phrase has at least two letters."""
    words = [np.array([ord(c) for c in phrase.lower()], np.uint32) for phrase, _ in phrases]
    window = min(_MAX_WINDOW, *map(len, words))
    skip = np.full(_PAIRS, window - 1, np.uint8)
    for word in words:
        for i in range(window - 1):
            for entry in _entries_in_any_case(int(word[i]), int(word[i + 1])):
                skip[entry] = min(skip[entry], window - 2 - i)
    may_start = np.zeros(_PAIRS, np.bool_)
    may_start[[entry for word in words for entry in _entries_in_any_case(int(word[0]), int(word[1]))]] = True
    first, bits = np.cumsum([0, *map(len, words)]), np.array([bit for _, bit in phrases])
    return Phrases(skip, window, may_start, np.concatenate(words), first, bits, lowered())


def _entries_in_any_case(first: int, second: int) -> set[int]:
    """Table entries of two lower-case letters in any case."""
    return {_pair_entry(np.uint32(a), np.uint32(b)) for a in _case_variants(first) for b in _case_variants(second)}


@functools.cache
def _case_variants(letter: int) -> list[int]:
    """All codepoints whose lower case is this letter."""
    return np.flatnonzero(lowered() == letter).tolist() if letter < len(lowered()) else [letter]


@njit(cache=True, nogil=True, inline="always")
def _pair_entry(first, second):
    """Table entry of two codepoints; ASCII letters of either case share one."""
    return np.int64(((first | np.uint32(32)) * np.uint32(61) + (second | np.uint32(32))) & np.uint32(_PAIRS - 1))


@njit(cache=True, nogil=True)
def find_phrases(points, start, end, phrases):
    """Bits of the phrases that occur in the codepoints [start, end)."""
    bits, i = 0, start + phrases.window - 1
    while i < end:
        skip = phrases.skip[_pair_entry(points[i - 1], points[i])]
        if skip == 0:
            candidate = i + 1 - phrases.window
            if phrases.may_start[_pair_entry(points[candidate], points[candidate + 1])]:
                bits |= _match_phrases(points, candidate, end, phrases)
            i += 1
        i += skip
    return bits


@njit(cache=True, nogil=True)
def _match_phrases(points, start, end, phrases):
    """Bits of the phrases that start at codepoint `start`."""
    bits = 0
    for k in range(len(phrases.bit)):
        size = phrases.first[k + 1] - phrases.first[k]
        j = 0 if start + size <= end else size + 1
        while j < size:
            point = points[start + j]
            folded = phrases.lower[point] if point < _FOLDED_END else point
            if folded != phrases.letters[phrases.first[k] + j]:
                break
            j += 1
        if j == size:
            bits |= phrases.bit[k]
    return bits
