"""The ledger: one row per input record, kept or dropped, with the one reason. Counts and publishing rest on it."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.dag import stage
from pipeline.schema import LEDGER, MOVED
from pipeline.store import Out, Part, together

# The kept rows of a shard of pages: what evenly sized files are cut by, without reading a text again.
KEPT = pa.schema([("id", pa.string()), ("row", pa.int64()), ("text_bytes", pa.int64())])
# Documents that near dedup dropped for a kept one (with the exact copies each stood for), summed by kept document.
STANDS_FOR = pa.schema([("id", pa.string()), ("documents", pa.int64())])


@stage(version=2, outputs={"part": LEDGER, "kept": KEPT, "stands_for": STANDS_FOR})
def ledger(
    pages: Part, verdicts: Part, exact: Part, near: Part, nears: list[Part], *, similarity: float = 0.8
) -> Iterator[pa.Table | Out]:
    """Every record of the shard exactly once: rejects, then dropped by rules, by exact dedup, by near dedup, or kept.

    `nears`: all shards of `near`. `duplicate_of` is always a kept document: an exact copy of a document that near dedup
    dropped names the one that stayed, with their similarity, and says through which document.
    `similarity` is the bound of near dedup (true Jaccard), written beside each similarity. Rows are in the order of
    source and offset. Raises AssertionError when sidecars do not pair, when two stages drop one document, or when
    the counts of input, kept and dropped do not add up.
    """
    fates = fate(verdicts, exact, near)
    documents = _documents(pages, _settled(fates, nears), similarity)
    rejects = pages.table(name="rejects")
    rows = pa.concat_tables([documents, _rejected(rejects)])
    order = pc.sort_indices(rows, sort_keys=[("source", "ascending"), ("offset", "ascending")])
    dropped = pc.sum(pc.equal(rows["verdict"], "dropped"), min_count=0).as_py()
    kept = pc.sum(fates["kept"], min_count=0).as_py()
    if rejects.num_rows + pages.rows() != kept + dropped:
        raise AssertionError(f"{pages.folder} shard {pages.index}: input records are not kept + dropped")
    yield rows.take(order)
    yield Out(_kept(pages, fates), name="kept")
    yield Out(_stands_for(fates), name="stands_for")


def fate(verdicts: Part, exact: Part, near: Part) -> pa.Table:
    """Verdicts of the shard with `exact`/`near` (id of the kept document, else null), sizes and `kept`, row by row."""
    judged = together((verdicts, ["keep", "stage", "rule", "value", "threshold", "detail"]))
    for name, part in (("exact", exact), ("near", near)):
        table = together((verdicts, []), (part, ["duplicate_of", "similarity", "cluster", "cluster_size"]))
        for column in ("duplicate_of", "similarity", "cluster", "cluster_size"):
            judged = judged.append_column(f"{name}_{column}", table[column])
    dropped = [pc.invert(judged["keep"]), *[pc.is_valid(judged[f"{n}_duplicate_of"]) for n in ("exact", "near")]]
    often = pc.greater(_total(dropped), 1)
    if pc.any(often).as_py():
        culprit = judged.filter(often)["id"][0]
        raise AssertionError(f"{verdicts.folder} shard {verdicts.index}: two stages dropped document {culprit}")
    return judged.append_column("kept", pc.equal(_total(dropped), 0))


def _total(flags: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    first, second, third = (flag.cast(pa.int8()) for flag in flags)
    return pc.add(pc.add(first, second), third)


def _settled(fates: pa.Table, nears: list[Part]) -> pa.Table:
    """Fates in which `exact_duplicate_of` is a kept document; `exact_through` is the copy that near dedup dropped."""
    named = fates["exact_duplicate_of"].combine_chunks()
    moved = pa.concat_tables([MOVED.empty_table(), *(_named(part, named) for part in nears)]).combine_chunks()
    at = pc.index_in(named, value_set=moved["id"].combine_chunks(), skip_nulls=True)
    kept, similarity = (moved[name].combine_chunks().take(at) for name in ("duplicate_of", "similarity"))
    settled = {
        "exact_duplicate_of": pc.coalesce(kept, named),
        "exact_similarity": pc.coalesce(similarity, fates["exact_similarity"].combine_chunks()),
    }
    for name, column in settled.items():
        fates = fates.set_column(fates.schema.get_field_index(name), name, column)
    return fates.append_column("exact_through", pc.if_else(pc.is_valid(at), named, pa.scalar(None, pa.string())))


def _named(part: Part, ids: pa.Array) -> pa.Table:
    table = part.table(name="moved")
    return table.filter(pc.is_in(table["id"], value_set=ids, skip_nulls=True))


def _documents(pages: Part, fates: pa.Table, similarity: float) -> pa.Table:
    """Ledger rows of the documents, in the order of the pages."""
    where = pages.table(["id", "url", "source", "offset"])
    if not where["id"].equals(fates["id"]):
        raise AssertionError(f"{pages.folder} shard {pages.index}: verdicts are not those of these pages")
    exact, near = pc.is_valid(fates["exact_duplicate_of"]), pc.is_valid(fates["near_duplicate_of"])

    def choose(by_exact: object, by_near: object, by_rule: pa.ChunkedArray) -> pa.ChunkedArray:
        return pc.if_else(exact, by_exact, pc.if_else(near, by_near, by_rule))

    nothing, nothing_said = pa.scalar(None, pa.float64()), pa.scalar(None, pa.string())
    through = pc.binary_join_element_wise("same text as", fates["exact_through"], " ")
    columns = {
        **{name: where[name] for name in where.column_names},
        "verdict": pc.if_else(fates["kept"], "kept", "dropped"),
        "stage": choose("exact", "near", fates["stage"]),
        "rule": choose("duplicate_text", "near_duplicate", fates["rule"]),
        "value": choose(fates["exact_similarity"], fates["near_similarity"], fates["value"]),
        "threshold": choose(nothing, pa.scalar(similarity), fates["threshold"]),
        "detail": choose(through, nothing_said, fates["detail"]),
        "duplicate_of": pc.coalesce(fates["exact_duplicate_of"], fates["near_duplicate_of"]),
    }
    return pa.table(columns, schema=LEDGER)


def _rejected(rejects: pa.Table) -> pa.Table:
    """Ledger rows of records that never became documents."""
    dropped = pa.array(["dropped"] * rejects.num_rows, pa.string())
    nothing = pa.nulls(rejects.num_rows, pa.string())
    columns = {**{name: rejects[name] for name in rejects.column_names}, "verdict": dropped, "duplicate_of": nothing}
    return pa.table({name: columns[name] for name in LEDGER.names}, schema=LEDGER)


def _kept(pages: Part, fates: pa.Table) -> pa.Table:
    sizes = [pc.binary_length(batch["text"]).fill_null(0) for batch in pages.batches(["text"])]
    text_bytes = pa.chunked_array(sizes, pa.int32()).cast(pa.int64())
    rows = pa.array(np.arange(fates.num_rows, dtype=np.int64))
    columns = {"id": fates["id"], "row": rows, "text_bytes": text_bytes}
    return pa.table(columns, schema=KEPT).filter(fates["kept"])


def _stands_for(fates: pa.Table) -> pa.Table:
    """Per kept document, how many documents of this shard its near duplicates stood for. Sorted by id."""
    rows = fates.filter(pc.is_valid(fates["near_duplicate_of"]))
    sizes = pc.coalesce(rows["exact_cluster_size"], pa.scalar(1, pa.int64()))
    counts = pa.table({"id": rows["near_duplicate_of"], "documents": sizes})
    summed = counts.group_by("id").aggregate([("documents", "sum")]).sort_by("id")
    return summed.rename_columns(["id", "documents"]).select(STANDS_FOR.names).cast(STANDS_FOR)
