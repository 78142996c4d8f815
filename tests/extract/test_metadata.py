"""What pages say about themselves: tables of pages and answers, hostile pages, real pages with gold answers."""

import gzip
import json
import re
import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.engines import article_text
from extract.html.dates import parse_dateline, parse_day, parse_url_day
from extract.html.metadata import PageMetadata, read_metadata
from extract.html.rights import read_head
from extract.record_to_page import json_ld_article


def about(html: str, url: str | None = None) -> PageMetadata:
    data = html.encode("utf-8", "replace")
    return read_metadata(data, read_head(data), url)


def linked(value: object) -> str:
    return f'<script type="application/ld+json">{json.dumps(value)}</script>'


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2020-02-29", (2020, 2, 29)),
        ("2020-02-30", None),
        ("2020-2-3T10:00:00+02:00", (2020, 2, 3)),
        ("20200203T101112Z", (2020, 2, 3)),
        ("2020/02/03 10:00", (2020, 2, 3)),
        ("Di, 3.2.2020 - 10:00", (2020, 2, 3)),
        ("3. 2. 2020", (2020, 2, 3)),
        ("3. Februar 2020", (2020, 2, 3)),
        ("Feb. 3rd, 2020", (2020, 2, 3)),
        ("Mon, 03 Feb 2020 10:00:00 GMT", (2020, 2, 3)),
        ("3 de marzo de 2020", (2020, 3, 3)),
        ("le 3 février 2020", (2020, 2, 3)),
        ("3 juin 2020", (2020, 6, 3)),
        ("3 juillet 2020", (2020, 7, 3)),
        ("3. März 2020", (2020, 3, 3)),
        ("2/3/2020", None),  # which is the month?
        ("2-3-2020", None),
        ("17/2/2020", (2020, 2, 17)),
        ("4/24/2000 12:00:00 AM", (2000, 4, 24)),
        ("01-01-2020 10:29", (2020, 1, 1)),
        ("17/13/2020", None),
        ("1/17/2/2020", None),
        ("3.2.20", (2020, 2, 3)),
        ("3.2.20.1", None),
        ("1er juin 2020", (2020, 6, 1)),
        ("5 de mayo del 2020", (2020, 5, 5)),
        ("12. června 2020", (2020, 6, 12)),
        ("12. července 2020", (2020, 7, 12)),
        ("12 paź 2020", (2020, 10, 12)),
        ("12 сентября 2020 г.", (2020, 9, 12)),
        ("12 Ağustos 2020", (2020, 8, 12)),
        ("1989-12-31", None),
        ("1990-01-01", (1990, 1, 1)),
        ("2100-01-01", None),
        ("12345678901", None),
        ("3 foo 2020", None),
        ("", None),
        (" " * 101 + "2020-01-01", None),
        (None, None),
        (20200101, None),
    ],
)
def test_days(said: object, expected: tuple[int, int, int] | None) -> None:
    assert parse_day(said) == (expected and date(*expected))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("3. Februar 2020", True),
        ("By Ada B. | Feb 3, 2020, 10:15", True),
        ("Pressemitteilung vom 03.02.2020", True),
        ("Published on 3 February 2020 - 5 min read", False),
        ("The 3 February 2020 was a day like other ones", False),
        ("Updated: February 3, 2020", False),
        ("Stand 03.02.2020", False),
        ("Februar 2020", False),
    ],
)
def test_texts_that_are_a_day(text: str, told: bool) -> None:
    assert parse_dateline(text) == (date(2020, 2, 3) if told else None)


@given(st.one_of(st.text(max_size=120), st.dates().map(str), st.from_regex(r"\d{1,8}[-./ ]\w{0,9}[-./ ]\d{1,4}")))
def test_any_text_is_a_day_or_none(said: str) -> None:
    actual = parse_day(said)
    assert actual is None or 1990 <= actual.year < 2100
    assert parse_dateline(said) in (actual, None)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.de/2020/02/03/x.html", date(2020, 2, 3)),
        ("https://a.de/2020-2-3-x", date(2020, 2, 3)),
        ("https://a.de/2020/02/31/", None),
        ("https://a.de/2020/02/", None),
        ("https://a.de/12020/02/03/", None),
    ],
)
def test_days_in_addresses(url: str, expected: date | None) -> None:
    assert parse_url_day(url) == expected


