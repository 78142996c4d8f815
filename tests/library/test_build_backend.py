"""The wheel's code: which import statements are rewritten, and that no other code depends on the packages' names."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from tests.support.paths import CHECKOUT

CODE = ("pipeline", "extract", "filters", "dedup")
MODULE_NAME = re.compile(rf"(?<![\w./])({'|'.join(CODE)})\.[a-z_]\w*")
# Files whose strings may name modules, and why.
EXEMPT = {
    "pipeline/base/paths.py": "the prefix is what precedes its own name",
    "extract/demo/http.py": "extract.demo is what the demo's WARC files say made them",
    "pipeline/inputs/parquet.py": "extract.text_column is a setting of a recipe",
    "extract/sources/check.py": "extract.text_column is a setting of a recipe",
    "filters/make_presets.py": "a tool that writes into a checkout",
}


@pytest.fixture(scope="module")
def backend():
    spec = importlib.util.spec_from_file_location("backend", CHECKOUT / ".build" / "backend.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("source", "rewritten"),
    [
        ("from pipeline import build", "from {P}.pipeline import build"),
        ("from  extract.html import (  # é\n    a,\n)\n", "from  {P}.extract.html import (  # é\n    a,\n)\n"),
        ("x = 'é'; from dedup.near import b as c\n", "x = 'é'; from {P}.dedup.near import b as c\n"),
        ("import filters.rules as rules, os", "import {P}.filters.rules as rules, os"),
        (
            "def f():\n    import pipeline.base.paths, os  # why\n    return pipeline.base.paths\n",
            "def f():\n    import {P}.pipeline.base.paths, os; from {P} import pipeline  # why\n"
            "    return pipeline.base.paths\n",
        ),
        ("from . import dedup\nfrom .extract import a\n", "from . import dedup\nfrom .extract import a\n"),
        ("import extraction, os.path\nfrom dedupe import a\n", "import extraction, os.path\nfrom dedupe import a\n"),
        ("from trafilatura import extract\nextract.x('from extract import y')\n",) * 2,
    ],
)
def test_imports_of_our_packages_are_rewritten_and_nothing_else(backend, source, rewritten):
    assert backend.rewrite_imports(source) == rewritten.replace("{P}", backend.PREFIX)


def test_every_line_of_the_code_keeps_its_number_and_no_import_its_name(backend):
    for path in (path for name in CODE for path in (CHECKOUT / name).rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        rewritten = backend.rewrite_imports(source)
        assert rewritten.count("\n") == source.count("\n")
        modules = [node.module or "" for node in ast.walk(ast.parse(rewritten)) if isinstance(node, ast.ImportFrom)]
        assert [module for module in modules if module.partition(".")[0] in CODE] == []


def named_modules(path: Path) -> list[str]:
    """Strings of a file, but for docstrings, that name a module of ours from the top."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    prefixed = {  # parts of an f-string that follow a value, such as a prefix
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for before, part in zip(node.values, node.values[1:], strict=False)
        if isinstance(before, ast.FormattedValue)
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | prefixed
    ]
    return [text for text in texts if MODULE_NAME.search(text) or re.search(rf"\bfrom ({'|'.join(CODE)})\b", text)]


def test_no_string_names_a_module_that_has_another_name_in_the_wheel():
    """Only import statements are rewritten: derive a name from __name__, __package__ or PACKAGE_PREFIX instead."""
    names = {
        (str(path.relative_to(CHECKOUT)), text)
        for name in CODE
        for path in (CHECKOUT / name).rglob("*.py")
        for text in named_modules(path)
    }
    assert {(file, text) for file, text in names if file not in EXEMPT} == set()
