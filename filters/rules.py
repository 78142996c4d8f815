"""Deciding: every rule on every document, a column at a time. Seconds for millions of documents."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.base.schema import SELECTION
from pipeline.runner.stage import selection
from pipeline.store.join import join_sidecars
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

FAILED = pa.schema([("id", pa.string()), ("failed", pa.list_(pa.string()))])


@selection(version=1, outputs={"failed": FAILED})
def verdicts(sidecars: Mapping[str, Shard], *, rules: tuple[dict, ...] = ()) -> Iterator[pa.Table | Output]:
    """Keep the documents that pass every rule; the first rule that a document fails, in their order, is the reason.

    Output `failed` lists all rules that each document fails. Raises KeyError for a column that no sidecar has, and
    AssertionError where sidecars are of other documents.

    Args:
        rules: Checked rules, as `pipeline.config.recipe_file.load` returns them.
    """
    decisions, failed = judge(join_sidecars(*_reads(list(sidecars.values()), rules)), rules)
    yield decisions
    yield Output(failed, name="failed")


def judge(table: pa.Table, rules: tuple[dict, ...]) -> tuple[pa.Table, pa.Table]:
    """Return SELECTION and FAILED for the rows of `table`, which has `id` and the columns that `rules` name."""
    fails = np.zeros((table.num_rows, len(rules)), bool)
    for i, rule in enumerate(rules):
        fails[:, i] = failing(table[rule["column"]], rule)
    keep = np.logical_not(np.any(fails, axis=1))
    first = np.where(keep, -1, fails.argmax(axis=1) if rules else -1)
    columns = {
        "id": table["id"],
        "keep": keep,
        **_reasons(table, rules, first),
        "duplicate_of": pa.nulls(len(keep), pa.string()),
        "cluster": pa.nulls(len(keep), pa.string()),
        "cluster_size": pa.array(np.ones(len(keep), np.int64), mask=~keep),
    }
    failed = pa.table({"id": table["id"], "failed": _failed(fails, rules)}, FAILED)
    return pa.table([columns[name] for name in SELECTION.names], schema=SELECTION), failed


def failing(column: pa.ChunkedArray, rule: dict[str, Any]) -> np.ndarray:
    """bool[rows]: which values are outside the bound. Null (and NaN) passes unless the rule says null = "drop"."""
    test, bound = next((_TESTS[key], rule[key]) for key in _TESTS if key in rule)
    outside = pc.and_(pc.is_valid(column), test(column, bound, rule.get("exclusive", False)))
    missing = pc.is_null(column, nan_is_null=True)
    answer = pc.if_else(missing, rule.get("null") == "drop", outside)
    return np.asarray(answer.combine_chunks() if isinstance(answer, pa.ChunkedArray) else answer).astype(bool)


def _lacks(column: pa.ChunkedArray, words: tuple[str, ...], _: bool) -> pa.ChunkedArray:
    padded = pc.binary_join_element_wise("", column, "", ",")
    found = [pc.match_substring(padded, f",{word},") for word in words]
    for other in found[1:]:
        found[0] = pc.or_(found[0], other)
    return found[0]


# Each says which values are *outside* its bound; nulls are seen to by the caller.
_TESTS: dict[str, Callable] = {
    "min": lambda column, bound, exclusive: (pc.less_equal if exclusive else pc.less)(column, bound),
    "max": lambda column, bound, exclusive: (pc.greater_equal if exclusive else pc.greater)(column, bound),
    "equals": lambda column, bound, _: pc.not_equal(column, bound),
    "not_equals": lambda column, bound, _: pc.equal(column, bound),
    "any_of": lambda column, bound, _: pc.invert(pc.is_in(column, pa.array(bound, pa.string()))),
    "none_of": lambda column, bound, _: pc.is_in(column, pa.array(bound, pa.string())),
    "lacks": _lacks,
}


def _reasons(table: pa.Table, rules: tuple[dict, ...], first: np.ndarray) -> dict[str, pa.Array]:
    """stage, rule, value, threshold, detail of each row's first failed rule; null for `first` = -1."""
    dropped = first >= 0
    value, shown = np.zeros(len(first)), np.zeros(len(first), bool)
    detail = pa.nulls(len(first), pa.string())
    for i in np.unique(first[dropped]):
        rows, column = first == i, table[rules[i]["column"]]
        text = pa.types.is_string(column.type)
        if not text:
            numbers = pc.cast(column, pa.float64()).to_numpy()
            value[rows], shown[rows] = numbers[rows], ~np.isnan(numbers[rows])
        if text or "detail" in rules[i]:
            told = pc.cast(table[rules[i].get("detail", rules[i]["column"])], pa.string())
            detail = pc.if_else(rows, told.combine_chunks(), detail)
    bounds = [next(rule[key] for key in _TESTS if key in rule) for rule in rules]
    bound = [float(b) if isinstance(b, (bool, int, float)) else None for b in bounds]
    index = pa.array(first, mask=~dropped)
    return {
        "stage": pa.array([r["stage"] for r in rules], pa.string()).take(index),
        "rule": pa.array([r["name"] for r in rules], pa.string()).take(index),
        "value": pa.array(value, mask=~shown),
        "threshold": pa.array(bound, pa.float64()).take(index),
        "detail": detail,
    }


def _failed(fails: np.ndarray, rules: tuple[dict, ...]) -> pa.ListArray:
    names = pa.array([rule["name"] for rule in rules], pa.string())
    ends = np.concatenate([[0], np.cumsum(fails.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), names.take(pa.array(np.nonzero(fails)[1])))


def _reads(sidecars: list[Shard], rules: tuple[dict, ...]) -> list[tuple[Shard, list[str]]]:
    """What to read of each sidecar: the columns that rules name, each from the first that has it."""
    wanted = {rule[key] for rule in rules for key in ("column", "detail") if key in rule}
    reads = []
    for part in sidecars:
        mine = [name for name in part.columns() if name in wanted]
        wanted -= set(mine)
        reads.append((part, mine))
    if wanted:
        raise KeyError(f"no sidecar has the columns {sorted(wanted)}")
    return reads
