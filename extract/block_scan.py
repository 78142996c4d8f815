"""One pass over a page's bytes: blocks of text, the elements around them, class and id tokens. No tree is built.

Elements open and close as in a browser for what matters to text: implied end tags, raw text, void elements, table cells
as barriers (HTML Living Standard, sections 13.2.5 and 13.2.6); formatting elements are not reconstructed. Time is
linear in the bytes: searches for an end tag that is absent are made once, at most MAX_OPEN elements are open at once.
"""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars stand for int)

from typing import NamedTuple

import numba
import numpy as np

from extract.block_tags import (
    ATTRIBUTE,
    ATTRIBUTE_CODES,
    ATTRIBUTE_VALUES,
    BLOCK,
    ENTITY_BYTES,
    ENTITY_CODES,
    ENTITY_ENDS,
    ENTITY_VALUES,
    FNV_BASIS,
    FNV_PRIME,
    INLINE,
    SKIP,
    TAG,
    TAG_CODES,
    TAG_KIND,
    TAG_NAMES,
    TAG_VALUES,
    VOID,
    look,
)
from extract.block_text import (
    ASCII,
    BLOCK_COLUMNS,
    BREAK,
    IN_WORD,
    LINK,
    LINKS,
    N_BLOCKS,
    N_IMAGES,
    N_INPUTS,
    NOW,
    OUT,
    PRE,
    SPACE,
    START,
    STATE_SIZE,
    STRONG_ON,
    TITLE0,
    TITLE1,
    character,
    flush,
    text,
)

MAX_OPEN = 512  # elements open at once, as Chromium has it
MAX_NODES = 400_000
MAX_BLOCKS = 60_000  # the text after so many blocks is left out
MAX_TOKENS = 24  # class and id tokens of one element
MAX_ABOUT = 256  # tokens about the page: its body's classes, og:type, generator, types of its JSON-LD

(N_TAG, N_PARENT, N_DEPTH, N_B0, N_B1, N_FLAGS, N_IMG0, N_IMG1, N_INP0, N_INP1, N_CHILDREN, N_POS, N_TOK0, N_TOK1) = (
    range(14)
)
NODE_COLUMNS = 14
# inherited flags of a node
HIDDEN, PREFORMATTED, LIST, CELL, HEADING, FORM, NAV, FOOTER, HEADER, ASIDE, ARTICLE, MAIN, FIGURE, QUOTE, BUTTON = (
    1 << k for k in range(15)
)
SELECT, CODE, DETAILS, ADDRESS, DIALOG, NOSCRIPT = (1 << k for k in range(15, 21))
_FLAG_OF = {
    **dict.fromkeys(("pre", "listing", "xmp"), PREFORMATTED),
    **dict.fromkeys(("li", "dt", "dd"), LIST),
    **dict.fromkeys(("td", "th"), CELL),
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), HEADING),
    **{"form": FORM, "nav": NAV, "footer": FOOTER, "header": HEADER, "aside": ASIDE, "article": ARTICLE, "main": MAIN},
    **{"figure": FIGURE, "figcaption": FIGURE, "blockquote": QUOTE, "button": BUTTON, "select": SELECT},
    **{"details": DETAILS, "address": ADDRESS, "dialog": DIALOG, "menu": NAV, "noscript": NOSCRIPT},
}
TAG_FLAGS = np.array([_FLAG_OF.get(name, 0) for name in TAG_NAMES], np.int64)


def _numbers(of: dict[str, int], names: str) -> tuple[int, ...]:
    return tuple(of[name] for name in names.split())


