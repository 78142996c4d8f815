"""The stage that makes documents: it reads a shard of a source and gives every record a row, page or reject."""

import functools
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import pyarrow as pa

from extract import engines
from extract.range_counts import LOST_RANGE, RANGES, RangeCounts
from extract.record_ids import RecordIds
from extract.record_to_html import ExtractSettings
from extract.record_to_page import ACCOMPANYING, process_record
from extract.sources.file_identity import FileIdentity, check_unchanged
from extract.sources.listing import find_crawl_name
from extract.sources.record_parser import Record
from extract.sources.registry import Event, SourceFormat, find_format
from extract.watchdog import Limits, run_guarded
from extract.watchdog_child import ItemState, SkippedItems
from pipeline.base.errors import UserError
from pipeline.base.schema import PAGE_COLUMNS, PAGES, REJECTS
from pipeline.base.user_code import UserFunction
from pipeline.config.values import Range
from pipeline.inputs.columns import DEFAULT_COLUMNS, Columns
from pipeline.inputs.compression import KILLED, LostRange, file_size, open_source
from pipeline.inputs.guard import NO_GUARD, ReadGuard
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

# Records that only accompany pages, and how many pages and rejects there were: the shard's statistics.
RECORDS = pa.schema([("source", pa.string()), ("type", pa.string()), ("records", pa.int64())])
# A table is yielded at this size and never after some time, so that the bytes of a shard are always the same.
_MAX_TABLE_ROWS, _MAX_TABLE_CHARACTERS = 2048, 32 << 20


class FileRange(NamedTuple):
    """A range of a file of the source, in bytes. `end` None is the end of the file; `name` is what rows call it."""

    path: str
    name: str
    start: int = 0
    end: int | None = None
    size: int | None = None  # of the file
    identity: FileIdentity | None = None  # what the file must be, before it is read and after that
    dump: str | None = None  # name of the crawl, where nothing in the file says another


@dataclass(frozen=True)
class PagesTask:
    """What the watchdog's child is to do: read a range of a file with these settings."""

    range: FileRange
    settings: ExtractSettings
    columns: Columns = DEFAULT_COLUMNS
    readers: tuple[UserFunction, ...] = ()


@stage(
    version=11,
    libraries=(*engines.LIBRARIES, "isal", "brotli", "lz4", "backports.zstd", "pyarrow"),
    outputs={"part": PAGES, "rejects": REJECTS, "records": RECORDS, "ranges": RANGES},
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
    readers: tuple[UserFunction, ...] = (),
) -> Iterator[pa.Table | Output]:
    """Give every record of a shard a row of PAGES, or of REJECTS with the reason; accompanying records are counted.

    The output "ranges" tells of each range of a file what could be read and what was lost.

    Args:
        source: Table with one row per file, or range of a file: `path` (absolute, a URI, or a raw file of the shard),
            `name` (what rows call it), `start`, `end` (bytes; null: to the end); from input files also `size`,
            `digest`, `stamp`, `dump` (see `extract.sources.listing.list_chunks`). Files are WARC, ARC, WET, Parquet,
            JSON lines, or of `readers`.
        language: Language of the pages that are wanted (ISO 639-1, else 639-3), or "any" for all. HTML pages that
            are probably in another one are rejected before extraction.
        engine: Extraction engine, which finds the text of a page.
        favour: What the engine favours: precision (less boilerplate), recall (more text), fast, or default.
        format: How headings, lists, tables and code are written: plain text or Markdown. Formulas are TeX in both.
        dump: Name of the crawl where neither the file's name nor its warcinfo record has one.
        prefilter_threshold: Probability (0 to 1) of `language` that the visible text of a page must have in some part
            to be extracted.
        timeout: Seconds that a page may take before it is rejected.
        memory: Bytes of RSS that the extracting process may have; a page that exceeds them is rejected.
        max_html_bytes: Size in bytes above which a page is rejected.
        max_undecodable: Share (0 to 1) of undecodable characters above which a page is rejected.
        keep_truncated: Keep pages that the crawler or damage to the file has truncated.
        text_column: Column of a table that has the text, which is taken as it is. "a.b" is a column of that name, or
            field b of column a; where a table has both, quotes decide: '"a.b"' is the column, '"a"."b"' the field.
        url_column: Column of a table that has the address of a document.
        id_column: Column of a table that has the id of a document.
        date_column: Column of a table that has the date of capture.
        readers: Readers of further source formats, functions of a user's file (see `extract.sources.registry`).
    """
    settings = ExtractSettings(
        language, engine, favour, format, dump, prefilter_threshold, max_html_bytes, max_undecodable, keep_truncated
    )
    columns = Columns(text_column, url_column, id_column, date_column)

    def read_files() -> Iterator[tuple[RangeCounts, Iterator[tuple[str, Any]]]]:
        for file_range in file_ranges(source):
            if file_range.identity:
                check_unchanged(file_range.path, file_range.identity)
            task = PagesTask(file_range, settings, columns, readers)
            results = run_guarded(f"{__name__}:work", task, Limits(timeout, memory), file_range.path)
            yield _new_counts(file_range, readers), results
            if file_range.identity:
                check_unchanged(file_range.path, file_range.identity)

    yield from gather_tables(read_files())


