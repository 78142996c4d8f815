"""What the driver and a task cost where there are many shards: store calls, time and memory."""

import json
import time
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.runner.dag import ancestors
from pipeline.runner.manifests import manifest_name, shards_of
from pipeline.runner.scheduler import InProcess, execute
from pipeline.store.filesystem import Store
from pipeline.store.shard_table import ROW_GROUP_SHARDS, ShardList, ShardTable, TableRef, write_table
from tests.bench.driver import Empty, SlowStore, chain
from tests.support.growing import Counting, many, steps

SHARDS = 330_000


@pytest.fixture(autouse=True)
def no_latency(monkeypatch):
    monkeypatch.setattr("tests.bench.driver.LATENCY_SECONDS", 0)


@pytest.mark.parametrize("shards", [10, 500])
def test_store_calls_of_a_step_do_not_grow_with_its_shards(tmp_path, shards):
    store = SlowStore(str(tmp_path))
    execute(chain(shards, 3), store, lambda: Empty(10 * shards))
    assert store.calls.total() <= 4 * 8


def test_a_run_that_is_continued_lists_a_step_once(tmp_path):
    """Shards of a killed run are read from their markers, those of an earlier run from its manifest."""
    bound = steps(many(40))
    execute(bound["book"], Store(tmp_path), InProcess)
    for one in ancestors(bound["book"])[2:]:
        (tmp_path / manifest_name(one)).unlink()
    store = SlowStore(str(tmp_path))
    execute(bound["book"], store, _must_not_run)
    opened = 40 + 2 + 1  # markers of steps that have no manifest
    assert store.calls["open"] <= opened + 20 and store.calls["list"] <= 5 * 4
    grown, store = steps(many(42)), SlowStore(str(tmp_path))
    executor = Counting()
    execute(grown["book"], store, lambda: executor)
    assert executor.tasks == {"words": 2, "upper": 2, "spread": 2, "counted": 2, "book": 1}
    assert store.calls["list"] <= 5 * 4


def _must_not_run():
    class Nothing(InProcess):
        def submit(self, task):
            raise AssertionError(f"{task.label} runs again")

    return Nothing()


@pytest.fixture(scope="module")
def large_table(tmp_path_factory) -> TableRef:
    """The table of a step of 330,000 shards with two outputs."""
    root: Path = tmp_path_factory.mktemp("large")
    entry = {"rows": 30_000, "bytes": 90_000_000, "buckets": 0, "reasons": {"too_short": 8000, "too_long": 3}}

    def shards():
        for i in range(SHARDS):
            key = i.to_bytes(12, "big")
            outputs = {"part": {**entry, "xxh3": f"{i:032x}"}, "rejects": {**entry, "xxh3": f"{i + SHARDS:032x}"}}
            yield key, key + b"1234", {"outputs": outputs, "files": {}}

    table = write_table(root / "table.parquet", ["part", "rejects"], shards())
    return TableRef(Store(root), "", "table.parquet", **table)


def test_a_task_that_reads_some_of_330_000_shards_opens_them_in_no_time_and_little_memory(large_table):
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        shards = ShardList(large_table, bucket=3)
        assert len(shards) == SHARDS
        chosen = [shards[i] for i in (0, 1, SHARDS // 2, SHARDS - 1)]
        seconds.append(time.perf_counter() - began)
    assert min(seconds) <= 0.1
    tracemalloc.start()
    try:
        shards = ShardList(large_table, bucket=3)
        chosen = [shards[i] for i in (0, 1, SHARDS // 2, SHARDS - 1)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak + pa.total_allocated_bytes() <= 20 << 20
    assert [shard.outputs["rejects"]["xxh3"] for shard in chosen[-1:]] == [f"{2 * SHARDS - 1:032x}"]
    assert [(shard.index, shard.count, shard.bucket) for shard in chosen[2:3]] == [(SHARDS // 2, SHARDS, 3)]


def test_all_of_330_000_shards_pass_in_little_memory(large_table):
    keys = ShardList(large_table)
    tracemalloc.start()
    try:
        count = sum(1 for shard in keys if shard.outputs["part"]["rows"])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == SHARDS
    assert peak < 20 << 20


def test_the_table_is_as_it_was_written(tmp_path):
    markers = [
        {
            "outputs": {
                "part": {
                    "rows": i,
                    "bytes": 7 * i,
                    "buckets": i % 3,
                    "xxh3": f"{i:032x}",
                },
                "odd": {"rows": 0, "bytes": 9, "buckets": 0, "xxh3": f"{i + 9:032x}"},
            },
            "files": {"raw.bin": {"bytes": i, "xxh3": f"{i + 1:032x}"}} if i % 5 == 0 else {},
        }
        for i in range(ROW_GROUP_SHARDS + 3)
    ]
    reasons = {"part": {"too_short": 3}, "odd": {}}

    def entries():
        for i, marker in enumerate(markers):
            outputs = {name: {**output, "reasons": reasons[name]} for name, output in marker["outputs"].items()}
            yield i.to_bytes(12, "big"), bytes(16), {**marker, "outputs": outputs}

    ref = TableRef(
        Store(tmp_path), "s/k", "t.parquet", **write_table(tmp_path / "t.parquet", ["part", "odd"], entries())
    )
    shards = ShardList(ref)
    assert [{"outputs": shard.outputs, "files": shard.files} for shard in shards] == json.loads(json.dumps(markers))
    key, marker = ShardTable(ref, with_reasons=True).shard(7)
    assert key == shards[7].key
    assert {name: output["reasons"] for name, output in marker["outputs"].items()} == reasons
    assert shards[-1].key == (ROW_GROUP_SHARDS + 2).to_bytes(12, "big").hex()
    assert [shard.index for shard in shards[2:4]] == [2, 3]
    with pytest.raises(IndexError):
        shards[len(markers)]


def test_the_table_does_not_depend_on_whether_a_marker_came_from_a_worker_or_from_its_file(tmp_path):
    files = {"shingles.bin": {"bytes": 3, "xxh3": "ab" * 16}, "documents.bin": {"bytes": 5, "xxh3": "cd" * 16}}
    output = {"rows": 3, "bytes": 9, "buckets": 0, "xxh3": "ef" * 16, "reasons": {"short": 2, "long": 1}}
    marker = {"outputs": {"part": output}, "files": files}
    Store(tmp_path).write_json("marker.json", marker)
    from_file = Store(tmp_path).read_json("marker.json")
    assert list(from_file["files"]) != list(files)
    write_table(tmp_path / "worker.parquet", ["part"], iter([(b"k" * 12, b"d" * 16, marker)]))
    write_table(tmp_path / "file.parquet", ["part"], iter([(b"k" * 12, b"d" * 16, from_file)]))
    assert (tmp_path / "worker.parquet").read_bytes() == (tmp_path / "file.parquet").read_bytes()


def test_shards_of_a_step_are_in_the_order_of_its_input(tmp_path):
    bound = steps(many(12))
    execute(bound["book"], Store(tmp_path), InProcess)
    texts = [" ".join(shard.table()["word"].to_pylist()) for shard in shards_of(Store(tmp_path), bound["words"])]
    assert texts == [f"text number {i}" for i in range(12)]
