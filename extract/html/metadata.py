"""What a page says about itself: author, day of publication, site, canonical address, and the article in its JSON-LD.

Read from the page's metas, JSON-LD (schema.org), `itemprop` and `time` elements, bylines, and the address, without a
DOM. The most reliable source that says something counts. Nothing is guessed from running text.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from html import unescape
from itertools import islice
from typing import TypeVar

from extract.html.byte_search import find_all
from extract.html.dates import parse_dateline, parse_day, parse_url_day
from extract.html.json_ld import MAX_NAME, JsonLd, join_people, json_ld_rank, person_name, plain_name, read_json_ld
from extract.html.tags import Tag

T = TypeVar("T")
Metas = dict[str, list[str]]
_MAX_MATCHES = 100  # of a pattern on a page
_MAX_LABELLED_TAGS = 10  # whose texts are looked at
_MAX_TAG_BYTES = 1000
_DATE_METAS = (
    "article:published_time", "og:article:published_time", "datepublished", "og:published_time", "parsely-pub-date",
    "sailthru.date", "citation_publication_date", "citation_date", "dc.date.issued", "dcterms.issued", "dc.date",
    "dcterms.created", "dc.date.created", "dcterms.date", "pubdate", "publishdate", "publish-date", "published",
    "cxenseparse:recs:publishtime", "date.created", "created", "date", "published-date", "publication_date",
    "publication-date", "sw-pubdate",
)  # fmt: skip
_AUTHOR_METAS = (
    "author", "parsely-author", "sailthru.author", "dc.creator", "dcterms.creator", "citation_author", "article:author",
    "byl",
)  # fmt: skip
_SITE_METAS = ("og:site_name", "application-name", "apple-mobile-web-app-title", "publisher", "dc.publisher")
# patterns that begin with a word, which is searched for first
_TIME_ELEMENT = re.compile(rb"<time\b([^<>]{0,500})>([^<]{0,100})")
_DATETIME = re.compile(rb"\bdate[tT]ime\s*=\s*[\"']?([^\"'>]{8,40})")
_PUBLICATION_HINT = re.compile(rb"publish|pubdate|entry-date|post-date|posted|date-created|dtstart", re.I)
_ITEMPROP_DATE = re.compile(
    rb"itemprop\s*=\s*[\"']?date(?:Published|Created)\b[^<>]{0,300}?\b(?:content|datetime)\s*=\s*[\"']?([^\"'>]{8,40})"
)
_BYLINES = tuple(
    (word, re.compile(word + rb"(?:[_-]?[nN]ame)?[\"'\s][^<>]{0,300}>")) for word in (b"author", b"byline")
)
_DATE_CLASS = re.compile(rb"date[\w-]{0,20}[\"'\s][^<>]{0,300}>")
_TEXT_AND_TAG = re.compile(rb"([^<]{0,4000})(?:<[^<>]{0,500}>)?")
_TEXT_WITH_DIGITS = re.compile(rb">([^<>\d]{0,100}\d[^<>]{5,200})<")
_TEXT_WITH_BY = re.compile(rb">\s{0,100}((?:[Bb]y|BY|[Vv]on|[Pp]ar|[Pp]or|[Dd]oor|[Aa][vf]|[Dd]i)\b[^<>]{3,200})<")
_BYTES_BEFORE_HEADING, _DAY_BYTES_AFTER, _BY_BYTES_AFTER = 500, 4000, 1500  # searched for day and author
_WORD_BYTE = re.compile(rb"[A-Za-z\x80-\xff]")
_WRITTEN_BY_LABEL = re.compile(r"written by|(?:verfasst|geschrieben) von|écrit par|escrito por|scritto da", re.I)
_BY_AND_NAME = re.compile(r"\w+:? ((?:[^\W\d_a-z][\w.'’-]+ ?){2,4})(?=\Z|[^\w ])")
_ABSOLUTE_URL = re.compile(r"https?://[^\s/]++\S{0,2000}\Z", re.I)


@dataclass(frozen=True, slots=True)
class PageMetadata:
    """Metadata of a page; None where the page has none.

    `author` are names joined by "; ". `canonical` is an absolute URL. `article_body` is JSON-LD's.
    """

    author: str | None = None
    published: date | None = None
    sitename: str | None = None
    canonical: str | None = None
    article_body: str | None = None


def read_metadata(html: bytes, head: list[Tag], url: str | None = None) -> PageMetadata:
    """Read a page (UTF-8). `head` is what `extract.html.rights.read_head` returns. Never raises; linear time."""
    metas = _group_metas(head)
    json_ld = sorted(read_json_ld(html), key=json_ld_rank)
    return PageMetadata(
        _find_author(html, metas, json_ld),
        _find_published(html, metas, json_ld, url),
        _first_true(metas.get(name, [""])[0][:MAX_NAME] for name in _SITE_METAS)
        or _first_true(plain_name(item.get("publisher")) for item in json_ld),
        _find_canonical(head, metas),
        _first_true(item["articleBody"] for item in json_ld if isinstance(item.get("articleBody"), str)),
    )


def _first_true(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value), None)


def _group_metas(head: list[Tag]) -> Metas:
    """Contents of the metas by their property, name or itemprop in lower case."""
    metas: Metas = {}
    for name, attributes in head:
        if name == "meta" and (content := " ".join(attributes.get("content", "").split())):
            for key in ("property", "name", "itemprop"):
                if key in attributes:
                    metas.setdefault(attributes[key].strip().lower(), []).append(content)
    return metas


def _find_author(html: bytes, metas: Metas, json_ld: JsonLd) -> str | None:
    for item in json_ld:
        authors = item.get("author", [])
        if names := join_people(authors if isinstance(authors, list) else [authors], json_ld):
            return names
    for name in _AUTHOR_METAS:
        if names := join_people(metas.get(name, []), json_ld):
            return names
    is_author_label = _WRITTEN_BY_LABEL.fullmatch(_first_true(metas.get("twitter:label1", [])) or "")
    if is_author_label and (names := join_people(metas.get("twitter:data1", []), json_ld)):
        return names
    in_bylines = (
        person_name(text, json_ld) for word, pattern in _BYLINES for text in _labelled_texts(html, word, pattern, 4)
    )
    return _first_true(in_bylines) or _first_true(
        person_name(by_and_name[1], json_ld)
        for text in _texts_near_heading(html, _TEXT_WITH_BY, _BY_BYTES_AFTER)
        if (by_and_name := _BY_AND_NAME.match(text))
    )


def _find_matches(html: bytes, word: bytes, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """At most _MAX_MATCHES matches, one after the other, of a pattern that begins with `word`."""
    end = count = 0
    for offset in find_all(html, word):
        if offset >= end and (match := pattern.match(html, offset)):
            yield match
            end, count = match.end(), count + 1
            if count == _MAX_MATCHES:
                return


def _labelled_texts(html: bytes, word: bytes, pattern: re.Pattern[bytes], per_tag: int) -> Iterator[str]:
    """Texts after start tags that `pattern` matches from a word in them to their end: `per_tag` texts per tag."""
    in_tags = (match for match in _find_matches(html, word, pattern) if _is_word_in_tag(html, match.start()))
    for tag in islice(in_tags, _MAX_LABELLED_TAGS):
        position = tag.end()
        for _ in range(2 * per_tag):
            match = _TEXT_AND_TAG.match(html, position)
            if not match or not match[0]:
                break
            position = match.end()
            if text := unescape(_decode_utf8(match[1])).strip():
                yield text


def _decode_utf8(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _is_word_in_tag(html: bytes, offset: int) -> bool:
    """Whether a word begins at `offset`, inside a tag."""
    first = max(0, offset - _MAX_TAG_BYTES)
    if _WORD_BYTE.match(html, offset - 1, offset):
        return False
    return html.rfind(b"<", first, offset) > html.rfind(b">", first, offset)


def _find_published(html: bytes, metas: Metas, json_ld: JsonLd, url: str | None) -> date | None:
    values = [item.get(key) for item in json_ld for key in ("datePublished", "dateCreated", "uploadDate")]
    values += [value for name in _DATE_METAS for value in metas.get(name, ())]
    if day := _first_true(map(parse_day, values)):
        return day
    if itemprop := _first_true(_find_matches(html, b"itemprop", _ITEMPROP_DATE)):
        return parse_day(_decode_utf8(itemprop[1]))
    return (
        _find_time_element(html)
        or parse_url_day(url or "")
        or _first_true(map(parse_day, _labelled_texts(html, b"date", _DATE_CLASS, 1)))
        or _first_true(map(parse_dateline, _texts_near_heading(html, _TEXT_WITH_DIGITS, _DAY_BYTES_AFTER)))
    )


def _find_time_element(html: bytes) -> date | None:
    """The day of the first `time` element with attributes that speak of publication, else of the first one at all."""
    first = None
    for element in _find_matches(html, b"<time", _TIME_ELEMENT):
        if attribute := _DATETIME.search(element[1]):
            day = parse_day(_decode_utf8(attribute[1]))
        else:
            day = parse_dateline(unescape(_decode_utf8(element[2])))
        if day:
            if _PUBLICATION_HINT.search(element[1]):
                return day
            first = first or day
    return first


def _texts_near_heading(html: bytes, pattern: re.Pattern[bytes], bytes_after: int) -> Iterator[str]:
    """Texts after the first two `h1`, each followed by the texts just before it."""
    for start in islice(find_all(html, b"<h1"), 2):
        end = max(start, html.find(b"</h1", start))
        for window in ((end, end + bytes_after), (max(0, start - _BYTES_BEFORE_HEADING), start)):
            yield from (unescape(_decode_utf8(match[1])).strip() for match in pattern.finditer(html, *window))


def _find_canonical(head: list[Tag], metas: Metas) -> str | None:
    links = (
        attributes.get("href", "")
        for name, attributes in head
        if name == "link" and "canonical" in attributes.get("rel", "").lower()
    )
    candidates = (url.strip() for url in (*links, *metas.get("og:url", ())))
    return _first_true(url for url in candidates if _ABSOLUTE_URL.match(url))
