"""Input files one by one: how much of each could be read, and what became of it. The table is `sources.parquet`."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.store.shard import Shard

MAX_LISTED_FILES = 20  # with losses, in `stats.json` and what is made of it
# One row per input file, in the order of names. read_bytes + lost_bytes = bytes; the ledger has records + lost_ranges
# rows of the file, of which documents became pages and kept_documents are published.
SOURCES = pa.schema(
    [
        ("source", pa.string()),  # as in the ledger
        ("format", pa.string()),
        ("bytes", pa.int64()),
        ("read_bytes", pa.int64()),
        ("lost_bytes", pa.int64()),
        ("records", pa.int64()),
        ("other_records", pa.int64()),  # that only accompany pages: requests, metadata, warcinfo
        ("lost_ranges", pa.int64()),
        ("lost_records", pa.int64()),  # at least: an unreadable range of a WARC counts as one
        ("documents", pa.int64()),
        ("kept_documents", pa.int64()),
        ("lost_reason", pa.string()),  # of the longest lost range, with its place
        ("ends_early", pa.bool_()),
    ]
)
_SUMS = ("bytes", "lost_bytes", "lost_ranges", "lost_records", "records", "other_records", "documents")


def sources_table(extracted: list[Shard], ledgers: list[Shard]) -> pa.Table:
    """Return SOURCES of a run.

    Args:
        extracted: Shards of the step that read the files, with the output "ranges" (`extract.range_counts.RANGES`).
        ledgers: Shards of the ledger.

    Raises AssertionError where a file has another number of rows in the ledger than of records.
    """
    files: dict[str, dict[str, Any]] = {}
    longest: dict[str, int] = {}
    for shard in extracted:
        for row in shard.table(name="ranges").to_pylist():
            name = row["source"]
            empty = {"source": name, "format": row["format"], "lost_reason": None, "ends_early": False}
            file = files.setdefault(name, {**empty, **dict.fromkeys(_SUMS, 0)})
            for column in _SUMS:
                file[column] += row[column]
            if row["lost_ranges"] and row["lost_bytes"] > longest.get(name, -1):
                longest[name] = row["lost_bytes"]
                file["lost_reason"] = f"{row['lost_reason']}, at {row['lost_at']:,}"
            file["ends_early"] = file["ends_early"] or row["ends_early"]
    rows, kept = _ledger_rows(ledgers)
    for name, file in files.items():
        if is_unreadable(file):
            file["lost_bytes"] = file["bytes"]
        file["lost_bytes"] = min(file["lost_bytes"], file["bytes"])
        file["read_bytes"] = file["bytes"] - file["lost_bytes"]
        file["kept_documents"] = kept[name]
        if rows[name] != file["records"] + file["lost_ranges"]:
            raise AssertionError(f"{name}: {rows[name]} rows in the ledger, {file['records']} records read, {file}")
    return pa.Table.from_pylist([files[name] for name in sorted(files)], SOURCES)


def _ledger_rows(ledgers: Iterable[Shard]) -> tuple[Counter[str], Counter[str]]:
    """Rows of the ledger, and kept ones, by file."""
    rows: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    for ledger in ledgers:
        table = ledger.table(["source", "verdict"])
        for counts, part in ((rows, table), (kept, table.filter(pc.equal(table["verdict"], "kept")))):
            counts.update({entry["values"]: entry["counts"] for entry in part["source"].value_counts().to_pylist()})
    return rows, kept


def is_unreadable(file: dict[str, Any]) -> bool:
    """Return whether nothing at all could be read of a file (a row of SOURCES)."""
    return file["lost_ranges"] > 0 and file["records"] + file["other_records"] == 0


def count_sources(sources: pa.Table) -> dict[str, Any]:
    """Return what `stats.json` has of the input files: totals, and the files that lost most."""
    totals = {name: pc.sum(sources[name], min_count=0).as_py() for name in (*_SUMS, "read_bytes")}
    lossy = sources.filter(pc.greater(sources["lost_ranges"], 0))
    order = pc.sort_indices(lossy, [("lost_bytes", "descending"), ("lost_records", "descending")])
    rows = lossy.to_pylist()
    listed = [rows[i] for i in order.to_pylist()]
    unreadable = [row for row in listed if is_unreadable(row)]
    # files of which nothing could be read come first: their loss is unknown where something else is in their place
    listed.sort(key=lambda row: not is_unreadable(row))
    return {
        "files": sources.num_rows,
        "unreadable_files": len(unreadable),
        "lossy_files": lossy.num_rows,
        **totals,
        "losses": listed[:MAX_LISTED_FILES],
    }
