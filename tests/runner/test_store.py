"""The store on a local disk and on a real S3 endpoint: same bytes, whole files or none, schemas that hold."""

import logging
import subprocess
import sys
import tempfile
import time

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.common.partitions import concat_shards
from pipeline.base.errors import UserError
from pipeline.runner.manifests import read_manifest, shards_of
from pipeline.runner.scheduler import InProcess, execute
from pipeline.store.filesystem import Store
from pipeline.store.join import join_sidecars
from pipeline.store.shard import Shard
from pipeline.store.writer import Output, ShardWriter
from tests.support import toy
from tests.support.folders import contents
from tests.support.paths import CHECKOUT
from tests.support.s3 import download

ROW = pa.schema([("id", pa.string()), ("rule", pa.string())])


def test_a_run_on_s3_writes_the_same_bytes_as_on_disk(s3, tmp_path):
    remote, local = Store(f"{s3}/run"), Store(tmp_path)
    for store in (remote, local):
        execute(toy.goal(), store, InProcess)
    there = {k: v for k, v in download(remote).items() if "/shards/" not in k and "/costs/" not in k}
    assert sorted(there) == sorted(contents(tmp_path))
    for name, data in there.items():
        assert data == (tmp_path / name).read_bytes(), name
    assert shards_of(remote, toy.goal())[0].file("note.txt").read_text() == "3 sums of 200 numbers\n"


def test_a_run_on_s3_killed_is_continued(s3, caplog):
    command = [
        sys.executable,
        "-c",
        "import tests.support.toy; tests.support.toy.main()",
        f"{s3}/killed",
        "0",
        "1",
        "0.05",
        "",
    ]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
    store = Store(f"{s3}/killed")
    while process.poll() is None and len(store.list(f"{first().folder}/shards")) < 2:
        time.sleep(0.02)
    process.kill()
    process.wait()
    with caplog.at_level(logging.INFO, "pipeline"):
        execute(toy.goal(pause=0.05), store, InProcess)
    assert "of them finished before" in caplog.text
    assert read_manifest(store, toy.goal(pause=0.05))


def first():
    from pipeline.runner.dag import ancestors

    return ancestors(toy.goal(pause=0.05))[0]


def test_a_root_that_cannot_be_used_is_one_line():
    with pytest.raises(UserError, match=r"ROOT=nosuch://x: not a folder that can be used"):
        Store("nosuch://x")


def test_nothing_appears_when_the_writer_dies(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(ZeroDivisionError), store.writing("a/b.bin") as path:
        path.write_bytes(b"half")
        raise ZeroDivisionError
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def rows(*pairs: tuple[str, str | None]) -> pa.Table:
    return pa.table({"id": [a for a, _ in pairs], "rule": [b for _, b in pairs]}, schema=ROW)


def test_marker_counts_rows_and_reasons(tmp_path):
    with ShardWriter(Store(tmp_path), "s/k", "0a", {"part": ROW}) as writer:
        writer.add(rows(("1", "short"), ("2", None)))
        writer.add(rows(("3", "short"), ("4", "long")))
        marker = writer.close()
    assert marker["outputs"]["part"]["rows"] == 4
    assert marker["outputs"]["part"]["reasons"] == {"long": 1, "short": 2}


@pytest.mark.parametrize(
    ("item", "error"),
    [
        (pa.table({"id": ["1"]}), "schema differs"),
        (Output(rows(("1", None)), name="other"), "no output 'other' is declared"),
    ],
)
def test_undeclared_output_is_refused(tmp_path, item, error):
    with (
        pytest.raises((TypeError, KeyError), match=error),
        ShardWriter(Store(tmp_path), "s/k", "0a", {"part": ROW}) as writer,
    ):
        writer.add(item)


def shuffled(store: Store, *pieces: tuple[int | None, int]) -> dict:
    """Write pieces (bucket, how many rows); their ids are the piece's number and the row's."""
    with ShardWriter(store, "s/k", "0a", {"part": ROW}) as writer:
        for i, (bucket, count) in enumerate(pieces):
            writer.add(Output(rows(*((f"{i}.{r}", None) for r in range(count))), bucket=bucket))
        return writer.close()["outputs"]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), max_size=12))
