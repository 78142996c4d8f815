"""Resolve chains of duplicates: if A is a duplicate of B, and a later step drops B as a duplicate of C, A is one of C.

    selections of url_dedup, exact, index, near ... -> chain_links -> chain_ends -> ledger

A copy names the document that it duplicates; where that one was dropped later, wherever in the corpus, the copy is a
duplicate of what that one is a duplicate of. Both meet in the partition of the name's hash: 50 bytes a copy on their
way, and no task reads the requests of others. One round resolves two links, a second round four (pointer jumping):
one is enough for exact and near, two for chains of up to four.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup.common.partitions import concat, in_buckets, partition_of
from pipeline.base.schema import RESOLVED
from pipeline.config.values import Range
from pipeline.runner.stage import stage
from pipeline.store.join import read_aligned
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

# A dropped document that others name (where it went), or a document (where it stands) that names the document `id`.
ASKED = pa.schema(
    [
        ("id", pa.string()),
        ("duplicate_of", pa.string()),
        ("similarity", pa.float64()),
        ("shard", pa.int32()),
        ("row", pa.int64()),
    ]
)


@stage(version=2, libraries=("xxhash",), outputs={"part": ASKED})
def chain_links(
    selections: Mapping[str, Shard],
    resolved: list[Shard] | None = None,
    *,
    partitions: Annotated[int, Range(1, 65536)] = 1,
) -> Iterator[Output]:
    """Duplicates of the shard whose document may have been dropped later, and dropped documents that others name.

    `selections` are in the order in which they dropped documents; `resolved` is the result of the round before: only
    what that one moved can move on. A document dropped without a `duplicate_of` ends a chain.

    Args:
        partitions: Number of shuffle partitions.
    """
    fates, asks = _fates(list(selections.values()))
    if resolved is not None:
        fates, asks = _followed(fates, concat(resolved, RESOLVED))
    shard = next(iter(selections.values())).index
    rows = np.flatnonzero(asks & pc.is_valid(fates["duplicate_of"]).to_numpy())
    nothing = pa.nulls(len(rows), pa.string()), pa.nulls(len(rows), pa.float64())
    place = [pa.array(np.full(len(rows), shard, np.int32)), rows]
    copies = pa.table([fates["duplicate_of"].take(pa.array(rows)), *nothing, *place], schema=ASKED)
    named = fates.filter(pc.and_(fates["dropped"], pc.greater(fates["copies"], 1)))
    nowhere = pa.nulls(named.num_rows, pa.int32()), pa.nulls(named.num_rows, pa.int64())
    dropped = pa.table([*(named[name] for name in ASKED.names[:3]), *nowhere], schema=ASKED)
    table = pa.concat_tables([copies, dropped])
    hashes = np.array([xxhash.xxh3_64_intdigest(name.encode()) for name in table["id"].to_pylist()], np.uint64)
    yield from in_buckets(table, partition_of(hashes, partitions))


def _fates(selections: list[Shard]) -> tuple[pa.Table, np.ndarray]:
    """What became of each document and how many it represented then; and which were dropped before the last step."""
    ids = selections[0].table(["id"])["id"]
    n = len(ids)
    duplicate_of, similarity = pa.nulls(n, pa.string()), pa.nulls(n, pa.float64())
    copies, dropped, asks = np.ones(n, np.int64), np.zeros(n, bool), np.zeros(n, bool)
    for shard in selections:
        table, asks = read_aligned(ids, shard, ["rule", "value", "duplicate_of", "cluster_size"]), dropped.copy()
        is_duplicate = pc.is_valid(table["duplicate_of"])
        duplicate_of = pc.coalesce(duplicate_of, table["duplicate_of"])
        similarity = pc.coalesce(similarity, pc.if_else(is_duplicate, table["value"], pa.scalar(None, pa.float64())))
        dropped |= pc.is_valid(table["rule"]).to_numpy()
        copies = np.where(dropped, copies, table["cluster_size"].fill_null(1).to_numpy())
    columns = {"duplicate_of": duplicate_of, "similarity": similarity, "copies": copies, "dropped": dropped}
    return pa.table({"id": ids, **columns}), asks


def _followed(fates: pa.Table, found: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """The same after a round, and which documents that moved."""
    at = np.full(fates.num_rows, -1, np.int64)
    at[found["row"].to_numpy()] = np.arange(found.num_rows)
    moved, at = at >= 0, pa.array(at, mask=at < 0)
    for name in ("duplicate_of", "similarity"):
        column = pc.if_else(pa.array(moved), found[name].take(at), fates[name])
        fates = fates.set_column(fates.schema.get_field_index(name), name, column)
    return fates, moved


@stage(version=2, outputs={"part": RESOLVED})
def chain_ends(links: list[Shard]) -> Iterator[Output]:
    """One partition: duplicates of documents that were dropped, with where these went, in the bucket of their shard."""
    table = concat(links, ASKED)
    is_copy = pc.is_valid(table["row"])
    copies, dropped = table.filter(is_copy), table.filter(pc.invert(is_copy)).combine_chunks()
    at = pc.index_in(copies["id"], value_set=dropped["id"].combine_chunks())
    found, at = copies.filter(pc.is_valid(at)), at.drop_null()
    columns = [found["row"], *[dropped[name].take(at) for name in ("duplicate_of", "similarity")]]
    yield from in_buckets(pa.table(columns, schema=RESOLVED), found["shard"].to_numpy())
