"""The kernel that measures every signal of every document of a column, and the settings that it takes."""

from typing import NamedTuple

import numpy as np

from filters.signals.c4 import LineRules, allocate_c4_buffers, c4_signals, compile_line_phrases
from filters.signals.character_classes import character_classes, decode_visible_text
from filters.signals.lines import (
    allocate_lines,
    count_bullets,
    count_characters,
    line_stats,
    repeated_lines,
    repeated_paragraphs,
    split_newlines,
    splitlines,
)
from filters.signals.phrases import Phrases
from filters.signals.repeats import MAX_NGRAM, CountTable, NgramBuffers, count_key, repeated_ngrams, start_count
from filters.signals.word_splits import ALL_SYMBOL, HAS_ALPHA, SplitRules, allocate_tokens
from filters.signals.words import token_hash, tokenize
from pipeline.kernels.njit import njit

SHORT_LINE = 30  # characters (FineWeb)
_STOP_BITS = 4096  # entries of the filter before the table of stop words, a power of two
_MIN_SLOTS = 256  # of the table that counts keys


class SignalSettings(NamedTuple):
    """Settings of the signals in the form that kernels take."""

    stop_filter: np.ndarray  # (4096,) bool: by the last bits of a hash, whether it may be that of a stop word
    stop_hash: np.ndarray  # (k,) uint64: hashes of the spellings of the stop words, sorted
    stop_word: np.ndarray  # (k,) int64: number of the stop word of each spelling
    split: SplitRules
    line_rules: LineRules
    phrases: Phrases
    class_bits: np.ndarray  # (131074,) uint16, see `character_classes`


def kernel_settings(
    stop_words: tuple[str, ...], split: SplitRules, line_rules: LineRules, javascript: bool, policies: tuple[str, ...]
) -> SignalSettings:
    """Prepare settings for the kernels. Raises UserError for a policy phrase that is too short."""
    phrases = compile_line_phrases(javascript, policies)
    spellings: dict[int, int] = {}
    for number, word in enumerate(dict.fromkeys(word.lower() for word in stop_words)):
        for form in (word, word.capitalize(), word.upper()):
            for spelling in (form, form.replace("'", "’")):
                points = np.array([ord(c) for c in spelling], np.uint32)
                spellings.setdefault(int(token_hash(points, 0, len(points))), number)
    hashes = sorted(spellings)
    numbers = np.array([spellings[hash_] for hash_ in hashes], np.int64)
    stop_filter = np.zeros(_STOP_BITS, np.bool_)
    stop_filter[[hash_ % _STOP_BITS for hash_ in hashes]] = True
    stop_hash = np.array(hashes, np.uint64)
    return SignalSettings(stop_filter, stop_hash, numbers, split, line_rules, phrases, character_classes())


@njit(cache=True, nogil=True)
def measure_documents(data, offsets, settings, rows):
    """Fill one record of `rows` (see `record_dtype`) for each document: UTF-8 `data` between `offsets`."""
    size = 1
    for i in range(len(rows)):
        size = max(size, offsets[i + 1] - offsets[i] + 1)
    points, kinds, tokens = np.empty(size, np.uint32), np.empty(size, np.uint16), allocate_tokens(size)
    newline_lines, all_lines = allocate_lines(size), allocate_lines(size)
    ngrams, table, c4_buffers = _allocate_ngrams(size), _allocate_table(size), allocate_c4_buffers(size)
    ngram_chars = np.zeros(MAX_NGRAM + 1, np.int64)
    for i in range(len(rows)):
        row = rows[i]
        length = decode_visible_text(data, offsets[i], offsets[i + 1], settings.class_bits, points, kinds)
        count, longest = tokenize(points, kinds, length, settings.split, tokens)
        row.max_word_length, row.char_count = longest, length

        line_count, has_other_breaks = split_newlines(points, kinds, length, newline_lines)
        _measure_lines(points, kinds, length, newline_lines, line_count, ngrams.prefix, table, row)
        if has_other_breaks:
            lines, split_count = all_lines, splitlines(points, kinds, length, all_lines)
        else:  # the same lines, but for an empty one at the end
            lines, split_count = newline_lines, line_count - (newline_lines.start[line_count - 1] == length)
        bullets, ellipses = count_bullets(points, lines, split_count)
        row.bullet_line_ratio, row.ellipsis_line_ratio = _ratio(bullets, split_count), _ratio(ellipses, split_count)

        _measure_words(tokens, count, line_count - 1, points, kinds, length, row)
        row.stop_word_count = _count_stop_words(tokens, count, settings, table)

        repeated_ngrams(tokens.hash, tokens.length, count, table, ngrams, ngram_chars)
        row.top_2_gram, row.top_3_gram = _ratio(ngram_chars[2], length), _ratio(ngram_chars[3], length)
        row.top_4_gram = _ratio(ngram_chars[4], length)
        row.dup_5_gram, row.dup_6_gram = _ratio(ngram_chars[5], length), _ratio(ngram_chars[6], length)
        row.dup_7_gram, row.dup_8_gram = _ratio(ngram_chars[7], length), _ratio(ngram_chars[8], length)
        row.dup_9_gram, row.dup_10_gram = _ratio(ngram_chars[9], length), _ratio(ngram_chars[10], length)

        sentences, kept, nonblank, has_lorem, has_curly = c4_signals(
            points, kinds, length, lines, split_count, tokens, count, settings, c4_buffers
        )
        row.c4_sentences, row.c4_kept_line_ratio = sentences, _ratio(kept, nonblank)
        row.c4_lorem_ipsum, row.c4_curly_bracket = has_lorem, has_curly


