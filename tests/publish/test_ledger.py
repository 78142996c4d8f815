from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.common.in_memory import run
from dedup.exact.resolve_chains import chain_ends, chain_links
from pipeline.base.schema import LEDGER, PAGES, REJECTS, RESOLVED, SELECTION
from pipeline.publish.ledger import ledger
from pipeline.store.shard import Shard
from pipeline.store.writer import Output
from tests.support import small_world as world


def _table(schema, rows):
    return pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema=schema)


RELATIONS = {"exact": "same text as", "near": "like"}


def _selections(ids, decisions, threshold=0.8) -> dict[str, Shard]:
    """Selections of rules, exact and near for documents with these decisions (see `_ledger`)."""
    tables: dict[str, list[dict]] = {"rules": [], "exact": [], "near": []}
    for id_, decision in zip(ids, decisions, strict=True):
        drops: dict[str, dict] = {name: {} for name in tables}
        if isinstance(decision, tuple):
            name, duplicate_of, *similarity = decision
            rule = {"exact": "duplicate_text", "near": "near_duplicate"}[name]
            drops[name] = {"stage": name, "rule": rule, "value": 1.0, "duplicate_of": duplicate_of}
            drops[name] |= {"value": similarity[0], "threshold": threshold} if similarity else {}
        elif decision != "keep":
            drops["rules"] = {"stage": "s", "rule": decision, "value": 1.5, "threshold": 2.0, "detail": "d"}
        keep = True
        for name, rows in tables.items():
            keep &= not drops[name]
            rows.append({"id": id_, "keep": keep, **drops[name]})
    return {name: Shard.of(_table(SELECTION, rows)) for name, rows in tables.items()}


def _ledger(decisions, rejects=(), resolved=(), threshold=0.8):
    """The ledger of documents with these decisions: "keep", a rule, ("exact", id) or ("near", id, similarity).

    `resolved`: (row, id that stays, similarity) of copies of what near dedup dropped."""
    ids = [f"{i:032x}" for i in range(len(decisions))]
    rows = [{"id": i, "url": f"u{i}", "source": "a", "offset": 10 * n, "text": "ä" * n} for n, i in enumerate(ids)]
    pages = Shard.of(_table(PAGES, rows), rejects=_table(REJECTS, rejects))
    ends = [dict(zip(RESOLVED.names, row, strict=True)) for row in resolved]
    rounds = {"round1": [Shard.of(_table(RESOLVED, []))], "round2": [Shard.of(_table(RESOLVED, ends))]}
    selections = _selections(ids, decisions, threshold)
    part, kept = list(ledger(pages, selections, rounds, relations=RELATIONS))
    assert isinstance(kept, Output)
    return part, kept.table, ids


def test_each_fate_has_its_row():
    head = "f" * 32
    part, kept, ids = _ledger(["keep", "short", ("exact", head), ("near", head, 0.9)], threshold=0.7)
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
    rows = _ledger([("exact", gone), ("exact", other)], resolved=[(0, stays, 0.85)])[0]
    columns = ["stage", "rule", "value", "threshold", "detail", "duplicate_of"]
    assert [tuple(row.values()) for row in rows.select(columns).to_pylist()] == [
        ("exact", "duplicate_text", 0.85, None, f"same text as {gone}", stays),
        ("exact", "duplicate_text", 1.0, None, None, other),
    ]


def test_sizes_are_bytes_of_kept_texts():
    _, kept, _ = _ledger(["keep", "short", "keep"])
    assert kept["row"].to_pylist() == [0, 2]
    assert kept["text_bytes"].to_pylist() == [0, 4]


def test_rejects_stand_where_they_were_read():
    reject = {"id": "r", "url": "x", "source": "a", "offset": 5, "stage": "http", "rule": "status", "value": 404.0}
    part, *_ = _ledger(["keep", "short"], [reject])
    assert part["offset"].to_pylist() == [0, 5, 10]
    assert part["rule"].to_pylist() == [None, "status", "short"]
    assert part["verdict"].to_pylist() == ["kept", "dropped", "dropped"]


def test_an_empty_shard_has_an_empty_ledger():
    part, kept, _ = _ledger([])
    assert (part.num_rows, kept.num_rows) == (0, 0)


def test_selections_of_other_pages_are_an_error():
    pages = Shard.of(_table(PAGES, [{"id": "a", "text": ""}]), rejects=_table(REJECTS, []))
    other, own = ({"s": Shard.of(_table(SELECTION, [{"id": i, "keep": True}]))} for i in ("b", "a"))
    with pytest.raises(AssertionError, match="not those of these pages"):
        list(ledger(pages, other, relations={}))
    with pytest.raises(AssertionError, match="ids differ"):
        list(ledger(pages, {"first": own["s"], "last": other["s"]}, relations={}))


@pytest.mark.parametrize(("drops", "keep"), [((True, True), False), ((False, False), False), ((True, False), True)])
def test_a_document_is_dropped_by_exactly_one_selection(drops, keep):
    pages = Shard.of(_table(PAGES, [{"id": "a", "text": ""}]), rejects=_table(REJECTS, []))
    rows = [{"id": "a", "keep": keep, **({"stage": "s", "rule": "r"} if drop else {})} for drop in drops]
    selections = {f"s{i}": Shard.of(_table(SELECTION, [row])) for i, row in enumerate(rows)}
    with pytest.raises(AssertionError, match=f"document a was dropped by {sum(drops)} of"):
        list(ledger(pages, selections, relations={}))


def test_every_record_of_a_crawl_is_there_once(tmp_path):
    store, made, _ = world.build(tmp_path)
    parts = world.shards_by_step(store, made)
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
        dropped_later = documents[first][2]
        exact = {"id": f"d{n}", "keep": first == n, "cluster_size": copies[text]}
        near = {"id": f"d{n}", "keep": first == n and not similar, "cluster_size": copies[text] if first == n else None}
        if first != n:
            exact |= {"rule": "duplicate_text", "duplicate_of": f"d{first}", "value": 1.0}
        elif similar:
            near |= {"rule": "near_duplicate", "duplicate_of": f"k{text}", "value": text / 10, "cluster_size": 99}
        if first != n and dropped_later:
            expected[shard, len(shards[shard])] = (f"k{text}", text / 10)
        shards[shard].append((exact, near))
    selections = {
        name: [Shard.of(_table(SELECTION, [pair[k] for pair in rows]), i) for i, rows in enumerate(shards)]
        for k, name in enumerate(("exact", "near"))
    }
    links = run(chain_links, selections=selections, tasks=3, partitions=partitions)
    ends = run(chain_ends, links=links.partition, tasks=partitions)
    rows = {(i, row["row"]): row for i in range(3) for shard in ends.partition(i) for row in shard.table().to_pylist()}
    assert {place: (row["duplicate_of"], row["similarity"]) for place, row in rows.items()} == expected
