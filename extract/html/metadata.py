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

from extract.html.byte_search import places
from extract.html.dates import address_day, day, told_day
from extract.html.tags import Tag

T = TypeVar("T")
Metas = dict[str, list[str]]
Linked = list[dict[str, Any]]
_LONGEST = 200  # characters of a name
_MOST_LINKED = 400_000  # characters of JSON-LD that are read
_ARTICLES = ("Article", "NewsArticle", "BlogPosting", "Report", "DiscussionForumPosting", "Recipe", "WebPage")
_DATES = (
    "article:published_time", "og:article:published_time", "datepublished", "og:published_time", "parsely-pub-date",
    "sailthru.date", "citation_publication_date", "citation_date", "dc.date.issued", "dcterms.issued", "dc.date",
    "dcterms.created", "dc.date.created", "dcterms.date", "pubdate", "publishdate", "publish-date", "published",
    "cxenseparse:recs:publishtime", "date.created", "created", "date", "published-date", "publication_date",
    "publication-date", "sw-pubdate",
)  # fmt: skip
_AUTHORS = (
    "author", "parsely-author", "sailthru.author", "dc.creator", "dcterms.creator", "citation_author", "article:author",
    "byl",
)  # fmt: skip
_SITES = ("og:site_name", "application-name", "apple-mobile-web-app-title", "publisher", "dc.publisher")
# patterns of what begins with a word, which is searched for
_TIME = re.compile(rb"<time\b([^<>]{0,500})>([^<]{0,100})")
_DATETIME = re.compile(rb"\bdate[tT]ime\s*=\s*[\"']?([^\"'>]{8,40})")
_PUBLISHED = re.compile(rb"publish|pubdate|entry-date|post-date|posted|date-created|dtstart", re.I)
_ITEMPROP = re.compile(
    rb"itemprop\s*=\s*[\"']?date(?:Published|Created)\b[^<>]{0,300}?\b(?:content|datetime)\s*=\s*[\"']?([^\"'>]{8,40})"
)
_BYLINES = tuple(
    (word, re.compile(word + rb"(?:[_-]?[nN]ame)?[\"'\s][^<>]{0,300}>")) for word in (b"author", b"byline")
)
_DATED = re.compile(rb"date[\w-]{0,20}[\"'\s][^<>]{0,300}>")
_TEXT = re.compile(rb"([^<]{0,4000})(?:<[^<>]{0,500}>)?")
_WITH_DIGITS = re.compile(rb">([^<>\d]{0,100}\d[^<>]{5,200})<")
_WITH_BY = re.compile(rb">\s{0,100}((?:[Bb]y|BY|[Vv]on|[Pp]ar|[Pp]or|[Dd]oor|[Aa][vf]|[Dd]i)\b[^<>]{3,200})<")
_BEFORE, _DAY_BEHIND, _BY_BEHIND = 500, 4000, 1500  # bytes around a heading where its day and author are looked for
_INSIDE = re.compile(rb"[A-Za-z\x80-\xff]")  # of a word
_BY = re.compile(
    r"\A(?:\s*(?:by|von|de|par|por|di|door|av|af|at|autor(?:in)?|author|text|erstellt|publié par"
    r"|(?:geschrieben|verfasst|eingestellt) von|(?:written|posted|published|authored) by)\b\s*:?)+\s*",
    re.I,
)
_WRITTEN_BY = re.compile(r"written by|(?:verfasst|geschrieben) von|écrit par|escrito por|scritto da", re.I)
_SIGNED = re.compile(r"\w+:? ((?:[^\W\d_a-z][\w.'’-]+ ?){2,4})(?=\Z|[^\w ])")
_NO_NAME = re.compile(
    r"[/@]|\b\d{4}\b|\A[\W\d_]*\Z|\bam\Z|\Are:"
    r"|\A(?:name|posted|updated by|website|admin|redaktion|op)\b(?! \w{3})",
    re.I,
)
_URL = re.compile(r"https?://[^\s/]+\S{0,2000}\Z", re.I)


@dataclass(frozen=True, slots=True)
class About:
    """None: the page does not say. `author`: names, joined by "; ". `canonical`: an absolute URL. `body`: JSON-LD's."""

    author: str | None = None
    published: date | None = None
    sitename: str | None = None
    canonical: str | None = None
    body: str | None = None


def metadata(html: bytes, head: list[Tag], url: str | None = None) -> About:
    """Read a page (UTF-8). `head`: its `meta` and canonical `link` tags up to the body. Never raises; linear time."""
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


def _metas(head: list[Tag]) -> Metas:
    found: Metas = {}
    for name, attributes in head:
        if name == "meta" and (content := " ".join(attributes.get("content", "").split())):
            for key in ("property", "name", "itemprop"):
                if key in attributes:
                    found.setdefault(attributes[key].strip().lower(), []).append(content)
    return found


