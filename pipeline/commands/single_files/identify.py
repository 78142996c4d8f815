"""`python -m pipeline identify`: the language of each line of standard input, and its score."""

import argparse
import sys

from extract.langid.identify import identify_lines
from pipeline.base.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="embedded", help="embedded, langdetect, or a fastText model's path")


def run(arguments: argparse.Namespace) -> None:
    if sys.stdin is None:
        raise UserError("standard input is closed; give lines of text: python -m pipeline identify < lines.txt")
    identify_lines(sys.stdin, sys.stdout, arguments.model)
