"""What is refused before anything runs, and which files a pattern names: one line with what to type."""

import gzip
import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from extract.sources.check import check_files
from pipeline.base.errors import UserError
from pipeline.config.cli_inputs import parse_source
from tests.support.captures import http_response, warc_record

ROWS = [{"id": f"d{i}", "text": f"Text {i}"} for i in range(3)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
WARC = warc_record("response", http_response())


def parquet(folder: Path, **columns: list) -> bytes:
    pq.write_table(pa.table(columns), folder / "made")
    return (folder / "made").read_bytes()


def check(*paths: Path, column: str = "text", option: str = "--set extract.text_column={}") -> None:
    check_files([str(path) for path in paths], (), column, option)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.jsonl", LINES),
        ("x.jsonl.gz", gzip.compress(LINES)),
        ("x.json", b"\xef\xbb\xbf" + LINES),
        ("bad_line.jsonl", b"{broken\n[1]\n" + LINES),
        ("null.jsonl", b'{"text": null}\n'),
        ("empty.jsonl", b""),
        ("torn.jsonl.gz", gzip.compress(LINES)[:-20]),
        ("zeros.jsonl", bytes(5000)),
        ("garbage.jsonl", os.urandom(5000).replace(b"[", b"\0").replace(b"{", b"\0").replace(b"\xff\xfe", b"\0")),
        ("torn.parquet", b"PAR1 and no footer"),
        ("x.warc.gz", WARC),
        ("crawl", WARC),
        ("crawl.open", gzip.decompress(WARC)),
        ("torn.crawl.gz", b"torn" + WARC),
        ("x.warc.gz", b"<Error><Code>AccessDenied</Code></Error>"),
    ],
)
def test_readable_and_damaged_files_pass(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    check(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.json", b" " + json.dumps(ROWS).encode(), r"x\.json: a JSON array; type jq -c '\.\[\]' \S+x\.json > lines"),
        ("x.json", json.dumps(ROWS, indent=2).encode(), "a JSON array"),
        ("x.json", json.dumps(ROWS[0], indent=2).encode(), r"a JSON object over several lines; type jq -c '?\.'? "),
        ("x.json.gz", gzip.compress(json.dumps(ROWS, indent=2).encode()), "a JSON array"),
        ("x.jsonl", LINES.decode().encode("utf-16"), "UTF-16; type iconv -f UTF-16 -t UTF-8"),
        ("x.jsonl", LINES.decode().encode("utf-16-be"), "UTF-16"),
        ("x.jsonl", b"id,text\n1,a\n", "not JSON lines .line 1 is no JSON.*; each line is like"),
        (
            "x.meta.jsonl",
            b'{"url": "u", "body": "b"}\n',
            "no column 'text'; there are url, body; type --set extract.text",
        ),
        ("x.jsonl", b'{"doc": {"text": "b"}}\n', "no column 'text'; there are doc; type .*text_column=doc.text$"),
        ("x.jsonl", b'{"text": ["a"]}\n' + LINES, "'text' is a list in line 1, not text"),
        ("x.jsonl", b'{"text": null}\n{"text": 5}\n', ""),
        ("x.csv", b"a,b\n", r"x\.csv: a table of text; write it as Parquet or JSON lines"),
        ("x.txt", b"a", r"plain text; write JSON lines: jq -Rc '\{text: \.\}' \S+x\.txt"),
        ("x.arrow", b"ARROW1", "a table of another kind; write it as Parquet"),
        ("x.jsonl.bz2", b"BZh9", r"compressed by bzip2, which is not read; type bunzip2 -k \S+x\.jsonl\.bz2"),
        ("x.warc.xz", b"\xfd7zXZ", "compressed by xz, which is not read; type unxz -k"),
        ("x.zip", b"PK\3\4", "an archive; unpack it"),
        ("x.html", b"<p>", "a page; python -m pipeline extract"),
        ("noending", b"what is this", "a file of an unknown kind; give WARC, WET, Parquet or JSON lines files"),
        ("_SUCCESS", b"", "a file of an unknown kind"),
    ],
)
def test_files_that_no_reader_takes_are_refused(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    if not message:
        return check(tmp_path / name)
    with pytest.raises(UserError, match=message) as caught:
        check(tmp_path / name)
    assert str(caught.value).count(str(tmp_path / name)) >= 1 and "\n" not in str(caught.value)
    return None


@pytest.mark.parametrize(
    ("columns", "name", "message"),
    [
        ({"text": [["a"]]}, "text", "column 'text' is list<element: string>, not text"),
        ({"text": [1.5]}, "text", "column 'text' is double, not text"),
        ({"body": ["a"], "n": [1]}, "text", "no column 'text'; .* body, n; type --text-column body"),
        ({"doc": [{"text": "a"}]}, "doc", "type --text-column doc.text"),
        ({"a.b": ["x"], "a": [{"b": "y"}]}, "a.b", 'type --text-column "a.b" or --text-column "a"."b"'),
    ],
)
def test_columns_that_hold_no_texts_are_refused(tmp_path, columns, name, message):
    (tmp_path / "x.parquet").write_bytes(parquet(tmp_path, **columns))
    with pytest.raises(UserError, match=message):
        check(tmp_path / "x.parquet", column=name, option="--text-column {}")


def test_an_error_names_every_file(tmp_path):
    for i in range(9):
        (tmp_path / f"{i}.csv").write_text("a")
    (tmp_path / "x.jsonl").write_bytes(LINES)
    with pytest.raises(UserError, match=r"0\.csv: .*; nor can 8 more be read: \S+1\.csv, .*5\.csv, \.\.\.$"):
        check(*sorted(tmp_path.iterdir()))


@pytest.fixture
def crawl(tmp_path, monkeypatch):
    """Folders with names of all kinds, each with a file `f.jsonl`."""
    monkeypatch.chdir(tmp_path)
    for name in ("x[1]", "x1", "a b", "ü#?%20*", "c,d", "plain"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f.jsonl").write_bytes(LINES)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("x[1]/f.jsonl", ["x[1]/f.jsonl"]),  # a path that exists is that file
        ("x[2]/f.jsonl", None),
        ("[x]1/f.jsonl", ["x1/f.jsonl"]),
        ("ü#?%20*/f.jsonl", ["ü#?%20*/f.jsonl"]),
        ("ü#?%20*/*", ["ü#?%20*/f.jsonl"]),
        ("a b/f.jsonl", ["a b/f.jsonl"]),
        ("a b/*.jsonl", ["a b/f.jsonl"]),
        ("plain/f.jsonl c,d/*", ["plain/f.jsonl", "c,d/f.jsonl"]),
        ("plain/**", ["plain/f.jsonl"]),
        ("*/f.jsonl", ["a b/f.jsonl", "c,d/f.jsonl", "plain/f.jsonl", "x1/f.jsonl", "x[1]/f.jsonl", "ü#?%20*/f.jsonl"]),
    ],
)
def test_names_with_characters_of_globs(crawl, source, files):
    if files is None:
        with pytest.raises(UserError, match="no file is there"):
            parse_source(source)
    else:
        assert parse_source(source) == tuple(files)


