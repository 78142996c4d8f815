"""From duplicate pieces to what is cut out of documents, and to documents that are dropped for it."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.common.partitions import ROW_BITS, concat
from dedup.common.selections import read_selection, selection_table
from dedup.passages.segmentation import Unit, units
from dedup.passages.text_spans import BOUNDS, bounds_array, lengths, remaining_texts, tidy
from pipeline.base.schema import REMOVED_PASSAGES
from pipeline.kernels.tokens import words
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

# A piece by its first unit: row of the document in its shard, number of the unit in the document.
PIECES = pa.schema([("row", pa.int64()), ("place", pa.int32())])
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


def places(table: pa.Table) -> pa.Table:
    """PIECES of rows with a document's number (`doc`) and a `place` in it."""
    return pa.table([table["doc"].to_numpy() & ((1 << ROW_BITS) - 1), table["place"]], schema=PIECES)


def found_pieces(routed: Shard, elected: list[Shard]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and places, sorted, of a shard's PIECES: found within it (`local`), and by the partitions."""
    found = pa.concat_tables([routed.table(name="local"), concat(elected, PIECES)])
    row, place = found["row"].to_numpy(), found["place"].to_numpy()
    order = np.lexsort((place, row))
    return row[order], place[order]


class Bounds(NamedTuple):
    """What becomes of documents with duplicate pieces; see `remove_spans`."""

    cut: bool
    max_ratio: float
    min_left: int


def remove_passages(
    pages: Shard,
    local: Shard,
    duplicates: list[Shard],
    selection: Shard | None,
    removed: Mapping[str, Shard],
    unit: Unit,
    span: int,
    bounds: Bounds,
    stage: str,
) -> Iterator[pa.Table | Output]:
    """SELECTION and REMOVED_PASSAGES of a shard, from the duplicates found within it and by the partitions."""
    (row, place), first = found_pieces(local, duplicates), 0
    before, decisions = read_selection(pages.table(["id"])["id"], selection), [DECISIONS.empty_table()]
    for batch in remaining_texts(pages, removed, ["id", "text"]):
        low, high = np.searchsorted(row, [first, first + batch.num_rows])
        hit, owner = np.unique(row[low:high] - first, return_inverse=True)
        judged = _cut(batch["text"].take(pa.array(hit)), owner, place[low:high], unit, span, bounds)
        decisions.append(_spread(batch["id"], hit, judged))
        first += batch.num_rows
    table = pa.concat_tables(decisions)
    yield Output(table.select(REMOVED_PASSAGES.names), name="removed")
    reasons = {name: table[name] for name in ("rule", "value", "threshold")}
    yield selection_table(table["id"], before, ~table["keep"].to_numpy(), stage=stage, **reasons)


def _cut(text: pa.Array, owner: np.ndarray, place: np.ndarray, unit: Unit, span: int, bounds: Bounds) -> pa.Table:
    """DECISIONS, without ids, of d texts that have duplicate pieces: owners (0..d) and places, in order."""
    told = words(text)
    found = units(told, unit)
    gone = np.zeros(len(found.start) + 1, np.int64)
    np.add.at(gone, found.first[owner] + place, 1)
    np.add.at(gone, found.first[owner] + place + span, -1)
    doc, low, high = _units_in_a_row(np.cumsum(gone[:-1]) > 0, found.first)
    total, lost = np.diff(told.first), np.zeros(len(text), np.int64)
    np.add.at(lost, doc, found.word[high + 1] - found.word[low])
    cuts = bounds_array(*tidy(told.data, told.offsets, doc, found.start[low], found.end[high]))
    return _judged(text, cuts, total, lost, bounds)


def _units_in_a_row(gone: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Document, first and last unit of every run of units that go; a run ends with its document."""
    begins, ends, fresh = gone.copy(), gone.copy(), np.zeros(len(gone) + 1, bool)
    fresh[first] = True
    begins[1:] &= ~gone[:-1] | fresh[1:-1]
    ends[:-1] &= ~gone[1:] | fresh[1:-1]
    low = np.flatnonzero(begins)
    return np.searchsorted(first, low, side="right") - 1, low, np.flatnonzero(ends)


def _judged(text: pa.Array, cuts: pa.Array, total: np.ndarray, lost: np.ndarray, bounds: Bounds) -> pa.Table:
    ratio, left = lost / np.maximum(total, 1), total - lost
    many, little = ratio > bounds.max_ratio, bounds.cut & (left < bounds.min_left)
    keep = ~(many | little)
    stays = pa.array(keep & bounds.cut)
    cuts = pc.if_else(stays, cuts, pa.scalar([], BOUNDS))
    size, chars = lengths(text, cuts)
    rule = pc.if_else(pa.array(many), "duplicate_ratio", "too_little_left")
    said = {
        "keep": pa.array(keep),
        "rule": pc.if_else(pa.array(keep), pa.scalar(None, pa.string()), rule),
        "value": pa.array(np.where(many, ratio, left), mask=keep),
        "threshold": pa.array(np.where(many, bounds.max_ratio, bounds.min_left).astype(float), mask=keep),
        "removed": cuts,
        "duplicate_ratio": pa.array(ratio),
        "remaining_ratio": pc.if_else(stays, pa.array(1 - ratio), 1.0),
        "removed_bytes": pa.array(size),
        "removed_chars": pa.array(chars),
    }
    return pa.table(said)


_UNTOUCHED = {
    "keep": True,
    "removed": [],
    "duplicate_ratio": 0.0,
    "remaining_ratio": 1.0,
    "removed_bytes": 0,
    "removed_chars": 0,
}


def _spread(ids: pa.Array, rows: np.ndarray, cut: pa.Table) -> pa.Table:
    """DECISIONS of a batch: `cut` at `rows`, documents that nothing is cut out of elsewhere."""
    at = np.full(len(ids), len(rows), np.int64)
    at[rows] = np.arange(len(rows))
    nothing = {name: pa.array([_UNTOUCHED.get(name)], DECISIONS.field(name).type) for name in DECISIONS.names[1:]}
    table = pa.concat_tables([cut.select(DECISIONS.names[1:]), pa.table(nothing)]).take(pa.array(at))
    return table.add_column(0, "id", pa.chunked_array([ids])).cast(DECISIONS)
