"""Footers of Parquet files, checked before Arrow sees them: a flipped bit there can end its process.

Source: Apache Parquet, `parquet.thrift` (format 2.10), whose numbers of fields are used here.
"""

from dataclasses import dataclass
from typing import Any, BinaryIO

from pipeline.inputs.compression import CheckedFile
from pipeline.inputs.thrift import BINARY, I32, I64, LIST, STRUCT, Struct, ThriftError, read_struct

MAGIC = b"PAR1"
BYTE_ARRAY = 6  # physical type
_OPTIONAL, _REPEATED = 1, 2
# Fields of the metadata of a column that every reader needs, and their types.
_COLUMN_FIELDS = {1: I32, 2: LIST, 3: LIST, 4: I32, 5: I64, 6: I64, 7: I64, 9: I64}


@dataclass(frozen=True)
class RowGroup:
    """Where a row group begins, inside the file whatever its metadata says, and how many rows it has."""

    first_byte: int
    rows: int
    columns: tuple[tuple[int, int], ...]  # (stored bytes, decompressed bytes) of each


def footer_bytes(file: BinaryIO | CheckedFile, size: int) -> int:
    """Return the size of the footer of a file of `size` bytes. Raises ThriftError if there is none."""
    file.seek(max(0, size - 8))
    tail = file.read(8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or length > size - 8:
        raise ThriftError("no footer")
    return length


def read_footer(file: BinaryIO | CheckedFile, size: int) -> Struct:
    """Return the metadata of a Parquet file of `size` bytes (`FileMetaData`). Raises ThriftError, OSError."""
    length = footer_bytes(file, size)
    file.seek(size - 8 - length)
    footer = read_struct(file.read(length))[0]
    try:
        _check(footer)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ThriftError(f"the footer is damaged ({error})") from error
    return footer


def row_groups(footer: Struct, size: int) -> list[RowGroup]:
    """Return the row groups of a file of `size` bytes."""
    groups = []
    for group in footer[4][1][1]:
        metadata = [column[3][1] for column in group[1][1][1]]
        offsets = [column[i][1] for column in metadata for i in (9, 11) if i in column and column[i][1] > 0]
        first_byte = min(max(0, min(offsets, default=0)), max(0, size - 1))
        columns = tuple((column[7][1], column[6][1]) for column in metadata)
        groups.append(RowGroup(first_byte, group[3][1], columns))
    return groups


def _check(footer: Struct) -> None:
    """Raise one of several errors for metadata that does not describe a file."""
    elements = _structs(footer[2])
    leaves, open_children = 0, [1]
    for element in elements:
        while open_children and not open_children[-1]:
            open_children.pop()
        open_children[-1] -= 1
        children = element.get(5, (I32, 0))
        if element[4][0] != BINARY or children[0] != I32 or children[1] < 0:
            raise ValueError("a column without a name")
        if element.get(3, (I32, 0))[1] not in (0, _OPTIONAL, _REPEATED) or element.get(3, (I32, 0))[0] != I32:
            raise ValueError("a column of an unknown repetition")
        if children[1]:
            open_children.append(children[1])
        elif 1 in element:
            if element[1][0] != I32 or not 0 <= element[1][1] <= 7:
                raise ValueError("a column of an unknown type")
            leaves += 1
    if any(open_children):
        raise ValueError("columns are missing")
    for group in _structs(footer[4]):
        columns = _structs(group[1])
        if len(columns) != leaves or group[3][0] != I64 or group[3][1] < 0:
            raise ValueError("a row group of other columns")
        for column in columns:
            if column[3][0] != STRUCT:
                raise ValueError("a column without metadata")
            metadata = column[3][1]
            if any(metadata[number][0] != kind for number, kind in _COLUMN_FIELDS.items()):
                raise ValueError("a column with other metadata")
            if any(metadata[number][1] < 0 for number in (5, 6, 7, 9)):
                raise ValueError("a column of a negative size")


def _structs(field: tuple[int, Any]) -> list[Struct]:
    kind, (element, items) = field
    if kind != LIST or (items and element != STRUCT):
        raise ValueError("no list of structs")
    return list(items)


def leaf_schema(elements: list[Struct], leaf: int) -> tuple[list[Struct], list[bytes], bool]:
    """Return (the schema of one leaf, its path, whether it has definition levels).

    The text of a leaf is read as bytes. Raises ThriftError for a repeated leaf.
    """
    path = _path_of_leaf(elements, leaf)
    if any(element.get(3, (I32, 0))[1] == _REPEATED for element in path):
        raise ThriftError("it is a list")
    root = {**elements[0], 5: (I32, 1)}
    groups = [{**group, 5: (I32, 1)} for group in path[:-1]]
    last = path[-1]
    if last[1][1] == BYTE_ARRAY:
        last = {number: field for number, field in last.items() if number not in (6, 10)}
    names = [element[4][1] for element in path]
    return [root, *groups, last], names, any(element.get(3, (I32, 0))[1] == _OPTIONAL for element in path)


def _path_of_leaf(elements: list[Struct], leaf: int) -> list[Struct]:
    """Return the schema elements from below the root down to the leaf of this number."""
    stack: list[list[Any]] = [[elements[0], elements[0][5][1]]]  # elements and how many children are still to come
    count = 0
    for element in elements[1:]:
        while stack and not stack[-1][1]:
            stack.pop()
        stack[-1][1] -= 1
        children = element.get(5, (I32, 0))[1]
        if children or 1 not in element:
            stack.append([element, children])
            continue
        if count == leaf:
            return [*(group for group, _ in stack[1:]), element]
        count += 1
    raise ThriftError(f"no leaf {leaf}")
