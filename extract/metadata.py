"""What a page says about itself: author, day of publication, site, canonical address, and the article in its JSON-LD.

Read from the source's metas, JSON-LD (schema.org), `itemprop` and `time` elements, bylines, and the address; no DOM.
The most reliable place that tells comes first. Nothing is guessed from running text.
"""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from html import unescape
from itertools import islice
from typing import Any, TypeVar

from extract.dates import address_day, day

T = TypeVar("T")
Head = list[tuple[str, dict[str, str]]]
Metas = dict[str, list[str]]
Linked = list[dict[str, Any]]
_LONGEST = 200  # characters of a name
_MOST_LINKED = 400_000  # characters of JSON-LD that are read
_ARTICLES = ("Article", "NewsArticle", "BlogPosting", "Report", "DiscussionForumPosting", "Recipe", "WebPage")
_DATES = (
    "article:published_time", "og:article:published_time", "datepublished", "og:published_time", "parsely-pub-date",
    "sailthru.date", "citation_publication_date", "citation_date", "dc.date.issued", "dcterms.issued", "dc.date",
    "dcterms.created", "dc.date.created", "dcterms.date", "pubdate", "publishdate", "publish-date", "published",
    "cxenseparse:recs:publishtime", "date.created", "created", "date",
)  # fmt: skip
_AUTHORS = (
    "author", "parsely-author", "sailthru.author", "dc.creator", "dcterms.creator", "citation_author", "article:author",
    "byl",
)  # fmt: skip
_SITES = ("og:site_name", "application-name", "apple-mobile-web-app-title", "publisher", "dc.publisher")
# patterns start with plain letters: a search that ignores case, or begins with a choice, takes ten times as long
_TIME = re.compile(r"<time\b([^<>]{0,500})>")
_DATETIME = re.compile(r"\bdatetime\s*=\s*[\"']?([^\"'>]{8,40})")
_PUBLISHED = re.compile(r"publish|pubdate|entry-date|post-date|posted|date-created|dtstart", re.I)
_ITEMPROP = re.compile(
    r"itemprop\s*=\s*[\"']?date(?:Published|Created)\b[^<>]{0,300}?\b(?:content|datetime)\s*=\s*[\"']?([^\"'>]{8,40})"
)
_BYLINES = tuple(re.compile(word + r"(?:[_-]?name)?[\"'\s][^<>]{0,300}>") for word in ("author", "byline"))
_DATED = re.compile(r"date[\w-]{0,20}[\"'\s][^<>]{0,300}>")
_TEXT = re.compile(r"([^<]{0,1000})(?:<[^<>]{0,500}>)?")
_BY = re.compile(
    r"\A(?:\s*(?:by|von|de|par|por|di|door|av|af|at|autor(?:in)?|author|text|erstellt|(?:geschrieben|verfasst) von"
    r"|(?:written|posted|published) by)\b\s*:?)+\s*",
    re.I,
)
_NO_NAME = re.compile(r"[/@]|\b\d{4}\b|\A[\W\d_]*\Z|\bam\Z")
_URL = re.compile(r"https?://[^\s/]+\S{0,2000}\Z", re.I)


@dataclass(frozen=True, slots=True)
class About:
    """None: the page does not say. `author`: names, joined by "; ". `canonical`: an absolute URL. `body`: JSON-LD's."""

    author: str | None = None
    published: date | None = None
    sitename: str | None = None
    canonical: str | None = None
    body: str | None = None


def metadata(html: str, head: Head, url: str | None = None) -> About:
    """Read a page. `head`: its `meta` and `link` tags up to the body, with attributes. Never raises; linear time."""
    metas = _metas(head)
    linked = sorted(_linked(html), key=_rank)
    return About(
        _author(html, metas, linked),
        _published(html, metas, linked, url),
        _first(metas.get(name, [""])[0][:_LONGEST] for name in _SITES)
        or _first(_name(item.get("publisher")) for item in linked),
        _canonical(head, metas),
        _first(item["articleBody"] for item in linked if isinstance(item.get("articleBody"), str)),
    )


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value), None)


def _metas(head: Head) -> Metas:
    found: Metas = {}
    for name, attributes in head:
        if name == "meta" and (content := " ".join(attributes.get("content", "").split())):
            for key in ("property", "name", "itemprop"):
                if key in attributes:
                    found.setdefault(attributes[key].strip().lower(), []).append(content)
    return found


