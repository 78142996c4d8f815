"""Byte ranges that are cut out of texts: made tidy, applied, and measured."""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import buffers
from pipeline.store.shard import Shard

BOUNDS = pa.list_(pa.int32())  # start, end, start, end ... in bytes of one text, ascending


def tidy(
    data: np.ndarray, offsets: np.ndarray, owner: np.ndarray, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What to cut so that ranges go and one gap stays where each was: bounds (int32) of d texts, and (d + 1,) ends.

    Ranges (start, end: bytes into `data`) lie within their owners (0..d), in order. They take the white space (ASCII)
    on either side along, but for the run of it with most line breaks, the first among equals; none stays at either end
    of a text. So a paragraph break stays one, and lines are not joined.
    """
    out, ends = np.empty(4 * len(start), np.int32), np.zeros(len(offsets), np.int64)
    _tidy(data, offsets, owner, start, end, out, ends)
    return out[: ends[-1]], ends


def bounds_array(bounds: np.ndarray, ends: np.ndarray) -> pa.Array:
    """Cuts of d texts as a column."""
    return pa.ListArray.from_arrays(pa.array(ends.astype(np.int32)), pa.array(bounds, pa.int32()))


def without(texts: pa.Array, cuts: pa.Array) -> pa.Array:
    """Texts (string) without the bytes between their bounds; null stays null."""
    if not len(cuts.flatten()):
        return texts
    data, offsets = buffers(texts)
    out, ends = np.empty(int(offsets[-1] - offsets[0]), np.uint8), np.zeros(len(offsets), np.int32)
    _copy(data, offsets, *_flat(cuts), out, ends)
    left = pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(out[: ends[-1]]))
    return pc.if_else(pc.is_valid(texts), left, pa.scalar(None, pa.string()))


def lengths(texts: pa.Array, cuts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Bytes and characters that are cut out of each text, (d,) int64 each."""
    data, offsets = buffers(texts)
    sizes = np.zeros((2, len(texts)), np.int64)
    _measure(data, offsets, *_flat(cuts), sizes)
    return sizes[0], sizes[1]


def _flat(cuts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    first = np.append(0, np.cumsum(pc.list_value_length(cuts).fill_null(0).to_numpy(zero_copy_only=False)))
    return cuts.flatten().to_numpy(), first.astype(np.int64)


def remaining_texts(pages: Shard, removed: Mapping[str, Shard], columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Batches of pages whose `text` (among `columns`) is what the passage steps in `removed` have left, in order."""
    cuts = [removed_passages(shard)["removed"] for shard in removed.values()]
    row = 0
    for batch in pages.batches(columns):
        text = batch["text"]
        for bounds in cuts:
            text = without(text, bounds.slice(row, batch.num_rows).combine_chunks())
        row += batch.num_rows
        yield batch.set_column(batch.schema.get_field_index("text"), "text", text.cast(pa.string()))


def removed_passages(shard: Shard) -> pa.Table:
    """Return what a passage step removes from the texts of a shard (schema REMOVED_PASSAGES)."""
    return shard.table(name="removed")


@njit(cache=True, nogil=True, inline="always")
def _white(byte):
    return byte == 0x20 or byte == 0x0A or byte == 0x09 or byte == 0x0D


@njit(cache=True, nogil=True)
def _tidy(data, offsets, owner, start, end, out, ends):
    n, i = 0, 0
    for d in range(len(offsets) - 1):
        low, high = offsets[d], offsets[d + 1]
        while i < len(owner) and owner[i] == d:
            a, b = _widened(data, low, high, start[i], end[i])
            while i + 1 < len(owner) and owner[i + 1] == d and start[i + 1] <= b:
                i += 1
                b = max(b, _widened(data, low, high, start[i], end[i])[1])
            i += 1
            gap, behind = _gap(data, a, b) if a > low and b < high else (b, b)
            if gap > a:
                out[n], out[n + 1] = a - low, gap - low
                n += 2
            if b > behind:
                out[n], out[n + 1] = behind - low, b - low
                n += 2
        ends[d + 1] = n


@njit(cache=True, nogil=True, inline="always")
def _widened(data, low, high, a, b):
    while a > low and _white(data[a - 1]):
        a -= 1
    while b < high and _white(data[b]):
        b += 1
    return a, b


@njit(cache=True, nogil=True)
def _gap(data, a, b):
    """The run of white space in [a, b) with most line breaks, the first among equals; (b, b) where there is none."""
    found, most, at = (b, b), -1, a
    while at < b:
        begin, breaks = at, 0
        while at < b and _white(data[at]):
            breaks += data[at] == 0x0A
            at += 1
        if at > begin and breaks > most:
            found, most = (begin, at), breaks
        at += 1
    return found


@njit(cache=True, nogil=True)
def _copy(data, offsets, bounds, first, out, ends):
    n = 0
    for d in range(len(offsets) - 1):
        at = offsets[d]
        for i in range(first[d], first[d + 1] + 1, 2):
            stop = offsets[d] + bounds[i] if i < first[d + 1] else offsets[d + 1]
            out[n : n + stop - at] = data[at:stop]
            n += stop - at
            at = offsets[d] + bounds[i + 1] if i < first[d + 1] else at
        ends[d + 1] = n


@njit(cache=True, nogil=True)
def _measure(data, offsets, bounds, first, sizes):
    for d in range(len(offsets) - 1):
        for i in range(first[d], first[d + 1], 2):
            sizes[0, d] += bounds[i + 1] - bounds[i]
            for at in range(offsets[d] + bounds[i], offsets[d] + bounds[i + 1]):
                sizes[1, d] += (data[at] & 0xC0) != 0x80
