"""Runs the steps that a goal needs: which must run, in which order, shard by shard, on any executor.

A run that is killed at any point is continued by running it again: finished shards have markers, finished steps have
manifests. What is written depends on the steps' identities alone, never on the number of workers or on the order in
which tasks end.
"""

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from pipeline.base.errors import CorruptFile, RunFailed, UserError
from pipeline.base.format import counted
from pipeline.base.logs import task_context
from pipeline.runner.dag import Edge, Step
from pipeline.runner.failures import describe_failure, first_line
from pipeline.runner.known_shards import forget_shard
from pipeline.runner.manifests import missing_steps, output_folder, read_manifest
from pipeline.runner.step_run import StepRun
from pipeline.runner.task import Task, run_task
from pipeline.store.filesystem import Store

MAX_ATTEMPTS = 3  # of a shard, each in a fresh worker, before its step fails
LOCK_POLL_SECONDS = 0.5  # between two looks at steps that another run has locked

log = logging.getLogger(__name__)


Outcome = dict[str, Any] | BaseException  # the marker of a finished shard, or why it failed


class Executor(Protocol):
    """Runs up to `width` tasks at once. `wait` returns one that has ended, with its outcome."""

    width: int

    def submit(self, task: Task) -> None: ...
    def wait(self) -> tuple[Task, Outcome]: ...
    def close(self) -> None: ...


MakeExecutor = Callable[[], Executor]


class InProcess:
    """Runs one task after the other in this process: `--local`, for debugging and small jobs."""

    width = 1

    def __init__(self) -> None:
        self._ended: deque[tuple[Task, Outcome]] = deque()

    def submit(self, task: Task) -> None:
        outcome: Outcome
        try:
            with task_context(task.step, task.index):
                outcome = run_task(task)
        except Exception as raised:  # noqa: BLE001 - reported by the scheduler, with its traceback
            outcome = raised
        self._ended.append((task, outcome))

    def wait(self) -> tuple[Task, Outcome]:
        return self._ended.popleft()

    def close(self) -> None:
        """Nothing to release."""


def execute(goal: Step, store: Store, make_executor: MakeExecutor, shuffle: int | None = None) -> str:
    """Finish `goal` and return its folder. An executor is made only when something must run.

    `shuffle` is the seed of a random order of tasks, for tests. The shard of a corrupt file that a task meets is
    computed again, once. Raises as `Scheduler.run` does.
    """
    if read_manifest(store, goal) is None:
        executor, repaired = make_executor(), set[str]()
        try:
            while True:
                scheduler = Scheduler(goal, store, executor, shuffle)
                try:
                    scheduler.run()
                    break
                except RunFailed:
                    corrupt = scheduler.corrupt_files - repaired
                    forgotten = [forget_shard(store, name) for name in sorted(corrupt)]
                    if not forgotten or not all(forgotten):
                        raise
                    repaired |= corrupt
                    log.warning("%s computed again, as %s corrupt", counted(len(corrupt), "shard"), _are(len(corrupt)))
        finally:
            executor.close()
    return store.uri(output_folder(store, goal))


def _are(count: int) -> str:
    return "a file of it is" if count == 1 else "files of them are"


