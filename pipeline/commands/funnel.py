"""`python -m pipeline funnel FOLDER [--svg]`: the page funnel of a finished corpus, as a table or a picture."""

import argparse

from pipeline.commands.options import open_corpus
from pipeline.publish.card import funnel_table
from pipeline.publish.report.funnel_picture import funnel_svg


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder")
    parser.add_argument("--svg", action="store_true", help="a picture instead of a table")


def run(arguments: argparse.Namespace) -> None:
    stats = open_corpus(arguments.folder).read_json("stats.json", checked=False)
    print(funnel_svg(stats) if arguments.svg else funnel_table(stats), end="")
