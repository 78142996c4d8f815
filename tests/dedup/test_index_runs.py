"""Runs with an index that are killed, concurrent, or on an object store."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dedup.index.files import stored_file
from pipeline.base.errors import UserError
from pipeline.index.pointer import load_pointer, open_index
from pipeline.runner.manifests import manifest_name
from pipeline.store.filesystem import Store
from tests.support.folders import contents, written
from tests.support.index_world import dropped, join_monthly_dumps, memory_folder, monthly_rows
from tests.support.paths import CHECKOUT

pytestmark = pytest.mark.usefixtures("quick_steps")


def start_run(root: Path, dumps: Path) -> subprocess.Popen:
    """Start a process that joins the dumps of a file to index "w", one after the other."""
    code = f"import tests.support.index_world as w; w.main({str(root)!r}, {str(dumps)!r})"
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def history() -> Iterator[tuple[Path, dict[str, str]]]:
    """Five dumps as a file, and what an unbroken run over them leaves."""
    with memory_folder() as name:
        folder = Path(name)
        (folder / "dumps.json").write_text(json.dumps([monthly_rows(number) for number in range(5)]))
        process = start_run(folder / "root", folder / "dumps.json")
        process.communicate(timeout=120)
        assert process.returncode == 0
        yield folder / "dumps.json", contents(folder / "root")


def test_killed_anywhere_and_run_again_ends_in_the_same_bytes(history):
    dumps, expected = history
    rng, kills = random.Random(5), 0
    with memory_folder() as name:
        root = Path(name)
        for _ in range(6):
            process = start_run(root, dumps)
            limit = written(root) + rng.randint(1, 300)
            while process.poll() is None and written(root) < limit:
                time.sleep(0.005)
            kills += process.poll() is None
            process.kill()
            process.communicate()
        last = start_run(root, dumps)
        last.communicate(timeout=120)
        assert last.returncode == 0 and kills >= 3
        assert contents(root) == expected


def test_what_a_run_killed_while_it_committed_left_is_removed(tmp_path):
    store = Store(tmp_path)
    store.temporary_path("indexes/w").touch()
    with open_index(store, "w"):
        assert [path.name for path in (tmp_path / "indexes/w").iterdir()] == [".lock"]


def test_two_runs_at_once_wait_for_each_other(history):
    dumps, expected = history
    with memory_folder() as root:
        with open_index(Store(root), "w"):
            runs = [start_run(Path(root), dumps), start_run(Path(root), dumps)]
            for process in runs:
                assert process.stdout and process.stdout.readline().endswith("index w: another run is at it, waiting\n")
        for process in runs:
            process.communicate(timeout=120)
        assert [process.returncode for process in runs] == [0, 0]
        assert contents(Path(root)) == expected


def test_on_s3_a_pointer_that_moved_is_not_overwritten(s3, tmp_path):
    remote, local = Store(f"{s3}/indexed"), Store(tmp_path)
    stale = load_pointer(remote, "w")
    for store in (remote, local):
        steps = join_monthly_dumps(store, 2)[1]
    assert dropped(remote, steps) == dropped(local, steps)
    for number, name in ((1, "documents.bin"), (0, "shingles.bin")):
        file = stored_file(local, manifest_name(steps["index_documents"]), name, number)
        assert remote.open(file).read() == local.open(file).read()
    assert remote.open("indexes/w/index.json").read() == local.open("indexes/w/index.json").read()
    with pytest.raises(UserError, match="another run has changed it meanwhile; run the same again"):
        stale.save(stale)
