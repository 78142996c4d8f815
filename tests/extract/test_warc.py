"""Reading WARC and ARC: against FastWARC and warcio record by record, at any split, and after damage."""

import contextlib
import gzip
import io
import random
from itertools import pairwise
from pathlib import Path

import lz4.frame
import pytest
from backports import zstd
from fastwarc import ArchiveIterator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator as Warcio

from extract.sources.record_headers import parse_header
from extract.sources.record_parser import Record
from extract.sources.warc import read_records
from pipeline.base.errors import UserError
from pipeline.inputs import members
from pipeline.inputs.compression import LostRange, detect_codec, open_source

SOUND = (
    "hplt-cc100.warc.gz",
    "trafilatura-demo.warc.gz",
    "commoncrawl/cc-main-2020-34/warcfile.warc",
    "commoncrawl/cc-main-2020-34/warcfile.warc.gz",
    "commoncrawl/cc-main-2020-34/warcfile.warc.lz4",
    "commoncrawl/cc-main-2016-50/repaired-sample.warc.gz",
    "commoncrawl/cc-main-2016-50/repaired-sample.wet.gz",
    "commoncrawl/cc-main-2024-22-whirlwind/whirlwind.warc",
    "edge/chatnoir-resiliparse/block-sized-records.warc.lz4",
    "edge/webarchive-commons/IAH-urls-wget.warc",
)


def fastwarc(path: Path) -> list[tuple[str, str, bytes, bool]]:
    """(type, id, content, whether the content has its length) of every record that FastWARC reads."""
    actual = []
    with contextlib.suppress(OSError):
        for r in ArchiveIterator(io.BytesIO(path.read_bytes()), parse_http=False):
            content = r.reader.read()
            kind = (r.headers.get("WARC-Type") or "unknown").strip().lower()
            good = r.headers.get("Content-Length") is not None and len(content) == r.content_length
            actual.append((kind, r.headers.get("WARC-Record-ID") or "", content, good))
    return actual


def warcio(path: Path) -> list[tuple[str, str, bytes, bool]]:
    actual = []
    with contextlib.suppress(Exception):  # it stops with errors of several kinds; what it read before counts
        for r in Warcio(io.BytesIO(path.read_bytes()), no_record_parse=True, arc2warc=True):
            content = r.raw_stream.read()
            length = (r.rec_headers.get_header("Content-Length") or "").strip()
            good = length.isdigit() and len(content) == int(length)
            actual.append((r.rec_type or "unknown", r.rec_headers.get_header("WARC-Record-ID") or "", content, good))
    return actual


# What a library returns as whole and is not: the file's bytes say so.
NOT_GOOD = {
    # the length of this record leads into the next one, whose first line it would swallow
    ("incorrect_content_length.warc", "warcio", "<urn:uuid:2a59c5c8-d806-4cdb-83aa-b21495d11063>"),
    # likewise: 782 bytes reach into the header of the record behind it
    ("invalid-warcrecord-3.warc", "warcio", "<urn:uuid:e7c9eff8-f5bc-4aeb-b3d2-9d3df99afb30>"),
    ("invalid-warcrecord-3.warc", "fastwarc", "<urn:uuid:e7c9eff8-f5bc-4aeb-b3d2-9d3df99afb30>"),
    # two lengths, 588 and 0; the first is the true one, as warcio and the bytes say
    ("invalid-warcfile-duplicate-fields.warc", "fastwarc", "<urn:uuid:35f02b38-eb19-4f0d-86e4-bfe95815069c-1>"),
}


def edge_files(shared: Path) -> list[Path]:
    return [p for p in sorted((shared / "warc/edge").rglob("*")) if p.is_file() and p.suffix != ".tsv"]


def test_every_record_that_a_library_reads_whole_from_the_edge_files_is_found(shared):
    lacking, compared = [], 0
    for path in edge_files(shared):
        own = [r for r in read_records(str(path)) if isinstance(r, Record)]
        for name, reference in (("fastwarc", fastwarc(path)), ("warcio", warcio(path))):
            pool = [r.content for r in own]
            for kind, identity, content, good in reference:
                if content in pool:
                    pool.remove(content)
                    compared += 1
                elif good and kind != "warcinfo" and content and (path.name, name, identity) not in NOT_GOOD:
                    lacking.append((path.name, name, kind, identity, len(content)))
    assert not lacking
    assert compared > 350


