"""Character sets and HTTP codings: tables of what is declared, what is there and what comes out."""

import gzip
import json
import zlib
from pathlib import Path

import brotli
import pytest
from backports import zstd
from hypothesis import example, given
from hypothesis import strategies as st

from extract.html.decode import decode_page, is_utf8
from extract.sources.http import HttpMessage, decode_chunked, parse_message
from extract.sources.record_parser import Record
from extract.sources.warc import read_records

GERMAN = "Die Straße über den Fluß wäre schön – „größer“ als je zuvor."
POLISH = "Zażółć gęślą jaźń, a potem źdźbło trawy."
RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю."
CHINESE = "他们在图书馆里读了很多有意思的书，然后回家。"
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたか見当がつかぬ。"


XML = b'<?xml version="1.0" encoding="ISO-8859-2"?>'


def meta(charset: str) -> bytes:
    return b'<html><head><meta charset="%s"><title>x</title></head><body>' % charset.encode()


@pytest.mark.parametrize(
    ("name", "data", "header", "text", "charset"),
    [
        ("utf-8, nothing said", GERMAN.encode(), None, GERMAN, "utf-8"),
        ("utf-8 by header", GERMAN.encode(), "text/html; charset=UTF-8", GERMAN, "utf-8"),
        ("latin1 means windows-1252", GERMAN.encode("cp1252"), "text/html; charset=ISO-8859-1", GERMAN, "windows-1252"),
        ("a label in quotes", GERMAN.encode("cp1252"), 'text/html;charset="latin1"', GERMAN, "windows-1252"),
        ("header latin1, bytes utf-8", GERMAN.encode(), "text/html; charset=iso-8859-1", GERMAN, "utf-8"),
        ("header utf-8, bytes 1252", GERMAN.encode("cp1252"), "text/html; charset=utf-8", GERMAN, "windows-1252"),
        ("meta only", meta("windows-1250") + POLISH.encode("cp1250"), None, POLISH, "windows-1250"),
        (
            "header before meta",
            meta("windows-1252") + POLISH.encode("cp1250"),
            "a/b; charset=cp1250",
            POLISH,
            "windows-1250",
        ),
        ("stale meta, bytes utf-8", meta("gb2312") + CHINESE.encode(), None, CHINESE, "utf-8"),
        ("stale header, bytes utf-8", JAPANESE.encode(), "text/html; charset=Shift_JIS", JAPANESE, "utf-8"),
        ("gb2312 is gb18030", meta("gb2312") + CHINESE.encode("gb18030"), None, CHINESE, "gb18030"),
        ("shift_jis", JAPANESE.encode("cp932"), "text/html; charset=x-sjis", JAPANESE, "shift_jis"),
        ("iso-2022-jp", JAPANESE.encode("iso2022_jp"), "text/html; charset=iso-2022-jp", JAPANESE, "iso2022-jp"),
        (
            "utf-16 by its mark",
            b"\xff\xfe" + GERMAN.encode("utf-16-le"),
            "text/html; charset=utf-8",
            GERMAN,
            "utf-16-le",
        ),
        ("utf-16 by header", GERMAN.encode("utf-16-be"), "text/html; charset=utf-16be", GERMAN, "utf-16-be"),
        ("a mark beats header", b"\xef\xbb\xbf" + GERMAN.encode(), "a; charset=windows-1251", GERMAN, "utf-8"),
        ("meta utf-16 in ascii bytes", meta("utf-16") + GERMAN.encode(), None, GERMAN, "utf-8"),
        (
            "meta in a comment",
            b"<!--<meta charset=koi8-r>-->" + GERMAN.encode("cp1252"),
            None,
            GERMAN,
            "windows-1252",
        ),
        ("an unknown label", GERMAN.encode(), "text/html; charset=foo-8", GERMAN, "utf-8"),
        ("detected", (RUSSIAN * 5).encode("cp1251"), None, RUSSIAN * 5, "windows-1251"),
        ("ascii", b"plain", "text/html; charset=iso-8859-2", "plain", "iso-8859-2"),
        ("ascii, nothing said", b"plain", None, "plain", "utf-8"),
        ("the unused bytes of 1252", b"a\x81\xe4", "text/html; charset=latin1", "a\x81ä", "windows-1252"),
        ("gbk bytes that happen to be utf-8", "联通".encode("gbk"), "text/html; charset=gbk", "联通", "gb18030"),
        (
            "xml declaration",
            b'<?xml version="1.0" encoding="ISO-8859-2"?>' + POLISH.encode("iso8859-2"),
            None,
            POLISH,
            "iso-8859-2",
        ),
        (
            "a few bytes, nothing said",
            b"ein Fl\xfcchtiger Satz. " * 9,
            None,
            "ein Flüchtiger Satz. " * 9,
            "windows-1252",
        ),
        ("empty", b"", None, "", "utf-8"),
    ],
)
def test_character_sets(name, data, header, text, charset):
    decoded = decode_page(data, header)
    assert decoded.text.endswith(text) and decoded.charset == charset
    assert decoded.undecodable == 0


