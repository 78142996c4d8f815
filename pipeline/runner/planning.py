"""What a run would do and why, and what it may cost."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.base.errors import CorruptFile
from pipeline.runner.dag import Step, ancestors, differences
from pipeline.runner.manifests import damaged_files, folder_of, input_bytes, missing_steps
from pipeline.store.filesystem import Store

SHOWN_FILES = 3  # of those that are missing or truncated, in a reason
IDENTITY_PARTS = ("name", "version", "libraries", "params", "tasks")  # beside inputs, which have lines of their own


@dataclass(frozen=True)
class PlannedStep:
    """One step of a plan."""

    step: str
    state: str  # "have" (finished) | "run" | "spare" (not there, and nothing that must run needs it)
    reasons: tuple[str, ...]
    cpu_seconds: float | None  # estimated from the last run of the same step, in proportion to raw input
    disk_bytes: float | None


def plan(goal: Step, store: Store) -> list[PlannedStep]:
    """What would happen to each step that `goal` depends on, inputs first."""
    to_run = {step.key for step in missing_steps(goal, store)}
    return [_planned(step, store, step.key in to_run) for step in ancestors(goal)]


def _planned(step: Step, store: Store, runs: bool) -> PlannedStep:
    if runs:
        latest = _latest_key(step, store)
        return PlannedStep(step.name, "run", tuple(_reasons(step, store, latest)), *_estimate(step, store, latest))
    if store.exists(f"{folder_of(step)}/manifest.json"):
        return PlannedStep(step.name, "have", (), 0, 0)
    return PlannedStep(step.name, "spare", ("what rests on it is finished",), 0, 0)


def _latest_key(step: Step, store: Store) -> str | None:
    """Key of the last finished run of a step of the same name; None where there is none."""
    manifests = [
        (info.mtime_ns or 0, key)
        for key in (entry.base_name for entry in store.list(step.name))
        if (info := store.info(f"{step.name}/{key}/manifest.json")).is_file
    ]
    return max(manifests)[1] if manifests else None


def _reasons(step: Step, store: Store, latest: str | None) -> Iterator[str]:
    """Why a step must run: damaged files, or what differs from its last run."""
    folder = folder_of(step)
    if latest == step.key:
        files = damaged_files(store, folder, store.read_json(f"{folder}/manifest.json"))
        yield f"{', '.join(files[:SHOWN_FILES])} missing or cut" if files else "its manifest is gone"
    elif latest is None:
        yield "never run here"
    else:
        yield from _changes(store.read_json(f"{step.name}/{latest}/manifest.json")["identity"], step.identity)
    if store.list(f"{folder}/shards") and latest != step.key:
        yield "begun before: finished shards are kept"


def _changes(old: dict, new: dict) -> Iterator[str]:
    """Changes of a step itself in full; those of inputs by the input's name, as its own line has the details."""
    for part in IDENTITY_PARTS:
        changes = differences(old[part], new[part], part)
        yield from (change for change in changes if not change.startswith("params.recipe:"))
    old_keys, new_keys = ({place: key for place, _, _, key in identity["inputs"]} for identity in (old, new))
    if old_keys.keys() != new_keys.keys():
        yield "other inputs"
        return
    changed = [name for place, _, name, key in new["inputs"] if old_keys[place] != key]
    yield from dict.fromkeys(f"input {name} changed" for name in changed)


def _estimate(step: Step, store: Store, latest: str | None) -> tuple[float | None, float | None]:
    """Seconds of CPU and bytes on disk, scaled from the last run by the bytes of raw input; None where unknown."""
    cost_file = f"{step.name}/{latest}/cost.json"
    if latest is None or not store.exists(cost_file):
        return None, None
    try:
        cost = store.read_json(cost_file)
    except CorruptFile:
        return None, None
    scale = (input_bytes(step) / cost["input_bytes"]) if cost["input_bytes"] else 1.0
    shards = store.read_json(f"{step.name}/{latest}/manifest.json")["shards"]
    size = sum(file["bytes"] for shard in shards for kind in ("outputs", "files") for file in shard[kind].values())
    return scale * sum(shard["cpu_seconds"] for shard in cost["shards"]), scale * size
