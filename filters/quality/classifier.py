"""Quality classifier: fastText (Joulin et al. 2017) trained within the run, in the manner of DCLM (Li et al. 2024).

Positives are reference corpora and hosts that the recipe trusts, negatives a sample of the rest of the crawl: the same
language, the same extractor, the same normalisation. As many models are trained as there are folds of hosts, each
without one fold, and a page is scored by the model that has not seen its host (of pages, in a crawl of few hosts). So a
good page that happened to be drawn as a negative is not worse off than its neighbour, and the AUC reported is held out.
It says how well references can be told from the crawl. Near 1 means that they differ in genre too: laws and novels do.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.quality import reference_texts as corpora
from filters.quality.sampling import Least, keys
from filters.quality.scores import POSITIVE, Scorer, auc, mean_scores, percentile, train
from filters.quality.text import plain
from pipeline.base.schema import QUALITY
from pipeline.config.values import Range
from pipeline.runner.dag import Asset
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

LEAST = 20  # documents of a class; with fewer no model is trained and every score is null
_HOSTS = 50  # of each fold: with fewer the folds differ in kinds of pages, and folds of pages are the lesser evil
POINTS = 1001  # quantiles kept of a fold
_EXAMPLES = 10  # of each decile

FACTS = pa.schema(
    [
        ("language", pa.string()),
        ("positives", pa.int64()),  # documents
        ("negatives", pa.int64()),
        ("sampled", pa.int64()),  # documents of the crawl that quantiles and examples rest on
        ("folds", pa.int64()),  # models; 0 when there is none
        ("unit", pa.string()),  # what a fold is made of: host | id
        ("auc", pa.float64()),  # held out, pooled over the folds
        ("note", pa.string()),  # why there is no score
    ]
)
QUANTILES = pa.schema([("fold", pa.int64()), ("quality", pa.float64())])
EXAMPLES = pa.schema([("decile", pa.string()), ("id", pa.string()), ("quality", pa.float64()), ("text", pa.string())])


class _Document(NamedTuple):
    """A sampled document."""

    id: str
    host: str
    lines: list[str]  # what the model reads
    start: str  # first 200 characters
    trusted: bool


class _Cut(NamedTuple):
    """How texts become what a model reads: chunks of plain text, or for a finished model the text on one line."""

    min_words: int
    words: int
    most: int
    plain: bool

    def lines(self, column: pa.Array) -> Iterator[list[str]]:
        """The lines of each document; none for a text that is too short."""
        found = plain(column)
        for i, n in enumerate(found.tokens()):
            if n < self.min_words:
                yield []
            elif self.plain:
                yield found.chunks(i, self.words, self.most)
            else:
                yield [" ".join((column[i].as_py() or "").split("\n"))]


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
    """One task: train a model a fold, and measure where the crawl's scores lie.

    language: documents of it are sampled (empty: all). references: texts of good quality (.parquet or .jsonl with
    `text_column`, .txt, each also .gz). trusted_hosts: these and their subdomains are positives. model, label: a
    finished fastText model to measure instead of training, and its positive label. samples: documents of each class at
    most. min_words: shorter texts are not used. chunk_words, chunks: texts are cut into chunks of that many words, and
    so many chunks a document are learnt. dim, word_ngrams, buckets, epochs, lr: as fastText's; a small sample is read
    more often than `epochs`, until it has given `min_lines` chunks (or 100 times). seed: of sampling and training.
    Raises UserError for a reference without text.
    """
    cut = _Cut(min_words, chunk_words, chunks, model is None)
    sampled, trusted = _crawl(pages, languages, language, samples, cut, trusted_hosts, seed)
    positives = [*_references(references, text_column, samples, cut, seed), *trusted]
    negatives = [d for d in sampled if not d.trusted]
    unit = "host" if len({d.host for d in sampled}) >= _HOSTS * folds else "id"
    note = None if model else _lacking(positives, negatives)
    facts = {"language": language, "positives": len(positives), "negatives": len(negatives), "sampled": len(sampled)}
    if note or not sampled:
        yield pa.Table.from_pylist([{**facts, "folds": 0, "unit": unit, "note": note or "no documents"}], FACTS)
        return
    options = {"dim": dim, "wordNgrams": word_ngrams, "bucket": buckets, "lr": lr, "seed": seed}
    scorers = [Scorer(model.path, label)] if model else []
    for fold in range(0 if model else folds):
        with tempfile.TemporaryDirectory() as folder:
            good_lines, others = (_lines(of, folds, fold, unit, seed) for of in (positives, negatives))
            path = train(Path(folder), good_lines, others, epochs, min_lines, options)
            scorers.append(Scorer(str(path), POSITIVE))
            yield Output.file(f"model-{fold}.bin", path)
    held_out = [_fold(d, len(scorers), unit, seed) for d in sampled]
    scores = mean_scores([d.lines for d in sampled], held_out, scorers)
    good = mean_scores([d.lines for d in positives], [_fold(d, len(scorers), unit, seed) for d in positives], scorers)
    area = auc(good, scores[[not d.trusted for d in sampled]])
    yield pa.Table.from_pylist([{**facts, "folds": len(scorers), "unit": unit, "auc": area}], FACTS)
    yield Output(_quantiles(scores, np.array(held_out)), name="quantiles")
    yield Output(_examples(sampled, scores), name="examples")


def _lacking(positives: list[_Document], negatives: list[_Document]) -> str | None:
    for name, found in (("positives", positives), ("negatives", negatives)):
        if len(found) < LEAST:
            return f"no model: {len(found)} {name}, {LEAST} are needed"
    return None


def _lines(documents: list[_Document], folds: int, without: int, unit: str, seed: int) -> Iterator[str]:
    """Lines of the documents of all folds but one."""
    return (line for d in documents if _fold(d, folds, unit, seed) != without for line in d.lines)


def _fold(document: _Document, folds: int, unit: str, seed: int) -> int:
    return int(keys([getattr(document, unit)], f"fold {seed}")[0] % np.uint64(folds))


def _crawl(
    pages: list[Shard],
    languages: list[Shard],
    language: str,
    samples: int,
    cut: _Cut,
    trusted: tuple[str, ...],
    seed: int,
) -> tuple[list[_Document], list[_Document]]:
    """A uniform sample of the crawl's documents, and one of those on trusted hosts."""
    every, good = Least(samples), Least(samples)
    for part, spoken in zip(pages, languages, strict=True):
        for batch, labels in _with_languages(part, spoken):
            rows = batch.filter(pc.equal(labels, language)) if language else batch
            _offer(rows, every, good, cut, trusted, seed)
    return every.all(), good.all()


