"""Decontamination: reading benchmarks, the matcher against a slow one, recall and false hits on real pages."""

import gzip
import json
import math
import random
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.contamination import contamination
from filters.contamination.benchmark_items import Item
from filters.contamination.benchmark_sequences import INDEX
from filters.contamination.benchmarks import find_benchmarks, read_benchmark
from filters.contamination.columns import CONTAMINATION_SCHEMA
from filters.contamination.ngram_align import Answers, align, count_documents, find_candidates
from filters.contamination.ngram_index import build_index, compute_weights, gram_hash
from filters.contamination.normalize import hash_span, normalize_words
from pipeline.base.errors import UserError
from pipeline.base.schema import PAGES
from pipeline.kernels.tokens import classes, lowered, words
from pipeline.runner.dag import Asset
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

BOUND = 0.7  # what recipes drop from


def pages(texts: list[str], prefix: str = "") -> pa.Table:
    ids = [f"{prefix}{i:032x}"[-32:] for i in range(len(texts))]
    columns = {"id": ids, "text": texts}
    return pa.table([pa.array(columns.get(f.name, [None] * len(texts)), f.type) for f in PAGES], schema=PAGES)


def drained(stage) -> dict[str, pa.Table]:
    out: dict[str, list[pa.Table]] = {}
    for item in stage:
        name, table = (item.name, item.table) if isinstance(item, Output) else ("part", item)
        out.setdefault(name, []).append(table)
    return {name: pa.concat_tables(tables) for name, tables in out.items()}


def phrases(part: Shard, index: list[Shard]) -> Shard:
    found = drained(contamination.benchmark_phrases(part, index))
    return Shard.of(found["part"], totals=found["totals"])


def indexed(folder: Path, items: list[dict], name: str = "ours") -> list[Shard]:
    path = folder / f"{name}.jsonl"
    path.write_text("\n".join(map(json.dumps, items)))
    return [Shard.of(pa.concat_tables(contamination.benchmark_index(benchmarks=(Asset.of(path),), names=(name,))))]


def matched(
    texts: list[str], index: list[Shard], counted: list[Shard] | None = None, **settings
) -> dict[str, pa.Table]:
    return drained(contamination.contamination(Shard.of(pages(texts)), index, counted or [], **settings))


# --- reading benchmarks


