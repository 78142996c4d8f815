"""How the demo crawl's pages are sent and stored: character sets, codings, HTTP messages, records.

Record order and headers follow Common Crawl's files: one warcinfo record, then request, response (or revisit) and
metadata for every capture, each in a gzip member of its own. Record ids are UUIDs of version 5, so they never change.
"""

import io
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from extract.demo.codings import apply_codings, stored_gzip

# Two crawls, named by ISO week as Common Crawl names its own, and when each of them began.
DUMPS = (("DEMO-2026-36", datetime(2026, 8, 31, 4, 12, 7, tzinfo=UTC)),
         ("DEMO-2026-40", datetime(2026, 9, 28, 3, 40, 51, tzinfo=UTC)))  # fmt: skip
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://demo-crawl.example/")


@dataclass(frozen=True)
class Sending:
    """How a text is sent: `codec` is the true one, `header` and `meta` are the declared ones (None: none declared)."""

    codec: str
    header: str | None
    meta: str | None
    rule: str  # the evidence that shows the true codec: header, bom, meta, detection


SENDINGS = {
    "utf8": Sending("utf-8", "utf-8", "utf-8", "header"),
    "utf8-meta": Sending("utf-8", None, "utf-8", "meta"),
    "utf8-silent": Sending("utf-8", None, None, "detection"),
    "utf8-as-latin1": Sending("utf-8", "ISO-8859-1", "ISO-8859-1", "detection"),
    "utf8-stale-meta": Sending("utf-8", "UTF-8", "iso-8859-1", "header"),
    "utf8-bom": Sending("utf-8-sig", None, "iso-8859-1", "bom"),
    "utf16-bom": Sending("utf-16", None, None, "bom"),
    "latin1-header": Sending("iso-8859-1", "ISO-8859-1", None, "header"),
    "latin1-silent": Sending("iso-8859-1", None, None, "detection"),
    "cp1252-meta": Sending("cp1252", None, "windows-1252", "meta"),
    "cp1252-as-utf8": Sending("cp1252", "utf-8", "utf-8", "detection"),
    "cp1252-as-latin1": Sending("cp1252", "iso-8859-1", "iso-8859-1", "header"),
    "latin2-header": Sending("iso-8859-2", "iso-8859-2", None, "header"),
    "latin5-meta": Sending("iso-8859-9", None, "iso-8859-9", "meta"),
}


@dataclass(frozen=True)
class Page:
    """One capture. `content` is the entity before content and transfer coding; `text` what its author wrote."""

    url: str
    kind: str
    language: str | None
    content: bytes
    text: str = ""
    send: str = "utf8"
    media: str = "text/html"
    encoding: str = ""  # "", gzip, br, deflate, chunked, or two joined by "+"
    status: str = "200 OK"
    headers: tuple[tuple[str, str], ...] = ()
    dump: int = 0
    mirror_of: str | None = None
    near_duplicate_of: str | None = None
    revisit: bool = False
    cut: str = ""  # "", record (WARC-Truncated), member (the file ends inside this record)

    @property
    def content_type(self) -> str:
        """The Content-Type header with the declared charset."""
        charset = SENDINGS[self.send].header if self.media.startswith("text/") else None
        return f"{self.media}; charset={charset}" if charset else self.media


def encode_text(text: str, send: str) -> bytes:
    """Encode a page. Characters that its set lacks become numeric references, as authoring tools write them.

    UTF-16 is little-endian with a byte order mark on every machine.
    """
    codec = SENDINGS[send].codec
    if codec == "utf-16":
        return b"\xff\xfe" + text.encode("utf-16-le")
    return text.encode(codec, errors="xmlcharrefreplace")


def _response_headers(page: Page, body: bytes, date: datetime) -> list[tuple[str, str]]:
    codings = page.encoding.split("+") if page.encoding else []
    headers = [("Date", date.strftime("%a, %d %b %Y %H:%M:%S GMT")), ("Server", "demo")]
    if page.media:
        headers.append(("Content-Type", page.content_type))
    headers += page.headers
    headers += [("Content-Encoding", coding) for coding in codings if coding != "chunked"]
    return [*headers, ("Transfer-Encoding", "chunked") if "chunked" in codings else ("Content-Length", str(len(body)))]


