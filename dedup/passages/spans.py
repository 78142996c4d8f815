"""Duplicate pieces of documents: runs of lines (paragraphs), sentences or words that stand in the corpus before.

    span_hashes -> duplicate_passages -> remove_spans

Of equal pieces the first stays, in the keep order of their documents and then in the text; the others are cut out of
the documents that are left, when these are published. With `unit = "line", span = 1` these are CCNet's paragraphs
(Wenzek et al. 2020, section 3.1), with `unit = "sentence", span = 3` C4's three-sentence spans (Raffel et al. 2020,
section 2.2), with `span = 1, scope = "across"` sentences that another dataset has too (AraMix).
`dedup.passages.segmentation` says
which pieces are equal, `dedup.passages.substrings` finds runs of words. A piece that overlaps the first in its
document stays.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup.common.keep_policy import order_keys
from dedup.common.partitions import ROW_BITS, concat, dump_hashes, in_buckets, numbers, partition_of
from dedup.common.selections import read_score, read_selection
from dedup.passages.passages import PIECES, Bounds, places, remove_passages
from dedup.passages.segmentation import run_hashes, units, windows
from dedup.passages.text_spans import remaining_texts
from pipeline.base.schema import REMOVED_PASSAGES
from pipeline.config.values import Range
from pipeline.kernels.tokens import words
from pipeline.runner.stage import selection as selection_stage
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

ROUTED = pa.schema(
    [
        *[(name, pa.uint64()) for name in ("high", "low")],  # of the words of the piece
        *[("order", pa.int64()), ("tie", pa.uint64())],  # of its document
        ("dataset", pa.string()),  # for scope "across", else null
        ("doc", pa.int64()),
        ("place", pa.int32()),  # number of its first unit in the document
    ]
)
Scope = Literal["corpus", "dump", "across"]


@stage(version=2, libraries=("xxhash",), outputs={"part": ROUTED, "local": PIECES})
def span_hashes(
    pages: Shard,
    selection: Shard | None = None,
    scores: Shard | None = None,
    removed: Mapping[str, Shard] = MappingProxyType({}),
    *,
    unit: Literal["line", "sentence"] = "sentence",
    span: Annotated[int, Range(1, 1000)] = 3,
    min_words: Annotated[int, Range(1)] = 1,
    keep: str = "oldest",
    scope: Scope = "corpus",
    partitions: Annotated[int, Range(0, 65536)] = 16,
) -> Iterator[Output]:
    """One row a passage of every document that is still kept, in the partition of its hash; 45 bytes uncompressed.

    Output `local` has the passages that an earlier one of this shard duplicates, which need not travel.

    Args:
        unit: What passages are made of: lines or sentences.
        span: Number of units a passage.
        min_words: Passages of fewer words are left alone.
        keep: Whose copy stays: that of the `oldest`, `newest` or `longest` document, or of the `best:<column>`.
        scope: Where copies count: in the `corpus`, in each `dump` for itself, or only `across` datasets (dumps, else
            folders of source files), of which the first by name keeps all of its own.
        partitions: Number of shuffle partitions; 0 takes as many as the input's size needs.
    """
    ids = pages.table(["id"])["id"]
    kept, ranking = read_selection(ids, selection).keep, read_score(ids, keep, scores)
    first_row, buffered = 0, []
    for batch in remaining_texts(pages, removed, ["id", "date", "dump", "source", "text"]):
        rows = first_row + np.flatnonzero(kept[first_row : first_row + batch.num_rows])
        documents = pa.Table.from_batches([batch]).take(pa.array(rows - first_row))
        text = words(documents["text"])
        segments = units(text, unit)
        owner, first = windows(segments, span, min_words)
        hashes = run_hashes(text, owner, segments.word[first], segments.word[first + span])
        place = first - segments.first[owner]
        doc = numbers(pages.index, rows)
        buffered.append(piece_rows(documents, ranking, keep, scope, doc, rows, owner, hashes, place))
        first_row += batch.num_rows
    yield from routed(buffered, span, partitions)


def piece_rows(
    documents: pa.Table,
    scores: dict[str, pa.ChunkedArray],
    keep: str,
    scope: str,
    doc: np.ndarray,
    rows: np.ndarray,
    owner: np.ndarray,
    hashes: tuple[np.ndarray, np.ndarray],
    place: np.ndarray,
) -> pa.Table:
    """ROUTED rows of pieces: owner (n,) of d documents, their numbers `doc` (d,), hashes and places (n,)."""
    chosen = {name: column.take(pa.array(rows)) for name, column in scores.items()}
    order = order_keys(keep, documents.append_column("chars", pc.utf8_length(documents["text"])), chosen)
    tie = np.array([xxhash.xxh3_64_intdigest(i.encode()) for i in documents["id"].to_pylist()], np.uint64)
    high, low = hashes
    if scope == "dump":
        high = high ^ dump_hashes(documents["dump"])[owner]
    dataset = datasets(documents).take(pa.array(owner)) if scope == "across" else pa.nulls(len(owner), pa.string())
    columns = [high, low, order[owner], tie[owner], dataset, doc[owner], place.astype(np.int32)]
    return pa.table(columns, schema=ROUTED)


def datasets(documents: pa.Table) -> pa.ChunkedArray:
    """The dump of each document, else the folder of its source file, else the file."""
    folder = pc.replace_substring_regex(documents["source"], "/[^/]*$", "")
    return pc.coalesce(documents["dump"], folder, pa.scalar(""))


def routed(held: list[pa.Table], span: int, partitions: int) -> Iterator[Output]:
    """What a shard's pieces leave after a look at one another: `local` rows, and the others in buckets."""
    table = pa.concat_tables([ROUTED.empty_table(), *held]).combine_chunks()
    gone = duplicates(table, span)
    yield Output(places(table.filter(pa.array(gone))), name="local")
    table = table.filter(pa.array(~gone))
    yield from in_buckets(table, partition_of(table["high"].to_numpy(), partitions))


