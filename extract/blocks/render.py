"""Chosen blocks to text: headings, lists, tables, quotes and code as Markdown, or plainly, a paragraph a line.

Markdown is CommonMark with GitHub's tables. Code keeps its white space in both.
"""

import re
from collections.abc import Iterator
from itertools import product

import numpy as np

from extract.blocks.inline_marks import MARKS, shown
from extract.blocks.scan.nodes import CELL, HEADING, N_B0, N_B1, N_FLAGS, N_PARENT, N_POS, N_TAG, PREFORMATTED, Page
from extract.blocks.scan.tags import TAG
from extract.blocks.scan.text_runs import NODE, T0, T1, WORDS
from extract.blocks.table import (
    IN_CELL,
    IN_CODE,
    IN_HEADING,
    IN_ITEM,
    IN_QUOTE,
    IN_TABLE,
    PLACE,
    Outline,
    grid,
    outline,
)

_LEVELS = {TAG[f"h{k}"]: "#" * k for k in range(1, 7)}
_BETWEEN = {
    ("item", "item"): "\n",
    ("quoted item", "quoted item"): "\n",
}  # two pieces of Markdown; others: a blank line
_BETWEEN |= {(a, b): "\n>\n" for a, b in product(("quoted", "quoted item"), repeat=2) if (a, b) not in _BETWEEN}
_GUTTER = re.compile(r"\s*\d+(?:\s+\d+)*\s*")  # line numbers beside code
_LANGUAGE = re.compile(rb"(?:\b|_)(?:lang(?:uage)?|brush|highlight-source)(?:-|: ?)([A-Za-z][\w+#]*)")
_CODE_TAG = re.compile(rb"\s*<code[^>]*>")
_START, _VALUE = (re.compile(rb"\s%s\s*=\s*[\"']?(\d{1,6})" % name) for name in (b"start", b"value"))
_BOX = re.compile(rb"\s*(?:<(?:p|label)\b[^<>]*>\s*)?<input\b[^<>]*\btype\s*=\s*[\"']?checkbox\b[^<>]*>", re.I)
_CHECKED = re.compile(rb"\schecked\b", re.I)


def render(page: Page, data: bytes, taken: np.ndarray, markdown: bool = False) -> str:
    """Text of the blocks where `taken` (blocks,) is true; `data` is the page's source, which `page` was scanned from.

    Plain: list items begin with "- " or "1. ", a data table's row is one line, its cells joined by " | ". Tables and
    listings are taken as wholes: when more than half of their words are.
    """
    seen = outline(page)
    writer = _Writer(page, data, _wholes(page, seen, taken), seen, markdown)
    pieces = (piece for piece in writer.pieces() if piece[1])
    if not markdown:
        return "\n".join(text for _, text in pieces)
    last = ""
    parts: list[str] = []
    for kind, text in pieces:
        parts += [_BETWEEN.get((last, kind), "\n\n") if parts else "", text]
        last = kind
    return "".join(parts)


def _wholes(page: Page, seen: Outline, taken: np.ndarray) -> np.ndarray:
    """All blocks of the listings and data tables of which more than half the words are taken, none of the others'."""
    whole = seen.above[:, IN_CODE] == np.arange(len(page.nodes))
    whole[0] = False
    whole[list(seen.tables)] = True
    nodes = np.flatnonzero(whole)
    if len(nodes) == 0:
        return taken
    words = page.blocks[:, WORDS].astype(np.int64) + 1
    all_, have = (np.concatenate(([0], np.cumsum(x))) for x in (words, words * taken))
    first, last, taken = page.nodes[nodes, N_B0], page.nodes[nodes, N_B1], taken.copy()
    all_, have = all_[last] - all_[first], have[last] - have[first]
    for k in np.flatnonzero((have > 0) & (have < all_)).tolist():
        taken[first[k] : last[k]] = 2 * have[k] > all_[k]
    return taken


