"""Which of several duplicates stays: a total order over documents, best first, ties by id."""

import numpy as np
import pyarrow as pa

from pipeline.base.errors import UserError
from pipeline.base.suggestions import unknown_name

POLICIES = ("oldest", "newest", "longest", "best:<column>")
LAST = np.iinfo(np.int64).max  # unknown dates and scores stand behind all known ones


def check_policy(keep: str) -> None:
    """Raises UserError naming the policies when `keep` is none of them."""
    if keep not in POLICIES[:3] and not (keep.startswith("best:") and keep[5:].strip()):
        raise UserError(f"keep: {unknown_name('policy', keep, POLICIES)}")


def order_keys(keep: str, documents: pa.Table, scores: dict[str, pa.ChunkedArray]) -> np.ndarray:
    """(d,) int64 sort keys, the smallest stays; equal keys are told apart by id, where the smaller one stays.

    `documents` has `date` and `chars`; `scores` maps names to numbers (`best:<column>`, highest first).
    Nulls and NaN come last. Raises UserError for a policy or column that there is not.
    """
    check_policy(keep)
    if keep.startswith("best:"):
        return ~_sortable(_score(keep[5:].strip(), scores))
    values = documents["chars"] if keep == "longest" else documents["date"].cast(pa.timestamp("ms", "UTC"))
    known = values.cast(pa.int64()).fill_null(LAST if keep == "oldest" else ~LAST).to_numpy()
    return known if keep == "oldest" else ~known


def _score(name: str, scores: dict[str, pa.ChunkedArray]) -> pa.ChunkedArray:
    if name not in scores:
        raise UserError(f"keep = 'best:{name}': no input has a column {name!r}")
    kind = scores[name].type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise UserError(f"keep = 'best:{name}': column {name!r} is {kind}, not a number; name a numeric column")
    return scores[name]


def _sortable(column: pa.ChunkedArray) -> np.ndarray:
    """(d,) int64 in the order of the numbers, nulls and NaN below all (IEEE 754: floats order as signed magnitudes)."""
    if not pa.types.is_floating(column.type):
        return column.cast(pa.int64()).fill_null(~LAST).to_numpy()
    values = column.cast(pa.float64()).fill_null(np.nan).to_numpy() + 0.0  # -0.0 is 0.0
    bits = np.ascontiguousarray(values).view(np.int64)
    return np.where(np.isnan(values), ~LAST, np.where(bits < 0, bits ^ LAST, bits))
