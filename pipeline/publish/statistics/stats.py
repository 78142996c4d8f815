"""What a corpus adds up to: counted shard by shard from ledgers and sidecars, never from texts."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.passages.text_spans import removed_passages
from pipeline.publish.statistics.alarms import AlarmBounds, find_alarms, find_violations
from pipeline.publish.statistics.contamination_counts import count_contamination
from pipeline.publish.statistics.large_clusters import find_large_clusters
from pipeline.store.shard import Shard

HOSTS = 1_000_000  # distinct hosts held; beyond, the rarest are let go, and counts of the top stay right but for those
_AT_ONCE = 1 << 26  # ids compared at once: half a GB
_BINS = 1000  # of quality, so deciles are right to 0.001
# Before documents, records fall at these places, in this order; stages that are not named here come last.
_BEFORE = ("source", "http", "decode", "prefilter", "language", "extract")


def count(
    data: list[Shard],
    ledgers: list[Shard],
    pages: list[Shard],
    sidecars: Mapping[str, list[Shard]],
    selections: Mapping[str, list[Shard]],
    alarmed: Mapping[str, list[Shard]],
    sources: dict[str, Any],
    relations: Mapping[str, str],
    recipe: dict[str, Any],
    bounds: AlarmBounds,
) -> dict[str, Any]:
    """Return all that `stats.json`, the card and the report show.

    Selections are in the order in which they drop documents; those in `relations` drop duplicates. `alarmed`: steps
    that report large clusters. `sources`: counts of the input files (`pipeline.publish.statistics.sources`). `recipe`:
    "rules" (in order) and "steps" (name: hash). `bounds`: what the recipe allows.
    """
    totals = _totals(data)
    rules = _rules(selections, recipe)
    stats: dict[str, Any] = {
        "records": sum(shard.rows() for shard in ledgers),
        "documents": sum(shard.rows() for shard in pages),
        "kept": {n: totals[n] for n in ("documents", "characters", "words", "text_bytes", "mended")},
        "shared_ids": _shared_ids(data),
        "files": len(data),
        "sources": sources,
        "funnel": _funnel(ledgers, pages, [rule["rule"] for rule in rules], list(selections), relations),
        "rules": rules,
        "dumps": _dumps(pages, data),
        "languages": _languages(sidecars["languages"], data),
        "hosts": _hosts(data),
        "lengths": _lengths(data),
        "quality": _quality(data),
        **count_contamination(sidecars.get("contamination", []), ledgers),
        "pii": {n.removeprefix("pii_"): totals[n] for n in sorted(totals) if n.startswith("pii_")},
        "duplicates": _named(dict(_duplicates(selections, relations)), ledgers),
        "giants": _giants(alarmed, ledgers),
        "cuts": {
            name: _cuts(shards, ledgers) for name, shards in selections.items() if shards and shards[0].has("removed")
        },
        "recipe": recipe,
    }
    if stats["kept"]["documents"] != stats["funnel"][-1]["left"]:
        raise AssertionError(f"published {stats['kept']['documents']} documents, ledger: {stats['funnel'][-1]}")
    alarms = find_alarms(stats, bounds)
    return {**stats, "alarms": alarms, "violations": find_violations(stats, alarms, bounds)}


def _giants(alarmed: Mapping[str, list[Shard]], ledgers: list[Shard]) -> list[dict[str, Any]]:
    entries = find_large_clusters(alarmed)
    urls = urls_of([row["id"] for row in entries], ledgers) if entries else {}
    return [{**row, "url": urls.get(row["id"])} for row in entries]


def _totals(data: list[Shard]) -> Counter:
    totals: Counter = Counter()
    for part in data:
        for row in part.table(name="totals").to_pylist():
            totals[row["name"]] += row["value"]
    return totals


def _shared_ids(data: list[Shard]) -> int:
    """Published documents whose id another has: tables may bring ids of their own. Ids are looked at in turns of about
    `_AT_ONCE`, 8 bytes each, so that a corpus of any size fits."""
    turns = 1 + sum(part.rows() for part in data) // _AT_ONCE
    entries = 0
    for turn in range(turns):
        ids = [short[short % turns == turn] for short in _short_ids(data)]
        _, sizes = np.unique(np.concatenate([np.zeros(0, np.uint64), *ids]), return_counts=True)
        entries += int(sizes[sizes > 1].sum())
    return entries


def _short_ids(data: list[Shard]) -> Iterator[np.ndarray]:
    for part in data:
        for batch in part.batches(["id"], rows=1 << 16):
            low, high = np.frombuffer(bytes.fromhex("".join(batch["id"].to_pylist())), ">u8").reshape(-1, 2).T
            yield low ^ high * np.uint64(0x9E3779B97F4A7C15)  # ids may be counters: either half may be constant


def _counted(parts: Iterable[Shard], column: str, name: str = "part") -> Counter:
    entries: Counter = Counter()
    for part in parts:
        for batch in part.batches([column], name=name, rows=1 << 16):
            entries.update({e["values"]: e["counts"] for e in batch[column].value_counts().to_pylist()})
    return entries


def _funnel(
    ledgers: list[Shard], pages: list[Shard], rules: list[str], selections: list[str], relations: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Records in, what each stage and rule dropped, how many were left after it; the last row is what was kept."""
    dropped: Counter = Counter()
    records = 0
    for part in ledgers:
        table = part.table(["stage", "rule", "verdict"])
        records += table.num_rows
        gone = table.filter(pc.equal(table["verdict"], "dropped"))
        gone = gone.group_by(["stage", "rule"]).aggregate([([], "count_all")])
        dropped.update({(r["stage"], r["rule"]): r["count_all"] for r in gone.to_pylist()})
    rejecting = {stage for stage, n in _counted(pages, "stage", "rejects").items() if n}
    rows: list[dict[str, Any]] = [{"what": "records", "stage": None, "rule": None, "dropped": 0, "left": records}]
    for (stage, rule), n in sorted(dropped.items(), key=lambda item: _place(item, rejecting, rules, selections)):
        what = "no document" if stage in rejecting else "duplicate" if stage in selections else "rule"
        rows.append({"what": what, "stage": stage, "rule": rule, "dropped": n, "left": rows[-1]["left"] - n})
    return [*rows, {"what": "kept", "stage": None, "rule": None, "dropped": 0, "left": rows[-1]["left"]}]


