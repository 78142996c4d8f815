"""Extraction engines side by side: `python -m tests.bench.extraction [--without-training] [--data FOLDER]`.

Quality: word-level F1 by page type (WCXB's development pages, its own definition) and F1 over segments that must and
must not be extracted (trafilatura's evaluation pages, its own definition), by language. Speed: one page, one process.
`blocks` appears twice: out of fold (models that saw no page of the page's domain: the honest figure) and with the
shipped weights (which were trained on these very pages: a check, not a claim). Only what the command is given is read,
nothing is written. The peers readability-lxml and jusText are measured where they are installed.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from extract.blocks.training.gold import GoldPage, load_gold, word_f1
from tests.bench.table import Options, Row, in_turns
from tests.support.paths import SHARED

Engine = Callable[[str], str]
TYPES = ("article", "documentation", "service", "forum", "collection", "listing", "product")


def _trafilatura(**settings: bool) -> Engine:
    from trafilatura import extract

    return lambda html: extract(html, include_comments=False, deduplicate=False, **settings) or ""


def _resiliparse(html: str) -> str:
    from extract.engines import ENGINES
    from extract.html.decode import DecodedPage
    from extract.limits import TooDeep

    try:
        return ENGINES["resiliparse"](DecodedPage(html), "default", False)
    except TooDeep:
        return ""


def _readability(html: str) -> str:
    from lxml.html import fromstring
    from readability import Document

    return "\n".join(part for part in fromstring(Document(html).summary()).itertext() if part.strip())


def _justext(html: str, language: str) -> str:
    import justext

    stop = justext.get_stoplist({"de": "German"}.get(language, "English"))
    return "\n".join(p.text for p in justext.justext(html.encode(), stop, encoding="utf-8") if not p.is_boilerplate)


def _blocks(html: str) -> str:
    from extract.blocks.engine import extract_blocks

    return extract_blocks(html, "default")


def _of_html(engine: Engine) -> Callable[[GoldPage], str]:
    return lambda page: engine(page.html)


def engines() -> dict[str, Callable[[GoldPage], str]]:
    """Name to engine; those whose package is missing are left out with a line that says so."""
    from importlib.util import find_spec

    html_only: dict[str, Engine] = {
        "blocks, shipped": _blocks,
        "trafilatura precision": _trafilatura(favor_precision=True),
        "trafilatura default": _trafilatura(),
        "trafilatura fast": _trafilatura(fast=True),
        "resiliparse": _resiliparse,
        "readability": _readability,
    }
    table = {name: _of_html(engine) for name, engine in html_only.items()}
    table["justext"] = lambda p: _justext(p.html, p.language)
    for name, module in (("readability", "readability"), ("justext", "justext")):
        if find_spec(module) is None:
            print(f"{name} is not installed here: left out", file=sys.stderr)
            del table[name]
    return table


def run(engine: Callable[[GoldPage], str], pages: list[GoldPage]) -> tuple[list[str], np.ndarray]:
    """Texts, and milliseconds of CPU of each page; a page on which the engine raises counts as empty."""
    texts, times, failed = [], np.zeros(len(pages)), 0
    engine(pages[0])
    for k, page in enumerate(pages):
        begun = time.process_time()
        try:
            texts.append(engine(page))
        except Exception as error:  # noqa: BLE001 - a peer's failure is its result; it is counted and shown
            failed += 1
            print(f"  {page.name}: {type(error).__name__}", file=sys.stderr)
            texts.append("")
        times[k] = 1000 * (time.process_time() - begun)
    if failed:
        print(f"  {failed} pages failed", file=sys.stderr)
    return texts, times


def segment_scores(pages: list[GoldPage], texts: list[str]) -> tuple[float, float, float]:
    """Precision, recall and F1 over segments, summed over pages, as trafilatura's evaluation defines them."""
    found = wrong = total = 0
    for page, text in zip(pages, texts, strict=True):
        found += sum(segment in text for segment in page.must)
        wrong += sum(segment in text for segment in page.must_not)
        total += len(page.must)
    precision, recall = found / max(1, found + wrong), found / max(1, total)
    return precision, recall, 2 * precision * recall / max(1e-12, precision + recall)


