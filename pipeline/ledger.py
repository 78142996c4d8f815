"""The ledger: one row per input record, kept or dropped, with the one reason. Counts and publishing rest on it."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.dag import stage
from pipeline.schema import FOLLOWED, LEDGER
from pipeline.store import Out, Part, together

# The kept rows of a shard of pages: what evenly sized files are cut by, without reading a text again.
KEPT = pa.schema([("id", pa.string()), ("row", pa.int64()), ("text_bytes", pa.int64())])


@stage(version=3, outputs={"part": LEDGER, "kept": KEPT})
def ledger(
    pages: Part, verdicts: Part, exact: Part, near: Part, followed: list[Part], *, similarity: float = 0.8
) -> Iterator[pa.Table | Out]:
    """Every record of the shard exactly once: rejects, then dropped by rules, by exact dedup, by near dedup, or kept.

    `followed`: where exact copies of this shard belong whose document near dedup dropped. `duplicate_of` is always a
    kept document: such a copy names the one that stayed, with their similarity, and says through which document.
    `similarity` is the bound of near dedup (true Jaccard), written beside each similarity. Rows are in the order of
    source and offset. Raises AssertionError when sidecars do not pair, when two stages drop one document, or when
    the counts of input, kept and dropped do not add up.
    """
    fates = fate(verdicts, exact, near)
    documents = _documents(pages, _settled(fates, followed), similarity)
    rejects = pages.table(name="rejects")
    rows = pa.concat_tables([documents, _rejected(rejects)])
    order = pc.sort_indices(rows, sort_keys=[("source", "ascending"), ("offset", "ascending")])
    dropped = pc.sum(pc.equal(rows["verdict"], "dropped"), min_count=0).as_py()
    kept = pc.sum(fates["kept"], min_count=0).as_py()
    if rejects.num_rows + pages.rows() != kept + dropped:
        raise AssertionError(f"{pages.folder} shard {pages.index}: input records are not kept + dropped")
    yield rows.take(order)
    yield Out(_kept(pages, fates), name="kept")


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


def _settled(fates: pa.Table, followed: list[Part]) -> pa.Table:
    """Fates in which `exact_duplicate_of` is a kept document; `exact_through` is the copy that near dedup dropped."""
    found = pa.concat_tables([FOLLOWED.empty_table(), *(part.table() for part in followed)]).combine_chunks()
    at = np.full(fates.num_rows, -1, np.int64)
    at[found["row"].to_numpy()] = np.arange(found.num_rows)
    through = pc.if_else(pa.array(at >= 0), fates["exact_duplicate_of"], pa.scalar(None, pa.string()))
    for name in ("duplicate_of", "similarity"):
        place, moved = fates.schema.get_field_index(f"exact_{name}"), found[name].take(pa.array(at, mask=at < 0))
        fates = fates.set_column(place, f"exact_{name}", pc.coalesce(moved, fates[f"exact_{name}"]))
    return fates.append_column("exact_through", through)


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
