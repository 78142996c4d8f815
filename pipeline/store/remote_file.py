"""A large object of an object store as a file."""

import os
from collections.abc import Callable

READ_BYTES = 16 << 20  # of one request
READ_AHEAD_BYTES = 8 << 20  # of one request where an object is read from its start to its end


class RemoteFile:
    """A large object as a file for pyarrow: reads what is asked for, and ahead where it is read in order.

    read_range: returns the bytes [start, end) of the object. size: its bytes. end: its last bytes, if they are known.
    """

    def __init__(self, read_range: Callable[[int, int], bytes], size: int, end: bytes):
        self._read_range, self._size = read_range, size
        self._position = 0
        self._block_start, self._block = size - len(end), end  # the bytes at hand
        self._expected = 0  # where the next read begins if the object is read in order
        self.closed = False

    def read(self, count: int = -1) -> bytes:
        """Up to `count` bytes from the position on; all that follow when it is negative. Fewer only at the end."""
        end = self._size if count is None or count < 0 else min(self._position + count, self._size)
        data = self._read(self._position, end)
        self._position += len(data)
        return data

    def _read(self, start: int, end: int) -> bytes:
        at_hand = b""
        if start >= self._block_start:
            at_hand = self._block[start - self._block_start : end - self._block_start]
        if len(at_hand) == end - start:
            self._expected = end
            return at_hand
        pieces = [at_hand]
        in_order, self._expected = start == self._expected, end
        position = start + len(at_hand)
        while position < end:
            wanted = max(end - position, READ_AHEAD_BYTES if in_order else 0)
            stop = min(position + min(wanted, READ_BYTES), self._size)
            block = self._read_range(position, stop)
            pieces.append(block[: end - position])
            self._block_start, self._block = position, block
            position = stop
        return b"".join(pieces)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def flush(self) -> None:
        """Nothing is written."""

    def close(self) -> None:
        self.closed, self._block = True, b""
