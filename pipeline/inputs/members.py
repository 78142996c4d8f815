"""Decompressed bytes of a compressed file, member by member, continuing after damage.

A WARC of the usual kind has one record per gzip member (zstd or lz4 frame). A long member is returned in chunks:

    stored file     | member A          | member B | damaged  | member C   |
    decompressed    | WARC/1.0 ... text | more text|          | WARC/1.0...|
                         |        |          |          |         |
    events             Chunk    Chunk      Chunk    LostRange   Chunk
    starts_record      True     False      False        -       True

A member whose text begins with the first line of a record *starts a record*: reading can begin there, where a file is
split or after damage, since no earlier record reaches into such a member. So the records found do not depend on where
a file is split.
"""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.inputs.compression import READ_BYTES, Codec, DecodeError, LostRange, file_size, skippable_frame_size

# Bytes before a split that are searched for the true start of members: a WARC stored inside a record has members of its
# own, and only reading from before that record can tell them apart. Common Crawl truncates payloads at 1 MiB (5 MiB
# since 2025).
LOOK_BACK_BYTES = 16 << 20
CHUNK_BYTES = 4 << 20  # text after which a long member is returned in chunks
MAX_SALVAGED_BYTES = 64 << 20
_SALVAGE_STEP_BYTES = 64  # input per call, so that little text before the damage is lost
_MEMBER_HEAD_BYTES = 4096  # compressed bytes that must contain the first line of a record
_FIRST_LINE_BYTES = 256
ZEROS = bytes(READ_BYTES)  # compared with what is read: holes of files may have terabytes of them
# A member that expands to more than this and to more than so many times its stored bytes is not read to its end: texts
# compress to a hundredth at most, zeros to a thousandth (gzip) and less (zstd).
_MAX_MEMBER_BYTES, _MAX_MEMBER_RATIO = 1 << 30, 500
MAX_PADDING_BYTES = 1 << 14  # of zeros between members: tapes and disks pad to blocks; more is a hole in the file


@dataclass(frozen=True, slots=True)
class Chunk:
    """Decompressed bytes. `data` starts `inner_offset` bytes into the text of the member at `offset` of the file."""

    data: bytes
    offset: int
    inner_offset: int
    starts_record: bool


class FileWindow:
    """Bytes of a file from a position that moves forward, read in blocks."""

    def __init__(self, file: BinaryIO, position: int):
        self._file, self._buffer, self._index = file, b"", 0
        self.position = position
        file.seek(position)

    def peek(self, count: int) -> bytes:
        """The next `count` bytes, fewer only at the end of the file."""
        if len(self._buffer) - self._index < count:
            parts = [self._buffer[self._index :]]
            while (missing := count - sum(map(len, parts))) > 0 and (
                block := self._file.read(max(READ_BYTES, missing))
            ):
                parts.append(block)
            self._buffer, self._index = b"".join(parts), 0
        return self._buffer[self._index : self._index + count]

    def peek_view(self, count: int) -> memoryview:
        """Like `peek`, without a copy."""
        if len(self._buffer) - self._index < count:
            self.peek(count)
        return memoryview(self._buffer)[self._index : self._index + count]

    def skip(self, count: int) -> None:
        """Move the position forward by `count` bytes."""
        self.position += count
        self._index += count
        if self._index > len(self._buffer):
            self._buffer, self._index = b"", 0
            self._file.seek(self.position)


def read_plain_chunks(file: BinaryIO) -> Iterator[Chunk]:
    """Chunks of an uncompressed file. Only the first one, at offset 0, starts a record."""
    file.seek(0)
    position = 0
    while data := file.read(READ_BYTES):
        yield Chunk(data, position, 0, position == 0)
        position += len(data)


def read_member_chunks(
    file: BinaryIO, source: str, codec: Codec, first_line: re.Pattern[bytes], start: int, end: int | None
) -> Iterator[Chunk | LostRange]:
    """Chunks from the first member at or after `start` that starts a record, up to the first such member at or after
    `end` (bytes of the file).

    `first_line` matches the first line of a record. For `start` 0, reading begins with the file's first member whether
    or not it starts a record.
    """
    position: int | None = 0
    if start > LOOK_BACK_BYTES:
        position = next_record_member(file, codec, first_line, start - LOOK_BACK_BYTES, end)
    in_range = start == 0
    for event in _read_events(file, source, codec, first_line, position):
        if isinstance(event, Chunk) and event.starts_record:
            in_range = in_range or event.offset >= start
            if end is not None and event.offset >= end:
                return
        if in_range:
            yield event


