"""Quality classifier: fastText (Joulin et al. 2017) trained within the run, in the manner of DCLM (Li et al. 2024).

Positives are reference corpora and hosts that the recipe trusts; negatives are a sample of the rest of the crawl in the
same language, from the same extractor, normalized in the same way. There are as many models as folds of hosts, each
trained without one fold, and a page is scored by the model that has not seen its host (folds of pages in a crawl of few
hosts). So a good page that was drawn as a negative is not worse off than its neighbour, and the AUC reported is held
out. The AUC says how well references can be told from the crawl. Near 1 means that they differ in genre too: laws and
novels do.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa

from filters.quality.columns import QUALITY, QUALITY_SCHEMA
from filters.quality.documents import Chunking, Document, batches_with_language, sample_crawl, sample_references
from filters.quality.sampling import hash_keys
from filters.quality.scores import POSITIVE_LABEL, Scorer, area_under_roc, mean_scores, percentile_ranks, train_model
from pipeline.config.values import Range
from pipeline.runner.dag import Asset
from pipeline.runner.stage import sidecar, stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

MIN_DOCUMENTS = 20  # of a class; with fewer no model is trained and every score is null
_MIN_HOSTS = 50  # of each fold: with fewer the folds differ in kinds of pages, and folds of pages are the lesser evil
QUANTILE_POINTS = 1001  # quantiles kept of a fold
_EXAMPLES = 10  # of each decile

FACTS = pa.schema(
    [
        ("language", pa.string()),
        ("positives", pa.int64()),  # documents
        ("negatives", pa.int64()),
        ("sampled", pa.int64()),  # documents of the crawl that quantiles and examples are computed from
        ("folds", pa.int64()),  # models; 0 if there is none
        ("unit", pa.string()),  # what a fold is made of: host | id
        ("auc", pa.float64()),  # held out, pooled over the folds
        ("note", pa.string()),  # why there is no score
    ]
)
QUANTILES = pa.schema([("fold", pa.int64()), ("quality", pa.float64())])
EXAMPLES = pa.schema([("decile", pa.string()), ("id", pa.string()), ("quality", pa.float64()), ("text", pa.string())])


@stage(
    version=1,
    libraries=("fasttext-community", "numba"),
    outputs={"part": FACTS, "quantiles": QUANTILES, "examples": EXAMPLES},
)
def quality_model(
    pages: list[Shard],
    languages: list[Shard],
    *,
    language: str = "",
    references: tuple[Asset, ...] = (),
    text_column: str = "text",
    trusted_hosts: tuple[str, ...] = (),
    model: Asset | None = None,
    label: str = "hq",
    samples: Annotated[int, Range(1)] = 50_000,
    folds: Annotated[int, Range(2)] = 4,
    min_words: int = 20,
    chunk_words: Annotated[int, Range(1)] = 100,
    chunks: Annotated[int, Range(1)] = 4,
    dim: Annotated[int, Range(1)] = 32,
    word_ngrams: Annotated[int, Range(1)] = 2,
    buckets: Annotated[int, Range(1)] = 200_000,
    epochs: Annotated[int, Range(1)] = 5,
    min_lines: int = 50_000,
    lr: Annotated[float, Range(1e-6)] = 0.5,
    seed: int = 0,
) -> Iterator[pa.Table | Output]:
    """Train a model for each fold, and measure where the crawl's scores lie. One task.

    Raises UserError for a reference without text.

    Args:
        pages: All shards of pages (schema PAGES).
        languages: All shards of languages, aligned with the pages.
        language: Language whose documents are sampled; empty for all.
        references: Texts of good quality: .parquet or .jsonl with `text_column`, .txt or .md, each also .gz.
        text_column: Column of the references that has the text.
        trusted_hosts: Hosts whose pages, and those of their subdomains, are positives.
        model: A finished fastText model to measure instead of training one.
        label: Positive label of `model`.
        samples: Documents of each class at most.
        folds: Models to train, each without one fold of the hosts.
        min_words: Words below which a text is not used.
        chunk_words: Words of a chunk; the model learns and scores chunks.
        chunks: Chunks of a document at most.
        dim: Dimension of word vectors (fastText's `dim`).
        word_ngrams: Longest word n-gram that is a feature (fastText's `wordNgrams`).
        buckets: Hash buckets of word n-grams (fastText's `bucket`).
        epochs: Times that the sample is read at least (fastText's `epoch`).
        min_lines: Chunks that are read in all at least: a small sample is read in more epochs, up to 100.
        lr: Learning rate (fastText's `lr`).
        seed: Seed of sampling and training.
    """
    chunking = Chunking(min_words, chunk_words, chunks, is_plain=model is None)
    sampled, trusted = sample_crawl(pages, languages, language, samples, chunking, trusted_hosts, seed)
    positives = [*sample_references(references, text_column, samples, chunking, seed), *trusted]
    negatives = [document for document in sampled if not document.is_trusted]
    unit = "host" if len({document.host for document in sampled}) >= _MIN_HOSTS * folds else "id"
    note = None if model else _missing_documents(positives, negatives)
    facts = {"language": language, "positives": len(positives), "negatives": len(negatives), "sampled": len(sampled)}
    if note or not sampled:
        yield pa.Table.from_pylist([{**facts, "folds": 0, "unit": unit, "note": note or "no documents"}], FACTS)
        return
    options = {"dim": dim, "wordNgrams": word_ngrams, "bucket": buckets, "lr": lr, "seed": seed}
    scorers = [Scorer(model.path, label)] if model else []
    for fold in range(0 if model else folds):
        with tempfile.TemporaryDirectory() as folder:
            positive_lines = _lines_of_other_folds(positives, folds, fold, unit, seed)
            negative_lines = _lines_of_other_folds(negatives, folds, fold, unit, seed)
            path = train_model(Path(folder), positive_lines, negative_lines, epochs, min_lines, options)
            scorers.append(Scorer(str(path), POSITIVE_LABEL))
            yield Output.file(f"model-{fold}.bin", path)
    models = [_fold(document, len(scorers), unit, seed) for document in sampled]
    scores = mean_scores([document.lines for document in sampled], models, scorers)
    positive_models = [_fold(document, len(scorers), unit, seed) for document in positives]
    positive_scores = mean_scores([document.lines for document in positives], positive_models, scorers)
    auc = area_under_roc(positive_scores, scores[[not document.is_trusted for document in sampled]])
    yield pa.Table.from_pylist([{**facts, "folds": len(scorers), "unit": unit, "auc": auc}], FACTS)
    yield Output(_quantiles(scores, np.array(models)), name="quantiles")
    yield Output(_examples(sampled, scores), name="examples")


def _missing_documents(positives: list[Document], negatives: list[Document]) -> str | None:
    """Why no model can be trained, None if one can."""
    for name, documents in (("positives", positives), ("negatives", negatives)):
        if len(documents) < MIN_DOCUMENTS:
            return f"no model: {len(documents)} {name}, {MIN_DOCUMENTS} are needed"
    return None


def _lines_of_other_folds(documents: list[Document], folds: int, fold: int, unit: str, seed: int) -> Iterator[str]:
    return (line for document in documents if _fold(document, folds, unit, seed) != fold for line in document.lines)


def _fold(document: Document, folds: int, unit: str, seed: int) -> int:
    return int(hash_keys([getattr(document, unit)], f"fold {seed}")[0] % np.uint64(folds))


def _quantiles(scores: np.ndarray, folds: np.ndarray) -> pa.Table:
    """Quantiles of each model's own scores, so that models need not agree on a scale."""
    tables = []
    for fold in np.unique(folds):
        values = np.quantile(scores[folds == fold], np.linspace(0, 1, QUANTILE_POINTS), method="inverted_cdf")
        tables.append(pa.table({"fold": np.full(QUANTILE_POINTS, fold, np.int64), "quality": values}, QUANTILES))
    return pa.concat_tables(tables)


def _examples(sampled: list[Document], scores: np.ndarray) -> pa.Table:
    """Documents of the top and the bottom decile, spread evenly over it, best first."""
    order = sorted(range(len(sampled)), key=lambda i: (-scores[i], sampled[i].id))
    tenth = max(1, len(order) // 10)
    rows = []
    for decile, members in (("top", order[:tenth]), ("bottom", order[-tenth:])):
        for position in sorted({i * len(members) // _EXAMPLES for i in range(_EXAMPLES)}):
            document, score = sampled[members[position]], float(scores[members[position]])
            rows.append({"decile": decile, "id": document.id, "quality": score, "text": document.excerpt})
    return pa.Table.from_pylist(rows, EXAMPLES)


@sidecar(version=1, libraries=("fasttext-community", "numba"), columns=QUALITY)
def quality(
    pages: Shard,
    languages: Shard,
    trained: list[Shard],
    *,
    model: Asset | None = None,
    label: str = "hq",
    min_words: int = 20,
    chunk_words: int = 100,
    chunks: int = 4,
    seed: int = 0,
) -> Iterator[pa.Table]:
    """Score each document by the model that has not seen its host; null for other languages and for short texts.

    The settings must be those of `quality_model`. All scores are null if that trained no model.

    Args:
        pages: Pages (schema PAGES).
        languages: Languages of the pages, aligned with them.
        trained: The shard of `quality_model`.
        model: A finished fastText model instead of the trained ones.
        label: Positive label of `model`.
        min_words: Words below which a text is not scored.
        chunk_words: Words of a chunk; a document's score is the mean over its chunks.
        chunks: Chunks of a document at most.
        seed: Seed that assigned hosts to folds.
    """
    facts = trained[0].table().to_pylist()[0]
    scorers, quantiles = _load_scorers(trained[0], facts["folds"], model, label)
    chunking = Chunking(min_words, chunk_words, chunks, is_plain=model is None)
    for batch, labels in batches_with_language(pages, languages):
        is_scored = [facts["language"] in ("", name) for name in labels.to_pylist()]
        lines = [own if scored else [] for own, scored in zip(chunking.lines(batch["text"]), is_scored, strict=True)]
        units = [name or "" for name in batch[facts["unit"]].to_pylist()]
        folds = hash_keys(units, f"fold {seed}") % np.uint64(max(1, len(scorers)))
        scores = mean_scores(lines, folds.tolist(), scorers)
        ranks = np.full(len(scores), np.nan)
        for fold, points in enumerate(quantiles):
            own_rows = (folds == fold) & ~np.isnan(scores)
            ranks[own_rows] = percentile_ranks(scores[own_rows], points)
        columns = (pa.array(values, from_pandas=True) for values in (scores, ranks))
        yield pa.table([batch["id"], *columns], schema=QUALITY_SCHEMA)


def _load_scorers(shard: Shard, folds: int, model: Asset | None, label: str) -> tuple[list[Scorer], list[np.ndarray]]:
    """Models and the quantiles of their scores, those of all folds for a fold without sampled documents."""
    if model:
        scorers = [Scorer(model.path, label)] if folds else []
    else:
        scorers = [Scorer(str(shard.file(f"model-{fold}.bin")), POSITIVE_LABEL) for fold in range(folds)]
    table = shard.table(name="quantiles") if folds else QUANTILES.empty_table()
    fold, scores = table["fold"].to_numpy(), table["quality"].to_numpy()
    quantiles = [np.sort(scores[fold == number]) for number in range(folds)]
    return scorers, [points if len(points) else np.sort(scores) for points in quantiles]