def test_broken_edge_files_give_lost_ranges_with_their_place(shared):
    at = {p.name: [x for x in read_records(str(p)) if isinstance(x, LostRange)] for p in edge_files(shared)}
    assert [(x.offset, x.length) for x in at["invalid-warcfile-record-then-garbage.warc"]] == [(1135, 55)]
    assert [(x.offset, x.length) for x in at["invalid-arcfile-record-then-garbage.arc"]] == [(2329, 25)]
    assert [(x.offset, x.length) for x in at["clipped.warc.gz"]] == [(0, 18184)]
    assert [(x.offset, x.length, x.reason) for x in at["hi.gz"]] == [(0, 23, "not a WARC")]
    assert [(x.offset, x.length) for x in at["invalid_signed_example_1.wacz"]] == [(0, 785), (4650, 8903)]
    assert not at["example.warc.gz"]


@pytest.mark.parametrize("name", SOUND)
def test_sound_files_read_as_fastwarc_reads_them(shared, name):
    path = shared / "warc" / name
    reference = [
        (
            r.stream_pos,
            str(r.record_type),
            r.headers.get("WARC-Record-ID"),
            r.headers.get("WARC-Target-URI"),
            r.reader.read(),
        )
        for r in ArchiveIterator(io.BytesIO(path.read_bytes()), parse_http=False)
    ]
    own = [
        (r.offset, r.type, r.headers.get("warc-record-id"), r.headers.get("warc-target-uri"), r.content)
        for r in read_records(str(path))
    ]
    assert own == reference


def record(content: bytes, number: int, kind: bytes = b"response") -> bytes:
    head = b"WARC/1.0\r\nWARC-Type: %s\r\nWARC-Record-ID: <urn:r:%d>\r\nContent-Length: %d\r\n\r\n"
    return head % (kind, number, len(content)) + content + b"\r\n\r\n"


COMPRESS = {
    "gz": lambda data: gzip.compress(data, mtime=0),
    "zst": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
    "lz4": lambda data: lz4.frame.compress(data, content_checksum=True),
}


def stored_member(data: bytes) -> bytes:
    """A gzip member that keeps its text as it is, as gzip does with what cannot be compressed."""
    return gzip.compress(data, compresslevel=0, mtime=0)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_any_split_gives_what_one_pass_gives(tmp_path, suffix, monkeypatch):
    """Damage, continued members and a WARC stored inside a record included."""
    monkeypatch.setattr(members, "LOOK_BACK_BYTES", 3000)
    noise = random.Random(1)
    pack = COMPRESS[suffix]
    inside = b"".join(pack(record(b"inner %d" % i, 1000 + i)) for i in range(6))
    blocks = [pack(record(noise.randbytes(noise.randrange(400)), i)) for i in range(12)]
    blocks[3] = bytearray(blocks[3])
    blocks[3][len(blocks[3]) // 2] ^= 0x55
    blocks[6] = (stored_member if suffix == "gz" else pack)(record(inside, 6, b"resource"))
    long = record(noise.randbytes(900), 8)
    blocks[8] = pack(long[:500]) + pack(long[500:])  # one record over two members
    blocks[10] = b"garbage between the members"
    path = tmp_path / f"x.warc.{suffix}"
    path.write_bytes(b"".join(blocks))
    one_pass = list(read_records(str(path)))
    assert sum(isinstance(x, LostRange) for x in one_pass) == 2
    assert sum(isinstance(x, Record) and not x.damage for x in one_pass) == 10
    size = path.stat().st_size

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.integers(0, size + 5), max_size=6))
    def check(cuts):
        bounds = [0, *sorted(cuts), None]
        parts = [x for a, b in pairwise(bounds) for x in read_records(str(path), a, b)]
        assert parts == one_pass

    check()
    step = max(1, size // 150)
    for cut in range(0, size, step):
        assert [*read_records(str(path), 0, cut), *read_records(str(path), cut)] == one_pass, cut


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 140_000), min_size=1, max_size=4))
def test_splits_of_a_real_crawl(shared, cuts):
    path = str(shared / "warc/commoncrawl/cc-main-2020-34/warcfile.warc.gz")
    bounds = [0, *sorted(cuts), None]
    parts = [x for a, b in pairwise(bounds) for x in read_records(path, a, b)]
    assert parts == list(read_records(path))


