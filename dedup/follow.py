"""Exact copies of what near deduplication dropped follow it to the document that stays.

    asked    = step(follow_route, exact, near, partitions=P)
    followed = step(follow, bucket(asked), tasks=P)
    ledger   = step(ledger, pages, verdicts, exact, near, bucket(followed))

A copy names the document with the same text; when that one was dropped as a near duplicate, wherever in the corpus, the
copy is a duplicate of what that one is a duplicate of. Both meet in the partition of the name's hash: 50 bytes a copy
on their way, and no task reads what others asked.
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup.elect import concat, in_buckets
from dedup.exact import partition_of
from pipeline.check import Range
from pipeline.dag import stage
from pipeline.schema import FOLLOWED
from pipeline.store import Out, Part, together

# A dropped document that has copies (where it went), or a copy (where it stands) of the document `id`.
ASKED = pa.schema(
    [
        ("id", pa.string()),
        ("duplicate_of", pa.string()),
        ("similarity", pa.float64()),
        ("shard", pa.int32()),
        ("row", pa.int64()),
    ]
)


@stage(version=1, libraries=("xxhash",), outputs={"part": ASKED})
def follow_route(exact: Part, *alike: Part, partitions: Annotated[int, Range(1, 65536)] = 1) -> Iterator[Out]:
    """Copies of the shard, and what `alike` (results of near deduplication) dropped that has copies, by name."""
    copies = exact.table()
    rows = pc.indices_nonzero(pc.is_valid(copies["duplicate_of"]))
    nothing = pa.nulls(len(rows), pa.string()), pa.nulls(len(rows), pa.float64())
    shard = pa.array(np.full(len(rows), exact.index, np.int32))
    routed = [pa.table([copies["duplicate_of"].take(rows), *nothing, shard, rows.cast(pa.int64())], schema=ASKED)]
    for part in alike:
        found = together((exact, ["cluster_size"]), (part, ["duplicate_of", "similarity"]))
        dropped = found.filter(pc.and_(pc.is_valid(found["duplicate_of"]), pc.greater(found["cluster_size"], 1)))
        nowhere = pa.nulls(dropped.num_rows, pa.int32()), pa.nulls(dropped.num_rows, pa.int64())
        columns = [dropped[name] for name in ("id", "duplicate_of", "similarity")]
        routed.append(pa.table([*columns, *nowhere], schema=ASKED))
    table = pa.concat_tables(routed)
    hashes = np.array([xxhash.xxh3_64_intdigest(name.encode()) for name in table["id"].to_pylist()], np.uint64)
    yield from in_buckets(table, partition_of(hashes, partitions))


@stage(version=1, outputs={"part": FOLLOWED})
def follow(asked: list[Part]) -> Iterator[Out]:
    """One partition: the copies of documents that were dropped, with where these went, in the bucket of their shard."""
    table = concat(asked, ASKED)
    is_copy = pc.is_valid(table["row"])
    copies, dropped = table.filter(is_copy), table.filter(pc.invert(is_copy)).combine_chunks()
    at = pc.index_in(copies["id"], value_set=dropped["id"].combine_chunks())
    found, at = copies.filter(pc.is_valid(at)), at.drop_null()
    columns = [found["row"], *[dropped[name].take(at) for name in ("duplicate_of", "similarity")]]
    yield from in_buckets(pa.table(columns, schema=FOLLOWED), found["shard"].to_numpy())
