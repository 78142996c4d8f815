"""Which manifests the recorded runs of a root need: garbage collection keeps these, and the shards that they list."""

from dataclasses import dataclass
from typing import Any

from pipeline.runner.dag import Step, ancestors, digest
from pipeline.runner.manifests import manifest_name
from pipeline.store.filesystem import Store


@dataclass(frozen=True)
class RunRecord:
    """The latest run with one invocation (recipe, source and overrides): its name, and time in nanoseconds.

    needs: manifests of its steps; of a run of an earlier release, folders.
    """

    name: str
    needs: frozenset[str]
    invocation: Any
    time_ns: int

    @property
    def file(self) -> str:
        return f"runs/{self.name}.json"


def record_run(store: Store, goal: Step, label: str, invocation: object) -> None:
    """Note the manifests of the latest run with this `invocation` (recipe, source and overrides), in `runs/`."""
    name = f"runs/{label}-{digest(invocation)[:12]}.json"
    manifests = [manifest_name(step) for step in ancestors(goal)]
    store.write_json(name, {"recipe": label, "invocation": invocation, "manifests": manifests})


def recorded_runs(store: Store) -> list[RunRecord]:
    """All recorded runs, the latest first."""
    records = []
    for info in store.list("runs"):
        if info.extension == "json":
            content = store.read_json(f"runs/{info.base_name}")
            name, needs = info.base_name.removesuffix(".json"), content.get("manifests") or content["folders"]
            records.append(RunRecord(name, frozenset(needs), content.get("invocation"), info.mtime_ns or 0))
    return sorted(records, key=lambda record: (-record.time_ns, record.name))
