"""Words and punctuation tokens of one document, in one scan: what the word counts and the n-grams rest on.

Words are what stands between white space, with punctuation split off as spaCy's tokenizer does it for most languages
(which datatrove's filters use): brackets, quotes and marks at both ends, runs of dots, hyphens between letters, English
contractions (`do|n't`, `it|'s`) and Romance elisions (`l'|homme`). The same for every language but for `Split`. In
scripts without spaces every character is a word.
"""

from typing import NamedTuple

import numpy as np

from filters.signals.character_classes import (
    AFTER_DIGIT,
    ALPHA,
    DIGIT,
    HYPHEN,
    ICON,
    PREFIX,
    PUNCT,
    SINGLE,
    SPACE,
    SPECIAL,
    SUFFIX,
    SYMBOL,
    TERMINAL,
    UPPER,
)
from pipeline.kernels.njit import njit

HAS_ALPHA, ALL_SYMBOL, ALL_PUNCT, ENDS_SENTENCE = 1, 2, 4, 8  # what a token is, as bits
BASE = 0x9E3779B97F4A7C15  # a token's hash is the polynomial of its codepoints in this, modulo 2^64
_DOT, _APOSTROPHE, _CURLY = 0x2E, 0x27, 0x2019


class Split(NamedTuple):
    """What languages differ in."""

    hyphens: bool = True  # `E-Mail` is three tokens (English, French, Slavic) or one (German, Nordic, Spanish)
    ordinals: bool = True  # `12.` is two tokens or one (German, Danish, Turkish)


class Tokens(NamedTuple):
    """Room for the tokens of one document; positions are codepoints from its start."""

    hash: np.ndarray  # (m,) uint64, of the codepoints as they stand
    start: np.ndarray  # (m,) int32
    length: np.ndarray  # (m,) int32
    kind: np.ndarray  # (m,) uint8


@njit(cache=True, nogil=True)
def tokenize(points, kinds, n, split, tokens):
    """Fill `tokens` from the `n` codepoints of a document; returns (tokens, longest run of non-space).

    `kinds[n]` must be SPACE (`signal_classes.spell` leaves it so). Most words are letters up to a blank, or with one
    mark behind: these are hashed while their end is looked for.
    """
    t, longest, i = 0, 0, 0
    while i < n:
        first, h, any_of, all_of, kind = i, np.uint64(0), np.uint16(0), np.uint16(0xFFFF), kinds[i]
        while not kind & SPECIAL:
            h = h * np.uint64(BASE) + np.uint64(points[i])
            any_of |= kind
            all_of &= kind
            i += 1
            kind = kinds[i]
        if kind & SPACE:
            if i > first:
                tokens.hash[t], tokens.start[t], tokens.length[t] = h, first, i - first
                tokens.kind[t] = _kind(any_of, all_of, i - first)
                t, longest = t + 1, max(longest, i - first)
            i += 1
        elif i - first > 1 and kinds[i + 1] & SPACE and _falls_off(kind, points[i], kinds[i - 1]):
            tokens.hash[t], tokens.start[t], tokens.length[t] = h, first, i - first
            tokens.hash[t + 1], tokens.start[t + 1], tokens.length[t + 1] = points[i], i, 1
            tokens.kind[t], tokens.kind[t + 1] = _kind(any_of, all_of, i - first), _kind(kind, kind, 1)
            t, longest, i = t + 2, max(longest, i + 1 - first), i + 2
        else:
            while not kinds[i] & SPACE:
                i += 1
            t = _chunk(points, kinds, first, i, split, tokens, t)
            longest = max(longest, i - first)
    return t, longest


@njit(cache=True, nogil=True, inline="always")
def _falls_off(kind, point, before):
    """Whether a mark behind two plain characters or more is a token of its own."""
    return kind & SUFFIX or (point == _DOT and before & (ALPHA | UPPER) == ALPHA)


