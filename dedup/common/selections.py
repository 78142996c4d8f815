"""Selections: which documents of a shard the steps before have kept, and the table of what a step itself drops.

Every step that drops documents reads the last selection only: `keep` is cumulative, and so is `cluster_size`.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.common.keep_policy import score_column
from pipeline.base.errors import UserError
from pipeline.base.schema import SELECTION
from pipeline.store.join import read_aligned
from pipeline.store.shard import Shard


class Remaining(NamedTuple):
    """Which of d documents the steps before have kept.

    keep: (d,) bool, the documents that are still kept.
    cluster_size: (d,) int64, how many documents each one represents, itself included.
    """

    keep: np.ndarray
    cluster_size: np.ndarray


def read_selection(ids: pa.ChunkedArray, selection: Shard | None) -> Remaining:
    """Return which of the documents with these ids are kept; all of them where there is no selection.

    Raises AssertionError where the selection is of other documents.
    """
    if selection is None:
        return Remaining(np.ones(len(ids), bool), np.ones(len(ids), np.int64))
    table = read_aligned(ids, selection, ["keep", "cluster_size"])
    return Remaining(table["keep"].to_numpy(), table["cluster_size"].fill_null(1).to_numpy())


def selection_table(
    ids: pa.ChunkedArray,
    before: Remaining,
    dropped: np.ndarray,
    *,
    stage: str,
    rule: str | pa.Array,
    cluster_size: pa.Array | None = None,
    **columns: pa.Array | float | str | None,
) -> pa.Table:
    """Return SELECTION for d documents of which this step drops `dropped` (d,) bool.

    `rule` and `columns` (value, threshold, detail, duplicate_of: an array or one value for all) are written where the
    step dropped the document, null elsewhere. `cluster` (default: none) and `cluster_size` (default: as before) are
    written for the documents that took part, those kept before the step.
    """
    took_part, dropped_now = pa.array(before.keep), pa.array(dropped & before.keep)
    reasons = {"stage": stage, "rule": rule, **columns}
    sizes = pa.array(before.cluster_size) if cluster_size is None else cluster_size
    values: dict[str, pa.Array] = {"id": ids, "keep": pc.and_(took_part, pc.invert(dropped_now))}
    for field in list(SELECTION)[2:]:
        value = sizes if field.name == "cluster_size" else reasons.get(field.name)
        value = value if isinstance(value, pa.Array | pa.ChunkedArray) else pa.scalar(value, field.type)
        where = took_part if field.name in ("cluster", "cluster_size") else dropped_now
        values[field.name] = pc.if_else(where, value, pa.scalar(None, field.type))
    return pa.table([values[name] for name in SELECTION.names], schema=SELECTION)


def read_score(ids: pa.ChunkedArray, keep: str, scores: Shard | None) -> dict[str, pa.ChunkedArray]:
    """Return the column that the policy `keep = "best:<column>"` ranks by, read from a sidecar; nothing otherwise.

    Raises UserError where the sidecar has no such column.
    """
    column = score_column(keep)
    if not column or scores is None:
        return {}
    if column not in scores.columns():
        known = ", ".join(sorted({*scores.columns()} - {"id"}))
        raise UserError(f"keep = {keep!r}: no input has a column {column!r}; there are {known}")
    return {column: read_aligned(ids, scores, [column])[column]}
