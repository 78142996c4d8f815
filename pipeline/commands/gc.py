"""`python -m pipeline gc`: list shards and folders that no recorded run and no index needs; `--yes` removes them."""

import argparse
import contextlib
import logging
import os
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pipeline.base.errors import CorruptFile, UserError
from pipeline.base.exit_codes import reason_of
from pipeline.base.format import counted, format_bytes
from pipeline.base.suggestions import unknown_name
from pipeline.commands.options import add_log_option, open_store
from pipeline.index.pointer import index_names, load_pointer
from pipeline.runner.known_shards import shard_key_of
from pipeline.runner.manifests import key_folders, load_manifest
from pipeline.runner.run_records import RunRecord, recorded_runs
from pipeline.store.filesystem import TEMPORARY_PREFIX, Store
from pipeline.store.shard import KEY_BYTES
from pipeline.store.shard_table import ShardTable

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", default="data")
    parser.add_argument("--keep", type=_run_count, metavar="N", help="forget all recorded runs but the N latest")
    parser.add_argument("--run", action="append", default=[], metavar="NAME", help="forget this run (several: repeat)")
    parser.add_argument("--published", action="store_true", help="published corpora that no run needs, too")
    parser.add_argument("--yes", action="store_true", help="remove them")
    add_log_option(parser)


def _run_count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of runs; give 0 or more")
    return int(text)


def run(arguments: argparse.Namespace) -> None:
    store = open_store(arguments)
    try:
        runs = recorded_runs(store)
        forgotten = _forgotten_runs(runs, arguments.keep, arguments.run)
        unused = find_unused(store, forgotten, arguments.published)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"ROOT={arguments.root}: cannot be read ({reason_of(error)}); give a folder of steps"
        ) from error
    freed = format_bytes(_freed_bytes(store, {name: size for item in unused for name, size in item.files.items()}))
    for record in runs:
        log.info("recorded run %s%s", _describe(record), ": to be forgotten" if record in forgotten else "")
    if arguments.yes:
        for record in forgotten:
            store.delete_file(record.file)
    for item in unused:
        state = "not needed"
        if arguments.yes:
            state = "removed" if remove_unused(store, item, runs) else "in use"
        print(f"{state}: {item.describe(store)} ({format_bytes(sum(item.files.values()))})")
    if not unused and not forgotten:
        log.info("nothing to remove in %s", store.root)
        return
    if arguments.yes:
        log.info("%s freed", freed)
    else:
        log.info("nothing was removed; add --yes (make gc YES=1) to remove these and free %s", freed)


def _describe(record: RunRecord) -> str:
    date = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.time_ns / 1e9))
    invocation = record.invocation if isinstance(record.invocation, dict) else {}
    source = " ".join(invocation.get("source") or ()) or "its own source"
    return f"{record.name} ({date}, {source})"


def _forgotten_runs(runs: list[RunRecord], keep: int | None, names: list[str]) -> list[RunRecord]:
    """The runs that the options say to forget. Raises UserError for a name that no run has."""
    known = {record.name: record for record in runs}
    for name in names:
        if name not in known:
            raise UserError(f"--run {name}: {unknown_name('run', name, known)}")
    surplus = runs[keep:] if keep is not None else []
    return list({record.name: record for record in [*surplus, *(known[name] for name in names)]}.values())


@dataclass(frozen=True)
class Unused:
    """What may be removed.

    folder: relative to the root. locks: folders whose locks a run would hold that uses it.
    shards: how many of the `of` shards of a folder that runs share; `of` is 0 where the whole folder may go.
    files: bytes of each file, by name relative to the root.
    """

    folder: str
    locks: tuple[str, ...]
    files: dict[str, int]
    shards: int = 0
    of: int = 0

    def describe(self, store: Store) -> str:
        which = f"{self.shards:,} of {counted(self.of, 'shard')} in " if self.of else ""
        return f"{which}{store.uri(self.folder)}"


def find_unused(store: Store, forgotten: Collection[RunRecord] = (), published: bool = False) -> list[Unused]:
    """Return what no index and no recorded run needs, apart from runs that are to be forgotten.

    A published corpus is part of it only if `published`. No folder is ever touched that no step has written.
    """
    needed = {name for record in recorded_runs(store) if record not in forgotten for name in record.needs}
    needed |= {name for index in index_names(store) for name in load_pointer(store, index).needs()}
    unused: list[Unused] = []
    for folder in key_folders(store):
        sizes = store.sizes(folder)
        if "manifest.json" in sizes or ("/" in folder and not any(_is_of_keys(name) for name in sizes)):
            unused += _unused_old_folder(folder, sizes, needed, published)
        else:
            unused += _unused_shards(store, folder, sizes, needed, published)
    return unused


