"""What a user's own file says of its functions: `@sidecar`, `@selection` and (from `extract.sources`) `@source`.

    from pipeline.plugins import sidecar

    @sidecar(columns={"exclamation_ratio": float})
    def exclamation_ratio(text):
        \"\"\"Exclamation marks among the characters of the text, 0 to 1.\"\"\"
        return [t.count("!") / max(1, len(t)) for t in text.to_pylist()]

The parameters of a function are columns of the pages (`pipeline.base.schema.PAGE_COLUMNS`), Arrow arrays of a batch of
documents; its keyword-only parameters are settings, which the recipe gives beside `use`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.base.columns import Column
from pipeline.base.errors import UserError
from pipeline.base.schema import PAGE_COLUMNS
from pipeline.base.suggestions import unknown_name

_TYPES = {float: pa.float64(), int: pa.int64(), bool: pa.bool_(), str: pa.string()}


@dataclass(frozen=True)
class SidecarDeclaration:
    """A function that measures documents.

    columns: what it returns, one value a document.
    inputs: columns of the pages that it takes.
    version: raised to measure again although the file is unchanged (a changed file always is measured again).
    """

    columns: tuple[Column, ...]
    inputs: tuple[str, ...]
    version: int


@dataclass(frozen=True)
class SelectionDeclaration:
    """A function that gives each document a key; of the documents with one key, one stays.

    rule: what the ledger calls the reason.
    keep: which one stays: `oldest`, `newest`, `longest` or `best:<column>`.
    scope: where others are looked for: the `corpus`, or each `dump` for itself.
    inputs: columns of the pages that it takes.
    version: raised to select again although the file is unchanged.
    """

    rule: str
    keep: str
    scope: str
    inputs: tuple[str, ...]
    version: int


def sidecar(*, columns: Mapping[str, Any], version: int = 1) -> Callable[[Callable], Callable]:
    """Declare a function that measures documents.

    `columns`: name to type (float, int, bool or str), or to a `Column` with a meaning and a range of its own. The
    function returns a value for each document of the batch: a mapping of columns, or one column alone; a list, an
    Arrow array or a NumPy array.
    """

    def declare(function: Callable) -> Callable:
        meaning = next(iter((inspect.getdoc(function) or "").splitlines()), "")
        declared = tuple(
            spec if isinstance(spec, Column) else Column(name, _arrow_type(name, spec), meaning)
            for name, spec in columns.items()
        )
        function.sidecar = SidecarDeclaration(declared, _inputs(function), version)  # type: ignore[attr-defined]
        return function

    return declare


def selection(
    *, rule: str, keep: str = "oldest", scope: str = "corpus", version: int = 1
) -> Callable[[Callable], Callable]:
    """Declare a function that returns a key for each document of the batch, text or a number; null for none.

    Of the documents with one key the first in the `keep` order stays, the others are dropped with this `rule`.
    """

    def declare(function: Callable) -> Callable:
        own = SelectionDeclaration(rule, keep, scope, _inputs(function), version)
        function.selection = own  # type: ignore[attr-defined]
        return function

    return declare


def _inputs(function: Callable) -> tuple[str, ...]:
    """Return the columns of pages that a function takes. Raises UserError for a parameter that is none."""
    names = [column.name for column in PAGE_COLUMNS]
    parameters = inspect.signature(function).parameters.values()
    inputs = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    for name in inputs:
        if name not in names:
            raise UserError(f"{function.__name__}({name}): {unknown_name('column of pages', name, names)}")
    return tuple(inputs)


def _arrow_type(name: str, kind: Any) -> pa.DataType:
    if isinstance(kind, pa.DataType):
        return kind
    if kind not in _TYPES:
        raise UserError(f"column {name!r}: {kind!r} is no type; give float, int, bool or str")
    return _TYPES[kind]
