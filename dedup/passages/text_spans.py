"""Byte ranges that are removed from texts: made tidy, applied, and measured."""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import buffers
from pipeline.store.shard import Shard

SPAN_BOUNDS = pa.list_(pa.int32())  # start, end, start, end ... in bytes of one text, ascending


def tidy_spans(
    data: np.ndarray, offsets: np.ndarray, owner: np.ndarray, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what to remove so that one gap is left where each span was: bounds (int32) of d texts, and (d + 1,) ends.

    Spans (start, end: bytes into `data`) lie within their texts (owner: 0 to d - 1), in order. They take the white
    space (ASCII) on either side with them, except for the run of it with most line breaks, the first among equals; none
    is left at either end of a text. So a paragraph break remains one, and lines are not joined.
    """
    out, ends = np.empty(4 * len(start), np.int32), np.zeros(len(offsets), np.int64)
    _tidy(data, offsets, owner, start, end, out, ends)
    return out[: ends[-1]], ends


def span_column(bounds: np.ndarray, ends: np.ndarray) -> pa.Array:
    """Return the spans of d texts as a column (type SPAN_BOUNDS)."""
    return pa.ListArray.from_arrays(pa.array(ends.astype(np.int32)), pa.array(bounds, pa.int32()))


def delete_spans(texts: pa.Array, spans: pa.Array) -> pa.Array:
    """Return texts (string) without the bytes in their spans; null remains null."""
    if not len(spans.flatten()):
        return texts
    data, offsets = buffers(texts)
    out, ends = np.empty(int(offsets[-1] - offsets[0]), np.uint8), np.zeros(len(offsets), np.int32)
    _copy_remaining(data, offsets, *_flat_bounds(spans), out, ends)
    remaining = pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(out[: ends[-1]]))
    return pc.if_else(pc.is_valid(texts), remaining, pa.scalar(None, pa.string()))


def removed_sizes(texts: pa.Array, spans: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes and the characters in the spans of each text, (d,) int64 each."""
    data, offsets = buffers(texts)
    sizes = np.zeros((2, len(texts)), np.int64)
    _measure(data, offsets, *_flat_bounds(spans), sizes)
    return sizes[0], sizes[1]


def _flat_bounds(spans: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    first = np.append(0, np.cumsum(pc.list_value_length(spans).fill_null(0).to_numpy(zero_copy_only=False)))
    return spans.flatten().to_numpy(), first.astype(np.int64)


def remaining_texts(pages: Shard, removed: Mapping[str, Shard], columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield batches of pages whose `text` (among `columns`) is what the passage steps in `removed` leave, in order."""
    steps = [removed_passages(shard)["removed"] for shard in removed.values()]
    row = 0
    for batch in pages.batches(columns):
        text = batch["text"]
        for spans in steps:
            text = delete_spans(text, spans.slice(row, batch.num_rows).combine_chunks())
        row += batch.num_rows
        yield batch.set_column(batch.schema.get_field_index("text"), "text", text.cast(pa.string()))


def removed_passages(shard: Shard) -> pa.Table:
    """Return what a passage step removes from the texts of a shard (schema REMOVED_PASSAGES)."""
    return shard.table(name="removed")


@njit(cache=True, nogil=True, inline="always")
def _is_white(byte):
    return byte == 0x20 or byte == 0x0A or byte == 0x09 or byte == 0x0D


@njit(cache=True, nogil=True)
def _tidy(data, offsets, owner, start, end, out, ends):
    written, i = 0, 0
    for d in range(len(offsets) - 1):
        low, high = offsets[d], offsets[d + 1]
        while i < len(owner) and owner[i] == d:
            begin, stop = _widen(data, low, high, start[i], end[i])
            while i + 1 < len(owner) and owner[i + 1] == d and start[i + 1] <= stop:
                i += 1
                stop = max(stop, _widen(data, low, high, start[i], end[i])[1])
            i += 1
            gap, resume = _widest_break(data, begin, stop) if begin > low and stop < high else (stop, stop)
            if gap > begin:
                out[written], out[written + 1] = begin - low, gap - low
                written += 2
            if stop > resume:
                out[written], out[written + 1] = resume - low, stop - low
                written += 2
        ends[d + 1] = written


@njit(cache=True, nogil=True, inline="always")
def _widen(data, low, high, begin, stop):
    while begin > low and _is_white(data[begin - 1]):
        begin -= 1
    while stop < high and _is_white(data[stop]):
        stop += 1
    return begin, stop


@njit(cache=True, nogil=True)
def _widest_break(data, first, stop):
    """Return the run of white space in [first, stop) with most line breaks; (stop, stop) where there is none.

    Of several such runs it is the first one.
    """
    widest, most_breaks, position = (stop, stop), -1, first
    while position < stop:
        begin, breaks = position, 0
        while position < stop and _is_white(data[position]):
            breaks += data[position] == 0x0A
            position += 1
        if position > begin and breaks > most_breaks:
            widest, most_breaks = (begin, position), breaks
        position += 1
    return widest


@njit(cache=True, nogil=True)
def _copy_remaining(data, offsets, bounds, first, out, ends):
    n = 0
    for d in range(len(offsets) - 1):
        position = offsets[d]
        for i in range(first[d], first[d + 1] + 1, 2):
            stop = offsets[d] + bounds[i] if i < first[d + 1] else offsets[d + 1]
            out[n : n + stop - position] = data[position:stop]
            n += stop - position
            position = offsets[d] + bounds[i + 1] if i < first[d + 1] else position
        ends[d + 1] = n


@njit(cache=True, nogil=True)
def _measure(data, offsets, bounds, first, sizes):
    for d in range(len(offsets) - 1):
        for i in range(first[d], first[d + 1], 2):
            sizes[0, d] += bounds[i + 1] - bounds[i]
            for position in range(offsets[d] + bounds[i], offsets[d] + bounds[i + 1]):
                sizes[1, d] += (data[position] & 0xC0) != 0x80
