"""Which format a file has, and how files are listed, split into ranges and packed into shards."""

import random
from itertools import pairwise

import pytest

from extract.sources.listing import (
    FILE_COST_BYTES,
    MAX_PACK_SIZES,
    PACK_BYTES,
    default_chunk_bytes,
    holds_text,
    list_chunks,
    pack_chunks,
    row_identity,
)
from extract.sources.registry import find_format
from pipeline.base.errors import UserError

MIB = 1 << 20


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.warc.gz", "warc"),
        ("a.WARC", "warc"),
        ("a.arc.gz", "warc"),
        ("a.warc.wet.gz", "wet"),
        ("a.parquet", "parquet"),
        ("s3://b/c/a.jsonl.zst", "json_lines"),
        ("a.json.gz", "json_lines"),
        ("a.ndjson", "json_lines"),
        ("noending", "warc"),
    ],
)
def test_formats_by_name(name, kind):
    assert find_format(name).name == kind
    assert holds_text(name) == (kind != "warc")


def write(folder, **sizes: int) -> list[str]:
    """Write files of these sizes; a name has __ for a slash and _ for a dot."""
    paths = []
    for name, size in sizes.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
        paths.append(str(path))
    return paths


def test_chunks(tmp_path):
    paths = write(tmp_path, b__1_warc_gz=1000, a_warc=1000, c_jsonl=250, d_jsonl_gz=900, e_warc_gz=0)
    actual = [(r["name"], r["start"], r["end"]) for r in list_chunks(paths + paths[:1], 400)]
    assert actual == [
        ("1.warc.gz", 0, 333),
        ("1.warc.gz", 333, 666),
        ("1.warc.gz", 666, None),
        ("a.warc", 0, None),  # only from its start
        ("c.jsonl", 0, None),
        ("d.jsonl.gz", 0, None),
        ("e.warc.gz", 0, None),
    ]
    by_path, by_uri = (list_chunks([path], 400)[0] for path in (paths[2], f"file://{paths[2]}"))
    assert by_path["size"] == by_uri["size"] == 250 and by_path["digest"] == by_uri["digest"]


@pytest.mark.parametrize("paths", [[], ["/nonexistent/x.warc.gz"], ["nosuch://x/y"], ["/tmp"]])
def test_no_such_input(paths):
    with pytest.raises(UserError):
        list_chunks(paths, 100)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["x/a.warc.gz"], ["a.warc.gz"]),
        (["x/a.warc.gz", "y/z/b.warc.gz"], ["a.warc.gz", "b.warc.gz"]),
        (["x/a.warc.gz", "y/a.warc.gz"], ["a.warc.gz", "y/a.warc.gz"]),  # the first is called as when it is alone
        (["1/x/a.jsonl", "2/x/a.jsonl", "3/x/a.jsonl"], ["a.jsonl", "x/a.jsonl", "3/x/a.jsonl"]),
        (["2024-10/part-0.jsonl", "2024-11/part-0.jsonl", "2024-11/part-1.jsonl"],
         ["part-0.jsonl", "2024-11/part-0.jsonl", "part-1.jsonl"]),
    ],
)  # fmt: skip
def test_names_tell_files_apart_and_do_not_depend_on_later_files(tmp_path, paths, names):
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    full = [str(tmp_path / path) for path in paths]
    for count in range(1, len(full) + 1):
        actual = {row["path"]: row["name"] for row in list_chunks(full[:count])}
        assert [actual[path] for path in full[:count]] == names[:count]


def test_a_uri_and_a_path_of_the_same_file_have_the_same_name(tmp_path):
    path = tmp_path / "a b%c.jsonl"
    path.write_text("{}")
    by_path, by_uri = (list_chunks([text])[0] for text in (str(path), f"file://{tmp_path}/a%20b%25c.jsonl"))
    assert by_path["name"] == by_uri["name"] == "a b%c.jsonl" and by_path["digest"] == by_uri["digest"]


@pytest.mark.parametrize(
    ("path", "dump"),
    [
        ("CC-MAIN-2024-10/part-0.jsonl", "CC-MAIN-2024-10"),
        ("CC-MAIN-2024-10/x/CC-MAIN-2024-18.parquet", "CC-MAIN-2024-18"),
        ("CC-MAIN-2024-100/part-0.jsonl", None),
        ("CC-MAIN-2024-10/a.warc.gz", None),  # whose own records say it
    ],
)
def test_the_folder_of_a_table_names_the_dump(tmp_path, path, dump):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_bytes(b"")
    assert list_chunks([str(tmp_path / path)])[0]["dump"] == dump