def file_ranges(source: Shard | list[Shard]) -> Iterator[FileRange]:
    """The rows of the source table, with raw files of the shard as absolute paths."""
    for shard in [source] if isinstance(source, Shard) else source:
        for row in shard.table().to_pylist():
            path = row["path"]
            path = path if "://" in path or os.path.isabs(path) else str(shard.file(path))
            identity = FileIdentity(row["size"], row["digest"], row["stamp"]) if row.get("stamp") else None
            place = (row.get("start") or 0, row.get("end"), row.get("size"))
            yield FileRange(path, row["name"], *place, identity, row.get("dump"))


def _new_counts(file_range: FileRange, readers: tuple[UserFunction, ...]) -> RangeCounts:
    size = file_range.size
    if size is None:
        with open_source(file_range.path) as file:
            size = file_size(file)
    end = size if file_range.end is None else file_range.end
    source_format = find_format(file_range.name, readers)
    return RangeCounts(file_range.name, source_format.name, end - file_range.start, size)


def gather_tables(
    files: Iterable[tuple[RangeCounts, Iterator[tuple[str, Any]]]],
) -> Iterator[pa.Table | Output]:
    """Gather the rows of files, or ranges of files, one after the other, and yield their counts last.

    Tables have a bounded size and go over the ends of files, pages and rejects each in their order.
    """
    schemas = {"part": PAGES, "rejects": REJECTS}
    rows: dict[str, list[dict]] = {name: [] for name in schemas}
    characters = 0
    totals: list[dict[str, Any]] = []
    ranges: list[pa.Table] = []

    def flush(name: str) -> Iterator[pa.Table | Output]:
        table = pa.Table.from_pylist(rows[name], schemas[name])
        rows[name] = []
        yield table if name == "part" else Output(table, name=name)

    for range_counts, results in files:
        counts: Counter[str] = Counter()
        for name, row in results:
            counts[name if name in schemas else row] += 1
            range_counts.count(name, row)
            if name not in schemas:
                continue
            rows[name].append(row)
            characters += len(row["text"]) if name == "part" else 0
            if len(rows[name]) >= _MAX_TABLE_ROWS or characters >= _MAX_TABLE_CHARACTERS:
                yield from flush(name)
                characters = 0 if name == "part" else characters
        types = {"part": "(pages)", "rejects": "(rejects)"}
        totals += [
            {"source": range_counts.source, "type": types.get(k, k), "records": counts[k]} for k in sorted(counts)
        ]
        ranges.append(range_counts.table())
    for name in schemas:
        yield from flush(name)
    yield Output(pa.Table.from_pylist(totals, RECORDS), name="records")
    yield Output(pa.concat_tables([RANGES.empty_table(), *ranges]), name="ranges")


