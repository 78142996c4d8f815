"""Duplicate pieces of documents: runs of lines (paragraphs), sentences or words that stand in the corpus before.

    routed  = step(span_route, pages, verdicts, exact, near, unit="sentence", span=3, partitions=P)
    elected = step(span_elect, bucket(routed), tasks=P, span=3)
    spans   = step(span_join, pages, routed, bucket(elected), verdicts, exact, near, unit="sentence", span=3)

Of equal pieces the first stays, in the keep order of their documents and then in the text; the others are cut out of
the documents that are left, when these are published. With `unit = "line", span = 1` these are CCNet's paragraphs
(Wenzek et al. 2020, section 3.1), with `unit = "sentence", span = 3` C4's three-sentence spans (Raffel et al. 2020,
section 2.2), with `span = 1, scope = "across"` sentences that another dataset has too (AraMix).
`dedup.passages.segmentation` says
which pieces are equal, `dedup.passages.substrings` finds runs of words. A piece that overlaps the first in its
document stays.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup.common.clusters import ROW_BITS, concat, in_buckets, numbers
from dedup.common.keep_policy import order_keys, read_sidecars
from dedup.exact.exact import dump_hashes, partition_of
from dedup.passages.passages import PIECES, Bounds, joined, places
from dedup.passages.segmentation import run_hashes, units, windows
from dedup.passages.text_spans import texts_left
from pipeline.base.schema import CUTS
from pipeline.config.values import Range
from pipeline.kernels.tokens import words
from pipeline.runner.dag import stage
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
def span_route(
    pages: Shard,
    *sidecars: Shard,
    unit: Literal["line", "sentence"] = "sentence",
    span: Annotated[int, Range(1, 1000)] = 3,
    min_words: Annotated[int, Range(1)] = 1,
    keep: str = "oldest",
    scope: Scope = "corpus",
    partitions: Annotated[int, Range(0, 65536)] = 16,
) -> Iterator[Output]:
    """One row a piece of every document that is still kept, in the bucket of its hash; 45 bytes before compression.

    `span`: units a piece has. `min_words`: pieces of fewer words are left alone. `scope`: equal pieces of the corpus;
    of each dump for itself; or only those `across` datasets (dumps, else folders of source files), of which the first
    by name keeps all of its own. `local`: pieces that an earlier one of this shard duplicates, which need not travel.
    """
    kept, scores = read_sidecars(pages.table(["id"]), sidecars)
    at, held = 0, []
    for batch in texts_left(pages, sidecars, ["id", "date", "dump", "source", "text"]):
        rows = at + np.flatnonzero(kept[at : at + batch.num_rows])
        documents = pa.Table.from_batches([batch]).take(pa.array(rows - at))
        text = words(documents["text"])
        found = units(text, unit)
        owner, first = windows(found, span, min_words)
        hashes = run_hashes(text, owner, found.word[first], found.word[first + span])
        place = first - found.first[owner]
        held.append(piece_rows(documents, scores, keep, scope, numbers(pages.index, rows), rows, owner, hashes, place))
        at += batch.num_rows
    yield from routed(held, span, partitions)


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
def span_elect(routed: list[Shard], *, span: int = 3) -> Iterator[Output]:
    """One partition: the pieces that an earlier one duplicates, in the bucket of their shard."""
    table = concat(routed, ROUTED)
    table = table.filter(pa.array(duplicates(table, span)))
    yield from in_buckets(places(table), table["doc"].to_numpy() >> ROW_BITS)


@stage(version=3, outputs={"part": CUTS})
def span_join(
    pages: Shard,
    routed: Shard,
    elected: list[Shard],
    *sidecars: Shard,
    unit: Literal["line", "sentence"] = "sentence",
    span: int = 3,
    cut: bool = True,
    max_ratio: Annotated[float, Range(0, 1)] = 1.0,
    min_left: Annotated[int, Range(1)] = 50,
) -> Iterator[pa.Table]:
    """Back to the shards: what to cut out of each document, and which documents go altogether.

    `cut = false`: nothing is cut, duplicates only count. `max_ratio`: documents of whose words a larger share is
    duplicate are dropped (rule "duplicate_ratio"). `min_left`: documents of which something is cut and fewer words
    stay are dropped (rule "too_little_left"; datatrove's sentence dedup has 50). A piece whose first copy is dropped
    here is not brought back.
    """
    yield from joined(pages, routed, elected, sidecars, unit, span, Bounds(cut, max_ratio, min_left))
