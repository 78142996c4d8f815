"""Near deduplication against the definition, spelled out over all pairs."""

import itertools
import json
import random
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.chains import near_duplicates, same_keys, settings_binder
from dedup.common.in_memory import run
from dedup.exact.exact import drop_exact_duplicates, exact_hashes
from dedup.exact.fingerprints import fingerprints
from dedup.near.components import near_links
from dedup.near.greedy import Documents, GreedyKeep
from dedup.near.lsh import BANDS
from dedup.near.minhash import PRESETS, candidate_probability, max_sketch_distance, parse_preset, signatures
from filters.quality.columns import QUALITY_SCHEMA
from pipeline.base.schema import PAGES
from pipeline.runner.dag import InputFiles, Step, step
from pipeline.runner.manifests import shards_of
from pipeline.runner.scheduler import InProcess, execute
from pipeline.runner.stage import stage
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard
from tests.support.documents import (
    alarms,
    duplicate_numbers,
    duplicates,
    near_outputs,
    page_shards,
    selection_shards,
    sidecar_shards,
)
from tests.support.near_pages import edited_copy, jaccard_similarity, laws, licences, numbered_words, word_ngrams


def near(pages: list[Shard], **arguments) -> pa.Table:
    """Return the SELECTION of near deduplication."""
    return near_outputs(pages, **arguments)["near"].table()


def reference(rows: list[dict], bands: int, width: int, ngram: int, threshold: float, order) -> dict[str, tuple]:
    """Return id -> (id of the document that is kept, similarity): the definition, with the stage's signatures."""
    part = page_shards(rows)[0]
    signed = run(signatures, pages=[part], bands=bands, rows=width, ngram=ngram).table().to_pylist()
    known = {
        s["id"]: ({s["bands"][i : i + 8] + i.to_bytes(4) for i in range(0, len(s["bands"]), 8)}, s["sketch"])
        for s in signed
    }
    documents = sorted(part.table().to_pylist(), key=order)
    kept, removed = [], {}
    for document in documents:
        own = word_ngrams(document["text"], ngram)
        best = None
        for other in kept:
            (bands_a, sketch_a), (bands_b, sketch_b) = known[document["id"]], known[other["id"]]
            differing = (int.from_bytes(sketch_a) ^ int.from_bytes(sketch_b)).bit_count()
            if bands_a & bands_b and differing <= max_sketch_distance(threshold, bands, width):
                similarity = jaccard_similarity(own, word_ngrams(other["text"], ngram))
                if similarity >= threshold and (best is None or similarity > best[1]):
                    best = (other["id"], similarity)
        if best:
            removed[document["id"]] = best
        else:
            kept.append(document)
    return removed


letters = st.lists(st.sampled_from("abc"), max_size=14).map(" ".join)


@st.composite
def corpora(draw):
    """Small corpora of edited copies: prefixes, suffixes and single changes of few texts."""
    bases = draw(st.lists(letters, min_size=1, max_size=3))
    rows = []
    for i in range(draw(st.integers(1, 14))):
        words = draw(st.sampled_from(bases)).split()
        if words and draw(st.booleans()):
            words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from("abcd"))
        rows.append({"id": f"{i:032x}", "text": " ".join(words)})
    return draw(st.permutations(rows))


@given(
    corpora(), st.integers(1, 4), st.integers(1, 5), st.sampled_from([0.3, 0.5, 0.8, 1.0]), st.sampled_from([1, 2, 5])
)
@settings(max_examples=150, deadline=None)
def test_clusters_are_those_of_the_definition(rows, shards, partitions, threshold, ngram):
    expected = reference(rows, 30, 2, ngram, threshold, lambda r: r["id"])
    table = near(page_shards(rows, shards), bands=30, rows=2, ngram=ngram, threshold=threshold, partitions=partitions)
    assert duplicates(table) == expected
    clusters = {r["id"]: expected.get(r["id"], (r["id"],))[0] for r in rows}
    sizes = {c: list(clusters.values()).count(c) for c in clusters.values()}
    assert {r["id"]: (r["cluster"], r["cluster_size"]) for r in table.to_pylist()} == {
        i: (c, sizes[c]) for i, c in clusters.items()
    }


