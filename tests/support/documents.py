"""Documents in memory as shards of PAGES, tables beside them, and deduplication chains over them."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from dedup.chains import Bind, near_duplicates, same_keys, settings_binder
from dedup.common.in_memory import StageOutput, evaluate
from dedup.exact.exact import drop_exact_duplicates, exact_hashes
from dedup.exact.fingerprints import fingerprints
from pipeline.base.schema import PAGES, SELECTION
from pipeline.runner.dag import InputFiles, Step
from pipeline.store.shard import Shard

Shards = list[Shard]


def page_shards(rows: list[dict], shards: int = 1) -> Shards:
    """Return documents as PAGES, dealt out to shards in turn. Ids count up; columns that a row leaves out are null."""
    rows = [{"id": f"{i:032x}", **row} for i, row in enumerate(rows)]
    parts = [rows[i::shards] for i in range(shards)]
    return [Shard.of(pa.Table.from_pylist(part, PAGES), i, shards) for i, part in enumerate(parts)]


def sidecar_shards(pages: Shards, **columns: list) -> Shards:
    """Return columns beside the pages; document number i (its id) has the i-th value of each."""
    sidecars = []
    for shard in pages:
        ids = shard.table(["id"])["id"].to_pylist()
        values = {name: [column[int(id_, 16)] for id_ in ids] for name, column in columns.items()}
        sidecars.append(Shard.of(pa.table({"id": pa.array(ids, pa.string()), **values}), shard.index, shard.count))
    return sidecars


def selection_shards(pages: Shards, keep: list[bool], cluster_size: list[int] | None = None) -> Shards:
    """Return the SELECTION of a step before: which documents it kept, and how many each of them represents."""
    selections = []
    for shard in pages:
        rows = []
        for id_ in shard.table(["id"])["id"].to_pylist():
            size = cluster_size[int(id_, 16)] if cluster_size else None
            rows.append({**dict.fromkeys(SELECTION.names), "id": id_, "keep": keep[int(id_, 16)], "cluster_size": size})
        selections.append(Shard.of(pa.Table.from_pylist(rows, SELECTION), shard.index, shard.count))
    return selections


def evaluate_chain(
    chain: Callable[..., Step], inputs: dict[str, Shards | None], **settings: Any
) -> dict[str, StageOutput]:
    """Bind `chain` with these settings to shards in memory; return what every step wrote, by name."""
    given = {name: shards for name, shards in inputs.items() if shards is not None}
    bound = chain(settings_binder(**settings), **{name: InputFiles(name, (), ()) for name in given})
    return evaluate(bound, given)


def exact_outputs(
    pages: Shards,
    selection: Shards | None = None,
    scores: Shards | None = None,
    hashes: Callable = exact_hashes,
    partitions: int = 3,
    **settings: Any,
) -> dict[str, StageOutput]:
    """Return what the steps of exact deduplication wrote; of the URLs' with `hashes = url_hashes`."""

    def chain(bind: Bind, **inputs: Any) -> Step:
        keys = bind(fingerprints, pages=inputs["pages"])
        return same_keys(bind, "exact", hashes, drop_exact_duplicates, keys=keys, partitions=partitions, **inputs)

    return evaluate_chain(chain, {"pages": pages, "selection": selection, "scores": scores}, **settings)


def near_outputs(
    pages: Shards,
    selection: Shards | None = None,
    scores: Shards | None = None,
    partitions: int = 3,
    **settings: Any,
) -> dict[str, StageOutput]:
    """Return what the steps of near deduplication wrote."""

    def chain(bind: Bind, **inputs: Any) -> Step:
        return near_duplicates(bind, partitions=partitions, **inputs).near

    return evaluate_chain(chain, {"pages": pages, "selection": selection, "scores": scores}, **settings)


def alarms(outputs: dict[str, StageOutput]) -> list[dict]:
    """Return the alarms of all steps."""
    shards = [shard for output in outputs.values() for shard in output.shards if shard.has("alarms")]
    return [row for shard in shards for row in shard.table(name="alarms").to_pylist()]


def duplicates(selection: pa.Table) -> dict[str, tuple[str, float | None]]:
    """Return the dropped duplicates of a SELECTION: id -> (document that represents it, similarity)."""
    dropped = [row for row in selection.to_pylist() if row["duplicate_of"]]
    assert not any(row["keep"] for row in dropped), dropped
    return {row["id"]: (row["duplicate_of"], row["value"]) for row in dropped}


def duplicate_numbers(selection: pa.Table) -> dict[int, int]:
    """Return the dropped duplicates of a SELECTION by the numbers that are their ids."""
    return {int(id_, 16): int(first, 16) for id_, (first, _) in duplicates(selection).items()}
