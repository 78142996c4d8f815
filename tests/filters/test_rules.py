"""Rules: against an obvious row-by-row reference, null and NaN, reasons, reading of sidecars."""

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.rules import judge, verdicts
from filters.signals.columns import SIGNALS_SCHEMA
from pipeline.base.schema import LANGUAGES, SELECTION
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard


def passes(value, rule) -> bool:
    """The definition, one value at a time."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return rule.get("null") != "drop"
    strict = rule.get("exclusive", False)
    match next((key, rule[key]) for key in rule if key in BOUNDS):
        case "min", bound:
            return value > bound if strict else value >= bound
        case "max", bound:
            return value < bound if strict else value <= bound
        case "equals", bound:
            return value == bound
        case "not_equals", bound:
            return value != bound
        case "any_of", bound:
            return value in bound
        case "none_of", bound:
            return value not in bound
        case "lacks", bound:
            return not set(value.split(",")) & set(bound)
    raise AssertionError(rule)


BOUNDS = ("min", "max", "equals", "not_equals", "any_of", "none_of", "lacks")
COLUMNS = {"id": pa.string(), "ratio": pa.float64(), "count": pa.int64(), "flag": pa.bool_(), "word": pa.string()}
WORDS = st.sampled_from(["de", "en", "noai", "noai,nofollow", "nofollow", "xnoai,noaix", ""])
NUMBERS = st.one_of(st.sampled_from([0.0, 0.1, 0.3, 1.0]), st.floats(-2, 2))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "ratio": st.one_of(st.none(), st.just(math.nan), NUMBERS),
            "count": st.one_of(st.none(), st.integers(-3, 3)),
            "flag": st.one_of(st.none(), st.booleans()),
            "word": st.one_of(st.none(), WORDS),
        }
    ),
    max_size=20,
)
LISTS = st.lists(WORDS, max_size=3).map(tuple)
SINGLE = st.lists(st.sampled_from(["noai", "nofollow", "de"]), min_size=1, max_size=3).map(tuple)
CHOICES = st.one_of(
    st.tuples(st.sampled_from(["ratio", "count"]), st.sampled_from(["min", "max", "equals", "not_equals"]), NUMBERS),
    st.tuples(st.just("flag"), st.sampled_from(["equals", "not_equals"]), st.booleans()),
    st.tuples(st.just("word"), st.sampled_from(["equals", "not_equals"]), WORDS),
    st.tuples(st.just("word"), st.sampled_from(["any_of", "none_of"]), LISTS),
    st.tuples(st.just("word"), st.just("lacks"), SINGLE),
)
EXTRAS = st.fixed_dictionaries({}, optional={"null": st.sampled_from(["pass", "drop"]), "exclusive": st.booleans()})


def rules_of(choices) -> tuple[dict, ...]:
    return tuple(
        {"stage": f"s{i}", "name": f"r{i}", "column": column, bound: value, **extra}
        for i, ((column, bound, value), extra) in enumerate(choices)
    )


def table_of(rows) -> pa.Table:
    rows = [{"id": f"{i:032x}", **row} for i, row in enumerate(rows)]
    return pa.Table.from_pylist(rows, pa.schema(COLUMNS.items()))


def expected(row: dict, rules: tuple[dict, ...]) -> dict:
    failed = [rule for rule in rules if not passes(row[rule["column"]], rule)]
    reason = dict.fromkeys(["stage", "rule", "value", "threshold", "detail"])
    if failed:
        value = row[failed[0]["column"]]
        bound = next(failed[0][key] for key in BOUNDS if key in failed[0])
        reason = {
            "stage": failed[0]["stage"],
            "rule": failed[0]["name"],
            "value": None if value is None or isinstance(value, str) or value != value else float(value),
            "threshold": float(bound) if isinstance(bound, (bool, int, float)) else None,
            "detail": value if isinstance(value, str) else None,
        }
    cluster = {"duplicate_of": None, "cluster": None, "cluster_size": None if failed else 1}
    return {"id": row["id"], "keep": not failed, **reason, **cluster}, [rule["name"] for rule in failed]


@given(ROWS, st.lists(st.tuples(CHOICES, EXTRAS), max_size=6))
def test_judging_columns_is_judging_row_by_row(rows, choices):
    rules, table = rules_of(choices), table_of(rows)
    decisions, failed = judge(table, rules)
    assert decisions.schema == SELECTION
    rows = zip(decisions.to_pylist(), failed["failed"].to_pylist(), strict=True)
    assert list(rows) == [expected(row, rules) for row in table.to_pylist()]


@pytest.mark.parametrize(
    ("bound", "extra", "outcome"),
    [
        ({"min": 0.3}, {}, [False, True, True]),
        ({"min": 0.3}, {"exclusive": True}, [False, False, True]),
        ({"max": 0.3}, {}, [True, True, False]),
        ({"max": 0.3}, {"exclusive": True}, [True, False, False]),
    ],
)
def test_below_at_and_above_a_bound(bound, extra, outcome):
    rows = [{"ratio": math.nextafter(0.3, 0)}, {"ratio": 0.3}, {"ratio": math.nextafter(0.3, 1)}]
    rule = {"stage": "s", "name": "r", "column": "ratio", **bound, **extra}
    assert judge(table_of(rows), (rule,))[0]["keep"].to_pylist() == outcome


@pytest.mark.parametrize(("null", "kept"), [({}, True), ({"null": "drop"}, False)])
@pytest.mark.parametrize(("column", "value"), [("ratio", None), ("ratio", math.nan), ("word", None), ("flag", None)])
def test_null_and_nan_pass_unless_the_rule_says_drop(null, kept, column, value):
    bound = {"ratio": {"min": 1.0}, "word": {"equals": "de"}, "flag": {"equals": True}}[column]
    rule = {"stage": "s", "name": "r", "column": column, **bound, **null}
    row = judge(table_of([{column: value}]), (rule,))[0].to_pylist()[0]
    assert (row["keep"], row["value"], row["detail"]) == (kept, None, None)


def test_detail_names_another_column():
    rule = {"stage": "s", "name": "r", "column": "ratio", "max": 0.5, "detail": "word"}
    row = judge(table_of([{"ratio": 0.8, "word": "gsm8k/12"}]), (rule,))[0].to_pylist()[0]
    assert (row["value"], row["threshold"], row["detail"]) == (0.8, 0.5, "gsm8k/12")


def languages(ids: list[str]) -> pa.Table:
    rows = [{"id": i, "language": "de", "language_score": 0.9} for i in ids]
    return pa.Table.from_pylist(rows, LANGUAGES)


def signals(ids: list[str]) -> pa.Table:
    return pa.Table.from_pylist([{"id": i, "word_count": n * 40} for n, i in enumerate(ids)], SIGNALS_SCHEMA)


def sidecars(*tables: pa.Table) -> dict[str, Shard]:
    return {f"sidecar{i}": Shard.of(table) for i, table in enumerate(tables)}


RULES = (
    {"stage": "language", "name": "language", "column": "language", "equals": "de"},
    {"stage": "gopher", "name": "short", "column": "word_count", "min": 50.0},
)


def test_sidecars_are_joined_by_id():
    ids = ["a", "b", "c"]
    got, _ = verdicts(sidecars(languages(ids), signals(ids)), rules=RULES)
    assert got["keep"].to_pylist() == [False, False, True]
    with pytest.raises(AssertionError, match="ids differ"):
        list(verdicts(sidecars(languages(ids), signals(["a", "c", "b"])), rules=RULES))


def test_a_column_that_no_sidecar_has_is_an_error():
    with pytest.raises(KeyError, match="word_count"):
        list(verdicts(sidecars(languages(["a"])), rules=RULES))


def test_stored_shards_are_read_by_column(tmp_path):
    import pyarrow.parquet as pq

    store = Store(tmp_path)
    for name, table in (("languages", languages(["a", "b"])), ("signals", signals(["a", "b"]))):
        (tmp_path / name).mkdir()
        pq.write_table(table, tmp_path / name / "part-0a.parquet")
    stored = {name: Shard(store, name, "0a") for name in ("languages", "signals")}
    got, _ = verdicts(stored, rules=RULES)
    joined = languages(["a", "b"]).append_column("word_count", pa.array([0, 40]))
    assert got.to_pylist() == judge(joined, RULES)[0].to_pylist()


def test_no_rule_keeps_everything():
    got, failed = verdicts(sidecars(languages(["a", "b"])))
    assert got["keep"].to_pylist() == [True, True]
    assert failed.table["failed"].to_pylist() == [[], []]
