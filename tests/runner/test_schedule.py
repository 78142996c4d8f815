"""Which tasks a run gives out and when, on random DAGs with random failures, against what their edges say."""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.errors import UserError
from pipeline.runner.dag import Edge, InputFiles, Step, all_shards, ancestors, partition, step
from pipeline.runner.manifests import marker_name, read_manifest
from pipeline.runner.scheduler import Outcome, execute
from pipeline.runner.stage import stage
from pipeline.runner.task import Task, run_task
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

ROW = pa.schema([("n", pa.int64())])
BUCKETS = 2
Keys = dict[tuple[str, int], str]  # content keys by step and shard


@stage(version=1, outputs={"part": ROW})
def plain(inputs: dict[str, Shard | list[Shard]], *, tag: str) -> Iterator[pa.Table]:
    yield pa.Table.from_pylist([{"n": value_of(inputs, tag)}], ROW)


@stage(version=1, outputs={"part": ROW})
def spread(inputs: dict[str, Shard | list[Shard]], *, tag: str) -> Iterator[Output]:
    for at in range(BUCKETS):
        yield Output(pa.Table.from_pylist([{"n": value_of(inputs, f"{tag} {at}")}], ROW), bucket=at)


def value_of(inputs: dict[str, Shard | list[Shard]], place: str) -> int:
    """Reads all of its inputs: fails when one is not there yet. No two shards have one value."""
    parts = [part for given in inputs.values() for part in ([given] if isinstance(given, Shard) else given)]
    values = [part.table()["n"].to_pylist() for part in parts]
    return int.from_bytes(hashlib.sha256(repr((place, values)).encode()).digest()[:6], "big")


@st.composite
def dags(draw) -> Step:
    """Up to seven steps over one to four shards, with edges of all kinds, the last one over all that nobody reads."""
    shards = draw(st.integers(1, 4))
    leaf = InputFiles("leaf", tuple(range(shards)), tuple({"n": i} for i in range(shards)))
    made: list[tuple[Step | InputFiles, int]] = [(leaf, shards)]
    for number in range(draw(st.integers(1, 6))):
        first, count = draw(st.sampled_from(made))
        mode = draw(st.sampled_from(["aligned", "all_shards", "partition"]))
        if mode == "partition" and isinstance(first, Step) and first.function is spread:
            edges, count = [partition(first)], BUCKETS
        elif mode == "all_shards":
            edges, count = [all_shards(first)], 1
        else:
            edges = [
                Edge("aligned", source) for source, n in made if n == count and (source is first or draw(st.booleans()))
            ]
        edges += [all_shards(source) for source, _ in made if draw(st.integers(0, 5)) == 0]
        made.append((step(draw(st.sampled_from([plain, spread])), inputs=named(edges), tag=str(number)), count))
    read = {edge.source for made_step, _ in made if isinstance(made_step, Step) for edge in made_step.edges.values()}
    return step(plain, inputs=named([all_shards(source) for source, _ in made if source not in read]), tag="goal")


def named(edges: list[Edge]) -> dict[str, Edge]:
    return {f"input{i}": edge for i, edge in enumerate(edges)}


class Checking:
    """Ends its tasks in any order, fails those it was told to, and holds each against what the DAG says."""

    def __init__(
        self, goal: Step, store: Store, width: int, failing: set[tuple[str, int]], seed: int, keys: Keys | None = None
    ):
        self.goal, self.store, self.width, self.failing = goal, store, width, failing
        self.keys = {} if keys is None else keys
        self._rng = random.Random(seed)
        self._flying: list[Task] = []
        self.given: set[tuple[str, int]] = set()

    def submit(self, task: Task) -> None:
        assert len(self._flying) < self.width
        each = self._step(task)
        assert self._may_begin(each, task.index)
        assert (each.key, task.index) not in self.given
        self._flying.append(task)
        self.given.add((each.key, task.index))
        self.keys[each.key, task.index] = task.key

    def wait(self) -> tuple[Task, Outcome]:
        if len(self._flying) < self.width:
            assert not self._overlooked()
        task = self._flying.pop(self._rng.randrange(len(self._flying)))
        if (task.params["tag"], task.index) in self.failing:
            return task, UserError("told to fail")
        return task, run_task(task)

    def close(self) -> None:
        assert not self._flying

    def _step(self, task: Task) -> Step:
        return next(each for each in ancestors(self.goal) if task.scratch.endswith(each.key))

    def _may_begin(self, each: Step, index: int) -> bool:
        return all(
            isinstance(edge.source, InputFiles)
            or (
                self._published(edge.source, index)
                if edge.mode == "aligned"
                else bool(read_manifest(self.store, edge.source))
            )
            for edge in each.edges.values()
        )

    def _published(self, each: Step, index: int) -> bool:
        return is_published(self.store, self.keys, each, index)

    def _overlooked(self) -> list[tuple[str, int]]:
        """What could be under way on a free worker, and is not."""
        return [
            (each.name, index)
            for each in ancestors(self.goal)
            for index in range(shards_of(each))
            if (each.key, index) not in self.given and not self._published(each, index) and self._may_begin(each, index)
        ]


def is_published(store: Store, keys: Keys, each: Step, index: int) -> bool:
    key = keys.get((each.key, index))
    return key is not None and store.exists(marker_name(each.folder, key))


def shards_of(each: Step | InputFiles) -> int:
    if isinstance(each, InputFiles):
        return len(each.rows)
    counts = {shards_of(edge.source) for edge in each.edges.values() if edge.mode == "aligned"}
    return counts.pop() if counts else BUCKETS if any(edge.mode == "partition" for edge in each.edges.values()) else 1


def healthy(each: Step | InputFiles, index: int, failing: set[tuple[str, int]]) -> bool:
    """Neither told to fail nor resting on what is."""
    if isinstance(each, InputFiles):
        return True
    return (each.params["tag"], index) not in failing and all(
        healthy(edge.source, i, failing)
        for edge in each.edges.values()
        for i in ([index] if edge.mode == "aligned" else range(shards_of(edge.source)))
    )


@settings(max_examples=40, deadline=None)
@given(
    dags(),
    st.integers(1, 4),
    st.sets(st.tuples(st.sampled_from("012345"), st.integers(0, 3)), max_size=2),
    st.integers(),
)
def test_every_task_begins_once_its_own_inputs_are_there_and_all_that_can_be_done_is_done(goal, width, failing, seed):
    with TemporaryDirectory() as root:
        store = Store(Path(root))
        keys: Keys = {}
        executor = Checking(goal, store, width, failing, seed, keys)
        whole_run = all(healthy(goal, i, failing) for i in range(shards_of(goal)))
        if whole_run:
            execute(goal, store, lambda: executor)
        else:
            with pytest.raises(UserError, match="told to fail"):
                execute(goal, store, lambda: executor)
        for each in ancestors(goal):
            fine = [healthy(each, index, failing) for index in range(shards_of(each))]
            assert [is_published(store, keys, each, i) for i in range(len(fine))] == fine
            assert (read_manifest(store, each) is not None) == all(fine)
        execute(goal, store, lambda: Checking(goal, store, width, set(), seed, keys))  # and is gone on with
        assert read_manifest(store, goal)
