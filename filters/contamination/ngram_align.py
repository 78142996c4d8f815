"""Kernels that find the sequences of an index (benchmark questions and answers) in documents, word by word.

Seed and align, as sequence search does it (Altschul et al. 1990, BLAST): k-grams of words found in a hash table name
candidates; a banded local alignment (Smith and Waterman 1981, free skips in the sequence, a penalty per inserted word
of the document) says how much of the sequence occurs, in order and close together.
"""

from typing import NamedTuple

import numpy as np

from filters.contamination.ngram_index import gram_hash
from pipeline.kernels.njit import njit

GAP = 100  # penalty for a word of the document between two words of the sequence, in the units of weights
_MIN_CANDIDATES = 1024  # rows of the candidates' array at first

# A sequence that may occur in a document: around stretch `stretch` of the sequence's window (see `find_candidates`).
CANDIDATE = np.dtype([("document", np.int64), ("sequence", np.int64), ("stretch", np.int64)])
# Best alignments of a sequence: of its first words (the question's own), and of all of it. Words are numbers in the
# batch, -1 where nothing matches.
ALIGNMENT = np.dtype(
    [
        ("inner_score", np.int64),
        ("inner_first", np.int64),
        ("inner_last", np.int64),
        ("score", np.int64),
        ("first", np.int64),
        ("last", np.int64),
        ("has_answer", np.bool_),  # whether the short answer is near the inner match
    ],
    align=True,
)
# What `find_candidates` remembers of each sequence.
_PROGRESS = np.dtype(
    [
        ("document", np.int64),  # that the other fields are about
        ("stretch", np.int64),
        ("weight", np.int64),  # of seeds in this stretch
        ("previous_weight", np.int64),  # of seeds in the stretch before
        ("reported", np.int64),  # stretch reported last
    ]
)


class Answers(NamedTuple):
    """Words of the short answers of s sequences."""

    word: np.ndarray  # uint64
    first: np.ndarray  # (s + 1,) int64: words of answer i are first[i] to first[i + 1]


