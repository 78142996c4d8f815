"""Sidecars beside pages: columns are joined by id, never by position alone."""

import pyarrow as pa

from pipeline.store.shard import Shard


def join_sidecars(*parts: tuple[Shard, list[str] | None]) -> pa.Table:
    """The columns of aligned sidecars side by side.

    Raises AssertionError where ids differ: rows are never paired by luck.
    """
    joined = _with_id(*parts[0])
    for part, columns in parts[1:]:
        table = read_aligned(joined["id"], part, columns)
        for name in table.column_names:
            if name not in joined.column_names:
                joined = joined.append_column(table.schema.field(name), table[name])
    return joined


def read_aligned(ids: pa.ChunkedArray, part: Shard, columns: list[str] | None = None) -> pa.Table:
    """The columns (all, or these and `id`) of a sidecar of documents with these ids, in this order.

    Raises AssertionError where ids differ: rows are never paired by luck.
    """
    table = _with_id(part, columns)
    if not table["id"].equals(ids):
        raise AssertionError(f"{part.label}: ids differ from those beside it")
    return table


def _with_id(part: Shard, columns: list[str] | None) -> pa.Table:
    return part.table(None if columns is None else list(dict.fromkeys(["id", *columns])))
