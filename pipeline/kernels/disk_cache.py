"""What takes long to make from this code and what is installed, kept between runs: machine code and tables.

It lies where CORPUS_CACHE says, else in `.cache` of the checkout, else (where that cannot be written) in the user's.
Each entry is named after all that it is made from, so that nothing in here is ever out of date, and nothing depends on
where the checkout lies: the folder can be copied, shared and removed.
"""

import contextlib
import fcntl
import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import xxhash

from pipeline.base.paths import CHECKOUT

LATEST = 4  # entries of a name that are kept: those of a few versions of the code, or of the lists


@functools.cache
def root() -> Path:
    """The folder of everything that is kept: the first that can be written."""
    users = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "corpus-pipeline"
    for said in (os.environ.get("CORPUS_CACHE"), CHECKOUT / ".cache", users):
        with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: there is no home
            if said:
                folder = Path(said).expanduser().absolute()
                folder.mkdir(parents=True, exist_ok=True)
                if os.access(folder, os.W_OK):
                    return folder
    return Path(tempfile.mkdtemp(prefix="corpus-"))  # of this process: a folder of a known name might be another's


def entry(kind: str, name: str, digest: str) -> Path:
    """The folder `<kind>/<name>-<digest>`, whose parent there is; the oldest entries of that name go."""
    folder = root() / kind / f"{name}-{digest}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        others = sorted(folder.parent.glob(f"{name}-{'?' * len(digest)}"), key=_made)
        for old in others[: max(0, len(others) - LATEST + 1)]:
            shutil.rmtree(old, ignore_errors=True)
    return folder


def _made(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):  # another process has removed it
        return path.stat().st_mtime
    return 0.0


def arrays(name: str, made_from: tuple[Path | str, ...], make: Callable[[], Mapping[str, np.ndarray]]) -> dict:
    """The arrays that `make` returns, read-only and mapped into memory: made once for what they are `made_from`.

    `made_from`: files (their content counts) and text, all that the arrays depend on beside numpy's own format.
    """
    try:
        folder = entry("tables", name, _digest(made_from))
        if not folder.exists():
            _write(folder, make())
        return {path.stem: np.asarray(np.load(path, mmap_mode="r")) for path in folder.glob("*.npy")}
    except OSError:  # nowhere to write: make them for this process
        return {key: _frozen(array) for key, array in make().items()}


def _digest(made_from: tuple[Path | str, ...]) -> str:
    hasher = xxhash.xxh3_128()
    for item in made_from:
        data = item.read_bytes() if isinstance(item, Path) else item.encode()
        hasher.update(len(data).to_bytes(8, "little") + data)
    return hasher.hexdigest()[:16]


def _write(folder: Path, made: Mapping[str, np.ndarray]) -> None:
    """All files at once: a folder that is there is whole. One writer at a time, so what it finds is of killed ones."""
    with (folder.parent / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.parent.glob(".tmp-*"):
            shutil.rmtree(left, ignore_errors=True)
        if folder.exists():
            return  # another process was first
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".tmp-") as scratch:
            whole = Path(scratch) / "whole"
            whole.mkdir()
            for key, array in made.items():
                np.save(whole / f"{key}.npy", array)
            whole.rename(folder)


def _frozen(array: np.ndarray) -> np.ndarray:
    array = array.view()
    array.flags.writeable = False
    return array
