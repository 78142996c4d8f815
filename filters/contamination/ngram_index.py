"""Index of word sequences (benchmark questions and answers) by their k-grams, and what k-grams and words weigh."""

import functools
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import words

UNIT = 1000  # weight of a word that no common phrase covers; weights are integers, so sums do not depend on order
_MAX_POSTINGS = 256  # a k-gram of more sequences than this is no seed (it still weighs)
_SMALL_NUMBERS = 10_000  # k-grams of nothing but numbers below this weigh nothing
_BITMAP_BITS_PER_GRAM, _SLOTS_PER_GRAM = 8, 2
_MIN_BITMAP_BITS, _MIN_SLOT_BITS = 10, 4  # log2 of their least sizes
_HASH_BASE = np.uint64(0x9E3779B97F4A7C15)


class NgramIndex(NamedTuple):
    """Word sequences (s of them, n words in all, g distinct k-grams) and the tables that find them by k-gram."""

    k: int  # words of a k-gram
    word: np.ndarray  # (n,) uint64: hashes of the words of all sequences
    first: np.ndarray  # (s + 1,) int64: words of sequence i are first[i] to first[i + 1]
    gram: np.ndarray  # (g,) uint64, ascending
    posting: np.ndarray  # int32: sequences of each gram
    posting_first: np.ndarray  # (g + 1,) int64: postings of gram i are posting_first[i] to posting_first[i + 1]
    is_numeric: np.ndarray  # (g,) bool: nothing but numbers below 10,000
    sequences: np.ndarray  # (g,) int64: how many sequences have the gram, also if it has no postings
    bitmap: np.ndarray  # uint64, a power of two long: a bit for the first bits of each gram
    bitmap_shift: np.uint64  # from a gram to its bit
    slot: np.ndarray  # int32, a power of two long: open addressing, number of the gram or -1


class Weights(NamedTuple):
    """Weights of the grams and words of an index (see `compute_weights`)."""

    gram: np.ndarray  # (g,) int32, 0..UNIT
    word: np.ndarray  # (n,) int32, 0..UNIT: mean weight of the k-grams over the word
    inner: np.ndarray  # (s,) int64: weight of the first words of each sequence, the question's own
    total: np.ndarray  # (s,) int64: weight of all words of each sequence
    threshold: np.ndarray  # (s,) int64: weight of k-grams near each other from which a sequence is a candidate
    window: np.ndarray  # (s,) int64: words of a document within which they must be, see `find_candidates`


@njit(cache=True, nogil=True, inline="always")
def gram_hash(words, i, k):
    """Hash of words i to i + k: a polynomial of their hashes, which are well mixed, so all its bits are."""
    hash_ = np.uint64(0)
    for j in range(i, i + k):
        hash_ = hash_ * _HASH_BASE + words[j]
    return hash_


def build_index(word: np.ndarray, first: np.ndarray, k: int) -> NgramIndex:
    """Index s word sequences by their k-grams: word hashes (n,) uint64, sequence i from first[i] to first[i + 1]."""
    gram, owner, is_numeric = _list_grams(word, first, k, np.isin(word, _small_numbers()))
    order = np.lexsort((owner, gram))
    gram, owner, is_numeric = gram[order], owner[order], is_numeric[order]
    is_new = np.ones(len(gram), bool)
    is_new[1:] = (gram[1:] != gram[:-1]) | (owner[1:] != owner[:-1])
    owner, is_numeric = owner[is_new], is_numeric[is_new]
    grams, begin, counts = np.unique(gram[is_new], return_index=True, return_counts=True)
    is_seed = counts <= _MAX_POSTINGS
    posting_first = np.zeros(len(grams) + 1, np.int64)
    posting_first[1:] = np.cumsum(np.where(is_seed, counts, 0))
    posting = owner[np.repeat(is_seed, counts)]
    bitmap_bits = max(_MIN_BITMAP_BITS, int(len(grams) * _BITMAP_BITS_PER_GRAM).bit_length())
    slot_bits = max(_MIN_SLOT_BITS, int(len(grams) * _SLOTS_PER_GRAM).bit_length())
    bitmap, slot = _fill_tables(grams, bitmap_bits, slot_bits)
    sequences, shift = counts.astype(np.int64), np.uint64(64 - bitmap_bits)
    return NgramIndex(k, word, first, grams, posting, posting_first, is_numeric[begin], sequences, bitmap, shift, slot)


@functools.cache
def _small_numbers() -> np.ndarray:
    """Hashes of 0 to 9999, as words."""
    return words(pa.array([str(i) for i in range(_SMALL_NUMBERS)])).hash


