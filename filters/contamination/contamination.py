"""Decontamination: which documents carry items of benchmarks, question and answer apart.

Three stages. `benchmark_index` reads benchmarks into word sequences; `benchmark_phrases` counts on the crawl which of
their k-grams are common phrases; `contamination` aligns the sequences with every document. What is dropped is a rule on
the score.

Score of an item in a document: the share of its words that stand there in order and close together, every word weighted
by how rare the k-grams over it are on the crawl, less a tenth of a word for each foreign word in between. A verbatim
copy scores 1, whatever its case, punctuation, line breaks and format of numbers; an altered word costs about its share.

Policy for short text: `n` words (13, as GPT-3: Brown et al. 2020, appendix C) or more are judged by that share. Below,
down to `min_words`, a question alone counts only whole, with its answer close by also in part. Still shorter questions
are matched together with their choices or answer, and left out (policy "too short") when that is not enough either.
"""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.contamination import benchmarks as files
from filters.contamination import ngram_align as matching
from filters.contamination import normalize as folding
from filters.quality.sampling import keys, within
from pipeline.base.schema import CONTAMINATION
from pipeline.config.values import Range
from pipeline.kernels.tokens import buffers, classes
from pipeline.runner.dag import Asset
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

WORDS = 4  # of a seed: one altered word of eight leaves a run of four; longer seeds miss lightly altered questions
CANDIDATE = 0.15  # share of a sequence's seeds (by weight) that must be near each other before it is aligned
_LEAST = 5 * matching.UNIT  # weight of the words of a text: less is no evidence, however much of it is found
_FOREIGN = 3 * matching.GAP  # a whole match may have so many foreign words in it: `Answer:` before the answer
_NEARLY = 0.75  # a short question with its choices or answer behind it is evidence enough with this share of it
_COMMON_AT_LEAST = 10  # documents: in a small crawl 1 % of them is no evidence that a phrase is common

INDEX = pa.schema(
    [
        ("benchmark", pa.string()),
        ("item", pa.string()),
        ("part", pa.string()),  # question (behind it the choices, or a short question's answer) | answer
        ("policy", pa.string()),  # share | whole | too short: how the words are judged
        ("words", pa.list_(pa.uint64())),
        ("inner", pa.int64()),  # how many of the words are the question's own
        ("inner_policy", pa.string()),  # how these alone are judged
        ("answer", pa.list_(pa.uint64())),  # a short answer, looked for near the question
    ]
)
PHRASES = pa.schema([("gram", pa.uint64()), ("documents", pa.int64())])
TOTALS = pa.schema([("documents", pa.int64())])
HITS = pa.schema(
    [
        ("id", pa.string()),
        ("benchmark", pa.string()),
        ("item", pa.string()),
        ("kind", pa.string()),  # question | answer | both
        ("score", pa.float64()),
        ("start", pa.int64()),  # UTF-8 byte offsets into the document's text: of the question, else of the answer
        ("end", pa.int64()),
    ]
)


@stage(version=2, outputs={"part": INDEX})
def benchmark_index(
    *,
    benchmarks: tuple[Asset, ...],
    names: tuple[str, ...] = (),
    n: Annotated[int, Range(1)] = 13,
    min_words: Annotated[int, Range(1)] = 8,
) -> Iterator[pa.Table]:
    """One row a word sequence of each benchmark item. One task, no inputs.

    benchmarks, names: files and what the report calls them (`filters.contamination.benchmarks.find` gives both;
    without names they
    are called by the sha256 of their content). n: words from which a share of the text is judged. min_words: words
    below which nothing is. Raises UserError for a file that is no benchmark.
    """
    for i, asset in enumerate(benchmarks):
        name = names[i] if names else asset.sha256[:12]
        rows = [row for item in files.read(asset.path) for row in _texts(item)]
        yield _sequences(name, rows, n, min_words)


def _texts(item: files.Item) -> Iterator[tuple[str, str, str, str, str]]:
    """(item, part, text, choices, answer) of each text to look for."""
    yield item.id, "question", item.question, "\n".join(item.choices), item.answer
    for answer in sorted({item.answer, files.bare(item.answer)}):
        yield item.id, "answer", answer, "", ""


def _sequences(name: str, rows: list[tuple[str, str, str, str, str]], n: int, min_words: int) -> pa.Table:
    ids, parts, *texts = zip(*rows, strict=True)
    text, choices, answer = (_Column(column) for column in texts)
    question = np.array(parts) == "question"
    least = np.where(question, min_words, n)  # an answer alone is evidence only when it is long
    own = [text.words(i) for i in range(len(rows))]
    behind = np.where((choices.length > 0) | (text.length >= n), choices.length, answer.length)
    tails = [(choices if choices.length[i] or text.length[i] >= n else answer).words(i) for i in range(len(rows))]
    both = [np.concatenate(pair) for pair in zip(own, tails, strict=True)]
    near = [answer.words(i) if length < n else answer.words(i)[:0] for i, length in enumerate(answer.length)]
    policy, own_policy = _policies(both, text.length + behind, least, n), _policies(own, text.length, least, n)
    names = [name] * len(rows)
    return pa.table([names, ids, parts, policy, both, [len(w) for w in own], own_policy, near], schema=INDEX)


