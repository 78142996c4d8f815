import json
import os
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.schema import LEDGER
from pipeline.publish.columns import DATA
from pipeline.publish.data import data as data_files
from pipeline.publish.explain import explain
from pipeline.publish.layout import layout as file_layout
from pipeline.publish.ledger import KEPT
from pipeline.publish.statistics import stats
from pipeline.publish.statistics.alarms import AlarmBounds, find_alarms
from pipeline.publish.statistics.contamination_counts import count_contamination
from pipeline.runner.manifests import output_folder, shards_of
from pipeline.runner.scheduler import InProcess, execute
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard
from tests.support import small_world as world
from tests.support.s3 import download


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    store, made, folder = world.build(tmp_path_factory.mktemp("root"))
    return store, made, folder


def _rows(folder):
    files = sorted(os.listdir(f"{folder}/data"))
    return [row for name in files for row in pq.read_table(f"{folder}/data/{name}").to_pylist()]


def _stats(folder):
    return json.loads(Path(folder, "stats.json").read_text())


# --- layout


def _ledgers(shards):
    """Ledger parts that keep documents of these sizes (bytes), every second row of their pages."""
    parts = []
    for i, sizes in enumerate(shards):
        rows = {
            "id": [f"{i}-{n}" for n in range(len(sizes))],
            "row": [2 * n for n in range(len(sizes))],
            "text_bytes": sizes,
        }
        parts.append(Shard.of(KEPT.empty_table(), index=i, kept=pa.table(rows, KEPT)))
    return parts


def _files(shards, shard_bytes):
    outs = list(file_layout(_ledgers(shards), shard_bytes=shard_bytes))
    assert [out.bucket for out in outs] == list(range(len(outs)))
    return [out.table.to_pylist() for out in outs]


@given(st.lists(st.lists(st.integers(0, 5000), max_size=40), min_size=1, max_size=5), st.integers(1, 20_000))
def test_layout_covers_every_kept_row_once_in_order(shards, shard_bytes):
    files = _files(shards, shard_bytes)
    ranges = [r for file in files for r in file]
    covered = [(r["shard"], row) for r in ranges for row in range(r["first"], r["last"]) if row % 2 == 0]
    assert covered == [(i, 2 * n) for i, sizes in enumerate(shards) for n in range(len(sizes))]
    assert sum(r["documents"] for r in ranges) == len(covered)
    assert sum(r["text_bytes"] for r in ranges) == sum(map(sum, shards))


