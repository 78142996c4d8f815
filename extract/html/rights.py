"""What a page declares about its use: robots directives, TDM reservation, licence, and its own language.

Sources: robots meta tag and X-Robots-Tag as Google documents them (what follows a bot's name holds for that bot alone);
"TDM Reservation Protocol" of the W3C's TDMRep community group (final report of 2024: header and meta `tdm-reservation`,
"1" reserves); `rel=license` (HTML Standard, section 4.6.7.9).
"""

import re
from dataclasses import dataclass

import numpy as np

from extract.html.byte_search import find_all
from extract.html.tags import Tag, find_tags, parse_attributes

_HEAD_TAGS = ("html", "meta", "link")
HEAD_BYTES = 1 << 18  # bytes of the page that are searched for metas
_CREATIVE_COMMONS = re.compile(r"^https?://(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/[a-z]", re.I)
_BOT = re.compile(
    r"[a-z0-9.-]*(?:bot|spider|crawler)(?:-[a-z]+)?|slurp|google-extended|googleother|applebot-extended|anthropic-ai"
    r"|claude-[a-z]+|chatgpt-user|cohere-ai|meta-externalagent|omgili|yandex|diffbot"
)
_DIRECTIVES_WITH_VALUE = ("max-snippet", "max-image-preview", "max-video-preview", "unavailable_after")
_DIRECTIVE = re.compile(r"[a-z][a-z0-9_-]*(?::.*)?")


@dataclass(frozen=True, slots=True)
class Rights:
    """Declarations of a page; None where there is none.

    `html_lang` is in lower case. `robots` are directives in lower case, sorted and joined by commas, those for one bot
    as "bot:directive". `license` is a URL.
    """

    html_lang: str | None = None
    robots: str | None = None
    tdm_reservation: bool | None = None
    license: str | None = None


def read_head(html: bytes) -> list[Tag]:
    """(name, attributes) of the tags `html`, `meta` and canonical `link` before the body."""
    start = html[:HEAD_BYTES]
    tags = ((_HEAD_TAGS[i], start[begin:end]) for i, begin, end in find_tags(start, _HEAD_TAGS, last="body").tolist())
    return [(name, parse_attributes(inner)) for name, inner in tags if name != "link" or b"canonical" in inner.lower()]


def read_rights(html: bytes, headers: dict[str, str], head: list[Tag] | None = None) -> Rights:
    """Read the declarations of a page (UTF-8) and of its HTTP headers (lower-case name to value).

    Both add up; for TDM the header counts first. `head` is what `read_head` returns, if it was called already.
    """
    directives: set[str] = set()
    language, tdm = None, _parse_tdm(headers.get("tdm-reservation"))
    if "x-robots-tag" in headers:
        directives |= parse_directives(headers["x-robots-tag"])
    for tag, attributes in read_head(html) if head is None else head:
        if tag == "html":
            language = language or (attributes.get("lang") or attributes.get("xml:lang", "")).strip().lower() or None
        elif tag == "meta":
            name, content = attributes.get("name", "").strip().lower(), attributes.get("content", "")
            if name == "robots":
                directives |= parse_directives(content)
            elif name == "tdm-reservation" and tdm is None:
                tdm = _parse_tdm(content)
            elif _BOT.fullmatch(name):
                directives |= {f"{name}:{directive}" for directive in parse_directives(content)}
    return Rights(language, ",".join(sorted(directives)) or None, tdm, find_license(html))


def parse_directives(value: str) -> set[str]:
    """The directives of a robots meta's content or of X-Robots-Tag.

    "bot: a, b" names the bot that the rest of a line is for. Several headers are several lines.
    """
    directives: set[str] = set()
    for line in value.lower().split("\n"):
        bot = ""
        for part in line.split(","):
            name, colon, rest = (piece.strip() for piece in part.strip().partition(":"))
            if colon and name not in _DIRECTIVES_WITH_VALUE:
                bot, name, rest = f"{name}:", rest, ""
                name, colon, rest = (piece.strip() for piece in name.partition(":"))
            directive = f"{name}:{rest}" if colon and rest else name
            if _DIRECTIVE.fullmatch(directive):
                directives.add(bot + re.sub(r"\s+", " ", directive))
    return directives


def _parse_tdm(value: str | None) -> bool | None:
    return {"1": True, "0": False}.get((value or "").partition(",")[0].strip())


def find_license(html: bytes) -> str | None:
    """The first `rel=license` link, else the first link to a Creative Commons licence; absolute URLs only."""
    hints = sorted((*find_all(html, b"license", fold=True), *find_all(html, b"creativecommons.org/")))
    if not hints:
        return None  # most pages: no need to scan all links
    creative_commons = None
    links = find_tags(html, ("a", "link", "area"))
    has_hint = np.searchsorted(hints, links[:, 1]) < np.searchsorted(hints, links[:, 2])
    for _, begin, end in links[has_hint].tolist():
        attributes = parse_attributes(html[begin:end])
        target = attributes.get("href", "").strip()
        target = f"https:{target}" if target.startswith("//") else target
        if not re.match(r"https?://[^\s/]", target, re.I):
            continue
        if "license" in attributes.get("rel", "").lower().split():
            return target
        if creative_commons is None and _CREATIVE_COMMONS.match(target):
            creative_commons = target
    return creative_commons
