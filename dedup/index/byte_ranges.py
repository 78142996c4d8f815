"""Reading some ranges of a file, with few reads where they lie close together."""

import numpy as np
import pyarrow as pa


def expand_ranges(start: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return start[0], start[0] + 1, ... (count[0] numbers), then those of start[1], and so on."""
    first = np.cumsum(count) - count
    return np.arange(int(count.sum())) + np.repeat(start - first, count)


def read_ranges(file: pa.NativeFile, start: np.ndarray, end: np.ndarray, gap: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes of ranges of a file (sorted by start), and where in them each range begins.

    Ranges with less than `gap` bytes between them are read at once, with these bytes. Raises OSError for a truncated
    file.
    """
    if not len(start):
        return np.zeros(0, np.uint8), start
    last_end = np.maximum.accumulate(end)
    first = np.flatnonzero(np.append(True, start[1:] > last_end[:-1] + gap))  # ranges that begin a read
    low, high = start[first], np.append(last_end[first[1:] - 1], last_end[-1])
    if len(low) == 1:
        return _read(file, int(low[0]), int(high[0])), start - low[0]
    data = np.empty(int((high - low).sum()), np.uint8)
    position = np.cumsum(high - low) - (high - low)
    for a, b, at_byte in zip(low.tolist(), high.tolist(), position.tolist(), strict=True):
        data[at_byte : at_byte + b - a] = _read(file, a, b)
    read = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(start))))
    return data, start - low[read] + position[read]


def _read(file: pa.NativeFile, start: int, end: int) -> np.ndarray:
    data = np.frombuffer(file.read_at(end - start, start), np.uint8)
    if len(data) != end - start:
        raise OSError("a file of the index is truncated")
    return data
