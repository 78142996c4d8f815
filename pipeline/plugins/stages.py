"""The stages that run a user's functions on the documents of a shard, and say which document one failed on."""

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup.exact.exact import HASH_ROWS, key_rows, select_representatives
from pipeline.base.errors import UserError
from pipeline.base.paths import PLUGINS_MODULE
from pipeline.base.time_limit import TimeLimitExceeded, time_limit
from pipeline.base.user_code import UserFunction, describe_error
from pipeline.plugins.declarations import SelectionDeclaration, SidecarDeclaration
from pipeline.runner.stage import selection as selection_stage
from pipeline.runner.stage import stage
from pipeline.store.join import read_aligned
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

_BATCH_DOCUMENTS = 1024
# A batch that takes longer is done again document by document, each against the same limit. So a slow function goes on,
# and one that hangs is reported with its document.
_LIMIT_SECONDS = 300.0


def declared_sidecar(function: UserFunction) -> SidecarDeclaration:
    """Load a user's function that `[[sidecars]]` names; raises UserError where it is not declared as one."""
    return _declaration(function, "sidecar", '@sidecar(columns={"...": float})')


def declared_selection(function: UserFunction) -> SelectionDeclaration:
    """Load a user's function that `[[selections]]` names; raises UserError where it is not declared as one."""
    return _declaration(function, "selection", '@selection(rule="...")')


def _declaration(function: UserFunction, kind: str, example: str) -> Any:
    declared = getattr(function.load(), kind, None)
    if declared is None:
        hint = f"write `from {PLUGINS_MODULE} import {kind}` and {example} above it"
        raise UserError(f"{function.path}: {function.name} is not a {kind}; {hint}")
    return declared


@stage(version=1, outputs={})
def user_sidecar(pages: Shard, *, function: UserFunction, settings: dict[str, Any]) -> Iterator[pa.Table]:
    """A sidecar of the columns that a user's function returns.

    Args:
        function: The user's function.
        settings: Its keyword-only arguments.
    """
    declared = declared_sidecar(function)
    for batch in pages.batches(list(dict.fromkeys(["id", "url", *declared.inputs])), rows=_BATCH_DOCUMENTS):
        answer = _call(function, declared.inputs, settings, batch)
        columns = answer if isinstance(answer, dict) else {declared.columns[0].name: answer}
        names = [column.name for column in declared.columns]
        if sorted(columns) != sorted(names):
            raise UserError(f"{function.path}: {function.name} returns {sorted(columns)}, it declares {names}")
        arrays = [_array(function, columns[c.name], c.type, batch.num_rows, c.name) for c in declared.columns]
        yield pa.table([batch["id"], *arrays], names=["id", *names])


@stage(version=2, outputs={"part": HASH_ROWS})
def user_keys(
    pages: Shard,
    fingerprints: Shard,
    selection: Shard | None = None,
    scores: Shard | None = None,
    *,
    function: UserFunction,
    settings: dict[str, Any],
    keep: str,
    scope: str,
    partitions: int,
) -> Iterator[Output]:
    """Rows of the documents that are still kept, in the partition of the hash of the user's key.

    Args:
        function: The user's function.
        settings: Its keyword-only arguments.
        keep: Which of the documents with one key stays.
        scope: Where others are looked for.
        partitions: Number of shuffle partitions.
    """
    inputs = declared_selection(function).inputs
    hashes = []
    for batch in pages.batches(list(dict.fromkeys(["id", "url", *inputs])), rows=_BATCH_DOCUMENTS):
        keys = _array(function, _call(function, inputs, settings, batch), None, batch.num_rows, "the key")
        texts = keys if pa.types.is_string(keys.type) else pc.cast(keys, pa.string())
        hashes += [None if key is None else xxhash.xxh3_128_digest(key.encode()) for key in texts.to_pylist()]
    documents = pages.table(["id", "date", "dump"])
    documents = documents.append_column("chars", read_aligned(documents["id"], fingerprints, ["chars"])["chars"])
    keys = pa.chunked_array([pa.array(hashes, pa.binary(16))])
    yield from key_rows(documents, keys, selection, scores, keep, scope, partitions)


@selection_stage(version=1, relation="same key as")
def drop_same_keys(
    pages: Shard, clusters: list[Shard], selection: Shard | None = None, *, label: str, rule: str
) -> Iterator[pa.Table]:
    """Keep one document of each key of the user's.

    Args:
        label: Name of the step, for the ledger.
        rule: Reason, for the ledger.
    """
    yield select_representatives(pages, clusters, selection, label, rule)


def _call(function: UserFunction, inputs: tuple[str, ...], settings: dict[str, Any], batch: pa.RecordBatch) -> Any:
    """Call the user's function on a batch. Raises UserError with its file and line and the document it failed on."""
    code = function.load()
    try:
        with time_limit(_LIMIT_SECONDS):
            return code(*(batch[name] for name in inputs), **settings)
    except TimeLimitExceeded:
        return _call_one_by_one(function, inputs, settings, batch)
    except Exception as error:
        culprit = _first_failing(code, inputs, settings, batch)
        row = f" ({_document(batch, culprit)})" if culprit is not None else ""
        raise UserError(f"{describe_error(error, function.path)}{row}") from error


def _document(batch: pa.RecordBatch, row: int) -> str:
    return f"document {batch['id'][row]}, {batch['url'][row]}"


def _call_one_by_one(
    function: UserFunction, inputs: tuple[str, ...], settings: dict[str, Any], batch: pa.RecordBatch
) -> Any:
    """Call the user's function on one document after the other, and join what it returns for them.

    Raises UserError with the document for which it takes longer than the limit, or on which it fails.
    """
    code = function.load()
    values: list[Any] = []
    columns: dict[str, list[Any]] = {}
    for row in range(batch.num_rows):
        try:
            with time_limit(_LIMIT_SECONDS):
                answer = code(*(batch[name].slice(row, 1) for name in inputs), **settings)
        except TimeLimitExceeded as error:
            raise UserError(f"{function.path}: {function.name} {error} ({_document(batch, row)})") from None
        except Exception as error:
            raise UserError(f"{describe_error(error, function.path)} ({_document(batch, row)})") from error
        for name, value in answer.items() if isinstance(answer, dict) else ():
            columns.setdefault(name, []).extend(_array(function, value, None, 1, name).to_pylist())
        if not isinstance(answer, dict):
            values += _array(function, answer, None, 1, "one document").to_pylist()
    return columns or values


def _first_failing(
    code: Callable, inputs: tuple[str, ...], settings: dict[str, Any], batch: pa.RecordBatch
) -> int | None:
    """Return the first document that the function fails on by itself; None where it fails on the whole batch only."""
    for i in range(batch.num_rows):
        try:
            with time_limit(_LIMIT_SECONDS):
                code(*(batch[name].slice(i, 1) for name in inputs), **settings)
        except (Exception, TimeLimitExceeded):  # noqa: BLE001 - the error itself is reported by the caller
            return i
    return None


def _array(function: UserFunction, values: Any, kind: pa.DataType | None, rows: int, name: str) -> pa.Array:
    """Return a user's values as an Arrow array. Raises UserError where they do not fit."""
    try:
        array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        array = array if isinstance(array, pa.Array) else pa.array(array)
        array = array if kind is None or array.type == kind else array.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, TypeError, AttributeError) as error:
        message = str(error).splitlines()[0]
        raise UserError(f"{function.path}: {function.name} returns what {name} cannot hold: {message}") from error
    if len(array) != rows:
        raise UserError(f"{function.path}: {function.name} returns {len(array)} values of {name} for {rows} documents")
    return array
