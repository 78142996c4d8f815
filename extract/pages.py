"""The stage that makes documents: reads a shard of a source, and gives every record a row, page or reject."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

import pyarrow as pa

from extract import engines
from extract.record_to_page import ACCOMPANYING, Ids, Settings, judge
from extract.sources.compression import Lost
from extract.sources.listing import Columns, Row, crawl_of, kind_of, rows
from extract.sources.warc import Record, records
from extract.watchdog import Guilty, Limits, guarded
from pipeline.base.errors import UserError
from pipeline.base.schema import PAGE_COLUMNS, PAGES, REJECTS
from pipeline.config.values import Range
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

# Records that only accompany pages, and how many pages and rejects there were: the shard's statistics.
RECORDS = pa.schema([("source", pa.string()), ("type", pa.string()), ("records", pa.int64())])
_ROWS, _TEXT = 2048, 32 << 20  # a table is yielded at so many rows or characters: never by time, so bytes are the same


@stage(
    version=7,
    libraries=(*engines.LIBRARIES, "isal", "brotli", "lz4", "backports.zstd", "pyarrow"),
    outputs={"part": PAGES, "rejects": REJECTS, "records": RECORDS},
    columns=PAGE_COLUMNS,
)
def pages(
    source: Shard | list[Shard],
    *,
    language: str = "any",
    engine: Literal["blocks", "trafilatura", "resiliparse"] = "blocks",
    favour: Literal["default", "precision", "recall", "fast"] = "default",
    format: Literal["text", "markdown"] = "text",
    dump: str | None = None,
    prefilter_threshold: Annotated[float, Range(0, 1)] = 0.05,
    timeout: Annotated[float, Range(0.1)] = 30.0,
    memory: Annotated[int, Range(300_000_000)] = 1_200_000_000,
    max_html_bytes: Annotated[int, Range(1)] = 10_000_000,
    max_undecodable: Annotated[float, Range(0, 1)] = 0.05,
    keep_truncated: bool = False,
    text_column: str = "text",
    url_column: str = "url",
    id_column: str = "id",
    date_column: str = "date",
) -> Iterator[pa.Table | Output]:
    """Every record of a shard as a row of PAGES, or of REJECTS with the reason; the others are counted.

    `source`: a table of one row a piece of a file: `path` (absolute, a URI, or a raw file of the part), `name` (what
    rows call it), `start`, `end` (bytes; null: to the end), `copy` (see `extract.sources.listing.list_chunks`). WARC,
    ARC, WET,
    Parquet and JSON lines.
    `language`: ISO 639-1 (else 639-3) of the pages wanted, "any" for all: others go before extraction where their
    tag-stripped bytes have a probability of it below `prefilter_threshold`. `engine`, `favour`: how text is found,
    `format`: how headings, lists, tables and code are written (formulas are TeX in both).
    `dump`: the crawl's name where neither file name nor warcinfo tells. `timeout`: seconds a page may take, `memory`:
    bytes of RSS of the extracting child; what passes them is killed and rejected. `max_html_bytes`: of a page,
    `max_undecodable`: share of its characters that may be undecodable, `keep_truncated`: use pages that were cut.
    `*_column`: where tables keep what ("metadata.url" looks into a struct); their text is taken as it is.
    """
    settings = Settings(
        language, engine, favour, format, dump, prefilter_threshold, max_html_bytes, max_undecodable, keep_truncated
    )
    columns = Columns(text_column, url_column, id_column, date_column)
    for place in places(source):
        task = {"place": place, "settings": settings, "columns": columns}
        yield from tables(place["name"], guarded("extract.pages:work", task, Limits(timeout, memory)))


def places(source: Shard | list[Shard]) -> Iterator[dict[str, Any]]:
    """The rows of the source: {path, name, start, end}."""
    for part in source if isinstance(source, list) else [source]:
        for row in part.table().to_pylist():
            path = row["path"]
            yield {
                "path": path if "://" in path or os.path.isabs(path) else str(part.file(path)),
                "name": row["name"],
                "start": row.get("start") or 0,
                "end": row.get("end"),
                "copy": row.get("copy") or 0,
            }


def tables(source: str, results: Iterator[tuple[str, Any]]) -> Iterator[pa.Table | Output]:
    """Rows gathered into tables of a bounded size, pages and rejects each in their order, then the counts."""
    schemas = {"part": PAGES, "rejects": REJECTS}
    held: dict[str, list[dict]] = {name: [] for name in schemas}
    text = 0
    counts: Counter[str] = Counter()

    def flush(name: str) -> Iterator[pa.Table | Output]:
        table = pa.Table.from_pylist(held[name], schemas[name])
        held[name] = []
        yield table if name == "part" else Output(table, name=name)

    for name, row in results:
        counts[name if name in schemas else row] += 1
        if name not in schemas:
            continue
        held[name].append(row)
        text += len(row["text"]) if name == "part" else 0
        if len(held[name]) >= _ROWS or text >= _TEXT:
            yield from flush(name)
            text = 0 if name == "part" else text
    for name in schemas:
        yield from flush(name)
    types = {"part": "(pages)", "rejects": "(rejects)"}
    said = [{"source": source, "type": types.get(k, k), "records": counts[k]} for k in sorted(counts)]
    yield Output(pa.Table.from_pylist(said, RECORDS), name="records")


def work(task: Any, first: int, guilty: Guilty, begin: Callable[[int], None]) -> Iterator[tuple[int, tuple[str, Any]]]:
    """What the watchdog's child does: every record of a piece of a file, in order (see extract.watchdog.Work)."""
    place, settings = task["place"], task["settings"]
    kind = kind_of(place["name"])
    settings = dump_of(place, settings, kind)
    warm(settings, kind)
    ids = Ids(place.get("copy", 0))
    for number, event in enumerate(events(place, kind, task["columns"])):
        if isinstance(event, Record) and event.type in ACCOMPANYING:
            if number >= first:
                yield number, ("other", event.type)
            continue
        identity = ids.of(event)
        if number >= first:
            yield number, judge(event, identity, settings, guilty.get(number), partial(begin, number))


