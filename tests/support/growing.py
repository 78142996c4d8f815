"""A DAG over invented files that are words: what is written depends on the contents of files alone."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from pipeline.runner.dag import InputFiles, Step, all_shards, partition, step
from pipeline.runner.manifests import shards_of
from pipeline.runner.scheduler import InProcess, execute
from pipeline.runner.stage import stage
from pipeline.runner.task import Task
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

WORDS = pa.schema([("word", pa.string())])
COUNTS = pa.schema([("word", pa.string()), ("count", pa.int64())])
BUCKETS = 2


@stage(version=1, outputs={"part": WORDS})
def words(source: Shard) -> Iterator[pa.Table]:
    """Words of one file."""
    row = source.table().to_pylist()[0]
    yield pa.table({"word": row["text"].split()}, WORDS)


@stage(version=1, outputs={"part": WORDS})
def upper(words: Shard, *, first: bool = False) -> Iterator[pa.Table]:
    """The same in capitals, or the first letters alone."""
    table = words.table()["word"].to_pylist()
    yield pa.table({"word": [word.upper()[: 1 if first else None] for word in table]}, WORDS)


@stage(version=1, outputs={"part": WORDS})
def spread(words: Shard, capitals: Shard) -> Iterator[Output]:
    """Words in the partition of their length."""
    for word, capital in zip(words.table()["word"].to_pylist(), capitals.table()["word"].to_pylist(), strict=True):
        yield Output(pa.table({"word": [capital]}, WORDS), bucket=len(word) % BUCKETS)


@stage(version=1, outputs={"part": COUNTS})
def counted(spread: list[Shard]) -> Iterator[pa.Table]:
    """Counts of the words of one partition: must see all shards."""
    found = Counter(word for shard in spread for word in shard.table()["word"].to_pylist())
    yield pa.table({"word": sorted(found), "count": [found[word] for word in sorted(found)]}, COUNTS)


@stage(version=1, outputs={}, published=True)
def book(counts: list[Shard]) -> Iterator[Output]:
    """A folder for people."""
    lines = [f"{row['word']} {row['count']}\n" for shard in counts for row in shard.table().to_pylist()]
    yield Output.file("counts.txt", "".join(lines).encode())


def files(**texts: str) -> InputFiles:
    """Input files by name, in the order of names."""
    rows = tuple({"name": name, "text": texts[name], "size": len(texts[name])} for name in sorted(texts))
    return InputFiles("files", tuple([row["name"], row["text"]] for row in rows), rows)


def steps(source: InputFiles, first: bool = False, versions: dict[str, int] | None = None) -> dict[str, Step]:
    """The DAG: words -> upper -> spread -> counted -> book."""
    at = versions or {}

    def bind(function, **arguments):
        name = function.stage.name
        return step(function, stage=replace(function.stage, version=at.get(name, 1)), **arguments)

    w = bind(words, source=source)
    u = bind(upper, words=w, first=first)
    s = bind(spread, words=w, capitals=u)
    c = bind(counted, spread=partition(s), tasks=BUCKETS)
    b = bind(book, counts=all_shards(c))
    return {one.name: one for one in (w, u, s, c, b)}


class Counting(InProcess):
    """Runs tasks and counts them by step."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: Counter[str] = Counter()

    def submit(self, task: Task) -> None:
        self.tasks[task.step] += 1
        super().submit(task)


def run(root: Path, bound: dict[str, Step]) -> dict[str, int]:
    """Tasks by step that a run takes."""
    executor = Counting()
    execute(bound["book"], Store(root), lambda: executor)
    return dict(executor.tasks)


def published(root: Path, bound: dict[str, Step]) -> str:
    shard = shards_of(Store(root), bound["book"])[0]
    return (root / shard.raw("counts.txt")).read_text()


def many(count: int) -> InputFiles:
    return files(**{f"f{i:03d}": f"text number {i}" for i in range(count)})


def grow(root: str, count: int) -> None:
    execute(steps(many(count))["book"], Store(root), InProcess)
