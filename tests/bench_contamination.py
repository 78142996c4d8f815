"""Decontamination against Python sets of 13-grams on the same texts, in turn.

`python -m tests.bench_contamination FOLDER`, where FOLDER holds `benchmarks/` and the texts (about 420 words each) in
`quality/dclm-human-labels/majority_data.jsonl`. The set does less: no score, no item, no altered copies. Prints the
best of five rounds of each in CPU time, and the ratio.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from filters import benchmarks, contamination
from pipeline.store import Part

_WORD = re.compile(r"\w+")


def grams(text: str, n: int = 13) -> set[str]:
    found = _WORD.findall(text.lower())
    return {" ".join(found[i : i + n]) for i in range(len(found) - n + 1)}


def seconds(run: Callable[[], object]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


def main(folder: Path) -> None:
    lines = (folder / "quality/dclm-human-labels/majority_data.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in lines] * 4
    assets, names = benchmarks.find((str(folder / "benchmarks"),))
    items = [item for asset in assets for item in benchmarks.read(asset.path)]
    known_grams = set().union(*(grams(f"{item.question} {' '.join(item.choices)}") for item in items))
    index = [Part.of(pa.concat_tables(contamination.benchmark_index(benchmarks=assets, names=names)))]
    known = contamination._load(index)
    weights = contamination._weights(known, [], 0.01)
    column = pa.array(texts)
    ours, sets = [], []
    for _ in range(5):
        ours.append(seconds(lambda: contamination._hits(column, known, weights, 0.5, 50)))
        sets.append(seconds(lambda: sum(not known_grams.isdisjoint(grams(text)) for text in texts)))
    words = sum(len(_WORD.findall(text)) for text in texts)
    print(f"{len(items)} items, {len(known.table.gram)} seeds, {len(known_grams)} 13-grams")
    print(f"{len(texts)} documents, {words} words")
    for name, took in (("ours", min(ours[1:])), ("Python sets", min(sets))):
        print(f"{name:12} {len(texts) / took:8.0f} docs/s {words / took / 1e6:6.2f} M words/s")
    print(f"ratio {min(sets) / min(ours[1:]):.1f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
