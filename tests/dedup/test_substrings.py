"""Runs of words that occur in the corpus twice, wherever they begin."""

import random
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.chains import repeated_substrings
from dedup.passages.substrings import anchors_of, windows_of
from pipeline.kernels.tokens import words
from tests.support.documents import Shards, selection_shards
from tests.support.passages import dated_pages, output_column, passage_selection, texts_after


def substrings(pages: Shards, tokens: int = 10, **arguments) -> Shards:
    """Return what `remove_substrings` wrote."""
    return passage_selection(repeated_substrings, "substrings", pages, tokens=tokens, **arguments)


def texts_after_substrings(pages: Shards, **arguments) -> list[str | None]:
    """Return the texts without their repeated runs of words."""
    return texts_after(pages, substrings(pages, **arguments))


def covered(texts: list[list[str]], tokens: int) -> list[set[int]]:
    """Return the words to remove, by the definition: of windows that occur earlier and do not overlap the first."""
    first: dict[tuple, tuple[int, int]] = {}
    removed: list[set[int]] = [set() for _ in texts]
    for d, text in enumerate(texts):
        for i in range(len(text) - tokens + 1):
            there, at = first.setdefault(tuple(text[i : i + tokens]), (d, i))
            if there != d or i - at >= tokens:
                removed[d] |= set(range(i, i + tokens))
    return removed


def expected(texts: list[list[str]], tokens: int) -> list[list[str]]:
    removed = covered(texts, tokens)
    return [[word for i, word in enumerate(text) if i not in removed[d]] for d, text in enumerate(texts)]


RUN = "eins zwei drei vier fünf sechs sieben acht neun zehn"


@pytest.mark.parametrize(
    ("text", "expected_text"),
    [
        (f"Davor {RUN} danach.", "Davor danach."),
        (f"Davor. EINS, zwei; drei\nvier -- {RUN[20:]}! Danach.", "Davor.\nDanach."),  # marks and case do not count
        (f"{RUN}.", ""),
        (f"Absatz.\n\n„{RUN}“ Ende.", "Absatz.\n\nEnde."),
        (f"Zeile {RUN}\n{RUN} Rest", "Zeile\nRest"),
        (RUN.removesuffix(" zehn"), RUN.removesuffix(" zehn")),  # nine words
        (RUN.replace("drei", "3"), RUN.replace("drei", "3")),  # numbers are words
        (f"{RUN} elf", "elf"),
        (None, None),
    ],
)
def test_what_is_removed(text, expected_text):
    assert texts_after_substrings(dated_pages([f"Erst. {RUN}", text]), tokens=10) == [f"Erst. {RUN}", expected_text]


def test_every_repetition_meets_its_anchor():
    """Runs of exactly so many words, at all offsets of their surroundings."""
    rng = random.Random(1)
    for tokens in (10, 11, 50):
        run_ = [str(rng.random())[2:] for _ in range(tokens)]
        for before in range(12):
            lead = [[str(rng.random())[2:] for _ in range(n)] for n in (3, before)]
            texts = [" ".join([*first, *run_, tail]) for first, tail in zip(lead, "xy", strict=True)]
            assert texts_after_substrings(dated_pages(texts), tokens=tokens)[1] == " ".join([*lead[1], "y"])


def test_anchors_are_few_and_windows_with_them_are_found():
    rng = np.random.default_rng(1)
    text = words(pa.array([" ".join(map(str, rng.integers(0, 10**9, 5000))) for _ in range(4)]))
    hashes, doc, place = anchors_of(text, 50)
    assert len(hashes) / len(text.hash) == pytest.approx(2 / 27, rel=0.1)
    owner, first_word = windows_of(text, 50, doc, place)
    assert len(owner) == 4 * (5000 - 49) and first_word.max() == 5000 - 50
    assert all(len(of) == 0 for of in windows_of(text, 50, doc[:0], place[:0]))


texts = st.lists(st.lists(st.sampled_from("ab"), max_size=40), min_size=1, max_size=5)


@given(texts, st.integers(1, 3), st.integers(1, 3), st.sampled_from([2, 3, 4, 5, 8]))
@settings(max_examples=300, deadline=None)
def test_a_dictionary_of_all_windows_gives_the_same(documents, shards, partitions, tokens):
    remaining = texts_after_substrings(
        dated_pages([" ".join(d) for d in documents], shards), tokens=tokens, partitions=partitions
    )
    assert [text.split() for text in remaining] == expected(documents, tokens)


copied = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 150), st.integers(0, 120)), min_size=1, max_size=8)


@given(copied, st.integers(1, 3), st.sampled_from([20, 50]))
@settings(max_examples=100, deadline=None)
def test_copied_passages_are_removed_and_nothing_is_lost(pieces, shards, tokens):
    """Documents made of passages of four long texts: no run of them remains twice, and every word remains once."""
    sources = [[f"w{k}x{i}" for i in range(300)] for k in range(4)]
    documents = [sources[k][a : a + n] for k, a, n in pieces]
    documents.append([word for document in documents[::2] for word in [*document, "und"]])
    remaining = [
        text.split()
        for text in texts_after_substrings(dated_pages([" ".join(d) for d in documents], shards), tokens=tokens)
    ]
    assert remaining == expected(documents, tokens)
    assert {w for d in remaining for w in d} == {w for d in documents for w in d}
    first = {}
    for d, (document, removed) in enumerate(zip(documents, covered(documents, tokens), strict=True)):
        for i in range(len(document) - tokens + 1):
            if not removed & set(range(i, i + tokens)):
                there, at = first.setdefault(tuple(document[i : i + tokens]), (d, i))
                assert there == d and i - at < tokens  # once, or overlapping


def test_policy_scope_and_dropped():
    pages = dated_pages([f"{RUN} a", f"{RUN} b", f"{RUN} c"], 2, dump=["x", "y", "x"])
    assert texts_after_substrings(pages, keep="newest") == ["a", "b", f"{RUN} c"]
    assert texts_after_substrings(pages, scope="dump") == [f"{RUN} a", f"{RUN} b", "c"]
    selection = selection_shards(pages, [False, True, True])
    assert texts_after_substrings(pages, selection=selection) == [f"{RUN} a", f"{RUN} b", "c"]


def test_too_little_left():
    pages = dated_pages([f"{RUN} a", f"{RUN} b c", f"{RUN} d"])
    step = substrings(pages, min_left=2)
    assert output_column(step, "keep") == [True, True, False]
    assert output_column(step, "rule") == [None, None, "too_little_left"]
    assert texts_after(pages, step)[1] == "b c"


def test_shards_and_partitions_change_nothing():
    rng = random.Random(3)
    documents = [[rng.choice("abcdefgh") for _ in range(rng.randrange(120))] for _ in range(40)]
    documents += [documents[i][10:60] + documents[i + 1][5:40] for i in range(0, 39, 3)]
    results = {
        tuple(texts_after_substrings(dated_pages([" ".join(d) for d in documents], s), tokens=12, partitions=p))
        for s, p in ((1, 1), (4, 3), (7, 5))
    }
    assert len(results) == 1
    assert [re.findall(r"\w+", text) for text in results.pop()] == expected(documents, 12)


def test_an_empty_corpus():
    assert texts_after_substrings(dated_pages([])) == []
    assert texts_after_substrings(dated_pages(["", None])) == ["", None]
