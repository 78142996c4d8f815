"""Author and day of publication against annotators' answers: `python -m tests.bench.metadata [--data FOLDER]`.

Pages of WCXB and of trafilatura's evaluation whose annotators looked for them. Recall: of the answers that there are,
how many are found; precision: of what is found where there is an answer, how much is right; told: how often something
is said where annotators saw nothing. A day must be the same; of an author a word of the name. Milliseconds of CPU a
page: median. Then: when the article in a page's JSON-LD is a better text than the engine's, by rule.
"""

import argparse
import gzip
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from extract.blocks.training.gold import GoldPage, load_gold, word_f1
from extract.engines import ENGINES, Extracted, article_text, extract
from extract.html.metadata import read_metadata
from extract.html.rights import read_head
from extract.limits import TooDeep
from tests.support.paths import SHARED

Answer = tuple[str, str]  # day, author
RULES: dict[str, Callable[[int, int], bool]] = {  # characters of the engine's text, of the article
    "always": lambda text, body: True,
    "longer": lambda text, body: body > text,
    "twice as long, 500 characters (ours)": lambda text, body: body > 2 * text and body >= 500,
}


def answers(data: Path) -> Iterator[tuple[GoldPage, str, Answer]]:
    """Pages with their address and the annotators' day and author."""
    lines = (data / "extraction/trafilatura-dev.gold.jsonl").read_text(encoding="utf-8").splitlines()
    theirs = {record["file"]: record for record in map(json.loads, lines) if record.get("date") is not None}
    for page in load_gold(data):
        if page.source == "trafilatura" and (record := theirs.get(page.name)):
            yield page, record["url"], (record["date"] or "", _said(record["author"]))
        elif page.source == "wcxb":
            record = json.loads(gzip.decompress((data / f"extraction/wcxb-dev/{page.name}.json.gz").read_bytes()))
            truth = record["ground_truth"]
            yield page, record["url"], (truth["publish_date"] or "", _said(truth["author"]))


def _said(names: str | list[str] | None) -> str:
    return "; ".join(names) if isinstance(names, list) else names or ""


def _ours(html: str, url: str) -> Answer:
    data = html.encode("utf-8", "replace")
    said = read_metadata(data, read_head(data), url)
    return str(said.published or ""), said.author or ""


def _htmldate(html: str, url: str) -> Answer:
    from htmldate import find_date

    return find_date(html, url=url, original_date=True) or "", ""


def _trafilatura(html: str, url: str) -> Answer:
    from trafilatura.metadata import extract_metadata

    said = extract_metadata(html, default_url=url)
    return said.date or "", said.author or ""


def compare(pages: list[tuple[GoldPage, str, Answer]], name: str, read: Callable[[str, str], Answer]) -> str:
    """One line of the table."""
    counts = np.zeros((2, 4))  # gold, found where gold, right, found where none
    times = []
    for page, url, gold in pages:
        begun = time.process_time()
        found = read(page.html, url)
        times.append(1000 * (time.process_time() - begun))
        same = (gold[0][:10] == found[0][:10], bool(_words(gold[1]) & _words(found[1])))
        for k in range(2):
            have, told = bool(gold[k]), bool(found[k])
            counts[k] += (have, have and told, have and same[k], told and not have)
    cells = []
    for gold_, found_, right, told in counts:
        cells += [f"{right / gold_:.3f}", f"{right / found_:.3f}", f"{told:.0f}"] if found_ else ["-"] * 3
    return f"| {name} | " + " | ".join(cells) + f" | {np.median(times):.2f} |"


def _words(name: str) -> set[str]:
    return set(re.findall(r"\w+", name.lower()))


def linked(data: Path, engine: str) -> list[str]:
    """Lines of the table of rules: pages where the rule takes the article, and scores before and after on them."""
    gains: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for page in load_gold(data):
        if body := read_metadata(page.html.encode("utf-8", "replace"), []).article_body:
            text, other = _text(page.html, engine).text, article_text(body, False)
            scores = _score(page, text), _score(page, other)
            for rule, takes in RULES.items():
                gains[rule] += [scores] if takes(len(text), len(other)) else []
    lines = []
    for rule in RULES:
        scores = np.array(gains[rule]).reshape(-1, 2)
        before, after = scores.mean(axis=0) if len(scores) else (0, 0)
        better, worse = ((scores[:, a] > scores[:, b] + 0.01).sum() for a, b in ((1, 0), (0, 1)))
        lines.append(f"| {engine} | {rule} | {len(scores)} | {before:.3f} | {after:.3f} | {better} | {worse} |")
    return lines


def _score(page: GoldPage, text: str) -> float:
    """F1 of words where there is a gold text, else the share of segments found less those that must not be."""
    if page.gold is not None:
        return word_f1(text, page.gold)[2]
    found, wrong = (sum(segment in text for segment in segments) for segments in (page.must, page.must_not))
    return max(0.0, (found - wrong) / max(1, len(page.must)))


def _text(html: str, engine: str) -> Extracted:
    try:
        return extract(html, engine)
    except TooDeep:
        return Extracted("", "")


def main() -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SHARED)
    arguments = parser.parse_args()
    pages = list(answers(arguments.data))
    print(f"{len(pages)} pages\n\n| | day: recall | precision | told | author: recall | precision | told | ms |")
    print("| --- |" + " ---: |" * 7)
    for name, read in (("ours", _ours), ("htmldate", _htmldate), ("trafilatura", _trafilatura)):
        print(compare(pages, name, read), flush=True)
    print("\n| engine | JSON-LD's article instead | pages | score before | after | better | worse |")
    print("| --- | --- |" + " ---: |" * 5)
    for engine in sorted(ENGINES):
        print("\n".join(linked(arguments.data, engine)), flush=True)


if __name__ == "__main__":
    main()
