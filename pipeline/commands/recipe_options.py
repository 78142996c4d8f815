"""The recipe that the command line asks for."""

import argparse
import logging

from pipeline.build import Build, load_recipe
from pipeline.config import cli_inputs
from pipeline.index.pointer import Pointer, load_pointer
from pipeline.store.filesystem import Store

log = logging.getLogger(__name__)


def bind_recipe(arguments: argparse.Namespace, index: Pointer | None) -> Build:
    """The recipe, bound to its input and to an index if there is one. The recipe's warnings are logged."""
    overrides = cli_inputs.parse_overrides(arguments.set)
    build = load_recipe(arguments.recipe, cli_inputs.parse_source(arguments.source), overrides, index)
    for warning in build.config.warnings:
        log.warning(warning)
    return build


def bind_recipe_for_reading(arguments: argparse.Namespace, store: Store) -> Build:
    """The same for commands that change nothing: the index, if there is one, is not locked."""
    return bind_recipe(arguments, load_pointer(store, arguments.index) if arguments.index is not None else None)
