"""Files of the persistent index: shingle sets, look-ups, byte ranges and compaction."""

import itertools
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dedup.common.in_memory import run
from dedup.common.partitions import partition_of, partition_rows
from dedup.index.byte_ranges import read_ranges
from dedup.index.files import BANDS_FILE, DOCUMENTS_FILE, RECORD, Segment, StoredIndex, stored_file
from dedup.index.segment import ROWS, find_documents, index_bands
from dedup.near.minhash import signatures
from dedup.near.shingle_files import read_shingle_sets, signatures_and_sets
from dedup.near.shingles import shingles
from pipeline.index import compaction
from pipeline.index.pointer import Pointer, load_pointer, open_index
from pipeline.runner.dag import InputFiles, partition, step
from pipeline.runner.manifests import load_manifest, manifest_name, shards_of
from pipeline.runner.scheduler import InProcess, execute
from pipeline.runner.stage import stage
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard
from pipeline.store.shard_table import ShardList
from pipeline.store.writer import Output
from tests.support.documents import page_shards
from tests.support.index_world import crawl, dump_rows, join_monthly_dumps, memory_folder

pytestmark = pytest.mark.usefixtures("quick_steps")


@given(st.lists(st.sampled_from(["", "a", "a b c a b c a b", "x y z w", "a b c " * 9]), max_size=9), st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_stored_sets_are_those_of_the_texts(texts, data):
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, max(len(texts) - 1, 0)))) if texts else []), np.int64)
    with memory_folder() as root, pytest.MonkeyPatch.context() as patch:
        patch.setattr("dedup.near.shingle_files.READ_BYTES", data.draw(st.sampled_from([8, 64, 1 << 20])))
        patch.setattr("dedup.near.shingle_files.BATCH_DOCUMENTS", data.draw(st.integers(1, 4)))
        signed = step(signatures_and_sets, pages=crawl(dump_rows(0, texts)), name="signatures", ngram=2)
        execute(signed, Store(root), InProcess)
        (shard,) = shards_of(Store(root), signed)
        sets: list[list[int]] = []
        for low, high, hashes, bounds in read_shingle_sets(shard, rows):
            assert low == len(sets) and high - low == len(bounds) - 1
            sets += [hashes[a:b].tolist() for a, b in itertools.pairwise(bounds)]
        assert sets == [sorted(set(shingles(pa.array([texts[i]]), 2)[0].tolist())) for i in rows]
        expected = run(signatures, pages=page_shards([{"text": t} for t in texts]), ngram=2).table()
        assert shard.table() == expected.set_column(0, "id", shard.table()["id"])


def test_compaction_changes_nothing_but_the_number_of_segments(tmp_path, monkeypatch):
    plain, merged = Store(tmp_path / "plain"), Store(tmp_path / "merged")
    monkeypatch.setattr(compaction, "MERGED_SEGMENTS", 100)
    plain_runs = join_monthly_dumps(plain, 9)
    assert len(load_pointer(plain, "w").segments) == 9
    monkeypatch.setattr(compaction, "MERGED_SEGMENTS", 2)
    monkeypatch.setattr(compaction, "PARTITION_BYTES", 16 * 700)  # several partitions a segment
    merged_runs = join_monthly_dumps(merged, 9)
    segments = load_pointer(merged, "w").segments
    assert [segment["entries"] for segment in segments] == [8, 1] and segments[0]["partitions"] >= 4
    assert [steps["near"].key for steps in plain_runs] == [steps["near"].key for steps in merged_runs]
    for one, two in zip(plain_runs, merged_runs, strict=True):
        for name in ("near", "index"):
            pairs = zip(shards_of(plain, one[name]), shards_of(merged, two[name]), strict=True)
            assert all(a.table() == b.table() for a, b in pairs)
    before = load_pointer(merged, "w").stored()
    with open_index(plain, "w") as pointer:
        after = compaction.compact(pointer, InProcess, everything=True).stored()
    hashes = np.unique(np.concatenate([_band_hashes(merged, segment) for segment in before.segments]))
    for one, two in zip(before.lookup(hashes, 1000), after.lookup(hashes, 1000), strict=True):
        assert np.array_equal(one, two)


def _band_hashes(store: Store, segment: Segment) -> np.ndarray:
    return np.concatenate([
        np.frombuffer(store.open(stored_file(store, segment.manifest, BANDS_FILE, p)).read(), "<u8")[::2]
        for p in range(segment.partitions)
    ])  # fmt: skip