class _Writer:
    """One page's blocks, in their order, as pieces (kind, text): item, quoted item, quoted, or anything else."""

    def __init__(self, page: Page, data: bytes, taken: np.ndarray, seen: Outline, markdown: bool):
        self.page, self.data, self.taken, self.seen, self.markdown = page, data, taken, seen, markdown
        self.text_of = page.text.tobytes()
        self.starts, self.ends = page.blocks[:, T0].tolist(), page.blocks[:, T1].tolist()
        self.marked = any(mark in self.text_of for mark in MARKS)
        self.depths: dict[int, int] = {0: 0}  # list item -> how deep; 0 where it has no marker
        self.before: dict[int, int] = {}  # list -> what its items' places are counted from

    def pieces(self) -> Iterator[tuple[str, str]]:
        """Every line, table and listing that is taken."""
        chosen = np.flatnonzero(self.taken)
        nodes = self.page.blocks[chosen, NODE]
        above, flags = self.seen.above[nodes].tolist(), self.page.nodes[nodes, N_FLAGS].tolist()
        done = -1  # the end of the last table or listing
        for b, up, flag in zip(chosen.tolist(), above, flags, strict=True):
            if b < done:
                continue
            if flag & PREFORMATTED:
                done = max(b + 1, int(self.page.nodes[up[IN_CODE], N_B1]))
                yield self._placed("listing", self._listing(up, range(b, done)), up[IN_CODE])
            elif flag & CELL and up[IN_TABLE] in self.seen.tables:
                done = int(self.page.nodes[up[IN_TABLE], N_B1])
                yield self._placed("table", self._table(self.seen.tables[up[IN_TABLE]]), up[IN_TABLE])
            else:
                yield self._line(b, up, bool(flag & HEADING))

    def _text(self, b: int) -> str:
        text = self.text_of[self.starts[b] : self.ends[b]].decode("utf-8", "replace")
        return shown(text, self.markdown) if self.marked else text

    def _line(self, b: int, up: list[int], heading: bool) -> tuple[str, str]:
        """A paragraph, heading or list item."""
        text = self._text(b)
        if not text:
            return "", ""  # a note's number
        if heading:
            self.depths.setdefault(up[IN_ITEM], 0)
            level = _LEVELS[int(self.page.nodes[up[IN_HEADING], N_TAG])]
            return "heading", f"{level} " + text.replace("\n", " ") if self.markdown else text
        if "\n" in text and text[0] == text[-1] == "`" and text.count("`") == 2:
            return self._placed("listing", self._fenced(text[1:-1], ""), int(self.page.blocks[b, NODE]))
        return self._at("line", text, up)

    def _placed(self, kind: str, text: str, node: int) -> tuple[str, str]:
        """A listing or table of Markdown at its place; plain ones have no mark and no indentation."""
        return self._at(kind, text, self.seen.above[node].tolist()) if self.markdown and text else (kind, text)

    def _at(self, kind: str, text: str, up: list[int]) -> tuple[str, str]:
        """A piece behind the mark of its list item, the item's other lines indented, quotes behind "> "."""
        new, mark, indent = self._item(up[IN_ITEM])
        if not self.markdown:
            return kind, mark + text
        if new and kind == "line":
            kind = "item"
        elif new:
            mark = mark.ljust(len(indent))  # so that the lines of code and tables begin in one column
        if up[IN_QUOTE]:
            kind, mark, indent = "quoted item" if kind == "item" else "quoted", "> " + mark, "> " + indent
        return kind, mark + text.replace("\n", "\n" + indent)

    def _item(self, item: int) -> tuple[bool, str, str]:
        """Whether a list item begins here, what its block begins with, and what other lines begin with."""
        new = item not in self.depths
        if new:
            self.depths[item] = self._depth_above(item) + 1
        indent = " " * 4 * self.depths[item] if self.markdown else ""
        return new, indent[4:] + self._marker(item) if new else indent, indent

    def _depth_above(self, item: int) -> int:
        """How deep the item is in items that have a marker."""
        while item := int(self.seen.above[self.page.nodes[item, N_PARENT], IN_ITEM]):
            if depth := self.depths.get(item, 0):
                return depth
        return 0

    def _marker(self, item: int) -> str:
        """ "- " or "1. ", numbered as the page says; boxes of task lists in Markdown."""
        parent = int(self.page.nodes[item, N_PARENT])
        if self.page.nodes[parent, N_TAG] != TAG["ol"]:
            task = self.markdown and b"task-list" in self._tag(item)
            box = _BOX.match(self.data, int(self.page.nodes[item, N_POS])) if task else None
            return "- " if not box else "- [x] " if _CHECKED.search(box[0]) else "- [ ] "
        place = int(self.seen.above[item, PLACE])
        if value := _VALUE.search(self._tag(item)):
            self.before[parent] = int(value[1]) - place
        elif parent not in self.before:
            first = _START.search(self._tag(parent))
            self.before[parent] = int(first[1]) - 1 if first else 0
        return f"{place + self.before[parent]}. "

    def _tag(self, node: int) -> bytes:
        """Source of an element's start tag."""
        end = int(self.page.nodes[node, N_POS])
        return self.data[max(0, self.data.rfind(b"<", 0, end)) : end]

    def _listing(self, up: list[int], blocks: range) -> str:
        """Code as it is; line numbers beside it are left out."""
        texts = [self._text(b) for b in blocks if self.taken[b]]
        text = "\n".join(t for t in texts if not (up[IN_CELL] and _GUTTER.fullmatch(t)))
        if not self.markdown or not text:
            return text
        return self._fenced(text, self._language(up[IN_CODE]))

    @staticmethod
    def _fenced(text: str, language: str) -> str:
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
        return f"{fence}{language}\n{text}\n{fence}"

    def _language(self, node: int) -> str:
        """The programming language that classes of the listing, of `code` in it or of what is around it name."""
        inner = _CODE_TAG.match(self.data, int(self.page.nodes[node, N_POS]))
        tags = (inner[0] if inner else b"", self._tag(node), self._tag(int(self.page.nodes[node, N_PARENT])))
        found = next((said for tag in tags if (said := _LANGUAGE.search(tag))), None)
        return found[1].decode().lower() if found else ""

    def _table(self, rows: list[list[int]]) -> str:
        """A data table, rows without text left out; Markdown takes the first row for the head."""
        lines = [cells for row in grid(rows, self._tag) if any(cells := [self._cell(cell) for cell in row])]
        if not self.markdown:
            return "\n".join(" | ".join(cells).strip(" |") for cells in lines)
        width = max(map(len, lines))
        shown = ["| " + " | ".join(cells + [""] * (width - len(cells))) + " |" for cells in lines]
        return "\n".join([shown[0], "|" + " --- |" * width, *shown[1:]])

    def _cell(self, cell: int) -> str:
        blocks = range(self.page.nodes[cell, N_B0], self.page.nodes[cell, N_B1]) if cell else ()
        text = " ".join(self._text(b).replace("\n", " ") for b in blocks if self.taken[b])
        return text.replace("|", r"\|") if self.markdown else text
