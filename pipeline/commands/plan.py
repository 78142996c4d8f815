"""What a run would do and why, what it may cost, and which folders nobody needs any more."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.base.format import counted
from pipeline.runner.dag import Step, ancestors, differences, digest
from pipeline.runner.manifests import damaged_files, folder_of, input_bytes, missing_steps
from pipeline.store.filesystem import Store


@dataclass(frozen=True)
class Line:
    """One step of a plan."""

    step: str
    state: str  # have | run | spare (nothing that must run needs it)
    why: tuple[str, ...]
    cpu_seconds: float | None  # estimated from the last run of the same step, in proportion to raw input
    disk_bytes: float | None


def plan(goal: Step, store: Store) -> list[Line]:
    """One line a step, inputs first."""
    todo = {step.key for step in missing_steps(goal, store)}
    return [_line(step, store, step.key in todo) for step in ancestors(goal)]


def _line(step: Step, store: Store, runs: bool) -> Line:
    if not runs:
        there = store.exists(f"{folder_of(step)}/manifest.json")
        return Line(step.name, "have" if there else "spare", () if there else ("what rests on it is finished",), 0, 0)
    before = _latest(step, store)
    return Line(step.name, "run", tuple(_why(step, store, before)), *_estimate(step, store, before))


def _latest(step: Step, store: Store) -> str | None:
    """The key of the finished folder of the same step that was made last."""
    found = [
        (info.mtime_ns or 0, name)
        for name in (entry.base_name for entry in store.list(step.name))
        if (info := store.info(f"{step.name}/{name}/manifest.json")).is_file
    ]
    return max(found)[1] if found else None


def _why(step: Step, store: Store, before: str | None) -> Iterator[str]:
    folder = folder_of(step)
    if before == step.key:
        lost = damaged_files(store, folder, store.read_json(f"{folder}/manifest.json"))
        yield f"{', '.join(lost[:3])} missing or cut" if lost else "its manifest is gone"
    elif before is None:
        yield "never run here"
    else:
        old = store.read_json(f"{step.name}/{before}/manifest.json")["identity"]
        yield from _changes(old, step.identity)
    if store.list(f"{folder}/shards") and before != step.key:
        yield "begun before: finished shards are kept"


def _changes(old: dict, new: dict) -> Iterator[str]:
    """Own changes in full, those of inputs by the input's name (its own line says what changed)."""
    for place in ("name", "version", "libraries", "params", "tasks"):
        yield from (
            said for said in differences(old[place], new[place], place) if not said.startswith("params.recipe:")
        )
    keys = [{place: (name, key) for place, _, name, key in identity["inputs"]} for identity in (old, new)]
    if keys[0].keys() != keys[1].keys():
        yield "other inputs"
        return
    yield from dict.fromkeys(f"input {keys[1][k][0]} changed" for k in keys[1] if keys[0][k][1] != keys[1][k][1])


def _estimate(step: Step, store: Store, before: str | None) -> tuple[float | None, float | None]:
    name = f"{step.name}/{before}/cost.json"
    if before is None or not store.exists(name):
        return None, None
    cost = store.read_json(name)
    scale = (input_bytes(step) / cost["input_bytes"]) if cost["input_bytes"] else 1.0
    shards = store.read_json(f"{step.name}/{before}/manifest.json")["shards"]
    files = (shard[kind] for shard in shards for kind in ("outputs", "files"))
    disk = sum(file["bytes"] for found in files for file in found.values())
    return scale * sum(shard["cpu_seconds"] for shard in cost["shards"]), scale * disk


def table(lines: list[Line]) -> str:
    """For a terminal."""
    rows = [("step", "state", "CPU", "disk", "why"), *[_cells(line) for line in lines]]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    text = "\n".join("  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[4]]) for row in rows)
    runs = [line for line in lines if line.state == "run"]
    known = [line.cpu_seconds for line in runs if line.cpu_seconds is not None]
    cost = f"about {_seconds(sum(known))} of CPU"
    if len(known) < len(runs):
        unknown = "cost unknown: never measured here"
        cost = f"{cost}, and {counted(len(runs) - len(known), 'step')} with {unknown}" if known else unknown
    return f"{text}\n{len(runs)} of {len(lines)} steps to run: {cost}"


def _cells(line: Line) -> tuple[str, str, str, str, str]:
    cpu = "" if line.state != "run" else "?" if line.cpu_seconds is None else _seconds(line.cpu_seconds)
    disk = "" if line.state != "run" else "?" if line.disk_bytes is None else f"{line.disk_bytes / 1e6:,.1f} MB"
    return line.step, line.state, cpu, disk, "; ".join(line.why)


def _seconds(value: float) -> str:
    return f"{value:,.1f} s" if value < 600 else f"{value / 3600:,.2f} h"


def record(goal: Step, store: Store, label: str, told: object) -> None:
    """Note which folders the latest run of a recipe (with the same source and overrides) needs: `gc` keeps these."""
    keys = [folder_of(step) for step in ancestors(goal)]
    store.write_json(f"runs/{label}-{digest(told)[:12]}.json", {"recipe": label, "told": told, "folders": keys})


def garbage(store: Store) -> list[str]:
    """Step folders that no recorded run and no index needs."""
    from pipeline.index import pointer as index

    needed = {
        folder
        for info in store.list("runs")
        if info.extension == "json"
        for folder in store.read_json(f"runs/{info.base_name}")["folders"]
    }
    needed |= {folder for name in index.names(store) for folder in index.load(store, name).folders()}
    steps = [entry.base_name for entry in store.list() if entry.base_name != "runs" and entry.base_name[0] != "."]
    found = [f"{step}/{entry.base_name}" for step in steps for entry in store.list(step)]
    return [name for name in found if name not in needed and _is_step(store, name)]


def _is_step(store: Store, name: str) -> bool:
    """Only folders that this program made are ever removed."""
    return store.exists(f"{name}/manifest.json") or bool(store.list(f"{name}/shards"))


def remove(store: Store, name: str) -> bool:
    """Delete a step's folder; False while a run has it locked."""
    lock = store.lock(name)
    if lock is None:
        return False
    with lock:
        store.delete(name)
    return True
