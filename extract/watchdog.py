"""Runs work on hostile input in a child process that can be killed, and gives the same rows whatever was killed.

A *work function* goes through numbered items in a fixed order and yields a result for each. It runs in a long-lived
child (a fresh interpreter, kept from shard to shard). Before each item, the child writes the item's number and the
time to shared memory. The parent looks there and at the child's memory, and kills the child if an item exceeds a limit.
A new child goes on after the last result received; the item is skipped with the reason, of which the work function
makes a row.

An item that uses its whole timeout on the CPU is skipped at once. Any other death of the child (killed from outside,
memory left over from earlier items, a machine that stood still) is retried once in a new child; the item is skipped
only if that fails too.

A work function that announces what it reads (`extract.watchdog_child.ItemState`) survives the death of its child in
there, too: the unit of the file that is being read is tried once more and then left out, or else the rest of the file.

Why not resiliparse's process guard: it interrupts a thread of the same process, which neither ends a loop in C code
that never returns to Python nor frees its memory.
"""

import contextlib
import mmap
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from extract.watchdog_child import BETWEEN_ITEMS, ITEM_STATE, NOT_READING, KilledRead
from pipeline.base.errors import UserError
from pipeline.base.logs import replay
from pipeline.base.paths import python_path
from pipeline.inputs.guard import WHOLE_RANGE, Unit

TIMEOUT, CRASH, MEMORY = "timeout", "crash", "memory"  # reasons for which an item is skipped
_CHECK_SECONDS = 0.05  # between two looks at the child
_MAX_CRASHES_BETWEEN_ITEMS = 5  # in a row
_READING_TIMEOUTS = 20  # how many timeouts reading an item may take: there may be gigabytes to skip before it
_COMPUTING_SHARE = 0.5  # of the timeout that must be CPU time for the item to be skipped without a retry


@dataclass(frozen=True)
class Limits:
    """`timeout`: seconds an item may take. `memory`: bytes of RSS the child may have."""

    timeout: float
    memory: int


def run_guarded(work: str, settings: Any, limits: Limits, name: str = "") -> Iterator[Any]:
    """The results of `work` for all items of `settings`, in order.

    `work` is "module:function" (see `extract.watchdog_child.Work`). `name` is what errors call the settings: a file.
    Raises UserError if the function does, and RuntimeError with the child's traceback if it raises anything else, or if
    a child dies again and again between items.
    """
    job = _GuardedJob(work, settings, limits, name)
    while not job.finished:
        yield from job.run_in_child()


class _GuardedJob:
    """One run over the items of a shard, by as many children as it takes."""

    def __init__(self, work: str, settings: Any, limits: Limits, name: str):
        self.work, self.settings, self.limits, self.name = work, settings, limits, name
        self.next_item, self.finished = 0, False
        self.skipped_items: dict[int, tuple[str, float]] = {}
        self.retry_once: set[int] = set()  # items in which a child died for the first time
        self.crashes_between_items = 0  # in a row
        self.killed_reads: dict[Unit, KilledRead] = {}
        self.died_reading: set[tuple[Unit, int]] = set()  # units in which a child died, and which item was due

    def run_in_child(self) -> Iterator[Any]:
        """Results from one child, until it is finished or dead."""
        child = _this_threads_child()
        child_is_usable = False
        try:
            child_is_usable = yield from self._receive_results(child)
        finally:
            if not child_is_usable:  # dead, or in the middle of its task when our reader stopped
                child.kill()
        if child.memory() > self.limits.memory // 2:
            child.kill()  # memory left over from this shard must not count against the next one

    def _receive_results(self, child: "_Child") -> Generator[Any, None, bool]:
        """Yield results. Returns whether the child finished its task and is alive."""
        if not child.send((self.work, self.settings, self.next_item, self.skipped_items, self.killed_reads)):
            self._child_died(child, CRASH, 0)
            return False
        while True:
            message, death = child.receive(self.limits)
            if death:
                self._child_died(child, *death)
                return False
            kind, *content = message
            if kind == "user error":
                raise UserError(content[0])
            if kind == "error":
                raise RuntimeError(f"extraction child: {content[0]}")
            if kind == "log":
                replay(content)
                continue
            if kind == "finished":
                self.finished = True
                return True
            self.crashes_between_items = 0
            for number, result in content[0]:
                self.next_item = number + 1
                yield result

    def _child_died(self, child: "_Child", reason: str, value: float) -> None:
        """Decide whether the item in which the child died is skipped or tried again."""
        item, unit = child.current_item()
        used_cpu = reason == TIMEOUT and child.item_cpu_seconds >= _COMPUTING_SHARE * value
        if unit is not None:
            self._child_died_reading(unit, max(item or 0, self.next_item), reason, value, used_cpu)
            return
        if item is None or item < self.next_item:
            self.crashes_between_items += 1
            if self.crashes_between_items > _MAX_CRASHES_BETWEEN_ITEMS:
                self._give_up(reason, value)
            return
        if item in self.retry_once or used_cpu:
            self.skipped_items[item] = (reason, value)
            self.crashes_between_items = 0
        else:
            self.retry_once.add(item)

    def _child_died_reading(self, unit: Unit, item: int, reason: str, value: float, used_cpu: bool) -> None:
        """Decide whether a unit of the file is read again, left out, or the last one that is read."""
        if (unit, self.next_item) not in self.died_reading and not used_cpu:
            self.died_reading.add((unit, self.next_item))
            return
        if unit in self.killed_reads:
            unit = WHOLE_RANGE
        if unit in self.killed_reads:
            self._give_up(reason, value)
        self.killed_reads[unit] = KilledRead(f"killed the process that read it ({_death(reason, value)})", item)

    def _give_up(self, reason: str, value: float) -> NoReturn:
        name = f"{self.name}: " if self.name else ""
        place = f"({_death(reason, value)}) before item {self.next_item}"
        raise RuntimeError(f"{name}extraction child dies outside of items {place}")


