"""The stage `pages`: every record has one row, at any split, with any engine trouble, from any kind of source."""

import gzip
import io
import json
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd

from extract.extract_file import extract_file
from extract.pages import RECORDS, events, pages, tables
from extract.record_to_page import Ids, Settings, host_of
from extract.sources.compression import Lost
from extract.sources.listing import Columns, Row, date_of, kind_of, list_chunks, rows
from extract.sources.warc import records
from extract.watchdog import Limits, guarded
from pipeline.base.errors import UserError
from pipeline.base.schema import PAGES, REJECTS
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

TEXT = "Ein Satz, der lang genug ist, um als Text einer Seite zu gelten. " * 12
HTML = f"<html lang=de><head><title>T</title></head><body><article><p>{TEXT}</p></article></body></html>"


def run(*paths: Path, chunk: int = 1 << 40, engine="resiliparse", **settings) -> dict[str, list[dict]]:
    """All rows of the stage's outputs over all chunks."""
    found: dict[str, list[dict]] = {"part": [], "rejects": [], "records": []}
    schemas = {"part": PAGES, "rejects": REJECTS, "records": RECORDS}
    for row in list_chunks([str(p) for p in paths], chunk):
        for item in pages(Shard.of(pa.Table.from_pylist([row])), engine=engine, **settings):
            name, table = (item.name, item.table) if isinstance(item, Output) else ("part", item)
            assert table.schema.equals(schemas[name])
            found[name] += table.to_pylist()
    return found


UTF8 = "text/html; charset=utf-8"


def warc(kind: str, content: bytes, number: int = 0, **headers: str) -> bytes:
    said = {
        "WARC-Type": kind,
        "WARC-Target-URI": f"https://www.example.org/{number}",
        "WARC-Date": "2024-02-03T04:05:06Z",
    }
    said |= {"WARC-Record-ID": f"<urn:uuid:{number}>", "Content-Length": str(len(content))}
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in said.items() if value)
    return gzip.compress(b"WARC/1.0\r\n" + head.encode() + b"\r\n" + content + b"\r\n\r\n", mtime=0)