(P, LI, DD, DT, TD, TH, TR, TBODY, THEAD, TFOOT, TABLE, UL, OL, DL, MENU, OPTION, SELECT_TAG, CAPTION) = _numbers(
    TAG, "p li dd dt td th tr tbody thead tfoot table ul ol dl menu option select caption"
)
(
    A,
    BR,
    HR,
    IMG,
    INPUT,
    META,
    STRONG_TAG,
    B,
    SCRIPT,
    STYLE,
    TITLE,
    TEXTAREA,
    MATH,
    SVG,
    BODY,
    HTML,
    H1,
    H6,
    ADDRESS_TAG,
) = _numbers(TAG, "a br hr img input meta strong b script style title textarea math svg body html h1 h6 address")
(DIV, IFRAME, NOFRAMES, NOEMBED, BUTTON_TAG, HEAD) = _numbers(TAG, "div iframe noframes noembed button head")
(
    AT_CLASS,
    AT_ID,
    AT_ROLE,
    AT_ITEMPROP,
    AT_ITEMTYPE,
    AT_STYLE,
    AT_HIDDEN,
    AT_ARIA_HIDDEN,
    AT_HREF,
    AT_ALT,
    AT_ALTTEXT,
) = _numbers(ATTRIBUTE, "class id role itemprop itemtype style hidden aria-hidden href alt alttext")
AT_TYPE, AT_PROPERTY, AT_NAME, AT_CONTENT = _numbers(ATTRIBUTE, "type property name content")


class Page(NamedTuple):
    """What the scanner saw: `text` UTF-8 bytes; `blocks` (n, BLOCK_COLUMNS) int32, columns as in block_text;
    `nodes` (m, NODE_COLUMNS) int32 in order of opening, node 0 the page; `paths` (m,) uint64, hash of the tags and
    first classes above; `tokens` uint64, hashes of class, id, role, schema.org tokens, nodes[i] has [N_TOK0, N_TOK1);
    `about` the same of the page itself: its body's classes, og:type, generator, JSON-LD's types;
    `title` (start, end) of the title's text in the source's bytes."""

    text: np.ndarray
    blocks: np.ndarray
    nodes: np.ndarray
    paths: np.ndarray
    tokens: np.ndarray
    about: np.ndarray
    title: tuple[int, int]


def scan(data: bytes) -> Page:
    """Blocks of an HTML page in UTF-8. Never raises; memory and time are linear in the bytes."""
    array = np.frombuffer(data, np.uint8)
    tags = data.count(b"<")
    found, state = _scan(
        array,
        min(tags + 2, MAX_BLOCKS),
        min(tags + 2, MAX_NODES),
        (TAG_CODES, TAG_VALUES, TAG_KIND, TAG_FLAGS),
        (ATTRIBUTE_CODES, ATTRIBUTE_VALUES),
        (ENTITY_CODES, ENTITY_VALUES, ENTITY_ENDS, ENTITY_BYTES),
        ASCII,
    )
    text_, blocks, nodes, paths, tokens, about = found
    return Page(text_, blocks, nodes, paths, tokens, about, (int(state[TITLE0]), int(state[TITLE1])))


@numba.njit(cache=True, nogil=True, inline="always")
def _is_letter(c: int) -> bool:
    return 97 <= (c | 32) <= 122


@numba.njit(cache=True, nogil=True)
def _step(code: np.uint64, c: int) -> np.uint64:
    return np.uint64((code ^ np.uint64(c)) * np.uint64(FNV_PRIME))


@numba.njit(cache=True, nogil=True)
def _find(data: np.ndarray, i: int, end: int, byte: int) -> int:
    while i < end and data[i] != byte:
        i += 1
    return i


@numba.njit(cache=True, nogil=True)
def _comment_end(data: np.ndarray, i: int, n: int) -> int:
    """Past the comment whose text starts at i (after `<!--`); n when it never ends."""
    if i < n and data[i] == 62:
        return i + 1
    if i + 1 < n and data[i] == 45 and data[i + 1] == 62:
        return i + 2
    while i + 2 < n:
        if data[i] == 45 and data[i + 1] == 45:
            if data[i + 2] == 62:
                return i + 3
            if i + 3 < n and data[i + 2] == 33 and data[i + 3] == 62:
                return i + 4
        i += 1
    return n


