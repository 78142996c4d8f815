"""The runner against real faults: kill -9, dying workers, failing shards, two runs at once, lost and cut files."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.base.errors import RunFailed
from pipeline.commands.gc import find_unused, remove_unused
from pipeline.runner.dag import ancestors
from pipeline.runner.manifests import manifest_name, read_manifest, shards_of
from pipeline.runner.planning import plan
from pipeline.runner.run_records import record_run, recorded_runs
from pipeline.runner.scheduler import InProcess, execute
from pipeline.store.filesystem import Store
from tests.support import toy
from tests.support.folders import contents, written
from tests.support.paths import CHECKOUT

PAUSE = 0.05


def run(root: Path, workers: int = 0, pause: float = 0.0, trap: str = "", shuffle: str = "") -> subprocess.Popen:
    command = [
        sys.executable,
        "-c",
        "import tests.support.toy; tests.support.toy.main()",
        str(root),
        str(workers),
        "1",
        str(pause),
        trap,
    ]
    return subprocess.Popen(
        command + ([shuffle] if shuffle else []),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process: subprocess.Popen) -> str:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    return out


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("unbroken")
    finished(run(root, pause=PAUSE))
    return contents(root)


def test_every_step_has_a_manifest_and_the_sums_are_right(tmp_path):
    store = Store(tmp_path)
    execute(toy.goal(), store, InProcess)
    for step in ancestors(toy.goal()):
        assert read_manifest(store, step)
    (part,) = shards_of(store, toy.goal())
    total = sum(part.table()["sum"].to_pylist())
    assert total == sum(seed * 1000 + i for seed in range(toy.SHARDS) for i in range(toy.ROWS))
    assert part.file("note.txt").read_text() == "3 sums of 200 numbers\n"


@pytest.mark.parametrize("seed", range(6))
def test_killed_anywhere_and_run_again_gives_the_same_bytes(tmp_path, whole_run, seed):
    chance, kills = random.Random(seed), 0
    for _ in range(4):  # killed up to four times, anywhere between start-up and the last step
        process = run(tmp_path, pause=PAUSE)
        enough = written(tmp_path) + chance.randint(1, 12)
        while process.poll() is None and written(tmp_path) < enough:
            time.sleep(0.01)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    finished(run(tmp_path, pause=PAUSE))
    assert kills
    assert contents(tmp_path) == whole_run


@pytest.mark.parametrize(("workers", "shuffle"), [(2, "7"), (0, "3")])
def test_workers_and_order_change_no_byte(tmp_path, whole_run, workers, shuffle):
    finished(run(tmp_path, workers, PAUSE, shuffle=shuffle))
    assert contents(tmp_path) == whole_run


def test_ray_run_killed_and_run_again_with_another_width_gives_the_same_bytes(tmp_path, whole_run):
    process = run(tmp_path, 2, PAUSE)
    while process.poll() is None and not list(tmp_path.glob("numbers/*/part-*.parquet")):
        time.sleep(0.01)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished(run(tmp_path, 1, PAUSE))
    assert contents(tmp_path) == whole_run


def traps(folder: Path, *names: str) -> str:
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    return str(folder)


def test_a_shard_that_fails_once_is_tried_again(tmp_path):
    out = finished(run(tmp_path / "root", trap=traps(tmp_path / "traps", "raise-2")))
    assert "numbers shard 2: ValueError: number 2 is unlucky once; trying again (2 of 3)" in out


@pytest.mark.parametrize("workers", [0, 2])
def test_a_shard_that_always_fails_fails_the_run(tmp_path, workers):
    """On Ray, where the worker of another shard is killed from outside meanwhile: that one is replaced."""
    killed = ["die-2"] if workers else []
    process = run(tmp_path / "root", workers, trap=traps(tmp_path / "traps", "always-1", *killed))
    out, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert not killed or "numbers shard 2: WorkerCrashedError" in out
    assert "numbers shard 1 failed 3 times: ValueError: number 1 is unlucky" in out
    folder = next((tmp_path / "root" / "numbers").iterdir())
    assert not (folder / "manifests").exists()
    assert len(list(folder.glob("part-*.parquet"))) == toy.SHARDS - 1  # healthy shards are kept
    (error,) = (folder / "shards").glob("*.error.txt")
    assert "number 1 is unlucky" in error.read_text()
    (behind,) = (tmp_path / "root" / "routed").iterdir()
    assert len(list(behind.glob("part-*"))) == toy.SHARDS - 1 and not (behind / "manifests").exists()
    assert not (tmp_path / "root" / "summed").exists()  # it rests on all shards
    (tmp_path / "traps" / "always-1").unlink()
    assert "4 shards, 3 of them finished before" in finished(run(tmp_path / "root", trap=str(tmp_path / "traps")))


def test_a_finished_goal_needs_none_of_its_ancestors(tmp_path):
    store, goal = Store(tmp_path), toy.goal()
    execute(goal, store, InProcess)
    for step in ancestors(goal)[:-1]:
        store.delete(step.folder)
    execute(goal, store, _must_not_start)
    assert {line.step: line.state for line in plan(goal, store)} == {
        "numbers": "spare",
        "routed": "spare",
        "summed": "spare",
        "grand": "have",
    }


def _must_not_start():
    raise AssertionError("an executor was made though nothing had to run")


def test_a_changed_setting_runs_only_what_rests_on_it(tmp_path):
    store = Store(tmp_path)
    execute(toy.goal(), store, InProcess)
    states = {line.step: (line.state, line.reasons) for line in plan(toy.goal(limit=5), store)}
    assert states["grand"] == ("run", ("params.limit: 0 -> 5",))
    assert {name for name, (state, _) in states.items() if state == "run"} == {"grand"}
    states = {line.step: (line.state, line.reasons) for line in plan(toy.goal(factor=2), store)}
    assert states["numbers"] == ("run", ("params.factor: 1.0 -> 2.0",))
    assert states["summed"] == ("may run", ("input routed changed", "known when its inputs have run"))


def test_a_renamed_root_changes_no_key(tmp_path):
    execute(toy.goal(), Store(tmp_path / "old"), InProcess)
    (tmp_path / "old").rename(tmp_path / "new")
    execute(toy.goal(), Store(tmp_path / "new"), _must_not_start)


def test_two_runs_at_once_are_safe(tmp_path, whole_run):
    first, second = run(tmp_path, pause=PAUSE), run(tmp_path, pause=PAUSE)
    outs = [finished(first), finished(second)]
    assert contents(tmp_path) == whole_run
    assert any("another run is at it, waiting" in out for out in outs)


@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_a_lost_or_cut_shard_is_seen_and_made_again(tmp_path, whole_run, harm):
    finished(run(tmp_path, pause=PAUSE))
    store, goal = Store(tmp_path), toy.goal(pause=PAUSE)
    shard = tmp_path / shards_of(store, ancestors(goal)[0])[2].shard("part")
    shard.write_bytes(shard.read_bytes()[:-7]) if harm == "cut" else shard.unlink()
    (tmp_path / manifest_name(goal)).unlink()
    (tmp_path / "summed").rename(tmp_path / "summed-away")
    assert f"{shard.name} missing or cut" in {line.step: line.reasons for line in plan(goal, store)}["numbers"]
    assert "4 shards, 3 of them finished before" in finished(run(tmp_path, pause=PAUSE))
    (tmp_path / "summed-away" / next((tmp_path / "summed").iterdir()).name).rename(tmp_path / "x")
    assert {k: v for k, v in contents(tmp_path).items() if k in whole_run} == whole_run


@pytest.mark.parametrize("left", [0, 40])
def test_a_shard_whose_marker_a_power_failure_has_cut_is_made_again(tmp_path, whole_run, left):
    finished(run(tmp_path, pause=PAUSE))
    marker = next((tmp_path / "numbers").glob("*/shards/*.json"))
    marker.write_bytes(marker.read_bytes()[:left])
    for name in ("numbers", "summed", "grand"):
        for manifest_file in (tmp_path / name).glob("*/manifests/*"):
            manifest_file.unlink()
    assert "4 shards, 3 of them finished before" in finished(run(tmp_path, pause=PAUSE))
    assert contents(tmp_path) == whole_run


def test_a_full_disk_is_said_in_words(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Store, "move_into_place", full)
    with pytest.raises(RunFailed, match=r"the disk is full .* free some, or give another ROOT") as error:
        execute(toy.goal(), Store(tmp_path), InProcess)
    assert ("traceback: " in str(error.value)) == any(tmp_path.rglob("*.error.txt"))


def test_gc_removes_what_no_recorded_run_needs(tmp_path):
    store = Store(tmp_path)
    for limit in (0, 5):
        execute(toy.goal(limit=limit), store, InProcess)
        record_run(store, toy.goal(limit=limit), "toy", {"source": "seeds"})
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("not made by the pipeline")
    (unused,) = find_unused(store)
    assert unused.folder == toy.goal(limit=0).folder
    lock = store.lock(f"{unused.folder}/locks/{toy.goal(limit=0).key}")
    assert not remove_unused(store, unused, recorded_runs(store))  # a run is at it
    lock.close()
    assert not remove_unused(store, unused, [])  # a run has been recorded since
    assert remove_unused(store, unused, recorded_runs(store))
    assert find_unused(store) == []
    execute(toy.goal(limit=5), store, _must_not_start)
    assert (tmp_path / "notes" / "mine.txt").exists()


def test_a_cluster_that_does_not_answer_fails_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    process = run(tmp_path, 2)
    out, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "RAY_ADDRESS=127.0.0.1:1: no cluster answers there" in out
