"""Shingle sets of documents, kept beside their signatures where an index of earlier runs is going to ask for them.

    sigs = step(signatures_and_sets, pages)

What is compared with an index, and what is added to it, are sets of shingles, as in near dedup itself. Shingling is the
dearest part of all three, and `signatures` has done it: here its sets stay, and none of the others reads a text.

    sets-<shard>.bin   sets of all documents, one after the other (sorted uint64) | d + 1 bounds of them (int64)
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import pyarrow as pa

from dedup.near.minhash import SIGNATURES, signatures, signed
from dedup.near.shingles import shingle_sets, shingles
from pipeline.config.values import Range
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

_FEW = 1024  # documents whose shingles take a few MB: memory that is used again needs no new pages of the system
_HELD = 16 << 20  # bytes that are read at once


def sets_file(shard: int) -> str:
    return f"sets-{shard:05d}.bin"


@stage(version=signatures.stage.version, outputs={"part": SIGNATURES})
def signatures_and_sets(
    pages: Shard,
    *,
    bands: Annotated[int, Range(1, 4096)] = 14,
    rows: Annotated[int, Range(1, 256)] = 8,
    ngram: Annotated[int, Range(1, 1000)] = 5,
) -> Iterator[pa.Table | Output]:
    """`signatures`, row by row, and the shingle sets that they are of: 8 bytes a shingle. Settings as there."""
    tables: list[pa.Table] = []
    yield Output.file(sets_file(pages.index), _written(pages, bands, rows, ngram, tables))
    yield from tables


def _written(pages: Shard, bands: int, rows: int, ngram: int, tables: list[pa.Table]) -> Iterator[bytes]:
    """The file, piece by piece; signatures are appended to `tables`."""
    sizes = [np.zeros(1, np.int64)]
    for batch in pages.batches(["id", "text"], rows=_FEW):
        found, bounds = shingle_sets(*shingles(batch["text"], ngram))
        tables.append(signed(batch["id"], found, bounds, bands, rows))
        sizes.append(np.diff(bounds))
        yield found.tobytes()
    yield np.cumsum(np.concatenate(sizes)).tobytes()


def has_sets(sigs: Shard) -> bool:
    """Was this shard of signatures made by `signatures_and_sets`?"""
    return sigs.store is not None and sigs.store.exists(f"{sigs.folder}/{sets_file(sigs.index)}")


def kept_sets(sigs: Shard, rows: np.ndarray) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """Shingle sets of the documents `rows` (sorted) of a shard of `signatures_and_sets`, in pieces of bounded size.

    (first, end of these among `rows`, shingles, their (end - first + 1,) bounds).
    """
    assert sigs.store is not None
    with sigs.store.open(f"{sigs.folder}/{sets_file(sigs.index)}") as file:
        size = 8 * (sigs.rows() + 1)
        bounds = np.frombuffer(file.read_at(size, file.size() - size), np.int64)
        first, last, low = bounds[rows], bounds[rows + 1], 0
        while low < len(rows):
            high = max(low + 1, int(np.searchsorted(last, first[low] + _HELD // 8, "right")))
            yield low, high, *_read(file, first[low:high], last[low:high])
            low = high


def _read(file: pa.NativeFile, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sets at `first` to `last` (in shingles) as one array, and where each begins in it; those in a row at once."""
    data = np.frombuffer(file.read_at(int(last[-1] - first[0]) * 8, int(first[0]) * 8), np.uint64)
    apart = np.flatnonzero(first[1:] != last[:-1]) + 1
    low, high = first[np.append(0, apart)] - first[0], last[np.append(apart, len(last)) - 1] - first[0]
    found = np.concatenate([data[a:b] for a, b in zip(low.tolist(), high.tolist(), strict=True)])
    return found, np.append(0, np.cumsum(last - first))