class WarcWriter:
    """Writes one WARC file into memory. Its bytes depend on `name` and the captures alone."""

    def __init__(self, name: str, dump: int):
        from warcio.warcwriter import BufferWARCWriter

        self.name = name
        self.crawl, self.start = DUMPS[dump]
        self.writer: Any = BufferWARCWriter(gzip=False)
        self.members: list[bytes] = []
        self._write_warcinfo()

    def _record_headers(self, record_name: str, date: datetime) -> dict[str, str]:
        name = uuid.uuid5(_NAMESPACE, f"{self.crawl} {self.name} {record_name}")
        return {"WARC-Record-ID": f"<urn:uuid:{name}>", "WARC-Date": date.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def _write(self, record: Any) -> None:
        begin = self.writer.out.tell()
        self.writer.write_record(record)
        self.members.append(stored_gzip(self.writer.get_contents()[begin:]))

    def _write_warcinfo(self) -> None:
        info = {"isPartOf": self.crawl, "description": "Demo crawl: invented pages on reserved names",
                "format": "WARC File Format 1.1", "software": "extract.demo"}  # fmt: skip
        record = self.writer.create_warcinfo_record(self.name, info)
        for key, value in self._record_headers("warcinfo", self.start).items():
            record.rec_headers.replace_header(key, value)
        self.warcinfo_id = record.rec_headers.get_header("WARC-Record-ID")
        self._write(record)

    def write_capture(self, page: Page, date: datetime, first_seen: datetime | None = None) -> None:
        """Write request, response (or a revisit of the capture at `first_seen`) and metadata of one page."""
        from warcio.statusandheaders import StatusAndHeaders as Head

        body = apply_codings(page.content, page.encoding)
        host, _, path = page.url.split("://", 1)[1].partition("/")
        request_head = Head(
            f"GET /{path} HTTP/1.1", [("Host", host), ("User-Agent", "DemoBot/1.0")], is_http_request=True
        )
        response_head = Head(page.status, _response_headers(page, body, date), protocol="HTTP/1.1")
        common = {"WARC-Warcinfo-ID": self.warcinfo_id, "WARC-IP-Address": _ip_address(host)}
        response = self._record_headers(f"response {page.url}", date) | common
        request = self._record_headers(f"request {page.url}", date) | common
        create_record = self.writer.create_warc_record
        self._write(
            create_record(
                page.url, "request", http_headers=request_head, payload=io.BytesIO(), warc_headers_dict=request
            )
        )
        if page.revisit:
            then = (first_seen or date).strftime("%Y-%m-%dT%H:%M:%SZ")
            record = self.writer.create_revisit_record(
                page.url, _payload_digest(body), page.url, then, response_head, response
            )
        else:
            if page.cut == "record":
                response, body = {**response, "WARC-Truncated": "length"}, body[: len(body) * 3 // 5]
            record = create_record(
                page.url, "response", io.BytesIO(body), http_headers=response_head, warc_headers_dict=response
            )
        self._write(record)
        if page.cut != "member":
            self._write_metadata(page, date, response["WARC-Record-ID"])

    def _write_metadata(self, page: Page, date: datetime, response_id: str) -> None:
        fields = f"fetchTimeMs: {120 + len(page.content) % 900}\r\n".encode()
        headers = {**self._record_headers(f"metadata {page.url}", date), "WARC-Warcinfo-ID": self.warcinfo_id}
        headers["WARC-Concurrent-To"] = response_id
        record = self.writer.create_warc_record(
            page.url,
            "metadata",
            io.BytesIO(fields),
            warc_content_type="application/warc-fields",
            warc_headers_dict=headers,
        )
        self._write(record)

    def close(self, cut: bool) -> bytes:
        """Bytes of the file; with `cut`, only three fifths of its last gzip member, as after a broken transfer."""
        *members, last = self.members
        return b"".join([*members, last[: len(last) * 3 // 5] if cut else last])


def _ip_address(host: str) -> str:
    """An IP address of a documentation range (RFC 5737) for a host."""
    return f"203.0.113.{zlib.crc32(host.encode()) % 250 + 1}"


def _payload_digest(body: bytes) -> str:
    from warcio.utils import Digester

    digester = Digester("sha1")
    digester.update(body)
    return str(digester)


def capture_dates(dump: int, count: int) -> Iterator[datetime]:
    """Dates of `count` captures, spread over the five days of a crawl."""
    step = timedelta(days=5) / max(count, 1)
    for number in range(count):
        yield (DUMPS[dump][1] + step * number).replace(microsecond=0)
