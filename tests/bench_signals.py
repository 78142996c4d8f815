"""Our signals against datatrove's filters on the same texts, in turn: `python -m tests.bench_signals`.

Both sides answer every rule of GopherRepetition, GopherQuality, C4Quality and FineWebQuality. datatrove's filters run
twice: as its pipelines chain them (a dropped document is not looked at again) and one after the other whatever the one
before said, which is what our side always does. CPU time of this process, one core; compiling is not counted.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from filters.signals import signal_table
from tests.conftest import SHARED
from tests.peer_signals import FILTERS, our_verdicts, peer_verdict, peers, settings
from tests.real_texts import real_texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SHARED, help="folder of real data")
    parser.add_argument("--texts", type=int, default=160, help="how many texts, half English and half German")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    texts = real_texts(arguments.data)
    columns = {language: texts[language][: arguments.texts // 2] for language in ("en", "de")}
    figures = compare(columns, arguments.rounds)
    show(figures, columns)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


def compare(columns: dict[str, list[str]], rounds: int) -> dict:
    """Seconds of CPU of each side, median of rounds taken in turn, and how often the verdicts agree."""
    sides = {"ours": ours, "datatrove, every filter": every, "datatrove, chained": chained}
    prepared = {language: (settings(language), peers(language)) for language in columns}
    verdicts = {name: run(columns, prepared) for name, run in sides.items()}  # compiles and loads
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            seconds[name].append(_timed(lambda run=run: run(columns, prepared), 20 if name == "ours" else 1))
    documents = sum(map(len, columns.values()))
    figures = {name: documents / statistics.median(taken) for name, taken in seconds.items()}
    return {"docs_per_second_per_core": figures, "agreement": agreement(verdicts), "documents": documents}


def _timed(run: Callable[[], object], times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - start) / times


def ours(columns: dict, prepared: dict) -> dict[str, list[str]]:
    """Verdicts of each filter, over all languages in turn."""
    tables = [
        (signal_table(pa.array([""] * len(texts)), pa.array(texts, pa.large_string()), prepared[language][0]))
        for language, texts in columns.items()
    ]
    return {name: [v for table in tables for v in our_verdicts(table, name)] for name in FILTERS}


def every(columns: dict, prepared: dict) -> dict[str, list[str]]:
    pairs = [(text, prepared[language][1]) for language, texts in columns.items() for text in texts]
    return {name: [peer_verdict(peer[name], text) for text, peer in pairs] for name in FILTERS}


def chained(columns: dict, prepared: dict) -> dict[str, list[str]]:
    """The verdict of the filter that drops the document, alone."""
    said = []
    for language, texts in columns.items():
        for text in texts:
            reasons = (f"{n}: {v}" for n in FILTERS if (v := peer_verdict(prepared[language][1][n], text)))
            said.append(next(reasons, ""))
    return {"chain": said}


def agreement(verdicts: dict[str, dict[str, list[str]]]) -> dict[str, float]:
    """Share of documents with the same keep or drop: by filter, and of all four together."""
    mine, theirs = verdicts["ours"], verdicts["datatrove, every filter"]
    shares = {n: [bool(a) == bool(b) for a, b in zip(mine[n], theirs[n], strict=True)] for n in FILTERS}
    together = zip(zip(*mine.values(), strict=True), verdicts["datatrove, chained"]["chain"], strict=True)
    shares["all four"] = [any(a) == bool(b) for a, b in together]
    return {name: sum(same) / len(same) for name, same in shares.items()}


def show(figures: dict, columns: dict) -> None:
    texts = [text for column in columns.values() for text in column]
    print(f"{len(texts)} texts, {sum(map(len, texts)) / len(texts):.0f} characters on average")
    speed = figures["docs_per_second_per_core"]
    for name, rate in speed.items():
        print(f"{name:26} {rate:10.0f} docs/s/core   ours is {speed['ours'] / rate:6.1f}x")
    print("same keep or drop: " + ", ".join(f"{n} {share:.3f}" for n, share in figures["agreement"].items()))


if __name__ == "__main__":
    main()
