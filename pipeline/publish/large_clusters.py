"""What deduplication found too large to pass over in silence: giant clusters, components and bands."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pipeline.base.format import counted
from pipeline.store.shard import Shard

# rule -> (level, what `value` and `threshold` say)
_SAID = {
    "large_exact_cluster": ("alarm", "{clusters} of {threshold:,} copies or more, the largest {largest}"),
    "large_near_cluster": (
        "alarm",
        "{clusters} of {threshold:,} near duplicates or more, the largest {largest}",
    ),
    "large_component": (
        "note",
        "{groups} of {threshold:,} documents or more whose bands tie them together (pages of one template?), "
        "the largest {largest}",
    ),
    "full_bands": (
        "alarm",
        "{times} a band led to more kept documents than are compared, so some duplicates of pages of one "
        "template may stay; the most, {largest}",
    ),
    "full_index_bands": (
        "alarm",
        "{documents} of earlier runs not compared, as bands led to more than {threshold:,} of them: some "
        "of their duplicates may stay",
    ),
}


def giants(elections: Mapping[str, list[Shard]]) -> list[dict[str, Any]]:
    """Per step and rule: how many there are, their sum, and the largest with the id of its first document."""
    found = []
    for step, parts in elections.items():
        table = pa.concat_tables([part.table(name="alarms") for part in parts])
        for rule in sorted(set(table["rule"].to_pylist())):
            rows = [row for row in table.to_pylist() if row["rule"] == rule]
            largest = min(rows, key=lambda row: (-row["value"], row["id"] or ""))
            sums = {"count": len(rows), "total": int(sum(row["value"] for row in rows))}
            numbers = {name: int(largest[name]) for name in ("value", "threshold")}
            found.append({"step": step, "rule": rule, **sums, **numbers, "id": largest["id"]})
    return found


def said(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(level, sentence) of each. `url` stands beside `id` where it is known."""
    sentences = []
    for row in found:
        level, text = _SAID[row["rule"]]
        kind = row["step"].removesuffix("_clusters").removesuffix("_candidates")
        largest = f"{row['value']:,} with {row.get('url') or row['id']}"
        counts = {f"{noun}s": counted(row["count"], noun) for noun in ("cluster", "group")}
        counts |= {f"{noun}s": counted(row["total"], noun) for noun in ("time", "document")}
        sentences.append((level, f"{kind}: {text.format(largest=largest, **row, **counts)}."))
    return sentences
