"""Which of several duplicates is kept: a total order over documents, best first, ties by id."""

import numpy as np
import pyarrow as pa

from pipeline.base.errors import UserError
from pipeline.base.suggestions import unknown_name

POLICIES = ("oldest", "newest", "longest", "best:<column>")
UNKNOWN_LAST = np.iinfo(np.int64).max  # sort key of unknown dates and scores: they come after all known ones


def check_policy(keep: str) -> None:
    """Raise UserError, which names the policies, when `keep` is none of them."""
    if keep not in POLICIES[:3] and not score_column(keep):
        raise UserError(f"keep: {unknown_name('policy', keep, POLICIES)}")


def score_column(keep: str) -> str:
    """Return the column that the policy `best:<column>` ranks by; "" for other policies."""
    return keep.removeprefix("best:").strip() if keep.startswith("best:") else ""


def order_keys(keep: str, documents: pa.Table, scores: dict[str, pa.ChunkedArray]) -> np.ndarray:
    """Return sort keys, (d,) int64: of several duplicates, the one with the smallest key is kept.

    Documents of one key are told apart by id: the smaller one is kept. `documents` has `date` and `chars`; `scores` has
    the columns of numbers that `best:<column>` may name, highest first. Nulls and NaN come last. Raises UserError for a
    policy that does not exist, and for a column that does not exist or has no numbers.
    """
    check_policy(keep)
    if column := score_column(keep):
        return ~_sortable(_scores_of(column, scores))
    values = documents["chars"] if keep == "longest" else documents["date"].cast(pa.timestamp("ms", "UTC"))
    keys = values.cast(pa.int64()).fill_null(UNKNOWN_LAST if keep == "oldest" else ~UNKNOWN_LAST).to_numpy()
    return keys if keep == "oldest" else ~keys


def _scores_of(name: str, scores: dict[str, pa.ChunkedArray]) -> pa.ChunkedArray:
    if name not in scores:
        raise UserError(f"keep = 'best:{name}': no input has a column {name!r}")
    kind = scores[name].type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise UserError(f"keep = 'best:{name}': column {name!r} is {kind}, not a number; name a numeric column")
    return scores[name]


def _sortable(column: pa.ChunkedArray) -> np.ndarray:
    """Return integers that order as the numbers do, (d,) int64; nulls and NaN are below all.

    IEEE 754: the bits of floats order as signed magnitudes.
    """
    if not pa.types.is_floating(column.type):
        return column.cast(pa.int64()).fill_null(~UNKNOWN_LAST).to_numpy()
    values = column.cast(pa.float64()).fill_null(np.nan).to_numpy() + 0.0  # -0.0 is 0.0
    bits = np.ascontiguousarray(values).view(np.int64)
    return np.where(np.isnan(values), ~UNKNOWN_LAST, np.where(bits < 0, bits ^ UNKNOWN_LAST, bits))
