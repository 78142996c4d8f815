"""The main job end to end, as a user runs it: the demo crawl in German, faults, second runs, changed settings."""

import json
import math
import re
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import polars as pl
import pytest

from extract.demo import crawl as demo
from tests.support.folders import contents
from tests.support.paths import CHECKOUT

STEPS = (
    "pages",
    "signals",
    "languages",
    "verdicts",
    "hash_clusters",
    "near_candidates",
    "near",
    "ledger",
    "data",
    "corpus",
)


def pipeline(*arguments: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pipeline", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=300, **options)


def start(root: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "pipeline", "corpus", "de", "--root", str(root), *more]
    return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def made(root: Path, *more: str) -> tuple[Path, str]:
    """Folder and log of a finished run; stdout is the folder and nothing else."""
    process = start(root, *more)
    out, log = process.communicate(timeout=400)
    assert process.returncode == 0, log
    assert out.count("\n") == 1
    return Path(out.strip()), log


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, Path]:
    """Root and corpus folder of an unbroken run in one process."""
    root = tmp_path_factory.mktemp("demo")
    folder, _ = made(root, "--local")
    return root, folder


def ledger(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "ledger" / "*.parquet")


def test_the_folder_holds_what_the_readme_says(whole):
    _, folder = whole
    names = {p.name for p in folder.iterdir()}
    assert names >= {"data", "ledger", "stats.json", "README.md", "manifest.json", "report.html"}
    stats = json.loads((folder / "stats.json").read_text())
    rows = ledger(folder)
    assert len(rows) == stats["records"]
    assert set(rows["verdict"]) == {"kept", "dropped"}
    kept = rows.filter(pl.col("verdict") == "kept")
    published = pl.read_parquet(folder / "data" / "*.parquet")
    assert sorted(published["id"]) == sorted(kept["id"])
    assert len(published) == stats["kept"]["documents"] > 50
    assert rows.filter(pl.col("verdict") == "dropped")["rule"].null_count() == 0


def test_every_record_of_the_crawl_is_in_the_ledger(whole):
    """Captures in = rows out; the one that the file's end cuts off is a row too."""
    _, folder = whole
    wanted = Counter(page.url for page in demo.demo_captures())
    found = Counter(url for url in ledger(folder)["url"] if url)
    lost = wanted - found
    assert sum(lost.values()) <= 1 and not found - wanted
    assert sum(lost.values()) + sum(found.values()) == sum(wanted.values())


# kind -> share of its captures that must be kept (low, high)
OUTCOMES = {
    "mirror": (0, 0.5),
    "noai": (0, 0),
    "tdm_reserved": (0, 0),
    "link_farm": (0, 0),
    "keyword_spam": (0, 0.1),
    "cookie_wall": (0, 0),
    "calendar_trap": (0, 0),
    "non_html": (0, 0),
    "not_found": (0, 0),
    "lorem_ipsum": (0, 0),
    "all_caps": (0, 0),
    "benchmark_leak": (0, 0),
    "personal_data": (0.5, 1),
}


def test_each_kind_of_page_fares_as_it_should(whole):
    _, folder = whole
    verdicts = defaultdict(list)
    for url, verdict in ledger(folder).select("url", "verdict").iter_rows():
        verdicts[url].append(verdict == "kept")
    shares = defaultdict(list)
    for page in demo.demo_captures():
        shares[page.kind].append(any(verdicts[page.url]))
        if page.kind == "good_article" and page.language != "de":
            assert not any(verdicts[page.url]), page.url
    for kind, (low, high) in OUTCOMES.items():
        assert low <= sum(shares[kind]) / len(shares[kind]) <= high, kind


def test_good_german_articles_are_there_in_some_copy(whole):
    """Kept, or dropped as a duplicate of a page that is kept."""
    rows = ledger(whole[1])
    kept = set(rows.filter(pl.col("verdict") == "kept")["id"])
    articles = [p.url for p in demo.demo_captures() if p.kind == "good_article" and p.language == "de"]
    there = set()
    for url, id_, other in rows.select("url", "id", "duplicate_of").iter_rows():
        there |= {url} if (other or id_) in kept else set()
    assert len(there & set(articles)) >= 0.9 * len(articles) >= 25


