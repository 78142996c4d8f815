"""One shard of one step: what a worker is told, what it does, and what that cost."""

import contextlib
import importlib
import os
import time
from dataclasses import dataclass
from typing import Any

from pipeline.runner.manifests import Shards, marker_name
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard
from pipeline.store.writer import ShardWriter


@dataclass(frozen=True)
class Task:
    """One shard of one step: all that a worker needs, small enough to ship."""

    step: str
    module: str
    function: str
    store: Store
    folder: str
    index: int
    inputs: tuple[Shard | list[Shard] | Shards, ...]
    params: dict[str, Any]
    attempt: int = 1

    @property
    def label(self) -> str:
        return f"{self.step} shard {self.index}"


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
    # not for longer than this run: the manifest says the same for good
    task.store.write_json(marker_name(task.folder, task.index), marker, lasting=False)


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
