"""Records of a WARC or ARC and the lost ranges between them, parsed from a record buffer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from extract.sources.record_buffer import LINE_OVERLAP_BYTES, RecordBuffer
from extract.sources.record_headers import parse_arc_line, parse_header, parse_length
from pipeline.inputs.compression import LostRange
from pipeline.inputs.members import MAX_PADDING_BYTES

MAX_CONTENT_BYTES = 64 << 20  # of a record's content that are kept; the rest counts as missing
_MAX_HEADER_BYTES = 1 << 16
_FIRST_LINE_BYTES = 64  # enough to tell whether a WARC record starts
_NO_RECORD_SEARCH_BYTES = 1 << 20  # read at a time in search of the next record
WARC_LINE = re.compile(rb"[\r\n\t ]*WARC/\d", re.I)
WARC_LINE_INSIDE = re.compile(rb"\n(?=WARC/[01]\.\d+[ \t]*\r?\n)", re.I)
_ARC_REST = rb"[^ \r\n]+(?: [^ \r\n]+){0,5} -?\d+[ \t]*\r?\n"  # type, (version 2: status ... file name,) length
ARC_START = re.compile(rb"(?:https?|ftp|dns):[^\n]+ \d{12,18} " + _ARC_REST)
_ARC_LINE_INSIDE = re.compile(rb"\n(?=(?:https?|ftp|dns|filedesc):[^\n]+ \d{12,18} " + _ARC_REST + rb")")
ARC_LINE = re.compile(
    rb"[\r\n]*(filedesc:[^\n]*?|[A-Za-z][A-Za-z0-9+.-]*:[^\n]*?) (\d{8,18}|-|[^ \r\n]+(?= [^ \r\n]+ [^ \r\n]+\r?\n))"
    rb" ([^ \r\n]+)(?: [^ \r\n]+){0,5} ([^ \r\n]+)[ \t]*\r?\n"
)
_BLANK_LINE = re.compile(rb"\n\r?\n")


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a WARC or ARC.

    Attributes:
        source: Name of the file.
        offset: Byte of the stored file where the record's gzip member starts, or the record if nothing is compressed.
        inner_offset: Where the record starts in what that member decompresses to, in bytes.
        type: WARC-Type in lower case, "unknown" if none is given.
        headers: Lower-case field name to the first value given.
        view: The content without a copy, valid as long as the record.
        missing_bytes: Bytes of content that the length promises and the file does not have.
        damage: Why the content cannot be trusted (its member is broken), "" if it can.
    """

    source: str
    offset: int
    inner_offset: int
    type: str
    headers: dict[str, str]
    view: memoryview = field(repr=False)
    missing_bytes: int = 0
    damage: str = ""

    @property
    def content(self) -> bytes:
        """A copy of the content."""
        return bytes(self.view)


