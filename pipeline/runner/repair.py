"""Making a run compute a shard again whose files are damaged."""

from pipeline.base.errors import CorruptFile
from pipeline.runner.manifests import listed_files, marker_name
from pipeline.store.filesystem import Store


def forget_shard(store: Store, name: str) -> bool:
    """Make a run compute the shard again that has written the file `name`; return whether there is such a shard.

    The manifest of its step goes, and the shard's marker: the other shards of the step are kept.
    """
    step, key, file = name.split("/", 2) if name.count("/") >= 2 else ("", "", "")
    folder = f"{step}/{key}"
    finished = bool(step) and store.exists(f"{folder}/manifest.json")
    markers = _markers_of_manifest(store, folder) if finished else _markers_of_shards(store, folder) if step else {}
    owners = [index for index, marker in markers.items() if file in dict(listed_files(marker, index))]
    for index in owners:
        store.delete_file(marker_name(folder, index))
    if finished:
        store.delete_file(f"{folder}/manifest.json")
    return bool(owners)


def _markers_of_manifest(store: Store, folder: str) -> dict[int, dict]:
    try:
        return dict(enumerate(store.read_json(f"{folder}/manifest.json")["shards"]))
    except CorruptFile:
        return {}


def _markers_of_shards(store: Store, folder: str) -> dict[int, dict]:
    """The markers of a step that is not finished."""
    markers = {}
    for info in store.list(f"{folder}/shards"):
        if info.extension == "json":
            try:
                markers[int(info.base_name.removesuffix(".json"))] = store.read_json(
                    f"{folder}/shards/{info.base_name}"
                )
            except CorruptFile:
                continue  # computed again in any case
    return markers