def test_brackets_of_a_folder_that_exists_are_literal_below_it(crawl):
    shutil.rmtree("x1")
    assert parse_source("x[1]/*.jsonl") == ("x[1]/f.jsonl",)


def test_what_is_no_data_is_passed_over_and_told(crawl, caplog):
    for name in ("_SUCCESS", ".part.crc", "_metadata"):
        (crawl / "plain" / name).touch()
    (crawl / "plain" / "folder").mkdir()
    assert parse_source("plain/*") == ("plain/f.jsonl",)
    assert "plain/*: passed over 3 that hold no data: _SUCCESS, _metadata, folder/" in caplog.text


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("plain", r"--source plain: a folder; give its files, for example 'plain/\*\.jsonl'"),
        ("*.parquet", r"out\.parquet: a folder; give its files, for example 'out\.parquet/\*\.parquet'"),
        ("gone.jsonl", "gone.jsonl: a link to nowhere, which is not there; restore it or remove the link"),
        ("*.jsonl", "gone.jsonl: a link to nowhere"),
        ("pipe", "pipe: not a file but a pipe, socket or device"),
    ],
)
def test_folders_links_and_pipes_are_refused(crawl, source, message):
    (crawl / "out.parquet").mkdir()
    (crawl / "out.parquet" / "part-0.parquet").touch()
    (crawl / "gone.jsonl").symlink_to("nowhere")
    os.mkfifo(crawl / "pipe")
    with pytest.raises(UserError, match=message):
        parse_source(source)


def test_lists_of_files(crawl):
    (crawl / "plain" / "all.paths").write_text("f.jsonl\n\n../c,d/f.jsonl\ns3://bucket/x.warc.gz\n")
    with gzip.open(crawl / "plain" / "all.paths.gz", "wt") as file:
        file.write("f.jsonl\n")
    assert parse_source("plain/all.paths") == ("plain/f.jsonl", "plain/../c,d/f.jsonl", "s3://bucket/x.warc.gz")
    assert parse_source("plain/all.paths.gz") == ("plain/f.jsonl",)
    (crawl / "plain" / "bad.paths").write_text("f.jsonl\nnone.jsonl\n")
    with pytest.raises(UserError, match=r"bad\.paths:2: no file plain/none\.jsonl"):
        parse_source("plain/bad.paths")


def test_addresses_of_object_stores(crawl):
    root = f"file://{crawl}"
    assert parse_source(f"{root}/plain/f.jsonl {root}/x1/f.jsonl") == (f"{root}/plain/f.jsonl", f"{root}/x1/f.jsonl")
    assert parse_source(f"{root}/plain/*.jsonl") == (f"{root}/plain/f.jsonl",)
    assert parse_source(f"{root}/[px]*/?.jsonl") == tuple(f"{root}/{name}/f.jsonl" for name in ("plain", "x1", "x[1]"))
    assert parse_source("s3://bucket/a.warc.gz") == ("s3://bucket/a.warc.gz",)
    with pytest.raises(UserError, match="no file is there"):
        parse_source(f"{root}/plain/*.parquet")
