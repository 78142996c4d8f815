"""The decompressed bytes of a file in pieces, member by member, going on behind damage.

A WARC of the usual kind has one record a gzip member (zstd or lz4 frame). A member whose text starts with a record's
first line is a *head*: reading can begin there, at a split of the file or behind damage, and nothing before it reaches
into it. So the records found do not depend on where a file is split.
"""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from extract.sources.compression import BLOCK, Codec, DecodeError, Lost, size_of, skippable

# What is searched backwards for the true start of members before a split: a stored WARC inside a record has members of
# its own, and only the walk from before that record tells. Common Crawl cuts payloads at 1 MiB (5 MiB since 2025).
LOOK_BACK = 16 << 20
PIECE = 4 << 20  # bytes of text after which a long member is handed on in parts
SALVAGE = 64 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """`data` starts `inner` bytes into what the member at `offset` decompresses to."""

    data: bytes
    offset: int
    inner: int
    head: bool


class Window:
    """Bytes of a file from a moving position on, read in blocks."""

    def __init__(self, file: BinaryIO, position: int):
        self._file, self._buffer, self._at = file, b"", 0
        self.position = position
        file.seek(position)

    def peek(self, count: int) -> bytes:
        """The next `count` bytes, fewer only where the file ends."""
        if len(self._buffer) - self._at < count:
            parts = [self._buffer[self._at :]]
            while (lack := count - sum(map(len, parts))) > 0 and (block := self._file.read(max(BLOCK, lack))):
                parts.append(block)
            self._buffer, self._at = b"".join(parts), 0
        return self._buffer[self._at : self._at + count]

    def view(self, count: int) -> memoryview:
        """The same without a copy."""
        if len(self._buffer) - self._at < count:
            self.peek(count)
        return memoryview(self._buffer)[self._at : self._at + count]

    def skip(self, count: int) -> None:
        """Move forward."""
        self.position += count
        self._at += count
        if self._at > len(self._buffer):
            self._buffer, self._at = b"", 0
            self._file.seek(self.position)


def plain(file: BinaryIO) -> Iterator[Piece]:
    """An uncompressed file in blocks: one single head, at 0."""
    file.seek(0)
    position = 0
    while data := file.read(BLOCK):
        yield Piece(data, position, 0, position == 0)
        position += len(data)


def compressed(
    file: BinaryIO, source: str, codec: Codec, line: re.Pattern[bytes], start: int, end: int | None
) -> Iterator[Piece | Lost]:
    """Pieces from the first head at or behind `start` to before the first head at or behind `end` (bytes of the file).

    `line` matches a record's first line. At `start` 0 the file's first member counts, head or not.
    """
    walk = _walk(file, source, codec, line, behind(file, codec, line, start - LOOK_BACK) if start > LOOK_BACK else 0)
    begun = start == 0
    for event in walk:
        if isinstance(event, Piece) and event.head:
            begun = begun or event.offset >= start
            if end is not None and event.offset >= end:
                return
        if begun:
            yield event


def _walk(
    file: BinaryIO, source: str, codec: Codec, line: re.Pattern[bytes], position: int | None
) -> Iterator[Piece | Lost]:
    while position is not None:
        window = Window(file, position)
        why = ""
        while not why and _more(window, codec):
            position = window.position
            why = yield from _member(file, window, codec, line)
        if not why:
            if not window.peek(1):
                return
            position, why = window.position, f"bytes that are no {codec.name} member"
        later = behind(file, codec, line, position + 1)
        yield Lost(source, position, (size_of(file) if later is None else later) - position, why)
        position = later


def _more(window: Window, codec: Codec) -> bool:
    """Whether a member starts here. Padding with zeros and skippable frames are passed over."""
    while True:
        head = window.peek(8)
        if head.startswith(codec.magic):
            return True
        if codec.name != "gzip" and (length := skippable(head)):
            window.skip(length)
        elif head[:1] == b"\0":
            window.skip(len(head) - len(head.lstrip(b"\0")))
        else:
            return False


def _member(file: BinaryIO, window: Window, codec: Codec, line: re.Pattern[bytes]) -> Generator[Piece, None, str]:
    """Yields the pieces of one member and returns why it broke, "" where it did not."""
    start, sent, why, done = window.position, 0, "", False
    parts: list[bytes] = []
    decoder = codec.decoder()
    while not done and not why:
        data = window.view(codec.step)
        try:
            out, rest, done = decoder.decode(data)
        except DecodeError as error:
            why, out, rest = f"{codec.name} member cannot be decompressed ({error})", b"", b""
            parts = [_salvaged(file, codec, start)[sent:]]
        window.skip(len(data) - len(rest))
        parts.append(out)
        if not data and not done:
            why = why or f"the file ends inside a {codec.name} member"
        if done or why or sum(map(len, parts)) >= PIECE:
            text, parts = b"".join(parts), []
            if text or done:
                yield Piece(text, start, sent, sent == 0 and bool(line.match(text)))
            sent += len(text)
    return why


def _salvaged(file: BinaryIO, codec: Codec, start: int) -> bytes:
    """What a broken member gives when it is fed in sips: its text before the damage (at most SALVAGE bytes)."""
    file.seek(start)
    decoder, out, size = codec.decoder(), [], 0
    while size < SALVAGE and (sip := file.read(64)):
        try:
            text, _, done = decoder.decode(sip)
        except DecodeError:  # the caller has the reason already
            break
        out.append(text)
        size += len(text)
        if done:
            break
    return b"".join(out)


def behind(file: BinaryIO, codec: Codec, line: re.Pattern[bytes], position: int) -> int | None:
    """Offset of the first head at or behind `position`, None if there is none."""
    window, overlap = Window(file, position), len(codec.magic) - 1
    while len(block := window.peek(BLOCK)) > overlap:
        at = block.find(codec.magic)
        if at < 0:
            window.skip(len(block) - overlap)
            continue
        window.skip(at)
        if line.match(_first(codec, window.peek(4096))):
            return window.position
        window.skip(1)
    return None


def _first(codec: Codec, data: bytes) -> bytes:
    """The first decompressed bytes of what may be a member, b"" if it is none."""
    decoder, out, done = codec.decoder(), b"", False
    for at in range(0, len(data), 64):
        if done or len(out) >= 256:
            break
        try:
            text, _, done = decoder.decode(data[at : at + 64])
        except DecodeError:  # no member: what came before is judged by the caller
            break
        out += text
    return out
