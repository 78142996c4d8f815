"""Kernels of the block scanner against what they mean, spelled out."""

import re

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from extract.blocks.scan.byte_kernels import count, end_tag
from extract.blocks.scan.tags import fnv
from extract.blocks.scan.text_runs import BLOCK_COLUMNS, PRE, START, STATE_SIZE, character, text
from pipeline.kernels.simd import WIDE


def _array(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)


@given(
    st.lists(st.sampled_from([b"</script", b"</SCRIPT>", b"</", b"<", b">", b" ", b"/", b"x" * WIDE])),
    st.integers(0, 9),
)
def test_an_end_tag_is_found_whatever_is_before_it(parts: list[bytes], start: int) -> None:
    data = b"".join(parts)
    found = re.compile(rb"</script(?=[\x00-\x20/>]|\Z)", re.I).search(data, start)
    place = end_tag(_array(data), start, len(data), np.uint64(fnv(b"script")), len("script"))
    assert place == (found.start() if found else len(data))
    assert count(_array(data), 60) == data.count(b"<")


def _one_by_one(said: str, *held: np.ndarray) -> None:
    for char in said:
        character(ord(char), *held)


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
def test_runs_of_text_are_their_characters_one_by_one(said: str, pre: bool, room: int) -> None:
    fast, slow = (
        (np.zeros(room, np.uint8), np.zeros(STATE_SIZE, np.int64), np.zeros(BLOCK_COLUMNS, np.int32)) for _ in range(2)
    )
    for _, state, _ in (fast, slow):
        state[START], state[PRE] = -1, pre
    data = _array(said.encode())
    text(data, 0, len(data), *fast)
    _one_by_one(said, *slow)
    used = int(slow[1][0])  # OUT
    assert fast[0][:used].tobytes() == slow[0][:used].tobytes()
    assert fast[1].tolist() == slow[1].tolist()
    assert fast[2].tolist() == slow[2].tolist()
