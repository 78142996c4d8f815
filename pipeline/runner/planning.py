"""What a run would do and why, and what it may cost."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.base.errors import CorruptFile
from pipeline.base.format import counted
from pipeline.runner.contents import contents_of, total_digest
from pipeline.runner.dag import InputFiles, Step, ancestors, differences
from pipeline.runner.known_shards import KnownShards
from pipeline.runner.manifests import (
    Manifest,
    costs_of,
    damaged_files,
    input_bytes,
    load_manifest,
    manifest_name,
    manifests_in,
    missing_steps,
    read_costs,
    read_manifest,
)
from pipeline.store.filesystem import Store
from pipeline.store.shard_table import content_digest

SHOWN_FILES = 3  # of those that are missing, truncated or new, in a reason
IDENTITY_PARTS = ("name", "version", "libraries", "params", "tasks")  # beside inputs, which have lines of their own


@dataclass(frozen=True)
class PlannedStep:
    """One step of a plan.

    state: "have" (finished), "run", "may run" (what it reads is not known before its inputs have run), or "spare" (not
        there, and nothing that must run needs it).
    cpu_seconds, disk_bytes: estimated from the last run of a step of this name, in proportion to raw input, and to the
        shards that are not there; None where unknown.
    """

    step: str
    state: str
    reasons: tuple[str, ...]
    cpu_seconds: float | None
    disk_bytes: float | None


@dataclass
class _Forecast:
    """What is known of the shards of a step before it runs: the digest of each, None where it is not there."""

    digests: list[bytes | None]
    new: list[int] = field(default_factory=list)  # shards that must be computed
    unknown: int = 0  # shards whose inputs must be computed first

    @property
    def total(self) -> bytes | None:
        known = [digest for digest in self.digests if digest is not None]
        return total_digest(b"".join(known)) if len(known) == len(self.digests) else None


def plan(goal: Step, store: Store) -> list[PlannedStep]:
    """What would happen to each step that `goal` depends on, inputs first."""
    to_run = {step.key for step in missing_steps(goal, store)}
    forecasts: dict[str, _Forecast | None] = {}
    return [_planned(step, store, step.key in to_run, forecasts) for step in ancestors(goal)]


def _planned(step: Step, store: Store, runs: bool, forecasts: dict[str, _Forecast | None]) -> PlannedStep:
    if not runs:
        if store.exists(manifest_name(step)):
            return PlannedStep(step.name, "have", (), 0, 0)
        return PlannedStep(step.name, "spare", ("what rests on it is finished",), 0, 0)
    forecast = forecasts[step.key] = _forecast(step, store, forecasts)
    latest = _latest_manifest(step, store)
    reasons = list(_reasons(step, store, latest))
    if latest is None or latest.table.folder != step.folder:  # no run has had this configuration
        state, share = "run", 1.0
    elif forecast is None:
        state, share = "may run", 1.0
        reasons.append("known when its inputs have run")
    else:
        count = len(forecast.digests)
        state = "run" if forecast.new else "may run" if forecast.unknown else "have"
        share = (len(forecast.new) + forecast.unknown) / max(1, count)
        if state == "have":
            reasons = ["all of its shards are there"]
        elif share < 1:
            reasons.append(_shards_in_words(step, forecast))
        elif state == "may run":
            reasons.append("known when its inputs have run")
    return PlannedStep(step.name, state, tuple(reasons), *_estimate(step, store, latest, share))


def _forecast(step: Step, store: Store, forecasts: dict[str, _Forecast | None]) -> _Forecast | None:
    """Return what is known of the shards of a step that is not finished; None where not even their number is."""
    digests: dict[str, list[bytes | None]] = {}  # of aligned inputs, by place
    totals: dict[str, bytes | None] = {}
    buckets: list[int | None] = []
    for place, edge in step.edges.items():
        source = _source_forecast(edge.source, store, forecasts)
        if edge.mode == "aligned":
            if source is None:
                return None
            digests[place] = source.digests
        else:
            totals[place] = source.total if source else None
            if edge.mode == "partition":
                finished = isinstance(edge.source, Step) and read_manifest(store, edge.source)
                buckets.append(finished.buckets if finished else None)
    count = step.tasks or max((len(aligned) for aligned in digests.values()), default=0)
    if not count:
        if None in buckets:
            return None
        count = max((n for n in buckets if n is not None), default=1)
    return _look_up(step, store, count, digests, totals)


def _look_up(
    step: Step, store: Store, count: int, digests: dict[str, list[bytes | None]], totals: dict[str, bytes | None]
) -> _Forecast:
    """Compute the keys that can be, and look which of these shards are there."""
    forecast, indexes = _Forecast([None] * count), dict[bytes, list[int]]()
    for index in range(count):
        contents = [digests[place][index] if place in digests else totals[place] for place in step.edges]
        known = [content for content in contents if content is not None]
        if len(known) < len(contents):
            forecast.unknown += 1
        else:
            key = step.shard_key(known, index if step.is_numbered else None)
            indexes.setdefault(key, []).append(index)
    for key, marker in KnownShards(store, step.folder, store.sizes(step.folder)).find(list(indexes)):
        for index in indexes.pop(key):
            forecast.digests[index] = content_digest(marker)
    forecast.new = sorted(index for rest in indexes.values() for index in rest)
    return forecast


def _source_forecast(
    source: Step | InputFiles, store: Store, forecasts: dict[str, _Forecast | None]
) -> _Forecast | None:
    if source.key in forecasts:
        return forecasts[source.key]
    contents = contents_of(store, source)
    forecasts[source.key] = _Forecast([contents.digest(index) for index in range(len(contents))])
    return forecasts[source.key]


def _shards_in_words(step: Step, forecast: _Forecast) -> str:
    """Return how many shards must be computed, and which input files those are of."""
    text = f"{len(forecast.new) + forecast.unknown:,} of {counted(len(forecast.digests), 'shard')}"
    if not forecast.new:
        return f"{text}, if what they read changes"
    for edge in step.edges.values():
        if edge.mode == "aligned" and isinstance(edge.source, InputFiles):
            names = [str(edge.source.rows[index].get("name", index)) for index in forecast.new]
            names = list(dict.fromkeys(names))
            more = f" and {len(names) - SHOWN_FILES} more" if len(names) > SHOWN_FILES else ""
            return f"{text}: new input {', '.join(names[:SHOWN_FILES])}{more}"
    return text


def _latest_manifest(step: Step, store: Store) -> Manifest | None:
    """Return the manifest of this step, or the latest one of a step of its name; None where there is none."""
    own = manifest_name(step)
    folders = [step.name] if step.stage.published else [f"{step.name}/{i.base_name}" for i in store.list(step.name)]
    for name in [own] if store.exists(own) else _newest_first(store, folders):
        try:
            return load_manifest(store, name)
        except CorruptFile:
            continue
    return None


def _newest_first(store: Store, folders: list[str]) -> Iterator[str]:
    names = [name for folder in folders for name in manifests_in(store, folder)]
    yield from sorted(names, key=lambda name: -(store.info(name).mtime_ns or 0))


def _reasons(step: Step, store: Store, latest: Manifest | None) -> Iterator[str]:
    """Why a step must run: damaged files, or what differs from its last run."""
    if latest is None:
        yield "its manifest is damaged" if store.exists(manifest_name(step)) else "never run here"
    elif latest.key == step.key:
        files = damaged_files(store, latest)
        yield f"{', '.join(files[:SHOWN_FILES])} missing or cut" if files else "its manifest is gone"
    else:
        yield from _changes(latest.identity, step.identity)


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


def _estimate(step: Step, store: Store, latest: Manifest | None, share: float) -> tuple[float | None, float | None]:
    """Seconds of CPU and bytes on disk of a share of the step's shards; None where unknown."""
    costs = latest and read_costs(store, costs_of(f"{latest.table.folder}/manifests/{latest.key}.json"))
    if not latest or not costs:
        return None, None
    table, totals = costs
    scale = share * ((input_bytes(step) / totals["input_bytes"]) if totals["input_bytes"] else 1.0)
    return scale * sum(table["cpu_seconds"].to_pylist()), scale * latest.bytes
