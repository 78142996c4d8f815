"""Chosen blocks to text: headings, lists, tables, quotes and code as Markdown, or plainly, a paragraph a line.

Markdown is CommonMark with GitHub's tables. Code keeps its white space in both.
"""

import re
from collections.abc import Iterator
from itertools import product

import numpy as np

from extract.blocks.inline_marks import MARKS, render_marks
from extract.blocks.scan.page import CELL, HEADING, PREFORMATTED, Page
from extract.blocks.scan.tags import TAG_NUMBERS
from extract.blocks.table import Enclosing, Outline, align_columns, outline_page

_HASHES = {TAG_NUMBERS[f"h{level}"]: "#" * level for level in range(1, 7)}
# what stands between two pieces of Markdown of these kinds; elsewhere a blank line
_SEPARATORS = dict.fromkeys(product(("quoted", "quoted item"), repeat=2), "\n>\n")
_SEPARATORS |= {("item", "item"): "\n", ("quoted item", "quoted item"): "\n"}
_INDENT = " " * 4  # of one level of list items in Markdown
_MAX_START_TAG = 4096  # bytes of a start tag that are read: a large one may be read for each element in it
_MAX_PADDED, _MAX_PADDED_RATIO = 10_000, 20  # cells of a padded Markdown table, and for each cell that it has
_LINE_NUMBERS = re.compile(r"\s*\d+(?:\s+\d+)*\s*")  # in a cell beside code
_LANGUAGE = re.compile(rb"(?:\b|_)(?:lang(?:uage)?|brush|highlight-source)(?:-|: ?)([A-Za-z][\w+#]*)")
_CODE_TAG = re.compile(rb"\s*<code[^>]*>")
_START, _VALUE = (re.compile(rb"\s%s\s*=\s*[\"']?(\d{1,6})" % name) for name in (b"start", b"value"))
_CHECKBOX = re.compile(rb"\s*(?:<(?:p|label)\b[^<>]*>\s*)?<input\b[^<>]*\btype\s*=\s*[\"']?checkbox\b[^<>]*>", re.I)
_CHECKED = re.compile(rb"\schecked\b", re.I)


def render(page: Page, html: bytes, taken: np.ndarray, markdown: bool = False) -> str:
    """Write the blocks where `taken` (blocks,) is true; `html` is what `page` was scanned from.

    Plain: list items begin with "- " or "1. ", a data table's row is one line, its cells joined by " | ". Tables and
    listings are written whole or not at all: when more than half of their words are taken.
    """
    outline = outline_page(page)
    writer = _Writer(page, html, _complete_units(page, outline, taken), outline, markdown)
    pieces = (piece for piece in writer.pieces() if piece[1])
    if not markdown:
        return "\n".join(text for _, text in pieces)
    last_kind = ""
    parts: list[str] = []
    for kind, text in pieces:
        parts += [_SEPARATORS.get((last_kind, kind), "\n\n") if parts else "", text]
        last_kind = kind
    return "".join(parts)


def _complete_units(page: Page, outline: Outline, taken: np.ndarray) -> np.ndarray:
    """Take all blocks of the listings and data tables of which more than half the words are taken, else none."""
    is_unit = outline.enclosing["code"] == np.arange(len(page.nodes))
    is_unit[0] = False
    is_unit[list(outline.tables)] = True
    nodes = np.flatnonzero(is_unit)
    if len(nodes) == 0:
        return taken
    words = page.blocks["words"].astype(np.int64) + 1
    word_sums, taken_sums = (np.concatenate(([0], np.cumsum(counts))) for counts in (words, words * taken))
    first, end, taken = page.nodes["first_block"][nodes], page.nodes["end_block"][nodes], taken.copy()
    unit_words, taken_words = word_sums[end] - word_sums[first], taken_sums[end] - taken_sums[first]
    for k in np.flatnonzero((taken_words > 0) & (taken_words < unit_words)).tolist():
        taken[first[k] : end[k]] = 2 * taken_words[k] > unit_words[k]
    return taken