@pytest.mark.parametrize(("bands", "width", "threshold"), [(14, 8, 0.8), (17, 15, 0.9), (40, 3, 0.6)])
def test_licences(shared, bands, width, threshold):
    """Every drop is verified against the text that is kept, in words of a regular expression; none is missed."""
    rows = [row for row in licences(shared) if "Mulan" not in row["id"]]  # Chinese: a word a character here
    rows = rows[: 400 if width == 3 else None]  # the reference compares many more pairs then
    table = near(page_shards(rows, 3), bands=bands, rows=width, threshold=threshold)
    dropped, shingled = duplicates(table), {row["id"]: word_ngrams(row["text"], 5) for row in rows}
    assert dropped == reference(rows, bands, width, 5, threshold, lambda r: r["id"])
    assert len(dropped) > 80
    for one, (other, value) in dropped.items():
        assert value == jaccard_similarity(shingled[one], shingled[other]) >= threshold
        assert other not in dropped and other < one
    if width == 3:  # so many narrow bands that no pair is missed: no two of the kept ones are similar
        kept = [row["id"] for row in rows if row["id"] not in dropped]
        assert max(jaccard_similarity(shingled[a], shingled[b]) for a, b in itertools.combinations(kept, 2)) < threshold


@pytest.mark.parametrize("preset", PRESETS)
def test_edited_pages_are_dropped_as_often_as_theory_says_and_each_is_verified(shared, preset):
    """Real laws and edited copies at Jaccard 0.5 to 1, through all stages: recall, precision, representatives."""
    bands, width = parse_preset(preset)
    rng, rows = random.Random(11), []
    for i, words in enumerate(itertools.islice(laws(shared), 440)):
        if len(words) >= 60:
            rows += [{"text": " ".join(words)}, {"text": edited_copy(words, 0.5 + 0.05 * (i % 11), rng)}]
    rows = [{"id": f"{i:032x}", **row} for i, row in enumerate(rows)]
    shingled = {row["id"]: word_ngrams(row["text"], 5) for row in rows}
    dropped = duplicates(near(page_shards(rows, 2), bands=bands, rows=width, threshold=0.8))
    for one, (other, value) in dropped.items():
        assert value == jaccard_similarity(shingled[one], shingled[other]) >= 0.8 and other not in dropped
    pairs = [(a["id"], b["id"]) for a, b in zip(rows[::2], rows[1::2], strict=True) if a["id"] not in dropped]
    true = {b: jaccard_similarity(shingled[a], shingled[b]) for a, b in pairs}
    assert not any(b in dropped and dropped[b][0] == a for a, b in pairs if true[b] < 0.8)
    alike = [(a, b) for a, b in pairs if true[b] >= 0.8]
    p = np.array([candidate_probability(true[b], bands, width) for _, b in alike])
    hits = sum(b in dropped for _, b in alike)
    assert len(alike) > 130 and abs(hits - p.sum()) <= 1.96 * (p * (1 - p)).sum() ** 0.5 + 0.5


def test_shards_partitions_and_order_change_no_byte(shared):
    rows = licences(shared)[:300]
    expected = None
    for shards, partitions, order in [(1, 1, 1), (4, 7, -1), (7, 2, 1)]:
        table = near(page_shards(rows[::order], shards), partitions=partitions).sort_by("id")
        assert expected is None or table.equals(expected)
        expected = table


def test_a_chain_of_neighbours_is_not_one_cluster():
    """Windows sliding over a long text: each resembles the next (0.85), none the next but one (0.72)."""
    rows = [{"text": numbered_words(32 * i, 404)} for i in range(600)]
    outputs = near_outputs(page_shards(rows, 2), bands=60, rows=5)
    table = outputs["near"].table().sort_by("id").to_pylist()
    expected = [f"{i - i % 2:032x}" for i in range(600)]
    assert [r["cluster"] for r in table] == expected and {r["cluster_size"] for r in table} == {2}
    assert alarms(outputs) == []


def test_the_most_similar_kept_document_is_named():
    base = numbered_words(0, 204)
    rows = [{"text": numbered_words(18, 204)}, {"text": base + " " + numbered_words(900, 19)}, {"text": base + " a"}]
    dropped = duplicates(near(page_shards(rows), bands=60, rows=4, threshold=0.82))
    one, two, three = (word_ngrams(r["text"], 5) for r in rows)
    assert jaccard_similarity(one, two) < 0.82 <= jaccard_similarity(one, three) < jaccard_similarity(two, three)
    assert dropped == {f"{2:032x}": (f"{1:032x}", jaccard_similarity(two, three))}