def _policies(sequences: list[np.ndarray], lengths: np.ndarray, least: np.ndarray, n: float) -> np.ndarray:
    """How each sequence is judged, by its length in words; one of hardly anything but numbers is too short too."""
    policy = np.where(lengths < n, "whole", "share")
    return np.where((lengths < least) | (matching.evidence(sequences, WORDS) < _LEAST), "too short", policy)


class _Column:
    """Folded words of a column of texts, and their length in words."""

    def __init__(self, texts: tuple[str, ...]):
        column = pa.array(texts, pa.string())
        self._folded = folding.fold(column)
        data, _ = buffers(column)
        self.length = folding.lengths(self._folded.start, self._folded.first, data, classes())

    def words(self, i: int) -> np.ndarray:
        return self._folded.hash[self._folded.first[i] : self._folded.first[i + 1]]


class _Index(NamedTuple):
    """The s sequences that are looked for, and their table."""

    rows: list[dict]
    table: matching.Table
    inner: np.ndarray  # (s,) int64
    policies: np.ndarray  # (2, s) str: of the question's own words, and of all
    answer: np.ndarray  # uint64: words of all short answers
    answer_first: np.ndarray  # (s + 1,) int64

    @property
    def lookup(self) -> tuple:
        """What the kernels that look seeds up need of the table."""
        t = self.table
        return WORDS, t.gram, t.posting, t.posted, t.filter, matching.shift_of(t), t.slot


def _load(index: list[Shard]) -> _Index:
    whole = pa.concat_tables([part.table() for part in index])
    whole = whole.filter(pc.not_equal(whole["policy"], "too short"))
    (hashes, first), answers = (_ragged(whole[name]) for name in ("words", "answer"))
    policies = np.array([whole[name].to_pylist() for name in ("inner_policy", "policy")], "U9").reshape(2, -1)
    rows = whole.select(["benchmark", "item", "part"]).to_pylist()
    return _Index(rows, matching.build(hashes, first, WORDS), whole["inner"].to_numpy(), policies, *answers)


