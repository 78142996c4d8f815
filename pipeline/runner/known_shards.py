"""Shards that are there already, of any run: found by one listing of their folder, forgotten where they are corrupt."""

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from pipeline.base.errors import CorruptFile
from pipeline.runner.manifests import (
    costs_of,
    load_manifest,
    manifests_in,
    marker_name,
    read_costs,
    read_marker,
    table_of,
)
from pipeline.store.filesystem import Store
from pipeline.store.shard import KEY_BYTES, listed_files
from pipeline.store.shard_table import ShardTable

MAX_MANIFESTS = 8  # the latest ones, in which shards are looked for; the others are found by their own markers
CONCURRENT_READS = 32  # of markers
_KEY_TYPE = f"S{KEY_BYTES}"
# a raw file, a marker or an error, a table
_SHARD_FILE = re.compile(
    rf"(?:shards/|[^/]+-|)([0-9a-f]{{{2 * KEY_BYTES}}})(?:/|\.(?:json|error\.txt|parquet|arrows)$)"
)
_NO_COST = {"cpu_seconds": 0.0, "wall_seconds": 0.0, "peak_rss_bytes": 0}


class KnownShards:
    """The finished shards of a folder. Nothing is read before one is asked for that the listing has.

    sizes: bytes of the files of the folder, by name.
    """

    def __init__(self, store: Store, folder: str, sizes: dict[str, int]):
        self._store, self._folder = store, folder
        self._stored = _bytes_by_key(sizes)
        self._manifests: Iterator[str] | None = None
        self._tables: list[_KnownTable] = []

    def __len__(self) -> int:
        return len(self._stored)

    def find(self, keys: list[bytes]) -> Iterator[tuple[bytes, dict]]:
        """Yield key and marker of those of these shards that are there, and whose files are complete."""
        wanted = [key for key in dict.fromkeys(keys) if key in self._stored]
        for key, marker in self._read(np.array(wanted, _KEY_TYPE)) if wanted else ():
            files = [size for _, size, _ in listed_files(marker, key.hex())]
            if self._stored[key] == (len(files), sum(files)):
                yield key, marker

    def _read(self, wanted: np.ndarray) -> Iterator[tuple[bytes, dict]]:
        number = 0
        while len(wanted) and (table := self._table(number)) is not None:
            is_listed, rows = table.locate(wanted)
            for key, row in zip(wanted[is_listed].tolist(), rows.tolist(), strict=True):
                yield key.ljust(KEY_BYTES, b"\0"), table.marker(row)  # NumPy strips zeros
            wanted, number = wanted[~is_listed], number + 1
        if not len(wanted):
            return
        keys = (key.ljust(KEY_BYTES, b"\0") for key in wanted.tolist())
        with ThreadPoolExecutor(CONCURRENT_READS) as pool:
            while some := list(islice(keys, 8 * CONCURRENT_READS)):
                markers = pool.map(lambda key: read_marker(self._store, self._folder, key.hex()), some)
                for key, marker in zip(some, markers, strict=True):
                    if marker is not None:
                        yield key, marker

    def _table(self, number: int) -> "_KnownTable | None":
        """Return the `number`-th sound manifest of the folder, the latest first; None where there are not so many."""
        if self._manifests is None:
            self._manifests = islice(manifests_in(self._store, self._folder), MAX_MANIFESTS)
        while number >= len(self._tables):
            name = next(self._manifests, None)
            if name is None:
                return None
            try:
                self._tables.append(_KnownTable(self._store, name))
            except CorruptFile:
                continue  # the markers are there
        return self._tables[number]


class _KnownTable:
    """The shards of a manifest, to be found by their keys."""

    def __init__(self, store: Store, name: str):
        self._table = ShardTable(load_manifest(store, name).table, with_reasons=True)
        keys = np.frombuffer(self._table.column("key"), _KEY_TYPE)
        self._order = np.argsort(keys)
        self._keys = keys[self._order]
        costs = read_costs(store, costs_of(name))
        self._costs = costs[0] if costs and costs[0].num_rows == len(keys) else None

    def locate(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which keys are there, a mask, and the rows of these."""
        position = np.searchsorted(self._keys, wanted).clip(max=max(0, len(self._keys) - 1))
        is_listed = self._keys[position] == wanted if len(self._keys) else np.zeros(len(wanted), bool)
        return is_listed, self._order[position[is_listed]]

    def marker(self, row: int) -> dict:
        _, marker = self._table.shard(row)
        cost = {name: self._costs[name][row].as_py() for name in _NO_COST} if self._costs else _NO_COST
        return {**marker, "cost": cost}


def _bytes_by_key(sizes: dict[str, int]) -> dict[bytes, tuple[int, int]]:
    """Return number and bytes of the files of each shard that has a marker, from a listing of their folder."""
    markers = {shard_key_of(name) for name in sizes if name.startswith("shards/") and name.endswith(".json")}
    count, total = Counter[str](), Counter[str]()
    for name, size in sizes.items():
        # the manifest of a published folder is written when its shard is finished
        if not name.startswith("shards/") and not name.endswith("/manifest.json"):
            count[key := shard_key_of(name)] += 1
            total[key] += size
    return {bytes.fromhex(key): (count[key], total[key]) for key in markers}


def shard_key_of(name: str) -> str:
    """Return the key of the shard that a file of a step's folder belongs to; "" for another file."""
    match = _SHARD_FILE.match(name)
    return match[1] if match else ""


def forget_shard(store: Store, name: str) -> bool:
    """Make a run compute the shard again that has written the file `name`; return whether there is such a shard.

    The file, its shard's marker and the manifests that list the shard go; all other shards are kept. A damaged table of
    a manifest goes with the manifest.
    """
    folder, is_manifest, file = name.rpartition("/manifests/")
    if is_manifest:
        _forget_manifest(store, f"{folder}/manifests/{file.rpartition('.')[0]}.json")
        return True
    for folder, file in _splits(name):
        key = shard_key_of(file)
        if key and store.exists(marker_name(folder, key)):
            store.delete_file(marker_name(folder, key))
            for manifest in list(manifests_in(store, folder)):
                if _lists(store, manifest, bytes.fromhex(key)):
                    _forget_manifest(store, manifest)
            store.delete_file(name)
            return True
    return False


def _splits(name: str) -> list[tuple[str, str]]:
    """Return the ways to read a name as a step's folder and a file in it: a published step's has one level less."""
    parts = name.split("/")
    return [("/".join(parts[:n]), "/".join(parts[n:])) for n in (1, 2) if n < len(parts)]


def _lists(store: Store, manifest: str, key: bytes) -> bool:
    try:
        return len(_KnownTable(store, manifest).locate(np.array([key], _KEY_TYPE))[1]) > 0
    except CorruptFile:
        return True


def _forget_manifest(store: Store, name: str) -> None:
    store.delete_file(name)
    store.delete_file(table_of(name))
