"""`python -m pipeline corpus LANGUAGE-or-recipe.toml`: make the corpus of a recipe; prints its folder."""

import argparse
import contextlib
import logging
from typing import TYPE_CHECKING

from pipeline.base.errors import OutsideBounds, UserError
from pipeline.base.exit_codes import reason_of
from pipeline.base.format import plain
from pipeline.commands.options import add_run_options, bind_recipe, executor_maker, open_store
from pipeline.index.compaction import commit_run
from pipeline.index.pointer import Pointer, load_pointer, open_index
from pipeline.runner.manifests import manifest_name, output_folder, read_manifest
from pipeline.runner.run_records import record_run
from pipeline.runner.scheduler import execute
from pipeline.store.filesystem import Store

if TYPE_CHECKING:
    from pipeline.build import Build

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="LANGUAGE-or-recipe.toml")
    add_run_options(parser)


def run(arguments: argparse.Namespace) -> None:
    store = open_store(arguments)
    with contextlib.ExitStack() as stack:
        index, refusal = None, None
        if arguments.index is not None:
            try:
                index = stack.enter_context(open_index(store, arguments.index))
            except OSError as error:
                index, refusal = load_pointer(store, arguments.index), error
        _make_corpus(arguments, store, index, refusal)


def _make_corpus(arguments: argparse.Namespace, store: Store, index: Pointer | None, refusal: OSError | None) -> None:
    """Run the recipe. `refusal`: why the index cannot be locked, which only matters if something must be written."""
    build = bind_recipe(arguments, index)
    try:
        if refusal:
            raise refusal
        record_run(store, build.goal, build.name, build.invocation)
    except (OSError, ValueError) as error:  # ValueError: pyarrow's, for a path that is impossible
        if not _is_finished(store, build):  # a finished corpus can be found on a root that is read-only
            raise _unusable_root(arguments.root, error) from error
    if warning := build.index_warning():
        log.warning(warning)
    finished_before = store.exists(manifest_name(build.corpus))
    make_executor = executor_maker(arguments)
    execute(build.goal, store, make_executor, arguments.shuffle)
    folder = output_folder(store, build.corpus)
    stats = store.read_json(f"{folder}/stats.json", checked=False)
    if index and stats["violations"]:
        log.warning("index %s: not changed, since the run is outside of what its recipe allows", index.name)
    elif index:
        commit_run(index, build.steps, build.adds_to_index, make_executor)
    if not finished_before:
        for alarm in stats["alarms"]:
            log.warning("%s: %s", alarm["level"], plain(alarm["text"]))
    print(store.uri(folder))
    if stats["violations"]:
        lines = [f"[alarms] {found['setting']}: {plain(found['text'])}" for found in stats["violations"]]
        raise OutsideBounds("\n".join(f"outside of the recipe: {line}" for line in lines))


def _is_finished(store: Store, build: "Build") -> bool:
    try:
        return read_manifest(store, build.goal) is not None
    except (OSError, ValueError):
        return False


def _unusable_root(root: str, error: Exception) -> UserError:
    return UserError(f"ROOT={root}: cannot be written ({reason_of(error)}); give another ROOT")