@numba.njit(cache=True, nogil=True)
def _end_tag(data: np.ndarray, i: int, n: int, name: np.uint64, length: int) -> int:
    """Where `</name` with that hash and length starts at or after i; n when it is absent."""
    while i + 2 + length <= n:
        if data[i] == 60 and data[i + 1] == 47:
            code = np.uint64(FNV_BASIS)
            for k in range(i + 2, i + 2 + length):
                c = np.int64(data[k])
                code = _step(code, c | 32 if 65 <= c <= 90 else c)
            after = data[i + 2 + length] if i + 2 + length < n else np.uint8(62)
            if code == name and (after <= 32 or after == 47 or after == 62):
                return i
        i += 1
    return n


@numba.njit(cache=True, nogil=True)
def _tokens(data: np.ndarray, i: int, end: int, seed: int, tokens: np.ndarray, n: int, stop: int) -> int:
    """Hashes of a class list's tokens and of their parts (cut at non-letters and camel case) from place n on."""
    while i < end and n < stop:
        while i < end and data[i] <= 32:
            i += 1
        whole = _step(np.uint64(FNV_BASIS), seed)
        part = whole
        parts, letters, lower = 0, 0, False
        while i < end and data[i] > 32:
            c = np.int64(data[i])
            upper = 65 <= c <= 90
            small = c | 32 if upper else c
            if not (97 <= small <= 122 or c >= 128):
                if letters > 1 and n < stop:
                    tokens[n] = part
                    n += 1
                parts, part, letters, lower = parts + 1, _step(np.uint64(FNV_BASIS), seed), 0, False
                if not 48 <= c <= 57:
                    whole = _step(whole, 45)
                i += 1
                continue
            if upper and lower:
                if letters > 1 and n < stop:
                    tokens[n] = part
                    n += 1
                parts, part, letters = parts + 1, _step(np.uint64(FNV_BASIS), seed), 0
            lower = not upper
            part, whole, letters = _step(part, small), _step(whole, small), letters + 1
            i += 1
        if letters > 1 and n < stop:
            tokens[n] = part
            n += 1
        if parts > 0 and n < stop:
            tokens[n] = whole
            n += 1
    return n


@numba.njit(cache=True, nogil=True)
def _contains(data: np.ndarray, i: int, end: int, word: bytes) -> bool:
    """Whether data[i:end], lower-cased and without blanks, contains `word`."""
    m, k = len(word), 0
    while i < end:
        c = np.int64(data[i])
        if c > 32:
            if 65 <= c <= 90:
                c |= 32
            if c == word[k]:
                k += 1
                if k == m:
                    return True
            else:
                k = 1 if c == word[0] else 0
        i += 1
    return False


@numba.njit(cache=True, nogil=True)
def _balanced(data: np.ndarray, i: int, n: int, name: np.uint64, length: int) -> int:
    """Past the end tag that closes an element whose start tag ended at i; n when none does."""
    depth = 1
    while i + 1 + length < n:
        if data[i] == 60:
            closing = data[i + 1] == 47
            code, first = np.uint64(FNV_BASIS), i + 2 if closing else i + 1
            for k in range(first, min(first + length, n)):
                code = _step(code, np.int64(data[k] | 32))
            if code == name:
                depth += -1 if closing else 1
                if depth == 0:
                    return _find(data, i, n, 62) + 1
        i += 1
    return n


@numba.njit(cache=True, nogil=True)
def _linked_types(data: np.ndarray, i: int, end: int, about: np.ndarray, n: int) -> int:
    """Hashes of the values of `"@type"` in data[i:end] from place n on; one value each, the first of a list."""
    while i + 8 < end:
        if data[i] == 64 and data[i + 1] == 116 and data[i + 2] == 121 and data[i + 3] == 112 and data[i + 4] == 101:
            start = _find(data, _find(data, i + 5, end, 34) + 1, end, 34) + 1
            stop = _find(data, start, end, 34)
            n = _tokens(data, start, min(stop, start + 40), 7, about, n, min(n + 3, len(about)))
            i = stop
        i += 1
    return n


