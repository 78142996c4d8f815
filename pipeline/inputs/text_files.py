"""Files of texts, JSON lines or Parquet: for commands that work on one file, and for reference corpora."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.base.errors import UserError
from pipeline.inputs.columns import Columns, column_value, has_path, missing_column, possible_paths
from pipeline.inputs.compression import LostRange, detect_codec, is_compressed, open_source
from pipeline.inputs.json_check import OTHER_JSON, check_json_lines
from pipeline.inputs.json_lines import JSON_SUFFIXES, Line, read_objects
from pipeline.inputs.parquet import read_parquet
from pipeline.inputs.parquet_pages import one_line
from pipeline.inputs.parquet_schema import find_column, read_schema

TextRow = tuple[Any, str | None]  # the id as the file has it, the text
OnLost = Callable[[str], None] | None

_KINDS = "give a .jsonl (.gz, .zst) or .parquet file"
_REPORTED = 10  # lost places of a file that are reported one by one


def read_batches(
    path: str | Path,
    text_column: str = "text",
    id_column: str | None = None,
    option: str = "--text-column {}",
    rows: int = 2048,
    on_lost: OnLost = None,
) -> Iterator[tuple[list, pa.Array]]:
    """Yield (ids, texts) of a .jsonl (.gz, .zst) or .parquet file, `rows` at a time; nulls are kept.

    Halves of surrogate pairs, which JSON can spell and UTF-8 cannot, become question marks.

    Args:
        path: The file.
        text_column: Column or key of the texts (`pipeline.inputs.columns.possible_paths`).
        id_column: Column or key of the ids, which are passed on as the file has them. None: `id` where there is one.
            "" or no such column: the number of the row from 0; in JSON lines that of the line, counting blank ones.
        option: How a user names the column `{}`, for errors.
        rows: Rows in a batch.
        on_lost: Takes a line of text for each row or range that cannot be read, and reading goes on. None: such a row
            is a UserError.

    Raises UserError with file and line for what cannot be read at all.
    """
    ids: list[Any] = []
    texts: list[str | None] = []
    for row_id, text in read_rows(Path(path), text_column, id_column, option, on_lost):
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


def read_rows(
    path: Path, text_column: str, id_column: str | None, option: str, on_lost: OnLost = None
) -> Iterator[TextRow]:
    """Yield (id, text) of every row; parameters and errors are those of `read_batches`."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; {_KINDS}")
    name = path.name.lower()
    if name.endswith((".parquet", ".pq")):
        return _read_parquet(path, text_column, id_column, option, on_lost)
    for suffix in (".gz", ".zst", ".zstd", ".lz4"):
        name = name.removesuffix(suffix)
    if name.endswith(JSON_SUFFIXES):
        return _read_json_lines(path, text_column, id_column, option, on_lost)
    raise UserError(f"{path}: unknown kind of file; {_KINDS}")


def _read_parquet(
    path: Path, text_column: str, id_column: str | None, option: str, on_lost: OnLost
) -> Iterator[TextRow]:
    with open_source(str(path)) as file:
        try:
            schema = read_schema(file)
            name = "id" if id_column is None else id_column
            found = schema is not None and find_column(schema, name, "--id-column {}") is not None
            if schema is not None and id_column and not found:
                raise UserError(missing_column(id_column, schema.names, "--id-column {}"))
            columns = Columns(text_column, "", name if found else "", "")
            any_row, problem = False, ""
            for event in read_parquet(file, path.name, columns, option=option, choice="there are {}"):
                if not isinstance(event, LostRange):
                    any_row = True
                    yield event.values["id"] if found else event.offset, event.values["text"]
                elif schema is None or on_lost is None:
                    reason = event.reason.removeprefix("no Parquet file (").removesuffix(")")
                    raise UserError(f"not a readable Parquet file ({reason})")
                else:
                    problem = problem or event.reason
                    on_lost(f"{path}: {event.reason}")
            if problem and not any_row:
                raise UserError(f"no row can be read ({problem})")
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({one_line(error)})") from error


def _read_json_lines(
    path: Path, text_column: str, id_column: str | None, option: str, on_lost: OnLost
) -> Iterator[TextRow]:
    reader = _JsonRows(path, text_column, id_column, option, on_lost)
    with open_source(str(path)) as file:
        if is_compressed(path.name) and detect_codec(file) is None and file.seek(0) == 0 and file.read(1):
            raise UserError(f"{path}:1: cannot be read further (it is not compressed); rename it or compress it")
        problem = check_json_lines(file, str(path), text_column, option) if on_lost else ""
        if problem.startswith(OTHER_JSON):
            raise UserError(f"{path}: {problem}")
        file.seek(0)
        try:
            for line in read_objects(file, path.name):
                if row := reader.read(line):
                    yield row
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({one_line(error)})") from error
    reader.check_any()


class _JsonRows:
    """Takes id and text out of the lines of a file."""

    def __init__(self, path: Path, text_column: str, id_column: str | None, option: str, on_lost: OnLost):
        self._path, self._text_column, self._option = path, text_column, option
        self._id_column, self._id_name = id_column, ""
        self._on_lost = on_lost
        self._any_row, self._first_problem = False, ""

    def read(self, line: Line) -> TextRow | None:
        """Return (id, text) of a line, None if it is lost. Raises UserError if nobody wants to know of lost lines."""
        problem = self._problem(line)
        if not problem:
            self._any_row = True
            assert isinstance(line.values, dict)
            row_id = column_value(line.values, self._id_name) if self._id_name else line.number - 1
            return row_id, column_value(line.values, self._text_column)
        message = f"{self._path}:{line.number}: {problem}"
        if self._on_lost is None:
            raise UserError(message)
        self._first_problem = self._first_problem or message
        if not self._any_row and isinstance(line.values, dict):  # not one row has such a column, and so on
            raise UserError(message)
        self._on_lost(message)
        return None

    def check_any(self) -> None:
        """Raise UserError if no line could be read, although there are some."""
        if self._first_problem and not self._any_row:
            raise UserError(self._first_problem)

    def _problem(self, line: Line) -> str:
        """Return what is wrong with a line, "" if nothing is."""
        values = line.values
        if isinstance(values, LostRange):
            if not line.is_json:
                return f"cannot be read further ({values.reason}); is the file complete?"
            if values.reason.startswith("no JSON: "):
                return f"not JSON ({values.reason.removeprefix('no JSON: ')}); write one object a line"
            return f'{values.reason}; each line is like {{"text": "..."}}'
        if not self._any_row:
            self._id_name = self._id_column if self._id_column is not None else "id" if "id" in values else ""
        for name, option in ((self._text_column, self._option), (self._id_name, "--id-column {}")):
            if name and not any(has_path(values, path) for path in possible_paths(name)):
                return missing_column(name, [*values], option)
        text = column_value(values, self._text_column)
        if text is not None and not isinstance(text, str):
            return f"{self._text_column!r} is {type(text).__name__}, not text; fix the line"
        return ""


class LostReport:
    """Reports what is lost of a file, the first places one by one and all of them as a number."""

    def __init__(self, write: Callable[[str], Any]):
        self._write = write
        self.count = 0

    def __call__(self, message: str) -> None:
        self.count += 1
        if self.count <= _REPORTED:
            self._write(f"left out: {message}\n")

    def finish(self) -> None:
        """Report how many places were not reported one by one."""
        if self.count > _REPORTED:
            self._write(f"left out: {self.count - _REPORTED} more\n")
