"""Kernels that find the sequences of an index (benchmark questions and answers) in documents, word by word.

Seed and align, as sequence search does (Altschul et al. 1990, BLAST): k-grams of words found in a hash table name the
candidates; a banded local alignment (Smith and Waterman 1981, free skips in the sequence, a price per inserted word of
the document) says how much of the sequence stands there, in order and close together.
"""

import functools
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import words

UNIT = 1000  # weight of a word that no common phrase covers; weights are integers so that sums have no order
GAP = 100  # price of a word of the document between two words of the sequence
_POSTINGS = 256  # a k-gram of more sequences than this is no seed (it still weighs)
_BASE = np.uint64(0x9E3779B97F4A7C15)


class Table(NamedTuple):
    """s sequences (n words, g distinct k-grams), ready to be looked up."""

    k: int
    hash: np.ndarray  # (n,) uint64: words of all sequences
    first: np.ndarray  # (s + 1,) int64
    gram: np.ndarray  # (g,) uint64, ascending
    posting: np.ndarray  # int32: sequences of each gram
    posted: np.ndarray  # (g + 1,) int64: bounds of a gram's postings
    numeric: np.ndarray  # (g,) bool: nothing but numbers below 10,000
    sequences: np.ndarray  # (g,) int64: how many sequences have the gram, also where it has no postings
    filter: np.ndarray  # uint64 bitmap, a power of two long
    slot: np.ndarray  # int32: open addressing, gram number or -1, a power of two long


class Weights(NamedTuple):
    """What the grams and words of a table are worth (see `weigh`)."""

    gram: np.ndarray  # (g,) int32, 0..UNIT
    word: np.ndarray  # (n,) int32, 0..UNIT: mean weight of the k-grams over the word
    inner: np.ndarray  # (s,) int64: weight of the sequence's first words, the question's own
    whole: np.ndarray  # (s,) int64: weight of all its words
    need: np.ndarray  # (s,) int64: weight of k-grams that makes a candidate
    window: np.ndarray  # (s,) int64: words


@njit(cache=True, nogil=True, inline="always")
def gram_at(hashes, i, k):
    """Hash of words i to i + k: a polynomial of hashes that are mixed well, so every bit of it is."""
    h = np.uint64(0)
    for j in range(i, i + k):
        h = h * _BASE + hashes[j]
    return h


def build(hashes: np.ndarray, first: np.ndarray, k: int) -> Table:
    """Index of s word sequences by their k-grams: hashes (n,) uint64, sequence i from first[i] to first[i + 1]."""
    gram, owner, numeric = _pairs(hashes, first, k, np.isin(hashes, _numbers()))
    order = np.lexsort((owner, gram))
    gram, owner, numeric = gram[order], owner[order], numeric[order]
    new = np.ones(len(gram), bool)
    new[1:] = (gram[1:] != gram[:-1]) | (owner[1:] != owner[:-1])
    owner, numeric = owner[new], numeric[new]
    grams, begin, counts = np.unique(gram[new], return_index=True, return_counts=True)
    kept = counts <= _POSTINGS
    posted = np.zeros(len(grams) + 1, np.int64)
    posted[1:] = np.cumsum(np.where(kept, counts, 0))
    posting = owner[np.repeat(kept, counts)]
    bits = max(10, int(len(grams) * 8).bit_length())
    slots = max(4, int(len(grams) * 2).bit_length())
    tables = _hashed(grams, bits, slots)
    return Table(k, hashes, first, grams, posting, posted, numeric[begin], counts.astype(np.int64), *tables)


def evidence(sequences: list[np.ndarray], k: int) -> np.ndarray:
    """(s,) int64 weight of each sequence where none of its k-grams is common: what it can be judged by at the most."""
    first = np.concatenate([[0], np.cumsum([len(s) for s in sequences], dtype=np.int64)])
    table = build(np.concatenate([np.zeros(0, np.uint64), *sequences]), first, k)
    return weigh(table, np.diff(first), np.zeros(len(table.gram), np.int64), 2.0, 1.0).whole


@functools.cache
def _numbers() -> np.ndarray:
    """Hashes of 0 to 9999, as words."""
    return words(pa.array([str(i) for i in range(10_000)])).hash


@njit(cache=True, nogil=True)
def _pairs(hashes, first, k, number):
    total = 0
    for s in range(len(first) - 1):
        total += max(0, first[s + 1] - first[s] - k + 1)
    gram, owner, numeric = np.empty(total, np.uint64), np.empty(total, np.int32), np.empty(total, np.bool_)
    n = 0
    for s in range(len(first) - 1):
        for i in range(first[s], first[s + 1] - k + 1):
            gram[n], owner[n], numeric[n] = gram_at(hashes, i, k), s, number[i : i + k].all()
            n += 1
    return gram, owner, numeric


