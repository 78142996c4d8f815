"""Duplicate runs of words, wherever they begin: exact substring deduplication (Lee et al. 2022) without a suffix array.

    anchors   = step(anchor_route, pages, verdicts, exact, near, tokens=50, partitions=P)
    repeated  = step(anchor_elect, bucket(anchors), tasks=P)
    routed    = step(substring_route, pages, anchors, bucket(repeated), verdicts, exact, near, tokens=50, partitions=P)
    elected   = step(span_elect, bucket(routed), tasks=P, span=50)
    substrings = step(substring_join, pages, routed, bucket(elected), verdicts, exact, near, tokens=50)

Every window of `tokens` words that stands earlier in the corpus (`dedup.passages.spans`: same order, same equality)
is found,
and what such windows cover is cut. A suffix array needs the corpus in one place; hashes of all windows would be a row a
word. But a window repeats only if its *anchor* does: of its n-grams of half the length the one of the smallest hash
(winnowing: Schleimer et al. 2003). Neighbouring windows share anchors, some two rows in 27 words with 50 tokens; of the
windows only those with a repeated anchor, few, are then compared as they are.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa

from dedup.common.clusters import ROW_BITS, concat, in_buckets, numbers
from dedup.common.keep_policy import read_sidecars
from dedup.exact.exact import partition_of
from dedup.passages.passages import PIECES, Bounds, found_pieces, joined, places
from dedup.passages.segmentation import run_hashes
from dedup.passages.spans import ROUTED, piece_rows, repeated, routed
from dedup.passages.text_spans import texts_left
from pipeline.base.schema import CUTS
from pipeline.config.values import Range
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import Words, mix, words
from pipeline.runner.dag import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

ANCHORS = pa.schema([("hash", pa.uint64()), ("doc", pa.int64()), ("place", pa.int32())])
Tokens = Annotated[int, Range(10, 10000)]


@stage(version=1, outputs={"part": ANCHORS, "local": PIECES})
def anchor_route(
    pages: Shard, *sidecars: Shard, tokens: Tokens = 50, partitions: Annotated[int, Range(0, 65536)] = 16
) -> Iterator[Output]:
    """Anchors of every document that is still kept, in the bucket of their hash: 20 bytes, two in `tokens / 2` words.

    `tokens`: words of a window (`pipeline.kernels.tokens`: of scripts without spaces, characters). `local`: anchors
    that are
    known to repeat within the shard; of equal ones only the first travels.
    """
    kept, _ = read_sidecars(pages.table(["id"]), sidecars)
    at, held = 0, [ANCHORS.empty_table()]
    for batch in texts_left(pages, sidecars, ["id", "text"]):
        rows = at + np.flatnonzero(kept[at : at + batch.num_rows])
        text = words(batch["text"].take(pa.array(rows - at)))
        hashes, doc, place = anchors(text, tokens)
        held.append(pa.table([hashes, numbers(pages.index, rows)[doc], place], schema=ANCHORS))
        at += batch.num_rows
    table = pa.concat_tables(held).combine_chunks()
    again = repeated(table["hash"].to_numpy())
    yield Output(places(table.filter(pa.array(again))), name="local")
    _, first = np.unique(table["hash"].to_numpy(), return_index=True)
    table = table.take(pa.array(np.sort(first)))
    yield from in_buckets(table, partition_of(table["hash"].to_numpy(), partitions))


@stage(version=1, outputs={"part": PIECES})
def anchor_elect(anchors: list[Shard]) -> Iterator[Output]:
    """One partition: the anchors that repeat, in the bucket of their shard."""
    table = concat(anchors, ANCHORS)
    table = table.filter(pa.array(repeated(table["hash"].to_numpy())))
    yield from in_buckets(places(table), table["doc"].to_numpy() >> ROW_BITS)


@stage(version=1, libraries=("xxhash",), outputs={"part": ROUTED, "local": PIECES})
def substring_route(
    pages: Shard,
    anchors: Shard,
    elected: list[Shard],
    *sidecars: Shard,
    tokens: Tokens = 50,
    keep: str = "oldest",
    scope: Literal["corpus", "dump"] = "corpus",
    partitions: Annotated[int, Range(0, 65536)] = 16,
) -> Iterator[Output]:
    """One row a window whose anchor repeats, in the bucket of the window's hash. `local`: as for `span_route`."""
    row, anchor = found_pieces(anchors, elected)
    _, scores = read_sidecars(pages.table(["id"]), sidecars)
    at, held = 0, []
    for batch in texts_left(pages, sidecars, ["id", "date", "dump", "source", "text"]):
        low, high = np.searchsorted(row, [at, at + batch.num_rows])
        rows, owner = np.unique(row[low:high], return_inverse=True)
        documents = pa.Table.from_batches([batch]).take(pa.array(rows - at))
        text = words(documents["text"])
        doc, place = windows_of(text, tokens, owner, anchor[low:high])
        begin = text.first[doc] + place
        hashes = run_hashes(text, doc, begin, begin + tokens)
        held.append(piece_rows(documents, scores, keep, scope, numbers(pages.index, rows), rows, doc, hashes, place))
        at += batch.num_rows
    yield from routed(held, tokens, partitions)


