"""Pieces that stand in the corpus twice: which they are, which of them stays, what is left of the text."""

import re

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.common.in_memory import run
from dedup.passages.segmentation import run_hashes, units, windows
from dedup.passages.spans import duplicate_passages, remove_spans, span_hashes
from dedup.passages.text_spans import texts_left
from pipeline.base.schema import PAGES
from pipeline.kernels.tokens import words
from pipeline.store.shard import Shard


def pages(texts: list[str | None], shards: int = 1, **columns: list) -> list[Shard]:
    """Documents as PAGES parts, numbered in their order; dates count up, so that the first is the oldest."""
    rows = [
        {"id": f"{i:032x}", "text": t, "date": i, **{k: v[i] for k, v in columns.items()}} for i, t in enumerate(texts)
    ]
    return [Shard.of(pa.Table.from_pylist(rows[i::shards], PAGES), i, shards) for i in range(shards)]


def sidecar(parts: list[Shard], name: str, values: list) -> list[Shard]:
    """One column beside the pages, by the numbers of the documents."""
    ids = [part.table()["id"].to_pylist() for part in parts]
    return [Shard.of(pa.table({"id": found, name: [values[int(i, 16)] for i in found]})) for found in ids]


def measured(
    parts: list[Shard], *sidecars, unit="line", span=1, partitions=3, min_left=0, bounds=None, **params
) -> list:
    """The CUTS of all shards."""
    n = len(parts)
    routed = run(span_hashes, parts, *sidecars, tasks=n, unit=unit, span=span, partitions=partitions, **params)
    elected = run(duplicate_passages, routed.bucket, tasks=partitions, span=span)
    bounds = {"min_left": min_left, **(bounds or {})}
    inputs = parts, routed.parts, elected.bucket, *sidecars
    return run(remove_spans, *inputs, tasks=n, unit=unit, span=span, **bounds).parts


def left(parts: list[Shard], cuts: list[Shard]) -> list[str | None]:
    """Texts as they are published, in the order of ids."""
    batches = [b for p, c in zip(parts, cuts, strict=True) for b in texts_left(p, (c,), ["id", "text"])]
    return pa.Table.from_batches(batches).sort_by("id")["text"].to_pylist() if batches else []


def cut(parts: list[Shard], *sidecars, **params) -> list[str | None]:
    return left(parts, measured(parts, *sidecars, **params))


def column(cuts: list[Shard], name: str) -> list:
    return pa.concat_tables([part.table() for part in cuts]).sort_by("id")[name].to_pylist()


def spelled(text: str, unit: str) -> list[str]:
    told = words(pa.array([text]))
    found = units(told, unit)
    return [bytes(told.data[a:b]).decode() for a, b in zip(found.start, found.end, strict=True)]


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("a b\n\n  c \n", "line", ["a b", "c"]),
        ("a\n---\n\n* \n1", "line", ["a", "1"]),  # what has no word is no unit
        ("Ein Satz. Noch einer! Und?", "sentence", ["Ein Satz.", "Noch einer!", "Und?"]),
        ("Er sagte: »Ja.« Dann ging er", "sentence", ["Er sagte: »Ja.«", "Dann ging er"]),
        ("Um 3.5 Uhr kam z.B.x an.", "sentence", ["Um 3.5 Uhr kam z.B.x an."]),
        ("Titel\nEin Satz.", "sentence", ["Titel", "Ein Satz."]),
        ("这是一句。这是另一句。", "sentence", ["这是一句。", "这是另一句。"]),
        ("(a), »b-c« - d.", "word", ["(a),", "»b-", "c«", "d."]),
        ("", "line", []),
        (" \n\t", "sentence", []),
    ],
)
def test_units(text, unit, expected):
    assert spelled(text, unit) == expected


_REFERENCE = {
    "line": re.compile(r"\S.*"),
    "sentence": re.compile(r"(?=\S).*?(?:[.!?…]+[\"'»«“”‘’)\]]*(?=\s|$)|[。！？]+[」』”）]*|$)", re.MULTILINE),
    "word": re.compile(r"(?:(?<!\S)[^\w\s]+)?[\w]+[^\w\s]*"),
}


