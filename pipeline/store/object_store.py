"""An S3 bucket as the store sees it: whole objects that are checked after writing, and reads that are never short.

Requests are few, as they are what an object store costs: one PUT for an object that is stored with its digest, one GET
for a small object, one LIST for everything that is asked of a folder within `listing`.
"""

import contextlib
import functools
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
import pyarrow as pa
from obstore.store import S3Store
from pyarrow import fs

from pipeline.base.errors import DamagedObject
from pipeline.store.aws_settings import bucket_settings
from pipeline.store.remote_file import RemoteFile
from pipeline.store.retry import IncompleteObject, RetryPolicy, ShortRead

SMALL_OBJECT_BYTES = 1 << 20  # read whole by one request: about what is transferred while another request begins
PART_BYTES = 32 << 20  # of a multipart upload; smaller objects are one PUT
CONCURRENT_PARTS = 2
KEPT_BYTES = 64 << 20  # of small objects that a process has read lately
NO_RANGE = ("status code: 416", "non-partial response")  # how endpoints answer when a range of nothing is asked for
CONNECT_SECONDS = 10.0
MAX_PART_RETRIES = 12
MIN_BYTES_PER_SECOND = 1 << 18  # a request of PART_BYTES at this rate is not too slow


class Bucket:
    """The objects below `s3://bucket/prefix`. Names are relative to it. Every failure is tried again (`retry.py`)."""

    def __init__(self, root: str, policy: RetryPolicy, environment: Mapping[str, str]):
        self.root, self.policy = root, policy
        self._client, self._uploads = _clients(root, policy, environment)
        self._written: set[str] = set()  # by this process: they exist, whatever a late answer says
        self._listings: dict[str, dict[str, int]] = {}  # sizes by name of the folders of `listing`
        self._kept = _RecentObjects(KEPT_BYTES)
        self._etag_is_md5 = False  # unknown until the first one is: with SSE-KMS it is not

    def _run(self, name: str, verb: str, operation: Any, must_exist: bool = False) -> Any:
        return self.policy.run(f"{self.root}/{name}".rstrip("/"), verb, operation, must_exist or name in self._written)

    def info(self, name: str) -> fs.FileInfo:
        """Type (a file or nothing: folders are only in lists) and size of an object."""
        size = self._listed_size(name)
        if size is not None:
            return _file_info(name, size)
        meta = self._head(name)
        return _stored_file(meta) if meta else _file_info(name, -1)

    def state(self, name: str) -> tuple[int, str]:
        """Size of an object, and its ETag (or time, where the store has none); (-1, "") where there is none."""
        meta = self._head(name)
        return _state(meta) if meta else (-1, "")

    def _head(self, name: str) -> Any:
        """What the store says of an object; None where there is none."""
        try:
            return self._run(name, "read", lambda: obstore.head(self._client, name))
        except DamagedObject:
            return None

    def states(self, folder: str) -> dict[str, tuple[int, str]]:
        """The same of every object directly below a folder, by name, of one list."""
        return {meta["path"]: _state(meta) for meta in self._list_level(folder)["objects"]}

    def _listed_size(self, name: str) -> int | None:
        """Size by the listing that is in force, -1 for what is not in it; None without a listing."""
        for folder, sizes in self._listings.items():
            if name.startswith(f"{folder}/"):
                return sizes.get(name, -1)
        return None

    @contextlib.contextmanager
    def listing(self, folder: str) -> Iterator[None]:
        """Within the block, `info` of what is below `folder` is answered by one LIST that was made at its beginning."""
        if folder in self._listings:
            yield
            return
        self._listings[folder] = {f"{folder}/{name}": size for name, size in self.sizes(folder).items()}
        try:
            yield
        finally:
            self._listings.pop(folder, None)

    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of every object below a folder, by their names relative to it."""
        objects = self._run(folder, "listed", lambda: obstore.list(self._client, f"{folder}/").collect())
        return {meta["path"].removeprefix(f"{folder}/"): meta["size"] for meta in objects}

    def list(self, folder: str) -> list[fs.FileInfo]:
        """Objects and folders directly below a folder."""
        level = self._list_level(folder)
        folders = [fs.FileInfo(path.rstrip("/"), fs.FileType.Directory) for path in level["common_prefixes"]]
        return [*map(_stored_file, level["objects"]), *folders]

    def _list_level(self, folder: str) -> Any:
        """One list of what is directly below a folder: its objects, and the prefixes of further folders."""
        prefix = f"{folder}/" if folder else None
        return self._run(folder, "listed", lambda: obstore.list_with_delimiter(self._client, prefix))

    def open(self, name: str, size: int | None = None) -> pa.NativeFile:
        """An object to read at any place. Without a known `size`, its last bytes are read first.

        An object whose size is known belongs to a finished shard and never changes: small ones that were read lately
        are not asked for again.
        """
        if size is None:
            size, end = self._read_end(name)
        elif size <= SMALL_OBJECT_BYTES:
            end = self._kept.get(name, size) or self._kept.add(name, self.read_range(name, 0, size))
        else:
            end = b""
        if len(end) == size:
            return pa.BufferReader(end)
        return pa.PythonFile(RemoteFile(functools.partial(self.read_range, name), size, end), mode="r")

    def _read_end(self, name: str) -> tuple[int, bytes]:
        """Size of an object, and its last SMALL_OBJECT_BYTES or all of it."""

        def read() -> tuple[int, bytes]:
            try:
                result = obstore.get(self._client, name, options={"range": {"suffix": SMALL_OBJECT_BYTES}})
            except obstore.exceptions.GenericError as error:
                empty = any(sign in str(error) for sign in NO_RANGE) and obstore.head(self._client, name)["size"] == 0
                if not empty:
                    raise
                return 0, b""
            size, data = result.meta["size"], bytes(result.bytes())
            expected = min(size, SMALL_OBJECT_BYTES)
            if result.range != (size - expected, size) or len(data) != expected:
                raise ShortRead(f"{len(data):,} bytes came instead of {expected:,}")
            return size, data

        return self._run(name, "read", read, must_exist=True)

    def read_range(self, name: str, start: int, end: int) -> bytes:
        """Bytes [start, end) of an object, all of them. Raises StorageError where it ends before."""

        def read() -> bytes:
            data = bytes(obstore.get_range(self._client, name, start=start, end=end))
            if len(data) != end - start:
                raise ShortRead(f"{len(data):,} bytes came instead of {end - start:,}")
            return data

        return self._run(name, "read", read, must_exist=True) if end > start else b""

    def read_final(self, name: str) -> bytes:
        """All bytes of an object that never changes, such as a manifest; kept as those of `open` are."""
        data = self._kept.get(name)
        if data is None:
            with self.open(name) as file:
                data = self._kept.add(name, file.read())
        return data

    def forget(self, name: str) -> None:
        """Read an object anew the next time: what was read is not what it should be."""
        self._kept.remove(name)

    def upload(self, path: Path, name: str, check_size: bool) -> None:
        """Make a local file the object `name`: visible in full or not at all.

        It is checked by the digest that the store answers with, and by its size where the answer has none, or where
        `check_size` says that nobody looks at it later.
        """
        size = path.stat().st_size
        digest = _md5(path) if size <= PART_BYTES else None

        def write() -> None:
            if digest is not None:
                client = self._client if size <= SMALL_OBJECT_BYTES else self._uploads
                answer = obstore.put(client, name, path, use_multipart=False)
            else:
                parts: Any = {"chunk_size": PART_BYTES, "max_concurrency": CONCURRENT_PARTS}
                answer = obstore.put(self._uploads, name, path, use_multipart=True, **parts)
            etag = (answer["e_tag"] or "").strip('"')
            if digest is not None and etag != digest and self._etag_is_md5:
                raise IncompleteObject("what was stored has another digest")
            self._etag_is_md5 |= etag == digest
            if check_size or etag != digest:
                self._check_size(name, size)

        self._run(name, "written", write)
        self._note_written(name, size)

    def copy(self, source: str, target: str) -> None:
        """Copy an object within the bucket, without its bytes passing through here."""
        size = self._run(source, "read", lambda: obstore.head(self._client, source), must_exist=True)["size"]

        def copy() -> None:
            obstore.copy(self._client, source, target)
            self._check_size(target, size)

        self._run(target, "written", copy, must_exist=True)
        self._note_written(target, size)

    def _check_size(self, name: str, size: int) -> None:
        try:
            stored = obstore.head(self._client, name)["size"]
        except FileNotFoundError:
            raise IncompleteObject("it was acknowledged and is not there") from None
        if stored != size:
            raise IncompleteObject(f"{stored:,} bytes are stored instead of {size:,}")

    def _note_written(self, name: str, size: int) -> None:
        self._written.add(name)
        self._kept.remove(name)
        for folder, sizes in self._listings.items():
            if name.startswith(f"{folder}/"):
                sizes[name] = size

    def delete_file(self, name: str) -> None:
        """Delete an object; nothing happens where there is none."""
        self._kept.remove(name)
        self._written.discard(name)
        with contextlib.suppress(DamagedObject):
            self._run(name, "deleted", lambda: obstore.delete(self._client, name))

    def delete(self, folder: str) -> None:
        """Delete every object below a folder."""

        def delete() -> None:
            if paths := [meta["path"] for meta in obstore.list(self._client, f"{folder}/").collect()]:
                obstore.delete(self._client, paths)
                self._written.difference_update(paths)
                for path in paths:
                    self._kept.remove(path)

        self._run(folder, "deleted", delete)


def _file_info(path: str, size: int) -> fs.FileInfo:
    return fs.FileInfo(path, fs.FileType.File, size=size) if size >= 0 else fs.FileInfo(path, fs.FileType.NotFound)


def _stored_file(meta: Any) -> fs.FileInfo:
    return fs.FileInfo(meta["path"], fs.FileType.File, size=meta["size"], mtime=meta["last_modified"].timestamp())


def _state(meta: Any) -> tuple[int, str]:
    return meta["size"], (meta["e_tag"] or "").strip('"') or meta["last_modified"].isoformat()


def _md5(path: Path) -> str:
    """The digest that S3 gives an object of one PUT as its ETag."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