class RecordParser:
    """Parses the records and lost ranges of a file of `file_size` bytes from a buffer over it."""

    def __init__(self, buffer: RecordBuffer, source: str, file_size: int, compressed: bool, is_arc: bool):
        self.buffer, self.source, self.file_size = buffer, source, file_size
        self.compressed, self.is_arc = compressed, is_arc
        self._content_end = 0  # offset in an uncompressed file of what follows the last record
        self.first_line, self.line_inside = (ARC_LINE, _ARC_LINE_INSIDE) if is_arc else (WARC_LINE, WARC_LINE_INSIDE)

    def parse(self) -> Iterator[Record | LostRange]:
        """All records and lost ranges in order."""
        buffer = self.buffer
        while True:
            buffer.discard()
            at_boundary = not buffer.skip_blanks()
            if lost_zeros := self._lost_zeros():
                yield lost_zeros
            if at_boundary:
                if lost := buffer.cross_boundary():
                    yield lost
                elif buffer.exhausted:
                    return
            elif self._record_starts():
                yield from self._parse_record()
            else:
                yield self._skip_to_record()
                self._note_content_end()

    def _note_content_end(self) -> None:
        self.buffer.blanks_skipped = 0
        if not self.compressed:
            self._content_end = self.buffer.locate(self.buffer.position, False)[0]

    def _lost_zeros(self) -> LostRange | None:
        """The blanks before the position, where there are too many for padding between records."""
        begin, blanks = self._content_end, self.buffer.blanks_skipped
        self._note_content_end()
        if blanks <= MAX_PADDING_BYTES:
            return None
        length, reason = self._content_end - begin, "zeros in place of data"
        if self.compressed:
            begin, reason = self.buffer.blanks_offset, f"{blanks} zeros in place of data"
            at_boundary = self.buffer.position >= len(self.buffer.buffer)
            end = (
                self.buffer.next_offset(self.file_size)
                if at_boundary
                else self.buffer.locate(self.buffer.position, True)[0]
            )
            length = max(0, end - begin)
        return LostRange(self.source, begin, length, reason)

    def _record_starts(self) -> bool:
        """Whether the first line of a record is at the position."""
        self.buffer.ensure(_MAX_HEADER_BYTES if self.is_arc else _FIRST_LINE_BYTES)
        return bool(self.first_line.match(self.buffer.buffer, self.buffer.position))

    def _skip_to_record(self) -> LostRange:
        """Skip what is no record, up to the next line that starts one or to the boundary."""
        buffer = self.buffer
        offset, _ = buffer.locate(buffer.position, self.compressed)
        buffer.position += 1
        while not (match := buffer.search(self.line_inside, buffer.position - 1, _NO_RECORD_SEARCH_BYTES)):
            at_boundary = not buffer.append_chunk()
            end = len(buffer.buffer)
            buffer.position = end if at_boundary else max(buffer.position, end - LINE_OVERLAP_BYTES)
            buffer.discard()
            if at_boundary:
                break
        else:
            buffer.position = match.end()
        record_offset = buffer.locate(buffer.position, self.compressed)[0] if match else None
        end_offset = buffer.next_offset(self.file_size) if record_offset is None else record_offset
        return LostRange(self.source, offset, max(0, end_offset - offset), "bytes that are no record")

    def _parse_record(self) -> Iterator[Record | LostRange]:
        buffer = self.buffer
        offset, inner_offset = buffer.locate(buffer.position, self.compressed)
        header = self._parse_header()
        if header is None:
            yield self._skip_to_record()
            return
        record_type, headers, length = header
        content, missing_bytes = self._read_content(length)
        self._note_content_end()
        at_boundary = not buffer.skip_blanks()
        ends_early = missing_bytes > 0 and at_boundary and (length or 0) - missing_bytes < MAX_CONTENT_BYTES
        damage = f"longer than {MAX_CONTENT_BYTES} bytes" if missing_bytes and not ends_early else ""
        if at_boundary and buffer.damage and (missing_bytes or buffer.next_offset(self.file_size) == offset):
            damage = buffer.damage
        elif ends_early:
            damage = "the file ends inside the record" if buffer.exhausted else "the record ends before its length"
        record_type = record_type or ("response" if content[:5] == b"HTTP/" else "resource")
        yield Record(self.source, offset, inner_offset, record_type, headers, content, missing_bytes, damage)
        if ends_early and not buffer.damage:
            reason = f"{missing_bytes} bytes of the record at {offset} are missing"
            yield LostRange(self.source, buffer.next_offset(self.file_size), 0, reason)

    def _parse_header(self) -> tuple[str, dict[str, str], int | None] | None:
        """Read (type, header fields, content length), None if this is too long to be a header."""
        buffer = self.buffer
        if self.is_arc:
            line = ARC_LINE.match(buffer.buffer, buffer.position)
            assert line
            buffer.position = line.end()
            return parse_arc_line(line)
        blank_line = buffer.search(_BLANK_LINE, buffer.position, _MAX_HEADER_BYTES)
        if blank_line:
            header_end, content_start = blank_line.span()
        else:
            header_end = content_start = len(buffer.buffer)
        # a header without an end: the next record starts first
        if next_record := self.line_inside.search(buffer.buffer, buffer.position + 5, header_end + 1):
            header_end, content_start = next_record.span()
        if header_end - buffer.position > _MAX_HEADER_BYTES:
            return None
        headers = parse_header(bytes(buffer.buffer[buffer.position : header_end]))
        buffer.position = content_start
        return headers.get("warc-type", "unknown").lower(), headers, parse_length(headers.get("content-length"))

    def _read_content(self, length: int | None) -> tuple[memoryview, int]:
        """Read (content, missing bytes)."""
        buffer = self.buffer
        begin = buffer.position
        if length is None:
            return self._read_to_next_record()
        if length > MAX_CONTENT_BYTES:
            return self._read_truncated(length)
        complete = buffer.ensure(length)
        end = begin + length if complete else len(buffer.buffer)
        buffer.position = end
        if not (complete and self._record_or_boundary_follows()):
            match = self.line_inside.search(buffer.buffer, max(0, begin - 1), end + 5)
            if match and match.end() < end:  # the length is wrong: it leads into a later record
                buffer.position = match.end()
                return _without_line_ends(buffer.buffer[begin : match.start()]), 0
        buffer.position = end
        return _view(buffer.buffer, begin, end), begin + length - end

    def _record_or_boundary_follows(self) -> bool:
        end = self.buffer.end_of_blanks(MAX_PADDING_BYTES)
        if end is None:
            return not self.buffer.damage
        if end - self.buffer.position > MAX_PADDING_BYTES:  # a hole in the file, and not the middle of a page
            return True
        self.buffer.position = end
        return self._record_starts()

    def _read_to_next_record(self) -> tuple[memoryview, int]:
        """Read content without a length, which goes up to the next record."""
        buffer = self.buffer
        begin = buffer.position
        match = buffer.search(self.line_inside, max(0, begin - 1), MAX_CONTENT_BYTES)
        end, buffer.position = match.span() if match else (len(buffer.buffer), len(buffer.buffer))
        return _without_line_ends(buffer.buffer[begin : max(begin, end)]), 0

    def _read_truncated(self, length: int) -> tuple[memoryview, int]:
        """Read the first MAX_CONTENT_BYTES bytes of content and skip the others."""
        buffer = self.buffer
        buffer.ensure(MAX_CONTENT_BYTES)
        begin = buffer.position
        content = memoryview(bytes(memoryview(buffer.buffer)[begin : begin + MAX_CONTENT_BYTES]))
        remaining = length
        while remaining:
            step = min(remaining, len(buffer.buffer) - buffer.position)
            buffer.position, remaining = buffer.position + step, remaining - step
            buffer.discard()
            if remaining and buffer.position >= len(buffer.buffer) and not buffer.append_chunk():
                break
        return content, length - len(content)


def _view(buffer: bytes | bytearray, begin: int, end: int) -> memoryview:
    """Part of the buffer, without a copy if the buffer never changes (one record per member, the usual case)."""
    part = memoryview(buffer)[begin:end]
    return part if isinstance(buffer, bytes) else memoryview(bytes(part))


def _without_line_ends(part: bytes | bytearray) -> memoryview:
    return memoryview(bytes(part).rstrip(b"\r\n"))
