"""How a persistent index lies on disk, and how it is read: by ranges, so that a look-up costs what it asks for.

    documents-<shard>.bin   RECORD of every indexed document of a shard, in the order of the pages
    shingles-<shard>.bin    their shingle sets, one after the other (sorted uint64)
    bands-<partition>.bin   BAND of every band of all of them, sorted; the partition is the prefix of the hash
    fences-<partition>.bin  the first hash of each BLOCK of these

A document's number is shard << 32 | place, its shard counted over all dumps. Bands are stored with numbers that count
from their segment's first shard, so that a segment's bytes do not depend on what else is in the index.
"""

import functools
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dedup.common.partitions import ROW_BITS, partition_of
from dedup.index.byte_ranges import fetch, spans
from pipeline.kernels.njit import njit
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard

BAND = np.dtype([("hash", "<u8"), ("doc", "<i8")])
RECORD = np.dtype([("id", "V16"), ("sketch", "<u8", 2), ("set", "<u8"), ("start", "<i8"), ("count", "<i8")])
BLOCK = 256  # bands of 16 bytes: one page of a disk
HELD = 64 << 20  # bytes that a read may waste on gaps


def documents_file(shard: int) -> str:
    return f"documents-{shard:05d}.bin"


def shingles_file(shard: int) -> str:
    return f"shingles-{shard:05d}.bin"


def bands_file(partition: int) -> str:
    return f"bands-{partition:05d}.bin"


def fences_file(partition: int) -> str:
    return f"fences-{partition:05d}.bin"


def fences_of(store: Store, folder: str, partition: int) -> np.ndarray:
    """(blocks,) uint64: the first hash of each block of a partition."""
    with store.open(f"{folder}/{fences_file(partition)}") as file:
        return np.frombuffer(file.read(), np.uint64)


@dataclass(frozen=True)
class Documents:
    """Documents of one dump: shards [first, first + shards) of the index are shards 0, 1, ... of the folder."""

    folder: str
    first: int
    shards: int
    label: str


@dataclass(frozen=True)
class Segment:
    """Bands of one dump or of several, by prefix of the hash; document numbers count from shard `first`."""

    folder: str
    first: int
    partitions: int


