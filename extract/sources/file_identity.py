"""What identifies an input file: its size and a digest of its content. Times only say which digests are still known.

A digest is the xxh3-128 of the whole file up to WHOLE_BYTES; of a larger one, of the first and the last MiB and of
three blocks between them. What is not noticed, then, is a change of a large file that keeps its size and lies elsewhere
in it; a "full" digest reads every byte. The same bytes have the same digest on every disk and object store, so files
that are touched, moved or copied are the same files.
"""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, NamedTuple

import xxhash

from extract.sources.digest_cache import CachedDigest, DigestCache
from pipeline.base.errors import UserError
from pipeline.inputs.compression import file_size, open_source, source_bucket
from pipeline.store.filesystem import Store

END_BYTES = 1 << 20  # that are read at the beginning and at the end of a large file
INNER_BYTES = 1 << 16  # of each block between them
INNER_BLOCKS = 3
WHOLE_BYTES = 2 * END_BYTES + INNER_BLOCKS * INNER_BYTES  # up to this size, all of a file is read
FULL = "full-"  # begins the digest of all bytes of a file of more than WHOLE_BYTES
SETTLED_NS = 2_000_000_000  # a file that has changed within this time may do so again under the same time stamp
_READ_BYTES = 8 << 20
_THREADS = 16  # that read files of object stores
_LISTED_TOGETHER = 4  # objects of one folder from which on one list is cheaper than a request each


class FileState(NamedTuple):
    """Size of a file, and a stamp that differs when it has been written: times on a disk, the ETag on S3.

    `changed_ns` is when it was written last, where only that time tells (0: the stamp tells by itself).
    """

    size: int
    stamp: str
    changed_ns: int = 0


class FileIdentity(NamedTuple):
    """Size, digest of the content, and the stamp of the moment at which these were read."""

    size: int
    digest: str
    stamp: str


def identify_files(paths: Sequence[str], full: bool = False, cache: DigestCache | None = None) -> list[FileIdentity]:
    """Identify files, each a path or a URI. Digests are read only of files that are new or were written since.

    Raises UserError for a path that is no readable file, and for a file that is being written.
    """
    cache = DigestCache() if cache is None else cache
    states = file_states(paths)
    known = cache.find(paths, full)
    digests: dict[str, str] = {}
    for path, state in zip(paths, states, strict=True):
        entry = known.get(path)
        if entry and (entry.size, entry.stamp) == (state.size, state.stamp):
            digests[path] = entry.digest
    unknown = {path: state for path, state in zip(paths, states, strict=True) if path not in digests}
    now = time.time_ns()  # before anything is read
    read = _map(lambda path: _settled_digest(path, unknown[path], full), unknown)
    digests |= zip(unknown, read, strict=True)
    cache.add(
        CachedDigest(path, full, state.size, state.stamp, digests[path])
        for path, state in unknown.items()
        if now - state.changed_ns > SETTLED_NS
    )
    return [FileIdentity(state.size, digests[path], state.stamp) for path, state in zip(paths, states, strict=True)]


def check_unchanged(path: str, identity: FileIdentity) -> None:
    """Raise UserError if a file is not the one that was identified any more: other rows would have its key."""
    state = file_state(path)
    if (state.size, state.stamp) == (identity.size, identity.stamp):
        return
    if state.size == identity.size:
        with open_source(path) as file:
            if content_digest(file, state.size, identity.digest.startswith(FULL)) == identity.digest:
                return
    raise UserError(f"{path}: has changed since the run began; run the same again when it is complete")


def content_digest(file: BinaryIO, size: int, full: bool = False) -> str:
    """Return the digest of an open file of `size` bytes: 32 hex digits, after FULL if all of a large file was read."""
    hasher = xxhash.xxh3_128()
    ranges = [(0, size)] if full or size <= WHOLE_BYTES else block_ranges(size)
    for start, end in ranges:
        file.seek(start)
        while start < end and (data := file.read(min(_READ_BYTES, end - start))):
            hasher.update(data)
            start += len(data)
    return (FULL if full and size > WHOLE_BYTES else "") + hasher.hexdigest()


def block_ranges(size: int) -> list[tuple[int, int]]:
    """Return the bytes [start, end) of a file of more than WHOLE_BYTES that its digest is made of.

    The end comes first, since files of object stores are opened with it at hand.
    """
    gap = (size - WHOLE_BYTES) // (INNER_BLOCKS + 1)
    inner = [END_BYTES + gap * (i + 1) + INNER_BYTES * i for i in range(INNER_BLOCKS)]
    return [(size - END_BYTES, size), (0, END_BYTES), *((start, start + INNER_BYTES) for start in inner)]


def file_states(paths: Sequence[str]) -> list[FileState]:
    """Return size and stamp of each file. Objects of one folder on S3 are listed together."""
    states = _listed_states(paths)
    others = [path for path in dict.fromkeys(paths) if path not in states]
    states |= zip(others, _map(file_state, others), strict=True)
    return [states[path] for path in paths]


def file_state(path: str) -> FileState:
    """Return size and stamp of a file. Raises UserError if it does not exist or is a folder."""
    if "://" not in path:
        if not os.path.isfile(path):
            open_source(path).close()  # raises what is wrong with it
        status = os.stat(path)
        stamp = f"{status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
        return FileState(status.st_size, stamp, max(status.st_mtime_ns, status.st_ctime_ns))
    if path.startswith("s3://"):
        root, name = source_bucket(path)
        size, stamp = Store(root).object_state(name)
        if size < 0:
            open_source(path).close()
        return FileState(size, stamp)
    from pyarrow import fs

    open_source(path).close()
    file_system, inner_path = fs.FileSystem.from_uri(path)
    info = file_system.get_file_info(inner_path)
    return FileState(int(info.size), str(info.mtime_ns), int(info.mtime_ns or time.time_ns()))


def _listed_states(paths: Sequence[str]) -> dict[str, FileState]:
    """Return the states of objects on S3 of which several are in one folder."""
    folders: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for path in paths:
        if path.startswith("s3://"):
            root, name = source_bucket(path)
            folders.setdefault((root, name.rpartition("/")[0]), []).append((path, name))
    several = {folder: files for folder, files in folders.items() if len(files) >= _LISTED_TOGETHER}
    lists = _map(lambda folder: Store(folder[0]).object_states(folder[1]), several)
    return {
        path: FileState(*listed[name])
        for files, listed in zip(several.values(), lists, strict=True)
        for path, name in files
        if name in listed
    }


def _settled_digest(path: str, state: FileState, full: bool) -> str:
    """Return the digest of a file. Raises UserError if it is written at the same time."""
    with open_source(path) as file:
        digest = content_digest(file, state.size, full)
        if file_size(file) == state.size and ("://" in path or file_state(path) == state):
            return digest
    raise UserError(f"{path}: is being written; run again when it is complete")


def _map(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Call a function with each item: one after the other for files of this machine, many at once for others."""
    items = list(items)
    if len(items) > 1 and any("://" in str(item) for item in items):
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(function, items))
    return [function(item) for item in items]
