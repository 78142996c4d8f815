"""Options that several commands share, and what they mean."""

import argparse
import logging
import os
from typing import TYPE_CHECKING

from pipeline.base.errors import UserError
from pipeline.config import cli_inputs
from pipeline.kernels.compile import ensure_compiled
from pipeline.runner.scheduler import Executor, InProcess, MakeExecutor
from pipeline.store.filesystem import Store

if TYPE_CHECKING:
    from pipeline.build import Build
    from pipeline.index.pointer import Pointer

log = logging.getLogger(__name__)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options of commands that bind a recipe to its input."""
    parser.add_argument("--source", help="files or globs (default: the recipe's, else the demo crawl)")
    parser.add_argument("--index", metavar="NAME", help="deduplicate against earlier runs with this index, and join it")
    add_store_options(parser)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change settings")
    parser.add_argument("--shuffle", type=int, metavar="SEED", help="start shards in a random order (for tests)")
    add_log_option(parser)


def add_store_options(parser: argparse.ArgumentParser) -> None:
    """Where steps are kept, and how they are run."""
    parser.add_argument("--root", default="data", help="where steps are kept: a folder or s3://bucket/prefix")
    parser.add_argument("--workers", type=_worker_count, default=os.cpu_count() or 1, help="shards at once")
    parser.add_argument("--local", action="store_true", help="in this process, without Ray: for debugging")


def add_log_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json-log", action="store_true", help="log to stderr as one JSON object a line")


def _worker_count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of workers; give 1 or more")
    return int(text)


def open_store(arguments: argparse.Namespace) -> Store:
    return Store(cli_inputs.parse_root(arguments.root))


def bind_recipe(arguments: argparse.Namespace, index: "Pointer | None") -> "Build":
    """The recipe, bound to its input and to an index if there is one. The recipe's warnings are logged."""
    from pipeline.build import load_recipe  # every stage: 0.3 s, which commands without a recipe do without

    overrides = cli_inputs.parse_overrides(arguments.set)
    build = load_recipe(arguments.recipe, cli_inputs.parse_source(arguments.source), overrides, index)
    for warning in build.config.warnings:
        log.warning(warning)
    return build


def bind_recipe_for_reading(arguments: argparse.Namespace, store: Store) -> "Build":
    """The same for commands that change nothing: the index, if there is one, is not locked."""
    from pipeline.index.pointer import load_pointer

    return bind_recipe(arguments, load_pointer(store, arguments.index) if arguments.index is not None else None)


def executor_maker(arguments: argparse.Namespace) -> MakeExecutor:
    """A function that compiles the kernels and starts the workers that the command line asks for."""

    def make_executor() -> Executor:
        ensure_compiled()
        if arguments.local:
            return InProcess()
        from pipeline.runner.ray_pool import RayPool

        log.info("starting %d Ray worker%s", arguments.workers, "s" if arguments.workers > 1 else "")
        return RayPool(arguments.workers)

    return make_executor


def open_corpus(folder: str) -> Store:
    """The folder of a finished corpus. Raises UserError for any other."""
    store = None if os.path.isfile(folder) else Store(folder)
    if store is None or not store.exists("stats.json"):
        raise UserError(f"{folder}: no finished corpus (stats.json is missing); give a folder `corpus` printed")
    return store
