"""Duplicate runs of words, wherever they begin: exact substring deduplication (Lee et al. 2022) without a suffix array.

    anchor_hashes -> repeated_anchors -> substring_hashes -> duplicate_passages -> remove_substrings

Every window of `tokens` words that occurs earlier in the corpus is found (`dedup.passages.spans`: same order, same
equality), and what such windows cover is removed. A suffix array needs the corpus in one place; hashes of all windows
would be a row a word. But a window repeats only if its *anchor* does: of its n-grams of half the length, the one with
the smallest hash (winnowing, Schleimer et al. 2003). Neighbouring windows share anchors: some two rows for 27 words
with 50 tokens. Only the windows with a repeated anchor, which are few, are then compared themselves.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa

from dedup.common.partitions import concat_documents, partition_of, partition_rows, shard_of
from dedup.common.selections import read_score, read_selection
from dedup.passages.passages import PASSAGES, RemovalPolicy, duplicates_in_shard, passages_of, remove_passages
from dedup.passages.segmentation import run_hashes
from dedup.passages.spans import PASSAGE_ROWS, is_repeated, partition_passages, passage_rows
from dedup.passages.text_spans import remaining_texts
from pipeline.base.schema import REMOVED_PASSAGES
from pipeline.config.values import Range
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import Words, mix, words
from pipeline.runner.stage import selection as selection_stage
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

ANCHORS = pa.schema([("hash", pa.uint64()), ("doc", pa.int64()), ("place", pa.int32())])
Tokens = Annotated[int, Range(10, 10000)]


@stage(version=2, outputs={"part": ANCHORS, "local": PASSAGES})
def anchor_hashes(
    pages: Shard,
    selection: Shard | None = None,
    removed: Mapping[str, Shard] = MappingProxyType({}),
    *,
    tokens: Tokens = 50,
    partitions: Annotated[int, Range(0, 65536)] = 16,
) -> Iterator[Output]:
    """Write the anchors of the documents that are still kept, in the partition of their hash: 20 bytes each.

    Output `local` has the anchors that repeat within the shard; of equal ones only the first is shuffled.

    Args:
        tokens: Words of a run (of scripts without spaces, characters).
        partitions: Number of shuffle partitions; 0 takes as many as the input's size needs.
    """
    kept = read_selection(pages.table(["id"])["id"], selection).keep
    first_row, buffered = 0, [ANCHORS.empty_table()]
    for batch in remaining_texts(pages, removed, ["id", "text"]):
        rows = first_row + np.flatnonzero(kept[first_row : first_row + batch.num_rows])
        text = words(batch["text"].take(pa.array(rows - first_row)))
        hashes, doc, place = anchors_of(text, tokens)
        buffered.append(pa.table([hashes, rows[doc], place], schema=ANCHORS))
        first_row += batch.num_rows
    table = pa.concat_tables(buffered).combine_chunks()
    repeats = is_repeated(table["hash"].to_numpy())
    yield Output(passages_of(table.filter(pa.array(repeats))), name="local")
    _, first = np.unique(table["hash"].to_numpy(), return_index=True)
    table = table.take(pa.array(np.sort(first)))
    yield from partition_rows(table, partition_of(table["hash"].to_numpy(), partitions))


@stage(version=1, outputs={"part": PASSAGES})
def repeated_anchors(anchors: list[Shard]) -> Iterator[Output]:
    """Write the anchors of one partition that repeat, in the partition of their shard."""
    table = concat_documents(anchors, ANCHORS)
    table = table.filter(pa.array(is_repeated(table["hash"].to_numpy())))
    yield from partition_rows(passages_of(table), shard_of(table["doc"].to_numpy()))


@stage(version=2, libraries=("xxhash",), outputs={"part": PASSAGE_ROWS, "local": PASSAGES})
def substring_hashes(
    pages: Shard,
    anchors: Shard,
    repeated: list[Shard],
    scores: Shard | None = None,
    removed: Mapping[str, Shard] = MappingProxyType({}),
    *,
    tokens: Tokens = 50,
    keep: str = "oldest",
    scope: Literal["corpus", "dump"] = "corpus",
    partitions: Annotated[int, Range(0, 65536)] = 16,
) -> Iterator[Output]:
    """Write a row for every window whose anchor repeats, in the partition of the window's hash.

    Output `local` has the windows that an earlier one of this shard duplicates, as that of `span_hashes`.

    Args:
        tokens: Words of a run (of scripts without spaces, characters).
        keep: Whose copy is kept: that of the `oldest`, `newest` or `longest` document, or of the `best:<column>`.
        scope: Where copies count: in the `corpus`, or in each `dump` separately.
        partitions: Number of shuffle partitions; 0 takes as many as the input's size needs.
    """
    row, anchor = duplicates_in_shard(anchors, repeated)
    ranking = read_score(pages.table(["id"])["id"], keep, scores)
    first_row, buffered = 0, []
    for batch in remaining_texts(pages, removed, ["id", "date", "dump", "source", "text"]):
        low, high = np.searchsorted(row, [first_row, first_row + batch.num_rows])
        rows, owner = np.unique(row[low:high], return_inverse=True)
        documents = pa.Table.from_batches([batch]).take(pa.array(rows - first_row))
        text = words(documents["text"])
        doc, place = windows_of(text, tokens, owner, anchor[low:high])
        begin = text.first[doc] + place
        hashes = run_hashes(text, doc, begin, begin + tokens)
        buffered.append(passage_rows(documents, ranking, keep, scope, rows, doc, hashes, place))
        first_row += batch.num_rows
    yield from partition_passages(buffered, tokens, partitions)


@selection_stage(version=2, outputs={"removed": REMOVED_PASSAGES})
def remove_substrings(
    pages: Shard,
    passages: Shard,
    duplicates: list[Shard],
    selection: Shard | None = None,
    removed: Mapping[str, Shard] = MappingProxyType({}),
    *,
    tokens: Tokens = 50,
    cut: bool = True,
    max_ratio: Annotated[float, Range(0, 1)] = 1.0,
    min_left: Annotated[int, Range(1)] = 50,
) -> Iterator[pa.Table | Output]:
    """Choose the runs of words to remove from each document, with adjacent punctuation; otherwise as `remove_spans`.

    Args:
        tokens: Words of a run (of scripts without spaces, characters).
        cut: Whether runs are removed; false only counts them.
        max_ratio: Share of duplicate words above which a document is dropped (rule "duplicate_ratio").
        min_left: Words that must remain of a document from which something is removed, else it is dropped (rule
            "too_little_left").
    """
    policy = RemovalPolicy(cut, max_ratio, min_left)
    yield from remove_passages(pages, passages, duplicates, selection, removed, "word", tokens, policy, "substrings")


def anchors_of(text: Words, tokens: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the anchors of all windows of `tokens` words of d documents, each once.

    For each: hash (uint64), document (0 to d - 1), and its first word in the document (int32).
    """
    anchors = _window_anchors(text.hash, text.first, tokens)
    anchors = anchors[anchors >= 0]  # in order: a window's anchor is never before that of the window before it
    chosen = anchors[np.diff(anchors, prepend=-1) > 0]
    doc = np.searchsorted(text.first, chosen, side="right") - 1
    return _ngram_hashes(text.hash, text.first, tokens // 2)[chosen], doc, (chosen - text.first[doc]).astype(np.int32)


def windows_of(
    text: Words, tokens: int, owner: np.ndarray, anchor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return the windows that have one of these anchors, in order: document and first word in it.

    `owner` and `anchor` are document and first word of each anchor.
    """
    chosen = np.zeros(len(text.hash) + 1, bool)  # the last entry is for windows without an anchor, -1
    chosen[text.first[owner] + anchor] = True
    first_word = np.flatnonzero(chosen[_window_anchors(text.hash, text.first, tokens)])
    doc = np.searchsorted(text.first, first_word, side="right") - 1
    return doc, first_word - text.first[doc]


@njit(cache=True, nogil=True)
def _ngram_hashes(hashes, first, n):
    """Return the hash of the n-gram that begins at each word; 0 where none does.

    It is a polynomial of the words' hashes, rolled from one to the next, and mixed.
    """
    base, out, power = np.uint64(0xD6E8FEB86659FD93), np.zeros(len(hashes), np.uint64), np.uint64(1)
    for _ in range(n):
        power *= base
    for d in range(len(first) - 1):
        polynomial = np.uint64(0)
        for w in range(first[d], first[d + 1]):
            polynomial = polynomial * base + hashes[w]
            if w - first[d] >= n:
                polynomial -= hashes[w - n] * power
            if w - first[d] >= n - 1:
                out[w - n + 1] = mix(polynomial)
    return out


@njit(cache=True, nogil=True)
def _window_anchors(hashes, first, tokens):
    """Return where the anchor of the window at each word begins, the last one among equals; -1 without a window."""
    n = tokens // 2
    ngrams, out = _ngram_hashes(hashes, first, n), np.full(len(hashes), -1, np.int64)
    for d in range(len(first) - 1):
        best = -1
        for w in range(first[d], first[d + 1] - tokens + 1):
            last = w + tokens - n
            if best < w:
                best = w
                for g in range(w + 1, last + 1):
                    best = g if ngrams[g] <= ngrams[best] else best
            elif ngrams[last] <= ngrams[best]:
                best = last
            out[w] = best
    return out