class _RecentObjects:
    """Bytes of the objects that were read lately, up to a number of bytes altogether. Threads may share it."""

    def __init__(self, max_bytes: int):
        self._max_bytes, self._bytes = max_bytes, 0
        self._objects: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str, size: int | None = None) -> bytes | None:
        """The bytes of an object, of this size if it is given; None where they are not there."""
        with self._lock:
            data = self._objects.get(name)
            if data is None or (size is not None and len(data) != size):
                return None
            self._objects.move_to_end(name)
            return data

    def add(self, name: str, data: bytes) -> bytes:
        with self._lock:
            self._remove(name)
            self._objects[name] = data
            self._bytes += len(data)
            while self._bytes > self._max_bytes:
                self._bytes -= len(self._objects.popitem(last=False)[1])
        return data

    def remove(self, name: str) -> None:
        with self._lock:
            self._remove(name)

    def _remove(self, name: str) -> None:
        self._bytes -= len(self._objects.pop(name, b""))


def open_bucket(root: str) -> Bucket:
    """The bucket of a root, one for all stores of this process: it keeps connections open.

    Raises UserError where the root, or the environment, does not say which bucket that is.
    """
    environment = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    return _open_bucket(root, RetryPolicy.from_environment(), environment, os.getpid())


@functools.lru_cache(maxsize=16)
def _open_bucket(root: str, policy: RetryPolicy, environment: tuple[tuple[str, str], ...], process: int) -> Bucket:
    return Bucket(root, policy, dict(environment))


def _clients(root: str, policy: RetryPolicy, environment: Mapping[str, str]) -> tuple[S3Store, S3Store]:
    """Two clients of a bucket: one that does not try again by itself, and one for uploads that take their time.

    That one tries parts of a multipart upload again one by one: from its first part on, it would not end on a bad line.
    """
    settings = bucket_settings(root, environment)
    allow_http = settings.pop("allow_http")

    def client(seconds: float, retries: int) -> S3Store:
        options: Any = {
            "allow_http": allow_http,
            "connect_timeout": timedelta(seconds=min(CONNECT_SECONDS, policy.timeout_seconds)),
            "read_timeout": timedelta(seconds=seconds),
            "timeout": timedelta(seconds=seconds_to_transfer),
        }
        retry: Any = {"max_retries": retries, "retry_timeout": timedelta(seconds=policy.budget_seconds)}
        return S3Store(**settings, client_options=options, retry_config=retry)

    # An upload has no answer before its last byte is sent.
    seconds_to_transfer = policy.timeout_seconds + PART_BYTES / MIN_BYTES_PER_SECOND
    return client(policy.timeout_seconds, 0), client(seconds_to_transfer, MAX_PART_RETRIES)
