"""Machine code is never older than what it calls, and kernels behave as numba's own functions do."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.kernels.machine_code import PACKAGES, imported_names, kernel_imports, kernel_sources, source_digest
from tests.support.paths import CHECKOUT

COPIED = (
    "pipeline/__init__.py",
    "pipeline/base/__init__.py",
    "pipeline/base/file_lock.py",
    "pipeline/base/paths.py",
    "pipeline/kernels/__init__.py",
    "pipeline/kernels/disk_cache.py",
    "pipeline/kernels/machine_code.py",
    "pipeline/kernels/njit.py",
)
SOURCES = {
    "filters/__init__.py": "",
    "filters/deep/__init__.py": "",
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
from filters.deep.bottom import step, SCALE

@njit(cache=True)
def twice(x):
    return SCALE * step(x)
""",
    "filters/deep/bottom.py": """
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
CALL_KERNELS = """
from filters.top import answer
from filters.aside import other
print(answer(10), other(10), *(sum(f.stats.cache_misses.values()) for f in (answer, other)))
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout with four modules of kernels, one of them in a sub-package, and what caches their machine code."""
    for name in COPIED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, tmp_path / name)
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run_python(code: str, checkout: Path, **variables: str) -> str:
    """Standard output of code in a fresh interpreter that sees only the small checkout and its own cache."""
    environment = {k: v for k, v in os.environ.items() if k not in ("CORPUS_CACHE", "NUMBA_CACHE_DIR")}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # bytecode of a file is not told from that of an edit a moment later
    environment |= {"PYTHONPATH": str(checkout), **variables}
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=checkout, env=environment, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def call_kernels(checkout: Path) -> list[int]:
    """[answer(10), other(10), compilations of `answer`, of `other`] in a fresh interpreter."""
    return [int(word) for word in run_python(CALL_KERNELS, checkout).split()]


FIRST_CALLS = """
import sys, threading
from filters.top import answer
from filters import middle
assert "numba" not in sys.modules
results = []
threads = [threading.Thread(target=lambda: results.append(answer(10))) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
from filters.aside import other
print(*results, answer(1), answer.py_func(1), middle.twice(1), other(1))
"""


def test_kernels_are_compiled_at_the_first_call_in_all_threads(checkout):
    """Also kernels whose modules are imported afterwards."""
    assert run_python(FIRST_CALLS, checkout).split() == ["21", "21", "21", "21", "3", "3", "2", "0"]


IMPORTED_LATER = """
from filters.aside import other
print(other(1))
from filters import forwards
from filters.late import later
print(later(1))
"""


def test_a_kernel_declared_after_the_first_call_may_call_one_declared_before_it(checkout):
    """Even where it gets that one from a module without kernels, which numba does not look into."""
    (checkout / "filters" / "forwards.py").write_text("from filters.middle import twice\n")
    text = """
from filters.forwards import twice
from pipeline.kernels.njit import njit

@njit(cache=True)
def later(x):
    return twice(x) + 5
"""
    (checkout / "filters" / "late.py").write_text(text)
    early = "from filters import forwards\n"  # so that its name is a placeholder when numba is imported
    assert run_python(early + IMPORTED_LATER, checkout).split() == ["0", "7"]


def test_functions_of_other_libraries_are_cached_by_numba(checkout):
    (checkout / "library.py").write_text("import numba\n\n@numba.njit(cache=True)\ndef double(x):\n    return 2 * x\n")
    code = "from filters.aside import other\nother(1)\nimport library\nprint(library.double(2), library.double.stats)"
    assert run_python(code, checkout).startswith("4 ") and list(checkout.glob("__pycache__/library.double-*.nbi"))
    ours_first = run_python(CALL_KERNELS, checkout, NUMBA_CACHE_LOCATOR_CLASSES="InTreeCacheLocator")
    assert ours_first.split() == ["21", "9", "1", "0"]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_an_edit_compiles_what_depends_on_it_and_nothing_else(checkout):
    assert call_kernels(checkout) == [21, 9, 1, 1]
    assert call_kernels(checkout) == [21, 9, 0, 0]
    bottom, aside = checkout / "filters/deep/bottom.py", checkout / "filters/aside.py"
    edit(bottom, "return x", "return x + 100")  # two modules away from the one that is called
    assert call_kernels(checkout) == [221, 9, 1, 0]
    edit(bottom, "SCALE = 2", "SCALE = 3")
    assert call_kernels(checkout) == [331, 9, 1, 0]
    edit(aside, "x - 1", "x - 2")  # imported by `top`, which does not call it: as if it did
    assert call_kernels(checkout) == [331, 8, 1, 1]
    edit(aside, "x - 2", "x - 1")  # as it was before
    assert call_kernels(checkout) == [331, 9, 0, 0]


def test_machine_code_goes_with_a_checkout_that_is_moved_and_with_new_times(checkout, tmp_path_factory):
    call_kernels(checkout)
    moved = tmp_path_factory.mktemp("moved") / "elsewhere"
    shutil.copytree(checkout, moved)
    for path in moved.rglob("*.py"):
        os.utime(path, (1, 1))
    assert call_kernels(moved) == [21, 9, 0, 0]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("from a.b import c", {"a.b", "a.b.c"}),
        ("from a import b, c as d", {"a", "a.b", "a.c"}),
        ("from a import (\n    b,  # why\n    c,\n)", {"a", "a.b", "a.c"}),
        ("import a.b, c as d", {"a.b", "c"}),
        ("def f():\n    if x:\n        from a import b", {"a", "a.b"}),
        ("x = 'import a'", set()),
    ],
)
def test_imports_of_a_source_are_found(text, expected):
    assert imported_names(text) == expected


def test_kernels_depend_on_modules_of_kernels_only():
    imports = kernel_imports()
    assert "filters.signals.words" in imports["filters.signals.kernel"]
    assert all("pipeline.base.errors" not in names for names in imports.values())


def imported_from_ours(module: str, tree: ast.Module) -> dict[str, str]:
    """Names that a module imports from our packages, and the module that each is, or comes from."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in PACKAGES:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                is_module = (CHECKOUT / full.replace(".", "/")).with_suffix(".py").exists()
                names[alias.asname or alias.name] = full if is_module else node.module
    return names


def test_no_kernel_uses_a_module_that_its_digest_leaves_out():
    """Machine code with a constant of such a module would outlive a change of the constant."""
    assert {"pipeline.kernels.tokens", "filters.signals.kernel", "dedup.near.greedy"} <= kernel_sources().keys()
    assert source_digest("filters.signals.kernel") != source_digest("filters.signals.words")
    for module, text in kernel_sources().items():
        tree = ast.parse(text)
        imported = imported_from_ours(module, tree)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and any("njit" in ast.unparse(d) for d in node.decorator_list):
                arguments = {x.arg for x in ast.walk(node) if isinstance(x, ast.arg)}
                used = {x.id for x in ast.walk(node) if isinstance(x, ast.Name)} - arguments
                modules = {imported[name] for name in used & imported.keys()} - {"pipeline.kernels.njit"}
                outside = modules - kernel_sources().keys()
                assert not outside, f"{module}.{node.name} uses {outside}, which has no kernels: move it"


def test_kernels_are_declared_with_our_decorator():
    """With numba's own, a change of what a kernel calls would not be seen, and every command would import numba."""
    for path in (path for name in PACKAGES for path in (CHECKOUT / name).rglob("*.py")):
        at_top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {name.name for node in at_top if isinstance(node, ast.Import) for name in node.names}
        names |= {str(node.module) for node in at_top if isinstance(node, ast.ImportFrom)}
        compilers = {name for name in names if name.partition(".")[0] in ("numba", "llvmlite")}
        assert not compilers or path.name == "machine_code.py", f"{path}: from pipeline.kernels.njit import njit"
