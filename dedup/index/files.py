"""The files of a persistent index, and reading them by ranges, so that a look-up costs what it asks for.

    documents.bin   RECORD of every indexed document of a shard, in the order of the pages
    shingles.bin    their shingle sets, one after the other (sorted uint64)
    bands.bin       BAND of every band of a partition, sorted; the partition is the prefix of the hash
    fences.bin      block index: the first hash of each block of these ("fences": indexes have them)

They are raw files of the shards of finished steps, which an index names by their manifests.

A document's number is shard << 32 | row, its shard counted over all dumps. Bands are stored with numbers that count
from their segment's first shard, so that a segment's bytes do not depend on what else is in the index.
"""

import functools
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dedup.common.partitions import ROW_BITS, partition_of, row_of, shard_of
from dedup.index.byte_ranges import expand_ranges, read_ranges
from pipeline.kernels.njit import njit
from pipeline.runner.manifests import load_manifest
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard
from pipeline.store.shard_table import ShardList

BAND = np.dtype([("hash", "<u8"), ("doc", "<i8")])
# `set` is the hash of the shingle set; `start` and `count` say, in shingles, where that is in its file.
RECORD = np.dtype([("id", "V16"), ("sketch", "<u8", 2), ("set", "<u8"), ("start", "<i8"), ("count", "<i8")])
DOCUMENTS_FILE, SHINGLES_FILE, BANDS_FILE, FENCES_FILE = "documents.bin", "shingles.bin", "bands.bin", "fences.bin"
BLOCK_BANDS = 256  # 4 KiB: one page of a disk
BUFFER_BYTES = 64 << 20  # that a read may spend on gaps between the ranges it asks for


def stored_file(store: Store, manifest: str, name: str, number: int) -> str:
    """Return a raw file of shard `number` of the step with this manifest, relative to the root.

    An index of an earlier release names the folder of a step, where files are numbered.
    """
    if "/manifests/" not in manifest:
        return f"{manifest}/{name.removesuffix('.bin')}-{number:05d}.bin"
    return _shards(store, manifest)[number].raw(name)


@functools.lru_cache(16)
def _shards(store: Store, manifest: str) -> ShardList:
    return ShardList(load_manifest(store, manifest).table)


def read_block_index(store: Store, manifest: str, partition: int) -> np.ndarray:
    """Return the first hash of each block of a partition, (blocks,) uint64."""
    with store.open(stored_file(store, manifest, FENCES_FILE, partition)) as file:
        return np.frombuffer(file.read(), np.uint64)


@dataclass(frozen=True)
class IndexedDocuments:
    """The documents of one dump.

    manifest: of the step that wrote the records and shingle sets, in the store.
    first: number of its first shard in the index; shard i of the step is shard first + i of the index.
    shards: how many there are.
    label: what the dump is called.
    """

    manifest: str
    first: int
    shards: int
    label: str


@dataclass(frozen=True)
class Segment:
    """The bands of one dump or of several neighbours.

    manifest: of the step that wrote them, in the store.
    first: number of the first shard; document numbers in the files count from there.
    partitions: into how many files they are divided, by the prefix of the hash.
    """

    manifest: str
    first: int
    partitions: int


