"""What takes long to compute from the code and the installed packages, kept between runs: machine code and tables.

The cache lies where CORPUS_CACHE says, else in `.cache` of the checkout, else (where that cannot be written, and where
this package is installed) in the user's cache folder. Each entry is named after everything that it depends on, so no
entry is ever out of date, and none depends on where the checkout lies: the folder can be copied, shared and removed.
"""

import contextlib
import functools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from pipeline.base.file_lock import lock_file
from pipeline.base.paths import CHECKOUT, INSTALLED

KEPT_VERSIONS = 4  # entries that are kept of one name: those of a few versions of the code, or of the lists
_DIGESTS = "digests.json"  # of the other files of an entry
_TEMPORARY = ".tmp-"  # begins the name of a folder that is not complete yet


@functools.cache
def cache_root() -> Path:
    """Folder of the whole cache: the first of the possible ones that can be written."""
    beside_code = None if INSTALLED else CHECKOUT / ".cache"  # an installed package has only files of its installer
    users = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "corpus-pipeline"
    for candidate in (os.environ.get("CORPUS_CACHE"), beside_code, users):
        with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: there is no home folder
            if candidate:
                folder = Path(candidate).expanduser().absolute()
                folder.mkdir(parents=True, exist_ok=True)
                if os.access(folder, os.W_OK):
                    return folder
    return Path(
        tempfile.mkdtemp(prefix="corpus-")
    )  # for this process: a folder of a known name might be another user's


def entry_folder(kind: str, name: str, digest: str) -> Path:
    """Path of the folder `<kind>/<name>-<digest>`, whose parent exists. The oldest entries of that name are removed."""
    folder = cache_root() / kind / f"{name}-{digest}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        others = sorted(folder.parent.glob(f"{name}-{'?' * len(digest)}"), key=_modification_time)
        for outdated in others[: max(0, len(others) - KEPT_VERSIONS + 1)]:
            shutil.rmtree(outdated, ignore_errors=True)
    return folder


def _modification_time(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):  # another process has removed it
        return path.stat().st_mtime
    return 0.0


def cached_arrays(
    name: str, depends_on: tuple[Path | str, ...], compute: Callable[[], Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Arrays that `compute` returns, read-only and mapped into memory: computed once for what they depend on.

    `depends_on` lists files (their content counts) and texts: all that the arrays depend on besides numpy's own format.
    """
    try:
        folder = entry_folder("tables", name, digest_of(depends_on))
        if not _is_complete(folder):
            arrays = compute()
            _write_entry(folder, lambda target: _save_arrays(target, arrays))
        return {path.stem: np.asarray(np.load(path, mmap_mode="r")) for path in folder.glob("*.npy")}
    except OSError:  # nowhere to write: compute them for this process
        return {key: _read_only(array) for key, array in compute().items()}


def cached_json(name: str, depends_on: tuple[Path | str, ...], compute: Callable[[], Any]) -> Any:
    """The JSON value that `compute` returns, computed once for what it depends on (see `cached_arrays`)."""
    try:
        folder = entry_folder("tables", name, digest_of(depends_on))
        if not _is_complete(folder):
            text = json.dumps(compute())
            _write_entry(folder, lambda target: target.joinpath("value.json").write_text(text))
        return json.loads(folder.joinpath("value.json").read_text())
    except OSError:  # nowhere to write: compute it for this process
        return compute()


def digest_of(items: tuple[Path | str, ...]) -> str:
    """Hash (16 hex digits) of the contents of files and of texts, in their order."""
    hasher = xxhash.xxh3_128()
    for item in items:
        data = item.read_bytes() if isinstance(item, Path) else item.encode()
        hasher.update(len(data).to_bytes(8, "little") + data)
    return hasher.hexdigest()[:16]


def _write_entry(folder: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary folder, and rename it last, so that an entry that exists is complete.

    One process writes at a time, so temporary folders found under the lock are those of killed processes.
    """
    with lock_file(folder.parent / ".lock"):
        for abandoned in folder.parent.glob(f"{_TEMPORARY}*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        if folder.exists():
            return  # another process was first
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=_TEMPORARY) as parent:
            complete = Path(parent) / "complete"
            complete.mkdir()
            write(complete)
            digests = {path.name: digest_of((path,)) for path in sorted(complete.iterdir())}
            complete.joinpath(_DIGESTS).write_text(json.dumps(digests))
            complete.rename(folder)


def _is_complete(folder: Path) -> bool:
    """Return whether an entry is there and its files are what was written. A damaged entry is removed.

    The comparison reads the files once: some 50 MB of tables, a few milliseconds.
    """
    if not folder.exists():
        return False
    try:
        digests = json.loads(folder.joinpath(_DIGESTS).read_text())
        if digests and all(digest_of((folder / name,)) == digest for name, digest in digests.items()):
            return True
    except (OSError, ValueError, AttributeError):
        pass  # the list itself is damaged, so the entry is
    shutil.rmtree(folder, ignore_errors=True)
    return False


def _save_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    for key, array in arrays.items():
        np.save(folder / f"{key}.npy", array)


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
