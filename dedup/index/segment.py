"""A segment of the persistent index: what a dump adds, how segments are merged, and what is withdrawn.

    index_documents, index_rows -> index_bands, index_entry   add a dump
    index_merge                                                merges segments
    index_withdrawn                                            makes a segment of the withdrawn documents

`dedup.index.files` describes files and numbers. Nothing that is written is ever changed: a pointer says what an index
consists of (`pipeline.index.pointer`).
"""

import itertools
import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup.common.partitions import ROW_BITS, concat_documents, partition_of, partition_rows
from dedup.common.selections import read_selection
from dedup.index.byte_ranges import read_ranges
from dedup.index.files import (
    BAND,
    BANDS_FILE,
    BLOCK_BANDS,
    DOCUMENTS_FILE,
    FENCES_FILE,
    RECORD,
    SHINGLES_FILE,
    Segment,
    StoredIndex,
    read_block_index,
    read_gap,
    stored_file,
)
from dedup.near.lsh import band_hashes_of, sketch_halves
from dedup.near.minhash import band_hashes, minhash
from dedup.near.shingle_files import read_shingle_sets
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

DUMPS = pa.schema(
    [
        ("dump", pa.string()),
        ("documents", pa.int64()),
        ("first", pa.timestamp("ms", "UTC")),  # capture of its documents; null where none is known
        ("last", pa.timestamp("ms", "UTC")),
    ]
)
ROWS = pa.schema([("hash", pa.uint64()), ("doc", pa.int64())])


@stage(version=1, libraries=("xxhash",), outputs={"part": DUMPS})
def index_documents(pages: Shard, signatures: Shard, selection: Shard | None = None) -> Iterator[pa.Table | Output]:
    """Store records and shingle sets of the documents that are kept: 56 bytes a document and 8 a shingle."""
    documents, signed = pages.table(["id", "date", "dump"]), signatures.table(["id", "sketch"])
    assert signed["id"].equals(documents["id"]), f"{signatures.folder}: ids differ from the documents'"
    kept = read_selection(documents["id"], selection).keep
    records: list[bytes] = []
    yield Output.file(SHINGLES_FILE, _shingles_and_records(signatures, signed, kept, records))
    yield Output.file(DOCUMENTS_FILE, b"".join(records))
    dumps = documents.filter(pa.array(kept)).group_by("dump")
    counts = dumps.aggregate([([], "count_all"), ("date", "min"), ("date", "max")]).sort_by("dump")
    yield counts.select(["dump", "count_all", "date_min", "date_max"]).rename_columns(DUMPS.names).cast(DUMPS)


def _shingles_and_records(
    signatures: Shard, signed: pa.Table, kept: np.ndarray, records: list[bytes]
) -> Iterator[bytes]:
    """Yield the shingle sets of the kept documents; their records are appended to `records`."""
    ids, sketch = signed["id"].combine_chunks(), np.column_stack(sketch_halves(signed["sketch"]))
    rows, start = np.flatnonzero(kept), 0
    for low, high, hashes, bounds in read_shingle_sets(signatures, rows):
        chosen = rows[low:high]
        out = np.zeros(len(chosen), RECORD)
        out["id"] = np.frombuffer(bytes.fromhex("".join(ids.take(pa.array(chosen)).to_pylist())), "V16")
        out["sketch"], out["set"] = sketch[chosen], shingle_set_hashes(hashes, bounds)
        out["start"], out["count"] = start + bounds[:-1], np.diff(bounds)
        records.append(out.tobytes())
        yield hashes.tobytes()
        start += len(hashes)


