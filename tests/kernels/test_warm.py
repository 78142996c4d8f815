"""Kernels are compiled once, by one run at a time, and all that a run needs are among them."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.commands import compile_kernels as warm
from pipeline.kernels import disk_cache as kept

# In a fresh interpreter: the signatures of all kernels after the half `texts`, and those that the demo run adds.
ASK = """
import sys, tempfile
from pathlib import Path
from numba.core.dispatcher import Dispatcher
from pipeline import index, recipe, warm
from pipeline.runner.manifests import folder_of, shards_of
from pipeline.runner.scheduler import InProcess, execute, quiet
from pipeline.store.filesystem import Store

OURS = ("dedup", "extract", "filters", "pipeline")

def compiled():
    ours = [m for name, m in list(sys.modules.items()) if name.partition(".")[0] in OURS]
    kernels = {k for m in ours for k in vars(m).values() if isinstance(k, Dispatcher)}
    return {(k.__module__, k.__name__, str(s)) for k in kernels for s in k.signatures}

warm.run("texts")
before = compiled()
with tempfile.TemporaryDirectory() as root:
    everything = Path(root, "everything.toml")
    everything.write_text('extends = "de"\\n' + "".join(f"[{section}]\\n" for section in recipe_schema().optional))
    store, pointer = Store(root), index.Pointer(Store(root), "demo")
    demo = load_recipe(str(everything), None, {}, pointer)
    execute(demo.goal, store, InProcess, quiet)
    pointer = index.commit(pointer, demo, InProcess, quiet)
    published = tuple(map(str, Path(root, folder_of(demo.corpus), "data").glob("*.parquet")))
    again = load_recipe(str(everything), published, {}, pointer)
    execute(again.goal, store, InProcess, quiet)
    known = [part.table()["duplicate_of"].drop_null() for part in shards_of(store, again.steps["index"])]
    assert sum(map(len, known)) > 30
print(len(before), *sorted(compiled() - before), sep="\\n")
"""


def test_a_run_compiles_nothing_afterwards():
    said = subprocess.run([sys.executable, "-c", ASK], cwd=kept.CHECKOUT, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    count, *new = said.stdout.splitlines()
    assert int(count) > 20 and new == []


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CORPUS_CACHE", str(tmp_path))
    kept.root.cache_clear()
    yield tmp_path
    kept.root.cache_clear()


@pytest.fixture
def compiling(monkeypatch):
    """Moments at which compilations begin and end; each takes a tenth of a second."""
    moments: list[str] = []

    def compile_() -> str:
        moments.append("begin")
        time.sleep(0.1)
        moments.append("end")
        return ""

    monkeypatch.setattr(warm, "_compile", compile_)
    return moments


def test_who_comes_second_waits_and_compiles_nothing(cache, compiling):
    told: list[str] = []
    runs = [threading.Thread(target=warm.ready, args=(told.append,)) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert compiling == ["begin", "end"] and len(told) == 1 and "once" in told[0]
    warm.ready(told.append)
    assert len(compiling) == 2 and len(told) == 1


def test_another_version_of_the_code_is_compiled_anew(cache, compiling, monkeypatch):
    warm.ready(lambda _: None)
    monkeypatch.setattr(
        "pipeline.kernels.machine_code.sources", lambda: {"filters.new": "from pipeline.kernels.njit import njit"}
    )
    warm.ready(lambda _: None)
    assert len(compiling) == 4


def test_what_could_not_be_compiled_is_told_and_tried_again(cache, monkeypatch):
    monkeypatch.setattr(warm, "HALVES", {"no such half": ()})
    told: list[str] = []
    for _ in range(2):
        warm.ready(told.append)
    assert len(told) == 4 and told[1] == told[3] and "no such half" in told[1]


def test_the_lock_goes_with_its_holder(cache, compiling):
    """A run that was killed while it compiled does not keep the next one waiting."""
    lock = kept.entry("kernels", "ready", "0" * 16).parent / ".lock"
    code = f"import fcntl; f = open({str(lock)!r}, 'a'); fcntl.flock(f, 2); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        waiting = threading.Thread(target=warm.ready, args=(lambda _: None,))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive() and compiling == []
        holder.kill()
        waiting.join(10)
    assert compiling == ["begin", "end"] and Path(lock).exists()


def imported(*arguments: str) -> set[str]:
    """Modules that a command imports."""
    command = [sys.executable, "-X", "importtime", "-m", "pipeline", *arguments]
    said = subprocess.run(command, cwd=kept.CHECKOUT, capture_output=True, text=True)
    assert said.returncode == 0 and said.stdout, said.stderr
    return {line.rpartition("|")[2].strip() for line in said.stderr.splitlines() if "import time:" in line}


def test_what_no_command_needs_is_not_imported(tmp_path):
    """Neither what numba looks for where it is installed, nor what only compiling needs, nor what other commands do."""
    (tmp_path / "texts.jsonl").write_text('{"text": "Ein Satz."}\n')
    first, again = (imported("signals", str(tmp_path / "texts.jsonl")) for _ in range(2))
    assert "numba.core.dispatcher" in again and "numba.cpython.setobj" not in again
    assert not (first | again) & {"scipy.linalg", "ray", "trafilatura", "fasttext"}


def test_what_measures_nothing_does_not_import_numba(tmp_path):
    found = imported("plan", "de", "--root", str(tmp_path))
    assert "dedup.near.lsh" in found
    assert not found & {"numba", "llvmlite", "ftfy", "phonenumbers"}
