"""Objects of JSON lines, plain or compressed. What cannot be read is lost, and reading goes on at the next line."""

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from pipeline.inputs.compression import KILLED, READ_BYTES, LostRange, buffer_lines, detect_codec
from pipeline.inputs.guard import NO_GUARD, ReadGuard, Unit
from pipeline.inputs.members import read_member_chunks
from pipeline.inputs.texts import MAX_ROW_BYTES

JSON_SUFFIXES = (".jsonl", ".ndjson", ".jsonlines", ".json")
_OBJECT_START = re.compile(rb"\s*[{]")
_BLANKS = b" \t\r\n"


class Line(NamedTuple):
    """A line of a file: its place in decompressed bytes, its number from 1 (of the range), and what it has."""

    offset: int
    number: int
    values: dict[str, Any] | LostRange
    is_json: bool = True  # False: something in the file is damaged, and the line cannot be told from others


def read_objects(
    file: BinaryIO, source_name: str, start: int = 0, end: int | None = None, guard: ReadGuard = NO_GUARD
) -> Iterator[Line]:
    """Yield the objects of the lines that start in [start, end) bytes of a file, and what is lost there.

    Blank lines are skipped, but counted. Memory: one line of at most MAX_ROW_BYTES.
    """
    for offset, number, line in _read_lines(file, source_name, start, end):
        if isinstance(line, LostRange):
            yield Line(offset, number, line, is_json=False)
            continue
        killed = guard.enter(Unit(0, offset))
        values: dict[str, Any] | LostRange
        if killed:
            values = LostRange(source_name, offset, len(line), killed, 1, KILLED)
        else:
            values = _parse_line(source_name, offset, line)
        guard.leave()
        yield Line(offset, number, values)


def _parse_line(source_name: str, offset: int, line: bytes) -> dict[str, Any] | LostRange:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:  # not JSON, or not UTF-8
        reason = "zero bytes" if not line.strip(b"\0") else f"no JSON: {error}"
        return LostRange(source_name, offset, len(line), reason, 1)
    if isinstance(values, dict):
        return values
    return LostRange(source_name, offset, len(line), f"{type(values).__name__}, not an object", 1)


def _read_lines(
    file: BinaryIO, source_name: str, start: int, end: int | None
) -> Iterator[tuple[int, int, bytes | LostRange]]:
    """Yield (offset, number, line without its end) of every line that starts in the range."""
    codec = detect_codec(file)
    if codec is None:
        yield from _read_plain_lines(buffer_lines(file), source_name, start, end)
        return
    splitter = _LineSplitter(source_name)
    for event in read_member_chunks(file, source_name, codec, _OBJECT_START, start, end):
        if isinstance(event, LostRange):
            yield splitter.offset, splitter.number, event
            splitter.drop_unfinished()
        else:
            yield from splitter.split(event.data, event.offset)
    yield from splitter.finish()


class _LineSplitter:
    """Splits decompressed chunks into lines. Of a line that is too long, only the length is kept."""

    def __init__(self, source_name: str):
        self._source_name = source_name
        self.offset, self.number = 0, 1  # of the line that is not yet complete
        self._parts: list[bytes] = []
        self._size = 0  # bytes of that line so far
        self._member = 0  # offset in the file of the member where that line starts

    def split(self, data: bytes, member: int) -> Iterator[tuple[int, int, bytes | LostRange]]:
        """Yield the lines that `data` completes."""
        begin = 0
        while (newline := data.find(b"\n", begin)) >= 0:
            self._append(data[begin:newline], member)
            yield from self._complete(1)
            begin = newline + 1
        self._append(data[begin:], member)

    def finish(self) -> Iterator[tuple[int, int, bytes | LostRange]]:
        """Yield the last line, which has no end."""
        yield from self._complete(0)

    def drop_unfinished(self) -> None:
        """Forget the line that damage has torn."""
        self._parts, self._size = [], 0

    def _append(self, part: bytes, member: int) -> None:
        if not self._size:
            self._member = member
        self._size += len(part)
        if self._size <= MAX_ROW_BYTES:
            self._parts.append(part)
        else:
            self._parts = []

    def _complete(self, end_bytes: int) -> Iterator[tuple[int, int, bytes | LostRange]]:
        line, size = b"".join(self._parts), self._size
        if size > MAX_ROW_BYTES:
            yield self.offset, self.number, _too_long(self._source_name, self._member, size)
        elif line.strip(_BLANKS):
            yield self.offset, self.number, line.rstrip(b"\r")
        self.offset += size + end_bytes
        self.number += 1
        self._parts, self._size = [], 0


def _too_long(source_name: str, offset: int, size: int) -> LostRange:
    return LostRange(source_name, offset, size, f"a line of {size} bytes, more than {MAX_ROW_BYTES}", 1)


def _read_plain_lines(
    file: BinaryIO, source_name: str, start: int, end: int | None
) -> Iterator[tuple[int, int, bytes | LostRange]]:
    position = 0
    if start:
        file.seek(start - 1)
        position = start - 1
        while end is None or position < end:
            part = file.readline(READ_BYTES)
            position += len(part)
            if not part or part.endswith(b"\n"):
                break
    file.seek(position)
    number = 0
    while (end is None or position < end) and (line := file.readline(MAX_ROW_BYTES + 1)):
        size, has_end = len(line), line.endswith(b"\n")
        number += 1
        while len(line) > MAX_ROW_BYTES and not has_end and (part := file.readline(READ_BYTES)):
            size, has_end = size + len(part), part.endswith(b"\n")
        if size - has_end > MAX_ROW_BYTES:
            yield position, number, _too_long(source_name, position, size - has_end)
        elif line.strip(_BLANKS):
            yield position, number, line.rstrip(b"\r\n")
        position += size