@dataclass(frozen=True)
class StoredIndex:
    """An index as a run sees it.

    store: where all files are.
    documents: the dumps, in order.
    segments: the bands of all of them.
    visible_shards: documents of shards below this number count; later ones were added after this run's dump.
    withdrawn_shards: documents of shards below this number are withdrawn (0 or 1: they are a dump of their own).
    """

    store: Store
    documents: tuple[IndexedDocuments, ...]
    segments: tuple[Segment, ...]
    visible_shards: int
    withdrawn_shards: int

    @classmethod
    def from_shard(cls, shard: Shard) -> "StoredIndex":
        """Return the index that a row of input files describes (`as_row`)."""
        assert shard.store is not None
        row = json.loads(shard.table()["index"][0].as_py())
        documents = tuple(IndexedDocuments(*values) for values in row["documents"])
        segments = tuple(Segment(*values) for values in row["segments"])
        return cls(shard.store, documents, segments, row["visible_shards"], row["withdrawn_shards"])

    def as_row(self) -> dict[str, str]:
        """Return the index as a row of input files."""
        index = {
            "documents": [[d.manifest, d.first, d.shards, d.label] for d in self.documents],
            "segments": [[s.manifest, s.first, s.partitions] for s in self.segments],
            "visible_shards": self.visible_shards,
            "withdrawn_shards": self.withdrawn_shards,
        }
        return {"index": json.dumps(index)}

    def lookup(self, hashes: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray, int]:
        """Look up the first `limit` documents that have each of `hashes` (uint64, sorted, different).

        Returns (position in `hashes`, document number) of each match, and how many matches the limit leaves out.
        """
        matches = [self._lookup_segment(segment, hashes) for segment in self.segments]
        which = np.concatenate([np.zeros(0, np.int64), *(w for w, _ in matches)])
        doc = np.concatenate([np.zeros(0, np.int64), *(d for _, d in matches)])
        order = np.lexsort((doc, which))
        which, doc = which[order], doc[order]
        rank = np.arange(len(which)) - np.searchsorted(which, which)
        return which[rank < limit], doc[rank < limit], int((rank >= limit).sum())

    def _lookup_segment(self, segment: Segment, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if segment.first >= self.visible_shards:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        bounds = np.searchsorted(partition_of(hashes, segment.partitions), np.arange(segment.partitions + 1))
        matches = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
        for p in np.flatnonzero(np.diff(bounds)).tolist():
            which, doc = _lookup_partition(self.store, segment.manifest, p, hashes[bounds[p] : bounds[p + 1]])
            matches.append((which + bounds[p], doc + (segment.first << ROW_BITS)))
        which, doc = (np.concatenate([match[i] for match in matches]) for i in (0, 1))
        visible = doc < self.visible_shards << ROW_BITS
        return which[visible], doc[visible]

    def records(self, doc: np.ndarray) -> np.ndarray:
        """Return the RECORD of each document; `doc` is sorted."""
        out = np.empty(len(doc), RECORD)
        for dump, shard, low, high in self._by_shard(doc):
            start = row_of(doc[low:high]) * RECORD.itemsize
            with self.store.open(stored_file(self.store, dump.manifest, DOCUMENTS_FILE, shard)) as file:
                data, position = read_ranges(file, start, start + RECORD.itemsize, self._gap)
            out[low:high] = data.view(RECORD)[position // RECORD.itemsize]
        return out

    def shingles(self, doc: np.ndarray, records: np.ndarray) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
        """Yield the shingle sets of documents (sorted by number) with these records, some at a time.

        Each item is (low, high, hashes, start): those of doc[low:high], and where in `hashes` each begins.
        """
        batch = max(1, BUFFER_BYTES // self._gap)
        for dump, shard, begin, end in self._by_shard(doc):
            with self.store.open(stored_file(self.store, dump.manifest, SHINGLES_FILE, shard)) as file:
                for low in range(begin, end, batch):
                    high = min(low + batch, end)
                    start = records["start"][low:high] * 8
                    data, position = read_ranges(file, start, start + records["count"][low:high] * 8, self._gap)
                    hashes = data.view(np.uint64)
                    hashes.flags.writeable = False  # one type of array for kernels, whether one read or several
                    yield low, high, hashes, position // 8

    def labels(self, doc: np.ndarray) -> list[str]:
        """Return what the dumps of these documents are called."""
        return [self.documents[i].label for i in self._dumps(shard_of(doc)).tolist()]

    def _dumps(self, shard: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._first_shards, shard, side="right") - 1

    @functools.cached_property
    def _first_shards(self) -> np.ndarray:
        return np.array([dump.first for dump in self.documents], np.int64)

    def _by_shard(self, doc: np.ndarray) -> Iterator[tuple[IndexedDocuments, int, int, int]]:
        """Yield (dump, shard of it, low, high) of the runs of documents doc[low:high] that are in one file."""
        shard = shard_of(doc)
        bounds = np.append(np.flatnonzero(np.diff(shard, prepend=-1)), len(doc)).tolist()
        dumps = self._dumps(shard[bounds[:-1]]).tolist()
        for (low, high), i in zip(itertools.pairwise(bounds), dumps, strict=True):
            dump = self.documents[i]
            yield dump, int(shard[low]) - dump.first, low, high

    @property
    def _gap(self) -> int:
        return read_gap(self.store)


def read_gap(store: Store) -> int:
    """Return how many bytes are read in about the time that another read takes to begin."""
    return 1 << 16 if store.local else 1 << 20


def _lookup_partition(store: Store, manifest: str, partition: int, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (position in `hashes`, number in the segment) of every band of a partition that has one of them."""
    bands = _read_blocks(store, manifest, partition, hashes)
    low, count = np.empty(len(hashes), np.int64), np.empty(len(hashes), np.int64)
    _find_runs(bands["hash"], hashes, low, count)
    return np.repeat(np.arange(len(hashes)), count), bands["doc"][expand_ranges(low, count)]


def _read_blocks(store: Store, manifest: str, partition: int, hashes: np.ndarray) -> np.ndarray:
    """Return the BANDs, sorted, of all blocks that may have one of these hashes, and of some between them."""
    block_index = read_block_index(store, manifest, partition)
    # A block has hashes from its first one to that of the next block, both included.
    low = np.searchsorted(hashes, block_index)
    high = np.append(np.searchsorted(hashes, block_index[1:], "right"), len(hashes))[: len(block_index)]
    block = np.flatnonzero(high > low)
    block_bytes = BLOCK_BANDS * BAND.itemsize
    with store.open(stored_file(store, manifest, BANDS_FILE, partition)) as file:
        end = np.minimum((block + 1) * block_bytes, file.size())
        data, _ = read_ranges(file, block * block_bytes, end, read_gap(store))
    data.flags.writeable = False  # one type of array for kernels, whether one read or several
    return data.view(BAND)


@njit(cache=True, nogil=True)
def _find_runs(band_hashes, hashes, low, count):
    """Find where each hash begins among sorted ones and how often it is there, by galloping (Bentley and Yao 1976)."""
    i, n = 0, len(band_hashes)
    for k in range(len(hashes)):
        step = 1
        while i + step < n and band_hashes[i + step] < hashes[k]:
            i += step
            step *= 2
        while step > 0:
            if i + step < n and band_hashes[i + step] < hashes[k]:
                i += step
            step //= 2
        if i < n and band_hashes[i] < hashes[k]:
            i += 1
        low[k] = i
        while i < n and band_hashes[i] == hashes[k]:
            i += 1
        count[k] = i - low[k]
