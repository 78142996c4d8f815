"""Digests of input files that were read before, by path, size and time stamp: a table in the cache folder.

It only saves reading: without it, or with a damaged one, digests are read again, and every key is the same.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import xxhash

from pipeline.kernels.disk_cache import cache_root

_FILE = "input-digests.sqlite"
_TABLE = """
    CREATE TABLE IF NOT EXISTS digests (
        path TEXT, is_full INTEGER, size INTEGER, stamp TEXT, digest TEXT, checksum TEXT,
        PRIMARY KEY (path, is_full)
    ) WITHOUT ROWID
"""
_WAIT_SECONDS = 5.0  # for another process that writes
_AT_ONCE = 500  # paths of one query

log = logging.getLogger(__name__)


class CachedDigest(NamedTuple):
    """Digest of a file as it was read, and the size and time stamp (or ETag) that the file had."""

    path: str
    is_full: bool
    size: int
    stamp: str
    digest: str

    def checksum(self) -> str:
        """Checksum of a row, since a damaged one would give a file another key."""
        return xxhash.xxh3_64_hexdigest("\0".join(map(str, self)).encode("utf-8", "surrogateescape"))


class DigestCache:
    """The table of digests in `folder`, by default the cache folder. What cannot be read or written counts as empty."""

    def __init__(self, folder: Path | None = None):
        self._file = (folder or cache_root()) / _FILE

    def find(self, paths: Sequence[str], full: bool) -> dict[str, CachedDigest]:
        """Return what is known of files, by path. `full`: digests of all bytes."""
        known: dict[str, CachedDigest] = {}

        def look_up(database: sqlite3.Connection) -> None:
            for first in range(0, len(paths), _AT_ONCE):
                some = paths[first : first + _AT_ONCE]
                query = f"SELECT * FROM digests WHERE is_full = ? AND path IN ({','.join('?' * len(some))})"
                for *fields, checksum in database.execute(query, [full, *some]):
                    row = CachedDigest(fields[0], bool(fields[1]), *fields[2:])
                    if row.checksum() == checksum:
                        known[row.path] = row

        if self._file.exists():
            self._use(look_up)
        return known

    def add(self, rows: Iterable[CachedDigest]) -> None:
        """Remember digests, in place of what was known of the same files."""
        values = [(*row, row.checksum()) for row in rows]
        if values:
            statement = "INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?)"
            self._use(lambda database: database.executemany(statement, values))

    def _use(self, operation: Callable[[sqlite3.Connection], object]) -> None:
        """Call `operation` with the open table. A table that is damaged is removed; one that is locked is left."""
        try:
            with contextlib.closing(sqlite3.connect(self._file, timeout=_WAIT_SECONDS)) as database, database:
                database.execute(_TABLE)
                operation(database)
        except sqlite3.Error as error:
            log.debug("%s: %s; digests of input files are read again", self._file, error)
            if not isinstance(error, sqlite3.OperationalError):
                self._file.unlink(missing_ok=True)
