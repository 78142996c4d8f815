"""Runs over files that are touched, copied, moved, added to, or changed; packs; an index over a touched source."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from extract import pages as extraction
from extract.pages import pages
from extract.sources.listing import list_chunks, pack_chunks
from pipeline.base.errors import UserError
from pipeline.build import Build, load_recipe
from pipeline.builder import input_files
from pipeline.index.compaction import commit_run
from pipeline.index.pointer import load_pointer, open_index
from pipeline.runner.manifests import shards_of
from pipeline.runner.scheduler import InProcess, execute
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard
from pipeline.store.writer import Output
from tests.support.captures import http_response, warc_record
from tests.support.growing import Counting
from tests.support.index_world import random_text

RECIPE = 'language = "any"\n[rules]\npresets = []\n[alarms]\nallow_empty = true\n'


def write_crawl(folder: Path, count: int = 6) -> None:
    folder.mkdir(parents=True)
    for i in range(count):
        lines = [{"text": random_text(10 * i + k), "url": f"https://h.example/{i}/{k}"} for k in range(3)]
        (folder / f"{i}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def bind(folder: Path, pattern: str, index=None, **settings: str) -> Build:
    recipe = folder / "my.toml"
    recipe.write_text(RECIPE)
    paths = tuple(sorted(str(path) for path in folder.glob(pattern)))
    return load_recipe(str(recipe), paths, {f"source.{name}": value for name, value in settings.items()}, index)


def run(root: Path, build: Build) -> dict[str, int]:
    """Tasks by step that a run takes."""
    executor = Counting()
    execute(build.goal, Store(root), lambda: executor)
    return dict(executor.tasks)


def ledger(root: Path, build: Build) -> list[dict]:
    rows = [row for shard in shards_of(Store(root), build.steps["ledger"]) for row in shard.table().to_pylist()]
    return sorted(rows, key=lambda row: (row["source"], row["offset"]))


def published(root: Path, build: Build) -> set[str]:
    data = shards_of(Store(root), build.steps["data"])
    return {text for shard in data for text in shard.table(["text"])["text"].to_pylist()}


@pytest.fixture
def finished(tmp_path) -> Path:
    """A folder with a crawl, and the root of a finished run over it."""
    write_crawl(tmp_path / "crawl")
    assert run(tmp_path / "root", bind(tmp_path, "crawl/*.jsonl"))["pages"] == 1
    return tmp_path


def _touch(folder: Path) -> str:
    for path in folder.glob("crawl/*"):
        os.utime(path)
    return "crawl/*.jsonl"


def _copy(folder: Path) -> str:
    shutil.copytree(folder / "crawl", folder / "other" / "deep")
    return "other/deep/*.jsonl"


def _move(folder: Path) -> str:
    (folder / "crawl").rename(folder / "moved")
    return "moved/*.jsonl"


def _spread(folder: Path) -> str:
    (folder / "crawl" / "x").mkdir()
    (folder / "crawl" / "3.jsonl").rename(folder / "crawl" / "x" / "3.jsonl")
    return "crawl/**/*.jsonl"


def _move_root(folder: Path) -> str:
    (folder / "root").rename(folder / "away")
    (folder / "away").rename(folder / "root")
    return "crawl/*.jsonl"


@pytest.mark.parametrize("change", [_touch, _copy, _move, _spread, _move_root])
def test_nothing_runs_when_contents_are_the_same(finished, change):
    assert run(finished / "root", bind(finished, change(finished))) == {}


def test_nothing_runs_when_the_crawl_is_copied_to_s3(finished, s3):
    store, names = Store(f"{s3}/copied"), sorted(path.name for path in finished.glob("crawl/*.jsonl"))
    for name in names:
        store.write(name, (finished / "crawl" / name).read_bytes())
    paths = tuple(f"{s3}/copied/{name}" for name in names)
    build = load_recipe(str(finished / "my.toml"), paths, {})
    assert run(finished / "root", build) == {}
    with ThreadPoolExecutor(1) as fresh:  # whose extraction child knows the endpoint
        assert fresh.submit(run, finished / "fresh", build).result()["pages"] == 1
    assert ledger(finished / "fresh", build) == ledger(finished / "root", build)
    store.write(names[2], b'{"text": "other"}\n')
    message = rf"copied/{names[2]}: has changed since the run began"
    with ThreadPoolExecutor(1) as fresh, pytest.raises(UserError, match=message):
        fresh.submit(run, finished / "third", build).result()


@pytest.mark.parametrize("place", [0, -3])
def test_a_changed_byte_is_another_file(finished, place):
    path = finished / "crawl" / "2.jsonl"
    data = bytearray(path.read_bytes())
    if place:
        data[place - 20] = ord("x")
    else:
        data = bytearray(data.replace(b"{", b" {", 1)[:-1] + b" ")  # the same size
    path.write_bytes(data)
    assert run(finished / "root", bind(finished, "crawl/*.jsonl"))["pages"] == 1


def test_more_files_cost_their_own_shards(tmp_path):
    """With one file a shard: ranges and packs of other files stay, also when a folder of the same names comes."""
    write_crawl(tmp_path / "crawl" / "a")
    assert run(tmp_path / "root", bind(tmp_path, "crawl/*/*.jsonl", pack_bytes="0"))["pages"] == 6
    write_crawl(tmp_path / "crawl" / "b", 2)
    build = bind(tmp_path, "crawl/*/*.jsonl", pack_bytes="0")
    assert run(tmp_path / "root", build)["pages"] == 2
    rows = ledger(tmp_path / "root", build)
    assert len({row["id"] for row in rows}) == len(rows) == 3 * 8
    assert {row["source"] for row in rows} == {*(f"{i}.jsonl" for i in range(6)), "b/0.jsonl", "b/1.jsonl"}


def test_packs_change_no_row(tmp_path):
    write_crawl(tmp_path / "crawl", 9)
    (tmp_path / "crawl" / "4.jsonl").write_text(json.dumps({"text": random_text(40)}) + '\n{"text": "broken')
    (tmp_path / "crawl" / "5.jsonl").write_text("")
    packed, alone = bind(tmp_path, "crawl/*.jsonl"), bind(tmp_path, "crawl/*.jsonl", pack_bytes="0")
    assert run(tmp_path / "packed", packed)["pages"] == 1 and run(tmp_path / "alone", alone)["pages"] == 9
    rows = ledger(tmp_path / "packed", packed)
    assert rows == ledger(tmp_path / "alone", alone) and len(rows) == 7 * 3 + 3
    assert [(row["source"], row["rule"]) for row in rows if row["stage"] == "source"] == [
        ("4.jsonl", "damaged"), ("5.jsonl", "not_a_warc"),
    ]  # fmt: skip
    tables = [
        pq.read_table(shards_of(Store(root), build.corpus)[0].file("sources.parquet"))
        for root, build in ((tmp_path / "packed", packed), (tmp_path / "alone", alone))
    ]
    assert tables[0].equals(tables[1]) and tables[0]["source"].to_pylist() == [f"{i}.jsonl" for i in range(9)]
    assert published(tmp_path / "packed", packed) == published(tmp_path / "alone", alone)


def test_pages_that_hang_in_a_pack_are_those_of_their_file(tmp_path, monkeypatch):
    for i in range(3):
        records = [warc_record("response", http_response(f"<p>{random_text(10 * i + k)}"), k) for k in range(2)]
        (tmp_path / f"{i}.warc.gz").write_bytes(b"".join(records))
    (row,) = pack_chunks(list_chunks([str(path) for path in tmp_path.glob("*.gz")]))
    assert len(row["files"]) == 3
    original = extraction.run_guarded

    def with_hostile_engine(work, task, limits, name):
        hostile = "tests.support.hostile:pages_work" if task.range.name == "1.warc.gz" else work
        return original(hostile, task, limits, name)

    monkeypatch.setattr(extraction, "run_guarded", with_hostile_engine)
    tables: dict[str, list[dict]] = {"part": [], "rejects": [], "records": [], "ranges": []}
    for item in pages(Shard.of(pa.Table.from_pylist(row["files"])), engine="resiliparse"):
        name, table = (item.name, item.table) if isinstance(item, Output) else ("part", item)
        tables[name] += table.to_pylist()
    assert [(r["source"], r["records"]) for r in tables["ranges"]] == [(f"{i}.warc.gz", 2) for i in range(3)]
    places = [(r["source"], r["offset"]) for name in ("part", "rejects") for r in tables[name]]
    assert len(set(places)) == 6 and {r["records"] for r in tables["records"]} == {2}


# --- files that change meanwhile ------------------------------------------------------------------------------------
def test_a_file_that_has_changed_since_it_was_listed_ends_the_run(tmp_path):
    write_crawl(tmp_path / "crawl")
    build = bind(tmp_path, "crawl/*.jsonl")
    (tmp_path / "crawl" / "3.jsonl").write_text('{"text": "other"}\n')
    with pytest.raises(UserError, match=r"crawl/3\.jsonl: has changed since the run began; run the same again"):
        run(tmp_path / "root", build)
    run(tmp_path / "root", bind(tmp_path, "crawl/*.jsonl"))


@pytest.mark.parametrize("number", [0, 5])
def test_a_file_that_changes_while_it_is_read_ends_the_run(tmp_path, monkeypatch, number):
    write_crawl(tmp_path / "crawl")
    original = extraction.run_guarded

    def reading(work, task, limits, name):
        yield from original(work, task, limits, name)
        if task.range.name == f"{number}.jsonl":
            with open(task.range.path, "a") as file:
                file.write("{}\n")

    monkeypatch.setattr(extraction, "run_guarded", reading)
    files = input_files([str(path) for path in (tmp_path / "crawl").glob("*.jsonl")])
    source = Shard.of(pa.Table.from_pylist(files.rows[0]["files"]))
    with pytest.raises(UserError, match=f"{number}.jsonl: has changed since the run began"):
        list(pages(source))


# --- an index -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("settings", [{}, {"pack_bytes": "0"}])
def test_a_touched_or_recut_source_is_the_same_dump(tmp_path, settings):
    def refresh(**cut: str) -> tuple[Build, set[str]]:
        with open_index(Store(tmp_path / "root"), "x") as index:
            build = bind(tmp_path, "crawl/*.jsonl", index, **cut)
            execute(build.goal, index.store, InProcess)
            commit_run(index, build.steps, build.adds_to_index, InProcess)
            return build, published(tmp_path / "root", build)

    write_crawl(tmp_path / "crawl")
    _, first = refresh()
    _touch(tmp_path)
    _, second = refresh(**settings)
    assert first == second and len(first) > 10
    assert len(load_pointer(Store(tmp_path / "root"), "x").entries) == 1
    write_crawl(tmp_path / "new", 7)
    shutil.rmtree(tmp_path / "crawl")
    (tmp_path / "new").rename(tmp_path / "crawl")
    _, third = refresh()
    assert third == {random_text(60 + k) for k in range(3)}
