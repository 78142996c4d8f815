"""Chains of duplicates: url -> exact -> near -> what is cut; each row of the ledger names what stays at the end."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.common.in_memory import run
from dedup.exact.resolve_chains import chain_links, follow
from pipeline.base.schema import CUTS, DUPLICATES, PAGES, REJECTS, VERDICTS
from pipeline.publish.ledger import ledger
from pipeline.store.shard import Shard

STAGES = ("url_dedup", "exact", "near", "spans", "substrings")
DUPLICATE_STAGES, KEPT = 3, len(STAGES)


def world(ends: list[int], heads: list[int]) -> list[tuple[int, int | None]]:
    """(stage that drops it, or KEPT; document it is a duplicate of) of each: only what is dropped later has copies."""
    made = []
    for i, (end, choice) in enumerate(zip(ends, heads, strict=True)):
        later = [j for j, other in enumerate(ends) if other > end and j != i]
        if end < DUPLICATE_STAGES and not later:
            end = KEPT
        made.append((end, later[choice % len(later)] if end < DUPLICATE_STAGES else None))
    return made


def sidecars(made: list[tuple[int, int | None]], ids: list[str], shards: int) -> list[list[Shard]]:
    """What each stage says, shard by shard, with sizes as the stages count them."""
    stands, found = [1] * len(made), []
    for k in range(len(STAGES)):
        before = list(stands)
        for i, (end, head) in enumerate(made):
            if end == k and head is not None:
                stands[head] += before[i]
        rows = []
        for i, (end, head) in enumerate(made):
            if k >= DUPLICATE_STAGES:
                gone = end == k
                said = {"keep": not gone, "rule": "too_little_left" if gone else None, "cuts": [], "cut_bytes": 0}
                rows.append({"id": ids[i], **said})
            else:
                size = stands[head if end == k else i] if end >= k else None
                said = {"duplicate_of": ids[head], "similarity": 0.9} if end == k else {}
                rows.append({"id": ids[i], "cluster_size": size, **said})
        schema = CUTS if k >= DUPLICATE_STAGES else DUPLICATES
        found.append([Shard.of(table(schema, rows[s::shards]), s) for s in range(shards)])
    return found


def end_of(made: list[tuple[int, int | None]], i: int) -> int | None:
    """Where the chain from i ends; None when the last was dropped for what was cut out of it."""
    while made[i][0] < DUPLICATE_STAGES:
        i = made[i][1]
    return i if made[i][0] == KEPT else None


documents = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, KEPT), min_size=n, max_size=n), st.lists(st.integers(0, 99), min_size=n, max_size=n)
    )
)


@given(documents, st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_every_duplicate_names_the_end_of_its_chain(said, shards, partitions):
    made = world(*said)
    ids = [f"{i:032x}" for i in range(len(made))]
    sides = sidecars(made, ids, shards)
    rounds = []
    for _ in range(2):
        asked = run(chain_links, *sides, *rounds[-1:], tasks=shards, partitions=partitions)
        found = run(follow, asked.bucket, tasks=partitions)
        rounds.append(found.bucket)
    rows = {}
    for s in range(shards):
        mine = ids[s::shards]
        where = [{"id": i, "url": "u", "source": "a", "offset": n, "text": ""} for n, i in enumerate(mine)]
        pages = Shard.of(table(PAGES, where), rejects=table(REJECTS, []))
        verdicts = Shard.of(table(VERDICTS, [{"id": i, "keep": True} for i in mine]))
        inputs = *(side[s] for side in sides), *(found(s) for found in rounds)
        part, _ = ledger(pages, verdicts, *inputs, names=STAGES)
        rows |= {row["id"]: row for row in part.to_pylist()}
    for i, (stage, head) in enumerate(made):
        row, end = rows[ids[i]], end_of(made, i) if head is not None else None
        assert row["stage"] == (STAGES[stage] if stage < KEPT else None)
        assert row["duplicate_of"] == (ids[end] if end is not None else None)
        moved = head is not None and end != head
        assert (row["detail"] is not None and row["detail"].endswith(ids[head])) if moved else row["detail"] is None


def table(schema: pa.Schema, rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema=schema)
