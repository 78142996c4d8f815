"""Exact deduplication: normal forms, the keep order, and the same answer however the corpus is cut."""

import datetime
import itertools
import random
import time
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.common.in_memory import run
from dedup.common.keep_policy import order_keys
from dedup.exact.exact import (
    drop_exact_duplicates,
    exact_hashes,
    fingerprints,
    hash_clusters,
    normal_url,
    partition_of,
    text_hashes,
    url_hashes,
)
from dedup.exact.normal_form import normalised
from pipeline.base.errors import UserError
from pipeline.base.schema import PAGES
from pipeline.store.shard import Shard

DAY = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


def pages(rows: list[dict], shards: int = 1) -> list[Shard]:
    """Documents as PAGES parts; what a row does not say is null."""
    rows = [{"id": f"{i:032x}", **row} for i, row in enumerate(rows)]
    cut = [rows[i::shards] for i in range(shards)]
    return [Shard.of(pa.Table.from_pylist(part, PAGES), i, shards) for i, part in enumerate(cut)]


def exact(
    parts: list[Shard], *sidecars: list[Shard], route=exact_hashes, partitions: int = 3, alarm: int = 1000, **params
) -> pa.Table:
    """The four stages, as a recipe binds them."""
    n = len(parts)
    prints = run(fingerprints, parts, tasks=n)
    routed = run(route, parts, prints.parts, *sidecars, tasks=n, partitions=partitions, **params)
    elected = run(hash_clusters, routed.bucket, tasks=partitions, alarm=alarm)
    exact.alarms = elected.table("alarms").to_pylist()
    return run(drop_exact_duplicates, parts, elected.bucket, *sidecars, tasks=n).table()


def removed(table: pa.Table) -> dict[str, str]:
    """id (as a number) of each duplicate -> what stays."""
    return {int(r["id"], 16): int(r["duplicate_of"], 16) for r in table.to_pylist() if r["duplicate_of"]}


def normal(text: str) -> str:
    """The slow, obvious normal form."""
    text = unicodedata.normalize("NFC", text)
    for mark in "\u00ad\u200b\u2060\ufeff":
        text = text.replace(mark, "")
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in " ".join(text.split()))


def folded(texts: list[str | None]) -> list[str]:
    data, bounds = normalised(pa.chunked_array([pa.array(texts, pa.string())]))
    return [data[a:b].tobytes().decode() for a, b in itertools.pairwise(bounds)]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("Ein Text.", "  ein\n\n TEXT. ", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("\uac00", "\u1100\u1161", True),
        ("soft\u00adhyphen", "softhyphen", True),
        ("\ufeffText", "Text", True),
        ("a\u00a0b", "a b", True),
        ("x²", "x2", False),
        ("cafe", "café", False),
        ("2023", "2024", False),
        ("Ende.", "Ende", False),
        ("a b", "ab", False),
        ("", " \n", True),
        ("\u4e2d\u6587", "\u4e2d \u6587", False),
    ],
)
def test_which_texts_are_the_same(a, b, same):
    one, two = text_hashes(pa.chunked_array([pa.array([a, b])])).to_pylist()
    assert (one == two) == same


@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=30)), max_size=8))
@settings(max_examples=400, deadline=None)
def test_normal_form_is_that_of_the_reference(texts):
    assert folded(texts) == [normal(text or "") for text in texts]


MARKS = "aeouA\u030a\u0301\u0323\u1100\u1161\u11a8\u09c7\u09be\u0130\u1e9e\u023a\u212b\U0002f800 \u2028\u00ad\u3099か"


@given(st.lists(st.text(MARKS, max_size=12), max_size=6))
@settings(max_examples=400, deadline=None)
def test_normal_form_of_what_composes(texts):
    assert folded(texts) == [normal(text) for text in texts]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("http://Example.org/a", "https://www.example.org/a/", True),
        ("https://example.org/a?utm_source=x&b=1", "https://example.org/a?b=1", True),
        ("https://example.org/a?b=1&utm_source=x", "https://example.org/a?b=1", True),
        ("https://example.org/a#top", "https://example.org/a", True),
        ("https://example.org:443/", "https://example.org", True),
        ("https://example.org/a", "https://example.org/A", False),
        ("https://example.org/a?b=1", "https://example.org/a?b=2", False),
        ("https://www2.example.org/", "https://example.org/", False),
        ("https://example.org:8080/", "https://example.org/", False),
    ],
)
def test_which_urls_are_the_same(a, b, same):
    assert (normal_url(a) == normal_url(b)) == same


ROWS = [
    {"text": "Gleicher Text", "date": DAY + datetime.timedelta(days=2)},
    {"text": "gleicher  text", "date": DAY},
    {"text": "Gleicher\nText  ", "date": None},
    {"text": "gleicher text", "date": DAY + datetime.timedelta(days=5)},
    {"text": "ein anderer", "date": DAY},
]


@pytest.mark.parametrize(("keep", "stays"), [("oldest", 1), ("newest", 3), ("longest", 2), ("best:quality", 0)])
def test_keep_policy(keep, stays):
    parts = pages(ROWS)
    ids = parts[0].table()["id"]
    scores = Shard.of(pa.table({"id": ids, "quality": [0.9, None, float("nan"), -1.0, 5.0]}))
    table = exact(parts, [scores], keep=keep)
    assert removed(table) == dict.fromkeys(sorted({0, 1, 2, 3} - {stays}), stays)
    rows = table.to_pylist()
    assert [r["similarity"] for r in rows] == [None if i in (stays, 4) else 1.0 for i in range(5)]
    assert [r["cluster_size"] for r in rows] == [4, 4, 4, 4, 1]
    assert {r["cluster"] for r in rows[:4]} == {rows[stays]["id"]} and rows[4]["cluster"] == rows[4]["id"]


