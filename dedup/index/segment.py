"""A segment of the persistent index: what a dump adds to it, how segments become one, and what is withdrawn.

    documents = step(index_documents, pages, sigs, verdicts, exact, near)
    rows      = step(index_rows, sigs, verdicts, exact, near, partitions=P)
    bands     = step(index_bands, bucket(rows), tasks=P)

Files and numbers are those of `dedup.index.files`. Nothing that is written is ever changed: what an index consists of
is
said by its pointer (`pipeline.index.pointer`).
"""

import itertools
import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup.common.partitions import ROW_BITS, concat, in_buckets, numbers, partition_of
from dedup.common.selections import read_selection
from dedup.index.byte_ranges import fetch
from dedup.index.files import (  # fmt: skip
    BAND,
    BLOCK,
    RECORD,
    Segment,
    Stored,
    bands_file,
    documents_file,
    fences_file,
    fences_of,
    gap_of,
    shingles_file,
)
from dedup.near.lsh import banded, sketch_words
from dedup.near.minhash import band_hashes, signature
from dedup.near.shingle_files import kept_sets
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

DUMPS = pa.schema(
    [
        ("dump", pa.string()),
        ("documents", pa.int64()),
        ("first", pa.timestamp("ms", "UTC")),  # capture, null if none is known
        ("last", pa.timestamp("ms", "UTC")),
    ]
)
ROWS = pa.schema([("hash", pa.uint64()), ("doc", pa.int64())])


@stage(version=1, libraries=("xxhash",), outputs={"part": DUMPS})
def index_documents(pages: Shard, signatures: Shard, selection: Shard | None = None) -> Iterator[pa.Table | Output]:
    """Records and shingle sets of the documents that are kept: 56 bytes a document and 8 a shingle."""
    where, signed = pages.table(["id", "date", "dump"]), signatures.table(["id", "sketch"])
    assert signed["id"].equals(where["id"]), f"{signatures.folder}: ids differ from the documents'"
    kept = read_selection(where["id"], selection).keep
    records: list[bytes] = []
    yield Output.file(shingles_file(pages.index), _described(signatures, signed, np.flatnonzero(kept), records))
    yield Output.file(documents_file(pages.index), b"".join(records))
    spans = where.filter(pa.array(kept)).group_by("dump")
    counts = spans.aggregate([([], "count_all"), ("date", "min"), ("date", "max")]).sort_by("dump")
    yield counts.select(["dump", "count_all", "date_min", "date_max"]).rename_columns(DUMPS.names).cast(DUMPS)


def _described(sigs: Shard, signed: pa.Table, rows: np.ndarray, records: list[bytes]) -> Iterator[bytes]:
    """Shingle sets of the kept documents `rows`; their records are appended to `records`."""
    ids, sketch = signed["id"].combine_chunks(), np.column_stack(sketch_words(signed["sketch"]))
    start = 0
    for low, high, found, bounds in kept_sets(sigs, rows):
        these = rows[low:high]
        records.append(_records(ids.take(pa.array(these)), sketch[these], found, bounds, start).tobytes())
        yield found.tobytes()
        start += len(found)


def _records(ids: pa.Array, sketch: np.ndarray, found: np.ndarray, bounds: np.ndarray, start: int) -> np.ndarray:
    out = np.zeros(len(ids), RECORD)
    out["id"] = np.frombuffer(bytes.fromhex("".join(ids.to_pylist())), "V16")
    out["sketch"] = sketch
    out["set"] = set_hashes(found, bounds)
    out["start"], out["count"] = start + bounds[:-1], np.diff(bounds)
    return out


