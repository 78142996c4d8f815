"""A small DAG with every kind of edge, slow enough to be killed in any stage, and ways to make it fail."""

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from pipeline.base.logs import configure_logging
from pipeline.runner.dag import InputFiles, Step, all_shards, partition, step
from pipeline.runner.ray_pool import RayPool
from pipeline.runner.scheduler import InProcess, execute
from pipeline.runner.stage import stage
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

NUMBERS = pa.schema([("id", pa.string()), ("n", pa.int64())])
SUMS = pa.schema([("bucket", pa.int64()), ("sum", pa.int64())])
SHARDS, ROWS, BUCKETS = 4, 50, 3


@stage(version=1, outputs={"part": NUMBERS, "odd": NUMBERS})
def numbers(source: Shard, *, factor: float = 1.0, pause: float = 0.0, trap: str = "") -> Iterator[pa.Table | Output]:
    """`ROWS` numbers a shard; `trap` names a file: whoever finds it there removes it and comes to grief."""
    seed = source.table()["seed"][0].as_py()
    for start in range(0, ROWS, 10):
        time.sleep(pause)
        fall_into(trap, seed)
        rows = [{"id": f"{seed:02d}-{i:03d}", "n": int((seed * 1000 + i) * factor)} for i in range(start, start + 10)]
        yield pa.Table.from_pylist(rows, NUMBERS)
        yield Output(pa.Table.from_pylist([r for r in rows if r["n"] % 2], NUMBERS), name="odd")


def fall_into(trap: str, seed: int) -> None:
    """`<kind>-<seed>` as a file name in folder `trap`: warn, raise, die, or always raise."""
    folder = Path(trap) if trap else None
    if folder is None:
        return
    if (folder / f"warn-{seed}").exists():
        (folder / f"warn-{seed}").unlink()
        logging.getLogger("filters.toy").warning("number %d is odd", seed)
    if (folder / f"always-{seed}").exists():
        raise ValueError(f"number {seed} is unlucky")
    for kind in ("raise", "die"):
        if (folder / f"{kind}-{seed}").exists():
            (folder / f"{kind}-{seed}").unlink()
            if kind == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError(f"number {seed} is unlucky once")


@stage(version=1, outputs={"part": NUMBERS})
def routed(numbers: Shard, *, pause: float = 0.0) -> Iterator[Output]:
    """Rows shuffled by n mod BUCKETS."""
    table = numbers.table()
    for b in range(BUCKETS):
        time.sleep(pause)
        mask = pa.array([n % BUCKETS == b for n in table["n"].to_pylist()])
        yield Output(table.filter(mask), bucket=b)


@stage(version=1, outputs={"part": SUMS})
def summed(routed: list[Shard], *, pause: float = 0.0) -> Iterator[pa.Table]:
    """One row a bucket."""
    time.sleep(pause)
    total = sum(n for part in routed for n in part.table()["n"].to_pylist())
    yield pa.Table.from_pylist([{"bucket": routed[0].bucket, "sum": total}], SUMS)


@stage(version=1, outputs={"part": SUMS})
def grand(
    sums: list[Shard], numbers: list[Shard], *, limit: int = 0, pause: float = 0.0
) -> Iterator[pa.Table | Output]:
    """All sums above `limit`, and a raw file."""
    time.sleep(pause)
    rows = [row for part in sums for row in part.table().to_pylist() if row["sum"] > limit]
    yield pa.Table.from_pylist(rows, SUMS)
    yield Output.file("note.txt", f"{len(rows)} sums of {sum(p.rows() for p in numbers)} numbers\n".encode())


def goal(factor: float = 1.0, limit: int = 0, pause: float = 0.0, trap: str = "") -> Step:
    rows = tuple({"seed": i, "size": 100} for i in range(SHARDS))
    source = InputFiles("seeds", tuple(range(SHARDS)), rows)
    n = step(numbers, source=source, factor=factor, pause=pause, trap=trap)
    r = step(routed, numbers=n, pause=pause)
    s = step(summed, routed=partition(r), pause=pause, tasks=BUCKETS)
    return step(grand, sums=all_shards(s), numbers=all_shards(n), limit=limit, pause=pause)


def main(json_lines: bool = False) -> None:
    """Arguments: root, workers (0: in this process), factor, pause, trap, and a seed that shuffles the tasks."""
    root, workers, factor, pause, trap, *shuffle = sys.argv[1:]
    make = InProcess if workers == "0" else lambda: RayPool(int(workers))
    wanted = goal(float(factor), 0, float(pause), trap)
    configure_logging(json_lines)
    print(execute(wanted, Store(root), make, int(shuffle[0]) if shuffle else None))
