"""A step under way: which of its shards are done, lost, or still wait for the same shard of another step."""

import contextlib
import time
from contextlib import AbstractContextManager
from typing import Any

from pipeline.base.format import counted
from pipeline.runner.dag import Edge, InputFiles, Step
from pipeline.runner.manifests import Shards, folder_of, input_bytes, marker_name, not_whole, parts
from pipeline.runner.task import Task
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard


class UnderWay:
    """Shard i begins when shard i of every aligned input is done, so that nobody waits for a slow shard of others;
    inputs read whole or by bucket are finished before. To the steps behind it, it is the sequence of its parts."""

    def __init__(self, step: Step, store: Store, lock: AbstractContextManager, running: dict[str, "UnderWay"]):
        self.step, self.lock, self.folder, self._store = step, lock, folder_of(step), store
        self._sources = [running.get(edge.source.key) or parts(store, edge.source) for edge in step.inputs]
        self._count = self._counted()
        self.shards: dict[int, dict] = {}  # what the markers of those done say
        self.lost: set[int] = set()  # failed for good, or resting on such a shard
        self.failures: list[str] = []
        self.begun: float | None = None  # when the first task was given out
        self._look()
        self.waiting = {i for i in range(len(self)) if i not in self.shards}
        self.kept = len(self.shards)  # by an earlier run

    def _counted(self) -> int:
        aligned = {len(found) for edge, found in self._edges() if edge.mode == "aligned"}
        if len(aligned) > 1:
            raise AssertionError(f"{self.step.name}: inputs have different numbers of shards: {sorted(aligned)}")
        buckets = [_buckets(found) for edge, found in self._edges() if edge.mode == "bucket"]
        return self.step.tasks or max(aligned or buckets, default=1)

    def _edges(self) -> list[tuple[Edge, Any]]:
        return list(zip(self.step.inputs, self._sources, strict=True))

    def _look(self) -> None:
        """Find the shards that an earlier run has finished and whose files are there in full."""
        for index in range(len(self)):
            if not self._store.exists(marker_name(self.folder, index)):
                continue
            with contextlib.suppress(ValueError):  # a power failure has cut the marker
                self.done(index)
                if not_whole(self._store, self.folder, self.shards[index], index):
                    del self.shards[index]

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Shard:
        return Shard(self._store, self.folder, index, len(self), None, {}, self.shards[index]["outputs"])

    def done(self, index: int) -> None:
        """Shard `index` has been published."""
        self.shards[index] = self._store.read_json(marker_name(self.folder, index))

    def begin(self) -> str:
        """Its first task is given out: what there is to say of it."""
        self.begun = time.monotonic()
        kept = f", {self.kept} of them finished before" if self.kept else ""
        return f"{self.step.name}: {counted(len(self), 'shard')}{kept}"

    @property
    def over(self) -> bool:
        return len(self.shards) + len(self.lost) == len(self)

    @property
    def sources(self) -> list["UnderWay"]:
        """The inputs that were under way when this one began."""
        return [source for source in self._sources if isinstance(source, UnderWay)]

    def doomed(self, index: int) -> bool:
        """Does it rest on a lost shard?"""
        return any(index in source.lost for source in self.sources)

    def ready(self, index: int) -> bool:
        return all(index in source.shards for source in self.sources)

    def task(self, index: int) -> Task:
        """Everything that a worker needs for shard `index`."""
        inputs = tuple(self._input(edge, found, index) for edge, found in self._edges())
        step = self.step
        return Task(
            step.name, step.fn.__module__, step.fn.__name__, self._store, self.folder, index, inputs, step.params
        )

    def _input(self, edge: Edge, found: Any, index: int) -> Shard | list[Shard] | Shards:
        if edge.mode == "aligned":
            return found[index]
        if isinstance(edge.source, InputFiles):
            return found
        return Shards(self._store, folder_of(edge.source), index if edge.mode == "bucket" else None)

    def publish(self) -> str:
        """Write the manifest, last of all, and say in a line what there is. Every shard must be done."""
        self._store.sweep(self.folder)  # of workers that died
        seconds = round(time.monotonic() - (self.begun or time.monotonic()), 3)
        ordered = [self.shards[index] for index in range(len(self))]
        cost = {
            "shards": [shard["cost"] for shard in ordered],
            "wall_seconds": seconds,
            "input_bytes": input_bytes(self.step),
        }
        self._store.write_json(f"{self.folder}/cost.json", cost)
        shards = [{name: what for name, what in shard.items() if name != "cost"} for shard in ordered]
        step, totals = self.step, _totals(shards)
        said = {"step": step.name, "key": step.key, "identity": step.identity, "shards": shards, **totals}
        self._store.write_json(f"{self.folder}/manifest.json", said, indent=1)
        return f"{step.name}: done, {totals['rows'].get('part', 0):,} rows, {seconds:.1f} s"


def _buckets(found: list[Shard]) -> int:
    """How many buckets the shards of a step were shuffled into."""
    return max(output["buckets"] for part in found for output in part.outputs.values())


def _totals(shards: list[dict]) -> dict[str, Any]:
    rows: dict[str, int] = {}
    reasons: dict[str, dict[str, int]] = {}
    for shard in shards:
        for name, output in shard["outputs"].items():
            rows[name] = rows.get(name, 0) + output["rows"]
            for reason, n in output["reasons"].items():
                reasons.setdefault(name, {})[reason] = reasons.get(name, {}).get(reason, 0) + n
    return {"rows": rows, "reasons": reasons}
