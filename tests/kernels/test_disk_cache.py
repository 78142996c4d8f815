"""The disk cache: tables are computed once for what they depend on, by one process at a time."""

import fcntl
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from pipeline.kernels import disk_cache


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CORPUS_CACHE", str(tmp_path / "cache"))
    disk_cache.cache_root.cache_clear()
    yield tmp_path
    disk_cache.cache_root.cache_clear()


def test_only_the_latest_versions_of_an_entry_are_kept(cache):
    for n in range(disk_cache.KEPT_VERSIONS + 2):
        for name in ("a.b", "a.bc"):
            folder = disk_cache.entry_folder("kernels", name, f"{n:016x}")
            folder.mkdir()
            os.utime(folder, (n, n))
    remaining = sorted(path.name for path in (cache / "cache/kernels").iterdir())
    assert remaining == sorted(
        f"{name}-{n:016x}" for name in ("a.b", "a.bc") for n in range(2, disk_cache.KEPT_VERSIONS + 2)
    )


def test_entries_may_be_removed_while_they_are_listed(cache, monkeypatch):
    for n in range(disk_cache.KEPT_VERSIONS + 2):
        (cache / f"cache/kernels/a.b-{n:016x}").mkdir(parents=True)
    glob = Path.glob

    def glob_and_remove(self, pattern):
        paths = list(glob(self, pattern))
        for path in paths[:3]:
            path.rmdir()
        return paths

    monkeypatch.setattr(Path, "glob", glob_and_remove)
    assert disk_cache.entry_folder("kernels", "a.b", "f" * 16).parent == cache / "cache/kernels"


def compute_and_count(calls: list) -> dict[str, np.ndarray]:
    calls.append(1)
    return {"a": np.arange(5, dtype=np.uint16), "none": np.zeros((0, 3), np.float32), "names": np.array(["de", "gsw"])}


def test_arrays_are_computed_once_for_what_they_depend_on(cache):
    calls: list[int] = []
    source = cache / "source"
    for content, text, computations in [(b"1", "x", 1), (b"1", "x", 1), (b"2", "x", 2), (b"2", "y", 3), (b"1", "x", 3)]:
        source.write_bytes(content)
        cached = disk_cache.cached_arrays("numbers", (source, text), lambda: compute_and_count(calls))
        assert len(calls) == computations
        assert {k: v.tolist() for k, v in cached.items()} == {k: v.tolist() for k, v in compute_and_count([]).items()}
        assert {k: v.dtype for k, v in cached.items()} == {k: v.dtype for k, v in compute_and_count([]).items()}
        assert cached["none"].shape == (0, 3)
        assert all(type(v) is np.ndarray and not v.flags.writeable and v.flags.aligned for v in cached.values())


def test_json_values_are_computed_once_for_what_they_depend_on(cache):
    calls: list[int] = []

    def compute() -> dict:
        calls.append(1)
        return {"a": [1, "ä"]}

    for depends_on, computations in (("x", 1), ("x", 1), ("y", 2)):
        assert disk_cache.cached_json("value", (depends_on,), compute) == {"a": [1, "ä"]}
        assert len(calls) == computations


def test_order_and_boundaries_of_dependencies_matter(cache):
    calls: list[int] = []
    for depends_on in [("ab", "c"), ("a", "bc"), ("c", "ab"), ("abc",)]:
        disk_cache.cached_arrays("numbers", depends_on, lambda: compute_and_count(calls))
    assert len(calls) == 4


def test_nothing_is_cached_when_computing_fails(cache):
    def fails():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        disk_cache.cached_arrays("numbers", ("x",), fails)
    assert disk_cache.cached_arrays("numbers", ("x",), lambda: compute_and_count([]))["a"].tolist() == [0, 1, 2, 3, 4]


def test_another_process_may_write_the_same_entry_first(cache):
    """While this one computes."""

    def compute_while_another_does():
        disk_cache.cached_arrays("numbers", ("x",), lambda: {"a": np.zeros(1)})
        return {"a": np.zeros(1)}

    assert disk_cache.cached_arrays("numbers", ("x",), compute_while_another_does)["a"].tolist() == [0.0]


def test_temporary_folders_of_killed_writers_are_removed_under_the_lock(cache):
    disk_cache.cached_arrays("numbers", ("a",), lambda: compute_and_count([]))
    tables = cache / "cache/tables"
    (tables / ".tmp-abandoned/complete").mkdir(parents=True)
    (tables / ".tmp-abandoned/complete/a.npy").write_bytes(b"half")
    writer = threading.Thread(target=disk_cache.cached_arrays, args=("numbers", ("b",), lambda: compute_and_count([])))
    with (tables / ".lock").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        writer.start()
        writer.join(0.2)
        assert writer.is_alive() and (tables / ".tmp-abandoned").exists()
    writer.join(10)
    assert sorted(path.name[:8] for path in tables.iterdir()) == [".lock", "numbers-", "numbers-"]


def test_on_a_full_disk_arrays_are_computed_for_the_process(cache, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    cached = disk_cache.cached_arrays("numbers", ("x",), lambda: compute_and_count([]))
    assert cached["a"].tolist() == [0, 1, 2, 3, 4] and not cached["a"].flags.writeable
    assert [path.name for path in (cache / "cache/tables").iterdir()] == [".lock"]


def test_the_cache_lies_in_the_first_folder_that_can_be_written(cache, monkeypatch):
    assert disk_cache.cache_root() == cache / "cache"
    (cache / "file").write_text("")
    monkeypatch.setenv("CORPUS_CACHE", str(cache / "file" / "below"))  # cannot be created: the checkout's
    disk_cache.cache_root.cache_clear()
    assert disk_cache.cache_root() == disk_cache.CHECKOUT / ".cache"
    monkeypatch.setattr(disk_cache, "CHECKOUT", cache / "file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "users"))
    disk_cache.cache_root.cache_clear()
    assert disk_cache.cache_root() == cache / "users" / "corpus-pipeline"
