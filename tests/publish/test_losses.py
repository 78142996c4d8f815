"""Losses by file and bytes: damaged input in `sources.parquet`, alarms, the report and the exit code."""

import gzip
import json
import random
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.__main__ import main
from tests.support.captures import HTML, http_response, run_pages, warc_record
from tests.support.paths import CHECKOUT

S3_ERROR = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SlowDown</Code><RequestId>7</RequestId></Error>'
RECIPE = 'language = "any"\n[near]\nthreshold = 0.99\n[exact]\n'
EVERYTHING = 1 << 40


def warc_bytes(records: int, seed: int = 1) -> bytes:
    """A gzip WARC of pages with texts of their own."""
    chosen = random.Random(seed)
    words = [f"{''.join(chosen.choice('abcdefghij') for _ in range(7))}" for _ in range(3000)]
    pages = (" ".join(chosen.choice(words) for _ in range(150)) + "." for _ in range(records))
    bodies = (HTML.replace("<p>", f"<p>{text} ") for text in pages)
    return b"".join(warc_record("response", http_response(body), seed * 1000 + i) for i, body in enumerate(bodies))


def parquet_bytes(rows: int) -> bytes:
    chosen = random.Random(rows)
    texts = [" ".join(f"w{chosen.randrange(10**9)}" for _ in range(100)) for _ in range(rows)]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": texts}), sink, row_group_size=50)
    return sink.getvalue().to_pybytes()


WARC = warc_bytes(60)
HALF = len(WARC) // 2
PLAIN = gzip.decompress(WARC)
TABLE = parquet_bytes(200)
JSON_LINES = b"".join(b'{"text": "line %d of the file"}\n' % i for i in range(100))
BROKEN_LINES = b"".join(line if i % 4 else b"{" + line for i, line in enumerate(JSON_LINES.splitlines(keepends=True)))