@dataclass(frozen=True)
class Stored:
    """An index as a run sees it: documents before shard `below` count; those before `blocked` are withdrawn."""

    store: Store
    documents: tuple[Documents, ...]
    segments: tuple[Segment, ...]
    below: int
    blocked: int

    @classmethod
    def of(cls, part: Shard) -> "Stored":
        """From the row that `said` made."""
        assert part.store is not None
        row = json.loads(part.table()["said"][0].as_py())
        documents = tuple(Documents(*values) for values in row["documents"])
        segments = tuple(Segment(*values) for values in row["segments"])
        return cls(part.store, documents, segments, row["below"], row["blocked"])

    def said(self) -> dict[str, str]:
        """A row of a leaf."""
        documents = [[d.folder, d.first, d.shards, d.label] for d in self.documents]
        segments = [[s.folder, s.first, s.partitions] for s in self.segments]
        return {"said": json.dumps(
            {"documents": documents, "segments": segments, "below": self.below, "blocked": self.blocked}
        )}  # fmt: skip

    def lookup(self, hashes: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, int]:
        """(which of `hashes`, document number) of the first `most` documents that have each; how many are left out.

        `hashes` (uint64) are sorted and differ.
        """
        found = [self._in_segment(segment, hashes) for segment in self.segments]
        which = np.concatenate([np.zeros(0, np.int64), *(w for w, _ in found)])
        doc = np.concatenate([np.zeros(0, np.int64), *(d for _, d in found)])
        order = np.lexsort((doc, which))
        which, doc = which[order], doc[order]
        rank = np.arange(len(which)) - np.searchsorted(which, which)
        return which[rank < most], doc[rank < most], int((rank >= most).sum())

    def _in_segment(self, segment: Segment, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if segment.first >= self.below:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        bounds = np.searchsorted(partition_of(hashes, segment.partitions), np.arange(segment.partitions + 1))
        pieces = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
        for p in np.flatnonzero(np.diff(bounds)).tolist():
            which, doc = _met(self.store, segment.folder, p, hashes[bounds[p] : bounds[p + 1]])
            pieces.append((which + bounds[p], doc + (segment.first << ROW_BITS)))
        which, doc = (np.concatenate([piece[i] for piece in pieces]) for i in (0, 1))
        counts = doc < self.below << ROW_BITS
        return which[counts], doc[counts]

    def records(self, doc: np.ndarray) -> np.ndarray:
        """RECORD of each document; `doc` is sorted."""
        out = np.empty(len(doc), RECORD)
        for place, local, low, high in self._by_shard(doc):
            start = (doc[low:high] & _PLACE) * RECORD.itemsize
            with self.store.open(f"{place.folder}/{documents_file(local)}") as file:
                data, at = fetch(file, start, start + RECORD.itemsize, self._gap)
            out[low:high] = data.view(RECORD)[at // RECORD.itemsize]
        return out

    def shingles(self, doc: np.ndarray, records: np.ndarray) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
        """Shingle sets of documents, sorted by number: (first, end, shingles, where each begins), in bounded pieces."""
        step = max(1, HELD // self._gap)
        for place, local, begin, end in self._by_shard(doc):
            with self.store.open(f"{place.folder}/{shingles_file(local)}") as file:
                for low in range(begin, end, step):
                    high = min(low + step, end)
                    start = records["start"][low:high] * 8
                    data, at = fetch(file, start, start + records["count"][low:high] * 8, self._gap)
                    held = data.view(np.uint64)
                    held.flags.writeable = False  # kernels meet one kind of array, of one read or of several
                    yield low, high, held, at // 8

    def labels(self, doc: np.ndarray) -> list[str]:
        """What the dumps are called that these documents are of."""
        return [self.documents[i].label for i in self._dumps(doc >> ROW_BITS).tolist()]

    def _dumps(self, shard: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._firsts, shard, side="right") - 1

    @functools.cached_property
    def _firsts(self) -> np.ndarray:
        return np.array([d.first for d in self.documents], np.int64)

    def _by_shard(self, doc: np.ndarray) -> Iterator[tuple[Documents, int, int, int]]:
        """(dump, shard in its folder, first, end) of the runs of documents that one file holds."""
        shard = doc >> ROW_BITS
        bounds = np.append(np.flatnonzero(np.diff(shard, prepend=-1)), len(doc)).tolist()
        dumps = self._dumps(shard[bounds[:-1]]).tolist()
        for (low, high), dump in zip(itertools.pairwise(bounds), dumps, strict=True):
            place = self.documents[dump]
            yield place, int(shard[low]) - place.first, low, high

    @property
    def _gap(self) -> int:
        return gap_of(self.store)


def gap_of(store: Store) -> int:
    """Bytes that are read in about the time that another read takes to begin."""
    return 1 << 16 if store.local else 1 << 20


_PLACE = (1 << ROW_BITS) - 1


def _met(store: Store, folder: str, partition: int, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(which of `hashes`, number in the segment) of every band of a partition that has one of them."""
    rows = _blocks(store, folder, partition, hashes)
    low, count = np.empty(len(hashes), np.int64), np.empty(len(hashes), np.int64)
    _runs(rows.view(np.uint64).reshape(-1, 2), hashes, low, count)
    return np.repeat(np.arange(len(hashes)), count), rows["doc"][spans(low, count)]


def _blocks(store: Store, folder: str, partition: int, hashes: np.ndarray) -> np.ndarray:
    """BANDs, sorted, of all blocks that may have one of these hashes."""
    fences = fences_of(store, folder, partition)
    before = np.searchsorted(hashes, fences)  # a block holds hashes from its fence to the next, both included
    behind = np.append(np.searchsorted(hashes, fences[1:], "right"), len(hashes))[: len(fences)]
    block = np.flatnonzero(behind > before)
    bytes_ = BLOCK * BAND.itemsize
    with store.open(f"{folder}/{bands_file(partition)}") as file:
        end = np.minimum((block + 1) * bytes_, file.size())
        data, _ = fetch(file, block * bytes_, end, gap_of(store))
    return data.view(BAND)  # with the blocks between, in order


@njit(cache=True, nogil=True)
def _runs(bands, hashes, low, count):
    """Where each hash begins among sorted bands (n, 2), and how often it is there; galloping (Bentley and Yao 1976)."""
    i, n = 0, len(bands)
    for k in range(len(hashes)):
        step = 1
        while i + step < n and bands[i + step, 0] < hashes[k]:
            i += step
            step *= 2
        while step > 0:
            if i + step < n and bands[i + step, 0] < hashes[k]:
                i += step
            step //= 2
        if i < n and bands[i, 0] < hashes[k]:
            i += 1
        low[k] = i
        while i < n and bands[i, 0] == hashes[k]:
            i += 1
        count[k] = i - low[k]
