"""The persistent index: what it drops is what the definition says, and one run over all dumps keeps the same."""

import functools
import logging

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dedup.common.in_memory import run
from dedup.near.minhash import max_sketch_distance, signatures
from pipeline.base.errors import UserError
from pipeline.commands.gc import find_unused, remove_unused
from pipeline.index.pointer import load_pointer
from pipeline.runner.planning import plan
from pipeline.runner.scheduler import InProcess, execute
from pipeline.store.filesystem import Store
from tests.support.documents import page_shards
from tests.support.folders import contents
from tests.support.index_world import (
    crawl,
    deduplication_steps,
    dropped,
    dump_rows,
    join,
    join_monthly_dumps,
    kept,
    memory_folder,
    monthly_rows,
)
from tests.support.near_pages import jaccard_similarity, word_ngrams

pytestmark = pytest.mark.usefixtures("quick_steps")
NEAR = {"bands": 30, "rows": 2, "ngram": 2}  # settings by which almost every similar pair of short texts is compared


def duplicates_by_definition(dumps: list[list[dict]], shards: int, threshold: float, order) -> list[dict[str, tuple]]:
    """Return, for every dump, id -> (document that it is a near duplicate of, similarity), over all pairs.

    Exact copies within a dump are not among them; texts without words are neither copies nor near duplicates.
    """
    earlier: list[dict] = []  # kept by the dumps before, in the order of the index
    answers = []
    for rows in dumps:
        firsts: dict[str, str] = {}
        for row in sorted(rows, key=order):
            firsts.setdefault(row["text"], row["id"])
        remaining = [row for row in rows if firsts[row["text"]] == row["id"] or not has_words(row["text"])]
        duplicates = {row["id"]: best for row in remaining if (best := most_similar(row, earlier, threshold))}
        kept_now: list[dict] = []
        for row in sorted((row for row in remaining if row["id"] not in duplicates), key=order):
            if best := most_similar(row, kept_now, threshold):
                duplicates[row["id"]] = best
            else:
                kept_now.append(row)
        answers.append(duplicates)
        kept_ids = {row["id"] for row in kept_now}
        earlier += [row for shard in range(shards) for row in rows[shard::shards] if row["id"] in kept_ids]
    return answers


def most_similar(row: dict, others: list[dict], threshold: float) -> tuple[str, float] | None:
    """Return the most similar candidate (id, similarity) of a document, the first among equals; None without one."""
    best = None
    for other in others:
        if are_candidates(row["text"], other["text"], threshold):
            similarity = jaccard_similarity(*(word_ngrams(r["text"], NEAR["ngram"]) for r in (row, other)))
            if similarity >= threshold and (best is None or similarity > best[1]):
                best = (other["id"], similarity)
    return best


@functools.cache
def are_candidates(a: str, b: str, threshold: float) -> bool:
    """Return whether two texts share a band, and their sketches do not rule the threshold out."""
    rows = run(signatures, pages=page_shards([{"text": a}, {"text": b}]), **NEAR).table().to_pylist()
    one, two = ({row["bands"][i : i + 8] for i in range(0, len(row["bands"]), 8)} for row in rows)
    differing = (int.from_bytes(rows[0]["sketch"]) ^ int.from_bytes(rows[1]["sketch"])).bit_count()
    return bool(one & two) and differing <= max_sketch_distance(threshold, NEAR["bands"], NEAR["rows"])


def has_words(text: str) -> bool:
    return bool(word_ngrams(text, 1))


ORDERS = {
    "oldest": lambda row: (row["date"], row["id"]),
    "newest": lambda row: (-row["date"], row["id"]),
    "longest": lambda row: (-len(row["text"]), row["id"]),
}
WITHOUT_WORDS = ("", " \n", "\u200b", "--- !")


@st.composite
def histories(draw):
    """One to three dumps, some without documents, of edited copies of few texts and of texts without words."""
    bases = draw(st.lists(st.lists(st.sampled_from("abc"), max_size=12), min_size=1, max_size=3))
    dumps = []
    for number in range(draw(st.integers(1, 3))):
        texts = []
        for _ in range(draw(st.integers(0, 7))):
            words = [*draw(st.sampled_from(bases))]
            if words and draw(st.booleans()):
                words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from("abcd"))
            texts.append(" ".join(words) or draw(st.sampled_from(WITHOUT_WORDS)))
        dumps.append(dump_rows(number, texts))
    return dumps


