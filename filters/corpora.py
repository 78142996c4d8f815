"""Texts of reference corpora, a few at a time."""

import gzip
import json
from collections.abc import Iterator
from typing import IO, Any

from pipeline.errors import UserError

_ROWS = 256
_WORDS = 400  # a text file is cut at paragraphs into documents of so many words or more


def texts(path: str, column: str) -> Iterator[list[str]]:
    """Texts of a .parquet, .jsonl or .txt file (each also .gz) in batches. Raises UserError for any other."""
    name = path.lower().removesuffix(".gz")
    opener: Any = gzip.open if path.lower().endswith(".gz") else open
    try:
        if name.endswith(".parquet"):
            yield from _parquet(path, column)
        elif name.endswith((".jsonl", ".ndjson")):
            with opener(path, "rb") as file:
                yield from _jsonl(file, path, column)
        elif name.endswith((".txt", ".md")):
            with opener(path, "rb") as file:
                yield from _batched(_paragraphs(file))
        else:
            raise UserError(f"{path}: not a reference corpus; give .parquet, .jsonl or .txt")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a reference corpus ({error})") from error


def _parquet(path: str, column: str) -> Iterator[list[str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            if column not in file.schema_arrow.names:
                raise UserError(_no_column(path, column, file.schema_arrow.names))
            for batch in file.iter_batches(_ROWS, columns=[column]):
                yield [text for text in batch[column].to_pylist() if text]
    except pa.ArrowInvalid as error:
        raise UserError(f"{path}: cannot be read as a reference corpus ({error})") from error


def _jsonl(file: IO[bytes], path: str, column: str) -> Iterator[list[str]]:
    def records() -> Iterator[str]:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                raise UserError(f"{path} line {number}: not JSON ({error})") from error
            text = record.get(column) if isinstance(record, dict) else None
            if not isinstance(text, str):
                raise UserError(_no_column(f"{path} line {number}", column, list(record)))
            yield text

    yield from _batched(records())


def _no_column(place: str, column: str, there: list) -> str:
    return f"{place}: no text in {column!r}; it has {', '.join(map(str, there))}: set `text_column`"


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


def _batched(found: Iterator[str]) -> Iterator[list[str]]:
    held: list[str] = []
    for text in found:
        held.append(text)
        if len(held) == _ROWS:
            yield held
            held = []
    if held:
        yield held
