"""A process that dies while it reads: all good rows are there, and a row says which part of which file killed it."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from extract.pages import FileRange, PagesTask
from extract.record_to_html import ExtractSettings
from extract.watchdog import Limits, run_guarded
from pipeline.base.user_code import UserFunction
from tests.support.captures import http_response, run_pages, warc_record

LIMITS = Limits(timeout=0.2, memory=500_000_000)


def read(path: Path, work: str, limits: Limits = LIMITS) -> tuple[list[str], list[dict]]:
    """(texts, rejects) of a file by a hostile work function."""
    task = PagesTask(FileRange(str(path), path.name), ExtractSettings())
    results = list(run_guarded(f"tests.support.hostile:{work}", task, limits, str(path)))
    return [row["text"] for kind, row in results if kind == "part"], [row for kind, row in results if kind == "rejects"]


@pytest.mark.parametrize("exits", [[1500], [0], [2999], [100, 1500, 2500], [1499, 1500]])
def test_pages_of_parquet_that_kill_are_left_out(tmp_path, exits):
    texts = [f"Seite {i}{' [exit]' if i in exits else ''}" for i in range(3000)]
    table = pa.table({"id": [str(i) for i in range(3000)], "text": texts})
    pq.write_table(
        table,
        tmp_path / "x.parquet",
        row_group_size=1000,
        data_page_size=1000,
        use_dictionary=False,
        write_batch_size=50,
    )
    kept, rejects = read(tmp_path / "x.parquet", "parquet_work")
    lost = [row["lost_range"] for row in rejects]
    numbers = sorted(n for gap in lost for n in range(gap.offset, gap.offset + gap.rows))
    assert set(exits) <= set(numbers) and len(numbers) <= 100 * len(exits)
    assert kept == [text for i, text in enumerate(texts) if i not in set(numbers)]
    assert {row["rule"] for row in rejects} == {"killed"}
    assert rejects[0]["source"] == "x.parquet" and rejects[0]["offset"] == lost[0].offset
    assert "killed the process that read it (exit status 7)" in rejects[0]["detail"]


@pytest.mark.parametrize(
    ("word", "death"),
    [("exit=7", "exit status 7"), ("eat=900", "more than 5e+08 bytes of memory"), ("spin", "more than 4 seconds")],
)
def test_lines_of_json_that_kill_are_left_out(tmp_path, word, death):
    lines = [json.dumps({"text": f"Zeile {i}{f' [{word}]' if i in (3, 170) else ''}"}) + "\n" for i in range(200)]
    (tmp_path / "x.jsonl").write_text("".join(lines))
    kept, rejects = read(tmp_path / "x.jsonl", "json_work")
    assert kept == [f"Zeile {i}" for i in range(200) if i not in (3, 170)]
    assert [(row["rule"], row["offset"]) for row in rejects] == [
        ("killed", sum(map(len, lines[:3]))),
        ("killed", sum(map(len, lines[:170]))),
    ]
    assert rejects[0]["detail"] == f"killed the process that read it ({death})"


def test_a_reader_without_units_loses_the_rest_of_its_file(tmp_path):
    code = tmp_path / "mine.py"
    code.write_text(
        "import os\nfrom extract.sources import source\n\n@source(suffixes=('.tsv',))\ndef tsv(file, start, end):\n"
        "    for line in file:\n        if b'exit' in line:\n            os._exit(5)\n"
        "        yield {'text': line.decode()}\n"
    )
    (tmp_path / "x.tsv").write_text("eins\nzwei\nexit\nvier\n")
    rows = run_pages(tmp_path / "x.tsv", readers=(UserFunction.from_file(code, "tsv"),))
    assert [row["text"] for row in rows["part"]] == ["eins\n", "zwei\n"]
    (lost,) = rows["rejects"]
    assert (lost["source"], lost["rule"], lost["value"]) == ("x.tsv", "killed", 20.0)
    assert lost["detail"] == "killed the process that read it (exit status 5)"


def good(number: int) -> bytes:
    return warc_record("response", http_response(), number)


def zeros(count: int) -> bytes:
    return gzip.compress(bytes(count))


@pytest.mark.parametrize(
    ("parts", "kept", "rejects"),
    [
        ([good(0), zeros(300_000_000), good(1)], 2, ["300000004 zeros in place of data"]),
        ([good(0), bytes(300_000), good(1)], 2, ["zeros in place of data"]),
        ([good(0), good(1), bytes(50_000_000)], 2, ["zeros in place of data"]),
        ([good(0), gzip.compress(b"x" * 100_000_000), good(1)], 2, ["bytes that are no record"]),
        ([gzip.decompress(good(0)), gzip.decompress(good(1)), bytes(300_000_000)], 2, ["zeros in place of data"]),
        ([gzip.decompress(good(0)), bytes(50_000_000), gzip.decompress(good(1))], 2, ["zeros in place of data"]),
        (
            [gzip.compress(gzip.decompress(good(0)) + bytes(300_000_000)), good(1)],
            2,
            ["300000004 zeros in place of data"],
        ),
    ],
    ids=["blank member", "hole", "zero tail", "letters", "plain tail", "plain hole", "blanks in a member"],
)
def test_bombs_and_holes_in_a_warc_are_rows_and_take_no_memory(tmp_path, parts, kept, rejects):
    path = tmp_path / ("x.warc.gz" if parts[0][:2] == b"\x1f\x8b" else "x.warc")
    path.write_bytes(b"".join(parts))
    rows = run_pages(path, memory=600_000_000)
    assert len(rows["part"]) == kept
    assert [row["detail"] for row in rows["rejects"]] == rejects and rows["rejects"][0]["rule"] == "damaged"
    begin, end = (len(parts[0]), len(b"".join(parts[:2]))) if len(parts[0]) < 10_000 else (0, len(parts[0]))
    assert begin - 4 <= rows["rejects"][0]["offset"] <= end


def test_a_member_that_expands_without_end_is_left(tmp_path, monkeypatch):
    from extract.sources.warc import read_records
    from pipeline.inputs import members
    from pipeline.inputs.compression import LostRange

    monkeypatch.setattr(members, "_MAX_MEMBER_BYTES", 20_000_000)
    (tmp_path / "x.warc.gz").write_bytes(good(0) + gzip.compress(b"x" * 500_000_000) + good(1))
    events = list(read_records(str(tmp_path / "x.warc.gz")))
    (lost,) = [event for event in events if isinstance(event, LostRange)]
    assert len(events) == 3 and lost.offset == len(good(0)) and lost.offset + lost.length == events[2].offset
