"""What the driver costs: empty tasks on a store whose every call takes 20 ms (`make bench-driver`).

    python -m tests.bench.driver [pairs] [steps]

`steps` aligned steps (10) over pairs / steps shards, then one step that reads all of them. Tasks do nothing and end at
once, so that what is measured is the driver: store calls, tasks a second, memory. (On an object store a step costs one
more list, which looks whether it has kept what it has acknowledged.)
"""

import contextlib
import gc
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

import psutil
import pyarrow as pa
import xxhash

from pipeline.runner.dag import InputFiles, Step, all_shards, step
from pipeline.runner.scheduler import execute
from pipeline.runner.stage import stage
from pipeline.runner.task import Task
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard

LATENCY_SECONDS = 0.02
WIDTH = 256
MAX_CALLS, MIN_TASKS_PER_SECOND = 0.05, 1000  # calls for each pair of step and shard
MAX_GROWTH_MB = 64  # of memory, from the first tenth of the pairs to the last
OUTPUTS = {"part": pa.schema([("id", pa.string())]), "rejects": pa.schema([("id", pa.string())])}


@stage(version=1, outputs=OUTPUTS)
def link(before: Shard, *, number: int) -> Iterator[pa.Table]:
    """A step of the chain."""
    yield OUTPUTS["part"].empty_table()


@stage(version=1, outputs=OUTPUTS)
def end(before: list[Shard]) -> Iterator[pa.Table]:
    """A step that reads all shards."""
    yield OUTPUTS["part"].empty_table()


class SlowStore(Store):
    """A store whose calls wait, as those of an object store do, and are counted."""

    def __init__(self, root: str):
        super().__init__(root)
        self.calls: Counter[str] = Counter()

    def _call(self, name: str) -> None:
        self.calls[name] += 1
        time.sleep(LATENCY_SECONDS)

    def info(self, name: str) -> Any:
        self._call("info")
        return super().info(name)

    def list(self, name: str = "") -> Any:
        self._call("list")
        return super().list(name)

    def sizes(self, name: str) -> dict[str, int]:
        self._call("list")
        return super().sizes(name)

    def open(self, name: str, size: int | None = None) -> pa.NativeFile:
        self._call("open")
        return super().open(name, size)

    def move_into_place(self, *arguments: Any, **options: Any) -> None:
        self._call("put")
        super().move_into_place(*arguments, **options)

    def delete_file(self, name: str) -> None:
        self._call("delete")
        super().delete_file(name)

    def lock(self, name: str) -> "contextlib.AbstractContextManager | None":
        self._call("lock")
        return super().lock(name)


class Empty:
    """Ends tasks at once, with the marker of a shard that no other is equal to."""

    width = WIDTH

    def __init__(self, pairs: int):
        self._ended: deque[Task] = deque()
        self._pairs, self.count = pairs, 0
        self.memory: list[int] = []  # at each tenth of the pairs

    def submit(self, task: Task) -> None:
        self._ended.append(task)

    def wait(self) -> tuple[Task, dict[str, Any]]:
        task = self._ended.popleft()
        self.count += 1
        if self.count % (self._pairs // 10) == 0:
            self.memory.append(psutil.Process().memory_info().rss)
        entry = {"rows": 0, "bytes": 400, "xxh3": xxhash.xxh3_128_hexdigest(task.key.encode()), "buckets": 0}
        cost = {"cpu_seconds": 0.001, "wall_seconds": 0.001, "peak_rss_bytes": 1 << 28}
        outputs = {name: {**entry, "reasons": {"short": 3} if name == "rejects" else {}} for name in task.outputs}
        return task, {"outputs": outputs, "files": {}, "cost": cost}

    def close(self) -> None:
        assert not self._ended


def chain(shards: int, length: int) -> Step:
    """`length` aligned steps over `shards` shards, and one over all."""
    last: Step | InputFiles = InputFiles("files", tuple(range(shards)), tuple({"n": i} for i in range(shards)))
    for number in range(length):
        last = step(link, name=f"link{number}", before=last, number=number)
    return step(end, before=all_shards(last))


def measure(pairs: int, length: int) -> bool:
    """Print the table; return whether every figure is within its bound."""
    with tempfile.TemporaryDirectory(prefix="bench-driver-") as root:
        goal, store = chain(pairs // length, length), SlowStore(root)
        _ = goal.key
        gc.collect()
        begin, executor = psutil.Process().memory_info().rss, Empty(pairs)
        started = time.monotonic()
        execute(goal, store, lambda: executor)
        seconds = time.monotonic() - started
        calls = store.calls.total()
        print(f"{length} aligned steps x {pairs // length:,} shards and one step over all, {WIDTH} tasks at once,")
        print(f"{LATENCY_SECONDS * 1000:.0f} ms a store call: {executor.count:,} tasks in {seconds:.1f} s\n")
        growth = (max(executor.memory) - executor.memory[0]) / 1e6
        rows = [
            ("store calls a pair", calls / pairs, f"<= {MAX_CALLS}", calls / pairs <= MAX_CALLS),
            ("store calls a step", calls / (length + 1), "", True),
            (
                "tasks a second",
                pairs / seconds,
                f">= {MIN_TASKS_PER_SECOND:,}",
                pairs / seconds >= MIN_TASKS_PER_SECOND,
            ),
            ("memory after the first tenth of the pairs, MB", growth, f"<= {MAX_GROWTH_MB}", growth <= MAX_GROWTH_MB),
            ("memory in all, bytes a pair", (max(executor.memory) - begin) / pairs, "", True),
        ]
        print("| what | measured | target | |\n| --- | --: | --: | --- |")
        for what, value, target, good in rows:
            print(f"| {what} | {value:,.4g} | {target} | {'' if good else 'MISSED'} |")
        print("\nmemory at each tenth of the pairs, MB: " + ", ".join(f"{rss / 1e6:,.0f}" for rss in executor.memory))
        print(f"calls: {', '.join(f'{name} {n}' for name, n in sorted(store.calls.items()))}")
    return all(good for *_, good in rows)


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    sys.exit(0 if measure(*(numbers + [1_000_000, 10][len(numbers) :])) else 1)
