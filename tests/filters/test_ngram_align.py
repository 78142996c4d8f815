"""Words as decontamination compares them, and the kernels that match them against slow ones."""

import math
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.contamination.ngram_align import Answers, align, count_documents, find_candidates
from filters.contamination.ngram_index import build_index, compute_weights, gram_hash
from filters.contamination.normalize import hash_span, normalize_words
from pipeline.kernels.tokens import classes, lowered, words

# --- what is the same word


SAME = [
    ("cost 1,000 dollars", "Cost 1.000 DOLLARS!"),
    ("cost 1,000 dollars", "cost 1 000 dollars"),
    ("cost 1,000 dollars", "cost 1\u202f000 dollars"),
    ("cost 1,000 dollars", "cost 1'000 dollars"),
    ("cost 1,000 dollars", "cost 1000.00 dollars"),
    ("12,345,678 people", "12345678 people"),
    ("18.0 eggs", "18 eggs"),
    ("Bundesregierung", "Bun\u00addes\u200bre\u00adgie\u00adrung"),
    ("für Öl", "fu\u0308r O\u0308l"),
    ("A) red\nB) blue", "(a) red (b) blue"),
    ("was ist das", "Was\nist\n\n»das«?"),
]
DIFFERENT = [
    ("1,5 km", "15 km"), ("1,0005", "10005"), ("1000 dollars", "1001 dollars"), ("10,00,00", "100000"), ("18.5", "18"),
    ("in 10\n000 ways", "in 10000 ways"),
    ("1,200 300 more", "1,200,300 more"), ("für", "fur"), ("ab cd", "abcd"),
]  # fmt: skip


def normalized(text: str) -> list[int]:
    return normalize_words(pa.array([text])).hash.tolist()