class Scheduler:
    """One run of one goal.

    Tasks of steps that others depend on go first, so that the last ones are small. A shard of a step starts as soon as
    its own inputs are finished (see `step_run`). A task is made when a worker is free for it.
    """

    def __init__(self, goal: Step, store: Store, executor: Executor, shuffle: int | None = None):
        self._store, self._executor = store, executor
        self._random = random.Random(shuffle) if shuffle is not None else None
        self._waiting = {step.key: step for step in missing_steps(goal, store)}
        self._depths = _depths(self._waiting.values())
        self._steps_may_start = True  # since a step has ended
        self._locked_elsewhere: set[str] = set()  # steps that another run has locked, reported once
        self._running: dict[str, StepRun] = {}
        self._readers: dict[str, list[StepRun]] = {}  # by key: the running steps that read a running one shard by shard
        self._failed: set[str] = set()
        self._failures: list[str] = []
        self.corrupt_files: set[str] = set()  # that tasks have met, relative to the root
        self._user_errors = 0  # of the failures, those that the user can correct
        self._again: deque[tuple[StepRun, int, int]] = deque()  # step, shard, attempt: they go after all others
        self._in_flight: dict[tuple[str, int], StepRun] = {}  # by scratch folder, and number of the shard

    def run(self) -> None:
        """Run everything that is missing.

        Raises RunFailed after everything that does not depend on a failed shard is finished; UserError (the first one)
        where all failures are such errors.
        """
        try:
            while self._waiting or self._running:
                if self._steps_may_start or self._locked_elsewhere:
                    self._start_steps()
                self._submit_tasks()
                if self._in_flight:
                    self._settle(*self._executor.wait())
                elif not self._running and self._waiting and not self._locked_elsewhere:
                    break  # what is waiting depends on failed steps
                elif self._locked_elsewhere:
                    time.sleep(LOCK_POLL_SECONDS)
        finally:
            for running in self._running.values():
                running.lock.__exit__(None, None, None)
        if self._failures and self._user_errors == len(self._failures):
            more = f" (and {counted(self._user_errors - 1, 'shard')} more)" if self._user_errors > 1 else ""
            raise UserError(f"{self._failures[0]}{more}")
        if self._failures:
            raise RunFailed("\n".join(self._failures))

    def _start_steps(self) -> None:
        """Start the steps whose inputs allow it; give up those that depend on a failed step."""
        self._steps_may_start = False
        for key, step in list(self._waiting.items()):
            if any(edge.source.key in self._failed for edge in step.edges.values()):
                self._failed.add(key)
                del self._waiting[key]
            elif not any(self._must_wait_for(edge) for edge in step.edges.values()):
                self._start(key, step)

    def _must_wait_for(self, edge: Edge) -> bool:
        """Whether a step that reads `edge` cannot start yet: only shards of aligned inputs may still be running."""
        return edge.source.key in self._waiting or (edge.source.key in self._running and edge.mode != "aligned")

    def _start(self, key: str, step: Step) -> None:
        lock_name = f"{step.folder}/locks/{key}"
        lock = self._store.lock(lock_name)
        if lock is None:
            if key not in self._locked_elsewhere:
                text = f"{step.name}: another run is at it, waiting ({self._store.uri(step.folder)})"
                log.info(text, extra=_about(step.name))
                self._locked_elsewhere.add(key)
            return
        self._locked_elsewhere.discard(key)
        lock.__enter__()
        del self._waiting[key]
        try:
            self._store.remove_temporaries(lock_name)
            sizes = self._store.sizes(step.folder)
            if read_manifest(self._store, step, sizes) is not None:  # the other run has finished it
                lock.__exit__(None, None, None)
                self._steps_may_start = True
                return
            running = StepRun(step, self._store, lock, lock_name, sizes, self._running)
            running.start()
        except CorruptFile as error:  # the manifest of an input
            lock.__exit__(None, None, None)
            self._give_up(step, error)
            return
        self._running[key] = running
        for source in running.sources:
            self._readers.setdefault(source.step.key, []).append(running)
        if running.over:
            self._finish(running)

    def _submit_tasks(self) -> None:
        while len(self._in_flight) < self._executor.width:
            ready = [running for running in self._running.values() if running.ready_count]
            if ready:
                rank = self._random.random if self._random else None
                running = min(ready, key=lambda run: rank() if rank else self._depths[run.step.key])
                index, attempt = running.next_ready(self._random), 1
            elif self._again:
                running, index, attempt = self._again.popleft()
            else:
                return
            if running.begun is None:
                log.info(running.begin(), extra=_about(running.step.name))
            task = running.task(index, attempt)
            self._in_flight[task.scratch, index] = running
            self._executor.submit(task)

    def _settle(self, task: Task, outcome: Outcome) -> None:
        """Note that a task has ended: finished, to be tried again, or failed for good."""
        running = self._in_flight.pop((task.scratch, task.index))
        if isinstance(outcome, dict):
            running.done(task.index, outcome)
        elif task.attempt < MAX_ATTEMPTS and not isinstance(outcome, UserError | CorruptFile):
            attempt = task.attempt + 1
            text = f"{task.label}: {first_line(outcome)}; trying again ({attempt} of {MAX_ATTEMPTS})"
            log.warning(text, extra=_about(task.step, task.index))
            self._again.append((running, task.index, attempt))
            return
        else:
            self._user_errors += isinstance(outcome, UserError)
            self.corrupt_files |= {outcome.name} if isinstance(outcome, CorruptFile) else set()
            running.failures.append(describe_failure(self._store, task, outcome))
            running.lose(task.index)
        self._shard_ended(running, task.index)

    def _shard_ended(self, running: StepRun, index: int) -> None:
        """Look at the steps that read shard `index`, and end the step with its last shard."""
        for reader in self._readers.get(running.step.key, ()):
            if reader.input_ended(index):
                self._shard_ended(reader, index)
        if running.over:
            self._finish(running)

    def _finish(self, running: StepRun) -> None:
        """Write the manifest of a step whose shards have all ended, or note its failures; release its lock."""
        step = running.step
        del self._running[step.key]
        self._readers.pop(step.key, None)
        self._steps_may_start = True
        try:
            if running.lost_count:
                self._failures += running.failures
                self._failed.add(step.key)
                if running.failures:
                    shards = counted(len(running) - running.lost_count, "shard")
                    log.error("%s: FAILED, %s kept", step.name, shards, extra=_about(step.name))
            else:
                if running.begun is None:
                    log.info(running.begin(), extra=_about(step.name))
                log.info(running.publish(), extra=_about(step.name))
        except CorruptFile as error:
            self._give_up(step, error)
        finally:
            running.lock.__exit__(None, None, None)

    def _give_up(self, step: Step, error: CorruptFile) -> None:
        self.corrupt_files.add(error.name)
        self._failures.append(f"{step.name}: {error}")
        self._failed.add(step.key)
        self._steps_may_start = True


def _depths(steps: Iterable[Step]) -> dict[str, int]:
    """Length of the longest way from each step (given after its inputs) back through `steps`."""
    depths: dict[str, int] = {}
    for step in steps:
        before = [depths[edge.source.key] + 1 for edge in step.edges.values() if edge.source.key in depths]
        depths[step.key] = max(before, default=0)
    return depths


def _about(step: str, shard: int | None = None) -> dict[str, object]:
    """Extra fields of a log record."""
    return {"step": step} if shard is None else {"step": step, "shard": shard}
