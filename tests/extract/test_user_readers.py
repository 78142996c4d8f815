"""Readers of source formats in a user's own file: a small TSV reader, in ranges, compressed, and its mistakes."""

import gzip
import textwrap
from pathlib import Path

import pytest

from extract.sources.listing import list_chunks
from extract.sources.registry import built_in_formats, find_format
from pipeline.base.errors import UserError
from pipeline.base.user_code import UserFunction
from pipeline.runner.dag import canonical
from tests.support.captures import HTML, TEXT, run_pages

TSV_READER = '''
from extract.sources import source

@source(suffixes=(".tsv", ".tsv.gz"), splittable=True)
def tsv(file, start, end):
    """Rows of a TSV file with the columns url and text."""
    if start:  # the line that `start` falls into belongs to the range before
        file.seek(start - 1)
        file.readline()
    while (end is None or file.tell() < end) and (line := file.readline()):
        url, text = line.decode().rstrip("\\n").split("\\t")
        yield {"url": url, "text": text}
'''


@pytest.fixture
def write_reader(tmp_path):
    """Writes a user's file and returns a function of it."""

    def write(code: str, name: str = "tsv") -> UserFunction:
        path = tmp_path / "my_reader.py"
        path.write_text(textwrap.dedent(code), encoding="utf-8")
        return UserFunction.from_file(path, name)

    return write


def write_tsv(path: Path, rows: int = 300) -> Path:
    text = "".join(f"https://x.example/{i}\t{TEXT}{i}\n" for i in range(rows))
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_rows_of_a_users_reader_are_pages(tmp_path, write_reader):
    rows = run_pages(write_tsv(tmp_path / "x.tsv"), readers=(write_reader(TSV_READER),))
    assert [row["url"] for row in rows["part"]] == [f"https://x.example/{i}" for i in range(300)]
    assert {row["extractor"] for row in rows["part"]} == {"none"} and not rows["rejects"]
    assert rows["part"][7]["text"] == TEXT + "7" and rows["part"][7]["host"] == "x.example"
    assert len({row["id"] for row in rows["part"]}) == 300


@pytest.mark.parametrize("chunk_bytes", [50_000, 20_011, 700])
def test_ranges_give_the_rows_and_ids_of_one_pass(tmp_path, write_reader, chunk_bytes):
    reader, path = write_reader(TSV_READER), write_tsv(tmp_path / "x.tsv")
    in_ranges = run_pages(path, readers=(reader,), chunk_bytes=chunk_bytes)
    assert in_ranges["part"] == run_pages(path, readers=(reader,))["part"]


def test_files_of_an_object_store_are_read_line_by_line_and_in_ranges(tmp_path, write_reader):
    reader, path = write_reader(TSV_READER), write_tsv(tmp_path / "x.tsv")
    by_uri = run_pages(f"file://{path}", readers=(reader,), chunk_bytes=20_011)
    assert by_uri["part"] == run_pages(path, readers=(reader,))["part"]


def test_compressed_files_are_decompressed_and_not_split(tmp_path, write_reader):
    reader, path = write_reader(TSV_READER), write_tsv(tmp_path / "x.tsv.gz")
    assert len(list_chunks([str(path)], 1000, (reader,))) == 1
    plain = run_pages(write_tsv(tmp_path / "x.tsv"), readers=(reader,))["part"]
    rows = run_pages(path, readers=(reader,))["part"]
    assert [(row["url"], row["text"]) for row in rows] == [(row["url"], row["text"]) for row in plain]


def test_a_damaged_compressed_file_gives_its_rows_and_one_reject(tmp_path, write_reader):
    path = write_tsv(tmp_path / "x.tsv.gz", rows=8_000)
    path.write_bytes(path.read_bytes()[:-2000])
    rows = run_pages(path, readers=(write_reader(TSV_READER),))
    assert len(rows["part"]) > 1000 and [row["rule"] for row in rows["rejects"]] == ["damaged"]
    assert "ends inside a gzip member" in rows["rejects"][0]["detail"]


def test_files_that_only_a_user_can_read_are_one_range_where_the_format_is_not_splittable(tmp_path, write_reader):
    reader = write_reader(
        """
        from extract.sources import source

        @source(suffixes=(".blocks",))
        def tsv(file, start, end):
            assert (start, end) == (0, None)
            for block in file.read().decode().split("----"):
                yield {"text": block}
        """
    )
    (tmp_path / "x.blocks").write_text("one" * 1000 + "----" + "two" * 1000)
    assert len(list_chunks([str(tmp_path / "x.blocks")], 100, (reader,))) == 1
    rows = run_pages(tmp_path / "x.blocks", readers=(reader,))["part"]
    assert [row["text"][:3] for row in rows] == ["one", "two"] and [row["offset"] for row in rows] == [0, 1]