def _is_of_keys(name: str) -> bool:
    return name.startswith(("manifests/", "shards/")) and bool(re.search(rf"/[0-9a-f]{{{2 * KEY_BYTES}}}\.", name))


def _unused_old_folder(folder: str, sizes: dict[str, int], needed: set[str], published: bool) -> list[Unused]:
    """Return the folder of a step that an earlier release has written, or a published folder of its."""
    is_step = "manifest.json" in sizes or any(name.startswith("shards/") for name in sizes)
    kept = folder in needed or (is_published(sizes) and not published)
    files = {f"{folder}/{name}": size for name, size in sizes.items()}
    return [Unused(folder, (folder,), files)] if is_step and not kept else []


def is_published(sizes: Mapping[str, int], prefix: str = "") -> bool:
    """Return whether a folder, of which this is the listing, is a finished corpus."""
    return f"{prefix}stats.json" in sizes and f"{prefix}manifest.json" in sizes


def _unused_shards(store: Store, folder: str, sizes: dict[str, int], needed: set[str], published: bool) -> list[Unused]:
    """Return the shards of a folder that no manifest needs, and those manifests that nothing needs.

    A run that is recorded and not finished may need any of them.
    """
    manifests = {name for name in needed if name.startswith(f"{folder}/manifests/")}
    keys = {name.split("/")[1] for name in needed if name.startswith(f"{folder}/")} - {"manifests"}
    owners: dict[str, dict[str, int]] = {}  # by key of the shard, "" for what belongs to none
    for name, size in sizes.items():
        owners.setdefault(shard_key_of(name), {})[f"{folder}/{name}"] = size
    others = owners.pop("", {})
    try:
        for name in manifests:
            column = ShardTable(load_manifest(store, name).table).column("key").hex()
            keys |= {column[i : i + 2 * KEY_BYTES] for i in range(0, len(column), 2 * KEY_BYTES)}
    except (CorruptFile, OSError):  # not written yet, or damaged
        return []
    steps = {name.rpartition("/")[2].partition(".")[0] for name in manifests}
    records = {name: size for name, size in others.items() if _may_go(name.removeprefix(f"{folder}/"), steps)}
    locks = tuple(sorted({f"{folder}/locks/{name.split('/')[1]}" for name in sizes if name.startswith("locks/")}))
    spare = {key: files for key, files in owners.items() if key not in keys}
    if "/" not in folder:  # published folders, one a key
        corpora = {key: files for key, files in spare.items() if is_published(sizes, f"{key}/")}
        chosen = {key: files for key, files in spare.items() if published or key not in corpora}
        return [Unused(f"{folder}/{key}", locks, files) for key, files in sorted(chosen.items())]
    if not keys and not manifests:
        return [Unused(folder, locks, {f"{folder}/{name}": size for name, size in sizes.items()})]
    files = {name: size for some in spare.values() for name, size in some.items()}
    return [Unused(folder, locks, records | files, len(spare), len(owners))] if spare else []


def _may_go(name: str, steps: set[str]) -> bool:
    """Return whether a file that belongs to no shard is of a step that is not one of `steps`; locks stay."""
    kind, _, file = name.partition("/")
    step, _, rest = file.partition("/")
    return step.partition(".")[0] not in steps and (kind != "locks" or rest.startswith(TEMPORARY_PREFIX))


def _freed_bytes(store: Store, sizes: dict[str, int]) -> int:
    """Bytes that removing these files frees: on a local disk, a published corpus shares files with the steps."""
    if not store.local:
        return sum(sizes.values())
    links: dict[tuple[int, int], list[int]] = {}  # (device, inode) -> size, links that stay
    for name in sizes:
        status = os.stat(store.path(name))
        entry = links.setdefault((status.st_dev, status.st_ino), [status.st_size, status.st_nlink])
        entry[1] -= 1
    return sum(size for size, remaining in links.values() if not remaining)


def remove_unused(store: Store, item: Unused, runs: Collection[RunRecord]) -> bool:
    """Remove what none of these runs needs; returns False while a run uses the folder, or when there is a new run.

    Manifests go before markers, and these before files: what is left when it is interrupted is seen to be incomplete.
    """
    with contextlib.ExitStack() as stack:
        for name in item.locks:
            lock = store.lock(name)
            if lock is None:
                return False
            stack.enter_context(lock)
        if any(record not in runs for record in recorded_runs(store)):
            return False
        if item.of:
            for name in sorted(item.files, key=lambda name: ("/manifests/" not in name, "/shards/" not in name)):
                store.delete_file(name)
        else:
            store.delete(item.folder)
            for name in item.files:
                if not name.startswith(f"{item.folder}/"):  # the marker of a published folder
                    store.delete_file(name)
    return True