def _with_languages(pages: Shard, languages: Shard) -> Iterator[tuple[pa.RecordBatch, pa.ChunkedArray]]:
    """Batches of pages with the language of each row. Raises AssertionError where ids differ."""
    said, at = languages.table(["id", "language"]), 0
    for batch in pages.batches(["id", "host", "text"]):
        rows = said.slice(at, len(batch))
        if not rows["id"].combine_chunks().equals(batch["id"]):
            raise AssertionError(f"shard {pages.index}: ids of pages and languages differ from row {at} on")
        yield batch, rows["language"]
        at += len(batch)


def _offer(rows: pa.RecordBatch, every: Least, good: Least, cut: _Cut, trusted: tuple[str, ...], seed: int) -> None:
    hosts = [host or "" for host in rows["host"].to_pylist()]
    ids = rows["id"].to_pylist()
    hashes = keys(ids, f"sample {seed}")
    is_good = np.array([_below(host, trusted) for host in hosts], bool)

    def document(i: int) -> _Document | None:
        text = rows["text"].slice(i, 1)
        lines = next(cut.lines(text))
        return _Document(ids[i], hosts[i], lines, (text[0].as_py() or "")[:200], bool(is_good[i])) if lines else None

    every.offer(hashes, document)
    where = np.flatnonzero(is_good)
    good.offer(hashes[where], lambda i: document(int(where[i])))