@pytest.mark.parametrize(
    ("size", "ranges"),
    [(1, 1), (64 * MIB, 1), (65 * MIB, 2), (256 * MIB, 4), (1 << 30, 4), (4 << 30, 16), (100 << 30, 400)],
)
def test_a_file_is_cut_by_its_own_size(tmp_path, size, ranges):
    paths = []
    for name, size_of_file in (("a.warc.gz", size), ("b.warc.gz", 300 << 30)):
        with open(tmp_path / name, "wb") as file:
            file.truncate(size_of_file)
        paths.append(str(tmp_path / name))
    alone, beside = list_chunks(paths[:1]), [row for row in list_chunks(paths) if row["name"] == "a.warc.gz"]
    assert alone == beside and len(alone) == ranges == -(-size // default_chunk_bytes(size))
    covered = [(row["start"], size if row["end"] is None else row["end"]) for row in alone]
    assert covered[0][0] == 0 and covered[-1][1] == size
    assert all(end == start for (_, end), (start, _) in pairwise(covered))


# --- packs ----------------------------------------------------------------------------------------------------------
def chunk(name: str, size: int, start: int = 0, end: int | None = None) -> dict:
    place = {"path": f"/x/{name}", "name": name, "start": start, "end": end}
    return {**place, "size": size, "digest": f"of {name}", "stamp": "1", "dump": None}


def small_files(count: int, seed: int, size: int = 2 * MIB) -> list[dict]:
    rng = random.Random(seed)
    names = rng.sample(range(10**6), count)
    return sorted((chunk(f"{n:06}.jsonl", rng.randrange(size)) for n in names), key=lambda row: row["name"])


def packs(chunks: list[dict], pack_bytes: int = PACK_BYTES) -> list[list[str]]:
    rows = pack_chunks(chunks, pack_bytes)
    assert [row["size"] for row in rows] == [sum(file["size"] for file in row["files"]) for row in rows]
    return [[file["name"] for file in row["files"]] for row in rows]


def test_packs_have_every_file_once_in_order_and_about_the_size():
    files = small_files(3000, 1)
    actual = packs(files)
    assert [name for pack in actual for name in pack] == [file["name"] for file in files]
    sizes = {file["name"]: file["size"] + FILE_COST_BYTES for file in files}
    weights = [sum(sizes[name] for name in pack) for pack in actual]
    assert max(weights) <= MAX_PACK_SIZES * PACK_BYTES
    assert 0.6 * PACK_BYTES < sum(weights) / len(weights) < 1.4 * PACK_BYTES


def test_ten_thousand_small_files_are_a_few_shards():
    assert 2 <= len(packs([chunk(f"{i:05}.warc.gz", 10_000) for i in range(10_000)])) <= 12
    assert len(packs([chunk(f"{i:03}.warc.gz", 10_000) for i in range(600)])) <= 3


@pytest.mark.parametrize("seed", range(20))
def test_a_file_that_comes_or_goes_changes_the_packs_next_to_it(seed):
    files = small_files(2000, seed)
    before = packs(files)
    changed = random.Random(seed).randrange(len(files))
    after = packs(files[:changed] + files[changed + 1 :])
    lost = [pack for pack in before if pack not in after]
    new = [pack for pack in after if pack not in before]
    assert len(lost) <= 1 + MAX_PACK_SIZES and len(new) <= 1 + MAX_PACK_SIZES
    assert any(files[changed]["name"] in pack for pack in lost)
    grown = packs(sorted([*files, chunk(f"{files[changed]['name']}a.jsonl", MIB)], key=lambda row: row["name"]))
    assert len([pack for pack in grown if pack not in before]) <= 1 + MAX_PACK_SIZES


def test_most_changes_touch_one_pack():
    """What an insertion costs, on average: one pack or two, of some thirty."""
    files = small_files(2000, 99)
    before, costs = packs(files), []
    for changed in range(0, len(files), 40):
        after = packs(files[:changed] + files[changed + 1 :])
        costs.append(sum(pack not in before for pack in after))
    assert len(before) > 20 and sum(costs) / len(costs) < 2


def test_large_files_and_ranges_are_shards_of_their_own_and_end_no_pack():
    small = [chunk(f"{i}.jsonl", 1000) for i in (1, 2, 4, 5)]
    large = [chunk("3.warc.gz", 40 * MIB), chunk("6.warc.gz", 100, 0, 50), chunk("6.warc.gz", 100, 50)]
    rows = pack_chunks([*small[:2], large[0], *small[2:], *large[1:]])
    assert [[file["name"] for file in row["files"]] for row in rows] == [
        ["1.jsonl", "2.jsonl", "4.jsonl", "5.jsonl"], ["3.warc.gz"], ["6.warc.gz"], ["6.warc.gz"],
    ]  # fmt: skip
    assert [row["name"] for row in rows] == ["1.jsonl and 3 more", "3.warc.gz", "6.warc.gz", "6.warc.gz"]
    assert [row["size"] for row in rows] == [4000, 40 * MIB, 50, 50]
    assert packs(small, 0) == [["1.jsonl"], ["2.jsonl"], ["4.jsonl"], ["5.jsonl"]]


def test_an_identity_has_neither_paths_nor_times():
    (row,) = pack_chunks([chunk("a.jsonl", 10), chunk("b.jsonl", 20)])
    assert row_identity(row) == [
        ["a.jsonl", 10, "of a.jsonl", 0, None, None],
        ["b.jsonl", 20, "of b.jsonl", 0, None, None],
    ]
    moved = {**row, "files": [{**file, "path": "s3://y/z", "stamp": "2"} for file in row["files"]]}
    assert row_identity(moved) == row_identity(row)
