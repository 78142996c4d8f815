"""The child process of the watchdog: it receives tasks, runs work functions, and sends their results."""

import importlib
import mmap
import os
import signal
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any

from pipeline.base.errors import UserError
from pipeline.base.logs import forward_records

# Number of an item -> (TIMEOUT, CRASH or MEMORY of `extract.watchdog`; its seconds, exit status or bytes).
SkippedItems = Mapping[int, tuple[str, float]]
# (settings, first item wanted, items to skip, `begin`) -> (number, result) for every item from the first wanted one on.
# The function calls `begin(number)` before it works on an item.
Work = Callable[[Any, int, SkippedItems, Callable[[int], None]], Iterator[tuple[int, Any]]]

# What the child works on, in memory that the parent reads: number of the item (-1: between items), and when it began,
# as monotonic time and as CPU time of the process.
ITEM_STATE = struct.Struct("qdd")
BETWEEN_ITEMS = ITEM_STATE.pack(-1, 0.0, 0.0)
_BATCH_RESULTS, _BATCH_SECONDS = 64, 0.5  # of results that are sent together
_PARENT_IS_GONE = 86  # exit status
_PR_SET_PDEATHSIG = 1  # of Linux's prctl


def child_main(task_descriptor: int, result_descriptor: int, state_descriptor: int, parent_pid: int) -> None:
    """The child's main function: receive tasks, send results, write its state to shared memory. Never returns."""
    _end_with_parent(parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to handle
    tasks, results = Connection(task_descriptor, writable=False), Connection(result_descriptor, readable=False)
    forward_records(lambda record: results.send(("log", record)))
    state = mmap.mmap(state_descriptor, mmap.PAGESIZE)
    while True:
        try:
            task = tasks.recv()
        except EOFError:
            os._exit(0)
        try:
            _run_task(task, results, state)
            results.send(("finished",))
        except BrokenPipeError:
            os._exit(_PARENT_IS_GONE)
        except UserError as error:
            results.send(("user error", str(error)))
        except BaseException:  # noqa: BLE001 - sent to the parent, which raises it
            results.send(("error", traceback.format_exc()))


def _run_task(task: Any, results: Connection, state: mmap.mmap) -> None:
    work, settings, first_item, skipped_items = task
    module, _, name = work.partition(":")
    function: Work = getattr(importlib.import_module(module), name)

    def begin(number: int) -> None:
        state[: ITEM_STATE.size] = ITEM_STATE.pack(number, time.monotonic(), time.process_time())

    batch: list[tuple[int, Any]] = []
    last_sent = time.monotonic()
    for numbered_result in function(settings, first_item, skipped_items, begin):
        state[: ITEM_STATE.size] = BETWEEN_ITEMS
        batch.append(numbered_result)
        if len(batch) >= _BATCH_RESULTS or time.monotonic() - last_sent > _BATCH_SECONDS:
            results.send(("results", batch))
            batch, last_sent = [], time.monotonic()
    state[: ITEM_STATE.size] = BETWEEN_ITEMS
    if batch:
        results.send(("results", batch))


def _end_with_parent(parent_pid: int) -> None:
    """End this process when its parent ends, even in the middle of C code that never returns.

    On Linux the kernel does that; elsewhere a thread looks once a second.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(_PARENT_IS_GONE)

    def watch_parent() -> None:
        while os.getppid() == parent_pid:
            time.sleep(1)
        os._exit(_PARENT_IS_GONE)

    threading.Thread(target=watch_parent, daemon=True).start()
