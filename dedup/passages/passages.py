"""From duplicate pieces to what is cut out of documents, and to documents that are dropped for it."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.common.clusters import ROW_BITS, concat
from dedup.passages.segmentation import Unit, units
from dedup.passages.text_spans import BOUNDS, bounds_array, lengths, texts_left, tidy
from pipeline.base.schema import CUTS
from pipeline.kernels.tokens import words
from pipeline.store.shard import Shard

# A piece by its first unit: row of the document in its shard, number of the unit in the document.
PIECES = pa.schema([("row", pa.int64()), ("place", pa.int32())])


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
    """What becomes of documents with duplicate pieces; see `span_join`."""

    cut: bool
    max_ratio: float
    min_left: int


def joined(
    pages: Shard,
    routed: Shard,
    elected: list[Shard],
    sidecars: tuple[Shard, ...],
    unit: Unit,
    span: int,
    bounds: Bounds,
) -> Iterator[pa.Table]:
    """CUTS of a shard from the duplicates found within it and by the partitions."""
    (row, place), at = found_pieces(routed, elected), 0
    for batch in texts_left(pages, sidecars, ["id", "text"]):
        low, high = np.searchsorted(row, [at, at + batch.num_rows])
        hit, owner = np.unique(row[low:high] - at, return_inverse=True)
        cut = _cut(batch["text"].take(pa.array(hit)), owner, place[low:high], unit, span, bounds)
        yield _spread(batch["id"], hit, cut)
        at += batch.num_rows


def _cut(text: pa.Array, owner: np.ndarray, place: np.ndarray, unit: Unit, span: int, bounds: Bounds) -> pa.Table:
    """CUTS, without ids, of d texts that have duplicate pieces: owners (0..d) and places, in order."""
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
        "cuts": cuts,
        "duplicate_ratio": pa.array(ratio),
        "left_ratio": pc.if_else(stays, pa.array(1 - ratio), 1.0),
        "cut_bytes": pa.array(size),
        "cut_chars": pa.array(chars),
    }
    return pa.table(said)


_UNTOUCHED = {"keep": True, "cuts": [], "duplicate_ratio": 0.0, "left_ratio": 1.0, "cut_bytes": 0, "cut_chars": 0}


def _spread(ids: pa.Array, rows: np.ndarray, cut: pa.Table) -> pa.Table:
    """CUTS of a batch: `cut` at `rows`, documents that nothing is cut out of elsewhere."""
    at = np.full(len(ids), len(rows), np.int64)
    at[rows] = np.arange(len(rows))
    nothing = {name: pa.array([_UNTOUCHED.get(name)], CUTS.field(name).type) for name in CUTS.names[1:]}
    table = pa.concat_tables([cut.select(CUTS.names[1:]), pa.table(nothing)]).take(pa.array(at))
    return table.add_column(0, "id", pa.chunked_array([ids])).cast(CUTS)
