"""Work on hostile input in a child process that can be killed, and the same rows whatever was killed.

A *work* function goes through numbered items in a fixed order and yields a result for each. It runs in a long-lived
child (a fresh interpreter, kept from shard to shard). Before each item the child notes its number and the time in
shared memory; the parent looks there, and at the child's memory, and kills it when one item takes too much. A new child
goes on behind the last result received; the guilty item is passed over with the reason, of which the work function
makes a row.

An item is guilty at once when it used up its time computing. What may have come from outside (a kill, memory that an
earlier item left behind, a machine that stood still) is tried again in a fresh child first: only the second time
counts.

Why not resiliparse's process guard: it interrupts a thread of the same process, which neither ends a loop in C code
that never returns to Python nor frees its memory.
"""

import contextlib
import importlib
import mmap
import os
import pickle
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from pipeline.base.errors import UserError

TIMEOUT, CRASH, MEMORY = "timeout", "crash", "memory"
_TICK = 0.05  # seconds between two looks at the child
_BATCH, _BATCH_SECONDS = 64, 0.5  # results that travel together
_STATE = struct.Struct("qdd")  # number of the item (-1: between items), when it began: wall clock, CPU of the process
_PARENT_GONE = 86


@dataclass(frozen=True)
class Limits:
    """`timeout`: seconds an item may take. `memory`: bytes of RSS the child may have."""

    timeout: float
    memory: int


# items that are passed over: number to (timeout | crash | memory; seconds, bytes or exit status)
Guilty = Mapping[int, tuple[str, float]]
# (settings, first item wanted, items to pass over, `begin`) -> (number, result) for every item from `first` on.
# The function calls `begin(number)` before it works on an item.
Work = Callable[[Any, int, Guilty, Callable[[int], None]], Iterator[tuple[int, Any]]]


def guarded(work: str, settings: Any, limits: Limits) -> Iterator[Any]:
    """The results of `work` ("module:function", see Work) for all items of `settings`, in order.

    Raises UserError where the function does, RuntimeError with the child's traceback when it raises anything else, or
    when a child dies again and again outside of an item.
    """
    watch = _Watch(work, settings, limits)
    while not watch.finished:
        yield from watch.attempt()


class _Watch:
    """One run over the items of one shard, by as many children as it takes."""

    def __init__(self, work: str, settings: Any, limits: Limits):
        self.work, self.settings, self.limits = work, settings, limits
        self.next, self.finished = 0, False
        self.guilty: dict[int, tuple[str, float]] = {}
        self.suspects: set[int] = set()
        self.stumbles = 0  # deaths in a row outside of an item

    def attempt(self) -> Iterator[Any]:
        """Results from one child, until it is finished or dead."""
        child = _child()
        whole = False
        try:
            whole = yield from self._follow(child)
        finally:
            if not whole:  # dead, or left by the reader in the middle of its task
                child.kill()
        if child.memory() > self.limits.memory // 2:
            child.kill()  # what earlier shards left behind is not the next shard's

    def _follow(self, child: "_Child") -> Generator[Any, None, bool]:
        """Yields results; whether the child finished its task and lives."""
        if not child.give((self.work, self.settings, self.next, self.guilty)):
            self._died(child, CRASH, 0)
            return False
        while True:
            message, verdict = child.wait(self.limits)
            if verdict:
                self._died(child, *verdict)
                return False
            kind, *rest = message
            if kind == "mistaken":
                raise UserError(rest[0])
            if kind == "raised":
                raise RuntimeError(f"extraction child: {rest[0]}")
            if kind == "finished":
                self.finished = True
                return True
            self.stumbles = 0
            for number, result in rest[0]:
                self.next = number + 1
                yield result

    def _died(self, child: "_Child", why: str, value: float) -> None:
        item = child.item()
        if item is None or item < self.next:
            self.stumbles += 1
            if self.stumbles > 5:
                raise RuntimeError(f"extraction child dies outside of items ({why} {value:g}) before {self.next}")
        elif item in self.suspects or (why == TIMEOUT and child.computing >= 0.5 * self.limits.timeout):
            self.guilty[item] = (why, value)
            self.stumbles = 0
        else:
            self.suspects.add(item)


