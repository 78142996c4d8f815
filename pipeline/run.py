"""Carries a goal out: what must run, in which order, shard by shard, on any executor; and writes manifests.

Killed at any point, a run is continued by running it again: finished shards have markers, finished steps manifests.
What is written depends on the steps' identities alone, never on the number of workers or the order in which tasks end.
"""

import contextlib
import importlib
import os
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import pyarrow as pa

from pipeline.dag import Edge, Leaf, Step, ancestors
from pipeline.errors import UserError
from pipeline.store import Part, ShardWriter, Store, file_name
from pipeline.wording import counted

ATTEMPTS = 3  # of a shard, each in a fresh worker, before its step fails


@dataclass(frozen=True)
class Shards:
    """All shards of a finished step, or one bucket of each, by name: the worker lists them, no task ships a list."""

    store: Store
    folder: str
    bucket: int | None = None

    def parts(self) -> list[Part]:
        said = self.store.read_json(f"{self.folder}/manifest.json")["shards"]
        common, heads = (self.store, self.folder), dict[str, bytes]()
        return [Part(*common, i, len(said), self.bucket, {}, shard["outputs"], heads) for i, shard in enumerate(said)]


@dataclass(frozen=True)
class Task:
    """One shard of one step: all that a worker needs, small enough to ship."""

    step: str
    module: str
    function: str
    store: Store
    folder: str
    index: int
    inputs: tuple[Part | list[Part] | Shards, ...]
    params: dict[str, Any]
    attempt: int = 1

    @property
    def label(self) -> str:
        return f"{self.step} shard {self.index}"


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
            carry_out(task)
        except Exception as error:  # noqa: BLE001 - reported by the run, with its traceback
            self._ended.append((task, error))
        else:
            self._ended.append((task, None))

    def wait(self) -> tuple[Task, BaseException | None]:
        return self._ended.popleft()

    def close(self) -> None:
        """Nothing is held."""


def carry_out(task: Task) -> None:
    """Run one shard and publish it, its marker last. Runs in the worker."""
    stage_function = getattr(importlib.import_module(task.module), task.function)
    before, started = _cpu_seconds(), time.monotonic()
    inputs = [given.parts() if isinstance(given, Shards) else given for given in task.inputs]
    with ShardWriter(task.store, task.folder, task.index, stage_function.stage.outputs) as writer:
        for item in stage_function(*inputs, **task.params):
            writer.add(item)
        marker = writer.close()
    marker["cost"] = {
        "cpu_seconds": round(_cpu_seconds() - before, 3),
        "wall_seconds": round(time.monotonic() - started, 3),
        "peak_rss_bytes": _peak_rss(),
    }
    task.store.write_json(_marker(task.folder, task.index), marker)


def _cpu_seconds() -> float:
    """Of this process and its living children (the extraction child among them)."""
    return time.process_time() + sum(_cpu_of(pid) for pid in _children(os.getpid()))


def _cpu_of(pid: int) -> float:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        times = psutil.Process(pid).cpu_times()
        return times.user + times.system + sum(_cpu_of(child) for child in _children(pid))
    return 0.0


