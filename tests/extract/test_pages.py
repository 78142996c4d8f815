"""The stage `pages`: every record has one row, whatever its file is split into and whatever an engine does."""

import io
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from extract.extract_file import extract_file
from extract.pages import FileRange, PagesTask, gather_tables
from extract.range_counts import RangeCounts
from extract.record_to_html import ExtractSettings
from extract.record_to_page import url_host
from extract.sources.listing import list_chunks
from extract.sources.warc import read_records
from extract.watchdog import Limits, run_guarded
from pipeline.base.errors import UserError
from pipeline.inputs.compression import LostRange
from pipeline.store.writer import Output
from tests.support.captures import HTML, TEXT, http_response, run_pages, warc_record


@pytest.mark.parametrize(
    ("record", "stage", "rule", "value"),
    [
        (warc_record("response", http_response()), None, None, None),
        (warc_record("response", http_response(kind="")), None, None, None),  # sniffed
        (
            warc_record("response", http_response("\n<!-- x --> <HTML>" + HTML, kind="application/octet-stream")),
            None,
            None,
            None,
        ),
        (warc_record("response", http_response("plain", kind="")), "http", "not_html", None),
        (warc_record("response", http_response(HTML, kind="text/plain")), "http", "not_html", None),
        (warc_record("response", http_response("{}", kind="application/json")), "http", "not_html", None),
        (warc_record("response", http_response(b"%PDF-1.4 ...")), "http", "not_html", None),
        (warc_record("response", http_response(kind="application/xhtml+xml")), None, None, None),
        (warc_record("response", http_response(status="404 Not Found")), "http", "http_status", 404),
        (warc_record("response", http_response(status="500 Oops")), "http", "http_status", 500),
        (warc_record("response", http_response(status="206 Partial")), "http", "http_status", 206),
        (warc_record("response", http_response("", status="301 Moved", Location="/x")), "http", "redirect", 301),
        (warc_record("response", http_response("")), "http", "empty", None),
        (warc_record("response", http_response(" \n")), "http", "empty", None),
        (warc_record("response", b""), "http", "empty", None),
        (warc_record("response", b"20 text/gemini\r\nhello"), "http", "not_http", None),
        (warc_record("response", HTML.encode()), None, None, None),  # HTML without an HTTP message
        (warc_record("response", http_response(), WARC_Truncated="length"), "source", "truncated", 0),
        (warc_record("resource", HTML.encode(), Content_Type="text/html"), None, None, None),
        (warc_record("resource", b"\x89PNG", Content_Type="image/png"), "http", "not_html", None),
        (warc_record("conversion", TEXT.encode(), Content_Type="text/plain"), None, None, None),
        (warc_record("conversion", b" "), "source", "no_text", None),
        (warc_record("revisit", http_response("")), "source", "revisit", None),
        (warc_record("continuation", b"x"), "source", "continuation", None),
        (warc_record("monkeys", b"x"), "source", "unknown_type", None),
        (warc_record("", b"x"), "source", "unknown_type", None),
        (warc_record("response", http_response("<html><body></body></html>")), "extract", "no_text", None),
        (warc_record("response", http_response("<html>" + "<div>" * 1500 + TEXT)), "extract", "too_deep", 1501),
        (warc_record("response", http_response(HTML + " " * 60_000)), "http", "too_large", len(HTML) + 60_000),
        (warc_record("response", http_response(b"<html>" + b"\xff\xfe\xfd" * 50)), None, None, None),
        (
            warc_record("response", http_response(b"<html>" + b"\x81\x30" * 9, kind="text/html;charset=euc-kr")),
            None,
            None,
            None,
        ),
    ],
)
def test_which_records_are_pages(tmp_path, record, stage, rule, value):
    (tmp_path / "x.warc.gz").write_bytes(record)
    actual = run_pages(tmp_path / "x.warc.gz", max_html_bytes=50_000)
    assert len(actual["part"]) + len(actual["rejects"]) == 1
    if rule is None and actual["part"]:
        assert actual["part"][0]["text"]
    elif rule is None:
        assert actual["rejects"][0]["stage"] in ("extract", "decode")  # bytes of no set: no text, however it is read
    else:
        (row,) = actual["rejects"]
        assert (row["stage"], row["rule"], row["value"]) == (stage, rule, value)


