"""The prefilter: visible text against generated pages of known text and against lxml, and what it lets through."""

import html
import itertools
import re
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.langid.html_text import TextRuns, skip_blanks, tag_end, visible_runs
from extract.langid.identify import load_identifier
from extract.langid.prefilter import declared_language, prefilter, select_windows
from tests.support import language_data

GERMAN = "Gestern hat es den ganzen Tag geregnet, deshalb blieben wir zu Hause und lasen Bücher. " * 4
ENGLISH = "It rained all day yesterday, which is why we stayed at home and read some books. " * 4
BULGARIAN = "Вчера валя през целия ден, затова останахме вкъщи и четохме книги. " * 4


def visible(page: str) -> list[str]:
    found = visible_runs(np.frombuffer(page.encode(), np.uint8))
    return [bytes(found.text[a:b]).decode() for a, b in itertools.pairwise(found.start)]


@pytest.mark.parametrize(
    "page, expected",
    [
        ("", []),
        ("nur Text", ["nur Text"]),
        ("<p>eins</p><p>zwei</p>", ["eins ", "zwei "]),
        ("<p>ein <b>fe</b>tt <i>er</i></p>", ["ein fett er "]),
        ("<a>eins</a><a>zwei</a>", ["eins zwei "]),
        ("<p>a<script>if (x<y) p = '</p>';</script>b", ["a ", "b"]),
        ("<style>p {}</style>a", ["a"]),
        ("<SCRIPT>x</SCRIPT >a", ["a"]),
        ("<select><option>x</select>a", ["a"]),
        ("<select><option>x", ["x"]),  # never closed: what follows is not lost
        ("a<!-- <p>x</p> -->b", ["ab"]),
        ("a<!-- never closed", ["a"]),
        ('<p title="x > y">a', ["a"]),
        ("<p title=\"never closed>a</p><p>b</p>", ["a ", "b "]),
        ("&Auml;&ouml;&#252;&#xDF;&amp;&lt;", ["Äöüß&<"]),
        ("a&nbsp;&#160; b &nix; & c &#; &#x;", ["a b &nix; & c &#; &#x;"]),
        ("&#55296;&#99999999;", ["&#55296;&#99999999;"]),
        ("3 < 4 <5", ["3 < 4 <5"]),
        ("a<br>b", ["a b"]),
        ("<!doctype html><?xml?>a", ["a"]),
        ("<p", []),
        ("<", ["<"]),
    ],
)  # fmt: skip
def test_visible_text(page: str, expected: list[str]) -> None:
    assert visible(page) == expected


WORD = st.text("abcäöüßжñ", min_size=1, max_size=8)
NOISE = st.sampled_from(["<!-- <p>x</p> -->", "<script>var p = '<p>x';</script>", "<style>x</style>", "<b>", "</b>"])
BLOCK = st.lists(
    st.one_of(WORD.map(lambda w: (w, w)), WORD.map(lambda w: (html.escape(w), w)), NOISE.map(lambda n: (n, "")))
)


@given(st.lists(st.tuples(st.sampled_from(["p", "div", "li", "td class='a>b'", "H2"]), BLOCK), max_size=6))
def test_generated_pages(blocks) -> None:
    """Each block is made with its own visible words, so the expected text does not come from a parser."""
    page = "".join(f"<{tag}>{' '.join(shown for shown, _ in parts)}</{tag.split()[0]}>" for tag, parts in blocks)
    expected = [" ".join(" ".join(word for _, word in parts).split()) for _, parts in blocks]
    found = [run.strip() for run in visible(page)]
    assert " ".join(found).split() == " ".join(expected).split()


@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(
    [b"<", b">", b"&", b"&#", b"&#x", b";", b"<!--", b"-->", b"<script", b"</script>", b"'", b'="', b"a", b"\xc3"]
), max_size=40).map(b"".join)))  # fmt: skip
def test_no_bytes_break_it(data: bytes) -> None:
    found = visible_runs(np.frombuffer(data, np.uint8))
    assert found.start[0] == 0 and (np.diff(found.start) > 0).all() and found.start[-1] == len(found.text)
    assert len(found.text) <= len(data) and len(found.letters) == len(found.start) - 1
    may, language, score = prefilter(data, "de")
    assert isinstance(may, bool) and isinstance(language, str) and 0 <= score <= 1


PIECES = [b"-", b">", b"'", b'"', b"=", b" ", b"\n" * 63, b" " * 64, b"x" * 63, b"x" * 64, b"x"]


@given(st.lists(st.sampled_from(PIECES)).map(b"".join), st.integers(1, 70))
def test_searches_by_blocks(data: bytes, start: int) -> None:
    array, start = np.frombuffer(data, np.uint8), min(start, len(data))
    assert skip_blanks(array, start) == len(data) - len(data[start:].lstrip())
    assert tag_end(array, start) == reference_tag_end(data, start)


def reference_tag_end(data: bytes, start: int) -> int:
    """Byte by byte."""
    quote = ""
    for at in range(start, min(len(data), start + 2048)):
        sign = chr(data[at])
        if sign == quote:
            quote = ""
        elif quote == "" and sign == ">":
            return at + 1
        elif quote == "" and sign in "'\"" and data[at - 1] == ord("="):
            quote = sign
    return (data + b">").index(b">", start) + 1


RUN = st.tuples(st.integers(1, 3000), st.integers(0, 300)).map(lambda sizes: (sizes[0], min(sizes)))


