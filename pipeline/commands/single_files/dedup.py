"""`python -m pipeline dedup FILE`: the near-duplicates of a JSONL or Parquet file, verified."""

import argparse
import sys

from dedup.dedup_file import dedup_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file")
    parser.add_argument("--preset", default="14x8", help="bands x rows")
    parser.add_argument("--threshold", type=float, default=0.8, help="Jaccard similarity of word 5-grams")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--id-column", help="default: id, or row numbers where there is none")


def run(arguments: argparse.Namespace) -> None:
    dedup_file(
        arguments.file,
        sys.stdout,
        preset=arguments.preset,
        threshold=arguments.threshold,
        text_column=arguments.text_column,
        id_column=arguments.id_column,
    )
