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


def batches(
    path: str | Path,
    text_column: str = "text",
    id_column: str | None = None,
    option: str = "--text-column {}",
    rows: int = 2048,
) -> Iterator[tuple[list, pa.Array]]:
    """(ids, texts) of a .jsonl (.gz, .zst) or .parquet file, `rows` at a time; nulls stay.

    Ids are as the file has them; `id_column` None: column `id` where there is one, "" or else the number of the row
    (in JSON lines, where blank ones are none, of the line) from 0. Halves of surrogate pairs, which JSON can say and
    UTF-8 cannot, become question marks. `option`: how the column `{}` is named, for errors. Raises UserError with file
    and line for what cannot be read.
    """
    ids: list[Any] = []
    texts: list[str | None] = []
    for id_, text in rows_of(Path(path), text_column, id_column, option):
        ids.append(id_)
        texts.append(text)
        if len(texts) == rows:
            yield ids, _strings(texts)
            ids, texts = [], []
    if texts:
        yield ids, _strings(texts)


def _strings(texts: list[str | None]) -> pa.Array:
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if t is None else t.encode("utf-8", "replace").decode() for t in texts], pa.string())


def rows_of(path: Path, text_column: str, id_column: str | None, option: str) -> Iterator[Row]:
    """The same one by one."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a .jsonl (.gz, .zst) or .parquet file")
    name = path.name.lower().removesuffix(".gz").removesuffix(".zst")
    if name.endswith((".parquet", ".pq")):
        return _parquet(path, text_column, id_column, option)
    if name.endswith((".jsonl", ".ndjson", ".json")):
        return _jsonl(path, text_column, id_column, option)
    raise UserError(f"{path}: unknown kind of file; give a .jsonl (.gz, .zst) or .parquet file")


def _parquet(path: Path, text_column: str, id_column: str | None, option: str) -> Iterator[Row]:
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            wanted = _wanted(id_column, names)
            _check(path, text_column, names, option)
            if wanted:
                _check(path, wanted, names, "--id-column {}")
            kind = file.schema_arrow.field(text_column).type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                raise UserError(f"{path}: column {text_column!r} is {kind}, not text; name another one")
            at = 0
            for batch in file.iter_batches(1024, columns=[text_column, *([wanted] if wanted else [])]):
                ids = batch[wanted].to_pylist() if wanted else range(at, at + len(batch))
                yield from zip(ids, batch[text_column].to_pylist(), strict=True)
                at += len(batch)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error


def _wanted(id_column: str | None, names: list[str]) -> str:
    """The column of ids, "" for none."""
    return id_column if id_column is not None else "id" if "id" in names else ""


def _check(path: Path, name: str, names: list[str], option: str) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, 1) or names[:1]
        tip = f"; type {option.format(near[0])}" if near else ""
        raise UserError(f"{path}: no column {name!r}; there are {', '.join(names) or 'none'}{tip}")


def _jsonl(path: Path, text_column: str, id_column: str | None, option: str) -> Iterator[Row]:
    number, wanted = 0, None
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            for number, line in enumerate(io.BufferedReader(stream), 1):
                if not line.strip():
                    continue
                row, place = _object(path, number, line), Path(f"{path}:{number}")
                wanted = _wanted(id_column, [*row]) if wanted is None else wanted
                _check(place, text_column, [*row], option)
                if wanted:
                    _check(place, wanted, [*row], "--id-column {}")
                text = row[text_column]
                if text is not None and not isinstance(text, str):
                    raise UserError(f"{place}: {text_column!r} is {type(text).__name__}, not text; mend the line")
                yield (row[wanted] if wanted else number - 1), text
    except (OSError, EOFError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}:{number + 1}: cannot be read on ({said}); is the file whole?") from error


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:  # not JSON, or not UTF-8
        raise UserError(f"{path}:{number}: not JSON ({error}); one object a line, please") from error
    if not isinstance(row, dict):
        raise UserError(f'{path}:{number}: {type(row).__name__}, not an object; each line is like {{"text": "..."}}')
    return row
