"""Coarse components: which documents may have to be compared, found without comparing texts.

    near_bands -> near_links -> near_components

Two documents are *candidates* when they share a band and their sketches do not rule the threshold out: a pair just at
the threshold is lost with chance 1e-5 (`dedup.near.minhash.max_sketch_distance`). Pairs that have no chance would only
join dissimilar documents into giant components. Every pair of candidates is in one component. A component is not a
cluster: it is a bound on what `dedup.near.verify` compares.
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import pyarrow as pa

from dedup.common.partitions import concat_documents, row_of, shard_of
from dedup.near.lsh import BANDS, count_bits
from dedup.near.minhash import max_sketch_distance
from pipeline.config.values import Range
from pipeline.kernels.njit import njit
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

LINKS = pa.schema([("doc", pa.int64()), ("root", pa.int64())])  # numbers of two documents of one component
COMPONENTS = pa.schema([("row", pa.int64()), ("component", pa.int64())])
MAX_PAIRWISE_BAND = 256  # documents of one band among which all pairs are looked at


@stage(version=1, outputs={"part": LINKS})
def near_links(
    band_rows: list[Shard], *, bands: int = 14, rows: int = 8, threshold: Annotated[float, Range(0.01, 1)] = 0.8
) -> Iterator[pa.Table]:
    """Join the candidates of one partition into trees: at most one row a document.

    Args:
        bands: Number of bands of the signature.
        rows: MinHash values a band.
        threshold: Jaccard similarity of shingle sets from which two documents are near duplicates.
    """
    table = _repeated_bands(concat_documents(band_rows, BANDS))
    doc, local = np.unique(table["doc"].to_numpy(), return_inverse=True)
    parent = np.arange(len(doc))
    sketches = table["sketch_a"].to_numpy(), table["sketch_b"].to_numpy()
    _unite_candidates(table["hash"].to_numpy(), local, *sketches, max_sketch_distance(threshold, bands, rows), parent)
    linked = np.flatnonzero(parent != np.arange(len(doc)))
    yield pa.table([doc[linked], doc[_roots(parent)[linked]]], schema=LINKS)


def _repeated_bands(table: pa.Table) -> pa.Table:
    """Return the rows whose hash occurs twice or more, sorted by hash."""
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
    """Find the components of two documents and more by a union-find over all links.

    Each member is in the partition of its shard; `component` is the number of its first document. Memory: 9 bytes a
    document of the corpus, and one batch of links. Time: 20 ns a link.
    """
    first = np.zeros(len(signatures) + 1, np.int64)
    first[1:] = np.cumsum([shard.rows() for shard in signatures])
    parent = np.arange(first[-1])
    for shard in links:
        for batch in shard.batches():
            ends = (_consecutive(batch[name].to_numpy(), first) for name in ("doc", "root"))
            unite_pairs(*ends, parent)
    is_member = _flatten(parent)
    for shard_index in range(len(signatures)):
        rows = np.flatnonzero(is_member[first[shard_index] : first[shard_index + 1]])
        columns = pa.table([rows, parent[first[shard_index] + rows]], schema=COMPONENTS)
        yield Output(columns, bucket=shard_index)


def _consecutive(numbers: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return document numbers as 0, 1, 2, ... over the corpus, whose shard i begins with first[i]."""
    return first[shard_of(numbers)] + row_of(numbers)


@njit(cache=True, nogil=True)
def _find_root(parent, x):
    """Return the root of x, and halve the path to it (Tarjan and van Leeuwen 1984)."""
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x


@njit(cache=True, nogil=True)
def _unite(parent, x, y):
    """Put x and y under the smaller of their roots, so that the result does not depend on the order of unions."""
    x, y = _find_root(parent, x), _find_root(parent, y)
    if x < y:
        parent[y] = x
    elif y < x:
        parent[x] = y


@njit(cache=True, nogil=True)
def unite_pairs(x, y, parent):
    """Unite x[i] and y[i] for all i."""
    for i in range(len(x)):
        _unite(parent, x[i], y[i])


@njit(cache=True, nogil=True)
def _roots(parent):
    out = np.empty_like(parent)
    for i in range(len(parent)):
        out[i] = _find_root(parent, i)
    return out


@njit(cache=True, nogil=True)
def _flatten(parent):
    """Make every entry of `parent` its root; return which nodes are not alone."""
    is_member = np.zeros(len(parent), np.bool_)
    for i in range(len(parent)):
        root = _find_root(parent, i)
        parent[i] = root
        if root != i:
            is_member[i] = is_member[root] = True
    return is_member


@njit(cache=True, nogil=True)
def _unite_candidates(hashes, doc, sketch_a, sketch_b, max_distance, parent):
    """Unite candidates within each run of equal hashes."""
    begin = 0
    while begin < len(hashes):
        end = begin + 1
        while end < len(hashes) and hashes[end] == hashes[begin]:
            end += 1
        for i in range(begin + 1, end):
            if end - begin > MAX_PAIRWISE_BAND:  # all pairs would be too many: one component, larger than needed
                _unite(parent, doc[begin], doc[i])
                continue
            for j in range(begin, i):
                distance = count_bits(sketch_a[i] ^ sketch_a[j]) + count_bits(sketch_b[i] ^ sketch_b[j])
                if distance <= max_distance:
                    _unite(parent, doc[i], doc[j])
        begin = end
