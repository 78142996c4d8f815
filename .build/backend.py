"""Build backend (PEP 517): a wheel with the packages of this checkout inside one package, `corpus_pipeline`.

In the checkout, `pipeline`, `extract`, `filters` and `dedup` are top-level packages that import each other by these
names. Other distributions use the same names, so the wheel has none of them at its top level:

    corpus_pipeline/            the public names: the files of `.build/corpus_pipeline`
    corpus_pipeline/_internal/  the four packages and `configs`, with import statements that name `corpus_pipeline`

Only import statements are rewritten. Code that needs the name of a module as a string derives it from `__name__`,
`__package__` or `pipeline.base.paths.PACKAGE_PREFIX`, and finds files relative to `__file__`. hatchling makes the wheel
of the result.
"""

import ast
import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from hatchling import build as hatchling
from hatchling.build import build_sdist as build_sdist  # the checkout as it is, which this backend builds again

CODE = ("pipeline", "extract", "filters", "dedup")
DATA = ("configs",)
PREFIX = "corpus_pipeline._internal"
GENERATED = shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc")  # what Python and numba write beside the code

Insertion = tuple[int, int, str]  # line from 1, offset in the line's UTF-8, text


def build_wheel(
    wheel_directory: str, config_settings: Mapping[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel of the checkout in the current folder; returns the name of the file."""
    target = Path(wheel_directory).resolve()
    with tempfile.TemporaryDirectory() as folder:
        stage_package(Path.cwd(), Path(folder))
        with contextlib.chdir(folder):
            return hatchling.build_wheel(str(target), dict(config_settings or {}), metadata_directory)


def build_editable(*_: Any) -> NoReturn:
    """Refuse an editable install, whose packages would be those of the checkout under other names."""
    raise NotImplementedError("no editable install: use `pip install .`, or run `python -m pipeline` in the checkout")


def stage_package(checkout: Path, folder: Path) -> None:
    """Write to `folder` the project whose wheel is built: `pyproject.toml` and the package `corpus_pipeline`."""
    shutil.copy(checkout / "pyproject.toml", folder)
    shutil.copytree(checkout / ".build" / "corpus_pipeline", folder / "corpus_pipeline", ignore=GENERATED)
    internal = folder.joinpath(*PREFIX.split("."))
    for name in (*CODE, *DATA):
        shutil.copytree(checkout / name, internal / name, ignore=GENERATED)
    for name in CODE:
        for path in (internal / name).rglob("*.py"):
            path.write_text(rewrite_imports(path.read_text(encoding="utf-8")), encoding="utf-8")


def rewrite_imports(source: str) -> str:
    """Let absolute imports of the checkout's packages name the installed ones. Lines and their numbers stay.

    `import pipeline.base.paths` binds the name `pipeline`, so a second import that binds it follows in the same line.
    """
    lines = source.encode().splitlines(keepends=True)
    for line, offset, text in sorted(_insertions(ast.parse(source), lines), reverse=True):
        data = lines[line - 1]
        lines[line - 1] = data[:offset] + text.encode() + data[offset:]
    return b"".join(lines).decode()


def _insertions(tree: ast.AST, lines: list[bytes]) -> Iterator[Insertion]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and _is_ours(node.module or ""):
            keyword_end = node.col_offset + len("from")
            statement = lines[node.lineno - 1][keyword_end:]
            yield node.lineno, keyword_end + len(statement) - len(statement.lstrip()), f"{PREFIX}."
        elif isinstance(node, ast.Import):
            ours = [alias for alias in node.names if _is_ours(alias.name)]
            for alias in ours:
                yield alias.lineno, alias.col_offset, f"{PREFIX}."
            bound = dict.fromkeys(alias.name.partition(".")[0] for alias in ours if alias.asname is None)
            if bound:
                yield node.end_lineno or 0, node.end_col_offset or 0, f"; from {PREFIX} import {', '.join(bound)}"


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in CODE