_PERSON = {"@type": "Person", "name": "Ada B."}
_DAY = date(2020, 2, 3)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("", PageMetadata()),
        ('<meta name=author content="Von Ada B.">', PageMetadata(author="Ada B.")),
        (
            '<meta name=author content="https://x.de/ada"><meta property=article:author content="Ada">',
            PageMetadata("Ada"),
        ),
        ('<meta name=author content="a@b.de">', PageMetadata()),
        (
            '<meta name=citation_author content="A, B"><meta name=citation_author content="C, D">',
            PageMetadata("A, B; C, D"),
        ),
        (linked({"@type": "Article", "author": _PERSON}), PageMetadata("Ada B.")),
        (linked([{"author": "X"}, {"@type": "Article", "author": [_PERSON, "Bo"]}]), PageMetadata("Ada B.; Bo")),
        (linked({"@graph": [{"author": {"@id": "#a"}}, {"@id": "#a", **_PERSON}]}), PageMetadata("Ada B.")),
        (linked({"@type": "Article", "author": {"@type": "Organization", "name": "Corp"}}), PageMetadata()),
        ('<body><a rel="author" href=x>Ada B.</a>', PageMetadata("Ada B.")),
        ('<body><p class="byline">By <b>Ada B.</b></p>', PageMetadata("Ada B.")),
        ('<body><span class="post-author-name">written by: Ada B. |</span>', PageMetadata("Ada B.")),
        ('<body>author" >Ada<', PageMetadata()),  # no tag
        ('<body><p class="authorName">Ada B.</p>', PageMetadata("Ada B.")),
        (
            '<body><b class="author">Name (required)</b><b class="author">Eingestellt von</b>Ada B.',
            PageMetadata("Ada B."),
        ),
        (
            '<meta name=twitter:label1 content="Written by"><meta name=twitter:data1 content="Ada B.">',
            PageMetadata("Ada B."),
        ),
        (
            '<meta name=twitter:label1 content="Reading time"><meta name=twitter:data1 content="five minutes">',
            PageMetadata(),
        ),
        ("<body><h1>x</h1><p>By Ada Beatrice | News</p>", PageMetadata("Ada Beatrice")),
        ("<body><p>Von Ada Beatrice</p><h1>x</h1>", PageMetadata("Ada Beatrice")),
        ("<body><h1>x</h1><p>By and large it is well.</p><p>Von Anfang an schrieb Ada</p>", PageMetadata()),
        ('<meta property=article:published_time content="2020-02-03T01:00:00">', PageMetadata(published=_DAY)),
        (linked({"datePublished": "2020-02-03"}) + "<time datetime=2021-01-01>", PageMetadata(published=_DAY)),
        ('<meta itemprop="datePublished" content="2020-02-03">', PageMetadata(published=_DAY)),
        ('<body><span itemprop="datePublished" class=x content="2020-02-03">', PageMetadata(published=_DAY)),
        (
            '<body><time datetime="2021-02-03">a<time class="entry-date" datetime="2020-02-03">',
            PageMetadata(published=_DAY),
        ),
        ('<body><time datetime="2020-02-03">', PageMetadata(published=_DAY)),
        ('<body><time dateTime="2020-02-03">', PageMetadata(published=_DAY)),
        ('<body><time>Today</time><time class="entry-date">February 3, 2020</time>', PageMetadata(published=_DAY)),
        ('<meta name="publication_date" content="2020-02-03">', PageMetadata(published=_DAY)),
        ('<body><div class="post-date">3. Februar 2020</div>', PageMetadata(published=_DAY)),
        ("<body><p>4.2.2020</p><h1>x</h1><p>Updated 5.2.2020<p>Ada, 3.2.2020</p>", PageMetadata(published=_DAY)),
        ("<body><h1>x</h1><p>4.2.2020 was a day on which it rained.</p>", PageMetadata()),
        ("<body><p>3.2.2020</p><h1>x</h1><p>y</p>", PageMetadata(published=_DAY)),
        ("<body><p>3.2.2020</p>" + "<br>" * 200 + "<h1>x</h1>" + "<br>" * 2000 + "<p>3.2.2020</p>", PageMetadata()),
        ('<body><div class="updates">3. Februar 2020</div>', PageMetadata()),
        ('<meta property=og:site_name content=" The  Site ">', PageMetadata(sitename="The Site")),
        (linked({"@type": "Article", "publisher": {"name": "The Site"}}), PageMetadata(sitename="The Site")),
        (
            '<link rel=canonical href=" https://a.de/x?y "><meta property=og:url content=https://b.de>',
            PageMetadata(canonical="https://a.de/x?y"),
        ),
        (
            '<link rel=canonical href="/x"><meta property=og:url content=https://b.de/>',
            PageMetadata(canonical="https://b.de/"),
        ),
        ("<body><link rel=canonical href=https://a.de/>", PageMetadata()),
        (
            linked({"author": "Ada \ud800 B.", "publisher": "\udfff"}),
            PageMetadata("Ada ? B.", sitename="?"),
        ),  # no UTF-8
        (linked({"@type": "Article", "articleBody": "Text."}), PageMetadata(article_body="Text.")),
        (
            '<script type="application/ld+json">{"author": "x", </script><meta name=author content=Ada>',
            PageMetadata("Ada"),
        ),
        ('<script type="application/ld+json">' + "[" * 100_000 + "</script>", PageMetadata()),
        ('<script type="application/ld+json">{"author": "Ada\n B."}</script>', PageMetadata("Ada B.")),
        (
            '<script type="application/ld+json">null</script>' + linked({"author": [None, 3, {"name": 4}]}),
            PageMetadata(),
        ),
    ],
)
def test_metadata_of_pages(html: str, expected: PageMetadata) -> None:
    assert about(html) == expected


