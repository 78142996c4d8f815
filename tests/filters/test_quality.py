"""Quality classifier: what it reads, how it samples, that it is reproducible and held out, and on real pages."""

import gzip
import hashlib
import json
import random
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.quality import classifier as quality
from filters.quality.columns import QUALITY_SCHEMA
from filters.quality.documents import is_below
from filters.quality.reference_texts import read_texts
from filters.quality.sampling import BottomKSample, hash_keys, in_sample
from filters.quality.scores import area_under_roc, percentile_ranks
from filters.quality.text import plain_texts
from pipeline.base.errors import UserError
from pipeline.base.schema import LANGUAGES, PAGES
from pipeline.kernels.tokens import classes, lowered
from pipeline.runner.dag import Asset
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard
from pipeline.store.writer import ShardWriter

GOOD = [
    "moon",
    "river",
    "history",
    "garden",
    "letter",
    "bridge",
    "teacher",
    "winter",
    "harvest",
    "window",
    "silver",
    "mountain",
]
BAD = [
    "buy",
    "cheap",
    "click",
    "casino",
    "offer",
    "login",
    "cookie",
    "discount",
    "shipping",
    "bonus",
    "cart",
    "voucher",
]
BOTH = ["the", "a", "of", "and", "in", "to", "is", "was", "it", "for", "on", "with", "as", "at", "by"]
QUICK = {"dim": 8, "buckets": 2000, "min_lines": 2000, "folds": 2}


def prose(rng: random.Random, words: list[str], n: int = 60) -> str:
    return " ".join(rng.choice(words if rng.random() < 0.5 else BOTH) for _ in range(n)) + "."


def tables(rows: list[tuple[str, str, str]], language: str = "en") -> tuple[pa.Table, pa.Table]:
    """Pages and languages of (id, host, text)."""
    ids, hosts, texts = ([row[i] for row in rows] for i in range(3))
    columns = {"id": ids, "host": hosts, "text": texts, "language": [language] * len(rows)}

    def table(schema: pa.Schema) -> pa.Table:
        return pa.table([pa.array(columns.get(f.name, [None] * len(rows)), f.type) for f in schema], schema=schema)

    return table(PAGES), table(LANGUAGES)


def crawl(n: int = 120, hosts: int = 40) -> list[tuple[str, str, str]]:
    """Pages of some hosts; every third host writes well."""
    rng = random.Random(5)
    return [(f"{i:032x}", f"h{i % hosts}.org", prose(rng, GOOD if i % hosts % 3 == 0 else BAD)) for i in range(n)]


def references(folder: Path, n: int = 40) -> Asset:
    rng = random.Random(6)
    path = folder / "good.jsonl"
    path.write_text("".join(json.dumps({"text": prose(rng, GOOD)}) + "\n" for _ in range(n)))
    return Asset.of(path)


def trained(folder: Path, pages: list[Shard], languages: list[Shard], **options) -> Shard:
    """The step's part, written by the store as a run does it."""
    with ShardWriter(Store(folder), "model", "", dict(quality.quality_model.stage.outputs)) as writer:
        for item in quality.quality_model(pages, languages, **options):
            writer.add(item)
        writer.close()
    return Shard(Store(folder), "model")


def bytes_of(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((folder / "model").glob("*.*"))}


# --- what the model reads


def slow_plain(text: str) -> list[str]:
    """Tokens of a text, codepoint by codepoint."""
    out, word = [], ""
    for char in text + " ":
        kind = classes()[ord(char)] if ord(char) < 0x20000 else (3 if ord(char) < 0x33480 else 1)
        if char == "\u00ad":
            continue
        if kind == 2 and char != "_":
            word += "0" if char in "0123456789" else chr(lowered()[ord(char)])
            continue
        out, word = [*out, *([word] if word else [])], ""
        if kind == 3 or char in ".,;:!?":
            out.append(char)
    return out


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(alphabet="aZÄßİȺ1٧_.,;!\u00ad \n我カ𐐀𠀀😀|#'é\u0301", max_size=30), max_size=5))
def test_plain_text_equals_the_slow_one(texts):
    plain = plain_texts(pa.array(texts, pa.string()))
    assert [plain.chunks(i, 1000, 1) for i in range(len(texts))] == [
        [" ".join(slow_plain(t))] if slow_plain(t) else [] for t in texts
    ]
    assert plain.token_counts().tolist() == [len(slow_plain(t)) for t in texts]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("In 1987 sah er „Rom“ – nie.", "in 2024 SAH er \"Rom\" - nie."),
        ("# Titel\n\n* eins\n* zwei", "Titel eins zwei"),
        ("Bundes\u00adtag | heute", "Bundestag heute"),
        ("__label__1 gut", "label 1 gut".replace("1", "0")),
    ],
)  # fmt: skip
def test_what_tells_sources_apart_rather_than_quality_is_not_seen(one, other):
    plain = plain_texts(pa.array([one, other]))
    assert plain.chunks(0, 100, 1) == plain.chunks(1, 100, 1) != []


