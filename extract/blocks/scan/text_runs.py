"""Runs of text between two tags: characters decoded, white space collapsed, words and classes of characters counted.

Most bytes are plain ASCII text in the middle of a block. `_append_plain` copies and counts these without a branch a
byte; everything else goes character by character through `append_character`. Both give the same text and counts.
"""

# mypy: disable-error-code="arg-type,assignment,return-value,no-untyped-def"
# (kernels: NumPy's scalars are passed for int)

import numpy as np

from extract.blocks.scan import characters
from extract.blocks.scan.byte_kernels import CARRIAGE_RETURN, NEWLINE, TAB
from extract.blocks.scan.characters import (
    ASCII_CLASSES,
    BYTE_PROPERTIES,
    COUNTER_BITS,
    ENTITY_BOUNDS,
    ENTITY_TEXT,
    NOT_PLAIN,
)
from extract.blocks.scan.marks import MAX_MARKS, end_code, end_sup_sub, write_pending_marks
from extract.blocks.scan.page import BLOCK
from extract.html.byte_search import AMPERSAND, SPACE
from pipeline.kernels.njit import njit

_NO_BREAK_SPACE = 0xA0
_FREE_BYTES = 5 + 2 * MAX_MARKS  # that a character may need: white space, marks, four of UTF-8, marks that end
_FREE_BYTES_WHITE_SPACE = 8
_NO_BLOCK = np.zeros(1, BLOCK)
_MAX_PLAIN_BYTES = 2000  # counted at once: a counter can hold 4095, and the sum's sign bit must stay clear
_COUNTER_MASK = (1 << COUNTER_BITS) - 1


@njit(cache=True, nogil=True)
def append_text(data, i, end, text, state, block):
    """Append data[i:end], which has no tag, to `text`, character references decoded."""
    while i < end:
        byte = data[i]
        properties = BYTE_PROPERTIES[state.in_pre, byte]
        if properties == 0:
            state.in_word, state.space_pending = 0, 1
            i += 1
        elif byte == AMPERSAND:
            i = _append_reference(data, i, end, text, state, block)
        elif (
            properties & NOT_PLAIN
            or state.block_start < 0
            or state.break_pending
            or state.pending_marks
            or state.text_length + _FREE_BYTES > len(text)
        ):
            code, size = characters.decode_utf8(data, i, end)
            append_character(code, text, state, block)
            i += size
        else:
            i = _append_plain(data, i, end, text, state, block)