@njit(cache=True, nogil=True)
def _possible_grams(words, start, end, index, gram, position):
    """Fill `gram` and `position` with the grams of words [start, end) that pass the bitmap; returns how many.

    It has no branches, so that the processor waits for many memory accesses at once.
    """
    n = np.int64(0)
    size, bitmap, shift = index.k, index.bitmap, index.bitmap_shift
    for i in range(start, end - size + 1):
        hash_ = gram_hash(words, i, size)
        bit = hash_ >> shift
        gram[n], position[n] = hash_, i
        n += np.int64((bitmap[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & np.uint64(1))
    return n


@njit(cache=True, nogil=True, inline="always")
def _gram_number(hash_, grams, slot):
    """Number of the gram with this hash, or -1."""
    mask = np.uint64(len(slot) - 1)
    i = hash_ & mask
    while slot[i] >= 0 and grams[slot[i]] != hash_:
        i = (i + np.uint64(1)) & mask
    return slot[i]


@njit(cache=True, nogil=True)
def _longest(first):
    """Length of the longest span [first[i], first[i + 1])."""
    longest = 0
    for i in range(len(first) - 1):
        longest = max(longest, first[i + 1] - first[i])
    return longest


@njit(cache=True, nogil=True)
def count_documents(words, index, is_exempt, counts):
    """Add to `counts` (g,) the documents with each gram, but those that have half of an exempt sequence of the gram.

    So a leaked question that is copied all over the crawl does not pass for a common phrase. words: those of a batch
    (NormalizedWords). is_exempt: (s,) bool.
    """
    grams, slots, postings, posting_first = index.gram, index.slot, index.posting, index.posting_first
    half_grams = (index.first[1:] - index.first[:-1] - index.k + 2) // 2  # of each sequence, rounded up
    last_document = np.full(len(grams), -1, np.int64)
    sequence_document = np.full(len(is_exempt), -1, np.int64)
    grams_found, numbers = np.zeros(len(is_exempt), np.int64), np.empty(len(grams), np.int32)
    longest = _longest(words.first)
    gram, position = np.empty(longest + 1, np.uint64), np.empty(longest + 1, np.int64)
    for document in range(len(words.first) - 1):
        n = 0
        start, end = words.first[document], words.first[document + 1]
        for j in range(_possible_grams(words.hash, start, end, index, gram, position)):
            number = _gram_number(gram[j], grams, slots)
            if number < 0 or last_document[number] == document:
                continue
            last_document[number], numbers[n] = document, number
            n += 1
            for k in range(posting_first[number], posting_first[number + 1]):
                sequence = postings[k]
                if sequence_document[sequence] != document:
                    sequence_document[sequence], grams_found[sequence] = document, 0
                grams_found[sequence] += 1
        for i in range(n):
            is_leak = False
            for k in range(posting_first[numbers[i]], posting_first[numbers[i] + 1]):
                sequence = postings[k]
                if is_exempt[sequence] and grams_found[sequence] >= half_grams[sequence]:
                    is_leak = True
                    break
            counts[numbers[i]] += not is_leak


@njit(cache=True, nogil=True)
def find_candidates(words, index, weights):
    """Candidates (records CANDIDATE): stretches of `window` words that, with the one before, contain seeds enough.

    A match spans at most two neighbouring stretches, so none is missed for where stretches begin.
    """
    grams, slots, postings, posting_first = index.gram, index.slot, index.posting, index.posting_first
    progress = np.empty(len(weights.threshold), _PROGRESS)
    for sequence in range(len(progress)):
        progress[sequence].document = -1
    candidates, n = np.empty(_MIN_CANDIDATES, CANDIDATE), 0
    longest = _longest(words.first)
    gram, position = np.empty(longest + 1, np.uint64), np.empty(longest + 1, np.int64)
    for document in range(len(words.first) - 1):
        start, end = words.first[document], words.first[document + 1]
        for j in range(_possible_grams(words.hash, start, end, index, gram, position)):
            number = _gram_number(gram[j], grams, slots)
            if number < 0 or weights.gram[number] == 0:
                continue
            for k in range(posting_first[number], posting_first[number + 1]):
                sequence = postings[k]
                stretch = (position[j] - start) // weights.window[sequence]
                own = progress[sequence]
                if own.document != document:
                    own.document, own.stretch, own.reported = document, stretch, -1
                    own.weight, own.previous_weight = 0, 0
                elif own.stretch != stretch:
                    own.previous_weight = own.weight if own.stretch == stretch - 1 else 0
                    own.stretch, own.weight = stretch, 0
                own.weight += weights.gram[number]
                if own.reported != stretch and own.weight + own.previous_weight >= weights.threshold[sequence]:
                    own.reported = stretch
                    if n == len(candidates):
                        grown = np.empty(2 * n, CANDIDATE)
                        grown[:n] = candidates
                        candidates = grown
                    candidate = candidates[n]
                    candidate.document, candidate.sequence, candidate.stretch = document, sequence, stretch
                    n += 1
    return candidates[:n]


@njit(cache=True, nogil=True)
def align(candidates, words, index, weights, inner, answers, near):
    """Best alignment of each candidate's sequence with its stretch and the ones on both sides: records ALIGNMENT.

    words: those of the batch (NormalizedWords). inner: (s,) how many of a sequence's first words are the question's
    own. answers: looked for within `near` words of the match of these.
    """
    alignments = np.empty(len(candidates), ALIGNMENT)
    longest = _longest(index.first)
    score, begin = np.zeros(longest + 1, np.int64), np.zeros(longest + 1, np.int64)
    for i in range(len(candidates)):
        document, sequence, stretch = candidates[i].document, candidates[i].sequence, candidates[i].stretch
        start, end, window = words.first[document], words.first[document + 1], weights.window[sequence]
        band_start, band_end = max(start, start + (stretch - 1) * window), min(end, start + (stretch + 2) * window)
        first, stop = index.first[sequence], index.first[sequence + 1]
        sequence_words, word_weights = index.word[first:stop], weights.word[first:stop]
        alignment = alignments[i]
        _align_sequence(
            words.hash, band_start, band_end, sequence_words, word_weights, inner[sequence], score, begin, alignment
        )
        answer = answers.word[answers.first[sequence] : answers.first[sequence + 1]]
        answer_start = max(start, alignment.inner_first - near)
        answer_end = min(end, alignment.inner_last + 1 + near)
        alignment.has_answer = alignment.inner_first >= 0 and _contains_words(
            words.hash, answer_start, answer_end, answer
        )
    return alignments


@njit(cache=True, nogil=True)
def _contains_words(words, start, end, wanted):
    """Whether words [start, end) contain the words wanted, one after the other; no words are never contained."""
    for position in range(start, end - len(wanted) + 1):
        is_same = len(wanted) > 0
        for i in range(len(wanted)):
            if words[position + i] != wanted[i]:
                is_same = False
                break
        if is_same:
            return True
    return False


@njit(cache=True, nogil=True)
def _align_sequence(words, start, end, sequence, weight, inner, score, begin, alignment):
    """Align a sequence of m words with words [start, end) of a document; fills `alignment`.

    score[i] after word j: best alignment of the sequence's first i words that ends at or before word j. begin[i]: the
    word at which that alignment starts. Both are scratch of at least m + 1 entries.
    """
    length = len(sequence)
    score[: length + 1] = 0
    begin[: length + 1] = -1
    alignment.inner_score, alignment.inner_first, alignment.inner_last = 0, -1, -1
    alignment.score, alignment.first, alignment.last = 0, -1, -1
    for j in range(start, end):
        diagonal, diagonal_begin = score[0], begin[0]
        word = words[j]
        for i in range(1, length + 1):
            previous, previous_begin = score[i], begin[i]
            best, best_begin = previous - GAP, previous_begin
            if score[i - 1] > best:
                best, best_begin = score[i - 1], begin[i - 1]
            if sequence[i - 1] == word and diagonal + weight[i - 1] > best:
                best, best_begin = diagonal + weight[i - 1], diagonal_begin if diagonal > 0 else j
            if best <= 0:
                best, best_begin = 0, -1
            score[i], begin[i] = best, best_begin
            diagonal, diagonal_begin = previous, previous_begin
        if score[inner] > alignment.inner_score:
            alignment.inner_score, alignment.inner_first, alignment.inner_last = score[inner], begin[inner], j
        if score[length] > alignment.score:
            alignment.score, alignment.first, alignment.last = score[length], begin[length], j