@numba.njit(cache=True, nogil=True)
def _formula(data, i, end, out, state, block, ascii_class, entities):  # type: ignore[no-untyped-def]
    """A formula's TeX between dollar signs."""
    if (state[START] < 0 and state[SPACE] == 0) or state[PRE]:
        state[SPACE] = 0
    while i < end and data[i] <= 32:
        i += 1
    while end > i and data[end - 1] <= 32:
        end -= 1
    if i < end:
        character(36, out, state, block, ascii_class)
        text(data, i, end, out, state, block, ascii_class, entities)
        state[SPACE] = 0
        character(36, out, state, block, ascii_class)


@numba.njit(cache=True, nogil=True)
def _annotation(data: np.ndarray, i: int, end: int) -> tuple[int, int]:
    """Bounds of a TeX annotation's text in data[i:end], the inside of a `math` element; (0, 0) where there is none."""
    while i + 12 < end:
        if data[i] == 60 and data[i + 1] == 97 and data[i + 2] == 110 and data[i + 3] == 110 and data[i + 4] == 111:
            close = _find(data, i, end, 62)
            if _contains(data, i, close, b"tex"):
                return close + 1, _find(data, close + 1, end, 60)
            i = close
        i += 1
    return 0, 0


@numba.njit(cache=True, nogil=True)
def _pop(to, depth, stack, nodes, open_of, state):  # type: ignore[no-untyped-def]
    """Close the elements above place `to` of the stack; returns `to`."""
    while depth > to:
        depth -= 1
        node = stack[depth]
        nodes[node, N_B1] = state[N_BLOCKS]
        nodes[node, N_IMG1] = state[N_IMAGES]
        nodes[node, N_INP1] = state[N_INPUTS]
        open_of[nodes[node, N_TAG]] -= 1
    return depth


@numba.njit(cache=True, nogil=True)
def _place(tag, name, depth, stack, nodes, names, open_of):  # type: ignore[no-untyped-def]
    """Place on the stack of the element that an end tag closes; -1 where it closes none."""
    if open_of[tag] == 0:
        return -1
    tabular = tag in (TABLE, TR, TBODY, THEAD, TFOOT, TD, TH, CAPTION, BODY, HTML)
    heading = H1 <= tag <= H6
    for k in range(depth - 1, 0, -1):
        here = nodes[stack[k], N_TAG]
        if here == tag and names[stack[k]] == name:
            return k
        if heading and H1 <= here <= H6:
            return k
        if here == TABLE and tag not in (TABLE, BODY, HTML):
            return -1
        if not tabular and here in (TD, TH, CAPTION):
            return -1
        if tag == LI and here in (UL, OL, MENU):
            return -1
    return -1


@numba.njit(cache=True, nogil=True)
def _implied(tag, depth, stack, nodes, open_of):  # type: ignore[no-untyped-def]
    """Place on the stack down to which a start tag closes what is open before it; `depth` where it closes nothing."""
    to = depth
    if open_of[P] > 0 and depth > 1 and nodes[stack[depth - 1], N_TAG] == P:
        to = depth - 1
    if tag in (LI, DD, DT, OPTION):
        if open_of[tag] + (open_of[DD] + open_of[DT] if tag in (DD, DT) else 0) > 0:
            for k in range(depth - 1, 0, -1):
                here = nodes[stack[k], N_TAG]
                if here == tag or (tag in (DD, DT) and here in (DD, DT)):
                    return k
                if here not in (DIV, P, ADDRESS_TAG):
                    break
    elif tag in (TD, TH, TR, TBODY, THEAD, TFOOT) and open_of[TABLE] > 0:
        for k in range(depth - 1, 0, -1):
            here = nodes[stack[k], N_TAG]
            if here == TABLE:
                return min(to, k + 1)
            if (here == TR and tag in (TD, TH)) or (here in (TBODY, THEAD, TFOOT) and tag in (TR, TD, TH)):
                return min(to, k + 1)
    elif H1 <= tag <= H6 and to == depth and depth > 1 and H1 <= nodes[stack[depth - 1], N_TAG] <= H6:
        return depth - 1
    return to


