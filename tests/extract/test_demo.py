"""The demo crawl: its bytes, its records, and that every trap in it is the trap it says it is."""

import gzip
import hashlib
import html
import http.client
import io
import json
import os
import re
import subprocess
import sys
import zlib
from collections import Counter
from functools import cache

import brotli
import pytest

from extract.demo import codings
from extract.demo import crawl as demo
from extract.demo import html as demo_html
from extract.demo.http import SENDINGS, Page
from pipeline.base.errors import UserError
from tests.support.paths import CHECKOUT

NAMES = demo.file_names()


@cache
def files() -> dict[str, bytes]:
    return demo.build_warc_files(1)


@cache
def pages() -> list[Page]:
    return demo.demo_captures(1)


def of_kind(*kinds: str) -> list[Page]:
    return [page for page in pages() if page.kind in kinds]


def the(url: str, dump: int = 0) -> Page:
    actual = [page for page in pages() if page.url == url]
    return next((page for page in actual if page.dump == dump), actual[0])


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def shingles(text: str, n: int = 5) -> set[tuple[str, ...]]:
    actual = words(text)
    return {tuple(actual[i : i + n]) for i in range(len(actual) - n + 1)}


# --- bytes ----------------------------------------------------------------------------------------------------------
def _elsewhere(hash_seed: str, seed: int) -> str:
    code = "import hashlib\nfrom extract.demo import crawl\nd = hashlib.sha256()\n"
    code += f"for n, b in crawl.build_warc_files({seed}).items():\n"
    code += "    d.update(n.encode() + b)\nprint(d.hexdigest())"
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": "Asia/Tokyo" if hash_seed == "1" else "UTC"}
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_same_bytes_in_other_processes():
    own = hashlib.sha256(b"".join(name.encode() + data for name, data in files().items())).hexdigest()
    assert _elsewhere("0", 1) == _elsewhere("1", 1) == own
    assert _elsewhere("0", 2) != own


def test_another_seed_changes_machine_made_pages_only():
    other = {(page.url, page.dump): page for page in demo.demo_captures(2)}
    for page in of_kind("good_article", "technical", "recipe", "forum"):
        assert other[page.url, page.dump].text == page.text
    assert any(
        other.get((page.url, page.dump), page).text != page.text for page in of_kind("templated", "keyword_spam")
    )


def test_texts_stay_small():
    sizes = [file.stat().st_size for file in demo_html.FOLDER.rglob("*") if file.is_file()]
    assert max(sizes) < 200 * 1024
    assert sum(sizes) < 1024 * 1024


# --- records --------------------------------------------------------------------------------------------------------
def test_warcio_reads_every_record_and_digests_hold():
    from warcio.archiveiterator import ArchiveIterator

    stated = {name: count for name, (_, count) in demo.files_with_counts(1).items()}
    for name in NAMES[:3]:
        count = 0
        for record in ArchiveIterator(io.BytesIO(files()[name]), check_digests="raise"):
            record.raw_stream.read()
            assert record.digest_checker.passed is not False
            count += 1
        assert count == stated[name]


class _Socket(io.BytesIO):
    def makefile(self, mode: str) -> io.BytesIO:
        return self


def _entity(block: bytes) -> bytes:
    """The entity of an HTTP message as the standard library's client sees it. (FastWARC 2.0.1 with `auto_decode="all"`
    stops, silently, at the first record whose body is both chunked and gzipped.)"""
    response = http.client.HTTPResponse(_Socket(block), method="GET")
    response.begin()
    undo = {"gzip": gzip.decompress, "deflate": zlib.decompress, "br": brotli.decompress}
    return undo.get(response.headers.get("Content-Encoding", ""), bytes)(response.read())


