"""Resolve chains of duplicates: if A is a duplicate of B, and a later step drops B as a duplicate of C, A is one of C.

    selections of url_dedup, exact, index, near ... -> chain_links -> chain_ends -> ledger

The link of a duplicate (the document that it names) and the end of a dropped document (what that one duplicates) meet
in the partition of the hash of the id that both have: 50 bytes a duplicate. One round resolves two links, a second
round four (pointer jumping): one is enough for exact and near, two for chains of up to four.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup.common.partitions import concat_documents, concat_shards, partition_of, partition_rows, row_of, shard_of
from pipeline.base.schema import RESOLVED
from pipeline.config.values import Range
from pipeline.runner.stage import stage
from pipeline.store.join import read_aligned
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

# Two kinds of rows, told apart by `row`. A duplicate that names the document `id`: `shard` and `row` of the duplicate.
# A dropped document with the id `id`, which duplicates may name: `duplicate_of` and `similarity` of that document.
LINKS = pa.schema(
    [
        ("id", pa.string()),
        ("duplicate_of", pa.string()),
        ("similarity", pa.float64()),
        ("doc", pa.int64()),  # row in the shard; null for a document that is the end of a chain
    ]
)


@stage(version=3, libraries=("xxhash",), outputs={"part": LINKS})
def chain_links(
    selections: Mapping[str, Shard],
    resolved: list[Shard] | None = None,
    *,
    partitions: Annotated[int, Range(1, 65536)] = 1,
) -> Iterator[Output]:
    """Write the duplicates whose document may have been dropped later, and the dropped documents that duplicates name.

    `selections` are in the order in which they dropped documents; `resolved` is the result of the round before: only
    the duplicates that it moved can move again. A document dropped without a `duplicate_of` ends a chain.

    Args:
        partitions: Number of shuffle partitions.
    """
    documents, may_move = _duplicates(list(selections.values()))
    if resolved is not None:
        documents, may_move = _moved(documents, concat_shards(resolved, RESOLVED))
    rows = np.flatnonzero(may_move & pc.is_valid(documents["duplicate_of"]).to_numpy())
    unknown_end = pa.nulls(len(rows), pa.string()), pa.nulls(len(rows), pa.float64())
    links = pa.table([documents["duplicate_of"].take(pa.array(rows)), *unknown_end, rows], schema=LINKS)
    dropped = documents.filter(pc.and_(documents["dropped"], pc.greater(documents["copies"], 1)))
    no_origin = pa.nulls(dropped.num_rows, pa.int64())
    ends = pa.table([*(dropped[name] for name in LINKS.names[:3]), no_origin], schema=LINKS)
    table = pa.concat_tables([links, ends])
    hashes = np.array([xxhash.xxh3_64_intdigest(id_.encode()) for id_ in table["id"].to_pylist()], np.uint64)
    yield from partition_rows(table, partition_of(hashes, partitions))


def _duplicates(selections: list[Shard]) -> tuple[pa.Table, np.ndarray]:
    """Return what became of each document, and which ones were dropped before the last selection, (d,) bool.

    `copies` is how many documents it represented when it was dropped, itself included.
    """
    ids = selections[0].table(["id"])["id"]
    n = len(ids)
    duplicate_of, similarity = pa.nulls(n, pa.string()), pa.nulls(n, pa.float64())
    copies, dropped, dropped_before = np.ones(n, np.int64), np.zeros(n, bool), np.zeros(n, bool)
    for shard in selections:
        table = read_aligned(ids, shard, ["rule", "value", "duplicate_of", "cluster_size"])
        dropped_before = dropped.copy()
        is_duplicate = pc.is_valid(table["duplicate_of"])
        duplicate_of = pc.coalesce(duplicate_of, table["duplicate_of"])
        similarity = pc.coalesce(similarity, pc.if_else(is_duplicate, table["value"], pa.scalar(None, pa.float64())))
        dropped |= pc.is_valid(table["rule"]).to_numpy()
        copies = np.where(dropped, copies, table["cluster_size"].fill_null(1).to_numpy())
    columns = {"duplicate_of": duplicate_of, "similarity": similarity, "copies": copies, "dropped": dropped}
    return pa.table({"id": ids, **columns}), dropped_before


def _moved(documents: pa.Table, resolved: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """Return the documents with the links that a round resolved, and which ones these are, (d,) bool."""
    position = np.full(documents.num_rows, -1, np.int64)
    position[resolved["row"].to_numpy()] = np.arange(resolved.num_rows)
    moved, taken = position >= 0, pa.array(position, mask=position < 0)
    for name in ("duplicate_of", "similarity"):
        column = pc.if_else(pa.array(moved), resolved[name].take(taken), documents[name])
        documents = documents.set_column(documents.schema.get_field_index(name), name, column)
    return documents, moved


@stage(version=2, outputs={"part": RESOLVED})
def chain_ends(links: list[Shard]) -> Iterator[Output]:
    """Write the duplicates of dropped documents, with what those duplicate, in the partition of their shard."""
    table = concat_documents(links, LINKS)
    is_link = pc.is_valid(table["doc"])
    duplicates, dropped = table.filter(is_link), table.filter(pc.invert(is_link)).combine_chunks()
    position = pc.index_in(duplicates["id"], value_set=dropped["id"].combine_chunks())
    resolved, position = duplicates.filter(pc.is_valid(position)), position.drop_null()
    doc = resolved["doc"].to_numpy()
    columns = [row_of(doc), *[dropped[name].take(position) for name in ("duplicate_of", "similarity")]]
    yield from partition_rows(pa.table(columns, schema=RESOLVED), shard_of(doc))
