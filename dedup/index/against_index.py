"""Documents that a persistent index knows: near duplicates of what earlier runs kept.

    met      = step(index_met, bucket(routed), whole(index), tasks=P)
    known    = step(index_known, sigs, bucket(met), whole(index))
    gathered = step(near_gather, pages, sigs, bucket(components), verdicts, exact, known, partitions=P)
    near     = step(near_join, pages, bucket(elected), verdicts, exact, known)

What was kept earlier stands before everything new. A document is removed if and only if one kept by an earlier run is
its candidate (it shares a band, and their sketches do not rule the threshold out) and their exact Jaccard similarity is
at least the threshold; it is a duplicate of the most similar, the first in the index among equals. The others are
deduplicated among themselves (`dedup.near.verify`). With `keep = "oldest"`, dumps in the order of time that come one
by one
keep the documents that one run over all of them keeps.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dedup.common.clusters import ALARMS, ROW_BITS, concat, in_buckets
from dedup.index.byte_ranges import spans
from dedup.index.files import Stored
from dedup.index.segment import set_hashes
from dedup.near.greedy import WIDEST
from dedup.near.lsh import BANDS, sketch_words
from dedup.near.minhash import sketch_cut
from dedup.near.shingle_files import kept_sets
from dedup.near.shingles import jaccard
from pipeline.base.schema import KNOWN
from pipeline.kernels.njit import njit
from pipeline.runner.dag import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

MET = pa.schema([("row", pa.int64()), ("stored", pa.int64())])
_PAIRS = 1 << 22  # in memory at once


@stage(version=1, outputs={"part": MET, "alarms": ALARMS})
def index_met(routed: list[Shard], index: list[Shard]) -> Iterator[Output]:
    """One partition: documents of the index that share a band, for every new one, in the bucket of its shard.

    A band leads to the first `WIDEST` documents of the index; `alarms` has a row with how many that left out.
    """
    rows = concat(routed, BANDS, ["hash", "doc"])
    order = np.argsort(rows["hash"].to_numpy(), kind="stable")
    hashes, new = rows["hash"].to_numpy()[order], rows["doc"].to_numpy()[order]
    first = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)])
    count = np.diff(np.append(first, len(hashes)))
    which, doc, full = Stored.of(index[0]).lookup(hashes[first], WIDEST)
    cuts = np.searchsorted(np.cumsum(count[which]), np.arange(_PAIRS, count[which].sum() + _PAIRS, _PAIRS))
    low = 0
    for high in (cuts + 1).tolist():
        mine, old = which[low:high], doc[low:high]
        met = new[spans(first[mine], count[mine])]
        pairs = pa.table([met & ((1 << ROW_BITS) - 1), np.repeat(old, count[mine])], schema=MET)
        yield from in_buckets(pairs, met >> ROW_BITS)
        low = high
    left_out = {"rule": "full_index_bands", "id": None, "value": float(full), "threshold": float(WIDEST)}
    yield Output(pa.Table.from_pylist([left_out] if full else [], ALARMS), name="alarms")


@stage(version=1, libraries=("xxhash",), outputs={"part": KNOWN})
def index_known(
    sigs: Shard, met: list[Shard], index: list[Shard], *, bands: int = 14, rows: int = 8, threshold: float = 0.8
) -> Iterator[pa.Table]:
    """One KNOWN row a document: what it is a duplicate of, verified. Shingle sets are read where they lie, those of
    the run (`dedup.near.shingle_files`) as those of the index."""
    stored, signed = Stored.of(index[0]), sigs.table(["id", "sketch"])
    pairs = _candidates(stored, concat(met, MET), signed["sketch"], sketch_cut(threshold, bands, rows))
    best, most = np.full(signed.num_rows, -1, np.int64), np.full(signed.num_rows, threshold)
    documents = np.unique(pairs.row)
    for low, high, found, bounds in kept_sets(sigs, documents):
        _verify(stored, pairs, documents[low:high], found, bounds, best, most)
    yield _known(stored, signed["id"].combine_chunks(), pairs, best, most)


class _Pairs(NamedTuple):
    """Pairs that may be similar, each once, sorted: a row of the shard, a document of the index and its record."""

    row: np.ndarray
    old: np.ndarray
    records: np.ndarray


def _candidates(stored: Stored, met: pa.Table, sketch: pa.ChunkedArray, cut: int) -> _Pairs:
    """Pairs that share a band and that sketches do not rule out."""
    row, old = met["row"].to_numpy(), met["stored"].to_numpy()
    order = np.lexsort((old, row))
    row, old = row[order], old[order]
    fresh = np.append(True, (row[1:] != row[:-1]) | (old[1:] != old[:-1]))[: len(row)]
    row, old = row[fresh], old[fresh]
    doc, at = np.unique(old, return_inverse=True)
    records = stored.records(doc)
    mine, theirs = np.column_stack(sketch_words(sketch)), np.ascontiguousarray(records["sketch"])
    near = np.bitwise_count(mine[row] ^ theirs[at]).sum(axis=1) <= cut
    return _Pairs(row[near], old[near], records[at[near]])


def _verify(
    stored: Stored, all_: _Pairs, rows: np.ndarray, found: np.ndarray, bounds: np.ndarray,
    best: np.ndarray, most: np.ndarray,
) -> None:  # fmt: skip
    """Which pair is the best of each of `rows`, and how similar: `best` (index of the pair, -1 for none) and `most`.

    `found` and `bounds` are the shingle sets of `rows`, which are sorted.
    """
    first, end = np.searchsorted(all_.row, [rows[0], rows[-1] + 1])
    row, old, records = (column[first:end] for column in all_)
    mine = np.searchsorted(rows, row)
    same = np.flatnonzero((records["set"] == set_hashes(found, bounds)[mine]) & (records["count"] > 0))
    best[row[same[::-1]]], most[row[same]] = first + same[::-1], 1.0
    left = np.flatnonzero(best[row] < 0)
    left = left[np.argsort(old[left], kind="stable")]
    for low, high, data, start in stored.shingles(old[left], records[left]):
        pair = left[low:high]
        count = records["count"][pair]
        _compare(first + pair, mine[pair], row[pair], found, bounds, data, start, count, best, most)


def _known(stored: Stored, ids: pa.Array, pairs: _Pairs, best: np.ndarray, most: np.ndarray) -> pa.Table:
    gone = np.flatnonzero(best >= 0)
    old, records = pairs.old[best[gone]], pairs.records[best[gone]]
    said = {
        "duplicate_of": pa.array([value.tobytes().hex() for value in records["id"]], pa.string()),
        "similarity": most[gone],
        "rule": np.where(old >> ROW_BITS < stored.blocked, "withdrawn", "duplicate_of_earlier"),
        "detail": pa.array([f"in {label}" for label in stored.labels(old)], pa.string()),
    }
    at = np.full(len(ids), -1)
    at[gone] = np.arange(len(gone))
    told = pa.table(said).take(pa.array(at, mask=at < 0))
    return told.add_column(0, "id", ids).select(KNOWN.names).cast(KNOWN)


@njit(cache=True, nogil=True)
def _compare(pair, mine, row, found, bounds, data, start, count, best, most):
    for i in range(len(pair)):
        a = found[bounds[mine[i]] : bounds[mine[i] + 1]]
        b = data[start[i] : start[i] + count[i]]
        similarity = jaccard(a, b, most[row[i]])
        if similarity > most[row[i]] or (similarity == most[row[i]] and best[row[i]] < 0):
            best[row[i]], most[row[i]] = pair[i], similarity
