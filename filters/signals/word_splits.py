"""How one run of non-space is split into tokens: at its front, at its end, at the marks inside it.

The rules are those of spaCy's tokenizers that most languages share; tests/support/reference_signals.py has them again
in plain Python.
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
    SPECIAL,
    SUFFIX,
    SYMBOL,
    TERMINAL,
    UPPER,
)
from pipeline.kernels.njit import njit

HAS_ALPHA, ALL_SYMBOL, ALL_PUNCT, ENDS_SENTENCE = 1, 2, 4, 8  # properties of a token, as bits
HASH_BASE = 0x9E3779B97F4A7C15  # a token's hash is the polynomial of its codepoints in this, modulo 2^64
DOT, _APOSTROPHE, _RIGHT_QUOTE = 0x2E, 0x27, 0x2019
_COMMA, _COLON, _PLUS, _HYPHEN_MINUS, _SLASH = 0x2C, 0x3A, 0x2B, 0x2D, 0x2F
_NOTHING = (-1, -1)


class SplitRules(NamedTuple):
    """Token rules that differ between languages."""

    hyphens: bool = True  # `E-Mail` is three tokens (English, French, Slavic) or one (German, Nordic, Spanish)
    ordinals: bool = True  # `12.` is two tokens or one (German, Danish, Turkish)


class Tokens(NamedTuple):
    """Buffers for the tokens of one document; positions are codepoints from its start."""

    hash: np.ndarray  # (m,) uint64, of the codepoints, case included
    start: np.ndarray  # (m,) int32
    length: np.ndarray  # (m,) int32, in codepoints
    kind: np.ndarray  # (m,) uint8: HAS_ALPHA and its like


@njit(cache=True, nogil=True)
def allocate_tokens(size):
    """Buffers for `size` tokens."""
    hashes, starts, lengths = np.empty(size, np.uint64), np.empty(size, np.int32), np.empty(size, np.int32)
    return Tokens(hashes, starts, lengths, np.empty(size, np.uint8))


@njit(cache=True, nogil=True, inline="always")
def token_flags(any_bits, all_bits, length):
    """Properties of a token, from the class bits that any and that all of its codepoints have."""
    return (
        HAS_ALPHA * (any_bits & ALPHA != 0)
        | ALL_SYMBOL * (all_bits & SYMBOL != 0)
        | ALL_PUNCT * (all_bits & PUNCT != 0)
        | ENDS_SENTENCE * (length == 1 and all_bits & TERMINAL != 0)
    )


@njit(cache=True, nogil=True)
def _append_token(points, kinds, start, end, tokens, count):
    """Append the token [start, end), unless it is empty; returns the number of tokens."""
    if start >= end:
        return count
    hash_, any_bits, all_bits = np.uint64(0), np.uint16(0), np.uint16(0xFFFF)
    for i in range(start, end):
        hash_ = hash_ * np.uint64(HASH_BASE) + np.uint64(points[i])
        any_bits |= kinds[i]
        all_bits &= kinds[i]
    tokens.hash[count], tokens.start[count], tokens.length[count] = hash_, start, end - start
    tokens.kind[count] = token_flags(any_bits, all_bits, end - start)
    return count + 1


@njit(cache=True, nogil=True)
def split_chunk(points, kinds, start, end, split, tokens, count):
    """Append the tokens of a run of non-space [start, end): front, core and tail; returns the number of tokens."""
    start, count = _split_front(points, kinds, start, end, tokens, count)
    core_end = _core_end(points, kinds, start, end, split)
    if _is_address(points, start, core_end):
        count = _append_token(points, kinds, start, core_end, tokens, count)
    else:
        count = _split_core(points, kinds, start, core_end, split, tokens, count)
    tail = core_end
    while tail < end:
        stop = max(_end_of_dots(points, tail, end), tail + 1)
        count = _append_token(points, kinds, tail, stop, tokens, count)
        tail = stop
    return count


@njit(cache=True, nogil=True, inline="always")
def _end_of_dots(points, i, end):
    """End of the run of dots at i."""
    while i < end and points[i] == DOT:
        i += 1
    return i


@njit(cache=True, nogil=True)
def _split_front(points, kinds, start, end, tokens, count):
    """Append the tokens split off the front of [start, end); returns (start of the core, number of tokens)."""
    while start < end:
        stop = _end_of_dots(points, start, end)
        if stop - start < 2:
            is_sign = points[start] == _PLUS and start + 1 < end and kinds[start + 1] & DIGIT  # +49
            if not kinds[start] & PREFIX or is_sign:
                break
            stop = start + 1
        count = _append_token(points, kinds, start, stop, tokens, count)
        start = stop
    return start, count


@njit(cache=True, nogil=True)
def _core_end(points, kinds, start, end, split):
    """End of the core of [start, end): what follows it is split off token by token."""
    while end > start:
        kind, previous = kinds[end - 1], kinds[end - 2] if end - 2 >= start else np.uint16(0)
        if points[end - 1] == DOT:
            dots = end
            while dots > start and points[dots - 1] == DOT:
                dots -= 1
            if end - dots == 1 and not _ends_word(points, kinds, start, dots, split):
                break
            end = dots
        elif kind & SUFFIX or (kind & AFTER_DIGIT and previous & DIGIT):
            end -= 1
        else:
            break
    return end


@njit(cache=True, nogil=True)
def _ends_word(points, kinds, start, dot, split):
    """Whether the single dot at `dot` ends the word [start, dot) rather than abbreviates it (z. z.B. A. U.S.)."""
    if dot == start:
        return False
    previous = kinds[dot - 1]
    if previous & ALPHA:
        if dot - start == 1 or points[dot - 2] == DOT:
            return False
        return not previous & UPPER or kinds[dot - 2] & UPPER != 0
    if previous & DIGIT:
        return split.ordinals
    return previous & SUFFIX != 0 or points[dot - 1] in (0x25, 0xB2, 0x2B, 0x2D)  # % ² + -


@njit(cache=True, nogil=True)
def _is_address(points, start, end):
    """Whether [start, end) starts with `www.` or contains `://`; an address is one token."""
    is_www = end - start > 4 and points[start] == 0x77 and points[start + 1] == 0x77 and points[start + 2] == 0x77
    if is_www and points[start + 3] == DOT:
        return True
    for i in range(start, end - 2):
        if points[i] == _COLON and points[i + 1] == _SLASH and points[i + 2] == _SLASH:
            return True
    return False


@njit(cache=True, nogil=True)
def _split_core(points, kinds, start, end, split, tokens, count):
    """Append the tokens of the core [start, end), split at the marks inside it; returns the number of tokens."""
    token_start, i = start, start
    while i < end:
        if not kinds[i] & SPECIAL:
            i += 1
            continue
        split_at, stop = _split_at_mark(points, kinds, start, end, token_start, i, split)
        if split_at >= 0:
            count = _append_token(points, kinds, token_start, split_at, tokens, count)
            token_start = split_at
            if stop > split_at:
                count = _append_token(points, kinds, split_at, stop, tokens, count)
                token_start = stop
        i = max(i + 1, token_start)
    return _append_token(points, kinds, token_start, end, tokens, count)


@njit(cache=True, nogil=True)
def _split_at_mark(points, kinds, start, end, token_start, i, split):
    """How the mark at i splits the core [start, end), whose current token began at `token_start`.

    Returns (split_at, stop): the current token ends at `split_at`, and [split_at, stop) is a token unless it is empty.
    (-1, -1): no split.
    """
    kind, point = kinds[i], points[i]
    if kind & (SINGLE | ICON):
        return i, i + 1
    if i == start or i + 1 >= end:
        return (i, i + 1) if kind & SUFFIX and i > start and kinds[i - 1] & SINGLE else _NOTHING
    previous, following = kinds[i - 1], kinds[i + 1]
    if kind & SUFFIX and (previous | following) & SINGLE:
        return i, i + 1
    if point == DOT:
        stop = _end_of_dots(points, i, end)
        if stop - i > 1:
            return i, stop
        is_abbreviation = i - 1 == token_start or points[i - 2] == DOT  # z.B.
        is_sentence_end = previous & (ALPHA | UPPER) == ALPHA and following & UPPER and not is_abbreviation
        return (i, stop) if is_sentence_end else _NOTHING
    if point in (_APOSTROPHE, _RIGHT_QUOTE):
        return _split_at_apostrophe(points, kinds, end, token_start, i)
    if kind & HYPHEN and previous & ALPHA:
        stop = i + 1
        while stop < end and points[stop] == point:
            stop += 1
        joins_words = stop < end and kinds[stop] & ALPHA and stop - i <= 3
        return (i, stop) if joins_words and (split.hyphens or stop - i > 1) else _NOTHING
    if previous & DIGIT and point in (_PLUS, _HYPHEN_MINUS, 0x2A, 0x5E):  # + - * ^
        return (i, i + 1) if following & DIGIT or points[i + 1] == _HYPHEN_MINUS else _NOTHING
    if following & ALPHA and point == _COMMA and previous & ALPHA:
        return i, i + 1
    is_relation = point == _COLON or point == 0x3C or point == 0x3E or point == 0x3D or point == _SLASH  # : < > = /
    return (i, i + 1) if following & ALPHA and previous & (ALPHA | DIGIT) and is_relation else _NOTHING


@njit(cache=True, nogil=True)
def _split_at_apostrophe(points, kinds, end, token_start, i):
    """Where an apostrophe between letters splits: (position, position), or (-1, -1) where it does not."""
    if not (kinds[i - 1] & ALPHA and kinds[i + 1] & ALPHA):
        return _NOTHING
    stop = i + 1
    while stop < end and kinds[stop] & ALPHA:
        stop += 1
    first = points[i + 1] | 0x20
    second = points[i + 2] | 0x20 if stop - i == 3 else 0
    if stop - i == 2 and (first == 0x73 or first == 0x6D or first == 0x64):  # 's 'm 'd
        return i, i
    if (first == 0x6C and second == 0x6C) or (second == 0x65 and (first == 0x72 or first == 0x76)):  # 'll 're 've
        return i, i
    if stop - i == 2 and first == 0x74 and points[i - 1] | 0x20 == 0x6E and i - 1 > token_start:  # n't
        return i - 1, i - 1
    head = i
    while head > token_start and kinds[head - 1] & ALPHA:
        head -= 1
    ends_in_ll = points[i - 1] | 0x20 == 0x6C and points[i - 2] | 0x20 == 0x6C  # dell' nell' all'
    return (i + 1, i + 1) if i - head <= 2 or ends_in_ll else _NOTHING
