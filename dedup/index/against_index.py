"""Documents that a persistent index has already: near duplicates of what earlier runs kept.

    near_bands -> index_candidates -> drop_known, the selection that near deduplication continues from

What was kept earlier precedes everything new. A document is dropped if and only if one kept by an earlier run is its
candidate (it shares a band, and their sketches do not rule the threshold out) and their exact Jaccard similarity is at
least the threshold; it is a duplicate of the most similar, the first in the index among equals. The others are
deduplicated among themselves (`dedup.near.verify`). With `keep = "oldest"` and dumps in the order of time, runs dump by
dump keep the documents that one run over all of them keeps.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dedup.common.clusters import OVERSIZED
from dedup.common.partitions import concat_documents, concat_shards, partition_rows, row_of, shard_of
from dedup.common.selections import read_selection, selection_table
from dedup.index.byte_ranges import expand_ranges
from dedup.index.files import StoredIndex
from dedup.index.segment import shingle_set_hashes
from dedup.near.greedy import MAX_KEPT_PER_BAND
from dedup.near.lsh import BANDS, sketch_halves
from dedup.near.minhash import max_sketch_distance
from dedup.near.shingle_files import read_shingle_sets
from dedup.near.shingles import jaccard
from pipeline.kernels.njit import njit
from pipeline.runner.stage import selection as selection_stage
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

# A document of this run, by its row in the shard, and one of the index, by its number, that shares a band.
INDEX_CANDIDATES = pa.schema([("row", pa.int64()), ("stored", pa.int64())])
MAX_PAIRS = 1 << 22  # in memory at once


@stage(version=1, outputs={"part": INDEX_CANDIDATES, "alarms": OVERSIZED})
def index_candidates(band_rows: list[Shard], index: list[Shard]) -> Iterator[Output]:
    """Write, for the documents of one partition of bands, those of the index that share a band.

    Rows are in the partition of the document's shard. A band leads to the first `MAX_KEPT_PER_BAND` documents of the
    index; `alarms` has a row with how many that left out.
    """
    rows = concat_documents(band_rows, BANDS, ["hash", "doc"])
    order = np.argsort(rows["hash"].to_numpy(), kind="stable")
    hashes, new = rows["hash"].to_numpy()[order], rows["doc"].to_numpy()[order]
    first = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)])
    count = np.diff(np.append(first, len(hashes)))
    which, stored, left_out = StoredIndex.from_shard(index[0]).lookup(hashes[first], MAX_KEPT_PER_BAND)
    total = count[which].sum()
    cuts = np.searchsorted(np.cumsum(count[which]), np.arange(MAX_PAIRS, total + MAX_PAIRS, MAX_PAIRS))
    low = 0
    for high in (cuts + 1).tolist():
        bands = which[low:high]
        doc = new[expand_ranges(first[bands], count[bands])]
        pairs = pa.table([row_of(doc), np.repeat(stored[low:high], count[bands])], schema=INDEX_CANDIDATES)
        yield from partition_rows(pairs, shard_of(doc))
        low = high
    threshold = float(MAX_KEPT_PER_BAND)
    alarm = {"rule": "full_index_bands", "id": None, "value": float(left_out), "threshold": threshold}
    yield Output(pa.Table.from_pylist([alarm] if left_out else [], OVERSIZED), name="alarms")


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
    """Drop every document that resembles one that an earlier run kept, verified by the exact Jaccard similarity.

    Shingle sets are read from where they are stored, those of this run (`dedup.near.shingle_files`) and of the index.
    `detail` names the dump of the earlier document; the rule is "withdrawn" where that one has been withdrawn.

    Args:
        bands: Number of bands of the signature.
        rows: MinHash values a band.
        threshold: Jaccard similarity of shingle sets from which two documents are near duplicates.
    """
    stored, signed = StoredIndex.from_shard(index[0]), signatures.table(["id", "sketch"])
    before = read_selection(signed["id"], selection)
    max_distance = max_sketch_distance(threshold, bands, rows)
    pairs = _candidate_pairs(stored, concat_shards(candidates, INDEX_CANDIDATES), signed["sketch"], max_distance)
    best = _Best(np.full(signed.num_rows, -1, np.int64), np.full(signed.num_rows, threshold))
    documents = np.unique(pairs.row)
    for low, high, hashes, bounds in read_shingle_sets(signatures, documents):
        _verify(stored, pairs, documents[low:high], hashes, bounds, best)
    dropped = best.pair >= 0
    columns = _reasons(stored, pairs, best.pair, np.flatnonzero(dropped))
    columns["value"] = pa.array(best.similarity)
    yield selection_table(signed["id"], before, dropped, stage="index", threshold=threshold, **columns)


class _Pairs(NamedTuple):
    """Pairs that may be similar, each once, sorted by row and then by document number.

    row: (p,) int64, a document of this run by its row in the shard.
    doc: (p,) int64, a document of the index by its number.
    records: (p,) RECORD of that document.
    """

    row: np.ndarray
    doc: np.ndarray
    records: np.ndarray


class _Best(NamedTuple):
    """The most similar document of the index for each of the d documents of a shard.

    pair: (d,) int64, an index into _Pairs; -1 without one.
    similarity: (d,) float64, Jaccard similarity of that pair; the threshold without one.
    """

    pair: np.ndarray
    similarity: np.ndarray


def _candidate_pairs(stored: StoredIndex, candidates: pa.Table, sketches: pa.ChunkedArray, max_distance: int) -> _Pairs:
    """Return the pairs that share a band and that their sketches do not rule out."""
    row, doc = candidates["row"].to_numpy(), candidates["stored"].to_numpy()
    order = np.lexsort((doc, row))
    row, doc = row[order], doc[order]
    is_first = np.append(True, (row[1:] != row[:-1]) | (doc[1:] != doc[:-1]))[: len(row)]
    row, doc = row[is_first], doc[is_first]
    different, position = np.unique(doc, return_inverse=True)
    records = stored.records(different)
    new_sketches, stored_sketches = np.column_stack(sketch_halves(sketches)), np.ascontiguousarray(records["sketch"])
    distance = np.bitwise_count(new_sketches[row] ^ stored_sketches[position]).sum(axis=1)
    chosen = distance <= max_distance
    return _Pairs(row[chosen], doc[chosen], records[position[chosen]])


def _verify(
    stored: StoredIndex, pairs: _Pairs, rows: np.ndarray, hashes: np.ndarray, bounds: np.ndarray, best: _Best
) -> None:
    """Find the best pair of each of `rows`, which are sorted; `hashes` and `bounds` are their shingle sets.

    A pair whose shingle sets are equal has similarity 1, which no other pair exceeds; the first such pair of a row is
    its best one. Only rows without one have their sets compared, with those read from the index.
    """
    begin, end = np.searchsorted(pairs.row, [rows[0], rows[-1] + 1])
    row, doc, records = (column[begin:end] for column in pairs)
    position = np.searchsorted(rows, row)  # of each pair's document among `rows`
    equal = np.flatnonzero((records["set"] == shingle_set_hashes(hashes, bounds)[position]) & (records["count"] > 0))
    equal_rows, first = np.unique(row[equal], return_index=True)  # pairs are in the order of the index within a row
    best.pair[equal_rows], best.similarity[equal_rows] = begin + equal[first], 1.0
    others = np.flatnonzero(best.pair[row] < 0)
    others = others[np.argsort(doc[others], kind="stable")]
    for low, high, stored_hashes, start in stored.shingles(doc[others], records[others]):
        pair = others[low:high]
        _compare(
            begin + pair, row[pair], position[pair], hashes, bounds,
            stored_hashes, start, records["count"][pair], best.pair, best.similarity,
        )  # fmt: skip


def _reasons(stored: StoredIndex, pairs: _Pairs, best_pair: np.ndarray, rows: np.ndarray) -> dict[str, pa.Array]:
    """Return columns rule, detail and duplicate_of of a shard's documents, of which `rows` are dropped; else null."""
    earlier, records = pairs.doc[best_pair[rows]], pairs.records[best_pair[rows]]
    withdrawn = shard_of(earlier) < stored.withdrawn_shards
    reasons = {
        "rule": pa.array(np.where(withdrawn, "withdrawn", "duplicate_of_earlier")),
        "detail": pa.array([f"in {label}" for label in stored.labels(earlier)], pa.string()),
        "duplicate_of": pa.array([value.tobytes().hex() for value in records["id"]], pa.string()),
    }
    position = np.full(len(best_pair), -1)
    position[rows] = np.arange(len(rows))
    taken = pa.array(position, mask=position < 0)
    return {name: column.cast(pa.string()).take(taken) for name, column in reasons.items()}


@njit(cache=True, nogil=True)
def _compare(pair, row, position, hashes, bounds, stored_hashes, start, count, best_pair, best_similarity):
    """Compare pairs of shingle sets, in the order of the index; of several equally similar ones the first is best."""
    for i in range(len(pair)):
        d, p = row[i], position[i]
        new = hashes[bounds[p] : bounds[p + 1]]
        earlier = stored_hashes[start[i] : start[i] + count[i]]
        similarity = jaccard(new, earlier, best_similarity[d])
        if similarity > best_similarity[d] or (similarity == best_similarity[d] and best_pair[d] < 0):
            best_pair[d], best_similarity[d] = pair[i], similarity
