"""Rows of Parquet files. A row group that Arrow cannot read is read page by page, and only what is damaged is lost."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.inputs.columns import Columns
from pipeline.inputs.compression import DAMAGED, KILLED, CheckedFile, LostRange, file_size
from pipeline.inputs.guard import NO_GUARD, ReadGuard, Unit
from pipeline.inputs.parquet_footer import RowGroup, read_footer, row_groups
from pipeline.inputs.parquet_pages import ColumnPages, Segment, one_line
from pipeline.inputs.parquet_schema import Leaf, find_column, text_column
from pipeline.inputs.rows import Row
from pipeline.inputs.texts import TextColumn, Unreadable, plain_values
from pipeline.inputs.thrift import Struct

_BATCH_ROWS, _BATCH_BYTES = 256, 16 << 20  # of a batch as Python objects, unless one row has more
_BUFFER_BYTES = 8 << 20  # of a column that Arrow holds in memory as it is stored
# Row groups that decompress to much more than they have are read page by page at once: a page may be one huge text.
_MIN_BOMB_BYTES, _BOMB_RATIO = 64 << 20, 100
# A row group gives at most this many bytes of text for each byte of it, and this many whatever it has.
_MAX_TEXT_RATIO, _MAX_TEXT_BYTES = 2000, 4 << 30


def read_parquet(
    file: BinaryIO,
    source_name: str,
    columns: Columns,
    start: int = 0,
    end: int | None = None,
    guard: ReadGuard = NO_GUARD,
    option: str = "--set extract.text_column={}",
    choice: str = "set text_column to one of {}",
) -> Iterator[Row | LostRange]:
    """Yield rows of the row groups whose first byte is in [start, end), and what is lost there, in order.

    `offset` of a row is its number in the file. A file without a readable footer is lost as a whole. Raises UserError
    (see `text_column`) if there is no column of texts, and OSError if reading fails.
    """
    size, checked = file_size(file), CheckedFile(file)
    try:
        footer = read_footer(checked, size)
        groups = row_groups(footer, size)
        table = pq.ParquetFile(checked, buffer_size=_BUFFER_BYTES, page_checksum_verification=True)
        schema = table.schema_arrow
    except Exception as error:  # noqa: BLE001 - whatever Arrow raises for damaged bytes
        checked.raise_read_error()
        if start == 0:
            yield LostRange(source_name, 0, size, f"no Parquet file ({one_line(error).partition('.')[0]})")
        return
    leaves = {"text": text_column(schema, columns.text, option, choice)}
    for role, name in vars(columns).items():
        if role != "text" and (leaf := find_column(schema, name, option)):
            leaves[role] = leaf
    first_row = 0
    for i, group in enumerate(groups):
        if start <= group.first_byte and (end is None or group.first_byte < end):
            reader = _GroupReader(table, footer, i, group, leaves, checked, size, guard)
            for event in reader.read():
                yield event.at(source_name, first_row)
        first_row += group.rows


@dataclass(frozen=True, slots=True)
class _Event:
    """A row of a row group, or rows that are lost there. `number` counts from the group's first row."""

    number: int
    values: dict[str, Any] | None
    reason: str = ""
    rows: int = 1
    size: int = 0
    rule: str = DAMAGED

    def at(self, source_name: str, first_row: int) -> Row | LostRange:
        """Return the event with the name of the file and the number of the row in it."""
        number = first_row + self.number
        if self.values is not None:
            return Row(source_name, number, self.values)
        place = f"row {number}" if self.rows == 1 else f"rows {number} to {number + self.rows - 1}"
        return LostRange(source_name, number, self.size, f"{place}: {self.reason}", self.rows, self.rule)