def _place(item: tuple[tuple[str, str], int], rejecting: set[str], rules: list[str], selections: list[str]) -> tuple:
    """Where in the funnel a reason stands: rejects, then rules in the recipe's order, then deduplication."""
    (stage, rule), dropped = item
    if stage in rejecting:
        return (0, _BEFORE.index(stage) if stage in _BEFORE else len(_BEFORE), stage, -dropped, rule)
    if stage in selections:
        return (2, selections.index(stage), stage, 0, rule)
    return (1, rules.index(rule) if rule in rules else len(rules), stage, 0, rule)


def _rules(selections: Mapping[str, list[Shard]], recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """Per rule: documents that fail it, that fail nothing else, and that it was the (first) reason to drop."""
    fails, alone, first = Counter(), Counter(), Counter()  # type: ignore[var-annotated]
    for shard in (shard for shards in selections.values() for shard in shards if shard.has("failed")):
        first.update(_values(shard.table(["rule"])["rule"]))
        failed = shard.table(["failed"], name="failed")["failed"]
        fails.update(_values(pc.list_flatten(failed)))
        only = failed.filter(pc.equal(pc.list_value_length(failed), 1).fill_null(False))
        alone.update(_values(pc.list_flatten(only)))
    named = {rule["name"]: rule for rule in recipe.get("rules", [])}
    order = [*named, *sorted((fails.keys() | first.keys()) - named.keys() - {None})]
    bounds = {name: {k: v for k, v in rule.items() if k not in ("name", "why")} for name, rule in named.items()}
    return [{"rule": n, **bounds.get(n, {}), "fails": fails[n], "alone": alone[n], "dropped": first[n]} for n in order]


def _values(column: pa.ChunkedArray) -> dict[str, int]:
    return {e["values"]: e["counts"] for e in column.value_counts().to_pylist()}


def _dumps(pages: list[Shard], data: list[Shard]) -> dict[str, dict[str, int]]:
    documents, kept = _counted(pages, "dump"), _counted(data, "dump")
    return {name or "": {"documents": documents[name], "kept": kept[name]} for name in sorted(documents, key=str)}


def _languages(languages: list[Shard], data: list[Shard]) -> dict[str, dict[str, int]]:
    """Kept and dropped documents by the language that was identified, the commonest first."""
    entries, kept = _counted(languages, "language"), _counted(data, "language")
    order = sorted(entries, key=lambda name: (-entries[name], str(name)))
    return {name or "unknown": {"kept": kept[name], "dropped": entries[name] - kept[name]} for name in order}


def _hosts(data: list[Shard]) -> dict[str, Any]:
    hosts: Counter = Counter()
    for part in data:
        hosts.update(_counted([part], "host"))
        if len(hosts) > HOSTS:
            hosts = Counter(dict(_top(hosts, HOSTS)))
    return {"distinct": len(hosts), "top": [{"host": host, "documents": n} for host, n in _top(hosts, 20)]}


def _top(counts: Counter, n: int) -> list[tuple[str, int]]:
    return heapq.nsmallest(n, counts.items(), key=lambda item: (-item[1], str(item[0])))


def _lengths(data: list[Shard]) -> list[dict[str, int]]:
    """Kept documents by length in characters, in powers of two."""
    bins = np.zeros(64, np.int64)
    for part in data:
        for batch in part.batches(["char_count"], rows=1 << 16):
            length = np.maximum(batch["char_count"].to_numpy(), 1)
            bins += np.bincount(np.frexp(length.astype(np.float64))[1] - 1, minlength=64)
    used = np.flatnonzero(bins)
    span = range(used[0], used[-1] + 1) if len(used) else ()
    return [{"from": 1 << k, "below": 1 << (k + 1), "documents": int(bins[k])} for k in span]


def _quality(data: list[Shard]) -> dict[str, Any] | None:
    """Deciles of the classifier's probability over kept documents; None where no classifier ran."""
    bins = np.zeros(_BINS, np.int64)
    for part in data:
        for batch in part.batches(["quality"], rows=1 << 16):
            values = batch["quality"].drop_null().to_numpy(zero_copy_only=False)
            bins += np.bincount(np.clip(values * _BINS, 0, _BINS - 1).astype(np.int64), minlength=_BINS)
    if not bins.sum():
        return None
    edges = np.searchsorted(np.cumsum(bins), np.arange(1, 10) / 10 * bins.sum())
    return {"documents": int(bins.sum()), "deciles": [round((int(e) + 0.5) / _BINS, 4) for e in edges]}


def _cuts(selection: list[Shard], ledgers: list[Shard]) -> dict[str, int]:
    """Documents that a passage step dropped; the published ones that it removed passages from, and how much."""
    counts = {"dropped": 0, "documents": 0, "characters": 0}
    for shard, ledger in zip(selection, ledgers, strict=True):
        counts["dropped"] += pc.sum(pc.is_valid(shard.table(["rule"])["rule"]), min_count=0).as_py()
        published = removed_passages(shard)["removed_chars"].take(ledger.table(["row"], name="kept")["row"])
        counts["documents"] += pc.sum(pc.greater(published, 0), min_count=0).as_py()
        counts["characters"] += pc.sum(published, min_count=0).as_py()
    return counts


def _duplicates(
    selections: Mapping[str, list[Shard]], relations: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Per selection that drops duplicates: documents dropped, clusters they belong to, and the ten largest.

    Sizes count what members represented before: a document whose size did not grow heads no cluster of this step.
    "withdrawn" counts the drops for documents of earlier runs that were withdrawn since.
    """
    before: list[Shard] = []
    for name, shards in selections.items():
        if name in relations:
            dropped, withdrawn, clusters = 0, 0, 0
            largest: list[tuple[int, str]] = []
            for shard, earlier in zip(shards, before, strict=True):
                table = shard.table(["id", "rule", "duplicate_of", "cluster", "cluster_size"])
                dropped += table.num_rows - table["rule"].null_count
                withdrawn += pc.sum(pc.equal(table["rule"], "withdrawn"), min_count=0).as_py() or 0
                represented = earlier.table(["cluster_size"])["cluster_size"].fill_null(1)
                grown = pc.greater(table["cluster_size"], represented).fill_null(False)
                heads = table.filter(pc.and_(pc.is_null(table["duplicate_of"]), grown))
                clusters += heads.num_rows
                sizes = zip(heads["cluster_size"].to_pylist(), heads["id"].to_pylist(), strict=True)
                largest = heapq.nsmallest(10, [*largest, *((-size, id_) for size, id_ in sizes)])
            known = {"withdrawn": withdrawn} if name == "index" else {}
            heads_ = [{"id": id_, "size": -size} for size, id_ in largest]
            yield name, {"dropped": dropped, **known, "clusters": clusters, "largest": heads_}
        before = shards


def _named(steps: dict[str, dict[str, Any]], ledgers: list[Shard]) -> dict[str, dict[str, Any]]:
    """Clusters with the URLs of the documents that stay and of some members: looked up for all steps at once."""
    heads = [head for clusters in steps.values() for head in clusters["largest"]]
    ids = [head["id"] for head in heads]
    urls, members = (urls_of(ids, ledgers), _members(ids, ledgers)) if ids else ({}, {})
    for head in heads:
        head |= {"url": urls.get(head["id"]), "members": members.get(head["id"], [])}
    return steps


def urls_of(ids: list[str], ledgers: list[Shard]) -> dict[str, str]:
    entries: dict[str, str] = {}
    for part in ledgers:
        table = part.table(["id", "url"])
        mine = table.filter(pc.is_in(table["id"], value_set=pa.array(ids, pa.string())))
        entries.update(zip(mine["id"].to_pylist(), mine["url"].to_pylist(), strict=True))
    return entries


def _members(ids: list[str], ledgers: list[Shard], most: int = 3) -> dict[str, list[str]]:
    entries: dict[str, list[str]] = defaultdict(list)
    for part in ledgers:
        table = part.table(["url", "duplicate_of"])
        for row in table.filter(pc.is_in(table["duplicate_of"], value_set=pa.array(ids, pa.string()))).to_pylist():
            if len(entries[row["duplicate_of"]]) < most:
                entries[row["duplicate_of"]].append(row["url"])
    return dict(entries)
