"""`python -m pipeline signals FILE`: the heuristic signals of each text of a JSONL or Parquet file."""

import argparse
import sys

from filters.signals.signals import signals_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--language", default="en", help="whose stop words count")


def run(arguments: argparse.Namespace) -> None:
    signals_file(arguments.file, sys.stdout, arguments.text_column, arguments.language)