@pytest.mark.parametrize(("threshold", "is_dropped"), [(0.9, True), (180 / 200, True), (0.9000001, False)])
def test_the_threshold_itself_is_similar_enough(threshold, is_dropped):
    rows = [{"text": numbered_words(0, 194)}, {"text": numbered_words(0, 184) + " " + numbered_words(500, 10)}]
    assert jaccard_similarity(*(word_ngrams(r["text"], 5) for r in rows)) == 0.9
    assert bool(duplicates(near(page_shards(rows), bands=100, rows=3, threshold=threshold))) == is_dropped


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["", "", " "], set()),  # nothing written: nothing to compare
        (["Kurz.", "kurz"], {1}),  # short texts: the same words
        (["Kurz und gut.", "Kurz und"], set()),
        (["我们都爱吃苹果和香蕉" * 9, "我们都爱吃苹果和香蕉" * 9 + "吗"], {1}),
        (["Ein " * 50, "EIN " * 50], {1}),
        (["Seite 1 von 9 mit dem Preis 10", "Seite 2 von 9 mit dem Preis 12"], set()),  # numbers count
        (["e\u0301te\u0301 " * 9, "e\u0301te\u0301\u00a0" * 9], {1}),
    ],
)
def test_short_empty_and_other_scripts(texts, expected):
    table = near(page_shards([{"text": t} for t in texts]))
    assert {int(i, 16) for i in duplicates(table)} == expected


def test_dropped_and_exact_duplicates_and_scope():
    text = numbered_words(0, 100)
    rows = [{"text": text + f" {i}", "dump": "ab"[i % 2]} for i in range(6)]
    pages = page_shards(rows)
    selection = selection_shards(pages, [False, True, True, False, True, True], [None, 5, 1, None, 1, 1])
    table = near(pages, selection=selection).to_pylist()
    first = f"{1:032x}"
    assert [r["duplicate_of"] for r in table] == [None, None, first, None, first, first]
    assert [r["cluster_size"] for r in table] == [None, 8, 8, None, 8, 8]  # 5 + 1 + 1 + 1
    assert [r["cluster"] for r in table] == [None, first, first, None, first, first]
    assert [r["keep"] for r in table] == [False, True, False, False, False, False]
    assert [r["rule"] for r in table] == [None, None, "near_duplicate", None, "near_duplicate", "near_duplicate"]


def test_scope_and_keep_policy():
    text = numbered_words(0, 100)
    rows = [{"text": text + f" {i}", "dump": "ab"[i % 2]} for i in range(6)]
    pages = page_shards(rows)
    assert duplicate_numbers(near(pages, scope="dump")) == {2: 0, 4: 0, 3: 1, 5: 1}
    scores = sidecar_shards(pages, quality=[0.1, 0.2, 0.3, 0.9, 0.3, None])
    assert set(duplicate_numbers(near(pages, scores=scores, keep="best:quality")).values()) == {3}
    longer = page_shards([*rows, {"text": text + " längste"}])
    assert set(duplicate_numbers(near(longer, keep="longest")).values()) == {6}


def test_a_hundred_thousand_mirrors_in_seconds():
    """One kept document, one comparison a mirror; and the alarm."""
    near(page_shards([{"text": numbered_words(0, 9)}] * 2))  # compiled before the clock starts
    pages = page_shards([{"text": numbered_words(0, 60)}] * 100_000, 2)
    start = time.monotonic()
    outputs = near_outputs(pages)
    assert time.monotonic() - start < 30
    table = outputs["near"].table()
    assert set(table["cluster_size"].to_pylist()) == {100_000} and len(duplicates(table)) == 99_999
    assert {(alarm["rule"], alarm["value"]) for alarm in alarms(outputs)} == {
        ("large_near_cluster", 100_000.0),
        ("large_component", 100_000.0),
    }


def test_a_template_family_below_the_threshold_costs_no_square():
    """3,000 pages of one template, similarity 0.6: none is dropped, and an alarm tells that bands were full."""
    template = numbered_words(0, 79)
    rows = [{"text": f"{template} {numbered_words(1000 * (i + 1), 27)}"} for i in range(3000)]
    outputs = near_outputs(page_shards(rows, 2), bands=14, rows=2)
    assert duplicates(outputs["near"].table()) == {}
    assert {alarm["rule"] for alarm in alarms(outputs)} == {"large_component", "full_bands"}


def test_parts_of_a_component_and_complete_ones_give_the_same(shared, monkeypatch):
    rows = licences(shared)[:250]
    expected = near(page_shards(rows), bands=40, rows=2, threshold=0.6)
    for module in ("candidates", "verify"):
        monkeypatch.setattr(f"dedup.near.{module}.BUFFER_BYTES", 4096)
    assert near(page_shards(rows), bands=40, rows=2, threshold=0.6).equals(expected)
    assert len(duplicates(expected)) > 50


def test_groups_over_the_bound_of_pairs_lose_nothing():
    """400 near-copies share a band: all of them are linked, and the definition still decides."""
    rows = [{"id": f"{i:032x}", "text": numbered_words(0, 40) + " " + numbered_words(500 + i, 3)} for i in range(400)]
    expected = reference(rows, 20, 3, 5, 0.7, lambda r: r["id"])
    assert duplicates(near(page_shards(rows, 3), bands=20, rows=3, threshold=0.7)) == expected and len(expected) > 300


