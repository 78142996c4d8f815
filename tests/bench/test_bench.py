"""The benchmarks' own arithmetic: medians, ratios, targets, the table, the JSON and the picture."""

import json
import sys
import xml.etree.ElementTree as ET
from itertools import islice
from pathlib import Path

import pytest

from tests.bench import corpus as bench_corpus
from tests.bench import dedup as bench_dedup
from tests.bench import input as bench_input
from tests.bench import limits as bench_limits
from tests.bench import scale as bench_scale
from tests.bench import suite as bench
from tests.bench.process import NotInstalled, Peer, measured
from tests.bench.table import Options, Row, in_turns, picture, ratio, shown, spread, table
from tests.support.paths import CHECKOUT


def test_ratio_is_of_medians():
    assert ratio([1.0, 2.0, 9.0], [10.0, 20.0, 5000.0]) == 10.0
    assert spread([2.0, 3.0, 4.0]) == pytest.approx(2 / 3)


def test_sides_take_turns():
    order: list[str] = []
    sides = {name: lambda name=name: float(order.append(name) is None) for name in "AB"}
    assert in_turns(sides, 3) == {"A": [1.0] * 3, "B": [1.0] * 3}
    assert order == list("ABABAB")


@pytest.mark.parametrize(
    ("row", "met", "target"),
    [
        (Row("a", "p", 8.0, least=8), True, ">= 8x"),
        (Row("a", "p", 7.99, least=8), False, ">= 8x (missed)"),
        (Row("a", "", 0.6, "ms", most=0.6), True, "<= 0.6 ms"),
        (Row("a", "", 0.61, "ms", most=0.6), False, "<= 0.6 ms (missed)"),
        (Row("a", "", 0.0, "%", most=0.1), True, "<= 0.1%"),
        (Row("a", "p", None, least=8), None, ">= 8x"),
        (Row("a", "p", 3.0), None, ""),
    ],
)
def test_targets(row: Row, met: bool | None, target: str):
    assert (row.met, row.target) == (met, target)


def test_numbers_as_shown():
    assert [shown(v, "x") for v in (1234.5, 99.96, 12.34, 1.234, None)] == ["1,234x", "100.0x", "12.3x", "1.23x", "-"]
    assert shown(0.5, "ms") == "0.50 ms"


def test_everything_is_written(tmp_path: Path):
    rows = [Row("a <b>", "peer", 12.0, least=8.0, note="n"), Row("m", "", 1.2, "GB", most=1.5), Row("x", "y", None)]
    bench.write(tmp_path / "out.json", {"part": {"seconds": [1.0]}}, rows)
    said = json.loads((tmp_path / "out.json").read_text())
    assert [row["met"] for row in said["rows"]] == [True, True, None]
    assert said["figures"] == {"part": {"seconds": [1.0]}} and said["machine"]["cores"] >= 1
    drawn = ET.fromstring((tmp_path / "out.svg").read_text())
    assert len(drawn.findall("{http://www.w3.org/2000/svg}rect")) == 2  # what was not measured has no bar
    assert len(table(rows).splitlines()) == 5


def test_picture_of_nothing():
    ET.fromstring(picture([], "nothing"))


def test_part_that_fails_is_a_row():
    (row,) = bench.rows_of("dedup", {"failed": "out of luck"})
    assert row.value is None and "out of luck" in row.note


def test_parts_are_there():
    for part in bench.PARTS:
        assert (CHECKOUT / f"tests/bench/{part}.py").is_file()


def test_every_process_counts(tmp_path: Path):
    """A command's cost has its children's, also of those that outlive it."""
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {busy!r}]); print('said')"
    cost, said = measured([sys.executable, "-c", code], tmp_path / "log")
    assert said == "said" and cost.cpu >= 0.3 and cost.peak > 1 << 20


