"""Documents that a persistent index knows: near duplicates of what earlier runs kept.

    near_bands -> index_candidates -> drop_known, the selection that near deduplication continues from

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

from dedup.common.clusters import OVERSIZED
from dedup.common.partitions import ROW_BITS, concat, in_buckets
from dedup.common.selections import read_selection, selection_table
from dedup.index.byte_ranges import spans
from dedup.index.files import Stored
from dedup.index.segment import set_hashes
from dedup.near.greedy import WIDEST
from dedup.near.lsh import BANDS, sketch_words
from dedup.near.minhash import sketch_cut
from dedup.near.shingle_files import kept_sets
from dedup.near.shingles import jaccard
from pipeline.kernels.njit import njit
from pipeline.runner.stage import selection as selection_stage
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

MET = pa.schema([("row", pa.int64()), ("stored", pa.int64())])
_PAIRS = 1 << 22  # in memory at once


@stage(version=1, outputs={"part": MET, "alarms": OVERSIZED})
def index_candidates(band_rows: list[Shard], index: list[Shard]) -> Iterator[Output]:
    """One partition: documents of the index that share a band, for every new one, in the bucket of its shard.

    A band leads to the first `WIDEST` documents of the index; `alarms` has a row with how many that left out.
    """
    rows = concat(band_rows, BANDS, ["hash", "doc"])
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
    yield Output(pa.Table.from_pylist([left_out] if full else [], OVERSIZED), name="alarms")


@selection_stage(version=1, relation="like", libraries=("xxhash",))
def drop_known(
    signatures: Shard,
    candidates: list[Shard],
    index: list[Shard],
    selection: Shard | None = None,
    *,
    bands: int = 14,
    rows: int = 8,
    threshold: float = 0.8,
) -> Iterator[pa.Table]:
    """Drop every document that resembles one that an earlier run kept, verified by the true Jaccard similarity.

    Shingle sets are read where they are stored, those of this run (`dedup.near.shingle_files`) like those of the index.
    `detail` names the dump of the earlier document; the rule is "withdrawn" where that one was withdrawn since.

    Args:
        bands: Number of bands of the signature.
        rows: MinHash values a band.
        threshold: Jaccard similarity of shingle sets from which two documents are near duplicates.
    """
    stored, signed = Stored.of(index[0]), signatures.table(["id", "sketch"])
    before = read_selection(signed["id"], selection)
    pairs = _candidates(stored, concat(candidates, MET), signed["sketch"], sketch_cut(threshold, bands, rows))
    best, similarity = np.full(signed.num_rows, -1, np.int64), np.full(signed.num_rows, threshold)
    documents = np.unique(pairs.row)
    for low, high, shingle_hashes, bounds in kept_sets(signatures, documents):
        _verify(stored, pairs, documents[low:high], shingle_hashes, bounds, best, similarity)
    dropped = best >= 0
    columns = _reasons(stored, pairs, best, np.flatnonzero(dropped))
    columns["value"] = pa.array(similarity)
    yield selection_table(signed["id"], before, dropped, stage="index", threshold=threshold, **columns)


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


def _reasons(stored: Stored, pairs: _Pairs, best: np.ndarray, rows: np.ndarray) -> dict[str, pa.Array]:
    """Columns rule, detail and duplicate_of of a shard's documents, of which `rows` are dropped; null elsewhere."""
    earlier, records = pairs.old[best[rows]], pairs.records[best[rows]]
    reasons = {
        "rule": pa.array(np.where(earlier >> ROW_BITS < stored.blocked, "withdrawn", "duplicate_of_earlier")),
        "detail": pa.array([f"in {label}" for label in stored.labels(earlier)], pa.string()),
        "duplicate_of": pa.array([value.tobytes().hex() for value in records["id"]], pa.string()),
    }
    position = np.full(len(best), -1)
    position[rows] = np.arange(len(rows))
    taken = pa.array(position, mask=position < 0)
    return {name: column.cast(pa.string()).take(taken) for name, column in reasons.items()}


@njit(cache=True, nogil=True)
def _compare(pair, mine, row, found, bounds, data, start, count, best, most):
    for i in range(len(pair)):
        a = found[bounds[mine[i]] : bounds[mine[i] + 1]]
        b = data[start[i] : start[i] + count[i]]
        similarity = jaccard(a, b, most[row[i]])
        if similarity > most[row[i]] or (similarity == most[row[i]] and best[row[i]] < 0):
            best[row[i]], most[row[i]] = pair[i], similarity
