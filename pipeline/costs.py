"""What a corpus cost, from the `cost.json` of its steps: kept out of its files, whose bytes no machine may change."""

import posixpath
from collections.abc import Iterator
from typing import Any

from pipeline.errors import UserError
from pipeline.store import Store
from pipeline.wording import counted

_HEADS = ("step", "CPU", "of all", "records a core-second", "tasks", "longest", "wall", "peak memory")


def costs(folder: Store) -> str:
    """A Markdown table of the steps of the published corpus in `folder`, the dearest first, and a line of totals.

    CPU and wall in seconds; `wall` is from a step's first task to its last, and steps overlap; memory is the resident
    set of a worker with the machine code and libraries in it, where it was highest. Raises UserError where the steps
    are not beside the corpus.
    """
    stats = folder.read_json("stats.json")
    steps, root = stats["recipe"]["steps"], Store(posixpath.dirname(posixpath.dirname(folder.root.rstrip("/"))))
    names = {name: f"{name}/{key}" for name, key in steps.items()} | {
        "corpus": folder.root.removeprefix(f"{root.root}/")
    }
    rows = sorted(_rows(root, names), key=lambda row: (-row["cpu"], row["step"]))
    if len(rows) < 2:  # its own
        raise UserError(f"{folder.root}: its steps are not beside it; give the folder below ROOT that `corpus` printed")
    total = sum(row["cpu"] for row in rows)
    lines = [" | ".join(_HEADS), "|".join(["---", *["--:"] * (len(_HEADS) - 1)])]
    lines += [" | ".join(_cells(row, total, stats["records"])) for row in rows]
    gone = len(names) - len(rows)
    without = f", without {counted(gone, 'step')} whose folder is gone" if gone else ""
    rate = f"{stats['records'] / total:,.0f} records a core-second" if total else "nothing measured"
    peak = max(row["memory"] for row in rows) / 1e6
    said = f"{counted(stats['records'], 'record')}: {total:,.1f} s of CPU, {rate}, {peak:,.0f} MB at most{without}"
    return "\n".join([*(f"| {line} |" if i != 1 else f"|{line}|" for i, line in enumerate(lines)), "", said])


def _rows(root: Store, names: dict[str, str]) -> Iterator[dict[str, Any]]:
    for step, name in names.items():
        if not root.exists(f"{name}/cost.json"):
            continue
        said = root.read_json(f"{name}/cost.json")
        cpu = [shard["cpu_seconds"] for shard in said["shards"]]
        memory = max((shard["peak_rss_bytes"] for shard in said["shards"]), default=0)
        wall = said["wall_seconds"]
        yield {
            "step": step,
            "cpu": sum(cpu),
            "tasks": len(cpu),
            "longest": max(cpu, default=0.0),
            "wall": wall,
            "memory": memory,
        }


def _cells(row: dict[str, Any], total: float, records: int) -> list[str]:
    rate = f"{records / row['cpu']:,.0f}" if row["cpu"] else ""
    share = f"{row['cpu'] / total:.1%}" if total else ""
    seconds = [f"{row[name]:,.1f}" for name in ("cpu", "longest", "wall")]
    return [row["step"], seconds[0], share, rate, f"{row['tasks']:,}", *seconds[1:], f"{row['memory'] / 1e6:,.0f} MB"]