@njit(cache=True, nogil=True)
def _allocate_ngrams(size):
    """Buffers for documents of less than `size` tokens; memory pages that no document touches are never mapped."""
    prefix, chars = np.empty(size, np.uint64), np.empty(size, np.int64)
    return NgramBuffers(prefix, chars, np.empty(size, np.int32), np.empty(size, np.int64))


@njit(cache=True, nogil=True)
def _allocate_table(keys):
    slots = _MIN_SLOTS
    while slots < 2 * keys:
        slots *= 2
    return CountTable(np.empty(slots, np.uint64), np.empty(slots, np.int32), np.empty(4 * slots, np.uint8))


@njit(cache=True, nogil=True, inline="always")
def _ratio(part, total):
    """part / total; 0 if the total is 0."""
    return part / total if total else 0.0


@njit(cache=True, nogil=True)
def _measure_lines(points, kinds, length, lines, count, hashes, table, row):
    """Fill in the signals of the lines that line feeds separate."""
    all_lines, repeated, chars, nonblank_chars = repeated_lines(points, lines, count, hashes, table)
    row.dup_line_frac, row.dup_line_char_frac = _ratio(repeated, all_lines), _ratio(chars, length)
    row.char_dup_ratio = _ratio(nonblank_chars, length - (count - 1))
    paragraphs, repeated, chars = repeated_paragraphs(points, kinds, length, lines, count, hashes, table)
    row.dup_para_frac, row.dup_para_char_frac = _ratio(repeated, paragraphs), _ratio(chars, length)
    nonblank, terminated, short_lines = line_stats(kinds, lines, count, SHORT_LINE)
    row.line_punct_ratio, row.short_line_ratio = _ratio(terminated, nonblank), _ratio(short_lines, nonblank)
    row.line_count = nonblank


@njit(cache=True, nogil=True)
def _measure_words(tokens, count, newlines, points, kinds, length, row):
    """Fill in the signals of words, tokens and characters."""
    words = chars = with_letters = 0
    for j in range(count):
        is_word = not tokens.kind[j] & ALL_SYMBOL
        words, chars = words + is_word, chars + is_word * tokens.length[j]
        with_letters += tokens.kind[j] & HAS_ALPHA != 0
    row.word_count, row.mean_word_length = words, _ratio(chars, words)
    row.alpha_word_ratio, row.new_line_ratio = _ratio(with_letters, count), _ratio(newlines, count)
    letters, upper, digits, hashes, ellipses = count_characters(points, kinds, length)
    row.hash_ratio, row.ellipsis_ratio = _ratio(hashes, count), _ratio(ellipses, count)
    row.upper_ratio, row.digit_ratio = _ratio(upper, letters), _ratio(digits, length)


@njit(cache=True, nogil=True)
def _count_stop_words(tokens, count, settings, table):
    """Number of different stop words among the tokens."""
    known = settings.stop_hash
    mask, different = start_count(table, len(known)), 0
    for j in range(count):
        if settings.stop_filter[tokens.hash[j] & np.uint64(_STOP_BITS - 1)]:
            k = np.searchsorted(known, tokens.hash[j])
            if k < len(known) and known[k] == tokens.hash[j]:
                different += table.times[count_key(table, mask, np.uint64(settings.stop_word[k]))] == 1
    return different
