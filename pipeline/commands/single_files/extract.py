"""`python -m pipeline extract FILE`: the text of an HTML file, or JSONL of url and text of a WARC."""

import argparse
import sys

from extract.extract_file import extract_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file")
    parser.add_argument("--engine", default="blocks")


def run(arguments: argparse.Namespace) -> None:
    extract_file(arguments.file, arguments.engine, sys.stdout)
