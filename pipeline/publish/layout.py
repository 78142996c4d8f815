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
    """Split the kept documents, in their order, into the fewest files of about the same size.

    A document belongs to the file in which its middle byte falls when all bytes are split evenly, so files differ by
    less than a document at either end. One partition a file; an empty corpus has one empty file.

    Args:
        shard_bytes: Most bytes of UTF-8 text a file.
    """
    total = sum(sum(pc.sum(b["text_bytes"], min_count=0).as_py() for b in _sizes(shard)) for shard in ledgers)
    count = max(1, -(-total // shard_bytes))
    edges = np.array([total * k // count for k in range(1, count)], dtype=np.int64)
    ranges: list[dict] = []
    offset = 0
    for shard in ledgers:
        for batch in _sizes(shard):
            rows, sizes = (batch[name].to_numpy(zero_copy_only=False) for name in ("row", "text_bytes"))
            ends = offset + np.cumsum(sizes)
            files = np.searchsorted(edges, ends - sizes + sizes // 2, side="right")
            starts = np.flatnonzero(np.diff(files, prepend=-1)).tolist()
            ranges += [
                {
                    "file": int(files[start]),
                    "shard": shard.index,
                    "first": int(rows[start]),
                    "last": int(rows[end - 1]) + 1,
                    "documents": int(end - start),
                    "text_bytes": int(sizes[start:end].sum()),
                }
                for start, end in zip(starts, [*starts[1:], len(files)], strict=True)
            ]
            offset = int(ends[-1]) if len(ends) else offset
    ranges = ranges or [dict.fromkeys(RANGES.names, 0)]
    # numbered without gaps: a document larger than a file leaves numbers over
    for number, file in enumerate(sorted({row["file"] for row in ranges})):
        own = [{**row, "file": number} for row in ranges if row["file"] == file]
        yield Output(pa.Table.from_pylist(own, schema=RANGES), bucket=number)


def _sizes(shard: Shard) -> Iterator[pa.RecordBatch]:
    return shard.batches(["row", "text_bytes"], name="kept", rows=1 << 16)
