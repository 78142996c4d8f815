"""One pass over a page's bytes: blocks of text, the elements around them, class and id tokens. No tree is built.

Elements open and close as in a browser for what matters to text: implied end tags, raw text, void elements, table cells
as barriers (HTML Living Standard, sections 13.2.5 and 13.2.6); formatting elements are not reconstructed. Time is
linear in the bytes: searches for an end tag that is absent are made once, at most MAX_OPEN elements are open at once.
"""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars stand for int)

import numpy as np

from extract.blocks.scan.attributes import attributes, class_tokens, linked_types
from extract.blocks.scan.byte_kernels import contains, count, end_tag, is_letter, step
from extract.blocks.scan.nodes import (
    ATTRIBUTE_STATE,
    BODY,
    BR,
    CODE_TAG,
    CONT0,
    CONT1,
    DEPTH,
    HAS_HREF,
    HR,
    HREF0,
    HREF1,
    HTML,
    IFRAME,
    IMG,
    INPUT,
    KBD,
    LINK_DEPTH,
    LINK_TAG,
    MAX_ABOUT,
    MAX_BLOCKS,
    MAX_NODES,
    MAX_OPEN,
    MAX_TOKENS,
    META,
    N_ABOUT,
    N_NODES,
    N_TOKENS,
    NODE_COLUMNS,
    NOEMBED,
    NOFRAMES,
    PROP0,
    PROP1,
    SAMP,
    SCAN_STATE,
    SCRIPT,
    SELF_CLOSING,
    STRONG_DEPTH,
    STRONG_TAG,
    STYLE,
    SUB,
    SUP,
    SVG,
    TEXTAREA,
    TITLE,
    TOKEN0,
    TT,
    TYPE0,
    TYPE1,
    A,
    B,
    Page,
)
from extract.blocks.scan.open_elements import close_down_to, close_element, open_element
from extract.blocks.scan.tags import BLOCK, FNV_BASIS, INLINE, SKIP, TAG_CODES, TAG_KIND, TAG_VALUES, VOID, look
from extract.blocks.scan.text_runs import (
    BLOCK_COLUMNS,
    BREAK,
    CODE_ON,
    CODE_WAITING,
    IN_WORD,
    LINK,
    LINK_OUT,
    LINKS,
    LOST,
    MARKS_WAIT,
    N_BLOCKS,
    N_IMAGES,
    N_INPUTS,
    OUT,
    PRE,
    START,
    STRONG_ON,
    SUBSCRIPT,
    SUPERSCRIPT,
    TITLE0,
    TITLE1,
    character,
    code_ends,
    flush,
    script_ends,
    script_starts,
    text,
)
from extract.html.byte_search import comment_end, find_byte
from pipeline.kernels.njit import njit


def scan(data: bytes) -> Page:
    """Blocks of an HTML page in UTF-8. Never raises; memory and time are linear in the bytes."""
    whole, blocks, nodes, paths, tokens, about, state = _scan(np.frombuffer(data, np.uint8))
    title = int(state[TITLE0]), int(state[TITLE1])
    return Page(whole, blocks, nodes, paths, tokens, about, title, int(state[LOST]))


