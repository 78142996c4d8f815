"""Text runs of the block scanner: white space, marks, counts by character, in one pass over bytes."""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars stand for int)

import numpy as np

from extract.blocks.scan.characters import (
    ASCII,
    COMMA,
    DIGIT,
    DROP,
    ENDER,
    IDEOGRAPH,
    SPACES,
    SYMBOL,
    UPPERCASE,
    WORD,
    decode,
    wide_class,
)
from extract.blocks.scan.references import reference
from extract.blocks.scan.tags import ENTITY_BYTES, ENTITY_ENDS
from pipeline.kernels.njit import njit

# columns of a block
(T0, T1, NODE, POS, CHARS, WORDS, LINK_CHARS, LINK_WORDS, LINKS, DIGITS, UPPER, COMMAS, ENDERS, STRONG, BREAKS) = range(
    15
)
(CAPS, FIRST, LAST, IMAGES, INPUTS, SYMBOLS) = range(15, 21)
BLOCK_COLUMNS = 21
# the scanner's state between runs of text
(OUT, SPACE, BREAK, START, IN_WORD, LINK, STRONG_ON, PRE, N_BLOCKS, NOW, N_IMAGES, N_INPUTS, TITLE0, TITLE1) = range(14)
MARKS_WAIT, CODE_ON = 14, 15
LOST = 16  # blocks for which there was no room
SCRIPT_ON, SCRIPT_LINKS, LINK_OUT, INDENT = 17, 18, 19, 20
STATE_SIZE = 21
# in the text around inline code, and around super- and subscripts (`block_marks.py`); no page's text has these bytes
CODE_MARK, SUPERSCRIPT, SUBSCRIPT, SCRIPT_END, LINKED_END = 127, 1, 2, 3, 4
CODE_WAITING = 8  # in the state's MARKS_WAIT, beside one of SUPERSCRIPT and SUBSCRIPT


# of a byte of plain text: whether it is shown (white space waits), of a word, a capital, or not plain at all; above
# these four bits how much it adds to each of five counts
_SHOWN, _IN_WORD, _CAPITAL, _STOP, _COUNTS, _WIDTH = 1, 2, 4, 8, 4, 12
_COUNTED = (DIGIT, UPPERCASE, COMMA, ENDER, SYMBOL)
_ROOM = 9  # bytes that must be left for a character: white space, two marks, four of UTF-8, two marks that end
_MOST = 2000  # bytes that are counted at once: less than a count's 12 bits can hold, and no sign bit


def _plain_bytes() -> np.ndarray:
    """(2, 256) int64: what the bytes of text are outside and inside of `pre`, where white space is not plain."""
    of = np.full((2, 256), _STOP, np.int64)
    for c in range(128):
        kind = ASCII[c]
        if kind == SPACES:
            of[0, c] = 0
        elif kind != DROP and c != ord("&"):
            of[:, c] = _SHOWN | (_IN_WORD if kind in (WORD, DIGIT, UPPERCASE) else 0)
            of[:, c] |= _CAPITAL if kind == UPPERCASE else 0
            of[:, c] |= 1 << _COUNTS + _WIDTH * _COUNTED.index(kind) if kind in _COUNTED else 0
    return of


_PLAIN = _plain_bytes()


@njit(cache=True, nogil=True)
def _put(code: int, kind: int, out: np.ndarray, state: np.ndarray, block: np.ndarray) -> None:
    """One character that is not white space, after the white space that waits before it."""
    p = state[OUT]
    if p + _ROOM + state[INDENT] > len(out):
        return
    if state[START] < 0:
        state[START] = p
        state[SPACE] = 0
        state[BREAK] = 0
        block[FIRST] = kind
    elif state[BREAK] > 0:
        p = _line_break(p, out, state)
        block[BREAKS] += 1
    elif state[SPACE] > 0:
        out[p] = 32
        p += 1
        block[CHARS] += 1
        block[LINK_CHARS] += state[LINK]
    state[SPACE] = 0
    state[BREAK] = 0
    if state[MARKS_WAIT] > 0:
        p = _marks(p, out, state)
    if code < 0x80:
        out[p] = code
        p += 1
    elif code < 0x800:
        out[p] = 0xC0 | (code >> 6)
        out[p + 1] = 0x80 | (code & 63)
        p += 2
    elif code < 0x10000:
        out[p] = 0xE0 | (code >> 12)
        out[p + 1] = 0x80 | ((code >> 6) & 63)
        out[p + 2] = 0x80 | (code & 63)
        p += 3
    else:
        out[p] = 0xF0 | (code >> 18)
        out[p + 1] = 0x80 | ((code >> 12) & 63)
        out[p + 2] = 0x80 | ((code >> 6) & 63)
        out[p + 3] = 0x80 | (code & 63)
        p += 4
    state[OUT] = p
    _count(kind, state, block)


