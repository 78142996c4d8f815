"""JSON lines: objects one by one, whatever is between them."""

import gzip
import io
import json

import pytest

from pipeline.inputs.columns import Columns
from pipeline.inputs.compression import LostRange
from pipeline.inputs.json_lines import read_objects
from pipeline.inputs.texts import MAX_ROW_BYTES

GOOD = [json.dumps({"text": f"Zeile {i}"}).encode() + b"\n" for i in range(5)]


def read(data: bytes, start: int = 0, end: int | None = None) -> list:
    """The texts of a file, and the reason for each line that is lost."""
    lines = [line.values for line in read_objects(io.BytesIO(data), "x", start, end)]
    return [line.reason if isinstance(line, LostRange) else line["text"] for line in lines]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{broken\n", "no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"[1]\n", "list, not an object"),
        (b'"text"\n', "str, not an object"),
        (b"\0" * 4096 + b"\n", "zero bytes"),
        (b'{"text": "' + b"x" * MAX_ROW_BYTES + b'"}\n', f"a line of {MAX_ROW_BYTES + 12} bytes, more than"),
        (b'{"text":' + b"[" * 100_000 + b"\n", "no JSON: maximum recursion depth exceeded"),
        (b'{"text": "\xff"}\n', "no JSON: 'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_a_line_that_cannot_be_read_is_lost_alone(pack, bad, reason):
    read_texts = read(pack(b"".join([*GOOD[:2], bad, *GOOD[2:]])))
    assert [text for text in read_texts if text.startswith("Zeile")] == [f"Zeile {i}" for i in range(5)]
    assert len(read_texts) == 6 and read_texts[2].startswith(reason)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_gigabytes_of_zeros_take_no_memory(pack):
    """A line without an end: its length is known and nothing of it is kept."""
    data = pack(b"".join(GOOD) + bytes(4 * MAX_ROW_BYTES))
    assert read(data) == [f"Zeile {i}" for i in range(5)] + [
        f"a line of {4 * MAX_ROW_BYTES} bytes, more than {MAX_ROW_BYTES}"
    ]


def test_ranges_that_begin_in_a_long_line_read_nothing_of_it():
    data = b"".join(GOOD) + b" " * 10 + bytes(1_000_000)
    cuts = [0, 30, 90, 100_000, 500_000, len(data)]
    per_range = [read(data, start, end) for start, end in zip(cuts, [*cuts[1:], None], strict=True)]
    assert [reason for lines in per_range for reason in lines] == [
        *(f"Zeile {i}" for i in range(5)),
        "no JSON: Expecting value: line 1 column 11 (char 10)",
    ]
    assert per_range[3:] == [[], [], []]


def test_a_byte_order_mark_and_members_are_read():
    assert read(b"\xef\xbb\xbf" + b"".join(GOOD)) == [f"Zeile {i}" for i in range(5)]
    assert read(b"".join(gzip.compress(line) for line in GOOD)) == [f"Zeile {i}" for i in range(5)]


def test_damage_inside_a_member_loses_that_member_from_there_on():
    data = bytearray(b"".join(gzip.compress(line * 100) for line in GOOD))
    data[len(gzip.compress(GOOD[0] * 100)) + 20] ^= 0xFF
    read_texts = read(bytes(data))
    last_members = [f"Zeile {i}" for i in (2, 3, 4) for _ in range(100)]
    assert read_texts[:100] == ["Zeile 0"] * 100 and read_texts[-300:] == last_members


@pytest.mark.parametrize(
    ("row", "name", "text"),
    [
        ({"meta.text": "Spalte"}, "meta.text", "Spalte"),
        ({"meta": {"text": "Feld"}}, "meta.text", "Feld"),
        ({"meta.text": "Spalte", "meta": {"text": "Feld"}}, '"meta"."text"', "Feld"),
        ({"meta.text": "Spalte", "meta": {"text": "Feld"}}, '"meta.text"', "Spalte"),
        ({"a.b": {"c": "tief"}}, "a.b.c", "tief"),
        ({"a": {"b.c": "tief"}}, "a.b.c", "tief"),
        ({"a": 1}, "a.b", None),
    ],
)
def test_names_with_dots_are_keys_or_fields(row, name, text):
    assert Columns(name).select(row)["text"] == text
