"""Duplicate pieces of documents: lines (paragraphs) or runs of sentences that stand in the corpus more than once.

    routed  = step(span_route, pages, verdicts, exact, near, unit="line", partitions=P)
    elected = step(span_elect, bucket(routed), tasks=P)
    spans   = step(span_join, pages, bucket(elected), unit="line")
    pages   = step(span_cut, pages, spans, unit="line")

Of equal pieces the first stays, in the keep order of their documents and then in the text; the others are cut out. With
`unit = "line"` these are CCNet's paragraphs (Wenzek et al. 2020, section 3.1), with `unit = "sentence", span = 3` C4's
three-sentence spans (Raffel et al. 2020, section 2.2), but numbers and punctuation tell pieces apart here. `spans` is a
sidecar like others: a rule on `duplicate_ratio` can drop documents instead of cutting them.
"""

import itertools
import re
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup.elect import ROW_BITS, concat, in_buckets, numbers
from dedup.exact import dump_hashes, partition_of
from dedup.order import order_keys, read_sidecars
from dedup.text import normalised
from pipeline.dag import stage
from pipeline.schema import PAGES
from pipeline.store import Out, Part

ROUTED = pa.schema(
    [("hash", pa.uint64()), ("order", pa.int64()), ("tie", pa.uint64()), ("doc", pa.int64()), ("place", pa.int32())]
)
ELECTED = pa.schema([("row", pa.int64()), ("place", pa.int32())])
SPANS = pa.schema(
    [
        ("id", pa.string()),
        ("duplicate_units", pa.list_(pa.int32())),  # numbers of the lines or sentences that stand elsewhere before
        ("duplicate_ratio", pa.float64()),  # their share of the characters of all units, 0 without any
    ]
)
_SENTENCE = re.compile(r"\S.*?(?:[.!?…]+[\"'»«“”’)\]]*(?=\s|$)|[。！？]+[」』”）]*|$)", re.MULTILINE)
_LINE = re.compile(r"\S.*$", re.MULTILINE)


def units(text: str, unit: str) -> list[tuple[int, int]]:
    """(start, end) in characters of each line that is not blank, or of each sentence (which ends with its line)."""
    return [found.span() for found in (_LINE if unit == "line" else _SENTENCE).finditer(text)]


