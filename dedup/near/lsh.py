"""From band hashes to coarse components: which documents may have to be compared, found without comparing texts.

    signatures -> near_bands -> near_links -> near_components

Two documents are *candidates* when they share a band and their sketches do not rule the threshold out (`sketch_cut`: a
pair just at it is lost with chance 1e-5; what has no chance would only tie unlike documents into giants). Every pair of
candidates ends in one component. A component is not a cluster: it is a bound on what `dedup.near.verify` compares.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa

from dedup.common.partitions import ROW_BITS, concat, dump_hashes, in_buckets, numbers, partition_of
from dedup.common.selections import read_selection
from dedup.near.minhash import sketch_cut
from pipeline.config.values import Range
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import mix
from pipeline.runner.stage import stage
from pipeline.store.join import read_aligned
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

BANDS = pa.schema([("hash", pa.uint64()), ("doc", pa.int64()), ("sketch_a", pa.uint64()), ("sketch_b", pa.uint64())])
LINKS = pa.schema([("doc", pa.int64()), ("root", pa.int64())])
COMPONENTS = pa.schema([("row", pa.int64()), ("component", pa.int64())])


@stage(version=1, outputs={"part": BANDS})
def near_bands(
    pages: Shard,
    signatures: Shard,
    selection: Shard | None = None,
    *,
    scope: Literal["corpus", "dump"] = "corpus",
    partitions: Annotated[int, Range(0, 65536)] = 16,
) -> Iterator[Output]:
    """One row a band of every document that is still kept, in the partition of the band's hash.

    Args:
        scope: Where near duplicates are looked for: in the whole corpus, or in each dump for itself.
        partitions: Number of shuffle partitions; 0 takes as many as the input's size needs.
    """
    documents = pages.table(["id", "dump"])
    table = read_aligned(documents["id"], signatures)
    rows = np.flatnonzero(read_selection(documents["id"], selection).keep)
    hashes, owner = banded(table["bands"].take(pa.array(rows)))
    if scope == "dump":
        hashes = of_dump(hashes, dump_hashes(documents["dump"])[rows][owner])
    a, b = sketch_words(table["sketch"])
    rows = rows[owner]
    columns = pa.table([hashes, numbers(pages.index, rows), a[rows], b[rows]], schema=BANDS)
    yield from in_buckets(columns, partition_of(hashes, partitions))


def banded(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """All band hashes (uint64) of the column in order, and the document (0..d) that each is of."""
    array = column.combine_chunks()
    ends = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    hashes = np.frombuffer(array.buffers()[2] or b"", np.uint64)[ends[0] // 8 : ends[-1] // 8]
    return hashes, np.repeat(np.arange(len(array)), np.diff(ends) // 8)


def of_dump(hashes: np.ndarray, dumps: np.ndarray) -> np.ndarray:
    """Band hashes that agree only within a dump."""
    return _mixed(hashes ^ dumps)


def spread(numbers: np.ndarray) -> np.ndarray:
    """Well-mixed uint64 hashes of int64 numbers."""
    return _mixed(numbers.view(np.uint64))


def sketch_words(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Both halves (uint64) of every sketch."""
    array = column.combine_chunks()
    values = np.frombuffer(array.buffers()[1] or b"", np.uint64).reshape(-1, 2)
    values = values[array.offset : array.offset + len(array)]
    return values[:, 0], values[:, 1]


@stage(version=1, outputs={"part": LINKS})
def near_links(
    band_rows: list[Shard], *, bands: int = 14, rows: int = 8, threshold: Annotated[float, Range(0.01, 1)] = 0.8
) -> Iterator[pa.Table]:
    """One partition: what its groups of equal bands tie together, as a forest: at most one row a document.

    Args:
        bands: Number of bands of the signature.
        rows: MinHash values a band.
        threshold: Jaccard similarity of shingle sets from which two documents are near duplicates.
    """
    table = _repeated(concat(band_rows, BANDS))
    doc, local = np.unique(table["doc"].to_numpy(), return_inverse=True)
    parent = np.arange(len(doc))
    a, b = table["sketch_a"].to_numpy(), table["sketch_b"].to_numpy()
    _link(table["hash"].to_numpy(), local, a, b, sketch_cut(threshold, bands, rows), parent)
    tied = np.flatnonzero(parent != np.arange(len(doc)))
    yield pa.table([doc[tied], doc[_roots(parent)[tied]]], schema=LINKS)


