"""Carries a goal out: what must run, in which order, shard by shard, on any executor; and writes manifests.

Killed at any point, a run is continued by running it again: finished shards have markers, finished steps manifests.
What is written depends on the steps' identities alone, never on the number of workers or the order in which tasks end.
"""

import contextlib
import heapq
import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from pipeline.base.errors import UserError
from pipeline.base.format import counted
from pipeline.runner.dag import Edge, Step
from pipeline.runner.manifests import folder_of, missing_steps, read_manifest
from pipeline.runner.step_run import StepRun
from pipeline.runner.task import Task, run_task
from pipeline.store.filesystem import Store

ATTEMPTS = 3  # of a shard, each in a fresh worker, before its step fails


class Executor(Protocol):
    """Where tasks run: `width` at once; `wait` gives one that has ended, with its failure if it has one."""

    width: int

    def submit(self, task: Task) -> None: ...
    def wait(self) -> tuple[Task, BaseException | None]: ...
    def close(self) -> None: ...


class RunFailed(Exception):
    """Some shards failed; the others were finished and kept. The text says which, why, and where to look."""


class InProcess:
    """One task after the other, in this process: `--local`, for debugging and small jobs."""

    width = 1

    def __init__(self) -> None:
        self._ended: deque[tuple[Task, BaseException | None]] = deque()

    def submit(self, task: Task) -> None:
        try:
            run_task(task)
        except Exception as error:  # noqa: BLE001 - reported by the run, with its traceback
            self._ended.append((task, error))
        else:
            self._ended.append((task, None))

    def wait(self) -> tuple[Task, BaseException | None]:
        return self._ended.popleft()

    def close(self) -> None:
        """Nothing is held."""