def _below(host: str, hosts: tuple[str, ...]) -> bool:
    """Whether the host is one of `hosts` or a subdomain of one."""
    return any(host == known or host.endswith(f".{known}") for known in hosts)


def _references(references: tuple[Asset, ...], column: str, samples: int, cut: _Cut, seed: int) -> list[_Document]:
    """A sample of the texts of reference corpora; equal texts are one."""
    good = Least(samples)
    for asset in references:
        for texts in corpora.texts(asset.path, column):
            hashes = keys(texts, f"reference {seed}")
            lines = list(cut.lines(pa.array(texts, pa.string())))

            def document(i: int, texts=texts, hashes=hashes, lines=lines) -> _Document | None:
                name = f"{hashes[i]:016x}"
                return _Document(name, name, lines[i], texts[i][:200], True) if lines[i] else None

            good.offer(hashes, document)
    return good.all()


def _quantiles(scores: np.ndarray, folds: np.ndarray) -> pa.Table:
    """Quantiles of each model's own scores, so that models need not agree on a scale."""
    tables = []
    for fold in np.unique(folds):
        values = np.quantile(scores[folds == fold], np.linspace(0, 1, POINTS), method="inverted_cdf")
        tables.append(pa.table({"fold": np.full(POINTS, fold, np.int64), "quality": values}, QUANTILES))
    return pa.concat_tables(tables)


def _examples(sampled: list[_Document], scores: np.ndarray) -> pa.Table:
    """Documents of the top and the bottom decile, spread evenly over it, best first."""
    order = sorted(range(len(sampled)), key=lambda i: (-scores[i], sampled[i].id))
    tenth = max(1, len(order) // 10)
    rows = []
    for decile, of in (("top", order[:tenth]), ("bottom", order[-tenth:])):
        for at in sorted({i * len(of) // _EXAMPLES for i in range(_EXAMPLES)}):
            document = sampled[of[at]]
            values = (decile, document.id, float(scores[of[at]]), document.start)
            rows.append(dict(zip(EXAMPLES.names, values, strict=True)))
    return pa.Table.from_pylist(rows, EXAMPLES)


@stage(version=1, libraries=("fasttext-community", "numba"), outputs={"part": QUALITY})
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
    """Score each document by the model that has not seen its host; null for other languages and short texts.

    The settings are those of `quality_model`, whose parts are `trained`. Null for all when that trained nothing.
    """
    facts = trained[0].table().to_pylist()[0]
    scorers, quantiles = _trained(trained[0], facts["folds"], model, label)
    cut = _Cut(min_words, chunk_words, chunks, model is None)
    for batch, labels in _with_languages(pages, languages):
        spoken = [facts["language"] in ("", name) for name in labels.to_pylist()]
        lines = [of if own else [] for of, own in zip(cut.lines(batch["text"]), spoken, strict=True)]
        unit = batch[facts["unit"]].to_pylist()
        folds = keys([name or "" for name in unit], f"fold {seed}") % np.uint64(max(1, len(scorers)))
        scores = mean_scores(lines, folds.tolist(), scorers)
        ranks = np.full(len(scores), np.nan)
        for fold, points in enumerate(quantiles):
            own = (folds == fold) & ~np.isnan(scores)
            ranks[own] = percentile(scores[own], points)
        yield pa.table([batch["id"], *(pa.array(v, from_pandas=True) for v in (scores, ranks))], schema=QUALITY)


def _trained(part: Shard, folds: int, model: Asset | None, label: str) -> tuple[list[Scorer], list[np.ndarray]]:
    """Models and the quantiles of their scores (of all folds where one has no sample)."""
    if model:
        scorers = [Scorer(model.path, label)] if folds else []
    else:
        scorers = [Scorer(str(part.file(f"model-{fold}.bin")), POSITIVE) for fold in range(folds)]
    table = part.table(name="quantiles") if folds else QUANTILES.empty_table()
    fold, value = table["fold"].to_numpy(), table["quality"].to_numpy()
    own = [np.sort(value[fold == number]) for number in range(folds)]
    return scorers, [points if len(points) else np.sort(value) for points in own]
