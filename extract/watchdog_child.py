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
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from pipeline.base.errors import UserError
from pipeline.base.logs import forward_records
from pipeline.inputs.guard import WHOLE_RANGE, ReadGuard, Unit

# Number of an item -> (TIMEOUT, CRASH or MEMORY of `extract.watchdog`; its seconds, exit status or bytes).
SkippedItems = Mapping[int, tuple[str, float]]

# What the child works on, in memory that the parent reads: number of the item (-1: between items); when it began, as
# monotonic time and as CPU time of the process; and where it is read: level and offset of the unit (level -1: it is not
# being read, but processed).
ITEM_STATE = struct.Struct("qddqq")
NOT_READING = -1
BETWEEN_ITEMS = ITEM_STATE.pack(-1, 0.0, 0.0, NOT_READING, 0)
_BATCH_RESULTS, _BATCH_SECONDS = 64, 0.5  # of results that are sent together
_PARENT_IS_GONE = 86  # exit status
_PR_SET_PDEATHSIG = 1  # of Linux's prctl


@dataclass(frozen=True)
class KilledRead:
    """A unit of a file in which the child died when it read it: why, and the number of the item that was due."""

    reason: str
    item: int


class ItemState(ReadGuard):
    """Says in shared memory which item the child reads or works on, and which units of a file readers leave out.

    `state(number)` announces work on an item, `state.reading(number)` that it is being read. As a guard of readers, it
    knows the units in which a child died. `first_item` is the least number that the loss of such a unit may have: rows
    of it that were delivered before the child died have used up numbers.
    """

    def __init__(self, memory: mmap.mmap, killed_reads: Mapping[Unit, KilledRead]):
        super().__init__({unit: read.reason for unit, read in killed_reads.items()})
        self._memory, self._killed_reads = memory, killed_reads
        self._number = self.first_item = 0
        self._unit = WHOLE_RANGE

    def __call__(self, number: int) -> None:
        """Announce work on an item."""
        now = time.monotonic(), time.process_time()
        ITEM_STATE.pack_into(self._memory, 0, number, *now, NOT_READING, 0)

    def reading(self, number: int) -> None:
        """Announce that an item is being read."""
        self._number = number
        now = time.monotonic(), time.process_time()
        ITEM_STATE.pack_into(self._memory, 0, number, *now, *self._unit)

    def announce(self, unit: Unit) -> None:
        """Announce which unit of the file is being read."""
        self._unit = unit
        self.reading(self._number)
        if unit in self._killed_reads:
            self.first_item = max(self.first_item, self._killed_reads[unit].item)

    def pause(self) -> None:
        """Announce that nothing is being done."""
        self._memory[: ITEM_STATE.size] = BETWEEN_ITEMS

    def killed_at(self) -> KilledRead | None:
        """Where reading ends because nothing can be left out, None if it goes on to the end."""
        return self._killed_reads.get(WHOLE_RANGE)


# (settings, first item wanted, items to skip, `begin`) -> (number, result) for every item from the first wanted one on.
# The function calls `begin(number)` before it works on an item, and may call `begin.reading(number)` before it
# reads one.
Work = Callable[[Any, int, SkippedItems, ItemState], Iterator[tuple[int, Any]]]


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
    work, settings, first_item, skipped_items, killed_reads = task
    module, _, name = work.partition(":")
    function: Work = getattr(importlib.import_module(module), name)

    begin = ItemState(state, killed_reads)
    batch: list[tuple[int, Any]] = []
    last_sent = time.monotonic()
    for numbered_result in function(settings, first_item, skipped_items, begin):
        begin.pause()
        batch.append(numbered_result)
        if len(batch) >= _BATCH_RESULTS or time.monotonic() - last_sent > _BATCH_SECONDS:
            results.send(("results", batch))
            batch, last_sent = [], time.monotonic()
    begin.pause()
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