@njit(cache=True, nogil=True)
def _indented(state: np.ndarray) -> int:
    """Spaces at the beginning of a line of code: those that do not break, and white space behind them as one."""
    return state[INDENT] + (1 if state[INDENT] > 0 and state[SPACE] > 0 else 0)


@njit(cache=True, nogil=True)
def _line_break(p: int, out: np.ndarray, state: np.ndarray) -> int:
    """The end of a line, and how far the next one of code is indented; returns the place after them."""
    out[p] = 10
    p += 1
    for _ in range(_indented(state)):
        out[p] = 32
        p += 1
    state[INDENT] = 0
    return p


@njit(cache=True, nogil=True)
def _marks(p: int, out: np.ndarray, state: np.ndarray) -> int:
    """The marks that wait for a character; returns the place after them."""
    if state[MARKS_WAIT] & CODE_WAITING:
        out[p] = CODE_MARK
        p, state[CODE_ON] = p + 1, 1
    if state[MARKS_WAIT] & ~CODE_WAITING:
        out[p] = state[MARKS_WAIT] & ~CODE_WAITING
        p, state[SCRIPT_ON] = p + 1, 1
    state[MARKS_WAIT] = 0
    return p


@njit(cache=True, nogil=True)
def _count(kind: int, state: np.ndarray, block: np.ndarray) -> None:
    block[CHARS] += 1
    block[LINK_CHARS] += state[LINK]
    block[STRONG] += state[STRONG_ON]
    block[LAST] = kind
    if kind in (WORD, DIGIT, UPPERCASE, IDEOGRAPH):
        if state[IN_WORD] == 0 or kind == IDEOGRAPH:
            block[WORDS] += 1
            block[LINK_WORDS] += state[LINK]
            if kind == UPPERCASE:
                block[CAPS] += 1
        state[IN_WORD] = 1
        if kind == DIGIT:
            block[DIGITS] += 1
        elif kind == UPPERCASE:
            block[UPPER] += 1
        return
    state[IN_WORD] = 0
    if kind == COMMA:
        block[COMMAS] += 1
    elif kind == ENDER:
        block[ENDERS] += 1
    elif kind == SYMBOL:
        block[SYMBOLS] += 1


@njit(cache=True, nogil=True)
def character(code: int, out: np.ndarray, state: np.ndarray, block: np.ndarray) -> None:
    """One decoded character of text, white space collapsed unless in `pre`."""
    kind = ASCII[code] if code < 128 else wide_class(code)
    if kind == DROP:
        return
    if kind != SPACES:
        _put(code, kind, out, state, block)
        return
    state[IN_WORD] = 0
    if state[PRE] == 0:
        if code == 0xA0 and state[BREAK] > 0 and state[CODE_ON] > 0:
            state[INDENT] = _indented(state) + 1
            state[SPACE] = 0
        else:
            state[SPACE] = 1
    elif code == 13:
        return
    elif code == 10:
        if state[START] >= 0:
            keep(10, out, state)
    else:
        if state[START] < 0:
            state[START] = state[OUT]
            block[FIRST] = SPACES
        keep(9 if code == 9 else 32, out, state)


@njit(cache=True, nogil=True)
def keep(code: int, out: np.ndarray, state: np.ndarray) -> None:
    """A byte of white space as it is."""
    if state[OUT] + 8 <= len(out):
        out[state[OUT]] = code
        state[OUT] += 1


