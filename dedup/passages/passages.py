"""From duplicate passages to what is removed from documents, and to documents that are dropped for it."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.common.partitions import concat_shards, row_of
from dedup.common.selections import read_selection, selection_table
from dedup.passages.segmentation import Unit, split_units
from dedup.passages.text_spans import SPAN_BOUNDS, remaining_texts, removed_sizes, span_column, tidy_spans
from pipeline.base.schema import REMOVED_PASSAGES
from pipeline.kernels.tokens import words
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

# A passage by its first unit: row of the document in its shard, number of the unit in the document.
PASSAGES = pa.schema([("row", pa.int64()), ("place", pa.int32())])
# What a passage step removes from a document, and whether it drops the document for it.
DECISIONS = pa.schema(
    [
        *REMOVED_PASSAGES,
        ("keep", pa.bool_()),
        ("rule", pa.string()),
        ("value", pa.float64()),
        ("threshold", pa.float64()),
    ]
)


class RemovalPolicy(NamedTuple):
    """What becomes of documents with duplicate passages (the settings of `remove_spans`).

    cut: whether passages are removed; false only counts them.
    max_ratio: share of duplicate words above which a document is dropped.
    min_left: words that must remain of a document from which something is removed.
    """

    cut: bool
    max_ratio: float
    min_left: int


def passages_of(table: pa.Table) -> pa.Table:
    """Return PASSAGES of rows with a document's number (`doc`) and a `place` in it."""
    return pa.table([row_of(table["doc"].to_numpy()), table["place"]], schema=PASSAGES)


def duplicates_in_shard(local: Shard, duplicates: list[Shard]) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and places, sorted, of a shard's PASSAGES: output "local" of one step, and rows of the partitions."""
    passages = pa.concat_tables([local.table(name="local"), concat_shards(duplicates, PASSAGES)])
    row, place = passages["row"].to_numpy(), passages["place"].to_numpy()
    order = np.lexsort((place, row))
    return row[order], place[order]


def remove_passages(
    pages: Shard,
    local: Shard,
    duplicates: list[Shard],
    selection: Shard | None,
    removed: Mapping[str, Shard],
    unit: Unit,
    span: int,
    policy: RemovalPolicy,
    stage: str,
) -> Iterator[pa.Table | Output]:
    """Yield SELECTION and REMOVED_PASSAGES of a shard, from the duplicates found within it and by the partitions."""
    row, place = duplicates_in_shard(local, duplicates)
    before, decisions = read_selection(pages.table(["id"])["id"], selection), [DECISIONS.empty_table()]
    first_row = 0
    for batch in remaining_texts(pages, removed, ["id", "text"]):
        low, high = np.searchsorted(row, [first_row, first_row + batch.num_rows])
        affected, owner = np.unique(row[low:high] - first_row, return_inverse=True)
        texts = batch["text"].take(pa.array(affected))
        decided = _decide(texts, owner, place[low:high], unit, span, policy)
        decisions.append(_all_rows(batch["id"], affected, decided))
        first_row += batch.num_rows
    table = pa.concat_tables(decisions)
    yield Output(table.select(REMOVED_PASSAGES.names), name="removed")
    reasons = {name: table[name] for name in ("rule", "value", "threshold")}
    yield selection_table(table["id"], before, ~table["keep"].to_numpy(), stage=stage, **reasons)


def _decide(
    texts: pa.Array, owner: np.ndarray, place: np.ndarray, unit: Unit, span: int, policy: RemovalPolicy
) -> pa.Table:
    """Return DECISIONS, without ids, of d texts that have duplicate passages.

    The passages have `span` units each: `owner` (0 to d - 1) is their text, `place` their first unit in it, in order.
    """
    tokens = words(texts)
    units = split_units(tokens, unit)
    covered = np.zeros(len(units.start) + 1, np.int64)
    np.add.at(covered, units.first[owner] + place, 1)
    np.add.at(covered, units.first[owner] + place + span, -1)
    doc, low, high = _covered_runs(np.cumsum(covered[:-1]) > 0, units.first)
    word_count, duplicate_words = np.diff(tokens.first), np.zeros(len(texts), np.int64)
    np.add.at(duplicate_words, doc, units.word[high + 1] - units.word[low])
    spans = span_column(*tidy_spans(tokens.data, tokens.offsets, doc, units.start[low], units.end[high]))
    return _apply_policy(texts, spans, word_count, duplicate_words, policy)


def _covered_runs(covered: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return document, first and last unit of every run of covered units; a run ends with its document."""
    begins, ends, document_begins = covered.copy(), covered.copy(), np.zeros(len(covered) + 1, bool)
    document_begins[first] = True
    begins[1:] &= ~covered[:-1] | document_begins[1:-1]
    ends[:-1] &= ~covered[1:] | document_begins[1:-1]
    low = np.flatnonzero(begins)
    return np.searchsorted(first, low, side="right") - 1, low, np.flatnonzero(ends)


def _apply_policy(
    texts: pa.Array, spans: pa.Array, word_count: np.ndarray, duplicate_words: np.ndarray, policy: RemovalPolicy
) -> pa.Table:
    ratio, remaining = duplicate_words / np.maximum(word_count, 1), word_count - duplicate_words
    too_many, too_little = ratio > policy.max_ratio, policy.cut & (remaining < policy.min_left)
    keep = ~(too_many | too_little)
    removes = pa.array(keep & policy.cut)
    spans = pc.if_else(removes, spans, pa.scalar([], SPAN_BOUNDS))
    removed_bytes, removed_chars = removed_sizes(texts, spans)
    rule = pc.if_else(pa.array(too_many), "duplicate_ratio", "too_little_left")
    threshold = np.where(too_many, policy.max_ratio, policy.min_left).astype(float)
    decisions = {
        "keep": pa.array(keep),
        "rule": pc.if_else(pa.array(keep), pa.scalar(None, pa.string()), rule),
        "value": pa.array(np.where(too_many, ratio, remaining), mask=keep),
        "threshold": pa.array(threshold, mask=keep),
        "removed": spans,
        "duplicate_ratio": pa.array(ratio),
        "remaining_ratio": pc.if_else(removes, pa.array(1 - ratio), 1.0),
        "removed_bytes": pa.array(removed_bytes),
        "removed_chars": pa.array(removed_chars),
    }
    return pa.table(decisions)


_NOTHING_REMOVED = {
    "keep": True,
    "removed": [],
    "duplicate_ratio": 0.0,
    "remaining_ratio": 1.0,
    "removed_bytes": 0,
    "removed_chars": 0,
}


def _all_rows(ids: pa.Array, rows: np.ndarray, decisions: pa.Table) -> pa.Table:
    """Return the DECISIONS of a batch: `decisions` at `rows`, nothing removed from the other documents."""
    position = np.full(len(ids), len(rows), np.int64)
    position[rows] = np.arange(len(rows))
    names = DECISIONS.names[1:]
    nothing = {name: pa.array([_NOTHING_REMOVED.get(name)], DECISIONS.field(name).type) for name in names}
    table = pa.concat_tables([decisions.select(names), pa.table(nothing)]).take(pa.array(position))
    return table.add_column(0, "id", pa.chunked_array([ids])).cast(DECISIONS)
