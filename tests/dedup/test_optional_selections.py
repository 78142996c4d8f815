"""The selections that a recipe can switch on (url_dedup, spans, substrings), end to end on the demo crawl."""

import json
import re
from pathlib import Path

import polars as pl
import pytest

from pipeline.build import Build, load_recipe
from pipeline.publish.explain import explain_page
from pipeline.runner.manifests import shards_of
from pipeline.runner.scheduler import InProcess, execute
from pipeline.store.filesystem import Store
from tests.support.folders import contents

PLAIN = {"publish.pii": [], "publish.mend_text": False}  # published texts are what the selections leave
STEPS = {"url_dedup": "on", "spans": "on", "substrings": "on"}
SETTINGS = {
    "spans.unit": "line",
    "spans.span": 1,
    "spans.min_left": 60,
    "substrings.tokens": 20,
    "substrings.min_left": 60,
}
OWN = {
    "url_dedup_hashes",
    "url_dedup_clusters",
    "span_hashes",
    "span_duplicates",
    "anchor_hashes",
    "repeated_anchors",
    "substring_hashes",
    "substring_duplicates",
}
DEDUP = ("url_dedup", "exact", "near", "spans", "substrings")


def run_recipe(store: Store, **overrides) -> tuple[dict, Path]:
    """Run `de` on the demo crawl; return its steps and the folder of the corpus."""
    build = german_recipe(**overrides)
    return build.steps, Path(execute(build.corpus, store, InProcess))


def german_recipe(**overrides) -> Build:
    return load_recipe("de", None, {k: v if isinstance(v, str) else json.dumps(v) for k, v in overrides.items()})


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return Store(tmp_path_factory.mktemp("family"))


@pytest.fixture(scope="module")
def plain(store) -> tuple[dict, Path]:
    return run_recipe(store, **PLAIN)


@pytest.fixture(scope="module")
def with_all(store, plain) -> tuple[dict, Path]:
    return run_recipe(store, **PLAIN, **STEPS, **SETTINGS)


