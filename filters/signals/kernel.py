"""Every signal of every document of a column: the kernels of the other signal files, one after the other."""

from typing import NamedTuple

import numpy as np

from filters.signals.c4 import LineRules, Phrases, page
from filters.signals.character_classes import spell
from filters.signals.lines import (
    breaks,
    feeds,
    letters,
    marked,
    repeated_lines,
    repeated_paragraphs,
    room_for_lines,
    shaped,
)
from filters.signals.repeats import GRAMS, Room, Table, ask, enter, grams
from filters.signals.words import ALL_SYMBOL, HAS_ALPHA, Split, Tokens, tokenize
from pipeline.kernels.njit import njit

COUNTS = (
    *("word_count", "stop_word_count", "c4_sentences", "c4_lorem_ipsum", "c4_curly_bracket"),
    *("max_word_length", "char_count", "line_count"),
)
RATIOS = (
    *("mean_word_length", "hash_ratio", "ellipsis_ratio", "bullet_line_ratio", "ellipsis_line_ratio"),
    *("alpha_word_ratio", "dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac"),
    *("line_punct_ratio", "short_line_ratio", "char_dup_ratio", "new_line_ratio", "c4_kept_line_ratio"),
    *("upper_ratio", "digit_ratio"),
    *(f"top_{n}_gram" for n in (2, 3, 4)),
    *(f"dup_{n}_gram" for n in range(5, GRAMS + 1)),
)
SHORT_LINE = 30  # characters (FineWeb)
STOP_BITS = 4096


class Settings(NamedTuple):
    """What a caller may choose, as the kernels take it."""

    stop_maybe: np.ndarray  # (STOP_BITS,) bool: by the last bits of a hash, whether it may be that of a stop word
    stop_hash: np.ndarray  # (k,) uint64: hashes of the spellings of the stop words, sorted
    stop_word: np.ndarray  # (k,) int64: number of the stop word that each is
    split: Split
    rules: LineRules
    found: Phrases


@njit(cache=True, nogil=True)
def measure(data, offsets, bits, settings):
    """(d, len(COUNTS)) int64 and (d, len(RATIOS)) float64 of d documents: UTF-8 `data` between `offsets`."""
    d = len(offsets) - 1
    counts, ratios = np.zeros((d, len(COUNTS)), np.int64), np.zeros((d, len(RATIOS)), np.float64)
    m = 1
    for i in range(d):
        m = max(m, offsets[i + 1] - offsets[i] + 1)
    points, kinds, tokens, room, table = _rooms(m)
    spare = np.empty(m, np.uint32), np.empty(m, np.uint16), _tokens(m)
    fed, broken = room_for_lines(m), room_for_lines(m)
    gram = np.zeros(GRAMS + 1, np.int64)
    for i in range(d):
        n = spell(data, offsets[i], offsets[i + 1], bits, points, kinds)
        t, longest = tokenize(points, kinds, n, settings.split, tokens)
        counts[i, 5], counts[i, 6] = longest, n
        lines, other = feeds(points, kinds, n, fed)
        _of_lines(points, kinds, n, fed, lines, room.prefix, table, counts[i], ratios[i])
        cut = breaks(points, kinds, n, broken) if other else lines - (fed.start[lines - 1] == n)
        seen = broken if other else fed
        bullets, ellipses = marked(points, seen, cut)
        ratios[i, 3], ratios[i, 4] = _share(bullets, cut), _share(ellipses, cut)
        _of_words(tokens, t, lines - 1, points, kinds, n, counts[i], ratios[i])
        counts[i, 1] = _stop_words(tokens, t, settings, table)
        grams(tokens.hash, tokens.length, t, table, room, gram)
        for k in range(2, GRAMS + 1):
            ratios[i, 15 + k] = _share(gram[k], n)
        stay, kept, solid, lorem, curly = page(
            points, kinds, n, seen, cut, tokens, t, settings.rules, settings.found, settings.split, bits, spare
        )
        counts[i, 2], counts[i, 3], counts[i, 4], ratios[i, 14] = stay, lorem, curly, _share(kept, solid)
    return counts, ratios


@njit(cache=True, nogil=True)
def _tokens(m):
    return Tokens(np.empty(m, np.uint64), np.empty(m, np.int32), np.empty(m, np.int32), np.empty(m, np.uint8))


@njit(cache=True, nogil=True)
def _rooms(m):
    """Scratch for documents of less than m bytes. Pages that no document touches cost nothing."""
    size = 256
    while size < 2 * m:
        size *= 2
    room = Room(np.empty(m, np.uint64), np.empty(m, np.int64), np.empty(m, np.int32), np.empty(m, np.int64))
    table = Table(np.empty(size, np.uint64), np.empty(size, np.int32), np.empty(4 * size, np.uint8))
    return np.empty(m, np.uint32), np.empty(m, np.uint16), _tokens(m), room, table


@njit(cache=True, nogil=True, inline="always")
def _share(part, whole):
    """part / whole; 0 of nothing."""
    return part / whole if whole else 0.0


@njit(cache=True, nogil=True)
def _of_lines(points, kinds, n, lines, count, hashes, table, counts, ratios):
    """Fill in what the lines between line feeds say."""
    pieces, repeated, chars, solid_chars = repeated_lines(points, lines, count, hashes, table)
    ratios[6], ratios[8] = _share(repeated, pieces), _share(chars, n)
    paragraphs, repeated, chars = repeated_paragraphs(points, kinds, n, lines, count, hashes, table)
    ratios[7], ratios[9] = _share(repeated, paragraphs), _share(chars, n)
    solid, ended, brief = shaped(kinds, lines, count, SHORT_LINE)
    ratios[10], ratios[11], counts[7] = _share(ended, solid), _share(brief, solid), solid
    ratios[12] = _share(solid_chars, n - (count - 1))


@njit(cache=True, nogil=True)
def _of_words(tokens, t, new_lines, points, kinds, n, counts, ratios):
    """Fill in what words, tokens and letters say."""
    words = chars = alpha = 0
    for j in range(t):
        word = not tokens.kind[j] & ALL_SYMBOL
        words, chars = words + word, chars + word * tokens.length[j]
        alpha += tokens.kind[j] & HAS_ALPHA != 0
    counts[0], ratios[0], ratios[5], ratios[13] = words, _share(chars, words), _share(alpha, t), _share(new_lines, t)
    letter, upper, digits, hashes, ellipses = letters(points, kinds, n)
    ratios[1], ratios[2] = _share(hashes, t), _share(ellipses, t)
    ratios[15], ratios[16] = _share(upper, letter), _share(digits, n)


@njit(cache=True, nogil=True)
def _stop_words(tokens, t, settings, table):
    """How many different stop words there are among the tokens."""
    known = settings.stop_hash
    mask, different = ask(table, len(known)), 0
    for j in range(t):
        if settings.stop_maybe[tokens.hash[j] & np.uint64(STOP_BITS - 1)]:
            at = np.searchsorted(known, tokens.hash[j])
            if at < len(known) and known[at] == tokens.hash[j]:
                different += table.times[enter(table, mask, np.uint64(settings.stop_word[at]))] == 1
    return different