@njit(cache=True, nogil=True)
def _append_plain(data, i, end, text, state, block):
    """Append the plain bytes from i on to a block that has text already; returns the offset of the first other byte."""
    in_pre, position, space, in_word = state.in_pre, state.text_length, state.space_pending, state.in_word
    end = min(end, i + _MAX_PLAIN_BYTES, i + (len(text) - _FREE_BYTES - position) // 2 + 1)
    n_shown, n_spaces, n_words, n_capitalized, counters = 0, 0, 0, 0, 0
    while i < end:
        properties = BYTE_PROPERTIES[in_pre, data[i]]
        if properties & NOT_PLAIN:
            break
        shown, of_word = properties & characters.SHOWN, (properties >> 1) & 1
        text[position] = SPACE
        position += space & shown
        n_spaces += space & shown
        text[position] = data[i]
        position += shown
        n_shown += shown
        word_begins = of_word & (in_word ^ 1)
        n_words += word_begins
        n_capitalized += word_begins & (properties >> 2)
        counters += properties >> characters.FIRST_COUNTER_BIT
        in_word, space = of_word, shown ^ 1
        i += 1
    state.text_length, state.space_pending, state.in_word = position, space, in_word
    if n_shown > 0:
        block.last_class = ASCII_CLASSES[text[position - 1]]
    block.chars += n_shown + n_spaces
    block.link_chars += (n_shown + n_spaces) * state.in_link
    block.strong_chars += n_shown * state.in_strong
    block.words += n_words
    block.link_words += n_words * state.in_link
    block.capitalized_words += n_capitalized
    block.digits += counters & _COUNTER_MASK
    block.uppercase += (counters >> COUNTER_BITS) & _COUNTER_MASK
    block.commas += (counters >> 2 * COUNTER_BITS) & _COUNTER_MASK
    block.sentence_ends += (counters >> 3 * COUNTER_BITS) & _COUNTER_MASK
    block.symbols += (counters >> 4 * COUNTER_BITS) & _COUNTER_MASK
    return i


@njit(cache=True, nogil=True)
def _append_reference(data, i, end, text, state, block):
    """Append what the `&` at i refers to, or the `&` itself; returns the offset after it."""
    length, code, entity = characters.read_reference(data, i, end)
    if length == 0:
        append_character(AMPERSAND, text, state, block)
        return i + 1
    if entity == 0:
        append_character(code, text, state, block)
        return i + length
    k, last = np.int64(ENTITY_BOUNDS[entity - 1]), np.int64(ENTITY_BOUNDS[entity])
    while k < last:
        code, size = characters.decode_utf8(ENTITY_TEXT, k, last)
        append_character(code, text, state, block)
        k += size
    return i + length


@njit(cache=True, nogil=True)
def append_character(code, text, state, block):
    """Append one decoded character, white space collapsed unless in `pre`."""
    char_class = ASCII_CLASSES[code] if code < 128 else characters.non_ascii_class(code)
    if char_class == characters.DROPPED:
        return
    if char_class != characters.SPACE:
        _append_visible(code, char_class, text, state, block)
        return
    state.in_word = 0
    if state.in_pre == 0:
        if code == _NO_BREAK_SPACE and state.break_pending > 0 and state.in_code > 0:
            state.indent = _indentation(state) + 1
            state.space_pending = 0
        else:
            state.space_pending = 1
    elif code == CARRIAGE_RETURN:
        return
    elif code == NEWLINE:
        if state.block_start >= 0:
            _append_white_space(NEWLINE, text, state)
    else:
        if state.block_start < 0:
            state.block_start = state.text_length
            block.first_class = characters.SPACE
        _append_white_space(TAB if code == TAB else SPACE, text, state)


@njit(cache=True, nogil=True)
def _append_white_space(byte, text, state):
    """Append a byte of preformatted white space."""
    if state.text_length + _FREE_BYTES_WHITE_SPACE <= len(text):
        text[state.text_length] = byte
        state.text_length += 1


@njit(cache=True, nogil=True)
def _indentation(state):
    """Spaces at the beginning of a line of code: no-break spaces, and the white space after them as one."""
    return state.indent + (1 if state.indent > 0 and state.space_pending > 0 else 0)


@njit(cache=True, nogil=True)
def _append_visible(code, char_class, text, state, block):
    """Append a character that is not white space, after the white space and the marks that wait for it."""
    position = state.text_length
    if position + _FREE_BYTES + state.indent > len(text):
        return
    if state.block_start < 0:
        state.block_start = position
        state.space_pending = 0
        state.break_pending = 0
        block.first_class = char_class
    elif state.break_pending > 0:
        text[position] = NEWLINE
        position += 1
        for _ in range(_indentation(state)):
            text[position] = SPACE
            position += 1
        state.indent = 0
        block.breaks += 1
    elif state.space_pending > 0:
        text[position] = SPACE
        position += 1
        block.chars += 1
        block.link_chars += state.in_link
    state.space_pending = 0
    state.break_pending = 0
    if state.pending_marks > 0:
        position = write_pending_marks(position, text, state)
    if code < 0x80:
        text[position] = code
        position += 1
    elif code < 0x800:
        text[position] = 0xC0 | (code >> 6)
        text[position + 1] = 0x80 | (code & 63)
        position += 2
    elif code < 0x10000:
        text[position] = 0xE0 | (code >> 12)
        text[position + 1] = 0x80 | ((code >> 6) & 63)
        text[position + 2] = 0x80 | (code & 63)
        position += 3
    else:
        text[position] = 0xF0 | (code >> 18)
        text[position + 1] = 0x80 | ((code >> 12) & 63)
        text[position + 2] = 0x80 | ((code >> 6) & 63)
        text[position + 3] = 0x80 | (code & 63)
        position += 4
    state.text_length = position
    _count_character(char_class, state, block)


@njit(cache=True, nogil=True)
def _count_character(char_class, state, block):
    block.chars += 1
    block.link_chars += state.in_link
    block.strong_chars += state.in_strong
    block.last_class = char_class
    of_word = char_class == characters.WORD or char_class == characters.DIGIT or char_class == characters.UPPERCASE
    if of_word or char_class == characters.IDEOGRAPH:
        if state.in_word == 0 or char_class == characters.IDEOGRAPH:
            block.words += 1
            block.link_words += state.in_link
            if char_class == characters.UPPERCASE:
                block.capitalized_words += 1
        state.in_word = 1
        if char_class == characters.DIGIT:
            block.digits += 1
        elif char_class == characters.UPPERCASE:
            block.uppercase += 1
        return
    state.in_word = 0
    if char_class == characters.COMMA:
        block.commas += 1
    elif char_class == characters.SENTENCE_END:
        block.sentence_ends += 1
    elif char_class == characters.SYMBOL:
        block.symbols += 1


@njit(cache=True, nogil=True)
def end_block(text, state, current_block, blocks, source_end):
    """End the block that is being read: if it has text, make it a row of `blocks`. current_block[0] is empty after."""
    block = current_block[0]
    state.in_word = 0
    state.space_pending = 0
    state.break_pending = 0
    state.indent = 0
    end_code(text, state)
    end_sup_sub(text, state, block)
    if state.block_start >= 0:
        end = state.text_length
        while end > state.block_start and 9 <= text[end - 1] <= SPACE:
            end -= 1
        if end > state.block_start and state.n_blocks < len(blocks):
            block.start, block.end, block.node, block.source_end = state.block_start, end, state.node, source_end
            block.images, block.inputs = state.n_images, state.n_inputs
            blocks[state.n_blocks] = block
            state.n_blocks += 1
        elif end > state.block_start:
            state.n_lost_blocks += 1
        state.block_start = -1
    current_block[0] = _NO_BLOCK[0]
