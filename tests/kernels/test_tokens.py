"""The shared tokenizer against a slow, obvious reference."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.kernels.tokens import CHARACTER, WORD, classes, words


def reference(text: str) -> list[str]:
    """Words one by one, from Python's own idea of letters."""
    found: list[str] = []
    inside = False
    for char in text:
        point = ord(char)
        kind = classes()[point] if point < 0x20000 else (CHARACTER if point < 0x33480 else 1)
        if kind == CHARACTER:
            found.append(char)
        elif kind == WORD and inside:
            found[-1] += char
        elif kind == WORD:
            found.append(char)
        inside = kind == WORD
    return found


def spelled(column: list[str | None]) -> list[list[str]]:
    w = words(pa.array(column, pa.string()))
    texts = [bytes(w.data[a:b]).decode() for a, b in zip(w.start, w.end, strict=True)]
    return [texts[a:b] for a, b in zip(w.first[:-1], w.first[1:], strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Straße 12, Tür-Nr. 3b", ["Straße", "12", "Tür", "Nr", "3b"]),
        ("don't", ["don", "t"]),
        ("snake_case", ["snake_case"]),
        ("हिन्दी में", ["हिन्दी", "में"]),  # vowel signs are marks: they stay with their word
        ("我是學生abc", ["我", "是", "學", "生", "abc"]),
        ("𠀀𠀁 x", ["𠀀", "𠀁", "x"]),
        ("1.000,50 €", ["1", "000", "50"]),
        ("\u200b\u00a0—", []),
    ],
)
def test_words(text, expected):
    assert spelled([text]) == [expected]


def test_nulls_and_slices_have_bounds_of_their_own():
    column = pa.array(["a b", None, "c", "d e f"])
    assert [len(x) for x in spelled(column.to_pylist())] == [2, 0, 1, 3]
    w = words(column.slice(2))
    assert list(w.first) == [0, 1, 4]


@given(st.lists(st.text(), max_size=5))
def test_same_words_as_the_reference(column):
    assert spelled(column) == [reference(text) for text in column]


@given(st.text(), st.text())
def test_equal_hash_means_equal_folded_word(a, b):
    w = words(pa.array([a, b]))
    spelled_out = [bytes(w.data[s:e]).decode() for s, e in zip(w.start, w.end, strict=True)]
    folded = ["".join(c.lower() if len(c.lower()) == 1 else c for c in word) for word in spelled_out]
    pairs = {(int(h), f) for h, f in zip(w.hash, folded, strict=True)}
    assert len({h for h, _ in pairs}) == len({f for _, f in pairs}) == len(pairs)


def test_classes_agree_with_pythons_letters():
    table = classes()
    for point in range(0x3000):
        char = chr(point)
        is_word = char.isalnum() or char == "_" or unicodedata.category(char)[0] == "M"
        assert (table[point] >= WORD) == is_word, hex(point)
