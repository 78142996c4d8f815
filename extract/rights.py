"""What a page says about its use: robots directives, TDM reservation, licence, and its own language.

Scans of the source text for the few tags that matter, no DOM: comments, scripts and styles are stepped over.

Sources: robots meta tag and X-Robots-Tag as Google documents them (what follows a bot's name holds for that bot alone);
"TDM Reservation Protocol" of the W3C's TDMRep community group (final report of 2024: header and meta `tdm-reservation`,
"1" reserves); `rel=license` (HTML Standard, section 4.6.7.9).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

HEAD = 1 << 18  # characters of the page that are searched for metas
_TAG_LENGTH = 4096  # characters of a tag; a longer one (a picture in a data URI) says nothing of interest here
_START = re.compile(  # the letters first: most tags are told by one look
    r"<(?=[!abhlmnst])(?:(!--)|(meta|html|body|a|link|area|script|style|noscript|template|textarea|title)(?=[\s/>]))",
    re.I,
)
_RAW = {"script", "style", "noscript", "template", "textarea", "title"}  # what is in them is no markup of the page
# as an HTML tokenizer reads attributes: quotes count after "=" only; possessive, so that no markup takes long
_INSIDE = re.compile(r"((?:[^>=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+'|))*+)>")
_ATTRIBUTE = re.compile(r"([a-z][a-z0-9:_-]*)\s*+=\s*+(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.I)
_END = {"!--": re.compile("-->"), **{name: re.compile(rf"</{name}[\\s/>]", re.I) for name in _RAW}}
_HEAD_TAGS, _LINKS = frozenset(("meta", "html", "link")), frozenset(("a", "link", "area"))
# two patterns with a literal start: a scan that ignores case takes 15 times as long
_REL_LICENSE = tuple(re.compile(rel + r"\s*=\s*[\"']?[^\"'>]{0,60}(?i:license)") for rel in ("rel", "REL"))
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


def head(html: str) -> list[tuple[str, dict[str, str]]]:
    """(name, attributes) of the tags `html`, `meta` and `link` before the body."""
    return list(tags(html[:HEAD], _HEAD_TAGS, last="body"))


def rights(html: str, headers: dict[str, str], found: list[tuple[str, dict[str, str]]] | None = None) -> Rights:
    """Read the page and its HTTP headers (lower-case name to value). They add up; the header's TDM word wins.

    `found`: the page's head where it is read already.
    """
    directives: set[str] = set()
    language, tdm = None, _reserved(headers.get("tdm-reservation"))
    if "x-robots-tag" in headers:
        directives |= directives_of(headers["x-robots-tag"])
    for tag, attributes in head(html) if found is None else found:
        if tag == "html":
            language = language or (attributes.get("lang") or attributes.get("xml:lang", "")).strip().lower() or None
        elif tag == "meta":
            name, content = attributes.get("name", "").strip().lower(), attributes.get("content", "")
            if name == "robots":
                directives |= directives_of(content)
            elif name == "tdm-reservation" and tdm is None:
                tdm = _reserved(content)
            elif _BOT.fullmatch(name):
                directives |= {f"{name}:{directive}" for directive in directives_of(content)}
    return Rights(language, ",".join(sorted(directives)) or None, tdm, licence(html))


def tags(html: str, wanted: frozenset[str], last: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """(name, attributes) of the start tags named `wanted`, up to a tag named `last`, in time linear in the text."""
    at, endless = 0, set()
    while start := _START.search(html, at):
        at = start.end()
        name = "!--" if start[1] else start[2].lower()
        if name == last:
            return
        if name == "!--" or name in _RAW:
            end = None if name in endless else _END[name].search(html, at)
            if end:
                at = end.end()
            else:
                endless.add(name)  # never closed: taken for text
        elif name in wanted and (inside := _INSIDE.match(html, at, at + _TAG_LENGTH)):
            at = inside.end()
            yield name, _attributes(inside[1])


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(text):
        found.setdefault(name.lower(), unescape(double or single or bare))
    return found


def directives_of(value: str) -> set[str]:
    """The directives of a robots meta's content or of X-Robots-Tag ("bot: a, b" names whom the rest is for)."""
    found: set[str] = set()
    bot = ""
    for part in value.lower().split(","):
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


def licence(html: str) -> str | None:
    """The first `rel=license` link, else the first link to a Creative Commons licence; absolute URLs only."""
    said = any(p.search(html) for p in _REL_LICENSE)
    if not said and "creativecommons.org/" not in html:
        return None  # most pages: the scan of all links is spared
    commons = None
    for _, attributes in tags(html, _LINKS):
        target = attributes.get("href", "").strip()
        target = f"https:{target}" if target.startswith("//") else target
        if not re.match(r"https?://[^\s/]", target, re.I):
            continue
        if "license" in attributes.get("rel", "").lower().split():
            return target
        if commons is None and _COMMONS.match(target):
            commons = target
            if not said:
                return commons
    return commons
