"""Exact duplicates: documents with the same text, or the same URL, in normal form, wherever they are in the corpus.

    fingerprints -> exact_hashes -> hash_clusters -> drop_exact_duplicates

Captures of one URL are deduplicated by the same steps, with `url_hashes` and `drop_url_duplicates`.
Rows go to partitions by the prefix of their hash, so a partition has every copy of its texts: 70 bytes a document, in
memory one partition at a time. Which copy is kept depends neither on partitions nor on shards nor on their order.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.common.clusters import CLUSTERS, OVERSIZED, alarms, shard_clusters
from dedup.common.keep_policy import order_keys
from dedup.common.partitions import (
    concat_documents,
    concat_shards,
    dump_hashes,
    partition_of,
    partition_rows,
    row_of,
    shard_of,
)
from dedup.common.selections import read_score, read_selection, selection_table
from pipeline.config.values import Range
from pipeline.runner.stage import selection as selection_stage
from pipeline.runner.stage import stage
from pipeline.store.join import read_aligned
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

HASH_ROWS = pa.schema(
    [
        ("high", pa.uint64()),  # halves of the 128-bit hash
        ("low", pa.uint64()),
        ("order", pa.int64()),  # sort key of the keep policy
        ("id", pa.string()),
        ("doc", pa.int64()),  # row in the shard
        ("copies", pa.int64()),  # documents that it represents: itself, and those that steps before dropped for it
    ]
)


@stage(version=3, outputs={"part": HASH_ROWS})
def exact_hashes(
    pages: Shard,
    fingerprints: Shard,
    selection: Shard | None = None,
    scores: Shard | None = None,
    *,
    keep: str = "oldest",
    scope: Literal["corpus", "dump"] = "corpus",
    partitions: Annotated[int, Range(0, 65536)] = 16,
) -> Iterator[Output]:
    """Write a row for every document that is still kept and has a word, in the partition of its text's hash.

    Args:
        keep: Which of several copies is kept: `oldest`, `newest`, `longest`, or `best:<column>` of a sidecar.
        scope: Where copies are looked for: in the whole corpus, or in each dump separately.
        partitions: Number of shuffle partitions; 0 takes as many as the input's size needs.
    """
    yield from _fingerprint_rows("text_hash", pages, fingerprints, selection, scores, keep, scope, partitions)


@stage(version=2, outputs={"part": HASH_ROWS})
def url_hashes(
    pages: Shard,
    fingerprints: Shard,
    selection: Shard | None = None,
    scores: Shard | None = None,
    *,
    keep: str = "newest",
    scope: Literal["corpus", "dump"] = "corpus",
    partitions: Annotated[int, Range(0, 65536)] = 16,
) -> Iterator[Output]:
    """Write a row for every document that is still kept and has a URL, in the partition of the URL's hash.

    Args:
        keep: Which capture of an address is kept, whatever its text: `oldest`, `newest`, `longest` or `best:<column>`.
        scope: Where other captures are looked for: in the whole corpus, or in each dump separately.
        partitions: Number of shuffle partitions; 0 takes as many as the input's size needs.
    """
    yield from _fingerprint_rows("url_hash", pages, fingerprints, selection, scores, keep, scope, partitions)


def _fingerprint_rows(
    column: str, pages: Shard, fingerprints: Shard, selection: Shard | None, scores: Shard | None,
    keep: str, scope: str, partitions: int,
) -> Iterator[Output]:  # fmt: skip
    documents = pages.table(["id", "date", "dump"])
    hashes = read_aligned(documents["id"], fingerprints, [column, "chars"])
    documents = documents.append_column("chars", hashes["chars"])
    yield from key_rows(documents, hashes[column], selection, scores, keep, scope, partitions)


def key_rows(
    documents: pa.Table, keys: pa.ChunkedArray, selection: Shard | None, scores: Shard | None,
    keep: str, scope: str, partitions: int,
) -> Iterator[Output]:  # fmt: skip
    """Yield HASH_ROWS of the documents that are still kept and have a key.

    `documents` has id, date, dump and chars of d documents; `keys` are 16 bytes each, equal for duplicates, null for a
    document that has none.
    """
    ids = documents["id"]
    before = read_selection(ids, selection)
    order = order_keys(keep, documents, read_score(ids, keep, scores))
    high, low = _hash_halves(keys.fill_null(bytes(16)))
    if scope == "dump":
        high = high ^ dump_hashes(documents["dump"])
    rows = np.flatnonzero(before.keep & pc.is_valid(keys).to_numpy())
    columns = [high[rows], low[rows], order[rows], ids.take(pa.array(rows))]
    table = pa.table([*columns, rows, before.cluster_size[rows]], schema=HASH_ROWS)
    yield from partition_rows(table, partition_of(high[rows], partitions))


def _hash_halves(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    array = column.combine_chunks()
    values = np.frombuffer(array.buffers()[1] or b"", ">u8").reshape(-1, 2)[array.offset : array.offset + len(array)]
    return values[:, 0].astype(np.uint64), values[:, 1].astype(np.uint64)


@stage(version=2, outputs={"part": CLUSTERS, "alarms": OVERSIZED})
def hash_clusters(hashes: list[Shard], *, alarm: int = 1000) -> Iterator[Output]:
    """Cluster the documents of one partition by hash. The first one in the keep order represents its cluster.

    Args:
        alarm: Size in documents from which a cluster is reported as too large to pass unseen.
    """
    table = _repeated_hashes(concat_documents(hashes, HASH_ROWS))
    by = [("high", "ascending"), ("low", "ascending"), ("order", "ascending"), ("id", "ascending")]
    table = table.take(pc.sort_indices(table, sort_keys=by))
    first = _group_starts(table)
    members = np.diff(np.append(first, table.num_rows))
    group = np.repeat(np.arange(len(first)), members)
    size = np.bincount(group, table["copies"].to_numpy(), len(first)).astype(np.int64)
    cluster = table["id"].take(pa.array(first[group]))
    represents = np.arange(table.num_rows) == first[group]
    similarity = pa.array(np.ones(len(group)), mask=represents)
    duplicate_of = pc.if_else(pa.array(represents), pa.scalar(None, pa.string()), cluster)
    doc = table["doc"].to_numpy()
    columns = [row_of(doc), duplicate_of, similarity, cluster, size[group]]
    yield from partition_rows(pa.table(columns, schema=CLUSTERS), shard_of(doc))
    yield alarms(table["id"].take(pa.array(first)), size, alarm, "large_exact_cluster")


def _repeated_hashes(table: pa.Table) -> pa.Table:
    """Return the rows whose hash occurs twice or more. Most do not, and need not be sorted by strings."""
    order = np.lexsort((table["low"].to_numpy(), table["high"].to_numpy()))
    first = _group_starts(table.select(["high", "low"]).take(pa.array(order)))
    size = np.diff(np.append(first, table.num_rows))
    return table.take(pa.array(np.sort(order[np.repeat(size > 1, size)])))


def _group_starts(table: pa.Table) -> np.ndarray:
    """Return the rows at which each run of equal hashes begins."""
    high, low = table["high"].to_numpy(), table["low"].to_numpy()
    begins = np.ones(len(high), bool)
    begins[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    return np.flatnonzero(begins)


@selection_stage(version=2, relation="same text as")
def drop_exact_duplicates(pages: Shard, clusters: list[Shard], selection: Shard | None = None) -> Iterator[pa.Table]:
    """Keep one document of each text. `value` is the similarity, 1."""
    yield select_representatives(pages, clusters, selection, "exact", "duplicate_text", similarity=1.0)


@selection_stage(version=1, relation="same address as")
def drop_url_duplicates(pages: Shard, clusters: list[Shard], selection: Shard | None = None) -> Iterator[pa.Table]:
    """Keep one capture of each address."""
    yield select_representatives(pages, clusters, selection, "url_dedup", "duplicate_url")


def select_representatives(
    pages: Shard, clusters: list[Shard], selection: Shard | None, stage: str, rule: str, similarity: float | None = None
) -> pa.Table:
    """Return the SELECTION that keeps one document of each cluster; `stage` and `rule` say why others go."""
    ids = pages.table(["id"])["id"]
    before = read_selection(ids, selection)
    columns = shard_clusters(ids, before, concat_shards(clusters, CLUSTERS))
    columns.pop("similarity")
    dropped = pc.is_valid(columns["duplicate_of"]).to_numpy()
    return selection_table(ids, before, dropped, stage=stage, rule=rule, value=similarity, **columns)
