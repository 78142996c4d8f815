"""Duplicates of what was dropped itself later follow it to the document that stays.

    asked    = step(follow_route, url_dedup, exact, near, spans, partitions=P)
    followed = step(follow, bucket(asked), tasks=P)
    asked    = step(follow_route, url_dedup, exact, near, spans, bucket(followed), partitions=P)
    further  = step(follow, bucket(asked), tasks=P)
    ledger   = step(ledger, pages, verdicts, url_dedup, exact, near, spans, bucket(followed), bucket(further))

A copy names the document with the same text; when that one was dropped as a near duplicate, wherever in the corpus, the
copy is a duplicate of what that one is a duplicate of. Both meet in the partition of the name's hash: 50 bytes a copy
on their way, and no task reads what others asked. A round doubles the steps that have been followed (pointer jumping):
one is enough for exact and near, two for chains of up to four.
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup.common.clusters import concat, in_buckets
from dedup.exact.exact import partition_of
from pipeline.base.schema import FOLLOWED
from pipeline.config.values import Range
from pipeline.runner.dag import stage
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
def follow_route(*sides: Shard | list[Shard], partitions: Annotated[int, Range(1, 65536)] = 1) -> Iterator[Output]:
    """Duplicates of the shard whose document may have been dropped later, and dropped documents that others name.

    `sides`: sidecars of DUPLICATES or CUTS in the order in which they dropped documents; then, as a list, what the
    round before found: only that can go further. What CUTS drops is a duplicate of nothing.
    """
    parts = [side for side in sides if isinstance(side, Shard)]
    before = [part for side in sides if not isinstance(side, Shard) for part in side]
    fates, asks = _fates(parts)
    if before:
        fates, asks = _followed(fates, concat(before, FOLLOWED))
    rows = np.flatnonzero(asks & pc.is_valid(fates["duplicate_of"]).to_numpy())
    nothing = pa.nulls(len(rows), pa.string()), pa.nulls(len(rows), pa.float64())
    shard = pa.array(np.full(len(rows), parts[0].index, np.int32))
    copies = pa.table([fates["duplicate_of"].take(pa.array(rows)), *nothing, shard, rows], schema=ASKED)
    named = fates.filter(pc.and_(fates["dropped"], pc.greater(fates["copies"], 1)))
    nowhere = pa.nulls(named.num_rows, pa.int32()), pa.nulls(named.num_rows, pa.int64())
    dropped = pa.table([*(named[name] for name in ASKED.names[:3]), *nowhere], schema=ASKED)
    table = pa.concat_tables([copies, dropped])
    hashes = np.array([xxhash.xxh3_64_intdigest(name.encode()) for name in table["id"].to_pylist()], np.uint64)
    yield from in_buckets(table, partition_of(hashes, partitions))


def _fates(parts: list[Shard]) -> tuple[pa.Table, np.ndarray]:
    """What became of each document, and what it stood for then; and which were dropped before the last step."""
    first = parts[0].table()
    ids, n = first["id"], first.num_rows
    of, similarity = pa.chunked_array([pa.nulls(n, pa.string())]), pa.chunked_array([pa.nulls(n, pa.float64())])
    copies, dropped, asks = np.ones(n, np.int64), np.zeros(n, bool), np.zeros(n, bool)
    for part in parts:
        side, asks = first if part is parts[0] else read_aligned(ids, part), dropped.copy()
        if "cuts" in side.column_names:
            dropped |= ~side["keep"].to_numpy()
            continue
        of, similarity = pc.coalesce(of, side["duplicate_of"]), pc.coalesce(similarity, side["similarity"])
        dropped |= pc.is_valid(side["duplicate_of"]).to_numpy()
        if "cluster_size" in side.column_names:  # not that of what an index knows
            copies = np.where(dropped, copies, side["cluster_size"].fill_null(1).to_numpy())
    columns = {"duplicate_of": of, "similarity": similarity, "copies": copies, "dropped": dropped}
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


@stage(version=2, outputs={"part": FOLLOWED})
def follow(asked: list[Shard]) -> Iterator[Output]:
    """One partition: duplicates of documents that were dropped, with where these went, in the bucket of their shard."""
    table = concat(asked, ASKED)
    is_copy = pc.is_valid(table["row"])
    copies, dropped = table.filter(is_copy), table.filter(pc.invert(is_copy)).combine_chunks()
    at = pc.index_in(copies["id"], value_set=dropped["id"].combine_chunks())
    found, at = copies.filter(pc.is_valid(at)), at.drop_null()
    columns = [found["row"], *[dropped[name].take(at) for name in ("duplicate_of", "similarity")]]
    yield from in_buckets(pa.table(columns, schema=FOLLOWED), found["shard"].to_numpy())
