from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.common.in_memory import run
from dedup.exact.resolve_chains import chain_links, follow
from pipeline.base.schema import DUPLICATES, FOLLOWED, LEDGER, PAGES, REJECTS, VERDICTS
from pipeline.publish.ledger import ledger
from pipeline.store.shard import Shard
from pipeline.store.writer import Output
from tests.support import small_world as world


def _table(schema, rows):
    return pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema=schema)


def _run(fates, rejects=(), followed=(), **similarity):
    """The ledger of documents with these fates: "keep", a rule, ("exact", id) or ("near", id, similarity).

    `followed`: (row, id that stays, similarity) of copies of what near dedup dropped."""
    ids = [f"{i:032x}" for i in range(len(fates))]
    where = [{"id": i, "url": f"u{i}", "source": "a", "offset": 10 * n, "text": "ä" * n} for n, i in enumerate(ids)]
    judged, exact, near = [], [], []
    for i, fate in zip(ids, fates, strict=True):
        rule = isinstance(fate, str) and fate != "keep"
        why = {"stage": "s", "rule": fate, "value": 1.5, "threshold": 2.0, "detail": "d"} if rule else {}
        judged.append({"id": i, "keep": not rule, "failed": [fate] if rule else [], **why})
        for name, rows in (("exact", exact), ("near", near)):
            mine = fate if fate[0] == name else (None, None, None)
            said = {"duplicate_of": mine[1], "cluster": mine[1], "cluster_size": 3 if mine[1] else None}
            rows.append({"id": i, **said, "similarity": mine[2] if len(mine) > 2 else 1.0 if mine[0] else None})
    pages = Shard.of(_table(PAGES, where), rejects=_table(REJECTS, rejects))
    sides = [Shard.of(_table(s, rows)) for s, rows in ((VERDICTS, judged), (DUPLICATES, exact), (DUPLICATES, near))]
    rows = [dict(zip(FOLLOWED.names, row, strict=True)) for row in followed]
    part, kept = list(ledger(pages, *sides, [Shard.of(_table(FOLLOWED, found)) for found in ([], rows)], **similarity))
    assert isinstance(kept, Output)
    return part, kept.table, ids


def test_each_fate_has_its_row():
    head = "f" * 32
    part, kept, ids = _run(["keep", "short", ("exact", head), ("near", head, 0.9)], similarity=0.7)
    assert part.schema == LEDGER
    columns = ["id", "verdict", "stage", "rule", "value", "threshold", "detail", "duplicate_of"]
    assert [tuple(row.values()) for row in part.select(columns).to_pylist()] == [
        (ids[0], "kept", None, None, None, None, None, None),
        (ids[1], "dropped", "s", "short", 1.5, 2.0, "d", None),
        (ids[2], "dropped", "exact", "duplicate_text", 1.0, None, None, head),
        (ids[3], "dropped", "near", "near_duplicate", 0.9, 0.7, None, head),
    ]
    assert kept.to_pylist() == [{"id": ids[0], "row": 0, "text_bytes": 0}]


def test_a_copy_of_what_near_dedup_dropped_names_the_page_that_stays():
    gone, stays, other = "e" * 32, "f" * 32, "d" * 32
    rows = _run([("exact", gone), ("exact", other)], followed=[(0, stays, 0.85)])[0]
    columns = ["stage", "rule", "value", "threshold", "detail", "duplicate_of"]
    assert [tuple(row.values()) for row in rows.select(columns).to_pylist()] == [
        ("exact", "duplicate_text", 0.85, None, f"same text as {gone}", stays),
        ("exact", "duplicate_text", 1.0, None, None, other),
    ]


def test_sizes_are_bytes_of_kept_texts():
    _, kept, _ = _run(["keep", "short", "keep"])
    assert kept["row"].to_pylist() == [0, 2]
    assert kept["text_bytes"].to_pylist() == [0, 4]