def test_the_columns_of_a_page(tmp_path):
    head = "<meta name=robots content=noai><link rel=license href='https://creativecommons.org/licenses/by/4.0/'>"
    head += (
        "<meta name=author content='Ada B.'><meta name=date content=2024-02-05><meta property=og:site_name content=S>"
    )
    html = HTML.replace("<title>", head + "<title>")
    info = warc_record("warcinfo", b"software: x\r\nisPartOf: CC-MAIN-2024-10\r\n", 1)
    page = warc_record("response", http_response(html, X_Robots_Tag="nofollow", TDM_Reservation="1"), 7)
    path = tmp_path / "x.warc.gz"
    path.write_bytes(info + warc_record("request", b"GET / HTTP/1.1\r\n\r\n", 2) + page)
    actual = run_pages(path)
    (row,) = actual["part"]
    text, identity = row.pop("text"), row.pop("id")
    assert text.strip() == TEXT.strip() and re.fullmatch("[0-9a-f]{32}", identity)
    assert row == {
        "url": "https://www.example.org/7",
        "host": "www.example.org",
        "date": datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC),
        "dump": "CC-MAIN-2024-10",
        "source": "x.warc.gz",
        "offset": path.stat().st_size - len(page),
        "title": "T",
        "charset": "utf-8",
        "extractor": "resiliparse",
        "html_bytes": len(html),
        "html_lang": "de",
        "robots": "noai,nofollow",
        "tdm_reservation": True,
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "author": "Ada B.",
        "published": None,  # more than a day after the capture
        "sitename": "S",
        "canonical": None,
    }
    assert {r["type"]: r["records"] for r in actual["records"]} == {"(pages)": 1, "request": 1, "warcinfo": 1}


def expected_input(path: Path) -> int:
    """Rows that a file must give: all lost stretches and all records but those that accompany others."""
    events = list(read_records(str(path)))
    return sum(isinstance(e, LostRange) or e.type not in ("request", "metadata", "warcinfo") for e in events)


def real_files(shared: Path) -> list[Path]:
    actual = [p for p in sorted((shared / "warc").rglob("*")) if p.is_file()]
    return [p for p in actual if p.suffix not in (".tsv", ".txt", ".jsonl") and p.name != "trafilatura-dev.warc.gz"]


def test_every_record_of_every_real_file_has_one_row(shared):
    files = real_files(shared)
    assert len(files) > 120
    actual = run_pages(*files)
    rows = Counter(r["source"] for kind in ("part", "rejects") for r in actual[kind])
    names = {row["path"]: row["name"] for row in list_chunks([str(p) for p in files], 1 << 40)}
    assert {p: rows[names[str(p)]] for p in files} == {p: expected_input(p) for p in files}
    counted = Counter()
    for row in actual["records"]:
        counted[row["type"]] += row["records"]
    assert (counted["(pages)"], counted["(rejects)"]) == (len(actual["part"]), len(actual["rejects"]))
    ids = Counter((r["source"], r["id"]) for kind in ("part", "rejects") for r in actual[kind])
    assert max(ids.values()) == 1
    assert all(len(identity) == 32 for _, identity in ids)


@pytest.mark.parametrize("chunk", [1 << 40, 30_000])
def test_golden_rows_of_a_real_crawl(shared, chunk):
    actual = run_pages(shared / "warc/commoncrawl/cc-main-2020-34/warcfile.warc.gz", chunk_bytes=chunk)
    assert len(actual["part"]) + len(actual["rejects"]) == 16
    assert {r["dump"] for r in actual["part"]} == {"CC-MAIN-2020-34"}
    columns = ("host", "offset", "charset", "html_bytes", "html_lang", "robots")
    golden = [tuple(r[k] for k in columns) for r in actual["part"]]
    assert golden[:6] == [
        ("003338.cn", 940, "utf-8", 36331, None, None),
        ("01spb.ru", 12685, "windows-1251", 104567, None, None),
        ("035.psb556.com", 32353, "utf-8", 15261, None, "nofollow,noindex"),
        ("037426.cn", 38503, "gb18030", 8090, None, None),
        ("041696.com", 42891, "gb18030", 14928, None, None),
        ("044545.com", 48321, "utf-8", 37751, "zh-cn", None),
    ]
    assert actual["part"][1]["title"].startswith("О компании - Стратег")
    counted = Counter()
    for row in actual["records"]:
        counted[row["type"]] += row["records"]
    assert counted == {"(pages)": 16, "request": 17, "metadata": 16, "warcinfo": 1}


