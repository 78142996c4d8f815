"""What an engine changes downstream: `python -m tests.bench.downstream [--data FOLDER] [--language de]`.

The whole pipeline once an engine, on the same real WARC files with the same recipe: where records go, what is kept, how
well the quality classifier, trained within each run, tells references from the crawl on held-out hosts, and how alike
the kept texts are. References are passages of novels (ELTeC) and the recipe's own texts: the AUC says how far both are
from each other, and more separable is not better by itself. Prints Markdown; writes to a temporary folder alone.
"""

import argparse
import gzip
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.support.paths import CHECKOUT, SHARED

ENGINES = ("trafilatura", "resiliparse", "blocks")
WARCS = ("hplt-cc100.warc.gz", "trafilatura-dev.warc.gz", "commoncrawl/cc-main-2020-34/warcfile.warc.gz")
_PASSAGE = 2000  # characters of a reference


def references(data: Path, out: Path) -> int:
    """Write passages of the novels as JSON lines: eight of each, evenly apart. Returns how many."""
    lines = []
    for path in sorted((data / "dedup/eltec-de").glob("*.xml.gz")):
        body = gzip.decompress(path.read_bytes()).decode("utf-8").partition("<body")[2]
        paragraphs = [" ".join(re.sub("<[^>]+>", " ", p).split()) for p in re.findall(r"(?s)<p[ >].*?</p>", body)]
        text = "\n".join(paragraph for paragraph in paragraphs if paragraph)
        starts = range(0, len(text) - _PASSAGE, max(1, len(text) // 8))
        lines += [json.dumps({"text": text[a : a + _PASSAGE].partition(" ")[2]}, ensure_ascii=False) for a in starts]
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


def run(engine: str, language: str, form: str, data: Path, work: Path) -> Path:
    """The pipeline with one engine; the folder of the corpus."""
    own = CHECKOUT / f"configs/demo/reference-{language}.jsonl"
    files = [str(work / "novels.jsonl"), *([str(own)] if own.exists() else [])]
    recipe = work / f"{engine}.toml"
    recipe.write_text(
        f'extends = "{language}"\n[extract]\nengine = "{engine}"\nformat = "{form}"\n[quality]\nreferences = {files}\n'
    )
    command = [sys.executable, "-m", "pipeline", "corpus", str(recipe), "--root", str(work / engine), "--local"]
    command += ["--source", " ".join(str(data / "warc" / name) for name in WARCS)]
    done = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout.strip())


def figures(folder: Path) -> dict[str, float | int | str]:
    """A column of the table."""
    ledger = pq.read_table(sorted((folder / "ledger").glob("*.parquet")), columns=["verdict", "stage", "rule"])
    rows = zip(*(ledger[name].to_pylist() for name in ("verdict", "stage", "rule")), strict=True)
    dropped = Counter(f"{stage}, {rule}" for verdict, stage, rule in rows if verdict == "dropped")
    kept = _kept(folder)
    words = sorted(len(text.split()) for text in kept.values())
    (facts,) = _facts(folder.parents[1] / "quality_model")
    return {
        "records": ledger.num_rows,
        **{f"dropped: {stage}": n for stage, n in sorted(dropped.items())},
        "kept pages": len(kept),
        "kept words": sum(words),
        "words of a kept page, median": words[len(words) // 2],
        "held-out AUC": f"{facts['auc']:.3f} ({facts['positives']} references)",
    }


def _facts(step: Path) -> list[dict[str, Any]]:
    """What the run's classifier was trained on, and its AUC."""
    tables = [pq.read_table(path) for path in sorted(step.rglob("*.parquet")) if "auc" in pq.read_schema(path).names]
    return [row for table in tables for row in table.to_pylist()]


def _kept(folder: Path) -> dict[str, str]:
    table = pq.read_table(sorted((folder / "data").glob("*.parquet")), columns=["id", "text"])
    return dict(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))


def overlap(a: dict[str, str], b: dict[str, str]) -> tuple[float, float]:
    """Jaccard of the kept pages; of the bags of words of those that both keep, all pages' words together."""
    both = a.keys() & b.keys()
    shared = total = 0
    for key in both:
        ours, theirs = (Counter(re.findall(r"\w+", kept[key].lower())) for kept in (a, b))
        shared, total = shared + (ours & theirs).total(), total + (ours | theirs).total()
    return len(both) / max(1, len(a.keys() | b.keys())), shared / max(1, total)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--language", default="de")
    parser.add_argument("--format", default="text", choices=["text", "markdown"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        print(f"{references(arguments.data, work / 'novels.jsonl')} passages of novels for references\n")
        folders = {e: run(e, arguments.language, arguments.format, arguments.data, work) for e in ENGINES}
        found = {engine: figures(folder) for engine, folder in folders.items()}
        print("| | " + " | ".join(ENGINES) + " |\n| --- |" + " ---: |" * len(ENGINES))
        for key in sorted({k for f in found.values() for k in f}, key=_order):
            print(f"| {key} | " + " | ".join(str(f.get(key, 0)) for f in found.values()) + " |")
        print("\n| | kept pages, Jaccard | their words, Jaccard |\n| --- | ---: | ---: |")
        kept = {engine: _kept(folder) for engine, folder in folders.items()}
        for a, b in combinations(ENGINES, 2):
            print("| {} and {} | {:.3f} | {:.3f} |".format(a, b, *overlap(kept[a], kept[b])))


def _order(key: str) -> tuple[int, str]:
    return (
        0 if key == "records" else 1 if key.startswith("dropped") else 2 + ("words" in key) + 2 * ("AUC" in key),
        key,
    )


if __name__ == "__main__":
    main()
