"""What is another input file and what is the same one; which digests are read again; files that change meanwhile."""

import os
import shutil
import sqlite3
import time
from itertools import pairwise
from pathlib import Path

import pytest
import xxhash

from extract.sources import file_identity
from extract.sources.digest_cache import CachedDigest, DigestCache
from extract.sources.file_identity import (
    END_BYTES,
    INNER_BYTES,
    WHOLE_BYTES,
    FileIdentity,
    block_ranges,
    check_unchanged,
    identify_files,
)
from pipeline.base.errors import UserError
from pipeline.store.filesystem import Store

LARGE = 9 << 20


@pytest.fixture
def cache(tmp_path) -> DigestCache:
    (tmp_path / "cache").mkdir()
    return DigestCache(tmp_path / "cache")


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Files whose content is read, in order."""
    read, original = [], file_identity.content_digest

    def counting(file, size, full=False):
        read.append(Path(file.name).name)
        return original(file, size, full)

    monkeypatch.setattr(file_identity, "content_digest", counting)
    return read


def content(size: int) -> bytes:
    return (b"".join(b"%07d\n" % i for i in range(size // 8 + 1)))[:size]


def identify(path: Path, cache: DigestCache, full: bool = False) -> FileIdentity:
    return identify_files([str(path)], full, cache)[0]


# What is done to a file of `size` bytes -> whether it is another file then: (by blocks, by all bytes).
def _flip(place: float):
    def change(path: Path, size: int) -> None:
        data = bytearray(path.read_bytes())
        data[min(int(place * size), size - 1)] ^= 1
        path.write_bytes(data)

    return change


CHANGES = {
    "touched": (lambda path, size: os.utime(path), (False, False)),
    "written again": (lambda path, size: path.write_bytes(content(size)), (False, False)),
    "first byte": (_flip(0), (True, True)),
    "last byte": (_flip(1), (True, True)),
    "end of the head": (lambda path, size: _flip((END_BYTES - 1) / size)(path, size), (True, True)),
    "middle block": (_flip(0.5), (True, True)),
    "between the blocks": (_flip(0.2), (False, True)),  # the one thing that is not noticed by blocks
    "one byte more": (lambda path, size: path.write_bytes(content(size + 1)), (True, True)),
    "one byte less": (lambda path, size: os.truncate(path, size - 1), (True, True)),
}


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_what_makes_another_file_of_a_large_one(tmp_path, cache, change, full):
    path = tmp_path / "a.warc.gz"
    path.write_bytes(content(LARGE))
    before = identify(path, cache, full)
    alter, is_other = CHANGES[change]
    alter(path, LARGE)
    after = identify(path, cache, full)
    assert (before[:2] != after[:2]) == is_other[full]


@pytest.mark.parametrize("size", [1, 100, END_BYTES, WHOLE_BYTES])
@pytest.mark.parametrize("place", [0, 0.2, 0.5, 0.77, 1])
def test_every_byte_of_a_small_file_counts(tmp_path, cache, size, place):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content(size))
    before = identify(path, cache)
    assert before.digest == xxhash.xxh3_128_hexdigest(content(size)) == identify(path, cache, full=True).digest
    _flip(place)(path, size)
    assert identify(path, cache).digest != before.digest


@pytest.mark.parametrize("size", [WHOLE_BYTES + 1, WHOLE_BYTES + 1000, LARGE, 1 << 40])
def test_blocks_are_in_the_file_and_do_not_overlap(size):
    ranges = sorted(block_ranges(size))
    assert ranges[0] == (0, END_BYTES) and ranges[-1] == (size - END_BYTES, size)
    assert all(end <= start for (_, end), (start, _) in pairwise(ranges))
    assert sum(end - start for start, end in ranges) == 2 * END_BYTES + 3 * INNER_BYTES == WHOLE_BYTES


def test_copies_and_moved_files_are_the_same(tmp_path, cache):
    (tmp_path / "here").mkdir()
    path = tmp_path / "here" / "a.warc.gz"
    path.write_bytes(content(LARGE))
    before = identify(path, cache)
    shutil.copy2(path, tmp_path / "copy.warc.gz")
    (tmp_path / "here").rename(tmp_path / "there")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    for other in ("copy.warc.gz", "there/a.warc.gz", "link/a.warc.gz"):
        assert identify(tmp_path / other, cache)[:2] == before[:2]
    assert identify_files([f"file://{tmp_path}/copy.warc.gz"], cache=cache)[0][:2] == before[:2]


def test_digests_are_read_once_and_again_when_the_file_was_written(tmp_path, cache, reads, monkeypatch):
    monkeypatch.setattr(file_identity, "SETTLED_NS", -1)  # times of change cannot be set: ctime is that of now
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one")
    first = identify(path, cache)
    assert identify(path, cache) == first and reads == ["a.jsonl"]
    os.utime(path)
    assert identify(path, cache).digest == first.digest and len(reads) == 2
    status = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # the old time stamp back, as rsync -t or tar do
    assert identify(path, cache).digest != first.digest and len(reads) == 3
    identify(path, cache, full=True)
    identify(path, cache, full=True)
    assert len(reads) == 4


def test_a_file_that_has_just_been_written_is_read_again(tmp_path, cache, reads, monkeypatch):
    """Its next change may have the same time stamp (as with git's index)."""
    path, stamp = tmp_path / "a.jsonl", "coarse"
    monkeypatch.setattr(file_identity, "file_state", lambda path: file_identity.FileState(3, stamp, int(changed * 1e9)))
    changed = time.time()
    path.write_bytes(b"one")
    first = identify(path, cache)
    path.write_bytes(b"two")
    assert identify(path, cache).digest != first.digest
    changed = time.time() + 3600  # a clock that is ahead
    identify(path, cache)
    identify(path, cache)
    assert len(reads) == 4
    changed = time.time() - 10
    identify(path, cache)
    identify(path, cache)
    assert len(reads) == 5


@pytest.mark.parametrize("damage", ["no database", "cut", "a row", "no folder"])
def test_a_damaged_table_of_digests_only_costs_reading(tmp_path, cache, reads, monkeypatch, damage):
    monkeypatch.setattr(file_identity, "SETTLED_NS", -1)
    path, table = tmp_path / "a.jsonl", tmp_path / "cache" / "input-digests.sqlite"
    path.write_bytes(b"one")
    first = identify(path, cache)
    if damage == "no database":
        table.write_bytes(b"x" * 5000)
    elif damage == "cut":
        os.truncate(table, 5000)
    elif damage == "a row":
        with sqlite3.connect(table) as database:
            database.execute("UPDATE digests SET digest = 'other'")
        database.close()
    else:
        shutil.rmtree(tmp_path / "cache")
    assert [identify(path, cache) for _ in range(2)] == [first] * 2
    assert len(reads) <= 3
    if damage != "no folder":
        reads.clear()
        assert identify(path, cache) == first and reads == []  # the table is whole again


def test_many_files_are_looked_up_together(tmp_path, cache):
    rows = [CachedDigest(f"/x/{i}", False, i, "s", f"{i:032x}") for i in range(1203)]
    cache.add(rows)
    assert cache.find([row.path for row in rows], False) == {row.path: row for row in rows}
    assert cache.find(["/x/1"], True) == cache.find(["/y"], False) == {}


def test_a_file_that_is_being_written_is_refused(tmp_path, cache, monkeypatch):
    path, original = tmp_path / "a.jsonl", file_identity.content_digest
    path.write_bytes(b"one")

    def slow(file, size, full=False):
        digest = original(file, size, full)
        with open(path, "ab") as growing:
            growing.write(b"more")
        return digest

    monkeypatch.setattr(file_identity, "content_digest", slow)
    with pytest.raises(UserError, match=r"a\.jsonl: is being written; run again when it is complete"):
        identify(path, cache)


def test_a_file_is_checked_against_what_was_listed(tmp_path, cache):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one")
    identity = identify(path, cache)
    check_unchanged(str(path), identity)
    os.utime(path)
    check_unchanged(str(path), identity)
    for data in (b"two", b"three"):
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"a\.jsonl: has changed since the run began; run the same again"):
            check_unchanged(str(path), identity)
    path.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        check_unchanged(str(path), identity)


