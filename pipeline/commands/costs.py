"""What a corpus cost, from the `cost.json` of its steps: kept out of its files, whose bytes no machine may change."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.base.errors import UserError
from pipeline.base.format import counted
from pipeline.store.filesystem import Store

_HEADS = ("step", "CPU", "of all", "records a core-second", "tasks", "longest", "wall", "peak memory")


@dataclass(frozen=True)
class Cost:
    """Of one step. Seconds of CPU of each task; of the clock, from the first task to the last; bytes of the worker's
    resident set where it was highest, machine code and libraries in it."""

    step: str
    cpu: list[float]
    wall: float
    peak: int

    def cells(self, total: float, records: int) -> list[str]:
        """As `_HEADS` has them."""
        cpu = sum(self.cpu)
        share, rate = (f"{cpu / total:.1%}", f"{records / cpu:,.0f}") if cpu else ("", "")
        seconds = [f"{value:,.1f}" for value in (cpu, max(self.cpu, default=0.0), self.wall)]
        return [self.step, seconds[0], share, rate, f"{len(self.cpu):,}", *seconds[1:], f"{self.peak / 1e6:,.0f} MB"]


def costs(folder: Store) -> str:
    """A Markdown table of the steps of the published corpus in `folder`, the dearest first, and a line of totals.

    Raises UserError where the steps are not beside the corpus.
    """
    stats = folder.read_json("stats.json")
    parent, key = posixpath.split(folder.root.rstrip("/"))
    root, name = posixpath.split(parent)
    steps = {**stats["recipe"]["steps"], name: key}
    found = sorted(_costs(Store(root), steps), key=lambda cost: (-sum(cost.cpu), cost.step))
    if len(found) < 2:  # its own
        raise UserError(f"{folder.root}: its steps are not beside it; give the folder below ROOT that `corpus` printed")
    total, records = sum(sum(cost.cpu) for cost in found), stats["records"]
    rows = [list(_HEADS), ["---", *["--:"] * (len(_HEADS) - 1)], *[cost.cells(total, records) for cost in found]]
    rate = f"{records / total:,.0f} records a core-second, " if total else ""
    peak = f"{max(cost.peak for cost in found) / 1e6:,.0f} MB at most"
    gone = f"; of {counted(len(steps) - len(found), 'step')} the folder is gone" if len(found) < len(steps) else ""
    said = f"{counted(records, 'record')}: {total:,.1f} s of CPU, {rate}{peak}{gone}"
    return "\n".join([*(f"| {' | '.join(row)} |" for row in rows), "", said])


def _costs(root: Store, steps: dict[str, str]) -> Iterator[Cost]:
    for step, key in steps.items():
        name = f"{step}/{key}/cost.json"
        if root.exists(name):
            said = root.read_json(name)
            cpu, peaks = ([shard[what] for shard in said["shards"]] for what in ("cpu_seconds", "peak_rss_bytes"))
            yield Cost(step, cpu, said["wall_seconds"], max(peaks, default=0))
