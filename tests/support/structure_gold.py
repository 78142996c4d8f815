"""What the annotators' text of real pages holds of their code, formulas, tables, lists and headings.

lxml reads the pages: another parser than ours, and the browser's notion of what breaks a line.
"""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from extract.blocks.scan.tags import TAG_KINDS, TAG_NUMBERS, TagKind
from extract.blocks.training.gold import GoldPage, load_gold, words
from tests.support.structure_pages import Page

_MARK = re.compile(r"^(?:[-*+•·▪◦–]|\d{1,3}[.)])\s+")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def real(data: Path) -> Iterator[Page]:
    """Pages of WCXB with what lxml finds in them and the annotators' text holds, and Wikipedia's formulas."""
    from lxml import html as parser

    for page in load_gold(data):
        if page.name == "en.wikipedia.org.tsne.html":
            found = re.findall(r'(?s)<math[^>]*alttext="([^"]*)"', page.html)
            yield Page(page.html, formulas=[re.sub(r"^\{\\displaystyle (.*)\}$", r"\1", f) for f in found])
        if page.source == "wcxb" and page.gold:
            yield expected(page, parser.fromstring(page.html.encode(), parser=parser.HTMLParser(encoding="utf-8")))


def expected(page: GoldPage, tree: Any) -> Page:
    """What a page's elements say, where the gold text has nine tenths of its words, or lines of its own."""
    gold = page.gold or ""
    pairs = set(pairwise(_MARK.sub("", " ".join(line.split())) for line in gold.split("\n") if line.strip()))
    return Page(
        page.html,
        code=list(_listings(tree, gold)),
        tables=list(_tables(tree, gold)),
        lists=[item for top in tree.iter("ul", "ol") if not _above(top, "ul", "ol") for item in listed(top, pairs)],
        headings=list(_headed(tree, gold)),
        inline=list(_inline(tree, gold)),
    )


def _held(text: str, gold: set[str]) -> bool:
    mine = words(text)
    return len(mine) > 0 and sum(w in gold for w in mine) >= 0.9 * len(mine)


def _listings(tree: Any, gold: str) -> Iterator[str]:
    said = set(words(gold))
    for pre in tree.iter("pre"):
        text = "".join(pre.itertext()).strip("\n")
        simple = not _above(pre, "table") and next(pre.iter("br", "div"), None) is None
        if simple and len(text) > 30 and _held(text, said):
            yield text


def _tables(tree: Any, gold: str) -> Iterator[list[list[str]]]:
    said = set(words(gold))
    for table in tree.iter("table"):
        rows = [[plain(one_line(cell)) for cell in row if cell.tag in ("td", "th")] for row in table.iter("tr")]
        text = table.text_content()
        simple = next(table.iterdescendants("table", "pre"), None) is None and not table.xpath(
            ".//@colspan|.//@rowspan"
        )
        if simple and len(rows) > 2 and max(map(len, rows)) > 1 and _held(text, said) and len(words(text)) < 2000:
            yield [row for row in rows if any(row)]


def _headed(tree: Any, gold: str) -> Iterator[str]:
    """Headings with a line of the gold text each: no more of the same text than it has."""
    left = Counter(" ".join(line.split()) for line in gold.split("\n") if line.strip())
    for k, name in enumerate(_HEADINGS, 1):
        for heading in tree.iter(name):
            if left[text := one_line(heading)] > 0:
                left[text] -= 1
                yield f"{'#' * k} {plain(text)}"


def _inline(tree: Any, gold: str) -> Iterator[str]:
    """Short inline code that the gold text has; each text once."""
    found = {
        one_line(code)
        for code in tree.iter("code")
        if not _above(code, "pre", "table") and not _above(code, *_HEADINGS)
    }
    yield from (f"`{text}`" for text in sorted(found) if 3 <= len(text) <= 60 and "`" not in text and text in gold)


def listed(top: Any, pairs: set[tuple[str, str]]) -> Iterator[str]:
    """ "depth marker text" of the items of a list: those whose first line stands in the gold text next to the line that
    is before or behind it in the list. `pairs`: lines of the gold text next to each other.

    So menus, breadcrumbs and tables of contents are none, whatever words they share with the text. An item is as deep
    as items with a line of their own are above it.
    """
    lines = list(_lines(top))
    texts = [text for text, _ in lines]
    firsts: dict[Any, int] = {}
    for k, (_, item) in enumerate(lines):
        firsts.setdefault(item, k)
    firsts.pop(None, None)
    items = {item: k for item, k in firsts.items() if next(item.iter(*_HEADINGS), None) is None}  # else it is a card
    for item, k in items.items():
        if not pairs.isdisjoint(pairwise(texts[max(0, k - 1) : k + 2])):
            depth = 1 + sum(above in items for above in item.iterancestors("li"))
            yield f"{depth} {'1.' if item.getparent().tag == 'ol' else '-'} {plain(texts[k])}"


def _lines(top: Any) -> Iterator[tuple[str, Any]]:
    """An element's lines of text, each with the `li` that is nearest above it."""
    from lxml import etree

    text, items = "", [None]
    walk = etree.iterwalk(top, events=("start", "end", "comment", "pi"))
    for event, element in walk:
        kind = _kind(element.tag) if event in ("start", "end") else TagKind.SKIPPED
        if kind not in (TagKind.INLINE, TagKind.SKIPPED):
            if said := " ".join(text.split()):
                yield said, items[-1]
            text = ""
        if element.tag == "li" and event == "start":
            items.append(element)
        elif element.tag == "li":
            items.pop()
        if event == "start" and kind == TagKind.SKIPPED:
            walk.skip_subtree()
        elif event == "start":
            text += element.text or ""
        elif element is not top:
            text += element.tail or ""


def _kind(name: str) -> int:
    """As in the rendering section of the HTML standard; names that it does not have are inline."""
    return TagKind.INLINE if name == "img" or name not in TAG_NUMBERS else int(TAG_KINDS[TAG_NUMBERS[name]])


def _above(element: Any, *names: str) -> bool:
    return next(element.iterancestors(*names), None) is not None


def one_line(element: Any) -> str:
    """All text of an element, white space collapsed."""
    return " ".join(element.text_content().split())


def plain(text: str) -> str:
    """Markdown in one line without marks of emphasis, code and links."""
    return " ".join(re.sub(r"[*`_]|\[([^\]]*)\]\([^)]*\)", r"\1", text).split())