READ = [
    (
        "a.jsonl",
        '{"id": "q7", "question": "Who?", "choices": ["A man", "No one"], "answer": "No one"}',
        ("q7", "Who?", ("A man", "No one"), "No one"),
    ),
    (
        "a.jsonl",
        '{"question": "Who?", "choices": ["A man", "No one"], "answer": 1}',
        ("1", "Who?", ("A man", "No one"), "No one"),
    ),
    (
        "a.jsonl",
        '{"question": "Who?", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"}',
        ("1", "Who?", ("x", "y"), "y"),
    ),
    (
        "a.jsonl",
        '{"question": "Which?", "options": ["a", "b", "c", "d", "e", "f", "g", "h", "i th", "j"], "answer": "I"}',
        ("1", "Which?", ("a", "b", "c", "d", "e", "f", "g", "h", "i th", "j"), "i th"),
    ),
    ("a.jsonl", '{"question": "m?", "choices": ["m^2", "m^3"], "answer": "\u00b2"}', ("1", "m?", ("m^2", "m^3"), "²")),
    ("a.jsonl", '{"question": "2 + 2?", "choices": ["1", "4"], "answer": "4"}', ("1", "2 + 2?", ("1", "4"), "4")),
    (
        "a.jsonl",
        '{"goal": "Boil", "sol1": "Heat it", "sol2": "Cool it", "label": 0}',
        ("1", "Boil", ("Heat it", "Cool it"), "Heat it"),
    ),
    (
        "a.jsonl",
        '{"sentence": "The _ fell", "option1": "cup", "option2": "cat", "answer": "2"}',
        ("1", "The _ fell", ("cup", "cat"), "cat"),
    ),
    (
        "a.jsonl",
        '{"task_id": "H/0", "prompt": "def f():", "canonical_solution": "return 1"}',
        ("H/0", "def f():", (), "return 1"),
    ),
    (
        "a.csv",
        "question,choice0,choice1,choice2,choice3,answer\nWhich?,1,2,3,4,1",
        ("1", "Which?", ("1", "2", "3", "4"), "2"),
    ),
    ("a.csv", "Which?,one,two,three,four,C", ("1", "Which?", ("one", "two", "three", "four"), "three")),
    ("a.csv", "question,answer\rWhich?,one", ("1", "Which?", (), "one")),  # lines end as on old Macs
    ("a.csv", f"question,context,answer\nWhich?,{'x' * 200_000},one", ("1", "Which?", (), "one")),
    ("a.tsv", 'Wie viel "kostet" das?\t18', ("1", 'Wie viel "kostet" das?', (), "18")),
    ("a.tsv", "question\tanswer\nWie viel?\t18", ("1", "Wie viel?", (), "18")),
    (
        "a.json",
        '{"data": [{"paragraphs": [{"context": "c", "qas": [{"id": "s", "question": "Who?", "answers": [{"text": "Bo"}]}]}]}]}',  # noqa: E501
        ("s", "Who?", (), "Bo"),
    ),
    (
        "a.json",
        '[{"instruction": "Please choose the correct answer to the question: Why?\\n\\nAnswer1: So. Answer2: No.\\n\\nAnswer format: answer1/answer2", "answer": "answer2"}]',  # noqa: E501
        ("1", "Why?", ("So.", "No."), "No."),
    ),
    (
        "a.json",
        '[{"instruction": "How far? Answer Choices: (A) 1 km (B) 2 km", "answer": "B"}]',
        ("1", "How far?", ("1 km", "2 km"), "2 km"),
    ),
    (
        "a.json",
        '[{"instruction": "how far ? The options: A ) 1 , B ) 2.5", "answer": "A"}]',
        ("1", "how far ?", ("1", "2.5"), "1"),
    ),
]


@pytest.mark.parametrize(("name", "text", "item"), READ)
def test_reads_items_in_the_formats_that_benchmarks_come_in(tmp_path, name, text, item):
    (tmp_path / name).write_text(text)
    assert [tuple(found) for found in read_benchmark(str(tmp_path / name))] == [item]
    with gzip.open(tmp_path / f"{name}.gz", "wt") as file:
        file.write(text)
    assert [tuple(found) for found in read_benchmark(str(tmp_path / f"{name}.gz"))] == [item]


def test_reads_parquet(tmp_path):
    pq.write_table(pa.table({"question": ["Who?"], "choices": [["a", "b"]], "answer": [1]}), tmp_path / "a.parquet")
    assert next(read_benchmark(str(tmp_path / "a.parquet"))) == ("1", "Who?", ("a", "b"), "b")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.jsonl", "{", "a.jsonl line 1: not JSON"),
        ("a.jsonl", "[1]", "a.jsonl line 1: an item is an object"),
        ("a.jsonl", '{"titel": "x"}', "a.jsonl item 1: none of the fields question, .* it has: titel"),
        ("a.json", '{"x": 1}', "a.json: no list of items"),
        ("a.json", '{"data": [{"paragraphs": ["x"]}]}', "a.json item 1: an item is an object"),
        ("a.json", '{"data": [{"paragraphs": [{"qas": ["x"]}]}]}', "a.json item 1: an item is an object"),
        ("a.json", '{"data": [{"paragraphs": [{"context": "x"}]}]}', "a.json: no items"),
        ("a.jsonl", "\n", "a.jsonl: no items"),
        ("a.csv", "a,b\n1,2", "a.csv item 1: none of the fields"),
        ("a.csv", "a,b,c,d,e,\n1,2,3,4,5,6", "a.csv item 1: none of the fields"),  # six columns, but no letter
        ("a.parquet", "no Parquet", "a.parquet: cannot be read as a benchmark"),
        ("a.jsonl.gz", "no gzip", "a.jsonl.gz: cannot be read as a benchmark"),
    ],
)
def test_one_line_says_what_is_wrong_with_a_file(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=says) as raised:
        list(read_benchmark(str(tmp_path / name)))
    assert "\n" not in str(raised.value)


