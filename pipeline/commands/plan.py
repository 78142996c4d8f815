"""`python -m pipeline plan LANGUAGE-or-recipe.toml`: what `corpus` would run, why, and what it may cost."""

import argparse

from pipeline.base.format import counted
from pipeline.commands.options import add_run_options, bind_recipe_for_reading, open_store
from pipeline.runner.planning import PlannedStep, plan

HEADER = ("step", "state", "CPU", "disk", "why")
LONGEST_IN_SECONDS = 600  # longer times are shown in hours


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="LANGUAGE-or-recipe.toml")
    add_run_options(parser)


def run(arguments: argparse.Namespace) -> None:
    store = open_store(arguments)
    build = bind_recipe_for_reading(arguments, store)
    print(plan_table(plan(build.goal, store)))
    print(build.summary())


def plan_table(steps: list[PlannedStep]) -> str:
    """The steps of a plan as a table for a terminal, and a line of totals."""
    rows = [HEADER, *map(_cells, steps)]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = ["  ".join([*(cell.ljust(n) for cell, n in zip(row, widths, strict=False)), row[4]]) for row in rows]
    to_run = [step for step in steps if step.state in ("run", "may run")]
    depending = sum(step.state == "may run" for step in steps)
    known = [step.cpu_seconds for step in to_run if step.cpu_seconds is not None]
    cost = f"about {_duration(sum(known))} of CPU"
    if len(known) < len(to_run):
        unknown = "cost unknown: never measured here"
        cost = f"{cost}, and {counted(len(to_run) - len(known), 'step')} with {unknown}" if known else unknown
    at_most = f", {depending} of them only if what they read changes" if depending else ""
    return "\n".join([*lines, f"{len(to_run)} of {len(steps)} steps to run{at_most}: {cost}"])


def _cells(step: PlannedStep) -> tuple[str, str, str, str, str]:
    cpu, disk = "", ""
    if step.state in ("run", "may run"):
        cpu = "?" if step.cpu_seconds is None else _duration(step.cpu_seconds)
        disk = "?" if step.disk_bytes is None else f"{step.disk_bytes / 1e6:,.1f} MB"
    return step.step, step.state, cpu, disk, "; ".join(step.reasons)


def _duration(seconds: float) -> str:
    return f"{seconds:,.1f} s" if seconds < LONGEST_IN_SECONDS else f"{seconds / 3600:,.2f} h"