def test_peers_that_are_not_there(tmp_path: Path):
    with pytest.raises(NotInstalled, match="no environment"):
        Peer(Options(peers=tmp_path).python("dolma"), "peer_texts.py")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").touch()
    (tmp_path / "failed").write_text("one\nERROR: no wheel of x 1.0\n")
    with pytest.raises(NotInstalled, match=r"no wheel of x 1\.0"):
        Peer(tmp_path / "bin/python", "peer_texts.py")


def test_agreement_has_reasons_of_both_sides():
    ours = bench_corpus.Outcome(fate={"a": "", "b": "near: x", "c": ""}, texts={"a": "one two", "c": "t"})
    theirs = bench_corpus.Outcome(fate={"a": "", "b": "", "c": "C4: y"}, texts={"a": "one  two", "b": "u"})
    found = bench_corpus.compare(ours, theirs)
    assert (found["ours"], found["theirs"], found["both"], found["same_text"]) == (2, 2, 1, 1)
    assert found["only_theirs_because_ours"] == {"near: x": 1} and found["only_ours_because_theirs"] == {"C4: y": 1}


def test_crawl_has_the_share_of_german():
    page = bench_input.Capture("https://a.example/", "text/html", b"<p>x</p>", "")
    pages = [page, bench_input.Capture("https://b.example/", "text/html", b"<p>y</p>", "de")]
    found = bench_input.mixed(pages, 100)
    assert sum(capture.language == "de" for capture in found) == 6
    assert len({capture.url for capture in found}) == len(found)


@pytest.mark.parametrize(
    ("shards", "workers", "share"),
    [([4.0], 2, 0.5), ([1.0] * 4, 2, 1.0), ([1.0, 1.0, 1.0], 2, 0.75), ([1.0, 1.0, 2.0], 2, 2 / 3)],
)
def test_cores_kept_busy(shards: list[float], workers: int, share: float):
    """Shards in their order, each to the worker that gets free first."""
    assert bench_scale.busy(shards, workers) == pytest.approx(share)


def test_linear_cost_is_a_page():
    steps = [{"pages": 100 * n, "cpu_seconds": 9.0, "steps": {"pages": 0.1 * n, "data": 0.1 * n}} for n in (1, 4, 16)]
    total, *each = bench_scale._linear_rows(steps)
    assert total.value == pytest.approx(1.0) and total.met and len(each) == 2


def test_how_far_from_the_floor():
    stages = [{"stage": "s", "floor": "f", "seconds": {"stage": [3.0, 4.0, 5.0], "floor": [1.0, 2.0, 9.0]}}]
    size = {"stored": 10**7, "html": 10**8, "text": 10**6}
    found = bench_limits.rows(
        {"pages": 10, "bytes": size, "stages": stages, "reading": {"ours": [0.1], "FastWARC": [0.2]}}
    )
    assert [row.value for row in found] == [2.0, 2.0, 2.0] and "100 / 50 MB/s" in found[-1].note


def test_reworded_pages_differ_and_are_always_the_same():
    pages = [bench_input.Capture(f"https://{c}.example/", "text/html", b"<p>" + b"ein Wort " * 50, "de") for c in "ab"]
    once, again = (list(islice(bench_input.reworded(pages), 6)) for _ in range(2))
    assert once == again and len({page.url for page in once}) == 6


def test_differences_are_told_by_kind():
    assert bench_corpus._kinds({"a: x": 9, "b: y": 5, "c: z": 4, "d": 2, "e": 1}) == "a: x 9, b: y 5, c: z 4, others 3"
    assert bench_corpus._kinds({}) == "nothing"


def test_one_of_each_family_should_stay():
    """Texts 1 and 2 are copies of 0, 4 of 3: whichever stays is right, two are one too many, none is a loss."""
    words = [f"w{i}" for i in range(200)]
    sample = [" ".join(words[:100])] * 3 + [" ".join(words[100:])] * 2
    judged = bench_dedup._judged(5, [(1.0, {1, 2})], {0, 3}, sample, [0, 0, 1, 3, 3])
    assert (judged["families"], judged["duplicates_left"], judged["families_lost"], judged["both"]) == (2, 1, 1, 0)
