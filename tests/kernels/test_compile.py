"""Kernels are compiled once, by one process at a time, and all kernels that a run needs are among them."""

import logging
import subprocess
import sys
import threading
import time

import pytest

from pipeline.kernels import compile as kernel_compiler
from pipeline.kernels import disk_cache
from tests.support.paths import CHECKOUT

# In a fresh interpreter: the signatures of all kernels after the tiny run "texts", and those that the demo run adds.
LIST_SIGNATURES = """
import sys, tempfile
from pathlib import Path
from numba.core.dispatcher import Dispatcher
from pipeline.build import load_recipe, recipe_schema
from pipeline.commands.compile_kernels import run_tiny_pipeline
from pipeline.index.compaction import commit_run
from pipeline.index.pointer import Pointer
from pipeline.runner.manifests import output_folder, shards_of
from pipeline.runner.scheduler import InProcess, execute
from pipeline.store.filesystem import Store

OURS = ("dedup", "extract", "filters", "pipeline")

def compiled():
    ours = [m for name, m in list(sys.modules.items()) if name.partition(".")[0] in OURS]
    kernels = {k for m in ours for k in vars(m).values() if isinstance(k, Dispatcher)}
    return {(k.__module__, k.__name__, str(s)) for k in kernels for s in k.signatures}

run_tiny_pipeline("texts")
before = compiled()
with tempfile.TemporaryDirectory() as root:
    everything = Path(root, "everything.toml")
    everything.write_text('extends = "de"\\n' + "".join(f"[{section}]\\n" for section in recipe_schema().optional))
    store, pointer = Store(root), Pointer(Store(root), "demo")
    demo = load_recipe(str(everything), None, {}, pointer)
    execute(demo.goal, store, InProcess)
    pointer = commit_run(pointer, demo.steps, demo.adds_to_index, InProcess)
    published = tuple(map(str, Path(root, output_folder(Store(root), demo.corpus), "data").glob("*.parquet")))
    again = load_recipe(str(everything), published, {}, pointer)
    execute(again.goal, store, InProcess)
    known = [part.table()["duplicate_of"].drop_null() for part in shards_of(store, again.steps["index"])]
    assert sum(map(len, known)) > 30
print(len(before), *sorted(compiled() - before), sep="\\n")
"""


def test_a_run_compiles_nothing_after_the_tiny_runs():
    process = subprocess.run([sys.executable, "-c", LIST_SIGNATURES], cwd=CHECKOUT, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    count, *new = process.stdout.splitlines()
    assert int(count) > 20 and new == []


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CORPUS_CACHE", str(tmp_path))
    disk_cache.cache_root.cache_clear()
    yield tmp_path
    disk_cache.cache_root.cache_clear()


@pytest.fixture
def compilations(monkeypatch):
    """Moments at which compilations begin and end; each takes a tenth of a second."""
    moments: list[str] = []

    def run_children() -> str:
        moments.append("begin")
        time.sleep(0.1)
        moments.append("end")
        return ""

    monkeypatch.setattr(kernel_compiler, "_run_children", run_children)
    return moments


def test_processes_that_come_later_wait_and_compile_nothing(cache, compilations, caplog):
    caplog.set_level(logging.INFO, "pipeline")
    threads = [threading.Thread(target=kernel_compiler.ensure_compiled) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kernel_compiler.ensure_compiled()
    assert compilations == ["begin", "end"]
    (record,) = caplog.records
    assert "compiling kernels, once" in record.getMessage() and record.levelno == logging.INFO


def test_another_version_of_the_code_is_compiled_again(cache, compilations, monkeypatch):
    kernel_compiler.ensure_compiled()
    monkeypatch.setattr("pipeline.kernels.machine_code.source_digest", lambda module: f"another {module}")
    kernel_compiler.ensure_compiled()
    assert len(compilations) == 4


def test_a_failed_compilation_is_reported_and_tried_again(cache, monkeypatch, caplog):
    monkeypatch.setattr(kernel_compiler, "TINY_RUNS", ("no such run",))
    for _ in range(2):
        kernel_compiler.ensure_compiled()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2 and warnings[0] == warnings[1] and "no such run" in warnings[0]


def test_the_lock_ends_with_the_process_that_holds_it(cache, compilations):
    """A run that was killed while it compiled does not keep the next one waiting."""
    lock = disk_cache.entry_folder("kernels", "ready", "0" * 16).parent / ".lock"
    code = f"import fcntl; f = open({str(lock)!r}, 'a'); fcntl.flock(f, 2); print('locked', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
        waiting = threading.Thread(target=kernel_compiler.ensure_compiled)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive() and compilations == []
        holder.kill()
        waiting.join(10)
    assert compilations == ["begin", "end"] and lock.exists()


def imported_modules(*arguments: str) -> set[str]:
    """Modules that a command imports."""
    command = [sys.executable, "-X", "importtime", "-m", "pipeline", *arguments]
    process = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert process.returncode == 0 and process.stdout, process.stderr
    return {line.rpartition("|")[2].strip() for line in process.stderr.splitlines() if "import time:" in line}


def test_a_command_that_loads_kernels_imports_nothing_that_only_compilation_needs(tmp_path):
    (tmp_path / "texts.jsonl").write_text('{"text": "Ein Satz."}\n')
    first, again = (imported_modules("signals", str(tmp_path / "texts.jsonl")) for _ in range(2))
    assert "numba.core.dispatcher" in again
    assert "numba.cpython.setobj" not in again
    assert "scipy.linalg" not in first | again
    assert not (first | again) & {"ray", "trafilatura", "fasttext"}  # what other commands need


def test_a_command_that_measures_nothing_does_not_import_numba(tmp_path):
    modules = imported_modules("plan", "de", "--root", str(tmp_path))
    assert "dedup.near.lsh" in modules
    assert not modules & {"numba", "llvmlite", "ftfy", "phonenumbers"}
