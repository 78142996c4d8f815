"""Cutting the kept documents into files of even size."""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.values import Range
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

# Rows [first, last) of one shard of pages belong to one file; their kept rows are what it holds.
RANGES = pa.schema([(n, pa.int64()) for n in ("file", "shard", "first", "last", "documents", "text_bytes")])


@stage(version=1, outputs={"part": RANGES})
def layout(ledgers: list[Shard], *, shard_bytes: Annotated[int, Range(1)] = 256 << 20) -> Iterator[Output]:
    """Cut the kept documents, in their order, into the fewest files of at most about `shard_bytes` of UTF-8 text each.

    A document belongs to the file in which its middle byte falls when the whole is cut evenly, so files differ by less
    than a document at either end. One bucket a file; an empty corpus has one empty file.
    """
    total = sum(sum(pc.sum(b["text_bytes"], min_count=0).as_py() for b in _sizes(part)) for part in ledgers)
    count = max(1, -(-total // shard_bytes))
    edges = np.array([total * k // count for k in range(1, count)], dtype=np.int64)
    ranges, before = [], 0
    for part in ledgers:
        for batch in _sizes(part):
            found, before = _cut(part.index, batch, before, edges)
            ranges += found
    yield from _files(ranges)


def _sizes(part: Shard) -> Iterator[pa.RecordBatch]:
    return part.batches(["row", "text_bytes"], name="kept", rows=1 << 16)


def _cut(shard: int, batch: pa.RecordBatch, before: int, edges: np.ndarray) -> tuple[list[dict], int]:
    """Ranges of one batch of kept rows, and the bytes up to its end."""
    rows, sizes = (batch[name].to_numpy(zero_copy_only=False) for name in ("row", "text_bytes"))
    ends = before + np.cumsum(sizes)
    files = np.searchsorted(edges, ends - sizes + sizes // 2, side="right")
    starts = np.flatnonzero(np.diff(files, prepend=-1)).tolist()
    ranges = [
        {
            "file": int(files[a]),
            "shard": shard,
            "first": int(rows[a]),
            "last": int(rows[b - 1]) + 1,
            "documents": int(b - a),
            "text_bytes": int(sizes[a:b].sum()),
        }
        for a, b in zip(starts, [*starts[1:], len(files)], strict=True)
    ]
    return ranges, int(ends[-1]) if len(ends) else before


def _files(ranges: list[dict]) -> Iterator[Output]:
    """One bucket a file, numbered without gaps (a document larger than a file leaves numbers over)."""
    if not ranges:
        ranges = [dict.fromkeys(RANGES.names, 0)]
    for k, file in enumerate(sorted({r["file"] for r in ranges})):
        mine = [{**r, "file": k} for r in ranges if r["file"] == file]
        yield Output(pa.Table.from_pylist(mine, schema=RANGES), bucket=k)
