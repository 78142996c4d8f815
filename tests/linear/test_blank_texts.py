"""A text in which nothing is seen is empty for every step: extraction, signals, cleaning and exact deduplication."""

import pyarrow as pa
import pytest

from dedup.exact.fingerprints import text_hashes
from dedup.exact.normal_form import normalize
from extract.record_to_html import ExtractSettings
from extract.record_to_page import process_record
from filters.signals.c4_clean import clean
from filters.signals.signals import GOPHER_STOP_WORDS, signals
from pipeline.base.schema import PAGES, REJECTS
from pipeline.base.unseen import INVISIBLE, is_blank
from pipeline.inputs.rows import Row
from pipeline.store.shard import Shard

BLANK = ["", " \n", "\u200b", "\u200b\n\u00a0\u2060", "".join(INVISIBLE), "\u3000\u00ad\r\n"]
SEEN = ["a", "\u200ba", "\u200c", "\u0301", ".", "\u00a0.\u200b"]


def rows(text: str) -> list[tuple[str, str]]:
    event = Row("file", 0, {"text": text, "url": "http://a.b/", "id": None, "date": None})
    kind, row = process_record(event, "0", ExtractSettings(), None, lambda: None)
    return [(kind, row["rule"] if kind == "rejects" else row["text"])]


@pytest.mark.parametrize("text", BLANK)
def test_a_blank_text_is_empty_everywhere(text):
    assert is_blank(text)
    assert rows(text) == [("rejects", "no_text")]
    html = f"<html><body><p>{text}</p></body></html>"
    event = Row("file", 0, {"html": html, "text": None, "url": "http://a.b/", "id": None, "date": None})
    kind, row = process_record(event, "0", ExtractSettings(), None, lambda: None)
    assert (kind, row["rule"]) == ("rejects", "no_text")
    page = pa.table({"id": ["0"], "text": [text]})
    (measured,) = signals(Shard.of(page), stop_words=GOPHER_STOP_WORDS)
    assert (measured["word_count"][0].as_py(), measured["line_count"][0].as_py()) == (0, 0)
    _, bounds = normalize(pa.chunked_array([[text]]))
    assert bounds.tolist() == [0, 0]
    assert text_hashes(pa.chunked_array([[text]])).to_pylist() == [None]


@pytest.mark.parametrize("text", SEEN)
def test_other_texts_are_documents(text):
    assert not is_blank(text)
    assert rows(text) == [("part", text)]
    page = pa.table({"id": ["0"], "text": [text]})
    (measured,) = signals(Shard.of(page), stop_words=GOPHER_STOP_WORDS)
    assert measured["char_count"][0].as_py() == 1 + text.count("\u00a0")
    assert normalize(pa.chunked_array([[text]]))[1].tolist() != [0, 0]


@pytest.mark.parametrize("text", BLANK)
def test_cleaning_rejects_a_blank_text(text):
    pages = pa.Table.from_pylist([{"id": "0", "text": text}, {"id": "1", "text": "Ein Satz\u200b, der bleibt."}], PAGES)
    outputs = list(clean(Shard.of(pages, rejects=REJECTS.empty_table()), min_words_per_line=-1))
    tables = [output for output in outputs if isinstance(output, pa.Table)]
    assert [row["id"] for table in tables for row in table.to_pylist()] == ["1"]