def _death(reason: str, value: float) -> str:
    if reason == TIMEOUT:
        return f"more than {value:g} seconds"
    return f"more than {value:g} bytes of memory" if reason == MEMORY else f"exit status {value:g}"


class _Child:
    """The child process, the pipes to and from it, and the memory in which it writes what it works on."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile() as shared:
            shared.truncate(mmap.PAGESIZE)
            self.state = mmap.mmap(shared.fileno(), mmap.PAGESIZE)
            self.state[: ITEM_STATE.size] = BETWEEN_ITEMS
            (child_in, parent_out), (parent_in, child_out) = os.pipe(), os.pipe()
            descriptors = (child_in, child_out, shared.fileno())
            code = f"from {__package__}.watchdog_child import child_main; child_main{(*descriptors, os.getpid())}"
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": python_path()},
            )
        os.close(child_in)
        os.close(child_out)
        self.tasks, self.results = Connection(parent_out, readable=False), Connection(parent_in, writable=False)
        self.owner_pid = os.getpid()
        self.next_check = 0.0  # monotonic time
        self.item_cpu_seconds = 0.0  # of the item that was killed

    def is_usable(self) -> bool:
        """Whether it lives and is a child of this process (after a fork, it is the parent's)."""
        return not self.tasks.closed and self.owner_pid == os.getpid() and self.process.poll() is None

    def send(self, task: Any) -> bool:
        """Send a task. Returns False if the child is dead."""
        try:
            self.tasks.send(task)
        except OSError:
            return False
        return True

    def receive(self, limits: Limits) -> tuple[Any, tuple[str, float] | None]:
        """(message, None), or (None, (reason, value)) if the child is dead or has to be killed."""
        while True:
            if time.monotonic() >= self.next_check:
                self.next_check = time.monotonic() + _CHECK_SECONDS
                if exceeded := self._exceeded_limit(limits):
                    return None, exceeded
            try:
                if self.results.poll(_CHECK_SECONDS):
                    return self.results.recv(), None
            except (EOFError, OSError, pickle.UnpicklingError):
                return None, (CRASH, float(self.process.wait()))

    def _exceeded_limit(self, limits: Limits) -> tuple[str, float] | None:
        item, began, cpu_began, level, _ = ITEM_STATE.unpack(self.state[: ITEM_STATE.size])
        timeout = limits.timeout * (1 if level == NOT_READING else _READING_TIMEOUTS)
        if item >= 0 and time.monotonic() - began > timeout:
            self.item_cpu_seconds = self._cpu_seconds() - cpu_began
            return TIMEOUT, timeout
        return (MEMORY, float(limits.memory)) if self.memory() > limits.memory else None

    def _cpu_seconds(self) -> float:
        import psutil

        with contextlib.suppress(psutil.Error):
            times = psutil.Process(self.process.pid).cpu_times()
            return float(times.user + times.system)
        return 0.0

    def memory(self) -> int:
        """Bytes of RSS; 0 for a dead child."""
        import psutil

        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(self.process.pid).memory_info().rss)
        return 0

    def current_item(self) -> tuple[int | None, Unit | None]:
        """(number of the item, unit of the file) that the child works on or died in.

        The number is None between items, and the unit is None unless the item was being read.
        """
        number, _, _, level, offset = ITEM_STATE.unpack(self.state[: ITEM_STATE.size])
        return (number if number >= 0 else None), None if level == NOT_READING else Unit(level, offset)

    def kill(self) -> None:
        """End the process and close the pipes."""
        if self.tasks.closed:
            return
        if self.owner_pid == os.getpid():
            self.process.kill()
            self.process.wait()
        self.tasks.close()
        self.results.close()


_THREAD = threading.local()  # one child per thread: threads of a worker never share one


def _this_threads_child() -> _Child:
    """This thread's child, a new one if there is none that lives."""
    child: _Child | None = getattr(_THREAD, "child", None)
    if child is None or not child.is_usable():
        child = _THREAD.child = _Child()
    return child
