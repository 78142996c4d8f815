"""What could be read of a range of a file and what was lost: bytes and records, counted from the rows it gives."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.inputs.compression import LostRange

# One row per range of a file. `bytes` are those of the range. A lost range may reach beyond the range that reports it
# (nothing behind could be read): only over all ranges of a file do read and lost bytes add up to its size.
RANGES = pa.schema(
    [
        ("source", pa.string()),
        ("format", pa.string()),  # name of the reader
        ("bytes", pa.int64()),
        ("lost_bytes", pa.int64()),
        ("lost_ranges", pa.int64()),  # rows of the ledger for what is lost
        ("lost_records", pa.int64()),  # rows of tables that are lost; elsewhere one for each lost range
        ("records", pa.int64()),  # rows of the ledger for what was read
        ("other_records", pa.int64()),  # records that only accompany pages
        ("documents", pa.int64()),
        ("lost_at", pa.int64()),  # place of the longest lost range, as in the ledger
        ("lost_reason", pa.string()),
        ("ends_early", pa.bool_()),  # the end of the file is lost, after something that could be read
    ]
)
LOST_RANGE = "lost_range"  # key of a reject's row with the LostRange that it tells of


@dataclass
class RangeCounts:
    """Counts the rows of a range of a file.

    `size` is that of the range in bytes, `file_size` that of the file.
    """

    source: str
    format: str
    size: int
    file_size: int
    lost_bytes: int = 0
    lost_ranges: int = 0
    lost_records: int = 0
    records: int = 0
    other_records: int = 0
    documents: int = 0
    unsized_records: int = 0  # lost rows, whose share of the stored bytes is unknown
    longest: LostRange | None = None
    lost_end: int = -1  # where the last lost range ends, in bytes of the file

    def count(self, kind: str, row: Any) -> None:
        """Count a result of `extract.pages.work`."""
        if kind == "part":
            self.documents += 1
        if kind not in ("part", "rejects"):
            self.other_records += 1
        elif LOST_RANGE not in row:
            self.records += 1
        else:
            self._count_lost(row[LOST_RANGE])

    def _count_lost(self, lost: LostRange) -> None:
        records = max(1, lost.rows)
        self.lost_ranges += 1
        self.lost_records += records
        if lost.rows:
            self.unsized_records += lost.rows
        else:
            self.lost_bytes += lost.length
            self.lost_end = max(self.lost_end, lost.offset + lost.length)
        if self.longest is None or lost.length > self.longest.length:
            self.longest = lost

    def table(self) -> pa.Table:
        """One row of RANGES.

        The bytes of lost rows of a table are their share of the range by number of records: what a row takes of a
        Parquet or compressed file is unknown.
        """
        records = self.records + self.unsized_records
        sized = max(0, self.size - self.lost_bytes)
        unsized = round(sized * self.unsized_records / records) if records else 0
        read = self.records + self.other_records
        row = {
            "source": self.source,
            "format": self.format,
            "bytes": self.size,
            "lost_bytes": self.lost_bytes + unsized,
            "lost_ranges": self.lost_ranges,
            "lost_records": self.lost_records,
            "records": self.records,
            "other_records": self.other_records,
            "documents": self.documents,
            "lost_at": self.longest.offset if self.longest else None,
            "lost_reason": self.longest.reason if self.longest else None,
            "ends_early": bool(read) and self.lost_end >= self.file_size,
        }
        return pa.Table.from_pylist([row], RANGES)
