"""Which format a file has, and how files are listed and split into ranges."""

from pathlib import Path

import pytest

from extract.sources.listing import holds_text, list_chunks
from extract.sources.registry import find_format
from pipeline.base.errors import UserError


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.warc.gz", "warc"),
        ("a.WARC", "warc"),
        ("a.arc.gz", "warc"),
        ("a.warc.wet.gz", "wet"),
        ("a.parquet", "parquet"),
        ("s3://b/c/a.jsonl.zst", "json_lines"),
        ("a.json.gz", "json_lines"),
        ("a.ndjson", "json_lines"),
        ("noending", "warc"),
    ],
)
def test_formats_by_name(name, kind):
    assert find_format(name).name == kind
    assert holds_text(name) == (kind != "warc")


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
    actual = [(r["name"], r["start"], r["end"]) for r in list_chunks(paths + paths[:1], 400)]
    assert actual == [
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
