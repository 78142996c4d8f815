"""Which files are what, how they are cut into shards, and rows of tables (Parquet, JSON lines) as documents."""

import json
import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, BinaryIO, Literal

from extract.sources.compression import Lost, codec_of, open_source, size_of
from extract.sources.gzip_members import compressed
from pipeline.base.errors import UserError

Kind = Literal["warc", "parquet", "jsonl"]
_JSON_LINES = (".jsonl", ".ndjson", ".jsonlines", ".json")
_COMPRESSED = (".gz", ".zst", ".zstd", ".lz4")
_CRAWL = re.compile(r"CC-MAIN-\d{4}-\d{2}(?!\d)")
MOST_PIECES = 4096  # of files that can be cut: what one piece writes for each partition are requests of an object store


@dataclass(frozen=True)
class Columns:
    """Where a table keeps what: column names, with dots into structs ("metadata.url")."""

    text: str = "text"
    url: str = "url"
    id: str = "id"
    date: str = "date"


@dataclass(frozen=True, slots=True)
class Row:
    """A table's row. `offset`: its number in a Parquet file, else the byte (decompressed) where its line starts."""

    source: str
    offset: int
    values: dict[str, Any]


def kind_of(path: str) -> Kind:
    """By the file's name: Parquet, JSON lines (plain, .gz, .zst, .lz4), else what the WARC reader takes."""
    name = path.lower()
    if name.endswith(".parquet"):
        return "parquet"
    stem = next((name.removesuffix(suffix) for suffix in _COMPRESSED if name.endswith(suffix)), name)
    return "jsonl" if stem.endswith(_JSON_LINES) else "warc"


def is_text(path: str) -> bool:
    """Is it a file of texts (tables, WET), with some eight times the documents in a byte that a crawl's HTML has?"""
    return kind_of(path) != "warc" or ".wet" in path.lower()


