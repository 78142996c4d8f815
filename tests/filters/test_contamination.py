"""Decontamination: what is a hit, recall and false hits on real pages."""

import gzip
import json
import random
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from filters.contamination import contamination
from filters.contamination.benchmark_items import Item
from filters.contamination.benchmark_sequences import INDEX
from filters.contamination.benchmarks import find_benchmarks, read_benchmark
from filters.contamination.columns import CONTAMINATION_SCHEMA
from pipeline.base.schema import PAGES
from pipeline.runner.dag import Asset
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

BOUND = 0.7  # what recipes drop from


def pages(texts: list[str], prefix: str = "") -> pa.Table:
    ids = [f"{prefix}{i:032x}"[-32:] for i in range(len(texts))]
    columns = {"id": ids, "text": texts}
    return pa.table([pa.array(columns.get(f.name, [None] * len(texts)), f.type) for f in PAGES], schema=PAGES)


def tables_of(stage) -> dict[str, pa.Table]:
    out: dict[str, list[pa.Table]] = {}
    for item in stage:
        name, table = (item.name, item.table) if isinstance(item, Output) else ("part", item)
        out.setdefault(name, []).append(table)
    return {name: pa.concat_tables(tables) for name, tables in out.items()}


def phrases(part: Shard, index: list[Shard]) -> Shard:
    tables = tables_of(contamination.benchmark_phrases(part, index))
    return Shard.of(tables["part"], totals=tables["totals"])


def index_of(folder: Path, items: list[dict], name: str = "ours") -> list[Shard]:
    path = folder / f"{name}.jsonl"
    path.write_text("\n".join(map(json.dumps, items)))
    return [Shard.of(pa.concat_tables(contamination.benchmark_index(benchmarks=(Asset.of(path),), names=(name,))))]


def contamination_of(
    texts: list[str], index: list[Shard], counted: list[Shard] | None = None, **settings
) -> dict[str, pa.Table]:
    return tables_of(contamination.contamination(Shard.of(pages(texts)), index, counted or [], **settings))


def scores_of(texts: list[str], index: list[Shard], counted: list[Shard] | None = None) -> list[float]:
    """Score of the item that each text has most of."""
    return contamination_of(texts, index, counted)["part"]["contamination"].to_pylist()


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
    return index_of(tmp_path, [LONG, CHOICE, SHORT, TINY])


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
    page = FILL + "Ü\n" + text + "\n" + FILL
    tables = contamination_of([FILL, page], small)
    clean, row = tables["part"].to_pylist()
    assert clean["contamination"] == 0.0
    assert (row["item"], row["kind"], row["contaminated_items"]) == (item, kind, int(item is not None)), why
    assert row["contamination"] == pytest.approx(score, abs=0.02)
    if item:
        hit = tables["hits"].to_pylist()[0]
        span = page.encode()[hit["start"] : hit["end"]].decode()
        assert span in text and len(span) > 0.5 * len(text) * (0.4 if kind == "both" else 1)


def test_scattered_words_of_an_item_do_not_add_up(small):
    parts = LONG["question"].split()
    scattered = f" {FILL} ".join(" ".join(parts[i : i + 5]) for i in range(0, len(parts), 5))
    assert scores_of([scattered], small) == [0.0]


def test_too_short_items_stay_in_the_index_table_with_their_policy(small):
    rows = {(r["item"], r["part"]): (r["inner_policy"], r["policy"]) for r in small[0].table().to_pylist()}
    assert rows["trains", "question"] == ("share", "share")
    assert rows["melt", "question"] == ("too short", "whole")
    assert rows["capital", "question"] == ("whole", "whole")
    assert rows["tiny", "question"] == ("too short", "too short")
    assert rows["trains", "answer"][1] == "share" and rows["capital", "answer"][1] == "too short"


@pytest.mark.parametrize(("count", "policy"), [(7, "too short"), (8, "whole"), (12, "whole"), (13, "share")])
def test_bounds_of_the_policy(tmp_path, count, policy):
    index = index_of(tmp_path, [{"question": " ".join(f"word{i}" for i in range(count))}])
    assert index[0].table()["policy"].to_pylist()[0] == policy


@pytest.mark.parametrize(("count", "policy"), [(15, "too short"), (16, "whole"), (25, "whole"), (26, "share")])
def test_a_character_is_half_a_word(tmp_path, count, policy):
    index = index_of(tmp_path, [{"question": "".join(chr(0x4E00 + i) for i in range(count))}])
    assert index[0].table()["policy"].to_pylist()[0] == policy


