"""What the shards of an input are, as a step that reads them needs it: digests for its keys, shards for its tasks."""

import functools
import hashlib
import json
import os
import tempfile
from abc import ABC, abstractmethod
from array import array

from pipeline.runner.dag import InputFiles, Step
from pipeline.runner.manifests import Manifest, input_shard, load_manifest, manifest_name
from pipeline.store.filesystem import Store
from pipeline.store.shard import DIGEST_BYTES, Shard
from pipeline.store.shard_table import ShardTable


def total_digest(digests: bytes | bytearray) -> bytes:
    """Return the digest of all shards in order, from their digests one after the other."""
    return hashlib.sha256(digests).digest()[:DIGEST_BYTES]


class Contents(ABC):
    """The shards of an input, all of which are there unless it is a step that is being run (`step_run.StepRun`)."""

    @property
    @abstractmethod
    def digests(self) -> bytes | bytearray:
        """Digests of all shards, DIGEST_BYTES each."""

    @abstractmethod
    def shard(self, index: int) -> Shard: ...

    def __len__(self) -> int:
        return len(self.digests) // DIGEST_BYTES

    def digest(self, index: int) -> bytes:
        return bytes(self.digests[DIGEST_BYTES * index : DIGEST_BYTES * (index + 1)])

    def total(self) -> bytes:
        """Return the digest of all shards together."""
        return total_digest(self.digests)


class RawInput(Contents):
    """The rows of input files."""

    def __init__(self, store: Store, files: InputFiles):
        self._store, self._files = store, files

    @property
    def digests(self) -> bytes:
        return self._files.digests

    def shard(self, index: int) -> Shard:
        return input_shard(self._store, self._files, index)


class FinishedStep(Contents):
    """The shards of a finished step."""

    def __init__(self, manifest: Manifest):
        self.manifest = manifest

    def __len__(self) -> int:
        return self.manifest.shards

    def total(self) -> bytes:
        return bytes.fromhex(self.manifest.digest)

    def shard(self, index: int) -> Shard:
        key, marker = self._table.shard(index)
        table = self.manifest.table
        return Shard(table.store, table.folder, key, index, len(self), None, {}, marker["outputs"], marker["files"])

    @functools.cached_property
    def _table(self) -> ShardTable:
        return ShardTable(self.manifest.table)

    @functools.cached_property
    def digests(self) -> bytes:
        return self._table.column("digest")


def contents_of(store: Store, source: Step | InputFiles) -> Contents:
    """Return the shards of input files, or of a finished step. Raises CorruptFile where its manifest is damaged."""
    if isinstance(source, InputFiles):
        return RawInput(store, source)
    return FinishedStep(load_manifest(store, manifest_name(source)))


class MarkerFile:
    """Markers of the shards of a step that is being run, in a temporary file: memory has twelve bytes of each."""

    def __init__(self, count: int):
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open as long as this is
        self._end = 0
        self._offsets, self._sizes = array("q", bytes(8 * count)), array("i", bytes(4 * count))

    def write(self, index: int, marker: dict) -> None:
        data = json.dumps(marker, separators=(",", ":")).encode()
        os.pwrite(self._file.fileno(), data, self._end)
        self._offsets[index], self._sizes[index] = self._end, len(data)
        self._end += len(data)

    def read(self, index: int) -> dict:
        return json.loads(os.pread(self._file.fileno(), self._sizes[index], self._offsets[index]))
