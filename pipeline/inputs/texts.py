"""Values of Arrow arrays as Python objects, one by one where one of them is damaged."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

MAX_ROW_BYTES = 32 << 20  # of a text of a table, and of a line of JSON; longer ones are lost
TOO_LONG = b"\xff\xfetoo long: "  # begins what a reader of pages puts in the place of a text that is too long


@dataclass(frozen=True)
class Unreadable:
    """A value that is no text. `reason` says why, `size` is its length in bytes."""

    reason: str
    size: int


def holds_text(kind: pa.DataType) -> bool:
    """Return whether values of an Arrow type may be texts. A column of nothing but nulls may."""
    if isinstance(kind, pa.BaseExtensionType):
        return holds_text(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return holds_text(kind.value_type)
    checks = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
        pa.types.is_null,
    )
    return any(check(kind) for check in checks)


class TextColumn:
    """Texts of an array of a type that `holds_text`."""

    def __init__(self, array: pa.Array):
        array = array.storage if isinstance(array, pa.ExtensionArray) else array
        self._dictionary: list[str | Unreadable | None] | None = None
        if pa.types.is_dictionary(array.type):
            self._dictionary = TextColumn(array.dictionary).values()
            array = array.indices
        elif pa.types.is_string_view(array.type) or pa.types.is_binary_view(array.type):
            array = array.cast(pa.large_binary())
        elif pa.types.is_fixed_size_binary(array.type):
            array = array.cast(pa.binary())
        self._array = array

    def values(self, start: int = 0, count: int | None = None) -> list[str | Unreadable | None]:
        """Return the texts of `count` rows from `start` on. What is no text is Unreadable."""
        array = self._array.slice(start, count)
        if self._dictionary is not None:
            return [None if i is None else self._dictionary[i] for i in array.to_pylist()]
        if pa.types.is_null(array.type):
            return [None] * len(array)
        is_large = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
        binary, string = (pa.large_binary(), pa.large_string()) if is_large else (pa.binary(), pa.string())
        array = array.cast(binary)
        try:
            array.validate()
            if (pc.max(pc.binary_length(array)).as_py() or 0) <= MAX_ROW_BYTES:
                return array.cast(string).to_pylist()  # this cast checks that it is UTF-8
        except (pa.ArrowInvalid, UnicodeDecodeError):
            array.validate(full=True)
        return [_text(value) for value in array]


def _text(value: pa.Scalar) -> str | Unreadable | None:
    if not value.is_valid:
        return None
    size = value.as_buffer().size
    if size > MAX_ROW_BYTES:
        return Unreadable(f"a text of {size} bytes, more than {MAX_ROW_BYTES}", size)
    data = value.as_py()
    if data.startswith(TOO_LONG):
        size = int(data[len(TOO_LONG) :])
        return Unreadable(f"a text of {size} bytes, more than {MAX_ROW_BYTES}", size)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        return Unreadable(f"the text is not UTF-8 (byte {error.start} of {size})", size)


def plain_values(array: pa.Array) -> list[Any]:
    """Return the values of an array of ids, addresses or dates. Nested values and what cannot be read are None.

    Dates are texts: Python has neither nanoseconds nor years after 9999. Bytes that are not UTF-8 have U+FFFD.
    """
    kind = array.type
    if pa.types.is_nested(kind):
        return [None] * len(array)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        array = array.cast(pa.string())
    if holds_text(kind) and not pa.types.is_null(kind) and not isinstance(kind, pa.BaseExtensionType):
        if pa.types.is_dictionary(kind):
            array = array.cast(kind.value_type)
        array = array.cast(pa.large_binary())
        try:
            return array.cast(pa.large_string()).to_pylist()
        except (pa.ArrowInvalid, UnicodeDecodeError):
            return [_lenient_text(value) for value in array]
    return [_plain(value) for value in array]


def _lenient_text(value: pa.Scalar) -> str | None:
    if not value.is_valid or value.as_buffer().size > MAX_ROW_BYTES:
        return None
    data = value.as_py()
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.hex() if b"\0" in data or len(data) == 16 else data.decode("utf-8", "replace")


def _plain(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except (ValueError, OverflowError, UnicodeDecodeError):
        return None
