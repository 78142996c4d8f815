"""Groups of duplicates that are too large to go unnoticed: clusters, LSH components and LSH bands."""

from collections.abc import Mapping
from typing import Any

from pipeline.base.format import counted
from pipeline.store.shard import Shard

# rule -> (level, message). {value} is the size of the largest group, {document} the address of its first document.
_MESSAGES = {
    "large_exact_cluster": (
        "alarm",
        "{clusters} of {threshold:,} or more identical documents; the largest has {value:,} ({document})",
    ),
    "large_near_cluster": (
        "alarm",
        "{clusters} of {threshold:,} or more near duplicates; the largest has {value:,} ({document})",
    ),
    "large_component": (
        "note",
        "{groups} of {threshold:,} or more documents connected by LSH bands that they share (often pages of one "
        "template); the largest has {value:,} ({document})",
    ),
    "full_bands": (
        "alarm",
        "{times} an LSH band had more kept documents than are compared, so some near duplicates among pages of one "
        "template may remain; {value:,} of these in the partition that begins with {document}",
    ),
    "full_index_bands": (
        "alarm",
        "{documents} of earlier corpora not compared, because an LSH band had more than {threshold:,} of them; some of "
        "their duplicates may remain",
    ),
}


def find_large_clusters(steps: Mapping[str, list[Shard]]) -> list[dict[str, Any]]:
    """Summarize the alarms of deduplication steps.

    Args:
        steps: Shards of steps by name. Output "alarms" has a row (rule, id, value, threshold) for each group.

    Returns:
        One row for each step and rule: `count` and `total` size of the groups, and the `value`, `threshold` and `id` of
        the largest one. The id is that of its first document, or None.
    """
    summaries = []
    for step, shards in steps.items():
        rows = [row for shard in shards for row in shard.table(name="alarms").to_pylist()]
        for rule in sorted({row["rule"] for row in rows}):
            groups = [row for row in rows if row["rule"] == rule]
            largest = min(groups, key=lambda row: (-row["value"], row["id"] or ""))
            summaries.append(
                {
                    "step": step,
                    "rule": rule,
                    "count": len(groups),
                    "total": int(sum(row["value"] for row in groups)),
                    "value": int(largest["value"]),
                    "threshold": int(largest["threshold"]),
                    "id": largest["id"],
                }
            )
    return summaries


def describe_large_clusters(summaries: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return (level, sentence) for each summary of `find_large_clusters`; an optional `url` is shown instead of `id`.

    A sentence begins with the name of the step without its last word: `near` for `near_clusters`.
    """
    messages = []
    for summary in summaries:
        step = summary["step"].rpartition("_")[0] or summary["step"]
        level, message = _MESSAGES[summary["rule"]]
        count, total = summary["count"], summary["total"]
        sentence = message.format(
            clusters=counted(count, "cluster"),
            groups=counted(count, "group"),
            times=counted(total, "time"),
            documents=counted(total, "document"),
            value=summary["value"],
            threshold=summary["threshold"],
            document=summary.get("url") or summary["id"],
        )
        messages.append((level, f"{step}: {sentence}."))
    return messages
