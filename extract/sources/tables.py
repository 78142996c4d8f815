"""Readers of tables: Parquet and JSON lines, as `pipeline.inputs` reads them. A row's text is taken as it is."""

from collections.abc import Iterator
from typing import BinaryIO

from extract.sources.registry import source
from pipeline.inputs.columns import Columns
from pipeline.inputs.compression import SUFFIXES, LostRange
from pipeline.inputs.guard import ReadGuard
from pipeline.inputs.json_lines import JSON_SUFFIXES, read_objects
from pipeline.inputs.parquet import read_parquet
from pipeline.inputs.rows import Row


@source(suffixes=(".parquet", ".pq"), splittable=True, decompress=False)
def parquet(
    file: BinaryIO, start: int, end: int | None, *, source_name: str, columns: Columns, guard: ReadGuard
) -> Iterator[Row | LostRange]:
    """Rows of the Parquet row groups whose first byte is in [start, end).

    A file that cannot be read is a LostRange. Raises UserError if the file has no text column.
    """
    yield from read_parquet(file, source_name, columns, start, end, guard)


@source(
    suffixes=tuple(stem + suffix for stem in JSON_SUFFIXES for suffix in ("", *SUFFIXES)),
    splittable=True,
    decompress=False,
)
def json_lines(
    file: BinaryIO, start: int, end: int | None, *, source_name: str, columns: Columns, guard: ReadGuard
) -> Iterator[Row | LostRange]:
    """Rows of the JSON lines that start in [start, end) bytes. A line that is no JSON object is a LostRange."""
    for line in read_objects(file, source_name, start, end, guard):
        if isinstance(line.values, LostRange):
            yield line.values
        else:
            yield Row(source_name, line.offset, columns.select(line.values))