def test_uncompressed_and_arc_splits(shared, tmp_path):
    arc = (shared / "warc/edge/warcio/example.arc").read_bytes()
    extra = arc[arc.index(b"\nhttp") :]
    (tmp_path / "x.arc").write_bytes(arc + extra * 3)
    for path in (tmp_path / "x.arc", shared / "warc/edge/webarchive-commons/IAH-urls-wget.warc"):
        one_pass = list(read_records(str(path)))
        assert len(one_pass) > 4
        for cut in range(0, path.stat().st_size, path.stat().st_size // 7):
            assert [*read_records(str(path), 0, cut), *read_records(str(path), cut)] == one_pass


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7), suffix=st.sampled_from(sorted(COMPRESS)))
def test_one_flipped_bit_costs_one_member_and_is_reported(tmp_path, place, bit, suffix):
    noise = random.Random(2)
    blocks = [COMPRESS[suffix](record(noise.randbytes(300), i)) for i in range(20)]
    data = bytearray(b"".join(blocks))
    place %= len(data)
    data[place] ^= 1 << bit
    path = tmp_path / "x"
    path.write_bytes(bytes(data))
    hit = next(i for i in range(20) if place < sum(map(len, blocks[: i + 1])))
    actual = list(read_records(str(path)))
    good = {r.headers.get("warc-record-id"): r.content for r in actual if isinstance(r, Record) and not r.damage}
    clean = random.Random(2)
    for i in range(20):
        content = clean.randbytes(300)
        if i != hit and not (hit == 0 and not good):  # a first member without its magic: see the next test
            assert good[f"<urn:r:{i}>"] == content
    unchanged = good.get(f"<urn:r:{hit}>") is not None
    assert unchanged or any(isinstance(x, LostRange) or x.damage for x in actual)


def test_a_file_whose_first_member_has_lost_its_magic(tmp_path):
    data = bytearray(b"".join(gzip.compress(record(b"text %d" % i, i)) for i in range(5)))
    data[0] ^= 0xFF
    (tmp_path / "x").write_bytes(bytes(data))
    actual = list(read_records(str(tmp_path / "x")))
    assert isinstance(actual[0], LostRange) and actual[0].offset == 0
    assert [r.content for r in actual[1:]] == [b"text %d" % i for i in range(1, 5)]