def test_ties_go_to_the_smaller_id():
    assert removed(exact(pages([{"text": "a", "date": DAY}] * 3))) == {1: 0, 2: 0}


numbers = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, -0.0, float("inf"), -float("inf"), 5e-324]))


@given(st.lists(numbers, min_size=1, max_size=12))
def test_best_orders_floats_as_numbers(values):
    documents = pa.table({"date": pa.nulls(len(values), pa.int64()), "chars": [0] * len(values)})
    keys = order_keys("best:q", documents, {"q": pa.chunked_array([pa.array(values, pa.float64())])})
    rank = [np.inf if v is None or v != v else -v for v in values]
    known = [v is not None and v == v for v in values]
    for a in range(len(values)):
        for b in range(len(values)):
            if known[a] and known[b]:
                assert (keys[a] < keys[b]) == (rank[a] < rank[b])
            elif known[a]:
                assert keys[a] < keys[b]


@pytest.mark.parametrize(
    ("keep", "says"),
    [
        ("eldest", "did you mean 'oldest'"),
        ("best:", "unknown policy 'best:'"),
        ("best:qualty", "there are"),
        ("best:id", "there are"),
    ],
)
def test_a_policy_that_there_is_not(keep, says):
    parts = pages(ROWS)
    with pytest.raises(UserError, match=says):
        exact(parts, keep=keep)


def test_dropped_documents_take_no_part():
    parts = pages(ROWS)
    verdicts = Shard.of(pa.table({"id": parts[0].table()["id"], "keep": [True, False, True, True, False]}))
    rows = exact(parts, [verdicts]).to_pylist()
    assert removed(pa.Table.from_pylist(rows)) == {2: 0, 3: 0}
    assert rows[1]["cluster"] is None and rows[4]["cluster_size"] is None and rows[0]["cluster_size"] == 3


def test_sidecar_of_another_shard_is_refused():
    parts = pages(ROWS)
    with pytest.raises(AssertionError, match="ids differ"):
        exact(parts, [Shard.of(pa.table({"id": ["x"] * 5, "keep": [True] * 5}))])


def test_scope_and_urls():
    parts = pages(
        [
            {"text": "a", "dump": "2024-10", "url": "https://a.de/x"},
            {"text": "a", "dump": "2024-18", "url": "https://a.de/x/"},
            {"text": "b", "dump": "2024-10", "url": None},
            {"text": "a", "dump": "2024-10", "url": None},
        ]
    )
    assert removed(exact(parts)) == {1: 0, 3: 0}
    assert removed(exact(parts, scope="dump")) == {3: 0}
    assert removed(exact(parts, route=url_hashes, keep="oldest")) == {1: 0}


def test_texts_of_captures_that_stand_for_others_count_them():
    """Two captures of x, three of y: the newest stay, and each counts for all."""
    urls = ["x", "x", "y", "y", "y", "z"]
    parts = pages([{"url": u, "text": str(i), "date": DAY.replace(day=9 - i)} for i, u in enumerate(urls)])
    by_url = exact(parts, route=url_hashes)
    assert removed(by_url) == {1: 0, 3: 2, 4: 2}
    assert by_url["cluster_size"].to_pylist() == [2, 2, 3, 3, 3, 1]
    parts = pages([{"url": u, "text": "gleich", "date": DAY} for u in urls])
    ids = [Shard.of(by_url)]
    assert removed(exact(parts, ids)) == {2: 0, 5: 0}
    assert exact(parts, ids)["cluster_size"].to_pylist() == [6, None, 6, None, None, 6]


@given(
    st.lists(st.tuples(st.sampled_from("abcde "), st.integers(0, 3)), max_size=20),
    st.integers(1, 4),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
@settings(max_examples=100, deadline=None)
def test_shards_partitions_and_order_change_nothing(said, shards, partitions, shuffle):
    rows = [{"id": f"{i:032x}", "text": t, "date": DAY + datetime.timedelta(days=d)} for i, (t, d) in enumerate(said)]
    best: dict[str, tuple] = {}
    for row in rows:
        text = normal(row["text"])
        best[text] = min(best.get(text, (row["date"], row["id"])), (row["date"], row["id"]))
    expected = {
        int(r["id"], 16): int(best[normal(r["text"])][1], 16) for r in rows if best[normal(r["text"])][1] != r["id"]
    }
    shuffle.shuffle(rows)
    assert removed(exact(pages(rows, shards), partitions=partitions)) == expected


def test_a_hundred_thousand_mirrors_and_the_alarm():
    rows = [{"text": "Diese Seite ist umgezogen.", "date": DAY}] * 100_000 + [{"text": "eine"}, {"text": "eine"}]
    parts = pages(rows, 4)
    exact(pages(ROWS))  # compiled before the clock starts
    start = time.monotonic()
    table = exact(parts)
    assert time.monotonic() - start < 20
    assert sum(table["duplicate_of"].is_valid().to_pylist()) == 100_000
    assert [(a["rule"], a["value"], a["threshold"]) for a in exact.alarms] == [("large_exact_cluster", 100_000, 1000)]


@pytest.mark.parametrize("partitions", [1, 2, 7, 1000])
def test_partitions_cover_all_prefixes_evenly(partitions):
    hashes = np.array([random.Random(1).getrandbits(64) for _ in range(10)] + [0, 2**64 - 1], np.uint64)
    found = partition_of(hashes, partitions)
    assert found[-2] == 0 and found[-1] == partitions - 1
    assert found.tolist() == [int(h) * partitions >> 64 for h in hashes]


def test_an_empty_corpus():
    assert exact(pages([])).num_rows == 0