def _linked(html: str) -> Iterator[dict[str, Any]]:
    """Objects of the page's JSON-LD, those in lists and `@graph` too."""
    at, read = html.find("ld+json"), 0
    while at >= 0 and read < _MOST_LINKED:
        start = html.find(">", at) + 1
        end = html.find("</script", start)
        if not start or end < 0:
            return
        read += end - start
        with suppress(ValueError, RecursionError):  # what cannot be read says nothing
            text = html[start:end].strip().removeprefix("<!--").removesuffix("-->")
            yield from _objects(json.loads(text, strict=False))
        at = html.find("ld+json", end)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            yield item
            yield from _objects(item.get("@graph", []))


def _rank(item: dict[str, Any]) -> int:
    """Articles first, pages next, then the rest."""
    kinds = item.get("@type")
    places = [_ARTICLES.index(kind) for kind in (kinds if isinstance(kinds, list) else [kinds]) if kind in _ARTICLES]
    return min(places, default=len(_ARTICLES))


def _author(html: str, metas: Metas, linked: Linked) -> str | None:
    for item in linked:
        said = item.get("author", [])
        if names := _people(said if isinstance(said, list) else [said], linked):
            return names
    for name in _AUTHORS:
        if names := _people(metas.get(name, []), linked):
            return names
    return _first(_person(text, linked) for pattern in _BYLINES for text in _texts(html, pattern, 4))


def _people(values: list[Any], linked: Linked) -> str | None:
    names = dict.fromkeys(name for value in values if (name := _person(value, linked)))
    return "; ".join(names)[:_LONGEST] or None


def _person(value: Any, linked: Linked) -> str:
    """A name; "" for organisations, addresses and other things that are none."""
    if isinstance(value, dict) and "name" not in value and "@id" in value:
        value = next((item for item in linked if item.get("@id") == value["@id"] and "name" in item), value)
    if isinstance(value, dict) and value.get("@type") == "Organization":
        return ""
    text = _BY.sub("", _name(value) or "").strip(" ,|-–:")
    return text if 2 <= len(text) <= 100 and not _NO_NAME.search(text) else ""


def _name(value: Any) -> str | None:
    value = value[0] if isinstance(value, list) and value else value
    value = value.get("name") if isinstance(value, dict) else value
    value = value[0] if isinstance(value, list) and value else value
    return " ".join(unescape(value).split())[:_LONGEST] if isinstance(value, str) else None


def _texts(html: str, pattern: re.Pattern[str], each: int) -> Iterator[str]:
    """Texts that follow the start tags which end as `pattern` does: `each` behind a tag, of ten tags."""
    inside = (m for m in islice(pattern.finditer(html), 100) if _in_tag(html, m.start()))
    for tag in islice(inside, 10):
        at = tag.end()
        for _ in range(2 * each):
            piece = _TEXT.match(html, at)
            if not piece or not piece[0]:
                break
            at = piece.end()
            if text := unescape(piece[1]).strip():
                yield text


def _in_tag(html: str, at: int) -> bool:
    """Whether a word begins at `at`, in a tag."""
    return not html[at - 1 : at].isalpha() and html.rfind("<", max(0, at - 1000), at) > html.rfind(
        ">", max(0, at - 1000), at
    )


def _published(html: str, metas: Metas, linked: Linked, url: str | None) -> date | None:
    values = [item.get(key) for item in linked for key in ("datePublished", "dateCreated", "uploadDate")]
    values += [value for name in _DATES for value in metas.get(name, ())]
    if found := _first(map(day, values)):
        return found
    if said := _ITEMPROP.search(html):
        return day(said[1])
    return _time(html) or address_day(url or "") or _first(map(day, _texts(html, _DATED, 1)))


def _time(html: str) -> date | None:
    """The first `time` element whose attributes speak of publication, else the first at all."""
    first = None
    for tag in islice(_TIME.finditer(html), 100):
        if (said := _DATETIME.search(tag[1])) and (found := day(said[1])):
            if _PUBLISHED.search(tag[1]):
                return found
            first = first or found
    return first


def _canonical(head: Head, metas: Metas) -> str | None:
    links = (a.get("href", "") for name, a in head if name == "link" and "canonical" in a.get("rel", "").lower())
    return _first(url for said in (*links, *metas.get("og:url", ())) if _URL.match(url := said.strip()))
