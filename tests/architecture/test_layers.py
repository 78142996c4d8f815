"""Imports go one way: the layers of the packages, computed from the code, and what no layer may do."""

import ast
from pathlib import Path

import pytest

from tests.support.paths import CHECKOUT

TOP = ("pipeline", "extract", "filters", "dedup")
# From the lowest to the highest. A package may import packages of lower layers, and modules of its own package.
LAYERS = (
    ("pipeline.base",),
    ("pipeline.kernels", "pipeline.store", "pipeline.inputs"),
    ("pipeline.runner", "pipeline.config"),
    ("extract", "filters", "dedup"),
    ("pipeline.plugins", "pipeline.index", "pipeline.publish"),
    ("pipeline",),  # recipe, builder, build ...: the DAG and what binds it
    ("pipeline.commands",),
    ("pipeline.__main__",),
)
MAX_FILES, MAX_LINES = 14, 330


def modules() -> dict[str, Path]:
    files = [path for name in TOP for path in (CHECKOUT / name).rglob("*.py")]
    return {
        ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__"): path for path in files
    }


MODULES = modules()


def imports_of(path: Path) -> set[str]:
    """Modules of ours that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return {name for name in found if name in MODULES and MODULES[name].name != "__init__.py"}


GRAPH = {name: imports_of(path) for name, path in MODULES.items()}


def layer(module: str) -> int:
    """The layer of the longest package name that the module begins with."""
    owners = [
        (package, i) for i, layer in enumerate(LAYERS) for package in layer if f"{module}.".startswith(f"{package}.")
    ]
    return max(owners, key=lambda owner: len(owner[0]))[1]


def test_no_module_imports_a_higher_layer():
    upward = [f"{a} imports {b}" for a, others in GRAPH.items() for b in others if layer(b) > layer(a)]
    assert upward == []


def test_extract_filters_and_dedup_do_not_import_each_other():
    areas = ("extract", "filters", "dedup")
    sideways = [
        f"{a} imports {b}"
        for a, others in GRAPH.items()
        for b in others
        if a.split(".")[0] in areas and b.split(".")[0] in areas and a.split(".")[0] != b.split(".")[0]
    ]
    assert sideways == []


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """A circle of the graph; empty where there is none."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for other in sorted(graph[node]):
            if found := visit(other, [*path, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(graph) if (found := visit(node, []))), [])


def package(module: str) -> str:
    return module.rpartition(".")[0] if MODULES[module].name != "__init__.py" else module


def test_no_circle_of_modules():
    assert cycle(GRAPH) == []


def test_no_circle_of_packages():
    packages: dict[str, set[str]] = {package(module): set() for module in GRAPH}
    for module, others in GRAPH.items():
        # the files beside sub-packages bind these together: each is looked at as a package of its own
        packages[package(module)] |= {package(other) for other in others if package(other) != package(module)}
    for name in [name for name in packages if any(other.startswith(f"{name}.") for other in packages)]:
        del packages[name]
    packages = {name: {other for other in others if other in packages} for name, others in packages.items()}
    assert cycle(packages) == []


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES.values()}))
def test_a_package_is_small(folder):
    files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(files) <= MAX_FILES, sorted(path.name for path in files)


def test_a_file_is_short():
    sizes = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name: lines for name, lines in sizes.items() if lines > MAX_LINES} == {}


def test_tests_do_not_import_tests():
    wrong = []
    for path in (CHECKOUT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
            elif isinstance(node, ast.Import):
                names = [name.name for name in node.names]
            wrong += [f"{path.name}: {name}" for name in names if any(p.startswith("test_") for p in name.split("."))]
    assert wrong == []
