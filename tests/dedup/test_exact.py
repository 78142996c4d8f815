"""Exact deduplication: normal forms, the keep order, and the same result whatever the shards and partitions are."""

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

from dedup.common.keep_policy import order_keys
from dedup.common.partitions import partition_of
from dedup.exact.exact import url_hashes
from dedup.exact.fingerprints import normal_url, text_hashes
from dedup.exact.normal_form import normalize
from dedup.near.shingles import shingles
from pipeline.base.errors import UserError
from pipeline.store.shard import Shard
from tests.support.documents import (
    alarms,
    duplicate_numbers,
    exact_outputs,
    page_shards,
    selection_shards,
    sidecar_shards,
)

DAY = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


def exact(pages: list[Shard], **arguments) -> pa.Table:
    """Return the SELECTION of exact deduplication."""
    return exact_outputs(pages, **arguments)["exact"].table()


def normal(text: str) -> str:
    """The slow, obvious normal form."""
    text = unicodedata.normalize("NFC", text)
    for mark in "\u00ad\u200b\u2060\ufeff":
        text = text.replace(mark, "")
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in " ".join(text.split()))


def folded(texts: list[str | None]) -> list[str]:
    data, bounds = normalize(pa.chunked_array([pa.array(texts, pa.string())]))
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
        ("\u4e2d\u6587", "\u4e2d \u6587", False),
    ],
)
def test_which_texts_are_the_same(a, b, same):
    one, two = text_hashes(pa.chunked_array([pa.array([a, b])])).to_pylist()
    assert one and two and (one == two) == same


@pytest.mark.parametrize("text", [None, "", " \n\u00a0", "\u200b\ufeff", "--- !", "*\n\n* …", "\U0001f600"])
def test_texts_without_words_are_no_copies_of_one_another(text):
    """Such texts have no hash: near deduplication and an index, which compare words, keep them all as well."""
    texts = pa.chunked_array([pa.array([text, "Wort", text], pa.string())])
    assert [value is None for value in text_hashes(texts).to_pylist()] == [True, False, True]
    rows = exact(page_shards([{"text": t, "url": "https://a.de"} for t in (text, "Wort", text, "wort")])).to_pylist()
    assert [row["keep"] for row in rows] == [True, True, True, False]
    assert [row["cluster_size"] for row in rows] == [1, 2, 1, 2]


@given(st.lists(st.one_of(st.none(), st.text("aB1_文\u0301 \n-!\u200b\U0001f600\U00020000", max_size=6)), max_size=6))
@settings(max_examples=200, deadline=None)
def test_texts_with_a_hash_are_those_with_shingles(texts):
    """What exact deduplication compares is what near deduplication compares."""
    column = pa.chunked_array([pa.array(texts, pa.string())])
    has_shingles = np.diff(shingles(column, 5)[1]) > 0
    assert [value is not None for value in text_hashes(column).to_pylist()] == has_shingles.tolist()


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


@pytest.mark.parametrize(("keep", "kept"), [("oldest", 1), ("newest", 3), ("longest", 2), ("best:quality", 0)])
def test_keep_policy(keep, kept):
    pages = page_shards(ROWS)
    scores = sidecar_shards(pages, quality=[0.9, None, float("nan"), -1.0, 5.0])
    table = exact(pages, scores=scores, keep=keep)
    assert duplicate_numbers(table) == dict.fromkeys(sorted({0, 1, 2, 3} - {kept}), kept)
    rows = table.to_pylist()
    assert [r["value"] for r in rows] == [None if i in (kept, 4) else 1.0 for i in range(5)]
    assert [r["rule"] for r in rows] == [None if i in (kept, 4) else "duplicate_text" for i in range(5)]
    assert [r["keep"] for r in rows] == [i in (kept, 4) for i in range(5)]
    assert [r["cluster_size"] for r in rows] == [4, 4, 4, 4, 1]
    assert {r["cluster"] for r in rows[:4]} == {rows[kept]["id"]} and rows[4]["cluster"] == rows[4]["id"]


def test_of_equals_the_smallest_id_is_kept():
    assert duplicate_numbers(exact(page_shards([{"text": "a", "date": DAY}] * 3))) == {1: 0, 2: 0}


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
    ("keep", "message"),
    [
        ("eldest", "did you mean 'oldest'"),
        ("best:", "unknown policy 'best:'"),
        ("best:qualty", "no input has a column 'qualty'; there are label, quality"),
        ("best:label", "column 'label' is string, not a number"),
    ],
)
def test_unknown_policies_are_refused(keep, message):
    pages = page_shards(ROWS)
    scores = sidecar_shards(pages, quality=[1.0] * 5, label=["a"] * 5)
    with pytest.raises(UserError, match=message):
        exact(pages, scores=scores, keep=keep)
    with pytest.raises(UserError):
        exact(pages, keep=keep)


