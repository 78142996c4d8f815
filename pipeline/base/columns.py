"""Columns that stages add to documents: name, type, meaning and range, declared once."""

import math
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """One column of a sidecar.

    name: what rules, `keep = "best:..."` and published tables call it.
    type: its Arrow type; nullable where the thing measured may be absent.
    doc: what it measures, in one sentence with the unit and, where there is one, the source.
    low, high: the range of a numeric column, both inclusive; a rule's bound outside it is warned about.
    """

    name: str
    type: pa.DataType
    doc: str
    low: float = -math.inf
    high: float = math.inf


def sidecar_schema(columns: tuple[Column, ...]) -> pa.Schema:
    """The Arrow schema of a sidecar: `id`, then the columns in their order."""
    return pa.schema([("id", pa.string()), *((column.name, column.type) for column in columns)])