@stage(version=1, outputs={"part": ROWS})
def given_bands(source: Shard, *, partitions: int = 1) -> Iterator[Output]:
    """Rows (hash, document) in the partition of their hash."""
    rows = json.loads(source.table()["rows"][0].as_py())
    table = pa.Table.from_pylist([dict(zip(ROWS.names, row, strict=True)) for row in rows], ROWS)
    yield from partition_rows(table, partition_of(table["hash"].to_numpy(), partitions))


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 900)), max_size=900), min_size=1, max_size=3),
    st.integers(1, 5),
    st.integers(1, 6),
)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_lookups_are_those_of_a_dictionary(dumps, partitions, limit):
    """Few hashes, so that their runs are longer than a block, spread over 64 bits. The third dump does not count."""
    hashes = [(i * 0x0843_0A2C_1234_5678) % (1 << 64) for i in range(40)]
    with memory_folder() as root:
        store, segments, documents = Store(root), [], {}
        for i, rows in enumerate(dumps):
            rows = sorted(set(rows))
            text = json.dumps([[hashes[h], d] for h, d in rows])
            bands = step(given_bands, source=InputFiles("rows", ([i, text],), ({"rows": text},)), partitions=partitions)
            sorted_bands = step(index_bands, rows=partition(bands), tasks=partitions)
            execute(sorted_bands, store, InProcess)
            segments.append(Segment(manifest_name(sorted_bands), i, partitions))
            for h, d in rows if i < 2 else ():
                documents.setdefault(hashes[h], []).append((i << 32) + d)
        index = StoredIndex(store, (), tuple(segments), visible_shards=2, withdrawn_shards=0)
        which, doc, left_out = index.lookup(np.array(sorted(hashes), np.uint64), limit)
        expected = [(h, d) for h in sorted(hashes) for d in sorted(documents.get(h, []))[:limit]]
        assert [(sorted(hashes)[i], d) for i, d in zip(which.tolist(), doc.tolist(), strict=True)] == expected
        assert left_out == sum(max(0, len(some) - limit) for some in documents.values())


@given(st.lists(st.tuples(st.integers(0, 990), st.integers(0, 10)), max_size=30), st.integers(0, 50))
@settings(deadline=None)
def test_ranges_are_fetched_as_they_are(ranges, gap):
    data = bytes(random.Random(1).randbytes(1000))
    start = np.sort(np.array([a for a, _ in ranges], np.int64))
    size = np.array([n for _, n in ranges], np.int64)
    fetched, position = read_ranges(pa.PythonFile(pa.BufferReader(data), mode="r"), start, start + size, gap)
    for a, n, at in zip(start.tolist(), size.tolist(), position.tolist(), strict=True):
        assert fetched[at : at + n].tobytes() == data[a : a + n]


def test_a_truncated_file_is_noticed(tmp_path):
    store = Store(tmp_path)
    (steps,) = join_monthly_dumps(store, 1)
    for file in (tmp_path / steps["index_bands"].folder).glob("*/bands.bin"):
        file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises((OSError, ValueError)):
        find_documents(load_pointer(store, "w").stored(), [bytes(16)])


def test_an_index_of_an_earlier_release_is_read(tmp_path):
    """Its pointer names folders of steps, in which files are numbered."""
    store = Store(tmp_path)
    join_monthly_dumps(store, 3)
    pointer = load_pointer(store, "w")
    saved = store.read_json(pointer.file)
    for number, entry in enumerate([*saved["entries"], *saved["segments"]]):
        manifest = entry.pop("documents" if "documents" in entry else "manifest")
        folder = f"index_old/{number:024d}"
        entry["documents" if "source" in entry else "folder"] = folder
        for i, shard in enumerate(ShardList(load_manifest(store, manifest).table)):
            for name in shard.files:
                store.copy(shard.raw(name), f"{folder}/{name.removesuffix('.bin')}-{i:05d}.bin")
    ids = [bytes.fromhex(shard_id) for shard_id in _ids(store, pointer)]
    expected = find_documents(pointer.stored(), ids)
    store.write_json(pointer.file, saved)
    shutil.rmtree(tmp_path / "index_documents")
    shutil.rmtree(tmp_path / "index_bands")
    numbers, records = find_documents(load_pointer(store, "w").stored(), ids)
    assert len(numbers) == len(ids) > 20
    assert numbers.tolist() == expected[0].tolist() and records.tobytes() == expected[1].tobytes()


def _ids(store: Store, pointer: Pointer) -> list[str]:
    """Ids of all documents of an index."""
    names = [
        shard.raw(DOCUMENTS_FILE)
        for entry in pointer.entries
        for shard in ShardList(load_manifest(store, entry["documents"]).table)
    ]
    records = [np.frombuffer((Path(store.root) / name).read_bytes(), RECORD) for name in names]
    return sorted({value.tobytes().hex() for some in records for value in some["id"]})
