"""C4's rules for lines (Raffel et al. 2020, section 2.2; tensorflow_datasets c4_utils), on codepoints of a document."""

import functools
from typing import NamedTuple

import numpy as np

from filters.signals.character_classes import DIGIT, SPACE, place
from filters.signals.words import ALL_PUNCT, ENDS_SENTENCE, tokenize
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import lowered

KEPT, TOO_LONG_WORD, NO_TERMINAL, TOO_FEW_WORDS, JAVASCRIPT, POLICY = range(6)  # what becomes of a line
RULES = ("kept", "max_word_length", "terminal_punctuation", "min_words_per_line", "javascript", "policy")
POLICIES = (
    # tensorflow_datasets c4_utils
    *("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"),
    # the same in German
    *("nutzungsbedingungen", "datenschutzerklärung", "cookie-richtlinie", "cookie richtlinie", "verwendet cookies"),
    *("verwenden cookies", "verwendung von cookies", "nutzt cookies", "nutzen cookies", "einsatz von cookies"),
)
_LOREM, _SCRIPT, _POLICY = 1, 2, 4  # phrases in a line, as bits
CURLY, _SQUARE = 0x7B, 0x5B
_PAIRS = 4096


class Phrases(NamedTuple):
    """Phrases to look for, whatever their case (Wu and Manber 1994): the two letters at the end of a window as long as
    the shortest phrase say how far no phrase can start; at 0 one may start with the window."""

    skip: np.ndarray  # (4096,) uint8
    window: int  # letters of the shortest phrase
    opens: np.ndarray  # (4096,) bool: whether a phrase may start with two letters
    letters: np.ndarray  # uint32, lower case
    first: np.ndarray  # (k + 1,) int64: letters of phrase i are first[i] to first[i + 1]
    bit: np.ndarray  # (k,) int64
    lower: np.ndarray  # lower case of a codepoint


class LineRules(NamedTuple):
    """Settings of the line rules; a number of -1 switches its rule off."""

    terminal_punctuation: bool
    min_words: int
    max_word_length: int
    citations: bool


def phrases(javascript: bool, policies: tuple[str, ...]) -> Phrases:
    """What the kernels look for: lorem ipsum always, the rest as asked. Phrases have two letters at least."""
    listed = [("lorem ipsum", _LOREM)] + [("javascript", _SCRIPT)] * javascript + [(p, _POLICY) for p in policies]
    words = [np.array([ord(c) for c in text.lower()], np.uint32) for text, _ in listed]
    window = min(256, *map(len, words))
    skip = np.full(_PAIRS, window - 1, np.uint8)
    for word in words:
        for i in range(window - 1):
            for pair in _pairs(int(word[i]), int(word[i + 1])):
                skip[pair] = min(skip[pair], window - 2 - i)
    opens = np.zeros(_PAIRS, np.bool_)
    opens[[pair for word in words for pair in _pairs(int(word[0]), int(word[1]))]] = True
    first = np.cumsum([0, *map(len, words)])
    return Phrases(skip, window, opens, np.concatenate(words), first, np.array([bit for _, bit in listed]), lowered())


def _pairs(one: int, two: int) -> set[int]:
    """Places in the table of skips that two lower-case letters have in any case."""
    return {_pair(np.uint32(a), np.uint32(b)) for a in _cased(one) for b in _cased(two)}


@functools.cache
def _cased(letter: int) -> list[int]:
    """A lower-case letter in any case."""
    return np.flatnonzero(lowered() == letter).tolist() if letter < len(lowered()) else [letter]


@njit(cache=True, nogil=True, inline="always")
def _pair(one, two):
    """Place of two codepoints in the table of skips; ASCII letters of either case have one."""
    return np.int64(((one | np.uint32(32)) * np.uint32(61) + (two | np.uint32(32))) & np.uint32(_PAIRS - 1))


@njit(cache=True, nogil=True)
def judge(points, kinds, a, b, curly, rules, found):
    """What becomes of the stripped line [a, b): (one of RULES, lorem ipsum, curly bracket).

    `curly`: whether the page has a curly bracket at all. As in the reference, a line that goes for its words, its end
    or `javascript` brings no page down.
    """
    if 0 <= rules.max_word_length < b - a and _longest(kinds, a, b) > rules.max_word_length:
        return TOO_LONG_WORD, False, False
    if rules.terminal_punctuation and not _ends_well(points, kinds, a, b, rules.citations):
        return NO_TERMINAL, False, False
    if not _has_words(kinds, a, b, rules.min_words):
        return TOO_FEW_WORDS, False, False
    has = _find(points, a, b, found)
    if has & _SCRIPT:
        return JAVASCRIPT, has & _LOREM != 0, False
    return (POLICY if has & _POLICY else KEPT), has & _LOREM != 0, curly and holds(points, a, b, CURLY)


@njit(cache=True, nogil=True)
def _has_words(kinds, a, b, wanted):
    """Whether [a, b) has that many runs of non-space."""
    words, before = 0, True
    for i in range(a, b):
        if words >= wanted:
            break
        space = kinds[i] & SPACE != 0
        words += before and not space
        before = space
    return words >= wanted


@njit(cache=True, nogil=True)
def _longest(kinds, a, b):
    """Characters of the longest run of non-space in [a, b)."""
    longest = run = 0
    for i in range(a, b):
        run = 0 if kinds[i] & SPACE else run + 1
        longest = max(longest, run)
    return longest


