"""Shingle sets of the documents that another one may resemble, on their way to the partitions that compare them.

signatures, near_components -> near_candidates -> near_clusters (`dedup.near.verify`)
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.common.keep_policy import order_keys
from dedup.common.partitions import concat_shards, document_numbers, dump_hashes, partition_of, partition_rows
from dedup.common.selections import read_score, read_selection
from dedup.near.components import COMPONENTS
from dedup.near.lsh import band_hashes_of, hashes_within_dump, mixed_hashes
from dedup.near.shingle_files import has_shingle_sets, read_shingle_sets
from dedup.near.shingles import shingle_sets, shingles
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

CANDIDATES = pa.schema(
    [
        ("component", pa.int64()),
        ("doc", pa.int64()),  # number of the document
        ("order", pa.int64()),  # sort key of the keep policy
        ("id", pa.string()),
        ("copies", pa.int64()),  # documents that it represents: itself and its exact duplicates
        ("bands", pa.large_binary()),  # uint64 hashes
        ("sketch", pa.binary(16)),
        ("shingles", pa.large_binary()),  # sorted set of uint64 hashes
    ]
)
BUFFER_BYTES = 64 << 20  # shingles that a task has in memory before it writes or compares them


@stage(version=1, outputs={"part": CANDIDATES}, numbered=True)
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
    """Write the shingle set of every document that another one may resemble, in the partition of its component.

    Args:
        keep: Which of several near duplicates is kept: `oldest`, `newest`, `longest`, or `best:<column>` of a sidecar.
        ngram: Words a shingle.
        scope: Where near duplicates are looked for: in the whole corpus, or in each dump separately.
        partitions: Number of shuffle partitions; 0 takes as many as the input's size needs.
    """
    component = np.full(pages.rows(), -1, np.int64)
    members = concat_shards(components, COMPONENTS)
    component[members["row"].to_numpy()] = members["component"].to_numpy()
    signed = signatures.table()
    before = read_selection(signed["id"], selection)
    component[~before.keep] = -1  # what an index of earlier runs knows takes no part
    rows = np.flatnonzero(component >= 0)
    documents = _ranked_columns(pages, keep)
    assert documents["id"].equals(signed["id"]), "signatures: ids differ from the documents'"
    scores_by_name = read_score(signed["id"], keep, scores)
    in_files = has_shingle_sets(signatures)
    sets = read_shingle_sets(signatures, rows) if in_files else _compute_shingle_sets(pages, rows, ngram)
    buffered, size = [], 0
    for low, high, shingle_hashes, bounds in sets:
        chosen = pa.array(rows[low:high])
        chosen_scores = {name: column.take(chosen) for name, column in scores_by_name.items()}
        bands = signed["bands"].take(chosen)
        if scope == "dump":
            bands = _bands_within_dump(bands, dump_hashes(documents["dump"].take(chosen)))
        columns = {
            "component": component[rows[low:high]],
            "doc": document_numbers(pages.index, rows[low:high]),
            "order": order_keys(keep, documents.take(chosen), chosen_scores),
            "id": signed["id"].take(chosen),
            "copies": before.cluster_size[rows[low:high]],
            "bands": bands,
            "sketch": signed["sketch"].take(chosen),
            "shingles": _binary_column(shingle_hashes, bounds),
        }
        buffered.append(pa.table(columns, schema=CANDIDATES))
        size += buffered[-1].nbytes
        if size > BUFFER_BYTES:
            yield from _partition_by_component(buffered, partitions)
            buffered, size = [], 0
    yield from _partition_by_component(buffered, partitions)


def _ranked_columns(pages: Shard, keep: str) -> pa.Table:
    """Return the columns that the keep policy may rank by. Texts are read only where their length decides."""
    table = pages.table(["id", "date", "dump"])
    if keep != "longest":
        return table
    chars = [pc.utf8_length(batch["text"]) for batch in pages.batches(["text"])]
    return table.append_column("chars", pa.chunked_array(chars, pa.int32()))


def _compute_shingle_sets(
    pages: Shard, rows: np.ndarray, ngram: int
) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """Yield what `read_shingle_sets` yields, from texts: most documents resemble nothing, so sets are not stored."""
    first_row = low = 0
    for batch in pages.batches(["text"]):
        high = low + int(np.searchsorted(rows[low:], first_row + batch.num_rows))
        if high > low:
            texts = batch["text"].take(pa.array(rows[low:high] - first_row))
            yield low, high, *shingle_sets(*shingles(texts, ngram))
        first_row, low = first_row + batch.num_rows, high


def _bands_within_dump(column: pa.ChunkedArray, dumps: np.ndarray) -> pa.Array:
    hashes, owner = band_hashes_of(column)
    bounds = np.zeros(len(column) + 1, np.int64)
    bounds[1:] = np.cumsum(np.bincount(owner, minlength=len(column)))
    return _binary_column(hashes_within_dump(hashes, dumps[owner]), bounds)


def _binary_column(hashes: np.ndarray, bounds: np.ndarray) -> pa.Array:
    """Return uint64 hashes of d documents, whose bounds are (d + 1,), as a column of bytes."""
    buffers = [None, pa.py_buffer(bounds * 8), pa.py_buffer(np.ascontiguousarray(hashes))]
    return pa.Array.from_buffers(pa.large_binary(), len(bounds) - 1, buffers)


def _partition_by_component(tables: list[pa.Table], partitions: int) -> Iterator[Output]:
    if tables:
        table = pa.concat_tables(tables)
        yield from partition_rows(table, partition_of(mixed_hashes(table["component"].to_numpy()), partitions))