def _ragged(lists: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Values (uint64) and bounds (int64) of a column of lists."""
    bounds = np.zeros(len(lists) + 1, np.int64)
    bounds[1:] = np.cumsum(pc.list_value_length(lists).to_numpy())
    return pc.list_flatten(lists).to_numpy(), bounds


@stage(version=1, outputs={"part": PHRASES, "totals": TOTALS})
def benchmark_phrases(
    pages: Shard, index: list[Shard], *, sample: Annotated[float, Range(0, 1)] = 1.0
) -> Iterator[pa.Table | Output]:
    """How many documents of the shard have each seed (4 words) of the index, where any: what is common is no evidence.

    Documents that hold half of a sequence are left out of its own seeds' counts, so that a leaked item which is copied
    all over the crawl does not become a common phrase (sequences below 13 words cannot be told from phrases and count).
    sample: share of documents counted, chosen by the hash of the id, whatever the shards.
    """
    known = _load(index)
    found, documents = np.zeros(len(known.table.gram), np.int64), 0
    lengths, spared = np.diff(known.table.first), known.policies[1] == "share"
    for batch in pages.batches(["id", "text"]):
        column = batch["text"].filter(pa.array(within(keys(batch["id"].to_pylist(), "phrases"), sample)))
        documents += len(column)
        folded = folding.fold(column)
        matching.count(folded.hash, folded.first, *known.lookup, lengths, spared, found)  # type: ignore[call-arg]
    there = np.flatnonzero(found)
    yield pa.table({"gram": known.table.gram[there], "documents": found[there]}, PHRASES)
    yield Output(pa.table({"documents": [documents]}, TOTALS), name="totals")


@stage(version=1, outputs={"part": CONTAMINATION, "hits": HITS})
def contamination(
    pages: Shard,
    index: list[Shard],
    phrases: list[Shard],
    *,
    report: Annotated[float, Range(0, 1)] = 0.5,
    near: int = 50,
    common: Annotated[float, Range(0, 1)] = 0.01,
) -> Iterator[pa.Table | Output]:
    """The benchmark item that each document has most of, and a row of output "hits" for every item.

    report: score from which an item is reported (below, the document's score is 0). near: words around a question in
    which a short answer is looked for. common: share of documents (of the crawl and the benchmarks' items, and at least
    10 of them) from which on a phrase weighs nothing.
    """
    known = _load(index)
    weights = _weights(known, phrases, common)
    for batch in pages.batches(["id", "text"]):
        hits = _hits(batch["text"], known, weights, report, near)
        yield _best(batch["id"], hits)
        yield Output(_listed(batch["id"], hits), name="hits")


def _weights(known: _Index, phrases: list[Shard], common: float) -> matching.Weights:
    table = known.table
    found, total = np.maximum(table.sequences - 1, 0), len(known.rows)
    for part in phrases:
        counted = part.table()
        at = np.searchsorted(table.gram, counted["gram"].to_numpy())
        found[at] += counted["documents"].to_numpy()
        total += sum(part.table(name="totals")["documents"].to_pylist())
    return matching.weigh(table, known.inner, found, max(_COMMON_AT_LEAST, common * total), CANDIDATE)


class _Hit(NamedTuple):
    document: int
    benchmark: str
    item: str
    kind: str
    score: float
    start: int
    end: int


def _hits(column: pa.Array, known: _Index, weights: matching.Weights, report: float, near: int) -> list[_Hit]:
    """Hits in a column of texts, by document, then score, then name."""
    folded, offsets = folding.fold(column), buffers(column)[1]
    items: dict[tuple[int, str, str], dict[str, tuple[float, int, int]]] = {}
    for document, s, score, first, last, answered in _matches(folded, known, weights, report, near):
        row = known.rows[s]
        parts = items.setdefault((document, row["benchmark"], row["item"]), {})
        for part in (row["part"], "answer")[: 1 + answered]:
            parts[part] = max(parts.get(part, (0.0, 0, 0)), (score, -first, -last))
    return sorted(
        (_hit(*key, parts, folded, offsets) for key, parts in items.items()),
        key=lambda hit: (hit.document, -hit.score, hit.benchmark, hit.item),
    )


def _hit(document: int, benchmark: str, item: str, parts: dict, folded: folding.Folded, offsets: np.ndarray) -> _Hit:
    _, first, last = parts.get("question") or parts["answer"]
    kind = "both" if len(parts) == 2 else next(iter(parts))
    span = folded.start[-first] - offsets[document], folded.end[-last] - offsets[document]
    return _Hit(document, benchmark, item, kind, max(p[0] for p in parts.values()), int(span[0]), int(span[1]))


def _matches(
    folded: folding.Folded, known: _Index, weights: matching.Weights, report: float, near: int
) -> Iterator[tuple[int, int, float, int, int, bool]]:
    """(document, sequence, score, first and last word, short answer near by) of matches that reach `report`."""
    t = known.table
    scale = weights.gram, weights.need, weights.window
    found = matching.candidates(folded.hash, folded.first, *known.lookup, *scale)  # type: ignore[call-arg]
    sequences = t.hash, t.first, weights.word, known.inner, weights.window, known.answer, known.answer_first
    aligned = matching.align(found, folded.hash, folded.first, *sequences, near)
    s = found[:, 1]
    totals = np.stack([weights.inner[s], weights.whole[s]])
    score, policy, answered = aligned[:, [0, 3]].T, known.policies[:, s], aligned[:, 6] > 0
    longer = np.stack([np.zeros(len(s), bool), score[1] > score[0]])  # some of what stands behind the question, too
    whole = (score >= totals - _FOREIGN) | (longer & (score >= _NEARLY * totals))
    answered_too = np.stack([answered, np.zeros_like(answered)])
    counts = (totals >= _LEAST) & ((policy == "share") | (policy == "whole") & (whole | answered_too))
    share = np.where(counts, score / np.maximum(totals, 1), 0.0)
    better = share.argmax(axis=0)
    for c in np.flatnonzero(share.max(axis=0, initial=0.0) >= report):
        first, last = aligned[c, 1 + 3 * better[c] : 3 + 3 * better[c]]
        yield int(found[c, 0]), int(s[c]), float(share[better[c], c]), int(first), int(last), bool(answered[c])


def _best(ids: pa.Array, hits: list[_Hit]) -> pa.Table:
    best: list[_Hit | None] = [None] * len(ids)
    items = [0] * len(ids)
    for hit in hits:
        best[hit.document] = best[hit.document] or hit
        items[hit.document] += 1
    columns = [[getattr(hit, name) if hit else None for hit in best] for name in ("benchmark", "item", "kind")]
    return pa.table([ids, [hit.score if hit else 0.0 for hit in best], *columns, items], schema=CONTAMINATION)


def _listed(ids: pa.Array, hits: list[_Hit]) -> pa.Table:
    documents = pa.array([hit.document for hit in hits], pa.int64())
    columns = [[getattr(hit, name) for hit in hits] for name in HITS.names[1:]]
    return pa.table([ids.take(documents), *columns], schema=HITS)
