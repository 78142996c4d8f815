"""Extraction engines: from HTML to the main text of a page. None keeps anything between two pages.

An engine is a function (page, favour, markdown) -> clean text; a new one is an entry in ENGINES. Formulas are TeX
before any engine sees the page (`extract/html/formulas.py`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape

import numpy as np

from extract.html.byte_search import LESS_THAN, SLASH, find_all, find_byte, name_key, read_name
from extract.html.decode import DecodedPage
from extract.html.formulas import formulas_to_tex, may_have_formulas
from extract.limits import MAX_DEPTH, TooDeep
from pipeline.kernels.njit import njit

_MAX_TITLE_CHARACTERS = 2000
_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_TITLE = re.compile(rb"<title(?:\s[^<>]{0,500}+)?>([^<]{0,8000})", re.I)


@dataclass(frozen=True, slots=True)
class Extracted:
    """`text`: paragraphs, one per line, blank lines only in code; or Markdown. `title`: of `<title>`, "" for none."""

    text: str
    title: str


def _trafilatura(page: DecodedPage, favour: str, markdown: bool) -> str:
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
    return clean_text(text or "") if markdown else _without_blank_lines(text or "")


def _resiliparse(page: DecodedPage, favour: str, markdown: bool) -> str:
    """resiliparse's main content without users' comments; `favour` recall takes all text of the page.

    It writes no Markdown, so its minimal HTML (headings, lists, code; no tables) is rendered as ours is.
    """
    from resiliparse.extract.html2text import extract_plain_text

    if (depth := nesting_depth(page.text)) > MAX_DEPTH:
        raise TooDeep(depth)
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
        return _without_blank_lines(text)
    from extract.blocks.engine import render_all

    return strip_blanks(render_all(text, True))


def _without_blank_lines(text: str) -> str:
    return "\n".join(line for line in clean_text(text).split("\n") if line)


def _blocks(page: DecodedPage, favour: str, markdown: bool) -> str:
    """Our learned block classifier (`extract/blocks/engine.py`)."""
    from extract.blocks.engine import extract_blocks

    return strip_blanks(extract_blocks(page.utf8, favour, markdown))


ENGINES: dict[str, Callable[[DecodedPage, str, bool], str]] = {
    "trafilatura": _trafilatura,
    "resiliparse": _resiliparse,
    "blocks": _blocks,
}
LIBRARIES = ("trafilatura", "lxml", "resiliparse")  # distributions whose releases decide about texts


def extract(page: DecodedPage | str, engine: str, favour: str = "default", markdown: bool = False) -> Extracted:
    """Text and title of a page by the engine of that name. `favour`: precision, default, recall or fast.

    The result depends on these arguments alone. Raises KeyError for an unknown engine, TooMuch, and what the engine
    raises on hostile input.
    """
    if isinstance(page, str):
        page = DecodedPage(_SURROGATES.sub("\ufffd", page))
    with_tex = DecodedPage(formulas_to_tex(page.text)) if may_have_formulas(page.utf8) else page
    return Extracted(ENGINES[engine](with_tex, favour, markdown), page_title(page.utf8))


def article_text(body: str, markdown: bool) -> str:
    """The article of a page's JSON-LD, plain or HTML, in the form of extracted text."""
    if re.search(r"<(?:p|br|div|h\d)\b", unescape(body), re.I):
        from extract.blocks.engine import render_all

        return strip_blanks(render_all(unescape(body), markdown))
    return _without_blank_lines(unescape(body)).replace("\n", "\n\n" if markdown else "\n")


def clean_text(text: str) -> str:
    """Remove blanks at ends of lines, blank lines at both ends, control characters and surrogates."""
    return strip_blanks(_CONTROLS.sub("", _SURROGATES.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))))


def strip_blanks(text: str) -> str:
    """Remove blanks at ends of lines and blank lines at both ends.

    Text of our scanner needs no more than that: it has no control characters and no surrogates.
    """
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def page_title(html: bytes) -> str:
    """The text of the first `<title>` of a page (UTF-8), with white space collapsed."""
    matches = (_TITLE.match(html, offset) for offset in find_all(html, b"<title", fold=True))
    match = next((match for match in matches if match), None)
    text = unescape(match[1].decode("utf-8", "replace")[:_MAX_TITLE_CHARACTERS]) if match else ""
    return " ".join(_CONTROLS.sub("", _SURROGATES.sub("", text)).split())


def warm_up(engine: str, favour: str = "default", markdown: bool = False) -> None:
    """Import and run the engine once, so that the time of the first page is its own."""
    body = "<p>" + "Ein Satz, der lang genug ist, um als Text zu gelten. " * 10 + "</p>"
    html = f"<html lang=de><head><title>a</title></head><body><article>{body * 3}</article></body></html>"
    extract(html, engine, favour, markdown)


# names of elements that are never nested in themselves: void, or closed by the next one of their kind
_NEVER_NESTED = (
    *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"),
    *("p", "li", "dt", "dd", "tr", "td", "th", "option", "path"),
)
_NEVER_NESTED_KEYS = np.array(sorted(map(name_key, _NEVER_NESTED)), np.int64)


def nesting_depth(html: str) -> int:
    """The largest number of elements that are open at once, by the tags in the source; up to MAX_DEPTH an upper bound.

    Scripts and comments count as if they were markup.
    """
    if (tags := html.count("<")) <= MAX_DEPTH:
        return tags
    return int(_nesting_depth(np.frombuffer(html.encode("utf-8", "replace"), np.uint8), _NEVER_NESTED_KEYS))


@njit(cache=True, nogil=True)
def _nesting_depth(data: np.ndarray, never_nested: np.ndarray) -> int:
    deepest, depth, position = 0, 0, find_byte(data, 0, len(data), LESS_THAN)
    while position + 1 < len(data):
        is_end_tag = data[position + 1] == SLASH
        begin = position + 2 if is_end_tag else position + 1
        name, end = read_name(data, begin, len(data))
        k = np.searchsorted(never_nested, name)
        if end > begin and (k == len(never_nested) or never_nested[k] != name):
            depth = max(0, depth - 1) if is_end_tag else depth + 1
            deepest = max(deepest, depth)
        position = find_byte(data, end, len(data), LESS_THAN)
    return deepest
