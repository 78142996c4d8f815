"""Lists input files, splits the large ones into ranges and packs the small ones: one row of input per shard.

How a file is cut, and where packs end, depends on each file alone: files that are added or removed change no shard but
the packs that they are in.
"""

import os
import re
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import xxhash

from extract.sources.file_identity import identify_files
from extract.sources.registry import find_format
from pipeline.base.errors import UserError
from pipeline.base.user_code import UserFunction

INPUT_FILES = "files"  # name of the input whose rows are those of `pack_chunks`
MIN_CHUNK_BYTES, MAX_CHUNK_BYTES = 1 << 26, 1 << 28  # of the default size of a range
DEFAULT_CHUNKS = 4  # ranges of a file, between these bounds
PACK_BYTES = 1 << 26  # mean size of a pack of small files
MAX_PACK_SIZES = 3  # a pack ends at the latest at so many mean sizes
FILE_COST_BYTES = 1 << 14  # a file in a pack counts as so many bytes more than it has: the cost of opening it
_CRAWL_NAME = re.compile(r"CC-MAIN-\d{4}-\d{2}(?!\d)")


def holds_text(path: str, readers: tuple[UserFunction, ...] = ()) -> bool:
    """Whether a file is of texts (tables, WET), with some eight times the documents per byte of a crawl's HTML."""
    return not find_format(path, readers).holds_html


def find_crawl_name(text: str) -> str | None:
    """The name of a Common Crawl dump in a text, such as CC-MAIN-2024-10, None if there is none."""
    match = _CRAWL_NAME.search(text)
    return match[0] if match else None


def default_chunk_bytes(size: int) -> int:
    """The default size of a range of a file of `size` bytes: a quarter of it, from 64 to 256 MiB.

    A file of Common Crawl (1 GB) then is four tasks, and a dump of 90,000 such files 360,000. Each range costs what it
    takes to find where it begins, and each shard costs requests of an object store in every shuffle.
    """
    return min(max(MIN_CHUNK_BYTES, -(-size // DEFAULT_CHUNKS)), MAX_CHUNK_BYTES)


def list_chunks(
    paths: Sequence[str],
    chunk_bytes: int | None = None,
    readers: tuple[UserFunction, ...] = (),
    full_digest: bool = False,
) -> list[dict[str, Any]]:
    """One row per range of a file, `path, name, start, end, size, digest, stamp, dump`, by name and then by range.

    Files of more than `chunk_bytes` (by default, `default_chunk_bytes` of each) are split if their format allows it. An
    `end` of None is the end of the file. `name` is what rows call the file: its base name, and of a file whose base
    name an earlier one has, too, as much of its folder as tells it from those. So it does not depend on where files
    are, and seldom on other files. `digest` and `stamp` are those of `FileIdentity`. `dump` is the name of a crawl that
    the folder of a table tells. `readers`: functions of the user's that read further formats.
    Raises UserError for a path that is no readable file, and if there are none.
    """
    if not paths:
        raise UserError("no input files: give the path of a WARC, WET, Parquet or JSON lines file")
    if all(path.lower().endswith((".paths", ".paths.gz")) for path in paths):
        raise UserError(f"{paths[0]}: a list of files; give the files that it names")
    full_paths = sorted({path if "://" in path else os.path.abspath(path) for path in paths})
    identities = identify_files(full_paths, full_digest)
    rows = []
    for name, path, identity in sorted(zip(_distinct_names(full_paths), full_paths, identities, strict=True)):
        size, source_format = identity.size, find_format(path, readers)
        file = {"size": size, "digest": identity.digest, "stamp": identity.stamp, "dump": None}
        if not source_format.holds_records:
            file["dump"] = next(filter(None, map(find_crawl_name, reversed(path.split("/")))), None)
        count = 1
        if source_format.can_be_split(path):
            count = max(1, -(-size // (chunk_bytes or default_chunk_bytes(size))))
        starts = [i * size // count for i in range(count)]
        for start, end in zip(starts, [*starts[1:], None], strict=True):
            rows.append({"path": path, "name": name, "start": start, "end": end, **file})
    return rows


def _distinct_names(full_paths: Sequence[str]) -> list[str]:
    """Return the shortest end of each path, of whole names, that no earlier path is called by."""
    taken: set[str] = set()
    names = []
    for path in full_paths:
        uri = urllib.parse.urlsplit(path) if "://" in path else None
        plain = urllib.parse.unquote(f"{uri.netloc}{uri.path}") if uri else path
        parts = [part for part in plain.split("/") if part]
        ends = ("/".join(parts[i:]) for i in range(len(parts) - 1, -1, -1))
        name = next((end for end in ends if end not in taken), path)
        taken.add(name)
        names.append(name)
    return names


def pack_chunks(chunks: Iterable[dict[str, Any]], pack_bytes: int = PACK_BYTES) -> list[dict[str, Any]]:
    """One row per shard, `name, size, files`: a range of a large file, or a pack of small ones (`list_chunks`).

    `pack_bytes` is the mean size of a pack, files of more than half of it are not packed; 0 packs nothing. A pack ends
    after a file if a hash of its name says so, with a probability in proportion to its size: no other file has a say.
    Only a pack that becomes MAX_PACK_SIZES as large as the mean ends there, too. So a file that is added changes the
    pack that it is in, at most with those that follow up to the next end of that kind.
    """
    shards: list[list[dict[str, Any]]] = []
    pack: list[dict[str, Any]] = []
    weight = 0
    for chunk in chunks:
        own_weight = chunk["size"] + FILE_COST_BYTES
        if chunk["start"] or chunk["end"] is not None or 2 * own_weight > pack_bytes:
            shards.append([chunk])
            continue
        if pack and weight + own_weight > MAX_PACK_SIZES * pack_bytes:
            shards.append(pack)
            pack, weight = [], 0
        pack.append(chunk)
        weight += own_weight
        if xxhash.xxh3_64_intdigest(chunk["name"].encode()) * pack_bytes < own_weight << 64:
            shards.append(pack)
            pack, weight = [], 0
    if pack:
        shards.append(pack)
    shards.sort(key=lambda files: (files[0]["name"], files[0]["start"]))
    return [{"name": _pack_name(files), "size": sum(map(chunk_size, files)), "files": files} for files in shards]


def _pack_name(files: Sequence[Mapping[str, Any]]) -> str:
    return files[0]["name"] + (f" and {len(files) - 1} more" if len(files) > 1 else "")


def chunk_size(chunk: Mapping[str, Any]) -> int:
    """Return the bytes of a range of a file."""
    return (chunk["size"] if chunk["end"] is None else chunk["end"]) - chunk["start"]


def row_identity(row: Mapping[str, Any]) -> list[list[Any]]:
    """Return what identifies the content of a shard (a row of `pack_chunks`): its files, and what is read of each."""
    names = ("name", "size", "digest", "start", "end", "dump")
    return [[file[name] for name in names] for file in row["files"]]


def files_identity(rows: Iterable[Mapping[str, Any]]) -> list[list[Any]]:
    """Return what identifies all files of an input, however they are cut and packed."""
    files = (file for row in rows for file in row["files"])
    return [list(file) for file in sorted({(f["name"], f["size"], f["digest"], f["dump"] or "") for f in files})]