@settings(deadline=None)
def test_buckets_are_read_back_one_by_one(pieces):
    with tempfile.TemporaryDirectory() as root:
        store, found = Store(root), shuffled(Store(root), *pieces)
        written = [(bucket, f"{i}.{r}") for i, (bucket, count) in enumerate(pieces) for r in range(count)]
        assert found["part"]["buckets"] == max((b + 1 for b, _ in written), default=0)
        for bucket in range(42):
            part = Shard(store, "s/k", "0a", 0, 1, bucket, {}, found)
            expected = [name for b, name in written if b == bucket]
            assert part.table().to_pydict() == {"id": expected, "rule": [None] * len(expected)}
            assert [name for b in part.batches(["id"], rows=2) for name in b["id"].to_pylist()] == expected
            assert part.rows() == len(expected)
        ordered = [name for _, name in sorted(written, key=lambda w: w[0])]
        whole = Shard(store, "s/k", "0a", 0, 1, None, {}, found)
        assert whole.table()["id"].to_pylist() == ordered
        assert whole.rows() == len(ordered)


def test_a_file_of_buckets_is_an_arrow_stream_and_empty_buckets_cost_an_entry(tmp_path):
    found = [shuffled(Store(tmp_path / str(b)), (0, 3), (b, 2))["part"]["bytes"] for b in (1, 1001)]
    assert found[1] - found[0] == 1000 * 32
    with pa.OSFile(str(tmp_path / "1001/s/k/part-0a.arrows")) as file:
        assert pa.ipc.open_stream(file).read_all().num_rows == 5


def test_a_bucket_costs_one_read_of_its_place_and_one_of_its_rows(tmp_path, monkeypatch):
    found = shuffled(Store(tmp_path), *[(b, 9) for b in range(1000)])
    reads: list[int] = []

    class Counting:
        def __init__(self, file: pa.NativeFile):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def seek(self, offset: int) -> int:
            return self.file.seek(offset)

        def read_at(self, count: int, offset: int) -> bytes:
            reads.append(count)
            return self.file.read_at(count, offset)

    plain = Store.open
    monkeypatch.setattr(Store, "open", lambda self, name, size=None: Counting(plain(self, name, size)))
    heads: dict[str, bytes] = {}
    for bucket in (500, 501):
        Shard(Store(tmp_path), "s/k", "0a", 0, 1, bucket, {}, found, heads=heads).table()
    assert len(reads) == 2 + 2 + 2  # the schema once
    assert (reads[2], reads[4]) == (32, 32)
    assert reads[5] < found["part"]["bytes"] / 900


@pytest.mark.parametrize("pieces", [[(None, 1), (3, 1)], [(3, 1), (None, 1)]])
def test_rows_for_a_bucket_and_rows_for_none_are_two_outputs(tmp_path, pieces):
    with pytest.raises(TypeError, match="output 'part': some rows are for a bucket and some are not"):
        shuffled(Store(tmp_path), *pieces)


def test_a_table_without_buckets_is_not_read_by_bucket(tmp_path):
    found = shuffled(Store(tmp_path), (None, 2))
    with pytest.raises(AssertionError, match=r"s/k/part-0a\.parquet: read by bucket, and written without"):
        Shard(Store(tmp_path), "s/k", "0a", 0, 1, 0, {}, found).table()


def test_buckets_on_s3(s3):
    found = shuffled(Store(f"{s3}/buckets"), (2, 3), (0, 1), (2, 1))
    for bucket, expected in ((0, ["1.0"]), (1, []), (2, ["0.0", "0.1", "0.2", "2.0"]), (3, [])):
        part = Shard(Store(f"{s3}/buckets"), "s/k", "0a", 0, 1, bucket, {}, found)
        assert part.table()["id"].to_pylist() == expected
        assert concat_shards([part] * 20, ROW)["id"].to_pylist() == expected * 20


def test_sidecars_of_other_documents_are_never_joined():
    a, b = Shard.of(rows(("1", "x"), ("2", "y"))), Shard.of(rows(("2", "x"), ("1", "y")))
    with pytest.raises(AssertionError, match="ids differ"):
        join_sidecars((a, ["id"]), (b, ["rule"]))
    assert join_sidecars((a, ["id"]), (a, ["rule"])).column_names == ["id", "rule"]