def row(name: str, pages: list[GoldPage], texts: list[str], times: np.ndarray | None) -> str:
    """One line of the table."""
    by_type: dict[str, list[float]] = defaultdict(list)
    segments: dict[str, tuple[list[GoldPage], list[str]]] = defaultdict(lambda: ([], []))
    for page, text in zip(pages, texts, strict=True):
        if page.source == "trafilatura":
            for key in ("all", page.language):
                segments[key][0].append(page)
                segments[key][1].append(text)
        elif page.gold is not None:
            f1 = word_f1(text, page.gold)[2]
            for key in (page.kind, "WCXB") if page.source == "wcxb" else ("scrapinghub",):
                by_type[key].append(f1)
    cells = [f"{np.mean(by_type[key]):.3f}" for key in ("WCXB", *TYPES, "scrapinghub")]
    cells += [f"{segment_scores(*segments[key])[2]:.3f}" for key in ("all", "de", "en")]
    cells += ["{:.2f} / {:.1f}".format(*np.percentile(times, (50, 99)))] if times is not None else [""]
    return f"| {name} | " + " | ".join(cells) + " |"


def out_of_fold(data: Path) -> dict[str, str]:
    """Text of each page by models that never saw its domain; keys are source and name."""
    from extract.blocks.choose import LOGIT_BIAS, choose_blocks
    from extract.blocks.render import render
    from extract.blocks.train import Trainer, load_examples

    examples = load_examples(data)
    texts = {}
    for example, log_odds in zip(examples, Trainer(examples).out_of_fold_log_odds(), strict=True):
        taken = choose_blocks(example.scan, log_odds, LOGIT_BIAS["default"])
        texts[f"{example.page.source}/{example.page.name}"] = render(example.scan, example.html, taken)
    return texts


def figures(options: Options) -> dict[str, Any]:
    """Each engine on the pages of trafilatura's evaluation, in turns: seconds of CPU a page, F1 of segments."""
    pages = [page for page in load_gold(options.data) if page.source == "trafilatura"][:: 4 if options.quick else 1]
    texts: dict[str, list[str]] = {}

    def turn(name: str, engine: Callable[[GoldPage], str]) -> float:
        begun = time.process_time()
        texts[name] = run(engine, pages)[0]
        return (time.process_time() - begun) / len(pages)

    sides = {name: partial(turn, name, engine) for name, engine in engines().items()}
    for engine in engines().values():
        engine(pages[0])  # compiles and loads
    seconds = in_turns(sides, 1 if options.quick else 2)
    scores = {name: segment_scores(pages, found) for name, found in texts.items()}
    return {"pages": len(pages), "seconds": seconds, "segments": scores}


def rows(figures: dict[str, Any]) -> list[Row]:
    """`blocks` beside the others: speed, and F1 of both."""
    cost = {name: median(turns) for name, turns in figures["seconds"].items()}
    f1 = {name: score[2] for name, score in figures["segments"].items()}
    ours = next(name for name in cost if name.startswith("blocks"))
    return [
        Row(
            f"extraction, engine {ours}",
            name,
            cost[name] / cost[ours],
            note=f"{1e3 * cost[ours]:.2f} / {1e3 * cost[name]:.2f} ms a page; segment F1 {f1[ours]:.3f}"
            f" (trained on these pages) / {f1[name]:.3f}",
        )
        for name in cost
        if name != ours
    ]


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--without-training", action="store_true", help="leave the out-of-fold row out (much faster)")
    arguments = parser.parse_args()
    pages = list(load_gold(arguments.data))
    speed = np.array([page.source == "trafilatura" for page in pages])
    print(f"{len(pages)} pages; word F1 by page type; F1 of segments; CPU ms a page there: median / 99th percentile\n")
    print("| engine | WCXB | " + " | ".join(TYPES) + " | scrapinghub | segments | de | en | ms |")
    print("| --- |" + " ---: |" * 13)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:  # trains while the engines are measured
        training = None if arguments.without_training else other.submit(out_of_fold, arguments.data)
        for name, engine in engines().items():
            found, times = run(engine, pages)
            print(row(name, pages, found, times[speed]), flush=True)
        if training is not None:
            texts = training.result()
            print(row("blocks, out of fold", pages, [texts[f"{p.source}/{p.name}"] for p in pages], None))


if __name__ == "__main__":
    main()
