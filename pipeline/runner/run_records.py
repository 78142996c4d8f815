"""Which folders the recorded runs of a root need: garbage collection keeps these."""

from dataclasses import dataclass
from typing import Any

from pipeline.runner.dag import Step, ancestors, digest
from pipeline.runner.manifests import folder_of
from pipeline.store.filesystem import Store


@dataclass(frozen=True)
class RunRecord:
    """The latest run with one invocation (recipe, source and overrides): its name, folders, and time in nanoseconds."""

    name: str
    folders: frozenset[str]
    invocation: Any
    time_ns: int

    @property
    def file(self) -> str:
        return f"runs/{self.name}.json"


def record_run(store: Store, goal: Step, label: str, invocation: object) -> None:
    """Note the folders of the latest run with this `invocation` (recipe, source and overrides), in `runs/`."""
    name = f"runs/{label}-{digest(invocation)[:12]}.json"
    folders = [folder_of(step) for step in ancestors(goal)]
    store.write_json(name, {"recipe": label, "invocation": invocation, "folders": folders})


def recorded_runs(store: Store) -> list[RunRecord]:
    """All recorded runs, the latest first."""
    records = []
    for info in store.list("runs"):
        if info.extension == "json":
            content = store.read_json(f"runs/{info.base_name}")
            name, folders = info.base_name.removesuffix(".json"), frozenset(content["folders"])
            records.append(RunRecord(name, folders, content.get("invocation"), info.mtime_ns or 0))
    return sorted(records, key=lambda record: (-record.time_ns, record.name))