@numba.njit(cache=True, nogil=True)
def _scan(  # type: ignore[no-untyped-def]
    data, max_blocks, max_nodes, tag_tables, attribute_tables, entities, ascii_class
):
    tag_codes, tag_values, tag_kind, tag_flags = tag_tables
    at_codes, at_values = attribute_tables
    n = len(data)
    out = np.empty(n + n // 2 + 1024, np.uint8)
    blocks = np.empty((max_blocks, BLOCK_COLUMNS), np.int32)
    nodes = np.zeros((max_nodes, NODE_COLUMNS), np.int32)
    names = np.empty(max_nodes, np.uint64)
    paths = np.empty(max_nodes, np.uint64)
    tokens = np.empty(max(1024, n // 3 + MAX_TOKENS), np.uint64)
    about, n_about = np.empty(MAX_ABOUT, np.uint64), 0
    state = np.zeros(STATE_SIZE, np.int64)
    block = np.zeros(BLOCK_COLUMNS, np.int32)
    stack = np.zeros(MAX_OPEN + 1, np.int32)
    open_of = np.zeros(len(tag_kind), np.int32)
    absent = np.zeros(len(tag_kind), np.bool_)  # no end tag of that name from here on
    state[START] = -1
    names[0], paths[0] = np.uint64(0), np.uint64(FNV_BASIS)
    n_nodes, n_tokens, depth = 1, 0, 1
    link_depth, strong_depth, math_end, unbalanced = 0, 0, 0, False
    open_of[0] = 1
    i = 0
    while i < n:
        if data[i] != 60:
            j = _find(data, i, n, 60)
            text(data, i, j, out, state, block, ascii_class, entities)
            i = j
            continue
        c = np.int64(data[i + 1]) if i + 1 < n else 32
        if c == 33 or c == 63:
            if i + 3 < n and data[i + 2] == 45 and data[i + 3] == 45:
                i = _comment_end(data, i + 4, n)
            else:
                i = _find(data, i, n, 62) + 1
            continue
        closing = c == 47
        j = i + 2 if closing else i + 1
        if j >= n or not _is_letter(data[j]):
            if closing and j < n:
                i = _find(data, i, n, 62) + 1
            else:
                text(data, i, i + 1, out, state, block, ascii_class, entities)
                i += 1
            continue
        # the name
        start, name, custom = j, np.uint64(FNV_BASIS), False
        while j < n and data[j] > 32 and data[j] != 47 and data[j] != 62:
            c = np.int64(data[j])
            name = _step(name, c | 32 if 65 <= c <= 90 else c)
            custom = custom or c == 45 or c == 58
            j += 1
        length = j - start
        tag = look(tag_codes, tag_values, name)
        kind = tag_kind[tag]
        if tag == 0 and not custom:
            kind = INLINE
        # the attributes
        hidden, has_href, class_code, self_closing = False, False, np.uint64(0), False
        alt0, alt1, type0, type1, prop0, prop1, cont0, cont1 = 0, 0, 0, 0, 0, 0, 0, 0
        tex_class, fallback, formula_twin, token0 = False, False, False, n_tokens
        room = min(n_tokens + MAX_TOKENS, len(tokens))
        while j < n and data[j] != 62:
            if data[j] <= 32 or data[j] == 47:
                self_closing = data[j] == 47
                j += 1
                continue
            self_closing = False
            code = np.uint64(FNV_BASIS)
            first = True
            while j < n and data[j] > 32 and data[j] != 47 and data[j] != 62 and (first or data[j] != 61):
                c = np.int64(data[j])
                code = _step(code, c | 32 if 65 <= c <= 90 else c)
                first = False
                j += 1
            while j < n and data[j] <= 32:
                j += 1
            v0, v1 = j, j
            if j < n and data[j] == 61:
                j += 1
                while j < n and data[j] <= 32:
                    j += 1
                if j < n and (data[j] == 34 or data[j] == 39):
                    v0 = j + 1
                    v1 = _find(data, v0, n, data[j])
                    j = v1 + 1
                else:
                    v0 = j
                    while j < n and data[j] > 32 and data[j] != 62:
                        j += 1
                    v1 = j
            if closing:
                continue
            at = look(at_codes, at_values, code)
            if at == 0:
                continue
            if at == AT_CLASS:
                if kind == BLOCK:
                    n_tokens = _tokens(data, v0, v1, 0, tokens, n_tokens, room)
                    class_code = np.uint64(FNV_BASIS)
                    k = v0
                    while k < v1 and data[k] <= 32:
                        k += 1
                    while k < v1 and data[k] > 32:
                        if not 48 <= data[k] <= 57:
                            class_code = _step(class_code, np.int64(data[k]))
                        k += 1
                elif _contains(data, v0, v1, b"katex-html"):
                    formula_twin = True
                tex_class = _contains(data, v0, v1, b"tex") or _contains(data, v0, v1, b"math")
                fallback = tex_class and _contains(data, v0, v1, b"fallback")
            elif at == AT_ID:
                if kind == BLOCK:
                    n_tokens = _tokens(data, v0, v1, 0, tokens, n_tokens, room)
            elif at == AT_ROLE:
                n_tokens = _tokens(data, v0, v1, 1, tokens, n_tokens, room)
            elif at == AT_ITEMPROP:
                n_tokens = _tokens(data, v0, v1, 2, tokens, n_tokens, room)
            elif at == AT_ITEMTYPE:
                n_tokens = _tokens(data, v0, v1, 3, tokens, n_tokens, room)
            elif at == AT_STYLE:
                hidden = hidden or _contains(data, v0, v1, b"display:none")
            elif at == AT_HIDDEN:
                hidden = True
            elif at == AT_ARIA_HIDDEN:
                hidden = hidden or (v1 > v0 and data[v0] == 116)
            elif at == AT_HREF:
                has_href = True
            elif at in (AT_ALT, AT_ALTTEXT):
                alt0, alt1 = v0, v1
            elif at == AT_TYPE:
                type0, type1 = v0, v1
            elif at in (AT_PROPERTY, AT_NAME):
                prop0, prop1 = v0, v1
            elif at == AT_CONTENT:
                cont0, cont1 = v0, v1
        j = min(j + 1, n)
        if kind != BLOCK or closing:
            n_tokens = token0
        if closing:
            i = j
            if kind == INLINE:
                if tag == A:
                    state[LINK] = 0
                elif tag in (STRONG_TAG, B):
                    state[STRONG_ON] = 0
            elif kind == BLOCK:
                flush(out, state, block, blocks, i)
                to = _place(tag, name, depth, stack, nodes, names, open_of)
                if to > 0:
                    depth = _pop(to, depth, stack, nodes, open_of, state)
                    state[NOW] = stack[depth - 1]
                    state[PRE] = 1 if nodes[stack[depth - 1], N_FLAGS] & PREFORMATTED else 0
                    if depth < link_depth:
                        state[LINK] = 0
                    if depth < strong_depth:
                        state[STRONG_ON] = 0
            continue
        if kind == VOID:
            i = j
            if tag == BR:
                if state[BREAK] > 0:
                    flush(out, state, block, blocks, i)
                elif state[PRE]:
                    character(10, out, state, block, ascii_class)
                elif state[START] >= 0:
                    state[BREAK] = 1
                state[IN_WORD] = 0
            elif tag == HR:
                flush(out, state, block, blocks, i)
            elif tag == IMG:
                state[N_IMAGES] += 1
                if tex_class and not fallback and alt1 > alt0:
                    _formula(data, alt0, alt1, out, state, block, ascii_class, entities)
            elif tag == INPUT:
                state[N_INPUTS] += 1
            elif tag == META and _contains(data, prop0, prop1, b"og:type"):
                n_about = _tokens(data, cont0, cont1, 5, about, n_about, min(n_about + 4, len(about)))
            elif tag == META and _contains(data, prop0, prop1, b"generator"):
                n_about = _tokens(data, cont0, cont1, 6, about, n_about, min(n_about + 4, len(about)))
            continue
        if kind == SKIP or formula_twin:
            i = j
            if (self_closing and tag in (SVG, MATH)) or (tag == MATH and alt1 == alt0 and j < math_end):
                continue
            if tag == MATH and alt1 > alt0:
                _formula(data, alt0, alt1, out, state, block, ascii_class, entities)
            elif kind == INLINE:
                if not unbalanced:
                    end = _balanced(data, j, n, name, length)
                    unbalanced = end == n
                    i = j if unbalanced else end
                continue
            end = n if absent[tag] else _end_tag(data, j, n, name, length)
            if end == n:
                absent[tag] = True
                if tag in (SCRIPT, STYLE, TITLE, TEXTAREA, IFRAME, NOFRAMES, NOEMBED):
                    i = n
                continue
            if tag == TITLE and state[TITLE1] == 0:
                state[TITLE0], state[TITLE1] = j, end
            elif tag == SCRIPT and _contains(data, type0, type1, b"math/tex"):
                _formula(data, j, end, out, state, block, ascii_class, entities)
            elif tag == MATH and alt1 == alt0:
                t0, t1 = _annotation(data, j, end)
                if t1 == t0:  # its letters and numbers are read as text; maths inside it are not searched again
                    math_end = end
                    continue
                _formula(data, t0, t1, out, state, block, ascii_class, entities)
            elif tag == SCRIPT and _contains(data, type0, type1, b"ld+json"):
                n_about = _linked_types(data, j, end, about, n_about)
            i = _find(data, end, n, 62) + 1
            continue
        i = j
        if kind == INLINE:
            if tag == A and has_href:
                state[LINK], link_depth = 1, depth
                block[LINKS] += 1
            elif tag == A:
                state[LINK] = 0
            elif tag in (STRONG_TAG, B):
                state[STRONG_ON], strong_depth = 1, depth
            continue
        # a block opens
        flush(out, state, block, blocks, i)
        if tag in (BODY, HTML):
            for k in range(token0, n_tokens):
                if n_about < len(about):
                    about[n_about] = tokens[k]
                    n_about += 1
            n_tokens = token0
            continue
        to = _implied(tag, depth, stack, nodes, open_of)
        if to < depth:
            depth = _pop(to, depth, stack, nodes, open_of, state)
            if depth < link_depth:
                state[LINK] = 0
            if depth < strong_depth:
                state[STRONG_ON] = 0
        if depth < MAX_OPEN and n_nodes < max_nodes:
            parent = stack[depth - 1]
            row = nodes[n_nodes]
            nodes[parent, N_CHILDREN] += 1
            flags = nodes[parent, N_FLAGS] | tag_flags[tag]
            if hidden:
                flags |= HIDDEN
            row[N_TAG], row[N_PARENT], row[N_DEPTH], row[N_FLAGS] = tag, parent, depth, flags
            row[N_B0], row[N_IMG0], row[N_INP0], row[N_POS] = state[N_BLOCKS], state[N_IMAGES], state[N_INPUTS], i
            row[N_TOK0], row[N_TOK1] = token0, n_tokens
            names[n_nodes] = name
            paths[n_nodes] = _step(_step(_step(paths[parent], tag), np.int64(class_code & np.uint64(0x7FFFFFFF))), 1)
            stack[depth] = n_nodes
            open_of[tag] += 1
            depth += 1
            n_nodes += 1
        else:
            n_tokens = token0
        state[NOW] = stack[depth - 1]
        state[PRE] = 1 if nodes[stack[depth - 1], N_FLAGS] & PREFORMATTED else 0
    flush(out, state, block, blocks, n)
    _pop(0, depth, stack, nodes, open_of, state)
    n_blocks = state[N_BLOCKS]
    found = out[: state[OUT]], blocks[:n_blocks], nodes[:n_nodes], paths[:n_nodes], tokens[:n_tokens], about[:n_about]
    return found, state
