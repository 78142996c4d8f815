"""`python -m pipeline costs FOLDER`: what a corpus cost, step by step.

The figures come from the `costs` of its steps. They are not in the corpus itself, whose bytes must not depend on
the machine.
"""

import argparse
import math
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.base.errors import UserError
from pipeline.base.format import counted
from pipeline.commands.options import open_corpus
from pipeline.runner.manifests import costs_of, read_costs
from pipeline.store.filesystem import Store

HEADER = ("step", "CPU", "of all", "records a core-second", "tasks", "longest", "wall", "peak memory")


@dataclass(frozen=True)
class StepCost:
    """What one step cost."""

    step: str
    cpu_seconds: list[float]  # of each task
    wall_seconds: float  # from the start of the first task to the end of the last
    peak_bytes: int  # highest resident set of a worker, with its machine code and libraries

    def cells(self, total_cpu_seconds: float, records: int) -> list[str]:
        """Cells of a row under HEADER."""
        cpu = sum(self.cpu_seconds)
        share, rate = (f"{cpu / total_cpu_seconds:.1%}", f"{records / cpu:,.0f}") if cpu else ("", "")
        longest, wall = f"{max(self.cpu_seconds, default=0.0):,.1f}", f"{self.wall_seconds:,.1f}"
        tasks, peak = f"{len(self.cpu_seconds):,}", f"{self.peak_bytes / 1e6:,.0f} MB"
        return [self.step, f"{cpu:,.1f}", share, rate, tasks, longest, wall, peak]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder")


def run(arguments: argparse.Namespace) -> None:
    print(costs_table(open_corpus(arguments.folder)))


def costs_table(folder: Store) -> str:
    """A Markdown table of the steps of the published corpus in `folder`, the most expensive first, and totals.

    Raises UserError where the steps are not beside the corpus.
    """
    stats = folder.read_json("stats.json", checked=False)
    steps = folder.read_json("manifest.json").get("steps", {})
    root = posixpath.dirname(posixpath.dirname(folder.root.rstrip("/")))
    costs = sorted(_read_costs(Store(root), steps), key=lambda cost: (-sum(cost.cpu_seconds), cost.step))
    if len(costs) < 2:  # only that of the corpus itself
        raise UserError(f"{folder.root}: its steps are not beside it; give the folder below ROOT that `corpus` printed")
    total, records = math.fsum(seconds for cost in costs for seconds in cost.cpu_seconds), stats["records"]
    rows = [list(HEADER), ["---", *["--:"] * (len(HEADER) - 1)], *[cost.cells(total, records) for cost in costs]]
    rate = f"{records / total:,.0f} records a core-second, " if total else ""
    peak = f"{max(cost.peak_bytes for cost in costs) / 1e6:,.0f} MB at most"
    removed = f"; of {counted(len(steps) - len(costs), 'step')} the folder is gone" if len(costs) < len(steps) else ""
    totals = f"{counted(records, 'record')}: {total:,.1f} s of CPU, {rate}{peak}{removed}"
    return "\n".join([*(f"| {' | '.join(row)} |" for row in rows), "", totals])


def _read_costs(root: Store, steps: dict[str, str]) -> Iterator[StepCost]:
    """Costs of those steps (name and manifest) whose costs are still there."""
    for step, manifest in steps.items():
        if costs := read_costs(root, costs_of(manifest)):
            table, totals = costs
            peak = max(table["peak_rss_bytes"].to_pylist(), default=0)
            yield StepCost(step, table["cpu_seconds"].to_pylist(), totals["wall_seconds"], peak)
