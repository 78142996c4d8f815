"""`gc`: the folders it offers, their sizes, the runs it forgets; and finished runs on a root that is read-only."""

import errno
import json
import os
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.commands.gc import find_unused
from pipeline.runner.run_records import record_run, recorded_runs
from pipeline.runner.scheduler import InProcess, execute
from pipeline.store.filesystem import Store
from tests.support import toy
from tests.support.paths import CHECKOUT


@pytest.fixture
def root(tmp_path) -> Path:
    """Three recorded runs, the first the oldest, with goals of their own; and a published corpus of none of them."""
    store = Store(tmp_path)
    for limit in (0, 5, 9):
        execute(toy.goal(limit=limit), store, InProcess)
        record_run(store, toy.goal(limit=limit), f"toy{limit}", {"recipe": "toy", "source": [f"{limit}.gz"]})
        (record,) = [run for run in recorded_runs(store) if run.name.startswith(f"toy{limit}-")]
        os.utime(tmp_path / record.file, (limit + 1, limit + 1))
    (tmp_path / "corpus" / "abc").mkdir(parents=True)
    for name in ("manifest.json", "stats.json"):
        (tmp_path / "corpus" / "abc" / name).write_text("{}")
    return tmp_path


def goal_folder(limit: int) -> str:
    return toy.goal(limit=limit).folder


def names_of_runs(root: Path) -> list[str]:
    return [record.name.partition("-")[0] for record in recorded_runs(Store(root))]


def test_recorded_runs_are_in_order(root):
    assert names_of_runs(root) == ["toy9", "toy5", "toy0"]


@pytest.mark.parametrize(
    ("options", "offered", "remaining"),
    [
        ([], [], ["toy9", "toy5", "toy0"]),
        (["--published"], ["corpus/abc"], ["toy9", "toy5", "toy0"]),
        (["--keep", "3"], [], ["toy9", "toy5", "toy0"]),
        (["--keep", "1"], [goal_folder(0), goal_folder(5)], ["toy9"]),
        (["--run", "toy5"], [goal_folder(5)], ["toy9", "toy0"]),
        (["--run", "toy5", "--keep", "2"], [goal_folder(0), goal_folder(5)], ["toy9"]),
        (["--run", "toy0", "--published"], [goal_folder(0), "corpus/abc"], ["toy9", "toy5"]),
    ],
)
def test_runs_are_forgotten_and_their_folders_removed(root, capsys, options, offered, remaining):
    full = {record.name.partition("-")[0]: record.name for record in recorded_runs(Store(root))}
    command = ["gc", "--root", str(root), *[full.get(option, option) for option in options]]
    assert main(command) == 0
    out, log = capsys.readouterr()
    lines = sorted(line.removeprefix("not needed: ").rpartition(" (")[0] for line in out.splitlines())
    assert lines == sorted(f"{root}/{name}" for name in offered)
    assert len(names_of_runs(root)) == 3
    assert all((root / name).exists() for name in offered)
    assert "add --yes" in log or not offered
    assert main([*command, "--yes"]) == 0
    assert names_of_runs(root) == remaining
    assert not [name for name in offered if (root / name).exists()]
    assert (root / "corpus" / "abc").exists() == ("--published" not in options)
    for limit in (0, 5, 9):
        assert (root / goal_folder(limit)).exists() == (f"toy{limit}" in remaining)


def test_sizes_are_those_of_files_and_of_what_is_freed(root, capsys):
    large = root / "corpus" / "abc" / "data.parquet"
    large.write_bytes(bytes(5000))
    os.link(large, root / "elsewhere")
    assert main(["gc", "--root", str(root), "--published"]) == 0
    out, log = capsys.readouterr()
    assert out == f"not needed: {root}/corpus/abc (5 kB)\n"
    assert "to remove these and free 4 B" in log  # the link stays


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--run", "toy"], "error: --run toy: unknown run 'toy'"),
        (["--keep", "-1"], "error: "),
        (["--keep", "some"], "'some' is not a number of runs; give 0 or more"),
    ],
)
def test_wrong_options_remove_nothing(root, capsys, options, says):
    try:
        code = main(["gc", "--root", str(root), "--yes", *options])
    except SystemExit as exit_:
        code = exit_.code
    assert code == 2 and says in capsys.readouterr().err
    assert len(names_of_runs(root)) == 3


def test_an_unfinished_corpus_is_offered(root):
    (root / "corpus" / "half" / "shards").mkdir(parents=True)
    (root / "corpus" / "half" / "shards" / "00000.json").write_text("{}")
    assert [item.folder for item in find_unused(Store(root))] == ["corpus/half"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("index", [(), ("--index", "german")])
def test_a_finished_corpus_on_a_root_that_is_read_only_is_printed(tmp_path, monkeypatch, capsys, number, index):
    monkeypatch.chdir(CHECKOUT)
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": f"Text {i}. " * 99}) + "\n" for i in range(3)))
    root = tmp_path / "root"
    command = ["corpus", "any", "--local", "--source", str(tmp_path / "a.jsonl"), "--root", str(root), *index]
    command += ["--set", "alarms.allow_empty=true"]
    assert main(command) == 0
    folder = capsys.readouterr().out

    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    for name in ("write", "write_json", "writing", "lock", "delete"):
        monkeypatch.setattr(Store, name, refused)
    assert main(command) == 0
    out, log = capsys.readouterr()
    assert out == folder and "error" not in log
    assert main([*command, "--set", "near.threshold=0.7"]) == 2
    out, log = capsys.readouterr()
    assert out == "" and f"ROOT={root}: cannot be written ({os.strerror(number)}); give another ROOT" in log
