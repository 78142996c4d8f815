"""Rows of tables, and their dates."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table, which holds one document.

    `offset` and `inner_offset` tell it from the other rows of its file. `offset` is the row's number in a Parquet file,
    and in JSON lines the byte (decompressed) where its line starts; see `SourceFormat.read` for a reader of the user's.
    `values` has `text` (or `html`), `url`, `id` and `date`; rows of a user's reader may have `title` and `language`.
    """

    source: str
    offset: int
    values: dict[str, Any]
    inner_offset: int = 0


def parse_date(value: Any) -> datetime | None:
    """The date of a capture to the second, in UTC, None if there is none.

    `value` comes from a WARC (ISO 8601), an ARC (14 digits) or a table.
    """
    text = value.strip() if isinstance(value, str) else str(value) if isinstance(value, date) else ""
    try:
        is_arc_date = len(text) >= 14 and text.isdigit()
        parsed = datetime.strptime(text[:14], "%Y%m%d%H%M%S") if is_arc_date else datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):  # no date, or one outside of the years 1 to 9999 in UTC
        return None