def test_of_a_family_of_near_duplicates_one_page_stays(whole):
    _, folder = whole
    kept = set(ledger(folder).filter(pl.col("verdict") == "kept")["url"])
    families = defaultdict(set)
    for page in demo.demo_captures():
        if page.kind == "near_duplicate":
            families[page.near_duplicate_of] |= {page.url, page.near_duplicate_of}
    assert len(families) >= 4
    assert {len(urls & kept) for urls in families.values()} <= {0, 1}


def test_what_is_dropped_as_a_duplicate_names_a_kept_page(whole):
    _, folder = whole
    rows = ledger(folder)
    kept = set(rows.filter(pl.col("verdict") == "kept")["id"])
    near = rows.filter(pl.col("rule") == "near_duplicate")
    assert len(near) and set(rows["duplicate_of"].drop_nulls()) <= kept
    assert rows.filter(pl.col("rule") == "duplicate_text")["duplicate_of"].null_count() == 0
    assert near["value"].min() >= near["threshold"][0]


def test_a_document_stands_for_itself_and_every_page_that_names_it(whole):
    _, folder = whole
    rows = ledger(folder)
    named = Counter(rows["duplicate_of"].drop_nulls())
    exact, near = (set(rows.filter(pl.col("stage") == stage)["duplicate_of"]) for stage in ("exact", "near"))
    assert exact & near  # some stand for copies of copies
    found = pl.read_parquet(folder / "data" / "*.parquet").select("id", "duplicates").rows()
    assert dict(found) == {id_: 1 + named[id_] for id_, _ in found}


def test_personal_data_is_masked(whole):
    _, folder = whole
    urls = [p.url for p in demo.demo_captures() if p.kind == "personal_data"]
    rows = pl.read_parquet(folder / "data" / "*.parquet").filter(pl.col("url").is_in(urls))
    text = "".join(rows["text"])
    assert "<email-pii>" in text and "<phone-pii>" in text and "@" not in text
    assert rows["pii_masked"].min() > 0