@njit(cache=True, nogil=True, inline="always")
def _kind(any_of, all_of, length):
    """What a token is, by the class bits that any and that all of its codepoints have."""
    return (
        HAS_ALPHA * (any_of & ALPHA != 0)
        | ALL_SYMBOL * (all_of & SYMBOL != 0)
        | ALL_PUNCT * (all_of & PUNCT != 0)
        | ENDS_SENTENCE * (length == 1 and all_of & TERMINAL != 0)
    )


@njit(cache=True, nogil=True)
def _emit(points, kinds, a, b, tokens, t):
    """Append the token [a, b); an empty one is none."""
    if a >= b:
        return t
    h, any_of, all_of = np.uint64(0), np.uint16(0), np.uint16(0xFFFF)
    for i in range(a, b):
        h = h * np.uint64(BASE) + np.uint64(points[i])
        any_of |= kinds[i]
        all_of &= kinds[i]
    tokens.hash[t], tokens.start[t], tokens.length[t], tokens.kind[t] = h, a, b - a, _kind(any_of, all_of, b - a)
    return t + 1


@njit(cache=True, nogil=True)
def _chunk(points, kinds, a, b, split, tokens, t):
    """Append the tokens of a run of non-space [a, b): front, core, tail."""
    a, t = _front(points, kinds, a, b, tokens, t)
    end = _tail(points, kinds, a, b, split)
    if _is_address(points, a, end):
        t = _emit(points, kinds, a, end, tokens, t)
    else:
        t = _core(points, kinds, a, end, split, tokens, t)
    while end < b:
        stop = _dots(points, end, b)
        stop = max(stop, end + 1)
        t = _emit(points, kinds, end, stop, tokens, t)
        end = stop
    return t


@njit(cache=True, nogil=True, inline="always")
def _dots(points, i, b):
    """End of the run of dots at i."""
    while i < b and points[i] == _DOT:
        i += 1
    return i


@njit(cache=True, nogil=True)
def _front(points, kinds, a, b, tokens, t):
    """Append the tokens that come off the front of [a, b); returns where the core starts."""
    while a < b:
        stop = _dots(points, a, b)
        if stop - a < 2:
            if not kinds[a] & PREFIX or (points[a] == 0x2B and a + 1 < b and kinds[a + 1] & DIGIT):  # +49
                break
            stop = a + 1
        t = _emit(points, kinds, a, stop, tokens, t)
        a = stop
    return a, t


@njit(cache=True, nogil=True)
def _tail(points, kinds, a, b, split):
    """Where the core of [a, b) ends: what is behind comes off token by token."""
    while b > a:
        kind, before = kinds[b - 1], kinds[b - 2] if b - 2 >= a else np.uint16(0)
        if points[b - 1] == _DOT:
            run = b
            while run > a and points[run - 1] == _DOT:
                run -= 1
            if b - run == 1 and not _ends(points, kinds, a, run, split):
                break
            b = run
        elif kind & SUFFIX or (kind & AFTER_DIGIT and before & DIGIT):
            b -= 1
        else:
            break
    return b


@njit(cache=True, nogil=True)
def _ends(points, kinds, a, dot, split):
    """Whether the single dot at `dot` ends the word [a, dot) rather than abbreviates it (z. z.B. A. U.S.)."""
    if dot == a:
        return False
    before = kinds[dot - 1]
    if before & ALPHA:
        if dot - a == 1 or points[dot - 2] == _DOT:
            return False
        return not before & UPPER or kinds[dot - 2] & UPPER != 0
    if before & DIGIT:
        return split.ordinals
    return before & SUFFIX != 0 or points[dot - 1] in (0x25, 0xB2, 0x2B, 0x2D)


@njit(cache=True, nogil=True)
def _is_address(points, a, b):
    """Whether [a, b) starts with `www.` or has `://` in it: kept whole."""
    if b - a > 4 and points[a] == 0x77 and points[a + 1] == 0x77 and points[a + 2] == 0x77 and points[a + 3] == _DOT:
        return True
    for i in range(a, b - 2):  # noqa: SIM110 - numba has no generators
        if points[i] == 0x3A and points[i + 1] == 0x2F and points[i + 2] == 0x2F:
            return True
    return False


