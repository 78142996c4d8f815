"""What must not be overlooked about a corpus: alarms and notes, and the bounds of [alarms] that a run violates."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pipeline.base.format import counted, format_bytes
from pipeline.config.values import Range
from pipeline.publish.statistics.large_clusters import describe_large_clusters
from pipeline.publish.statistics.sources import is_unreadable

MAX_FILES_NAMED = 5  # in alarms about files that have lost something, and again in notes
SOURCES_FILE = "sources.parquet"
Share = Annotated[float, Range(0, 1)]
_TROUBLE = re.compile(
    r"timeout|crash|killed|memory|damage|corrupt|truncated|undecodable|unreadable|too_deep|too_many|error|lost"
)
_LOST_RANGES = ("damaged", "not_a_warc")  # rules of the stage "source" that are reported by file


@dataclass(frozen=True, kw_only=True)
class AlarmBounds:
    """What a recipe allows: a run that is outside ends with exit code 3, its corpus is complete and marked.

    Args:
        warn_lost_bytes: Share (0 to 1) of the bytes of a file, or of all files, from which on losses are an alarm and
            no note.
        max_lost_bytes: Share (0 to 1) of the bytes of all files that may be unreadable; more is a failure.
        max_lost_records: Share (0 to 1) of all records that may be lost, an unreadable range counting as one; more is a
            failure.
        max_unreadable_files: Share (0 to 1) of the files of which nothing at all could be read; more is a failure.
            Where allow_empty is true, "off" is the default.
        warn_failed_records: Share (0 to 1) of all records that one reason such as a timeout, a crash or a truncated
            record may cost; more is an alarm.
        max_failed_records: Share (0 to 1) of all records that such reasons together may cost; more is a failure.
        min_kept_documents: Number of documents that must be kept; fewer are a failure.
        fail_on_alarms: Whether any alarm of the report is a failure.
        allow_empty: Whether a corpus without documents, and files of which nothing at all could be read, are no
            failure.
    """

    warn_lost_bytes: Share = 0.01
    max_lost_bytes: Share | None = None
    max_lost_records: Share | None = None
    max_unreadable_files: Share | None = 0.5
    warn_failed_records: Share = 0.01
    max_failed_records: Share | None = None
    min_kept_documents: int = 0
    fail_on_alarms: bool = False
    allow_empty: bool = False


def find_alarms(stats: dict[str, Any], bounds: AlarmBounds) -> list[dict[str, str]]:
    """Return "level" (alarm or note) and "text" of what a tired engineer must not overlook.

    Bounds that are no setting are ours, set so that a healthy crawl has no alarm.
    """
    return [{"level": level, "text": text} for level, text in _alarms(stats, bounds)]


def _alarms(stats: dict[str, Any], bounds: AlarmBounds) -> Iterator[tuple[str, str]]:
    documents, kept = stats["documents"], stats["kept"]["documents"]
    if not kept:
        yield "alarm", f"Nothing was kept of {counted(stats['records'], 'record')}."
    yield from _losses(stats["sources"], bounds)
    for name, clusters in stats["duplicates"].items():
        size = clusters["largest"][0]["size"] if clusters["largest"] else 0
        if size > max(100, documents / 100):
            head = clusters["largest"][0]["url"]
            yield "alarm", f"A cluster of {name} duplicates has {size:,} documents ({head}): look at it."
    yield from describe_large_clusters(stats["giants"])
    if stats["shared_ids"]:
        shared = counted(stats["shared_ids"], "kept document")
        yield "alarm", f"{shared} share their ids with others, as the tables that were read have them."
    for row in _failed_records(stats):
        share = row["dropped"] / max(1, stats["records"])
        if share > bounds.warn_failed_records:
            reason = f"{row['stage']}/{row['rule']}"
            yield "alarm", f"{counted(row['dropped'], 'record')} ({share:.1%}) lost to {reason}."
    for rule in stats["rules"]:
        if documents and rule["alone"] > documents / 4:
            share = rule["alone"] / documents
            yield "alarm", f"Rule {rule['rule']} alone removes {counted(rule['alone'], 'document')} ({share:.0%})."
    for name, cut in stats["cuts"].items():
        share = cut["characters"] / max(1, cut["characters"] + stats["kept"]["characters"])
        if share > 0.25:
            yield "alarm", f"{name} cut {share:.0%} out of the documents that are kept: look at samples."
    for host in stats["hosts"]["top"][:1]:
        if kept >= 100 and host["documents"] > kept / 5:
            yield "note", f"{host['documents'] / kept:.0%} of the kept documents are from {host['host']}."
    leaked = stats["contaminated"]["kept"]
    if leaked:
        yield "note", f"Text of benchmarks, below the recipe's bound, in {counted(leaked, 'kept document')}."


def _failed_records(stats: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the funnel for records that were read and that a stage gave up on."""
    return [
        row
        for row in stats["funnel"]
        if row["what"] == "no document"
        and _TROUBLE.search(row["rule"] or "")
        and not (row["stage"] == "source" and row["rule"] in _LOST_RANGES)
    ]


