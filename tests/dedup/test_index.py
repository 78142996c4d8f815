"""The persistent index: the definition, one run over all against many, faults, and what the command line says."""

import functools
import itertools
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dedup.common.clusters import in_buckets
from dedup.common.in_memory import run
from dedup.exact.exact import partition_of
from dedup.index.byte_ranges import fetch
from dedup.index.files import Segment, Stored, bands_file
from dedup.index.segment import ROWS, find, index_bands
from dedup.near.minhash import signatures, sketch_cut
from dedup.near.shingle_files import kept_sets, signatures_and_sets
from dedup.near.shingles import shingles
from pipeline.__main__ import main
from pipeline.base.errors import UserError
from pipeline.commands.gc import unused_folders
from pipeline.index import compaction
from pipeline.index.pointer import load_pointer, open_index
from pipeline.runner.dag import InputFiles, partition, step
from pipeline.runner.manifests import folder_of, shards_of
from pipeline.runner.planning import plan
from pipeline.runner.scheduler import InProcess, execute
from pipeline.runner.stage import stage
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard
from pipeline.store.writer import Output
from tests.dedup.test_near import grams, pages, similarity
from tests.support import index_world as world
from tests.support.folders import contents, written
from tests.support.paths import CHECKOUT

HOW = {"bands": 30, "rows": 2, "ngram": 2}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Small steps are many here: no waiting for disks (nobody cuts the power), no asking what they cost."""
    monkeypatch.setattr("pipeline.store.filesystem.os.fsync", lambda _: None)
    monkeypatch.setattr("pipeline.runner.task._cpu_seconds", lambda: 0.0)


def in_memory() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)


def dump(number: int, texts: list[str]) -> list[dict]:
    """Documents of one dump: later dumps are of later days."""
    return [
        {"id": f"{number:02x}{i:030x}", "text": t, "date": 1000 * number + i, "dump": f"dump {number}"}
        for i, t in enumerate(texts)
    ]


def definition(dumps: list[list[dict]], shards: int, threshold: float, order) -> list[dict[str, tuple]]:
    """Per dump id -> (what it is a near duplicate of, similarity), spelled out; copies by text are not among them."""
    earlier: list[dict] = []  # kept by earlier runs, in the order of the index
    answers = []
    for rows in dumps:
        firsts = {}
        for row in sorted(rows, key=order):
            firsts.setdefault(row["text"], row["id"])
        left = [row for row in rows if firsts[row["text"]] == row["id"]]
        removed = {r["id"]: best for r in left if (best := nearest(r, earlier, threshold))}
        kept: list[dict] = []
        for row in sorted((r for r in left if r["id"] not in removed), key=order):
            best = nearest(row, kept, threshold)
            if best:
                removed[row["id"]] = best
            else:
                kept.append(row)
        answers.append(removed)
        stays = {row["id"] for row in kept}
        earlier += [row for shard in range(shards) for row in rows[shard::shards] if row["id"] in stays]
    return answers


def nearest(row: dict, others: list[dict], threshold: float) -> tuple | None:
    best = None
    for other in others:
        if candidates(row["text"], other["text"], threshold):
            found = similarity(grams(row["text"], HOW["ngram"]), grams(other["text"], HOW["ngram"]))
            if found >= threshold and (best is None or found > best[1]):
                best = (other["id"], found)
    return best


@functools.cache
def candidates(a: str, b: str, threshold: float) -> bool:
    rows = run(signatures, pages([{"text": a}, {"text": b}]), **HOW).table().to_pylist()
    one, two = ({r["bands"][i : i + 8] for i in range(0, len(r["bands"]), 8)} for r in rows)
    differing = (int.from_bytes(rows[0]["sketch"]) ^ int.from_bytes(rows[1]["sketch"])).bit_count()
    return bool(one & two) and differing <= sketch_cut(threshold, HOW["bands"], HOW["rows"])


ORDERS = {
    "oldest": lambda r: (r["date"], r["id"]),
    "newest": lambda r: (-r["date"], r["id"]),
    "longest": lambda r: (-len(r["text"]), r["id"]),
}


@st.composite
def histories(draw):
    """One to three dumps, some without documents, of edited copies of few texts, of which one may have no words."""
    bases = draw(st.lists(st.lists(st.sampled_from("abc"), max_size=12), min_size=1, max_size=3))
    dumps = []
    for number in range(draw(st.integers(1, 3))):
        texts = []
        for _ in range(draw(st.integers(0, 7))):
            found = [*draw(st.sampled_from(bases))]
            if found and draw(st.booleans()):
                found[draw(st.integers(0, len(found) - 1))] = draw(st.sampled_from("abcd"))
            texts.append(" ".join(found))
        dumps.append(dump(number, texts))
    return dumps


@given(histories(), st.integers(1, 3), st.sampled_from([0.3, 0.5, 0.8, 1.0]), st.sampled_from(sorted(ORDERS)))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_removed_is_that_of_the_definition(dumps, shards, threshold, keep):
    expected = definition(dumps, shards, threshold, ORDERS[keep])
    with in_memory() as root:
        store = Store(root)
        made = [world.join(store, "w", world.crawl(d, shards), keep=keep, threshold=threshold, **HOW) for d in dumps]
        assert [world.removed(store, m, "index", "near") for m in made] == expected
        if keep == "oldest":  # one run over all of them keeps the same
            whole = world.steps(
                world.crawl([row for d in dumps for row in d], shards), None, threshold=threshold, **HOW
            )
            execute(whole["near"], store, InProcess)
            assert world.kept(store, whole) == set().union(*(world.kept(store, m) for m in made))


@given(st.lists(st.sampled_from(["", "a", "a b c a b c a b", "x y z w", "a b c " * 9]), max_size=9), st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_kept_sets_are_those_of_the_texts(texts, data):
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, max(len(texts) - 1, 0)))) if texts else []), np.int64)
    with in_memory() as root, pytest.MonkeyPatch.context() as patch:
        patch.setattr("dedup.near.shingle_files._HELD", data.draw(st.sampled_from([8, 64, 1 << 20])))
        patch.setattr("dedup.near.shingle_files._FEW", data.draw(st.integers(1, 4)))
        made = step(signatures_and_sets, world.crawl(dump(0, texts)), name="signatures", ngram=2)
        execute(made, Store(root), InProcess)
        (part,) = shards_of(Store(root), made)
        found: list[list[int]] = []
        for low, high, hashes, bounds in kept_sets(part, rows):
            assert low == len(found) and high - low == len(bounds) - 1
            found += [hashes[a:b].tolist() for a, b in itertools.pairwise(bounds)]
        expected = [sorted(set(shingles(pa.array([texts[i]]), 2)[0].tolist())) for i in rows]
        assert found == expected
        assert part.table() == run(signatures, pages([{"text": t} for t in texts]), ngram=2).table().set_column(
            0, "id", part.table()["id"]
        )


def numbered(seed: int, length: int = 60) -> str:
    chance = random.Random(seed)
    return " ".join(f"wort{chance.randrange(10_000)}" for _ in range(length))


def edited(text: str, place: int) -> str:
    words = text.split()
    words[place] = "anders"
    return " ".join(words)


def monthly(number: int) -> list[dict]:
    """Thirty texts, the first ten from the dump before; two of these and two others once more, edited; and a copy."""
    texts = [numbered(20 * number + i) for i in range(30)]
    texts += [edited(texts[8 + i], 30 + i) for i in range(4)] + [texts[25]]
    return dump(number, texts)


def joined(store: Store, count: int, **more) -> list:
    return [world.join(store, "w", world.crawl(monthly(n), 2), **more) for n in range(count)]


def test_compaction_changes_nothing_but_the_number_of_segments(tmp_path, monkeypatch):
    plain, merged = Store(tmp_path / "plain"), Store(tmp_path / "merged")
    monkeypatch.setattr(compaction, "MERGED_SEGMENTS", 100)
    loose = joined(plain, 9)
    assert len(load_pointer(plain, "w").segments) == 9
    monkeypatch.setattr(compaction, "MERGED_SEGMENTS", 2)
    monkeypatch.setattr(compaction, "PARTITION_BYTES", 16 * 700)  # several partitions a segment
    tight = joined(merged, 9)
    found = load_pointer(merged, "w")
    assert [s["entries"] for s in found.segments] == [8, 1] and found.segments[0]["partitions"] >= 4
    assert [m["near"].key for m in loose] == [m["near"].key for m in tight]
    for one, two in zip(loose, tight, strict=True):
        for name in ("near", "index"):
            tables = [[part.table() for part in shards_of(s, m[name])] for s, m in ((plain, one), (merged, two))]
            assert tables[0] == tables[1]
    before = found.stored()
    with open_index(plain, "w") as pointer:
        after = compaction.compact(pointer, InProcess, everything=True).stored()
    wanted = np.unique(np.concatenate([_hashes(merged, s) for s in before.segments]))
    for mine, theirs in zip(before.lookup(wanted, 1000), after.lookup(wanted, 1000), strict=True):
        assert np.array_equal(mine, theirs)


def _hashes(store: Store, segment: Segment) -> np.ndarray:
    return np.concatenate([
        np.frombuffer(store.open(f"{segment.folder}/{bands_file(p)}").read(), "<u8")[::2]
        for p in range(segment.partitions)
    ])  # fmt: skip


@stage(version=1, outputs={"part": ROWS})
def routed(source: Shard, *, partitions: int = 1) -> Iterator[Output]:
    rows = json.loads(source.table()["rows"][0].as_py())
    table = pa.Table.from_pylist([dict(zip(ROWS.names, row, strict=True)) for row in rows], ROWS)
    yield from in_buckets(table, partition_of(table["hash"].to_numpy(), partitions))


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 900)), max_size=900), min_size=1, max_size=3),
    st.integers(1, 5),
    st.integers(1, 6),
)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_lookups_are_those_of_a_dictionary(dumps, partitions, most):
    """Few hashes, so that runs are longer than a block; spread over all of 64 bits."""
    spread = [(h * 0x0843_0A2C_1234_5678) % (1 << 64) for h in range(40)]
    with in_memory() as root:
        store, segments, held = Store(root), [], {}
        for i, rows in enumerate(dumps):
            rows = sorted(set(rows))
            said = json.dumps([[spread[h], d] for h, d in rows])
            leaf = InputFiles("rows", [i, said], ({"rows": said},))
            bands = step(index_bands, partition(step(routed, leaf, partitions=partitions)), tasks=partitions)
            execute(bands, store, InProcess)
            segments.append(Segment(folder_of(bands), i, partitions))
            for h, d in rows:
                held.setdefault(spread[h], []).append((i << 32) + d)
        stored = Stored(store, (), tuple(segments), below=2, blocked=0)
        wanted = np.array(sorted(spread), np.uint64)
        which, doc, left_out = stored.lookup(wanted, most)
        expected = {h: [d for d in docs if d < 2 << 32] for h, docs in held.items()}
        pairs = [(h, d) for h in wanted.tolist() for d in sorted(expected.get(h, []))[:most]]
        assert list(zip(wanted[which].tolist(), doc.tolist(), strict=True)) == pairs
        assert left_out == sum(max(0, len(docs) - most) for docs in expected.values())


@given(st.lists(st.tuples(st.integers(0, 990), st.integers(0, 10)), max_size=30), st.integers(0, 50))
@settings(deadline=None)
def test_ranges_are_fetched_as_they_are(ranges, gap):
    data = bytes(random.Random(1).randbytes(1000))
    start = np.sort(np.array([a for a, _ in ranges], np.int64))
    size = np.array([n for _, n in ranges], np.int64)
    found, at = fetch(pa.PythonFile(pa.BufferReader(data), mode="r"), start, start + size, gap)
    for a, n, place in zip(start.tolist(), size.tolist(), at.tolist(), strict=True):
        assert found[place : place + n].tobytes() == data[a : a + n]


def test_a_cut_file_is_seen(tmp_path):
    store = Store(tmp_path)
    made = joined(store, 1)
    for file in (tmp_path / folder_of(made[0]["index_bands"])).glob("bands-*.bin"):
        file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises((OSError, ValueError)):
        find(load_pointer(store, "w").stored(), [bytes(16)])


def test_the_same_again_does_nothing_and_an_older_dump_sees_what_it_saw(tmp_path, caplog):
    store = Store(tmp_path)
    first = joined(store, 5)
    before, pointer = contents(tmp_path), (tmp_path / "indexes/w/index.json").read_text()
    again = [world.join(store, "w", world.crawl(monthly(n), 2)) for n in (4, 1, 0)]
    assert [m["near"].key for m in again] == [first[n]["near"].key for n in (4, 1, 0)]
    assert not caplog.records and contents(tmp_path) == before
    assert (tmp_path / "indexes/w/index.json").read_text() == pointer


def test_only_the_last_dump_may_change_its_rules(tmp_path):
    store = Store(tmp_path)
    joined(store, 5)
    world.join(store, "w", world.crawl(monthly(4), 2), threshold=0.5)
    found = load_pointer(store, "w")
    assert len(found.entries) == 5 and sum(s["entries"] for s in found.segments) == 5
    with pytest.raises(UserError, match=r"dump 3 was added with other rules.*later dumps rest on it \(dump 4\)"):
        world.join(store, "w", world.crawl(monthly(3), 2), threshold=0.5)
    with pytest.raises(UserError, match=r"made with other settings.*\(bands 14 there, 9 here\)"):
        world.join(store, "w", world.crawl(monthly(5), 2), bands=9)
    with pytest.raises(UserError, match="a name has letters"):
        load_pointer(store, "../w")


def test_the_plan_counts_files_that_are_no_tables(tmp_path):
    store = Store(tmp_path)
    joined(store, 1)
    made = world.steps(world.crawl(monthly(1), 2), load_pointer(store, "w"))
    told = {line.step: line.disk_bytes for line in plan(made["index_entry"], store)}
    for name in ("signatures", "index_documents", "near_candidates"):
        files = [
            f.stat().st_size for ending in ("parquet", "arrows", "bin") for f in tmp_path.glob(f"{name}/*/*.{ending}")
        ]
        assert told[name] == sum(files) > 1000


def test_gc_keeps_what_the_index_needs(tmp_path):
    store = Store(tmp_path)
    joined(store, 6)
    for name in unused_folders(store):
        store.delete(name)
    fresh = Store(tmp_path / "fresh")
    expected = joined(fresh, 7)[-1]
    made = world.join(store, "w", world.crawl(monthly(6), 2))
    assert world.removed(store, made) == world.removed(fresh, expected)
    assert len(world.removed(store, made)) > 10


def start(root: Path, dumps: Path) -> subprocess.Popen:
    code = f"import tests.support.index_world as w; w.main({str(root)!r}, {str(dumps)!r})"
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def history() -> Iterator[tuple[Path, dict[str, str]]]:
    """Five dumps as a file, and what an unbroken run over them leaves."""
    with in_memory() as name:
        folder = Path(name)
        (folder / "dumps.json").write_text(json.dumps([monthly(n) for n in range(5)]))
        process = start(folder / "root", folder / "dumps.json")
        process.communicate(timeout=120)
        assert process.returncode == 0
        yield folder / "dumps.json", contents(folder / "root")


def test_killed_anywhere_and_run_again_ends_in_the_same_bytes(history):
    dumps, expected = history
    chance, kills = random.Random(5), 0
    with in_memory() as name:
        root = Path(name)
        for _ in range(6):
            process = start(root, dumps)
            enough = written(root) + chance.randint(1, 300)
            while process.poll() is None and written(root) < enough:
                time.sleep(0.005)
            kills += process.poll() is None
            process.kill()
            process.communicate()
        last = start(root, dumps)
        last.communicate(timeout=120)
        assert last.returncode == 0 and kills >= 3
        assert contents(root) == expected


def test_what_a_run_killed_while_it_committed_left_is_removed(tmp_path):
    store = Store(tmp_path)
    store.temporary_path("indexes/w").touch()
    with open_index(store, "w"):
        assert [path.name for path in (tmp_path / "indexes/w").iterdir()] == [".lock"]


def test_two_runs_at_once_wait_for_each_other(history):
    dumps, expected = history
    with in_memory() as root:
        with open_index(Store(root), "w"):
            runs = [start(Path(root), dumps), start(Path(root), dumps)]
            for process in runs:
                assert process.stdout and process.stdout.readline().endswith("index w: another run is at it, waiting\n")
        for process in runs:
            process.communicate(timeout=120)
        assert [process.returncode for process in runs] == [0, 0]
        assert contents(Path(root)) == expected


def test_on_s3_a_pointer_that_moved_is_not_overwritten(s3, tmp_path):
    remote, local = Store(f"{s3}/indexed"), Store(tmp_path)
    stale = load_pointer(remote, "w")
    for store in (remote, local):
        made = joined(store, 2)
    assert world.removed(remote, made[1]) == world.removed(local, made[1])
    for name in ("documents-00001.bin", "shingles-00000.bin"):
        file = f"{folder_of(made[1]['index_documents'])}/{name}"
        assert remote.open(file).read() == local.open(file).read()
    assert remote.open("indexes/w/index.json").read() == local.open("indexes/w/index.json").read()
    with pytest.raises(UserError, match="another run has changed it meanwhile; run the same again"):
        stale.save(stale)


# the command line


def lines(folder: Path, name: str, rows: list[dict]) -> Path:
    """A dump as JSON lines with dates of its own."""
    file = folder / f"{name}.jsonl"
    kept = [{"id": r["id"], "url": f"https://host.example/{r['id']}", "text": r["text"]} for r in rows]
    days = [f"{name[8:]}-{1 + i % 28:02d}" for i in range(len(rows))]
    file.write_text("".join(json.dumps({**r, "date": day}) + "\n" for r, day in zip(kept, days, strict=True)))
    return file


class Shell:
    """Commands in this process: `corpus` prints a folder, others text."""

    def __init__(self, folder: Path, capsys):
        self.folder, self.root, self._capsys = folder, folder / "root", capsys
        (folder / "r.toml").write_text('language = "any"\n[rules]\npresets = []\n[identify]\n')

    def __call__(self, *arguments: str, code: int = 0) -> str:
        self._capsys.readouterr()
        local = ("--local",) if arguments[0] in ("corpus", "plan", "index", "explain") else ()
        assert main([*arguments, "--root", str(self.root), *local]) == code
        said = self._capsys.readouterr()
        return said.out if code == 0 else said.err

    def corpus(self, dump: Path, *more: str, code: int = 0) -> Path | str:
        said = self("corpus", str(self.folder / "r.toml"), "--source", str(dump), "--index", "german", *more, code=code)
        return Path(said.strip()) if code == 0 else said


def ledger(folder: Path) -> list[dict]:
    import pyarrow.parquet as pq

    return [row for file in sorted(folder.glob("ledger/*.parquet")) for row in pq.read_table(file).to_pylist()]


@pytest.fixture
def shell(tmp_path, capsys) -> Shell:
    return Shell(tmp_path, capsys)


def test_dumps_one_by_one_on_the_command_line(shell):
    dumps = [lines(shell.folder, f"CC-MAIN-2024-{10 + n}", monthly(n)) for n in range(2)]
    first = shell.corpus(dumps[0])
    recipe = str(shell.folder / "r.toml")
    said = shell("plan", recipe, "--source", str(dumps[1]), "--index", "german")
    assert "index german: compared with 30 documents of 1 dump; the dump is added" in said
    second = shell.corpus(dumps[1])
    rows = {row["id"]: row for row in ledger(second)}
    earlier = [row for row in rows.values() if row["rule"] == "duplicate_of_earlier"]
    assert len(earlier) == 12 and {row["stage"] for row in earlier} == {"index"}
    stays = {row["id"] for row in ledger(first) if row["verdict"] == "kept"}
    assert all(row["duplicate_of"] in stays and row["value"] >= row["threshold"] == 0.8 for row in earlier)
    assert {row["detail"] for row in earlier} == {"in CC-MAIN-2024-10"}
    stats = json.loads((second / "stats.json").read_text())
    assert stats["duplicates"]["index"]["dropped"] == 12 and stats["duplicates"]["near"]["dropped"] == 2
    assert "12 more are verified near duplicates of documents in earlier corpora" in (second / "README.md").read_text()
    assert "12 dropped for documents of earlier corpora" in (second / "report.html").read_text()
    story = shell("explain", earlier[0]["url"], "--recipe", recipe, "--source", str(dumps[1]), "--index", "german")
    assert "index      known from an earlier run (similarity 1)" in story
    assert "DROPPED by index/duplicate_of_earlier: 1 against 0.8 in CC-MAIN-2024-10" in story
    assert shell.corpus(dumps[1]) == second and shell.corpus(dumps[0]) == first
    said = shell("index", "german")
    assert "CC-MAIN-2024-10  30" in said and str(first) in said and "50 documents in 2 segments, 0 withdrawn" in said
    said = shell("plan", recipe, "--source", str(dumps[0]), "--index", "german")
    assert "compared with 0 documents of 0 dumps; the dump is in it already" in said and "0 of" in said
    assert "dump = " not in shell.corpus(dumps[0], "--set", "near.threshold=0.5", code=2)
    assert 'scope = "dump" compares no dumps' in shell.corpus(dumps[0], "--set", "near.scope=dump", code=2)


def test_steps_that_do_not_look_at_the_index_say_so(shell, capsys):
    file = lines(shell.folder, "CC-MAIN-2024-10", monthly(0))
    arguments = [str(shell.folder / "r.toml"), "--source", str(file), "--index", "german"]
    recipe = shell.folder / "r.toml"
    assert "own documents" not in shell("plan", *arguments)
    recipe.write_text(recipe.read_text() + "[spans]\n")
    said = "index: spans looks at this dump's own documents, not at the index\n"
    assert said in shell("plan", *arguments)
    recipe.write_text(recipe.read_text() + "[url_dedup]\n")
    assert main(["corpus", *arguments, "--root", str(shell.root), "--local"]) == 0
    assert "index: url_dedup and spans look at this dump's own documents, not at the index\n" in capsys.readouterr().err


def test_joining_a_published_corpus_and_withdrawing(shell):
    other = monthly(0)
    published = lines(shell.folder, "published", other)
    said = shell("index", "german", "--add", str(published), "--preset", "20x6")
    assert "published.jsonl  35" in said and "(joined)" in said and "bands 20" in said
    dump_ = lines(shell.folder, "CC-MAIN-2024-11", monthly(1))
    assert "bands 20 there, 14 here" in shell.corpus(dump_, code=2)
    same = ("--set", "near.bands=20", "--set", "near.rows=6")
    folder = shell.corpus(dump_, *same)
    assert sum(row["stage"] == "index" for row in ledger(folder)) == 12
    # its own data files, as an index of another name
    said = shell("index", "again", "--add", str(folder / "data" / "*.parquet"))
    assert "20 documents in 1 segment" in said
    assert shell("index", "again", "--add", str(folder / "data" / "*.parquet")) == said

    assert shell("index") == "again\ngerman\n"

    gone = [row["id"] for row in ledger(folder) if row["verdict"] == "kept"][:2]
    (shell.folder / "ids.txt").write_text("\n".join(gone) + "\n")
    assert "2 withdrawn" in shell("index", "german", "--withdraw", str(shell.folder / "ids.txt"))
    texts = {row["id"]: row["text"] for row in monthly(1)}
    later = [edited(texts[i], 40) for i in gone] + [numbered(999)]
    rows = ledger(shell.corpus(lines(shell.folder, "CC-MAIN-2024-12", dump(9, later)), *same))
    assert [(r["rule"], r["duplicate_of"]) for r in rows] == [
        ("withdrawn", gone[0]),
        ("withdrawn", gone[1]),
        (None, None),
    ]
    # an older dump that is made again loses them too
    folder = shell.corpus(dump_, *same)
    rows = {row["id"]: row for row in ledger(folder)}
    assert str(folder) in shell("index", "german")
    assert {rows[i]["rule"] for i in gone} == {"withdrawn"}
    assert sum(row["verdict"] == "kept" for row in rows.values()) == 18
    (shell.folder / "ids.txt").write_text(f"{gone[0]}\n{'e' * 32}\n")
    assert "1 of 2 ids is not in index german" in shell(
        "index", "german", "--withdraw", str(shell.folder / "ids.txt"), code=2
    )
    (shell.folder / "ids.txt").write_text("https://host.example/1\n")
    assert "give 32 hex digits" in shell("index", "german", "--withdraw", str(shell.folder / "ids.txt"), code=2)


def test_an_id_that_two_dumps_have_is_withdrawn_with_both_texts(shell):
    for number in (0, 1):  # a record that was extracted in two ways, say
        row = {**dump(0, [numbered(number)])[0], "url": "https://host.example/"}
        (shell.folder / f"{number}.jsonl").write_text(json.dumps(row))
        shell("index", "german", "--add", str(shell.folder / f"{number}.jsonl"))
    (shell.folder / "ids.txt").write_text(row["id"])
    assert "1 withdrawn" in shell("index", "german", "--withdraw", str(shell.folder / "ids.txt"))
    later = [edited(numbered(number), 40) for number in (0, 1)]
    rows = ledger(shell.corpus(lines(shell.folder, "CC-MAIN-2024-12", dump(9, later))))
    assert [row["rule"] for row in rows] == ["withdrawn", "withdrawn"]


def test_what_is_withdrawn_stays_withdrawn_when_the_last_dump_is_made_anew(tmp_path, shell):
    dumps = [lines(shell.folder, f"CC-MAIN-2024-{10 + n}", monthly(n)) for n in range(2)]
    for file in dumps:
        folder = shell.corpus(file)
    gone = next(row["id"] for row in ledger(folder) if row["verdict"] == "kept")
    (shell.folder / "ids.txt").write_text(gone)
    shell("index", "german", "--withdraw", str(shell.folder / "ids.txt"))
    rows = {row["id"]: row for row in ledger(shell.corpus(dumps[1], "--set", "near.threshold=0.7"))}
    assert rows[gone]["rule"] == "withdrawn"
    again = lines(shell.folder, "CC-MAIN-2024-15", [row for row in monthly(1) if row["id"] == gone])
    (row,) = ledger(shell.corpus(again, "--set", "near.threshold=0.7"))
    assert row["rule"] == "withdrawn"
    shutil.rmtree(tmp_path / "root")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("index", "nothing"), "nothing is in it"),
        (("index", "a/b"), "a name has letters"),
        (("index", "x", "--add", "none/*.parquet"), "no file is there"),
        (("index", "x", "--compact"), "nothing is in it"),
        (("index", "x", "--withdraw", __file__), "nothing is in it"),
        (("index", "--compact"), "which index? type its name first"),
        (("index", "x", "--add", ""), "--add is empty: give files\n"),
        (("index", "x", "--add", "none.jsonl"), "--add none.jsonl: no file is there"),
        (("index", "x", "--preset", "26x11"), "a recipe has it in [near]"),
    ],
)
def test_bad_commands_are_one_line(shell, arguments, message):
    said = shell(*arguments, code=2)
    assert message in said and said.count("\n") == 1


def test_what_is_joined_is_accounted_for(shell, capsys):
    import pyarrow.parquet as pq

    file, table = shell.folder / "other.jsonl", shell.folder / "other.parquet"
    file.write_text('{"body": "one two three four five"}\n{"body": null}\n{"body": "six seven\n')
    said = shell("index", "german", "--add", str(file), code=2)
    assert "error: other.jsonl: no document is in it (damaged 1, no_text 2); --text-column says where" in said
    assert "nothing is in it" in shell("index", "german", code=2)
    assert (
        main(["index", "german", "--add", str(file), "--text-column", "body", "--root", str(shell.root), "--local"])
        == 0
    )
    said = capsys.readouterr()
    assert "other.jsonl: 1 document, 2 rows left out (damaged 1, no_text 1)" in said.err
    assert "other.jsonl  1 " in said.out
    pq.write_table(pa.table({"body": ["one two three"]}), table)
    said = shell("index", "german", "--add", str(table), code=2)
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: pages shard 0: ") and "no column 'text'; set text_column to one of body" in line
    assert said.splitlines()[-1] == line


def test_ids_are_read_from_files_of_other_systems_too(shell):
    published = lines(shell.folder, "published", monthly(0))
    shell("index", "german", "--add", str(published))
    (shell.folder / "ids.txt").write_bytes(b"\xef\xbb\xbf" + monthly(0)[0]["id"].upper().encode() + b"\r\n")
    assert "1 withdrawn" in shell("index", "german", "--withdraw", str(shell.folder / "ids.txt"))
    (shell.folder / "ids.txt").write_bytes(b"\xff\xfe")
    said = shell("index", "german", "--withdraw", str(shell.folder / "ids.txt"), code=2)
    assert "ids.txt: cannot be read (it is no text); give a file of one id a line, or -" in said
    said = shell("index", "german", "--withdraw", "none.txt", code=2)
    assert "none.txt: cannot be read (No such file or directory)" in said and said.count("\n") == 1