def set_hashes(found: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """(d,) xxh3-64 of each shingle set: what a pair is not compared for when it agrees."""
    view = memoryview(found.tobytes())
    ends = (bounds * 8).tolist()
    return np.array([xxhash.xxh3_64_intdigest(view[a:b]) for a, b in itertools.pairwise(ends)], np.uint64)


def id_hashes(ids: list[bytes]) -> np.ndarray:
    """(d,) uint64 by which documents are found by their ids, among the hashes of bands."""
    return np.array([xxhash.xxh3_64_intdigest(b"id" + value) for value in ids], np.uint64)


@stage(version=1, libraries=("xxhash",), outputs={"part": ROWS})
def index_rows(signatures: Shard, selection: Shard | None = None, *, partitions: int = 16) -> Iterator[Output]:
    """One row a band of every document that is kept, and one of its id, in the bucket of the hash."""
    table = signatures.table(["id", "bands"])
    chosen = table.filter(pa.array(read_selection(table["id"], selection).keep))
    hashes, owner = banded(chosen["bands"])
    named = id_hashes([bytes.fromhex(value) for value in chosen["id"].to_pylist()])
    hashes = np.concatenate([hashes, named])
    doc = numbers(signatures.index, np.concatenate([owner, np.arange(len(named))]))
    yield from in_buckets(pa.table([hashes, doc], schema=ROWS), partition_of(hashes, partitions))


@stage(version=1, outputs={})
def index_bands(rows: list[Shard]) -> Iterator[Output]:
    """One partition of a dump's bands, sorted."""
    table = concat(rows, ROWS)
    yield from _files(_sorted(table["hash"].to_numpy(), table["doc"].to_numpy()), rows[0].bucket or 0)


def _sorted(hashes: np.ndarray, doc: np.ndarray) -> np.ndarray:
    """BANDs by hash, those of one hash by document."""
    out, order = np.empty(len(hashes), BAND), np.lexsort((doc, hashes))
    out["hash"], out["doc"] = hashes[order], doc[order]
    return out


def _files(bands: np.ndarray, partition: int) -> Iterator[Output]:
    yield Output.file(bands_file(partition), bands.tobytes())
    yield Output.file(fences_file(partition), bands["hash"][::BLOCK].tobytes())


@stage(version=1, outputs={})
def index_merge(segments: Shard) -> Iterator[Output]:
    """One partition of what several segments are together. Memory: 72 bytes a band of the partition."""
    index = Stored.of(segments)
    pieces = [_range(index, segment, segments.index, segments.count) for segment in index.segments]
    bands = np.concatenate([np.empty(0, BAND), *pieces])
    yield from _files(bands[np.argsort(bands["hash"], kind="stable")], segments.index)


def _range(index: Stored, segment: Segment, partition: int, partitions: int) -> np.ndarray:
    """BANDs of a segment whose hashes are of this partition of another cut; numbers count from the first segment."""
    low, high = (-(-(k << 32) // partitions) for k in (partition, partition + 1))  # of the upper halves of hashes
    pieces = [np.empty(0, BAND)]
    for p in range(low * segment.partitions >> 32, ((high - 1) * segment.partitions >> 32) + 1):
        fences = fences_of(index.store, segment.folder, p) >> np.uint64(32)
        first = max(int(np.searchsorted(fences, np.uint64(low), "left")) - 1, 0)
        last = int(np.searchsorted(fences, np.uint64(high), "left"))
        with index.store.open(f"{segment.folder}/{bands_file(p)}") as file:
            size = BLOCK * BAND.itemsize
            end = min(last * size, file.size())
            data, _ = fetch(file, np.array([first * size]), np.array([max(end, first * size)]), gap_of(index.store))
        bands = data.view(BAND).copy()
        pieces.append(bands[partition_of(np.ascontiguousarray(bands["hash"]), partitions) == partition])
    found = np.concatenate(pieces)
    found["doc"] += (segment.first - index.segments[0].first) << ROW_BITS
    return found


@stage(version=2, libraries=("xxhash",), outputs={})
def index_withdrawn(
    index: Shard, *, ids: tuple[str, ...], bands: int = 14, rows: int = 8
) -> Iterator[pa.Table | Output]:
    """The documents with these ids (hex digits) as a segment of their own, which every run meets. All must be there."""
    stored = Stored.of(index)
    doc, records = find(stored, [bytes.fromhex(value) for value in ids])
    assert len(np.unique(records["id"])) == len(ids), "an id that is withdrawn is not in the index"
    sets = [shingles_[a : a + n] for low, high, shingles_, start in stored.shingles(doc, records)
            for a, n in zip(start.tolist(), records["count"][low:high].tolist(), strict=True)]  # fmt: skip
    bounds = np.append(0, np.cumsum(records["count"]))
    records["start"] = bounds[:-1]
    found = np.concatenate([np.zeros(0, np.uint64), *sets])
    yield Output.file(documents_file(0), records.tobytes())
    yield Output.file(shingles_file(0), found.tobytes())
    yield from _files(_bands_of(records, found, bounds, bands, rows), 0)


def find(stored: Stored, ids: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and RECORDs of all documents with these 16-byte ids, sorted by number.

    Several have the same one where a record was extracted in several ways, or a corpus joined that holds it too.
    """
    _, doc, _ = stored.lookup(np.unique(id_hashes(ids)), 1 << 30)
    doc = np.unique(doc)
    records = stored.records(doc)
    meant = np.isin(records["id"], np.array(ids, "V16"))
    return doc[meant], records[meant]


def _bands_of(records: np.ndarray, found: np.ndarray, bounds: np.ndarray, bands: int, rows: int) -> np.ndarray:
    """Sorted BANDs of documents, made anew from their shingle sets: a minimum over a set is that over its list."""
    minima = signature(found, bounds, bands * rows)
    written = np.flatnonzero(records["count"] > 0)
    hashes = np.concatenate([
        band_hashes(minima, bands, rows)[written].ravel(), id_hashes([r.tobytes() for r in records["id"]])
    ])  # fmt: skip
    return _sorted(hashes, np.concatenate([np.repeat(written, bands), np.arange(len(records))]))


@stage(version=1, outputs={})
def index_entry(
    documents: list[Shard], bands: list[Shard], corpus: list[Shard] | None = None, *, label: str = ""
) -> Iterator[Output]:
    """What the pointer says of a dump. It rests on all that must be finished before the pointer moves.

    `label`: what the dump is called when its documents do not say.
    """
    table = pa.concat_tables([part.table() for part in documents])
    days = [pc.min(table["first"]).as_py(), pc.max(table["last"]).as_py()]
    dumps = sorted(name for name in set(table["dump"].to_pylist()) if name)
    said = {
        "rows": pc.sum(table["documents"], min_count=0).as_py(),
        "shards": len(documents),
        "label": ", ".join(dumps[:2]) + (f" and {len(dumps) - 2} more" if len(dumps) > 2 else "") or label,
        "dates": [None if day is None else f"{day:%Y-%m-%d}" for day in days],
    }
    yield Output.file("entry.json", json.dumps(said, ensure_ascii=False).encode())