def test_html_rows_are_extracted_and_declared_values_count(tmp_path, write_reader):
    reader = write_reader(
        f"""
        from extract.sources import source

        @source(suffixes=(".pages",), holds_html=True)
        def tsv(file, start, end):
            yield {{"html": {HTML!r}, "url": "https://a.example/", "date": "2024-01-02", "id": 1}}
            yield {{"html": {HTML!r}.encode("utf-16"), "title": "Mine", "language": "nds"}}
            yield {{"text": "a text", "title": "Other"}}
            yield {{"html": "", "text": None}}
            yield {{"text": None}}
        """
    )
    (tmp_path / "x.pages").write_text("anything")
    rows = run_pages(tmp_path / "x.pages", readers=(reader,))
    first, second, third = rows["part"]
    assert first["text"].strip() == second["text"].strip() == TEXT.strip()
    assert (first["title"], first["html_lang"], first["extractor"], first["date"].day) == ("T", "de", "resiliparse", 2)
    assert (second["title"], second["html_lang"], second["charset"]) == ("Mine", "nds", "utf-16-le")
    assert (third["title"], third["text"], third["extractor"]) == ("Other", "a text", "none")
    assert [(row["stage"], row["rule"]) for row in rows["rejects"]] == [("http", "empty"), ("source", "no_text")]


def test_a_users_reader_comes_before_a_built_in_one_and_longer_suffixes_before_shorter(write_reader):
    own = write_reader(TSV_READER.replace('".tsv", ".tsv.gz"', '".jsonl", ".special.parquet"'))
    assert find_format("a.jsonl", (own,)).user_function == own
    assert find_format("A.SPECIAL.PARQUET", (own,)).user_function == own
    assert find_format("a.parquet", (own,)).name == "parquet"
    assert find_format("a.jsonl.gz", (own,)).name == "json_lines"
    assert find_format("a.jsonl").user_function is None  # readers are for one run


def test_built_in_formats_are_those_that_the_modules_of_sources_declare():
    assert sorted(declared.name for declared in built_in_formats()) == ["json_lines", "parquet", "warc", "wet"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('split("\\t")', 'split("\\t")[0]', r"x\.tsv: .*er\.py:11: ValueError: too many values"),
        ('yield {"url": url, "text": text}', "yield text", r"x\.tsv: .*er\.py: tsv yields str; yield dict"),
        ('"text": text}', '"txt": text}', r"x\.tsv: .*er\.py: tsv yields a row with neither text nor html"),
        ("def tsv(file, start, end):", "def tsv(file):", r"x\.tsv: .*er\.py: TypeError: tsv\(\) takes 1"),
        ("@source(", "@sources(", r"my_reader\.py:4: NameError: name 'sources' is not defined"),
        ('suffixes=(".tsv", ".tsv.gz")', 'suffixes=".tsv"', r"my_reader\.py:4: TypeError: suffixes is a tuple"),
        ("def tsv(file", "def tsv(file,,", r"my_reader\.py:5: SyntaxError: invalid syntax"),
        ("def tsv(", "def csv(", r"my_reader\.py: no function 'tsv'; there are csv"),
        ("@source(suffixes", "dict(suffixes", r"my_reader\.py: tsv is not a reader; write `from pipeline\.plugins"),
    ],
)  # fmt: skip
def test_mistakes_are_reported_with_file_and_line(tmp_path, write_reader, old, new, message):
    assert old in TSV_READER
    path = write_tsv(tmp_path / "x.tsv")
    with pytest.raises(UserError, match=message) as error:
        run_pages(path, readers=(write_reader(TSV_READER.replace(old, new)),))
    assert "\n" not in str(error.value)


def test_the_key_of_a_users_function_has_its_content_and_not_its_path(write_reader):
    one = write_reader(TSV_READER)
    moved = UserFunction("elsewhere.py", one.name, one.sha256, one.code)
    assert canonical(one, "readers") == canonical(moved, "readers") == {"function": "tsv", "sha256": one.sha256}


def test_a_users_file_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"absent\.py: cannot be read"):
        UserFunction.from_file(tmp_path / "absent.py", "tsv")
