"""The ledger: one row per input record, kept or dropped, with the one reason. Counts and publishing rest on it."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.passages.text_spans import removed_passages
from pipeline.base.schema import LEDGER, RESOLVED, SELECTION
from pipeline.runner.stage import stage
from pipeline.store.join import read_aligned
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

# The kept rows of a shard of pages: what evenly sized files are cut by, without reading a text again.
_REASONS = ["stage", "rule", "value", "threshold", "detail", "duplicate_of"]
KEPT = pa.schema([("id", pa.string()), ("row", pa.int64()), ("text_bytes", pa.int64())])


@stage(version=4, outputs={"part": LEDGER, "kept": KEPT})
def ledger(
    pages: Shard,
    selections: Mapping[str, Shard],
    resolved: Mapping[str, list[Shard]] = MappingProxyType({}),
    *,
    relations: dict[str, str],
) -> Iterator[pa.Table | Output]:
    """Every record of the shard exactly once: rejected, dropped by one selection, or kept.

    `selections`, by name, are in the order in which they dropped documents. `resolved` has the results of
    `dedup.exact.resolve_chains`, a later round last. `duplicate_of` is always a kept document (of an earlier run, where
    the index dropped): what was a duplicate of a document that a later step dropped names the one that stayed, and
    `detail` says through which (none, when that one was dropped for the passages removed from it). Rows are in the
    order of source and offset. Raises AssertionError when selections are of other documents, when two of them drop one
    document, or when the counts of input, kept and dropped do not add up.

    Args:
        relations: What a duplicate has in common with the document it duplicates, in words, by selection.
    """
    decisions = combine_selections(selections)
    documents = _documents(pages, _resolve(decisions, resolved, relations))
    rejects = pages.table(name="rejects")
    rows = pa.concat_tables([documents, _rejected(rejects)])
    order = pc.sort_indices(rows, sort_keys=[("source", "ascending"), ("offset", "ascending")])
    dropped = pc.sum(pc.equal(rows["verdict"], "dropped"), min_count=0).as_py()
    kept = pc.sum(decisions["keep"], min_count=0).as_py()
    if rejects.num_rows + pages.rows() != kept + dropped:
        raise AssertionError(f"{pages.label}: input records are not kept + dropped")
    yield rows.take(order)
    yield Output(_kept(pages, decisions), name="kept")


def combine_selections(selections: Mapping[str, Shard]) -> pa.Table:
    """Return id, keep, the reason columns after every selection, and `removed_bytes` of each text."""
    shards = list(selections.values())
    table = shards[-1].table(["id", "keep"])
    ids, n = table["id"], table.num_rows
    reasons: dict[str, Any] = {name: pa.nulls(n, SELECTION.field(name).type) for name in _REASONS}
    removed_bytes, drops = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for shard in shards:
        own = read_aligned(ids, shard, _REASONS)
        drops += pc.is_valid(own["rule"]).to_numpy()
        reasons = {name: pc.coalesce(column, own[name]) for name, column in reasons.items()}
        if shard.has("removed"):
            removed_bytes += removed_passages(shard)["removed_bytes"].to_numpy()
    wrong = np.flatnonzero(drops != ~table["keep"].to_numpy())
    if len(wrong):
        culprit = f"document {ids[int(wrong[0])]} was dropped by {drops[wrong[0]]} of {list(selections)}"
        raise AssertionError(f"{shards[-1].label}: {culprit}")
    return pa.table({"id": ids, "keep": table["keep"], **reasons, "removed_bytes": removed_bytes})


def _resolve(decisions: pa.Table, resolved: Mapping[str, list[Shard]], relations: Mapping[str, str]) -> pa.Table:
    """Decisions whose duplicates name the document that stayed. Later rounds say more than earlier ones."""
    rounds = [shard.table() for shards in resolved.values() for shard in shards]
    ends = pa.concat_tables([RESOLVED.empty_table(), *rounds]).combine_chunks()
    position = np.full(decisions.num_rows, -1, np.int64)
    position[ends["row"].to_numpy()] = np.arange(ends.num_rows)
    moved, taken = pa.array(position >= 0), pa.array(position, mask=position < 0)
    words = pa.array(list(relations.values()), pa.string())
    words = words.take(pc.index_in(decisions["stage"], value_set=pa.array(list(relations), pa.string())))
    through = pc.binary_join_element_wise(words, decisions["duplicate_of"], " ")
    similarity = pc.if_else(
        pc.equal(decisions["stage"], "exact"),
        pc.coalesce(ends["similarity"].take(taken), decisions["value"]),
        decisions["value"],
    )
    columns = {
        "value": similarity,
        "detail": pc.if_else(moved, through, decisions["detail"]),
        "duplicate_of": pc.if_else(moved, ends["duplicate_of"].take(taken), decisions["duplicate_of"]),
    }
    for name, column in columns.items():
        decisions = decisions.set_column(decisions.schema.get_field_index(name), name, column)
    return decisions


def _documents(pages: Shard, decisions: pa.Table) -> pa.Table:
    """Ledger rows of the documents, in the order of the pages."""
    records = pages.table(["id", "url", "source", "offset"])
    if not records["id"].equals(decisions["id"]):
        raise AssertionError(f"{pages.label}: selections are not those of these pages")
    columns = {
        **{name: records[name] for name in records.column_names},
        **{name: decisions[name] for name in ("stage", "rule", "value", "threshold", "detail", "duplicate_of")},
        "verdict": pc.if_else(decisions["keep"], "kept", "dropped"),
    }
    return pa.table({name: columns[name] for name in LEDGER.names}, schema=LEDGER)


def _rejected(rejects: pa.Table) -> pa.Table:
    """Ledger rows of records that never became documents."""
    dropped = pa.array(["dropped"] * rejects.num_rows, pa.string())
    nothing = pa.nulls(rejects.num_rows, pa.string())
    columns = {**{name: rejects[name] for name in rejects.column_names}, "verdict": dropped, "duplicate_of": nothing}
    return pa.table({name: columns[name] for name in LEDGER.names}, schema=LEDGER)


def _kept(pages: Shard, decisions: pa.Table) -> pa.Table:
    sizes = [pc.binary_length(batch["text"]).fill_null(0) for batch in pages.batches(["text"])]
    text_bytes = pc.subtract(pa.chunked_array(sizes, pa.int32()).cast(pa.int64()), decisions["removed_bytes"])
    rows = pa.array(np.arange(decisions.num_rows, dtype=np.int64))
    columns = {"id": decisions["id"], "row": rows, "text_bytes": text_bytes}
    return pa.table(columns, schema=KEPT).filter(decisions["keep"])