def _repeated(table: pa.Table) -> pa.Table:
    """Rows whose hash occurs twice or more, sorted by hash."""
    hashes = table["hash"].to_numpy()
    order = np.argsort(hashes)
    hashes = hashes[order]
    same = hashes[1:] == hashes[:-1]
    repeated = np.zeros(len(hashes), bool)
    repeated[1:] = same
    repeated[:-1] |= same
    return table.take(pa.array(order[repeated])).combine_chunks()


@stage(version=1, outputs={"part": COMPONENTS})
def near_components(links: list[Shard], signatures: list[Shard]) -> Iterator[Output]:
    """Components of two and more, each row in the bucket of its shard: a union-find over all links.

    Memory: 9 bytes a document of the corpus (and one batch of links); time: 20 ns a link. `component` is the number of
    its first document.
    """
    first = np.zeros(len(signatures) + 1, np.int64)
    first[1:] = np.cumsum([shard.rows() for shard in signatures])
    parent = np.arange(first[-1])
    for part in links:
        for batch in part.batches():
            union(_dense(batch["doc"].to_numpy(), first), _dense(batch["root"].to_numpy(), first), parent)
    together = _members(parent)
    for shard in range(len(signatures)):
        rows = np.flatnonzero(together[first[shard] : first[shard + 1]])
        columns = pa.table([rows, parent[first[shard] + rows]], schema=COMPONENTS)
        yield Output(columns, bucket=shard)


def _dense(doc: np.ndarray, first: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... over the corpus, from shard << 32 | row."""
    return first[doc >> ROW_BITS] + (doc & ((1 << ROW_BITS) - 1))


@njit(cache=True, nogil=True)
def _mixed(hashes):
    out = np.empty_like(hashes)
    for i in range(len(hashes)):
        out[i] = mix(hashes[i])
    return out


@njit(cache=True, nogil=True, inline="always")
def bits(x):
    """Number of set bits of a uint64 (Hacker's Delight, figure 5-2)."""
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True, nogil=True)
def find(parent, x):
    """Root of x; the path to it is halved (Tarjan and van Leeuwen 1984)."""
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x


@njit(cache=True, nogil=True)
def unite(parent, x, y):
    """Put x and y under the smaller of their roots: the result does not depend on the order of unions."""
    x, y = find(parent, x), find(parent, y)
    if x < y:
        parent[y] = x
    elif y < x:
        parent[x] = y


@njit(cache=True, nogil=True)
def union(x, y, parent):
    """Unite x[i] and y[i] for all i."""
    for i in range(len(x)):
        unite(parent, x[i], y[i])


@njit(cache=True, nogil=True)
def _roots(parent):
    out = np.empty_like(parent)
    for i in range(len(parent)):
        out[i] = find(parent, i)
    return out


@njit(cache=True, nogil=True)
def _members(parent):
    """Flatten `parent` to roots; which nodes are not alone."""
    together = np.zeros(len(parent), np.bool_)
    for i in range(len(parent)):
        root = find(parent, i)
        parent[i] = root
        if root != i:
            together[i] = together[root] = True
    return together


@njit(cache=True, nogil=True)
def _link(hashes, doc, a, b, cut, parent):
    """Unite candidates within each run of equal hashes."""
    begin = 0
    while begin < len(hashes):
        end = begin + 1
        while end < len(hashes) and hashes[end] == hashes[begin]:
            end += 1
        for i in range(begin + 1, end):
            if end - begin > 256:  # all pairs would be too many: one component, larger than it need be
                unite(parent, doc[begin], doc[i])
                continue
            for j in range(begin, i):
                if bits(a[i] ^ a[j]) + bits(b[i] ^ b[j]) <= cut:
                    unite(parent, doc[i], doc[j])
        begin = end