@given(st.text('aÄ.!?…。！"”»」) \n\t\u00a0', max_size=40), st.sampled_from(["line", "sentence", "word"]))
@settings(max_examples=500, deadline=None)
def test_units_are_those_of_a_regular_expression(text, unit):
    found = [piece.rstrip() for piece in _REFERENCE[unit].findall(text)]
    assert spelled(text, unit) == [piece for piece in found if re.search(r"\w", piece)]


@given(st.lists(st.text("aB .\n", max_size=30), max_size=4), st.sampled_from(["line", "sentence", "word"]))
@settings(max_examples=200, deadline=None)
def test_every_word_is_in_one_unit_and_equal_runs_have_equal_hashes(texts, unit):
    told = words(pa.array(texts, pa.string()))
    found = units(told, unit)
    assert found.word[0] == 0 and found.word[-1] == len(told.hash) and (found.word[1:] > found.word[:-1]).all()
    owner, first = windows(found, 2, 1)
    hashes = zip(*(h.tolist() for h in run_hashes(told, owner, found.word[first], found.word[first + 2])), strict=True)
    runs = [tuple(told.hash[found.word[i] : found.word[i + 2]].tolist()) for i in first]
    seen = dict(zip(hashes, runs, strict=True))
    assert len(seen) == len(set(runs)) and set(seen.values()) == set(runs)


def test_lines_stay_once():
    parts = pages(["Kopf\nEins.\nFuß", "KOPF! \nZwei, 2.\nFuß", "Zwei, 3.\nFuß\nZwei, 3.", None, ""], 2)
    cuts = measured(parts)
    assert left(parts, cuts) == ["Kopf\nEins.\nFuß", "Zwei, 2.", "Zwei, 3.", None, ""]
    assert column(cuts, "duplicate_ratio") == [0.0, 2 / 4, 3 / 5, 0.0, 0.0]
    assert column(cuts, "left_ratio") == [1.0, 2 / 4, 2 / 5, 1.0, 1.0]
    assert column(cuts, "cut_bytes") == [0, 7 + 5, len("\nFuß\nZwei, 3.") + 1, 0, 0]
    assert column(cuts, "cut_chars") == [0, 7 + 4, len("\nFuß\nZwei, 3."), 0, 0]


def test_three_sentences():
    a = "Eins ist da. Zwei auch. Drei fehlt. Vier kommt."
    b = "Vorher. Eins ist da. Zwei auch. Drei fehlt. Nachher."
    assert cut(pages([a, b]), unit="sentence", span=3) == [a, "Vorher. Nachher."]
    two = "Eins ist da. Zwei auch. Anders."
    assert cut(pages([a, two]), unit="sentence", span=3) == [a, two]
    assert cut(pages(["Ja. " * 8]), unit="sentence", span=3) == ["Ja. Ja. Ja."]  # what overlaps the first stays


def test_paragraphs_stay_paragraphs():
    texts = ["b c", "x\n\na\n\nb c\n\nd", "y. b c\nz", "eins b c zwei"]
    assert cut(pages(texts)) == ["b c", "x\n\na\n\nd", "y. b c\nz", "eins b c zwei"]
    assert cut(pages(["b.", "x y. b.\nz", "b. n"]), unit="sentence") == ["b.", "x y.\nz", "n"]


def test_policy_scope_shortest_and_dropped():
    texts = ["gleich\nA", "gleich\nBB", "gleich\nC"]
    assert cut(pages(texts), keep="newest") == ["A", "BB", "gleich\nC"]
    assert cut(pages(texts), keep="longest") == ["A", "gleich\nBB", "C"]
    assert cut(pages(texts, dump=["x", "y", "x"]), scope="dump") == ["gleich\nA", "gleich\nBB", "C"]
    assert cut(pages(texts), min_words=2) == texts
    parts = pages(texts)
    verdicts = sidecar(parts, "keep", [False, True, True])
    assert cut(parts, verdicts) == ["gleich\nA", "gleich\nBB", "C"]


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_across_datasets_the_first_by_name_keeps_all_of_its_own(shards):
    texts = ["gleich. Aus b.", "gleich. Aus a.", "gleich. Noch aus a. gleich.", "gleich. Ohne."]
    parts = pages(texts, shards, dump=["b", "a", "a", None], source=["x/1", "x/1", "x/2", "c/d/3.jsonl"])
    assert cut(parts, unit="sentence", scope="across") == ["Aus b.", texts[1], texts[2], "Ohne."]


