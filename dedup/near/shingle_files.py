"""Shingle sets of documents in files beside their signatures, for runs with an index of earlier runs.

What is compared with an index, and what is added to it, are shingle sets, as in near deduplication itself. Shingling is
the most expensive part of all three, and `signatures` has done it: here the sets are stored, so that none of the others
reads a text.

    sets.bin   sets of all documents, one after the other (sorted uint64) | their d + 1 bounds (int64)
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import pyarrow as pa

from dedup.near.minhash import SIGNATURES, sign_shingles, signatures
from dedup.near.shingles import shingle_sets, shingles
from pipeline.config.values import Range
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

SETS_FILE = "sets.bin"  # raw file of a shard
BATCH_DOCUMENTS = 1024  # whose shingles take a few MB: memory that is used again needs no new pages of the system
READ_BYTES = 16 << 20  # of shingles at a time


@stage(version=signatures.stage.version, outputs={"part": SIGNATURES})
def signatures_and_sets(
    pages: Shard,
    *,
    bands: Annotated[int, Range(1, 4096)] = 14,
    rows: Annotated[int, Range(1, 256)] = 8,
    ngram: Annotated[int, Range(1, 1000)] = 5,
) -> Iterator[pa.Table | Output]:
    """Measure what `signatures` measures, and store the shingle sets as well: 8 bytes a shingle.

    Args:
        bands: Number of bands of the signature.
        rows: MinHash values a band.
        ngram: Words a shingle.
    """
    tables: list[pa.Table] = []
    yield Output.file(SETS_FILE, _sets_and_bounds(pages, bands, rows, ngram, tables))
    yield from tables


def _sets_and_bounds(pages: Shard, bands: int, rows: int, ngram: int, tables: list[pa.Table]) -> Iterator[bytes]:
    """Yield the file, piece by piece; signatures are appended to `tables`."""
    sizes = [np.zeros(1, np.int64)]
    for batch in pages.batches(["id", "text"], rows=BATCH_DOCUMENTS):
        hashes, bounds = shingle_sets(*shingles(batch["text"], ngram))
        tables.append(sign_shingles(batch["id"], hashes, bounds, bands, rows))
        sizes.append(np.diff(bounds))
        yield hashes.tobytes()
    yield np.cumsum(np.concatenate(sizes)).tobytes()


def has_shingle_sets(signatures: Shard) -> bool:
    """Return whether this shard was written by `signatures_and_sets`."""
    return SETS_FILE in signatures.files


def read_shingle_sets(signatures: Shard, rows: np.ndarray) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """Yield the shingle sets of the documents `rows` (sorted) of a shard of `signatures_and_sets`, some at a time.

    Each item is (low, high, hashes, bounds): the sets of rows[low:high] and their (high - low + 1,) bounds.
    """
    assert signatures.store is not None
    with signatures.store.open(signatures.raw(SETS_FILE)) as file:
        size = 8 * (signatures.rows() + 1)
        bounds = np.frombuffer(file.read_at(size, file.size() - size), np.int64)
        starts, ends, low = bounds[rows], bounds[rows + 1], 0
        while low < len(rows):
            high = max(low + 1, int(np.searchsorted(ends, starts[low] + READ_BYTES // 8, "right")))
            yield low, high, *_read_sets(file, starts[low:high], ends[low:high])
            low = high


def _read_sets(file: pa.NativeFile, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sets at starts[i] to ends[i], in shingles, as one array, and their bounds in it.

    All of the file between the first and the last one is read at once; sets that are neighbours are copied at once.
    """
    data = np.frombuffer(file.read_at(int(ends[-1] - starts[0]) * 8, int(starts[0]) * 8), np.uint64)
    gaps = np.flatnonzero(starts[1:] != ends[:-1]) + 1
    low = starts[np.append(0, gaps)] - starts[0]
    high = ends[np.append(gaps, len(ends)) - 1] - starts[0]
    hashes = np.concatenate([data[a:b] for a, b in zip(low.tolist(), high.tolist(), strict=True)])
    return hashes, np.append(0, np.cumsum(ends - starts))
