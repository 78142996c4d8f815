"""Parquet files that are damaged, of odd types or bombs: every good row is read, and what is lost is told."""

import io
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.base.errors import UserError
from pipeline.inputs import parquet as parquet_reader
from pipeline.inputs.columns import Columns
from pipeline.inputs.compression import LostRange
from pipeline.inputs.parquet import read_parquet
from pipeline.inputs.rows import Row

ROWS = 3000
TABLE = pa.table(
    {
        "id": [f"d{i}" for i in range(ROWS)],
        "text": [f"Seite {i} hat einen Text, der zu ihr passt. " * 5 for i in range(ROWS)],
        "url": [f"https://x{i % 7}.example/" for i in range(ROWS)],
    }
)


def parquet_bytes(table: pa.Table, **options) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def read(
    data: bytes, start: int = 0, end: int | None = None, **columns: str
) -> tuple[dict[int, dict], list[LostRange]]:
    """(values by row number, what is lost) of a file."""
    events = list(read_parquet(io.BytesIO(data), "x.parquet", Columns(**columns), start, end))
    rows = [event for event in events if isinstance(event, Row)]
    assert [row.offset for row in rows] == sorted({row.offset for row in rows})
    return {row.offset: row.values for row in rows}, [event for event in events if isinstance(event, LostRange)]


def texts(data: bytes, **columns: str) -> list:
    return [values["text"] for values in read(data, **columns)[0].values()]


WRITERS = [
    {},
    {"data_page_version": "2.0", "compression": "zstd"},
    {"use_dictionary": False, "compression": "gzip"},
    {"compression": "none"},
    {"compression": "brotli"},
    {"compression": "lz4", "data_page_version": "2.0"},
]


@pytest.mark.parametrize("options", WRITERS)
@pytest.mark.parametrize("page_by_page", [False, True])
def test_all_codecs_and_page_versions_are_read_and_pages_give_the_same_rows(options, page_by_page, monkeypatch):
    data = parquet_bytes(TABLE, data_page_size=20_000, row_group_size=1100, **options)
    if page_by_page:
        monkeypatch.setattr(parquet_reader, "_MIN_BOMB_BYTES", 0)
        monkeypatch.setattr(parquet_reader, "_BOMB_RATIO", 0)
    rows, lost = read(data)
    assert lost == [] and [*rows] == [*range(ROWS)]
    assert [row["text"] for row in rows.values()] == TABLE["text"].to_pylist()
    assert [row["id"] for row in rows.values()] == TABLE["id"].to_pylist()


@pytest.mark.parametrize("options", WRITERS[:3])
def test_only_the_rows_of_a_damaged_page_are_lost(options):
    """With page checksums, no damaged byte can pass; every row is read or is in a lost range."""
    data = parquet_bytes(TABLE, data_page_size=20_000, row_group_size=1500, write_page_checksum=True, **options)
    footer = int.from_bytes(data[-8:-4], "little") + 8
    generator = random.Random(1)
    for _ in range(25):
        damaged = bytearray(data)
        damaged[generator.randrange(4, len(data) - footer)] ^= 1 << generator.randrange(8)
        rows, lost = read(bytes(damaged))
        assert all(row == {**dict.fromkeys(("text", "url", "id", "date")), **TABLE.slice(i, 1).to_pylist()[0]}
                   for i, row in rows.items())  # fmt: skip
        numbers = [i for gap in lost for i in range(gap.offset, gap.offset + gap.rows)]
        assert sorted([*rows, *numbers]) == [*range(ROWS)]
        assert all(gap.length > 0 and gap.reason.startswith("row") for gap in lost)


def test_a_page_is_lost_and_not_its_row_group():
    data = parquet_bytes(
        TABLE, data_page_size=5_000, use_dictionary=False, write_page_checksum=True, compression="none"
    )
    place = data.index(b"Seite 1500 ")
    rows, (lost,) = read(data[:place] + b"\xff" * 40 + data[place + 40 :])
    assert len(rows) + lost.rows == ROWS and lost.rows < ROWS / 2 and lost.offset <= 1500 < lost.offset + lost.rows
    assert f"rows {lost.offset} to {lost.offset + lost.rows - 1}: a page cannot be read" in lost.reason


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_lost_as_a_whole(share):
    data = parquet_bytes(TABLE)
    cut = data[: int(len(data) * share)] or b"P"
    assert read(cut) == ({}, [LostRange("x.parquet", 0, len(cut), read(cut)[1][0].reason)])