class Run:
    """One run of one goal.

    Tasks of steps that others rest on go first, so that the last to end are small ones; a shard of a step begins as
    soon as its own inputs are there (see StepRun).
    """

    def __init__(
        self, goal: Step, store: Store, executor: Executor, say: Callable[[str], None], shuffle: int | None = None
    ):
        self._store, self._executor, self._say = store, executor, say
        self._order = random.Random(shuffle) if shuffle is not None else None
        self._waiting = {step.key: step for step in missing_steps(goal, store)}
        self._depth = _depths(self._waiting.values())
        self._blocked: set[str] = set()  # steps that another run has locked, said once
        self._running: dict[str, StepRun] = {}
        self._failed: set[str] = set()
        self._failures: list[str] = []
        self._mistakes = 0  # of these, what the user can mend
        self._queue: list[tuple[int, float, int, str, Task]] = []  # the smallest goes first
        self._flying = 0

    def finish(self) -> None:
        """Do all of it. Raises RunFailed, after everything that does not rest on a failed shard is done.

        UserError (the first) where all failures are what the user can mend.
        """
        try:
            while self._waiting or self._running:
                self._start_ready()
                self._fill()
                if self._flying:
                    self._settle(*self._executor.wait())
                elif not self._running and self._waiting and not self._blocked:
                    break  # what is left rests on failed steps
                elif self._blocked:
                    time.sleep(0.5)
        finally:
            for running in self._running.values():
                running.lock.__exit__(None, None, None)
        if self._failures and self._mistakes == len(self._failures):
            more = f" (and {counted(self._mistakes - 1, 'shard')} more)" if self._mistakes > 1 else ""
            raise UserError(f"{self._failures[0]}{more}")
        if self._failures:
            raise RunFailed("\n".join(self._failures))

    def _start_ready(self) -> None:
        for key, step in list(self._waiting.items()):
            if any(edge.source.key in self._failed for edge in step.edges.values()):
                self._failed.add(key)
                del self._waiting[key]
            elif not any(self._awaited(edge) for edge in step.edges.values()):
                self._start(key, step)

    def _awaited(self, edge: Edge) -> bool:
        """Must `edge` be further on before a step that reads it can begin?"""
        return edge.source.key in self._waiting or (edge.source.key in self._running and edge.mode != "aligned")

    def _start(self, key: str, step: Step) -> None:
        lock = self._store.lock(folder_of(step))
        if lock is None:
            if key not in self._blocked:
                self._say(f"{step.name}: another run is at it, waiting ({self._store.uri(folder_of(step))})")
                self._blocked.add(key)
            return
        self._blocked.discard(key)
        lock.__enter__()
        del self._waiting[key]
        if read_manifest(self._store, step) is not None:  # the other run has finished it
            lock.__exit__(None, None, None)
            return
        self._store.sweep(folder_of(step))
        running = self._running[key] = StepRun(step, self._store, lock, self._running)
        for index in sorted(running.waiting):
            self._look(running, index)
        if running.over and key in self._running:
            self._complete(running)

    def _look(self, running: StepRun, index: int) -> None:
        """Queue a waiting shard whose inputs are there; give up one whose inputs never will be."""
        if running.doomed(index):
            running.waiting.discard(index)
            running.lost.add(index)
            self._ended(running, index)
        elif running.ready(index):
            running.waiting.discard(index)
            self._enqueue(running.task(index))

    def _enqueue(self, task: Task) -> None:
        key = _key(task)
        rank = self._order.random() if self._order else self._depth[key]
        heapq.heappush(self._queue, (task.attempt, rank, task.index, key, task))

    def _fill(self) -> None:
        while self._queue and self._flying < self._executor.width:
            task = heapq.heappop(self._queue)[-1]
            running = self._running[_key(task)]
            if running.begun is None:
                self._say(running.begin())
            self._executor.submit(task)
            self._flying += 1

    def _settle(self, task: Task, error: BaseException | None) -> None:
        self._flying -= 1
        running = self._running[_key(task)]
        if error is None:
            running.done(task.index)
        elif task.attempt < ATTEMPTS and not isinstance(error, UserError):
            self._say(f"{task.label}: {_first_line(error)}; trying again ({task.attempt + 1} of {ATTEMPTS})")
            self._enqueue(replace(task, attempt=task.attempt + 1))
            return
        else:
            running.failures.append(self._failure(task, error))
            running.lost.add(task.index)
        self._ended(running, task.index)

    def _ended(self, running: StepRun, index: int) -> None:
        """Shard `index` is done or lost: tell the steps that wait for it, and end the step with its last shard."""
        for other in list(self._running.values()):
            if running in other.sources and index in other.waiting:
                self._look(other, index)
        if running.over:
            self._complete(running)

    def _failure(self, task: Task, error: BaseException) -> str:
        if isinstance(error, UserError):
            self._mistakes += 1
            return f"{task.label}: {error}"
        name, where = f"{task.folder}/shards/{task.index:05d}.error.txt", ""
        with contextlib.suppress(OSError):  # a full disk: the line below is what can still be said
            self._store.write(name, _traceback(error).encode())
            where = (
                f"  traceback: {self._store.uri(name)}\n  to debug it in one process, run the same again with --local"
            )
        times = f"{task.attempt} time{'s' if task.attempt > 1 else ''}"
        return f"{task.label} failed {times}: {_first_line(error)}\n{where}".rstrip()

    def _complete(self, running: StepRun) -> None:
        key = running.step.key
        del self._running[key]
        try:
            if running.lost:
                self._failures += running.failures
                self._failed.add(key)
                if running.failures:
                    self._say(f"{running.step.name}: FAILED, {counted(len(running.shards), 'shard')} kept")
            else:
                if running.begun is None:
                    self._say(running.begin())
                self._say(running.publish())
        finally:
            running.lock.__exit__(None, None, None)


def _depths(steps: Iterable[Step]) -> dict[str, int]:
    """How many of `steps` (each after its inputs) lie before each, on the longest way."""
    found: dict[str, int] = {}
    for step in steps:
        found[step.key] = max(
            (found[e.source.key] + 1 for e in step.edges.values() if e.source.key in found), default=0
        )
    return found


def _key(task: Task) -> str:
    return task.folder.rpartition("/")[2]


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines() or [""]
    if getattr(error, "errno", None) == 28:
        return f"the disk is full ({text[0]}); free some, or give another ROOT"
    return f"{type(error).__name__}: {text[0]}"[:400]


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))


def execute(
    goal: Step, store: Store, make: Callable[[], Executor], say: Callable[[str], None], shuffle: int | None = None
) -> str:
    """Finish `goal` and return its folder. The executor is made only when something must run."""
    if read_manifest(store, goal) is None:
        executor = make()
        try:
            Run(goal, store, executor, say, shuffle).finish()
        finally:
            executor.close()
    return store.uri(folder_of(goal))


def quiet(_: str) -> None:
    """Says nothing."""