# file, its bytes, share of them that is lost (low, high), whether it ends early
DAMAGE = [
    ("sound.warc.gz", WARC, (0, 0), False),
    ("second-half-zeroed.warc.gz", WARC[:HALF] + bytes(len(WARC) - HALF), (0.5, 0.55), True),
    ("first-half-zeroed.warc.gz", bytes(HALF) + WARC[HALF:], (0.5, 0.55), False),
    ("middle-zeroed.warc.gz", WARC[: HALF // 2] + bytes(HALF) + WARC[HALF // 2 + HALF :], (0.5, 0.6), False),
    ("zero-tail.warc.gz", WARC + bytes(len(WARC)), (0.5, 0.5), True),
    ("cut.warc.gz", WARC[: HALF + 100], (0.003, 0.1), True),
    ("first-half-zeroed.warc", bytes(len(PLAIN) // 2) + PLAIN[len(PLAIN) // 2 :], (0.5, 0.55), False),
    ("zero-tail.warc", PLAIN + bytes(len(PLAIN)), (0.5, 0.501), True),
    ("s3-error.warc.gz", S3_ERROR, (1, 1), False),
    ("s3-error.parquet", S3_ERROR, (1, 1), False),
    ("s3-error.jsonl", S3_ERROR, (0.9, 1), False),
    ("empty.warc.gz", b"", (0, 0), False),
    ("cut.parquet", TABLE[: len(TABLE) * 9 // 10], (1, 1), False),
    ("sound.parquet", TABLE, (0, 0), False),
    ("quarter-broken.jsonl", BROKEN_LINES, (0.2, 0.3), False),
    ("quarter-broken.jsonl.gz", gzip.compress(BROKEN_LINES), (0.2, 0.3), False),
    ("cut.jsonl.gz", gzip.compress(JSON_LINES)[:-20], (0.9, 1), True),
    ("nothing-but-nuls.warc.gz", gzip.compress(bytes(1 << 20)), (1, 1), False),
]


@pytest.mark.parametrize("chunk_bytes", [EVERYTHING, 20_000])
@pytest.mark.parametrize(("name", "data", "lost", "ends_early"), DAMAGE, ids=[case[0] for case in DAMAGE])
def test_bytes_of_ranges_add_up_to_the_file_and_losses_are_counted(tmp_path, name, data, lost, ends_early, chunk_bytes):
    (tmp_path / name).write_bytes(data)
    rows = run_pages(tmp_path / name, chunk_bytes=chunk_bytes)
    ranges = rows["ranges"]
    assert sum(row["bytes"] for row in ranges) == len(data)
    lost_bytes = sum(row["lost_bytes"] for row in ranges)
    assert lost[0] * len(data) <= lost_bytes <= lost[1] * len(data)
    assert any(row["ends_early"] for row in ranges) == ends_early
    assert sum(row["records"] + row["lost_ranges"] for row in ranges) == len(rows["part"]) + len(rows["rejects"])
    assert sum(row["documents"] for row in ranges) == len(rows["part"])
    assert all(bool(row["lost_ranges"]) == bool(row["lost_reason"]) for row in ranges)


@dataclass
class Outcome:
    """How a run of the command ended."""

    code: int
    folder: Path
    log: str

    @property
    def stats(self) -> dict:
        return json.loads((self.folder / "stats.json").read_text())

    @property
    def sources(self) -> dict[str, dict]:
        return {row["source"]: row for row in pq.read_table(self.folder / "sources.parquet").to_pylist()}

    @property
    def violated(self) -> list[str]:
        prefix = "outside of the recipe: [alarms] "
        lines = [line.removeprefix("error: ") for line in self.log.splitlines()]
        return [line.removeprefix(prefix).partition(":")[0] for line in lines if line.startswith(prefix)]


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Runs `corpus` on files of the given contents, with the given settings of [alarms]."""
    monkeypatch.chdir(CHECKOUT)
    recipe = tmp_path / "r.toml"
    recipe.write_text(RECIPE)
    (tmp_path / "in").mkdir()

    def run_corpus(files: dict[str, bytes], *settings: str) -> Outcome:
        for name, data in files.items():
            path = tmp_path / "in" / name
            if not path.exists() or path.read_bytes() != data:
                path.write_bytes(data)
        overrides = [argument for setting in settings for argument in ("--set", f"alarms.{setting}")]
        paths = " ".join(str(tmp_path / "in" / name) for name in files)
        command = ["corpus", str(recipe), "--source", paths, "--root", str(tmp_path / "root"), "--local", *overrides]
        code = main(command)
        out, log = capsys.readouterr()
        assert out.count("\n") == 1, log
        return Outcome(code, Path(out.strip()), log)

    return run_corpus


def check_sums(outcome: Outcome, files: dict[str, bytes]) -> None:
    """Every file has a row whose bytes add up, and the ledger has its records."""
    sources = outcome.sources
    ledger = pq.read_table(outcome.folder / "ledger").to_pylist()
    assert list(sources) == sorted(files)
    for name, data in files.items():
        row = sources[name]
        assert row["read_bytes"] + row["lost_bytes"] == row["bytes"] == len(data)
        assert row["read_bytes"] >= 0
        own = [record for record in ledger if record["source"] == name]
        assert len(own) == row["records"] + row["lost_ranges"]
        assert sum(record["verdict"] == "kept" for record in own) == row["kept_documents"] <= row["documents"]


HALF_LOST = {"a.warc.gz": WARC[:HALF] + bytes(len(WARC) - HALF), "b.warc.gz": warc_bytes(10, 2)}
TRUNCATED = {"a.warc.gz": warc_bytes(9) + warc_record("response", http_response(), WARC_Truncated="length")}
THREE_OF_FOUR = {f"crawl-{i}.warc.gz": S3_ERROR for i in range(3)} | {"crawl-3.warc.gz": warc_bytes(10, 3)}
CUT_TABLE = {
    "t1.parquet": parquet_bytes(30),
    "t2.parquet": parquet_bytes(40),
    "t3.parquet": TABLE[: len(TABLE) * 9 // 10],
}


@pytest.mark.parametrize(
    ("files", "settings", "code", "violated", "alarm"),
    [
        ({"a.warc.gz": warc_bytes(10)}, (), 0, [], None),
        (HALF_LOST, (), 0, [], "alarm: a.warc.gz: "),
        (HALF_LOST, ("max_lost_bytes=0.01",), 3, ["max_lost_bytes"], "alarm: a.warc.gz: "),
        (HALF_LOST, ("max_lost_bytes=0.9",), 0, [], "alarm: a.warc.gz: "),
        (HALF_LOST, ("warn_lost_bytes=1",), 0, [], "note: "),
        (HALF_LOST, ("fail_on_alarms=true",), 3, ["fail_on_alarms"], "alarm: a.warc.gz: "),
        (HALF_LOST, ("max_lost_records=0.001",), 3, ["max_lost_records"], "alarm: a.warc.gz: "),
        (TRUNCATED, ("max_failed_records=0.05",), 3, ["max_failed_records"], "lost to source/truncated"),
        (TRUNCATED, ("max_failed_records=0.5",), 0, [], "lost to source/truncated"),
        (TRUNCATED, ("warn_failed_records=0.5",), 0, [], None),
        (HALF_LOST, ("min_kept_documents=1000", "max_lost_bytes=0.1"), 3, ["max_lost_bytes", "min_kept_documents"], ""),
        (THREE_OF_FOUR, (), 3, ["max_unreadable_files"], "could not be read, in 3 of 4 files"),
        (THREE_OF_FOUR, ("max_unreadable_files=0.75",), 0, [], "alarm: crawl-2.warc.gz (99 B, "),
        (THREE_OF_FOUR, ("max_unreadable_files=off",), 0, [], "alarm: crawl-2.warc.gz (99 B, "),
        (THREE_OF_FOUR, ("allow_empty=true",), 0, [], "could not be read: not a WARC"),
        (CUT_TABLE, (), 0, [], "alarm: t3.parquet ("),
        (CUT_TABLE, ("max_unreadable_files=0",), 3, ["max_unreadable_files"], "could not be read: no Parquet file"),
        ({"a.warc.gz": S3_ERROR}, (), 3, ["allow_empty", "max_unreadable_files"], "Nothing was kept"),
        ({"a.warc.gz": S3_ERROR}, ("allow_empty=true",), 0, [], "Nothing was kept"),
        ({"a.parquet": TABLE[:1000]}, (), 3, ["allow_empty", "max_unreadable_files"], "alarm: a.parquet ("),
        ({"a.jsonl": b'{"text": " "}\n'}, (), 3, ["allow_empty"], "Nothing was kept of 1 record"),
        ({"a.jsonl": b'{"text": " "}\n'}, ("allow_empty=true",), 0, [], "Nothing was kept of 1 record"),
    ],
)
def test_losses_end_with_the_exit_code_of_the_recipe(run, files, settings, code, violated, alarm):
    first, again = run(files, *settings), run(files, *settings)
    assert (first.code, first.violated) == (again.code, again.violated) == (code, violated)
    assert first.folder == again.folder
    assert [found["setting"] for found in first.stats["violations"]] == violated
    check_sums(first, files)
    if alarm is None:
        assert first.log.count("alarm") == 0 == len(first.stats["alarms"])
    else:
        assert alarm in first.log


def test_report_and_card_tell_of_files_that_lost_most(run):
    outcome = run(HALF_LOST | CUT_TABLE, "max_lost_bytes=0.01")
    losses = outcome.stats["sources"]["losses"]
    assert [row["source"] for row in losses] == ["t3.parquet", "a.warc.gz"]
    for name in ("report.html", "README.md"):
        text = (outcome.folder / name).read_text().replace("\\", "")
        assert "Input files" in text and "a.warc.gz" in text and "t3.parquet" in text and "max_lost_bytes" in text
    assert "Nothing alarming" not in (outcome.folder / "report.html").read_text()


def test_names_of_files_cannot_reorder_what_a_terminal_shows(run):
    outcome = run({"a\u202egpj.warc.gz": S3_ERROR}, "allow_empty=true")
    assert outcome.code == 0 and "gpj.warc.gz" in outcome.log
    texts = [outcome.log, *((outcome.folder / name).read_text() for name in ("report.html", "README.md"))]
    assert not [text for text in texts if "\u202e" in text]
