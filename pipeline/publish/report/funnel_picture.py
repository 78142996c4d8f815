"""The page funnel of a corpus as a picture: one bar a stage, of the records that it remaining."""

from html import escape
from itertools import groupby
from typing import Any

_WIDTH, _BAR, _GAP, _LEFT, _RIGHT = 860, 22, 10, 150, 190
_FILL = {"records": "#4c6a92", "no document": "#8a9bb0", "rule": "#c98b3c", "duplicate": "#a0607a", "kept": "#3d8b5f"}


def funnel_svg(stats: dict[str, Any]) -> str:
    """Return the funnel in `stats["funnel"]` as SVG. Bars are in proportion to the records that a stage remaining."""
    records, rows = max(1, stats["records"]), []
    for (what, stage), entries in groupby(stats["funnel"], lambda row: (row["what"], row["stage"])):
        steps = list(entries)
        dropped = sum(row["dropped"] for row in steps)
        rows.append(
            (
                stage or what,
                what,
                steps[-1]["left"],
                dropped,
                ", ".join(row["rule"] for row in steps[:2] if row["rule"]),
            )
        )
    bars = []
    for number, (name, what, remaining, dropped, rules) in enumerate(rows):
        y, width = number * (_BAR + _GAP) + _GAP, (_WIDTH - _LEFT - _RIGHT) * remaining / records
        note = f"{remaining:,}" + (f"  −{dropped:,} {rules}" if dropped else "")
        bars.append(
            f'<text x="{_LEFT - 8}" y="{y + 16}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="3" fill="{_FILL[what]}"/>'
            f'<text x="{_LEFT + width + 8:.1f}" y="{y + 16}" class="note">{escape(note)}</text>'
        )
    height = len(rows) * (_BAR + _GAP) + _GAP
    style = "text{font:13px system-ui,sans-serif;fill:#777}.note{font-size:12px}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-label="records remaining after each stage"><style>{style}</style>{"".join(bars)}</svg>\n'
    )
