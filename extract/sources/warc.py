"""Reads WARC and ARC files, sound or damaged, plain or compressed.

This is a reader of our own and not FastWARC's. What FastWARC or warcio skip silently or stop at (wrong lengths, junk
between records, broken members, records without a type, ARC) is either read or reported, at about nine tenths of
FastWARC's speed (`make bench-limits`). The tests compare with both libraries: every record that either of them reads
is found.

Sources: ISO 28500:2017 (WARC 1.1), section 4 and annex D; the Internet Archive's ARC format (Burner, Kahle 1996).
"""

from collections.abc import Iterator
from typing import BinaryIO

from extract.sources.record_buffer import RecordBuffer
from extract.sources.record_parser import (
    ARC_LINE,
    ARC_START,
    WARC_LINE,
    WARC_LINE_INSIDE,
    Record,
    RecordParser,
)
from extract.sources.registry import source
from pipeline.inputs.compression import (
    GZIP,
    READ_BYTES,
    SUFFIXES,
    Codec,
    LostRange,
    detect_codec,
    file_size,
    is_compressed,
    open_source,
)
from pipeline.inputs.members import Chunk, next_record_member, read_member_chunks, read_plain_chunks

NOT_A_WARC, EMPTY = "not a WARC", "empty"  # reasons for which a whole file is lost
_SEARCHED_BYTES = 64 << 20  # of a compressed file of an unknown name, for a record
_MAX_LEADING_BLANKS = 16  # bytes before the first thing in a file that has no record


# Files of any other name, too: crawlers write WARCs under many names, and what is no WARC is reported.
@source(suffixes=("",), splittable=is_compressed, decompress=False, holds_html=True, holds_records=True)
def warc(file: BinaryIO, start: int, end: int | None, *, source_name: str) -> Iterator[Record | LostRange]:
    """Records of a WARC or ARC. Only compressed files can be split: see `read_records`."""
    return read_records_of_file(file, source_name, start, end)


@source(
    suffixes=(".wet", *(f".wet{suffix}" for suffix in SUFFIXES)),
    splittable=is_compressed,
    decompress=False,
    holds_records=True,
)
def wet(file: BinaryIO, start: int, end: int | None, *, source_name: str) -> Iterator[Record | LostRange]:
    """Records of a WET file: a WARC of extracted texts (type `conversion`)."""
    return read_records_of_file(file, source_name, start, end)


def read_records(
    path: str, start: int = 0, end: int | None = None, source_name: str | None = None
) -> Iterator[Record | LostRange]:
    """Every record of the file at `path` whose offset is in [start, end), in order, and every lost range there.

    Whatever the ranges, together they give what one pass gives. An uncompressed file is read from its start for each
    range, since only the lengths of earlier records tell where a record begins.

    `source_name` names the file in what is yielded (`path` if None). Memory: one record of at most MAX_CONTENT_BYTES.
    Raises UserError if the file cannot be opened, and nothing for what is in it; a file without any record is one
    LostRange with the reason NOT_A_WARC.
    """
    with open_source(path) as file:
        yield from read_records_of_file(file, source_name or path, start, end)


def read_records_of_file(
    file: BinaryIO, source_name: str, start: int = 0, end: int | None = None
) -> Iterator[Record | LostRange]:
    """Like `read_records`, for an open file."""
    size = file_size(file)
    found_any = False
    for event in _merge_lost_ranges(_read_range(file, size, source_name, start, end), size):
        found_any = True
        yield event
    if not found_any and start == 0 and (end is None or end >= size):  # only blank lines or zeros
        yield LostRange(source_name, 0, size, NOT_A_WARC)


def has_records(file: BinaryIO) -> bool:
    """Whether a file looks like a WARC or ARC by its first bytes or, where these are damaged, by later ones."""
    codec, is_arc = _detect_format(file)
    if codec or is_arc:
        return is_arc or next_record_member(file, codec or GZIP, WARC_LINE, 0, _SEARCHED_BYTES) is not None
    file.seek(0)
    return bool(WARC_LINE.match(head := file.read(READ_BYTES)) or WARC_LINE_INSIDE.search(head))


def _merge_lost_ranges(events: Iterator[Record | LostRange], size: int) -> Iterator[Record | LostRange]:
    """Merge lost ranges that follow each other into one. A file of nothing else is lost as a whole."""
    lost: LostRange | None = None
    found_record = False
    for event in events:
        if isinstance(event, LostRange):
            if lost:
                lost_end = max(lost.offset + lost.length, event.offset + event.length)
                event = LostRange(lost.source, lost.offset, lost_end - lost.offset, lost.reason)
            lost = event
            continue
        if lost:
            yield lost
        yield event
        lost, found_record = None, True
    if lost and not found_record and lost.offset + lost.length >= size and lost.offset <= _MAX_LEADING_BLANKS:
        lost = LostRange(lost.source, 0, size, NOT_A_WARC)
    if lost:
        yield lost


def _read_range(
    file: BinaryIO, size: int, source_name: str, start: int, end: int | None
) -> Iterator[Record | LostRange]:
    if not size:
        if start == 0:
            yield LostRange(source_name, 0, 0, EMPTY)
        return
    codec, is_arc = _detect_format(file)
    if codec:
        chunks = read_member_chunks(file, source_name, codec, ARC_LINE if is_arc else WARC_LINE, start, end)
        yield from RecordParser(RecordBuffer(chunks), source_name, size, True, is_arc).parse()
        return
    for event in RecordParser(RecordBuffer(read_plain_chunks(file)), source_name, size, False, is_arc).parse():
        if end is not None and event.offset >= end:
            return
        if event.offset >= start:
            yield event


def _detect_format(file: BinaryIO) -> tuple[Codec | None, bool]:
    """(compression, whether the file is an ARC).

    A file that starts like none of these (a ZIP of WARCs, a broken first member) is searched for gzip members that
    hold records.
    """
    codec = detect_codec(file)
    chunks = read_member_chunks(file, "", codec, WARC_LINE, 0, None) if codec else read_plain_chunks(file)
    first = next(iter(chunks), None)
    text = first.data[:READ_BYTES] if isinstance(first, Chunk) else b""
    if WARC_LINE.match(text) or WARC_LINE_INSIDE.search(text):
        return codec, False
    if text.startswith(b"filedesc:") or ARC_START.match(text):
        return codec, True
    if codec is None and next_record_member(file, GZIP, WARC_LINE, 0) is not None:
        return GZIP, False
    return codec, False
