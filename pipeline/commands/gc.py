"""`python -m pipeline gc`: list step folders that no recorded run and no index needs; `--yes` removes them."""

import argparse
import logging
import os
import time
from collections.abc import Collection

from pyarrow import fs

from pipeline.base.errors import UserError
from pipeline.base.exit_codes import reason_of
from pipeline.base.format import format_bytes
from pipeline.base.suggestions import unknown_name
from pipeline.commands.options import add_log_option, open_store
from pipeline.index.pointer import index_names, load_pointer
from pipeline.runner.run_records import RunRecord, recorded_runs
from pipeline.store.filesystem import Store

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
        folders = unused_folders(store, forgotten, arguments.published)
        sizes = {folder: files_below(store, folder) for folder in folders}
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"ROOT={arguments.root}: cannot be read ({reason_of(error)}); give a folder of steps"
        ) from error
    freed = format_bytes(_freed_bytes(store, {name: size for files in sizes.values() for name, size in files.items()}))
    for record in runs:
        log.info("recorded run %s%s", _describe(record), ": to be forgotten" if record in forgotten else "")
    if arguments.yes:
        for record in forgotten:
            store.delete_file(record.file)
    for folder in folders:
        state = "not needed"
        if arguments.yes:
            state = "removed" if remove_folder(store, folder) else "in use"
        print(f"{state}: {store.uri(folder)} ({format_bytes(sum(sizes[folder].values()))})")
    if not folders and not forgotten:
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


def unused_folders(store: Store, forgotten: Collection[RunRecord] = (), published: bool = False) -> list[str]:
    """Step folders that no index and no recorded run needs, apart from runs that are to be forgotten.

    A published corpus is one of them only if `published`.
    """
    needed = {folder for record in recorded_runs(store) if record not in forgotten for folder in record.folders}
    needed |= {folder for name in index_names(store) for folder in load_pointer(store, name).folders()}
    steps = [name for name in _subfolders(store, "") if name != "runs" and name[0] != "."]
    folders = [f"{step}/{name}" for step in steps for name in _subfolders(store, step)]
    unused = [folder for folder in folders if folder not in needed and _is_step_folder(store, folder)]
    return [folder for folder in unused if published or not is_published(store, folder)]


def _subfolders(store: Store, folder: str) -> list[str]:
    return [info.base_name for info in store.list(folder) if info.type == fs.FileType.Directory]


def _is_step_folder(store: Store, folder: str) -> bool:
    """Whether the folder is a step of this program: no other folder is ever removed."""
    return store.exists(f"{folder}/manifest.json") or bool(store.list(f"{folder}/shards"))


def is_published(store: Store, folder: str) -> bool:
    """Whether the folder is a finished corpus."""
    return store.exists(f"{folder}/stats.json") and store.exists(f"{folder}/manifest.json")


def files_below(store: Store, folder: str) -> dict[str, int]:
    """Size in bytes of every file in a folder and its subfolders, by name."""
    files: dict[str, int] = {}
    for info in store.list(folder):
        name = f"{folder}/{info.base_name}"
        files |= files_below(store, name) if info.type == fs.FileType.Directory else {name: info.size}
    return files


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


def remove_folder(store: Store, folder: str) -> bool:
    """Delete a step's folder; returns False while a run has it locked."""
    lock = store.lock(folder)
    if lock is None:
        return False
    with lock:
        store.delete(folder)
    return True
