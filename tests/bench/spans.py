"""Repeated pieces against peers, on the same texts, in one run: `make bench-spans`.

The texts of `bench_dedup`: sentences of real pages, a fifth of the documents copies with a few words replaced. C4's
three-sentence spans from texts to texts against datatrove's three stages; runs of 50 words against a suffix array with
its table of common prefixes (libdivsufsort, Kasai) over our numbered words: the way of Lee et al., with the whole
corpus in one process, and it must cut the very same words. Seconds of CPU, in turns; compilation is not timed.
"""

import contextlib
import io
import tempfile
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from dedup.chains import repeated_spans, repeated_substrings
from dedup.passages.text_spans import remaining_texts
from pipeline.kernels.tokens import words
from tests.bench.dedup import texts
from tests.bench.table import Options, Row, in_turns, ratio, table, turn
from tests.support.documents import Shards
from tests.support.passages import dated_pages, passage_selection

TOKENS, TURNS, PARTITIONS = 50, 3, 4


def figures(options: Options) -> dict[str, Any]:
    """Seconds a document of each side, and what each cut."""
    count, few = (4000, 400) if options.quick else (20_000, 1500)
    sample, _ = texts(options.data, count)
    results: dict[str, Any] = {
        "documents": count,
        "few": few,
        "characters": sum(map(len, sample)),
        "cut": {},
        "turns": {},
    }
    ours = pages(sample), pages(sample[:few])
    sides = {
        "spans": lambda: spans(ours[0]),
        "spans, few": lambda: spans(ours[1]),
        "substrings": lambda: substrings(ours[0]),
        "datatrove": lambda: with_datatrove(sample[:few]),
        "suffix array": lambda: with_suffix_array(sample),
    }
    missing: dict[str, str] = {}
    for name, side in list(sides.items()):
        try:
            results["cut"][name] = side()  # compiles, and tells whether it can be measured
        except ImportError as error:
            missing[name] = str(error)
            del sides[name]
    if "suffix array" in sides and results["cut"]["substrings"] != results["cut"]["suffix array"]:
        raise AssertionError(f"not the same words are cut: {results['cut']}")
    results["turns"] = in_turns({name: turn(side) for name, side in sides.items()}, TURNS)
    return {**results, "missing": missing}


def rows(figures: dict[str, Any]) -> list[Row]:
    turns, cut, table_rows = figures["turns"], figures["cut"], []
    for what, ours, peer, count in (
        ("repeated sentences (C4)", "spans, few", "datatrove", figures["few"]),
        ("repeated runs of 50 words", "substrings", "suffix array", figures["documents"]),
    ):
        if peer in figures["missing"]:
            table_rows.append(Row(what, peer, None, note=figures["missing"][peer]))
            continue
        cost = sorted(turns[ours])[TURNS // 2] / count
        note = f"{count:,} texts, {cost * 1e6:,.0f} us each; words left {cut[ours]:,} / {cut[peer]:,}"
        table_rows.append(Row(what, peer, ratio(turns[ours], turns[peer]), note=note))
    return table_rows


def pages(sample: list[str], shards: int = 2) -> Shards:
    return dated_pages(sample, shards, source=["s"] * len(sample))


def spans(documents: Shards) -> int:
    """Remove repeated spans in memory, all stages and the texts; return the words that remain."""
    return words_after(documents, passage_selection(repeated_spans, "spans", documents, partitions=PARTITIONS))


def substrings(documents: Shards) -> int:
    """Remove repeated runs of words in memory, all stages and the texts; return the words that remain."""
    removed = passage_selection(repeated_substrings, "substrings", documents, partitions=PARTITIONS, tokens=TOKENS)
    return words_after(documents, removed)


def words_after(documents: Shards, removed: Shards) -> int:
    batches = (
        batch
        for shard, step in zip(documents, removed, strict=True)
        for batch in remaining_texts(shard, {"step": step}, ["id", "text"])
    )
    return sum(len(words(batch["text"]).hash) for batch in batches)


def with_datatrove(sample: list[str]) -> int:
    """Its three stages with its own splitter and normal form, so other sentences are equal; in one process."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup.sentence_dedup import (
        SentDedupConfig,
        SentenceDedupFilter,
        SentenceDedupSignature,
        SentenceFindDedups,
    )
    from datatrove.utils.logging import logger

    logger.remove()
    config = SentDedupConfig(only_dedup_in_index=False, min_doc_words=1, min_num_sentences=0)
    documents = [Document(text=text, id=str(i)) for i, text in enumerate(sample)]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        signer = SentenceDedupSignature(f"{folder}/signatures", config=config, language="de")
        signer.hash_fc = lambda text: xxhash.xxh64_intdigest(text.encode())  # xxhash 4 wants bytes
        signer.run(iter(documents))
        SentenceFindDedups(f"{folder}/signatures", f"{folder}/found", config=config).run()
        kept = list(SentenceDedupFilter(f"{folder}/found", config=config, language="de").run(iter(documents)))
    return len(words(pa.array([document.text for document in kept], pa.large_string())).hash)


def with_suffix_array(sample: list[str]) -> int:
    """Words that stay when every run of 50 words but the first is cut, from a suffix array of the whole corpus.

    Documents are parted by words of their own, so no run reaches over an end. A run that overlaps the first stays.
    """
    import pydivsufsort

    text = words(pa.array(sample, pa.large_string()))
    ends = text.first[1:] + np.arange(len(sample))
    symbols = np.insert(np.unique(text.hash, return_inverse=True)[1], text.first[1:], 0).astype(np.uint32)
    symbols[ends] = symbols.max() + 1 + np.arange(len(sample))
    order = pydivsufsort.divsufsort(symbols)
    common = pydivsufsort.kasai(symbols, order)
    run_ = np.cumsum(np.append(0, common[:-1] < TOKENS))
    firsts = np.full(run_[-1] + 1, len(symbols))
    np.minimum.at(firsts, run_, order)
    first = firsts[run_]
    within = (order - first < TOKENS) & (np.searchsorted(ends, order) == np.searchsorted(ends, first))
    later = order[~within]
    covered = np.zeros(len(symbols) + 1, np.int64)
    np.add.at(covered, later, 1)
    np.add.at(covered, np.minimum(later + TOKENS, len(symbols)), -1)
    return int((np.cumsum(covered[:-1]) == 0).sum()) - len(sample)


if __name__ == "__main__":
    print(table(rows(figures(Options()))))
