"""Extraction engines: HTML to the text that a reader came for. None keeps anything between two pages.

An engine is a function (page, favour, markdown) -> clean text; another one is an entry in ENGINES. Formulas are TeX
before any engine sees the page (`extract/html/formulas.py`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape

import numpy as np

from extract.html.byte_search import find, key, places, word
from extract.html.decode import Decoded
from extract.html.formulas import hinted, spelled
from pipeline.kernels.njit import njit

MAX_DEPTH = 1000  # nested elements; resiliparse's main content takes 15 ms at 1,000, 1 s at 8,000, minutes at 100,000
_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_TITLE = re.compile(rb"<title(?:\s[^<>]{0,500}+)?>([^<]{0,8000})", re.I)


@dataclass(frozen=True, slots=True)
class Extracted:
    """`text`: paragraphs, one a line, blank lines in code alone; or Markdown. `title`: of `<title>`, "" for none."""

    text: str
    title: str


class TooMuch(ValueError):
    """A page has more of something than an engine takes: `rule` names it, `value` says how many, `limit` how many may
    be."""

    def __init__(self, rule: str, value: int, limit: int):
        super().__init__(f"{rule}: {value}, more than {limit}")
        self.rule, self.value, self.limit = rule, value, limit


class TooDeep(TooMuch):
    """More nested elements than an engine can take; `value` says how many."""

    def __init__(self, depth: int):
        super().__init__("too_deep", depth, MAX_DEPTH)


def _trafilatura(page: Decoded, favour: str, markdown: bool) -> str:
    """trafilatura without comments and with tables. `deduplicate` is off: it carries state from page to page."""
    from trafilatura import extract

    text = extract(
        page.text,
        output_format="markdown" if markdown else "txt",
        fast=favour == "fast",
        favor_precision=favour == "precision",
        favor_recall=favour == "recall",
        include_comments=False,
        include_tables=True,
        deduplicate=False,
        with_metadata=False,
    )
    return clean(text or "") if markdown else _squeezed(text or "")


def _resiliparse(page: Decoded, favour: str, markdown: bool) -> str:
    """resiliparse's main content without users' comments; `favour` recall takes all of the page's text.

    It writes no Markdown: its minimal HTML (headings, lists, code; no tables) is rendered as ours is.
    """
    from resiliparse.extract.html2text import extract_plain_text

    if (found := depth(page.text)) > MAX_DEPTH:
        raise TooDeep(found)
    text = extract_plain_text(
        page.text,
        preserve_formatting="minimal_html" if markdown else True,
        main_content=favour != "recall",
        list_bullets=True,
        alt_texts=False,
        links=False,
        form_fields=False,
        noscript=False,
        comments=False,
    )
    if not markdown:
        return _squeezed(text)
    from extract.blocks.engine import render_all

    return stripped(render_all(text, True))


def _squeezed(text: str) -> str:
    """Without blank lines."""
    return "\n".join(line for line in clean(text).split("\n") if line)


def _blocks(page: Decoded, favour: str, markdown: bool) -> str:
    """Our learned block classifier (`extract/blocks/engine.py`)."""
    from extract.blocks.engine import extract_blocks

    return stripped(extract_blocks(page.utf8, favour, markdown))


ENGINES: dict[str, Callable[[Decoded, str, bool], str]] = {
    "trafilatura": _trafilatura,
    "resiliparse": _resiliparse,
    "blocks": _blocks,
}
LIBRARIES = ("trafilatura", "lxml", "resiliparse")  # the distributions whose release shapes texts


def extract(page: Decoded | str, engine: str, favour: str = "default", markdown: bool = False) -> Extracted:
    """Text and title of a page by the engine of that name. `favour`: precision, default, recall or fast.

    The answer depends on these arguments alone. Raises KeyError for an unknown engine, TooMuch, and what the engine
    raises on hostile input.
    """
    page = Decoded(_SURROGATES.sub("\ufffd", page)) if isinstance(page, str) else page
    spelt = Decoded(spelled(page.text)) if hinted(page.utf8) else page
    return Extracted(ENGINES[engine](spelt, favour, markdown), title_of(page.utf8))


def article(body: str, markdown: bool) -> str:
    """The article of a page's JSON-LD, plain or HTML, in the form of extracted text."""
    if re.search(r"<(?:p|br|div|h\d)\b", unescape(body), re.I):
        from extract.blocks.engine import render_all

        return stripped(render_all(unescape(body), markdown))
    return _squeezed(unescape(body)).replace("\n", "\n\n" if markdown else "\n")


def clean(text: str) -> str:
    """Without blanks at ends of lines, blank lines at both ends, control characters and surrogates."""
    return stripped(_CONTROLS.sub("", _SURROGATES.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))))


def stripped(text: str) -> str:
    """Without blanks at ends of lines and blank lines at both ends: all that is left to do for text of our scanner's,
    which has no control characters and no surrogates."""
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def title_of(html: bytes) -> str:
    """The text of the first `<title>` of a page (UTF-8), white space collapsed."""
    found = next((m for at in places(html, b"<title", fold=True) if (m := _TITLE.match(html, at))), None)
    text = unescape(found[1].decode("utf-8", "replace")[:2000]) if found else ""
    return " ".join(_CONTROLS.sub("", _SURROGATES.sub("", text)).split())


def warm(engine: str, favour: str = "default", markdown: bool = False) -> None:
    """Import and run the engine once, so that a first page's time is its own."""
    body = "<p>" + "Ein Satz, der lang genug ist, um als Text zu gelten. " * 10 + "</p>"
    html = f"<html lang=de><head><title>a</title></head><body><article>{body * 3}</article></body></html>"
    extract(html, engine, favour, markdown)


# names of elements that are never nested in themselves: void, or closed by the next one of their kind
_FLAT = (
    *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"),
    *("p", "li", "dt", "dd", "tr", "td", "th", "option", "path"),
)


def depth(html: str) -> int:
    """How many elements are open at once at most, as the tags in the source tell; up to MAX_DEPTH an upper bound.

    Scripts and comments count as if they were markup.
    """
    if (most := html.count("<")) <= MAX_DEPTH:
        return most
    return int(_depth(np.frombuffer(html.encode("utf-8", "replace"), np.uint8), _FLAT_KEYS))


_FLAT_KEYS = np.array(sorted(map(key, _FLAT)), np.int64)


@njit(cache=True, nogil=True)
def _depth(data: np.ndarray, flat: np.ndarray) -> int:
    deepest, now, at = 0, 0, find(data, 0, len(data), 60)
    while at + 1 < len(data):
        closing = data[at + 1] == 47
        begin = at + 2 if closing else at + 1
        name, end = word(data, begin, len(data))
        k = np.searchsorted(flat, name)
        if end > begin and (k == len(flat) or flat[k] != name):
            now = max(0, now - 1) if closing else now + 1
            deepest = max(deepest, now)
        at = find(data, end, len(data), 60)
    return deepest