def test_a_few_bad_bytes_do_not_change_the_set():
    data = (GERMAN * 20).encode() + b"\xff\xfe bad \xc3"
    decoded = decode_page(data, "text/html; charset=utf-8")
    assert decoded.charset == "utf-8" and decoded.text.startswith(GERMAN)
    assert 0 < decoded.undecodable < 0.01


def test_replacement_characters_of_the_page_itself_are_not_counted():
    assert decode_page("a\ufffdb".encode(), "text/html; charset=utf-8").undecodable == 0


@given(st.binary(max_size=300), st.sampled_from([None, "utf-8", "latin1", "gbk", "utf-16", "iso-2022-jp", "big5", "x"]))
def test_no_bytes_raise_and_no_surrogates_come_out(data, label):
    decoded = decode_page(data, label and f"text/html; charset={label}")
    decoded.text.encode("utf-8")
    assert 0 <= decoded.undecodable <= 1


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"), max_size=100))
def test_utf8_is_read_back(text):
    assert decode_page(text.encode(), "text/html; charset=utf-8").text == text


def responses(path: Path) -> list[HttpMessage]:
    """HTTP messages of the responses in a WARC."""
    records = (record for record in read_records(str(path)) if isinstance(record, Record))
    return [parse_message(record.content, 1 << 26) for record in records if record.type == "response"]


def test_stale_metas_of_a_real_crawl(shared):
    """hplt-cc100's bodies are UTF-8 by header, and 26 metas say otherwise."""
    with open(shared / "warc/hplt-cc100.meta.jsonl") as lines:
        said = [json.loads(line)["declared_charset"] for line in lines]
    pages = [
        r
        for r in read_records(str(shared / "warc/hplt-cc100.warc.gz"))
        if isinstance(r, Record) and r.type == "response"
    ]
    messages = [parse_message(page.content, 1 << 26) for page in pages]
    decoded = [decode_page(m.body, m.headers.get("content-type")) for m in messages]
    assert len(decoded) == 100 and sum(s not in (None, "utf-8", "utf8") for s in said) >= 14
    assert {d.charset for d in decoded} == {"utf-8"}
    exact = [d.text.encode() == m.body.removeprefix(b"\xef\xbb\xbf") for d, m in zip(decoded, messages, strict=True)]
    assert sum(exact) == 99 and max(d.undecodable for d in decoded) < 1e-4  # one page has four bad bytes


def test_pages_without_header_charset(shared):
    """trafilatura-dev has bodies as served: nothing may be lost where a page says what it is."""
    path = str(shared / "warc/trafilatura-dev.warc.gz")
    messages = [
        parse_message(r.content, 1 << 26) for r in read_records(path) if isinstance(r, Record) and r.type == "response"
    ]
    decoded = [decode_page(m.body, m.headers.get("content-type")) for m in messages]
    assert len(decoded) == 581
    assert sum(d.undecodable > 0.001 for d in decoded) <= 2
    assert not [d for d in decoded if d.text.count("Ã¼") > d.text.count("ü")]  # some pages have a little of their own
    assert len({d.charset for d in decoded}) >= 3


