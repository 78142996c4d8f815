"""Reading a column of a Parquet row group page by page, where Arrow cannot read the group as a whole.

Arrow gives up a row group at its first broken page, and it needs memory for a page's longest value. Here, each data
page becomes a Parquet file of its own in memory (its column, the dictionary and the page), which Arrow reads. So only
the rows of a broken page are lost. Values that are too long are replaced before Arrow sees them.

Source: Apache Parquet, `parquet.thrift` and "Data Pages" (format 2.10). The numbers of fields are those of
`parquet.thrift`.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.inputs.compression import CheckedFile
from pipeline.inputs.guard import ReadGuard, Unit
from pipeline.inputs.parquet_footer import BYTE_ARRAY, MAGIC, leaf_schema
from pipeline.inputs.texts import MAX_ROW_BYTES, TOO_LONG
from pipeline.inputs.thrift import BINARY, I32, I64, LIST, STRUCT, Struct, ThriftError, read_struct, write_struct

MAX_PAGE_BYTES = 512 << 20  # of a decompressed page; the rows of larger ones are lost
_MAX_UNKNOWN_BYTES = 256 << 20  # of a page whose long values cannot be replaced, for its encoding
_HEADER_BYTES = 1 << 13  # read for the header of a page; with statistics it may be longer
_MAX_HEADER_BYTES = 1 << 22
_CODECS = {1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}
_PLAIN, _PLAIN_DICTIONARY = 0, 2
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3  # types of pages
_CREATED_BY = b"parquet-cpp-arrow version 26.0.0"


@dataclass(frozen=True)
class Segment:
    """Consecutive rows of a column. `array` is None where they are lost, `size` bytes of the file, for `reason`."""

    rows: int
    array: pa.Array | None
    reason: str = ""
    size: int = 0


@dataclass(frozen=True)
class _Page:
    header: Struct
    kind: int
    data: bytes  # as it is stored
    size: int  # bytes in the file, with the header
    rows: int


class ColumnPages:
    """The pages of one column of a row group. Raises ThriftError for a column that this cannot read."""

    def __init__(
        self, file: BinaryIO | CheckedFile, file_size: int, footer: Struct, group: int, leaf: int, guard: ReadGuard
    ):
        self._file, self._guard = file, guard
        row_group = footer[4][1][1][group]
        self._rows = row_group[3][1]
        try:
            self._column = row_group[1][1][1][leaf][3][1]
            offsets = [self._column[i][1] for i in (9, 11) if i in self._column and self._column[i][1] > 0]
            self._start = min(offsets)
            self._end = min(file_size, self._start + self._column[7][1])
            self._codec = self._column[4][1]
            self._schema, self._path, self._is_optional = leaf_schema(footer[2][1][1], leaf)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ThriftError(f"the footer does not describe the column ({error!r})") from error
        self._is_text = self._column[1][1] == BYTE_ARRAY
        self._dictionary: bytes | None = None

    def segments(self) -> Iterator[Segment]:
        """Return all rows of the column in order."""
        position, rows, reason = self._start, 0, "the column ends early"
        dictionary_problem = ""
        while rows < self._rows and position < self._end:
            try:
                page = self._read_page(position)
            except (ThriftError, KeyError, TypeError) as error:
                reason = f"the header of a page cannot be read ({error})"
                break
            unit = Unit(1, position)
            position += page.size
            if page.kind == _DICTIONARY:
                try:
                    self._dictionary = self._plain_page(page)
                except Exception as error:  # noqa: BLE001 - whatever Arrow raises for damaged bytes
                    dictionary_problem = f"the dictionary cannot be read ({one_line(error)})"
                continue
            if page.kind not in (_DATA, _DATA_V2):
                continue
            count = min(page.rows, self._rows - rows)
            rows += count
            problem = self._guard.enter(unit)
            if not problem and dictionary_problem and _encoding(page) != _PLAIN:
                problem = dictionary_problem
            yield Segment(count, None, problem, page.size) if problem else self._decode(page, count)
        if rows < self._rows:
            yield Segment(self._rows - rows, None, reason, max(0, self._end - position))

    def _read_page(self, position: int) -> _Page:
        """Read the page at a position. Raises ThriftError where none is."""
        length = _HEADER_BYTES
        while True:
            self._file.seek(position)
            head = self._file.read(length)
            try:
                header, end = read_struct(head)
                break
            except ThriftError:
                length *= 8
                if length > _MAX_HEADER_BYTES or len(head) < length // 8:
                    raise
        kind, stored = header[1][1], header[3][1]
        details = header.get({_DATA: 5, _DICTIONARY: 7, _DATA_V2: 8}.get(kind, 0), (STRUCT, {}))[1]
        rows = details[3][1] if kind == _DATA_V2 else details[1][1] if kind == _DATA else 0
        if not 0 <= stored <= self._end - position - end or not header[2][1] >= 0 or rows < 0 or not 0 <= kind <= 3:
            raise ThriftError("it does not fit into the column")
        self._file.seek(position + end)
        return _Page(header, kind, self._file.read(stored), end + stored, rows)

    def _decode(self, page: _Page, count: int) -> Segment:
        """Return the rows of a data page, lost where it is damaged."""
        try:
            array = self._read_alone(self._plain_page(page), page.rows)
            array.validate()
        except Exception as error:  # noqa: BLE001 - whatever Arrow raises for damaged bytes
            return Segment(count, None, f"a page cannot be read ({one_line(error)})", page.size)
        return Segment(count, array.slice(0, count))

    def _plain_page(self, page: _Page) -> bytes:
        """Return a page with its header, decompressed where the codec is known, without values that are too long."""
        header = dict(page.header)
        checksum = header.pop(4, None)
        if checksum and checksum[1] & 0xFFFFFFFF != zlib.crc32(page.data):
            raise ValueError("its checksum is wrong")
        if header[2][1] > MAX_PAGE_BYTES:
            raise ValueError(f"it has {header[2][1]} bytes, more than {MAX_PAGE_BYTES}")
        data, levels = self._decompress(page)
        if data is None:
            return write_struct(header) + page.data
        if self._is_text and len(data) > MAX_ROW_BYTES:
            if _encoding(page) in ((_PLAIN, _PLAIN_DICTIONARY) if page.kind == _DICTIONARY else (_PLAIN,)):
                data = data[:levels] + _without_long_values(memoryview(data)[levels:])
            elif len(data) > _MAX_UNKNOWN_BYTES:
                raise ValueError(f"it has {len(data)} bytes, more than {_MAX_UNKNOWN_BYTES}")
        header[2] = header[3] = (I32, len(data))
        if page.kind == _DATA_V2:
            details = {number: field for number, field in header[8][1].items() if number != 8}
            header[8] = (STRUCT, {**details, 7: (2, False)})
        return write_struct(header) + data

    def _decompress(self, page: _Page) -> tuple[bytes | None, int]:
        """Return (levels and values of a page, bytes of the levels); (None, 0) if the codec is not known."""
        data, size, levels = page.data, page.header[2][1], 0
        if page.kind == _DATA_V2:
            details = page.header[8][1]
            levels = details[5][1] + details[6][1]
            if not 0 <= levels <= len(data):
                raise ValueError("its levels do not fit into it")
            if not details.get(7, (1, True))[1]:
                return data, levels
        if self._codec:
            if self._codec not in _CODECS:
                return None, 0
            rest = size - levels
            plain = pa.decompress(data[levels:], rest, codec=_CODECS[self._codec], asbytes=True) if rest > 0 else b""
            data = data[:levels] + plain
        if len(data) != size:
            raise ValueError(f"it has {len(data)} bytes, not {size}")
        if page.kind == _DATA and self._is_optional:
            levels = 4 + int.from_bytes(data[:4], "little")
        return data, levels

    def _read_alone(self, page: bytes, rows: int) -> pa.Array:
        """Let Arrow read one data page."""
        dictionary = self._dictionary or b""
        start = len(MAGIC)
        known_codec = self._codec in _CODECS
        size = len(dictionary) + len(page)
        column = {
            1: self._column[1],
            2: self._column[2],
            3: (LIST, (BINARY, self._path)),
            4: (I32, 0 if known_codec else self._codec),
            5: (I64, rows),
            6: (I64, size),
            7: (I64, size),
            9: (I64, start + len(dictionary)),
        }
        if dictionary:
            column[11] = (I64, start)
        chunk = {2: (I64, start), 3: (STRUCT, column)}
        group = {1: (LIST, (STRUCT, [chunk])), 2: (I64, size), 3: (I64, rows)}
        footer = write_struct(
            {
                1: (I32, 2),
                2: (LIST, (STRUCT, self._schema)),
                3: (I64, rows),
                4: (LIST, (STRUCT, [group])),
                6: (BINARY, _CREATED_BY),
            }
        )
        data = b"".join([MAGIC, dictionary, page, footer, len(footer).to_bytes(4, "little"), MAGIC])
        names = [".".join(part.decode() for part in self._path)] if dictionary and self._is_text else None
        table = pq.ParquetFile(pa.BufferReader(data), read_dictionary=names).read(use_threads=False)
        array: Any = table.column(0).combine_chunks()
        array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
        for _ in self._path[1:]:
            array = pc.struct_field(array, [0])
        if len(array) != rows:
            raise ValueError(f"it has {len(array)} rows, not {rows}")
        return array


def _encoding(page: _Page) -> int:
    number, field = {_DATA: (5, 2), _DICTIONARY: (7, 2), _DATA_V2: (8, 4)}[page.kind]
    return int(page.header[number][1][field][1])


def _without_long_values(data: memoryview) -> bytes:
    """Return plain byte arrays (4 bytes of length, then the bytes) with a mark in the place of long ones."""
    out: list[bytes | memoryview] = []
    begin = position = 0
    while position + 4 <= len(data):
        length = int.from_bytes(data[position : position + 4], "little")
        if length > MAX_ROW_BYTES:
            mark = TOO_LONG + str(length).encode()
            out += [data[begin:position], len(mark).to_bytes(4, "little"), mark]
            begin = position + 4 + length
        position += 4 + length
    return b"".join([*out, data[begin:]])


def one_line(error: BaseException) -> str:
    """Return what an error says, in one short line."""
    return " ".join(str(error).split())[:120] or type(error).__name__