def _read_events(
    file: BinaryIO, source: str, codec: Codec, first_line: re.Pattern[bytes], position: int | None
) -> Iterator[Chunk | LostRange]:
    """Chunks from `position` on. After damage, reading goes on at the next member that starts a record."""
    while position is not None:
        window = FileWindow(file, position)
        damage = ""
        while not damage and (yield from _skip_to_member(window, codec, source)):
            position = window.position
            damage = yield from _read_member(file, window, codec, first_line)
        if not damage:
            if not window.peek(1):
                return
            position, damage = window.position, f"bytes that are no {codec.name} member"
        next_position = next_record_member(file, codec, first_line, position + 1)
        lost_end = file_size(file) if next_position is None else next_position
        yield LostRange(source, position, lost_end - position, damage)
        position = next_position


def _skip_to_member(window: FileWindow, codec: Codec, source: str) -> Generator[LostRange, None, bool]:
    """Skip zeros and skippable frames; zeros of more than MAX_PADDING_BYTES are lost. Returns whether a member follows.

    Data that was never written, or was wiped, reads as zeros.
    """
    while True:
        head = window.peek(8)
        if head.startswith(codec.magic):
            return True
        if codec.name != "gzip" and (frame_size := skippable_frame_size(head)):
            window.skip(frame_size)
        elif head[:1] == b"\0":
            start = window.position
            while (block := window.peek(READ_BYTES)) and (block == ZEROS or not block.lstrip(b"\0")):
                window.skip(len(block))
            window.skip(len(block) - len(block.lstrip(b"\0")))
            if window.position - start > MAX_PADDING_BYTES:
                yield LostRange(source, start, window.position - start, "zeros in place of data")
        else:
            return False


def _read_member(
    file: BinaryIO, window: FileWindow, codec: Codec, first_line: re.Pattern[bytes]
) -> Generator[Chunk, None, str]:
    """Yield the chunks of one member. Returns what is wrong with it, "" for a sound one."""
    start, yielded_bytes, damage, at_end = window.position, 0, "", False
    parts: list[bytes] = []
    decoder = codec.new_decoder()
    while not at_end and not damage:
        data = window.peek_view(codec.step_bytes)
        try:
            output, unused, at_end = decoder.decode(data)
        except DecodeError as error:
            damage, output, unused = f"{codec.name} member cannot be decompressed ({error})", b"", b""
            parts = [_decode_until_damage(file, codec, start)[yielded_bytes:]]
        window.skip(len(data) - len(unused))
        parts.append(output)
        if not data and not at_end:
            damage = damage or f"the file ends inside a {codec.name} member"
        if at_end or damage or sum(map(len, parts)) >= CHUNK_BYTES:
            text, parts = b"".join(parts), []
            if text or at_end:
                yield Chunk(text, start, yielded_bytes, yielded_bytes == 0 and bool(first_line.match(text)))
            yielded_bytes += len(text)
            if yielded_bytes > max(_MAX_MEMBER_BYTES, _MAX_MEMBER_RATIO * (window.position - start)):
                damage = damage or f"a {codec.name} member of more than {yielded_bytes} bytes"
    return damage


def _decode_until_damage(file: BinaryIO, codec: Codec, start: int) -> bytes:
    """The text of a broken member before its damage, at most about MAX_SALVAGED_BYTES of it."""
    file.seek(start)
    decoder, parts, size = codec.new_decoder(), [], 0
    while size < MAX_SALVAGED_BYTES and (data := file.read(_SALVAGE_STEP_BYTES)):
        try:
            text, _, at_end = decoder.decode(data)
        except DecodeError:  # the caller already has the reason
            break
        parts.append(text)
        size += len(text)
        if at_end:
            break
    return b"".join(parts)


def next_record_member(
    file: BinaryIO, codec: Codec, first_line: re.Pattern[bytes], position: int, end: int | None = None
) -> int | None:
    """Offset of the first member in [position, end) that starts a record, None if there is none."""
    window, overlap = FileWindow(file, position), len(codec.magic) - 1
    while (end is None or window.position < end) and len(block := window.peek(READ_BYTES)) > overlap:
        index = block.find(codec.magic)
        if index < 0:
            window.skip(len(block) - overlap)
            continue
        window.skip(index)
        if first_line.match(_first_text(codec, window.peek(_MEMBER_HEAD_BYTES))):
            return window.position
        window.skip(1)
    return None


def _first_text(codec: Codec, data: bytes) -> bytes:
    """The first decompressed bytes of what may be a member, b"" if it is none."""
    decoder, output, at_end = codec.new_decoder(), b"", False
    for i in range(0, len(data), _SALVAGE_STEP_BYTES):
        if at_end or len(output) >= _FIRST_LINE_BYTES:
            break
        try:
            text, _, at_end = decoder.decode(data[i : i + _SALVAGE_STEP_BYTES])
        except DecodeError:  # not a member; the caller judges what was decoded before
            break
        output += text
    return output
