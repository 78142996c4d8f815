"""The folder that people get: data, ledger, statistics, card and report."""

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow.parquet as pq

from pipeline.publish import samples
from pipeline.publish.card import render_card
from pipeline.publish.columns import DATA_COLUMNS
from pipeline.publish.report.render import render_report
from pipeline.publish.statistics import stats
from pipeline.publish.statistics.alarms import SOURCES_FILE, AlarmBounds
from pipeline.publish.statistics.sources import count_sources, sources_table
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output


@stage(version=4, libraries=("jinja2", "pyarrow"), outputs={}, published=True)
def corpus(
    data: list[Shard],
    ledgers: list[Shard],
    pages: list[Shard],
    sidecars: Mapping[str, list[Shard]],
    selections: Mapping[str, list[Shard]],
    alarms: Mapping[str, list[Shard]],
    extracted: list[Shard],
    *,
    relations: dict[str, str],
    title: str = "Corpus",
    language: str = "",
    region: str = "DE",
    recipe: str = "{}",
    bounds: dict[str, Any] | None = None,
) -> Iterator[Output]:
    """The folder people get: data, ledger (both linked), `sources.parquet`, `stats.json`, `README.md`, `report.html`.

    `sidecars` measured the documents, `selections` dropped documents in their order, `alarms` are the steps that report
    clusters too large to pass unseen, `extracted` is the step that read the input files.

    Args:
        relations: What a duplicate has in common with the document it duplicates, in words, by selection.
        title: What the card calls the corpus.
        language: Its language, ISO 639-1, else 639-3.
        region: As for `data`, for the samples of dropped pages in the report.
        recipe: JSON with "rules" (objects in the recipe's order) and "steps" (name: hash of settings); other values are
            printed too.
        bounds: Settings of [alarms] (`pipeline.publish.statistics.alarms.AlarmBounds`).
    """
    for i, shard in enumerate(data):
        yield Output.copy(f"data/train-{i:05d}-of-{len(data):05d}.parquet", shard)
    for i, shard in enumerate(ledgers):
        yield Output.copy(f"ledger/ledger-{i:05d}.parquet", shard)
    sources = sources_table(extracted, ledgers)
    counts = stats.count(
        data,
        ledgers,
        pages,
        sidecars,
        selections,
        alarms,
        count_sources(sources),
        relations,
        json.loads(recipe),
        AlarmBounds(**(bounds or {})),
    )
    excerpts = {
        "kept": samples.sample_kept_documents(data),
        "dropped": samples.sample_dropped_records(ledgers, pages, region),
        "hits": samples.highest_contamination(sidecars.get("contamination"), ledgers),
    }
    size = sum(shard.store.size(shard.shard("part")) for shard in data if shard.store)
    sources_file = io.BytesIO()
    pq.write_table(sources, sources_file, compression="zstd")
    yield Output.file(SOURCES_FILE, sources_file.getvalue())
    yield Output.file("stats.json", json.dumps(counts, indent=1, ensure_ascii=False).encode() + b"\n")
    yield Output.file("README.md", render_card(counts, DATA_COLUMNS, title, language, size).encode())
    yield Output.file("report.html", render_report(counts, excerpts, title, language).encode())