def rows(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(folder / name / "*.parquet")


def stats(folder: Path) -> dict:
    return json.loads((folder / "stats.json").read_text())


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def test_no_step_of_them_is_there_unless_switched_on(plain, with_all):
    steps, folder = plain
    assert not (OWN | set(STEPS)) & set(steps) and (OWN | set(STEPS)) <= set(with_all[0])
    assert stats(folder)["cuts"] == {} and set(stats(folder)["duplicates"]) == {"exact", "near"}


def test_what_was_measured_does_not_run_again(store, plain, with_all):
    again, _ = run_recipe(store, **PLAIN, **STEPS, **SETTINGS | {"substrings.tokens": 30, "spans.min_left": 10})
    same = ("pages", "signals", "languages", "fingerprints", "signatures", "quality_model", "contamination", "verdicts")
    for name in (name for name in same if name in again):
        assert again[name].key == with_all[0][name].key == plain[0][name].key
    assert again["span_hashes"].key == with_all[0]["span_hashes"].key
    assert again["substrings"].key != with_all[0]["substrings"].key


def test_counts_in_the_ledger_add_up(with_all):
    _, folder = with_all
    ledger, statistics = rows(folder, "ledger"), stats(folder)
    assert len(ledger) == ledger["id"].n_unique() == statistics["records"]
    dropped = dict(ledger.filter(pl.col("verdict") == "dropped").group_by("stage").len().iter_rows())
    assert dropped["url_dedup"] == statistics["duplicates"]["url_dedup"]["dropped"] > 0
    for name in ("spans", "substrings"):
        assert dropped.get(name, 0) == statistics["cuts"][name]["dropped"]
        assert statistics["cuts"][name]["documents"] > 1 and statistics["cuts"][name]["characters"] > 100
    assert dropped.get("spans", 0) + dropped.get("substrings", 0) > 0
    funnel = [(row["stage"], row["dropped"]) for row in statistics["funnel"] if row["stage"] in DEDUP]
    assert [name for name, _ in funnel] == sorted((name for name, _ in funnel), key=DEDUP.index)
    assert dict(funnel) == {name: n for name, n in dropped.items() if name in DEDUP}


def test_every_drop_says_why_and_duplicates_name_kept_documents(with_all):
    ledger = rows(with_all[1], "ledger")
    kept = set(ledger.filter(pl.col("verdict") == "kept")["id"])
    dropped = ledger.filter(pl.col("stage").is_in(["spans", "substrings"]))
    assert set(dropped["rule"]) == {"too_little_left"} and (dropped["value"] < dropped["threshold"]).all()
    copies = ledger.filter(pl.col("stage").is_in(DEDUP[:3]))
    assert set(copies["duplicate_of"].drop_nulls()) <= kept
    ends = copies.filter(pl.col("duplicate_of").is_null())["detail"]
    assert {text.rpartition(" ")[2] for text in ends} <= set(ledger["id"]) - kept
    assert copies.filter(pl.col("rule") == "duplicate_url")["value"].null_count() == len(
        copies.filter(pl.col("rule") == "duplicate_url")
    )


def test_published_texts_are_the_pages_without_removed_passages(store, with_all):
    steps, folder = with_all
    before = {
        row["id"]: row["text"] for p in shards_of(store, steps["pages"]) for row in p.table(["id", "text"]).to_pylist()
    }
    published, statistics = rows(folder, "data"), stats(folder)
    lost = sum(len(before[row["id"]]) - row["char_count"] for row in published.iter_rows(named=True))
    assert lost == sum(step["characters"] for step in statistics["cuts"].values())
    assert (published["text"].str.len_chars() == published["char_count"]).all()
    for row in published.iter_rows(named=True):
        assert set(words_of(row["text"])) <= set(words_of(before[row["id"]]))
    sizes = {row["id"]: row for p in shards_of(store, steps["ledger"]) for row in p.table(name="kept").to_pylist()}
    assert all(len(t.encode()) == sizes[i]["text_bytes"] for i, t in published.select("id", "text").iter_rows())


def test_no_line_and_no_run_of_words_occurs_twice(with_all):
    """By dictionaries, over what is published: lines; runs of twenty words that do not overlap."""
    published = rows(with_all[1], "data")
    lines = [tuple(words_of(line)) for text in published["text"] for line in text.split("\n") if words_of(line)]
    assert len(lines) == len(set(lines)) > 300
    seen: dict[tuple, tuple[str, int]] = {}
    for id_, text in published.select("id", "text").iter_rows():
        words = words_of(text)
        for i in range(len(words) - 19):
            there, at = seen.setdefault(tuple(words[i : i + 20]), (id_, i))
            assert there == id_ and i - at < 20, " ".join(words[i : i + 20])
    assert len(seen) > 10000


def test_without_the_selections_they_do_occur_twice(plain):
    published = rows(plain[1], "data")
    lines = [tuple(words_of(line)) for text in published["text"] for line in text.split("\n") if words_of(line)]
    assert len(lines) > len(set(lines))
    runs = [tuple(w[i : i + 20]) for w in map(words_of, published["text"]) for i in range(len(w) - 19)]
    assert len(runs) > len(set(runs))


def test_one_capture_of_every_address_is_kept_and_counts_for_all(plain, with_all):
    ledger = rows(with_all[1], "ledger")
    captures = ledger.filter(pl.col("verdict") == "kept")["url"]
    assert captures.n_unique() == len(captures)
    newest = ledger.filter(pl.col("rule") == "duplicate_url")
    dates = dict(rows(plain[1], "data").select("id", "date").iter_rows())
    kept = dict(rows(with_all[1], "data").select("id", "date").iter_rows())
    same = [
        (dates[i], kept[of]) for i, of in newest.select("id", "duplicate_of").iter_rows() if i in dates and of in kept
    ]
    assert all(old <= new for old, new in same)
    counted = rows(with_all[1], "data")["duplicates"].sum()
    ends = ledger.filter(pl.col("stage").is_in(DEDUP[:3]) & pl.col("duplicate_of").is_not_null())
    assert counted == len(kept) + len(ends)


def test_three_sentences_across_datasets_and_only_counting(store, plain):
    """C4's spans, spans that another dump has, and a bound on duplicate words instead of removal."""
    _, spans = run_recipe(store, **PLAIN, spans="on")
    removed = stats(spans)["cuts"]["spans"]
    triples = [
        tuple(words_of(" ".join(sentences[i : i + 3])))
        for text in rows(spans, "data")["text"]
        for sentences in [re.findall(r"(?=\S).*?(?:[.!?…]+[\"'»«“”‘’)\]]*(?=\s|$)|$)", text, re.MULTILINE)]
        for sentences in [[sentence for sentence in sentences if words_of(sentence)]]
        for i in range(len(sentences) - 2)
    ]
    assert removed["characters"] > 0 and len(triples) == len(set(triples)) > 100
    _, across = run_recipe(store, **PLAIN, **{"spans.scope": "across", "spans.span": 1})
    first = rows(across, "data").filter(pl.col("dump") == min(rows(across, "data")["dump"]))
    uncut = dict(rows(plain[1], "data").select("id", "text").iter_rows())
    assert all(uncut[i] == text for i, text in first.select("id", "text").iter_rows())
    assert stats(across)["cuts"]["spans"]["documents"] > 0
    _, counted = run_recipe(
        store, **PLAIN, **{"substrings.cut": False, "substrings.max_ratio": 0.3, "substrings.tokens": 20}
    )
    removed = stats(counted)["cuts"]["substrings"]
    assert removed["characters"] == removed["documents"] == 0 and removed["dropped"] > 0
    dropped = rows(counted, "ledger").filter(pl.col("stage") == "substrings")
    assert set(dropped["rule"]) == {"duplicate_ratio"} and dropped["value"].min() > 0.3 == dropped["threshold"].max()
    assert all(uncut[i] == text for i, text in rows(counted, "data").select("id", "text").iter_rows())


def test_bytes_do_not_depend_on_partitions(store, with_all):
    many = {f"{name}.partitions": 5 for name in STEPS}
    _, folder = run_recipe(store, **PLAIN, **STEPS, **SETTINGS, **many)
    for name in ("data", "ledger"):
        assert rows(folder, name).equals(rows(with_all[1], name))


def test_explain_tells_of_each_step(store, with_all):
    steps, folder = with_all
    build = german_recipe(**PLAIN, **STEPS, **SETTINGS)
    copy = rows(folder, "ledger").filter(pl.col("rule") == "duplicate_url").row(0, named=True)
    story = explain_page(build, store, copy["id"])
    assert "DROPPED by url_dedup/duplicate_url" in story
    assert f"url_dedup  same address as {copy['url']} ({copy['duplicate_of']}); " in story
    removed = [
        row for shard in shards_of(store, steps["substrings"]) for row in shard.table(name="removed").to_pylist()
    ]
    row = max(removed, key=lambda row: row["removed_chars"])
    assert row["removed_chars"] > 0
    story = explain_page(build, store, row["id"])
    assert f"substrings {row['duplicate_ratio']:.1%} of the words occur elsewhere before" in story
    assert f"{row['removed_chars']:,} characters removed" in story


def test_card_and_report_say_what_was_removed(with_all):
    _, folder = with_all
    removed = stats(folder)["cuts"]["substrings"]
    sentence = f"{removed['characters']:,} characters removed from {removed['documents']:,} documents"
    card, report = (folder / "README.md").read_text(), (folder / "report.html").read_text()
    assert re.search(rf"\*\*substrings\*\*[^:]*: {sentence}", card)
    assert f"substrings: {sentence}" in report


def test_the_order_of_tasks_changes_no_byte(store, with_all, tmp_path):
    execute(with_all[0]["corpus"], Store(tmp_path), InProcess, shuffle=5)
    shuffled, before = contents(tmp_path), contents(Path(store.root))
    assert shuffled == {name: before[name] for name in shuffled} and len(shuffled) > 100
