"""Texts of reference corpora, a few at a time."""

import gzip
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from pipeline.base.errors import UserError
from pipeline.base.text_files import read_batches, read_rows

_ROWS = 256  # texts at a time: books are long
_OPTION = 'text_column = "{}"'  # of a recipe
_WORDS = 400  # a text file is cut at paragraphs into documents of so many words or more


def texts(path: str, column: str) -> Iterator[list[str]]:
    """Texts of a .parquet, .jsonl (.gz, .zst), .txt or .md (.gz) file in batches. Raises UserError for any other."""
    if not _plain(path):
        for _, found in read_batches(path, column, "", _OPTION, _ROWS):
            yield [text for text in found.to_pylist() if text]
        return
    opener: Any = gzip.open if path.lower().endswith(".gz") else open
    try:
        with opener(path, "rb") as file:
            found = _paragraphs(file)
            while some := list(islice(found, _ROWS)):
                yield some
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a reference corpus ({error})") from error


def check(path: str, column: str) -> None:
    """Raises UserError where not even the first text can be read. Makes no array: Arrow would load pandas for it."""
    next(texts(path, column) if _plain(path) else read_rows(Path(path), column, "", _OPTION), None)


def _plain(path: str) -> bool:
    return path.lower().removesuffix(".gz").endswith((".txt", ".md"))


def _paragraphs(file: IO[bytes]) -> Iterator[str]:
    held: list[str] = []
    words = 0
    for line in file:
        text = line.decode("utf-8").strip("\n\r")
        if not text.strip() and words >= _WORDS:
            yield "\n".join(held)
            held, words = [], 0
        held.append(text)
        words += len(text.split())
    if words:
        yield "\n".join(held)