def test_flipped_bits_anywhere_raise_nothing():
    """In the footer, a bit may change names, offsets and types: a missing column is the only error."""
    data = parquet_bytes(TABLE.slice(0, 300), row_group_size=100)
    generator = random.Random(2)
    footer = int.from_bytes(data[-8:-4], "little") + 8
    for i in range(300):
        damaged = bytearray(data)
        begin = len(data) - footer if i % 2 else 0
        damaged[generator.randrange(begin, len(data))] ^= 1 << generator.randrange(8)
        try:
            read(bytes(damaged))
        except UserError as error:
            assert "text" in str(error)


def test_zeroed_pages_are_lost():
    data = parquet_bytes(TABLE, row_group_size=1000)
    metadata = pq.ParquetFile(io.BytesIO(data)).metadata
    place = metadata.row_group(1).column(1).data_page_offset
    rows, lost = read(data[:place] + bytes(200) + data[place + 200 :])
    assert sum(gap.rows for gap in lost) + len(rows) == ROWS and {*range(1000), *range(2000, 3000)} <= {*rows}


def test_one_text_that_is_not_utf_8():
    rows, (lost,) = read(parquet_bytes(pa.table({"text": _invalid_strings()})))
    assert [rows[i]["text"] for i in rows] == ["gut", "auch gut"] and [*rows] == [0, 2]
    assert (lost.offset, lost.rows, lost.reason) == (1, 1, "row 1: the text is not UTF-8 (byte 6 of 11)")


def _invalid_strings() -> pa.Array:
    binary = pa.array([b"gut", b"nicht \xff gut", b"auch gut"])
    return pa.StringArray.from_buffers(3, binary.buffers()[1], binary.buffers()[2])


@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_huge_row_is_lost_and_its_neighbours_are_not(dictionary, version):
    values = [*(f"gut {i}" for i in range(50)), "\0" * 100_000_000, *(f"gut {i}" for i in range(50))]
    data = parquet_bytes(
        pa.table({"text": values}), compression="zstd", use_dictionary=dictionary, data_page_version=version
    )
    assert len(data) < 20_000
    rows, (lost,) = read(data)
    assert len(rows) == 100 and (lost.offset, lost.rows, lost.length) == (50, 1, 100_000_000)
    assert lost.reason == "row 50: a text of 100000000 bytes, more than 33554432"


def test_a_dictionary_that_multiplies_to_gigabytes_is_bounded(monkeypatch):
    monkeypatch.setattr(parquet_reader, "_MAX_TEXT_BYTES", 50_000_000)
    monkeypatch.setattr(parquet_reader, "_MAX_TEXT_RATIO", 10)
    rows, (lost,) = read(parquet_bytes(pa.table({"text": ["a" * 1_000_000] * 500}), compression="zstd"))
    assert 50 <= len(rows) <= 52 and lost.rows == 500 - len(rows) and "more than 50000000 bytes" in lost.reason


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view(),
        pa.binary(4), pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.binary()),
    ],
    ids=str,
)  # fmt: skip
def test_types_of_text(kind):
    values = ["Text", "Bäh", "Text", None]
    array = pa.array([None if value is None else value.encode() for value in values]).cast(
        kind.value_type if pa.types.is_dictionary(kind) else kind
    )
    array = array.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else array
    assert texts(parquet_bytes(pa.table({"text": array}))) == values
    assert (
        texts(parquet_bytes(pa.table({"doc": pa.StructArray.from_arrays([array], ["text"])})), text="doc.text")
        == values
    )


def test_a_column_of_nulls_has_no_texts():
    assert texts(parquet_bytes(pa.table({"text": pa.nulls(3)}))) == [None] * 3