@given(st.lists(st.integers(1, 3000), min_size=50, max_size=400), st.integers(1, 5), st.integers(20_000, 60_000))
def test_files_differ_by_less_than_a_document_at_either_end(sizes, cuts, shard_bytes):
    parts = [list(map(int, part)) for part in np.array_split(np.array(sizes), cuts)]
    files = [sum(r["text_bytes"] for r in file) for file in _files(parts, shard_bytes)]
    even = sum(sizes) / len(files)
    assert len(files) == max(1, -(-sum(sizes) // shard_bytes))
    assert all(abs(size - even) <= max(sizes) for size in files)


def test_layout_of_nothing_and_of_one_giant():
    assert [[r["documents"] for r in file] for file in _files([[], []], 100)] == [[0]]
    assert [[r["documents"] for r in file] for file in _files([[1], [10**6], [1]], 1000)] in (
        [[1], [1], [1]],
        [[1, 1, 1]],
    )


def test_layout_does_not_depend_on_shards():
    sizes = [(7 * n) % 1000 for n in range(500)]
    one = [sum(r["documents"] for r in file) for file in _files([sizes], 20_000)]
    many = [sum(r["documents"] for r in file) for file in _files([sizes[:130], [], sizes[130:]], 20_000)]
    assert one == many


# --- data


def test_kept_documents_in_source_order(published):
    _, _, folder = published
    every = [(s, r) for s in range(world.SHARDS) for r in range(world.EACH)]
    assert [row["id"] for row in _rows(folder)] == [world.id_of(*d) for d in every if world.fate_of(*d) == "kept"]


def test_files_are_of_even_size(published):
    _, _, folder = published
    sizes = [pq.read_table(f"{folder}/data/{n}", columns=["text"]).nbytes for n in sorted(os.listdir(f"{folder}/data"))]
    assert len(sizes) == 4
    assert max(sizes) < 1.1 * min(sizes)


def test_text_is_mended_then_masked(published):
    _, _, folder = published
    rows = {row["id"]: row for row in _rows(folder)}
    assert rows[world.id_of(0, 3)]["text"].startswith("Schöne Grüße von ")
    assert rows[world.id_of(1, 4)]["text"].startswith("Schreiben Sie an <email-pii> oder Tel. <phone-pii>. ")
    assert rows[world.id_of(1, 4)]["pii_masked"] == 2
    assert rows[world.id_of(2, 5)]["text"].startswith("IBAN <iban-pii>, Server <ip-pii>. ")
    assert rows[world.id_of(2, 9)]["pii_masked"] == 0
    assert all(row["char_count"] == len(row["text"]) for row in rows.values())


def test_duplicates_say_how_many_a_document_stands_for(published):
    _, _, folder = published
    rows = {row["id"]: row["duplicates"] for row in _rows(folder)}
    assert rows.pop(world.id_of(0, 20)) == world.SHARDS  # exact copies
    assert rows.pop(world.id_of(0, 21)) == 1 + 2 * (world.SHARDS - 1)  # near duplicates
    assert set(rows.values()) == {1}
    alone = world.SHARDS - 1 + 2 * (world.SHARDS - 1)
    assert sum(rows.values()) + world.SHARDS + 1 + 2 * (world.SHARDS - 1) == len(rows) + 2 + alone


def test_quality_is_null_where_no_classifier_ran(published):
    store, made, _ = published
    parts = world.shards_by_step(store, made)
    layout = [Shard.of(out.table) for out in file_layout(parts["ledger"])]
    sidecars = {name: parts[name] for name in ("languages", "signals")}
    table = next(iter(data_files(layout, parts["ledger"], parts["pages"], sidecars, parts["near"])))
    assert table.schema == DATA
    assert table["quality"].null_count == table.num_rows


def test_sidecars_of_other_pages_are_an_error(published):
    store, made, _ = published
    parts = world.shards_by_step(store, made)
    layout = [Shard.of(out.table) for out in file_layout(parts["ledger"])]
    wrong = [Shard.of(p.table().slice(1).append_column("x", pa.nulls(59)), index=p.index) for p in parts["signals"]]
    with pytest.raises(AssertionError, match="ids differ"):
        list(data_files(layout, parts["ledger"], parts["pages"], {"signals": wrong}, parts["near"]))


# --- the folder


def test_the_folder_holds_what_was_promised(published):
    store, made, folder = published
    there = {os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names}
    data = {f"data/train-{i:05d}-of-00004.parquet" for i in range(4)}
    ledgers = {f"ledger/ledger-{i:05d}.parquet" for i in range(world.SHARDS)}
    assert data | ledgers | {"sources.parquet", "stats.json", "README.md", "report.html", "manifest.json"} <= there
    assert set(shards_of(store, made["corpus"])[0].files) == there & (
        data | ledgers | {"sources.parquet", "stats.json", "README.md", "report.html"}
    )


def test_same_bytes_in_any_order_of_tasks(tmp_path):
    said = []
    for order in (None, 1, 2):
        store, made = Store(tmp_path / str(order)), world.steps()
        execute(made["corpus"], store, InProcess, order)
        said.append(store.read_json(f"{output_folder(store, made['corpus'])}/manifest.json"))
    assert said[0] == said[1] == said[2]


def test_a_folder_on_s3_is_the_one_on_disk(published, s3):
    _, made, folder = published
    store, _, _ = world.build(f"{s3}/published")
    there = download(store, output_folder(store, made["corpus"]))
    assert len(there) == 4 + world.SHARDS + 5
    for name in there:
        assert there[name] == Path(folder, name.split("/", 2)[2]).read_bytes(), name
    story = explain(world.evidence(store, made), world.id_of(0, 4))
    assert "verdict    KEPT" in story


@pytest.fixture()
def hub(monkeypatch, tmp_path):
    """The `datasets` library, offline, with a cache of its own."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    library = pytest.importorskip("datasets")
    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return library


def test_datasets_loads_the_data_and_nothing_else(published, hub):
    _, _, folder = published
    loaded = hub.load_dataset(folder)
    assert list(loaded) == ["train"]
    assert loaded["train"].column_names == DATA.names
    assert loaded["train"]["id"][:] == [row["id"] for row in _rows(folder)]
    streamed = hub.load_dataset(folder, split="train", streaming=True)
    assert [row["text"] for row in streamed] == [row["text"] for row in _rows(folder)]


def test_polars_and_duckdb_read_it(published):
    _, _, folder = published
    polars = pytest.importorskip("polars")
    total = sum(row["char_count"] for row in _rows(folder))
    assert polars.scan_parquet(f"{folder}/data/*.parquet").select("char_count").collect().sum().item() == total
    duckdb = pytest.importorskip("duckdb")
    found = duckdb.sql(f"select sum(char_count), max(date) from '{folder}/data/*.parquet'").fetchall()
    assert found[0][0] == total
    ledger = duckdb.sql(
        f"select verdict, count(*) from '{folder}/ledger/*.parquet' group by all order by all"
    ).fetchall()
    assert ledger == [("dropped", 69), ("kept", 207)]


def test_an_empty_corpus_is_a_corpus(tmp_path, monkeypatch, hub):
    monkeypatch.setattr(world, "RULES", ({"name": "none", "column": "word_count", "min": 10**6, "stage": "t"},))
    monkeypatch.setattr(world, "fate_of", lambda shard, row: "gopher_word_count")
    _, _, folder = world.build(tmp_path / "root")
    assert os.listdir(f"{folder}/data") == ["train-00000-of-00001.parquet"]
    assert pq.read_schema(f"{folder}/data/train-00000-of-00001.parquet").names == DATA.names
    said = _stats(folder)
    assert said["kept"]["documents"] == 0
    assert "Nothing was kept" in said["alarms"][0]["text"]
    assert list(hub.load_dataset(folder, split="train", streaming=True)) == []


# --- statistics


def test_statistics_against_a_recount(published):
    _, _, folder = published
    said, rows = _stats(folder), _rows(folder)
    assert said["kept"] == {
        "documents": len(rows),
        "characters": sum(len(row["text"]) for row in rows),
        "words": sum(row["word_count"] for row in rows),
        "text_bytes": sum(len(row["text"].encode()) for row in rows),
        "mended": 2 * world.SHARDS,  # mojibake, and a control character
    }
    assert said["records"] == world.SHARDS * (world.EACH + 9)
    assert said["pii"] == {"documents": 12, "email": 8, "iban": 4, "ip": 4, "phone": 4}
    assert sum(b["documents"] for b in said["lengths"]) == len(rows)
    assert all(b["from"] * 2 == b["below"] for b in said["lengths"])
    deciles = np.quantile([row["quality"] for row in rows], np.arange(1, 10) / 10, method="inverted_cdf")
    assert np.abs(np.array(said["quality"]["deciles"]) - deciles).max() < 0.002
    assert said["hosts"]["top"][0] == {"host": "www.host2.de", "documents": 32}
    assert sum(h["documents"] for h in said["hosts"]["top"]) == len(rows)
    assert said["languages"] == {"de": {"kept": 207, "dropped": 27}, "nl": {"kept": 0, "dropped": 6}}
    assert said["dumps"]["CC-MAIN-2020-05"] == {"documents": 120, "kept": 105}
    assert said["duplicates"]["near"]["largest"][0]["size"] == 7
    assert said["duplicates"]["exact"]["dropped"] == 3
    kept = {row["id"] for row in rows} & {world.id_of(s, 11) for s in range(world.SHARDS)}
    assert said["contamination"] == [
        {"benchmark": "other-bench", "documents": 4, "kept": 4, "highest": 0.3, "items": 1},
        {"benchmark": "small-bench", "documents": 10, "kept": 4, "highest": 0.97, "items": 10},
    ]
    assert said["contaminated"] == {"documents": 10, "kept": len(kept)}
    assert said["shared_ids"] == 0


@given(
    st.lists(st.lists(st.integers(0, 9), max_size=9), max_size=4), st.sampled_from([1, -1]), st.sampled_from([2, 99])
)
def test_published_documents_that_share_an_id_are_counted(files, order, at_once):
    named = [[f"{i:032x}"[::order] for i in file] for file in files]
    counts = Counter(id_ for file in named for id_ in file)
    parts = [Shard.of(pa.table({"id": pa.array(file, pa.string())})) for file in named]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stats, "_AT_ONCE", at_once)
        assert stats._shared_ids(parts) == sum(n for n in counts.values() if n > 1)


def test_without_decontamination_there_are_no_leaks():
    nothing = count_contamination([], [Shard.of(LEDGER.empty_table())])
    assert nothing == {"contamination": [], "contaminated": {"documents": 0, "kept": 0}}


def test_what_each_rule_removes_and_what_it_alone_removes(published):
    _, _, folder = published
    rules = {r["rule"]: r for r in _stats(folder)["rules"]}
    assert list(rules) == [rule["name"] for rule in world.RULES]
    assert [(r["dropped"], r["fails"], r["alone"]) for r in rules.values()] == [
        (6, 6, 6),
        (6, 6, 0),
        (6, 12, 6),
        (6, 6, 6),
    ]


def test_funnel_starts_with_all_and_ends_with_kept(published):
    _, _, folder = published
    said = _stats(folder)
    funnel = said["funnel"]
    assert [(r["stage"], r["rule"]) for r in funnel[1:4]] == [
        ("http", "not_html"),
        ("http", "status"),
        ("extract", "timeout"),
    ]
    assert [r["stage"] for r in funnel[4:-1]] == ["language", "gopher", "fineweb", "contamination", "exact", "near"]
    for before, row in pairwise(funnel):
        assert row["left"] == before["left"] - row["dropped"]
    assert (funnel[0]["left"], funnel[-1]["left"]) == (276, 207)


def test_alarms():
    calm = {
        "documents": 1000, "records": 2000, "kept": {"documents": 500, "characters": 900}, "rules": [], "funnel": [],
        "sources": {"lossy_files": 0},
        "contaminated": {"kept": 0}, "shared_ids": 0, "giants": [], "cuts": {"spans": {"characters": 300}},
        "hosts": {"top": [{"host": "a.de", "documents": 10}]},
        "duplicates": {"exact": {"largest": []}, "near": {"largest": [{"size": 100, "url": "u", "id": "i"}]}},
    }  # fmt: skip
    lost = {"what": "no document", "stage": "extract", "rule": "timeout", "dropped": 21}
    assert find_alarms(calm, AlarmBounds()) == []
    cases = [
        ("duplicates", {"near": {"largest": [{"size": 101, "url": "u", "id": "i"}]}}, "101 documents"),
        ("funnel", [lost], "21 records"),
        ("rules", [{"rule": "r", "alone": 251}], "Rule r alone"),
        ("hosts", {"top": [{"host": "a.de", "documents": 101}]}, "a.de"),
        ("cuts", {"spans": {"characters": 301}}, "spans cut 25%"),
        ("kept", {"documents": 0, "characters": 900}, "Nothing was kept"),
        ("contaminated", {"kept": 1}, "in 1 kept document."),
        ("shared_ids", 2, "2 kept documents share their ids"),
    ]
    for key, value, text in cases:
        assert text in find_alarms({**calm, key: value}, AlarmBounds())[0]["text"]
    large = {"step": "near_clusters", "rule": "large_near_cluster", "count": 3, "total": 11200, "value": 5000}
    large |= {"threshold": 1000, "id": "a", "url": "a.de/1"}
    assert [alarm["text"] for alarm in find_alarms({**calm, "giants": [large]}, AlarmBounds())] == [
        "near: 3 clusters of 1,000 or more near duplicates; the largest has 5,000 (a.de/1)."
    ]
    at_the_bounds = {**calm, "funnel": [{**lost, "dropped": 20}], "rules": [{"rule": "r", "alone": 250}]}
    assert find_alarms(at_the_bounds, AlarmBounds()) == []
