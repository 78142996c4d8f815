"""Ids of records: unique in a run, and the same whatever else is read and however files are split."""

import gzip
import json

from extract.pages import FileRange, read_events
from extract.record_ids import RecordIds
from extract.sources.listing import list_chunks
from extract.sources.registry import find_format
from pipeline.inputs.columns import DEFAULT_COLUMNS
from pipeline.inputs.rows import Row
from tests.support.captures import TEXT, http_response, run_pages, warc_record


def test_records_have_ids_of_their_own_whatever_they_call_themselves(tmp_path):
    """Copies, copies of one name, files of different beginnings, the same record twice in one, no id at all."""
    again = [warc_record("response", http_response(), number=n) for n in (0, 1, 2, 0)]
    other = [
        warc_record("response", http_response(), number=7),
        *again,
        warc_record("response", http_response(), WARC_Record_ID=""),
    ]
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
    one_pass = run_pages(*files)
    actual = [row["id"] for row in [*one_pass["part"], *one_pass["rejects"]]]
    assert len(set(actual)) == len(actual) == 4 * 4 + 6 + 2
    cut = run_pages(*files, chunk_bytes=200)
    assert [row["id"] for row in [*cut["part"], *cut["rejects"]]] == actual


def test_ids_are_those_of_the_file_whatever_else_is_read_and_where_it_lies(tmp_path):
    data = b"".join(warc_record("response", http_response(), number=n) for n in range(3))
    for folder in ("here", "there/deep"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.warc.gz").write_bytes(data)
    (tmp_path / "here" / "0.warc.gz").write_bytes(warc_record("response", http_response(), number=9))
    alone = [row["id"] for row in run_pages(tmp_path / "there/deep/a.warc.gz")["part"]]
    beside = run_pages(*(tmp_path / "here").iterdir())["part"]
    assert [row["id"] for row in beside if row["source"] == "a.warc.gz"] == alone


def test_real_records_have_ids_of_their_own(shared):
    """Broken files of other parsers: several begin differently and go on with the same records."""
    files = sorted(
        p for p in (shared / "warc").rglob("*") if p.is_file() and p.suffix not in (".tsv", ".txt", ".jsonl")
    )
    seen: set[str] = set()
    for row in list_chunks([str(p) for p in files], 1 << 20):
        ids = RecordIds()
        file_range = FileRange(row["path"], row["name"], row["start"], row["end"])
        for event in read_events(file_range, find_format(row["name"]), DEFAULT_COLUMNS):
            identity = ids.assign(event)
            assert identity not in seen, (event.source, event.offset)
            seen.add(identity)
    assert len(seen) > 1000


def test_rows_of_files_of_one_name_have_ids_of_their_own_in_every_run(tmp_path):
    """A month's `part-0.jsonl` is not the next month's: an index of earlier runs holds both."""
    actual = []
    for month in ("2024-01", "2024-02"):
        (tmp_path / month).mkdir()
        (tmp_path / month / "part-0.jsonl").write_text(json.dumps({"text": f"Wetter im Monat {month}. {TEXT}"}))
        actual += [row["id"] for row in run_pages(tmp_path / month / "part-0.jsonl")["part"]]
    assert len(set(actual)) == 2


def test_ids_of_our_own_corpora_stay():
    ids, own = RecordIds(), "0123456789abcdef" * 2
    row = Row("x", 0, {"id": own, "text": "t", "url": None, "date": None})
    assert ids.assign(row) == own
    assert ids.assign(row) != own
