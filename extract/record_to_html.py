"""From a record of a crawl to its HTML: what is no complete HTML page of a successful request is rejected."""

import re
from dataclasses import dataclass
from datetime import datetime

from extract.html.decode import DecodedPage, decode_page
from extract.sources.http import HttpMessage, parse_message
from extract.sources.record_parser import Record
from pipeline.inputs.rows import parse_date

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_UNKNOWN_TYPES = ("", "unknown/unknown", "application/unknown", "*/*", "application/octet-stream")
_SNIFF_BYTES = 4096
_HTML_TAGS = rb"!doctype html|html|head|body|script|iframe|h1|div|font|table|a|style|title|b|br|p"
_HTML_START = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<!--(?:[^-]|-(?!->)){0,500}-->\s*|<\?xml[^>]{0,200}>\s*){0,9}"  # a comment has one end
    rb"<(?:" + _HTML_TAGS + rb")[\s>]",
    re.I | re.S,
)
# what some servers call text/html and is not: PDF, PNG, GIF, JPEG, ZIP, gzip
_BINARY_MAGIC = (b"%PDF-", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"PK\x03\x04", b"\x1f\x8b")
_MAX_DETAIL = 200  # characters


@dataclass(frozen=True)
class ExtractSettings:
    """Settings that decide about a record; `extract.pages.pages` describes them."""

    language: str = "any"
    engine: str = "blocks"
    favour: str = "default"
    format: str = "text"
    dump: str | None = None
    prefilter_threshold: float = 0.05
    max_html_bytes: int = 10_000_000
    max_undecodable: float = 0.05
    keep_truncated: bool = False


class Rejected(Exception):
    """Why a record is no document: the fields of its row of REJECTS that do not depend on where the record is."""

    def __init__(
        self,
        stage: str,
        rule: str,
        value: float | None = None,
        threshold: float | None = None,
        detail: str | None = None,
    ):
        super().__init__(rule)
        detail = None if detail is None else " ".join(detail.split())[:_MAX_DETAIL]
        self.row = {"stage": stage, "rule": rule, "value": value, "threshold": threshold, "detail": detail}


@dataclass(frozen=True)
class HtmlPage:
    """HTML of a capture: decoded, the bytes it was decoded from, its HTTP headers, address and date."""

    decoded: DecodedPage
    raw: bytes
    headers: dict[str, str]
    url: str | None
    date: datetime | None


def check_record_type(record: Record) -> None:
    """Raise Rejected for records that hold no capture of their own."""
    if record.type == "revisit":
        raise Rejected("source", "revisit", detail=record.headers.get("warc-refers-to-target-uri"))
    if record.type == "continuation":
        raise Rejected("source", "continuation")
    if record.type not in ("response", "resource", "conversion"):
        raise Rejected("source", "unknown_type", detail=record.type)


def check_complete(record: Record, body_damage: str, keep_truncated: bool) -> None:
    """Raise Rejected for content truncated by the crawler, by damage to the file, or by a wrong length."""
    truncated = record.headers.get("warc-truncated")
    reason = record.damage or (f"WARC-Truncated: {truncated}" if truncated else "") or body_damage
    if not reason and record.headers.get("warc-segment-number"):
        reason = "segmented"
    if reason and not keep_truncated:
        raise Rejected("source", "truncated", float(record.missing_bytes), None, reason)


def read_html(record: Record, url: str | None, settings: ExtractSettings) -> HtmlPage:
    """The HTML of a response or resource. Raises Rejected for anything but a complete page of a successful request."""
    message = _read_message(record, settings.max_html_bytes)
    content_type = message.headers.get("content-type", "")
    if not _is_html(message, content_type, record):
        media_type = content_type.partition(";")[0].strip().lower()
        raise Rejected("http", "empty" if not message.body else "not_html", detail=media_type or None)
    if not message.body or message.body.isspace():
        raise Rejected("http", "empty")
    check_complete(record, message.damage, settings.keep_truncated)
    date = parse_date(record.headers.get("warc-date"))
    return decode_html(message.body, content_type, message.headers, url, date, settings)


def decode_html(
    body: bytes,
    content_type: str,
    headers: dict[str, str],
    url: str | None,
    date: datetime | None,
    settings: ExtractSettings,
) -> HtmlPage:
    """Decode the bytes of a page. Raises Rejected for too many bytes and for text in an unknown character set."""
    if len(body) > settings.max_html_bytes:
        raise Rejected("http", "too_large", float(len(body)), float(settings.max_html_bytes))
    decoded = decode_page(body, content_type)
    if decoded.undecodable > settings.max_undecodable:
        raise Rejected("decode", "undecodable", decoded.undecodable, settings.max_undecodable, decoded.charset)
    return HtmlPage(decoded, body, headers, url, date)


def _read_message(record: Record, max_html_bytes: int) -> HttpMessage:
    """The HTTP message. A `resource`, and a `response` that is HTML without a message, count as status 200."""
    if record.type == "resource":
        return HttpMessage(200, {"content-type": record.headers.get("content-type", "")}, record.content)
    message = parse_message(record.view, max_html_bytes + (1 << 16))
    if message.status == 0:
        content = record.content
        if not content.strip():
            raise Rejected("http", "empty")
        if not _HTML_START.match(content[:_SNIFF_BYTES]):
            raise Rejected("http", "not_http", detail=record.headers.get("content-type"))
        return HttpMessage(200, {}, content)
    if 300 <= message.status < 400:
        raise Rejected("http", "redirect", float(message.status), 200.0, message.headers.get("location"))
    if message.status != 200:
        raise Rejected("http", "http_status", float(message.status), 200.0)
    return message


def _is_html(message: HttpMessage, content_type: str, record: Record) -> bool:
    """Decide by the header, and by the bytes if it says nothing (WHATWG, MIME Sniffing Standard, section 7.1)."""
    media_type = re.split("[;,]", content_type)[0].strip().lower()
    if media_type in _UNKNOWN_TYPES:
        media_type = record.headers.get("warc-identified-payload-type", media_type).lower()
        return media_type in _HTML_TYPES or bool(_HTML_START.match(message.body[:_SNIFF_BYTES]))
    return media_type in _HTML_TYPES and not message.body.startswith(_BINARY_MAGIC)
