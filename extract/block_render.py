"""Chosen blocks to text: paragraphs, headings and list items one a line, table rows as lines, code as it was."""

from collections.abc import Iterator

import numba
import numpy as np

from extract.block_nodes import CELL, HEADING, N_B0, N_B1, N_FLAGS, N_PARENT, N_TAG, PREFORMATTED, QUOTE, Page
from extract.block_tags import TAG, TAG_NAMES
from extract.block_text import NODE, T0, T1

_HEADINGS = {TAG[f"h{k}"]: k for k in range(1, 7)}
_WANTED = np.zeros(len(TAG_NAMES), np.int8)
for _name in ("td", "th"):
    _WANTED[TAG[_name]] = 1
_WANTED[TAG["li"]] = 2
for _tag in _HEADINGS:
    _WANTED[_tag] = 3


def render(page: Page, taken: np.ndarray, markdown: bool = False) -> str:
    """Text of the blocks where `taken` (blocks,) is true. Plain: list items start with "- ", a table's row is one line,
    cells joined by " | ". Markdown: `#` headings, fenced code, `>` quotes and tables' bars besides."""
    whole, above = page.text.tobytes(), _nearest(page.nodes, _WANTED)
    lines: list[str] = []
    row, fence = -1, False
    for b in np.flatnonzero(taken).tolist():
        start, end, node = page.blocks[b, [T0, T1, NODE]].tolist()
        text, flags = whole[start:end].decode("utf-8", "replace"), int(page.nodes[node, N_FLAGS])
        if markdown and bool(flags & PREFORMATTED) != fence:
            fence = not fence
            lines.append("```")
        here = _row(page, int(above[node, 0])) if flags & CELL else -1
        if here >= 0 and here == row:
            lines[-1] += f" {text} |" if markdown else f" | {text}"
        elif here >= 0 and markdown:
            lines.append(f"| {text} |")
        else:
            lines.append(_mark(page, above[node], b, flags, markdown) + text)
        row = here
    if fence:
        lines.append("```")
    return "\n".join(_headed(lines) if markdown else lines)


@numba.njit(cache=True, nogil=True)
def _nearest(nodes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(nodes, 3): the nearest table cell, list item and heading from each node up, itself counted; 0 for none."""
    above = np.zeros((len(nodes), 3), np.int32)
    for x in range(1, len(nodes)):
        above[x] = above[nodes[x, N_PARENT]]
        kind = wanted[nodes[x, N_TAG]]
        if kind > 0:
            above[x, kind - 1] = x
    return above


def _row(page: Page, cell: int) -> int:
    """The element that holds a table cell; -1 for a cell of several blocks, as layout tables have them."""
    alone = page.nodes[cell, N_B1] - page.nodes[cell, N_B0] == 1
    return int(page.nodes[cell, N_PARENT]) if cell and alone else -1


def _mark(page: Page, above: np.ndarray, b: int, flags: int, markdown: bool) -> str:
    """What a line begins with."""
    if flags & PREFORMATTED:
        return ""
    if flags & HEADING:
        return "#" * _HEADINGS[int(page.nodes[above[2], N_TAG])] + " " if markdown else ""
    mark = "> " if markdown and flags & QUOTE else ""
    return mark + "- " if above[1] and int(page.nodes[above[1], N_B0]) == b else mark


def _headed(lines: list[str]) -> Iterator[str]:
    """A rule below the first row of each table, which Markdown asks for."""
    inside = False
    for line in lines:
        yield line
        bars = line.startswith("| ")
        if bars and not inside:
            yield "|" + " --- |" * (line.count(" | ") + 1)
        inside = bars
