"""Texts of reference corpora, a few at a time."""

import gzip
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from pipeline.base.errors import UserError
from pipeline.inputs.text_files import read_batches, read_rows

_BATCH_TEXTS = 256  # few, since books are long
_COLUMN_OPTION = 'text_column = "{}"'  # of a recipe, for error messages
_DOCUMENT_WORDS = 400  # a text file is split at paragraphs into documents of at least so many words


def read_texts(path: str, column: str) -> Iterator[list[str]]:
    """Yield the texts of a .parquet, .jsonl (.gz, .zst), .txt or .md (.gz) file in batches.

    Raises UserError for any other file.
    """
    if not _is_text_file(path):
        for _, texts in read_batches(path, column, "", _COLUMN_OPTION, _BATCH_TEXTS):
            yield [text for text in texts.to_pylist() if text]
        return
    opener: Any = gzip.open if path.lower().endswith(".gz") else open
    try:
        with opener(path, "rb") as file:
            documents = _split_documents(file)
            while batch := list(islice(documents, _BATCH_TEXTS)):
                yield batch
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a reference corpus ({error})") from error


def check_readable(path: str, column: str) -> None:
    """Raise UserError if not even the first text can be read. Makes no array: Arrow would load pandas for it."""
    rows = read_texts(path, column) if _is_text_file(path) else read_rows(Path(path), column, "", _COLUMN_OPTION)
    next(iter(rows), None)


def _is_text_file(path: str) -> bool:
    return path.lower().removesuffix(".gz").endswith((".txt", ".md"))


def _split_documents(file: IO[bytes]) -> Iterator[str]:
    """Documents of a text file: runs of paragraphs, which blank lines separate."""
    lines: list[str] = []
    words = 0
    for line in file:
        text = line.decode("utf-8").strip("\n\r")
        if not text.strip() and words >= _DOCUMENT_WORDS:
            yield "\n".join(lines)
            lines, words = [], 0
        lines.append(text)
        words += len(text.split())
    if words:
        yield "\n".join(lines)