def test_rejects_stand_where_they_were_read():
    reject = {"id": "r", "url": "x", "source": "a", "offset": 5, "stage": "http", "rule": "status", "value": 404.0}
    part, *_ = _run(["keep", "short"], [reject])
    assert part["offset"].to_pylist() == [0, 5, 10]
    assert part["rule"].to_pylist() == [None, "status", "short"]
    assert part["verdict"].to_pylist() == ["kept", "dropped", "dropped"]


def test_an_empty_shard_has_an_empty_ledger():
    part, kept, _ = _run([])
    assert (part.num_rows, kept.num_rows) == (0, 0)


def test_sidecars_of_other_pages_are_an_error():
    pages = Shard.of(_table(PAGES, [{"id": "a", "text": ""}]), rejects=_table(REJECTS, []))
    other = Shard.of(_table(VERDICTS, [{"id": "b", "keep": True}]))
    none = Shard.of(_table(DUPLICATES, [{"id": "b"}]))
    with pytest.raises(AssertionError, match="not those of these pages"):
        list(ledger(pages, other, none, none, []))
    with pytest.raises(AssertionError, match="ids differ"):
        list(ledger(pages, other, none, Shard.of(_table(DUPLICATES, [{"id": "a"}])), []))


def test_two_stages_may_not_drop_one_document():
    pages = Shard.of(_table(PAGES, [{"id": "a", "text": ""}]), rejects=_table(REJECTS, []))
    dropped = Shard.of(_table(VERDICTS, [{"id": "a", "keep": False, "stage": "s", "rule": "r"}]))
    copy, alone = (Shard.of(_table(DUPLICATES, [{"id": "a", "duplicate_of": d}])) for d in ("b", None))
    with pytest.raises(AssertionError, match="two stages dropped document a"):
        list(ledger(pages, dropped, copy, alone, []))


def test_every_record_of_a_crawl_is_there_once(tmp_path):
    store, made, _ = world.build(tmp_path)
    parts = world.parts_of(store, made)
    for pages, entry in zip(parts["pages"], parts["ledger"], strict=True):
        expected = pages.table(["id"])["id"].to_pylist() + pages.table(["id"], name="rejects")["id"].to_pylist()
        assert sorted(entry.table()["id"].to_pylist()) == sorted(expected)
    rows = [row for part in parts["ledger"] for row in part.table().to_pylist()]
    fates = {world.id_of(s, r): world.fate_of(s, r) for s in range(world.SHARDS) for r in range(world.EACH)}
    names = {None: "kept", "duplicate_text": "exact", "near_duplicate": "near"}
    assert {r["id"]: names.get(r["rule"], r["rule"]) for r in rows if r["id"] in fates} == fates


COPIES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.booleans()), min_size=1, max_size=30)


@given(COPIES, st.integers(1, 4))
@settings(deadline=None, max_examples=50)
def test_copies_follow_what_they_are_copies_of_wherever_it_stands(documents, partitions):
    """Documents are (shard, text, does near dedup drop it if it is the first with its text): pairs by brute force."""
    firsts: dict[int, int] = {}
    shards: list[list[tuple[dict, dict]]] = [[], [], []]
    expected = {}
    copies = Counter(text for _, text, _ in documents)
    for n, (shard, text, similar) in enumerate(documents):
        first = firsts.setdefault(text, n)
        gone = documents[first][2]
        exact = {"id": f"d{n}", "duplicate_of": None if first == n else f"d{first}", "cluster_size": copies[text]}
        near = {"id": f"d{n}", "duplicate_of": f"k{text}" if first == n and similar else None, "similarity": text / 10}
        if first != n and gone:
            expected[shard, len(shards[shard])] = (f"k{text}", text / 10)
        shards[shard].append((exact, near))
    sides = [
        [Shard.of(_table(DUPLICATES, [pair[k] for pair in rows]), i) for i, rows in enumerate(shards)] for k in (0, 1)
    ]
    asked = run(chain_links, *sides, tasks=3, partitions=partitions)
    found = run(follow, asked.bucket, tasks=partitions)
    rows = {(i, r["row"]): r for i in range(3) for part in found.bucket(i) for r in part.table().to_pylist()}
    assert {k: (r["duplicate_of"], r["similarity"]) for k, r in rows.items()} == expected
