"""Decontamination: which documents contain items of benchmarks, question and answer apart.

Three stages. `benchmark_index` reads benchmarks into word sequences; `benchmark_phrases` counts on the crawl which of
their k-grams are common phrases; `contamination` aligns the sequences with every document. A rule on the score decides
what is dropped.

The score of an item in a document is the share of its words that occur there in order and close together. Every word is
weighted by how rare the k-grams over it are on the crawl, and each foreign word in between costs a tenth of a word. A
verbatim copy scores 1, whatever its case, punctuation, line breaks and format of numbers; an altered word costs about
its share.

Short text (`filters.contamination.benchmark_sequences.Policy`): texts of `n` words (13, as GPT-3: Brown et al. 2020,
appendix C) or more are judged by that share. Below, down to `min_words`, a question alone counts only if it is
complete; with its answer near, a part of it counts too. Still shorter questions are matched together with their choices
or answer, and left out if that is not enough either.
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import pyarrow as pa

from filters.contamination.benchmark_sequences import INDEX, BenchmarkIndex, Policy, index_items, load_index
from filters.contamination.benchmarks import read_benchmark
from filters.contamination.columns import CONTAMINATION
from filters.contamination.hits import HITS, contamination_table, find_hits, hits_table
from filters.contamination.ngram_align import count_documents
from filters.contamination.ngram_index import Weights, compute_weights
from filters.contamination.normalize import normalize_words
from filters.quality.sampling import hash_keys, in_sample
from pipeline.config.values import Range
from pipeline.runner.dag import Asset
from pipeline.runner.stage import sidecar, stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

CANDIDATE_SHARE = 0.15  # of a sequence's seeds (by weight) that must be near each other before it is aligned
_MIN_COMMON_DOCUMENTS = 10  # in a small crawl, 1 % of the documents is no evidence that a phrase is common

PHRASES = pa.schema([("gram", pa.uint64()), ("documents", pa.int64())])
TOTALS = pa.schema([("documents", pa.int64())])


@stage(version=2, outputs={"part": INDEX})
def benchmark_index(
    *,
    benchmarks: tuple[Asset, ...],
    names: tuple[str, ...] = (),
    n: Annotated[int, Range(1)] = 13,
    min_words: Annotated[int, Range(1)] = 8,
) -> Iterator[pa.Table]:
    """Read benchmarks into word sequences: one row (schema INDEX) a sequence. One task, no inputs.

    Raises UserError for a file that is no benchmark.

    Args:
        benchmarks: Benchmark files (JSON, JSON Lines, CSV, TSV or Parquet).
        names: Name of each benchmark in reports; without names a benchmark is called by the sha256 of its content.
        n: Words from which a text is judged by the share of it that matches.
        min_words: Words below which a question is not judged alone.
    """
    for i, asset in enumerate(benchmarks):
        yield index_items(names[i] if names else asset.sha256[:12], list(read_benchmark(asset.path)), n, min_words)


@stage(version=1, outputs={"part": PHRASES, "totals": TOTALS})
def benchmark_phrases(
    pages: Shard, index: list[Shard], *, sample: Annotated[float, Range(0, 1)] = 1.0
) -> Iterator[pa.Table | Output]:
    """Count the documents of the shard with each seed (4 words) of the index, if any: common phrases are no evidence.

    Documents that contain half of a sequence are not counted for its own seeds, so a leaked item that is copied all
    over the crawl does not become a common phrase. They are counted for sequences below 13 words, which cannot be told
    from phrases.

    Args:
        pages: Pages (schema PAGES).
        index: All shards of `benchmark_index`.
        sample: Share of documents counted, 0 to 1, chosen by the hash of the id whatever the shards.
    """
    known = load_index(index)
    counts, documents = np.zeros(len(known.ngrams.gram), np.int64), 0
    is_exempt = known.policies[1] == Policy.JUDGED_BY_SHARE
    for batch in pages.batches(["id", "text"]):
        column = batch["text"].filter(pa.array(in_sample(hash_keys(batch["id"].to_pylist(), "phrases"), sample)))
        documents += len(column)
        count_documents(normalize_words(column), known.ngrams, is_exempt, counts)
    present = np.flatnonzero(counts)
    yield pa.table({"gram": known.ngrams.gram[present], "documents": counts[present]}, PHRASES)
    yield Output(pa.table({"documents": [documents]}, TOTALS), name="totals")


@sidecar(version=1, columns=CONTAMINATION, outputs={"hits": HITS})
def contamination(
    pages: Shard,
    index: list[Shard],
    phrases: list[Shard],
    *,
    report: Annotated[float, Range(0, 1)] = 0.5,
    near: int = 50,
    common: Annotated[float, Range(0, 1)] = 0.01,
) -> Iterator[pa.Table | Output]:
    """Find the benchmark item that each document has most of, and write a row of output "hits" for every item.

    Args:
        pages: Pages (schema PAGES).
        index: All shards of `benchmark_index`.
        phrases: All shards of `benchmark_phrases`.
        report: Score from which an item is reported, 0 to 1; below, the document's score is 0.
        near: Words around a question within which a short answer is looked for.
        common: Share of documents (of the crawl and the benchmarks' items, and at least 10 of them) from which a phrase
            weighs nothing, 0 to 1.
    """
    known = load_index(index)
    weights = crawl_weights(known, phrases, common)
    for batch in pages.batches(["id", "text"]):
        hits = find_hits(batch["text"], known, weights, report, near)
        yield contamination_table(batch["id"], hits)
        yield Output(hits_table(batch["id"], hits), name="hits")


def crawl_weights(index: BenchmarkIndex, phrases: list[Shard], common: float) -> Weights:
    """Weights of the index, from the documents and the other items that have each of its k-grams."""
    counts, total = np.maximum(index.ngrams.sequences - 1, 0), len(index.rows)
    for shard in phrases:
        counted = shard.table()
        i = np.searchsorted(index.ngrams.gram, counted["gram"].to_numpy())
        counts[i] += counted["documents"].to_numpy()
        total += sum(shard.table(name="totals")["documents"].to_pylist())
    bound = max(_MIN_COMMON_DOCUMENTS, common * total)
    return compute_weights(index.ngrams, index.inner, counts, bound, CANDIDATE_SHARE)
