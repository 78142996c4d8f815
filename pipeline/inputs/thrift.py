"""Thrift's compact protocol, as far as footers and page headers of Parquet need it.

A struct is a dictionary from the number of a field to (type, value). Source: Apache Thrift, "Thrift compact protocol".
"""

from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_MAX_DEPTH = 32
_LONG_LIST = 15  # in the size nibble of a list: the size follows

Struct = dict[int, tuple[int, Any]]


class ThriftError(ValueError):
    """Bytes that are no struct."""


def read_struct(data: bytes | memoryview, position: int = 0) -> tuple[Struct, int]:
    """Return the struct that starts at `position`, and the position after it. Raises ThriftError."""
    try:
        return _read_struct(data, position, 0)
    except IndexError as error:
        raise ThriftError("the bytes end inside a struct") from error


def _read_struct(data: bytes | memoryview, position: int, depth: int) -> tuple[Struct, int]:
    """Footers have millions of fields, so that what a field needs most often is spelled out here."""
    if depth > _MAX_DEPTH:
        raise ThriftError("structs are nested too deeply")
    fields: Struct = {}
    number = 0
    while header := data[position]:
        position += 1
        kind, delta = header & 15, header >> 4
        if delta:
            number += delta
        else:
            value, position = _read_varint(data, position)
            number = (value >> 1) ^ -(value & 1)
        if I16 <= kind <= I64:
            value = data[position]
            if value < 128:
                position += 1
            else:
                value, position = _read_varint(data, position)
            fields[number] = kind, (value >> 1) ^ -(value & 1)
        elif kind <= FALSE:
            fields[number] = kind, kind == TRUE
        else:
            content, position = _read_value(data, position, kind, depth)
            fields[number] = kind, content
    return fields, position + 1


def _read_varint(data: bytes | memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := data[position]) >= 128:
        value |= (byte & 127) << shift
        shift += 7
        position += 1
        if shift > 63:
            raise ThriftError("an integer is too long")
    return value | byte << shift, position + 1


def _read_value(data: bytes | memoryview, position: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in (BINARY, DOUBLE):
        size, position = (8, position) if kind == DOUBLE else _read_varint(data, position)
        if size > len(data) - position:
            raise ThriftError("the bytes end inside a struct")
        return bytes(data[position : position + size]), position + size
    if kind == STRUCT:
        return _read_struct(data, position, depth + 1)
    if kind in (TRUE, FALSE, BYTE):
        return data[position], position + 1
    if kind in (I16, I32, I64):
        value, position = _read_varint(data, position)
        return (value >> 1) ^ -(value & 1), position
    if kind not in (LIST, SET):
        raise ThriftError(f"a field of type {kind}")
    header = data[position]
    size, position = _read_varint(data, position + 1) if header >> 4 == _LONG_LIST else (header >> 4, position + 1)
    if size > len(data) - position or depth > _MAX_DEPTH:
        raise ThriftError("a list is longer than the bytes, or nested too deeply")
    items = []
    for _ in range(size):
        item, position = _read_value(data, position, header & 15, depth + 1)
        items.append(item)
    return (header & 15, items), position


def write_struct(fields: Struct) -> bytes:
    """Return the bytes of a struct."""
    out = bytearray()
    previous = 0
    for number, (kind, value) in sorted(fields.items()):
        kind = (TRUE if value else FALSE) if kind in (TRUE, FALSE) else kind
        if 0 < number - previous <= 15:
            out.append((number - previous) << 4 | kind)
        else:
            out.append(kind)
            out += _varint(_to_zigzag(number))
        previous = number
        if kind not in (TRUE, FALSE):
            out += _value_bytes(kind, value)
    return bytes(out + b"\0")


def _value_bytes(kind: int, value: Any) -> bytes:
    if kind in (I16, I32, I64):
        return _varint(_to_zigzag(value))
    if kind == BINARY:
        return _varint(len(value)) + value
    if kind in (LIST, SET):
        element, items = value
        size = len(items)
        head = bytes([size << 4 | element]) if size < _LONG_LIST else bytes([_LONG_LIST << 4 | element]) + _varint(size)
        return head + b"".join(_value_bytes(element, item) for item in items)
    if kind == STRUCT:
        return write_struct(value)
    return bytes([value]) if kind in (TRUE, FALSE, BYTE) else bytes(value)


def _to_zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
