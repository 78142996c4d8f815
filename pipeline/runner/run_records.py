"""Which folders the recorded runs of a root need: garbage collection keeps these."""

from pipeline.runner.dag import Step, ancestors, digest
from pipeline.runner.manifests import folder_of
from pipeline.store.filesystem import Store


def record_run(store: Store, goal: Step, label: str, invocation: object) -> None:
    """Note the folders of the latest run with this `invocation` (recipe, source and overrides), in `runs/`."""
    name = f"runs/{label}-{digest(invocation)[:12]}.json"
    folders = [folder_of(step) for step in ancestors(goal)]
    store.write_json(name, {"recipe": label, "invocation": invocation, "folders": folders})


def recorded_folders(store: Store) -> set[str]:
    """Folders that any recorded run needs."""
    records = [f"runs/{info.base_name}" for info in store.list("runs") if info.extension == "json"]
    return {folder for record in records for folder in store.read_json(record)["folders"]}
