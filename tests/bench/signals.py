"""Our signals against datatrove's filters, dolma's taggers and data-juicer's filters: `make bench-signals`.

All answer about the same texts, in turns. datatrove's filters (GopherRepetition, GopherQuality, C4Quality,
FineWebQuality) run twice: as its pipelines chain them (a dropped document is not looked at again) and one after the
other whatever the one before said, which is what our side always does. dolma's taggers `gopher_v2` and `c4_v1` measure
a part of that, with definitions of their own (words are split at blanks): columns that ask the same are compared by
their correlation over documents. data-juicer's are eight statistics of characters, words and lines, without n-grams of
ten lengths, stop words or C4's rules: less work than ours. CPU time, one core each; compiling is not counted.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from filters.signals.signals import signal_table
from tests.bench.process import NotInstalled, Peer, pinned
from tests.bench.table import Options, Row, in_turns, ratio, spread
from tests.support.peer_signals import FILTERS, our_verdicts, peer_verdict, peers, settings
from tests.support.real_texts import real_texts

OURS, EVERY, CHAINED = "ours", "datatrove, every filter", "datatrove, chained"
# dolma's column -> ours, where both ask the same question
DOLMA = {
    "word_count": "word_count",
    "fraction_of_words_with_alpha_character": "alpha_word_ratio",
    "fraction_of_characters_in_most_common_2grams": "top_2_gram",
    "fraction_of_characters_in_duplicate_5grams": "dup_5_gram",
    "fraction_of_characters_in_duplicate_10grams": "dup_10_gram",
    "fraction_of_duplicate_lines": "dup_line_frac",
}
JUICER = {"num_words": "word_count", "text_len": "char_count"}
_PEERS = (("dolma", "dolma", DOLMA), ("data-juicer", "py-data-juicer", JUICER))


def figures(options: Options) -> dict[str, Any]:
    """Seconds of CPU of each side's turns, how often verdicts agree, correlations of columns."""
    count, rounds = (60, 2) if options.quick else (200, 3)
    texts = real_texts(options.data)
    columns = {language: texts[language][: count // 2] for language in ("en", "de")}
    prepared = {language: (settings(language), peers(language)) for language in columns}
    sides: dict[str, Callable[[dict, dict], Any]] = {OURS: ours, EVERY: every, CHAINED: chained}
    verdicts = {name: run(columns, prepared) for name, run in sides.items()}  # compiles and loads
    turns = {name: _turn(run, columns, prepared, 20 if name == OURS else 1) for name, run in sides.items()}
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        others, missing = _others(options, columns, Path(folder))
        answers: dict[str, Any] = {}
        turns |= {name: _asked(peer, name, answers) for name, peer in others.items()}
        seconds = in_turns(turns, rounds)
        for peer in others.values():
            peer.close()
    return {
        "documents": sum(map(len, columns.values())),
        "characters": sum(len(text) for column in columns.values() for text in column),
        "seconds": seconds,
        "agreement": agreement(verdicts),
        "correlation": {
            name: _correlations(columns, prepared, answers[name], same) for name, _, same in _PEERS if name in answers
        },
        "missing": missing,
    }


def _others(options: Options, columns: dict, folder: Path) -> tuple[dict[str, Peer], dict[str, str]]:
    """(peers with an environment of their own, why the others are not there)."""
    path, installed, missing = folder / "texts.jsonl", {}, {}
    path.write_text("".join(json.dumps({"text": text}) + "\n" for column in columns.values() for text in column))
    for name, distribution, _ in _PEERS:
        try:
            installed[name] = Peer(options.python(name), "peer_texts.py", f"{name}-signals", str(path))
        except NotInstalled as no:
            missing[name] = f"{distribution} {pinned(name, distribution)}: {no}"
    return installed, missing


def _asked(peer: Peer, name: str, answers: dict[str, Any]) -> Callable[[], float]:
    def turn() -> float:
        answer = peer.turn()
        answers[name] = answer["said"]
        return float(answer["seconds"])

    return turn


def _turn(run: Callable, columns: dict, prepared: dict, times: int) -> Callable[[], float]:
    return lambda: _timed(lambda: run(columns, prepared), times)


def _correlations(columns: dict, prepared: dict, theirs: list[dict], same: dict[str, str]) -> dict[str, float]:
    """Pearson's, over documents, of their column with ours; None where one of them never varies."""
    signals = pa.concat_tables(_tables(columns, prepared))
    correlations = {}
    for name, column in same.items():
        pairs = np.array([[row.get(name, 0.0) for row in theirs], signals[column].to_numpy()], float)
        correlations[column] = float(np.corrcoef(pairs)[0, 1]) if pairs.std(axis=1).all() else None
    return correlations


def rows(figures: dict[str, Any]) -> list[Row]:
    turns, documents = figures["seconds"], figures["documents"]
    same = figures["agreement"]["all four"]
    notes = {
        CHAINED: f"Gopher, C4, FineWeb at once; same keep or drop on {same:.1%} of {documents} documents",
        EVERY: "the same without stopping at the first drop",
        "dolma": f"gopher_v2 and c4_v1; {_said(figures, 'dolma')}",
        "data-juicer": f"eight statistics, less than ours measures; {_said(figures, 'data-juicer')}",
    }
    least = {CHAINED: 50.0, "dolma": 20.0}
    entries = [
        Row("signals", name, ratio(turns[OURS], turns[name]), least=least.get(name), note=notes[name])
        for name in turns
        if name != OURS
    ]
    each = 1e3 * min(turns[OURS]) / documents
    entries.append(Row("signals, a document", "", each, "ms", note=f"turns differ by {spread(turns[OURS]):.0%}"))
    return entries + [Row("signals", name, None, note=why) for name, why in figures["missing"].items()]


def _said(figures: dict[str, Any], peer: str) -> str:
    known = {name: value for name, value in figures["correlation"].get(peer, {}).items() if value is not None}
    return "correlation of " + ", ".join(f"{name} {value:.3f}" for name, value in known.items())


def _tables(columns: dict, prepared: dict) -> list[pa.Table]:
    return [
        signal_table(pa.array([""] * len(texts)), pa.array(texts, pa.large_string()), prepared[language][0])
        for language, texts in columns.items()
    ]


def _timed(run: Callable[[], object], times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - start) / times


def ours(columns: dict, prepared: dict) -> dict[str, list[str]]:
    """Verdicts of each filter, over all languages in turn."""
    tables = _tables(columns, prepared)
    return {name: [v for table in tables for v in our_verdicts(table, name)] for name in FILTERS}


def every(columns: dict, prepared: dict) -> dict[str, list[str]]:
    pairs = [(text, prepared[language][1]) for language, texts in columns.items() for text in texts]
    return {name: [peer_verdict(peer[name], text) for text, peer in pairs] for name in FILTERS}


def chained(columns: dict, prepared: dict) -> dict[str, list[str]]:
    """The verdict of the filter that drops the document, alone."""
    verdicts = []
    for language, texts in columns.items():
        for text in texts:
            reasons = (f"{n}: {v}" for n in FILTERS if (v := peer_verdict(prepared[language][1][n], text)))
            verdicts.append(next(reasons, ""))
    return {"chain": verdicts}


def agreement(verdicts: dict[str, dict[str, list[str]]]) -> dict[str, float]:
    """Share of documents with the same keep or drop: by filter, and of all four together."""
    mine, theirs = verdicts["ours"], verdicts["datatrove, every filter"]
    shares = {n: [bool(a) == bool(b) for a, b in zip(mine[n], theirs[n], strict=True)] for n in FILTERS}
    together = zip(zip(*mine.values(), strict=True), verdicts["datatrove, chained"]["chain"], strict=True)
    shares["all four"] = [any(a) == bool(b) for a, b in together]
    return {name: sum(same) / len(same) for name, same in shares.items()}