@njit(cache=True, nogil=True)
def _list_grams(word, first, k, is_number):
    """(hash, sequence, whether it is all numbers) of each k-gram of each sequence."""
    total = 0
    for sequence in range(len(first) - 1):
        total += max(0, first[sequence + 1] - first[sequence] - k + 1)
    gram, owner, is_numeric = np.empty(total, np.uint64), np.empty(total, np.int32), np.empty(total, np.bool_)
    n = 0
    for sequence in range(len(first) - 1):
        for i in range(first[sequence], first[sequence + 1] - k + 1):
            gram[n], owner[n], is_numeric[n] = gram_hash(word, i, k), sequence, is_number[i : i + k].all()
            n += 1
    return gram, owner, is_numeric


@njit(cache=True, nogil=True)
def _fill_tables(grams, bitmap_bits, slot_bits):
    bitmap, slot = np.zeros(1 << (bitmap_bits - 6), np.uint64), np.full(1 << slot_bits, np.int32(-1))
    mask = np.uint64((1 << slot_bits) - 1)
    for i in range(len(grams)):
        bit = grams[i] >> np.uint64(64 - bitmap_bits)
        bitmap[bit >> np.uint64(6)] |= np.uint64(1) << (bit & np.uint64(63))
        j = grams[i] & mask
        while slot[j] >= 0:
            j = (j + np.uint64(1)) & mask
        slot[j] = i
    return bitmap, slot


def compute_weights(index: NgramIndex, inner: np.ndarray, common: np.ndarray, bound: float, share: float) -> Weights:
    """Weigh k-grams and words by how many other documents have them.

    A gram of at most one document weighs UNIT, of `bound` or more nothing, between them log-linearly (inverse document
    frequency, Spärck Jones 1972, cut at both ends). A gram of nothing but numbers weighs nothing: numbered lists and
    tables contain any run of small numbers. A word weighs the mean of the grams over it.

    Args:
        index: The sequences.
        inner: (s,) how many of a sequence's words are the question's own.
        common: (g,) documents or other sequences that have each gram.
        bound: Documents from which a gram weighs nothing.
        share: Share of the weight of a sequence's grams that makes it a candidate.
    """
    rarity = 1.0 - np.log(np.maximum(common, 1)) / np.log(max(bound, 2.0))
    gram = np.rint(UNIT * np.clip(rarity, 0.0, 1.0)).astype(np.int32)
    gram[index.is_numeric] = 0
    word, seeds = _weigh_words(index, gram)
    running = np.concatenate([[0], np.cumsum(word, dtype=np.int64)])
    begin, end = index.first[:-1], index.first[1:]
    threshold = np.maximum(1, np.ceil(share * seeds)).astype(np.int64)
    threshold[seeds == 0] = np.iinfo(np.int64).max
    inner_weight, total_weight = running[begin + inner] - running[begin], running[end] - running[begin]
    return Weights(gram, word, inner_weight, total_weight, threshold, (end - begin) * 3 // 2 + 8)


def best_weights(sequences: list[np.ndarray], k: int) -> np.ndarray:
    """Weight of each sequence if none of its k-grams is common, the most that it can be judged by: (s,) int64."""
    first = np.concatenate([[0], np.cumsum([len(s) for s in sequences], dtype=np.int64)])
    index = build_index(np.concatenate([np.zeros(0, np.uint64), *sequences]), first, k)
    return compute_weights(index, np.diff(first), np.zeros(len(index.gram), np.int64), 2.0, 1.0).total


@njit(cache=True, nogil=True)
def _weigh_words(index, gram_weight):
    """(weight of each word, weight of the grams of each sequence that are seeds)."""
    k, first = index.k, index.first
    word, seeds = np.zeros(len(index.word), np.int32), np.zeros(len(first) - 1, np.int64)
    for sequence in range(len(first) - 1):
        begin, end = first[sequence], first[sequence + 1]
        total, covering = np.zeros(end - begin, np.int64), np.zeros(end - begin, np.int64)
        for i in range(begin, end - k + 1):
            gram = np.searchsorted(index.gram, gram_hash(index.word, i, k))
            if index.posting_first[gram + 1] > index.posting_first[gram]:
                seeds[sequence] += gram_weight[gram]
            for j in range(k):
                total[i - begin + j] += gram_weight[gram]
                covering[i - begin + j] += 1
        for i in range(end - begin):
            word[begin + i] = total[i] // max(np.int64(1), covering[i])
    return word, seeds
