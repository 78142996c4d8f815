"""Every signal of every document of a column: the kernels of the other signal files, one after the other."""

from typing import NamedTuple

import numpy as np
from numba import njit

from filters.signal_c4 import LineRules, Phrases, page
from filters.signal_classes import spell
from filters.signal_lines import letters, marked, shaped
from filters.signal_repeats import GRAMS, Room, Table, ask, enter, grams, lines, paragraphs
from filters.signal_words import ALL_SYMBOL, HAS_ALPHA, Split, Tokens, tokenize

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


class Settings(NamedTuple):
    """What a caller may choose, as the kernels take it."""

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
    gram = np.zeros(GRAMS + 1, np.int64)
    for i in range(d):
        n = spell(data, offsets[i], offsets[i + 1], bits, points, kinds)
        t, longest = tokenize(points, kinds, n, settings.split, tokens)
        counts[i, 5], counts[i, 6] = longest, n
        new_lines = _of_lines(points, kinds, n, table, counts[i], ratios[i])
        _of_words(tokens, t, new_lines, points, kinds, n, counts[i], ratios[i])
        counts[i, 1] = _stop_words(tokens, t, settings.stop_hash, settings.stop_word, table)
        grams(tokens.hash, tokens.length, t, table, room, gram)
        for k in range(2, GRAMS + 1):
            ratios[i, 15 + k] = _share(gram[k], n)
        stay, kept, solid, lorem, curly = page(points, kinds, n, tokens, t, settings.rules, settings.found)
        counts[i, 2], counts[i, 3], counts[i, 4], ratios[i, 14] = stay, lorem, curly, _share(kept, solid)
    return counts, ratios


@njit(cache=True, nogil=True)
def _rooms(m):
    """Scratch for documents of less than m bytes. Pages that no document touches cost nothing."""
    size = 16
    while size < 2 * m:
        size *= 2
    tokens = Tokens(np.empty(m, np.uint64), np.empty(m, np.int32), np.empty(m, np.int32), np.empty(m, np.uint8))
    room = Room(np.empty(m, np.uint64), np.empty(m, np.int64), np.empty(m, np.int32), np.empty(m, np.int64))
    table = Table(np.empty(size, np.uint64), np.zeros(size, np.int64), np.empty(size, np.int32), np.zeros(1, np.int64))
    return np.empty(m, np.uint32), np.empty(m, np.uint16), tokens, room, table


@njit(cache=True, nogil=True, inline="always")
def _share(part, whole):
    """part / whole; 0 of nothing."""
    return part / whole if whole else 0.0


@njit(cache=True, nogil=True)
def _of_lines(points, kinds, n, table, counts, ratios):
    """Fill in what lines and paragraphs say; returns the number of line feeds."""
    cut, bullets, ellipses = marked(points, kinds, n)
    ratios[3], ratios[4] = _share(bullets, cut), _share(ellipses, cut)
    pieces, repeated, chars, solid, solid_chars = lines(points, kinds, n, table)
    ratios[6], ratios[8] = _share(repeated, pieces), _share(chars, n)
    paras, repeated, chars = paragraphs(points, kinds, n, table)
    ratios[7], ratios[9] = _share(repeated, paras), _share(chars, n)
    ended, brief, feeds = shaped(points, kinds, n, SHORT_LINE)
    ratios[10], ratios[11], ratios[12] = _share(ended, solid), _share(brief, solid), _share(solid_chars, n - feeds)
    counts[7] = solid
    return feeds


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
def _stop_words(tokens, t, stop_hash, stop_word, table):
    """How many different stop words there are among the tokens."""
    mask, different = ask(table, len(stop_hash)), 0
    for j in range(t):
        at = np.searchsorted(stop_hash, tokens.hash[j])
        if at < len(stop_hash) and stop_hash[at] == tokens.hash[j]:
            different += table.count[enter(table, mask, np.uint64(stop_word[at]))] == 1
    return different
