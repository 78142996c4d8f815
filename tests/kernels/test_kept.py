"""What is kept between runs: machine code that is never older than what it calls, tables that are made once."""

import fcntl
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from pipeline.kernels import disk_cache as kept
from pipeline.kernels.machine_code import digest, imported, sources

SOURCES = {
    "filters/__init__.py": "",
    "filters/top.py": """
from pipeline.kernels.njit import njit
from filters.middle import twice
from filters import aside

@njit(cache=True)
def answer(x):
    return twice(x) + 1
""",
    "filters/middle.py": """
from pipeline.kernels.njit import njit
from filters.bottom import step, SCALE

@njit(cache=True)
def twice(x):
    return SCALE * step(x)
""",
    "filters/bottom.py": """
from pipeline.kernels.njit import njit
SCALE = 2

@njit(cache=True)
def step(x):
    return x
""",
    "filters/aside.py": """
from pipeline.kernels.njit import njit

@njit(cache=True)
def other(x):
    return x - 1
""",
}
ASK = """
from filters.top import answer
from filters.aside import other
print(answer(10), other(10), *(sum(f.stats.cache_misses.values()) for f in (answer, other)))
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout with four modules of kernels and what keeps their machine code."""
    for name in ("__init__.py", "kept.py", "kernels.py", "machine_code.py"):
        target = tmp_path / "pipeline" / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(kept.CHECKOUT / "pipeline" / name, target)
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def ask(checkout: Path) -> list[int]:
    """[answer(10), other(10), compilations of `answer`, of `other`] in a fresh interpreter."""
    environment = {k: v for k, v in os.environ.items() if k not in ("CORPUS_CACHE", "NUMBA_CACHE_DIR")}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # bytecode of a file is not told from that of an edit a moment later
    command = [sys.executable, "-c", ASK]
    said = subprocess.run(
        command, cwd=checkout, env=environment | {"PYTHONPATH": str(checkout)}, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    return [int(word) for word in said.stdout.split()]


FIRST = """
import sys, threading
from filters.top import answer
from filters import middle
from pipeline.kernels.njit import Kernel
held = {"answer": answer}
assert type(answer) is type(middle.twice) is Kernel and "numba" not in sys.modules
found = []
runs = [threading.Thread(target=lambda: found.append(held["answer"](10))) for _ in range(4)]
[run.start() for run in runs]
[run.join() for run in runs]
assert type(answer) is type(middle.twice) is not Kernel
from filters.aside import other
print(*found, held["answer"](1), held["answer"].py_func(1), middle.twice(1), other(1), type(other) is type(answer))
"""


def test_kernels_are_numbas_from_the_first_call_on(checkout):
    """Under all names, for all threads, and those of modules that are imported later."""
    said = subprocess.run([sys.executable, "-c", FIRST], cwd=checkout, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert said.stdout.split() == ["21", "21", "21", "21", "3", "3", "2", "0", "True"]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_an_edit_compiles_what_rests_on_it_and_nothing_else(checkout):
    assert ask(checkout) == [21, 9, 1, 1]
    assert ask(checkout) == [21, 9, 0, 0]
    edit(checkout / "filters/bottom.py", "return x", "return x + 100")  # two modules away from the one that is called
    assert ask(checkout) == [221, 9, 1, 0]
    edit(checkout / "filters/bottom.py", "SCALE = 2", "SCALE = 3")
    assert ask(checkout) == [331, 9, 1, 0]
    edit(checkout / "filters/aside.py", "x - 1", "x - 2")  # imported by `top`, which does not call it: as if it did
    assert ask(checkout) == [331, 8, 1, 1]
    edit(checkout / "filters/aside.py", "x - 2", "x - 1")  # as it was before
    assert ask(checkout) == [331, 9, 0, 0]


def test_machine_code_goes_with_a_checkout_that_is_moved_and_with_new_times(checkout, tmp_path_factory):
    ask(checkout)
    moved = tmp_path_factory.mktemp("moved") / "elsewhere"
    shutil.copytree(checkout, moved)
    for path in moved.rglob("*.py"):
        os.utime(path, (1, 1))
    assert ask(moved) == [21, 9, 0, 0]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("from pipeline.kernels.tokens import decode", {"pipeline.kernels.tokens"}),
        ("from pipeline import kept, tokens as t", {"pipeline.kernels.tokens"}),
        (
            "from extract import (\n    lid_html,  # why\n    lid_script,\n)",
            {"extract.langid.html_text", "extract.langid.script"},
        ),
        ("import filters.signals.words, os", {"filters.signals.words"}),
        ("def f():\n    from dedup.near.shingles import shingles", {"dedup.near.shingles"}),
        ("from pipeline.base.errors import UserError\nimport numpy", set()),
        ("x = 'import pipeline.kernels.tokens'", set()),
    ],
)
def test_imports_are_found(text, expected):
    assert imported(text) == expected


def test_what_kernels_rest_on():
    """No kernel is compiled from a constant of a module that its digest leaves out."""
    import ast

    assert {"pipeline.kernels.tokens", "filters.signals.kernel", "dedup.near.greedy"} <= sources().keys()
    assert digest("filters.signals.kernel") != digest("filters.signals.words")
    for module, text in sources().items():
        tree = ast.parse(text)
        names = {
            alias.asname or alias.name: f"{node.module}.{alias.name}" if node.module in packages() else node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] in packages()
            for alias in node.names
        }
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and any("njit" in ast.unparse(d) for d in node.decorator_list):
                own = {x.arg for x in ast.walk(node) if isinstance(x, ast.arg)}
                used = {x.id for x in ast.walk(node) if isinstance(x, ast.Name)} - own
                outside = {names[name] for name in used & names.keys()} - sources().keys() - {"pipeline.kernels.njit"}
                assert not outside, f"{module}.{node.name} rests on {outside}, which has no kernels: move it"


