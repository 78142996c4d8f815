"""Benchmark items that were found in a corpus, counted from every hit: a document counts for each benchmark it has."""

from collections import Counter, defaultdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.store.shard import Shard


def leaks(contamination: list[Shard], ledgers: list[Shard]) -> dict[str, Any]:
    """For `stats.json`. "contamination": a row a benchmark: documents with any of its items, how many of these were
    kept, the highest score, items found. "contaminated": documents and kept ones with an item of any benchmark. Nothing
    where `contamination` has no shards: the step did not run."""
    counts: dict[str, Counter[str]] = {"documents": Counter(), "kept": Counter()}
    whole, items = Counter(documents=0, kept=0), set[tuple[str, ...]]()
    highest: dict[str, float] = defaultdict(float)
    for part, ledger in zip(contamination, ledgers if contamination else [], strict=True):
        hits = part.table(["id", "benchmark", "item", "score"], name="hits")
        kept = ledger.table(["id"], name="kept")["id"].combine_chunks()
        for name, table in (("documents", hits), ("kept", hits.filter(pc.is_in(hits["id"], value_set=kept)))):
            whole[name] += len(table["id"].unique())
            counts[name].update(benchmark for _, benchmark in _distinct(table, "id", "benchmark"))
        items |= _distinct(hits, "benchmark", "item")
        for row in hits.group_by("benchmark").aggregate([("score", "max")]).to_pylist():
            highest[row["benchmark"]] = max(highest[row["benchmark"]], row["score_max"])
    found = Counter(benchmark for benchmark, _ in items)
    said = [
        {"benchmark": n, **{k: counts[k][n] for k in counts}, "highest": highest[n], "items": found[n]}
        for n in sorted(found)
    ]
    return {"contamination": said, "contaminated": dict(whole)}


def _distinct(table: pa.Table, *columns: str) -> set[tuple[str, ...]]:
    return {tuple(row.values()) for row in table.select(columns).group_by(columns).aggregate([]).to_pylist()}
