"""Lists input files and splits the large ones into ranges, one per shard."""

import os
import posixpath
from collections import Counter
from typing import Any

from extract.sources.registry import find_format
from pipeline.base.errors import UserError
from pipeline.base.user_code import UserFunction
from pipeline.inputs.compression import open_source, source_bucket
from pipeline.store.filesystem import Store

MIN_CHUNK_BYTES, MAX_CHUNK_BYTES = 1 << 26, 1 << 30  # of the default size of a range
MAX_CHUNKS = 4096  # of files that can be split: what a shard writes for each partition are requests of an object store


def holds_text(path: str, readers: tuple[UserFunction, ...] = ()) -> bool:
    """Whether a file is of texts (tables, WET), with some eight times the documents per byte of a crawl's HTML."""
    return not find_format(path, readers).holds_html


def default_chunk_bytes(total_bytes: int) -> int:
    """The default size of a range of files of `total_bytes` in all.

    It is 64 MiB, which makes 16 tasks of a file of Common Crawl, each decompressing 16 MiB to find where it begins. For
    more than 256 GiB of files, it is what makes MAX_CHUNKS ranges, up to a GiB. It must not depend on the number of
    workers, since it is in keys.
    """
    return min(max(MIN_CHUNK_BYTES, -(-total_bytes // MAX_CHUNKS)), MAX_CHUNK_BYTES)


def list_chunks(
    paths: list[str], chunk_bytes: int | None = None, readers: tuple[UserFunction, ...] = ()
) -> list[dict[str, Any]]:
    """One row per shard, `path, name, start, end, size, mtime_ns, copy`, in the order of names and then of ranges.

    Files of more than `chunk_bytes` (by default, `default_chunk_bytes` of all) are split if their format allows it.
    `name` is relative to the folder that all paths share. `copy` is the number of earlier files with the same base name
    (see `extract.record_ids.RecordIds`). An `end` of None is the end of the file. `readers`: functions of the user's
    that read further formats (see `extract.sources.registry`).
    Raises UserError for a path that is no readable file, and if there are none.
    """
    if not paths:
        raise UserError("no input files: give the path of a WARC, WET, Parquet or JSON lines file")
    if all(path.lower().endswith((".paths", ".paths.gz")) for path in paths):
        raise UserError(f"{paths[0]}: a list of files; give the files that it names")
    full_paths = sorted({path if "://" in path else os.path.abspath(path) for path in paths})
    stats = [_size_and_mtime(path) for path in full_paths]
    chunk_bytes = chunk_bytes or default_chunk_bytes(sum(size for size, _ in stats))
    rows, copies = [], Counter[str]()
    for name, path, (size, mtime) in sorted(zip(_relative_names(full_paths), full_paths, stats, strict=True)):
        base = posixpath.basename(name)
        file = {"size": size, "mtime_ns": mtime, "copy": copies[base]}
        copies[base] += 1
        count = max(1, -(-size // chunk_bytes)) if find_format(path, readers).can_be_split(path) else 1
        starts = [i * size // count for i in range(count)]
        for start, end in zip(starts, [*starts[1:], None], strict=True):
            rows.append({"path": path, "name": name, "start": start, "end": end, **file})
    return rows


def _relative_names(full_paths: list[str]) -> list[str]:
    if len(full_paths) == 1:
        return [posixpath.basename(full_paths[0])]
    try:
        shared = posixpath.commonpath([posixpath.dirname(path) for path in full_paths])
    except ValueError:  # paths and URIs together share nothing
        return full_paths
    return [posixpath.relpath(path, shared) if shared else path for path in full_paths]


def _size_and_mtime(path: str) -> tuple[int, int]:
    """(size in bytes, time of the last change in nanoseconds). Raises UserError if the file cannot be opened."""
    with open_source(path) as file:
        if "://" not in path:
            status = os.fstat(file.fileno())
            return status.st_size, status.st_mtime_ns
    if path.startswith("s3://"):
        root, name = source_bucket(path)
        info = Store(root).info(name)
        return int(info.size), int(info.mtime_ns or 0)
    from pyarrow import fs

    file_system, inner_path = fs.FileSystem.from_uri(path)
    info = file_system.get_file_info(inner_path)
    return int(info.size), int(info.mtime_ns or 0)
