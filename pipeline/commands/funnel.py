"""`python -m pipeline funnel FOLDER`: the page funnel of a finished corpus as a Markdown table."""

import argparse

from pipeline.commands.options import open_corpus
from pipeline.publish.card import funnel_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder")


def run(arguments: argparse.Namespace) -> None:
    print(funnel_table(open_corpus(arguments.folder).read_json("stats.json")))