@njit(cache=True, nogil=True)
def _hashed(grams, bits, slots):
    bitmap, slot = np.zeros(1 << (bits - 6), np.uint64), np.full(1 << slots, np.int32(-1))
    mask = np.uint64((1 << slots) - 1)
    for g in range(len(grams)):
        h = grams[g]
        high = h >> np.uint64(64 - bits)
        bitmap[high >> np.uint64(6)] |= np.uint64(1) << (high & np.uint64(63))
        at = h & mask
        while slot[at] >= 0:
            at = (at + np.uint64(1)) & mask
        slot[at] = g
    return bitmap, slot


@njit(cache=True, nogil=True)
def _maybe(hashes, low, high, k, bitmap, shift, gram, place):
    """Grams of words low to high that pass the bitmap into `gram`, where they begin into `place`; returns how many.

    Without a branch, so that the processor waits for many places of memory at once.
    """
    n = np.int64(0)
    for i in range(low, high - k + 1):
        h = gram_at(hashes, i, k)
        bit = h >> shift
        gram[n], place[n] = h, i
        n += np.int64((bitmap[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & np.uint64(1))
    return n


@njit(cache=True, nogil=True, inline="always")
def _find(h, grams, slot):
    """Number of the gram with this hash, or -1."""
    mask = np.uint64(len(slot) - 1)
    at = h & mask
    while slot[at] >= 0 and grams[slot[at]] != h:
        at = (at + np.uint64(1)) & mask
    return slot[at]


@njit(cache=True, nogil=True)
def _longest(first):
    longest = 0
    for d in range(len(first) - 1):
        longest = max(longest, first[d + 1] - first[d])
    return longest


def shift_of(table: Table) -> np.uint64:
    return np.uint64(65 - (len(table.filter) * 64).bit_length())


def weigh(table: Table, inner: np.ndarray, common: np.ndarray, bound: float, share: float) -> Weights:
    """Weights of k-grams and words from how many documents have them elsewhere.

    inner: (s,) how many of a sequence's words are the question's own. common: (g,) documents or other sequences with
    the gram. A gram of at most one weighs UNIT, of `bound` or more nothing, between them log-linearly (inverse document
    frequency, Spärck Jones 1972, cut at both ends); one of nothing but numbers weighs nothing (numbered lists and
    tables hold any run of small numbers). A word weighs the mean of the grams over it. share: part of the weight of a
    sequence's grams that makes a candidate.
    """
    rarity = 1.0 - np.log(np.maximum(common, 1)) / np.log(max(bound, 2.0))
    gram = np.rint(UNIT * np.clip(rarity, 0.0, 1.0)).astype(np.int32)
    gram[table.numeric] = 0
    word, seeds = _word_weights(table.hash, table.first, table.k, table.gram, gram, table.posted)
    running = np.concatenate([[0], np.cumsum(word, dtype=np.int64)])
    begin, stop = table.first[:-1], table.first[1:]
    sums = running[begin + inner] - running[begin], running[stop] - running[begin]
    need = np.maximum(1, np.ceil(share * seeds)).astype(np.int64)
    need[seeds == 0] = np.iinfo(np.int64).max
    return Weights(gram, word, *sums, need, (stop - begin) * 3 // 2 + 8)


@njit(cache=True, nogil=True)
def _word_weights(hashes, first, k, grams, gram_weight, posted):
    word, seeds = np.zeros(len(hashes), np.int32), np.zeros(len(first) - 1, np.int64)
    for s in range(len(first) - 1):
        begin, stop = first[s], first[s + 1]
        total, over = np.zeros(stop - begin, np.int64), np.zeros(stop - begin, np.int64)
        for i in range(begin, stop - k + 1):
            g = np.searchsorted(grams, gram_at(hashes, i, k))
            if posted[g + 1] > posted[g]:
                seeds[s] += gram_weight[g]
            for j in range(k):
                total[i - begin + j] += gram_weight[g]
                over[i - begin + j] += 1
        for i in range(stop - begin):
            word[begin + i] = total[i] // max(np.int64(1), over[i])
    return word, seeds


@njit(cache=True, nogil=True)
def count(hashes, first, k, grams, posting, posted, bitmap, shift, slot, lengths, spared, found):
    """Add to `found` (g,) the documents with each gram, leaving out those that have half of a `spared` sequence of it.

    So a leaked question that is copied all over the crawl does not pass for a common phrase.
    """
    seen, doc_of = np.full(len(grams), -1, np.int64), np.full(len(lengths), -1, np.int64)
    hits, held = np.zeros(len(lengths), np.int64), np.empty(len(grams), np.int32)
    gram, place = np.empty(_longest(first) + 1, np.uint64), np.empty(_longest(first) + 1, np.int64)
    for d in range(len(first) - 1):
        n = 0
        for j in range(_maybe(hashes, first[d], first[d + 1], k, bitmap, shift, gram, place)):
            g = _find(gram[j], grams, slot)
            if g < 0 or seen[g] == d:
                continue
            seen[g], held[n] = d, g
            n += 1
            for at in range(posted[g], posted[g + 1]):
                s = posting[at]
                if doc_of[s] != d:
                    doc_of[s], hits[s] = d, 0
                hits[s] += 1
        for i in range(n):
            stray = True
            for at in range(posted[held[i]], posted[held[i] + 1]):
                s = posting[at]
                if spared[s] and 2 * hits[s] >= lengths[s] - k + 1:
                    stray = False
                    break
            found[held[i]] += stray


@njit(cache=True, nogil=True)
def candidates(hashes, first, k, grams, posting, posted, bitmap, shift, slot, weight, need, window):
    """(document, sequence, stretch) where a stretch of `window` words and the one before hold seeds enough.

    A match spans at most two neighbouring stretches, so none is missed for where the stretches begin.
    """
    # of each sequence, side by side: document, stretch, weight in it, weight in the one before, stretch told of
    state = np.full((len(need), 5), -1, np.int64)
    out, n = np.empty((1024, 3), np.int64), 0
    gram, place = np.empty(_longest(first) + 1, np.uint64), np.empty(_longest(first) + 1, np.int64)
    for d in range(len(first) - 1):
        for j in range(_maybe(hashes, first[d], first[d + 1], k, bitmap, shift, gram, place)):
            g = _find(gram[j], grams, slot)
            if g < 0 or weight[g] == 0:
                continue
            for at in range(posted[g], posted[g + 1]):
                s = posting[at]
                b = (place[j] - first[d]) // window[s]
                own = state[s]
                if own[0] != d:
                    own[0], own[1], own[2], own[3], own[4] = d, b, 0, 0, -1
                elif own[1] != b:
                    own[3] = own[2] if own[1] == b - 1 else 0
                    own[1], own[2] = b, 0
                own[2] += weight[g]
                if own[4] != b and own[2] + own[3] >= need[s]:
                    own[4] = b
                    if n == len(out):
                        grown = np.empty((2 * n, 3), np.int64)
                        grown[:n] = out
                        out = grown
                    out[n, 0], out[n, 1], out[n, 2] = d, s, b
                    n += 1
    return out[:n]


@njit(cache=True, nogil=True)
def align(found, hashes, first, s_hash, s_first, s_weight, s_inner, window, answer, answer_first, near):
    """Best alignment of each candidate's sequence with its stretch and the ones on both sides.

    Returns int64 (c, 7): score, first and last word (numbers in the batch; -1 where nothing matches) for the sequence's
    first s_inner[s] words (the question), the same for all of it, and whether the short answer is within `near` words.
    """
    out = np.full((len(found), 7), -1, np.int64)
    longest = 0
    for s in range(len(s_first) - 1):
        longest = max(longest, s_first[s + 1] - s_first[s])
    score, begin = np.zeros(longest + 1, np.int64), np.zeros(longest + 1, np.int64)
    for c in range(len(found)):
        d, s, b = found[c]
        low = max(first[d], first[d] + (b - 1) * window[s])
        high = min(first[d + 1], first[d] + (b + 2) * window[s])
        _align(hashes, low, high, s_hash, s_weight, s_first[s], s_first[s + 1], s_inner[s], score, begin, out[c])
        short = answer[answer_first[s] : answer_first[s + 1]]
        low, high = max(first[d], out[c, 1] - near), min(first[d + 1], out[c, 2] + 1 + near)
        out[c, 6] = out[c, 1] >= 0 and _holds(hashes, low, high, short)
    return out


@njit(cache=True, nogil=True)
def _holds(hashes, low, high, wanted):
    """Whether words low to high have the words wanted, one after the other (no words: no)."""
    for at in range(low, high - len(wanted) + 1):
        same = len(wanted) > 0
        for i in range(len(wanted)):
            if hashes[at + i] != wanted[i]:
                same = False
                break
        if same:
            return True
    return False


@njit(cache=True, nogil=True)
def _align(hashes, low, high, s_hash, s_weight, at, stop, inner, score, begin, out):
    """score[i] after word j: best alignment of the sequence's first i words that ends at or before j (in order)."""
    length = stop - at
    score[: length + 1] = 0
    begin[: length + 1] = -1
    out[0], out[3] = 0, 0
    for j in range(low, high):
        diagonal, from_diagonal = score[0], begin[0]
        word = hashes[j]
        for i in range(1, length + 1):
            held, from_held = score[i], begin[i]
            best, origin = held - GAP, from_held
            if score[i - 1] > best:
                best, origin = score[i - 1], begin[i - 1]
            if s_hash[at + i - 1] == word and diagonal + s_weight[at + i - 1] > best:
                best, origin = diagonal + s_weight[at + i - 1], from_diagonal if diagonal > 0 else j
            if best <= 0:
                best, origin = 0, -1
            score[i], begin[i] = best, origin
            diagonal, from_diagonal = held, from_held
        if score[inner] > out[0]:
            out[0], out[1], out[2] = score[inner], begin[inner], j
        if score[length] > out[3]:
            out[3], out[4], out[5] = score[length], begin[length], j