def piece_bytes(total: int) -> int:
    """Bytes of a piece of files of `total` bytes in all: 64 MiB, which is 16 tasks for a file of Common Crawl, each
    inflating 16 MiB to find where it begins; of more than 256 GiB, what makes `MOST_PIECES`, up to a GiB.

    It cannot depend on the number of workers, as it is in keys.
    """
    return min(max(1 << 26, -(-total // MOST_PIECES)), 1 << 30)


def list_chunks(paths: list[str], chunk_bytes: int | None = None) -> list[dict[str, Any]]:
    """One row a shard, `path, name, start, end, size, mtime_ns, copy`, in the order of names and then of places.

    Files of more than `chunk_bytes` (by default, `piece_bytes` of all) are cut where reading can begin anywhere:
    compressed WARCs, Parquet, plain JSON lines. `name` is relative to the folder that all paths share, `copy` the
    number of files before with the same base name (see `extract.record_to_page.Ids`). `end` None: to the end of the
    file.
    Raises UserError for a path that is no readable file, and for none at all.
    """
    if not paths:
        raise UserError("no input files: give the path of a WARC, WET, Parquet or JSON lines file")
    if all(path.lower().endswith((".paths", ".paths.gz")) for path in paths):
        raise UserError(f"{paths[0]}: a list of files; give the files that it names")
    full = sorted({path if "://" in path else os.path.abspath(path) for path in paths})
    stats = [_stat(path) for path in full]
    chunk_bytes = chunk_bytes or piece_bytes(sum(size for size, _ in stats))
    rows, named = [], Counter[str]()
    for name, path, (size, mtime) in sorted(zip(_names(full), full, stats, strict=True)):
        base = posixpath.basename(name)
        shared = {"size": size, "mtime_ns": mtime, "copy": named[base]}
        named[base] += 1
        count = max(1, -(-size // chunk_bytes)) if _can_be_cut(path) else 1
        cuts = [i * size // count for i in range(count)]
        for start, end in zip(cuts, [*cuts[1:], None], strict=True):
            rows.append({"path": path, "name": name, "start": start, "end": end, **shared})
    return rows


def _names(full: list[str]) -> list[str]:
    if len(full) == 1:
        return [posixpath.basename(full[0])]
    try:
        shared = posixpath.commonpath([posixpath.dirname(path) for path in full])
    except ValueError:  # paths and URIs together share nothing
        return full
    return [posixpath.relpath(path, shared) if shared else path for path in full]


def _can_be_cut(path: str) -> bool:
    kind, packed = kind_of(path), path.lower().endswith(_COMPRESSED)
    return kind == "parquet" or packed == (kind == "warc")


def _stat(path: str) -> tuple[int, int]:
    """(size in bytes, time of the last change in nanoseconds)."""
    with open_source(path) as file:  # says in one line what is wrong with it
        if "://" not in path:
            found = os.fstat(file.fileno())
            return found.st_size, found.st_mtime_ns
    from pyarrow import fs

    system, inside = fs.FileSystem.from_uri(path)
    info = system.get_file_info(inside)
    return int(info.size), int(info.mtime_ns or 0)


def crawl_of(*names: str) -> str | None:
    """The Common Crawl dump (CC-MAIN-2024-10) that one of the names holds."""
    return next((found[0] for name in names if (found := _CRAWL.search(name))), None)


def rows(path: str, source: str, start: int, end: int | None, columns: Columns) -> Iterator[Row | Lost]:
    """Rows of a Parquet or JSON lines file in [start, end) bytes, in order; columns by role (text, url, id, date).

    A row group or line belongs to the range that its first byte is in. Broken lines and stretches are Lost. Raises
    UserError when the file cannot be opened or, for Parquet, has no text column.
    """
    with open_source(path) as file:
        if not size_of(file):
            yield from [Lost(source, 0, 0, "empty")] if start == 0 else []
        elif kind_of(path) == "parquet":
            yield from _parquet(file, path, source, start, end, columns)
        else:
            for offset, line in _lines(file, source, start, end):
                yield line if isinstance(line, Lost) else _parsed(source, offset, line, columns)


def _parquet(
    file: BinaryIO, path: str, source: str, start: int, end: int | None, columns: Columns
) -> Iterator[Row | Lost]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        if start == 0:
            yield Lost(source, 0, size_of(file), f"no Parquet file ({str(error).partition('.')[0]})")
        return
    have = table.schema_arrow.names
    wanted = [n for n in dict.fromkeys(c.partition(".")[0] for c in vars(columns).values()) if n in have]
    if columns.text.partition(".")[0] not in have:
        raise UserError(f"{path}: no column {columns.text!r}; set text_column to one of {', '.join(have)}")
    number = 0
    for group in range(table.num_row_groups):
        meta = table.metadata.row_group(group)
        place = min(_first_byte(meta.column(c)) for c in range(meta.num_columns))
        if start <= place and (end is None or place < end):
            for batch in table.iter_batches(256, row_groups=[group], columns=wanted):
                for values in _spelled(batch).to_pylist():
                    yield Row(source, number, _by_role(values, columns))
                    number += 1
        else:
            number += meta.num_rows


def _spelled(batch: Any) -> Any:
    """The batch with its dates as text: Python has neither nanoseconds nor the years after 9999."""
    import pyarrow as pa

    dated = [pa.types.is_timestamp(field.type) or pa.types.is_date(field.type) for field in batch.schema]
    columns = [c.cast(pa.string()) if of else c for c, of in zip(batch.columns, dated, strict=True)]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _first_byte(column: Any) -> int:
    places = (column.dictionary_page_offset, column.data_page_offset)
    return min(place for place in places if place is not None and place > 0)


def _lines(file: BinaryIO, source: str, start: int, end: int | None) -> Iterator[tuple[int, bytes | Lost]]:
    """(offset, line without its end) of every line that starts in the range; blank lines are stepped over."""
    codec = codec_of(file)
    if codec is None:
        begin = 0
        if start:
            file.seek(start - 1)
            begin = start - 1 + len(file.readline())
        file.seek(begin)
        while (end is None or begin < end) and (line := file.readline()):
            if line.strip():
                yield begin, line.rstrip(b"\r\n")
            begin += len(line)
        return
    held, offset = b"", 0
    for piece in compressed(file, source, codec, re.compile(rb"\s*[{]"), start, end):
        if isinstance(piece, Lost):
            yield piece.offset, piece
            held = b""
            continue
        *whole, last = (held + piece.data).split(b"\n")
        for line in whole:
            if line.strip():
                yield offset, line.rstrip(b"\r")
            offset += len(line) + 1
        held = last
    if held.strip():
        yield offset, held


def _parsed(source: str, offset: int, line: bytes, columns: Columns) -> Row | Lost:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Lost(source, offset, len(line), f"no JSON: {error}")
    if not isinstance(values, dict):
        return Lost(source, offset, len(line), "no JSON object")
    return Row(source, offset, _by_role(values, columns))


def _by_role(values: dict[str, Any], columns: Columns) -> dict[str, Any]:
    found = {}
    for role, path in vars(columns).items():
        value: Any = values
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        found[role] = value
    return found


def date_of(value: Any) -> datetime | None:
    """A capture's date to the second, in UTC: of a WARC (ISO 8601), an ARC (14 digits) or a table; None: no date."""
    text = value.strip() if isinstance(value, str) else str(value) if isinstance(value, date) else ""
    try:
        digits = len(text) >= 14 and text.isdigit()
        found = datetime.strptime(text[:14], "%Y%m%d%H%M%S") if digits else datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):  # none, or one that is outside of the years 1 to 9999 in UTC
        return None
