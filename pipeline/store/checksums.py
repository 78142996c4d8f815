"""Comparing stored files with the checksums that their markers have of them.

The cost is one pass of xxh3 over each file that a process opens first: some 10 GB a second and core from memory, where
decoding the same Parquet file takes about a hundred times as long.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import xxhash

from pipeline.base.errors import CorruptFile, DamagedObject, StorageError
from pipeline.store.filesystem import Store

HASH_BLOCK_BYTES = 1 << 20
MAX_BYTES_IN_MEMORY = 128 << 20  # a larger file is read twice: once for its checksum, then where its rows are
MAX_REMEMBERED = 100_000  # files whose checksums this process has compared

_verified: OrderedDict[tuple[str, str], None] = OrderedDict()


def hash_file(file: BinaryIO | pa.NativeFile) -> str:
    """Return the xxh3-128 of what is left to read of a file, in hex digits."""
    hasher = xxhash.xxh3_128()
    while block := file.read(HASH_BLOCK_BYTES):
        hasher.update(block)
    return hasher.hexdigest()


@contextlib.contextmanager
def unreadable_is_corrupt(store: Store, name: str) -> Iterator[None]:
    """Raise CorruptFile, which names the file, where the block cannot read it; a failing store is another error."""
    try:
        yield
    except (ValueError, OSError) as error:  # Arrow's errors are ValueErrors
        if isinstance(error, StorageError) and not isinstance(error, DamagedObject):
            raise
        store.forget(name)
        problem = "it is missing or cut" if isinstance(error, DamagedObject) else str(error).splitlines()[0]
        raise CorruptFile(name, store.uri(name), problem) from error


def open_verified(store: Store, name: str, entry: Mapping[str, Any]) -> pa.NativeFile:
    """Open a file, after comparing it with `bytes` and `xxh3` of its marker unless this process has done so before.

    Raises CorruptFile where size or checksum differ.
    """
    known = (store.uri(name), entry["xxh3"])
    try:
        file = store.open(name, entry["bytes"])
    except (FileNotFoundError, DamagedObject) as error:
        raise CorruptFile(name, store.uri(name), "it is missing or cut") from error
    if known in _verified:
        return file
    if entry["bytes"] > MAX_BYTES_IN_MEMORY:
        with file:
            digest, opened = hash_file(file), None
    else:
        with file:
            data = file.read()
        digest, opened = xxhash.xxh3_128_hexdigest(data), pa.BufferReader(data)
    if digest != entry["xxh3"]:
        store.forget(name)
        raise CorruptFile(name, store.uri(name))
    _verified[known] = None
    if len(_verified) > MAX_REMEMBERED:
        _verified.popitem(last=False)
    return opened or store.open(name, entry["bytes"])
