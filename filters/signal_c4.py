"""C4's rules for lines (Raffel et al. 2020, section 2.2; tensorflow_datasets c4_utils), on codepoints of a document."""

from typing import NamedTuple

import numpy as np
from numba import njit

from filters.signal_classes import BREAK, DIGIT, SPACE
from filters.signal_repeats import strip
from filters.signal_words import ALL_PUNCT, ENDS_SENTENCE
from pipeline.tokens import lowered

KEPT, TOO_LONG_WORD, NO_TERMINAL, TOO_FEW_WORDS, JAVASCRIPT, POLICY = range(6)  # what becomes of a line
RULES = ("kept", "max_word_length", "terminal_punctuation", "min_words_per_line", "javascript", "policy")
POLICIES = (
    # tensorflow_datasets c4_utils
    *("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"),
    # the same in German
    *("nutzungsbedingungen", "datenschutzerklärung", "cookie-richtlinie", "cookie richtlinie", "verwendet cookies"),
    *("verwenden cookies", "verwendung von cookies", "nutzt cookies", "nutzen cookies", "einsatz von cookies"),
)
_LOREM, _SCRIPT, _POLICY, _CURLY, _CITED = 1, 2, 4, 8, 16  # what a line has in it, as bits
_PAIRS = 4096


class Phrases(NamedTuple):
    """Phrases to look for, whatever their case: `pair` says by two letters where to look."""

    pair: np.ndarray  # (4096,) bool
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
    pair = np.zeros(_PAIRS, np.bool_)
    for word in words:
        pair[(int(word[0]) * 61 + int(word[1])) % _PAIRS] = True
    first = np.cumsum([0, *map(len, words)])
    return Phrases(pair, np.concatenate(words), first, np.array([bit for _, bit in listed]), lowered())


@njit(cache=True, nogil=True, inline="always")
def line_end(points, kinds, i, n):
    """End of the line at i and start of the next, as str.splitlines has them."""
    while i < n and not kinds[i] & BREAK:
        i += 1
    return i, i + 2 if i + 1 < n and points[i] == 0x0D and points[i + 1] == 0x0A else i + 1


@njit(cache=True, nogil=True)
def judge(points, kinds, a, b, rules, found):
    """What becomes of the stripped line [a, b): (one of RULES, lorem ipsum, curly bracket).

    As in the reference, a line that goes for its words, its end or `javascript` brings no page down.
    """
    words, longest, has = _facts(points, kinds, a, b, found)
    if rules.max_word_length >= 0 and longest > rules.max_word_length:
        return TOO_LONG_WORD, False, False
    if rules.terminal_punctuation and not _ends_well(points, kinds, a, b, rules.citations and has & _CITED):
        return NO_TERMINAL, False, False
    if words < rules.min_words:
        return TOO_FEW_WORDS, False, False
    if has & _SCRIPT:
        return JAVASCRIPT, has & _LOREM != 0, False
    return (POLICY if has & _POLICY else KEPT), has & _LOREM != 0, has & _CURLY != 0


@njit(cache=True, nogil=True)
def _facts(points, kinds, a, b, found):
    """(words, longest, bits): runs of non-space in [a, b), characters in the longest, and what is in the line."""
    words = longest = has = run = 0
    previous = np.uint32(0)
    for i in range(a, b):
        if kinds[i] & SPACE:
            words, longest, run = words + (run > 0), max(longest, run), 0
        else:
            run += 1
        point = points[i]
        if point == 0x7B:
            has |= _CURLY
        elif point == 0x5B:
            has |= _CITED
        letter = found.lower[point] if point < 0x20000 else point
        if found.pair[(previous * np.uint32(61) + letter) & np.uint32(4095)] and i > a:
            has |= _look(points, i - 1, b, found)
        previous = letter
    return words + (run > 0), max(longest, run), has


@njit(cache=True, nogil=True)
def _look(points, i, b, found):
    """Bits of the phrases that start at i."""
    has = 0
    for k in range(len(found.bit)):
        size = found.first[k + 1] - found.first[k]
        j = 0 if i + size <= b else size + 1
        while j < size:
            point = points[i + j]
            if (found.lower[point] if point < 0x20000 else point) != found.letters[found.first[k] + j]:
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
def _ends_well(points, kinds, a, b, cited):
    """Whether [a, b) ends with one of . ? ! " ' and not with three dots, its citations apart."""
    tail = np.zeros(3, np.uint32)  # the last three codepoints
    if cited:
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
def page(points, kinds, n, tokens, t, rules, found):
    """What C4 sees in a document of `n` codepoints and `t` tokens.

    Returns (sentences of the lines that stay, lines that stay, lines that are not blank, lorem ipsum, curly bracket).
    """
    sentences = kept = solid = i = token = 0
    lorem = curly = False
    while i < n:
        end, after = line_end(points, kinds, i, n)
        a, b = strip(kinds, i, end)
        solid += b > a
        verdict, has_lorem, has_curly = judge(points, kinds, a, b, rules, found)
        lorem, curly = lorem or has_lorem, curly or has_curly
        while token < t and tokens.start[token] < a:
            token += 1
        if verdict == KEPT and b > a:
            kept += 1
            sentences += _sentences(points, kinds, b, tokens, token, t, rules.citations)
        i = after
    return sentences, kept, solid, lorem, curly


@njit(cache=True, nogil=True)
def _sentences(points, kinds, b, tokens, token, t, citations):
    """Sentences among the tokens from `token` to position b: a new one starts with a word behind a terminal mark."""
    count, ended, clear = 0, False, 0
    while token < t and tokens.start[token] < b:
        start, kind = tokens.start[token], tokens.kind[token]
        token += 1
        if citations and start >= clear:
            clear = max(clear, citation(points, kinds, start, b))
        if start < clear:
            continue
        if kind & ENDS_SENTENCE:
            ended = True
        elif ended and not kind & ALL_PUNCT:
            count, ended = count + 1, False
        count = max(count, 1)
    return count
