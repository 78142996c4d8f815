"""Duplicate passages: runs of lines (paragraphs) or sentences that occur earlier in the corpus.

    span_hashes -> duplicate_passages -> remove_spans

Of equal passages the first is kept, in the keep order of their documents and then in the text; the others are removed
from the documents that are kept, when these are published. With `unit = "line", span = 1` these are CCNet's paragraphs
(Wenzek et al. 2020, section 3.1), with `unit = "sentence", span = 3` C4's three-sentence spans (Raffel et al. 2020,
section 2.2), with `span = 1, scope = "across"` sentences that another dataset has too (AraMix). A passage that overlaps
the first one in its document is kept. `dedup.passages.segmentation` defines which passages are equal;
`dedup.passages.substrings` finds runs of words.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup.common.keep_policy import order_keys
from dedup.common.partitions import (
    concat_documents,
    dump_hashes,
    partition_of,
    partition_rows,
    shard_of,
)
from dedup.common.selections import read_score, read_selection
from dedup.passages.passages import PASSAGES, RemovalPolicy, passages_of, remove_passages
from dedup.passages.segmentation import run_hashes, split_units, unit_windows
from dedup.passages.text_spans import remaining_texts
from pipeline.base.schema import REMOVED_PASSAGES
from pipeline.config.recipe_schema import DERIVED
from pipeline.config.values import Range
from pipeline.kernels.tokens import words
from pipeline.runner.stage import selection as selection_stage
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

PASSAGE_ROWS = pa.schema(
    [
        ("high", pa.uint64()),  # hashes of the words of the passage
        ("low", pa.uint64()),
        ("order", pa.int64()),  # of its document: sort key of the keep policy, and hash of the id
        ("tie", pa.uint64()),
        ("dataset", pa.string()),  # for scope "across", else null
        ("doc", pa.int64()),  # row of the document in the shard
        ("place", pa.int32()),  # number of its first unit in the document
    ]
)
Scope = Literal["corpus", "dump", "across"]


@stage(version=3, libraries=("xxhash",), outputs={"part": PASSAGE_ROWS, "local": PASSAGES})
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
    """Write a row for every passage of the documents that are still kept, in the partition of its hash.

    A row has 45 bytes uncompressed. Output `local` has the passages that an earlier one of this shard duplicates, which
    need not be shuffled.

    Args:
        unit: What passages are made of: lines or sentences.
        span: Number of units a passage.
        min_words: Passages of fewer words are left alone.
        keep: Whose copy is kept: that of the `oldest`, `newest` or `longest` document, or of the `best:<column>`.
        scope: Where copies count: in the `corpus`, in each `dump` separately, or only `across` datasets (dumps, else
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
        units = split_units(text, unit)
        owner, first = unit_windows(units, span, min_words)
        hashes = run_hashes(text, owner, units.word[first], units.word[first + span])
        place = first - units.first[owner]
        buffered.append(passage_rows(documents, ranking, keep, scope, rows, owner, hashes, place))
        first_row += batch.num_rows
    yield from partition_passages(buffered, span, partitions)


def passage_rows(
    documents: pa.Table,
    scores: dict[str, pa.ChunkedArray],
    keep: str,
    scope: str,
    rows: np.ndarray,
    owner: np.ndarray,
    hashes: tuple[np.ndarray, np.ndarray],
    place: np.ndarray,
) -> pa.Table:
    """Return PASSAGE_ROWS of the n passages of d documents.

    `rows` (d,) are the documents' rows in the shard, by which `scores` are read; `owner` (n,) is the document (0 to
    d - 1) of each passage, `hashes` two of (n,), and `place` (n,) its first unit.
    """
    chosen = {name: column.take(pa.array(rows)) for name, column in scores.items()}
    order = order_keys(keep, documents.append_column("chars", pc.utf8_length(documents["text"])), chosen)
    tie = np.array([xxhash.xxh3_64_intdigest(id_.encode()) for id_ in documents["id"].to_pylist()], np.uint64)
    high, low = hashes
    if scope == "dump":
        high = high ^ dump_hashes(documents["dump"])[owner]
    dataset = datasets(documents).take(pa.array(owner)) if scope == "across" else pa.nulls(len(owner), pa.string())
    columns = [high, low, order[owner], tie[owner], dataset, rows[owner], place.astype(np.int32)]
    return pa.table(columns, schema=PASSAGE_ROWS)


def datasets(documents: pa.Table) -> pa.ChunkedArray:
    """Return the dump of each document, else the folder of its source file, else the file."""
    folder = pc.replace_substring_regex(documents["source"], "/[^/]*$", "")
    return pc.coalesce(documents["dump"], folder, pa.scalar(""))


def partition_passages(tables: list[pa.Table], span: int, partitions: int) -> Iterator[Output]:
    """Yield the passages of a shard: output "local" where an earlier one of the shard duplicates them, else partitions.

    `tables` have PASSAGE_ROWS.
    """
    table = pa.concat_tables([PASSAGE_ROWS.empty_table(), *tables]).combine_chunks()
    is_duplicate = find_duplicates(table, span)
    yield Output(passages_of(table.filter(pa.array(is_duplicate))), name="local")
    table = table.filter(pa.array(~is_duplicate))
    yield from partition_rows(table, partition_of(table["high"].to_numpy(), partitions))


def find_duplicates(table: pa.Table, span: int) -> np.ndarray:
    """Return which passages (PASSAGE_ROWS) an earlier one duplicates, (n,) bool.

    One that overlaps the first in its own document does not count, nor (where there are datasets) one of the dataset
    that has the first.
    """
    is_duplicate = np.zeros(table.num_rows, bool)
    rows = np.flatnonzero(is_repeated(table["high"].to_numpy()))
    table = table.take(pa.array(rows))
    names = ("high", "low", "order", "tie", "doc", "place")
    high, low, order, tie, doc, place = (table[name].to_numpy() for name in names)
    dataset = _name_ranks(table["dataset"])
    by = np.lexsort((place, doc, tie, order, dataset, low, high))
    begins = np.ones(len(by), bool)
    begins[1:] = (high[by][1:] != high[by][:-1]) | (low[by][1:] != low[by][:-1])
    first = by[np.maximum.accumulate(np.where(begins, np.arange(len(by)), 0))]
    across = table["dataset"].null_count == 0
    elsewhere = (doc[by] != doc[first]) | (place[by] - place[first] >= span)
    is_duplicate[rows[by]] = dataset[by] != dataset[first] if across else elsewhere
    return is_duplicate


def _name_ranks(names: pa.ChunkedArray) -> np.ndarray:
    """Return the rank of each name among all of them, (n,) int64; nulls are one name."""
    coded = names.combine_chunks().dictionary_encode(null_encoding="encode")
    rank = np.argsort(np.argsort(np.array([name or "" for name in coded.dictionary.to_pylist()], object)))
    return rank[coded.indices.to_numpy()]


def is_repeated(hashes: np.ndarray) -> np.ndarray:
    """Return which hashes occur twice or more, (n,) bool."""
    order = np.argsort(hashes)
    same = hashes[order[1:]] == hashes[order[:-1]]
    repeated = np.zeros(len(hashes), bool)
    repeated[order[1:][same]] = repeated[order[:-1][same]] = True
    return repeated


@stage(version=2, outputs={"part": PASSAGES})
def duplicate_passages(passages: list[Shard], *, span: Annotated[int, DERIVED]) -> Iterator[Output]:
    """Write the passages of one partition that an earlier one duplicates, in the partition of their shard.

    Args:
        span: Number of units a passage.
    """
    table = concat_documents(passages, PASSAGE_ROWS)
    table = table.filter(pa.array(find_duplicates(table, span)))
    yield from partition_rows(passages_of(table), shard_of(table["doc"].to_numpy()))


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
    policy = RemovalPolicy(cut, max_ratio, min_left)
    yield from remove_passages(pages, passages, duplicates, selection, removed, unit, span, policy, "spans")