@given(st.lists(RUN, max_size=12))
def test_windows_against_slices(sizes: list[tuple[int, int]]) -> None:
    start = np.cumsum([0, *(size for size, _ in sizes)])
    letters = np.array([count for _, count in sizes], np.int64)
    text = (np.arange(start[-1]) * 7919 % 251).astype(np.uint8)
    data, offsets = select_windows(TextRuns(text, start, letters))
    got = [bytes(data[a:b]) for a, b in itertools.pairwise(offsets)]
    parts = [(bytes(text[a:b]), count) for (a, b), count in zip(itertools.pairwise(start), letters, strict=True)]
    assert got == sliced(parts)


def sliced(visible_runs: list[tuple[bytes, int]]) -> list[bytes]:
    long = [run for run in visible_runs if run[1] >= 100]
    short = [run for run in visible_runs if 0 < run[1] < 100]
    if sum(count for _, count in long) < 800:
        return spaced(b"".join(text for text, count in visible_runs if count), 4)
    found = spaced(b"".join(text for text, _ in long), 4)
    return found + (spaced(b"".join(text for text, _ in short), 2) if sum(count for _, count in short) >= 800 else [])


def spaced(text: bytes, count: int) -> list[bytes]:
    if len(text) <= 800 * count:
        parts = np.array_split(np.frombuffer(text, np.uint8), max(1, len(text) // 800))
        return [part.tobytes() for part in parts]
    step = (len(text) - 800) / (count - 1)
    begins = [int(i * step) for i in range(count - 1)] + [len(text) - 800]
    return [text[at : at + 800] for at in begins]


@given(st.text(st.characters(exclude_categories=()), max_size=200))
def test_no_text_breaks_it(page: str) -> None:
    assert prefilter(page, "de") == prefilter(page.encode("utf-8", "replace"), "de")


@pytest.mark.parametrize(
    "piece", ["<div>", "<", "&", "<!--", "<script>", "<p title='", '<a href="', "&#x", "</", "<select>"]
)
def test_linear_in_the_page(piece: str) -> None:
    prefilter("<p>Ein Satz, damit alle Kernel schon übersetzt sind.</p>" * 200 + piece, "de")
    started = time.process_time()
    prefilter((piece * (4_000_000 // len(piece))).encode(), "de")
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "page, language, may",
    [
        (f"<p>{GERMAN}", "de", True),
        (f"<p>{GERMAN}", "en", False),
        (f"<html lang=en><p>{GERMAN}", "en", True),  # a declaration admits
        (f"<html lang='en-GB'><p>{GERMAN}", "de", True),  # and never refuses
        (f"<p>{GERMAN * 20}<p>{ENGLISH}", "en", True),  # bilingual pages
        (f"<p>{GERMAN}", "tlh", True),  # unknown to the identifier
        ("<p>kurz", "en", True),  # too little to say
        (f"<script>{GERMAN}</script><p>x", "en", True),
        (f"<p>{GERMAN}", "lb", True),  # written much alike
        (f"<p>{BULGARIAN * 20}" + "".join(f"<li>{t}" for t in ENGLISH.split(",") * 90), "en", True),  # a list of titles
        ("", "de", True),
    ],
)  # fmt: skip
def test_who_may(page: str, language: str, may: bool) -> None:
    assert prefilter(page, language)[0] is may
    assert prefilter(page.encode(), language)[0] is may


def test_best_guess_is_told() -> None:
    may, best, score = prefilter(f"<p>{GERMAN}", "en")
    assert (may, best) == (False, "de") and score > 0.9


def test_threshold() -> None:
    page = f"<p>{GERMAN}"
    assert prefilter(page, "en", 0.0)[0] and not prefilter(page, "en", 0.01)[0]


@pytest.mark.parametrize(
    "head, language",
    [
        ("<html lang=de>", "de"),
        ('<HTML class="x" LANG="de-AT">', "de"),
        ("<html xml:lang='deu'>", "de"),
        ("<html>", None),
        ("<html data-lang=de>", None),
        ("<html lang=''>", None),
    ],
)
def test_declared(head: str, language: str | None) -> None:
    assert declared_language(head.encode()) == language


def test_windows_are_bounded() -> None:
    data, offsets = select_windows(visible_runs(np.frombuffer(f"<p>{GERMAN * 500}<li>x".encode(), np.uint8)))
    assert len(data) == offsets[-1] <= 6 * 800 and len(offsets) == 5


def test_real_pages_have_the_words_that_a_parser_finds(shared) -> None:
    import lxml.html

    ratios = []
    for _, page, _ in itertools.islice(language_data.pages(shared), 60):
        tree = lxml.html.document_fromstring(re.sub(r"<\?xml[^>]*\?>", "", page) or "<p>")
        for element in list(
            tree.iter("script", "style", "noscript", "template", "svg", "textarea", "select", "iframe", "code")
        ):
            element.drop_tree()
        expected = Counter(re.findall(r"[^\W\d_]{3,}", " ".join(tree.itertext())))
        found = Counter(re.findall(r"[^\W\d_]{3,}", " ".join(visible(page))))
        if sum(expected.values()) > 50:
            ratios.append((expected & found).total() / max(expected.total(), found.total()))
    assert len(ratios) > 40 and np.median(ratios) > 0.99 and np.quantile(ratios, 0.05) > 0.9


def test_nothing_is_lost_that_the_identifier_would_keep(shared) -> None:
    from resiliparse.extract.html2text import extract_plain_text

    pages = [page for _, page, _ in itertools.islice(language_data.pages(shared), 300)]
    final = load_identifier().identify([extract_plain_text(page, main_content=True) for page in pages])
    own = [(g.language, prefilter(p, g.language)[0]) for g, p in zip(final, pages, strict=True) if g.score >= 0.65]
    assert len(own) > 250 and [language for language, may in own if not may] in ([], ["fr"])  # one blog's comment feed
    others = [prefilter(p, "de")[0] for g, p in zip(final, pages, strict=True) if g.language != "de"]
    assert len(others) > 80 and others.count(False) / len(others) >= 0.93