def test_kernels_are_declared_with_ours():
    """Else their machine code is kept where a change of what they call is not seen, and every command imports numba."""
    import ast

    for path in (path for name in packages() for path in (kept.CHECKOUT / name).glob("*.py")):
        at_top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {name.name for node in at_top if isinstance(node, ast.Import) for name in node.names}
        names |= {str(node.module) for node in at_top if isinstance(node, ast.ImportFrom)}
        found = {name for name in names if name.partition(".")[0] in ("numba", "llvmlite")}
        assert not found or path.name == "machine_code.py", f"{path.name}: from pipeline.kernels.njit import njit"


def packages() -> tuple[str, ...]:
    from pipeline.kernels.machine_code import PACKAGES

    return PACKAGES


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CORPUS_CACHE", str(tmp_path / "cache"))
    kept.root.cache_clear()
    yield tmp_path
    kept.root.cache_clear()


def test_only_the_latest_entries_of_a_name_are_kept(cache):
    for n in range(kept.LATEST + 2):
        for name in ("a.b", "a.bc"):
            folder = kept.entry("kernels", name, f"{n:016x}")
            folder.mkdir()
            os.utime(folder, (n, n))
    left = sorted(path.name for path in (cache / "cache/kernels").iterdir())
    assert left == sorted(f"{name}-{n:016x}" for name in ("a.b", "a.bc") for n in range(2, kept.LATEST + 2))


def test_entries_may_go_while_they_are_looked_at(cache, monkeypatch):
    for n in range(kept.LATEST + 2):
        (cache / f"cache/kernels/a.b-{n:016x}").mkdir(parents=True)
    found = Path.glob

    def gone(self, pattern):
        paths = list(found(self, pattern))
        for path in paths[:3]:
            path.rmdir()
        return paths

    monkeypatch.setattr(Path, "glob", gone)
    assert kept.entry("kernels", "a.b", "f" * 16).parent == cache / "cache/kernels"


def counted(calls: list) -> dict[str, np.ndarray]:
    calls.append(1)
    return {"a": np.arange(5, dtype=np.uint16), "none": np.zeros((0, 3), np.float32), "names": np.array(["de", "gsw"])}


def test_arrays_are_made_once_for_what_they_are_made_from(cache):
    calls: list[int] = []
    source = cache / "source"
    for content, text, made in [(b"1", "x", 1), (b"1", "x", 1), (b"2", "x", 2), (b"2", "y", 3), (b"1", "x", 3)]:
        source.write_bytes(content)
        found = kept.arrays("numbers", (source, text), lambda: counted(calls))
        assert len(calls) == made
        assert {k: v.tolist() for k, v in found.items()} == {k: v.tolist() for k, v in counted([]).items()}
        assert {k: v.dtype for k, v in found.items()} == {k: v.dtype for k, v in counted([]).items()}
        assert found["none"].shape == (0, 3)
        assert all(type(v) is np.ndarray and not v.flags.writeable and v.flags.aligned for v in found.values())


def test_what_arrays_are_made_from_is_told_apart(cache):
    """Neither order nor how texts are cut is lost."""
    calls: list[int] = []
    for made_from in [("ab", "c"), ("a", "bc"), ("c", "ab"), ("abc",)]:
        kept.arrays("numbers", made_from, lambda: counted(calls))
    assert len(calls) == 4


def test_nothing_is_kept_of_arrays_that_could_not_be_made(cache):
    def fails():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept.arrays("numbers", ("x",), fails)
    assert kept.arrays("numbers", ("x",), lambda: counted([]))["a"].tolist() == [0, 1, 2, 3, 4]


def test_another_process_may_have_been_first(cache):
    """It puts the whole folder there while we make ours."""

    def raced():
        kept.arrays("numbers", ("x",), lambda: {"a": np.zeros(1)})
        return {"a": np.zeros(1)}

    assert kept.arrays("numbers", ("x",), raced)["a"].tolist() == [0.0]


def test_what_a_killed_writer_left_goes_once_nobody_writes(cache):
    """Nobody else holds the lock: it is of a dead one."""
    kept.arrays("numbers", ("a",), lambda: counted([]))
    tables = cache / "cache/tables"
    (tables / ".tmp-left/whole").mkdir(parents=True)
    (tables / ".tmp-left/whole/a.npy").write_bytes(b"half")
    writer = threading.Thread(target=kept.arrays, args=("numbers", ("b",), lambda: counted([])))
    with (tables / ".lock").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        writer.start()
        writer.join(0.2)
        assert writer.is_alive() and (tables / ".tmp-left").exists()
    writer.join(10)
    assert sorted(path.name[:8] for path in tables.iterdir()) == [".lock", "numbers-", "numbers-"]


def test_without_room_arrays_are_made_for_the_process(cache, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    found = kept.arrays("numbers", ("x",), lambda: counted([]))
    assert found["a"].tolist() == [0, 1, 2, 3, 4] and not found["a"].flags.writeable
    assert [path.name for path in (cache / "cache/tables").iterdir()] == [".lock"]


def test_where_things_are_kept(cache, monkeypatch):
    assert kept.root() == cache / "cache"
    (cache / "file").write_text("")
    monkeypatch.setenv("CORPUS_CACHE", str(cache / "file" / "below"))  # cannot be made: the checkout's
    kept.root.cache_clear()
    assert kept.root() == kept.CHECKOUT / ".cache"
    monkeypatch.setattr(kept, "CHECKOUT", cache / "file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "users"))
    kept.root.cache_clear()
    assert kept.root() == cache / "users" / "corpus-pipeline"
