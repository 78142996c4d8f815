"""Shingle sets of the documents that some other may resemble, on their way to the partitions that compare them.

    gathered = step(near_gather, pages, sigs, bucket(components), verdicts, exact, quality, partitions=P)

`dedup.near.verify` takes them from there.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.common.clusters import concat, in_buckets, numbers
from dedup.common.keep_policy import order_keys, read_sidecars
from dedup.exact.exact import copies_of, dump_hashes, partition_of
from dedup.near.lsh import COMPONENTS, banded, of_dump, spread
from dedup.near.shingle_files import has_sets, kept_sets
from dedup.near.shingles import shingle_sets, shingles
from pipeline.runner.dag import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

GATHERED = pa.schema(
    [
        ("component", pa.int64()),
        ("doc", pa.int64()),
        ("order", pa.int64()),
        ("id", pa.string()),
        ("copies", pa.int64()),  # documents that it stands for: itself and its exact duplicates
        ("bands", pa.large_binary()),
        ("sketch", pa.binary(16)),
        ("shingles", pa.large_binary()),  # sorted set of uint64 hashes
    ]
)
HELD = 64 << 20  # bytes of shingles that a task holds before it writes or compares them


@stage(version=1, outputs={"part": GATHERED})
def near_gather(
    pages: Shard,
    sigs: Shard,
    components: list[Shard],
    *sidecars: Shard,
    keep: str = "oldest",
    ngram: int = 5,
    scope: Literal["corpus", "dump"] = "corpus",
    partitions: int = 16,
) -> Iterator[Output]:
    """Shingle sets of the documents that some other may resemble, in the bucket of their component."""
    component = np.full(pages.rows(), -1, np.int64)
    found = concat(components, COMPONENTS)
    component[found["row"].to_numpy()] = found["component"].to_numpy()
    measured = sigs.table()
    kept, scores = read_sidecars(measured.select(["id"]), sidecars)
    component[~kept] = -1  # what an index of earlier runs knows takes no part
    rows = np.flatnonzero(component >= 0)
    documents = _documents(pages, keep)
    sets = kept_sets(sigs, rows) if has_sets(sigs) else _made_sets(pages, rows, ngram)
    held, size = [], 0
    for low, high, found, bounds in sets:
        these = pa.array(rows[low:high])
        chosen = {name: column.take(these) for name, column in scores.items()}
        columns = _describe(documents.take(these), measured.take(these), chosen, keep, scope)
        where = [component[rows[low:high]], numbers(pages.index, rows[low:high])]
        held.append(pa.table([*where, *columns, _binary(found, bounds)], schema=GATHERED))
        size += held[-1].nbytes
        if size > HELD:
            yield from _routed(held, partitions)
            held, size = [], 0
    yield from _routed(held, partitions)


def _documents(pages: Shard, keep: str) -> pa.Table:
    """What the keep order may ask of a shard's documents; texts are measured only where their length decides."""
    table = pages.table(["id", "date", "dump"])
    if keep != "longest":
        return table
    chars = [pc.utf8_length(batch["text"]) for batch in pages.batches(["text"])]
    return table.append_column("chars", pa.chunked_array(chars, pa.int32()))


def _made_sets(pages: Shard, rows: np.ndarray, ngram: int) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """What `kept_sets` reads, made of the texts again: most documents resemble nothing, so their sets are not kept."""
    at = low = 0
    for batch in pages.batches(["text"]):
        high = low + int(np.searchsorted(rows[low:], at + batch.num_rows))
        if high > low:
            yield low, high, *shingle_sets(*shingles(batch["text"].take(pa.array(rows[low:high] - at)), ngram))
        at, low = at + batch.num_rows, high


def _describe(documents: pa.Table, measured: pa.Table, scores: dict, keep: str, scope: str) -> list:
    """Columns `order` to `sketch` of GATHERED."""
    assert documents["id"].equals(measured["id"]), "signatures: ids differ from the documents'"
    order = order_keys(keep, documents, scores)
    copies = copies_of(scores, len(order))
    bands = measured["bands"]
    if scope == "dump":
        bands = _bands_of_dump(bands, dump_hashes(documents["dump"]))
    return [order, documents["id"], copies, bands, measured["sketch"]]


def _bands_of_dump(column: pa.ChunkedArray, dumps: np.ndarray) -> pa.Array:
    hashes, owner = banded(column)
    ends = np.zeros(len(column) + 1, np.int64)
    ends[1:] = np.cumsum(np.bincount(owner, minlength=len(column))) * 8
    mixed = of_dump(hashes, dumps[owner])
    return pa.Array.from_buffers(pa.large_binary(), len(column), [None, pa.py_buffer(ends), pa.py_buffer(mixed)])


def _binary(hashes: np.ndarray, bounds: np.ndarray) -> pa.Array:
    """Shingle sets as a column, 8 bytes a shingle."""
    buffers = [None, pa.py_buffer(bounds * 8), pa.py_buffer(np.ascontiguousarray(hashes))]
    return pa.Array.from_buffers(pa.large_binary(), len(bounds) - 1, buffers)


def _routed(held: list[pa.Table], partitions: int) -> Iterator[Output]:
    if held:
        table = pa.concat_tables(held)
        yield from in_buckets(table, partition_of(spread(table["component"].to_numpy()), partitions))
