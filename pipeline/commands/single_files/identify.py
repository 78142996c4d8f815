"""`python -m pipeline identify`: the language of each line of standard input, and its score."""

import argparse
import sys

from extract.langid.identify import identify_lines
from pipeline.base.errors import UserError
from pipeline.base.paths import COMMAND


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="embedded", help="embedded, langdetect, or a fastText model's path")


def run(arguments: argparse.Namespace) -> None:
    if sys.stdin is None:
        raise UserError(f"standard input is closed; give lines of text: {COMMAND} identify < lines.txt")
    identify_lines(sys.stdin, sys.stdout, arguments.model)
