"""`python -m pipeline corpus LANGUAGE-or-recipe.toml`: make the corpus of a recipe; prints its folder."""

import argparse
import contextlib
import logging

from pipeline.base.errors import UserError
from pipeline.base.exit_codes import reason_of
from pipeline.commands.options import add_run_options, bind_recipe, executor_maker, open_store
from pipeline.index.compaction import commit_run
from pipeline.index.pointer import Pointer, open_index
from pipeline.runner.manifests import folder_of
from pipeline.runner.run_records import record_run
from pipeline.runner.scheduler import execute
from pipeline.store.filesystem import Store

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="LANGUAGE-or-recipe.toml")
    add_run_options(parser)


def run(arguments: argparse.Namespace) -> None:
    store = open_store(arguments)
    with contextlib.ExitStack() as stack:
        index = None
        if arguments.index is not None:
            try:
                index = stack.enter_context(open_index(store, arguments.index))
            except OSError as error:
                raise _unusable_root(arguments.root, error) from error
        _make_corpus(arguments, store, index)


def _make_corpus(arguments: argparse.Namespace, store: Store, index: Pointer | None) -> None:
    build = bind_recipe(arguments, index)
    try:
        record_run(store, build.goal, build.name, build.invocation)
    except (OSError, ValueError) as error:  # ValueError: pyarrow's, for a path that is impossible
        raise _unusable_root(arguments.root, error) from error
    if warning := build.index_warning():
        log.warning(warning)
    folder = folder_of(build.corpus)
    finished_before = store.exists(f"{folder}/manifest.json")
    make_executor = executor_maker(arguments)
    execute(build.goal, store, make_executor, arguments.shuffle)
    if index:
        commit_run(index, build.steps, build.adds_to_index, make_executor)
    if not finished_before:
        for alarm in store.read_json(f"{folder}/stats.json", checked=False)["alarms"]:
            log.warning("%s: %s", alarm["level"], alarm["text"])
    print(store.uri(folder))


def _unusable_root(root: str, error: Exception) -> UserError:
    return UserError(f"ROOT={root}: cannot be written ({reason_of(error)}); give another ROOT")