def _losses(sources: dict[str, Any], bounds: AlarmBounds) -> Iterator[tuple[str, str]]:
    """What could not be read: in all, and file by file."""
    if not sources["lossy_files"]:
        return
    share = _share(sources["lost_bytes"], sources["bytes"])
    serious = [
        row
        for row in sources["losses"]
        if is_unreadable(row) or _share(row["lost_bytes"], row["bytes"]) > bounds.warn_lost_bytes
    ]
    level = "alarm" if share > bounds.warn_lost_bytes or sources["unreadable_files"] else "note"
    lost = f"{format_bytes(sources['lost_bytes'])} of {format_bytes(sources['bytes'])} of the input ({share:.2%})"
    where = f"{sources['lossy_files']:,} of {counted(sources['files'], 'file')}"
    yield level, f"{lost} could not be read, in {where}: see {SOURCES_FILE}."
    for row in serious[:MAX_FILES_NAMED]:
        if is_unreadable(row):
            part = f"{_share(row['bytes'], sources['bytes']):.2%} of the input"
            yield "alarm", f"{row['source']} ({format_bytes(row['bytes'])}, {part}) could not be read: {_reason(row)}."
        else:
            lost = f"{format_bytes(row['lost_bytes'])} of {format_bytes(row['bytes'])}"
            yield "alarm", f"{row['source']}: {lost} could not be read: {_reason(row)}."
    if len(serious) > MAX_FILES_NAMED:
        yield "alarm", f"{SOURCES_FILE} has more files of which as much could not be read."
    cut = [row for row in sources["losses"] if row["ends_early"] and row not in serious]
    for row in cut[:MAX_FILES_NAMED]:
        yield "note", f"{row['source']} ends early, and what followed is missing: {_reason(row)}."


def _reason(row: dict[str, Any]) -> str:
    return str(row["lost_reason"] or "unknown reason").rstrip(".")


def _share(part: float, total: float) -> float:
    return part / total if total else 0.0


def find_violations(stats: dict[str, Any], alarms: list[dict[str, str]], bounds: AlarmBounds) -> list[dict[str, str]]:
    """Return "setting" and "text" of each bound that the run is outside of; an empty list where it is inside of all."""
    return [{"setting": setting, "text": text} for setting, text in _violations(stats, alarms, bounds)]


def _violations(stats: dict[str, Any], alarms: list[dict[str, str]], bounds: AlarmBounds) -> Iterator[tuple[str, str]]:
    sources, kept, records = stats["sources"], stats["kept"]["documents"], stats["records"]
    failed = sum(row["dropped"] for row in _failed_records(stats))
    all_records = sources["records"] + sources["lost_records"]
    lost_bytes = f"of {format_bytes(sources['bytes'])} of input could not be read"
    shares = (
        ("max_lost_bytes", sources["lost_bytes"], sources["bytes"], lost_bytes),
        ("max_lost_records", sources["lost_records"], all_records, f"of {counted(all_records, 'record')} are lost"),
        (
            "max_unreadable_files",
            sources["unreadable_files"],
            sources["files"],
            f"of {counted(sources['files'], 'input file')} could not be read at all",
        ),
        ("max_failed_records", failed, records, f"of {counted(records, 'record')} failed"),
    )
    nothing_read = 0 < sources["files"] == sources["unreadable_files"]
    if not bounds.allow_empty and nothing_read:
        yield "allow_empty", f"nothing could be read of {counted(sources['files'], 'input file')}"
    elif not bounds.allow_empty and not kept:
        yield "allow_empty", f"nothing was kept of {counted(records, 'record')}"
    for setting, part, total, text in shares:
        limit = getattr(bounds, setting)
        if limit is not None and _share(part, total) > limit:
            yield setting, f"{_share(part, total):.2%} {text}; {limit:.2%} may be"
    if kept < bounds.min_kept_documents:
        yield "min_kept_documents", f"{counted(kept, 'document')} kept; {bounds.min_kept_documents:,} must be"
    serious = sum(alarm["level"] == "alarm" for alarm in alarms)
    if bounds.fail_on_alarms and serious:
        yield "fail_on_alarms", f"{counted(serious, 'alarm')}; none may be"
