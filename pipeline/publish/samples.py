"""A seeded look at what was kept and what was dropped: the same rows on every run, personal data masked."""

import heapq
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from filters.pii import mask as pii
from pipeline.publish.stats import urls_of
from pipeline.store.shard import Shard

SHARDS = 8  # looked into at most, evenly spread: reading texts of a whole crawl for a report would take hours
CHARACTERS = 300

Picked = tuple[int, int, dict[str, Any]]  # rank, shard, ledger row


def rank(id_: str) -> int:
    """The order in which samples are drawn: of the id alone, so it never depends on where a row stands."""
    return xxhash.xxh3_64_intdigest(id_.encode(), seed=1)


def dropped(ledgers: list[Shard], pages: list[Shard], region: str, each: int = 3) -> dict[tuple[str, str], list[dict]]:
    """Up to `each` dropped records per stage and rule: ledger rows, with `title` and `excerpt` where there is text."""
    chosen: dict[tuple[str, str], list[Picked]] = defaultdict(list)
    for i in _spread(len(ledgers)):
        table = ledgers[i].table()
        table = table.filter(pc.equal(table["verdict"], "dropped"))
        reasons = table.select(["stage", "rule"]).group_by(["stage", "rule"]).aggregate([])
        for reason in reasons.to_pylist():
            same = pc.and_(pc.equal(table["stage"], reason["stage"]), pc.equal(table["rule"], reason["rule"]))
            rows = table.filter(same).slice(0, 20_000)
            best = _first(rows["id"].to_pylist(), each)
            picked = [(rank(rows["id"][k].as_py()), i, rows.slice(k, 1).to_pylist()[0]) for k in best]
            key = (reason["stage"], reason["rule"])
            chosen[key] = heapq.nsmallest(each, [*chosen[key], *picked], key=lambda p: (p[0], p[1], p[2]["offset"]))
    texts = _texts([p for picks in chosen.values() for p in picks], pages, region)
    return {key: [{**row, **texts.get((i, row["id"]), {})} for _, i, row in picks] for key, picks in chosen.items()}


def kept(data: list[Shard], number: int = 12) -> list[dict[str, Any]]:
    """Kept documents as they are published: url, language, quality, duplicates, `title` and `excerpt`."""
    best: list[tuple[int, int, str]] = []
    for i in _spread(len(data)):
        ids = data[i].table(["id"])["id"].to_pylist()
        best = heapq.nsmallest(number, [*best, *((rank(ids[k]), i, ids[k]) for k in _first(ids, number))])
    columns = ["id", "url", "title", "text", "language", "language_score", "quality", "duplicates", "char_count"]
    found = {}
    for i in sorted({i for _, i, _ in best}):
        for row in _where(data[i].batches(columns, rows=1024), [id_ for _, j, id_ in best if j == i]):
            found[row["id"]] = {**row, "excerpt": _excerpt(row.pop("text") or "")}
    return [found[id_] for _, _, id_ in best]


def hits(contamination: list[Shard] | None, ledgers: list[Shard], number: int = 12) -> list[dict[str, Any]]:
    """The documents that share most with a benchmark item."""
    best: list[tuple[float, str, int, dict]] = []
    for i, part in enumerate(contamination or []):
        table = part.table()
        rows = table.filter(pc.is_valid(table["benchmark"])).to_pylist()
        best = heapq.nsmallest(number, [*best, *((-row["contamination"], row["id"], i, row) for row in rows)])
    urls = urls_of([id_ for _, id_, _, _ in best], ledgers) if best else {}
    return [{**row, "url": urls.get(row["id"])} for _, _, _, row in best]


def _spread(shards: int) -> list[int]:
    return sorted({k * shards // min(SHARDS, shards) for k in range(min(SHARDS, shards))}) if shards else []


def _first(ids: list[str], number: int) -> list[int]:
    return np.argsort(np.fromiter(map(rank, ids), np.uint64, len(ids)), kind="stable")[:number].tolist()


def _texts(picked: list[Picked], pages: list[Shard], region: str) -> dict[tuple[int, str], dict[str, str]]:
    """Titles and excerpts, masked: a report must not hold what the corpus hides."""
    wanted = defaultdict(list)
    for _, i, row in picked:
        wanted[i].append(row["id"])
    found = {}
    for i, ids in sorted(wanted.items()):
        for row in _where(pages[i].batches(["id", "host", "title", "text"], rows=1024), ids):
            where = pii.region_of(row["host"], region)
            title, text = (pii.mask(value or "", region=where)[0] for value in (row["title"], row["text"][:4096]))
            found[i, row["id"]] = {"title": title, "excerpt": _excerpt(text)}
    return found


def _excerpt(text: str) -> str:
    return text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]}…"


def _where(batches: Iterable[pa.RecordBatch], ids: list[str]) -> Iterable[dict[str, Any]]:
    for batch in batches:
        yield from batch.filter(pc.is_in(batch["id"], value_set=pa.array(ids, pa.string()))).to_pylist()
