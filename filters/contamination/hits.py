"""Which benchmark items a column of texts contains: matches judged by their policy, and joined to items."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from filters.contamination.benchmark_sequences import MIN_WEIGHT, BenchmarkIndex, Policy
from filters.contamination.columns import CONTAMINATION, CONTAMINATION_SCHEMA
from filters.contamination.ngram_align import GAP, align, find_candidates
from filters.contamination.ngram_index import Weights
from filters.contamination.normalize import normalize_words
from pipeline.kernels.tokens import buffers

_FOREIGN_WORDS = 3 * GAP  # a complete match may have so many foreign words in it: `Answer:` before the answer
_NEARLY_COMPLETE = 0.75  # share of a short question with its choices or answer that is evidence enough

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


class Hit(NamedTuple):
    """A benchmark item in a document; start and end are byte offsets into its text."""

    document: int
    benchmark: str
    item: str
    kind: str
    score: float
    start: int
    end: int


class _Match(NamedTuple):
    """A sequence of the index in a document, with its first and last word in the batch."""

    document: int
    sequence: int
    score: float
    first: int
    last: int
    has_answer: bool  # whether the short answer is near


def find_hits(column: pa.Array, index: BenchmarkIndex, weights: Weights, report: float, near: int) -> list[Hit]:
    """Return the items in a column of texts with a score of at least `report`, by document, then score, then name.

    near: words around a question within which its short answer is looked for.
    """
    words, offsets = normalize_words(column), buffers(column)[1]
    # (document, benchmark, item) -> part -> score, minus first and minus last word: the best, then the earliest match
    items: dict[tuple[int, str, str], dict[str, tuple[float, int, int]]] = {}
    for match in _judged_matches(words, index, weights, report, near):
        row = index.rows[match.sequence]
        parts = items.setdefault((match.document, row["benchmark"], row["item"]), {})
        for part in (row["part"], "answer") if match.has_answer else (row["part"],):
            parts[part] = max(parts.get(part, (0.0, 0, 0)), (match.score, -match.first, -match.last))
    hits = []
    for (document, benchmark, item), parts in items.items():
        _, first, last = parts.get("question") or parts["answer"]
        kind = "both" if len(parts) == 2 else next(iter(parts))
        score = max(score for score, _, _ in parts.values())
        start, end = words.start[-first] - offsets[document], words.end[-last] - offsets[document]
        hits.append(Hit(document, benchmark, item, kind, score, int(start), int(end)))
    return sorted(hits, key=lambda hit: (hit.document, -hit.score, hit.benchmark, hit.item))


def _judged_matches(words, index: BenchmarkIndex, weights: Weights, report: float, near: int) -> Iterator[_Match]:
    """Matches of sequences whose score reaches `report`, judged by their policies."""
    candidates = find_candidates(words, index.ngrams, weights)
    alignments = align(candidates, words, index.ngrams, weights, index.inner, index.answers, near)
    sequence, has_answer = candidates["sequence"], alignments["has_answer"]
    # Row 0 is about the question's own words, row 1 about all of the sequence.
    possible = np.stack([weights.inner[sequence], weights.total[sequence]])
    score = np.stack([alignments["inner_score"], alignments["score"]])
    policy = index.policies[:, sequence]

    has_following = np.stack([np.zeros(len(sequence), bool), score[1] > score[0]])  # also matches choices or answer
    is_complete = (score >= possible - _FOREIGN_WORDS) | (has_following & (score >= _NEARLY_COMPLETE * possible))
    has_answer_near = np.stack([has_answer, np.zeros_like(has_answer)])
    counts = (policy == Policy.JUDGED_BY_SHARE) | ((policy == Policy.EXACT_ONLY) & (is_complete | has_answer_near))
    share = np.where((possible >= MIN_WEIGHT) & counts, score / np.maximum(possible, 1), 0.0)

    best = share.argmax(axis=0)
    first = np.where(best == 0, alignments["inner_first"], alignments["first"])
    last = np.where(best == 0, alignments["inner_last"], alignments["last"])
    for i in np.flatnonzero(share.max(axis=0, initial=0.0) >= report):
        document, number = int(candidates["document"][i]), int(sequence[i])
        yield _Match(document, number, float(share[best[i], i]), int(first[i]), int(last[i]), bool(has_answer[i]))


def contamination_table(ids: pa.Array, hits: list[Hit]) -> pa.Table:
    """The first hit of each document, 0 and null without one: schema CONTAMINATION_SCHEMA."""
    best: list[Hit | None] = [None] * len(ids)
    items = [0] * len(ids)
    for hit in hits:
        best[hit.document] = best[hit.document] or hit
        items[hit.document] += 1
    values: dict[str, list] = {
        "contamination": [hit.score if hit else 0.0 for hit in best],
        **{name: [getattr(hit, name) if hit else None for hit in best] for name in ("benchmark", "item", "kind")},
        "contaminated_items": items,
    }
    return pa.table([ids, *(values[column.name] for column in CONTAMINATION)], schema=CONTAMINATION_SCHEMA)


def hits_table(ids: pa.Array, hits: list[Hit]) -> pa.Table:
    """All hits, one row each: schema HITS."""
    documents = pa.array([hit.document for hit in hits], pa.int64())
    columns = [[getattr(hit, name) for hit in hits] for name in HITS.names[1:]]
    return pa.table([ids.take(documents), *columns], schema=HITS)