@njit(cache=True, nogil=True)
def _core(points, kinds, a, b, split, tokens, t):
    """Append the tokens of [a, b), split at the marks inside it."""
    start, i = a, a
    while i < b:
        if not kinds[i] & SPECIAL:
            i += 1
            continue
        cut, stop = _cut(points, kinds, a, b, start, i, split)
        if cut >= 0:
            t = _emit(points, kinds, start, cut, tokens, t)
            start = cut
            if stop > cut:
                t = _emit(points, kinds, cut, stop, tokens, t)
                start = stop
        i = max(i + 1, start)
    return _emit(points, kinds, start, b, tokens, t)


@njit(cache=True, nogil=True)
def _cut(points, kinds, a, b, start, i, split):
    """What the mark at i does to [a, b), whose token began at `start`: (cut, stop), the text [cut, stop) is a token.

    An empty one (stop = cut) only cuts; cut = -1 does nothing.
    """
    kind, point = kinds[i], points[i]
    if kind & (SINGLE | ICON):
        return i, i + 1
    if i == a or i + 1 >= b:
        return (i, i + 1) if kind & SUFFIX and i > a and kinds[i - 1] & SINGLE else (-1, -1)
    before, behind = kinds[i - 1], kinds[i + 1]
    if kind & SUFFIX and (before | behind) & SINGLE:
        return i, i + 1
    if point == _DOT:
        run = _dots(points, i, b)
        if run - i > 1:
            return i, run
        short = i - 1 == start or points[i - 2] == _DOT  # z.B.
        return (i, run) if before & (ALPHA | UPPER) == ALPHA and behind & UPPER and not short else (-1, -1)
    if point in (_APOSTROPHE, _CURLY):
        return _apostrophe(points, kinds, b, start, i)
    if kind & HYPHEN and before & ALPHA:
        run = i + 1
        while run < b and points[run] == point:
            run += 1
        joined = run < b and kinds[run] & ALPHA and run - i <= 3
        return (i, run) if joined and (split.hyphens or run - i > 1) else (-1, -1)
    if before & DIGIT and point in (0x2B, 0x2D, 0x2A, 0x5E):  # + - * ^
        return (i, i + 1) if behind & DIGIT or points[i + 1] == 0x2D else (-1, -1)
    if behind & ALPHA and point == 0x2C and before & ALPHA:
        return i, i + 1
    return (i, i + 1) if behind & ALPHA and before & (ALPHA | DIGIT) and _relates(point) else (-1, -1)


@njit(cache=True, nogil=True, inline="always")
def _relates(point):
    """One of : < > = /"""
    return point == 0x3A or point == 0x3C or point == 0x3E or point == 0x3D or point == 0x2F


@njit(cache=True, nogil=True)
def _apostrophe(points, kinds, b, start, i):
    """Where an apostrophe between letters cuts: (cut, cut) or (-1, -1)."""
    if not (kinds[i - 1] & ALPHA and kinds[i + 1] & ALPHA):
        return -1, -1
    behind = i + 1
    while behind < b and kinds[behind] & ALPHA:
        behind += 1
    one = points[i + 1] | 0x20
    two = points[i + 2] | 0x20 if behind - i == 3 else 0
    if behind - i == 2 and (one == 0x73 or one == 0x6D or one == 0x64):  # 's 'm 'd
        return i, i
    if (one == 0x6C and two == 0x6C) or (two == 0x65 and (one == 0x72 or one == 0x76)):  # 'll 're 've
        return i, i
    if behind - i == 2 and one == 0x74 and points[i - 1] | 0x20 == 0x6E and i - 1 > start:  # n't
        return i - 1, i - 1
    left = i
    while left > start and kinds[left - 1] & ALPHA:
        left -= 1
    doubled = points[i - 1] | 0x20 == 0x6C and points[i - 2] | 0x20 == 0x6C  # dell' nell' all'
    return (i + 1, i + 1) if i - left <= 2 or doubled else (-1, -1)


@njit(cache=True, nogil=True)
def hash_of(points, a, b):
    """The hash that the token [a, b) has."""
    h = np.uint64(0)
    for i in range(a, b):
        h = h * np.uint64(BASE) + np.uint64(points[i])
    return h
