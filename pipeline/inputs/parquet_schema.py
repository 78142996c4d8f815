"""Columns of Parquet files: which one a user's name means, and whether it can hold texts."""

import difflib
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.base.errors import UserError
from pipeline.inputs.columns import Path, resolve
from pipeline.inputs.compression import CheckedFile, file_size
from pipeline.inputs.parquet_footer import footer_bytes, read_footer
from pipeline.inputs.texts import holds_text

_MAX_CHECKED_BYTES = 1 << 20  # of a footer that is checked before its schema is read: that takes 0.2 s


@dataclass(frozen=True)
class Leaf:
    """A column without children: its path, its number among all of them, its top-level column and its type."""

    path: Path
    number: int
    top: int
    type: pa.DataType


def leaf_count(kind: pa.DataType) -> int:
    """Return how many columns of Parquet an Arrow type has."""
    if isinstance(kind, pa.BaseExtensionType):
        return leaf_count(kind.storage_type)
    if pa.types.is_nested(kind):
        return sum(leaf_count(kind.field(i).type) for i in range(kind.num_fields))
    return 1


def find_leaf(schema: pa.Schema, path: Path) -> Leaf | None:
    """Return the column or field of a path, None if there is none. Of columns of the same name, the first is taken."""
    number, names, fields, top = 0, list(path), list(schema), -1
    while True:
        for i, field in enumerate(fields):
            if field.name == names[0]:
                top = i if top < 0 else top
                break
            number += leaf_count(field.type)
        else:
            return None
        names = names[1:]
        kind = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
        if not names:
            return Leaf(path, number, top, kind)
        if not pa.types.is_struct(kind):
            return None
        fields = [kind.field(i) for i in range(kind.num_fields)]


def find_column(schema: pa.Schema, name: str, option: str) -> Leaf | None:
    """Return the column that a user's name means, None if there is none.

    Raises UserError if it may be two; `option` is how a user types a name `{}`.
    """
    path = resolve(name, lambda path: find_leaf(schema, path) is not None, option)
    return find_leaf(schema, path) if path else None


def text_column(schema: pa.Schema, name: str, option: str, choice: str = "there are {}") -> Leaf:
    """Return the column of the texts. Raises UserError, which says what to type, if it is missing or holds no text.

    `choice` puts the names that there are, `{}`, into words.
    """
    leaf = find_column(schema, name, option)
    names = [field.name for field in schema]
    texts = [".".join(path) for path in _text_paths(schema)]
    if leaf is None:
        similar = difflib.get_close_matches(name, texts or names, 1) or texts[:1] or names[:1]
        hint = f"; type {option.format(similar[0])}" if similar else ""
        raise UserError(f"no column {name!r}; {choice.format(', '.join(names) or 'none')}{hint}")
    if not holds_text(leaf.type):
        inside = [text for text in texts if text.startswith(f"{name}.")]
        hint = f"type {option.format(inside[0])}" if inside else "name another one"
        raise UserError(f"column {name!r} is {leaf.type}, not text; {hint}")
    return leaf


def _text_paths(schema: pa.Schema) -> list[Path]:
    """Return columns, and fields of columns, that hold text."""
    paths: list[Path] = [
        (field.name,) for field in schema if holds_text(field.type) and not pa.types.is_null(field.type)
    ]
    for field in schema:
        if pa.types.is_struct(field.type):
            inner = (field.type.field(i) for i in range(field.type.num_fields))
            paths += [(field.name, child.name) for child in inner if holds_text(child.type)]
    return paths


def read_schema(file: BinaryIO) -> pa.Schema | None:
    """Return the schema of an open Parquet file, None if it cannot be read. Raises OSError if reading fails."""
    checked = CheckedFile(file)
    try:
        if footer_bytes(checked, file_size(file)) <= _MAX_CHECKED_BYTES:
            read_footer(checked, file_size(file))
        return pq.ParquetFile(checked).schema_arrow
    except Exception:  # noqa: BLE001 - whatever Arrow raises for damaged bytes
        checked.raise_read_error()
        return None
