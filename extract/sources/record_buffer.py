"""A buffer from which a parser reads records: the text of consecutive chunks up to a boundary.

    chunks      | chunk | chunk | chunk |  LostRange  | chunk that starts a record | ...
                +-----------------------+             +---------
    buffer      |   |                   |             | next buffer
                    ^ position          ^ boundary

A *boundary* is the point that no record crosses: a member that starts a record, a lost range, or the end of the file.
The buffer grows chunk by chunk up to the boundary; `cross_boundary` goes on to the text after it.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import chain

from pipeline.inputs.compression import LostRange
from pipeline.inputs.members import MAX_PADDING_BYTES, ZEROS, Chunk

_BLANKS = re.compile(rb"[\r\n\t \0]*")
_DISCARD_BYTES = 1 << 20  # consumed text is discarded when there is this much, or when nothing else is left
LINE_OVERLAP_BYTES = (
    4096  # the end of the buffer that is searched again with the next chunk, for a first line across both
)


class RecordBuffer:
    """The text from one boundary to the next, as far as it was read, and a position in it."""

    def __init__(self, events: Iterator[Chunk | LostRange]):
        self._events = chain(events, [None])
        self._next = next(self._events)
        self.blanks_skipped = self.blanks_offset = 0
        self._clear()

    def _clear(self) -> None:
        self.buffer: bytes | bytearray
        self.buffer, self.position = b"", 0
        self._chunks: list[tuple[int, Chunk]] = []  # (index in the buffer where it starts, chunk)

    def cross_boundary(self) -> LostRange | None:
        """Go on after the boundary. Returns what was lost there, None where a record starts and at the end."""
        lost = self._next if isinstance(self._next, LostRange) else None
        if lost:
            self._next = next(self._events)
        self._clear()
        return lost

    @property
    def damage(self) -> str:
        """Why the text ends at the next boundary if it ends by damage, else ""."""
        return self._next.reason if isinstance(self._next, LostRange) else ""

    @property
    def exhausted(self) -> bool:
        """Whether the last chunk was read (the buffer may still have text)."""
        return self._next is None

    def next_offset(self, file_size: int) -> int:
        """Offset in the file of what follows the boundary, `file_size` at the end."""
        return file_size if self._next is None else self._next.offset

    def skip_blanks(self) -> bool:
        """Move to the next byte that is not blank. Returns False if the boundary comes first.

        Blanks are discarded, so that any number of them takes no memory: indexes into the buffer change.
        `blanks_skipped` grows by their number, and `blanks_offset` is the place in the file of the chunk from which on
        there are too many for padding.
        """
        while True:
            begin = self.position
            if begin or self.buffer != ZEROS:
                self.position = _BLANKS.match(self.buffer, begin).end()  # type: ignore[union-attr]
            else:
                self.position = len(ZEROS)
            if self.position > begin and self.blanks_skipped <= MAX_PADDING_BYTES:
                self.blanks_offset = self._chunks[-1][1].offset
            self.blanks_skipped += self.position - begin
            if self.position < len(self.buffer):
                return True
            self.discard()
            if not self.append_chunk():
                return False

    def end_of_blanks(self, limit: int) -> int | None:
        """Index after the blanks at the position, of which `limit` are read; None if the boundary comes first."""
        end = self.position
        while True:
            end = _BLANKS.match(self.buffer, end).end()  # type: ignore[union-attr]
            if end < len(self.buffer) or end - self.position > limit:
                return end
            if not self.append_chunk():
                return None

    def search(self, pattern: re.Pattern[bytes], begin: int, limit: int) -> re.Match[bytes] | None:
        """The first match from `begin` on, None if the boundary or about `limit` bytes come first."""
        start = begin
        while True:
            if match := pattern.search(self.buffer, start):
                return match
            start = max(begin, len(self.buffer) - LINE_OVERLAP_BYTES)
            if len(self.buffer) - begin > limit or not self.append_chunk():
                return None

    def append_chunk(self) -> bool:
        """Append the next chunk to the buffer. Returns False at a boundary."""
        chunk = self._next
        if not isinstance(chunk, Chunk) or (chunk.starts_record and self._chunks):
            return False
        self._chunks.append((len(self.buffer), chunk))
        if not self.buffer:
            self.buffer = chunk.data  # one member per record, the usual case, needs no copy
        else:
            if not isinstance(self.buffer, bytearray):
                self.buffer = bytearray(self.buffer)  # grows without a copy of all of it
            self.buffer += chunk.data
        self._next = next(self._events)
        return True

    def discard(self) -> None:
        """Drop the text before the position once there is enough of it. Indexes into the buffer change."""
        if self.position < _DISCARD_BYTES and self.position < len(self.buffer):
            return
        self.buffer = self.buffer[self.position :]
        chunks = [(index - self.position, chunk) for index, chunk in self._chunks]
        first = max((i for i, (index, _) in enumerate(chunks) if index <= 0), default=0)
        self._chunks, self.position = chunks[first:], 0

    def ensure(self, count: int) -> bool:
        """Read on until `count` bytes follow the position. Returns False if the boundary comes first."""
        while len(self.buffer) - self.position < count:
            if not self.append_chunk():
                return False
        return True

    def locate(self, index: int, compressed: bool) -> tuple[int, int]:
        """(offset in the file, inner offset) of a byte of the buffer.

        In a compressed file, these are the offset of its member and the offset in what the member decompresses to.
        """
        start, chunk = self._chunks[max(0, bisect_right(self._chunks, index, key=lambda entry: entry[0]) - 1)]
        if compressed:
            return chunk.offset, chunk.inner_offset + index - start
        return chunk.offset + index - start, 0
