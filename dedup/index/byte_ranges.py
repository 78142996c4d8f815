"""Reading some ranges of a file: few reads where they lie close together."""

import numpy as np
import pyarrow as pa


def spans(start: np.ndarray, count: np.ndarray) -> np.ndarray:
    """start[0], start[0] + 1, ... (count[0] numbers), start[1], ..."""
    first = np.cumsum(count) - count
    return np.arange(int(count.sum())) + np.repeat(start - first, count)


def fetch(file: pa.NativeFile, start: np.ndarray, end: np.ndarray, gap: int) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of ranges of a file (sorted by start), and where in them each begins.

    Ranges with less than `gap` bytes between them are read at once, with these. Raises OSError for a file that is cut.
    """
    if not len(start):
        return np.zeros(0, np.uint8), start
    reach = np.maximum.accumulate(end)
    first = np.flatnonzero(np.append(True, start[1:] > reach[:-1] + gap))
    low, high = start[first], np.append(reach[first[1:] - 1], reach[-1])
    if len(low) == 1:
        return _read(file, int(low[0]), int(high[0])), start - low[0]
    data = np.empty(int((high - low).sum()), np.uint8)
    place = np.cumsum(high - low) - (high - low)
    for a, b, at in zip(low.tolist(), high.tolist(), place.tolist(), strict=True):
        data[at : at + b - a] = _read(file, a, b)
    group = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(start))))
    return data, start - low[group] + place[group]


def _read(file: pa.NativeFile, start: int, end: int) -> np.ndarray:
    found = np.frombuffer(file.read_at(end - start, start), np.uint8)
    if len(found) != end - start:
        raise OSError("a file of the index is cut short")
    return found
