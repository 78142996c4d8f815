"""Checksums: flipped bits, cut files and missing ones are noticed, named, and computed again."""

import json
import random
import shutil
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.base.errors import CorruptFile
from pipeline.build import load_recipe
from pipeline.kernels import disk_cache
from pipeline.runner.manifests import manifest_name, marker_name, shards_of
from pipeline.runner.scheduler import InProcess, RunFailed, execute
from pipeline.store.checksums import _verified
from pipeline.store.filesystem import Store
from tests.support.folders import contents

TAG = {"publish.tag": "<{kind} masked>"}  # publishes again from the finished steps


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The root of a finished demo run."""
    root = tmp_path_factory.mktemp("finished")
    execute(load_recipe("de").corpus, Store(root), InProcess)
    return root


@pytest.fixture()
def root(finished, tmp_path) -> Path:
    """A copy of it, of which this process has not compared any file yet."""
    _verified.clear()
    return Path(shutil.copytree(finished, tmp_path / "root"))


def flip(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.unlink()  # published files are hard links
    path.write_bytes(data)


def shard_files(root: Path) -> list[Path]:
    return sorted(p for p in root.glob("*/*/*-*") if p.suffix in (".parquet", ".arrows") and "corpus" not in p.parts)


def test_a_flipped_bit_in_any_kind_of_shard_is_never_other_rows(root):
    store, rng = Store(root), random.Random(5)
    steps = load_recipe("de").steps
    outcomes = {"noticed": 0, "same": 0}
    for name, step in steps.items():
        for output in step.stage.outputs:
            shards = [shard for shard in shards_of(store, step) if shard.rows(output)]
            for shard in shards[:1]:
                path = root / shard.shard(output)
                good, rows = path.read_bytes(), shard.table(name=output)
                for _ in range(12):
                    flip(path, rng)
                    _verified.clear()
                    shard.heads.clear()
                    try:
                        assert shard.table(name=output).equals(rows), (name, output)
                        outcomes["same"] += 1
                    except CorruptFile as error:
                        assert shard.shard(output) in str(error)
                        outcomes["noticed"] += 1
                    path.write_bytes(good)
                    shard.heads.clear()
    assert outcomes["noticed"] > 300


def test_a_corrupt_shard_is_computed_again_within_the_run(root, finished, caplog):
    flip(sorted(root.glob("pages/*/part-*.parquet"))[0], random.Random(1))
    flip(sorted(root.glob("signals/*/part-*.parquet"))[1], random.Random(2))
    other = Path(shutil.copytree(finished, root.parent / "clean"))
    clean = Path(execute(load_recipe("de", None, TAG).corpus, Store(other), InProcess))
    again = Path(execute(load_recipe("de", None, TAG).corpus, Store(root), InProcess))
    assert "corrupt" in caplog.text
    assert contents(again) == contents(clean)
    assert contents(root / "pages") == contents(finished / "pages")


def test_a_file_that_is_corrupt_again_ends_the_run_and_is_named(root, monkeypatch):
    flip(next(root.glob("pages/*/part-*.parquet")), random.Random(1))
    monkeypatch.setattr("pipeline.runner.scheduler.forget_shard", lambda store, name: False)
    with pytest.raises(RunFailed, match=r"pages/[0-9a-f]+/part-[0-9a-f]+.parquet: is not what was written"):
        execute(load_recipe("de", None, TAG).corpus, Store(root), InProcess)


@pytest.mark.parametrize("kind", ["manifest", "table", "marker"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "zeros"])
def test_a_damaged_manifest_or_marker_counts_as_missing(root, finished, kind, damage):
    step = load_recipe("de").steps["signals"]
    manifest = root / manifest_name(step)
    marker = root / marker_name(step.folder, shards_of(Store(root), step)[1].key)
    path = {"manifest": manifest, "table": manifest.with_suffix(".parquet"), "marker": marker}[kind]
    data = path.read_bytes()
    if damage == "flip":
        flip(path, random.Random(3))
    else:
        path.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "zeros": bytes(len(data))}[damage])
    if kind == "marker":
        manifest.unlink()
    execute(load_recipe("de", None, TAG).corpus, Store(root), InProcess)
    assert contents(root / "signals") == contents(finished / "signals")


def test_verify_names_every_damaged_file_and_repair_lets_a_run_heal_it(root, finished, capsys):
    assert main(["verify", "--root", str(root)]) == 0
    assert "every checksum is right" in capsys.readouterr().out
    rng = random.Random(7)
    damaged = [rng.choice(shard_files(root)) for _ in range(3)]
    for path in set(damaged):
        flip(path, rng)
    cut = next(root.glob("ledger/*/part-*.parquet"))
    cut.unlink()
    cut.write_bytes(b"PAR1")
    with pytest.raises(SystemExit) as ended:
        main(["verify", "--root", str(root), "--repair"])
    assert ended.value.code == 1
    out, err = capsys.readouterr()
    assert {line.split(" (")[0].removeprefix("corrupt: ") for line in out.splitlines()} == {
        str(path) for path in {*damaged, cut}
    }
    assert "4 bytes, " in out and "run the same `corpus` command again" in err
    execute(load_recipe("de").corpus, Store(root), InProcess)
    execute(load_recipe("de", None, TAG).corpus, Store(root), InProcess)
    assert main(["verify", "--root", str(root)]) == 0


def test_verify_checks_a_published_folder_that_was_copied(root, tmp_path, capsys):
    folder = tmp_path / "published"
    shutil.copytree(next(root.glob("corpus/*/stats.json")).parent, folder)
    assert main(["verify", str(folder)]) == 0
    flip(folder / "data/train-00000-of-00001.parquet", random.Random(1))
    with pytest.raises(SystemExit):
        main(["verify", str(folder)])
    assert "train-00000-of-00001.parquet (a checksum differs)" in capsys.readouterr().out


def test_what_is_no_root_is_told(tmp_path, capsys):
    assert main(["verify", "--root", str(tmp_path / "empty")]) == 2
    assert "no finished step" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["flip", "cut", "missing"])
def test_a_damaged_table_of_the_cache_is_made_again(tmp_path, monkeypatch, damage):
    monkeypatch.setattr(disk_cache, "cache_root", lambda: tmp_path)
    arrays = lambda: {"a": disk_cache.np.arange(1000)}  # noqa: E731
    disk_cache.cached_arrays("numbers", ("x",), arrays)
    path = next(tmp_path.glob("tables/numbers-*/a.npy"))
    if damage == "flip":
        flip(path, random.Random(1))
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:500])
    else:
        path.unlink()
    assert disk_cache.cached_arrays("numbers", ("x",), arrays)["a"].tolist() == list(range(1000))


def test_a_json_file_of_the_store_has_a_checksum_of_its_own(tmp_path):
    store = Store(tmp_path)
    store.write_json("a.json", {"n": 1, "text": "ä"})
    assert store.read_json("a.json") == {"n": 1, "text": "ä"}
    value = json.loads((tmp_path / "a.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps({**value, "n": 2}))
    with pytest.raises(CorruptFile, match=r"a\.json"):
        store.read_json("a.json")
