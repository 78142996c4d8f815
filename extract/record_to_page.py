"""From one record to a page, its text, or the reason why there is none."""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import xxhash

from extract import engines
from extract.html.decode import Decoded, decode
from extract.html.metadata import metadata
from extract.html.rights import Rights, head, rights
from extract.sources.compression import Lost
from extract.sources.http import Message, parse
from extract.sources.listing import Row, date_of
from extract.sources.warc import Record

_HTML = ("text/html", "application/xhtml+xml")
_UNKNOWN = ("", "unknown/unknown", "application/unknown", "*/*", "application/octet-stream")
_TAGS = rb"!doctype html|html|head|body|script|iframe|h1|div|font|table|a|style|title|b|br|p"
_LOOKS_HTML = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<!--.{0,500}?-->\s*|<\?xml[^>]{0,200}>\s*){0,9}<(?:" + _TAGS + rb")[\s>]", re.I | re.S
)
# what some servers call text/html and is not: PDF, PNG, GIF, JPEG, ZIP, gzip
_BINARY = (b"%PDF-", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"PK\x03\x04", b"\x1f\x8b")
_DAY = timedelta(days=1)
_BODY = 500  # characters of an article in JSON-LD that can stand for the page
_HEX = re.compile(r"[0-9a-f]{32}")
ACCOMPANYING = ("request", "metadata", "warcinfo")  # records that are no input of their own


Event = Record | Row | Lost


@dataclass(frozen=True)
class Settings:
    """What decides about a record; see `extract.pages.pages`."""

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
    """Why a record is no document: a row of REJECTS without its place."""

    def __init__(
        self,
        stage: str,
        rule: str,
        value: float | None = None,
        threshold: float | None = None,
        detail: str | None = None,
    ):
        super().__init__(rule)
        self.row = {"stage": stage, "rule": rule, "value": value, "threshold": threshold, "detail": _short(detail)}


def _short(detail: str | None) -> str | None:
    return None if detail is None else " ".join(detail.split())[:200]


@dataclass(frozen=True)
class Page:
    """HTML of a capture, the bytes that it was read from, and what its headers say."""

    decoded: Decoded
    raw: bytes
    headers: dict[str, str]


class Ids:
    """32 hex digits a record: xxh3-128 of the file's base name, its place in the file, and what it calls itself.

    So they are unique in a run, whatever records call themselves, and those of a file are the same in every run, in
    whatever folder it lies and however it is cut. `copy`: number of the file among those of the run with its name.
    A row of a table that has an id like ours keeps it (a corpus that is read again), the first of a shard; should
    documents of several files share one and be kept, the report says so.
    """

    def __init__(self, copy: int = 0) -> None:
        self._copy = copy
        self._own: set[str] = set()

    def of(self, event: Event) -> str:
        name = _named(event)
        if isinstance(event, Row) and _HEX.fullmatch(name) and name not in self._own:
            self._own.add(name)
            return name
        file = posixpath.basename(event.source)
        inner = event.inner if isinstance(event, Record) else 0
        place = (file, self._copy, event.offset, inner, type(event).__name__, name)
        return xxhash.xxh3_128_hexdigest("\0".join(map(str, place)).encode("utf-8", "replace"))


def _named(event: Event) -> str:
    """What a record calls itself: its id, else its address; a row of a table without id, its text."""
    if isinstance(event, Record):
        return event.headers.get("warc-record-id") or event.headers.get("warc-target-uri", "")
    if isinstance(event, Row):
        said = event.values["id"]
        return str(event.values["text"] if said is None else said)
    return ""


def judge(
    event: Event, identity: str, settings: Settings, accused: tuple[str, float] | None, begin: Callable[[], None]
) -> tuple[str, dict[str, Any]]:
    """("part", a row of PAGES) or ("rejects", a row of REJECTS).

    `accused`: why the watchdog passes this record over. `begin` is called before anything that may hang.
    """
    url = url_of(event)
    try:
        if accused:
            why, value = accused
            raise Rejected("extract", why, value, None, f"exit status {value:g}" if why == "crash" else None)
        begin()
        return "part", _row(event, identity, url, settings)
    except Rejected as no:
        return "rejects", {"id": identity, "url": url, "source": event.source, "offset": event.offset, **no.row}