def duplicates(table: pa.Table, span: int) -> np.ndarray:
    """(n,) bool: pieces (ROUTED rows) that an earlier one duplicates. One that overlaps the first in its own document
    does not count, nor (where there are datasets) one of the dataset that has the first."""
    gone = np.zeros(table.num_rows, bool)
    rows = np.flatnonzero(repeated(table["high"].to_numpy()))
    table = table.take(pa.array(rows))
    names = ("high", "low", "order", "tie", "doc", "place")
    high, low, order, tie, doc, place = (table[name].to_numpy() for name in names)
    dataset = _ranks(table["dataset"])
    by = np.lexsort((place, doc, tie, order, dataset, low, high))
    new = np.ones(len(by), bool)
    new[1:] = (high[by][1:] != high[by][:-1]) | (low[by][1:] != low[by][:-1])
    first = by[np.maximum.accumulate(np.where(new, np.arange(len(by)), 0))]
    across = table["dataset"].null_count == 0
    elsewhere = (doc[by] != doc[first]) | (place[by] - place[first] >= span)
    gone[rows[by]] = dataset[by] != dataset[first] if across else elsewhere
    return gone


def _ranks(names: pa.ChunkedArray) -> np.ndarray:
    """(n,) int64: where each name stands among all of them; nulls are one name."""
    coded = names.combine_chunks().dictionary_encode(null_encoding="encode")
    rank = np.argsort(np.argsort(np.array([name or "" for name in coded.dictionary.to_pylist()], object)))
    return rank[coded.indices.to_numpy()]


def repeated(hashes: np.ndarray) -> np.ndarray:
    """(n,) bool: hashes that occur twice or more."""
    order = np.argsort(hashes)
    same = hashes[order[1:]] == hashes[order[:-1]]
    out = np.zeros(len(hashes), bool)
    out[order[1:][same]] = out[order[:-1][same]] = True
    return out


@stage(version=2, outputs={"part": PIECES})
def duplicate_passages(passages: list[Shard], *, span: int = 3) -> Iterator[Output]:
    """One partition: the pieces that an earlier one duplicates, in the bucket of their shard."""
    table = concat(passages, ROUTED)
    table = table.filter(pa.array(duplicates(table, span)))
    yield from in_buckets(places(table), table["doc"].to_numpy() >> ROW_BITS)


@selection_stage(version=3, outputs={"removed": REMOVED_PASSAGES})
def remove_spans(
    pages: Shard,
    passages: Shard,
    duplicates: list[Shard],
    selection: Shard | None = None,
    removed: Mapping[str, Shard] = MappingProxyType({}),
    *,
    unit: Literal["line", "sentence"] = "sentence",
    span: int = 3,
    cut: bool = True,
    max_ratio: Annotated[float, Range(0, 1)] = 1.0,
    min_left: Annotated[int, Range(1)] = 50,
) -> Iterator[pa.Table | Output]:
    """Choose the passages to remove from each document, and drop the documents of which too little would remain.

    A passage whose first copy is dropped here is not restored.

    Args:
        unit: What passages are made of: lines or sentences.
        span: Number of units a passage.
        cut: Whether passages are removed; false only counts them.
        max_ratio: Share of duplicate words above which a document is dropped (rule "duplicate_ratio").
        min_left: Words that must remain of a document from which something is removed, else it is dropped (rule
            "too_little_left"; 50 in datatrove's sentence deduplication).
    """
    bounds = Bounds(cut, max_ratio, min_left)
    yield from remove_passages(pages, passages, duplicates, selection, removed, unit, span, bounds, "spans")
