"""Counts of benchmark items found in a corpus. A document counts once for each benchmark that it has an item of."""

from collections import Counter, defaultdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.store.shard import Shard


def count_contamination(contamination: list[Shard], ledgers: list[Shard]) -> dict[str, Any]:
    """Count benchmark items and the documents that have any.

    Args:
        contamination: Shards of the decontamination step, with one row for each hit; none if the step did not run.
        ledgers: Shards of the ledger, in the same order.

    Returns:
        Two entries of `stats.json`. "contamination" has a row for each benchmark, by name: documents with any of its
        items, how many of these were kept, the highest score, and items found. "contaminated" has the documents, and
        the kept ones, with an item of any benchmark.
    """
    documents: Counter[str] = Counter()  # by benchmark
    kept_documents: Counter[str] = Counter()
    any_benchmark = {"documents": 0, "kept": 0}
    highest: dict[str, float] = defaultdict(float)
    items: set[tuple[str, ...]] = set()  # (benchmark, item)
    for shard, ledger in zip(contamination, ledgers if contamination else [], strict=True):
        hits = shard.table(["id", "benchmark", "item", "score"], name="hits")
        kept_ids = ledger.table(["id"], name="kept")["id"].combine_chunks()
        kept_hits = hits.filter(pc.is_in(hits["id"], value_set=kept_ids))
        any_benchmark["documents"] += len(hits["id"].unique())
        any_benchmark["kept"] += len(kept_hits["id"].unique())
        documents.update(benchmark for _, benchmark in _distinct_rows(hits, "id", "benchmark"))
        kept_documents.update(benchmark for _, benchmark in _distinct_rows(kept_hits, "id", "benchmark"))
        items |= _distinct_rows(hits, "benchmark", "item")
        for row in hits.group_by("benchmark").aggregate([("score", "max")]).to_pylist():
            highest[row["benchmark"]] = max(highest[row["benchmark"]], row["score_max"])
    item_counts = Counter(benchmark for benchmark, _ in items)
    benchmarks = [
        {
            "benchmark": name,
            "documents": documents[name],
            "kept": kept_documents[name],
            "highest": highest[name],
            "items": item_counts[name],
        }
        for name in sorted(item_counts)
    ]
    return {"contamination": benchmarks, "contaminated": any_benchmark}


def _distinct_rows(table: pa.Table, *columns: str) -> set[tuple[str, ...]]:
    return {tuple(row.values()) for row in table.select(columns).group_by(columns).aggregate([]).to_pylist()}
