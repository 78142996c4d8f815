"""Samples of what was kept and what was dropped: the same rows on every run, with personal data masked."""

import heapq
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from filters.pii import mask as pii
from pipeline.publish.statistics.stats import urls_of
from pipeline.store.shard import Shard

MAX_SHARDS = 8  # shards that are looked into, evenly spread: reading the texts of a whole crawl would take hours
MAX_RECORDS = 20_000  # records of one shard, stage and rule among which samples are drawn
EXCERPT_CHARACTERS = 300
_MASKED_CHARACTERS = 4096  # of a text that are masked: an excerpt and its tags come from far fewer
_BATCH_ROWS = 1024
_SEED = 1

Candidate = tuple[int, int, dict[str, Any]]  # rank, shard, ledger row


def sample_rank(id_: str) -> int:
    """Return the position of a document in the order in which samples are drawn.

    It is a hash of the id alone, so a sample does not depend on how documents are distributed over shards.
    """
    return xxhash.xxh3_64_intdigest(id_.encode(), seed=_SEED)


def sample_dropped_records(
    ledgers: list[Shard], pages: list[Shard], region: str, per_reason: int = 3
) -> dict[tuple[str, str], list[dict]]:
    """Return up to `per_reason` dropped records by stage and rule.

    Each is a row of the ledger, with `title` and `excerpt` if it had text. `region` is the ISO 3166-1 country whose
    phone numbers are masked if the host's top-level domain names none.
    """
    drawn: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
    for shard in _spread_evenly(len(ledgers)):
        ledger = ledgers[shard].table()
        dropped = ledger.filter(pc.equal(ledger["verdict"], "dropped"))
        reasons = dropped.select(["stage", "rule"]).group_by(["stage", "rule"]).aggregate([])
        for stage, rule in zip(reasons["stage"].to_pylist(), reasons["rule"].to_pylist(), strict=True):
            same_reason = pc.and_(pc.equal(dropped["stage"], stage), pc.equal(dropped["rule"], rule))
            records = dropped.filter(same_reason).slice(0, MAX_RECORDS)
            first = _first_by_rank(records["id"].to_pylist(), per_reason)
            rows = records.take(pa.array(first, pa.int64())).to_pylist()
            candidates = [*drawn[stage, rule], *((sample_rank(row["id"]), shard, row) for row in rows)]
            drawn[stage, rule] = heapq.nsmallest(per_reason, candidates, key=lambda c: (c[0], c[1], c[2]["offset"]))
    excerpts = _masked_excerpts([candidate for candidates in drawn.values() for candidate in candidates], pages, region)
    return {
        reason: [{**row, **excerpts.get((shard, row["id"]), {})} for _, shard, row in candidates]
        for reason, candidates in drawn.items()
    }


def sample_kept_documents(data: list[Shard], number: int = 12) -> list[dict[str, Any]]:
    """Return kept documents as they are published: url, language, quality, duplicates, `title` and `excerpt`."""
    drawn: list[tuple[int, int, str]] = []  # rank, shard, id
    for shard in _spread_evenly(len(data)):
        ids = data[shard].table(["id"])["id"].to_pylist()
        candidates = [(sample_rank(ids[row]), shard, ids[row]) for row in _first_by_rank(ids, number)]
        drawn = heapq.nsmallest(number, [*drawn, *candidates])
    columns = ["id", "url", "title", "text", "language", "language_score", "quality", "duplicates", "char_count"]
    documents = {}
    for shard in sorted({shard for _, shard, _ in drawn}):
        wanted = [id_ for _, place, id_ in drawn if place == shard]
        for document in _rows_with_ids(data[shard].batches(columns, rows=_BATCH_ROWS), wanted):
            documents[document["id"]] = {**document, "excerpt": _excerpt(document.pop("text") or "")}
    return [documents[id_] for _, _, id_ in drawn]


def highest_contamination(
    contamination: list[Shard] | None, ledgers: list[Shard], number: int = 12
) -> list[dict[str, Any]]:
    """Return the documents that share most with a benchmark item, the highest score first, with their `url`.

    `contamination` are shards of the decontamination step; None if it did not run.
    """
    highest: list[tuple[float, str, int, dict]] = []  # negative score, id, shard, row
    for shard, part in enumerate(contamination or []):
        table = part.table()
        rows = table.filter(pc.is_valid(table["benchmark"])).to_pylist()
        candidates = [(-row["contamination"], row["id"], shard, row) for row in rows]
        highest = heapq.nsmallest(number, [*highest, *candidates])
    urls = urls_of([id_ for _, id_, _, _ in highest], ledgers) if highest else {}
    return [{**row, "url": urls.get(row["id"])} for _, _, _, row in highest]


def _spread_evenly(count: int) -> list[int]:
    """Return the indices of at most `MAX_SHARDS` of `count` shards."""
    chosen = min(MAX_SHARDS, count)
    return sorted({k * count // chosen for k in range(chosen)})


def _first_by_rank(ids: list[str], number: int) -> list[int]:
    """Return the positions of the `number` ids that are drawn first."""
    return np.argsort(np.fromiter(map(sample_rank, ids), np.uint64, len(ids)), kind="stable")[:number].tolist()


def _masked_excerpts(
    candidates: list[Candidate], pages: list[Shard], region: str
) -> dict[tuple[int, str], dict[str, str]]:
    """Return `title` and `excerpt` by shard and id, masked: a report must not show what the corpus hides."""
    wanted = defaultdict(list)
    for _, shard, row in candidates:
        wanted[shard].append(row["id"])
    excerpts = {}
    for shard, ids in sorted(wanted.items()):
        for page in _rows_with_ids(pages[shard].batches(["id", "host", "title", "text"], rows=_BATCH_ROWS), ids):
            country = pii.region_of(page["host"], region)
            title, _ = pii.mask((page["title"] or "")[:_MASKED_CHARACTERS], region=country)
            text, _ = pii.mask(page["text"][:_MASKED_CHARACTERS], region=country)
            excerpts[shard, page["id"]] = {"title": title, "excerpt": _excerpt(text)}
    return excerpts


def _excerpt(text: str) -> str:
    return text if len(text) <= EXCERPT_CHARACTERS else f"{text[:EXCERPT_CHARACTERS]}…"


def _rows_with_ids(batches: Iterable[pa.RecordBatch], ids: list[str]) -> Iterable[dict[str, Any]]:
    for batch in batches:
        yield from batch.filter(pc.is_in(batch["id"], value_set=pa.array(ids, pa.string()))).to_pylist()
