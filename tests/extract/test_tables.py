"""Tables as sources: JSON lines and Parquet, whole and in ranges, sound and damaged; dates of all sources."""

import gzip
import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd

from extract.sources.registry import Event, find_format
from pipeline.base.errors import UserError
from pipeline.inputs.columns import DEFAULT_COLUMNS
from pipeline.inputs.compression import LostRange
from pipeline.inputs.rows import Row, parse_date
from tests.support.captures import run_pages


def read_table(path: Path) -> list[Event]:
    """All rows and lost ranges of a file."""
    return list(find_format(path.name).read(str(path), "x", 0, None, DEFAULT_COLUMNS))


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
    actual = run_pages(path, chunk_bytes=chunk)
    assert [r["text"] for r in actual["part"]] == [r["text"] for r in ROWS]
    assert [r["url"] for r in actual["part"]] == [r["url"] for r in ROWS]
    assert actual["part"][0]["date"] == datetime(2020, 1, 2, tzinfo=UTC) and actual["part"][0]["host"] == "x.example"
    assert actual == run_pages(path) or chunk == 9000
    assert len({r["id"] for r in actual["part"]}) == 200 and {r["extractor"] for r in actual["part"]} == {"none"}


def test_json_lines_of_an_object_store(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(jsonl(ROWS))
    by_uri = run_pages(f"file://{tmp_path}/x.jsonl", chunk_bytes=9000)
    assert by_uri["part"] == run_pages(tmp_path / "x.jsonl")["part"]


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
    actual = run_pages(tmp_path / "x.jsonl")
    assert [r["text"] for r in actual["part"]] == ["good", "a?b"]
    assert [r["rule"] for r in actual["rejects"]] == ["damaged", "damaged", "no_text", "no_text", "damaged", "no_text"]
    assert [r["offset"] for r in actual["rejects"]] == [17, 25, 29, 41, 54, 57]


@pytest.mark.parametrize("groups", [200, 30])
def test_parquet(tmp_path, groups):
    path = tmp_path / "x.parquet"
    table = pa.Table.from_pylist(
        [{"content": r["text"], "meta": {"url": r["url"], "id": r["id"]}, "more": 1} for r in ROWS]
    )
    pq.write_table(table, path, row_group_size=groups)
    settings = {"text_column": "content", "url_column": "meta.url", "id_column": "meta.id"}
    one_pass, cut = run_pages(path, **settings), run_pages(path, chunk_bytes=path.stat().st_size // 4, **settings)
    assert [r["text"] for r in one_pass["part"]] == [r["text"] for r in ROWS]
    assert [(r["url"], r["offset"]) for r in one_pass["part"]] == [(r["url"], i) for i, r in enumerate(ROWS)]
    assert cut["part"] == one_pass["part"]
    with pytest.raises(UserError, match="set text_column to one of content, meta, more"):
        run_pages(path)


def test_a_file_that_is_no_parquet(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"not a table")
    assert [r["rule"] for r in run_pages(tmp_path / "x.parquet")["rejects"]] == ["damaged"]


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
    assert parse_date(value) == expected


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
    (row,) = read_table(tmp_path / "x.parquet")
    assert parse_date(row.values["date"]) == expected


def test_rows_of_a_broken_compressed_table(tmp_path):
    data = bytearray(gzip.compress(jsonl(ROWS[:100])) + gzip.compress(jsonl(ROWS[100:])))
    data[400] ^= 0xFF
    (tmp_path / "x.jsonl.gz").write_bytes(bytes(data))
    actual = read_table(tmp_path / "x.jsonl.gz")
    assert any(isinstance(r, LostRange) for r in actual)
    good = [r.values["id"] for r in actual if isinstance(r, Row)]
    assert good[-100:] == [r["id"] for r in ROWS[100:]]
