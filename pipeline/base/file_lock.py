"""Exclusive locks between processes, by `flock` on a lock file.

A lock ends when its file is closed or when the process that holds it ends, however that happens, so no lock is ever
stale. On NFS, Linux turns `flock` into a lock on the server, which other machines respect too; a mount with `nolock` or
`local_lock=flock` keeps it on one machine, and two machines may then do the same work twice.
"""

import fcntl
from pathlib import Path
from typing import TextIO


def lock_file(path: Path) -> TextIO:
    """Lock `path`, after waiting for whoever holds it; use the returned file in a `with` statement."""
    return _lock(path, fcntl.LOCK_EX)


def try_lock_file(path: Path) -> TextIO | None:
    """Lock `path` as `lock_file` does, but return None at once when it is held by someone else."""
    try:
        return _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


def _lock(path: Path, operation: int) -> TextIO:
    file = path.open("a")
    try:
        fcntl.flock(file, operation)
    except BaseException:
        file.close()
        raise
    return file