def test_documents_with_too_little_left_or_too_much_elsewhere_are_dropped():
    texts = ["a b c d", "a b c d\ne f", "a b c d\ne g\nh i", "j k"]
    parts = pages(texts, 2)
    cuts = measured(parts, min_left=3, bounds={"max_ratio": 0.5})
    assert column(cuts, "keep") == [True, False, True, True]
    assert column(cuts, "rule")[1] == "duplicate_ratio" and column(cuts, "value")[1] == pytest.approx(4 / 6)
    cuts = measured(parts, min_left=3)
    assert column(cuts, "keep") == [True, False, True, True]
    assert [column(cuts, name)[1] for name in ("rule", "value", "threshold")] == ["too_little_left", 2.0, 3.0]
    assert left(parts, cuts) == ["a b c d", texts[1], "e g\nh i", "j k"]
    cuts = measured(parts, min_left=3, bounds={"cut": False})
    assert column(cuts, "keep") == [True] * 4 and left(parts, cuts) == texts
    assert column(cuts, "duplicate_ratio")[1:3] == [4 / 6, 4 / 8]


def test_a_second_step_works_on_what_the_first_left():
    parts = pages(["kopf\na. b.", "kopf\nc. a.", "kopf\nd. kopf."])
    lines = measured(parts)
    texts = [list(texts_left(p, (c,), ["id", "text"])) for p, c in zip(parts, lines, strict=True)]
    assert texts[0][0]["text"].to_pylist() == ["kopf\na. b.", "c. a.", "d. kopf."]
    more = measured(parts, lines, unit="sentence")
    final = [b for p, *c in zip(parts, lines, more, strict=True) for b in texts_left(p, tuple(c), ["id", "text"])]
    assert final[0]["text"].to_pylist() == ["kopf\na. b.", "c.", "d."]


lines = st.lists(st.sampled_from(["a", "b", "c d", "", "E.", " a ", "--"]), max_size=7).map("\n".join)


def expected(texts: list[str], span: int) -> list[list[str]]:
    """Lines that stay, by the definition: of equal runs the first, and those that overlap it."""
    found = [[line.strip() for line in text.split("\n") if re.search(r"\w", line)] for text in texts]
    keys = [[re.sub(r"\W", "", line.lower()) for line in document] for document in found]
    first: dict[str, tuple[int, int]] = {}
    gone: list[set[int]] = [set() for _ in texts]
    for d, document in enumerate(keys):
        for i in range(len(document) - span + 1):
            there, at = first.setdefault("".join(document[i : i + span]), (d, i))
            if there != d or i - at >= span:
                gone[d] |= set(range(i, i + span))
    return [[line for i, line in enumerate(document) if i not in gone[d]] for d, document in enumerate(found)]


@given(st.lists(lines, max_size=6), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4))
@settings(max_examples=250, deadline=None)
def test_a_walk_with_a_dictionary_gives_the_same(texts, span, shards, partitions):
    parts = pages(texts, shards)
    stay = cut(parts, span=span, partitions=partitions)
    kept = [[line.strip() for line in text.split("\n") if re.search(r"\w", line)] for text in stay]
    assert kept == expected(texts, span)
    untouched = [
        [x.strip() for x in t.split("\n") if re.search(r"\w", x)] == e for t, e in zip(texts, kept, strict=True)
    ]
    assert all(a == b for a, b, same in zip(stay, texts, untouched, strict=True) if same)
    assert all("\n\n\n" in b or "\n\n\n" not in a for a, b in zip(stay, texts, strict=True))


def test_ties_go_by_document_and_only_then_by_place():
    """The same date: the document whose id hashes lower keeps the piece, wherever it stands in it."""
    texts = ["oben\ngleich", "gleich\nunten", "gleich\nmitte\ngleich"]
    dates = pa.nulls(3, PAGES.field("date").type)
    parts = [Shard.of(pages(texts)[0].table().set_column(3, PAGES.field("date"), dates))]
    first = min(range(3), key=lambda i: xxhash.xxh3_64_intdigest(f"{i:032x}".encode()))
    others = ["oben", "unten", "mitte"]
    own = ["oben\ngleich", "gleich\nunten", "gleich\nmitte"]
    assert cut(parts) == [own[i] if i == first else others[i] for i in range(3)]
    assert first != 1  # where place alone would have it


def test_an_empty_corpus():
    assert cut(pages([])) == []