class _Writer:
    """Writes one page's blocks, in their order, as pieces (kind, text).

    Kinds are line, item, quoted, quoted item, heading, listing and table; a piece of Markdown may have several lines.
    """

    def __init__(self, page: Page, html: bytes, taken: np.ndarray, outline: Outline, markdown: bool):
        self.html, self.taken, self.tables, self.markdown = html, taken, outline.tables, markdown
        self.text = page.text.tobytes()
        self.has_marks = any(mark in self.text for mark in MARKS)
        self.starts, self.ends = page.blocks["start"].tolist(), page.blocks["end"].tolist()
        self.node_of = page.blocks["node"]
        self.enclosing, self.item_of = outline.enclosing, outline.enclosing["item"]
        self.tag, self.parent, self.flags = page.nodes["tag"], page.nodes["parent"], page.nodes["flags"]
        self.first_block, self.end_block = page.nodes["first_block"], page.nodes["end_block"]
        self.source_end = page.nodes["source_end"]
        self.depth_of: dict[int, int] = {0: 0}  # list item -> levels of items; 0 where it has no marker
        self.offset_of: dict[int, int] = {}  # ordered list -> what is added to its items' places

    def pieces(self) -> Iterator[tuple[str, str]]:
        """Yield every line, table and listing that is taken; the text may be empty."""
        chosen = np.flatnonzero(self.taken)
        nodes = self.node_of[chosen]
        enclosing, flags = map(Enclosing._make, self.enclosing[nodes].tolist()), self.flags[nodes].tolist()
        written_to = -1  # end of the last table or listing
        for b, around, flag in zip(chosen.tolist(), enclosing, flags, strict=True):
            if b < written_to:
                continue
            if flag & PREFORMATTED:
                written_to = max(b + 1, int(self.end_block[around.code]))
                yield self._unit("listing", self._listing(around, range(b, written_to)), around.code)
            elif flag & CELL and around.table in self.tables:
                written_to = int(self.end_block[around.table])
                yield self._unit("table", self._table(self.tables[around.table]), around.table)
            else:
                yield self._line(b, around, bool(flag & HEADING))

    def _block_text(self, b: int) -> str:
        text = self.text[self.starts[b] : self.ends[b]].decode("utf-8", "replace")
        return render_marks(text, self.markdown) if self.has_marks else text

    def _line(self, b: int, around: Enclosing, is_heading: bool) -> tuple[str, str]:
        """A paragraph, heading or list item."""
        text = self._block_text(b)
        if not text:
            return "", ""  # the block was a note's number
        if is_heading:
            self.depth_of.setdefault(around.item, 0)
            hashes = _HASHES[int(self.tag[around.heading])]
            return "heading", f"{hashes} " + text.replace("\n", " ") if self.markdown else text
        if "\n" in text and text[0] == text[-1] == "`" and text.count("`") == 2:
            return self._unit("listing", self._fence(text[1:-1], ""), int(self.node_of[b]))
        return self._indented("line", text, around)

    def _unit(self, kind: str, text: str, node: int) -> tuple[str, str]:
        """A listing or table; plain ones have no list marker and no indentation."""
        if self.markdown and text:
            return self._indented(kind, text, Enclosing._make(self.enclosing[node].item()))
        return kind, text

    def _indented(self, kind: str, text: str, around: Enclosing) -> tuple[str, str]:
        """A piece after the marker of its list item, the item's other lines indented, quotes after "> "."""
        item = around.item
        item_begins = item not in self.depth_of
        if item_begins:
            self.depth_of[item] = self._depth_above(item) + 1
        indent = _INDENT * self.depth_of[item] if self.markdown else ""
        prefix = indent[len(_INDENT) :] + self._marker(item) if item_begins else indent
        if not self.markdown:
            return kind, prefix + text
        if item_begins and kind == "line":
            kind = "item"
        elif item_begins:
            prefix = prefix.ljust(len(indent))  # so that the lines of code and tables begin in one column
        if around.quote:
            kind, prefix, indent = "quoted item" if kind == "item" else "quoted", "> " + prefix, "> " + indent
        return kind, prefix + text.replace("\n", "\n" + indent)

    def _depth_above(self, item: int) -> int:
        """Number of levels of items with a marker that the item is in."""
        while item := int(self.item_of[self.parent[item]]):
            if depth := self.depth_of.get(item, 0):
                return depth
        return 0

    def _marker(self, item: int) -> str:
        """ "- " or "1. ", with the page's own numbers; checkboxes of task lists in Markdown."""
        parent = int(self.parent[item])
        if self.tag[parent] != TAG_NUMBERS["ol"]:
            is_task = self.markdown and b"task-list" in self._start_tag(item)
            begin = int(self.source_end[item])
            checkbox = _CHECKBOX.match(self.html, begin, begin + _MAX_START_TAG) if is_task else None
            return "- " if not checkbox else "- [x] " if _CHECKED.search(checkbox[0]) else "- [ ] "
        place = int(self.enclosing[item]["item_number"])
        if value := _VALUE.search(self._start_tag(item)):
            self.offset_of[parent] = int(value[1]) - place
        elif parent not in self.offset_of:
            start = _START.search(self._start_tag(parent))
            self.offset_of[parent] = int(start[1]) - 1 if start else 0
        return f"{place + self.offset_of[parent]}. "

    def _start_tag(self, node: int) -> bytes:
        """Source of an element's start tag."""
        end = int(self.source_end[node])
        lowest = max(0, end - _MAX_START_TAG)
        return self.html[max(lowest, self.html.rfind(b"<", lowest, end)) : end]

    def _listing(self, around: Enclosing, blocks: range) -> str:
        """Code as it is, without line numbers beside it."""
        texts = [self._block_text(b) for b in blocks if self.taken[b]]
        text = "\n".join(line for line in texts if not (around.cell and _LINE_NUMBERS.fullmatch(line)))
        if not self.markdown or not text:
            return text
        return self._fence(text, self._language(around.code))

    @staticmethod
    def _fence(text: str, language: str) -> str:
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
        return f"{fence}{language}\n{text}\n{fence}"

    def _language(self, node: int) -> str:
        """The programming language that classes of the listing, of `code` in it or of its parent element name."""
        code_tag = _CODE_TAG.match(self.html, int(self.source_end[node]))
        tags = (code_tag[0] if code_tag else b"", self._start_tag(node), self._start_tag(int(self.parent[node])))
        language = next((match for tag in tags if (match := _LANGUAGE.search(tag))), None)
        return language[1].decode().lower() if language else ""

    def _table(self, rows: list[list[int]]) -> str:
        """A data table without empty rows; in Markdown the first row is the header."""
        aligned = align_columns(rows, self._start_tag)
        lines = [cells for row in aligned if any(cells := [self._cell(cell) for cell in row])]
        if not self.markdown:
            return "\n".join(" | ".join(cells).strip(" |") for cells in lines)
        width = max(map(len, lines))
        # one row of thousands of cells must not add that many to each other one; renderers add what a row lacks
        is_even = width * len(lines) <= _MAX_PADDED + _MAX_PADDED_RATIO * sum(map(len, lines))
        lines = [lines[0] + [""] * (width - len(lines[0])), *lines[1:]]
        padded = ["| " + " | ".join(cells + [""] * (width - len(cells)) * is_even) + " |" for cells in lines]
        return "\n".join([padded[0], "|" + " --- |" * width, *padded[1:]])

    def _cell(self, cell: int) -> str:
        blocks = range(self.first_block[cell], self.end_block[cell]) if cell else ()
        text = " ".join(self._block_text(b).replace("\n", " ") for b in blocks if self.taken[b])
        return text.replace("|", r"\|") if self.markdown else text
