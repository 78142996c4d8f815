"""The root folder of all steps, local or on S3 (`object_store.py`): the only code that knows file systems.

`root/<step>/<configuration>/` holds `part-<key>.parquet ...` (or `.arrows`, for what is shuffled by bucket:
`shuffle.py`), raw files in `<key>/`, in `shards/` a marker for each finished shard, and in `manifests/`, written last,
which shards a finished step consists of. Files appear whole or not at all: written to a temporary file and renamed on a
local disk; one PUT or one multipart upload, checked after it, on an object store.
Everything but costs (`costs/`) depends on the step's identity alone.
"""

import contextlib
import json
import os
import shutil
import tempfile
import urllib.parse
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import xxhash
from pyarrow import fs

from pipeline.base.errors import CorruptFile, UserError
from pipeline.base.file_lock import try_lock_file

if TYPE_CHECKING:
    from pipeline.store import object_store

TEMPORARY_PREFIX = ".tmp-"  # begins the names of files that are not complete yet
CHECKSUM_KEY = "xxh3"  # of a JSON file: of its other keys


def _json_checksum(value: dict[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return xxhash.xxh3_128_hexdigest(text.encode())


class Store:
    """A root folder, local or on S3 (`s3://bucket/prefix`). Names of files and folders are relative to it."""

    def __init__(self, root: str | Path):
        self.root = str(root) if "://" in str(root) else str(Path(root).absolute())
        self._bucket: object_store.Bucket | None = None
        if self.root.startswith("file://"):
            self.root = urllib.parse.unquote(urllib.parse.urlsplit(self.root).path)
        elif "://" in self.root:
            from pipeline.store.object_store import open_bucket  # takes time, which runs on a local disk do without

            self.root = self.root.rstrip("/")
            self._bucket = open_bucket(self.root)
        self._local_fs = fs.LocalFileSystem()
        if self.local and os.path.isfile(self.root):
            raise UserError(f"ROOT={root}: a file, not a folder; give another ROOT")

    def __reduce__(self):
        return Store, (self.root,)

    @property
    def local(self) -> bool:
        return self._bucket is None

    def path(self, name: str) -> str:
        """Local path of `name`; on an object store its full name."""
        return f"{self.root}/{name}" if name else self.root

    def uri(self, name: str) -> str:
        """Full name of `name`, as a user types it."""
        return f"{self.root}/{name}"

    def exists(self, name: str) -> bool:
        """Whether there is a file `name`; on a local disk, also a folder."""
        return self.info(name).type != fs.FileType.NotFound

    def info(self, name: str) -> fs.FileInfo:
        """Type and size of a file; its type is NotFound where there is none. Object stores know no folders here."""
        return self._bucket.info(name) if self._bucket else self._local_fs.get_file_info(self.path(name))

    def size(self, name: str) -> int:
        """Bytes of a file; -1 when it does not exist."""
        info = self.info(name)
        return info.size if info.type == fs.FileType.File else -1

    def object_state(self, name: str) -> tuple[int, str]:
        """Size and ETag of an object of an object store; (-1, "") where there is none."""
        assert self._bucket is not None
        return self._bucket.state(name)

    def object_states(self, name: str) -> dict[str, tuple[int, str]]:
        """Size and ETag of every object directly below folder `name`, by full name."""
        assert self._bucket is not None
        return self._bucket.states(name)

    def list(self, name: str = "") -> list[fs.FileInfo]:
        """Entries directly below folder `name`, sorted by name; empty when it does not exist."""
        if self._bucket:
            entries = self._bucket.list(name)
        else:
            entries = self._local_fs.get_file_info(fs.FileSelector(self.path(name), allow_not_found=True))
        return sorted(entries, key=lambda info: info.path)

    def listing(self, name: str) -> "contextlib.AbstractContextManager[None]":
        """Within the block, what `exists`, `info` and `size` say of files below folder `name` is as at its beginning.

        On an object store that is one request for all of them. What this process writes in the meantime is known.
        """
        return self._bucket.listing(name) if self._bucket else contextlib.nullcontext()

    def sizes(self, name: str) -> dict[str, int]:
        """Bytes of every file in folder `name` and below, by their names relative to it: on S3, one list."""
        if self._bucket:
            return self._bucket.sizes(name)
        sizes: dict[str, int] = {}
        base = self.path(name)
        for folder, _, files in os.walk(base):
            prefix = folder[len(base) + 1 :]
            for file in files:
                with contextlib.suppress(FileNotFoundError):  # another run has moved its temporary file
                    sizes[f"{prefix}/{file}" if prefix else file] = os.stat(f"{folder}/{file}").st_size
        return sizes

    def open(self, name: str, size: int | None = None) -> pa.NativeFile:
        """Open a file that exists. `size` is given for files of finished shards, which never change."""
        return self._bucket.open(name, size) if self._bucket else self._local_fs.open_input_file(self.path(name))

    def forget(self, name: str) -> None:
        """Note that what was read of a file was not what it should be: it is read anew the next time."""
        if self._bucket:
            self._bucket.forget(name)

    def read_final_json(self, name: str) -> Any:
        """Read what `write_json` has written and what never changes, such as a manifest; errors as `read_json` has."""
        if self._bucket is None:
            return self.read_json(name)
        try:
            return self._parse_json(name, self._bucket.read_final(name), checked=True)
        except CorruptFile:
            self.forget(name)
            raise

    def read_json(self, name: str, checked: bool = True) -> Any:
        """Read what `write_json` has written; with `checked` False, any JSON file.

        Raises CorruptFile where the file's own checksum differs or the file is cut.
        """
        with self.open(name) as file:
            return self._parse_json(name, file.read(), checked)

    def _parse_json(self, name: str, data: bytes, checked: bool) -> Any:
        try:
            value = json.loads(data)
        except ValueError as error:
            raise CorruptFile(name, self.uri(name), "it is no JSON") from error
        if checked and (not isinstance(value, dict) or value.pop(CHECKSUM_KEY, None) != _json_checksum(value)):
            raise CorruptFile(name, self.uri(name))
        return value

    def write(self, name: str, data: bytes, durable: bool = True, scratch: str = "") -> None:
        """Write bytes. A `durable` file survives a power failure in full, and is looked up after its upload."""
        with self.writing(name, durable, check_size=durable, scratch=scratch) as path:
            path.write_bytes(data)

    def write_json(
        self, name: str, value: dict[str, Any], indent: int | None = None, durable: bool = True, scratch: str = ""
    ) -> None:
        """Write `value` with sorted keys and a checksum of its own, which `read_json` compares.

        `indent` is for files that people read: it takes Python's slow encoder.
        """
        value = {**value, CHECKSUM_KEY: _json_checksum(value)}
        data = json.dumps(value, indent=indent, sort_keys=True, ensure_ascii=False).encode() + b"\n"
        self.write(name, data, durable, scratch)

    @contextlib.contextmanager
    def writing(self, name: str, durable: bool = True, check_size: bool = False, scratch: str = "") -> Iterator[Path]:
        """A local path to write to. It becomes `name` when the block ends normally, and is removed otherwise.

        It is in folder `scratch`, or beside `name`.
        """
        temporary = self.temporary_path(scratch or os.path.dirname(name))
        try:
            yield temporary
            self.move_into_place(temporary, name, durable, check_size)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def temporary_path(self, folder: str) -> Path:
        """A new local path for a file that will be moved into `folder`: beside it on a local disk."""
        parent = self.path(folder) if self.local else tempfile.gettempdir()
        os.makedirs(parent, exist_ok=True)
        return Path(parent, f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")

    def move_into_place(self, temporary: Path, name: str, durable: bool = True, check_size: bool = False) -> None:
        """Make the file at a temporary path the file `name`. A `durable` file survives a power failure in full.

        With `check_size`, an object store is asked how long it is, even where it has acknowledged its digest.
        """
        if self._bucket:
            self._bucket.upload(temporary, name, check_size)
            temporary.unlink()
            return
        if durable:
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
        try:
            os.replace(temporary, self.path(name))
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
            os.replace(temporary, self.path(name))

    def delete_file(self, name: str) -> None:
        """Remove a file; nothing happens where there is none."""
        if self._bucket:
            self._bucket.delete_file(name)
        else:
            Path(self.path(name)).unlink(missing_ok=True)

    def copy(self, source: str, target: str, scratch: str = "") -> None:
        """Give `target` the bytes of `source`: by a hard link on a local disk, as a copy elsewhere."""
        if self._bucket:
            self._bucket.copy(source, target)
            return
        with self.writing(target, scratch=scratch) as temporary:
            try:
                os.link(self.path(source), temporary)
            except OSError:  # a file system without hard links
                shutil.copyfile(self.path(source), temporary)

    def delete(self, name: str) -> None:
        """Delete a folder and everything in it."""
        if self._bucket:
            self._bucket.delete(name)
        else:
            self._local_fs.delete_dir(self.path(name))

    def remove_temporaries(self, name: str) -> None:
        """Remove what killed writers have left in folder `name` and below. Call it with the folder's lock held."""
        for folder, subfolders, files in os.walk(self.path(name)) if self.local else ():
            for abandoned in [entry for entry in subfolders if entry.startswith(TEMPORARY_PREFIX)]:
                shutil.rmtree(f"{folder}/{abandoned}")
                subfolders.remove(abandoned)
            for abandoned in [entry for entry in files if entry.startswith(TEMPORARY_PREFIX)]:
                os.unlink(f"{folder}/{abandoned}")

    def lock(self, name: str) -> "contextlib.AbstractContextManager | None":
        """Lock folder `name` for this process; returns None while another one has it (see `base.file_lock`).

        Object stores have no locks: two runs there both compute a step, and write identical files.
        """
        if not self.local:
            return contextlib.nullcontext()
        folder = Path(self.path(name))
        folder.mkdir(parents=True, exist_ok=True)
        return try_lock_file(folder / ".lock")
