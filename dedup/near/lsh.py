"""Locality-sensitive hashing: band hashes of documents, and what of it other steps read from signatures.

signatures -> near_bands -> near_links -> near_components (`dedup.near.components`)
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa

from dedup.common.partitions import dump_hashes, partition_of, partition_rows
from dedup.common.selections import read_selection
from pipeline.config.values import Range
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import mix
from pipeline.runner.stage import stage
from pipeline.store.join import read_aligned
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

# A band of a document: its hash, the document's row in the shard, and both halves of the document's sketch.
BANDS = pa.schema([("hash", pa.uint64()), ("doc", pa.int64()), ("sketch_a", pa.uint64()), ("sketch_b", pa.uint64())])


@stage(version=2, outputs={"part": BANDS})
def near_bands(
    pages: Shard,
    signatures: Shard,
    selection: Shard | None = None,
    *,
    scope: Literal["corpus", "dump"] = "corpus",
    partitions: Annotated[int, Range(0, 65536)] = 16,
) -> Iterator[Output]:
    """Write a row for every band of every document that is still kept, in the partition of the band's hash.

    Args:
        scope: Where near duplicates are looked for: in the whole corpus, or in each dump separately.
        partitions: Number of shuffle partitions; 0 takes as many as the input's size needs.
    """
    documents = pages.table(["id", "dump"])
    table = read_aligned(documents["id"], signatures)
    rows = np.flatnonzero(read_selection(documents["id"], selection).keep)
    hashes, owner = band_hashes_of(table["bands"].take(pa.array(rows)))
    if scope == "dump":
        hashes = hashes_within_dump(hashes, dump_hashes(documents["dump"])[rows][owner])
    sketch_a, sketch_b = sketch_halves(table["sketch"])
    rows = rows[owner]
    columns = [hashes, rows, sketch_a[rows], sketch_b[rows]]
    yield from partition_rows(pa.table(columns, schema=BANDS), partition_of(hashes, partitions))


def band_hashes_of(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Return all band hashes (uint64) in a column of signatures, and the document (0 to d - 1) that each belongs to."""
    array = column.combine_chunks()
    ends = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    hashes = np.frombuffer(array.buffers()[2] or b"", np.uint64)[ends[0] // 8 : ends[-1] // 8]
    return hashes, np.repeat(np.arange(len(array)), np.diff(ends) // 8)


def hashes_within_dump(hashes: np.ndarray, dumps: np.ndarray) -> np.ndarray:
    """Return band hashes that are equal only for documents of one dump."""
    return _mix_all(hashes ^ dumps)


def mixed_hashes(numbers: np.ndarray) -> np.ndarray:
    """Return well-mixed uint64 hashes of int64 numbers."""
    return _mix_all(numbers.view(np.uint64))


def sketch_halves(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Return both halves (uint64) of every sketch."""
    array = column.combine_chunks()
    values = np.frombuffer(array.buffers()[1] or b"", np.uint64).reshape(-1, 2)
    values = values[array.offset : array.offset + len(array)]
    return values[:, 0], values[:, 1]


@njit(cache=True, nogil=True)
def _mix_all(hashes):
    out = np.empty_like(hashes)
    for i in range(len(hashes)):
        out[i] = mix(hashes[i])
    return out


@njit(cache=True, nogil=True, inline="always")
def count_bits(x):
    """Return the number of set bits of a uint64 (Hacker's Delight, figure 5-2)."""
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))
