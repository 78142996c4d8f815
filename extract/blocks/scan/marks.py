"""Marks that the scanner writes into a block's text around inline code, superscripts and subscripts.

They are control characters, which no page's text has. `inline_marks.py` replaces them when text is written.
"""

import numpy as np

from pipeline.kernels.njit import njit

CODE_MARK = 127  # where inline code begins and where it ends
SUPERSCRIPT, SUBSCRIPT = 1, 2
SUP_SUB_END = 3
LINKED_SUP_SUB_END = 4  # the same where a link begins in or just before the superscript or subscript
CODE_PENDING = 8  # bit of the state's pending_marks; the bits below are SUPERSCRIPT or SUBSCRIPT
MAX_MARKS = 2  # that wait for one character


@njit(cache=True, nogil=True)
def write_pending_marks(position, text, state):  # type: ignore[no-untyped-def]
    """Write the marks that wait for a character; returns the position after them."""
    if state.pending_marks & CODE_PENDING:
        text[position] = CODE_MARK
        position, state.in_code = position + 1, 1
    if state.pending_marks & ~CODE_PENDING:
        text[position] = state.pending_marks & ~CODE_PENDING
        position, state.in_sup_sub = position + 1, 1
    state.pending_marks = 0
    return position


@njit(cache=True, nogil=True)
def end_code(text: np.ndarray, state) -> None:  # type: ignore[no-untyped-def]
    """End inline code; nothing is written where it has no text."""
    if state.in_code > 0 and state.text_length < len(text):
        text[state.text_length] = CODE_MARK
        state.text_length += 1
    state.pending_marks, state.in_code = state.pending_marks & ~CODE_PENDING, 0


@njit(cache=True, nogil=True)
def start_sup_sub(mark, state, block):  # type: ignore[no-untyped-def]
    """Start a superscript or subscript; one in another one, or in preformatted text, is ignored."""
    if state.in_pre == 0 and state.in_sup_sub == 0:
        state.pending_marks = (state.pending_marks & CODE_PENDING) | mark
        link_begins_here = state.in_link > 0 and state.link_text_start == state.text_length
        state.links_before_sup_sub = block.links - (1 if link_begins_here else 0)


@njit(cache=True, nogil=True)
def end_sup_sub(text, state, block):  # type: ignore[no-untyped-def]
    """End a superscript or subscript; nothing is written where it has no text."""
    if state.in_sup_sub > 0 and state.text_length < len(text):
        linked = block.links > state.links_before_sup_sub
        text[state.text_length] = LINKED_SUP_SUB_END if linked else SUP_SUB_END
        state.text_length += 1
    state.pending_marks, state.in_sup_sub = state.pending_marks & CODE_PENDING, 0
