"""`dedup_file`: one file in, one line a row out."""

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dedup.dedup_file import dedup_file
from pipeline.base.errors import UserError

TEXT = " ".join(f"wort{i}" for i in range(60))
ROWS = [
    {"id": "a", "text": TEXT},
    {"id": 7, "text": "etwas ganz anderes als das"},
    {"id": "b", "text": TEXT.upper() + "!"},
    {"id": "c", "text": TEXT + " mehr"},
    {"id": "d", "text": None},
    {"id": "e", "text": ""},
]


def json_lines(rows: list) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def deduplicate(path, **options) -> list[dict]:
    """Return the lines that are written."""
    return deduplicate_and_count(path, **options)[0]


def deduplicate_and_count(path, **options) -> tuple[list[dict], dict[str, int]]:
    out = io.StringIO()
    counts = dedup_file(path, out, **options)
    return [json.loads(line) for line in out.getvalue().splitlines()], counts


def test_json_lines(tmp_path):
    (tmp_path / "x.jsonl").write_text(json_lines(ROWS))
    rows, counts = deduplicate_and_count(tmp_path / "x.jsonl")
    assert [r["id"] for r in rows] == ["a", 7, "b", "c", "d", "e"]
    assert [r["duplicate_of"] for r in rows] == [None, None, "a", "a", None, None]
    assert [r["cluster"] for r in rows] == ["a", 7, "a", "a", "d", "e"]
    assert [r["cluster_size"] for r in rows] == [3, 1, 3, 3, 1, 1]
    assert [r["similarity"] for r in rows] == [None, None, 1.0, 56 / 57, None, None]
    assert counts == {"rows": 6, "removed": 2, "clusters": 1}


def test_parquet_other_columns_and_settings(tmp_path):
    texts = [r["text"] for r in ROWS]
    pq.write_table(pa.table({"body": texts, "nr": range(10, 16)}), tmp_path / "x.parquet")
    rows = deduplicate(tmp_path / "x.parquet", text_column="body", id_column="nr", preset="20x13", threshold=0.99)
    assert [r["duplicate_of"] for r in rows] == [None, None, 10, None, None, None]
    assert [r["id"] for r in deduplicate(tmp_path / "x.parquet", text_column="body")] == [0, 1, 2, 3, 4, 5]


def test_json_lines_without_ids_and_empty_files(tmp_path):
    (tmp_path / "x.jsonl").write_text(json_lines([{"text": TEXT}] * 3))
    assert [(r["id"], r["duplicate_of"]) for r in deduplicate(tmp_path / "x.jsonl")] == [(0, None), (1, 0), (2, 0)]
    (tmp_path / "y.jsonl").write_text("")
    assert deduplicate(tmp_path / "y.jsonl") == []


def test_half_surrogates_end_nothing(tmp_path):
    (tmp_path / "x.jsonl").write_text(json_lines([{"id": "\ud800", "text": "\udfff " + TEXT}, {"id": 2, "text": TEXT}]))
    assert [(r["id"], r["duplicate_of"]) for r in deduplicate(tmp_path / "x.jsonl")] == [
        ("\ud800", None),
        (2, "\ud800"),
    ]


def test_real_texts(shared):
    source = shared / "dedup" / "dolma-tests" / "multiple_files" / "cc_en_head-0174.jsonl.gz"
    rows = deduplicate(source)
    assert len(rows) == gzip.decompress(source.read_bytes()).count(b"\n") and all(r["cluster_size"] >= 1 for r in rows)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("{", {}, r"x\.jsonl:1: not JSON"),
        (json_lines(ROWS[:2]), {"text_column": "txt"}, r"x\.jsonl:1: no column 'txt'.* type --text-column text"),
        ("", {"preset": "14"}, "preset '14': not bands x rows; type one of 14x8"),
        ("", {"threshold": 0}, "threshold 0: .* type a number"),
        ("", {"threshold": 80}, "threshold 80: .* type a number"),
        ("", {"ngram": 0}, "ngram 0: .* type 1 or more"),
    ],
)
def test_what_cannot_be_done(tmp_path, data, options, message):
    (tmp_path / "x.jsonl").write_text(data)
    with pytest.raises(UserError, match=message):
        deduplicate(tmp_path / "x.jsonl", **options)
