"""Files of texts: every format gives the same rows, and what cannot be read is an error with file and line."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.base.errors import UserError
from pipeline.inputs.text_files import read_batches

ROWS = [{"id": f"p{i}", "text": f"Der Hund und die Katze, Seite {i}."} for i in range(300)]
GOOD = "".join(json.dumps(row) + "\n" for row in ROWS[:2])


def read_pairs(path, *options) -> list[tuple]:
    return [pair for ids, texts in read_batches(path, *options) for pair in zip(ids, texts.to_pylist(), strict=True)]


def test_files_of_every_kind_give_the_same_rows(tmp_path):
    data = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    (tmp_path / "a.jsonl").write_bytes(data)
    (tmp_path / "b.NDJSON.gz").write_bytes(gzip.compress(data))
    with pa.output_stream(str(tmp_path / "c.jsonl.zst"), compression="zstd") as file:
        file.write(data)
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "d.parquet")
    pq.write_table(
        pa.Table.from_pylist(ROWS).cast(pa.schema({"id": "str", "text": pa.large_string()})), tmp_path / "e.pq"
    )
    for name in ("a.jsonl", "b.NDJSON.gz", "c.jsonl.zst", "d.parquet", "e.pq"):
        assert read_pairs(tmp_path / name) == [(row["id"], row["text"]) for row in ROWS]
    batches = read_batches(tmp_path / "a.jsonl", "text", None, "", 128)
    assert [len(texts) for _, texts in batches] == [128, 128, 44]


def test_ids_come_from_the_column_or_the_row_number(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"body": "eins", "n": 7}\n\n{"body": null, "n": 8}\n')
    pq.write_table(pa.table({"body": ["eins", None], "n": [7, 8]}), tmp_path / "b.parquet")
    assert read_pairs(tmp_path / "a.jsonl", "body") == [(0, "eins"), (2, None)]  # numbers of lines
    assert read_pairs(tmp_path / "b.parquet", "body") == [(0, "eins"), (1, None)]
    for name in ("a.jsonl", "b.parquet"):
        assert read_pairs(tmp_path / name, "body", "n") == [(7, "eins"), (8, None)]
    (tmp_path / "c.jsonl").write_text('{"id": 1, "text": "x"}\n{"text": "y"}\n')
    assert read_pairs(tmp_path / "c.jsonl", "text", "") == [(0, "x"), (1, "y")]  # none are asked for
    (tmp_path / "empty.jsonl").write_text("")
    assert read_pairs(tmp_path / "empty.jsonl") == []


def test_halves_of_surrogate_pairs_are_question_marks(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"text": "a \\ud800"}\n{"text": "b \\ud83d\\ude00"}\n')
    assert read_pairs(tmp_path / "x.jsonl") == [(0, "a ?"), (1, "b 😀")]


@pytest.mark.parametrize(
    ("name", "data", "options", "message"),
    [
        ("x.jsonl", GOOD + "{", (), r"x\.jsonl:3: not JSON"),
        ("x.jsonl", GOOD + '{"text":' + "[" * 100_000, (), r"x\.jsonl:3: not JSON"),
        ("x.jsonl", GOOD + "[1]\n", (), r"x\.jsonl:3: list, not an object"),
        ("x.jsonl", GOOD + '{"id": 1, "txt": "a"}', (), r"x\.jsonl:3: no column 'text'.* type --text-column txt"),
        ("x.jsonl", GOOD, ("txt", None, "as {}!"), r"x\.jsonl:1: no column 'txt'; there are id, text; type as text!$"),
        ("x.jsonl", GOOD + '{"text": "a"}', (), r"x\.jsonl:3: no column 'id'"),
        ("x.jsonl", GOOD + '{"id": 1, "text": 5}', (), r"x\.jsonl:3: 'text' is int, not text"),
        ("x.jsonl", GOOD.encode() + b'{"id": 1, "text": "\xff"}', (), r"x\.jsonl:3: not JSON"),
        ("x.jsonl", GOOD, ("text", "ids"), r"x\.jsonl:1: no column 'ids'.* type --id-column id"),
        ("x.jsonl", "{}", (), r"x\.jsonl:1: no column 'text'; there are none$"),
        ("x.jsonl.gz", gzip.compress(GOOD.encode() * 500)[:-30], (), r"x\.jsonl\.gz:\d+: cannot be read further"),
        ("x.jsonl.gz", GOOD, (), r"x\.jsonl\.gz:1: cannot be read further"),
        ("x.parquet", GOOD, (), r"x\.parquet: not a readable Parquet file"),
        ("x.csv", GOOD, (), r"x\.csv: unknown kind of file; give a \.jsonl"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_its_place(tmp_path, name, data, options, message):
    (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(UserError, match=message) as caught:
        read_pairs(tmp_path / name, *options)
    assert "\n" not in str(caught.value)


def test_columns_that_a_parquet_file_lacks(tmp_path):
    pq.write_table(pa.table({"body": ["a"], "n": [1]}), tmp_path / "x.parquet")
    for options, message in (
        ((), "there are body, n; type --text-column body"),
        (("bdoy",), "type --text-column body"),
        (("n",), "column 'n' is int64, not text"),
        (("body", "id"), "no column 'id'.*type --id-column"),
    ):
        with pytest.raises(UserError, match=message):
            read_pairs(tmp_path / "x.parquet", *options)
    for path in (tmp_path / "absent.jsonl", tmp_path):
        with pytest.raises(UserError, match="no such file; give"):
            read_pairs(path)
