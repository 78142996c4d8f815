"""How much structure each engine keeps as Markdown: `python -m tests.bench_structure [--data FOLDER]`.

Code and formulas: edit similarity (1 - Levenshtein distance / longer length) of each expected one to the most similar
of those found. Tables: share of cells in their row and column. Lists and headings: share of items and headings with
their text, kind and level. Constructed pages have known answers, in the markup of many systems. On real pages, expected
is what lxml finds in the page and the annotators' text holds; the weights of `blocks` were trained on these pages too,
so real pages measure writing, not choosing. `mathml-to-latex` is measured where it is installed.
"""

import argparse
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numba
import numpy as np

from extract.block_gold import GoldPage, load, words
from tests.conftest import SHARED
from tests.structure_pages import FORMULAS, Page, Rows, constructed

KINDS = ("code", "formulas", "tables", "lists", "headings")


@numba.njit
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
    found.code = re.findall(r"(?ms)^\s*(?:```|~~~)`*[^\n`]*\n(.*?)\n?^\s*(?:```|~~~)`*\s*$", markdown)
    rest = re.sub(r"(?ms)^\s*```.*?^\s*```+\s*$", "", markdown)
    found.formulas = [
        a or b or c or d
        for a, b, c, d in re.findall(r"(?s)\$\$(.+?)\$\$|\$([^$\n]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", rest)
    ]
    found.headings = [f"{m[1]} {_plain(m[2])}" for m in re.finditer(r"(?m)^(#{1,6}) (.*)$", rest)]
    found.lists = list(_items(rest))
    for block in re.findall(r"(?m)(?:^\s*\|.*\|\s*$\n?)+", rest):
        rows = [
            [_plain(c.replace(r"\|", "|")) for c in re.split(r"(?<!\\)\|", line.strip()[1:-1])]
            for line in block.strip().split("\n")
        ]
        found.tables.append([row for row in rows if not all(re.fullmatch(r":?-+:?", c) for c in row)])
    return found


def _items(text: str) -> Iterator[str]:
    """ "depth marker text" of list items; depths by indentation."""
    indents: list[int] = []
    for line in text.split("\n"):
        item = re.match(r"(\s*)(?:([-*+])|\d+\.) (.*)", line)
        if item:
            indents = [i for i in indents if i < len(item[1])] + [len(item[1])]
            yield f"{len(indents)} {'-' if item[2] else '1.'} {_plain(item[3])}"
        elif line.strip() and not line.startswith(" "):
            indents = []


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[*`_]|\[([^\]]*)\]\([^)]*\)", r"\1", text).split())


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
    return result


def cells(expected: Rows, found: Rows) -> float:
    """Share of the cells of the larger table that agree in row, column and text."""
    right = sum(
        a == b and a != ""
        for mine, theirs in zip(expected, found, strict=False)
        for a, b in zip(mine, theirs, strict=False)
    )
    return right / max(1, *(sum(bool(c) for row in rows for c in row) for rows in (expected, found)))


def real(data: Path) -> Iterator[Page]:
    """Pages of WCXB with what lxml finds in them and the annotators' text holds, and Wikipedia's formulas."""
    from lxml import html as parser

    for page in load(data):
        if page.name == "en.wikipedia.org.tsne.html":
            found = re.findall(r'(?s)<math[^>]*alttext="([^"]*)"', page.html)
            yield Page(page.html, formulas=[re.sub(r"^\{\\displaystyle (.*)\}$", r"\1", f) for f in found])
        if page.source == "wcxb" and page.gold:
            yield expected(page, parser.fromstring(page.html.encode(), parser=parser.HTMLParser(encoding="utf-8")))


def expected(page: GoldPage, tree) -> Page:  # type: ignore[no-untyped-def]
    """What a page's elements say, where the gold text has nine tenths of its words."""
    gold = set(words(page.gold or ""))

    def held(text: str) -> bool:
        mine = words(text)
        return len(mine) > 0 and sum(w in gold for w in mine) >= 0.9 * len(mine)

    found = Page(page.html)
    lines = {" ".join(line.split()) for line in (page.gold or "").split("\n")}
    for pre in tree.iter("pre"):
        text = "".join(pre.itertext()).strip("\n")
        if (
            held(text)
            and len(text) > 30
            and next(pre.iterancestors("table"), None) is None
            and next(pre.iter("br", "div"), None) is None
        ):
            found.code.append(text)
    for table in tree.iter("table"):
        rows = [
            [" ".join(cell.text_content().split()) for cell in row if cell.tag in ("td", "th")]
            for row in table.iter("tr")
        ]
        plain = next(table.iterdescendants("table", "pre"), None) is None and not table.xpath(".//@colspan|.//@rowspan")
        if (
            plain
            and len(rows) > 2
            and max(map(len, rows)) > 1
            and held(table.text_content())
            and len(words(table.text_content())) < 2000
        ):
            found.tables.append([row for row in rows if any(row)])
    for k in range(1, 7):
        for heading in tree.iter(f"h{k}"):
            text = " ".join(heading.text_content().split())
            if text in lines:
                found.headings.append(f"{'#' * k} {_plain(text)}")
    for item in tree.iter("li"):
        text = " ".join(item.text_content().split())
        simple = next(item.iterdescendants("ul", "ol", "p", "div", "h2", "h3", "h4"), None) is None
        if simple and (text in lines or f"- {text}" in lines) and item.getparent() is not None:
            depth = sum(1 for _ in item.iterancestors("ul", "ol"))
            found.lists.append(f"{depth} {'1.' if item.getparent().tag == 'ol' else '-'} {_plain(text)}")
    return found


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
    from extract.formulas import source

    sides: dict[str, Callable[[str], str]] = {"ours": lambda m: source(f"<math>{m}</math>") or ""}
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