def test_finds_files_folders_and_globs_by_name(tmp_path):
    for name in ("m/b.csv", "m/a.jsonl.gz", "m/notes.txt", "c.tsv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert find_benchmarks((str(tmp_path),))[1] == ("c", "m/a", "m/b")
    assert find_benchmarks((str(tmp_path / "m" / "*.csv"), str(tmp_path / "c.tsv")))[1] == ("b", "c")
    with pytest.raises(UserError, match="no benchmark file there"):
        find_benchmarks((str(tmp_path / "none"),))


COUNTS = {
    "gsm8k/test": 1319, "humaneval/HumanEval": 164, "mgsm/mgsm_de": 250, "xquad/xquad.en": 1190,
    "commonsense-llm-adapters/ARC-Easy.test": 2376, "mmlu/test/anatomy_test": 135,
}  # fmt: skip


def test_reads_every_real_benchmark_whole(shared):
    assets, names = find_benchmarks((str(shared / "benchmarks"),))
    found = {name: list(read_benchmark(asset.path)) for name, asset in zip(names, assets, strict=True)}
    assert {name: len(found[name]) for name in COUNTS} == COUNTS
    assert all(item.question for items in found.values() for item in items)
    choices = [item for name in names if name.startswith("mmlu") for item in found[name]]
    assert all(len(item.choices) == 4 and item.answer in item.choices for item in choices)
    assert not any("Answer format" in item.question for items in found.values() for item in items)


# --- what is the same word


SAME = [
    ("cost 1,000 dollars", "Cost 1.000 DOLLARS!"),
    ("cost 1,000 dollars", "cost 1 000 dollars"),
    ("cost 1,000 dollars", "cost 1\u202f000 dollars"),
    ("cost 1,000 dollars", "cost 1'000 dollars"),
    ("cost 1,000 dollars", "cost 1000.00 dollars"),
    ("12,345,678 people", "12345678 people"),
    ("18.0 eggs", "18 eggs"),
    ("Bundesregierung", "Bun\u00addes\u200bre\u00adgie\u00adrung"),
    ("für Öl", "fu\u0308r O\u0308l"),
    ("A) red\nB) blue", "(a) red (b) blue"),
    ("was ist das", "Was\nist\n\n»das«?"),
]
DIFFERENT = [
    ("1,5 km", "15 km"), ("1,0005", "10005"), ("1000 dollars", "1001 dollars"), ("10,00,00", "100000"), ("18.5", "18"),
    ("in 10\n000 ways", "in 10000 ways"),
    ("1,200 300 more", "1,200,300 more"), ("für", "fur"), ("ab cd", "abcd"),
]  # fmt: skip


def folded(text: str) -> list[int]:
    return normalize_words(pa.array([text])).hash.tolist()


@pytest.mark.parametrize(("one", "other"), SAME)
def test_format_is_folded(one, other):
    assert folded(one) == folded(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_content_is_not_folded(one, other):
    assert folded(one) != folded(other)


def test_single_letters_are_dropped_except_where_characters_are_words():
    assert len(folded("a b é 1 我 c")) == 3


@settings(deadline=None)
@given(st.lists(st.text(alphabet="aZäß٣1७é\u0301我한", min_size=1, max_size=8), max_size=20))
def test_a_span_hashes_as_the_word_it_is(texts):
    found = words(pa.array(texts, pa.string()))
    spans = zip(found.start, found.end, strict=True)
    assert [hash_span(found.data, a, b, classes(), lowered()) for a, b in spans] == found.hash.tolist()


@settings(deadline=None)
@given(st.lists(st.text(alphabet="a1 0,.-\u00ad’ä我\n", max_size=40), max_size=8))
def test_folded_words_are_in_order_within_their_document_and_joined_or_apart_in_any_batch(texts):
    whole = normalize_words(pa.array(texts, pa.string()))
    assert [h for text in texts for h in folded(text)] == whole.hash.tolist()
    assert (whole.start < whole.end).all()
    assert (whole.start[1:] >= whole.end[:-1]).all()


# --- the matcher against a slow one


def slow_scores(
    document: list[str], sequence: list[str], inner: int, common: dict, bound: float, share: float, k: int
) -> tuple[int, int]:
    """Best scores for the sequence's first words and for all of it, as `filters.contamination.ngram_align` defines
    them."""

    def weight(gram: tuple[str, ...]) -> int:
        if all(word.isdigit() for word in gram):
            return 0
        return round(1000 * min(1.0, max(0.0, 1 - math.log(max(common.get(gram, 0), 1)) / math.log(max(bound, 2.0)))))

    def grams(of: list[str]) -> list[tuple[str, ...]]:
        return [tuple(of[i : i + k]) for i in range(len(of) - k + 1)]

    covering = [[weight(g) for j, g in enumerate(grams(sequence)) if j <= i < j + k] for i in range(len(sequence))]
    value = [sum(c) // max(1, len(c)) for c in covering]
    need = max(1, math.ceil(share * sum(map(weight, grams(sequence)))))
    window = len(sequence) * 3 // 2 + 8
    held = [(i // window, weight(g)) for i, g in enumerate(grams(document)) if g in grams(sequence)]
    stretches = {
        b
        for b, _ in held
        if sum(w for at, w in held if b - 1 <= at <= b) >= need and any(w for at, w in held if at == b)
    }
    best = (0, 0)
    for b in stretches:
        there = document[max(0, (b - 1) * window) : (b + 2) * window]
        best = max(best[0], aligned(there, sequence[:inner], value)), max(best[1], aligned(there, sequence, value))
    return best


def aligned(there: list[str], sequence: list[str], value: list[int]) -> int:
    """Smith-Waterman with free skips in the sequence and 100 a skipped word of the document."""
    table = [[0] * (len(sequence) + 1) for _ in range(len(there) + 1)]
    for j, word in enumerate(there, 1):
        for i, wanted in enumerate(sequence, 1):
            hit = table[j - 1][i - 1] + value[i - 1] if word == wanted else 0
            table[j][i] = max(0, hit, table[j][i - 1], table[j - 1][i] - 100)
    return max((row[-1] for row in table), default=0)


VOCABULARY = ["ab", "cd", "ef", "gh", "12"]
TEXT = st.lists(st.sampled_from(VOCABULARY), max_size=14)


@settings(max_examples=200, deadline=None)
@given(
    sequences=st.lists(st.lists(st.sampled_from(VOCABULARY), min_size=3, max_size=9), min_size=1, max_size=4),
    glue=st.lists(st.tuples(TEXT, st.integers(0, 3)), max_size=6),
    bound=st.sampled_from([2.0, 10.0, 50.0]),
    share=st.sampled_from([0.15, 0.5, 1.0]),
    seed=st.integers(0, 3),
)
def test_kernels_equal_the_slow_matcher(sequences, glue, bound, share, seed):
    """Documents of random words with (parts of) the sequences in between."""
    document = [w for text, i in glue for w in (*text, *sequences[i % len(sequences)][seed % 2 :])]
    k, rng = 3, random.Random(seed)
    inner = np.array([len(s) - seed % len(s) for s in sequences])
    first = np.concatenate([[0], np.cumsum([len(s) for s in sequences])])
    hashes = words(pa.array([" ".join(s) for s in sequences])).hash
    index = build_index(hashes, first, k)
    common = {g: rng.choice([0, 1, 2, 9, 60]) for s in sequences for g in zip(s, s[1:], s[2:], strict=False)}
    column = np.zeros(len(index.gram), np.int64)
    for gram, n in common.items():
        hash_ = gram_hash(words(pa.array([" ".join(gram)])).hash, 0, k)
        column[np.flatnonzero(index.gram == hash_)] = n
    weights = compute_weights(index, inner, column, bound, share)
    texts = normalize_words(pa.array([" ".join(document), " ".join(document[::-1])]))
    candidates = find_candidates(texts, index, weights)
    answers = Answers(np.zeros(0, np.uint64), np.zeros(len(first), np.int64))
    alignments = align(candidates, texts, index, weights, inner, answers, 5)
    for i, text in enumerate((document, document[::-1])):
        for j, sequence in enumerate(sequences):
            rows = alignments[(candidates["document"] == i) & (candidates["sequence"] == j)]
            best = rows["inner_score"].max(initial=0), rows["score"].max(initial=0)
            assert best == slow_scores(text, sequence, inner[j], common, bound, share, k)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(VOCABULARY), max_size=12), max_size=8))
def test_counts_of_phrases_equal_slow_ones(texts):
    sequences = [["ab", "cd", "ef", "gh"], ["cd", "ef", "gh", "ab", "cd", "cd", "ab", "ef"]]
    k, is_exempt = 3, [False, True]
    hashes = words(pa.array([" ".join(s) for s in sequences])).hash
    index = build_index(hashes, np.array([0, 4, 12]), k)
    counts = np.zeros(len(index.gram), np.int64)
    column = normalize_words(pa.array([" ".join(text) for text in texts], pa.string()))
    count_documents(column, index, np.array(is_exempt), counts)

    def grams(of: list[str]) -> set[tuple[str, ...]]:
        return set(zip(of, of[1:], of[2:], strict=False))

    for gram in grams(sequences[0]) | grams(sequences[1]):
        documents = 0
        for text in texts:
            leaked = len(grams(text) & grams(sequences[1])) * 2 >= 6 and gram in grams(sequences[1])
            documents += gram in grams(text) and not leaked
        hash_ = gram_hash(words(pa.array([" ".join(gram)])).hash, 0, k)
        assert counts[np.flatnonzero(index.gram == hash_)].tolist() == [documents]


# --- what is a hit

LONG = {
    "id": "trains",
    "question": "A train leaves Hamburg with 1,200 passengers and another one leaves Bremen. "
    "How many people get to Kassel?",
    "answer": "The first train brings twelve hundred people, the second one brings three hundred more, "
    "so fifteen hundred arrive.",
}
CHOICE = {
    "id": "melt",
    "question": "Which metal melts first?",
    "choices": ["molten iron", "solid lead", "pure gold"],
    "answer": 1,
}
SHORT = {
    "id": "capital",
    "question": "Which lovely Frisian town hosted the skating championship?",
    "answer": "Leeuwarden",
}
TINY = {"id": "tiny", "question": "Who?", "answer": "Bo"}
FILL = "Nothing of this page has to do with any question at all, it is plain filler that goes on. " * 3


@pytest.fixture
def small(tmp_path):
    return indexed(tmp_path, [LONG, CHOICE, SHORT, TINY])


HITS = [
    ("verbatim", LONG["question"], "trains", "question", 1.0),
    ("answer alone", LONG["answer"], "trains", "answer", 1.0),
    ("both", LONG["question"] + "\n\n" + LONG["answer"], "trains", "both", 1.0),
    ("upper case, no marks", re.sub(r"[^\w\s]", "", LONG["question"]).upper(), "trains", "question", 1.0),
    ("format of numbers", LONG["question"].replace("1,200", "1200"), "trains", "question", 1.0),
    ("one word changed", LONG["question"].replace("Bremen", "Celle"), "trains", "question", 0.93),
    ("one word dropped", LONG["question"].replace("another ", ""), "trains", "question", 0.94),
    ("half of it", " ".join(LONG["question"].split()[:8]), None, None, 0.0),
    (
        "short question with choices",
        "Which metal melts first?\nA) molten iron\nB) solid lead\nC) pure gold",
        "melt",
        "both",
        1.0,
    ),
    ("short question, other choices", "Which metal melts first? Chrome, zinc, tin or cobalt?", None, None, 0.0),
    ("below 13 words, whole", SHORT["question"], "capital", "question", 1.0),
    ("below 13 words, in part", SHORT["question"].replace("lovely ", "quiet "), None, None, 0.0),
    (
        "below 13 words, in part, with the answer",
        SHORT["question"].replace("lovely ", "quiet ") + " Leeuwarden!",
        "capital",
        "both",
        0.87,
    ),
    ("too short to be judged", "Who? Bo.", None, None, 0.0),
]


@pytest.mark.parametrize(("why", "text", "item", "kind", "score"), HITS)
def test_what_is_a_hit_and_of_which_kind(small, why, text, item, kind, score):
    whole = FILL + "Ü\n" + text + "\n" + FILL
    found = matched([FILL, whole], small)
    clean, row = found["part"].to_pylist()
    assert clean["contamination"] == 0.0
    assert (row["item"], row["kind"], row["contaminated_items"]) == (item, kind, int(item is not None)), why
    assert row["contamination"] == pytest.approx(score, abs=0.02)
    if item:
        hit = found["hits"].to_pylist()[0]
        span = whole.encode()[hit["start"] : hit["end"]].decode()
        assert span in text and len(span) > 0.5 * len(text) * (0.4 if kind == "both" else 1)


def test_scattered_words_of_an_item_do_not_add_up(small):
    parts = LONG["question"].split()
    scattered = f" {FILL} ".join(" ".join(parts[i : i + 5]) for i in range(0, len(parts), 5))
    assert matched([scattered], small)["part"]["contamination"].to_pylist() == [0.0]


def test_too_short_items_stay_in_the_index_table_with_their_policy(small):
    rows = {(r["item"], r["part"]): (r["inner_policy"], r["policy"]) for r in small[0].table().to_pylist()}
    assert rows["trains", "question"] == ("share", "share")
    assert rows["melt", "question"] == ("too short", "whole")
    assert rows["capital", "question"] == ("whole", "whole")
    assert rows["tiny", "question"] == ("too short", "too short")
    assert rows["trains", "answer"][1] == "share" and rows["capital", "answer"][1] == "too short"


@pytest.mark.parametrize(("count", "policy"), [(7, "too short"), (8, "whole"), (12, "whole"), (13, "share")])
def test_bounds_of_the_policy(tmp_path, count, policy):
    index = indexed(tmp_path, [{"question": " ".join(f"word{i}" for i in range(count))}])
    assert index[0].table()["policy"].to_pylist()[0] == policy


@pytest.mark.parametrize(("count", "policy"), [(15, "too short"), (16, "whole"), (25, "whole"), (26, "share")])
def test_a_character_is_half_a_word(tmp_path, count, policy):
    index = indexed(tmp_path, [{"question": "".join(chr(0x4E00 + i) for i in range(count))}])
    assert index[0].table()["policy"].to_pylist()[0] == policy


def test_a_common_phrase_is_no_hit_and_a_leak_that_spreads_stays_one(tmp_path):
    """A licence notice that 30 pages carry is in one question, and 30 pages carry the other question whole."""
    notice = "Alle Rechte sind vorbehalten und jede Vervielfältigung bedarf der schriftlichen Zustimmung des Verlages"
    leaked = (
        "Welche Stadt am Neckar besuchte der Dichter Hölderlin, bevor ihn der Tischler Zimmer in seinen Turm aufnahm?"
    )
    index = indexed(tmp_path, [{"id": "notice", "question": notice}, {"id": "leaked", "question": leaked}])
    texts = [f"{FILL} Seite {i}. {notice}" for i in range(30)] + [f"{FILL} Seite {i}. {leaked}" for i in range(30)]
    unweighted = matched(texts, index)["part"]["contamination"].to_pylist()
    assert unweighted == [1.0] * 60
    counted = phrases(Shard.of(pages(texts)), index)
    partial = [f"{FILL} {' '.join(notice.split()[:11])}."]
    found = matched(texts + partial, index, [counted])["part"]
    assert found["item"].to_pylist()[30:60] == ["leaked"] * 30
    weighed = dict(zip(counted.table()["gram"].to_pylist(), counted.table()["documents"].to_pylist(), strict=True))
    assert not weighed, "pages with half of an item of 13 words or more do not make its words common"
    half = [f"{FILL} {' '.join(notice.split()[:6])} {i}" for i in range(30)]
    counted = phrases(Shard.of(pages(half)), index)
    assert set(counted.table()["documents"].to_pylist()) == {30}
    start_only = matched([f"{FILL} {' '.join(notice.split()[:11])}."], index)["part"]["contamination"].to_pylist()
    weighed_down = matched([f"{FILL} {' '.join(notice.split()[:6])}."], index, [counted])["part"][
        "contamination"
    ].to_pylist()
    assert start_only[0] > BOUND and weighed_down == [0.0]


def test_runs_of_numbers_are_no_evidence(tmp_path):
    index = indexed(tmp_path, [{"question": "Sort 3 1 4 1 5 9 2 6 5 3 5 8 9 7 9"}])
    assert matched(["Table 3 1 4 1 5 9 2 6 5 3 5 8 9 7 9 end"], index)["part"]["contamination"].to_pylist() == [0.0]


def test_rows_do_not_depend_on_shards_or_their_order(small):
    texts = [f"{FILL * (i % 3)} {LONG['question'] if i % 5 == 0 else ''} {FILL}" for i in range(40)] + [
        SHORT["question"]
    ]
    table = pages(texts)
    whole = drained(contamination.contamination(Shard.of(table), small, [phrases(Shard.of(table), small)]))
    cuts = [table.slice(0, 7), table.slice(7, 20), table.slice(27)]
    counted = [phrases(Shard.of(cut), small) for cut in cuts]
    parts = [drained(contamination.contamination(Shard.of(cut), small, counted[::-1])) for cut in cuts]
    for name in ("part", "hits"):
        assert pa.concat_tables([p[name] for p in parts]).equals(whole[name])
    assert whole["part"].schema == CONTAMINATION_SCHEMA and whole["part"]["id"].equals(table["id"])


def test_phrases_are_counted_on_a_sample_of_the_documents(small):
    part = Shard.of(pages([f"{' '.join(LONG['question'].split()[:6])} {i}" for i in range(400)]))
    whole, half = (drained(contamination.benchmark_phrases(part, small, sample=share)) for share in (1.0, 0.5))
    assert whole["totals"].to_pylist() == [{"documents": 400}] and set(whole["part"]["documents"].to_pylist()) == {400}
    assert 150 < half["totals"].to_pylist()[0]["documents"] < 250
    assert set(half["part"]["documents"].to_pylist()) == {half["totals"].to_pylist()[0]["documents"]}


@pytest.mark.parametrize("texts", [[], [""], ["nothing here"]])
def test_without_benchmarks_nothing_is_contaminated(texts):
    index = [Shard.of(INDEX.empty_table())]
    found = matched(texts, index, [phrases(Shard.of(pages(texts)), index)])
    assert "part" not in found or found["part"]["contamination"].to_pylist() == [0.0] * len(texts)


# --- real items in real pages


def light(text: str, rng: random.Random, edits: int) -> str:
    """Other case, punctuation, line breaks and number formats, and `edits` words a sentence changed or dropped."""
    text = re.sub(
        r"\b\d{4,6}\b(?![,.]\d)", lambda m: rng.choice([f"{int(m[0]):,}", f"{int(m[0]):,}".replace(",", ".")]), text
    )
    text = rng.choice([str.upper, str.lower, str])(text)
    sentences = [sentence.split() for sentence in re.split(r"(?<=[.?!])\s+", text)]
    for sentence in sentences:
        for _ in range(edits if len(sentence) >= 8 else min(edits, len(sentence) // 5)):
            at = rng.randrange(len(sentence))
            sentence[at : at + 1] = [f"{rng.choice('xyz')}anders"] if rng.random() < 0.5 else []
    text = " ".join(word for sentence in sentences for word in sentence)
    text = re.sub(r"(?<!\d)[,;:\"“”()?]|[,;:\"“”()?](?!\d)", lambda _: rng.choice([" ", " ! ", " — "]), text)
    return re.sub(r" ", lambda _: "\n" if rng.random() < 0.15 else " ", text)


def written(item: Item) -> str:
    choices = [f"{chr(65 + i)}) {choice}" for i, choice in enumerate(item.choices)]
    return "\n".join([item.question, *choices, f"Answer: {item.answer}"])


REAL = (
    "gsm8k/test.jsonl",
    "mgsm/mgsm_de.tsv",
    "mgsm/mgsm_zh.tsv",
    "xquad/xquad.en.json",
    "humaneval/HumanEval.jsonl.gz",
    "mmlu/test",
)


@pytest.fixture(scope="module")
def real(shared):
    """(index, items with their benchmark, pages: laws, crawl texts, novels) of real benchmarks and texts."""
    places = tuple(str(shared / "benchmarks" / name) for name in REAL)
    assets, names = find_benchmarks(places)
    index = [Shard.of(pa.concat_tables(contamination.benchmark_index(benchmarks=assets, names=names)))]
    items = [(name, item) for name, asset in zip(names, assets, strict=True) for item in read_benchmark(asset.path)]
    laws = [gzip.decompress(path.read_bytes()).decode() for path in sorted(shared.glob("dedup/gesetze-de/*.md.gz"))]
    novels = [gzip.decompress(path.read_bytes()).decode() for path in sorted(shared.glob("dedup/eltec-de/*.xml.gz"))]
    lines = (shared / "quality/dclm-human-labels/majority_data.jsonl").read_text().splitlines()
    return (
        index,
        items,
        laws,
        [json.loads(line)["text"] for line in lines],
        [re.sub(r"<[^>]+>", " ", n) for n in novels],
    )


def planted(real, edits: int | None) -> list[tuple[str, float]]:
    """(benchmark, score) of items planted in real pages, of those that the policy judges at all."""
    index, items, laws, crawl, _ = real
    rng = random.Random(11)
    judged = {(r["benchmark"], r["item"]) for r in index[0].table().to_pylist() if r["policy"] != "too short"}
    chosen = [pair for pair in rng.sample(items, 1500) if (pair[0], pair[1].id) in judged]
    texts = []
    for _, item in chosen:
        text = written(item) if edits is None else light(written(item), rng, edits)
        lines = rng.choice(laws if rng.random() < 0.5 else crawl)[:3000].split("\n")
        lines.insert(rng.randrange(len(lines) + 1), text)
        texts.append("\n".join(lines))
    counted = [phrases(Shard.of(pages(laws + crawl)), index)]
    found = matched(texts, index, counted)["hits"].to_pylist()
    score = {(int(h["id"], 16), h["benchmark"], h["item"]): h["score"] for h in found}
    return [(name, score.get((i, name, item.id), 0.0)) for i, (name, item) in enumerate(chosen)]


@pytest.mark.parametrize("edits", [None, 0])
def test_planted_items_are_found_verbatim_and_in_another_format(real, edits):
    """All but sums: of "Find the product of 5 • (−9)" nothing is left but numbers and a common phrase."""
    assert {name for name, score in planted(real, edits) if score < BOUND} <= {"elementary_mathematics_test"}


@pytest.mark.parametrize(("edits", "least"), [(1, 0.985), (2, 0.965)])
def test_planted_items_are_found_with_words_changed_or_dropped(real, edits, least):
    """What is missed are questions of eight words or so that keep no run of four. `light` drops whole clauses where
    there are no spaces, so that copies of mgsm_zh are no light ones."""
    scores = [(name, score >= BOUND) for name, score in planted(real, edits) if name != "mgsm_zh"]
    assert np.mean([found for _, found in scores]) >= least
    assert all(found for name, found in scores if name in ("mgsm_de", "HumanEval", "test"))
    assert np.mean([found for name, found in scores if name == "xquad.en"]) >= (0.9 if edits == 1 else 0.7)


def test_clean_prose_has_no_hit(real):
    """Laws, novels and crawl texts against all items, with and without the phrases they share."""
    index, _, laws, crawl, novels = real
    texts = laws + novels + crawl
    for counted in ([phrases(Shard.of(pages(texts)), index)], []):
        found = matched(texts, index, counted)["part"]["contamination"].to_pylist()
        assert max(found[: len(laws) + len(novels)]) < 0.5
        assert max(found) < BOUND
