"""Pieces that stand in the corpus twice: which they are, which of them stays, what is left of the text."""

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.local import run
from dedup.spans import span_cut, span_elect, span_join, span_route, units, without
from pipeline.schema import PAGES
from pipeline.store import Part


def pages(texts: list[str | None], shards: int = 1, **columns: list) -> list[Part]:
    """Documents as PAGES parts, numbered in their order; dates count up, so that the first is the oldest."""
    rows = [
        {"id": f"{i:032x}", "text": t, "date": i, **{k: v[i] for k, v in columns.items()}} for i, t in enumerate(texts)
    ]
    return [Part.of(pa.Table.from_pylist(rows[i::shards], PAGES), i, shards) for i in range(shards)]


def cut(parts: list[Part], *sidecars, unit="line", span=1, partitions=3, **params) -> tuple[list, list]:
    """Texts without duplicate pieces, and the ratios, in the order of ids."""
    n = len(parts)
    routed = run(span_route, parts, *sidecars, tasks=n, unit=unit, span=span, partitions=partitions, **params)
    elected = run(span_elect, routed.bucket, tasks=partitions)
    spans = run(span_join, parts, elected.bucket, tasks=n, unit=unit, span=span)
    table = run(span_cut, parts, spans.parts, tasks=n, unit=unit).table().sort_by("id")
    return table["text"].to_pylist(), spans.table().sort_by("id")["duplicate_ratio"].to_pylist()


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("a b\n\n  c\n", "line", ["a b", "c"]),
        ("Ein Satz. Noch einer! Und?", "sentence", ["Ein Satz.", "Noch einer!", "Und?"]),
        ("Er sagte: »Ja.« Dann ging er", "sentence", ["Er sagte: »Ja.«", "Dann ging er"]),
        ("Um 3.5 Uhr kam z.B.x an.", "sentence", ["Um 3.5 Uhr kam z.B.x an."]),
        ("Titel\nEin Satz.", "sentence", ["Titel", "Ein Satz."]),
        ("这是一句。这是另一句。", "sentence", ["这是一句。", "这是另一句。"]),
        ("", "line", []),
        (" \n\t", "sentence", []),
    ],
)
def test_units(text, unit, expected):
    assert [text[a:b] for a, b in units(text, unit)] == expected


def test_lines_stay_once():
    texts, ratios = cut(pages(["Kopf\nEins.\nFuß", "KOPF \nZwei, 2.\nFuß", "Zwei, 3.\nFuß\nZwei, 3.", None, ""], 2))
    assert texts == ["Kopf\nEins.\nFuß", "Zwei, 2.", "Zwei, 3.", None, ""]
    assert ratios == [0.0, 8 / 16, 11 / 19, 0.0, 0.0]


def test_three_sentences():
    a = "Eins ist da. Zwei auch. Drei fehlt. Vier kommt."
    b = "Vorher. Eins ist da. Zwei auch. Drei fehlt. Nachher."
    assert cut(pages([a, b]), unit="sentence", span=3)[0] == [a, "Vorher. Nachher."]
    assert cut(pages([a, "Eins ist da. Zwei auch. Anders."]), unit="sentence", span=3)[1] == [0.0, 0.0]


def test_policy_scope_shortest_and_dropped():
    texts = ["gleich\nA", "gleich\nBB", "gleich\nC"]
    assert cut(pages(texts), keep="newest")[0] == ["A", "BB", "gleich\nC"]
    assert cut(pages(texts), keep="longest")[0] == ["A", "gleich\nBB", "C"]
    assert cut(pages(texts, dump=["x", "y", "x"]), scope="dump")[0] == ["gleich\nA", "gleich\nBB", "C"]
    assert cut(pages(texts), shortest=7)[0] == texts
    verdicts = Part.of(pa.table({"id": [f"{i:032x}" for i in range(3)], "keep": [False, True, True]}))
    assert cut(pages(texts), [verdicts])[0] == ["gleich\nA", "gleich\nBB", "C"]


lines = st.lists(st.sampled_from(["a", "b", "c d", "", "E.", " a "]), max_size=6).map("\n".join)


@given(st.lists(lines, max_size=6), st.integers(1, 3), st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_a_walk_with_a_set_gives_the_same(texts, shards, partitions):
    seen, expected = set(), []
    for text in texts:
        found = [line for line in text.split("\n") if line.strip()]
        fresh = [not (line.strip().lower() in seen or seen.add(line.strip().lower())) for line in found]
        expected.append([line.strip() for line, new in zip(found, fresh, strict=True) if new])
    left, _ = cut(pages(texts, shards), partitions=partitions)
    assert [[line.strip() for line in text.split("\n") if line.strip()] for text in left] == expected
    assert all(a == b for a, b, e in zip(left, texts, expected, strict=True) if len(e) == len(units(b, "line")))


@given(st.text("ab.! \n", max_size=30), st.sampled_from(["line", "sentence"]))
@settings(max_examples=300, deadline=None)
def test_cutting_takes_the_units_and_nothing_else(text, unit):
    found = units(text, unit)
    for i in range(len(found)):
        left = without(text, unit, [i])
        rest = [text[a:b] for k, (a, b) in enumerate(found) if k != i]
        assert "".join("".join(rest).split()) == "".join(left.split())


def test_ties_go_by_document_and_only_then_by_place():
    """The same date: the document whose id hashes lower keeps the piece, wherever it stands in it."""
    texts = ["oben\ngleich", "gleich\nunten", "gleich\nmitte\ngleich"]
    dates = pa.nulls(3, PAGES.field("date").type)
    parts = [Part.of(pages(texts)[0].table().set_column(3, PAGES.field("date"), dates))]
    first = min(range(3), key=lambda i: xxhash.xxh3_64_intdigest(f"{i:032x}".encode()))
    others = ["oben", "unten", "mitte"]
    own = ["oben\ngleich", "gleich\nunten", "gleich\nmitte"]
    assert cut(parts)[0] == [own[i] if i == first else others[i] for i in range(3)]
    assert first != 1  # where place alone would have it


def test_an_empty_corpus():
    assert cut(pages([])) == ([], [])
