"""What a stage promises: its version, the tables that it writes, and what rules may ask of them.

A stage is a generator function. Its positional parameters are inputs, its keyword-only parameters are settings, and it
yields tables. Three decorators declare one:

    @stage      writes tables of its own shape
    @sidecar    measures documents: `id` and the declared columns, a row a document, in the order of the pages
    @selection  keeps or drops documents: the SELECTION schema, a row a document, in the order of the pages

Everything that lists steps (settings, columns of rules, ledger, funnel, `explain`) asks the stages of the bound DAG.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pipeline.base.columns import Column, sidecar_schema
from pipeline.base.schema import SELECTION


@dataclass(frozen=True)
class Stage:
    """The declaration of a stage.

    name: what its folder and its line in a plan are called unless the DAG says otherwise.
    version: raised whenever the same input and settings give other rows.
    libraries: distributions whose release may change rows.
    outputs: Arrow schema of each table that it writes, by name; "part" is the main one.
    kind: which contract its main table follows.
    columns: columns that rules, `keep = "best:..."` and publishing may name.
    relation: how the ledger puts what a dropped document has in common with the one it duplicates, "same text as";
        empty for selections that name no other document.
    numbered: whether rows depend on the number of the shard (`Shard.index`), which is then part of its key. Other
        stages are not told it: a file that is added before others must not make theirs again.
    published: whether it writes a folder for people, in one task: it is `<name>/<key>`, with a manifest of its own.
    """

    name: str
    version: int
    libraries: tuple[str, ...]
    outputs: Mapping[str, Any]
    kind: Literal["table", "sidecar", "selection"] = "table"
    columns: tuple[Column, ...] = ()
    relation: str = ""
    numbered: bool = False
    published: bool = False


def stage(
    *,
    version: int,
    libraries: tuple[str, ...] = (),
    outputs: Mapping[str, Any],
    columns: tuple[Column, ...] = (),
    numbered: bool = False,
    published: bool = False,
) -> Callable:
    """Declare a generator function to be a stage that writes `outputs`, name to Arrow schema ("part" is the main one).

    `columns` are given where rules may name columns of the main table. `Stage` describes the others.
    """

    def declare(function: Callable) -> Callable:
        own = Stage(function.__name__, version, libraries, dict(outputs), columns=columns)
        return declared(function, replace(own, numbered=numbered, published=published))

    return declare


def sidecar(
    *,
    version: int,
    columns: tuple[Column, ...],
    libraries: tuple[str, ...] = (),
    outputs: Mapping[str, Any] | None = None,
) -> Callable:
    """Declare a stage that measures documents. `outputs` are tables beside the main one."""

    def declare(function: Callable) -> Callable:
        tables = {"part": sidecar_schema(columns), **(outputs or {})}
        return declared(function, Stage(function.__name__, version, libraries, tables, "sidecar", columns))

    return declare


def selection(
    *, version: int, relation: str = "", libraries: tuple[str, ...] = (), outputs: Mapping[str, Any] | None = None
) -> Callable:
    """Declare a stage that keeps or drops documents. `outputs` are tables beside the main one, "removed" among them
    where passages are removed from texts (schema REMOVED_PASSAGES)."""

    def declare(function: Callable) -> Callable:
        tables = {"part": SELECTION, **(outputs or {})}
        own = Stage(function.__name__, version, libraries, tables, "selection", relation=relation)
        return declared(function, own)

    return declare


def declared(function: Callable, declaration: Stage) -> Callable:
    """`function`, with its declaration as the attribute `stage`."""
    function.stage = declaration  # type: ignore[attr-defined]
    return function
