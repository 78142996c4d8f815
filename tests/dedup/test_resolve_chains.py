"""Chains of duplicates: url_dedup -> exact -> near -> spans; each row of the ledger names what is kept at the end."""

from collections.abc import Iterator

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.chains import resolved_chains, settings_binder
from dedup.common.in_memory import evaluate
from pipeline.base.schema import PAGES, REJECTS, SELECTION
from pipeline.publish.ledger import ledger
from pipeline.runner.dag import InputFiles, Step, step
from pipeline.runner.stage import Stage
from pipeline.store.shard import Shard

STEPS = ("url_dedup", "exact", "near", "spans", "substrings")
DUPLICATE_STEPS, KEPT = 3, len(STEPS)  # the first three drop a document for another one; KEPT: no step drops it
Fate = tuple[int, int | None]  # number of the step that drops a document, or KEPT; the document that it duplicates


def fates_of(ends: list[int], choices: list[int]) -> list[Fate]:
    """Return what becomes of each document: a duplicate is one of a document that is still kept when it is dropped."""
    fates: list[Fate] = []
    for i, (end, choice) in enumerate(zip(ends, choices, strict=True)):
        later = [j for j, other in enumerate(ends) if other > end and j != i]
        if end < DUPLICATE_STEPS and not later:
            end = KEPT
        fates.append((end, later[choice % len(later)] if end < DUPLICATE_STEPS else None))
    return fates


def selections_of(fates: list[Fate], ids: list[str], shards: int) -> dict[str, list[Shard]]:
    """Return the SELECTION of every step, with sizes as the steps count them."""
    sizes, selections = [1] * len(fates), {}
    for number, name in enumerate(STEPS):
        before, rows = list(sizes), []
        for i, (end, first) in enumerate(fates):
            if end == number and first is not None:
                sizes[first] += before[i]
        for i, (end, first) in enumerate(fates):
            row = {"id": ids[i], "keep": end > number}
            if end >= number:
                row["cluster_size"] = sizes[first if end == number and first is not None else i]
            if end == number:
                row |= {"stage": name, "rule": "dropped", "duplicate_of": None if first is None else ids[first]}
                row["value"] = None if first is None else 0.9
            rows.append(row)
        selections[name] = [Shard.of(table(SELECTION, rows[s::shards]), s, shards) for s in range(shards)]
    return selections


def selection_step(name: str) -> Step:
    """Return a step that names what it drops as the recipe's step of this name does; its rows are given."""

    def given_selection(source: Shard) -> Iterator[pa.Table]:
        yield source.table()

    relation = "like" if name in STEPS[:DUPLICATE_STEPS] else ""
    declaration = Stage(name, 1, (), {"part": SELECTION}, "selection", relation=relation)
    return step(given_selection, source=InputFiles(name, (), ()), name=name, stage=declaration)


def end_of_chain(fates: list[Fate], i: int) -> int | None:
    """Return the document that the chain from i ends in; None where that one was dropped for its passages."""
    while fates[i][0] < DUPLICATE_STEPS:
        i = fates[i][1]
    return i if fates[i][0] == KEPT else None


documents = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, KEPT), min_size=n, max_size=n), st.lists(st.integers(0, 99), min_size=n, max_size=n)
    )
)


@given(documents, st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_every_duplicate_names_the_end_of_its_chain(drawn, shards, partitions):
    fates = fates_of(*drawn)
    ids = [f"{i:032x}" for i in range(len(fates))]
    selections = selections_of(fates, ids, shards)
    resolved = resolved_chains(settings_binder(), {name: selection_step(name) for name in STEPS}, partitions)
    assert len(resolved) == 2  # three steps whose duplicates make links, and a step that ends chains
    outputs = evaluate([*resolved.values()][-1].source, selections)
    rows = {}
    for s in range(shards):
        pages = [
            {"id": id_, "url": "u", "source": "a", "offset": i, "text": ""} for i, id_ in enumerate(ids[s::shards])
        ]
        part, _ = ledger(
            Shard.of(table(PAGES, pages), rejects=table(REJECTS, [])),
            {name: selection[s] for name, selection in selections.items()},
            {name: outputs[edge.source.name].partition(s) for name, edge in resolved.items()},
            relations=dict.fromkeys(STEPS, "like"),
        )
        rows |= {row["id"]: row for row in part.to_pylist()}
    for i, (step_number, first) in enumerate(fates):
        row, end = rows[ids[i]], end_of_chain(fates, i) if first is not None else None
        assert row["stage"] == (STEPS[step_number] if step_number < KEPT else None)
        assert row["duplicate_of"] == (ids[end] if end is not None else None)
        assert row["detail"] == (f"like {ids[first]}" if first is not None and end != first else None)


def table(schema: pa.Schema, rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema=schema)
