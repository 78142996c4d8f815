"""`python -m pipeline explain URL-or-id`: what happened to one page in each stage, and each value beside its bound."""

import argparse

from pipeline.commands.options import add_run_options, bind_recipe_for_reading, open_store
from pipeline.publish.explain import explain_page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("page", metavar="URL-or-id")
    parser.add_argument("--recipe", required=True, metavar="LANGUAGE-or-recipe.toml")
    add_run_options(parser)


def run(arguments: argparse.Namespace) -> None:
    store = open_store(arguments)
    print(explain_page(bind_recipe_for_reading(arguments, store), store, arguments.page), end="")
