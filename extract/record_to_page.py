"""From a record to a row: a page with its text, or the reason why there is none.

record -> HTML (record_to_html) -> prefilter by language -> text and title (engines) -> metadata and rights -> row
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from extract import engines
from extract.html.decode import decode_page
from extract.html.metadata import read_metadata
from extract.html.rights import read_head, read_rights
from extract.limits import TooMuch
from extract.record_to_html import (
    ExtractSettings,
    HtmlPage,
    Rejected,
    check_complete,
    check_record_type,
    decode_html,
    read_html,
)
from extract.sources.record_parser import Record
from extract.sources.registry import Event
from extract.sources.warc import EMPTY, NOT_A_WARC
from extract.watchdog import CRASH
from pipeline.base.unseen import is_blank
from pipeline.inputs.compression import LostRange
from pipeline.inputs.rows import Row, parse_date

ACCOMPANYING = ("request", "metadata", "warcinfo")  # types of records that are counted, and are no input of their own
_MAX_CLOCK_SKEW = timedelta(days=1)  # a page cannot be published later than this after its capture
_MIN_ARTICLE = 500  # characters of an article in JSON-LD that may replace the engine's text
_MIN_ARTICLE_RATIO = 2  # and how many times as long it must be


def process_record(
    event: Event,
    record_id: str,
    settings: ExtractSettings,
    skip_reason: tuple[str, float] | None,
    begin: Callable[[], None],
) -> tuple[str, dict[str, Any]]:
    """Return ("part", a row of PAGES) or ("rejects", a row of REJECTS).

    `skip_reason` says why the watchdog skips this record, None if it does not. `begin` is called before anything that
    may hang.
    """
    url = record_url(event)
    place = {"id": record_id, "url": url, "source": event.source, "offset": event.offset}
    try:
        if skip_reason:
            rule, value = skip_reason
            raise Rejected("extract", rule, value, None, f"exit status {value:g}" if rule == CRASH else None)
        begin()
        if isinstance(event, LostRange):
            rule = "not_a_warc" if event.reason in (NOT_A_WARC, EMPTY) else event.rule
            raise Rejected("source", rule, float(event.length), None, event.reason)
        fields = _row_to_page(event, url, settings) if isinstance(event, Row) else _record_to_page(event, url, settings)
    except Rejected as rejected:
        return "rejects", {**place, **rejected.row}
    return "part", {**place, "host": url_host(url), "dump": settings.dump, **fields}


def _record_to_page(record: Record, url: str | None, settings: ExtractSettings) -> dict[str, Any]:
    """Fields of PAGES of a record of a WARC. Raises Rejected."""
    check_record_type(record)
    if record.type != "conversion":
        return _html_to_page(read_html(record, url, settings), settings)
    check_complete(record, "", settings.keep_truncated)
    decoded = decode_page(record.content, "text/plain; charset=utf-8")
    if is_blank(decoded.text):
        raise Rejected("source", "no_text")
    date = parse_date(record.headers.get("warc-date"))
    return {"date": date, "text": decoded.text, "title": None, "charset": decoded.charset, "extractor": "none"}


def _row_to_page(row: Row, url: str | None, settings: ExtractSettings) -> dict[str, Any]:
    """Fields of PAGES of a row of a table: its text as it is, or the text of its HTML. Raises Rejected."""
    values = row.values
    date = parse_date(values["date"])
    html, text = values.get("html"), values["text"]
    if isinstance(html, str):
        html, content_type = html.encode("utf-8", "replace"), "text/html; charset=utf-8"
    else:
        content_type = "text/html"
    if isinstance(html, bytes):
        if not html.strip():
            raise Rejected("http", "empty")
        page = _html_to_page(decode_html(html, content_type, {}, url, date, settings), settings)
    elif isinstance(text, str) and not is_blank(text):
        page = {"date": date, "text": _as_text(text), "title": None, "charset": "utf-8", "extractor": "none"}
    else:
        raise Rejected("source", "no_text")
    for column, key in (("title", "title"), ("html_lang", "language")):
        if declared := _as_text(values.get(key)):
            page[column] = declared
    return page


def _as_text(value: Any) -> str | None:
    """Text without surrogates, which JSON may contain; None for what is no text."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None


def _html_to_page(page: HtmlPage, settings: ExtractSettings) -> dict[str, Any]:
    """Fields of PAGES of an HTML page. Raises Rejected for other languages, and for pages without text."""
    utf8 = page.decoded.utf8
    if settings.language != "any":
        from extract.langid.prefilter import prefilter

        html = page.raw if page.decoded.charset == "utf-8" else utf8
        possible, guess, score = prefilter(html, settings.language, settings.prefilter_threshold)
        if not possible:
            raise Rejected("prefilter", "other_language", score, settings.prefilter_threshold, guess)
    head = read_head(utf8)
    metadata = read_metadata(utf8, head, page.url)
    extracted = _extract_text(page, settings)
    article = json_ld_article(metadata.article_body, extracted.text, settings.format == "markdown")
    if article is None and is_blank(extracted.text):
        raise Rejected("extract", "no_text")
    rights = read_rights(utf8, page.headers, head)
    published = metadata.published
    if published and page.date and published > page.date.date() + _MAX_CLOCK_SKEW:
        published = None
    unusual = [name for name in (settings.favour, settings.format) if name not in ("default", "text")]
    return {
        "date": page.date,
        "text": extracted.text if article is None else article,
        "title": extracted.title,
        "charset": page.decoded.charset,
        "extractor": ":".join((settings.engine, *unusual, *(() if article is None else ("json-ld",)))),
        "html_bytes": len(page.raw),
        "html_lang": rights.html_lang,
        "robots": rights.robots,
        "tdm_reservation": rights.tdm_reservation,
        "license": rights.license,
        "author": metadata.author,
        "published": published,
        "sitename": metadata.sitename,
        "canonical": metadata.canonical,
    }


def _extract_text(page: HtmlPage, settings: ExtractSettings) -> engines.Extracted:
    """Text and title by the engine. Raises Rejected for pages that the engine cannot take."""
    try:
        return engines.extract(page.decoded, settings.engine, settings.favour, settings.format == "markdown")
    except TooMuch as error:
        raise Rejected("extract", error.rule, float(error.value), float(error.limit)) from error
    except MemoryError as error:
        raise Rejected("extract", "memory") from error
    except Exception as error:
        message = str(error).partition("\n")[0]
        raise Rejected("extract", "engine_error", detail=f"{type(error).__name__}: {message}") from error


def json_ld_article(body: str | None, text: str, markdown: bool) -> str | None:
    """The article in the page's JSON-LD if the engine's `text` is less than half as long, else None."""
    minimum = max(_MIN_ARTICLE, _MIN_ARTICLE_RATIO * len(text))
    if body is None or len(body) < minimum:
        return None
    article = engines.article_text(body, markdown)
    return article if len(article) > _MIN_ARTICLE_RATIO * len(text) else None


def record_url(event: Event) -> str | None:
    """The address of a record or row, None if it has none."""
    if isinstance(event, Record):
        url = event.headers.get("warc-target-uri", "")
    else:
        url = str(event.values["url"] or "") if isinstance(event, Row) else ""
    return url.strip().removeprefix("<").removesuffix(">").encode("utf-8", "replace").decode() or None


def url_host(url: str | None) -> str | None:
    """The host in lower case without port and user, None if the URL has none."""
    try:
        return (urlsplit(url or "").hostname or "").rstrip(".") or None
    except ValueError:
        return None