def events(place: dict[str, Any], kind: str, columns: Columns) -> Iterator[Record | Row | Lost]:
    """Records of a piece of a file, whatever kind it is."""
    path, name, start, end = place["path"], place["name"], place["start"], place["end"]
    return records(path, start, end, name) if kind == "warc" else rows(path, name, start, end, columns)


def dump_of(place: dict[str, Any], settings: Settings, kind: str) -> Settings:
    """The crawl that the file is of: as its warcinfo says (`isPartOf`), else its name, else the setting."""
    said = ""
    if kind == "warc":
        head = next(records(place["path"], source=place["name"]), None)
        if isinstance(head, Record) and head.type == "warcinfo":
            fields = dict(line.partition(":")[::2] for line in head.content.decode("utf-8", "replace").split("\n"))
            lower = {name.strip().lower(): value.strip() for name, value in fields.items()}
            said = lower.get("ispartof", "") or crawl_of(head.headers.get("warc-filename", "")) or ""
    return replace(settings, dump=said or crawl_of(place["name"]) or settings.dump)


def warm(settings: Settings, kind: str) -> None:
    """Load what the first page would wait for."""
    if kind != "warc":
        return
    engines.warm(settings.engine, settings.favour, settings.format == "markdown")
    if settings.language != "any":
        from extract.langid.prefilter import prefilter

        prefilter("<p>" + "Ein Satz, der lang genug ist. " * 20, settings.language, settings.prefilter_threshold)


def check_engine(name: str) -> None:
    """Raises UserError for an engine that there is not."""
    if name not in engines.ENGINES:
        raise UserError(f"no engine {name!r}; there are {', '.join(sorted(engines.ENGINES))}")
