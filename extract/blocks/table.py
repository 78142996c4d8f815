"""What is above each element, and which tables hold data and not a page's layout, as rows and columns of cells."""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from extract.blocks.scan.nodes import N_B0, N_B1, N_FLAGS, N_PARENT, N_TAG, PREFORMATTED, Page
from extract.blocks.scan.tags import TAG, TAG_NAMES
from extract.blocks.scan.text_runs import WORDS
from pipeline.kernels.njit import njit

# what is nearest above an element, itself counted (code: farthest); its place among the items of its list
IN_CELL, IN_ITEM, IN_HEADING, IN_CODE, IN_TABLE, IN_QUOTE, PLACE = range(7)
_ABOVE = {
    **dict.fromkeys(("td", "th"), IN_CELL), "li": IN_ITEM, **{f"h{k}": IN_HEADING for k in range(1, 7)},
    "table": IN_TABLE, "blockquote": IN_QUOTE,
}  # fmt: skip
_WANTED = np.array([_ABOVE.get(name, -1) for name in TAG_NAMES], np.int8)
# what a table is surveyed for
_LAYOUT, _FILLED, _BLOCKS, _COLUMNS, _LAST = range(5)
_LAYOUT_TAGS = np.isin(TAG_NAMES, ("table", "h1", "h2", "h3", "h4", "form", "article", "section", "pre"))
_TABLE = TAG["table"]
_SPAN = re.compile(rb"\s(colspan|rowspan)\s*=\s*[\"']?(\d{1,4})", re.I)
_MOST_SPAN = 50


class Outline(NamedTuple):
    """`above` (nodes, 7) int32: nodes, 0 for none, and PLACE; `tables`: rows of cells by data table, both nodes."""

    above: np.ndarray
    tables: dict[int, list[list[int]]]


def outline(page: Page) -> Outline:
    """One look at the elements. Linear in their number."""
    above, seen = _survey(page.nodes)
    tables = _data_tables(page.nodes, page.blocks, seen).tolist()
    return Outline(above, {table: _rows(page.nodes, above, table, int(seen[table, _LAST])) for table in tables})


@njit(cache=True, nogil=True)
def _data_tables(nodes: np.ndarray, blocks: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Nodes of the tables that were `seen` to hold data: no layout, several columns and cells, short ones."""
    found, n = np.empty(len(nodes), np.int64), 0
    for x in range(len(nodes)):
        filled = seen[x, _FILLED]
        if nodes[x, N_TAG] != _TABLE or seen[x, _LAYOUT] > 0 or seen[x, _COLUMNS] < 2 or filled < 2:
            continue
        words = 0
        for b in range(nodes[x, N_B0], nodes[x, N_B1]):
            words += blocks[b, WORDS]
        if 2 * seen[x, _BLOCKS] <= 3 * filled and words <= 50 * filled:
            found[n] = x
            n += 1
    return found[:n]


@njit(cache=True, nogil=True)
def _survey(nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`above` of all nodes, and of tables: signs of layout in them, cells with text, blocks in cells, columns, end."""
    above, seen = np.zeros((len(nodes), 7), np.int32), np.zeros((len(nodes), 5), np.int32)
    children = np.zeros(len(nodes), np.int32)
    for x in range(1, len(nodes)):
        parent = nodes[x, N_PARENT]
        for k in range(7):
            above[x, k] = above[parent, k]
        kind, table = _WANTED[nodes[x, N_TAG]], above[parent, IN_TABLE]
        seen[table, _LAST] = x
        seen[table, _LAYOUT] += _LAYOUT_TAGS[nodes[x, N_TAG]]
        if kind >= 0:
            above[x, kind] = x
        if nodes[x, N_FLAGS] & PREFORMATTED and not above[parent, IN_CODE]:
            above[x, IN_CODE] = x
        if kind in (IN_CELL, IN_ITEM):
            children[parent] += 1
        if kind == IN_ITEM:
            above[x, PLACE] = children[parent]
        elif kind == IN_CELL:
            seen[table, _COLUMNS] = max(seen[table, _COLUMNS], children[parent])
            seen[table, _FILLED] += nodes[x, N_B1] > nodes[x, N_B0]
            seen[table, _BLOCKS] += nodes[x, N_B1] - nodes[x, N_B0]
    return above, seen


def _rows(nodes: np.ndarray, above: np.ndarray, table: int, last: int) -> list[list[int]]:
    rows: dict[int, list[int]] = {}
    inside = slice(table + 1, last + 1)
    cells = np.flatnonzero(above[inside, IN_CELL] == np.arange(table + 1, last + 1)) + table + 1
    for cell, row in zip(cells.tolist(), nodes[cells, N_PARENT].tolist(), strict=True):
        rows.setdefault(row, []).append(cell)
    return list(rows.values())


def _spans(source: bytes) -> tuple[int, int]:
    """How many columns and rows a cell's start tag says that it has."""
    if b"span" not in source.lower():
        return 1, 1
    said = {name.lower(): min(int(n), _MOST_SPAN) for name, n in _SPAN.findall(source)}
    return max(1, said.get(b"colspan", 1)), said.get(b"rowspan", 1)


def grid(rows: list[list[int]], tag: Callable[[int], bytes]) -> list[list[int]]:
    """Cells in their columns, 0 where another cell spans or none is; `tag`: source of an element's start tag."""
    held: set[tuple[int, int]] = set()
    lines: list[list[int]] = []
    for r, row in enumerate(rows):
        line: list[int] = []
        for cell in row:
            while (r, len(line)) in held:
                line.append(0)
            wide, down = _spans(tag(cell))
            held.update((r + i, len(line) + k) for i in range(1, down) for k in range(wide))
            line += [cell] + [0] * (wide - 1)
        lines.append(line)
    return lines
