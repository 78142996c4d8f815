"""Functions of the library on values in memory: what they return is what the commands and the stages return."""

import doctest
import io
import json

import pyarrow as pa
import pytest

from dedup.dedup_file import dedup_file
from pipeline import library
from pipeline.library import LanguageResult, UserError, deduplicate, extract, identify, mask

PARAGRAPH = (
    "Der Garten liegt am Fluss, und im Sommer kommen viele Kinder, um dort zu spielen, zu lesen und im Schatten der "
    "alten Bäume zu schlafen. Am Abend gehen sie über die kleine Brücke nach Hause zurück."
)
PAGE = (
    "<!doctype html><html><head><meta charset=windows-1252><title>Garten</title></head><body><nav><a href=/>Start</a>"
    f"</nav><article><h1>Der Garten</h1><p>{PARAGRAPH}</p></article></body></html>"
)
DOCUMENTS = pa.table(
    {
        "id": ["first", "copy", "other", "changed", "none", "empty"],
        "text": [
            PARAGRAPH,
            PARAGRAPH,
            "The dog sleeps under the old table.",
            f"{PARAGRAPH} Dann schlafen sie.",
            None,
            "",
        ],
    }
)


def test_the_examples_are_true():
    results = doctest.testmod(library)
    assert results.attempted >= 6 and results.failed == 0


@pytest.mark.parametrize("engine", ["blocks", "trafilatura", "resiliparse"])
def test_a_page_is_text_or_bytes_in_the_character_set_that_it_declares(engine):
    text = extract(PAGE, engine=engine)
    assert PARAGRAPH in text and "Start" not in text
    assert extract(PAGE.encode("cp1252"), engine=engine) == text


def test_markdown_has_the_structure():
    assert "# Der Garten" in extract(PAGE, format="markdown").splitlines()
    assert "Der Garten" in extract(PAGE).splitlines()


@pytest.mark.parametrize("html", ["", b"", "\x00\ud800<p", b"\xff\xfe<"])
def test_a_page_without_text_gives_a_text(html):
    assert isinstance(extract(html), str)


def test_languages_come_in_the_order_of_the_texts():
    results = identify(text for text in (PARAGRAPH, "The dog sleeps under the old table.", "12", ""))
    assert [result.language for result in results] == ["de", "en", "und", "und"]
    assert isinstance(results[0], LanguageResult) and results[0].script == "Latn" and results[0].score > 0.9
    assert identify([]) == []


def test_duplicates_are_those_of_the_command(tmp_path):
    file, lines = tmp_path / "documents.jsonl", io.StringIO()
    file.write_text("".join(json.dumps(row) + "\n" for row in DOCUMENTS.to_pylist()))
    dedup_file(file, lines, threshold=0.7)
    names = ["id", "duplicate_of", "similarity", "cluster_size"]
    expected = [{name: json.loads(line)[name] for name in names} for line in lines.getvalue().splitlines()]
    result = deduplicate(DOCUMENTS, threshold=0.7)
    assert result.to_pylist() == expected and result.column_names == names
    assert result["duplicate_of"].to_pylist() == [None, "first", None, "first", None, None]


def test_settings_of_deduplication_count():
    assert deduplicate(DOCUMENTS, threshold=1.0)["duplicate_of"].to_pylist()[1:4] == ["first", None, None]
    by_words, by_pairs = (deduplicate(DOCUMENTS, ngram=n, preset="20x2", threshold=0.5)["similarity"] for n in (1, 2))
    assert 1 > by_words[3].as_py() > by_pairs[3].as_py()


@pytest.mark.parametrize("text_type", [pa.string(), pa.large_string(), pa.string_view()])
def test_any_column_of_strings_is_deduplicated(text_type):
    """Also one in chunks that begin in the middle of their buffers, as those of a slice do."""
    texts = DOCUMENTS["text"].cast(text_type)
    table = pa.table({"body": pa.chunked_array([*texts.chunks, *texts.slice(1).chunks])}).slice(1)
    duplicate_of = deduplicate(table, text_column="body", threshold=0.7)["duplicate_of"].to_pylist()
    assert duplicate_of == [None, None, 0, None, None, 0, 1, 0, None, None]


def test_ids_keep_their_type_and_an_empty_table_its_columns():
    numbered = DOCUMENTS.append_column("number", pa.array(range(10, 16), pa.uint16()))
    result = deduplicate(numbered, id_column="number")
    assert result.schema.field("duplicate_of").type == pa.uint16() and result["duplicate_of"][1].as_py() == 10
    assert deduplicate(numbered.slice(0, 0), id_column="number").schema == result.schema


def test_masking_takes_kinds_region_and_tag():
    text = "jane@example.org, 030 901820, 01 40 20 53 17"
    assert mask(text) == "<email-pii>, <phone-pii>, 01 40 20 53 17"
    assert mask(text, kinds=iter(["phone"]), region="FR", tag="***") == "jane@example.org, 030 901820, ***"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: extract(PAGE, engine="block"), "no engine 'block'; there are blocks"),
        (lambda: extract(PAGE, format="html"), "unknown format 'html': there are markdown, text"),
        (lambda: identify(["a"], model="absent.bin"), "absent.bin: no such fastText model"),
        (lambda: deduplicate(DOCUMENTS, threshold=80), "threshold 80: not a Jaccard similarity"),
        (lambda: deduplicate(DOCUMENTS, text_column="texts"), "unknown column 'texts': did you mean 'text'"),
        (lambda: deduplicate(DOCUMENTS, id_column="nr"), "unknown column 'nr': there are id, text"),
        (lambda: deduplicate(pa.table({"text": [1]})), "column 'text' is int64, not text"),
        (lambda: mask("", kinds=["mail"]), "unknown kind 'mail': did you mean 'email'"),
        (lambda: mask("", region="Germany"), "region: 'Germany' is no country"),
    ],
)
def test_a_setting_that_is_not_possible_is_reported(call, message):
    with pytest.raises(UserError, match=message):
        call()


def test_a_single_text_is_not_taken_for_a_list_of_letters():
    with pytest.raises(TypeError, match=r"identify\(\[text\]\)"):
        identify("Der Hund")


def test_a_page_over_the_limit_of_an_engine_is_a_value_error():
    with pytest.raises(ValueError, match="too_deep"):
        extract("<b>" * 2000, engine="resiliparse")
