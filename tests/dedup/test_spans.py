"""Repeated spans: which they are, which of them is kept, and what remains of the texts."""

import re

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.chains import repeated_spans
from dedup.passages.segmentation import run_hashes, split_units, unit_windows
from pipeline.base.schema import PAGES
from pipeline.kernels.tokens import words
from pipeline.store.shard import Shard
from tests.support.documents import Shards, selection_shards
from tests.support.passages import dated_pages, output_column, passage_selection, texts_after


def spans(pages: Shards, unit: str = "line", span: int = 1, **arguments) -> Shards:
    """Return what `remove_spans` wrote."""
    return passage_selection(repeated_spans, "spans", pages, unit=unit, span=span, **arguments)


def texts_after_spans(pages: Shards, **arguments) -> list[str | None]:
    """Return the texts without their repeated spans."""
    return texts_after(pages, spans(pages, **arguments))


def spelled(text: str, unit: str) -> list[str]:
    tokens = words(pa.array([text]))
    segments = split_units(tokens, unit)
    return [bytes(tokens.data[a:b]).decode() for a, b in zip(segments.start, segments.end, strict=True)]


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
    expected = [piece.rstrip() for piece in _REFERENCE[unit].findall(text)]
    assert spelled(text, unit) == [piece for piece in expected if re.search(r"\w", piece)]


@given(st.lists(st.text("aB .\n", max_size=30), max_size=4), st.sampled_from(["line", "sentence", "word"]))
@settings(max_examples=200, deadline=None)
def test_every_word_is_in_one_unit_and_equal_runs_have_equal_hashes(texts, unit):
    tokens = words(pa.array(texts, pa.string()))
    segments = split_units(tokens, unit)
    assert (
        segments.word[0] == 0
        and segments.word[-1] == len(tokens.hash)
        and (segments.word[1:] > segments.word[:-1]).all()
    )
    owner, first = unit_windows(segments, 2, 1)
    hashes = zip(
        *(h.tolist() for h in run_hashes(tokens, owner, segments.word[first], segments.word[first + 2])), strict=True
    )
    runs = [tuple(tokens.hash[segments.word[i] : segments.word[i + 2]].tolist()) for i in first]
    seen = dict(zip(hashes, runs, strict=True))
    assert len(seen) == len(set(runs)) and set(seen.values()) == set(runs)


def test_lines_stay_once():
    pages = dated_pages(["Kopf\nEins.\nFuß", "KOPF! \nZwei, 2.\nFuß", "Zwei, 3.\nFuß\nZwei, 3.", None, ""], 2)
    step = spans(pages)
    assert texts_after(pages, step) == ["Kopf\nEins.\nFuß", "Zwei, 2.", "Zwei, 3.", None, ""]
    assert output_column(step, "duplicate_ratio", "removed") == [0.0, 2 / 4, 3 / 5, 0.0, 0.0]
    assert output_column(step, "remaining_ratio", "removed") == [1.0, 2 / 4, 2 / 5, 1.0, 1.0]
    assert output_column(step, "removed_bytes", "removed") == [0, 7 + 5, len("\nFuß\nZwei, 3.") + 1, 0, 0]
    assert output_column(step, "removed_chars", "removed") == [0, 7 + 4, len("\nFuß\nZwei, 3."), 0, 0]
    assert output_column(step, "keep") == [True] * 5


def test_three_sentences():
    a = "Eins ist da. Zwei auch. Drei fehlt. Vier kommt."
    b = "Vorher. Eins ist da. Zwei auch. Drei fehlt. Nachher."
    assert texts_after_spans(dated_pages([a, b]), unit="sentence", span=3) == [a, "Vorher. Nachher."]
    two = "Eins ist da. Zwei auch. Anders."
    assert texts_after_spans(dated_pages([a, two]), unit="sentence", span=3) == [a, two]
    assert texts_after_spans(dated_pages(["Ja. " * 8]), unit="sentence", span=3) == [
        "Ja. Ja. Ja."
    ]  # what overlaps the first stays


def test_paragraphs_stay_paragraphs():
    texts = ["b c", "x\n\na\n\nb c\n\nd", "y. b c\nz", "eins b c zwei"]
    assert texts_after_spans(dated_pages(texts)) == ["b c", "x\n\na\n\nd", "y. b c\nz", "eins b c zwei"]
    assert texts_after_spans(dated_pages(["b.", "x y. b.\nz", "b. n"]), unit="sentence") == ["b.", "x y.\nz", "n"]


