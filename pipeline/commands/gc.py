"""`python -m pipeline gc`: list step folders that no recorded run and no index needs; `--yes` removes them."""

import argparse
import logging

from pipeline.base.errors import UserError
from pipeline.base.exit_codes import reason_of
from pipeline.commands.options import add_log_option, open_store
from pipeline.index.pointer import index_names, load_pointer
from pipeline.runner.run_records import recorded_folders
from pipeline.store.filesystem import Store

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", default="data")
    parser.add_argument("--yes", action="store_true", help="remove them")
    add_log_option(parser)


def run(arguments: argparse.Namespace) -> None:
    store = open_store(arguments)
    try:
        folders = unused_folders(store)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"ROOT={arguments.root}: cannot be read ({reason_of(error)}); give a folder of steps"
        ) from error
    for folder in folders:
        state = "not needed"
        if arguments.yes:
            state = "removed" if remove_folder(store, folder) else "in use"
        print(f"{state}: {store.uri(folder)}")
    if not folders:
        log.info("nothing to remove in %s", store.root)
    elif not arguments.yes:
        log.info("nothing was removed; add --yes (make gc YES=1) to remove these")


def unused_folders(store: Store) -> list[str]:
    """Step folders that no recorded run and no index needs."""
    needed = recorded_folders(store)
    needed |= {folder for name in index_names(store) for folder in load_pointer(store, name).folders()}
    steps = [entry.base_name for entry in store.list() if entry.base_name != "runs" and entry.base_name[0] != "."]
    folders = [f"{step}/{entry.base_name}" for step in steps for entry in store.list(step)]
    return [folder for folder in folders if folder not in needed and _is_step_folder(store, folder)]


def _is_step_folder(store: Store, folder: str) -> bool:
    """Whether the folder is a step of this program: no other folder is ever removed."""
    return store.exists(f"{folder}/manifest.json") or bool(store.list(f"{folder}/shards"))


def remove_folder(store: Store, folder: str) -> bool:
    """Delete a step's folder; returns False while a run has it locked."""
    lock = store.lock(folder)
    if lock is None:
        return False
    with lock:
        store.delete(folder)
    return True