def test_a_truncated_file_gives_what_is_readable(tmp_path):
    noise = random.Random(3)
    text = bytes(noise.choice(b"abcdefgh ") for _ in range(50_000))
    first, second = gzip.compress(record(b"one", 1)), gzip.compress(record(text, 2))
    (tmp_path / "x").write_bytes(first + second[: len(second) // 2])
    one, two, lost = read_records(str(tmp_path / "x"))
    assert one.content == b"one" and not one.damage
    assert text.startswith(two.content) and len(two.content) > 15_000
    assert two.missing_bytes == len(text) - len(two.content) and "ends inside" in two.damage
    assert (lost.offset, lost.length) == (len(first), len(second) // 2)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", [("lost", 0, 0)]),
        (b"hello\n" * 5, [("lost", 0, 30)]),
        (b"\n\n\n", [("lost", 0, 3)]),
        (record(b"a", 1), [b"a"]),
        (record(b"a", 1)[:-4], [b"a"]),  # without the two line ends
        (record(b"a", 1)[:-5], [b"", ("lost", 79, 0)]),  # without its content too
        (b"\r\n" + record(b"a", 1) + b"\r\n\r\n" + record(b"b", 2), [b"a", b"b"]),
        (record(b"a", 1) + b"junk\nmore junk\n" + record(b"b", 2), [b"a", ("lost", 84, 15), b"b"]),
        (record(b"abc", 1).replace(b": 3", b": 999") + record(b"b", 2), [b"abc", b"b"]),  # a length too large
        (record(b"abcdef", 1).replace(b": 6", b": 2") + record(b"b", 2), [b"ab", ("lost", 81, 8), b"b"]),
        (record(b"abc", 1).replace(b"Content-Length: 3\r\n", b"") + record(b"b", 2), [b"abc", b"b"]),
        (record(b"abc", 1).replace(b": 3", b": " + b"9" * 5000) + record(b"b", 2), [b"abc", b"b"]),  # no length
        (record(b"abc", 1).replace(b"\r\n", b"\n") + record(b"b", 2), [b"abc", b"b"]),
        (record(b"abc", 1).replace(b"WARC/1.0", b"WARC/0.18") + record(b"b", 2), [b"abc", b"b"]),
        (b"WARC/1.0\r\nWARC-Type: response\r\n" + record(b"b", 2), [b"", b"b"]),  # a header that never ends
        (record(b"x\r\n\r\nWARC/1.0\r\nWARC-Type: response\r\n\r\ny", 1) + record(b"b", 2), None),  # a WARC in a page
    ],
)
def test_plain_files(tmp_path, data, expected):
    (tmp_path / "x.warc").write_bytes(data)
    actual = [
        x.content if isinstance(x, Record) else ("lost", x.offset, x.length)
        for x in read_records(str(tmp_path / "x.warc"))
    ]
    assert actual == (expected or [b"x\r\n\r\nWARC/1.0\r\nWARC-Type: response\r\n\r\ny", b"b"])


def test_zstd_with_a_dictionary_of_its_own(tmp_path):
    texts = [record(b"common words of many pages %d" % i * 5, i) for i in range(300)]
    dictionary = zstd.train_dict(texts, 4096)
    for stored in (dictionary.dict_content, zstd.compress(dictionary.dict_content)):
        frame = b"\x5d\x2a\x4d\x18" + len(stored).to_bytes(4, "little") + stored
        path = tmp_path / "x.warc.zst"
        path.write_bytes(frame + b"".join(zstd.compress(t, zstd_dict=dictionary) for t in texts))
        assert len([r for r in read_records(str(path)) if isinstance(r, Record)]) == 300
        cut = path.stat().st_size // 2
        assert [*read_records(str(path), 0, cut), *read_records(str(path), cut)] == list(read_records(str(path)))


@pytest.mark.parametrize(
    "stored", [b"", b"short", b"no dictionary at all", zstd.compress(b"none either"), zstd.compress(b"x" * 999)[:-3]]
)
def test_records_after_a_broken_dictionary_are_lost_and_reported(tmp_path, stored):
    dictionary = zstd.train_dict([b"common words of many pages %d" % i * 5 for i in range(300)], 4096)
    frame, record_ = b"\x5d\x2a\x4d\x18" + len(stored).to_bytes(4, "little") + stored, record(b"a", 1)
    path = tmp_path / "x.warc.zst"
    path.write_bytes(frame + zstd.compress(record_, zstd_dict=dictionary) + zstd.compress(record_))
    *lost, last = read_records(str(path))
    assert all(isinstance(event, LostRange) for event in lost) and last.content == b"a"
    path.write_bytes(frame[:6])
    assert [type(event) for event in read_records(str(path))] == [LostRange]


def test_a_whole_file_in_one_member(tmp_path):
    """Made by `gzip x.warc`: no places to start from, but every record."""
    for suffix, pack in COMPRESS.items():
        path = tmp_path / f"x.{suffix}"
        path.write_bytes(pack(b"".join(record(b"%d" % i * 1000, i) for i in range(3000))))
        actual = list(read_records(str(path)))
        assert [r.content for r in actual] == [b"%d" % i * 1000 for i in range(3000)]
        assert len({(r.offset, r.inner_offset) for r in actual}) == 3000
        assert list(read_records(str(path), path.stat().st_size // 2)) == []


def test_content_over_the_limit_is_truncated_and_reported(tmp_path, monkeypatch):
    from extract.sources import record_parser

    monkeypatch.setattr(record_parser, "MAX_CONTENT_BYTES", 1000)
    (tmp_path / "x").write_bytes(gzip.compress(record(b"a" * 5_000_000, 1)) + gzip.compress(record(b"b", 2)))
    big, small = read_records(str(tmp_path / "x"))
    assert (len(big.content), big.missing_bytes, small.content) == (1000, 4_999_000, b"b")


def test_header_lines():
    block = b"WARC/1.0\r\nWARC-Type :  response \r\nwarc-type: x\r\nA: b\r\n\tc\r\n d\r\n"
    block += b"no colon\r\nName: \xc3\xa4\r\nEmpty:\r\n"
    assert parse_header(block) == {"warc-type": "response", "a": "b c d", "name": "ä", "empty": ""}
    assert parse_header(b"x\nname: \xe4") == {"name": "ä"}


def test_a_file_that_cannot_be_opened_is_a_user_error(tmp_path):
    for path in (tmp_path / "absent.warc.gz", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            next(read_records(str(path)))


def test_uris(tmp_path):
    (tmp_path / "x").write_bytes(gzip.compress(record(b"a", 1)))
    assert [r.content for r in read_records(f"file://{tmp_path}/x", source_name="x")] == [b"a"]
    with pytest.raises(UserError, match="cannot be read"):
        open_source("nosuch://bucket/file")


def test_compressions_by_their_first_bytes():
    for suffix, pack in COMPRESS.items():
        codec = detect_codec(io.BytesIO(pack(b"x")))
        assert codec is not None and codec.name.startswith(suffix[:2])
    assert detect_codec(io.BytesIO(b"WARC/1.0")) is None
