"""Items that hang, crash and eat memory: killed, skipped and reported; and the same rows whatever was killed."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from extract.watchdog import Limits, run_guarded
from tests.support.paths import CHECKOUT

LIMITS = Limits(timeout=1.0, memory=400_000_000)


def run(words, limits=LIMITS):
    return list(run_guarded("tests.support.hostile:work", list(words), limits))


def test_results_are_in_order_and_the_child_is_kept():
    words = [f"w{i}" for i in range(300)]
    assert run(words) == words
    assert run(["pid"]) == run(["pid"])


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("spin", "spin: timeout 1"),
        ("sleep=60", "sleep=60: timeout 1"),
        ("divs=100000", "divs=100000: timeout 1"),
        ("die=SIGSEGV", "die=SIGSEGV: crash -11"),
        ("die=SIGKILL", "die=SIGKILL: crash -9"),
        ("exit=7", "exit=7: crash 7"),
        ("eat=900", "eat=900: memory 4e+08"),
        ("sleep=0.5", "sleep=0.5"),  # below the limit
        ("eat=200", "eat=200"),
    ],
)
def test_a_hostile_item_is_skipped_and_its_neighbours_are_not(word, outcome):
    words = [f"w{i}" for i in range(100)]
    words[70:70] = [word]
    limits = Limits(20, LIMITS.memory) if word.startswith("eat") else LIMITS
    assert run(words, limits) == [outcome if w == word else w for w in words]


def test_many_hostile_items_in_a_row():
    words = ["a", "exit=1", "die=SIGSEGV", "spin", "b", "exit=2", "c"]
    assert run(words) == [
        "a",
        "exit=1: crash 1",
        "die=SIGSEGV: crash -11",
        "spin: timeout 1",
        "b",
        "exit=2: crash 2",
        "c",
    ]


def test_a_child_killed_from_outside_costs_no_item(tmp_path):
    words = [*"abc", f"once={tmp_path}/flag", *"def"]
    assert run(words) == words


def test_killed_at_any_time_the_rows_are_the_same():
    words = [f"sleep={0.01 + i / 1e6}" for i in range(150)]
    actual = []
    for killed in range(4):
        run(["a"])
        before = {p.pid for p in psutil.Process().children()}
        rows = []
        for i, row in enumerate(run_guarded("tests.support.hostile:work", words, LIMITS)):
            rows.append(row)
            if killed and i == killed * 30:
                for process in psutil.Process().children():
                    if process.pid in before:
                        process.kill()
        actual.append(rows)
    assert all(rows == words for rows in actual)


def test_errors_of_the_work_function_are_raised_in_the_parent():
    with pytest.raises(RuntimeError, match="ValueError: no good"):
        run(["a", "raise=no good", "b"])
    assert run(["a"]) == ["a"]  # and the next shard has a child again


def test_a_child_that_dies_outside_of_items_fails_the_shard():
    with pytest.raises(RuntimeError, match="dies outside of items"):
        list(run_guarded("tests.support.hostile:outside", "", LIMITS))


def test_a_reader_that_stops_early_leaves_no_results_behind():
    results = run_guarded("tests.support.hostile:work", [f"w{i}" for i in range(5000)], LIMITS)
    assert next(results) == "w0"
    results.close()
    assert run(["a", "b"]) == ["a", "b"]


def test_time_between_items_does_not_count():
    """The reader may be slow, the child then waits with a full pipe: nobody's fault."""
    rows = []
    for row in run_guarded(
        "tests.support.hostile:work", [f"{i}" * 2000 for i in range(200)], Limits(0.5, LIMITS.memory)
    ):
        rows.append(row)
        if len(rows) in (1, 70):
            time.sleep(1.2)
    assert len(rows) == 200


PARENT = """
import sys
sys.path[:0] = {paths!r}
from extract.watchdog import Limits, run_guarded
for row in run_guarded("tests.support.hostile:work", ["pid", "sleep=0.6", {word!r}], Limits(600, 1 << 30)):
    print(row, flush=True)
"""


@pytest.mark.parametrize("word", ["sleep=100", "divs=100000", "spin"])
def test_the_child_dies_with_its_parent(word):
    """kill -9 of the parent, while the child is in Python, in C code that holds the lock, or asleep."""
    code = PARENT.format(paths=[str(CHECKOUT)], word=word)
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    time.sleep(0.5)  # it is in the last item now
    assert psutil.pid_exists(pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child outlives its parent"
        time.sleep(0.05)