def test_chunks_give_what_one_pass_gives(shared):
    for name in ("hplt-cc100.warc.gz", "edge/warcio/example.warc.gz"):
        path = shared / "warc" / name
        one_pass, cut = run_pages(path), run_pages(path, chunk_bytes=path.stat().st_size // 5)
        assert cut["part"] == one_pass["part"] and cut["rejects"] == one_pass["rejects"]


def test_wet(shared):
    actual = run_pages(shared / "warc/commoncrawl/cc-main-2016-50/repaired-sample.wet.gz")
    assert len(actual["part"]) == 68 and {r["extractor"] for r in actual["part"]} == {"none"}


def test_another_language_goes_before_extraction(shared):
    path = shared / "warc/trafilatura-demo.warc.gz"
    everything, german = run_pages(path), run_pages(path, language="de")
    refused = [r for r in german["rejects"] if r["rule"] == "other_language"]
    assert len(everything["part"]) == len(german["part"]) + len(refused)
    assert len(refused) > 15 and all(r["stage"] == "prefilter" and r["value"] <= 1 and r["detail"] for r in refused)
    kept = {r["id"]: r for r in german["part"]}
    assert all(kept[r["id"]] == r for r in everything["part"] if r["id"] in kept)


def test_truncated_pages_are_kept_when_wanted(tmp_path):
    page = warc_record("response", http_response(HTML + "".join(f"<p>{i * 7919}</p>" for i in range(4000))), 1)
    data = warc_record("response", http_response(), 0, WARC_Truncated="length") + page[: len(page) // 2]
    (tmp_path / "x.warc.gz").write_bytes(data)
    rejected, kept = run_pages(tmp_path / "x.warc.gz"), run_pages(tmp_path / "x.warc.gz", keep_truncated=True)
    assert [r["rule"] for r in rejected["rejects"]] == ["truncated", "truncated", "damaged"]
    assert "inside" in rejected["rejects"][1]["detail"] and rejected["rejects"][1]["value"] > 0
    assert len(kept["part"]) == 2 and [r["rule"] for r in kept["rejects"]] == ["damaged"]


def run_with_hostile_engine(path: Path, timeout=1.0, memory=500_000_000) -> dict[str, list]:
    """The stage's rows with an engine that fails on some pages of the file (tests/support/hostile.py)."""
    task = PagesTask(FileRange(str(path), path.name), ExtractSettings(engine="resiliparse"))
    actual: dict[str, list] = {"part": [], "rejects": [], "records": [], "ranges": []}
    results = run_guarded("tests.support.hostile:pages_work", task, Limits(timeout, memory))
    size = path.stat().st_size
    for item in gather_tables([(RangeCounts(path.name, "warc", size, size), results)]):
        name, table = (item.name, item.table) if isinstance(item, Output) else ("part", item)
        actual[name] += table.to_pylist()
    return actual


def test_pages_that_hang_crash_or_eat_memory(tmp_path, monkeypatch):
    words = [
        "",
        "[spin]",
        "",
        "[die=SIGSEGV]",
        "[exit=5]",
        "[eat=900]",
        "[raise=no good]",
        "[memory error]",
        "[nothing]",
        "",
    ]
    data = b"".join(
        warc_record("response", http_response(HTML.replace("Ein Satz", f"{w} Satz")), i) for i, w in enumerate(words)
    )
    (tmp_path / "x.warc.gz").write_bytes(data)
    actual = run_with_hostile_engine(tmp_path / "x.warc.gz", timeout=4.0)
    assert [r["url"][-1] for r in actual["part"]] == ["0", "2", "9"]
    reported = {r["url"][-1]: (r["stage"], r["rule"], r["value"], r["detail"]) for r in actual["rejects"]}
    assert reported == {
        "1": ("extract", "timeout", 4.0, None),
        "3": ("extract", "crash", -11.0, "exit status -11"),
        "4": ("extract", "crash", 5.0, "exit status 5"),
        "5": ("extract", "memory", 5e8, None),
        "6": ("extract", "engine_error", None, "ValueError: no good"),
        "7": ("extract", "memory", None, None),
        "8": ("extract", "no_text", None, None),
    }


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://WWW.Example.org:80/x", "www.example.org"),
        ("http://user@h.example./", "h.example"),
        ("dns:x", None),
        ("http://[bad/", None),
        (None, None),
    ],
)
def test_hosts(url, host):
    assert url_host(url) == host


# ---- the command


def test_extract_file(tmp_path, shared, capsys):
    (tmp_path / "x.html").write_bytes(HTML.replace("Ein", "Eün").encode("cp1252"))
    out = io.StringIO()
    extract_file(str(tmp_path / "x.html"), "resiliparse", out)
    assert out.getvalue().startswith("Eün Satz, der") and out.getvalue().endswith("\n")
    out = io.StringIO()
    extract_file(str(shared / "warc/commoncrawl/cc-main-2020-34/warcfile.warc.gz"), "trafilatura", out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) == 16 and all(set(line) == {"url", "text"} for line in lines)
    with pytest.raises(UserError, match="no engine 'nosuch'; there are blocks, resiliparse, trafilatura"):
        extract_file(str(tmp_path / "x.html"), "nosuch", out)
    with pytest.raises(UserError, match="cannot be read"):
        extract_file(str(tmp_path / "absent.warc.gz"), "resiliparse", out)
