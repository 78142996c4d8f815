"""Documents that a persistent index knows: near duplicates of what earlier runs kept.

    met      = step(index_met, bucket(routed), whole(index), tasks=P)
    known    = step(index_known, pages, sigs, bucket(met), whole(index))
    gathered = step(near_gather, pages, sigs, bucket(components), verdicts, exact, known, partitions=P)
    near     = step(near_join, pages, bucket(elected), verdicts, exact, known)

What was kept earlier stands before everything new. A document is removed if and only if one kept by an earlier run is
its candidate (it shares a band, and their sketches do not rule the threshold out) and their exact Jaccard similarity is
at least the threshold; it is a duplicate of the most similar, the first in the index among equals. The others are
deduplicated among themselves (`dedup.near`). With `keep = "oldest"`, dumps in the order of time that come one by one
keep the documents that one run over all of them keeps.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numba import njit

from dedup.candidates import BANDS, sketch_words
from dedup.elect import ALARMS, ROW_BITS, concat, in_buckets
from dedup.greedy import WIDEST
from dedup.minhash import sketch_cut
from dedup.segment import FEW, set_hashes
from dedup.shingles import jaccard, shingle_sets, shingles
from dedup.stored import Stored, spans
from pipeline.dag import stage
from pipeline.schema import KNOWN
from pipeline.store import Out, Part

MET = pa.schema([("row", pa.int64()), ("stored", pa.int64())])
_PAIRS = 1 << 22  # in memory at once


@stage(version=1, outputs={"part": MET, "alarms": ALARMS})
def index_met(routed: list[Part], index: list[Part]) -> Iterator[Out]:
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
    yield Out(pa.Table.from_pylist([left_out] if full else [], ALARMS), name="alarms")


@stage(version=1, libraries=("xxhash",), outputs={"part": KNOWN})
def index_known(
    pages: Part,
    sigs: Part,
    met: list[Part],
    index: list[Part],
    *,
    bands: int = 14,
    rows: int = 8,
    ngram: int = 5,
    threshold: float = 0.8,
) -> Iterator[pa.Table]:
    """One KNOWN row a document: what it is a duplicate of, verified. Shingles of the index are read where they lie."""
    stored, signed = Stored.of(index[0]), sigs.table(["id", "sketch"])
    row, old, records = _candidates(stored, concat(met, MET), signed["sketch"], sketch_cut(threshold, bands, rows))
    at, ids = 0, signed["id"].combine_chunks()
    for batch in pages.batches(["text"], rows=FEW):
        low, high = np.searchsorted(row, [at, at + batch.num_rows])
        best, most = np.full(batch.num_rows, -1, np.int64), np.full(batch.num_rows, threshold)
        if high > low:
            pairs = row[low:high] - at, old[low:high], records[low:high]
            _verify(stored, batch["text"], *pairs, ngram, best, most)
        yield _known(stored, ids.slice(at, batch.num_rows), best, most, low, old, records)
        at += batch.num_rows
    assert at == signed.num_rows, f"{sigs.folder} shard {sigs.index}: not the signatures of these pages"


def _candidates(
    stored: Stored, met: pa.Table, sketch: pa.ChunkedArray, cut: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, document numbers and records of the pairs that sketches do not rule out, each once, sorted."""
    row, old = met["row"].to_numpy(), met["stored"].to_numpy()
    order = np.lexsort((old, row))
    row, old = row[order], old[order]
    fresh = np.append(True, (row[1:] != row[:-1]) | (old[1:] != old[:-1]))[: len(row)]
    row, old = row[fresh], old[fresh]
    doc, at = np.unique(old, return_inverse=True)
    records = stored.records(doc)
    mine, theirs = np.column_stack(sketch_words(sketch)), np.ascontiguousarray(records["sketch"])
    near = np.bitwise_count(mine[row] ^ theirs[at]).sum(axis=1) <= cut
    return row[near], old[near], records[at[near]]


def _verify(
    stored: Stored, text: pa.Array, row: np.ndarray, old: np.ndarray, records: np.ndarray, ngram: int,
    best: np.ndarray, most: np.ndarray,
) -> None:  # fmt: skip
    """Which pair is the best of each row, and how similar: `best` (index of the pair, -1 for none) and `most`."""
    rows, mine = np.unique(row, return_inverse=True)
    found, bounds = shingle_sets(*shingles(text.take(pa.array(rows)), ngram))
    same = np.flatnonzero((records["set"] == set_hashes(found, bounds)[mine]) & (records["count"] > 0))
    best[row[same[::-1]]], most[row[same]] = same[::-1], 1.0
    left = np.flatnonzero(best[row] < 0)
    left = left[np.argsort(old[left], kind="stable")]
    for low, high, data, start in stored.shingles(old[left], records[left]):
        pair = left[low:high]
        _compare(pair, mine[pair], row[pair], found, bounds, data, start, records["count"][pair], best, most)


def _known(
    stored: Stored, ids: pa.Array, best: np.ndarray, most: np.ndarray, low: int, old: np.ndarray, records: np.ndarray
) -> pa.Table:
    gone = np.flatnonzero(best >= 0)
    pair = low + best[gone]
    columns: dict[str, list] = {name: [None] * len(ids) for name in KNOWN.names[1:]}
    for i, p in zip(gone.tolist(), pair.tolist(), strict=True):
        columns["duplicate_of"][i] = records["id"][p].tobytes().hex()
        columns["similarity"][i] = float(most[i])
        columns["rule"][i] = "withdrawn" if old[p] >> ROW_BITS < stored.blocked else "duplicate_of_earlier"
        columns["detail"][i] = f"in {stored.label(int(old[p]))}"
    return pa.table({"id": ids, **columns}, schema=KNOWN)


@njit(cache=True, nogil=True)
def _compare(pair, mine, row, found, bounds, data, start, count, best, most):
    for i in range(len(pair)):
        a = found[bounds[mine[i]] : bounds[mine[i] + 1]]
        b = data[start[i] : start[i] + count[i]]
        similarity = jaccard(a, b, most[row[i]])
        if similarity > most[row[i]] or (similarity == most[row[i]] and best[row[i]] < 0):
            best[row[i]], most[row[i]] = pair[i], similarity