def work(
    task: PagesTask, first_item: int, skipped_items: SkippedItems, begin: ItemState
) -> Iterator[tuple[int, tuple[str, Any]]]:
    """Process every record of a range of a file, in order, in the watchdog's child (`extract.watchdog_child.Work`)."""
    file_range = task.range
    source_format = find_format(file_range.name, task.readers)
    if source_format.holds_html or source_format.user_function:
        _warm_up(task.settings)
    begin.reading(0)
    killed = begin.killed_at()
    dump = None if killed and not killed.item else _find_dump(file_range, source_format)
    settings = replace(task.settings, dump=dump or task.settings.dump)
    ids = RecordIds()
    for number, event in _numbered_events(task, source_format, begin):
        if isinstance(event, Record) and event.type in ACCOMPANYING:
            if number >= first_item:
                yield number, ("other", event.type)
            begin.reading(number + 1)
            continue
        record_id = ids.assign(event)
        if number >= first_item:
            skip_reason = skipped_items.get(number)
            kind, row = process_record(event, record_id, settings, skip_reason, partial(begin, number))
            yield number, (kind, {**row, LOST_RANGE: event} if isinstance(event, LostRange) else row)
        begin.reading(number + 1)


def _numbered_events(task: PagesTask, source_format: SourceFormat, begin: ItemState) -> Iterator[tuple[int, Event]]:
    """Number what is read of a range. What nothing can be read after is a LostRange up to the end of the range."""
    file_range, killed = task.range, begin.killed_at()
    number, offset = 0, file_range.start
    if not (killed and not killed.item):
        for event in read_events(file_range, source_format, task.columns, begin):
            if isinstance(event, LostRange) and event.rule == KILLED:
                number = max(number, begin.first_item)
            yield number, event
            number += 1
            offset = event.offset if isinstance(event, Record) else offset
            if killed and number >= killed.item:
                break
    if killed:
        with open_source(file_range.path) as file:
            end = file_range.end or file_size(file)
        yield (
            max(number, killed.item),
            LostRange(file_range.name, offset, max(0, end - offset), killed.reason, rule=KILLED),
        )


def read_events(
    file_range: FileRange, source_format: SourceFormat, columns: Columns, guard: ReadGuard = NO_GUARD
) -> Iterator[Event]:
    """Records or rows of a range of a file, and ranges that are lost, in order."""
    return source_format.read(file_range.path, file_range.name, file_range.start, file_range.end, columns, guard)


def _find_dump(file_range: FileRange, source_format: SourceFormat) -> str | None:
    """The name of the crawl from the file's warcinfo record (`isPartOf`), else from its name."""
    if source_format.holds_records:
        first = next(read_events(FileRange(file_range.path, file_range.name), source_format, DEFAULT_COLUMNS), None)
        if isinstance(first, Record) and first.type == "warcinfo":
            fields = dict(line.partition(":")[::2] for line in first.content.decode("utf-8", "replace").split("\n"))
            lower = {name.strip().lower(): value.strip() for name, value in fields.items()}
            if dump := lower.get("ispartof", "") or find_crawl_name(first.headers.get("warc-filename", "")):
                return dump
    return find_crawl_name(file_range.name) or file_range.dump


@functools.cache  # once in a process: packs have thousands of files
def _warm_up(settings: ExtractSettings) -> None:
    """Load what the first page would wait for."""
    engines.warm_up(settings.engine, settings.favour, settings.format == "markdown")
    if settings.language != "any":
        from extract.langid.prefilter import prefilter

        prefilter("<p>" + "Ein Satz, der lang genug ist. " * 20, settings.language, settings.prefilter_threshold)


def check_engine(name: str) -> None:
    """Raise UserError if there is no engine of that name."""
    if name not in engines.ENGINES:
        raise UserError(f"no engine {name!r}; there are {', '.join(sorted(engines.ENGINES))}")