@njit(cache=True, nogil=True)
def _plain(data, i, end, out, state, block):  # type: ignore[no-untyped-def]
    """Append the plain bytes from i on to a block that has text, without a branch a byte; returns where they end."""
    pre, p, space, inside = state[PRE], state[OUT], state[SPACE], state[IN_WORD]
    end = min(end, i + _MOST, i + (len(out) - _ROOM - p) // 2 + 1)
    shown, spaces, words, capitals, sums = 0, 0, 0, 0, 0
    while i < end:
        byte = _PLAIN[pre, data[i]]
        if byte & _STOP:
            break
        now, word = byte & _SHOWN, (byte >> 1) & 1
        out[p] = 32
        p += space & now
        spaces += space & now
        out[p] = data[i]
        p += now
        shown += now
        begins = word & (inside ^ 1)
        words += begins
        capitals += begins & (byte >> 2)
        sums += byte >> _COUNTS
        inside, space = word, now ^ 1
        i += 1
    state[OUT], state[SPACE], state[IN_WORD] = p, space, inside
    if shown > 0:
        block[LAST] = ASCII[out[p - 1]]
    _add(block, state, shown, spaces, words, capitals, sums)
    return i


@njit(cache=True, nogil=True)
def _add(block, state, shown, spaces, words, capitals, sums):  # type: ignore[no-untyped-def]
    """Add to a block's counts; `sums`: those of _COUNTED."""
    most = (1 << _WIDTH) - 1
    block[CHARS] += shown + spaces
    block[LINK_CHARS] += (shown + spaces) * state[LINK]
    block[STRONG] += shown * state[STRONG_ON]
    block[WORDS] += words
    block[LINK_WORDS] += words * state[LINK]
    block[CAPS] += capitals
    block[DIGITS] += sums & most
    block[UPPER] += (sums >> _WIDTH) & most
    block[COMMAS] += (sums >> 2 * _WIDTH) & most
    block[ENDERS] += (sums >> 3 * _WIDTH) & most
    block[SYMBOLS] += (sums >> 4 * _WIDTH) & most


@njit(cache=True, nogil=True)
def text(data, i, end, out, state, block):  # type: ignore[no-untyped-def]
    """Append data[i:end] to the text, references decoded."""
    while i < end:
        c = data[i]
        plain = _PLAIN[state[PRE], c]
        if plain == 0:
            state[IN_WORD], state[SPACE] = 0, 1
            i += 1
        elif c == 38:
            i = _referred(data, i, end, out, state, block)
        elif plain & _STOP or state[START] < 0 or state[BREAK] or state[MARKS_WAIT] or state[OUT] + _ROOM > len(out):
            code, size = decode(data, i, end)
            character(code, out, state, block)
            i += size
        else:
            i = _plain(data, i, end, out, state, block)


@njit(cache=True, nogil=True)
def _referred(data, i, end, out, state, block):  # type: ignore[no-untyped-def]
    """Append what the `&` at i refers to, or the `&` itself; returns where it ends."""
    taken, code, entity = reference(data, i, end)
    if taken == 0:
        character(38, out, state, block)
        return i + 1
    if entity == 0:
        character(code, out, state, block)
        return i + taken
    k, last = np.int64(ENTITY_ENDS[entity - 1]), np.int64(ENTITY_ENDS[entity])
    while k < last:
        code, size = decode(ENTITY_BYTES, k, last)
        character(code, out, state, block)
        k += size
    return i + taken


@njit(cache=True, nogil=True)
def code_ends(out: np.ndarray, state: np.ndarray) -> None:
    """Inline code ends here, or was empty."""
    if state[CODE_ON] > 0 and state[OUT] < len(out):
        out[state[OUT]] = CODE_MARK
        state[OUT] += 1
    state[MARKS_WAIT], state[CODE_ON] = state[MARKS_WAIT] & ~CODE_WAITING, 0


@njit(cache=True, nogil=True)
def script_starts(mark: int, state: np.ndarray, block: np.ndarray) -> None:
    """A super- or subscript starts; one in another, or in a listing, is none."""
    if state[PRE] == 0 and state[SCRIPT_ON] == 0:
        state[MARKS_WAIT] = (state[MARKS_WAIT] & CODE_WAITING) | mark
        begins_link = state[LINK] > 0 and state[LINK_OUT] == state[OUT]
        state[SCRIPT_LINKS] = block[LINKS] - (1 if begins_link else 0)


@njit(cache=True, nogil=True)
def script_ends(out: np.ndarray, state: np.ndarray, block: np.ndarray) -> None:
    """A super- or subscript ends here, or was empty; its mark says whether a link begins in or just before it."""
    if state[SCRIPT_ON] > 0 and state[OUT] < len(out):
        out[state[OUT]] = LINKED_END if block[LINKS] > state[SCRIPT_LINKS] else SCRIPT_END
        state[OUT] += 1
    state[MARKS_WAIT], state[SCRIPT_ON] = state[MARKS_WAIT] & CODE_WAITING, 0


@njit(cache=True, nogil=True)
def flush(out: np.ndarray, state: np.ndarray, block: np.ndarray, blocks: np.ndarray, position: int) -> None:
    """End the block that is being read, if it has text, and make it a row of `blocks`."""
    state[IN_WORD] = 0
    state[SPACE] = 0
    state[BREAK] = 0
    state[INDENT] = 0
    code_ends(out, state)
    script_ends(out, state, block)
    if state[START] >= 0:
        end = state[OUT]
        while end > state[START] and 9 <= out[end - 1] <= 32:
            end -= 1
        n = state[N_BLOCKS]
        if end > state[START] and n < len(blocks):
            block[T0], block[T1], block[NODE], block[POS] = state[START], end, state[NOW], position
            block[IMAGES], block[INPUTS] = state[N_IMAGES], state[N_INPUTS]
            for k in range(BLOCK_COLUMNS):
                blocks[n, k] = block[k]
            state[N_BLOCKS] = n + 1
        elif end > state[START]:
            state[LOST] += 1
        state[START] = -1
    for k in range(BLOCK_COLUMNS):
        block[k] = 0