@pytest.mark.parametrize(
    ("values", "columns", "message"),
    [
        ([["a"]], "text", "column 'text' is list<element: string>, not text; name another one"),
        ([1], "text", "column 'text' is int64, not text"),
        ([{"body": "a"}], "text", "is struct<.*>, not text; type --set extract.text_column=text.body"),
        (["a"], "txet", "no column 'txet'; set text_column to one of text, n; type --set extract.text_column=text"),
    ],
)
def test_a_column_without_text_is_an_error_with_what_to_type(values, columns, message):
    with pytest.raises(UserError, match=message):
        read(parquet_bytes(pa.table({"text": values, "n": [1]})), text=columns)


def test_names_with_dots_are_columns_or_fields():
    column = pa.table({"meta.text": ["Spalte"], "n": [1]})
    field = pa.table({"meta": [{"n": 1, "text": "Feld"}]})
    deep = pa.table({"a.b": [{"c": {"d.e": "tief", "x": 1}}]})
    assert texts(parquet_bytes(column), text="meta.text") == ["Spalte"]
    assert texts(parquet_bytes(field), text="meta.text") == ["Feld"]
    assert texts(parquet_bytes(deep), text="a.b.c.d.e") == texts(parquet_bytes(deep), text='"a.b".c."d.e"') == ["tief"]
    both = parquet_bytes(pa.table({"meta.text": ["Spalte"], "meta": [{"n": 1, "text": "Feld"}]}))
    with pytest.raises(UserError, match=r'may be the column .* or field .*; type .*="meta.text" or .*="meta"."text"'):
        read(both, text="meta.text")
    assert texts(both, text='"meta.text"') == ["Spalte"] and texts(both, text='"meta"."text"') == ["Feld"]


def test_the_first_of_two_columns_of_the_same_name_is_read():
    table = pa.Table.from_arrays([pa.array(["eins"]), pa.array(["zwei"]), pa.array(["u"])], ["text", "text", "url"])
    assert read(parquet_bytes(table))[0][0] == {"text": "eins", "url": "u", "id": None, "date": None}


def test_empty_row_groups_and_files():
    out = io.BytesIO()
    with pq.ParquetWriter(out, TABLE.schema) as writer:
        writer.write_table(TABLE.slice(0, 0))
        writer.write_table(TABLE.slice(0, 3))
        writer.write_table(TABLE.slice(0, 0))
    assert [*read(out.getvalue())[0]] == [0, 1, 2]
    assert read(parquet_bytes(TABLE.slice(0, 0))) == ({}, [])


@pytest.mark.parametrize("pieces", [2, 7, 40])
def test_ranges_together_give_every_row_once(pieces):
    data = parquet_bytes(TABLE, row_group_size=200)
    cuts = [i * len(data) // pieces for i in range(pieces)]
    numbers = [n for start, end in zip(cuts, [*cuts[1:], None], strict=True) for n in read(data, start, end)[0]]
    assert numbers == [*range(ROWS)]


def test_ids_addresses_and_dates_of_any_type_are_read_or_none():
    table = pa.table(
        {
            "text": ["a", "b"],
            "id": pa.array([b"0123456789abcdef"] * 2, pa.binary(16)),
            "url": [{"a": 1}, {"a": 2}],
            "date": pa.array([1 << 60, None], pa.timestamp("us")),
        }
    )
    rows, lost = read(parquet_bytes(table))
    assert lost == [] and rows[0]["id"] == "0123456789abcdef" and rows[0]["url"] is None and rows[1]["date"] is None


class _BrokenFile(io.BytesIO):
    def read(self, count: int | None = -1) -> bytes:
        if self.tell() < 20_000:
            raise OSError(5, "Input/output error")
        return super().read(count)


def test_a_failed_read_is_no_damage_of_the_file():
    """A network that fails must not drop documents: the error is raised, so that the shard is read again."""
    with pytest.raises(OSError, match="Input/output error"):
        list(read_parquet(_BrokenFile(parquet_bytes(TABLE)), "x", Columns()))