def _row(event: Event, identity: str, url: str | None, settings: Settings) -> dict[str, Any]:
    if isinstance(event, Lost):
        rule = "not_a_warc" if event.why == "not a WARC" or event.why == "empty" else "damaged"
        raise Rejected("source", rule, float(event.length), None, event.why)
    found = _from_table(event) if isinstance(event, Row) else _from_record(event, settings)
    return {
        "id": identity,
        "url": url,
        "host": host_of(url),
        "dump": settings.dump,
        "source": event.source,
        "offset": event.offset,
        **found,
    }


def _from_table(row: Row) -> dict[str, Any]:
    text = row.values["text"]
    if not isinstance(text, str) or not text.strip():
        raise Rejected("source", "no_text")
    return _text_row(text, date_of(row.values["date"]), "utf-8")


def _text_row(text: str, date: datetime | None, charset: str) -> dict[str, Any]:
    text = text.encode("utf-8", "replace").decode()  # JSON may spell surrogates
    return {"date": date, "text": text, "title": None, "charset": charset, "extractor": "none"}


def _from_record(record: Record, settings: Settings) -> dict[str, Any]:
    date = date_of(record.headers.get("warc-date"))
    _check_type(record)
    if record.type == "conversion":
        _check_whole(record, "", settings)
        decoded = decode(record.content, "text/plain; charset=utf-8")
        if not decoded.text.strip():
            raise Rejected("source", "no_text")
        return _text_row(decoded.text, date, decoded.charset)
    page = _page(record, settings)
    _prefilter(page, settings)
    html = page.decoded.utf8
    seen = head(html)
    said = metadata(html, seen, url_of(record))
    extracted, linked = _better(_extracted(page.decoded, settings), said.body, settings)
    about = _about(page, rights(html, page.headers, seen), settings)
    about["extractor"] += ":json-ld" if linked else ""
    published = said.published if not (said.published and date and said.published > date.date() + _DAY) else None
    names = {"author": said.author, "published": published, "sitename": said.sitename, "canonical": said.canonical}
    return {"date": date, "text": extracted.text, "title": extracted.title, **names, **about}


def _about(page: Page, found: Rights, settings: Settings) -> dict[str, Any]:
    return {
        "charset": page.decoded.charset,
        "extractor": ":".join((settings.engine, *_unusual(settings))),
        "html_bytes": len(page.raw),
        "html_lang": found.html_lang,
        "robots": found.robots,
        "tdm_reservation": found.tdm_reservation,
        "license": found.license,
    }


def _unusual(settings: Settings) -> list[str]:
    return [said for said in (settings.favour, settings.format) if said not in ("default", "text")]


def _better(extracted: engines.Extracted, body: str | None, settings: Settings) -> tuple[engines.Extracted, bool]:
    """The article in the page's JSON-LD where the engine found less than half as much, and whether it is."""
    if body is None or len(body) < 2 * len(extracted.text) or len(body) < _BODY:
        if not extracted.text.strip():
            raise Rejected("extract", "no_text")
        return extracted, False
    text = engines.article(body, settings.format == "markdown")
    return (replace(extracted, text=text), True) if len(text) > 2 * len(extracted.text) else (extracted, False)


def _check_type(record: Record) -> None:
    if record.type == "revisit":
        raise Rejected("source", "revisit", detail=record.headers.get("warc-refers-to-target-uri"))
    if record.type not in ("response", "resource", "conversion"):
        known = record.type == "continuation"
        raise Rejected("source", "continuation" if known else "unknown_type", detail=None if known else record.type)


