"""Engines: nothing is kept between pages, hostile pages come to an end, and the text is what people marked as such."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extract import engines
from extract.blocks.engine import render_all
from extract.engines import clean_text, extract, nesting_depth, page_title, strip_blanks
from extract.html.decode import decode_page
from extract.limits import MAX_DEPTH, TooDeep
from extract.sources.http import parse_message
from extract.sources.record_parser import Record
from extract.sources.warc import read_records


@pytest.fixture(scope="module")
def real(shared):
    """(url, html) of the pages of trafilatura-dev."""
    found = []
    for r in read_records(str(shared / "warc/trafilatura-dev.warc.gz")):
        if isinstance(r, Record) and r.type == "response":
            message = parse_message(r.content, 1 << 26)
            found.append(
                (r.headers["warc-target-uri"], decode_page(message.body, message.headers.get("content-type")).text)
            )
    return found


@pytest.mark.parametrize("engine", sorted(engines.ENGINES))
@pytest.mark.parametrize("favour", ["default", "precision"])
def test_no_page_changes_another(real, engine, favour):
    pages = [html for _, html in real[:100]]
    pages = pages if engine == "resiliparse" or favour == "default" else pages[:40]
    forward = [extract(html, engine, favour) for html in pages]
    order = list(range(len(pages)))
    random.Random(5).shuffle(order)
    shuffled = {i: extract(pages[i], engine, favour) for i in order}
    assert [shuffled[i] for i in range(len(pages))] == forward


# Shares of the annotators' segments: of those that should be in the text, and of those that should not. Measured on
# all 557 annotated pages with resiliparse 2.0.1 and trafilatura 2.3.1: resiliparse .949 and .261 (F1 .859),
# trafilatura .943 and .082 (F1 .932; on the first 150 pages .949 and .054).
SEGMENTS = [("resiliparse", 581, 0.94, 0.28), ("trafilatura", 150, 0.94, 0.07)]


@pytest.mark.parametrize(("engine", "pages", "found", "false"), SEGMENTS)
def test_marked_segments(shared, real, engine, pages, found, false):
    with open(shared / "extraction/trafilatura-dev.gold.jsonl") as lines:
        gold = {entry["url"]: entry for entry in map(json.loads, lines)}
    have = {"with": [0, 0], "without": [0, 0]}
    for url, html in real[:pages]:
        text = " ".join(extract(html, engine).text.split())
        for kind, counts in have.items():
            segments = [" ".join(s.split()) for s in gold.get(url, {}).get(kind, []) if s.strip()]
            counts[0] += sum(s in text for s in segments)
            counts[1] += len(segments)
    assert have["with"][1] > 300
    assert have["with"][0] / have["with"][1] >= found
    assert have["without"][0] / have["without"][1] <= false


ARTICLE = "<p>" + "Ein Satz, der lang genug ist, um als Text zu gelten. " * 6 + "</p>"


def page(inside: str) -> str:
    return f"<html><head><title>T</title></head><body><article>{inside}</article></body></html>"


@pytest.mark.parametrize("engine", sorted(engines.ENGINES))
@pytest.mark.parametrize(
    "html",
    [
        "",
        " ",
        "no markup at all",
        "<",
        "<html>",
        "\x00\x01",
        "<p>" * 900,
        "&#xD800;&#0;&#x110000;",
        page(ARTICLE + "\ud800 lone surrogate \udfff"),
        page(ARTICLE + "&#xD800;"),
        page(ARTICLE) + "<b>" * 900,
        page("<table>" + "<tr><td>cell" * 2000),
        "<svg><math><p></svg>" * 100,
        page("<!--" * 1000),
    ],
)
def test_odd_pages_give_valid_text_or_none(engine, html):
    found = extract(html, engine)
    found.text.encode("utf-8")
    assert "\x00" not in found.text and "\n\n" not in found.text


@pytest.mark.parametrize("engine", sorted(engines.ENGINES))
def test_a_plain_article(engine):
    other = "<p>" + "Noch ein Absatz, der ganz andere Dinge erzählt als der erste. " * 6 + "</p>"
    found = extract(page(f"<h1>Kopf</h1>{ARTICLE}<table><tr><td>Zelle</td></tr></table>{other}"), engine)
    assert found.title == "T"
    assert "Ein Satz, der lang genug ist" in found.text and "Zelle" in found.text
    assert found.text.count("\n") >= 1 and "\n\n" not in found.text


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<div>" * 2000 + "x", 2000),
        (("<div>" * 600 + "</div>" * 600) * 2, 600),
        ("<div><span></span></div>" * 1000, 2),
        ("<p>a<br><img src=x><li>" * 1000, 0),
        ("</div>" * 1500 + "<div>" * 1200, 1200),
        ("<DIV><Section>" * 700, 1400),
        ("< div>" * 1500, 0),
        ("<div>" * 1000, 1000),  # not counted: as many as "<" are an upper bound
        ("plain", 0),
    ],
)
def test_depth(html, expected):
    assert nesting_depth(html) == expected


def naive_depth(html: str) -> int:
    import re

    deepest = now = 0
    for slash, name in re.findall(r"<(/?)([A-Za-z0-9]+)", html):
        if name.lower() in engines._NEVER_NESTED:
            continue
        now = max(0, now - 1) if slash else now + 1
        deepest = max(deepest, now)
    return deepest


TOKENS = ["<div>", "</div>", "<b>", "</b>", "<br>", "<p>", "text<", "<td>", "<h1>", "< a>", "é"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=60))
def test_depth_against_the_obvious_way(parts):
    html = "".join(parts) * 60 + "<br>" * (MAX_DEPTH + 1)
    assert nesting_depth(html) == naive_depth(html)


def test_deeper_than_resiliparse_can_take():
    assert extract("<div>" * MAX_DEPTH + "Text, der da ist", "resiliparse").text is not None
    with pytest.raises(TooDeep) as reported:
        extract("<div>" * (MAX_DEPTH + 1) + "x", "resiliparse")
    assert reported.value.value == MAX_DEPTH + 1


@pytest.mark.parametrize(
    ("html", "title"),
    [
        ("<title>a &amp; b</title>", "a & b"),
        ("<TITLE lang=de>\n  a\n b </TITLE>", "a b"),
        ("<title></title>", ""),
        ("<title>open", "open"),
        ("none", ""),
        ("<titles>x</titles>", ""),
        ("<title>a\x00b&#xD800;</title>", "ab\ufffd"),
    ],
)
def test_titles(html, title):
    assert page_title(html.encode()) == title


def test_clean():
    assert clean_text("a  \r\n\n\n  b\t\n \nc\x00\x9fd\ud800") == "a\n\n\n  b\n\ncd\ufffd"


_MARKUP = st.sampled_from(["<pre>", "</pre>", "<p>", "<table><tr><td>a<td>", "<code>", "<sup>", "<li>", "\r", "\x85"])
_PIECES = st.one_of(st.text(), st.integers(0, 0x110000).map(lambda code: f"&#{code};"), _MARKUP)


@settings(deadline=None)
@given(st.lists(_PIECES).map("".join), st.booleans())
def test_text_of_our_scanner_needs_stripping_only(html, markdown):
    text = strip_blanks(render_all(html, markdown))
    assert clean_text(text) == text


def test_an_unknown_engine():
    with pytest.raises(KeyError):
        extract("x", "nosuch")