def shingle_set_hashes(hashes: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Return the xxh3-64 of each shingle set, (d,) uint64: pairs that agree in it need not be compared."""
    view = memoryview(hashes.tobytes())
    ends = (bounds * 8).tolist()
    return np.array([xxhash.xxh3_64_intdigest(view[a:b]) for a, b in itertools.pairwise(ends)], np.uint64)


def id_hashes(ids: list[bytes]) -> np.ndarray:
    """Return hashes by which documents are found by their ids among the bands, (d,) uint64."""
    return np.array([xxhash.xxh3_64_intdigest(b"id" + value) for value in ids], np.uint64)


@stage(version=2, libraries=("xxhash",), outputs={"part": ROWS})
def index_rows(signatures: Shard, selection: Shard | None = None, *, partitions: int = 16) -> Iterator[Output]:
    """Write a row for every band of the documents that are kept, and for their ids, in the partition of the hash.

    Args:
        partitions: Number of shuffle partitions.
    """
    table = signatures.table(["id", "bands"])
    chosen = table.filter(pa.array(read_selection(table["id"], selection).keep))
    hashes, owner = band_hashes_of(chosen["bands"])
    by_id = id_hashes([bytes.fromhex(value) for value in chosen["id"].to_pylist()])
    hashes = np.concatenate([hashes, by_id])
    doc = np.concatenate([owner, np.arange(len(by_id))])
    yield from partition_rows(pa.table([hashes, doc], schema=ROWS), partition_of(hashes, partitions))


@stage(version=1, outputs={})
def index_bands(rows: list[Shard]) -> Iterator[Output]:
    """Store one partition of a dump's bands, sorted."""
    table = concat_documents(rows, ROWS)
    yield from _band_files(_sorted_bands(table["hash"].to_numpy(), table["doc"].to_numpy()))


def _sorted_bands(hashes: np.ndarray, doc: np.ndarray) -> np.ndarray:
    """Return BANDs sorted by hash, those of one hash by document."""
    out, order = np.empty(len(hashes), BAND), np.lexsort((doc, hashes))
    out["hash"], out["doc"] = hashes[order], doc[order]
    return out


def _band_files(bands: np.ndarray) -> Iterator[Output]:
    yield Output.file(BANDS_FILE, bands.tobytes())
    yield Output.file(FENCES_FILE, bands["hash"][::BLOCK_BANDS].tobytes())


@stage(version=1, outputs={}, numbered=True)
def index_merge(segments: Shard) -> Iterator[Output]:
    """Merge one partition of several segments. Memory: 72 bytes a band of the partition."""
    index = StoredIndex.from_shard(segments)
    parts = [_read_partition(index, segment, segments.index, segments.count) for segment in index.segments]
    bands = np.concatenate([np.empty(0, BAND), *parts])
    yield from _band_files(bands[np.argsort(bands["hash"], kind="stable")])


def _read_partition(index: StoredIndex, segment: Segment, partition: int, partitions: int) -> np.ndarray:
    """Return the BANDs of a segment in partition `partition` of `partitions`, whatever the segment's own number is.

    Document numbers count from the first segment of the index.
    """
    low, high = (-(-(k << 32) // partitions) for k in (partition, partition + 1))  # bounds of hashes >> 32
    parts = [np.empty(0, BAND)]
    for p in range(low * segment.partitions >> 32, ((high - 1) * segment.partitions >> 32) + 1):
        block_index = read_block_index(index.store, segment.manifest, p) >> np.uint64(32)
        first = max(int(np.searchsorted(block_index, np.uint64(low), "left")) - 1, 0)
        last = int(np.searchsorted(block_index, np.uint64(high), "left"))
        with index.store.open(stored_file(index.store, segment.manifest, BANDS_FILE, p)) as file:
            size = BLOCK_BANDS * BAND.itemsize
            start, end = first * size, max(min(last * size, file.size()), first * size)
            data, _ = read_ranges(file, np.array([start]), np.array([end]), read_gap(index.store))
        bands = data.view(BAND)
        parts.append(bands[partition_of(np.ascontiguousarray(bands["hash"]), partitions) == partition])
    merged = np.concatenate(parts)
    merged["doc"] += (segment.first - index.segments[0].first) << ROW_BITS
    return merged


@stage(version=2, libraries=("xxhash",), outputs={})
def index_withdrawn(
    index: Shard, *, ids: tuple[str, ...], bands: int = 14, rows: int = 8
) -> Iterator[pa.Table | Output]:
    """Store the documents with these ids as a segment of their own, which every run sees.

    Raises AssertionError where one is not in the index.

    Args:
        ids: Ids of the documents, 32 hex digits each.
        bands: Number of bands of the signature.
        rows: MinHash values a band.
    """
    stored = StoredIndex.from_shard(index)
    doc, records = find_documents(stored, [bytes.fromhex(value) for value in ids])
    assert len(np.unique(records["id"])) == len(ids), "an id that is withdrawn is not in the index"
    sets = []
    for low, high, set_hashes, start in stored.shingles(doc, records):
        counts = records["count"][low:high].tolist()
        sets += [set_hashes[a : a + n] for a, n in zip(start.tolist(), counts, strict=True)]
    bounds = np.append(0, np.cumsum(records["count"]))
    records["start"] = bounds[:-1]
    hashes = np.concatenate([np.zeros(0, np.uint64), *sets])
    yield Output.file(DOCUMENTS_FILE, records.tobytes())
    yield Output.file(SHINGLES_FILE, hashes.tobytes())
    yield from _band_files(_compute_bands(records, hashes, bounds, bands, rows))


def find_documents(stored: StoredIndex, ids: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers and RECORDs of all documents with these 16-byte ids, sorted by number.

    Several have one id where a record was extracted in several ways, or a corpus was joined that has it too.
    """
    _, doc, _ = stored.lookup(np.unique(id_hashes(ids)), 1 << 30)
    doc = np.unique(doc)
    records = stored.records(doc)
    matches = np.isin(records["id"], np.array(ids, "V16"))
    return doc[matches], records[matches]


def _compute_bands(records: np.ndarray, hashes: np.ndarray, bounds: np.ndarray, bands: int, rows: int) -> np.ndarray:
    """Return sorted BANDs of documents from their shingle sets: a minimum over a set is that over its list."""
    minima = minhash(hashes, bounds, bands * rows)
    has_shingles = np.flatnonzero(records["count"] > 0)
    by_band = band_hashes(minima, bands, rows)[has_shingles].ravel()
    by_id = id_hashes([value.tobytes() for value in records["id"]])
    owner = np.concatenate([np.repeat(has_shingles, bands), np.arange(len(records))])
    return _sorted_bands(np.concatenate([by_band, by_id]), owner)


@stage(version=1, outputs={})
def index_entry(
    documents: list[Shard], bands: list[Shard], corpus: list[Shard] | None = None, *, label: str = ""
) -> Iterator[Output]:
    """Store what the pointer says of a dump. It depends on all that must be finished before the pointer changes.

    Args:
        label: Name of the dump where its documents have none.
    """
    table = pa.concat_tables([shard.table() for shard in documents])
    days = [pc.min(table["first"]).as_py(), pc.max(table["last"]).as_py()]
    dumps = sorted(name for name in set(table["dump"].to_pylist()) if name)
    entry = {
        "rows": pc.sum(table["documents"], min_count=0).as_py(),
        "shards": len(documents),
        "label": ", ".join(dumps[:2]) + (f" and {len(dumps) - 2} more" if len(dumps) > 2 else "") or label,
        "dates": [None if day is None else f"{day:%Y-%m-%d}" for day in days],
    }
    yield Output.file("entry.json", json.dumps(entry, ensure_ascii=False).encode())