@settings(deadline=None)
@given(n=st.integers(1, 700), size=st.integers(1, 50), most=st.integers(1, 6))
def test_chunks_are_in_order_of_comparable_length_and_bounded(n, size, most):
    text = " ".join(f"w{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(n))
    chunks = plain_texts(pa.array(["x", text])).chunks(1, size, most)
    assert len(chunks) == min(most, max(1, n // size))
    assert all(min(n, size) <= len(chunk.split()) < max(n, size) * 2 for chunk in chunks)
    places = [text.index(chunk) for chunk in chunks]
    assert all(a < b for a, b in pairwise(places)) and places[0] == 0
    if n // size <= most:
        assert " ".join(chunks) == text


# --- samples


@given(st.lists(st.integers(0, 60), max_size=80), st.integers(1, 9), st.integers(1, 30))
def test_a_sample_is_the_least_keys_whatever_the_batches(values, most, batch):
    sample = BottomKSample(most)
    for at in range(0, len(values), batch):
        part = np.array(values[at : at + batch], np.uint64)
        sample.offer(part, lambda i, part=part: int(part[i]) if part[i] % 7 else None)
    assert sample.items() == sorted({v for v in values if v % 7})[:most]


def test_a_share_of_hashes():
    hashes = hash_keys([str(i) for i in range(4000)], "a")
    assert in_sample(hashes, 1.0).all() and not in_sample(hashes, 0.0).any()
    assert 900 < in_sample(hashes, 0.25).sum() < 1100
    other = hash_keys([str(i) for i in range(4000)], "b")
    assert 200 < (in_sample(hashes, 0.25) & in_sample(other, 0.25)).sum() < 300, "another purpose is another sample"


# --- references


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.jsonl", '{"body": "one"}\n\n{"body": "two"}\n'), ("a.parquet", None), ("a.txt", "one " * 400 + "\n\ntwo")],
)
def test_reference_corpora_of_every_format(tmp_path, name, data):
    path = tmp_path / name
    if data is None:
        pq.write_table(pa.table({"body": ["one", None, "two"]}), path)
    else:
        path.write_text(data)
    assert [text.split()[0] for batch in read_texts(str(path), "body") for text in batch] == ["one", "two"]
    if data is not None:
        zipped = tmp_path / f"{name}.gz"
        zipped.write_bytes(gzip.compress(data.encode()))
        assert [text.split()[0] for batch in read_texts(str(zipped), "body") for text in batch] == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.csv", "x", "a.csv: unknown kind of file; give a .jsonl (.gz, .zst) or .parquet file"),
        ("a.jsonl", '{"title": "x"}', "a.jsonl:1: no column 'text'; there are title; type text_column = \"title\""),
        ("a.txt.gz", "x", "a.txt.gz: cannot be read as a reference corpus"),
        ("a.txt", b"\xff\xfe", "a.txt: cannot be read as a reference corpus"),
    ],
)
def test_one_line_says_what_is_wrong_with_a_reference(tmp_path, name, data, says):
    (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(UserError, match=re.escape(says)) as raised:
        list(read_texts(str(tmp_path / name), "text"))
    assert "\n" not in str(raised.value)


# --- figures


@given(st.lists(st.integers(0, 9), max_size=20), st.lists(st.integers(0, 9), max_size=20))
def test_auc_equals_counting_pairs(positives, negatives):
    pairs = [(p > n) + (p == n) / 2 for p in positives for n in negatives]
    expected = sum(pairs) / len(pairs) if pairs else None
    area = area_under_roc(np.array(positives, float), np.array(negatives, float))
    assert area == (pytest.approx(expected) if pairs else None)


@pytest.mark.parametrize(
    ("score", "expected"), [(-1.0, 0.0), (0.0, 12.5), (0.5, 50.0), (0.6, 75.0), (1.0, 87.5), (2.0, 100.0)]
)
def test_percentile_counts_lower_documents_and_half_of_the_equal_ones(score, expected):
    ranks = percentile_ranks(np.array([score]), np.array([0.0, 0.5, 0.5, 1.0]))
    assert ranks.tolist() == [expected]


# --- training and scoring


def test_good_pages_score_above_bad_ones_and_percentiles_spread(tmp_path):
    pages, languages = tables(crawl(400))
    part = trained(tmp_path, [Shard.of(pages)], [Shard.of(languages)], references=(references(tmp_path),), **QUICK)
    facts = part.table().to_pylist()[0]
    assert facts["auc"] > 0.8 and facts["note"] is None and (facts["folds"], facts["unit"]) == (2, "id")
    assert (facts["positives"], facts["negatives"], facts["sampled"]) == (40, 400, 400)
    scored = pa.concat_tables(quality.quality(Shard.of(pages), Shard.of(languages), [part]))
    assert scored.schema == QUALITY_SCHEMA and scored["id"].equals(pages["id"])
    good = np.array([int(h[1:-4]) % 3 == 0 for h in pages["host"].to_pylist()])
    score, rank = (scored[name].to_numpy() for name in ("quality", "quality_percentile"))
    assert area_under_roc(score[good], score[~good]) > 0.95
    assert 45 < rank.mean() < 55 and rank.min() < 5 and rank.max() > 95
    examples = part.table(name="examples").to_pylist()
    hosts = dict(zip(pages["id"].to_pylist(), good, strict=True))
    assert {row["decile"] for row in examples} == {"top", "bottom"}
    assert all(hosts[row["id"]] == (row["decile"] == "top") for row in examples)


@pytest.mark.parametrize(("hosts", "unit", "unseen"), [(100, "host", "h3.org"), (99, "id", f"{3:032x}")])
def test_no_page_is_scored_by_a_model_that_saw_its_host_or_where_hosts_are_few_it(tmp_path, hosts, unit, unseen):
    """One host's pages (one page) hold a word of their own, which only the model that does not score them knows."""
    marks = {"host": lambda i, host: host == unseen, "id": lambda i, host: i == unseen}[unit]
    rows = [(i, host, f"{text} zebra" if marks(i, host) else text) for i, host, text in crawl(200, hosts)]
    pages, languages = tables(rows)
    part = trained(tmp_path, [Shard.of(pages)], [Shard.of(languages)], references=(references(tmp_path),), **QUICK)
    assert part.table()["unit"].to_pylist() == [unit]
    fold = int(hash_keys([unseen], "fold 0")[0] % np.uint64(2))
    import fasttext

    assert "zebra" not in fasttext.load_model(str(part.file(f"model-{fold}.bin"))).words
    assert "zebra" in fasttext.load_model(str(part.file(f"model-{1 - fold}.bin"))).words


def test_same_bytes_whatever_the_shards_their_order_and_the_run(tmp_path):
    pages, languages = tables(crawl())
    reference = references(tmp_path)
    bounds = [(0, 50), (50, 20), (70, 50)]
    layouts = [[(0, 120)], bounds, bounds[::-1]]
    results = []
    for number, layout in enumerate(layouts):
        cut = [[Shard.of(table.slice(*at)) for at in layout] for table in (pages, languages)]
        part = trained(tmp_path / str(number), *cut, references=(reference,), **QUICK)
        shards = sorted(zip(layout, *cut, strict=True), key=lambda shard: shard[0])
        scored = pa.concat_tables([t for _, p, lang in shards for t in quality.quality(p, lang, [part])])
        results.append((bytes_of(tmp_path / str(number)), scored.to_pydict()))
    assert results[0] == results[1] == results[2] and len(results[0][0]) == 5


def test_trusted_hosts_and_their_subdomains_are_positives(tmp_path):
    rows = [(i, f"www.{host}" if n % 2 else host, text) for n, (i, host, text) in enumerate(crawl(240))]
    pages, languages = tables(rows)
    good = tuple(f"h{i}.org" for i in range(0, 40, 3))
    part = trained(tmp_path, [Shard.of(pages)], [Shard.of(languages)], trusted_hosts=good, **QUICK)
    facts = part.table().to_pylist()[0]
    assert (facts["positives"], facts["negatives"], facts["sampled"]) == (84, 156, 240)
    assert facts["auc"] > 0.95
    assert not is_below("notgood.org", ("good.org",))


def test_only_documents_of_the_language_are_learnt_and_scored(tmp_path):
    pages, languages = tables(crawl(240))
    mixed = languages.set_column(1, languages.schema.field("language"), pa.array(["en", "de"] * 120))
    options = {"references": (references(tmp_path),), "language": "en", **QUICK}
    part = trained(tmp_path, [Shard.of(pages)], [Shard.of(mixed)], **options)
    assert part.table()["sampled"].to_pylist() == [120]
    scored = pa.concat_tables(quality.quality(Shard.of(pages), Shard.of(mixed), [part]))
    assert [score is None for score in scored["quality"].to_pylist()] == [False, True] * 120
    assert scored["quality_percentile"].null_count == 120


@pytest.mark.parametrize(("words", "null"), [(19, True), (20, False)])
def test_a_text_below_min_words_has_no_score(tmp_path, words, null):
    pages, languages = tables(crawl())
    part = trained(tmp_path, [Shard.of(pages)], [Shard.of(languages)], references=(references(tmp_path),), **QUICK)
    short, short_languages = tables([("a", "h.org", " ".join(["moon"] * words)), ("b", "h.org", "")])
    scored = pa.concat_tables(quality.quality(Shard.of(short), Shard.of(short_languages), [part]))
    assert [score is None for score in scored["quality"].to_pylist()] == [null, True]


@pytest.mark.parametrize(
    ("n", "pages", "note"),
    [
        (19, 100, "no model: 19 positives, 20 are needed"),
        (20, 19, "no model: 19 negatives, 20 are needed"),
        (20, 20, None),
        (0, 0, "no model: 0 positives, 20 are needed"),
    ],
)
def test_too_few_documents_train_nothing_and_the_scores_are_null(tmp_path, n, pages, note):
    table, languages = tables(crawl(pages))
    part = trained(tmp_path, [Shard.of(table)], [Shard.of(languages)], references=(references(tmp_path, n),), **QUICK)
    facts = part.table().to_pylist()[0]
    assert facts["note"] == note and facts["folds"] == (0 if note else 2)
    scored = list(quality.quality(Shard.of(table), Shard.of(languages), [part]))
    assert all((t["quality"].null_count == t.num_rows) == bool(note) for t in scored)
    assert sum(t.num_rows for t in scored) == pages


def test_a_finished_model_is_measured_and_applied(tmp_path):
    import fasttext

    rng = random.Random(9)
    lines = [f"__label__{k} {prose(rng, w)}\n" for _ in range(200) for k, w in (("hq", GOOD), ("cc", BAD))]
    (tmp_path / "train.txt").write_text("".join(lines).lower())
    model = fasttext.train_supervised(str(tmp_path / "train.txt"), dim=8, epoch=20, lr=0.5, thread=1, verbose=0)
    model.save_model(str(tmp_path / "own.bin"))
    own = {"model": Asset.of(tmp_path / "own.bin"), "label": "hq"}
    pages, languages = tables(crawl(200))
    part = trained(tmp_path, [Shard.of(pages)], [Shard.of(languages)], **own)
    assert not list((tmp_path / "model").glob("*.bin"))
    scored = pa.concat_tables(quality.quality(Shard.of(pages), Shard.of(languages), [part], **own))
    line = " ".join(pages["text"][0].as_py().split("\n"))
    labels, scores = model.predict(line, k=2)
    assert scored["quality"][0].as_py() == pytest.approx(scores[labels.index("__label__hq")], abs=1e-6)
    with pytest.raises(UserError, match=r"own.bin: no label __label__good; its labels are __label__cc, __label__hq"):
        trained(tmp_path, [Shard.of(pages)], [Shard.of(languages)], **{**own, "label": "good"})
    (tmp_path / "no.bin").write_text("no model")
    with pytest.raises(UserError, match=r"no.bin: not a fastText model"):
        trained(tmp_path, [Shard.of(pages)], [Shard.of(languages)], model=Asset.of(tmp_path / "no.bin"))


def test_ids_of_pages_and_languages_must_agree(tmp_path):
    pages, languages = tables(crawl())
    with pytest.raises(AssertionError, match="ids of pages and languages differ from row 0 on"):
        trained(tmp_path, [Shard.of(pages)], [Shard.of(languages.slice(1))], **QUICK)


def test_articles_as_positives_against_human_labels(shared, tmp_path):
    """Web articles (another crawl) against crawl texts that people labelled keep or drop. Better than chance, no more:
    what the references are is not what the people looked for."""
    articles = []
    for path in sorted(shared.glob("extraction/wcxb-dev/*.json.gz")):
        page = json.loads(gzip.decompress(path.read_bytes()))
        if page["_internal"]["page_type"]["primary"] == "article":
            articles.append(max((v for v in page["ground_truth"].values() if isinstance(v, str)), key=len))
    (tmp_path / "articles.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in articles))
    lines = (shared / "quality/dclm-human-labels/majority_data.jsonl").read_text().splitlines()
    labelled = [json.loads(line) for line in lines]
    pages, languages = tables([(f"{i:032x}", f"h{i}.org", row["text"]) for i, row in enumerate(labelled)])
    options = {
        "references": (Asset.of(tmp_path / "articles.jsonl"),),
        "dim": 16,
        "buckets": 50_000,
        "min_lines": 25_000,
    }
    part = trained(tmp_path, [Shard.of(pages)], [Shard.of(languages)], **options)
    score = pa.concat_tables(quality.quality(Shard.of(pages), Shard.of(languages), [part]))["quality"].to_numpy()
    kept = np.array([row["label"] == 1 for row in labelled])
    there = ~np.isnan(score)
    human = area_under_roc(score[kept & there], score[~kept & there])
    print(part.table().to_pylist()[0], human)
    assert part.table()["auc"][0].as_py() > 0.85
    assert human > 0.58