def test_objects_on_s3_are_the_files_that_were_copied_there(s3, tmp_path, cache, monkeypatch):
    store, names = Store(f"{s3}/crawl"), [f"{i}.warc.gz" for i in range(6)]
    for i, name in enumerate(names):
        (tmp_path / name).write_bytes(content((WHOLE_BYTES + 5000, 100)[i % 2] + i))
        store.write(name, (tmp_path / name).read_bytes())
    local = identify_files([str(tmp_path / name) for name in names], cache=cache)
    uris = [f"{s3}/crawl/{name}" for name in names]
    remote = identify_files(uris, cache=cache)
    assert [one[:2] for one in remote] == [one[:2] for one in local]
    # the second time, one list has all sizes and ETags, and no object is read
    monkeypatch.setattr(file_identity, "open_source", None)
    assert identify_files(uris, cache=cache) == remote
    monkeypatch.undo()
    store.write(names[1], b"x" * (tmp_path / names[1]).stat().st_size)
    again = identify_files(uris, cache=cache)
    assert [a == b for a, b in zip(again, remote, strict=True)] == [True, False, True, True, True, True]
    with pytest.raises(UserError, match="has changed since the run began"):
        check_unchanged(uris[1], remote[1])
    check_unchanged(uris[2], remote[2])
    with pytest.raises(UserError, match=r"nothing\.warc\.gz"):
        identify_files([f"{s3}/crawl/nothing.warc.gz"], cache=cache)
