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
        return _Reader(data, position).read_struct(0)
    except IndexError as error:
        raise ThriftError("the bytes end inside a struct") from error


class _Reader:
    def __init__(self, data: bytes | memoryview, position: int):
        self.data, self.position = data, position

    def read_struct(self, depth: int) -> tuple[Struct, int]:
        if depth > _MAX_DEPTH:
            raise ThriftError("structs are nested too deeply")
        fields: Struct = {}
        number = 0
        while header := self._byte():
            kind, delta = header & 15, header >> 4
            number = number + delta if delta else self._zigzag()
            fields[number] = (kind, kind == TRUE if kind in (TRUE, FALSE) else self._value(kind, depth))
        return fields, self.position

    def _byte(self) -> int:
        value = self.data[self.position]
        self.position += 1
        return value

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ThriftError("an integer is too long")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _bytes(self, count: int) -> bytes:
        value = bytes(self.data[self.position : self.position + count])
        if len(value) < count:
            raise ThriftError("the bytes end inside a struct")
        self.position += count
        return value

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (TRUE, FALSE, BYTE):
            return self._byte()
        if kind in (I16, I32, I64):
            return self._zigzag()
        if kind == DOUBLE:
            return self._bytes(8)
        if kind == BINARY:
            return self._bytes(self._varint())
        if kind in (LIST, SET):
            header = self._byte()
            size = self._varint() if header >> 4 == _LONG_LIST else header >> 4
            if size > len(self.data) - self.position:
                raise ThriftError("a list is longer than the bytes")
            return header & 15, [self._value(header & 15, depth + 1) for _ in range(size)]
        if kind == STRUCT:
            return self.read_struct(depth + 1)[0]
        raise ThriftError(f"a field of type {kind}")


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
