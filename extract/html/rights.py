"""What a page says about its use: robots directives, TDM reservation, licence, and its own language.

Sources: robots meta tag and X-Robots-Tag as Google documents them (what follows a bot's name holds for that bot alone);
"TDM Reservation Protocol" of the W3C's TDMRep community group (final report of 2024: header and meta `tdm-reservation`,
"1" reserves); `rel=license` (HTML Standard, section 4.6.7.9).
"""

import re
from dataclasses import dataclass

import numpy as np

from extract.html.byte_search import places
from extract.html.tags import Tag, attributes, tags

_HEAD_TAGS = ("html", "meta", "link")
HEAD = 1 << 18  # bytes of the page that are searched for metas
_COMMONS = re.compile(r"^https?://(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/[a-z]", re.I)
_BOT = re.compile(
    r"[a-z0-9.-]*(?:bot|spider|crawler)(?:-[a-z]+)?|slurp|google-extended|googleother|applebot-extended|anthropic-ai"
    r"|claude-[a-z]+|chatgpt-user|cohere-ai|meta-externalagent|omgili|yandex|diffbot"
)
_VALUED = ("max-snippet", "max-image-preview", "max-video-preview", "unavailable_after")
_DIRECTIVE = re.compile(r"[a-z][a-z0-9_-]*(?::.*)?")


@dataclass(frozen=True, slots=True)
class Rights:
    """`html_lang`: lower case. `robots`: directives in lower case, sorted and joined by commas, those for one bot as
    "bot:directive". `tdm_reservation`: None when nothing is declared. `license`: a URL. None: the page does not say."""

    html_lang: str | None = None
    robots: str | None = None
    tdm_reservation: bool | None = None
    license: str | None = None


def head(html: bytes) -> list[Tag]:
    """(name, attributes) of the tags `html`, `meta` and, where it is said to be canonical, `link` before the body."""
    start = html[:HEAD]
    inside = ((_HEAD_TAGS[which], start[a:b]) for which, a, b in tags(start, _HEAD_TAGS, last="body").tolist())
    return [(name, attributes(text)) for name, text in inside if name != "link" or b"canonical" in text.lower()]


def rights(html: bytes, headers: dict[str, str], found: list[Tag] | None = None) -> Rights:
    """Read the page (UTF-8) and its HTTP headers (lower-case name to value). They add up; the header's TDM word wins.

    `found`: the page's head where it is read already.
    """
    directives: set[str] = set()
    language, tdm = None, _reserved(headers.get("tdm-reservation"))
    if "x-robots-tag" in headers:
        directives |= directives_of(headers["x-robots-tag"])
    for tag, said in head(html) if found is None else found:
        if tag == "html":
            language = language or (said.get("lang") or said.get("xml:lang", "")).strip().lower() or None
        elif tag == "meta":
            name, content = said.get("name", "").strip().lower(), said.get("content", "")
            if name == "robots":
                directives |= directives_of(content)
            elif name == "tdm-reservation" and tdm is None:
                tdm = _reserved(content)
            elif _BOT.fullmatch(name):
                directives |= {f"{name}:{directive}" for directive in directives_of(content)}
    return Rights(language, ",".join(sorted(directives)) or None, tdm, licence(html))


def directives_of(value: str) -> set[str]:
    """The directives of a robots meta's content or of X-Robots-Tag ("bot: a, b" names whom the rest of a line is for;
    several headers are several lines)."""
    return set().union(*map(_of_line, value.lower().split("\n")))


def _of_line(line: str) -> set[str]:
    found: set[str] = set()
    bot = ""
    for part in line.split(","):
        name, colon, rest = (piece.strip() for piece in part.strip().partition(":"))
        if colon and name not in _VALUED:
            bot, name, rest = f"{name}:", rest, ""
            name, colon, rest = (piece.strip() for piece in name.partition(":"))
        directive = f"{name}:{rest}" if colon and rest else name
        if _DIRECTIVE.fullmatch(directive):
            found.add(bot + re.sub(r"\s+", " ", directive))
    return found


def _reserved(value: str | None) -> bool | None:
    return {"1": True, "0": False}.get((value or "").partition(",")[0].strip())


def licence(html: bytes) -> str | None:
    """The first `rel=license` link, else the first link to a Creative Commons licence; absolute URLs only."""
    marks = sorted((*places(html, b"license", fold=True), *places(html, b"creativecommons.org/")))
    if not marks:
        return None  # most pages: the scan of all links is spared
    commons = None
    links = tags(html, ("a", "link", "area"))
    marked = np.searchsorted(marks, links[:, 1]) < np.searchsorted(marks, links[:, 2])
    for _, start, end in links[marked].tolist():
        said = attributes(html[start:end])
        target = said.get("href", "").strip()
        target = f"https:{target}" if target.startswith("//") else target
        if not re.match(r"https?://[^\s/]", target, re.I):
            continue
        if "license" in said.get("rel", "").lower().split():
            return target
        commons = target if commons is None and _COMMONS.match(target) else commons
    return commons
