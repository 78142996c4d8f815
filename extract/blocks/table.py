"""What encloses each element, and the tables that hold data (not a page's layout) as rows and columns of cells."""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from extract.blocks.scan.page import PREFORMATTED, Page
from extract.blocks.scan.tags import TAG_NAMES, Tag
from pipeline.kernels.njit import njit


class Enclosing(NamedTuple):
    """Numbers of the nearest elements of a kind around an element, itself included; 0 for none."""

    cell: int
    item: int  # of a list
    heading: int
    code: int  # the outermost preformatted element
    table: int
    quote: int
    item_number: int  # not an element: place of `item` in its list, from 1 on


ENCLOSING = np.dtype([(name, np.int32) for name in Enclosing._fields], align=True)
_SURVEY = np.dtype(
    [
        ("layout_elements", np.int32),  # elements in the table that speak against data
        ("filled_cells", np.int32),
        ("cell_blocks", np.int32),
        ("columns", np.int32),
        ("last_node", np.int32),
    ],
    align=True,
)
_IS_LAYOUT_TAG = np.isin(TAG_NAMES, ("table", "h1", "h2", "h3", "h4", "form", "article", "section", "pre"))
_MIN_COLUMNS, _MIN_FILLED_CELLS, _MAX_WORDS_PER_CELL = 2, 2, 50  # of a data table
_SPAN = re.compile(rb"\s(colspan|rowspan)\s*=\s*[\"']?(\d{1,4})", re.I)
_MAX_SPAN = 50  # columns or rows of a cell
_MAX_SPANNED, _MAX_SPANNED_RATIO = 2000, 20  # positions of a table, and for each cell so far, that cells above may take


class Outline(NamedTuple):
    """A page's elements as `render` reads them.

    Attributes:
        enclosing: (elements,) of ENCLOSING.
        tables: Rows of cells of each data table, by the number of its element; cells are numbers of elements.
    """

    enclosing: np.ndarray
    tables: dict[int, list[list[int]]]


def outline_page(page: Page) -> Outline:
    """Survey the elements, in time linear in their number."""
    enclosing, survey = _survey_elements(page.nodes)
    tables = _find_data_tables(page.nodes, page.blocks, survey).tolist()
    return Outline(
        enclosing,
        {table: _cell_rows(page.nodes, enclosing, table, int(survey["last_node"][table])) for table in tables},
    )


@njit(cache=True, nogil=True)
def _survey_elements(nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(elements,) of ENCLOSING, and (elements,) of _SURVEY, which is filled in for tables."""
    enclosing, survey = np.zeros(len(nodes), ENCLOSING), np.zeros(len(nodes), _SURVEY)
    children = np.zeros(len(nodes), np.int32)  # items or cells so far
    for k in range(1, len(nodes)):
        node = nodes[k]
        enclosing[k] = enclosing[node.parent]
        around, table = enclosing[k], survey[enclosing[k].table]
        table.last_node = k
        table.layout_elements += _IS_LAYOUT_TAG[node.tag]
        if node.flags & PREFORMATTED and around.code == 0:
            around.code = k
        if node.tag == Tag.LI:
            children[node.parent] += 1
            around.item, around.item_number = k, children[node.parent]
        elif node.tag == Tag.TD or node.tag == Tag.TH:
            children[node.parent] += 1
            around.cell = k
            table.columns = max(table.columns, children[node.parent])
            table.filled_cells += node.end_block > node.first_block
            table.cell_blocks += node.end_block - node.first_block
        elif node.tag == Tag.TABLE:
            around.table = k
        elif node.tag == Tag.BLOCKQUOTE:
            around.quote = k
        elif Tag.H1 <= node.tag <= Tag.H6:
            around.heading = k
    return enclosing, survey


@njit(cache=True, nogil=True)
def _find_data_tables(nodes: np.ndarray, blocks: np.ndarray, survey: np.ndarray) -> np.ndarray:
    """Tables that hold data: no signs of layout, several columns and filled cells, short cells."""
    tables, n = np.empty(len(nodes), np.int64), 0
    for k in range(len(nodes)):
        table, node = survey[k], nodes[k]
        if node.tag != Tag.TABLE or table.layout_elements > 0:
            continue
        if table.columns < _MIN_COLUMNS or table.filled_cells < _MIN_FILLED_CELLS:
            continue
        words = 0
        for b in range(node.first_block, node.end_block):
            words += blocks[b].words
        if 2 * table.cell_blocks <= 3 * table.filled_cells and words <= _MAX_WORDS_PER_CELL * table.filled_cells:
            tables[n] = k
            n += 1
    return tables[:n]


def _cell_rows(nodes: np.ndarray, enclosing: np.ndarray, table: int, last_node: int) -> list[list[int]]:
    rows: dict[int, list[int]] = {}
    inside = np.arange(table + 1, last_node + 1)
    cells = inside[enclosing["cell"][table + 1 : last_node + 1] == inside]
    for cell, row in zip(cells.tolist(), nodes["parent"][cells].tolist(), strict=True):
        rows.setdefault(row, []).append(cell)
    return list(rows.values())


def _cell_spans(start_tag: bytes) -> tuple[int, int]:
    """Number of columns and rows that a cell takes."""
    if b"span" not in start_tag.lower():
        return 1, 1
    spans = {name.lower(): min(int(n), _MAX_SPAN) for name, n in _SPAN.findall(start_tag)}
    return max(1, spans.get(b"colspan", 1)), spans.get(b"rowspan", 1)


def align_columns(rows: list[list[int]], start_tag: Callable[[int], bytes]) -> list[list[int]]:
    """Put cells into their columns, 0 where a cell of another column or row spans and where no cell is.

    `start_tag`: source of an element's start tag.
    """
    spanned: set[tuple[int, int]] = set()
    aligned: list[list[int]] = []
    n_cells = 0
    for row_number, row in enumerate(rows):
        line: list[int] = []
        for cell in row:
            while (row_number, len(line)) in spanned:
                line.append(0)
            n_columns, n_rows = _cell_spans(start_tag(cell))
            n_cells += 1
            if len(spanned) + n_columns * n_rows > _MAX_SPANNED + _MAX_SPANNED_RATIO * n_cells:
                n_rows = 1
            spanned.update((row_number + i, len(line) + k) for i in range(1, n_rows) for k in range(n_columns))
            line += [cell] + [0] * (n_columns - 1)
        aligned.append(line)
    return aligned