@njit(cache=True, nogil=True)
def _scan(data):  # type: ignore[no-untyped-def]
    # arrays are passed one by one: what is taken out of a tuple is counted as one more user of it, and that is slow
    n, tags = len(data), count(data, 60) + 2
    out = np.empty(n + n // 2 + 1024, np.uint8)
    blocks = np.empty((min(tags, MAX_BLOCKS), BLOCK_COLUMNS), np.int32)
    block = np.zeros(BLOCK_COLUMNS, np.int32)
    state, says = np.zeros(SCAN_STATE, np.int64), np.zeros(ATTRIBUTE_STATE, np.int64)
    tokens, about = np.empty(max(1024, n // 3 + MAX_TOKENS), np.uint64), np.empty(MAX_ABOUT, np.uint64)
    absent = np.zeros(len(TAG_KIND), np.bool_)  # no end tag of that name from here on
    nodes = np.zeros((min(tags, MAX_NODES), NODE_COLUMNS), np.int32)
    names, paths = np.empty(len(nodes), np.uint64), np.empty(len(nodes), np.uint64)
    stack, open_of = np.zeros(MAX_OPEN + 1, np.int32), np.zeros(len(TAG_KIND), np.int32)
    names[0], paths[0] = np.uint64(0), np.uint64(FNV_BASIS)
    open_of[0], state[START], state[N_NODES], state[DEPTH] = 1, -1, 1, 1
    i = 0
    while i < n:
        if data[i] != 60:
            j = find_byte(data, i, n, 60)
            text(data, i, j, out, state, block)
            i = j
            continue
        name, j, tag, kind, closing = _tag(data, i, n)
        if kind < 0:
            i = _no_element(data, i, n, out, state, block)
            continue
        length = j - i - (2 if closing else 1)
        state[TOKEN0] = state[N_TOKENS]
        j = attributes(data, j, n, kind, closing, tokens, state, says)
        i = min(j + 1, n)
        if kind != BLOCK or closing:
            state[N_TOKENS] = state[TOKEN0]
        if closing:
            if kind == INLINE:
                _close_inline(tag, state, out, block)
            elif kind == BLOCK:
                flush(out, state, block, blocks, i)
                close_element(tag, name, state, stack, nodes, names, open_of)
        elif kind == VOID:
            _void(tag, data, i, says, blocks, about, out, state, block)
        elif kind == SKIP:
            i = _skip(tag, name, length, data, i, says, about, absent, state)
        elif kind == INLINE:
            _open_inline(tag, says, state, block)
        else:
            flush(out, state, block, blocks, i)
            if tag in (BODY, HTML):
                _about_page(tokens, about, state)
            else:
                open_element(tag, name, i, says, state, stack, nodes, names, paths, open_of)
    flush(out, state, block, blocks, n)
    close_down_to(0, state, stack, nodes, open_of)
    n_nodes, n_tokens = state[N_NODES], state[N_TOKENS]
    held = nodes[:n_nodes], paths[:n_nodes], tokens[:n_tokens], about[: state[N_ABOUT]]
    return out[: state[OUT]], blocks[: state[N_BLOCKS]], *held, state


@njit(cache=True, nogil=True)
def _tag(data, i, n):  # type: ignore[no-untyped-def]
    """(hash of the name, end of the name, tag, its kind, whether it is an end tag); kind -1 where no tag begins."""
    j, name, custom = i + 1, np.uint64(FNV_BASIS), False
    closing = j < n and data[j] == 47
    if closing:
        j += 1
    if j >= n or not is_letter(data[j]):
        return name, j, 0, -1, closing
    while j < n and data[j] > 32 and data[j] != 47 and data[j] != 62:
        c = np.int64(data[j])
        name = step(name, c | 32 if 65 <= c <= 90 else c)
        custom = custom or c == 45 or c == 58
        j += 1
    tag = look(TAG_CODES, TAG_VALUES, name)
    kind = np.int64(TAG_KIND[tag])
    return name, j, tag, INLINE if tag == 0 and not custom else kind, closing


@njit(cache=True, nogil=True)
def _no_element(data, i, n, out, state, block):  # type: ignore[no-untyped-def]
    """A `<` that begins no element: comment, declaration, bad end tag, or text; returns where it ends."""
    c = np.int64(data[i + 1]) if i + 1 < n else 32
    if c == 33 or c == 63:
        if i + 3 < n and data[i + 2] == 45 and data[i + 3] == 45:
            end = comment_end(data, i + 4)
            return end if end >= 0 else n
        return find_byte(data, i, n, 62) + 1
    if c == 47 and i + 2 < n:
        return find_byte(data, i, n, 62) + 1
    text(data, i, i + 1, out, state, block)
    return i + 1


@njit(cache=True, nogil=True)
def _close_inline(tag, state, out, block):  # type: ignore[no-untyped-def]
    if tag == A:
        state[LINK] = 0
    elif tag in (CODE_TAG, KBD, SAMP, TT):
        code_ends(out, state)
    elif tag in (STRONG_TAG, B):
        state[STRONG_ON] = 0
    elif tag in (SUP, SUB):
        script_ends(out, state, block)


@njit(cache=True, nogil=True)
def _open_inline(tag, says, state, block):  # type: ignore[no-untyped-def]
    if tag == A and says[HAS_HREF]:
        state[LINK], state[LINK_DEPTH], state[LINK_OUT] = 1, state[DEPTH], state[OUT]
        block[LINKS] += 1
    elif tag == A:
        state[LINK] = 0
    elif tag in (STRONG_TAG, B):
        state[STRONG_ON], state[STRONG_DEPTH] = 1, state[DEPTH]
    elif tag in (CODE_TAG, KBD, SAMP, TT) and not state[PRE] and not state[CODE_ON]:
        state[MARKS_WAIT] |= CODE_WAITING
    elif tag in (SUP, SUB):
        script_starts(SUPERSCRIPT if tag == SUP else SUBSCRIPT, state, block)


@njit(cache=True, nogil=True)
def _about_page(tokens, about, state):  # type: ignore[no-untyped-def]
    """The classes of `body` and `html` are about the page, not about an element."""
    for k in range(state[TOKEN0], state[N_TOKENS]):
        if state[N_ABOUT] < len(about):
            about[state[N_ABOUT]] = tokens[k]
            state[N_ABOUT] += 1
    state[N_TOKENS] = state[TOKEN0]


@njit(cache=True, nogil=True)
def _void(tag, data, i, says, blocks, about, out, state, block):  # type: ignore[no-untyped-def]
    """An element without content."""
    if tag == BR:
        if state[BREAK] > 0:
            goes_on = state[CODE_ON]
            flush(out, state, block, blocks, i)
            state[MARKS_WAIT] = CODE_WAITING if goes_on else 0
        elif state[PRE]:
            character(10, out, state, block)
        elif state[START] >= 0:
            state[BREAK] = 1
        state[IN_WORD] = 0
    elif tag == HR:
        flush(out, state, block, blocks, i)
    elif tag == IMG:
        state[N_IMAGES] += 1
    elif tag == INPUT:
        state[N_INPUTS] += 1
    elif tag in (META, LINK_TAG):
        _say_about(tag, data, says, about, state)


@njit(cache=True, nogil=True)
def _say_about(tag, data, says, about, state):  # type: ignore[no-untyped-def]
    """og:type, generator and the page's own address, from the head."""
    what0, what1, v0, v1, seed, most = says[PROP0], says[PROP1], says[CONT0], says[CONT1], 0, 4
    if tag == LINK_TAG:
        if contains(data, what0, what1, b"canonical"):
            v0, v1, seed, most = says[HREF0], says[HREF1], 10, 24
    elif contains(data, what0, what1, b"og:type"):
        seed = 5
    elif contains(data, what0, what1, b"generator"):
        seed = 6
    elif contains(data, what0, what1, b"og:url"):
        seed, most = 10, 24
    if seed:
        n = state[N_ABOUT]
        state[N_ABOUT] = class_tokens(data, v0, v1, seed, about, n, min(n + most, len(about)))
    if seed == 10 and state[N_ABOUT] < len(about):
        about[state[N_ABOUT]] = np.uint64(_parts(data, v0, v1) + 1_000)
        state[N_ABOUT] += 1


@njit(cache=True, nogil=True)
def _parts(data, i, end):  # type: ignore[no-untyped-def]
    """How many names an address's path has; up to 9."""
    slashes, named = 0, 0
    while i < end and slashes < 12 and data[i] != 63 and data[i] != 35:
        slashes += data[i] == 47
        named += data[i] == 47 and i + 1 < end and data[i + 1] != 47 and slashes > 2
        i += 1
    return min(named, 9)


@njit(cache=True, nogil=True)
def _skip(tag, name, length, data, i, says, about, absent, state):  # type: ignore[no-untyped-def]
    """An element, started before i, whose content is not the page's text; returns where it ends."""
    n = len(data)
    if says[SELF_CLOSING] and tag == SVG:
        return i
    end = n if absent[tag] else end_tag(data, i, n, name, length)
    if end == n:
        absent[tag] = True
        raw = tag in (SCRIPT, STYLE, TITLE, TEXTAREA, IFRAME, NOFRAMES, NOEMBED)
        return n if raw else i
    if tag == TITLE and state[TITLE1] == 0:
        state[TITLE0], state[TITLE1] = i, end
    elif tag == SCRIPT and contains(data, says[TYPE0], says[TYPE1], b"ld+json"):
        state[N_ABOUT] = linked_types(data, i, end, about, state[N_ABOUT])
    return find_byte(data, end, n, 62) + 1