def test_an_empty_corpus_and_empty_shards():
    assert near(page_shards([])).num_rows == 0
    table = near([*page_shards([{"text": "a b c"}, {"text": "a b c"}]), *[Shard.of(PAGES.empty_table(), 1, 2)]])
    assert list(duplicates(table)) == [f"{1:032x}"]


@stage(version=1, outputs={"part": PAGES})
def given_pages(source: Shard) -> Iterator[pa.Table]:
    """The documents of a shard, given as JSON."""
    yield pa.Table.from_pylist(json.loads(source.table()["rows"][0].as_py()), PAGES)


@stage(version=1, outputs={"part": QUALITY_SCHEMA})
def scored(pages: Shard) -> Iterator[pa.Table]:
    """The length of the text as a score."""
    table = pages.table(["id", "text"])
    length = pc.cast(pc.utf8_length(table["text"]), pa.float64())
    yield pa.table([table["id"], length, length], schema=QUALITY_SCHEMA)


def exact_and_near(rows: list[dict], shards: int, partitions: int) -> Step:
    """Bind exact and near deduplication to documents, ranked by a score."""
    parts = [json.dumps(rows[i::shards]) for i in range(shards)]
    pages = step(given_pages, source=InputFiles("given", tuple(parts), tuple({"rows": part} for part in parts)))
    bind = settings_binder(keep="best:quality")
    scores, keys = bind(scored, pages=pages), bind(fingerprints, pages=pages)
    exact = same_keys(bind, "exact", exact_hashes, drop_exact_duplicates, pages, keys, partitions, scores=scores)
    return near_duplicates(bind, pages, partitions, exact, scores).near


def test_the_runner_gives_what_the_stages_give(shared, tmp_path):
    """Through folders and manifests, tasks in any order, however cut: one answer, that of the stages in memory."""
    rows = licences(shared)[:200]
    rows += [{**row, "id": row["id"] + "-copy"} for row in rows[:50]]
    tables = []
    for i, (shards, partitions) in enumerate([(1, 1), (5, 3)]):
        goal, store = exact_and_near(rows, shards, partitions), Store(tmp_path / str(i))
        execute(goal, store, InProcess, shuffle=i)
        tables.append(pa.concat_tables([part.table() for part in shards_of(store, goal)]).sort_by("id"))
    assert tables[0].equals(tables[1])
    sizes = dict(zip(tables[0]["id"].to_pylist(), tables[0]["cluster_size"].to_pylist(), strict=True))
    kept = {r["id"] for r in tables[0].to_pylist() if r["cluster"] == r["id"]}
    assert sum(sizes[i] for i in kept) == 250 and len(kept) < 190  # every document is in one cluster


def links(rows: list[tuple[int, int, int, int]], threshold: float = 0.8) -> set[tuple[int, int]]:
    """Return what `near_links` writes for a partition of (hash, document, both halves of the sketch)."""
    table = pa.table([list(column) for column in zip(*rows, strict=True)], schema=BANDS)
    rows_out = run(near_links, band_rows=[[Shard.of(table)]], threshold=threshold).table().to_pylist()
    return {(row["doc"], row["root"]) for row in rows_out}


FAR, CLOSE = (1 << 64) - 1, 0b111


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(7, 1, 0, 0), (7, 2, 0, 0), (8, 3, 0, 0)], {(2, 1)}),
        ([(7, 1, 0, 0), (7, 2, FAR, 0)], set()),  # their sketches say that they cannot be alike
        ([(7, 1, 0, 0), (7, 2, FAR, 0), (7, 3, FAR ^ CLOSE, CLOSE)], {(3, 2)}),  # alike, but not to the first
        ([(7, 5, 0, 0), (7, 2, CLOSE, 0), (9, 5, 0, 0), (9, 9, 0, 0)], {(5, 2), (9, 2)}),
        ([(7, 1, 0, 0), (8, 1, 0, 0)], set()),
    ],
)
def test_what_a_band_links(rows, expected):
    assert links(rows) == expected


def test_memory_is_that_of_one_component():
    no_bands = Documents(np.zeros(0, np.int32), np.zeros(501, np.int64), np.zeros((500, 2), np.uint64), 0)
    keep = GreedyKeep(no_bands, threshold=0.8, max_distance=30)
    for i in range(500):
        keep.walk(i, np.arange(10, dtype=np.uint64), np.array([0, 10]), new_component=True)
    assert len(keep.memory.shingles) <= 20 and len(keep.memory.kept) <= 2
    assert (keep.decisions.representative == -1).all()