def _windows(texts: list[str], unit: str, span: int, shortest: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Runs of `span` units of at least `shortest` characters: their texts, their documents' numbers, first units."""
    pieces, owner, place = [], [], []
    for d, text in enumerate(texts):
        found = units(text, unit)
        for i in range(len(found) - span + 1):
            low, high = found[i][0], found[i + span - 1][1]
            if high - low >= shortest:
                pieces.append(text[low:high])
                owner.append(d)
                place.append(i)
    return pieces, np.array(owner, np.int64), np.array(place, np.int32)


def _hashes(pieces: list[str]) -> np.ndarray:
    """xxh3-64 of each piece's normal form (`dedup.text`)."""
    data, bounds = normalised(pa.chunked_array([pa.array(pieces, pa.large_string())]))
    view = memoryview(data.data)
    return np.array([xxhash.xxh3_64_intdigest(view[a:b]) for a, b in itertools.pairwise(bounds.tolist())], np.uint64)


@stage(version=1, libraries=("xxhash",), outputs={"part": ROUTED})
def span_route(
    pages: Part,
    *sidecars: Part,
    unit: Literal["line", "sentence"] = "line",
    span: int = 1,
    shortest: int = 1,
    keep: str = "oldest",
    scope: Literal["corpus", "dump"] = "corpus",
    partitions: int = 16,
) -> Iterator[Out]:
    """One row a piece of every document that is still kept, in the bucket of its hash.

    `span`: units a piece has. `shortest`: pieces of fewer characters are left alone. 20 bytes a piece on disk.
    """
    kept, scores = read_sidecars(pages.table(["id"]), sidecars)
    at, held = 0, [ROUTED.empty_table()]
    for batch in pages.batches(["id", "date", "dump", "text"]):
        rows = np.flatnonzero(kept[at : at + batch.num_rows])
        documents = pa.Table.from_batches([batch]).take(pa.array(rows))
        chosen = {name: column.take(pa.array(at + rows)) for name, column in scores.items()}
        order = order_keys(keep, documents.append_column("chars", pc.utf8_length(documents["text"])), chosen)
        tie = np.array([xxhash.xxh3_64_intdigest(i.encode()) for i in documents["id"].to_pylist()], np.uint64)
        pieces, owner, place = _windows(documents["text"].fill_null("").to_pylist(), unit, span, shortest)
        hashes = _hashes(pieces)
        if scope == "dump":
            hashes ^= dump_hashes(documents["dump"])[owner]
        columns = [hashes, order[owner], tie[owner], numbers(pages.index, at + rows[owner]), place]
        held.append(pa.table(columns, schema=ROUTED))
        at += batch.num_rows
    table = pa.concat_tables(held)
    yield from in_buckets(table, partition_of(table["hash"].to_numpy(), partitions))


@stage(version=1, outputs={"part": ELECTED})
def span_elect(routed: list[Part]) -> Iterator[Out]:
    """One partition: all pieces but the first of each hash, in the bucket of their shard."""
    table = concat(routed, ROUTED)
    hashes = table["hash"].to_numpy()
    keys = [table[name].to_numpy() for name in ("place", "tie", "order")]
    order = np.lexsort((*keys, hashes))
    later = np.zeros(len(hashes), bool)
    later[1:] = hashes[order][1:] == hashes[order][:-1]
    chosen = table.select(["doc", "place"]).take(pa.array(np.sort(order[later])))
    doc = chosen["doc"].to_numpy()
    columns = pa.table([doc & ((1 << ROW_BITS) - 1), chosen["place"]], schema=ELECTED)
    yield from in_buckets(columns, doc >> ROW_BITS)


@stage(version=1, outputs={"part": SPANS})
def span_join(
    pages: Part, elected: list[Part], *, unit: Literal["line", "sentence"] = "line", span: int = 1
) -> Iterator[pa.Table]:
    """Back to the shards: which units of each document are duplicates, and how much of it they are."""
    found = concat(elected, ELECTED)
    row, place = found["row"].to_numpy(), found["place"].to_numpy()
    order = np.lexsort((place, row))
    row, place, at = row[order], place[order], 0
    for batch in pages.batches(["id", "text"]):
        removed, ratios = [], []
        for i, text in enumerate(batch["text"].to_pylist(), at):
            low, high = np.searchsorted(row, [i, i + 1])
            cut = sorted({int(p) + k for p in place[low:high] for k in range(span)})
            removed.append(cut)
            ratios.append(_share(text, unit, cut) if cut else 0.0)
        yield pa.table([batch["id"], pa.array(removed, SPANS.field(1).type), ratios], schema=SPANS)
        at += batch.num_rows


def _share(text: str, unit: str, cut: list[int]) -> float:
    sizes = [b - a for a, b in units(text, unit)]
    return sum(sizes[i] for i in cut) / sum(sizes)


@stage(version=1, outputs={"part": PAGES})
def span_cut(pages: Part, spans: Part, *, unit: Literal["line", "sentence"] = "line") -> Iterator[pa.Table]:
    """PAGES without the duplicate units. What stands between units stays, but for the gap that a unit leaves."""
    measured, at = spans.table(["id", "duplicate_units"]), 0
    for batch in pages.batches():
        said = measured.slice(at, batch.num_rows)
        assert said["id"].combine_chunks().equals(batch["id"]), f"{spans.folder}: ids differ from the documents'"
        cuts = said["duplicate_units"].to_pylist()
        texts = [without(t, unit, cut) if cut else t for t, cut in zip(batch["text"].to_pylist(), cuts, strict=True)]
        table = pa.Table.from_batches([batch]).cast(PAGES)
        yield table.set_column(PAGES.get_field_index("text"), PAGES.field("text"), pa.array(texts, pa.string()))
        at += batch.num_rows


def without(text: str, unit: str, cut: list[int]) -> str:
    """The text without the units of these numbers, each with the white space behind it."""
    found, gone = units(text, unit), set(cut)
    starts = [a for a, _ in found] + [len(text)]
    kept = [text[a:b] for i, (a, b) in enumerate(itertools.pairwise(starts)) if i not in gone]
    return "".join([text[: starts[0]], *kept]).rstrip()
