"""Benchmark items as word sequences to search for, and how a match of each is judged."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.contamination.benchmark_items import Item, without_annotations
from filters.contamination.ngram_align import Answers
from filters.contamination.ngram_index import UNIT, NgramIndex, best_weights, build_index
from filters.contamination.normalize import normalize_words, text_lengths
from pipeline.kernels.tokens import buffers, classes
from pipeline.store.shard import Shard

SEED_WORDS = 4  # of a k-gram: one altered word of eight leaves a run of four; longer seeds miss altered questions
MIN_WEIGHT = 5 * UNIT  # weight of the words of a text: less is no evidence, however much of it is found


class Policy(IntEnum):
    """How a match is judged, by the length of the sequence."""

    TOO_SHORT = 0  # never
    EXACT_ONLY = 1  # it counts if it is complete, or has its answer near
    JUDGED_BY_SHARE = 2  # by the share of the sequence that matches


# As the column `policy` of the index spells them, in the order of Policy.
POLICY_NAMES = ("too short", "whole", "share")

INDEX = pa.schema(
    [
        ("benchmark", pa.string()),
        ("item", pa.string()),
        ("part", pa.string()),  # question (followed by the choices, or a short question's answer) | answer
        ("policy", pa.string()),  # how the words are judged, see POLICY_NAMES
        ("words", pa.list_(pa.uint64())),
        ("inner", pa.int64()),  # how many of the words are the question's own
        ("inner_policy", pa.string()),  # how these alone are judged
        ("answer", pa.list_(pa.uint64())),  # a short answer, looked for near the question
    ]
)


class _Texts:
    """Normalized words of texts, and their lengths in words."""

    def __init__(self, texts: list[str]):
        column = pa.array(texts, pa.string())
        self._words = normalize_words(column)
        data, _ = buffers(column)
        self.length = text_lengths(self._words.start, self._words.first, data, classes())

    def words(self, i: int) -> np.ndarray:
        return self._words.hash[self._words.first[i] : self._words.first[i + 1]]


def index_items(benchmark: str, items: list[Item], n: int, min_words: int) -> pa.Table:
    """Sequences of the items of a benchmark (schema INDEX): a question, and the answer with and without annotations.

    n: words from which a match is judged by its share. min_words: words below which a question is not judged.
    """
    rows = []  # id, part, text, choices, answer
    for item in items:
        rows.append((item.id, "question", item.question, "\n".join(item.choices), item.answer))
        for text in sorted({item.answer, without_annotations(item.answer)}):
            rows.append((item.id, "answer", text, "", ""))
    ids, parts, *columns = map(list, zip(*rows, strict=True))
    texts, choices, answers = map(_Texts, columns)
    count = len(rows)
    minimum = np.where(np.array(parts) == "question", min_words, n)  # an answer alone is evidence only if it is long

    # A question is followed by its choices, or without choices and if it is short by its answer.
    takes_choices = (choices.length > 0) | (texts.length >= n)
    own = [texts.words(i) for i in range(count)]
    following = [(choices if takes_choices[i] else answers).words(i) for i in range(count)]
    complete = [np.concatenate(pair) for pair in zip(own, following, strict=True)]
    complete_length = texts.length + np.where(takes_choices, choices.length, answers.length)
    short_answer = [answers.words(i) if length < n else answers.words(i)[:0] for i, length in enumerate(answers.length)]

    policy, own_policy = _policies(complete, complete_length, minimum, n), _policies(own, texts.length, minimum, n)
    inner = [len(words) for words in own]
    return pa.table([[benchmark] * count, ids, parts, policy, complete, inner, own_policy, short_answer], schema=INDEX)


def _policies(sequences: list[np.ndarray], lengths: np.ndarray, minimum: np.ndarray, n: int) -> list[str]:
    """Name of the policy of each sequence, by its length in words; hardly anything but numbers is too short too."""
    policy = np.where(lengths < n, Policy.EXACT_ONLY, Policy.JUDGED_BY_SHARE)
    policy[(lengths < minimum) | (best_weights(sequences, SEED_WORDS) < MIN_WEIGHT)] = Policy.TOO_SHORT
    return [POLICY_NAMES[number] for number in policy]


class BenchmarkIndex(NamedTuple):
    """The s sequences that are searched for."""

    rows: list[dict]  # benchmark, item and part of each
    ngrams: NgramIndex
    inner: np.ndarray  # (s,) int64: how many of the words are the question's own
    policies: np.ndarray  # (2, s) int64 of Policy: of the question's own words, and of all
    answers: Answers


def load_index(index: list[Shard]) -> BenchmarkIndex:
    """Load the shards of stage `benchmark_index`, without sequences that are too short."""
    table = pa.concat_tables([shard.table() for shard in index])
    table = table.filter(pc.not_equal(table["policy"], POLICY_NAMES[Policy.TOO_SHORT]))
    policies = [
        [POLICY_NAMES.index(name) for name in table[column].to_pylist()] for column in ("inner_policy", "policy")
    ]
    ngrams = build_index(*_flatten_lists(table["words"]), SEED_WORDS)
    rows, inner = table.select(["benchmark", "item", "part"]).to_pylist(), table["inner"].to_numpy()
    answers = Answers(*_flatten_lists(table["answer"]))
    return BenchmarkIndex(rows, ngrams, inner, np.array(policies, np.int64).reshape(2, -1), answers)


def _flatten_lists(lists: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Values (uint64) and bounds (int64) of a column of lists."""
    bounds = np.zeros(len(lists) + 1, np.int64)
    bounds[1:] = np.cumsum(pc.list_value_length(lists).to_numpy())
    return pc.list_flatten(lists).to_numpy(), bounds
