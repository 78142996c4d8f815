"""`dedup_file`: one file in, one line a row out, and one clear line for what cannot be read."""

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dedup.single import dedup_file
from pipeline.errors import UserError

TEXT = " ".join(f"wort{i}" for i in range(60))
ROWS = [
    {"id": "a", "text": TEXT},
    {"id": 7, "text": "etwas ganz anderes als das"},
    {"id": "b", "text": TEXT.upper() + "!"},
    {"id": "c", "text": TEXT + " mehr"},
    {"id": "d", "text": None},
    {"id": "e", "text": ""},
]


def lines(rows: list) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def told(path, **options) -> list[dict]:
    out = io.StringIO()
    told.counts = dedup_file(path, out, **options)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(("name", "pack"), [("x.jsonl", bytes), ("x.jsonl.gz", gzip.compress), ("x.jsonl.zst", zstd)])
def test_json_lines(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(lines(ROWS).encode()))
    found = told(tmp_path / name)
    assert [r["id"] for r in found] == ["a", 7, "b", "c", "d", "e"]
    assert [r["duplicate_of"] for r in found] == [None, None, "a", "a", None, None]
    assert [r["cluster"] for r in found] == ["a", 7, "a", "a", "d", "e"]
    assert [r["cluster_size"] for r in found] == [3, 1, 3, 3, 1, 1]
    assert [r["similarity"] for r in found] == [None, None, 1.0, 56 / 57, None, None]
    assert told.counts == {"rows": 6, "removed": 2, "clusters": 1}


def test_parquet_other_columns_and_settings(tmp_path):
    texts = [r["text"] for r in ROWS]
    pq.write_table(pa.table({"body": texts, "nr": range(10, 16)}), tmp_path / "x.parquet")
    found = told(tmp_path / "x.parquet", text_column="body", id_column="nr", preset="20x13", threshold=0.99)
    assert [r["duplicate_of"] for r in found] == [None, None, 10, None, None, None]
    assert [r["id"] for r in told(tmp_path / "x.parquet", text_column="body")] == [0, 1, 2, 3, 4, 5]


def test_json_lines_without_ids_and_empty_files(tmp_path):
    (tmp_path / "x.jsonl").write_text(lines([{"text": TEXT}] * 3))
    assert [(r["id"], r["duplicate_of"]) for r in told(tmp_path / "x.jsonl")] == [(0, None), (1, 0), (2, 0)]
    (tmp_path / "y.jsonl").write_text("")
    assert told(tmp_path / "y.jsonl") == []


def test_half_surrogates_end_nothing(tmp_path):
    (tmp_path / "x.jsonl").write_text(lines([{"id": "\ud800", "text": "\udfff " + TEXT}, {"id": 2, "text": TEXT}]))
    assert [(r["id"], r["duplicate_of"]) for r in told(tmp_path / "x.jsonl")] == [("\ud800", None), (2, "\ud800")]


def test_real_texts(shared):
    source = shared / "dedup" / "dolma-tests" / "multiple_files" / "cc_en_head-0174.jsonl.gz"
    found = told(source)
    assert len(found) == gzip.decompress(source.read_bytes()).count(b"\n") and all(
        r["cluster_size"] >= 1 for r in found
    )


GOOD = lines(ROWS[:2])


@pytest.mark.parametrize(
    ("name", "data", "options", "says"),
    [
        ("x.jsonl", GOOD + "{", {}, r"x\.jsonl:3: not JSON"),
        ("x.jsonl", GOOD + "\n" + GOOD, {}, r"x\.jsonl:3: not JSON"),
        ("x.jsonl", GOOD + "[1]\n", {}, r"x\.jsonl:3: list, not an object"),
        ("x.jsonl", GOOD + '{"id": 1, "txt": "a"}', {}, r"x\.jsonl:3: no column 'text'.* type --text-column txt"),
        ("x.jsonl", GOOD + '{"text": "a"}', {}, r"x\.jsonl:3: no column 'id'"),
        ("x.jsonl", GOOD + '{"id": 1, "text": 5}', {}, r"x\.jsonl:3: 'text' is int, not text"),
        ("x.jsonl", GOOD.encode() + b'{"id": 1, "text": "\xff"}', {}, r"x\.jsonl:3: not JSON"),
        ("x.jsonl", GOOD, {"id_column": "ids"}, r"x\.jsonl:1: no column 'ids'.* type --id-column id"),
        ("x.jsonl.gz", gzip.compress(GOOD.encode() * 500)[:-30], {}, r"x\.jsonl\.gz:\d+: cannot be read on"),
        ("x.jsonl.gz", GOOD, {}, r"x\.jsonl\.gz:1: cannot be read on"),
        ("x.parquet", GOOD, {}, r"x\.parquet: not a readable Parquet file"),
        ("x.csv", GOOD, {}, r"x\.csv: unknown kind of file; give a \.jsonl"),
        ("x.jsonl", GOOD, {"preset": "14"}, "preset '14': not bands x rows; type one of 14x8"),
        ("x.jsonl", GOOD, {"threshold": 0}, "threshold 0: .* type a number"),
        ("x.jsonl", GOOD, {"threshold": 80}, "threshold 80: .* type a number"),
        ("x.jsonl", GOOD, {"ngram": 0}, "ngram 0: .* type 1 or more"),
    ],
)
def test_what_cannot_be_read(tmp_path, name, data, options, says):
    (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(UserError, match=says) as caught:
        told(tmp_path / name, **options)
    assert "\n" not in str(caught.value)


def test_what_is_not_there(tmp_path):
    with pytest.raises(UserError, match="no such file; give"):
        told(tmp_path / "no.jsonl")
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "x.parquet")
    with pytest.raises(UserError, match="is int64, not text"):
        told(tmp_path / "x.parquet")
    with pytest.raises(UserError, match="type --text-column text"):
        told(tmp_path / "x.parquet", text_column="txt")
