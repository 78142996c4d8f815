"""A step that is being run: which of its shards are finished, which have failed, and which still wait for an input."""

import contextlib
import time
from contextlib import AbstractContextManager
from typing import Any

from pipeline.base.errors import CorruptFile
from pipeline.base.format import counted
from pipeline.runner.dag import Edge, InputFiles, Step
from pipeline.runner.manifests import ShardList, folder_of, input_bytes, marker_name, missing_files, shards_of
from pipeline.runner.task import Task
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard


class StepRun:
    """A step whose shards are being computed.

    Shard i starts as soon as shard i of each aligned input is finished, so one slow shard does not hold up the rest.
    Inputs read in full or by partition must be finished first. Steps that depend on this one index it like a list of
    its shards.
    """

    def __init__(self, step: Step, store: Store, lock: AbstractContextManager, running: dict[str, "StepRun"]):
        self.step, self.lock, self.folder, self._store = step, lock, folder_of(step), store
        self._inputs: dict[str, tuple[Edge, Any]] = {
            place: (edge, running.get(edge.source.key) or shards_of(store, edge.source))
            for place, edge in step.edges.items()
        }
        self._count = self._count_shards()
        self.shards: dict[int, dict] = {}  # markers of the finished shards
        self.lost: set[int] = set()  # failed for good, or dependent on such a shard
        self.failures: list[str] = []
        self.begun: float | None = None  # when the first task was submitted
        self._load_markers()
        self.waiting = {i for i in range(len(self)) if i not in self.shards}
        self.reused = len(self.shards)  # finished by an earlier run

    def _count_shards(self) -> int:
        edges = self._inputs.values()
        aligned = {len(shards) for edge, shards in edges if edge.mode == "aligned"}
        if len(aligned) > 1:
            raise AssertionError(f"{self.step.name}: inputs have different numbers of shards: {sorted(aligned)}")
        partitions = [
            max(output["buckets"] for shard in shards for output in shard.outputs.values())
            for edge, shards in edges
            if edge.mode == "partition"
        ]
        return self.step.tasks or max(aligned or partitions, default=1)

    def _load_markers(self) -> None:
        """Collect the shards that an earlier run has finished and whose files are complete."""
        for index in range(len(self)):
            if not self._store.exists(marker_name(self.folder, index)):
                continue
            with contextlib.suppress(
                CorruptFile
            ):  # a power failure has cut the marker, say: its shard is computed again
                self.done(index)
                if missing_files(self._store, self.folder, self.shards[index], index):
                    del self.shards[index]

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Shard:
        marker = self.shards[index]
        return Shard(self._store, self.folder, index, len(self), None, {}, marker["outputs"], marker["files"])

    def done(self, index: int) -> None:
        """Note that shard `index` is finished. Raises CorruptFile when its marker is damaged."""
        self.shards[index] = self._store.read_json(marker_name(self.folder, index))

    def begin(self) -> str:
        """Note that the first task is submitted; return a line that says so."""
        self.begun = time.monotonic()
        reused = f", {self.reused} of them finished before" if self.reused else ""
        return f"{self.step.name}: {counted(len(self), 'shard')}{reused}"

    @property
    def over(self) -> bool:
        return len(self.shards) + len(self.lost) == len(self)

    @property
    def sources(self) -> list["StepRun"]:
        """The inputs that were being run when this step started."""
        return [shards for _, shards in self._inputs.values() if isinstance(shards, StepRun)]

    def doomed(self, index: int) -> bool:
        """Return whether shard `index` depends on one that is lost."""
        return any(index in source.lost for source in self.sources)

    def ready(self, index: int) -> bool:
        return all(index in source.shards for source in self.sources)

    def task(self, index: int) -> Task:
        """Return everything that a worker needs for shard `index`."""
        inputs: dict[str, Any] = {}
        for place, (edge, shards) in self._inputs.items():
            parameter, _, name = place.partition(".")
            given = self._input(edge, shards, index)
            if name:
                inputs.setdefault(parameter, {})[name] = given
            else:
                inputs[parameter] = given
        for parameter, edges in self.step.inputs.items():
            if isinstance(edges, dict):
                inputs.setdefault(parameter, {})  # a mapping without entries
        step = self.step
        return Task(step.name, step.function, step.stage.outputs, self._store, self.folder, index, inputs, step.params)

    def _input(self, edge: Edge, shards: Any, index: int) -> Shard | list[Shard] | ShardList:
        if edge.mode == "aligned":
            return shards[index]
        if isinstance(edge.source, InputFiles):
            return shards
        return ShardList(self._store, folder_of(edge.source), index if edge.mode == "partition" else None)

    def publish(self) -> str:
        """Write the manifest, last of all, and return a line about it. Every shard must be finished."""
        self._store.remove_temporaries(self.folder)  # of workers that died
        seconds = round(time.monotonic() - (self.begun or time.monotonic()), 3)
        ordered = [self.shards[index] for index in range(len(self))]
        self._check_objects(ordered)
        cost = {
            "shards": [shard["cost"] for shard in ordered],
            "wall_seconds": seconds,
            "input_bytes": input_bytes(self.step),
        }
        self._store.write_json(f"{self.folder}/cost.json", cost, durable=False)
        shards = [{name: value for name, value in shard.items() if name != "cost"} for shard in ordered]
        step, totals = self.step, _totals(shards)
        manifest = {"step": step.name, "key": step.key, "identity": step.identity, "shards": shards, **totals}
        self._store.write_json(f"{self.folder}/manifest.json", manifest, indent=1)
        return f"{step.name}: done, {totals['rows'].get('part', 0):,} rows, {seconds:.1f} s"

    def _check_objects(self, markers: list[dict]) -> None:
        """Raise CorruptFile when an object store has not kept what it has acknowledged: one request for all files."""
        if self._store.local:
            return
        with self._store.listing(self.folder):
            for index, marker in enumerate(markers):
                for name in missing_files(self._store, self.folder, marker, index):
                    name = f"{self.folder}/{name}"
                    size = self._store.size(name)
                    raise CorruptFile(name, self._store.uri(name), f"{max(size, 0):,} bytes of it are stored")


def _totals(shards: list[dict]) -> dict[str, Any]:
    rows: dict[str, int] = {}
    reasons: dict[str, dict[str, int]] = {}
    for shard in shards:
        for name, output in shard["outputs"].items():
            rows[name] = rows.get(name, 0) + output["rows"]
            for reason, n in output["reasons"].items():
                reasons.setdefault(name, {})[reason] = reasons.get(name, {}).get(reason, 0) + n
    return {"rows": rows, "reasons": reasons}
