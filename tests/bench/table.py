"""What the benchmarks share: rows of the one table, medians of turns, the table as Markdown and as a picture."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from html import escape
from math import log10
from pathlib import Path
from typing import Any

from tests.support.paths import CHECKOUT, SHARED


@dataclass(frozen=True)
class Options:
    """What every benchmark is given. `peers`: folder of the peers' environments. `warc`: a crawl instead of ours."""

    data: Path = SHARED
    warc: Path | None = None
    quick: bool = False
    work: Path | None = None
    peers: Path = CHECKOUT

    def python(self, peer: str) -> Path:
        """Python of a peer's environment (`make` puts it there from tests/requirements-peers*.txt)."""
        return self.peers / (f".venv-peers-{peer}" if peer != "datatrove" else ".venv-peers") / "bin/python"


FLOOR = "x floor"  # unit: our cost divided by that of what no program can do without


@dataclass(frozen=True)
class Row:
    """A line of the table. `unit` "x": `value` is the peer's cost divided by ours; else what `value` is in.

    `least`, `most`: the target, one of them at most. `value` None: not measured, and `note` says why.
    """

    what: str
    peer: str
    value: float | None
    unit: str = "x"
    least: float | None = None
    most: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """None where there is no target or no value."""
        if self.value is None or (self.least is None and self.most is None):
            return None
        return self.value >= self.least if self.least is not None else self.value <= (self.most or 0.0)

    @property
    def target(self) -> str:
        bounds = ((">=", self.least), ("<=", self.most))
        said = next((f"{sign} {_joined(f'{bound:g}', self.unit)}" for sign, bound in bounds if bound is not None), "")
        return f"{said} (missed)" if self.met is False else said


def shown(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return _joined(f"{value:,.{digits}f}", unit)


def _joined(number: str, unit: str) -> str:
    return f"{number}{'' if unit in 'x%' else ' '}{unit}"


def in_turns(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Every side once a round, A B A B: name to what each turn gave (seconds of CPU)."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, turn in sides.items():
            found[name].append(turn())
    return found


def turn(run: Callable[[], object], of: int = 1) -> Callable[[], float]:
    """A side for `in_turns`: the seconds of CPU of one call of `run`, over the `of` things that it does."""

    def timed() -> float:
        begin = time.process_time()
        run()
        return (time.process_time() - begin) / of

    return timed


def ratio(ours: list[float], theirs: list[float]) -> float:
    """How many times our median cost the peer's median cost is."""
    return statistics.median(theirs) / statistics.median(ours)


def spread(turns: list[float]) -> float:
    """(largest - smallest) / median of the turns: what a ratio's last digit is worth."""
    return (max(turns) - min(turns)) / statistics.median(turns)


def table(rows: list[Row]) -> str:
    lines = ["| what | peer | ratio | target | note |", "|---|---|--:|--:|---|"]
    lines += [f"| {r.what} | {r.peer} | {shown(r.value, r.unit)} | {r.target} | {r.note} |" for r in rows]
    return "\n".join(lines)


def as_json(rows: list[Row]) -> list[dict[str, Any]]:
    return [{**asdict(row), "met": row.met} for row in rows]


_LEFT, _WIDTH, _LINE = 420, 560, 22
_MET, _MISSED, _PLAIN = "#2a7f62", "#b3402a", "#5b6b7b"


def picture(rows: list[Row], title: str) -> str:
    """An SVG: how many times faster (logarithmic), then measured values as shares of what they may be."""
    ratios = [row for row in rows if row.value and row.unit == "x"]
    bounded = [row for row in rows if row.value and row.unit != "x" and row.most]
    floors = [row for row in rows if row.value and row.unit == FLOOR]
    end = max([10.0, *(max(r.value or 1, r.least or 1) for r in ratios)])
    far = max([2.0, *(row.value or 1.0 for row in floors)])
    parts = [_text(10, 24, title, "font-weight='bold'")]
    y = _panel(parts, 50, "times the peer's speed (logarithmic; the mark is the target)", ratios, _log(end))
    y = _panel(parts, y + 20, "share of what it may be (the mark is the limit)", bounded, _linear)
    if floors:
        y = _panel(parts, y + 20, "how far from the floor, in times its cost (logarithmic)", floors, _log(far))
    head = f"<svg xmlns='http://www.w3.org/2000/svg' width='{_LEFT + _WIDTH + 120}' height='{y + 10}'"
    return "\n".join([f"{head} font-family='sans-serif' font-size='12'>", *parts, "</svg>", ""])


def _log(end: float) -> Callable[[Row], tuple[float, float | None]]:
    """Row -> (length of its bar, place of its target), 0..1."""

    def place(value: float) -> float:
        return max(0.004, log10(max(value, 1.0)) / log10(end))

    return lambda row: (place(row.value or 1.0), place(row.least) if row.least else None)


def _linear(row: Row) -> tuple[float, float | None]:
    assert row.value is not None and row.most is not None
    return min(1.0, row.value / row.most / 1.5), 1 / 1.5


def _panel(parts: list[str], y: int, title: str, rows: list[Row], place: Callable) -> int:
    """Draw the rows from `y` on; returns where they end."""
    parts.append(_text(10, y, title, "fill='#555'"))
    for row in rows:
        y += _LINE
        length, target = place(row)
        color = {True: _MET, False: _MISSED, None: _PLAIN}[row.met]
        name = f"{row.what} / {row.peer}" if row.peer else row.what
        parts.append(_text(_LEFT - 8, y + 12, name, "text-anchor='end'"))
        parts.append(f"<rect x='{_LEFT}' y='{y}' width='{length * _WIDTH:.1f}' height='15' fill='{color}'/>")
        if target is not None:
            x = _LEFT + target * _WIDTH
            parts.append(f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{y - 2}' y2='{y + 17}' stroke='black'/>")
        end = _LEFT + max(length, target or 0.0) * _WIDTH + 6
        parts.append(_text(end, y + 12, shown(row.value, row.unit)))
    return y + _LINE


def _text(x: float, y: float, words: str, more: str = "") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' {more}>{escape(words)}</text>"
