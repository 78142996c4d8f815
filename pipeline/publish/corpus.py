"""The folder that people get: data, ledger, statistics, card and report."""

import json
from collections.abc import Iterator, Mapping

from pipeline.publish import samples, stats
from pipeline.publish.card import render_card
from pipeline.publish.columns import DATA_COLUMNS
from pipeline.publish.report.render import render_report
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output


@stage(version=3, libraries=("jinja2",), outputs={})
def corpus(
    data: list[Shard],
    ledgers: list[Shard],
    pages: list[Shard],
    sidecars: Mapping[str, list[Shard]],
    selections: Mapping[str, list[Shard]],
    alarms: Mapping[str, list[Shard]],
    *,
    relations: dict[str, str],
    title: str = "Corpus",
    language: str = "",
    region: str = "DE",
    recipe: str = "{}",
) -> Iterator[Output]:
    """The folder people get: data and ledger (linked, not copied), `stats.json`, `README.md`, `report.html`.

    `sidecars` measured the documents, `selections` dropped documents in their order, `alarms` are the steps that report
    clusters too large to pass unseen.

    Args:
        relations: What a duplicate has in common with the document it duplicates, in words, by selection.
        title: What the card calls the corpus.
        language: Its language, ISO 639-1, else 639-3.
        region: As for `data`, for the samples of dropped pages in the report.
        recipe: JSON with "rules" (objects in the recipe's order) and "steps" (name: key); other values are printed too.
    """
    for i, shard in enumerate(data):
        yield Output.copy(f"data/train-{i:05d}-of-{len(data):05d}.parquet", shard)
    for i, shard in enumerate(ledgers):
        yield Output.copy(f"ledger/ledger-{i:05d}.parquet", shard)
    counts = stats.count(data, ledgers, pages, sidecars, selections, alarms, relations, json.loads(recipe))
    excerpts = {
        "kept": samples.sample_kept_documents(data),
        "dropped": samples.sample_dropped_records(ledgers, pages, region),
        "hits": samples.highest_contamination(sidecars.get("contamination"), ledgers),
    }
    size = sum(shard.store.size(shard.shard("part")) for shard in data if shard.store)
    yield Output.file("stats.json", json.dumps(counts, indent=1, ensure_ascii=False).encode() + b"\n")
    yield Output.file("README.md", render_card(counts, DATA_COLUMNS, title, language, size).encode())
    yield Output.file("report.html", render_report(counts, excerpts, title, language).encode())
