"""Words and punctuation tokens of one document in one scan, on which word counts and n-grams are based.

A word is what stands between white space, with punctuation split off as spaCy's tokenizer does it for most languages
(datatrove's filters use it): brackets, quotes and marks at both ends, runs of dots, hyphens between letters, English
contractions (`do|n't`, `it|'s`) and Romance elisions (`l'|homme`). `SplitRules` holds what differs between languages.
In scripts without spaces every character is a word.
"""

import numpy as np

from filters.signals.character_classes import ALPHA, SPACE, SPECIAL, SUFFIX, UPPER
from filters.signals.word_splits import DOT, HASH_BASE, split_chunk, token_flags
from pipeline.kernels.njit import njit


@njit(cache=True, nogil=True)
def tokenize(points, kinds, length, split, tokens):
    """Fill `tokens` from the `length` codepoints of a document; returns (tokens, longest run of non-space).

    `kinds[length]` must be SPACE, as `decode_text` leaves it. Most words are letters up to a space, or with one mark
    after them: these are hashed while their end is searched.
    """
    count, longest, i = 0, 0, 0
    while i < length:
        start, hash_, any_bits, all_bits, kind = i, np.uint64(0), np.uint16(0), np.uint16(0xFFFF), kinds[i]
        while not kind & SPECIAL:
            hash_ = hash_ * np.uint64(HASH_BASE) + np.uint64(points[i])
            any_bits |= kind
            all_bits &= kind
            i += 1
            kind = kinds[i]
        if kind & SPACE:
            if i > start:
                tokens.hash[count], tokens.start[count], tokens.length[count] = hash_, start, i - start
                tokens.kind[count] = token_flags(any_bits, all_bits, i - start)
                count, longest = count + 1, max(longest, i - start)
            i += 1
        elif i - start > 1 and kinds[i + 1] & SPACE and _is_split_off(kind, points[i], kinds[i - 1]):
            tokens.hash[count], tokens.start[count], tokens.length[count] = hash_, start, i - start
            tokens.hash[count + 1], tokens.start[count + 1], tokens.length[count + 1] = points[i], i, 1
            tokens.kind[count] = token_flags(any_bits, all_bits, i - start)
            tokens.kind[count + 1] = token_flags(kind, kind, 1)
            count, longest, i = count + 2, max(longest, i + 1 - start), i + 2
        else:
            while not kinds[i] & SPACE:
                i += 1
            count = split_chunk(points, kinds, start, i, split, tokens, count)
            longest = max(longest, i - start)
    return count, longest


@njit(cache=True, nogil=True, inline="always")
def _is_split_off(kind, point, previous_kind):
    """Whether a mark after two plain characters or more is a token of its own."""
    return kind & SUFFIX or (point == DOT and previous_kind & (ALPHA | UPPER) == ALPHA)


@njit(cache=True, nogil=True)
def token_hash(points, start, end):
    """Hash of the codepoints [start, end), equal to that of a token of the same characters."""
    hash_ = np.uint64(0)
    for i in range(start, end):
        hash_ = hash_ * np.uint64(HASH_BASE) + np.uint64(points[i])
    return hash_
