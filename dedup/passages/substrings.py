"""Duplicate runs of words, wherever they begin: exact substring deduplication (Lee et al. 2022) without a suffix array.

    anchor_hashes -> repeated_anchors -> substring_hashes -> duplicate_passages -> remove_substrings

Every window of `tokens` words that stands earlier in the corpus (`dedup.passages.spans`: same order, same equality)
is found,
and what such windows cover is cut. A suffix array needs the corpus in one place; hashes of all windows would be a row a
word. But a window repeats only if its *anchor* does: of its n-grams of half the length the one of the smallest hash
(winnowing: Schleimer et al. 2003). Neighbouring windows share anchors, some two rows in 27 words with 50 tokens; of the
windows only those with a repeated anchor, few, are then compared as they are.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa

from dedup.common.partitions import ROW_BITS, concat, in_buckets, numbers, partition_of
from dedup.common.selections import read_score, read_selection
from dedup.passages.passages import PIECES, Bounds, found_pieces, places, remove_passages
from dedup.passages.segmentation import run_hashes
from dedup.passages.spans import ROUTED, piece_rows, routed
from dedup.passages.spans import repeated as repeated_hashes
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


@stage(version=1, outputs={"part": ANCHORS, "local": PIECES})
def anchor_hashes(
    pages: Shard,
    selection: Shard | None = None,
    removed: Mapping[str, Shard] = MappingProxyType({}),
    *,
    tokens: Tokens = 50,
    partitions: Annotated[int, Range(0, 65536)] = 16,
) -> Iterator[Output]:
    """Anchors of every document that is still kept, in the partition of their hash: 20 bytes each.

    Output `local` has the anchors that are known to repeat within the shard; of equal ones only the first travels.

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
        buffered.append(pa.table([hashes, numbers(pages.index, rows)[doc], place], schema=ANCHORS))
        first_row += batch.num_rows
    table = pa.concat_tables(buffered).combine_chunks()
    again = repeated_hashes(table["hash"].to_numpy())
    yield Output(places(table.filter(pa.array(again))), name="local")
    _, first = np.unique(table["hash"].to_numpy(), return_index=True)
    table = table.take(pa.array(np.sort(first)))
    yield from in_buckets(table, partition_of(table["hash"].to_numpy(), partitions))


@stage(version=1, outputs={"part": PIECES})
def repeated_anchors(anchors: list[Shard]) -> Iterator[Output]:
    """One partition: the anchors that repeat, in the bucket of their shard."""
    table = concat(anchors, ANCHORS)
    table = table.filter(pa.array(repeated_hashes(table["hash"].to_numpy())))
    yield from in_buckets(places(table), table["doc"].to_numpy() >> ROW_BITS)


@stage(version=1, libraries=("xxhash",), outputs={"part": ROUTED, "local": PIECES})
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
    """One row a window whose anchor repeats, in the partition of the window's hash. `local`: as for `span_hashes`.

    Args:
        tokens: Words of a run (of scripts without spaces, characters).
        keep: Whose copy stays: that of the `oldest`, `newest` or `longest` document, or of the `best:<column>`.
        scope: Where copies count: in the `corpus`, or in each `dump` for itself.
        partitions: Number of shuffle partitions; 0 takes as many as the input's size needs.
    """
    row, anchor = found_pieces(anchors, repeated)
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
        number = numbers(pages.index, rows)
        buffered.append(piece_rows(documents, ranking, keep, scope, number, rows, doc, hashes, place))
        first_row += batch.num_rows
    yield from routed(buffered, tokens, partitions)


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
    """Choose the runs of words to remove from each document, with the marks that adhere to them; else `remove_spans`.

    Args:
        tokens: Words of a run (of scripts without spaces, characters).
        cut: Whether runs are removed; false only counts them.
        max_ratio: Share of duplicate words above which a document is dropped (rule "duplicate_ratio").
        min_left: Words that must remain of a document from which something is removed, else it is dropped (rule
            "too_little_left").
    """
    bounds = Bounds(cut, max_ratio, min_left)
    yield from remove_passages(pages, passages, duplicates, selection, removed, "word", tokens, bounds, "substrings")


def anchors_of(text: Words, tokens: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Anchors of all windows of `tokens` words of d documents, each once: hash (uint64), document, first word in it."""
    at = _anchors(text.hash, text.first, tokens)
    at = at[at >= 0]  # in order: a window's anchor is never before that of the window before
    chosen = at[np.diff(at, prepend=-1) > 0]
    doc = np.searchsorted(text.first, chosen, side="right") - 1
    return _grams(text.hash, text.first, tokens // 2)[chosen], doc, (chosen - text.first[doc]).astype(np.int32)


def windows_of(
    text: Words, tokens: int, owner: np.ndarray, anchor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Windows with one of these anchors (documents, first words): document and first word in it, in order."""
    chosen = np.zeros(len(text.hash) + 1, bool)
    chosen[text.first[owner] + anchor] = True
    at = np.flatnonzero(chosen[_anchors(text.hash, text.first, tokens)])
    doc = np.searchsorted(text.first, at, side="right") - 1
    return doc, at - text.first[doc]


@njit(cache=True, nogil=True)
def _grams(hashes, first, n):
    """Hash of the n-gram at each of the words; 0 where none begins. A polynomial of the words, rolled and mixed."""
    base, out, power = np.uint64(0xD6E8FEB86659FD93), np.zeros(len(hashes), np.uint64), np.uint64(1)
    for _ in range(n):
        power *= base
    for d in range(len(first) - 1):
        h = np.uint64(0)
        for w in range(first[d], first[d + 1]):
            h = h * base + hashes[w]
            if w - first[d] >= n:
                h -= hashes[w - n] * power
            if w - first[d] >= n - 1:
                out[w - n + 1] = mix(h)
    return out


@njit(cache=True, nogil=True)
def _anchors(hashes, first, tokens):
    """For the window of `tokens` words at each word where its anchor begins, the last among equals; -1 without one."""
    n = tokens // 2
    grams, out = _grams(hashes, first, n), np.full(len(hashes), -1, np.int64)
    for d in range(len(first) - 1):
        best = -1
        for w in range(first[d], first[d + 1] - tokens + 1):
            last = w + tokens - n
            if best < w:
                best = w
                for g in range(w + 1, last + 1):
                    best = g if grams[g] <= grams[best] else best
            elif grams[last] <= grams[best]:
                best = last
            out[w] = best
    return out