@pytest.mark.parametrize(("one", "other"), SAME)
def test_format_is_folded(one, other):
    assert normalized(one) == normalized(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_content_is_not_folded(one, other):
    assert normalized(one) != normalized(other)


def test_single_letters_are_dropped_except_where_characters_are_words():
    assert len(normalized("a b é 1 我 c")) == 3


@settings(deadline=None)
@given(st.lists(st.text(alphabet="aZäß٣1७é\u0301我한", min_size=1, max_size=8), max_size=20))
def test_a_span_hashes_as_the_word_it_is(texts):
    parsed = words(pa.array(texts, pa.string()))
    spans = zip(parsed.start, parsed.end, strict=True)
    hashes = [hash_span(parsed.data, start, end, classes(), lowered()) for start, end in spans]
    assert hashes == parsed.hash.tolist()


@settings(deadline=None)
@given(st.lists(st.text(alphabet="a1 0,.-\u00ad’ä我\n", max_size=40), max_size=8))
def test_folded_words_are_in_order_within_their_document_and_joined_or_apart_in_any_batch(texts):
    batch = normalize_words(pa.array(texts, pa.string()))
    assert [hash_ for text in texts for hash_ in normalized(text)] == batch.hash.tolist()
    assert (batch.start < batch.end).all()
    assert (batch.start[1:] >= batch.end[:-1]).all()


# --- the matcher against a slow one


def slow_scores(
    document: list[str], sequence: list[str], inner: int, common: dict, bound: float, share: float, k: int
) -> tuple[int, int]:
    """Best scores for the sequence's first words and for all of it, as `filters.contamination.ngram_align` defines
    them."""

    def weight(gram: tuple[str, ...]) -> int:
        if all(word.isdigit() for word in gram):
            return 0
        return round(1000 * min(1.0, max(0.0, 1 - math.log(max(common.get(gram, 0), 1)) / math.log(max(bound, 2.0)))))

    def grams(text: list[str]) -> list[tuple[str, ...]]:
        return [tuple(text[i : i + k]) for i in range(len(text) - k + 1)]

    covering = [[weight(g) for j, g in enumerate(grams(sequence)) if j <= i < j + k] for i in range(len(sequence))]
    value = [sum(c) // max(1, len(c)) for c in covering]
    need = max(1, math.ceil(share * sum(map(weight, grams(sequence)))))
    window = len(sequence) * 3 // 2 + 8
    seeds = [(i // window, weight(g)) for i, g in enumerate(grams(document)) if g in grams(sequence)]
    stretches = {
        b
        for b, _ in seeds
        if sum(w for at, w in seeds if b - 1 <= at <= b) >= need and any(w for at, w in seeds if at == b)
    }
    best = (0, 0)
    for b in stretches:
        words_near = document[max(0, (b - 1) * window) : (b + 2) * window]
        best = (
            max(best[0], slow_alignment(words_near, sequence[:inner], value)),
            max(best[1], slow_alignment(words_near, sequence, value)),
        )
    return best


def slow_alignment(stretch: list[str], sequence: list[str], value: list[int]) -> int:
    """Smith-Waterman with free skips in the sequence and 100 a skipped word of the document."""
    table = [[0] * (len(sequence) + 1) for _ in range(len(stretch) + 1)]
    for j, word in enumerate(stretch, 1):
        for i, wanted in enumerate(sequence, 1):
            hit = table[j - 1][i - 1] + value[i - 1] if word == wanted else 0
            table[j][i] = max(0, hit, table[j][i - 1], table[j - 1][i] - 100)
    return max((row[-1] for row in table), default=0)


VOCABULARY = ["ab", "cd", "ef", "gh", "12"]
TEXT = st.lists(st.sampled_from(VOCABULARY), max_size=14)


@settings(max_examples=200, deadline=None)
@given(
    sequences=st.lists(st.lists(st.sampled_from(VOCABULARY), min_size=3, max_size=9), min_size=1, max_size=4),
    glue=st.lists(st.tuples(TEXT, st.integers(0, 3)), max_size=6),
    bound=st.sampled_from([2.0, 10.0, 50.0]),
    share=st.sampled_from([0.15, 0.5, 1.0]),
    seed=st.integers(0, 3),
)
def test_kernels_equal_the_slow_matcher(sequences, glue, bound, share, seed):
    """Documents of random words with (parts of) the sequences in between."""
    document = [w for text, i in glue for w in (*text, *sequences[i % len(sequences)][seed % 2 :])]
    k, rng = 3, random.Random(seed)
    inner = np.array([len(s) - seed % len(s) for s in sequences])
    first = np.concatenate([[0], np.cumsum([len(s) for s in sequences])])
    hashes = words(pa.array([" ".join(s) for s in sequences])).hash
    index = build_index(hashes, first, k)
    common = {g: rng.choice([0, 1, 2, 9, 60]) for s in sequences for g in zip(s, s[1:], s[2:], strict=False)}
    column = np.zeros(len(index.gram), np.int64)
    for gram, n in common.items():
        hash_ = gram_hash(words(pa.array([" ".join(gram)])).hash, 0, k)
        column[np.flatnonzero(index.gram == hash_)] = n
    weights = compute_weights(index, inner, column, bound, share)
    texts = normalize_words(pa.array([" ".join(document), " ".join(document[::-1])]))
    candidates = find_candidates(texts, index, weights)
    answers = Answers(np.zeros(0, np.uint64), np.zeros(len(first), np.int64))
    alignments = align(candidates, texts, index, weights, inner, answers, 5)
    for i, text in enumerate((document, document[::-1])):
        for j, sequence in enumerate(sequences):
            rows = alignments[(candidates["document"] == i) & (candidates["sequence"] == j)]
            best = rows["inner_score"].max(initial=0), rows["score"].max(initial=0)
            assert best == slow_scores(text, sequence, inner[j], common, bound, share, k)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(VOCABULARY), max_size=12), max_size=8))
def test_counts_of_phrases_equal_slow_ones(texts):
    sequences = [["ab", "cd", "ef", "gh"], ["cd", "ef", "gh", "ab", "cd", "cd", "ab", "ef"]]
    k, is_exempt = 3, [False, True]
    hashes = words(pa.array([" ".join(s) for s in sequences])).hash
    index = build_index(hashes, np.array([0, 4, 12]), k)
    counts = np.zeros(len(index.gram), np.int64)
    column = normalize_words(pa.array([" ".join(text) for text in texts], pa.string()))
    count_documents(column, index, np.array(is_exempt), counts)

    def grams(text: list[str]) -> set[tuple[str, ...]]:
        return set(zip(text, text[1:], text[2:], strict=False))

    for gram in grams(sequences[0]) | grams(sequences[1]):
        documents = 0
        for text in texts:
            leaked = len(grams(text) & grams(sequences[1])) * 2 >= 6 and gram in grams(sequences[1])
            documents += gram in grams(text) and not leaked
        hash_ = gram_hash(words(pa.array([" ".join(gram)])).hash, 0, k)
        assert counts[np.flatnonzero(index.gram == hash_)].tolist() == [documents]