def test_fastwarc_reads_the_pages_as_written():
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    want = {(page.url, page.dump): page for page in pages() if not page.revisit}
    seen = 0
    for number, name in enumerate(NAMES):
        stream = io.BytesIO(files()[name])
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=False):
            page = want[record.headers["WARC-Target-URI"], number // 2]
            if not page.cut:
                assert _entity(record.reader.read()) == page.content, page.url
                seen += 1
    assert seen == sum(not page.cut for page in want.values())


def test_fastwarc_agrees_with_the_block_digests():
    from fastwarc.warc import ArchiveIterator

    for name in NAMES[:3]:
        for record in ArchiveIterator(io.BytesIO(files()[name]), parse_http=False):
            assert record.verify_block_digest(), record.headers["WARC-Target-URI"]


def test_record_ids_are_unique_and_dates_lie_in_the_two_crawls():
    from warcio.archiveiterator import ArchiveIterator

    ids, days = Counter(), set()
    for name in NAMES[:3]:
        for record in ArchiveIterator(io.BytesIO(files()[name])):
            ids[record.rec_headers.get_header("WARC-Record-ID")] += 1
            days.add(record.rec_headers.get_header("WARC-Date")[:10])
            if record.rec_type == "warcinfo":
                assert b"isPartOf: DEMO-2026-" in record.raw_stream.read()
    assert max(ids.values()) == 1
    assert days >= {"2026-08-31", "2026-09-04", "2026-09-28", "2026-10-02"}


def test_one_gzip_member_a_record():
    data, members = files()[NAMES[0]], 0
    while data:
        one = zlib.decompressobj(wbits=31)
        assert one.decompress(data).startswith(b"WARC/1.")
        data, members = one.unused_data, members + 1
    assert members == demo.files_with_counts(1)[NAMES[0]][1]


def test_last_file_breaks_off_within_its_last_member():
    for name in NAMES[:3]:
        gzip.decompress(files()[name])
    data, one_pass = files()[NAMES[3]], 0
    with pytest.raises(EOFError):
        gzip.decompress(data)
    while True:
        one = zlib.decompressobj(wbits=31)
        text = one.decompress(data)
        if not one.eof:
            break
        data, one_pass = one.unused_data, one_pass + 1
    assert one_pass == demo.files_with_counts(1)[NAMES[3]][1] - 1
    (page,) = of_kind("cut_member")
    assert page.url.encode() in text and len(text) < len(page.content)


def test_truncated_records_say_so_and_are():
    from warcio.archiveiterator import ArchiveIterator

    actual = {}
    for name in NAMES[:3]:
        for record in ArchiveIterator(io.BytesIO(files()[name])):
            if record.rec_headers.get_header("WARC-Truncated") == "length":
                promised = int(record.http_headers.get_header("Content-Length"))
                actual[record.rec_headers.get_header("WARC-Target-URI")] = promised, len(record.raw_stream.read())
    for page in of_kind("truncated"):
        if page.url in actual:
            promised, there = actual[page.url]
            assert promised == len(page.content) and there == promised * 3 // 5
    assert actual


def test_revisits_refer_to_the_first_capture():
    from warcio.archiveiterator import ArchiveIterator

    first, again = {}, []
    for name in NAMES[:3]:
        for record in ArchiveIterator(io.BytesIO(files()[name])):
            get = record.rec_headers.get_header
            if record.rec_type == "response":
                first.setdefault(get("WARC-Target-URI"), (get("WARC-Date"), get("WARC-Payload-Digest")))
            elif record.rec_type == "revisit":
                again.append((get("WARC-Refers-To-Target-URI"), get("WARC-Refers-To-Date"), get("WARC-Payload-Digest")))
    assert again
    for url, date, digest in again:
        assert first[url] == (date, digest)


# --- what the pages are ---------------------------------------------------------------------------------------------
AT_LEAST = {
    "good_article": 55, "technical": 4, "recipe": 6, "forum": 6, "press_release": 2, "near_duplicate": 35,
    "templated": 25, "mirror": 10, "syndicated": 4, "refetch": 4, "revisit": 3, "legal": 20, "shop": 15, "home": 20,
    "link_farm": 12, "keyword_spam": 10, "comment_spam": 5, "cookie_wall": 6, "calendar_trap": 20, "non_html": 8,
    "not_found": 5, "redirect": 4, "benchmark_leak": 4, "personal_data": 2, "truncated": 2, "empty_body": 3, "noai": 2,
}  # fmt: skip


def test_every_kind_is_there_and_no_other():
    counts = Counter(page.kind for page in pages())
    assert counts.keys() == demo.KINDS.keys()
    assert {kind: counts[kind] for kind, least in AT_LEAST.items() if counts[kind] < least} == {}
    assert 300 <= len(pages()) <= 500


def test_languages():
    good = Counter(page.language for page in of_kind("good_article", "technical"))
    for language, least in {"de": 30, "en": 12, "fr": 6, "nl": 4, "pl": 4, "tr": 4}.items():
        assert good[language] >= least
    assert Counter(page.language for page in pages()).most_common(1)[0][0] == "de"


def test_good_articles_are_long_and_in_whole_sentences():
    for page in of_kind("good_article"):
        assert len(page.text.split()) >= 180, page.url
        assert page.text.rstrip()[-1] in '.”“"!?', page.url


def test_names_are_reserved_and_addresses_are_for_documentation():
    text = "\n".join(page.text for page in pages())
    assert all(re.match(r"https?://[a-z0-9.-]+\.example/", page.url) for page in pages())
    assert all(domain.endswith(".example") for domain in re.findall(r"[\w.]+@([\w.-]+\w)", text))
    numbers = re.findall(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", text)
    assert numbers and all(number.startswith(("192.0.2.", "198.51.100.", "203.0.113.")) for number in numbers)
    ibans = {re.sub(r"\s", "", iban) for iban in re.findall(r"DE\d\d(?: ?\d){18}", text)}
    assert ibans == {"DE89370400440532013000"}


def test_copies_are_copies():
    for page in of_kind("mirror", "refetch"):
        assert page.content == the(page.mirror_of).content
    for page in of_kind("mirror", "syndicated"):
        assert page.url.split("/")[2] != page.mirror_of.split("/")[2]
    for page in of_kind("syndicated"):
        origin = the(page.mirror_of)
        assert page.text == origin.text and page.content != origin.content


@pytest.mark.parametrize("page", of_kind("near_duplicate"), ids=lambda page: page.url)
def test_near_duplicates_are_near(page):
    if page.near_duplicate_of:
        one, other = shingles(page.text), shingles(the(page.near_duplicate_of).text)
        assert 0.8 <= len(one & other) / len(one | other) < 1


def test_templated_pages_are_further_apart():
    first, *rest = [shingles(page.text) for page in of_kind("templated") if "ortswetter" in page.url]
    assert all(len(first & other) / len(first | other) < 0.8 for other in rest)


def test_rights_are_said():
    head = {page.url: page.content.decode("utf-8", "replace") for page in pages() if page.send.startswith("utf8")}
    robots = [url for url, text in head.items() if re.search(r'name="robots" content="noai', text)]
    assert robots and any(("X-Robots-Tag", "noai") in page.headers for page in pages())
    assert any('name="tdm-reservation" content="1"' in text for text in head.values())
    assert any('rel="license" href="https://creativecommons.org/' in text for text in head.values())


# --- character sets and codings -------------------------------------------------------------------------------------
def _label(content: bytes) -> str | None:
    actual = re.search(rb'<meta charset="([^"]+)"', content)
    return actual[1].decode() if actual else None


def _web(label: str) -> str:
    """The codec that the web means by a label (WHATWG Encoding Standard, 4.2)."""
    names = {"iso-8859-1": "cp1252", "windows-1252": "cp1252", "iso-8859-9": "cp1254"}
    return names.get(label.lower(), label.lower())


def _by_rule(page: Page) -> str:
    """The text that the rule named by the page's sending gives."""
    sending = SENDINGS[page.send]
    if sending.rule == "header":
        return page.content.decode(_web(sending.header))
    if sending.rule == "meta":
        return page.content.decode(_web(_label(page.content)))
    if sending.rule == "bom":
        return page.content.decode("utf-16" if page.content[:2] == b"\xff\xfe" else "utf-8-sig")
    from resiliparse.parse.encoding import detect_encoding

    return page.content.decode(detect_encoding(page.content))


@pytest.mark.parametrize("send", SENDINGS)
def test_charset_traps_decode_by_the_right_rule(send):
    chosen = [page for page in pages() if page.send == send and page.text][:5]
    assert chosen
    for page in chosen:
        shown = set(words(html.unescape(_by_rule(page))))
        declared_value = re.sub(r"`+|\$\$.*?\$\$|<[^>]*>", " ", page.text)
        assert set(words(declared_value)) <= shown, page.url
        assert _label(page.content) == SENDINGS[send].meta or SENDINGS[send].codec == "utf-16"
        assert page.content_type == "text/html" + (
            f"; charset={SENDINGS[send].header}" if SENDINGS[send].header else ""
        )


def test_wrong_labels_are_wrong():
    by_send = {page.send: page for page in pages()}
    with pytest.raises(UnicodeDecodeError):
        by_send["cp1252-as-utf8"].content.decode("utf-8")
    assert "Ã" in by_send["utf8-as-latin1"].content.decode("cp1252", "replace")
    assert re.search("[\x80-\x9f]", by_send["cp1252-as-latin1"].content.decode("iso-8859-1"))
    assert "Ã" in by_send["utf8-stale-meta"].content.decode(_web(SENDINGS["utf8-stale-meta"].meta), "replace")
    for send in ("latin1-silent", "utf8-silent"):
        assert b"charset" not in by_send[send].content


def test_codings_undo():
    seen = {page.encoding: page for page in pages()}
    assert seen.keys() >= {"", "gzip", "br", "deflate", "chunked", "gzip+chunked"}
    chunked = codings.apply_codings(b"abc" * 1000, "chunked")
    assert chunked.startswith(b"55b\r\nabc") and chunked.endswith(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("size", [0, 1, 5000, 0xFFFF, 0x10000, 0x10001, 300_000])
@pytest.mark.parametrize(
    ("coding", "undo"), [("gzip", gzip.decompress), ("deflate", zlib.decompress), ("br", brotli.decompress)]
)
def test_stored_bytes_are_what_decoders_read(coding, undo, size):
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    assert undo(codings.apply_codings(content, coding)) == content


def test_the_bytes_of_stored_codings_follow_from_the_formats():
    """Written out by hand: no release of Python or of a compressor has a say."""
    assert codings.stored_gzip(b"ab") == bytes.fromhex(
        "1f8b08000000000000ff 010200fdff6162 6d48839e02000000".replace(" ", "")
    )
    assert codings.stored_zlib(b"ab") == bytes.fromhex("7801 010200fdff6162 012600c4".replace(" ", ""))
    assert codings.stored_brotli(b"ab") == bytes.fromhex("100010 6162 03".replace(" ", ""))
    assert codings.stored_brotli(b"") == b"\x06"


# SHA-256 of the files of seed 1, on every Python and with every release of zlib and brotli. They change when texts,
# templates or the code of the demo change, or warcio's headers: raise the version of `crawl` for all but texts.
FILES_OF_VERSION = (
    2,
    {
        "demo-00000.warc.gz": "9ea53f92cd1e989f933e18cd0e1206e0a6dedc7d9504cea16f8190126ee45ce5",
        "demo-00001.warc.gz": "c19aef355dfca7c4431bc7373ca19af9ffb88cad336b140b4a32281d2154c273",
        "demo-00002.warc.gz": "03f2904f751884ea404ee8a72629b4e9893d43ca27be8a30ffe08a8397689b3b",
        "demo-00003.warc.gz": "bb44e6392abefbdd64e950a15bf94d1a1c65b78cbd68cbdacde465565dd35e60",
    },
)


def test_bytes_are_those_of_every_python():
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files().items()}
    assert (demo.crawl.stage.version, digests) == FILES_OF_VERSION


def test_no_compressor_has_a_part_in_the_bytes(monkeypatch):
    import importlib

    def forbidden(*arguments, **settings):
        raise AssertionError("a compressor was called")

    for module, name in (("zlib", "compress"), ("zlib", "compressobj"), ("gzip", "compress"), ("brotli", "compress")):
        monkeypatch.setattr(importlib.import_module(module), name, forbidden)
    assert demo.build_warc_files(1) == files()


# --- benchmark and references ---------------------------------------------------------------------------------------
@cache
def items() -> list[dict]:
    return [json.loads(line) for line in (demo_html.FOLDER / "benchmark-de.jsonl").read_text("utf-8").splitlines()]


def test_benchmark_items_are_well_formed():
    assert 30 <= len(items()) <= 40 and len({item["id"] for item in items()}) == len(items())
    for item in items():
        assert list(item) == ["id", "question", "choices", "answer"]
        assert item["answer"] in item["choices"] and len(set(item["choices"])) == 4
        assert 15 <= len(item["question"].split()) <= 40


def test_which_items_leak_and_where():
    leaks = {}
    for item in items():
        grams = shingles(item["question"], 8)
        urls = {page.url for page in pages() if len(grams & shingles(page.text, 8)) > len(grams) / 4}
        if urls:
            leaks[item["id"]] = urls
    assert len(leaks) == 8
    allowed = {page.url for page in of_kind("benchmark_leak")}
    allowed |= {page.url for page in pages() if page.mirror_of in allowed}
    assert set().union(*leaks.values()) <= allowed
    exact = [item for item in items() if any(item["question"] in page.text for page in pages())]
    assert 3 <= len(exact) < len(leaks)


@pytest.mark.parametrize(("name", "least", "low"), [("reference-de.jsonl", 40, 100), ("reference-en.jsonl", 20, 80)])
def test_references_are_not_the_crawls_texts(name, least, low):
    lines = (demo_html.FOLDER / name).read_text("utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    assert len(texts) >= least and len(set(texts)) == len(texts)
    crawl = set().union(*(shingles(page.text, 8) for page in pages()))
    for text in texts:
        assert low <= len(text.split()) <= 260, text[:60]
        assert not shingles(text, 8) & crawl, text[:60]


# --- the stage and bad texts ----------------------------------------------------------------------------------------
def test_stage_yields_the_files_and_a_row_each():
    outs = list(demo.crawl(seed=1, texts_sha256=demo.content_digest()))
    assert {out.name: out.data for out in outs if out.table is None} == files()
    tables = [out.table for out in outs if out.table is not None]
    assert [out.bucket for out in outs if out.table is not None] == list(range(len(NAMES)))
    assert [table["name"].to_pylist() for table in tables] == [[name] for name in NAMES]
    assert sum(table["records"][0].as_py() for table in tables) == 4 + 3 * len(pages()) - 1


def test_stage_refuses_other_texts():
    with pytest.raises(UserError):
        list(demo.crawl(texts_sha256="0" * 64))


def test_an_edit_that_changes_nothing_is_an_error():
    assert demo_html.apply_edits("a b c", ["b => d"]) == "a d c"
    with pytest.raises(ValueError, match="no 'x'"):
        demo_html.apply_edits("a b c", ["x => d"])


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("Eins **zwei** & *drei*", "<p>Eins <strong>zwei</strong> &amp; <em>drei</em></p>"),
        ("## Titel", "<h2>Titel</h2>"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("1. a\n2. b", "<ol>\n<li>a</li>\n<li>b</li>\n</ol>"),
        ("| a |\n|---|\n| 1 |", "<table>\n<tr><th>a</th></tr>\n<tr><td>1</td></tr>\n</table>"),
        ("```\na < b\n\nc\n```", "<pre><code>a &lt; b\n\nc</code></pre>"),
        ("$$a < b$$", '<div class="math">\\[a &lt; b\\]</div>'),
        ("<b>roh</b>", "<b>roh</b>"),
        ("[hin](/weg)", '<p><a href="/weg">hin</a></p>'),
    ],
)  # fmt: skip
def test_markdown(text, markup):
    assert demo_html.markdown_to_html(text) == markup