class _Child:
    """The process, the pipes to and from it, and the memory in which it says what it does."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile() as shared:
            shared.truncate(mmap.PAGESIZE)
            self.state = mmap.mmap(shared.fileno(), mmap.PAGESIZE)
            self.state[: _STATE.size] = _STATE.pack(-1, 0.0, 0.0)
            (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
            ends = (theirs_in, theirs_out, shared.fileno())
            code = f"from extract.watchdog import child; child{(*ends, os.getpid())}"
            paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                pass_fds=ends,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": paths},
            )
        os.close(theirs_in)
        os.close(theirs_out)
        self.out, self.inn = Connection(ours_out, readable=False), Connection(ours_in, writable=False)
        self.owner = os.getpid()
        self.look = 0.0  # when to look at it next
        self.computing = 0.0  # CPU seconds of the item that was killed

    def alive(self) -> bool:
        return self.owner == os.getpid() and self.process.poll() is None

    def give(self, task: Any) -> bool:
        try:
            self.out.send(task)
        except OSError:
            return False
        return True

    def wait(self, limits: Limits) -> tuple[Any, tuple[str, float] | None]:
        """(message, None), or (None, (why, value)) when the child is dead or must be."""
        while True:
            if time.monotonic() >= self.look:
                self.look = time.monotonic() + _TICK
                if verdict := self._beyond(limits):
                    return None, verdict
            try:
                if self.inn.poll(_TICK):
                    return self.inn.recv(), None
            except (EOFError, OSError, pickle.UnpicklingError):
                return None, (CRASH, float(self.process.wait()))

    def _beyond(self, limits: Limits) -> tuple[str, float] | None:
        item, began, cpu = _STATE.unpack(self.state[: _STATE.size])
        if item >= 0 and time.monotonic() - began > limits.timeout:
            self.computing = self._cpu() - cpu
            return TIMEOUT, limits.timeout
        memory = self.memory()
        return (MEMORY, float(limits.memory)) if memory > limits.memory else None

    def _cpu(self) -> float:
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

    def item(self) -> int | None:
        """The number of the item that the child is or was in."""
        number = _STATE.unpack(self.state[: _STATE.size])[0]
        return number if number >= 0 else None

    def kill(self) -> None:
        if self.out.closed:
            return
        if self.owner == os.getpid():
            self.process.kill()
            self.process.wait()
        self.out.close()
        self.inn.close()


_LOCAL = threading.local()  # a child a thread: threads of a worker never share one


def _child() -> _Child:
    """This thread's child, a new one when there is none that lives."""
    held: _Child | None = getattr(_LOCAL, "child", None)
    if held is None or held.out.closed or not held.alive():
        held = _LOCAL.child = _Child()
    return held


def child(inn: int, out: int, shared: int, parent: int) -> None:
    """The child's main: tasks from descriptor `inn`, results to `out`, its state in file `shared`. Never returns."""
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's matter
    tasks, results = Connection(inn, writable=False), Connection(out, readable=False)
    state = mmap.mmap(shared, mmap.PAGESIZE)
    while True:
        try:
            task = tasks.recv()
        except EOFError:
            os._exit(0)
        try:
            _serve(task, results, state)
            results.send(("finished",))
        except BrokenPipeError:
            os._exit(_PARENT_GONE)
        except UserError as error:
            results.send(("mistaken", str(error)))
        except BaseException:  # noqa: BLE001 - told to the parent, which raises it
            results.send(("raised", traceback.format_exc()))


def _serve(task: Any, results: Connection, state: mmap.mmap) -> None:
    work, settings, first, guilty = task
    module, _, name = work.partition(":")
    function: Work = getattr(importlib.import_module(module), name)

    def begin(number: int) -> None:
        state[: _STATE.size] = _STATE.pack(number, time.monotonic(), time.process_time())

    batch: list[tuple[int, Any]] = []
    sent = time.monotonic()
    for pair in function(settings, first, guilty, begin):
        state[: _STATE.size] = _STATE.pack(-1, 0.0, 0.0)
        batch.append(pair)
        if len(batch) >= _BATCH or time.monotonic() - sent > _BATCH_SECONDS:
            results.send(("results", batch))
            batch, sent = [], time.monotonic()
    state[: _STATE.size] = _STATE.pack(-1, 0.0, 0.0)
    if batch:
        results.send(("results", batch))


def _die_with(parent: int) -> None:
    """End with the parent even in the middle of C code that never comes back: the kernel sees to it on Linux, elsewhere
    a thread that looks now and then."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(_PARENT_GONE)

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(_PARENT_GONE)

    threading.Thread(target=look, daemon=True).start()