def test_a_common_phrase_is_no_hit_and_a_leak_that_spreads_stays_one(tmp_path):
    """A licence notice that 30 pages carry is in one question, and 30 pages carry the other question whole."""
    notice = "Alle Rechte sind vorbehalten und jede Vervielfältigung bedarf der schriftlichen Zustimmung des Verlages"
    leaked = (
        "Welche Stadt am Neckar besuchte der Dichter Hölderlin, bevor ihn der Tischler Zimmer in seinen Turm aufnahm?"
    )
    index = index_of(tmp_path, [{"id": "notice", "question": notice}, {"id": "leaked", "question": leaked}])
    texts = [f"{FILL} Seite {i}. {notice}" for i in range(30)] + [f"{FILL} Seite {i}. {leaked}" for i in range(30)]
    unweighted = scores_of(texts, index)
    assert unweighted == [1.0] * 60
    counted = phrases(Shard.of(pages(texts)), index)
    partial = [f"{FILL} {' '.join(notice.split()[:11])}."]
    rows = contamination_of(texts + partial, index, [counted])["part"]
    assert rows["item"].to_pylist()[30:60] == ["leaked"] * 30
    weighed = dict(zip(counted.table()["gram"].to_pylist(), counted.table()["documents"].to_pylist(), strict=True))
    assert not weighed, "pages with half of an item of 13 words or more do not make its words common"
    half = [f"{FILL} {' '.join(notice.split()[:6])} {i}" for i in range(30)]
    counted = phrases(Shard.of(pages(half)), index)
    assert set(counted.table()["documents"].to_pylist()) == {30}
    start_only = scores_of([f"{FILL} {' '.join(notice.split()[:11])}."], index)
    weighed_down = scores_of([f"{FILL} {' '.join(notice.split()[:6])}."], index, [counted])
    assert start_only[0] > BOUND and weighed_down == [0.0]


def test_runs_of_numbers_are_no_evidence(tmp_path):
    index = index_of(tmp_path, [{"question": "Sort 3 1 4 1 5 9 2 6 5 3 5 8 9 7 9"}])
    assert contamination_of(["Table 3 1 4 1 5 9 2 6 5 3 5 8 9 7 9 end"], index)["part"][
        "contamination"
    ].to_pylist() == [0.0]


def test_rows_do_not_depend_on_shards_or_their_order(small):
    texts = [f"{FILL * (i % 3)} {LONG['question'] if i % 5 == 0 else ''} {FILL}" for i in range(40)] + [
        SHORT["question"]
    ]
    table = pages(texts)
    together = tables_of(contamination.contamination(Shard.of(table), small, [phrases(Shard.of(table), small)]))
    cuts = [table.slice(0, 7), table.slice(7, 20), table.slice(27)]
    counted = [phrases(Shard.of(cut), small) for cut in cuts]
    parts = [tables_of(contamination.contamination(Shard.of(cut), small, counted[::-1])) for cut in cuts]
    for name in ("part", "hits"):
        assert pa.concat_tables([p[name] for p in parts]).equals(together[name])
    assert together["part"].schema == CONTAMINATION_SCHEMA and together["part"]["id"].equals(table["id"])


def test_phrases_are_counted_on_a_sample_of_the_documents(small):
    part = Shard.of(pages([f"{' '.join(LONG['question'].split()[:6])} {i}" for i in range(400)]))
    together, half = (tables_of(contamination.benchmark_phrases(part, small, sample=share)) for share in (1.0, 0.5))
    assert together["totals"].to_pylist() == [{"documents": 400}] and set(
        together["part"]["documents"].to_pylist()
    ) == {400}
    assert 150 < half["totals"].to_pylist()[0]["documents"] < 250
    assert set(half["part"]["documents"].to_pylist()) == {half["totals"].to_pylist()[0]["documents"]}


@pytest.mark.parametrize("texts", [[], [""], ["nothing here"]])
def test_without_benchmarks_nothing_is_contaminated(texts):
    index = [Shard.of(INDEX.empty_table())]
    tables = contamination_of(texts, index, [phrases(Shard.of(pages(texts)), index)])
    assert "part" not in tables or tables["part"]["contamination"].to_pylist() == [0.0] * len(texts)


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
    hits = contamination_of(texts, index, counted)["hits"].to_pylist()
    score = {(int(h["id"], 16), h["benchmark"], h["item"]): h["score"] for h in hits}
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
    assert np.mean([is_hit for _, is_hit in scores]) >= least
    assert all(is_hit for name, is_hit in scores if name in ("mgsm_de", "HumanEval", "test"))
    assert np.mean([is_hit for name, is_hit in scores if name == "xquad.en"]) >= (0.9 if edits == 1 else 0.7)


def test_clean_prose_has_no_hit(real):
    """Laws, novels and crawl texts against all items, with and without the phrases they share."""
    index, _, laws, crawl, novels = real
    texts = laws + novels + crawl
    for counted in ([phrases(Shard.of(pages(texts)), index)], []):
        scores = scores_of(texts, index, counted)
        assert max(scores[: len(laws) + len(novels)]) < 0.5
        assert max(scores) < BOUND