def test_the_address_tells_the_day_before_texts_do() -> None:
    html = '<body><div class="post-date">4. Februar 2020</div>'
    assert about(html, "https://a.de/2020/02/03/x").published == _DAY
    assert about(html + "<time datetime=2020-02-05>", "https://a.de/2020/02/03/x").published == date(2020, 2, 5)


@pytest.mark.parametrize(
    "html",
    [
        "<time " * 200_000,
        '<a class="author" ' * 100_000,
        'author" >' * 200_000,
        '<b class="date">' * 100_000,
        "<h1>" * 200_000,
        "<h1>" + ">1/1/2020" * 100_000,
        'itemprop="datePublished" ' * 100_000,
        "ld+json" * 200_000,
        "ld+json>{}</script>" * 100_000,
        '<meta name="author" content="' * 100_000,
    ],
    ids=lambda html: html[:20],
)
def test_hostile_pages_take_linear_time(html: str) -> None:
    begun = time.process_time()
    about(html)
    assert time.process_time() - begun < 5


BODY = "Ein Satz, der in der Auszeichnung steht. " * 20


@pytest.mark.parametrize(
    ("text", "body", "taken"),
    [
        ("kurz", BODY, True),
        ("kurz", None, False),
        ("kurz", "zu kurz " * 10, False),
        ("x" * (len(BODY) // 2 - 1), BODY, True),
        ("x" * (len(BODY) // 2 + 1), BODY, False),
        ("kurz", "<p>" + "<b></b>" * 200 + "</p>", False),  # nothing but markup
    ],
)
def test_the_article_of_json_ld_replaces_a_text_less_than_half_as_long(
    text: str, body: str | None, taken: bool
) -> None:
    assert json_ld_article(body, text, markdown=False) == (BODY.strip() if taken else None)


def test_article_of_json_ld() -> None:
    assert article_text("a &amp; b\n\n c ", False) == "a & b\n c"
    assert article_text("a\nb", True) == "a\n\nb"
    assert article_text("&lt;p&gt;a&lt;/p&gt;<h2>b</h2>", True) == "a\n\n## b"


def _people(value: str | list[str]) -> set[str]:
    return set(re.findall(r"\w+", " ".join(value if isinstance(value, list) else [value]).lower()))


def test_gold_days_and_authors(shared) -> None:  # type: ignore[no-untyped-def]
    """Shares of WCXB's annotated days and authors that are found, and of the found ones that are right."""
    actual = {"publish_date": [0, 0, 0], "author": [0, 0, 0]}
    for path in sorted((shared / "extraction/wcxb-dev").glob("*.json.gz"))[::2]:
        record = json.loads(gzip.decompress(path.read_bytes()))
        html = gzip.decompress(path.with_name(path.name.replace(".json.", ".html.")).read_bytes()).decode(
            "utf-8", "replace"
        )
        said = about(html, record["url"])
        ours = {"publish_date": str(said.published or ""), "author": said.author or ""}
        for key, counts in actual.items():
            gold = record["ground_truth"][key] or ""
            right = ours[key] == gold[:10] if key == "publish_date" else _people(ours[key]) & _people(gold)
            for k, one in enumerate((gold, gold and ours[key], gold and ours[key] and right)):
                counts[k] += bool(one)
    for key, recall, precision in (("publish_date", 0.7, 0.85), ("author", 0.65, 0.82)):
        gold, told, right = actual[key]
        assert gold > 80 and right / gold >= recall and right / told >= precision, (key, actual[key])
