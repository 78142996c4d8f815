"""What a change costs: inputs that come, go and change, versions that are raised, recipes that share shards, and gc."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.commands.gc import find_unused, remove_unused
from pipeline.runner.manifests import read_manifest, shards_of
from pipeline.runner.planning import plan
from pipeline.runner.run_records import record_run, recorded_runs
from pipeline.runner.scheduler import InProcess, execute
from pipeline.runner.task import Task
from pipeline.store.filesystem import Store
from tests.support.folders import contents
from tests.support.growing import Counting, files, many, published, run, steps
from tests.support.paths import CHECKOUT

THREE = {"b": "one two", "d": "two three", "f": "four"}
ALL = {"words": 3, "upper": 3, "spread": 3, "counted": 2, "book": 1}


def _without(texts: dict[str, str], name: str) -> dict[str, str]:
    return {key: text for key, text in texts.items() if key != name}


@pytest.mark.parametrize(
    ("texts", "new"),
    [
        (THREE, 0),
        ({**THREE, "g": "five six"}, 1),  # after all others, before them, between them
        ({**THREE, "a": "five six"}, 1),
        ({**THREE, "c": "five six", "e": "seven"}, 2),
        (_without(THREE, "b"), 0),
        (_without(THREE, "f"), 0),
        ({**THREE, "d": "five"}, 1),  # replaced
        ({**_without(THREE, "b"), "a": "one two"}, 1),  # renamed: names are part of what a file is
    ],
)
def test_a_change_of_the_input_costs_its_own_shards_and_the_steps_that_see_all(tmp_path, texts, new):
    assert run(tmp_path / "grown", steps(files(**THREE))) == ALL
    changed = steps(files(**texts))
    tasks = run(tmp_path / "grown", changed)
    if texts == THREE:
        assert tasks == {}
        return
    # equal words of a renamed file are equal contents: what follows it has nothing to do
    renamed = sorted(texts.values()) == sorted(THREE.values())
    following = {"upper": 0, "spread": 0} if renamed else {"upper": new, "spread": new}
    seen = {"counted": 2, "book": 1} if not renamed else {}
    assert tasks == {name: n for name, n in {"words": new, **following, **seen}.items() if n}
    run(tmp_path / "fresh", changed)
    assert published(tmp_path / "grown", changed) == published(tmp_path / "fresh", changed)
    for one in changed.values():
        grown, fresh = (shards_of(Store(tmp_path / root), one) for root in ("grown", "fresh"))
        assert [shard.key for shard in grown] == [shard.key for shard in fresh]


def test_a_raised_version_that_changes_no_byte_runs_its_step_alone(tmp_path):
    before = steps(files(**THREE))
    folder = execute(before["book"], Store(tmp_path), InProcess)
    after = steps(files(**THREE), versions={"words": 2})
    assert all(before[name].key != after[name].key for name in before)
    assert run(tmp_path, after) == {"words": 3}
    assert execute(after["book"], Store(tmp_path), InProcess) == folder
    assert all(read_manifest(Store(tmp_path), one) for one in after.values())
    assert run(tmp_path, steps(files(**THREE), versions={"words": 2, "spread": 5})) == {"spread": 3}


def test_a_change_that_ends_before_the_end_runs_no_further(tmp_path):
    """Other capitals in one file, and the same counts: the published folder is the same."""
    run(tmp_path, steps(files(**THREE)))
    tasks = run(tmp_path, steps(files(**{**THREE, "b": "One two"})))
    assert tasks == {"words": 1, "upper": 1, "spread": 1}


def test_two_recipes_share_the_shards_that_they_have_in_common(tmp_path):
    one, other = steps(files(**THREE)), steps(files(**{**THREE, "a": "zero"}), first=True)
    assert run(tmp_path, one) == ALL
    assert run(tmp_path, other) == {"words": 1, "upper": 4, "spread": 4, "counted": 2, "book": 1}


def test_gc_keeps_the_shards_that_a_recorded_run_uses(tmp_path):
    store = Store(tmp_path)
    small, large = steps(files(**THREE)), steps(files(**{**THREE, "a": "zero", "z": "six"}))
    for label, bound in (("small", small), ("large", large)):
        record_run(store, bound["book"], label, {"recipe": label})
        run(tmp_path, bound)
    assert find_unused(store) == []
    (forgotten,) = [record for record in recorded_runs(store) if record.name.startswith("large-")]
    offered = {
        item.describe(store).removeprefix(f"{tmp_path}/"): item for item in find_unused(store, [forgotten], True)
    }
    shared = {f"2 of 5 shards in {tmp_path}/{large[name].folder}" for name in ("words", "upper", "spread")}
    shared |= {f"2 of 4 shards in {tmp_path}/{large['counted'].folder}"}
    folder = f"book/{shards_of(store, large['book'])[0].key}"
    assert set(offered) == shared | {folder}
    store.delete_file(forgotten.file)
    runs = recorded_runs(store)
    assert all(remove_unused(store, item, runs) for item in offered.values())
    assert find_unused(store, published=True) == []
    assert run(tmp_path, small) == {}
    assert {name: len(list((tmp_path / small[name].folder).glob("part-*"))) for name in ("words", "counted")} == {
        "words": 3,
        "counted": 2,
    }
    assert run(tmp_path, large) == {"words": 2, "upper": 2, "spread": 2, "counted": 2, "book": 1}


def test_gc_keeps_the_shards_of_a_recorded_run_that_is_not_finished(tmp_path):
    store, bound = Store(tmp_path), steps(files(**THREE))
    record_run(store, bound["book"], "killed", {})
    execute(bound["upper"], store, InProcess)
    assert find_unused(store) == []
    (tmp_path / bound["words"].folder / "manifests" / f"{bound['words'].key}.json").unlink()
    assert find_unused(store) == []


def test_the_plan_counts_new_shards_and_says_what_it_cannot_know(tmp_path):
    store = Store(tmp_path)
    lines = {line.step: (line.state, line.reasons) for line in plan(steps(files(**THREE))["book"], store)}
    assert set(lines.values()) == {("run", ("never run here",))}
    run(tmp_path, steps(files(**THREE)))
    grown = steps(files(**{**THREE, "a": "zero", "e": "five"}))
    lines = {line.step: (line.state, line.reasons) for line in plan(grown["book"], store)}
    assert lines["words"] == ("run", ("input files changed", "2 of 5 shards: new input a, e"))
    assert lines["upper"] == ("may run", ("input words changed", "2 of 5 shards, if what they read changes"))
    assert lines["counted"] == ("may run", ("input spread changed", "known when its inputs have run"))
    shares = {line.step: line.cpu_seconds for line in plan(grown["book"], store)}
    assert shares["words"] is not None
    run(tmp_path, grown)
    lines = {line.step: (line.state, line.reasons) for line in plan(grown["book"], store)}
    assert {state for state, _ in lines.values()} == {"have"}
    raised_version = steps(files(**THREE), versions={"upper": 2})
    lines = {line.step: (line.state, line.reasons) for line in plan(raised_version["book"], store)}
    assert lines["words"][0] == "have"
    assert lines["upper"] == ("run", ("version: 1 -> 2", "input words changed"))  # since the run before
    shrunk = steps(files(**_without(THREE, "b")))
    lines = {line.step: (line.state, line.reasons) for line in plan(shrunk["counted"], store)}
    assert {name: lines[name] for name in ("words", "upper", "spread")} == dict.fromkeys(
        ("words", "upper", "spread"), ("have", ("all of its shards are there",))
    )
    assert lines["counted"] == ("run", ("input spread changed",))


def test_a_growing_run_that_is_killed_is_continued(tmp_path):
    """kill -9 between two growths; the result is that of a run without a break."""
    code = "import sys; from tests.support.growing import grow; grow(sys.argv[1], int(sys.argv[2]))"
    chance = random.Random(4)
    for size in (40, 60):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), str(size)], cwd=CHECKOUT, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        markers = tmp_path / steps(many(40))["spread"].folder / "shards"
        enough = size - 40 + chance.randint(5, 15)
        while process.poll() is None and (not markers.exists() or len(os.listdir(markers)) < enough):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    tasks = run(tmp_path, steps(many(60)))
    assert tasks["spread"] < 60 and tasks["book"] == 1
    run(tmp_path / "fresh", steps(many(60)))
    fresh = contents(tmp_path / "fresh")
    shutil.rmtree(tmp_path / "fresh")
    grown = contents(tmp_path)
    assert {name: grown.get(name) for name in fresh} == fresh


def test_the_order_of_shards_is_that_of_the_input_and_equal_shards_are_one(tmp_path):
    bound = steps(files(a="same", b="same", c="other"))
    assert run(tmp_path, bound)["words"] == 3  # names differ
    keys = [shard.key for shard in shards_of(Store(tmp_path), bound["upper"])]
    assert keys[0] == keys[1] != keys[2]
    assert [shard.table()["word"].to_pylist() for shard in shards_of(Store(tmp_path), bound["upper"])] == [
        ["SAME"],
        ["SAME"],
        ["OTHER"],
    ]


def test_runs_at_once_that_share_shards_do_each_other_no_harm(tmp_path):
    """Each of three overlapping inputs in a process of its own; what another run has finished is not computed again."""
    code = "import sys; from tests.support.growing import grow; grow(sys.argv[1], int(sys.argv[2]))"
    sizes = (30, 40, 50)
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(size)], cwd=CHECKOUT) for size in sizes
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    for size in sizes:
        assert run(tmp_path, steps(many(size))) == {}
    run(tmp_path / "fresh", steps(many(50)))
    fresh = contents(tmp_path / "fresh")
    shutil.rmtree(tmp_path / "fresh")
    assert {name: digest for name, digest in contents(tmp_path).items() if name in fresh} == fresh


def test_a_task_takes_what_another_run_has_finished_meanwhile(tmp_path):
    """The lock of another run in the same folder makes tasks look first."""
    store, bound, larger = Store(tmp_path), steps(many(3)), steps(many(4))
    executor = Overtaken(lambda: execute(larger["words"], Store(tmp_path), InProcess))
    with store.lock(f"{bound['words'].folder}/locks/{'0' * 24}"):
        execute(bound["words"], store, lambda: executor)
    assert executor.tasks["words"] == 3
    markers = list((tmp_path / bound["words"].folder / "shards").iterdir())
    assert len(markers) == 4
    assert {marker.stat().st_mtime_ns for marker in markers} == executor.written


class Overtaken(Counting):
    """Another run finishes everything before the first task begins."""

    width = 3

    def __init__(self, other) -> None:
        super().__init__()
        self._other, self.written = other, set()

    def submit(self, task: Task) -> None:
        if not self.tasks:
            self._other()
            folder = Path(task.store.path(f"{task.folder}/shards"))
            self.written = {path.stat().st_mtime_ns for path in folder.iterdir()}
        super().submit(task)


def test_gc_offers_what_an_earlier_release_has_left(tmp_path):
    """Folders of steps with shards by number, beside those of this release; a run that is recorded keeps its own."""
    store, bound = Store(tmp_path), steps(files(**THREE))
    run(tmp_path, bound)
    record_run(store, bound["book"], "new", {})
    old = [f"{step_}/{letter * 24}" for step_ in ("words", "book") for letter in "ab"]
    for folder in old:
        for name in ("part-00000.parquet", "shards/00000.json", "manifest.json"):
            store.write(f"{folder}/{name}", b"{}")
    store.write(f"{old[2]}/stats.json", b"{}")
    store.write_json("runs/old.json", {"recipe": "old", "invocation": {}, "folders": [old[0]]})
    assert [item.folder for item in find_unused(store)] == [old[3], old[1]]
    unused = find_unused(store, published=True)
    assert [item.folder for item in unused] == [old[2], old[3], old[1]]
    assert all(remove_unused(store, item, recorded_runs(store)) for item in unused)
    assert not [folder for folder in old[1:] if (tmp_path / folder).exists()]
    assert (tmp_path / old[0] / "part-00000.parquet").exists() and run(tmp_path, bound) == {}