@njit(cache=True, nogil=True)
def holds(points, a, b, wanted):
    """Whether the codepoint is in [a, b); looks at all of them, which the compiler does many at a time."""
    found = False
    for i in range(a, b):
        found |= points[i] == np.uint32(wanted)
    return found


@njit(cache=True, nogil=True)
def _find(points, a, b, found):
    """Bits of the phrases in [a, b)."""
    has, i = 0, a + found.window - 1
    while i < b:
        skip = found.skip[_pair(points[i - 1], points[i])]
        if skip == 0:
            start = i + 1 - found.window
            if found.opens[_pair(points[start], points[start + 1])]:
                has |= _look(points, start, b, found)
            i += 1
        i += skip
    return has


@njit(cache=True, nogil=True, inline="always")
def _lower(point, found):
    return found.lower[point] if point < 0x20000 else point


@njit(cache=True, nogil=True)
def _look(points, i, b, found):
    """Bits of the phrases that start at i."""
    has = 0
    for k in range(len(found.bit)):
        size = found.first[k + 1] - found.first[k]
        j = 0 if i + size <= b else size + 1
        while j < size:
            if _lower(points[i + j], found) != found.letters[found.first[k] + j]:
                break
            j += 1
        if j == size:
            has |= found.bit[k]
    return has


@njit(cache=True, nogil=True)
def citation(points, kinds, i, b):
    """End of the citation `[12]`, `[]`, `[edit]` or `[citation needed]` at i; i when there is none."""
    if points[i] != 0x5B:
        return i
    j = i + 1
    while j < b and kinds[j] & DIGIT:
        j += 1
    if j < b and points[j] == 0x5D:
        return j + 1
    for mark in ("[edit]", "[citation needed]"):
        j = 0
        while j < len(mark) and i + j < b and points[i + j] == ord(mark[j]):
            j += 1
        if j == len(mark):
            return i + j
    return i


@njit(cache=True, nogil=True)
def without_citations(points, kinds, a, b, out, at):
    """Copy [a, b) without its citations to out[at:]; returns the end."""
    while a < b:
        stop = citation(points, kinds, a, b)
        if stop == a:
            out[at] = points[a]
            at, stop = at + 1, a + 1
        a = stop
    return at


@njit(cache=True, nogil=True)
def _ends_well(points, kinds, a, b, citations):
    """Whether [a, b) ends with one of . ? ! " ' and not with three dots, its citations apart."""
    tail = np.zeros(3, np.uint32)  # the last three codepoints
    if citations and b > a and holds(points, a, b, _SQUARE):
        while a < b:
            stop = citation(points, kinds, a, b)
            if stop == a:
                tail[0], tail[1], tail[2] = tail[1], tail[2], points[a]
                stop = a + 1
            a = stop
    else:
        for i in range(max(a, b - 3), b):
            tail[0], tail[1], tail[2] = tail[1], tail[2], points[i]
    last = tail[2]
    dots = tail[0] == 0x2E and tail[1] == 0x2E and last == 0x2E
    return not dots and (last == 0x2E or last == 0x3F or last == 0x21 or last == 0x22 or last == 0x27)


@njit(cache=True, nogil=True)
def page(points, kinds, n, lines, count, tokens, t, rules, found, split, bits, spare):
    """What C4 sees in a document of `n` codepoints, `count` lines (as str.splitlines cuts) and `t` tokens.

    `spare`: room for one line (codepoints, class bits, tokens). Returns (sentences of the lines that stay, lines that
    stay, lines that are not blank, lorem ipsum, curly bracket).
    """
    sentences = kept = solid = token = 0
    lorem = curly = False
    square, braces = rules.citations and holds(points, 0, n, _SQUARE), holds(points, 0, n, CURLY)
    for k in range(count):
        a, b = lines.first[k], lines.last[k]
        verdict, has_lorem, has_curly = judge(points, kinds, a, b, braces, rules, found)
        solid, lorem, curly = solid + (b > a), lorem or has_lorem, curly or has_curly
        while token < t and tokens.start[token] < a:
            token += 1
        if verdict == KEPT and b > a:
            kept += 1
            if square and holds(points, a, b, _SQUARE):
                sentences += _uncited(points, kinds, a, b, split, bits, spare)
            else:
                sentences += _sentences(tokens, token, t, b)
    return sentences, kept, solid, lorem, curly


@njit(cache=True, nogil=True)
def _uncited(points, kinds, a, b, split, bits, spare):
    """Sentences of the line [a, b) without its citations, which may have stuck to words: tokenized anew."""
    bare, classes, tokens = spare
    n = without_citations(points, kinds, a, b, bare, 0)
    for i in range(n):
        classes[i] = bits[place(bare[i])]
    classes[n] = bits[0x20]
    t, _ = tokenize(bare, classes, n, split, tokens)
    return _sentences(tokens, 0, t, n)


@njit(cache=True, nogil=True)
def _sentences(tokens, token, t, b):
    """Sentences among the tokens from `token` to position b: a new one starts with a word behind a terminal mark."""
    count, ended = 0, False
    while token < t and tokens.start[token] < b:
        kind = tokens.kind[token]
        if kind & ENDS_SENTENCE:
            ended = True
        elif ended and not kind & ALL_PUNCT:
            count, ended = count + 1, False
        count, token = max(count, 1), token + 1
    return count
