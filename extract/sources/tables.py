"""Readers of tables: Parquet and JSON lines. A row's text is taken as it is."""

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from extract.sources.compression import SUFFIXES, LostRange, buffer_lines, detect_codec, file_size
from extract.sources.gzip_members import read_member_chunks
from extract.sources.registry import source
from extract.sources.rows import Columns, Row
from pipeline.base.errors import UserError

_JSON_LINES = (".jsonl", ".ndjson", ".jsonlines", ".json")
_OBJECT_START = re.compile(rb"\s*[{]")
_BATCH_ROWS = 256


@source(suffixes=(".parquet",), splittable=True, decompress=False)
def parquet(
    file: BinaryIO, start: int, end: int | None, *, source_name: str, columns: Columns
) -> Iterator[Row | LostRange]:
    """Rows of the Parquet row groups whose first byte is in [start, end).

    A file that cannot be read is a LostRange. Raises UserError if the file has no text column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        if start == 0:
            reason = f"no Parquet file ({str(error).partition('.')[0]})"
            yield LostRange(source_name, 0, file_size(file), reason)
        return
    names = table.schema_arrow.names
    wanted = [
        name for name in dict.fromkeys(path.partition(".")[0] for path in vars(columns).values()) if name in names
    ]
    if columns.text.partition(".")[0] not in names:
        raise UserError(f"no column {columns.text!r}; set text_column to one of {', '.join(names)}")
    number = 0
    for i in range(table.num_row_groups):
        row_group = table.metadata.row_group(i)
        first_byte = min(_first_byte(row_group.column(k)) for k in range(row_group.num_columns))
        if start <= first_byte and (end is None or first_byte < end):
            for batch in table.iter_batches(_BATCH_ROWS, row_groups=[i], columns=wanted):
                for values in _dates_as_text(batch).to_pylist():
                    yield Row(source_name, number, columns.select(values))
                    number += 1
        else:
            number += row_group.num_rows


def _dates_as_text(batch: Any) -> Any:
    """The batch with its dates as text: Python has neither nanoseconds nor years after 9999."""
    import pyarrow as pa

    converted = [
        column.cast(pa.string()) if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type) else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(converted, batch.schema.names)


def _first_byte(column: Any) -> int:
    offsets = (column.dictionary_page_offset, column.data_page_offset)
    return min(offset for offset in offsets if offset is not None and offset > 0)


@source(
    suffixes=tuple(stem + suffix for stem in _JSON_LINES for suffix in ("", *SUFFIXES)),
    splittable=True,
    decompress=False,
)
def json_lines(
    file: BinaryIO, start: int, end: int | None, *, source_name: str, columns: Columns
) -> Iterator[Row | LostRange]:
    """Rows of the JSON lines that start in [start, end) bytes. A line that is no JSON object is a LostRange."""
    for offset, line in _read_lines(file, source_name, start, end):
        if isinstance(line, LostRange):
            yield line
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield LostRange(source_name, offset, len(line), f"no JSON: {error}", 1)
            continue
        if isinstance(values, dict):
            yield Row(source_name, offset, columns.select(values))
        else:
            yield LostRange(source_name, offset, len(line), "no JSON object", 1)


def _read_lines(
    file: BinaryIO, source_name: str, start: int, end: int | None
) -> Iterator[tuple[int, bytes | LostRange]]:
    """(offset, line without its end) of every line that starts in the range. Blank lines are skipped."""
    codec = detect_codec(file)
    if codec is None:
        file, position = buffer_lines(file), 0
        if start:
            file.seek(start - 1)
            position = start - 1 + len(file.readline())
        file.seek(position)
        while (end is None or position < end) and (line := file.readline()):
            if line.strip():
                yield position, line.rstrip(b"\r\n")
            position += len(line)
        return
    unfinished, offset = b"", 0
    for event in read_member_chunks(file, source_name, codec, _OBJECT_START, start, end):
        if isinstance(event, LostRange):
            yield event.offset, event
            unfinished = b""
            continue
        *lines, unfinished = (unfinished + event.data).split(b"\n")
        for line in lines:
            if line.strip():
                yield offset, line.rstrip(b"\r")
            offset += len(line) + 1
    if unfinished.strip():
        yield offset, unfinished
