"""Shingle sets of the documents that some other may resemble, on their way to the partitions that compare them.

signatures, near_components -> near_candidates -> near_clusters (`dedup.near.verify`)
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.common.keep_policy import order_keys
from dedup.common.partitions import concat, dump_hashes, in_buckets, numbers, partition_of
from dedup.common.selections import read_score, read_selection
from dedup.near.lsh import COMPONENTS, banded, of_dump, spread
from dedup.near.shingle_files import has_sets, kept_sets
from dedup.near.shingles import shingle_sets, shingles
from pipeline.runner.stage import stage
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
def near_candidates(
    pages: Shard,
    signatures: Shard,
    components: list[Shard],
    selection: Shard | None = None,
    scores: Shard | None = None,
    *,
    keep: str = "oldest",
    ngram: int = 5,
    scope: Literal["corpus", "dump"] = "corpus",
    partitions: int = 16,
) -> Iterator[Output]:
    """Shingle sets of the documents that some other may resemble, in the partition of their component.

    Args:
        keep: Which of several near duplicates stays: `oldest`, `newest`, `longest`, or `best:<column>` of a sidecar.
        ngram: Words a shingle.
        scope: Where near duplicates are looked for: in the whole corpus, or in each dump for itself.
        partitions: Number of shuffle partitions; 0 takes as many as the input's size needs.
    """
    component = np.full(pages.rows(), -1, np.int64)
    members = concat(components, COMPONENTS)
    component[members["row"].to_numpy()] = members["component"].to_numpy()
    signed = signatures.table()
    before = read_selection(signed["id"], selection)
    component[~before.keep] = -1  # what an index of earlier runs knows takes no part
    rows = np.flatnonzero(component >= 0)
    documents = _documents(pages, keep)
    assert documents["id"].equals(signed["id"]), "signatures: ids differ from the documents'"
    ranking = read_score(signed["id"], keep, scores)
    sets = kept_sets(signatures, rows) if has_sets(signatures) else _made_sets(pages, rows, ngram)
    buffered, size = [], 0
    for low, high, shingle_hashes, bounds in sets:
        chosen = pa.array(rows[low:high])
        order = order_keys(
            keep, documents.take(chosen), {name: column.take(chosen) for name, column in ranking.items()}
        )
        bands = signed["bands"].take(chosen)
        if scope == "dump":
            bands = _bands_of_dump(bands, dump_hashes(documents["dump"].take(chosen)))
        columns = {
            "component": component[rows[low:high]],
            "doc": numbers(pages.index, rows[low:high]),
            "order": order,
            "id": signed["id"].take(chosen),
            "copies": before.cluster_size[rows[low:high]],
            "bands": bands,
            "sketch": signed["sketch"].take(chosen),
            "shingles": _binary(shingle_hashes, bounds),
        }
        buffered.append(pa.table(columns, schema=GATHERED))
        size += buffered[-1].nbytes
        if size > HELD:
            yield from _routed(buffered, partitions)
            buffered, size = [], 0
    yield from _routed(buffered, partitions)


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