@given(histories(), st.integers(1, 3), st.sampled_from([0.3, 0.5, 0.8, 1.0]), st.sampled_from(sorted(ORDERS)))
@example([dump_rows(0, [""]), dump_rows(1, [""])], 1, 0.8, "oldest")  # once a copy in one run, kept dump by dump
@example([dump_rows(0, ["--- !", "a"]), dump_rows(1, ["--- !", "A", "--- !"])], 2, 0.8, "oldest")
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_dropped_is_what_the_definition_says(dumps, shards, threshold, keep):
    expected = duplicates_by_definition(dumps, shards, threshold, ORDERS[keep])
    with memory_folder() as root:
        store = Store(root)
        runs = [join(store, "w", crawl(rows, shards), keep=keep, threshold=threshold, **NEAR) for rows in dumps]
        assert [dropped(store, steps, "index", "near") for steps in runs] == expected
        documents = [row for rows in dumps for row in rows]
        kept_by_dump = set().union(*(kept(store, steps) for steps in runs))
        assert {row["id"] for row in documents if not has_words(row["text"])} <= kept_by_dump
        if keep == "oldest":  # one run over all of them keeps the same
            one_run = deduplication_steps(crawl(documents, shards), None, threshold=threshold, **NEAR)
            execute(one_run["near"], store, InProcess)
            assert kept(store, one_run) == kept_by_dump


def test_the_same_again_does_nothing_and_an_older_dump_sees_what_it_saw(tmp_path, caplog):
    store = Store(tmp_path)
    first = join_monthly_dumps(store, 5)
    before, pointer = contents(tmp_path), (tmp_path / "indexes/w/index.json").read_text()
    caplog.set_level(logging.INFO, "pipeline")
    caplog.clear()
    again = [join(store, "w", crawl(monthly_rows(n), 2)) for n in (4, 1, 0)]
    assert [steps["near"].key for steps in again] == [first[n]["near"].key for n in (4, 1, 0)]
    assert not caplog.records and contents(tmp_path) == before
    assert (tmp_path / "indexes/w/index.json").read_text() == pointer


def test_only_the_last_dump_may_change_its_rules(tmp_path):
    store = Store(tmp_path)
    join_monthly_dumps(store, 5)
    join(store, "w", crawl(monthly_rows(4), 2), threshold=0.5)
    pointer = load_pointer(store, "w")
    assert len(pointer.entries) == 5 and sum(segment["entries"] for segment in pointer.segments) == 5
    with pytest.raises(UserError, match=r"dump 3 was added with other rules.*later dumps rest on it \(dump 4\)"):
        join(store, "w", crawl(monthly_rows(3), 2), threshold=0.5)
    with pytest.raises(UserError, match=r"made with other settings.*\(bands 14 there, 9 here\)"):
        join(store, "w", crawl(monthly_rows(5), 2), bands=9)
    with pytest.raises(UserError, match="a name has letters"):
        load_pointer(store, "../w")


def test_the_plan_counts_files_that_are_no_tables(tmp_path):
    store = Store(tmp_path)
    join_monthly_dumps(store, 1)
    steps = deduplication_steps(crawl(monthly_rows(1), 2), load_pointer(store, "w"))
    planned_bytes = {line.step: line.disk_bytes for line in plan(steps["index_entry"], store)}
    for name in ("signatures", "index_documents", "near_candidates"):
        files = [*tmp_path.glob(f"{name}/*/*-*"), *tmp_path.glob(f"{name}/*/*/*.bin")]
        assert planned_bytes[name] == sum(file.stat().st_size for file in files) > 1000


def test_gc_keeps_what_the_index_needs(tmp_path):
    store = Store(tmp_path)
    join_monthly_dumps(store, 6)
    unused = find_unused(store)
    assert unused and all(remove_unused(store, item, []) for item in unused)
    fresh = Store(tmp_path / "fresh")
    expected = join_monthly_dumps(fresh, 7)[-1]
    steps = join(store, "w", crawl(monthly_rows(6), 2))
    assert dropped(store, steps) == dropped(fresh, expected)
    assert len(dropped(store, steps)) > 10
