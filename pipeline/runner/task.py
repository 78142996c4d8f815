"""One shard of one step: what a worker is told, what it does, and what that cost."""

import contextlib
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.runner.manifests import marker_name, read_marker
from pipeline.store.filesystem import Store
from pipeline.store.shard import listed_files
from pipeline.store.writer import ShardWriter

RETRY_SECONDS = 1.0  # before the second attempt of a task at most; twice as long before each further one


@dataclass(frozen=True)
class Task:
    """One shard of one step: all that a worker needs, small enough to ship.

    folder, key: where the shard's files go, and what names them. scratch: where temporary files go.
    inputs: by parameter: a Shard, a ShardList or a list of Shards, or a mapping of these.
    look_first: whether another run may have computed the shard meanwhile.
    """

    step: str
    function: Callable
    outputs: Mapping[str, Any]  # Arrow schema of each table that the function yields
    store: Store
    folder: str
    key: str
    scratch: str
    index: int
    inputs: dict[str, Any]
    params: dict[str, Any]
    attempt: int = 1
    look_first: bool = False

    @property
    def label(self) -> str:
        return f"{self.step} shard {self.index}"


def run_task(task: Task) -> dict[str, Any]:
    """Run one shard, write its marker, last of all, and return it. Runs in the worker."""
    if task.attempt > 1:  # what made the attempt before fail (a full disk, a node, a service) may need time to pass
        time.sleep(random.uniform(0.5, 1.0) * RETRY_SECONDS * 2 ** (task.attempt - 2))
    if task.look_first and (marker := _finished_elsewhere(task)) is not None:
        return marker
    before, started = _cpu_seconds(), time.monotonic()
    with ShardWriter(task.store, task.folder, task.key, task.outputs, task.scratch) as writer:
        for item in task.function(**task.inputs, **task.params):
            writer.add(item)
        marker = writer.close()
    marker["cost"] = {
        "cpu_seconds": round(_cpu_seconds() - before, 3),
        "wall_seconds": round(time.monotonic() - started, 3),
        "peak_rss_bytes": _peak_rss(),
    }
    # not for longer than this run: the manifest repeats it
    task.store.write_json(marker_name(task.folder, task.key), marker, durable=False, scratch=task.scratch)
    return marker


def _finished_elsewhere(task: Task) -> dict[str, Any] | None:
    """Return the marker of a shard that another run has finished; None where none has, or a file is missing or cut."""
    if not task.store.exists(marker_name(task.folder, task.key)):
        return None
    marker = read_marker(task.store, task.folder, task.key)
    files = listed_files(marker, task.key) if marker else ()
    return marker if all(task.store.size(f"{task.folder}/{name}") == size for name, size, _ in files) else None


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
