"""Decisions: every rule on every document, a column at a time. Seconds for millions of documents."""

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
_NO_RULE = -1


@selection(version=1, outputs={"failed": FAILED})
def verdicts(sidecars: Mapping[str, Shard], *, rules: tuple[dict, ...] = ()) -> Iterator[pa.Table | Output]:
    """Keep the documents that pass every rule; the first rule that a document fails, in their order, is the reason.

    Output `failed` lists all rules that each document fails. Raises KeyError for a column that no sidecar has, and
    AssertionError where sidecars are of other documents.

    Args:
        sidecars: Tables with the columns that rules name, by step, all with the same ids in the same order.
        rules: Checked rules, as `pipeline.config.recipe_file.load` returns them.
    """
    decisions, failed = judge(join_sidecars(*_columns_to_read(list(sidecars.values()), rules)), rules)
    yield decisions
    yield Output(failed, name="failed")


def _columns_to_read(sidecars: list[Shard], rules: tuple[dict, ...]) -> list[tuple[Shard, list[str]]]:
    """The columns to read of each sidecar: those that rules name, each from the first sidecar that has it."""
    missing = {rule[key] for rule in rules for key in ("column", "detail") if key in rule}
    reads = []
    for sidecar in sidecars:
        columns = [name for name in sidecar.columns() if name in missing]
        missing -= set(columns)
        reads.append((sidecar, columns))
    if missing:
        raise KeyError(f"no sidecar has the columns {sorted(missing)}")
    return reads


def judge(table: pa.Table, rules: tuple[dict, ...]) -> tuple[pa.Table, pa.Table]:
    """Return SELECTION and FAILED for the rows of `table`, which has `id` and the columns that `rules` name."""
    fails = np.zeros((table.num_rows, len(rules)), bool)
    for i, rule in enumerate(rules):
        fails[:, i] = is_outside(table[rule["column"]], rule)
    keep = np.logical_not(np.any(fails, axis=1))
    first_failed = np.where(keep, _NO_RULE, fails.argmax(axis=1) if rules else _NO_RULE)
    columns = {
        "id": table["id"],
        "keep": keep,
        **_reasons(table, rules, first_failed),
        "duplicate_of": pa.nulls(len(keep), pa.string()),
        "cluster": pa.nulls(len(keep), pa.string()),
        "cluster_size": pa.array(np.ones(len(keep), np.int64), mask=~keep),
    }
    names = pa.array([rule["name"] for rule in rules], pa.string())
    ends = np.concatenate([[0], np.cumsum(fails.sum(axis=1))]).astype(np.int32)
    failed_names = pa.ListArray.from_arrays(pa.array(ends), names.take(pa.array(np.nonzero(fails)[1])))
    failed = pa.table({"id": table["id"], "failed": failed_names}, FAILED)
    return pa.table([columns[name] for name in SELECTION.names], schema=SELECTION), failed


def is_outside(column: pa.ChunkedArray, rule: dict[str, Any]) -> np.ndarray:
    """Whether each value is outside the rule's bound, bool[rows]. Null and NaN are not, unless null = "drop"."""
    test, bound = next((_TESTS[key], rule[key]) for key in _TESTS if key in rule)
    outside = pc.and_(pc.is_valid(column), test(column, bound, rule.get("exclusive", False)))
    is_missing = pc.is_null(column, nan_is_null=True)
    fails = pc.if_else(is_missing, rule.get("null") == "drop", outside)
    return np.asarray(fails.combine_chunks() if isinstance(fails, pa.ChunkedArray) else fails).astype(bool)


def _has_word(column: pa.ChunkedArray, words: tuple[str, ...], _: bool) -> pa.ChunkedArray:
    """Whether a comma-joined column has one of the words."""
    padded = pc.binary_join_element_wise("", column, "", ",")
    has_word, *others = [pc.match_substring(padded, f",{word},") for word in words]
    for other in others:
        has_word = pc.or_(has_word, other)
    return has_word


# Tests of which values are *outside* a bound; the caller treats nulls.
_TESTS: dict[str, Callable] = {
    "min": lambda column, bound, exclusive: (pc.less_equal if exclusive else pc.less)(column, bound),
    "max": lambda column, bound, exclusive: (pc.greater_equal if exclusive else pc.greater)(column, bound),
    "equals": lambda column, bound, _: pc.not_equal(column, bound),
    "not_equals": lambda column, bound, _: pc.equal(column, bound),
    "any_of": lambda column, bound, _: pc.invert(pc.is_in(column, pa.array(bound, pa.string()))),
    "none_of": lambda column, bound, _: pc.is_in(column, pa.array(bound, pa.string())),
    "lacks": _has_word,
}


def _reasons(table: pa.Table, rules: tuple[dict, ...], first_failed: np.ndarray) -> dict[str, pa.Array]:
    """stage, rule, value, threshold and detail of each row's first failed rule; null for a row that fails none."""
    is_dropped = first_failed >= 0
    value, has_value = np.zeros(len(first_failed)), np.zeros(len(first_failed), bool)
    detail = pa.nulls(len(first_failed), pa.string())
    for i in np.unique(first_failed[is_dropped]):
        rows, column = first_failed == i, table[rules[i]["column"]]
        is_text = pa.types.is_string(column.type)
        if not is_text:
            numbers = pc.cast(column, pa.float64()).to_numpy()
            value[rows], has_value[rows] = numbers[rows], ~np.isnan(numbers[rows])
        if is_text or "detail" in rules[i]:
            details = pc.cast(table[rules[i].get("detail", rules[i]["column"])], pa.string())
            detail = pc.if_else(rows, details.combine_chunks(), detail)
    bounds = [next(rule[key] for key in _TESTS if key in rule) for rule in rules]
    thresholds = [float(bound) if isinstance(bound, (bool, int, float)) else None for bound in bounds]
    index = pa.array(first_failed, mask=~is_dropped)
    return {
        "stage": pa.array([rule["stage"] for rule in rules], pa.string()).take(index),
        "rule": pa.array([rule["name"] for rule in rules], pa.string()).take(index),
        "value": pa.array(value, mask=~has_value),
        "threshold": pa.array(thresholds, pa.float64()).take(index),
        "detail": detail,
    }
