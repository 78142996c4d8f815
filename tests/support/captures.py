"""Made-up captures for tests: records of a WARC, HTTP responses, and all rows of the stage `pages` over files."""

import gzip
from pathlib import Path

import pyarrow as pa

from extract.pages import RECORDS, pages
from extract.range_counts import RANGES
from extract.sources.listing import list_chunks
from pipeline.base.schema import PAGES, REJECTS
from pipeline.base.user_code import UserFunction
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

TEXT = "Ein Satz, der lang genug ist, um als Text einer Seite zu gelten. " * 12
HTML = f"<html lang=de><head><title>T</title></head><body><article><p>{TEXT}</p></article></body></html>"


def run_pages(
    *paths: Path | str,
    chunk_bytes: int = 1 << 40,
    engine: str = "resiliparse",
    readers: tuple[UserFunction, ...] = (),
    **settings,
) -> dict[str, list[dict]]:
    """All rows of the stage's outputs over all ranges of the files."""
    rows: dict[str, list[dict]] = {"part": [], "rejects": [], "records": [], "ranges": []}
    schemas = {"part": PAGES, "rejects": REJECTS, "records": RECORDS, "ranges": RANGES}
    for file_range in list_chunks([str(path) for path in paths], chunk_bytes, readers):
        source = Shard.of(pa.Table.from_pylist([file_range]))
        for item in pages(source, engine=engine, readers=readers, **settings):
            name, table = (item.name, item.table) if isinstance(item, Output) else ("part", item)
            assert table.schema.equals(schemas[name])
            rows[name] += table.to_pylist()
    return rows


def warc_record(record_type: str, content: bytes, number: int = 0, **headers: str) -> bytes:
    """A gzip member with one record. Header fields have underscores for dashes; an empty value leaves a field out."""
    fields = {
        "WARC-Type": record_type,
        "WARC-Target-URI": f"https://www.example.org/{number}",
        "WARC-Date": "2024-02-03T04:05:06Z",
        "WARC-Record-ID": f"<urn:uuid:{number}>",
        "Content-Length": str(len(content)),
    }
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return gzip.compress(b"WARC/1.0\r\n" + head.encode() + b"\r\n" + content + b"\r\n\r\n", mtime=0)


def http_response(
    body: bytes | str = HTML, status: str = "200 OK", kind: str = "text/html; charset=utf-8", **headers: str
) -> bytes:
    """An HTTP response of the media type `kind`. Header fields have underscores for dashes."""
    fields = {"Content-Type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + (body.encode() if isinstance(body, str) else body)