def _check_whole(record: Record, damage: str, settings: Settings) -> None:
    """Cut short by the crawler, by damage to the file, or by a length that the file does not have."""
    said = record.headers.get("warc-truncated")
    segment = record.headers.get("warc-segment-number")
    why = record.damage or (f"WARC-Truncated: {said}" if said else "") or damage or ("segmented" if segment else "")
    if why and not settings.keep_truncated:
        raise Rejected("source", "truncated", float(record.missing), None, why)


def _page(record: Record, settings: Settings) -> Page:
    message = _message(record, settings)
    said = message.headers.get("content-type", "")
    if not _is_html(message, said, record):
        kind = said.partition(";")[0].strip().lower()
        raise Rejected("http", "empty" if not message.body else "not_html", detail=kind or None)
    if not message.body or message.body.isspace():
        raise Rejected("http", "empty")
    _check_whole(record, message.damage, settings)
    if len(message.body) > settings.max_html_bytes:
        raise Rejected("http", "too_large", float(len(message.body)), float(settings.max_html_bytes))
    decoded = decode(message.body, said)
    if decoded.lost > settings.max_undecodable:
        raise Rejected("decode", "undecodable", decoded.lost, settings.max_undecodable, decoded.charset)
    return Page(decoded, message.body, message.headers)


def _message(record: Record, settings: Settings) -> Message:
    """The HTTP message; a `resource`, or a `response` that is HTML without one, is taken as status 200."""
    if record.type == "resource":
        return Message(200, {"content-type": record.headers.get("content-type", "")}, record.content)
    message = parse(record.view, settings.max_html_bytes + (1 << 16))
    if message.status == 0:
        if not record.content.strip():
            raise Rejected("http", "empty")
        if not _LOOKS_HTML.match(record.content[:4096]):
            raise Rejected("http", "not_http", detail=record.headers.get("content-type"))
        return Message(200, {}, record.content)
    if 300 <= message.status < 400:
        raise Rejected("http", "redirect", float(message.status), 200.0, message.headers.get("location"))
    if message.status != 200:
        raise Rejected("http", "http_status", float(message.status), 200.0)
    return message


def _is_html(message: Message, said: str, record: Record) -> bool:
    """By header; by the bytes where the header says nothing (WHATWG, MIME Sniffing Standard, section 7.1)."""
    kind = re.split("[;,]", said)[0].strip().lower()
    if kind in _UNKNOWN:
        kind = record.headers.get("warc-identified-payload-type", kind).lower()
        return kind in _HTML or bool(_LOOKS_HTML.match(message.body[:4096]))
    return kind in _HTML and not message.body.startswith(_BINARY)


def _prefilter(page: Page, settings: Settings) -> None:
    if settings.language == "any":
        return
    from extract.langid.prefilter import prefilter

    html = page.raw if page.decoded.charset == "utf-8" else page.decoded.utf8
    possible, guess, score = prefilter(html, settings.language, settings.prefilter_threshold)
    if not possible:
        raise Rejected("prefilter", "other_language", score, settings.prefilter_threshold, guess)


def _extracted(page: Decoded, settings: Settings) -> engines.Extracted:
    try:
        extracted = engines.extract(page, settings.engine, settings.favour, settings.format == "markdown")
    except engines.TooMuch as much:
        raise Rejected("extract", much.rule, float(much.value), float(much.limit)) from much
    except MemoryError as error:
        raise Rejected("extract", "memory") from error
    except Exception as error:
        first = str(error).partition("\n")[0]
        raise Rejected("extract", "engine_error", detail=f"{type(error).__name__}: {first}") from error
    return extracted


def url_of(event: Event) -> str | None:
    if isinstance(event, Record):
        said = event.headers.get("warc-target-uri", "")
    else:
        said = str(event.values["url"] or "") if isinstance(event, Row) else ""
    return said.strip().removeprefix("<").removesuffix(">").encode("utf-8", "replace").decode() or None


def host_of(url: str | None) -> str | None:
    """The host in lower case without port and user, None when the URL has none."""
    try:
        return (urlsplit(url or "").hostname or "").rstrip(".") or None
    except ValueError:
        return None
