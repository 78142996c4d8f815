"""A step that is being run: which of its shards are finished, which have failed, and which still wait for an input."""

import random
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from pipeline.base.errors import CorruptFile
from pipeline.base.format import counted
from pipeline.runner.contents import Contents, FinishedStep, MarkerFile, contents_of
from pipeline.runner.dag import Edge, Step, ancestors
from pipeline.runner.known_shards import KnownShards
from pipeline.runner.manifests import manifest_name, write_manifest, write_published_manifest
from pipeline.runner.task import Task
from pipeline.store.filesystem import Store
from pipeline.store.shard import DIGEST_BYTES, KEY_BYTES, NO_INDEX, Shard, listed_files
from pipeline.store.shard_table import ShardList, content_digest

WAITING, READY, RUNNING, DONE, LOST = range(5)  # states of a shard; LOST: failed for good, or reads one that has


class StepRun(Contents):
    """A step whose shards are being computed.

    Shard i starts as soon as shard i of each aligned input is finished, so one slow shard does not hold up the rest.
    Its content key is known then, and where a shard with this key is there already, there is nothing to do. Inputs read
    in full or by partition must be finished first. A shard takes a few bytes of memory here; markers are in a file.

    lock_name: the folder of the step's lock, in which its tasks keep their temporary files.
    sizes: the listing of the step's folder.
    """

    def __init__(
        self,
        step: Step,
        store: Store,
        lock: AbstractContextManager,
        lock_name: str,
        sizes: dict[str, int],
        running: dict[str, "StepRun"],
    ):
        self.step, self.lock, self.scratch, self._store = step, lock, lock_name, store
        self._inputs: dict[str, tuple[Edge, Contents]] = {
            place: (edge, running[edge.source.key] if edge.source.key in running else contents_of(store, edge.source))
            for place, edge in step.edges.items()
        }
        # those that are still being run: only shards of aligned inputs can be
        self.sources = [shards for _, shards in self._inputs.values() if isinstance(shards, StepRun)]
        self._totals = {
            place: shards.total() for place, (edge, shards) in self._inputs.items() if edge.mode != "aligned"
        }
        count = self._count = self._count_shards()
        self._states, self._first_ready, self._open = bytearray(count), 0, count
        self._keys, self._all_digests = bytearray(count * KEY_BYTES), bytearray(count * DIGEST_BYTES)
        self._markers = MarkerFile(count)
        self.ready_count = self.lost_count = self.reused = 0
        self.failures: list[str] = []
        self.begun: float | None = None  # when the first task was submitted
        self._known = KnownShards(store, step.folder, sizes)
        self._look_first = _is_used_elsewhere(store, step.folder, lock_name, sizes)

    def _count_shards(self) -> int:
        edges = self._inputs.values()
        aligned = {len(shards) for edge, shards in edges if edge.mode == "aligned"}
        if len(aligned) > 1:
            raise AssertionError(f"{self.step.name}: inputs have different numbers of shards: {sorted(aligned)}")
        partitions = [
            shards.manifest.buckets
            for edge, shards in edges
            if edge.mode == "partition" and isinstance(shards, FinishedStep)
        ]
        return self.step.tasks or max(aligned or partitions, default=1)

    def __len__(self) -> int:
        return self._count

    @property
    def digests(self) -> bytearray:
        return self._all_digests

    def shard(self, index: int) -> Shard:
        marker, key = self._markers.read(index), self._key(index).hex()
        files = (marker["outputs"], marker["files"])
        return Shard(self._store, self.step.folder, key, index, len(self), None, {}, *files)

    def _key(self, index: int) -> bytes:
        return bytes(self._keys[KEY_BYTES * index : KEY_BYTES * (index + 1)])

    def is_done(self, index: int) -> bool:
        return self._states[index] == DONE

    def start(self) -> None:
        """Collect the shards that are there already, of any run, and get those ready whose inputs are."""
        arrived: dict[bytes, list[int]] = {}
        for index in range(len(self)):
            state = self._arrive(index)
            if state == READY and len(self._known):
                arrived.setdefault(self._key(index), []).append(index)
        for key, marker in self._known.find(list(arrived)):
            for index in arrived[key]:
                self._reuse(index, marker)

    def input_ended(self, index: int) -> bool:
        """Look at shard `index` after one of its inputs has ended; return whether it has ended with that."""
        if self._states[index] != WAITING or self._arrive(index) == WAITING:
            return False
        if self._states[index] == READY:
            for _, marker in self._known.find([self._key(index)]):
                self._reuse(index, marker)
        return self._states[index] in (DONE, LOST)

    def _arrive(self, index: int) -> int:
        """Change the state of a waiting shard by those of its inputs; compute its key when these are finished."""
        states = [source._states[index] for source in self.sources]
        if LOST in states:
            self.lose(index)
        elif all(state == DONE for state in states):
            contents = [self._totals.get(place) or shards.digest(index) for place, (_, shards) in self._inputs.items()]
            key = self.step.shard_key(contents, index if self.step.is_numbered else None)
            self._keys[KEY_BYTES * index : KEY_BYTES * (index + 1)] = key
            self.put_back(index)
        return self._states[index]

    def put_back(self, index: int) -> None:
        """Note that a shard can be computed."""
        self._states[index] = READY
        self.ready_count += 1
        self._first_ready = min(self._first_ready, index)

    def _reuse(self, index: int, marker: dict) -> None:
        self.ready_count -= 1
        self.reused += 1
        self.done(index, marker)

    def next_ready(self, chance: random.Random | None = None) -> int:
        """Take a shard that can be computed: the first one, or any. There must be one."""
        start = chance.randrange(len(self)) if chance else self._first_ready
        index = self._states.find(READY, start)
        if index < 0:
            index = self._states.find(READY)
        if not chance:
            self._first_ready = index + 1
        self._states[index] = RUNNING
        self.ready_count -= 1
        return index

    def done(self, index: int, marker: dict) -> None:
        """Note that a shard is finished."""
        self._states[index] = DONE
        self._open -= 1
        self._all_digests[DIGEST_BYTES * index : DIGEST_BYTES * (index + 1)] = content_digest(marker)
        self._markers.write(index, marker)

    def lose(self, index: int) -> None:
        """Note that a shard has failed for good, or depends on one that has."""
        self._states[index] = LOST
        self._open -= 1
        self.lost_count += 1

    def begin(self) -> str:
        """Note that the first task is submitted; return a line that says so."""
        self.begun = time.monotonic()
        reused = f", {self.reused:,} of them finished before" if self.reused else ""
        return f"{self.step.name}: {counted(len(self), 'shard')}{reused}"

    @property
    def over(self) -> bool:
        return not self._open

    def task(self, index: int, attempt: int = 1) -> Task:
        """Return everything that a worker needs for shard `index`."""
        inputs: dict[str, Any] = {
            parameter: {} for parameter, edges in self.step.inputs.items() if isinstance(edges, dict)
        }
        for place, (edge, shards) in self._inputs.items():
            parameter, _, name = place.partition(".")
            given = self._input(edge, shards, index)
            if name:
                inputs[parameter][name] = given
            else:
                inputs[parameter] = given
        step = self.step
        return Task(
            step.name,
            step.function,
            step.stage.outputs,
            self._store,
            step.folder,
            self._key(index).hex(),
            self.scratch,
            index,
            inputs,
            step.params,
            attempt,
            self._look_first,
        )

    def _input(self, edge: Edge, shards: Contents, index: int) -> Any:
        if edge.mode == "aligned":
            shard = shards.shard(index)
            return shard if self.step.stage.numbered else replace(shard, index=NO_INDEX, count=NO_INDEX)
        if isinstance(shards, FinishedStep):
            return ShardList(shards.manifest.table, index if edge.mode == "partition" else None)
        return [shards.shard(i) for i in range(len(shards))]

    def publish(self) -> str:
        """Write the manifest, last of all, and return a line about it. Every shard must be finished."""
        seconds = round(time.monotonic() - (self.begun or time.monotonic()), 3)
        self._check_objects()
        if self.step.stage.published:
            key, marker = self._key(0).hex(), self._markers.read(0)
            steps = {ancestor.name: manifest_name(ancestor) for ancestor in ancestors(self.step)}
            write_published_manifest(self._store, self.step, key, marker, steps, self.scratch)
        rows = write_manifest(self._store, self.step, self._finished(), self.total(), seconds, self.scratch)
        return f"{self.step.name}: done, {rows.get('part', 0):,} rows, {seconds:.1f} s"

    def _finished(self) -> Iterator[tuple[bytes, bytes, dict]]:
        for index in range(len(self)):
            yield self._key(index), self.digest(index), self._markers.read(index)

    def _check_objects(self) -> None:
        """Raise CorruptFile when an object store has not kept what it has acknowledged: one request for all files."""
        if self._store.local:
            return
        sizes = self._store.sizes(self.step.folder)
        for key, _, marker in self._finished():
            for name, size, _ in listed_files(marker, key.hex()):
                stored = sizes.get(name, 0)
                if stored != size:
                    name = f"{self.step.folder}/{name}"
                    raise CorruptFile(name, self._store.uri(name), f"{stored:,} bytes of it are stored")


def _is_used_elsewhere(store: Store, folder: str, lock_name: str, sizes: dict[str, int]) -> bool:
    """Return whether another run computes shards in the same folder: tasks then look whether theirs is there."""
    locks = {name.split("/")[1] for name in sizes if name.startswith("locks/")}
    for name in (f"{folder}/locks/{lock}" for lock in sorted(locks)):
        if name != lock_name:
            lock = store.lock(name)
            if lock is None:
                return True
            lock.__exit__(None, None, None)
    return False