def http(
    body: bytes | str = HTML, status: str = "200 OK", kind: str = "text/html; charset=utf-8", **more: str
) -> bytes:
    more = {"Content-Type": kind, **{name.replace("_", "-"): value for name, value in more.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in more.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + (body.encode() if isinstance(body, str) else body)


@pytest.mark.parametrize(
    ("record", "stage", "rule", "value"),
    [
        (warc("response", http()), None, None, None),
        (warc("response", http(kind="")), None, None, None),  # sniffed
        (warc("response", http("\n<!-- x --> <HTML>" + HTML, kind="application/octet-stream")), None, None, None),
        (warc("response", http("plain", kind="")), "http", "not_html", None),
        (warc("response", http(HTML, kind="text/plain")), "http", "not_html", None),
        (warc("response", http("{}", kind="application/json")), "http", "not_html", None),
        (warc("response", http(b"%PDF-1.4 ...")), "http", "not_html", None),
        (warc("response", http(kind="application/xhtml+xml")), None, None, None),
        (warc("response", http(status="404 Not Found")), "http", "http_status", 404),
        (warc("response", http(status="500 Oops")), "http", "http_status", 500),
        (warc("response", http(status="206 Partial")), "http", "http_status", 206),
        (warc("response", http("", status="301 Moved", Location="/x")), "http", "redirect", 301),
        (warc("response", http("")), "http", "empty", None),
        (warc("response", http(" \n")), "http", "empty", None),
        (warc("response", b""), "http", "empty", None),
        (warc("response", b"20 text/gemini\r\nhello"), "http", "not_http", None),
        (warc("response", HTML.encode()), None, None, None),  # HTML without an HTTP message
        (warc("response", http(), WARC_Truncated="length"), "source", "truncated", 0),
        (warc("resource", HTML.encode(), Content_Type="text/html"), None, None, None),
        (warc("resource", b"\x89PNG", Content_Type="image/png"), "http", "not_html", None),
        (warc("conversion", TEXT.encode(), Content_Type="text/plain"), None, None, None),
        (warc("conversion", b" "), "source", "no_text", None),
        (warc("revisit", http("")), "source", "revisit", None),
        (warc("continuation", b"x"), "source", "continuation", None),
        (warc("monkeys", b"x"), "source", "unknown_type", None),
        (warc("", b"x"), "source", "unknown_type", None),
        (warc("response", http("<html><body></body></html>")), "extract", "no_text", None),
        (warc("response", http("<html>" + "<div>" * 1500 + TEXT)), "extract", "too_deep", 1501),
        (warc("response", http(HTML + " " * 60_000)), "http", "too_large", len(HTML) + 60_000),
        (warc("response", http(b"<html>" + b"\xff\xfe\xfd" * 50)), None, None, None),
        (
            warc("response", http(b"<html>" + b"\x81\x30" * 9, kind="text/html;charset=euc-kr")),
            None,
            None,
            None,
        ),
    ],
)
def test_what_is_a_page(tmp_path, record, stage, rule, value):
    (tmp_path / "x.warc.gz").write_bytes(record)
    found = run(tmp_path / "x.warc.gz", max_html_bytes=50_000)
    assert len(found["part"]) + len(found["rejects"]) == 1
    if rule is None and found["part"]:
        assert found["part"][0]["text"]
    elif rule is None:
        assert found["rejects"][0]["stage"] in ("extract", "decode")  # bytes of no set: no text, however it is read
    else:
        (row,) = found["rejects"]
        assert (row["stage"], row["rule"], row["value"]) == (stage, rule, value)


def test_the_columns_of_a_page(tmp_path):
    head = "<meta name=robots content=noai><link rel=license href='https://creativecommons.org/licenses/by/4.0/'>"
    head += (
        "<meta name=author content='Ada B.'><meta name=date content=2024-02-05><meta property=og:site_name content=S>"
    )
    html = HTML.replace("<title>", head + "<title>")
    info = warc("warcinfo", b"software: x\r\nisPartOf: CC-MAIN-2024-10\r\n", 1)
    page = warc("response", http(html, X_Robots_Tag="nofollow", TDM_Reservation="1"), 7)
    path = tmp_path / "x.warc.gz"
    path.write_bytes(info + warc("request", b"GET / HTTP/1.1\r\n\r\n", 2) + page)
    found = run(path)
    (row,) = found["part"]
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
    assert {r["type"]: r["records"] for r in found["records"]} == {"(pages)": 1, "request": 1, "warcinfo": 1}


def expected_input(path: Path) -> int:
    """Rows that a file must give: all lost stretches and all records but those that accompany others."""
    events = list(records(str(path)))
    return sum(isinstance(e, Lost) or e.type not in ("request", "metadata", "warcinfo") for e in events)


def real_files(shared: Path) -> list[Path]:
    found = [p for p in sorted((shared / "warc").rglob("*")) if p.is_file()]
    return [p for p in found if p.suffix not in (".tsv", ".txt", ".jsonl") and p.name != "trafilatura-dev.warc.gz"]


def test_every_record_of_every_real_file_has_one_row(shared):
    files = real_files(shared)
    assert len(files) > 120
    found = run(*files)
    rows = Counter(r["source"] for kind in ("part", "rejects") for r in found[kind])
    names = {row["path"]: row["name"] for row in list_chunks([str(p) for p in files], 1 << 40)}
    assert {p: rows[names[str(p)]] for p in files} == {p: expected_input(p) for p in files}
    counted = Counter()
    for row in found["records"]:
        counted[row["type"]] += row["records"]
    assert (counted["(pages)"], counted["(rejects)"]) == (len(found["part"]), len(found["rejects"]))
    ids = Counter((r["source"], r["id"]) for kind in ("part", "rejects") for r in found[kind])
    assert max(ids.values()) == 1
    assert all(len(identity) == 32 for _, identity in ids)


@pytest.mark.parametrize("chunk", [1 << 40, 30_000])
def test_golden_rows_of_a_real_crawl(shared, chunk):
    found = run(shared / "warc/commoncrawl/cc-main-2020-34/warcfile.warc.gz", chunk=chunk)
    assert len(found["part"]) + len(found["rejects"]) == 16
    assert {r["dump"] for r in found["part"]} == {"CC-MAIN-2020-34"}
    columns = ("host", "offset", "charset", "html_bytes", "html_lang", "robots")
    golden = [tuple(r[k] for k in columns) for r in found["part"]]
    assert golden[:6] == [
        ("003338.cn", 940, "utf-8", 36331, None, None),
        ("01spb.ru", 12685, "windows-1251", 104567, None, None),
        ("035.psb556.com", 32353, "utf-8", 15261, None, "nofollow,noindex"),
        ("037426.cn", 38503, "gb18030", 8090, None, None),
        ("041696.com", 42891, "gb18030", 14928, None, None),
        ("044545.com", 48321, "utf-8", 37751, "zh-cn", None),
    ]
    assert found["part"][1]["title"].startswith("О компании - Стратег")
    counted = Counter()
    for row in found["records"]:
        counted[row["type"]] += row["records"]
    assert counted == {"(pages)": 16, "request": 17, "metadata": 16, "warcinfo": 1}


def test_chunks_give_what_one_pass_gives(shared):
    for name in ("hplt-cc100.warc.gz", "edge/warcio/example.warc.gz"):
        path = shared / "warc" / name
        whole, cut = run(path), run(path, chunk=path.stat().st_size // 5)
        assert cut["part"] == whole["part"] and cut["rejects"] == whole["rejects"]


def test_wet(shared):
    found = run(shared / "warc/commoncrawl/cc-main-2016-50/repaired-sample.wet.gz")
    assert len(found["part"]) == 68 and {r["extractor"] for r in found["part"]} == {"none"}


def test_another_language_goes_before_extraction(shared):
    path = shared / "warc/trafilatura-demo.warc.gz"
    everything, german = run(path), run(path, language="de")
    refused = [r for r in german["rejects"] if r["rule"] == "other_language"]
    assert len(everything["part"]) == len(german["part"]) + len(refused)
    assert len(refused) > 15 and all(r["stage"] == "prefilter" and r["value"] <= 1 and r["detail"] for r in refused)
    kept = {r["id"]: r for r in german["part"]}
    assert all(kept[r["id"]] == r for r in everything["part"] if r["id"] in kept)


def test_truncated_pages_are_kept_when_wanted(tmp_path):
    page = warc("response", http(HTML + "".join(f"<p>{i * 7919}</p>" for i in range(4000))), 1)
    data = warc("response", http(), 0, WARC_Truncated="length") + page[: len(page) // 2]
    (tmp_path / "x.warc.gz").write_bytes(data)
    rejected, kept = run(tmp_path / "x.warc.gz"), run(tmp_path / "x.warc.gz", keep_truncated=True)
    assert [r["rule"] for r in rejected["rejects"]] == ["truncated", "truncated", "damaged"]
    assert "inside" in rejected["rejects"][1]["detail"] and rejected["rejects"][1]["value"] > 0
    assert len(kept["part"]) == 2 and [r["rule"] for r in kept["rejects"]] == ["damaged"]


def mad(path: Path, timeout=1.0, memory=500_000_000) -> dict[str, list]:
    """The stage's rows with an engine that some pages of the file drive mad (tests/support/hostile.py)."""
    place = {"path": str(path), "name": path.name, "start": 0, "end": None}
    task = {"place": place, "settings": Settings(engine="resiliparse"), "columns": Columns()}
    found: dict[str, list] = {"part": [], "rejects": [], "records": []}
    for item in tables(path.name, guarded("tests.support.hostile:pages_work", task, Limits(timeout, memory))):
        name, table = (item.name, item.table) if isinstance(item, Output) else ("part", item)
        found[name] += table.to_pylist()
    return found


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
    data = b"".join(warc("response", http(HTML.replace("Ein Satz", f"{w} Satz")), i) for i, w in enumerate(words))
    (tmp_path / "x.warc.gz").write_bytes(data)
    found = mad(tmp_path / "x.warc.gz", timeout=4.0)
    assert [r["url"][-1] for r in found["part"]] == ["0", "2", "9"]
    told = {r["url"][-1]: (r["stage"], r["rule"], r["value"], r["detail"]) for r in found["rejects"]}
    assert told == {
        "1": ("extract", "timeout", 4.0, None),
        "3": ("extract", "crash", -11.0, "exit status -11"),
        "4": ("extract", "crash", 5.0, "exit status 5"),
        "5": ("extract", "memory", 5e8, None),
        "6": ("extract", "engine_error", None, "ValueError: no good"),
        "7": ("extract", "memory", None, None),
        "8": ("extract", "no_text", None, None),
    }


# ---- tables


def jsonl(rows: list) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


ROWS = [
    {"id": f"doc{i}", "url": f"https://x.example/{i}", "text": f"Text {i} " * 50, "date": "2020-01-02"}
    for i in range(200)
]
PACK = {"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("chunk", [1 << 40, 9000])
def test_json_lines(tmp_path, suffix, chunk):
    path = tmp_path / f"x.jsonl{suffix}"
    path.write_bytes(PACK[suffix](jsonl(ROWS)))
    found = run(path, chunk=chunk)
    assert [r["text"] for r in found["part"]] == [r["text"] for r in ROWS]
    assert [r["url"] for r in found["part"]] == [r["url"] for r in ROWS]
    assert found["part"][0]["date"] == datetime(2020, 1, 2, tzinfo=UTC) and found["part"][0]["host"] == "x.example"
    assert found == run(path) or chunk == 9000
    assert len({r["id"] for r in found["part"]}) == 200 and {r["extractor"] for r in found["part"]} == {"none"}


def test_bad_json_lines(tmp_path):
    lines = [
        b'{"text": "good"}',
        b"{broken",
        b"[1]",
        b'{"text": 5}',
        b'{"text": ""}',
        b"\xff",
        b"",
        b'{"no": "text"}',
        b'{"text": "a\\ud800b"}',
    ]
    (tmp_path / "x.jsonl").write_bytes(b"\n".join(lines))
    found = run(tmp_path / "x.jsonl")
    assert [r["text"] for r in found["part"]] == ["good", "a?b"]
    assert [r["rule"] for r in found["rejects"]] == ["damaged", "damaged", "no_text", "no_text", "damaged", "no_text"]
    assert [r["offset"] for r in found["rejects"]] == [17, 25, 29, 41, 54, 57]


@pytest.mark.parametrize("groups", [200, 30])
def test_parquet(tmp_path, groups):
    path = tmp_path / "x.parquet"
    table = pa.Table.from_pylist(
        [{"content": r["text"], "meta": {"url": r["url"], "id": r["id"]}, "more": 1} for r in ROWS]
    )
    pq.write_table(table, path, row_group_size=groups)
    settings = {"text_column": "content", "url_column": "meta.url", "id_column": "meta.id"}
    whole, cut = run(path, **settings), run(path, chunk=path.stat().st_size // 4, **settings)
    assert [r["text"] for r in whole["part"]] == [r["text"] for r in ROWS]
    assert [(r["url"], r["offset"]) for r in whole["part"]] == [(r["url"], i) for i, r in enumerate(ROWS)]
    assert cut["part"] == whole["part"]
    with pytest.raises(UserError, match="set text_column to one of content, meta, more"):
        run(path)


def test_no_parquet(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"not a table")
    assert [r["rule"] for r in run(tmp_path / "x.parquet")["rejects"]] == ["damaged"]


def test_records_have_ids_of_their_own_whatever_they_call_themselves(tmp_path):
    """Copies, copies of one name, files of different beginnings, the same record twice in one, no id at all."""
    again = [warc("response", http(), number=n) for n in (0, 1, 2, 0)]
    other = [warc("response", http(), number=7), *again, warc("response", http(), WARC_Record_ID="")]
    plain = b"".join(gzip.decompress(record) for record in again)
    written = {"a.warc.gz": b"".join(again), "b.warc.gz": b"".join(again), "c.warc": plain}
    written |= {
        "d.warc.gz": b"".join(other),
        "x/a.warc.gz": b"".join(again),
        "e.warc.gz": other[0] + b"\x1f\x8b\x08 broken",
    }
    for name, data in written.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    files = [tmp_path / name for name in written]
    whole = run(*files)
    found = [row["id"] for row in [*whole["part"], *whole["rejects"]]]
    assert len(set(found)) == len(found) == 4 * 4 + 6 + 2
    cut = run(*files, chunk=200)
    assert [row["id"] for row in [*cut["part"], *cut["rejects"]]] == found


def test_ids_are_those_of_the_file_whatever_else_is_read_and_where_it_lies(tmp_path):
    data = b"".join(warc("response", http(), number=n) for n in range(3))
    for folder in ("here", "there/deep"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.warc.gz").write_bytes(data)
    (tmp_path / "here" / "0.warc.gz").write_bytes(warc("response", http(), number=9))
    alone = [row["id"] for row in run(tmp_path / "there/deep/a.warc.gz")["part"]]
    beside = run(*(tmp_path / "here").iterdir())["part"]
    assert [row["id"] for row in beside if row["source"] == "a.warc.gz"] == alone


def test_real_records_have_ids_of_their_own(shared):
    """Broken files of other parsers: several begin differently and go on with the same records."""
    files = sorted(
        p for p in (shared / "warc").rglob("*") if p.is_file() and p.suffix not in (".tsv", ".txt", ".jsonl")
    )
    seen: set[str] = set()
    for place in list_chunks([str(p) for p in files], 1 << 20):
        ids = Ids(place["copy"])
        for event in events(place, kind_of(place["name"]), Columns()):
            identity = ids.of(event)
            assert identity not in seen, (event.source, event.offset)
            seen.add(identity)
    assert len(seen) > 1000


def test_rows_of_files_of_one_name_have_ids_of_their_own_in_every_run(tmp_path):
    """A month's `part-0.jsonl` is not the next month's: an index of earlier runs holds both."""
    found = []
    for month in ("2024-01", "2024-02"):
        (tmp_path / month).mkdir()
        (tmp_path / month / "part-0.jsonl").write_text(json.dumps({"text": f"Wetter im Monat {month}. {TEXT}"}))
        found += [row["id"] for row in run(tmp_path / month / "part-0.jsonl")["part"]]
    assert len(set(found)) == 2


def test_ids_of_our_own_corpora_stay():
    ids, own = Ids(), "0123456789abcdef" * 2
    row = Row("x", 0, {"id": own, "text": "t", "url": None, "date": None})
    assert ids.of(row) == own
    assert ids.of(row) != own


# ---- which files, and where they are cut


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.warc.gz", "warc"),
        ("a.WARC", "warc"),
        ("a.arc.gz", "warc"),
        ("a.warc.wet.gz", "warc"),
        ("a.parquet", "parquet"),
        ("s3://b/c/a.jsonl.zst", "jsonl"),
        ("a.json.gz", "jsonl"),
        ("a.ndjson", "jsonl"),
        ("noending", "warc"),
    ],
)
def test_kinds(name, kind):
    assert kind_of(name) == kind


def test_chunks(tmp_path):
    (tmp_path / "b").mkdir()
    for name, size in (
        ("b/1.warc.gz", 1000),
        ("a.warc", 1000),
        ("c.jsonl", 250),
        ("d.jsonl.gz", 900),
        ("e.warc.gz", 0),
    ):
        (tmp_path / name).write_bytes(b"x" * size)
    paths = [str(p) for p in tmp_path.rglob("*.*")]
    found = [(r["name"], r["start"], r["end"]) for r in list_chunks(paths + paths[:1], 400)]
    assert found == [
        ("a.warc", 0, None),  # only from its start
        ("b/1.warc.gz", 0, 333),
        ("b/1.warc.gz", 333, 666),
        ("b/1.warc.gz", 666, None),
        ("c.jsonl", 0, None),
        ("d.jsonl.gz", 0, None),
        ("e.warc.gz", 0, None),
    ]
    assert list_chunks([f"file://{tmp_path}/c.jsonl"], 400)[0]["size"] == 250
    assert list_chunks(paths[:1], 400)[0]["mtime_ns"] == Path(paths[0]).stat().st_mtime_ns


@pytest.mark.parametrize("paths", [[], ["/nonexistent/x.warc.gz"], ["nosuch://x/y"]])
def test_no_such_input(paths):
    with pytest.raises(UserError):
        list_chunks(paths, 100)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2020-08-11T20:57:40Z", datetime(2020, 8, 11, 20, 57, 40, tzinfo=UTC)),
        ("2020-08-11T20:57:40.123456Z", datetime(2020, 8, 11, 20, 57, 40, tzinfo=UTC)),
        ("2020-08-11T22:57:40+02:00", datetime(2020, 8, 11, 20, 57, 40, tzinfo=UTC)),
        ("2020-08-11", datetime(2020, 8, 11, tzinfo=UTC)),
        ("20060305082251", datetime(2006, 3, 5, 8, 22, 51, tzinfo=UTC)),
        ("201404010000000000", datetime(2014, 4, 1, tzinfo=UTC)),
        ("20061305082251", None),
        (date(2020, 8, 11), datetime(2020, 8, 11, tzinfo=UTC)),
        (datetime(2020, 8, 11, 1, 2, 3, 5, timezone(timedelta(hours=2))), datetime(2020, 8, 10, 23, 2, 3, tzinfo=UTC)),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9))), None),  # the year 0 in UTC
        ("2020-08-11 20:57:40.123456789Z", datetime(2020, 8, 11, 20, 57, 40, tzinfo=UTC)),
        ("36500-08-11", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_dates(value, expected):
    assert date_of(value) == expected


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (pa.date32(), 19_000, datetime(2022, 1, 8, tzinfo=UTC)),
        (pa.timestamp("ns", "Asia/Tokyo"), 1_700_000_000_123_456_789, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (pa.timestamp("us"), 1_700_000_000_123_456, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (pa.timestamp("us"), 1 << 60, None),  # the year 36506
    ],
)
def test_dates_of_parquet(tmp_path, kind, value, expected):
    pq.write_table(pa.table({"text": ["x"], "date": pa.array([value], kind)}), tmp_path / "x.parquet")
    (row,) = rows(str(tmp_path / "x.parquet"), "x", 0, None, Columns())
    assert date_of(row.values["date"]) == expected


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
    assert host_of(url) == host


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


def test_rows_of_a_broken_compressed_table(tmp_path):
    data = bytearray(gzip.compress(jsonl(ROWS[:100])) + gzip.compress(jsonl(ROWS[100:])))
    data[400] ^= 0xFF
    (tmp_path / "x.jsonl.gz").write_bytes(bytes(data))
    found = list(rows(str(tmp_path / "x.jsonl.gz"), "x", 0, None, Columns()))
    assert any(isinstance(r, Lost) for r in found)
    good = [r.values["id"] for r in found if isinstance(r, Row)]
    assert good[-100:] == [r["id"] for r in ROWS[100:]]
