"""Folders of shards: the only code that knows file systems and Parquet.

`root/<step>/<key>/` holds `part-00000.parquet ...` (or `.arrows`, for what is shuffled by bucket: `shuffle.py`), one
marker a finished shard in `shards/`, and, written last, `manifest.json`. A folder with a manifest is complete. Files
appear whole or not at all: written beside and renamed on a local disk, one PUT on an object store. Everything but costs
(`cost.json`) is a function of the step's identity alone.
"""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from pipeline.base.errors import UserError

_TEMPORARY = ".tmp-"  # begins the name of what is not whole yet


class Store:
    """A root folder, local or on S3 (`s3://bucket/prefix`), named by paths relative to it."""

    def __init__(self, root: str | Path):
        self.root = str(root) if "://" in str(root) else str(Path(root).absolute())
        try:
            remote: tuple[Any, str] | None = fs.FileSystem.from_uri(self.root) if "://" in self.root else None
        except (pa.ArrowInvalid, OSError) as error:
            raise UserError(f"ROOT={root}: not a folder that can be used ({error})") from error
        self._fs, self._base = remote or (fs.LocalFileSystem(), self.root)
        if self.local and os.path.isfile(self.root):
            raise UserError(f"ROOT={root}: a file, not a folder; give another ROOT")

    def __reduce__(self):
        return Store, (self.root,)

    @property
    def local(self) -> bool:
        return isinstance(self._fs, fs.LocalFileSystem)

    def path(self, name: str) -> str:
        return f"{self._base}/{name}" if name else self._base

    def uri(self, name: str) -> str:
        """What a user types to look at `name`."""
        return f"{self.root}/{name}"

    def exists(self, name: str) -> bool:
        return self.info(name).type != fs.FileType.NotFound

    def info(self, name: str) -> fs.FileInfo:
        return self._fs.get_file_info(self.path(name))

    def size(self, name: str) -> int:
        """Bytes; -1 when there is no such file."""
        info = self.info(name)
        return info.size if info.type == fs.FileType.File else -1

    def list(self, name: str = "") -> list[fs.FileInfo]:
        """Entries directly below `name`, sorted by name; empty when there is none."""
        found = self._fs.get_file_info(fs.FileSelector(self.path(name), allow_not_found=True))
        return sorted(found, key=lambda info: info.path)

    def open(self, name: str) -> pa.NativeFile:
        return self._fs.open_input_file(self.path(name))

    def read_json(self, name: str) -> Any:
        with self.open(name) as file:
            return json.loads(file.read())

    def write(self, name: str, data: bytes, lasting: bool = True) -> None:
        with self.writing(name, lasting) as path:
            path.write_bytes(data)

    def write_json(self, name: str, value: Any, indent: int | None = None, lasting: bool = True) -> None:
        """`indent` for what people read: it takes Python's slow encoder."""
        data = json.dumps(value, indent=indent, sort_keys=True, ensure_ascii=False).encode() + b"\n"
        self.write(name, data, lasting)

    @contextlib.contextmanager
    def writing(self, name: str, lasting: bool = True) -> Iterator[Path]:
        """A local path to write to; it becomes `name` at once when the block ends well, and is removed when not."""
        temporary = self.scratch(os.path.dirname(name))
        try:
            yield temporary
            self.publish(temporary, name, lasting)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def scratch(self, folder: str) -> Path:
        """A path for a local file that is to become one of `folder`: beside it on a local disk."""
        where = self.path(folder) if self.local else tempfile.gettempdir()
        os.makedirs(where, exist_ok=True)
        return Path(where, f"{_TEMPORARY}{uuid.uuid4().hex}")

    def publish(self, temporary: Path, name: str, lasting: bool = True) -> None:
        """Make a local file, at a `scratch` path, `name`; where it is `lasting`, a power failure does not cut it."""
        target = self.path(name)
        if self.local:
            if lasting:
                with open(temporary, "rb") as file:
                    os.fsync(file.fileno())
            os.replace(temporary, target)
        else:
            with open(temporary, "rb") as source, self._fs.open_output_stream(target) as sink:
                shutil.copyfileobj(source, sink, 8 << 20)
            temporary.unlink()

    def copy(self, source: str, target: str) -> None:
        """`target` has the bytes of `source`: a hard link on a local disk, a copy elsewhere."""
        if not self.local:
            return self._fs.copy_file(self.path(source), self.path(target))
        with self.writing(target) as temporary:
            try:
                os.link(self.path(source), temporary)
            except OSError:  # a file system without hard links
                shutil.copyfile(self.path(source), temporary)

    def delete(self, name: str) -> None:
        self._fs.delete_dir(self.path(name))

    def sweep(self, name: str) -> None:
        """Remove what killed writers left in `name` and below (call it with the lock held)."""
        for folder, inside, files in os.walk(self.path(name)) if self.local else ():
            for left in [entry for entry in inside if entry.startswith(_TEMPORARY)]:
                shutil.rmtree(f"{folder}/{left}")
                inside.remove(left)
            for left in [entry for entry in files if entry.startswith(_TEMPORARY)]:
                os.unlink(f"{folder}/{left}")

    def lock(self, name: str) -> "contextlib.AbstractContextManager | None":
        """An exclusive lock on folder `name`, None while another run has it. It ends with the process, however.

        Object stores have no locks: two runs there waste work and write the same bytes.
        """
        if not self.local:
            return contextlib.nullcontext()
        folder = Path(self.path(name))
        folder.mkdir(parents=True, exist_ok=True)
        handle = open(folder / ".lock", "a")  # noqa: SIM115 - closed by the caller's `with`
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return None
        return handle
