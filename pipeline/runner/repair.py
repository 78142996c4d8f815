"""Corrupt files of finished steps: their shards are computed again."""

import logging

from pipeline.base.errors import CorruptFile
from pipeline.runner.manifests import listed_files, marker_name
from pipeline.store.filesystem import Store

log = logging.getLogger(__name__)


def forget_shard(store: Store, name: str) -> bool:
    """Make a run compute the shard again that has written the file `name`; return whether there is such a shard.

    The manifest of its step goes, and the shard's marker: the other shards of the step are kept.
    """
    step, key, file = name.split("/", 2) if name.count("/") >= 2 else ("", "", "")
    folder = f"{step}/{key}"
    if not store.exists(f"{folder}/manifest.json"):
        return False
    try:
        markers = store.read_json(f"{folder}/manifest.json")["shards"]
    except CorruptFile:
        markers = []
    owners = [i for i, marker in enumerate(markers) if file in dict(listed_files(marker, i))]
    for index in owners:
        store.delete_file(marker_name(folder, index))
    store.delete_file(f"{folder}/manifest.json")
    return bool(owners)