def test_datasets_loads_the_folder(whole, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    rows = datasets.load_dataset(str(whole[1]), split="train", cache_dir=str(tmp_path))
    assert len(rows) == json.loads((whole[1] / "stats.json").read_text())["kept"]["documents"]


def test_a_second_run_does_nothing_and_takes_seconds(whole):
    root, folder = whole
    started = time.monotonic()
    again, log = made(root)
    assert again == folder and log == ""
    assert time.monotonic() - started < 20


def test_ray_and_order_change_no_byte(whole, tmp_path):
    made(tmp_path, "--workers", "2", "--shuffle", "5")
    assert contents(tmp_path) == contents(whole[0])


def test_killed_in_each_kind_of_stage_and_continued_gives_the_same_bytes(whole, tmp_path):
    kills = 0
    for step in STEPS:
        process = start(tmp_path, "--local")
        while process.poll() is None and not (tmp_path / step).exists():
            time.sleep(0.005)
        process.kill()
        process.communicate()
        kills += process.returncode == -9
    made(tmp_path, "--local")
    assert kills >= len(STEPS) - 2
    assert contents(tmp_path) == contents(whole[0])
    assert not [*tmp_path.rglob(".tmp-*")]


def test_a_changed_threshold_runs_only_what_follows(whole, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(whole[0], root)
    lower = ["--set", "exact.alarm=2", "--set", "near.alarm=2"]
    folder, log = made(root, "--local", "--set", "rules.set.gopher_short_doc=200", *lower)
    ran = set(re.findall(r":\d\d (\w+): \d+ shard", log))
    assert "verdicts" in ran
    assert not ran & {"crawl", "pages", "languages", "urls", "signals", "fingerprints", "signatures", "contamination"}
    short = ledger(folder).filter(pl.col("rule") == "gopher_short_doc")
    assert len(short) and short["threshold"].unique().to_list() == [200.0]
    giants = {g["rule"]: g for g in json.loads((folder / "stats.json").read_text())["giants"]}
    assert set(giants) == {"large_exact_cluster", "large_near_cluster", "large_component"}
    assert all(g["count"] > 1 and g["value"] >= g["threshold"] == 2 and g["url"] for g in giants.values())
    assert "clusters of 2 or more near duplicates" in (folder / "report.html").read_text()


def test_plan_says_why(whole):
    root, _ = whole
    out = pipeline("plan", "de", "--root", str(root), "--set", "rules.set.gopher_short_doc=200").stdout
    assert re.search(r"verdicts +run .*params\.rules\[\d+\]\.min: 50\.0 -> 200\.0", out)
    assert re.search(r"pages +have", out)
    assert "chance that a pair of this similarity is compared" in out


def test_explain_tells_a_pages_story(whole):
    root, folder = whole
    row = ledger(folder).filter(pl.col("rule") == "near_duplicate").row(0, named=True)
    result = pipeline("explain", row["url"], "--recipe", "de", "--root", str(root))
    assert result.returncode == 0, result.stderr
    assert "DROPPED by near/near_duplicate" in result.stdout and "gopher_short_doc" in result.stdout
    assert row["duplicate_of"] in result.stdout
    nothing = ledger(folder).filter(pl.col("rule") == "no_text")["id"][0]
    said = pipeline("explain", nothing, "--recipe", "de", "--root", str(root)).stdout
    assert said.endswith("verdict    DROPPED by extract/no_text\n")


def test_costs_of_every_step_add_up(whole, tmp_path):
    root, folder = whole
    told = pipeline("costs", str(folder)).stdout
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in told.splitlines()[2:-2]]
    markers = sorted(root.rglob("shards/*.json"))
    assert {row[0] for row in rows} == {marker.relative_to(root).parts[0] for marker in markers}
    shards = [json.loads(marker.read_text())["cost"] for marker in markers]
    assert f"350 records: {math.fsum(s['cpu_seconds'] for s in shards):,.1f} s of CPU" in told
    assert sum(int(row[4]) for row in rows) == len(shards)
    away = shutil.copytree(folder, tmp_path / "away")
    said = pipeline("costs", str(away))
    assert said.returncode == 2 and "its steps are not beside it" in said.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("corpus", "xx"), "no recipe for language 'xx'"),
        (("corpus", "de", "--source", "nothing/*.gz"), "--source nothing/*.gz: no file is there"),
        (("corpus", "de", "--set", "near.treshold=0.7"), "did you mean 'threshold'?"),
        (("corpus", "de", "--set", "near.threshold=seven"), "threshold must be a number"),
        (("corpus", "de", "--set", "near.threshold"), "write it as SECTION.KEY=VALUE"),
        (("corpus", "de", "--set", "near.keep=best:nothing"), "unknown column of numbers 'nothing'"),
        (("corpus", "de", "--set", "decontaminate.benchmarks=[]"), "no benchmark is named: type benchmarks"),
        (("corpus", "missing.toml"), "there is no such recipe file"),
        (("corpus", "de", "--workers", "0"), "'0' is not a number of workers"),
        (("explain", "https://nowhere.example/", "--recipe", "de"), "is not made yet"),
        (("funnel", "."), "no finished corpus"),
        (("costs", "."), "no finished corpus"),
        (("dedup", "nothing.jsonl"), "nothing.jsonl"),
        (("signals", "nothing.parquet"), "nothing.parquet"),
        (("extract", "nothing.html"), "nothing.html"),
    ],
)
def test_bad_commands_are_one_line_and_exit_2(arguments, message, tmp_path):
    more = ("--root", str(tmp_path)) if arguments[0] in ("corpus", "explain") else ()
    result = pipeline(*arguments, *more)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stdout == "" and "Traceback" not in result.stderr
    assert len([line for line in result.stderr.splitlines() if "error:" in line]) == 1
    assert "usage:" in result.stderr or result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_locale_is_not_a_language():
    for command, code in ((["make", "recipe"], 2), (["make", "recipe", "LANG=de"], 0)):
        result = subprocess.run(
            command, cwd=CHECKOUT, capture_output=True, text=True, env={"LANG": "de_DE.UTF-8", "PATH": "/usr/bin:/bin"}
        )
        assert result.returncode == code, result.stderr
    assert "LANG=de" in subprocess.run(["make", "help"], cwd=CHECKOUT, capture_output=True, text=True).stdout