def _linked(html: bytes) -> Iterator[dict[str, Any]]:
    """Objects of the page's JSON-LD, those in lists and `@graph` too."""
    end = read = 0
    for at in places(html, b"ld+json"):
        if at < end:
            continue
        start = html.find(b">", at) + 1
        end = html.find(b"</script", start)
        if not start or end < 0 or read >= _MOST_LINKED:
            return
        read += end - start
        with suppress(ValueError, RecursionError):  # what cannot be read says nothing
            text = html[start:end].decode("utf-8", "replace").strip().removeprefix("<!--").removesuffix("-->")
            yield from _objects(json.loads(text, strict=False))


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


def _author(html: bytes, metas: Metas, linked: Linked) -> str | None:
    for item in linked:
        said = item.get("author", [])
        if names := _people(said if isinstance(said, list) else [said], linked):
            return names
    for name in _AUTHORS:
        if names := _people(metas.get(name, []), linked):
            return names
    labelled = _WRITTEN_BY.fullmatch(_first(metas.get("twitter:label1", [])) or "")
    if labelled and (names := _people(metas.get("twitter:data1", []), linked)):
        return names
    by_class = (_person(text, linked) for word, pattern in _BYLINES for text in _texts(html, word, pattern, 4))
    return _first(by_class) or _first(
        _person(signed[1], linked)
        for text in _beside_heading(html, _WITH_BY, _BY_BEHIND)
        if (signed := _SIGNED.match(text))
    )


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
    if not isinstance(value, str):
        return None
    text = " ".join(unescape(value).split())[:_LONGEST]
    return text.encode("utf-8", "replace").decode()  # JSON may spell surrogates


def _matches(html: bytes, word: bytes, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """At most a hundred matches, one behind the other, of a pattern that begins with `word`."""
    end = count = 0
    for at in places(html, word):
        if at >= end and (found := pattern.match(html, at)):
            yield found
            end, count = found.end(), count + 1
            if count == 100:
                return


def _texts(html: bytes, word: bytes, pattern: re.Pattern[bytes], each: int) -> Iterator[str]:
    """Texts that follow the start tags which end as `pattern` does: `each` behind a tag, of ten tags."""
    inside = (m for m in _matches(html, word, pattern) if _in_tag(html, m.start()))
    for tag in islice(inside, 10):
        at = tag.end()
        for _ in range(2 * each):
            piece = _TEXT.match(html, at)
            if not piece or not piece[0]:
                break
            at = piece.end()
            if text := unescape(_text(piece[1])).strip():
                yield text


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _in_tag(html: bytes, at: int) -> bool:
    """Whether a word begins at `at`, in a tag."""
    first = max(0, at - 1000)
    return not _INSIDE.match(html, at - 1, at) and html.rfind(b"<", first, at) > html.rfind(b">", first, at)


def _published(html: bytes, metas: Metas, linked: Linked, url: str | None) -> date | None:
    values = [item.get(key) for item in linked for key in ("datePublished", "dateCreated", "uploadDate")]
    values += [value for name in _DATES for value in metas.get(name, ())]
    if found := _first(map(day, values)):
        return found
    if said := _first(_matches(html, b"itemprop", _ITEMPROP)):
        return day(_text(said[1]))
    return (
        _time(html)
        or address_day(url or "")
        or _first(map(day, _texts(html, b"date", _DATED, 1)))
        or _first(map(told_day, _beside_heading(html, _WITH_DIGITS, _DAY_BEHIND)))
    )


def _time(html: bytes) -> date | None:
    """The first `time` element whose attributes speak of publication, else the first at all."""
    first = None
    for tag in _matches(html, b"<time", _TIME):
        said = _DATETIME.search(tag[1])
        if found := day(_text(said[1])) if said else told_day(unescape(_text(tag[2]))):
            if _PUBLISHED.search(tag[1]):
                return found
            first = first or found
    return first


def _beside_heading(html: bytes, text: re.Pattern[bytes], behind: int) -> Iterator[str]:
    """Texts behind the first two `h1` and just before them."""
    for start in islice(places(html, b"<h1"), 2):
        end = max(start, html.find(b"</h1", start))
        for window in ((end, end + behind), (max(0, start - _BEFORE), start)):
            yield from (unescape(_text(piece[1])).strip() for piece in text.finditer(html, *window))


def _canonical(head: list[Tag], metas: Metas) -> str | None:
    links = (a.get("href", "") for name, a in head if name == "link" and "canonical" in a.get("rel", "").lower())
    return _first(url for said in (*links, *metas.get("og:url", ())) if _URL.match(url := said.strip()))
