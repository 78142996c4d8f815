"""Decontamination against Python sets of 13-grams on the same texts, in turns: `make bench-contamination`.

Texts are the English crawl texts that people labelled (about 420 words each), the items every benchmark of
`benchmarks/`. The sets do less: no score, no item, no altered copies. Loading of either side is not timed.
"""

import json
import re
import statistics
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from filters.contamination.benchmark_sequences import load_index
from filters.contamination.benchmarks import find_benchmarks, read_benchmark
from filters.contamination.contamination import benchmark_index, crawl_weights
from filters.contamination.hits import find_hits
from pipeline.store.shard import Shard
from tests.bench.table import Options, Row, in_turns, turn

_WORD = re.compile(r"\w+")


def grams(text: str, n: int = 13) -> set[str]:
    words = _WORD.findall(text.lower())
    return {" ".join(words[i : i + n]) for i in range(len(words) - n + 1)}


def figures(options: Options) -> dict[str, Any]:
    """Seconds of CPU of each side's turns, and how many of the texts it finds something in."""
    lines = (options.data / "quality/dclm-human-labels/majority_data.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in lines] * (1 if options.quick else 4)
    assets, names = find_benchmarks((str(options.data / "benchmarks"),))
    items = [item for asset in assets for item in read_benchmark(asset.path)]
    known = set().union(*(grams(f"{item.question} {' '.join(item.choices)}") for item in items))
    index = [Shard.of(pa.concat_tables(benchmark_index(benchmarks=assets, names=names)))]
    loaded = load_index(index)
    weights, column = crawl_weights(loaded, [], 0.01), pa.array(texts)
    sides: dict[str, Callable[[], Any]] = {
        "ours": lambda: find_hits(column, loaded, weights, 0.5, 50),
        "Python sets": lambda: sum(not known.isdisjoint(grams(text)) for text in texts),
    }
    sides["ours"]()
    seconds = in_turns({name: turn(run) for name, run in sides.items()}, 2 if options.quick else 4)
    return {
        "documents": len(texts),
        "words": sum(len(_WORD.findall(text)) for text in texts),
        "items": len(items),
        "grams": len(known),
        "seconds": seconds,
    }


def rows(figures: dict[str, Any]) -> list[Row]:
    ours = statistics.median(figures["seconds"]["ours"])
    note = f"{figures['documents'] / ours:,.0f} docs/s; {figures['items']:,} items, {figures['grams']:,} 13-grams"
    return [
        Row("decontamination", name, statistics.median(taken) / ours, least=8.0, note=note)
        for name, taken in figures["seconds"].items()
        if name != "ours"
    ]