def test_dropped_documents_take_no_part():
    pages = page_shards(ROWS)
    table = exact(pages, selection=selection_shards(pages, [True, False, True, True, False]))
    assert duplicate_numbers(table) == {2: 0, 3: 0}
    rows = table.to_pylist()
    assert [row["keep"] for row in rows] == [True, False, False, False, False]
    assert rows[1]["cluster"] is None and rows[4]["cluster_size"] is None and rows[0]["cluster_size"] == 3
    assert rows[1]["rule"] is None and rows[4]["rule"] is None  # the reason is that of the step before


def test_tables_of_another_shard_are_refused():
    others = selection_shards(page_shards(ROWS[::-1] + ROWS), [True] * 10)
    with pytest.raises(AssertionError, match="ids differ"):
        exact(page_shards(ROWS), selection=others)
    with pytest.raises(AssertionError, match="ids differ"):
        exact(page_shards(ROWS), scores=sidecar_shards(page_shards(ROWS[:4]), q=[1.0] * 4), keep="best:q")


def test_scope_and_urls():
    parts = page_shards(
        [
            {"text": "a", "dump": "2024-10", "url": "https://a.de/x"},
            {"text": "a", "dump": "2024-18", "url": "https://a.de/x/"},
            {"text": "b", "dump": "2024-10", "url": None},
            {"text": "a", "dump": "2024-10", "url": None},
        ]
    )
    assert duplicate_numbers(exact(parts)) == {1: 0, 3: 0}
    assert duplicate_numbers(exact(parts, scope="dump")) == {3: 0}
    assert duplicate_numbers(exact(parts, hashes=url_hashes, keep="oldest")) == {1: 0}


def test_captures_count_the_ones_that_they_represent():
    """Two captures of x, three of y: the newest are kept, and each counts for all."""
    urls = ["x", "x", "y", "y", "y", "z"]
    pages = page_shards([{"url": u, "text": str(i), "date": DAY.replace(day=9 - i)} for i, u in enumerate(urls)])
    by_url = exact(pages, hashes=url_hashes)
    assert duplicate_numbers(by_url) == {1: 0, 3: 2, 4: 2}
    assert by_url["cluster_size"].to_pylist() == [2, 2, 3, 3, 3, 1]
    pages = page_shards([{"url": u, "text": "gleich", "date": DAY} for u in urls])
    by_text = exact(pages, selection=[Shard.of(by_url)])
    assert duplicate_numbers(by_text) == {2: 0, 5: 0}
    assert by_text["cluster_size"].to_pylist() == [6, None, 6, None, None, 6]


@given(
    st.lists(st.tuples(st.sampled_from("abcde "), st.integers(0, 3)), max_size=20),
    st.integers(1, 4),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
@settings(max_examples=100, deadline=None)
def test_shards_partitions_and_order_change_nothing(documents, shards, partitions, shuffle):
    """Of each normal form that has a word, the oldest document is kept, of equally old ones that of the smallest id."""
    rows = [
        {"id": f"{i:032x}", "text": text, "date": DAY + datetime.timedelta(days=day)}
        for i, (text, day) in enumerate(documents)
    ]
    copies: dict[str, list[tuple]] = {}
    for row in rows:
        if normal(row["text"]):
            copies.setdefault(normal(row["text"]), []).append((row["date"], row["id"]))
    expected = {
        int(id_, 16): int(min(same)[1], 16) for same in copies.values() for _, id_ in same if id_ != min(same)[1]
    }
    shuffle.shuffle(rows)
    assert duplicate_numbers(exact(page_shards(rows, shards), partitions=partitions)) == expected


def test_a_hundred_thousand_mirrors_and_the_alarm():
    rows = [{"text": "Diese Seite ist umgezogen.", "date": DAY}] * 100_000 + [{"text": "eine"}, {"text": "eine"}]
    pages = page_shards(rows, 4)
    exact(page_shards(ROWS))  # compiled before the clock starts
    start = time.monotonic()
    outputs = exact_outputs(pages)
    assert time.monotonic() - start < 20
    assert outputs["exact"].table()["duplicate_of"].null_count == 100_002 - 100_000
    expected = [("large_exact_cluster", 100_000, 1000)]
    assert [(alarm["rule"], alarm["value"], alarm["threshold"]) for alarm in alarms(outputs)] == expected


@pytest.mark.parametrize("partitions", [1, 2, 7, 1000])
def test_partitions_cover_all_prefixes_evenly(partitions):
    hashes = np.array([random.Random(1).getrandbits(64) for _ in range(10)] + [0, 2**64 - 1], np.uint64)
    partition = partition_of(hashes, partitions)
    assert partition[-2] == 0 and partition[-1] == partitions - 1
    assert partition.tolist() == [int(h) * partitions >> 64 for h in hashes]


def test_an_empty_corpus():
    assert exact(page_shards([])).num_rows == 0
