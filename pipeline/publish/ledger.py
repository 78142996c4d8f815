"""The ledger: one row per input record, kept or dropped, with the one reason. Counts and publishing rest on it."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.base.schema import FOLLOWED, LEDGER
from pipeline.runner.dag import stage
from pipeline.store.join import read_aligned
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

# The kept rows of a shard of pages: what evenly sized files are cut by, without reading a text again.
KEPT = pa.schema([("id", pa.string()), ("row", pa.int64()), ("text_bytes", pa.int64())])


# What a sidecar of duplicates says in the ledger: the rule, and the words for what a document was first a duplicate of.
RULES = {
    "url_dedup": ("duplicate_url", "same address as"),
    "exact": ("duplicate_text", "same text as"),
    "index": ("duplicate_of_earlier", "like"),
    "near": ("near_duplicate", "like"),
}


@stage(version=4, outputs={"part": LEDGER, "kept": KEPT})
def ledger(
    pages: Shard,
    verdicts: Shard,
    *sides: Shard | list[Shard],
    names: tuple[str, ...] = ("exact", "near"),
    similarity: float = 0.8,
) -> Iterator[pa.Table | Output]:
    """Every record of the shard exactly once: rejects, then dropped by rules, by deduplication step by step, or kept.

    `sides`: sidecars of DUPLICATES, KNOWN or CUTS with their `names`, in the order in which they dropped documents; and
    lists, what `dedup.exact.resolve_chains` found. `duplicate_of` is always a kept document (of an earlier run, where
    KNOWN dropped):
    what was a duplicate of a document that was dropped later names the one that stayed (none, when that one was dropped
    for what was cut out of it), and says through which. `similarity` is the bound of near dedup (true Jaccard), written
    beside each similarity. Rows are in the order of source and offset. Raises AssertionError when sidecars do not pair,
    when two stages drop one document, or when the counts of input, kept and dropped do not add up.
    """
    aligned = [side for side in sides if isinstance(side, Shard)]
    fates = fate(verdicts, dict(zip(names, aligned, strict=True)), similarity)
    followed = [part for side in sides if not isinstance(side, Shard) for part in side]
    documents = _documents(pages, _settled(fates, followed))
    rejects = pages.table(name="rejects")
    rows = pa.concat_tables([documents, _rejected(rejects)])
    order = pc.sort_indices(rows, sort_keys=[("source", "ascending"), ("offset", "ascending")])
    dropped = pc.sum(pc.equal(rows["verdict"], "dropped"), min_count=0).as_py()
    kept = pc.sum(fates["keep"], min_count=0).as_py()
    if rejects.num_rows + pages.rows() != kept + dropped:
        raise AssertionError(f"{pages.folder} shard {pages.index}: input records are not kept + dropped")
    yield rows.take(order)
    yield Output(_kept(pages, fates), name="kept")


def fate(verdicts: Shard, sides: dict[str, Shard], similarity: float) -> pa.Table:
    """Verdicts of the shard after every step, row by row, with `duplicate_of` and the bytes that are cut out."""
    fates = verdicts.table(["id", "keep", "stage", "rule", "value", "threshold", "detail"])
    n = fates.num_rows
    fates = fates.append_column("duplicate_of", pa.nulls(n, pa.string()))
    cut_bytes = np.zeros(n, np.int64)
    for name, part in sides.items():
        side = read_aligned(fates["id"], part)
        said, gone = _reasons(name, side, similarity)
        twice = pc.and_(gone, pc.invert(fates["keep"]))
        if pc.any(twice).as_py():
            culprit = fates.filter(twice)["id"][0]
            raise AssertionError(f"{verdicts.folder} shard {verdicts.index}: two stages dropped document {culprit}")
        for column, value in said.items():
            fates = _with(fates, column, pc.if_else(gone, value, fates[column]))
        if "cut_bytes" in side.column_names:
            cut_bytes += side["cut_bytes"].to_numpy()
    return fates.append_column("cut_bytes", pa.array(cut_bytes))


def _reasons(name: str, side: pa.Table, similarity: float) -> tuple[dict, pa.ChunkedArray]:
    """Columns of the ledger for what one sidecar drops, and what that is."""
    nothing, keep, stage_ = pa.scalar(None, pa.float64()), pa.scalar(False), pa.scalar(name)
    if "cuts" in side.column_names:
        said = {column: side[column] for column in ("rule", "value", "threshold")}
        return {"keep": keep, "stage": stage_, **said}, pc.invert(side["keep"])
    own = {column: side[column] for column in ("rule", "detail") if column in side.column_names}
    said = {
        "rule": pa.scalar(RULES[name][0]),
        **own,
        "value": nothing if name == "url_dedup" else side["similarity"],
        "threshold": pa.scalar(similarity) if name in ("index", "near") else nothing,
        "duplicate_of": side["duplicate_of"],
    }
    return {"keep": keep, "stage": stage_, **said}, pc.is_valid(side["duplicate_of"])


def _with(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, column)


def _settled(fates: pa.Table, followed: list[Shard]) -> pa.Table:
    """Fates whose duplicates name what they follow to. Later lists say more than earlier ones."""
    found = pa.concat_tables([FOLLOWED.empty_table(), *(part.table() for part in followed)]).combine_chunks()
    at = np.full(fates.num_rows, -1, np.int64)
    at[found["row"].to_numpy()] = np.arange(found.num_rows)
    moved, at = pa.array(at >= 0), pa.array(at, mask=at < 0)
    words = pa.array([said for _, said in RULES.values()])
    words = words.take(pc.index_in(fates["stage"], value_set=pa.array(list(RULES))))
    through = pc.binary_join_element_wise(words, fates["duplicate_of"], " ")
    fates = _with(fates, "detail", pc.if_else(moved, through, fates["detail"]))
    fates = _with(fates, "duplicate_of", pc.if_else(moved, found["duplicate_of"].take(at), fates["duplicate_of"]))
    similarity = pc.coalesce(found["similarity"].take(at), fates["value"])
    return _with(fates, "value", pc.if_else(pc.equal(fates["stage"], "exact"), similarity, fates["value"]))


def _documents(pages: Shard, fates: pa.Table) -> pa.Table:
    """Ledger rows of the documents, in the order of the pages."""
    where = pages.table(["id", "url", "source", "offset"])
    if not where["id"].equals(fates["id"]):
        raise AssertionError(f"{pages.folder} shard {pages.index}: verdicts are not those of these pages")
    columns = {
        **{name: where[name] for name in where.column_names},
        **{name: fates[name] for name in ("stage", "rule", "value", "threshold", "detail", "duplicate_of")},
        "verdict": pc.if_else(fates["keep"], "kept", "dropped"),
    }
    return pa.table({name: columns[name] for name in LEDGER.names}, schema=LEDGER)


def _rejected(rejects: pa.Table) -> pa.Table:
    """Ledger rows of records that never became documents."""
    dropped = pa.array(["dropped"] * rejects.num_rows, pa.string())
    nothing = pa.nulls(rejects.num_rows, pa.string())
    columns = {**{name: rejects[name] for name in rejects.column_names}, "verdict": dropped, "duplicate_of": nothing}
    return pa.table({name: columns[name] for name in LEDGER.names}, schema=LEDGER)


def _kept(pages: Shard, fates: pa.Table) -> pa.Table:
    sizes = [pc.binary_length(batch["text"]).fill_null(0) for batch in pages.batches(["text"])]
    text_bytes = pc.subtract(pa.chunked_array(sizes, pa.int32()).cast(pa.int64()), fates["cut_bytes"])
    rows = pa.array(np.arange(fates.num_rows, dtype=np.int64))
    columns = {"id": fates["id"], "row": rows, "text_bytes": text_bytes}
    return pa.table(columns, schema=KEPT).filter(fates["keep"])