def _children(pid: int) -> list[int]:
    """Processes that `pid` has started and that live. Linux tells them by thread; psutil reads all of /proc for it."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb", buffering=0) as file:
                found += map(int, file.read().split())
        return found
    except (FileNotFoundError, ProcessLookupError):  # it has ended, or this is not Linux
        import psutil

        with contextlib.suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(pid).children()]
        return []


def _peak_rss() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def folder_of(step: Step) -> str:
    return f"{step.name}/{step.key}"


def _marker(folder: str, index: int) -> str:
    return f"{folder}/shards/{index:05d}.json"


def manifest(store: Store, step: Step) -> dict | None:
    """The manifest of a finished step; None when it has none, or when a file that it lists is missing or cut."""
    name = f"{folder_of(step)}/manifest.json"
    if not store.exists(name):
        return None
    said = store.read_json(name)
    return None if damaged(store, folder_of(step), said) else said


def damaged(store: Store, folder: str, said: dict) -> list[str]:
    """Files that `said` lists and that are not there in full."""
    return [
        name
        for index, shard in enumerate(said["shards"])
        for name, size in _files(shard, index)
        if store.size(f"{folder}/{name}") != size
    ]


def _files(shard: dict, index: int) -> Iterator[tuple[str, int]]:
    for name, output in shard["outputs"].items():
        yield file_name(name, index, output), output["bytes"]
    for name, file in shard["files"].items():
        yield name, file["bytes"]


def parts(store: Store, source: Step | Leaf) -> list[Part]:
    """Every shard of a finished step, or of raw input."""
    if isinstance(source, Leaf):
        rows = source.rows
        return [Part(store, "", i, len(rows), None, {"part": pa.Table.from_pylist([r])}) for i, r in enumerate(rows)]
    return Shards(store, folder_of(source)).parts()


def missing(goal: Step, store: Store) -> list[Step]:
    """Steps that must run, each after its inputs. A finished step needs none of its ancestors."""
    needed: dict[str, Step] = {}

    def visit(node: Step | Leaf) -> None:
        if isinstance(node, Leaf) or node.key in needed or manifest(store, node) is not None:
            return
        needed[node.key] = node
        for edge in node.inputs:
            visit(edge.source)

    visit(goal)
    return [step for step in ancestors(goal) if step.key in needed]


def expand(step: Step, store: Store) -> list[Task]:
    """All tasks of a step whose inputs are finished."""
    inputs = {edge: parts(store, edge.source) for edge in step.inputs}
    count = _count(step, inputs)
    return [
        Task(
            step.name,
            step.fn.__module__,
            step.fn.__name__,
            store,
            folder_of(step),
            i,
            tuple(_input(store, edge, inputs[edge], i) for edge in step.inputs),
            step.params,
        )
        for i in range(count)
    ]


def _count(step: Step, inputs: dict[Edge, list[Part]]) -> int:
    aligned = {len(found) for edge, found in inputs.items() if edge.mode == "aligned"}
    if len(aligned) > 1:
        raise AssertionError(f"{step.name}: inputs have different numbers of shards: {sorted(aligned)}")
    if step.tasks is not None:
        return step.tasks
    if aligned:
        return aligned.pop()
    buckets = [edge for edge in step.inputs if edge.mode == "bucket"]
    return max((_buckets(inputs[edge]) for edge in buckets), default=1)


def _buckets(found: list[Part]) -> int:
    """How many buckets the shards of a step were shuffled into."""
    return max(output["buckets"] for part in found for output in part.outputs.values())


def _input(store: Store, edge: Edge, found: list[Part], index: int) -> Part | list[Part] | Shards:
    if edge.mode == "aligned":
        return found[index]
    if isinstance(edge.source, Leaf):
        return found
    return Shards(store, folder_of(edge.source), index if edge.mode == "bucket" else None)


@dataclass
class _Running:
    """A step under way: its lock, the tasks it still has, and the shards it has lost."""

    step: Step
    lock: Any
    count: int
    left: int
    started: float = field(default_factory=time.monotonic)
    failures: list[str] = field(default_factory=list)


class Run:
    """One run of one goal."""

    def __init__(
        self, goal: Step, store: Store, executor: Executor, say: Callable[[str], None], shuffle: int | None = None
    ):
        self._store, self._executor, self._say = store, executor, say
        self._order = random.Random(shuffle) if shuffle is not None else None
        self._waiting = {step.key: step for step in missing(goal, store)}
        self._blocked: set[str] = set()  # steps that another run has locked, said once
        self._running: dict[str, _Running] = {}
        self._failed: dict[str, Step] = {}
        self._failures: list[str] = []
        self._mistakes = 0  # of these, what the user can mend
        self._queue: deque[Task] = deque()
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
            sources = [edge.source for edge in step.inputs if isinstance(edge.source, Step)]
            if any(source.key in self._waiting or source.key in self._running for source in sources):
                continue
            if any(source.key in self._failed for source in sources):
                self._failed[key] = self._waiting.pop(key)
                continue
            self._start(key, step)

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
        if manifest(self._store, step) is not None:  # the other run has finished it
            lock.__exit__(None, None, None)
            return
        self._store.sweep(folder_of(step))
        tasks = expand(step, self._store)
        todo = [task for task in tasks if not self._shard_done(task)]
        kept = f", {len(tasks) - len(todo)} of them finished before" if len(todo) < len(tasks) else ""
        self._say(f"{step.name}: {len(tasks)} shard{'s' if len(tasks) != 1 else ''}{kept}")
        self._running[key] = _Running(step, lock, len(tasks), len(todo))
        self._queue.extend(todo)
        if self._order:
            self._order.shuffle(self._queue)
        else:  # steps that are ready together take turns: workers compile different kernels and share what they read
            self._queue = deque(sorted(self._queue, key=lambda task: task.index))
        if not todo:
            self._complete(key)

    def _shard_done(self, task: Task) -> bool:
        name = _marker(task.folder, task.index)
        if not self._store.exists(name):
            return False
        shard = self._store.read_json(name)
        return all(self._store.size(f"{task.folder}/{n}") == size for n, size in _files(shard, task.index))

    def _fill(self) -> None:
        while self._queue and self._flying < self._executor.width:
            self._executor.submit(self._queue.popleft())
            self._flying += 1

    def _settle(self, task: Task, error: BaseException | None) -> None:
        self._flying -= 1
        key = task.folder.rpartition("/")[2]
        running = self._running[key]
        if error is not None and task.attempt < ATTEMPTS and not isinstance(error, UserError):
            self._say(f"{task.label}: {_first_line(error)}; trying again ({task.attempt + 1} of {ATTEMPTS})")
            self._queue.append(replace(task, attempt=task.attempt + 1))
            return
        if error is not None:
            running.failures.append(self._failure(task, error))
        running.left -= 1
        if running.left == 0:
            self._complete(key)

    def _failure(self, task: Task, error: BaseException) -> str:
        if isinstance(error, UserError):
            self._mistakes += 1
            return f"{task.label}: {error}"
        name = f"{task.folder}/shards/{task.index:05d}.error.txt"
        with contextlib.suppress(OSError):  # a full disk: the line below is what can still be said
            self._store.write(name, _traceback(error).encode())
        return (
            f"{task.label} failed {task.attempt} time{'s' if task.attempt > 1 else ''}: {_first_line(error)}\n"
            f"  traceback: {self._store.uri(name)}\n  to debug it in one process, run the same again with --local"
        )

    def _complete(self, key: str) -> None:
        running = self._running.pop(key)
        try:
            if running.failures:
                self._failures += running.failures
                self._failed[key] = running.step
                self._say(
                    f"{running.step.name}: FAILED, {counted(running.count - len(running.failures), 'shard')} kept"
                )
            else:
                self._manifest(running)
        finally:
            running.lock.__exit__(None, None, None)

    def _manifest(self, running: _Running) -> None:
        step, folder = running.step, folder_of(running.step)
        self._store.sweep(folder)  # of workers that died
        shards = [self._store.read_json(_marker(folder, i)) for i in range(running.count)]
        costs = [shard.pop("cost") for shard in shards]
        seconds = round(time.monotonic() - running.started, 3)
        cost = {"shards": costs, "wall_seconds": seconds, "input_bytes": input_bytes(step)}
        self._store.write_json(f"{folder}/cost.json", cost)
        said = {"step": step.name, "key": step.key, "identity": step.identity, "shards": shards, **_totals(shards)}
        self._store.write_json(f"{folder}/manifest.json", said, indent=1)
        rows = said["rows"].get("part", 0)
        self._say(f"{step.name}: done, {rows:,} rows, {seconds:.1f} s")


def input_bytes(step: Step) -> int:
    """Bytes of raw input that a step rests on: what its cost is in proportion to."""
    leaves = {e.source.key: e.source for s in ancestors(step) for e in s.inputs if isinstance(e.source, Leaf)}
    return sum(row.get("size") or 0 for leaf in leaves.values() for row in leaf.rows)


def _totals(shards: list[dict]) -> dict[str, Any]:
    rows: dict[str, int] = {}
    reasons: dict[str, dict[str, int]] = {}
    for shard in shards:
        for name, output in shard["outputs"].items():
            rows[name] = rows.get(name, 0) + output["rows"]
            for reason, n in output["reasons"].items():
                reasons.setdefault(name, {})[reason] = reasons.get(name, {}).get(reason, 0) + n
    return {"rows": rows, "reasons": reasons}


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
    if manifest(store, goal) is None:
        executor = make()
        try:
            Run(goal, store, executor, say, shuffle).finish()
        finally:
            executor.close()
    return store.uri(folder_of(goal))


def quiet(_: str) -> None:
    """Says nothing."""
