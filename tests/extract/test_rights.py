"""Rights: what pages and headers declare, what is only quoted in comments and scripts, and real pages."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.html.decode import decode_page
from extract.html.rights import Rights, find_license, parse_directives, read_rights
from extract.sources.http import parse_message
from extract.sources.record_parser import Record
from extract.sources.warc import read_records

CC = "https://creativecommons.org/licenses/by-sa/4.0/"


@pytest.mark.parametrize(
    ("head", "headers", "expected"),
    [
        ("", {}, Rights()),
        ("<meta name=robots content=noindex>", {}, Rights(robots="noindex")),
        ('<META NAME="Robots" CONTENT="NoAI, NoImageAI ,nofollow">', {}, Rights(robots="noai,nofollow,noimageai")),
        ("<meta content='noai' name='robots'/>", {}, Rights(robots="noai")),
        ("<meta name=robots content='a>b, noai'>", {}, Rights(robots="noai")),
        ("<!-- <meta name=robots content=noai> -->", {}, Rights()),
        ("<script>x = '<meta name=robots content=noai>'</script>", {}, Rights()),
        ("<meta name=robots content=noai><meta name=robots content=nofollow>", {}, Rights(robots="noai,nofollow")),
        ("<meta name=googlebot content=noindex>", {}, Rights(robots="googlebot:noindex")),
        ("<meta name=CCBot content='nofollow'>", {}, Rights(robots="ccbot:nofollow")),
        ("<meta name=description content=noindex>", {}, Rights()),
        ("<meta name=robots content='max-snippet:-1, all'>", {}, Rights(robots="all,max-snippet:-1")),
        ("", {"x-robots-tag": "noindex, NoAI"}, Rights(robots="noai,noindex")),
        ("<meta name=robots content=noai>", {"x-robots-tag": "noindex"}, Rights(robots="noai,noindex")),
        ("", {"x-robots-tag": "googlebot: nofollow, noindex"}, Rights(robots="googlebot:nofollow,googlebot:noindex")),
        ("", {"x-robots-tag": "googlebot: nofollow,\nnoai"}, Rights(robots="googlebot:nofollow,noai")),  # two headers
        ("", {"tdm-reservation": "1"}, Rights(tdm_reservation=True)),
        ("<meta name=tdm-reservation content=1>", {}, Rights(tdm_reservation=True)),
        ("<meta name='TDM-Reservation' content='0'>", {}, Rights(tdm_reservation=False)),
        ("<meta name=tdm-reservation content=1>", {"tdm-reservation": "0"}, Rights(tdm_reservation=False)),
        ("<meta name=tdm-reservation content=yes>", {}, Rights()),
        (f"<link rel='license' href='{CC}'>", {}, Rights(license=CC)),
        (f"<a rel='nofollow license' href='{CC}'>CC</a>", {}, Rights(license=CC)),
        (f"<a href='{CC}'>CC</a>", {}, Rights(license=CC)),
        (
            f"<a href='{CC}'>CC</a><link rel=license href='https://x.example/l'>",
            {},
            Rights(license="https://x.example/l"),
        ),
        ("<a rel=license href='//creativecommons.org/licenses/by/4.0/'>", {}, Rights(license=CC.replace("-sa", ""))),
        ("<a rel=license href='/licence'>", {}, Rights()),
        (f"<!-- <a rel=license href='{CC}'> -->", {}, Rights()),
        ("<a href='https://creativecommons.org/about'>license</a>", {}, Rights()),
    ],
)
def test_declarations(head, headers, expected):
    assert read_rights(f"<html><head>{head}</head><body>text</body></html>".encode(), headers) == expected


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("<html lang=de>", "de"),
        ('<HTML class="a" LANG="de-AT">', "de-at"),
        ("<html xml:lang='fr'>", "fr"),
        ("<html xml:lang='fr' lang='nl'>", "nl"),
        ("<html data-lang='fr'>", None),
        ("<html lang=''>", None),
        ("<!--[if IE]><html lang=xx><![endif]--><html lang=pl>", "pl"),
        ("<html>", None),
        ("", None),
    ],
)
def test_the_pages_own_language(tag, language):
    assert read_rights(f"<!doctype html>{tag}<body>".encode(), {}).html_lang == language


def test_metas_in_the_body_are_content():
    assert read_rights(b"<html><head></head><body><meta name=robots content=noai>", {}).robots is None


@given(st.text(max_size=80))
def test_no_directive_value_raises_and_all_is_lower_case(value):
    assert all(d == d.lower() and "," not in d for d in parse_directives(value))


@given(st.text(alphabet="<>!-/ahmetlinkscript=\"' ", max_size=120))
def test_no_markup_raises(text):
    read_rights(text.encode("utf-8", "replace"), {})


def test_hostile_markup_takes_no_long_time():
    for html in (
        "<meta " * 30_000,
        "<!--" * 50_000,
        "<script>" * 30_000,
        '<a "' * 50_000 + "license",
        "<title " * 30_000,
        f"<a license {'a' * 4000}>" * 50,  # attributes without a value
    ):
        start = time.process_time()
        read_rights(html.encode(), {"x-robots-tag": "a:" * 5000})
        find_license(html.encode())
        assert time.process_time() - start < 3


def test_real_pages_against_a_dom(shared):
    """On pages of a real crawl the scan finds what lexbor's tree has."""
    from resiliparse.parse.html import HTMLTree

    seen = 0
    for name in ("hplt-cc100.warc.gz", "trafilatura-demo.warc.gz"):
        for r in read_records(str(shared / "warc" / name)):
            if not isinstance(r, Record) or r.type != "response":
                continue
            message = parse_message(r.content, 1 << 26)
            html = decode_page(message.body, message.headers.get("content-type")).text
            tree = HTMLTree.parse(html)
            actual = read_rights(html.encode("utf-8", "replace"), {})
            root = tree.document.query_selector("html")
            assert (actual.html_lang or "") == (root.getattr("lang") or root.getattr("xml:lang") or "").strip().lower()
            inside, everywhere = (
                set().union(*(parse_directives(m.getattr("content") or "") for m in metas))
                for metas in (robots_metas(tree.head), robots_metas(tree.document))
            )
            have = {d for d in (actual.robots or "").split(",") if d and not re.match(r"[a-z-]+bot[a-z-]*:|slurp:", d)}
            assert inside <= have <= everywhere  # a stray <div> ends lexbor's head, not the author's
            seen += actual.robots is not None
    assert seen > 30


def robots_metas(node):
    return [m for m in node.query_selector_all("meta") if (m.getattr("name") or "").strip().lower() == "robots"]
