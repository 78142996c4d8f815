"""Searches over a page's bytes against regular expressions: words, and the tags that tell something."""

import re
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from extract.html.byte_search import comment_end, contains, find_all, find_byte
from extract.html.tags import find_tags, parse_attributes
from pipeline.kernels.simd import VECTOR_BYTES

WORDS = (b"ab", b"<ab", b"a-b", b"abab", b"ab/ab.ab/")
TEXT = st.lists(st.sampled_from([*WORDS, b"AB", b"a", b"B", b"\x0d", b"\xc3\xa4", b"x" * 62, b"y" * 64])).map(b"".join)


@given(TEXT, st.sampled_from(WORDS), st.booleans(), st.integers(0, 70))
def test_places_of_words(text: bytes, word: bytes, fold: bool, start: int) -> None:
    every = re.compile(b"(?=" + re.escape(word) + b")", re.I if fold else 0)
    assert list(find_all(text, word, fold=fold, start=start)) == [m.start() for m in every.finditer(text, start)]
    assert contains(text, word) == (word in text)


@given(
    st.lists(st.sampled_from([b">", b"x" * 63, b"x" * 64, b"x"])).map(b"".join),
    st.integers(0, 200),
    st.integers(0, 200),
)
def test_a_byte(data: bytes, start: int, end: int) -> None:
    end = min(end, len(data))
    place = data.find(b">", start, end)
    assert find_byte(np.frombuffer(data, np.uint8), start, end, ord(">")) == (place if place >= 0 else max(start, end))


def test_more_places_than_one_call_finds() -> None:
    assert list(find_all(b"ab" * 1000, b"ab")) == list(range(0, 2000, 2))


RAW = ("script", "style", "noscript", "template", "textarea", "title")
START = re.compile(rb"<(?:(!--)|([a-z0-9]{1,8})(?=[\s/>]))", re.I)


COMMENT = re.compile(rb">|->|.*?--!?>", re.S)  # as browsers end it


@given(st.lists(st.sampled_from([b"-", b"-", b">", b"!", b"x", b"x" * VECTOR_BYTES])).map(b"".join), st.integers(0, 5))
@example(b"<!-->", 4)
@example(b"x-->" + b"-" * VECTOR_BYTES + b"!>", 4)
def test_comments(data: bytes, start: int) -> None:
    end = COMMENT.match(data, start)
    assert comment_end(np.frombuffer(data, np.uint8), start) == (end.end() if end else -1)


def reference(html: bytes, wanted: tuple[str, ...], last: str) -> Iterator[list[int]]:
    """Start tags by a search from `<` to `<`."""
    at = 0
    while start := START.search(html, at):
        at = start.end()
        name = "!--" if start[1] else start[2].lower().decode()
        if name == last:
            return
        if name == "!--":
            comment = COMMENT.match(html, at)
            at = comment.end() if comment else at
        elif name in RAW:
            end = re.compile(rb"</" + name.encode() + rb"[\s/>]", re.I).search(html, at)
            at = end.end() if end else at
        elif name in wanted and (stop := _end_of(html, at)) >= 0:
            yield [wanted.index(name), at, stop]
            at = stop + 1


def _end_of(html: bytes, at: int) -> int:
    """Of the tag with attributes from `at` on, letter by letter."""
    while at < len(html):
        if html[at : at + 1] == b">":
            return at
        quoted = re.compile(rb"=\s*(\"[^\"]*\"|'[^']*')").match(html, at)
        at = quoted.end() if quoted else at + 1
    return -1


PIECES = (
    *("<", ">", "/", "=", '"', "'", " ", "\n", "-", "!", "x", "ä", "<!--", "<!-->", "-->", "</", "<a ", "<A", "<link"),
    *("<body ", "<meta/", "href=", "<script", "</script", "</script >", "<style>", "</STYLE>", "<title>", "</title/"),
    "<metadata",
)


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join).map(str.encode), st.sampled_from(("", "body")))
def test_tags(html: bytes, last: str) -> None:
    wanted = ("a", "link", "meta")
    assert find_tags(html, wanted, last).tolist() == list(reference(html, wanted, last))


def test_tags_up_to_the_body() -> None:
    html = b"<meta a=1>" * 600 + b"<!-- <body> --><body " + b"<meta a=1>" * 100
    actual = find_tags(html, ("link", "meta"), last="body")
    assert actual.tolist() == [[1, 10 * i + 5, 10 * i + 9] for i in range(600)]


def test_tags_that_are_too_long_are_passed_over() -> None:
    long = b'<a href="' + b"x" * 4096 + b'">'
    assert find_tags(long + b"<a>", ("a",)).tolist() == [[0, len(long) + 2, len(long) + 2]]


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (b"", {}),
        (b" NAME=robots content='a \"b\"' / ", {"name": "robots", "content": 'a "b"'}),
        (b' content="a>b" content=c x', {"content": "a>b"}),
        (b' a = "&auml;&#228;" b=\xc3\xa4', {"a": "ää", "b": "ä"}),
        (b' a="never closed', {"a": '"never'}),
        (b" 1a=b _c=d e= ", {"a": "b", "c": "d"}),
    ],
)
def test_attributes(inside: bytes, expected: dict[str, str]) -> None:
    assert parse_attributes(inside) == expected
