"""How much structure each engine keeps as Markdown: `python -m tests.bench.structure [--data FOLDER]`.

Code and formulas: edit similarity (1 - Levenshtein distance / longer length) of each expected one to the most similar
of those found. Tables: share of cells in their row and column. Lists and headings: share of items and headings with
their text, kind and level; inline: of inline code, and of texts around super- and subscripts. Constructed pages have
known answers, in the markup of many systems. On real pages, expected is what lxml finds in the page and the annotators'
text holds (`structure_gold.py`): choosing and writing together, and the weights of `blocks` were trained on these
pages. `mathml-to-latex` is measured where it is installed.
"""

import argparse
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from pipeline.kernels.njit import njit
from tests.support.paths import SHARED
from tests.support.structure_gold import plain, real
from tests.support.structure_pages import FORMULAS, Page, Rows, constructed

_FENCED = re.compile(r"(?ms)^[ >]*(?:(?:-|\d+\.) +)?(`{3,}|~{3,})[^\n`]*\n(.*?)\n?^([ >]*)\1\s*$")
_QUOTED = re.compile(r"^(?:> ?)+")
_FORMS = {"b": str.maketrans("0123456789-−", "₀₁₂₃₄₅₆₇₈₉₋₋"), "p": str.maketrans("0123456789-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")}
KINDS = ("code", "formulas", "tables", "lists", "headings", "inline")


@njit()
def _distance(a: np.ndarray, b: np.ndarray) -> int:
    row = np.arange(len(b) + 1)
    for i in range(len(a)):
        corner, row[0] = row[0], i + 1
        for j in range(len(b)):
            best = min(row[j] + 1, row[j + 1] + 1, corner + (a[i] != b[j]))
            corner, row[j + 1] = row[j + 1], best
    return row[-1]


def similarity(a: str, b: str) -> float:
    """1 for the same text, 0 for nothing in common."""
    a, b = a[:5000], b[:5000]
    codes = [np.array([ord(c) for c in text], np.int64) for text in (a, b)]
    return 1 - _distance(*codes) / max(1, len(a), len(b))


def canonical(tex: str) -> str:
    """TeX without what does not show: style, spaces, braces around one thing."""
    tex = re.sub(r"\\(?:displaystyle|textstyle|left|right|limits|mathrm|operatorname)\b|\s+|\\[,;!: ]", "", tex)
    for long, short in ((r"\lVert", r"\Vert"), (r"\rVert", r"\Vert"), (r"\dots", r"\ldots"), (r"\rightarrow", r"\to")):
        tex = tex.replace(long, short)
    return re.sub(r"[{}]", "", tex)


def parsed(markdown: str) -> Page:
    """What a Markdown text holds."""
    found = Page(markdown)
    found.code = [re.sub(f"(?m)^(?:{m[3]}|{m[3].rstrip()}$)", "", m[2]) for m in _FENCED.finditer(markdown)]
    rest = _FENCED.sub("", markdown)
    found.formulas = [
        a or b or c or d
        for a, b, c, d in re.findall(r"(?s)\$\$(.+?)\$\$|\$([^$\n]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", rest)
    ]
    found.headings = [f"{m[1]} {plain(m[2])}" for m in re.finditer(r"(?m)^(#{1,6}) (.*)$", rest)]
    found.lists = list(_items(rest))
    for block in re.findall(r"(?m)(?:^\s*\|.*\|\s*$\n?)+", rest):
        rows = [
            [plain(c.replace(r"\|", "|")) for c in re.split(r"(?<!\\)\|", line.strip()[1:-1])]
            for line in block.strip().split("\n")
        ]
        found.tables.append([row for row in rows if not all(re.fullmatch(r":?-+:?", c) for c in row)])
    return found


def _items(text: str) -> Iterator[str]:
    """ "depth marker text" of list items; depths by indentation."""
    indents: list[int] = []
    for line in text.split("\n"):
        line = _QUOTED.sub("", line)
        item = re.match(r"(\s*)(?:([-*+])|\d+\.) (.*)", line)
        if item:
            indents = [i for i in indents if i < len(item[1])] + [len(item[1])]
            yield f"{len(indents)} {'-' if item[2] else '1.'} {plain(item[3])}"
        elif line.strip() and not line.startswith(" "):
            indents = []


