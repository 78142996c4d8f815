"""Kernels of the block scanner against what they mean, spelled out."""

import re

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from extract.blocks.scan.byte_kernels import count_byte, find_end_tag
from extract.blocks.scan.hashing import fnv1a
from extract.blocks.scan.page import BLOCK, SCAN_STATE
from extract.blocks.scan.text_runs import append_character, append_text
from extract.html.byte_search import LESS_THAN
from pipeline.kernels.simd import VECTOR_BYTES


def _array(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)


@given(
    st.lists(st.sampled_from([b"</script", b"</SCRIPT>", b"</", b"<", b">", b" ", b"/", b"x" * VECTOR_BYTES])),
    st.integers(0, 9),
)
def test_an_end_tag_is_found_whatever_is_before_it(parts: list[bytes], start: int) -> None:
    data = b"".join(parts)
    match = re.compile(rb"</script(?=[\x00-\x20/>]|\Z)", re.I).search(data, start)
    offset = find_end_tag(_array(data), start, len(data), np.uint64(fnv1a(b"script")), len("script"))
    assert offset == (match.start() if match else len(data))
    assert count_byte(_array(data), LESS_THAN) == data.count(b"<")


@settings(deadline=None, max_examples=300)
@given(
    st.text(st.sampled_from("aaaabcZÜß  \n\t\r.,!9_-|{\x01\x7f\xad\xa0\u200b漢…"), max_size=120),
    st.booleans(),
    st.sampled_from([1, 7, 40, 400]),
)
@example("x" * 5000 + "." * 5000, False, 20_000)
@example("9" * 50, False, 40)
@example("9" * 31 + " 9", False, 40)
@example("9" * 14 + "Ü" * 3 + "…" * 4 + "9", False, 40)
def test_runs_of_text_are_their_characters_one_by_one(characters: str, pre: bool, capacity: int) -> None:
    fast, slow = ((np.zeros(capacity, np.uint8), np.zeros(1, SCAN_STATE), np.zeros(1, BLOCK)) for _ in range(2))
    for _, state, _ in (fast, slow):
        state["block_start"], state["in_pre"] = -1, pre
    data = _array(characters.encode())
    append_text(data, 0, len(data), fast[0], fast[1][0], fast[2][0])
    for character in characters:
        append_character(ord(character), slow[0], slow[1][0], slow[2][0])
    length = int(slow[1]["text_length"][0])
    assert fast[0][:length].tobytes() == slow[0][:length].tobytes()
    assert fast[1].tolist() == slow[1].tolist()
    assert fast[2].tolist() == slow[2].tolist()
    assert length or not characters.strip(" \t\r\n\x01\x7f\xad\xa0\u200b") or capacity < 20 or pre