BODY = b"<html>" + b"hello " * 20 + b"</html>"


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def chunked(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n" % (len(data), extension) + data + b"\r\n0\r\n\r\n"


GZ, CHUNKED = b"Content-Encoding: gzip\r\n", b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"", BODY),
        (GZ, gzip.compress(BODY)),
        (b"Content-Encoding: X-GZIP\r\n", gzip.compress(BODY)),
        (b"Content-Encoding: deflate\r\n", zlib.compress(BODY)),
        (b"Content-Encoding: deflate\r\n", raw_deflate(BODY)),
        (b"Content-Encoding: br\r\n", brotli.compress(BODY)),
        (b"Content-Encoding: zstd\r\n", zstd.compress(BODY)),
        (b"Content-Encoding: gzip, br\r\n", brotli.compress(gzip.compress(BODY))),
        (GZ + GZ, gzip.compress(BODY)),
        (CHUNKED, chunked(BODY)),
        (CHUNKED, chunked(BODY, b";name=value")),
        (CHUNKED + GZ, chunked(gzip.compress(BODY))),
        # a header that is wrong: the body is decoded already
        (GZ, BODY),
        (b"Content-Encoding: br\r\n", BODY),
        (b"Content-Encoding: zstd\r\n", BODY),
        (b"Content-Encoding: deflate\r\n", BODY),
        (b"Content-Encoding: utf-8\r\n", BODY),
        (CHUNKED, BODY),
        (CHUNKED + GZ, gzip.compress(BODY)),
    ],
)
def test_codings(head, body):
    message = parse_message(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body, 1 << 20)
    assert (message.status, message.body, message.damage) == (200, BODY, "")


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (CHUNKED, chunked(BODY)[:60]),
        (CHUNKED, b"5\r\nhello\r\nZZ\r\nworld"),
        (GZ, gzip.compress(BODY)[:-6] + b"xxxxxx"),
        (GZ, gzip.compress(bytes(range(256)) * 90)[:-40]),
        (b"Content-Encoding: br\r\n", brotli.compress(bytes(range(256)) * 90 + BODY)[:-8]),
    ],
)
def test_bodies_that_break_off_are_reported(head, body):
    message = parse_message(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body, 1 << 20)
    assert message.damage and message.body and not message.body.startswith(b"\x1f\x8b")


def test_a_decompression_bomb_stays_small():
    bomb = gzip.compress(b"\0" * 300_000_000, compresslevel=1)
    assert len(parse_message(b"HTTP/1.1 200 OK\r\n" + GZ + b"\r\n" + bomb, 1_000_000).body) < 6_000_000


@pytest.mark.parametrize(
    ("block", "status", "headers", "body"),
    [
        (b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nx", 404, {"a": "b"}, b"x"),
        (b"HTTP/2 200\r\n\r\nx", 200, {}, b"x"),
        (b"HTTP/1.0 301 Moved\nLocation: /y\n\n", 301, {"location": "/y"}, b""),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n  c\r\na: d\r\n\r\n", 200, {"a": "b c,\nd"}, b""),
        (b"HTTP/1.1 200 OK\r\nA: b", 200, {"a": "b"}, b""),
        (b"<html>no HTTP</html>", 0, {}, b"<html>no HTTP</html>"),
        (b"", 0, {}, b""),
    ],
)
def test_messages(block, status, headers, body):
    message = parse_message(block, 1000)
    assert (message.status, message.headers, message.body) == (status, headers, body)


@given(st.binary(max_size=200))
def test_no_body_raises(data):
    decode_chunked(data)
    for coding in (b"gzip", b"deflate", b"br", b"zstd"):
        parse_message(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: " + coding + b"\r\n\r\n" + data, 1000
        )


@given(st.binary(max_size=40) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"\xed\xa0\x80")  # a surrogate
@example(b"\xc0\x80")  # an overlong zero
@example(b"\xf4\x90\x80\x80")  # above U+10FFFF
@example(b"abcdefgh" * 9 + b"\xe2\x82")  # cut short
def test_valid_utf8_is_what_python_decodes(data: bytes):
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        assert not is_utf8(data)
    else:
        assert is_utf8(data) and decode_page(data, "text/html; charset=utf-8").text == text.removeprefix("\ufeff")
