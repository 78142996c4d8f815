"""The text of a file between two borders, in one growing buffer: what a parser of records reads from."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import chain

from extract.sources.compression import Lost
from extract.sources.gzip_members import Piece

_BLANKS = re.compile(rb"[\r\n\t \0]*")


class Tape:
    """Text of consecutive pieces in one buffer, up to a border: the next head, a lost stretch, or the end."""

    def __init__(self, pieces: Iterator[Piece | Lost]):
        self._pieces = chain(pieces, [None])
        self._next = next(self._pieces)
        self._begin()

    def _begin(self) -> None:
        self.buffer: bytes | bytearray
        self.buffer, self.at = b"", 0
        self._places: list[tuple[int, Piece]] = []  # where each piece starts in the buffer

    def border(self) -> Lost | None:
        """Step over the border that `more` met: what was lost there, None for a head or the end."""
        lost = self._next if isinstance(self._next, Lost) else None
        if lost:
            self._next = next(self._pieces)
        self._begin()
        return lost

    @property
    def broken(self) -> str:
        """Why the text ends here, when it ends by damage."""
        return self._next.why if isinstance(self._next, Lost) else ""

    @property
    def over(self) -> bool:
        """No piece is left (the buffer may hold some)."""
        return self._next is None

    def ahead(self, size: int) -> int:
        """Offset in the file of what comes behind the border; `size`, the file's, at the end."""
        return size if self._next is None else self._next.offset

    def blanks(self) -> bool:
        """Step over blank bytes; False when that leads to a border."""
        while True:
            self.at = _BLANKS.match(self.buffer, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.buffer):
                return True
            if not self.more():
                return False

    def find(self, pattern: re.Pattern[bytes], at: int, limit: int) -> re.Match[bytes] | None:
        """The first match from `at` on, None when a border or about `limit` bytes come before."""
        start = at
        while True:
            if match := pattern.search(self.buffer, start):
                return match
            start = max(at, len(self.buffer) - 4096)
            if len(self.buffer) - at > limit or not self.more():
                return None

    def more(self) -> bool:
        """Append the next piece; False at a border."""
        piece = self._next
        if not isinstance(piece, Piece) or (piece.head and self._places):
            return False
        self._places.append((len(self.buffer), piece))
        if not self.buffer:
            self.buffer = piece.data  # the usual case, one member a record: no copy
        else:
            if not isinstance(self.buffer, bytearray):
                self.buffer = bytearray(self.buffer)  # grows without being copied as a whole
            self.buffer += piece.data
        self._next = next(self._pieces)
        return True

    def forget(self) -> None:
        """Let go of what is before the position. Positions change."""
        if self.at < 1 << 20 and self.at < len(self.buffer):
            return
        self.buffer = self.buffer[self.at :]
        places = [(where - self.at, piece) for where, piece in self._places]
        keep = max((i for i, (where, _) in enumerate(places) if where <= 0), default=0)
        self._places, self.at = places[keep:], 0

    def fill(self, count: int) -> bool:
        """Have `count` bytes behind the position; False when a border comes before."""
        while len(self.buffer) - self.at < count:
            if not self.more():
                return False
        return True

    def place(self, at: int, whole: bool) -> tuple[int, int]:
        """(offset in the file, inner) of a position in the buffer. `whole`: nothing is compressed."""
        where, piece = self._places[max(0, bisect_right(self._places, at, key=lambda p: p[0]) - 1)]
        return (piece.offset + at - where, 0) if whole else (piece.offset, piece.inner + at - where)