class _GroupReader:
    """Reads one row group: by Arrow as far as that goes, and then page by page."""

    def __init__(
        self,
        table: Any,
        footer: Struct,
        group: int,
        metadata: RowGroup,
        leaves: dict[str, Leaf],
        file: CheckedFile,
        size: int,
        guard: ReadGuard,
    ):
        self._table, self._footer, self._group, self._leaves = table, footer, group, leaves
        self._file, self._file_size, self._guard = file, size, guard
        self._unit, self._rows = Unit(0, metadata.first_byte), metadata.rows
        self._stored_bytes, self._plain_bytes = (max(1, n) for n in metadata.columns[leaves["text"].number])

    def read(self) -> Iterator[_Event]:
        """Yield an event for every row of the group, or one for several rows that are lost together."""
        limit = max(_MAX_TEXT_BYTES, _MAX_TEXT_RATIO * self._stored_bytes)
        text_bytes = done = 0
        for event in self._events():
            if text_bytes > limit:
                lost = self._rows - done
                reason = f"the row group has more than {limit} bytes of text"
                yield _Event(done, None, reason, lost, self._bytes_of(lost))
                break
            done = event.number + event.rows
            text_bytes += len((event.values or {}).get("text") or "")
            yield event
        self._guard.leave()

    def _bytes_of(self, rows: int) -> int:
        return self._stored_bytes * rows // max(1, self._rows)

    def _events(self) -> Iterator[_Event]:
        if not self._rows:
            return
        done, killed = 0, self._guard.enter(self._unit)
        is_bomb = self._plain_bytes > max(_MIN_BOMB_BYTES, _BOMB_RATIO * self._stored_bytes)
        if not killed and not is_bomb:
            try:
                for batch in self._arrow_batches():
                    for event in _batch_events(batch, done):
                        yield event
                        done = event.number + 1
                if done >= self._rows:
                    return
            except Exception:  # noqa: BLE001 - whatever Arrow raises for damaged bytes; the pages say what it is
                self._file.raise_read_error()
        yield from self._page_events(done)

    def _arrow_batches(self) -> Iterator[dict[str, pa.Array]]:
        """Yield the columns of consecutive rows, by role."""
        tops = sorted({leaf.top for leaf in self._leaves.values()})
        numbers = sorted({leaf.number for leaf in self._leaves.values()})
        row_bytes = max(1, self._plain_bytes // self._rows)
        batches = self._table.reader.iter_batches(
            min(_BATCH_ROWS, max(1, _BATCH_BYTES // row_bytes)),
            row_groups=[self._group],
            column_indices=numbers,
            use_threads=False,
        )
        for batch in batches:
            arrays = {}
            for role, leaf in self._leaves.items():
                array = batch.column(tops.index(leaf.top))
                for name in leaf.path[1:]:
                    array = pc.struct_field(_storage(array), [_storage(array).type.get_all_field_indices(name)[0]])
                arrays[role] = array
            yield arrays

    def _page_events(self, start: int) -> Iterator[_Event]:
        """Yield the rows from `start` on, page by page."""
        place = (self._file, self._file_size, self._footer, self._group)
        try:
            pages = {role: ColumnPages(*place, leaf.number, self._guard) for role, leaf in self._leaves.items()}
            cursors = {role: _Cursor(column.segments()) for role, column in pages.items()}
            for event in _aligned(cursors, start, self._rows):
                yield event
                start = event.number + event.rows
        except (ValueError, KeyError, IndexError, TypeError) as error:
            self._file.raise_read_error()
            lost = self._rows - start
            yield _Event(start, None, f"the row group cannot be read ({one_line(error)})", lost, self._bytes_of(lost))


def _storage(array: pa.Array) -> pa.Array:
    return array.storage if isinstance(array, pa.ExtensionArray) else array


class _Cursor:
    """A place in the segments of a column."""

    def __init__(self, segments: Iterator[Segment]):
        self._segments = segments
        self.segment = Segment(0, None)
        self.used = 0  # rows of the segment
        self.texts: TextColumn | None = None

    def rows_left(self) -> int:
        """Return how many rows the segment still has; it is the next one where the last is used up."""
        while self.used >= self.segment.rows:
            self.segment, self.used, self.texts = (
                next(self._segments, Segment(1 << 62, None, "the column ends")),
                0,
                None,
            )
        return self.segment.rows - self.used


def _aligned(cursors: dict[str, _Cursor], start: int, end: int) -> Iterator[_Event]:
    """Yield the rows in [start, end) of columns whose pages begin at different rows."""
    row, lost_from, lost_bytes, reason = 0, -1, 0, ""
    seen: set[int] = set()  # lost segments whose bytes are counted
    while row < end:
        count = min(end - row, *(cursor.rows_left() for cursor in cursors.values()))
        count = min(count, start - row) if row < start else count
        damaged = [cursor for cursor in cursors.values() if cursor.segment.array is None]
        if row >= start and damaged:
            lost_from = row if lost_from < 0 else lost_from
            reason = reason or damaged[0].segment.reason
            for segment in (cursor.segment for cursor in damaged if id(cursor.segment) not in seen):
                seen.add(id(segment))
                lost_bytes += segment.size
        elif row >= start:
            if lost_from >= 0:
                yield _Event(lost_from, None, reason, row - lost_from, lost_bytes, _rule(reason))
                lost_from, lost_bytes, reason = -1, 0, ""
            largest = max(cursor.segment.array.nbytes // cursor.segment.rows for cursor in cursors.values())  # type: ignore[union-attr]
            count = min(count, _BATCH_ROWS, max(1, _BATCH_BYTES // max(1, largest)))
            yield from _cursor_events(cursors, row, count)
        for cursor in cursors.values():
            cursor.used += count
        row += count
    if lost_from >= 0:
        yield _Event(lost_from, None, reason, end - lost_from, lost_bytes, _rule(reason))


def _rule(reason: str) -> str:
    return KILLED if reason.startswith(KILLED) else DAMAGED


def _cursor_events(cursors: dict[str, _Cursor], row: int, count: int) -> Iterator[_Event]:
    columns: dict[str, list] = {}
    for role, cursor in cursors.items():
        assert cursor.segment.array is not None
        if role == "text":
            cursor.texts = cursor.texts or TextColumn(cursor.segment.array)
            columns[role] = cursor.texts.values(cursor.used, count)
        else:
            columns[role] = plain_values(cursor.segment.array.slice(cursor.used, count))
    yield from _row_events(columns, row)


def _batch_events(batch: dict[str, pa.Array], first_row: int) -> Iterator[_Event]:
    columns = {role: plain_values(array) for role, array in batch.items() if role != "text"}
    texts = TextColumn(batch["text"])
    step = max(1, _BATCH_BYTES * len(batch["text"]) // max(1, batch["text"].nbytes))
    for start in range(0, len(batch["text"]), step):
        rows = {role: values[start : start + step] for role, values in columns.items()}
        yield from _row_events({"text": texts.values(start, step), **rows}, first_row + start)


def _row_events(columns: dict[str, list], first_row: int) -> Iterator[_Event]:
    roles = [*columns]
    for i, values in enumerate(zip(*columns.values(), strict=True)):
        row = dict.fromkeys(("text", "url", "id", "date")) | dict(zip(roles, values, strict=True))
        text = row["text"]
        if isinstance(text, Unreadable):
            yield _Event(first_row + i, None, text.reason, 1, text.size)
        else:
            yield _Event(first_row + i, row)