def test_policy_scope_shortest_and_dropped():
    texts = ["gleich\nA", "gleich\nBB", "gleich\nC"]
    assert texts_after_spans(dated_pages(texts), keep="newest") == ["A", "BB", "gleich\nC"]
    assert texts_after_spans(dated_pages(texts), keep="longest") == ["A", "gleich\nBB", "C"]
    assert texts_after_spans(dated_pages(texts, dump=["x", "y", "x"]), scope="dump") == ["gleich\nA", "gleich\nBB", "C"]
    assert texts_after_spans(dated_pages(texts), min_words=2) == texts
    pages = dated_pages(texts)
    selection = selection_shards(pages, [False, True, True])
    assert texts_after_spans(pages, selection=selection) == ["gleich\nA", "gleich\nBB", "C"]
    assert output_column(spans(pages, selection=selection), "keep") == [False, True, True]


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_across_datasets_the_first_by_name_keeps_all_of_its_own(shards):
    texts = ["gleich. Aus b.", "gleich. Aus a.", "gleich. Noch aus a. gleich.", "gleich. Ohne."]
    pages = dated_pages(texts, shards, dump=["b", "a", "a", None], source=["x/1", "x/1", "x/2", "c/d/3.jsonl"])
    assert texts_after_spans(pages, unit="sentence", scope="across") == ["Aus b.", texts[1], texts[2], "Ohne."]


def test_documents_with_too_little_left_or_too_much_elsewhere_are_dropped():
    texts = ["a b c d", "a b c d\ne f", "a b c d\ne g\nh i", "j k"]
    pages = dated_pages(texts, 2)
    step = spans(pages, min_left=3, max_ratio=0.5)
    assert output_column(step, "keep") == [True, False, True, True]
    assert output_column(step, "rule") == [None, "duplicate_ratio", None, None]
    assert output_column(step, "value")[1] == pytest.approx(4 / 6) and output_column(step, "threshold")[1] == 0.5
    step = spans(pages, min_left=3)
    assert output_column(step, "keep") == [True, False, True, True]
    assert [output_column(step, name)[1] for name in ("rule", "value", "threshold")] == ["too_little_left", 2.0, 3.0]
    assert texts_after(pages, step) == ["a b c d", texts[1], "e g\nh i", "j k"]
    assert output_column(step, "removed", "removed")[1] == []
    step = spans(pages, min_left=3, cut=False)
    assert output_column(step, "keep") == [True] * 4 and texts_after(pages, step) == texts
    assert output_column(step, "duplicate_ratio", "removed")[1:3] == [4 / 6, 4 / 8]


def test_a_second_step_works_on_what_the_first_left():
    pages = dated_pages(["kopf\na. b.", "kopf\nc. a.", "kopf\nd. kopf."])
    lines_step = spans(pages)
    assert texts_after(pages, lines_step) == ["kopf\na. b.", "c. a.", "d. kopf."]
    sentences_step = spans(pages, unit="sentence", removed={"lines": lines_step})
    assert texts_after(pages, lines_step, sentences_step) == ["kopf\na. b.", "c.", "d."]


lines = st.lists(st.sampled_from(["a", "b", "c d", "", "E.", " a ", "--"]), max_size=7).map("\n".join)


def expected(texts: list[str], span: int) -> list[list[str]]:
    """Return the lines that remain, by the definition: of equal runs the first, and those that overlap it."""
    documents = [[line.strip() for line in text.split("\n") if re.search(r"\w", line)] for text in texts]
    keys = [[re.sub(r"\W", "", line.lower()) for line in document] for document in documents]
    first: dict[str, tuple[int, int]] = {}
    removed: list[set[int]] = [set() for _ in texts]
    for d, document in enumerate(keys):
        for i in range(len(document) - span + 1):
            there, at = first.setdefault("".join(document[i : i + span]), (d, i))
            if there != d or i - at >= span:
                removed[d] |= set(range(i, i + span))
    return [[line for i, line in enumerate(document) if i not in removed[d]] for d, document in enumerate(documents)]


@given(st.lists(lines, max_size=6), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4))
@settings(max_examples=250, deadline=None)
def test_a_walk_with_a_dictionary_gives_the_same(texts, span, shards, partitions):
    remaining = texts_after_spans(dated_pages(texts, shards), span=span, partitions=partitions)
    kept = [[line.strip() for line in text.split("\n") if re.search(r"\w", line)] for text in remaining]
    assert kept == expected(texts, span)
    untouched = [
        [x.strip() for x in t.split("\n") if re.search(r"\w", x)] == e for t, e in zip(texts, kept, strict=True)
    ]
    assert all(a == b for a, b, same in zip(remaining, texts, untouched, strict=True) if same)
    assert all("\n\n\n" in b or "\n\n\n" not in a for a, b in zip(remaining, texts, strict=True))


def test_ties_go_by_document_and_only_then_by_place():
    """The same date: the document whose id hashes lower keeps the piece, wherever it stands in it."""
    texts = ["oben\ngleich", "gleich\nunten", "gleich\nmitte\ngleich"]
    dates = pa.nulls(3, PAGES.field("date").type)
    pages = [Shard.of(dated_pages(texts)[0].table().set_column(3, PAGES.field("date"), dates))]
    first = min(range(3), key=lambda i: xxhash.xxh3_64_intdigest(f"{i:032x}".encode()))
    others = ["oben", "unten", "mitte"]
    own = ["oben\ngleich", "gleich\nunten", "gleich\nmitte"]
    assert texts_after_spans(pages) == [own[i] if i == first else others[i] for i in range(3)]
    assert first != 1  # where place alone would have it


def test_an_empty_corpus():
    assert texts_after_spans(dated_pages([])) == []
