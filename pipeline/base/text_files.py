"""Files of texts, JSON lines or Parquet: for commands that work on one file, and for reference corpora."""

import difflib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.base.errors import UserError

Row = tuple[Any, str | None]  # the id as the file has it, the text

_PARQUET_ROWS = 1024  # rows of a Parquet file in memory at a time


def read_batches(
    path: str | Path,
    text_column: str = "text",
    id_column: str | None = None,
    option: str = "--text-column {}",
    rows: int = 2048,
) -> Iterator[tuple[list, pa.Array]]:
    """Yield (ids, texts) of a .jsonl (.gz, .zst) or .parquet file, `rows` at a time; nulls are kept.

    Halves of surrogate pairs, which JSON can spell and UTF-8 cannot, become question marks.

    Args:
        path: The file.
        text_column: Column or key of the texts.
        id_column: Column or key of the ids, which are passed on as the file has them. None: `id` where there is one.
            "" or no such column: the number of the row from 0; in JSON lines that of the line, counting blank ones.
        option: How a user names the column `{}`, for errors.
        rows: Rows in a batch.

    Raises UserError with file and line for what cannot be read.
    """
    ids: list[Any] = []
    texts: list[str | None] = []
    for row_id, text in read_rows(Path(path), text_column, id_column, option):
        ids.append(row_id)
        texts.append(text)
        if len(texts) == rows:
            yield ids, _string_array(texts)
            ids, texts = [], []
    if texts:
        yield ids, _string_array(texts)


def _string_array(texts: list[str | None]) -> pa.Array:
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        encodable = [None if text is None else text.encode("utf-8", "replace").decode() for text in texts]
        return pa.array(encodable, pa.string())


def read_rows(path: Path, text_column: str, id_column: str | None, option: str) -> Iterator[Row]:
    """Yield (id, text) of every row; parameters and errors are those of `read_batches`."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a .jsonl (.gz, .zst) or .parquet file")
    name = path.name.lower().removesuffix(".gz").removesuffix(".zst")
    if name.endswith((".parquet", ".pq")):
        return _read_parquet(path, text_column, id_column, option)
    if name.endswith((".jsonl", ".ndjson", ".json")):
        return _read_json_lines(path, text_column, id_column, option)
    raise UserError(f"{path}: unknown kind of file; give a .jsonl (.gz, .zst) or .parquet file")


def _read_parquet(path: Path, text_column: str, id_column: str | None, option: str) -> Iterator[Row]:
    try:
        with pq.ParquetFile(path) as file:
            columns = file.schema_arrow.names
            id_name = _resolve_id_column(id_column, columns)
            _check_column(path, text_column, columns, option)
            if id_name:
                _check_column(path, id_name, columns, "--id-column {}")
            text_type = file.schema_arrow.field(text_column).type
            if not (pa.types.is_string(text_type) or pa.types.is_large_string(text_type)):
                raise UserError(f"{path}: column {text_column!r} is {text_type}, not text; name another one")
            first_row = 0
            for batch in file.iter_batches(_PARQUET_ROWS, columns=[text_column, *([id_name] if id_name else [])]):
                ids = batch[id_name].to_pylist() if id_name else range(first_row, first_row + len(batch))
                yield from zip(ids, batch[text_column].to_pylist(), strict=True)
                first_row += len(batch)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error


def _read_json_lines(path: Path, text_column: str, id_column: str | None, option: str) -> Iterator[Row]:
    number, id_name = 0, None
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            for number, line in enumerate(io.BufferedReader(stream), 1):
                if not line.strip():
                    continue
                row, location = _parse_object(path, number, line), Path(f"{path}:{number}")
                if id_name is None:
                    id_name = _resolve_id_column(id_column, [*row])
                _check_column(location, text_column, [*row], option)
                if id_name:
                    _check_column(location, id_name, [*row], "--id-column {}")
                text = row[text_column]
                if text is not None and not isinstance(text, str):
                    raise UserError(f"{location}: {text_column!r} is {type(text).__name__}, not text; fix the line")
                yield (row[id_name] if id_name else number - 1), text
    except (OSError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}:{number + 1}: cannot be read further ({reason}); is the file complete?") from error


def _resolve_id_column(id_column: str | None, columns: list[str]) -> str:
    """Return the column of ids, "" for none."""
    return id_column if id_column is not None else "id" if "id" in columns else ""


def _check_column(location: Path, name: str, columns: list[str], option: str) -> None:
    if name not in columns:
        similar = difflib.get_close_matches(name, columns, 1) or columns[:1]
        hint = f"; type {option.format(similar[0])}" if similar else ""
        raise UserError(f"{location}: no column {name!r}; there are {', '.join(columns) or 'none'}{hint}")


def _parse_object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:  # not JSON, or not UTF-8
        raise UserError(f"{path}:{number}: not JSON ({error}); write one object a line") from error
    if not isinstance(row, dict):
        raise UserError(f'{path}:{number}: {type(row).__name__}, not an object; each line is like {{"text": "..."}}')
    return row