@stage(version=2, outputs={"part": CUTS})
def substring_join(
    pages: Shard,
    routed: Shard,
    elected: list[Shard],
    *sidecars: Shard,
    tokens: Tokens = 50,
    cut: bool = True,
    max_ratio: Annotated[float, Range(0, 1)] = 1.0,
    min_left: Annotated[int, Range(1)] = 50,
) -> Iterator[pa.Table]:
    """What to cut out of each document, with the marks that adhere to its words; settings as for `span_join`."""
    yield from joined(pages, routed, elected, sidecars, "word", tokens, Bounds(cut, max_ratio, min_left))


def anchors(text: Words, tokens: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Anchors of all windows of `tokens` words of d documents, each once: hash (uint64), document, first word in it."""
    at = _anchors(text.hash, text.first, tokens)
    at = at[at >= 0]  # in order: a window's anchor is never before that of the window before
    chosen = at[np.diff(at, prepend=-1) > 0]
    doc = np.searchsorted(text.first, chosen, side="right") - 1
    return _grams(text.hash, text.first, tokens // 2)[chosen], doc, (chosen - text.first[doc]).astype(np.int32)


def windows_of(
    text: Words, tokens: int, owner: np.ndarray, anchor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Windows with one of these anchors (documents, first words): document and first word in it, in order."""
    chosen = np.zeros(len(text.hash) + 1, bool)
    chosen[text.first[owner] + anchor] = True
    at = np.flatnonzero(chosen[_anchors(text.hash, text.first, tokens)])
    doc = np.searchsorted(text.first, at, side="right") - 1
    return doc, at - text.first[doc]


@njit(cache=True, nogil=True)
def _grams(hashes, first, n):
    """Hash of the n-gram at each of the words; 0 where none begins. A polynomial of the words, rolled and mixed."""
    base, out, power = np.uint64(0xD6E8FEB86659FD93), np.zeros(len(hashes), np.uint64), np.uint64(1)
    for _ in range(n):
        power *= base
    for d in range(len(first) - 1):
        h = np.uint64(0)
        for w in range(first[d], first[d + 1]):
            h = h * base + hashes[w]
            if w - first[d] >= n:
                h -= hashes[w - n] * power
            if w - first[d] >= n - 1:
                out[w - n + 1] = mix(h)
    return out


@njit(cache=True, nogil=True)
def _anchors(hashes, first, tokens):
    """For the window of `tokens` words at each word where its anchor begins, the last among equals; -1 without one."""
    n = tokens // 2
    grams, out = _grams(hashes, first, n), np.full(len(hashes), -1, np.int64)
    for d in range(len(first) - 1):
        best = -1
        for w in range(first[d], first[d + 1] - tokens + 1):
            last = w + tokens - n
            if best < w:
                best = w
                for g in range(w + 1, last + 1):
                    best = g if grams[g] <= grams[best] else best
            elif grams[last] <= grams[best]:
                best = last
            out[w] = best
    return out