def scores(expected: Page, found: Page) -> dict[str, list[float]]:
    """Scores of each expected thing, by kind."""

    def best(mine: Iterable[str], theirs: list[str]) -> list[float]:
        return [max((similarity(a, b) for b in theirs), default=0.0) for a in mine]

    result = {"code": best([c.strip("\n") for c in expected.code], [c.strip("\n") for c in found.code])}
    result["formulas"] = best(map(canonical, expected.formulas), [canonical(f) for f in found.formulas])
    result["tables"] = [max((cells(rows, other) for other in found.tables), default=0.0) for rows in expected.tables]
    for kind in ("lists", "headings"):
        have = set(getattr(found, kind))
        result[kind] = [float(item in have) for item in getattr(expected, kind)]
    text = re.sub(r"<su([bp])>([\d−-]+)</su[bp]>", lambda m: m[2].translate(_FORMS[m[1]]), found.html)
    result["inline"] = [float(span in text) for span in expected.inline]
    return result


def cells(expected: Rows, found: Rows) -> float:
    """Share of the cells of the larger table that agree in row, column and text."""
    right = sum(
        a == b and a != ""
        for mine, theirs in zip(expected, found, strict=False)
        for a, b in zip(mine, theirs, strict=False)
    )
    return right / max(1, *(sum(bool(c) for row in rows for c in row) for rows in (expected, found)))


def engines() -> dict[str, Callable[[str], str]]:
    """Each engine's Markdown; trafilatura also as it is, on pages whose formulas nobody spelled for it."""
    from trafilatura import extract as alone

    from extract.engines import ENGINES, extract

    ours = {name: (lambda html, name=name: extract(html, name, "default", True).text) for name in sorted(ENGINES)}
    return {
        **ours,
        "trafilatura alone": lambda html: alone(html, output_format="markdown", include_comments=False) or "",
    }


def table(pages: list[Page], what: str) -> None:
    """Print scores by engine and kind."""
    counts = {kind: sum(len(getattr(page, kind)) for page in pages) for kind in KINDS}
    print(
        f"\n| {what} | "
        + " | ".join(f"{kind} ({counts[kind]})" for kind in KINDS)
        + " |\n| --- |"
        + " ---: |" * len(KINDS)
    )
    for name, engine in engines().items():
        gathered: dict[str, list[float]] = defaultdict(list)
        for page in pages:
            if any(getattr(page, kind) for kind in KINDS):
                for kind, values in scores(page, parsed(engine(page.html))).items():
                    gathered[kind] += values
        print(
            f"| {name} | "
            + " | ".join(f"{100 * np.mean(gathered[k]):.1f} %" if gathered[k] else "-" for k in KINDS)
            + " |",
            flush=True,
        )


def converters() -> None:
    """MathML alone to LaTeX: ours, and the package where it is installed."""
    from extract.html.formulas import tex_source

    sides: dict[str, Callable[[str], str]] = {"ours": lambda m: tex_source(f"<math>{m}</math>") or ""}
    try:
        from mathml_to_latex.converter import MathMLToLaTeX

        sides["mathml-to-latex"] = lambda m: MathMLToLaTeX().convert(f"<math>{m}</math>")
    except ImportError:
        pass
    print("\n| MathML without its source | formulas |\n| --- | ---: |")
    for name, convert in sides.items():
        mean = np.mean([similarity(canonical(tex), canonical(convert(m))) for tex, m in FORMULAS])
        print(f"| {name} | {100 * mean:.1f} % |")


def main() -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SHARED)
    arguments = parser.parse_args()
    table(list(constructed()), "constructed pages")
    if arguments.data.is_dir():
        table(list(real(arguments.data)), "real pages")
    converters()


if __name__ == "__main__":
    main()
