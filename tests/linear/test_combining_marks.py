"""Long runs of combining marks: put in order, they have the same normal forms, and no form takes quadratic time."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dedup.exact.fingerprints import text_hashes
from filters.contamination.normalize import normalize_words
from filters.fix_text import fix_mojibake
from pipeline.base.combining_marks import order_marks, order_marks_in_column
from tests.support.hostile_shapes import cpu_seconds

# Of many classes; some decompose into two marks, and U+0F73 does although its own class is 0.
MARKS = "\u0301\u0316\u0344\u0f73\u0f71\u0345\u3099\u0338\u1dce\U0001d165"
LONG = "\u0301\u0316" * 20


@given(
    st.text(st.sampled_from("aé각 \n" + MARKS), max_size=20), st.text(st.sampled_from(MARKS), min_size=40, max_size=200)
)
@example("é", "\u0f73" * 40)
@example("", "\u0344" * 40)
def test_the_normal_forms_stay_the_same(before, marks):
    text = f"{before}{marks}x"
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert unicodedata.normalize(form, order_marks(text)) == unicodedata.normalize(form, text)


@pytest.mark.parametrize("text", ["", "abc", "Zalgo" + "\u0301\u0316" * 15, "ä" * 100, "\u3099" * 31])
def test_other_texts_stay_as_they_are(text):
    assert order_marks(text) == text
    column = pa.array([text, None])
    assert order_marks_in_column(column) is column


def test_a_column_has_its_long_runs_ordered():
    texts = ["a", None, f"b{LONG}", "\u0301\u0316"]
    expected = ["a", None, f"b{''.join(sorted(LONG, key=unicodedata.combining))}", "\u0301\u0316"]
    assert order_marks_in_column(pa.array(texts)).to_pylist() == expected
    assert order_marks_in_column(pa.chunked_array([texts])).to_pylist() == expected


@pytest.mark.parametrize("marks", ["\u0301\u0316", "\u0316\u0301\u0f73", "\u0344\u0316"])
def test_every_step_that_normalises_takes_linear_time(marks):
    text = "a" + marks * 100_000
    column = pa.array([text])
    assert cpu_seconds(lambda: fix_mojibake(column)) < 5
    assert cpu_seconds(lambda: normalize_words(column)) < 5
    assert cpu_seconds(lambda: text_hashes(pa.chunked_array([column]))) < 5


def test_results_of_steps_are_those_of_the_text_as_it_was():
    text = f"e{LONG} word"
    composed = unicodedata.normalize("NFC", text)
    assert fix_mojibake(pa.array([text])).to_pylist() == [composed]
    assert text_hashes(pa.chunked_array([[text]])) == text_hashes(pa.chunked_array([[composed]]))
    ours, theirs = (normalize_words(pa.array([form])) for form in (text, composed))
    assert ours.hash.tolist() == theirs.hash.tolist()
