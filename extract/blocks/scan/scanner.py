"""One pass over a page's bytes: blocks of text, the elements around them, class and id tokens. No tree is built.

Elements open and close as in a browser for what matters to text: implied end tags, raw text, void elements, table cells
as barriers (HTML Living Standard, sections 13.2.5 and 13.2.6); formatting elements are not reconstructed. Time is
linear in the bytes: searches for an end tag that is absent are made once, at most MAX_OPEN elements are open at once.
"""

# mypy: disable-error-code="arg-type,assignment,return-value,no-untyped-def"
# (kernels: NumPy's scalars are passed for int)

import numpy as np

from extract.blocks.scan.attributes import ATTRIBUTES, MAX_TOKENS, read_attributes
from extract.blocks.scan.byte_kernels import (
    COLON,
    NEWLINE,
    contains_word,
    count_byte,
    find_end_tag,
    is_letter,
    to_lower,
)
from extract.blocks.scan.hashing import FNV_BASIS, extend_hash, look_up
from extract.blocks.scan.marks import CODE_PENDING, SUBSCRIPT, SUPERSCRIPT, end_code, end_sup_sub, start_sup_sub
from extract.blocks.scan.open_elements import close_down_to, close_element, open_element
from extract.blocks.scan.page import BLOCK, MAX_BLOCKS, MAX_NODES, MAX_OPEN, NODE, SCAN_STATE, Page
from extract.blocks.scan.tags import TAG_HASHES, TAG_KINDS, TAG_VALUES, Tag, TagKind
from extract.blocks.scan.text_runs import append_character, append_text, end_block
from extract.blocks.scan.tokens import MAX_ABOUT, add_json_ld_types, add_metadata_tokens, move_tokens_to_page
from extract.html.byte_search import (
    EXCLAMATION,
    GREATER_THAN,
    HYPHEN,
    LESS_THAN,
    QUESTION,
    SLASH,
    SPACE,
    comment_end,
    find_byte,
)
from pipeline.kernels.njit import njit

_NO_TAG = -1  # in place of a TagKind


def scan(html: bytes) -> Page:
    """Scan an HTML page in UTF-8. Never raises; memory and time are linear in the bytes."""
    # numba's records are pointers into their arrays, which must live as long as the records: so the caller makes them
    state, block, attributes = np.zeros(1, SCAN_STATE), np.zeros(1, BLOCK), np.zeros(1, ATTRIBUTES)
    text, blocks, nodes, paths, tokens, about = _scan(np.frombuffer(html, np.uint8), state, block, attributes)
    title = int(state[0]["title_start"]), int(state[0]["title_end"])
    return Page(text, blocks, nodes, paths, tokens, about, title, int(state[0]["n_lost_blocks"]))


@njit(cache=True, nogil=True)
def _scan(data, state_array, current_block, current_attributes):
    # Arrays are passed one by one: taking one out of a tuple counts a reference to it, which is slow.
    state, block, attributes = state_array[0], current_block[0], current_attributes[0]
    end, n_tags = len(data), count_byte(data, LESS_THAN) + 2
    text = np.empty(end + end // 2 + 1024, np.uint8)
    blocks = np.empty(min(n_tags, MAX_BLOCKS), BLOCK)
    tokens, about = np.empty(max(1024, end // 3 + MAX_TOKENS), np.uint64), np.empty(MAX_ABOUT, np.uint64)
    end_tag_absent = np.zeros(len(TAG_KINDS), np.bool_)  # by tag, from here to the page's end
    nodes = np.zeros(min(n_tags, MAX_NODES), NODE)
    names, paths = np.empty(len(nodes), np.uint64), np.empty(len(nodes), np.uint64)
    stack, open_count = np.zeros(MAX_OPEN + 1, np.int32), np.zeros(len(TAG_KINDS), np.int32)
    names[0], paths[0] = np.uint64(0), np.uint64(FNV_BASIS)
    open_count[0], state.block_start, state.n_nodes, state.depth = 1, -1, 1, 1
    i = 0
    while i < end:
        if data[i] != LESS_THAN:
            j = find_byte(data, i, end, LESS_THAN)
            append_text(data, i, j, text, state, block)
            i = j
            continue
        name, j, tag, kind, closing = _read_tag(data, i, end)
        if kind == _NO_TAG:
            i = _pass_over_markup(data, i, end, text, state, block)
            continue
        name_length = j - i - (2 if closing else 1)
        state.first_token = state.n_tokens
        j = read_attributes(data, j, end, kind, closing, tokens, state, current_attributes)
        i = min(j + 1, end)
        if kind != TagKind.BLOCK or closing:
            state.n_tokens = state.first_token
        if closing:
            if kind == TagKind.INLINE:
                _close_inline(tag, text, state, block)
            elif kind == TagKind.BLOCK:
                end_block(text, state, current_block, blocks, i)
                close_element(tag, name, state, stack, nodes, names, open_count)
        elif kind == TagKind.VOID:
            _void_element(tag, data, i, attributes, about, text, state, current_block, blocks)
        elif kind == TagKind.SKIPPED:
            i = _skip_element(tag, name, name_length, data, i, attributes, about, end_tag_absent, state)
        elif kind == TagKind.INLINE:
            _open_inline(tag, attributes, state, block)
        else:
            end_block(text, state, current_block, blocks, i)
            if tag == Tag.BODY or tag == Tag.HTML:
                move_tokens_to_page(tokens, about, state)
            else:
                open_element(tag, name, i, attributes, state, stack, nodes, names, paths, open_count)
    end_block(text, state, current_block, blocks, end)
    close_down_to(0, state, stack, nodes, open_count)
    elements = nodes[: state.n_nodes], paths[: state.n_nodes], tokens[: state.n_tokens]
    return text[: state.text_length], blocks[: state.n_blocks], *elements, about[: state.n_about]


@njit(cache=True, nogil=True)
def _read_tag(data, i, end):
    """Read the tag at data[i] == `<`.

    Returns its name's hash and end, the number and kind of the tag, and whether it is an end tag; the kind is _NO_TAG
    where no tag begins. Unknown elements are inline, custom ones (with `-` or `:` in their name) are blocks.
    """
    j, name, custom = i + 1, np.uint64(FNV_BASIS), False
    closing = j < end and data[j] == SLASH
    if closing:
        j += 1
    if j >= end or not is_letter(data[j]):
        return name, j, 0, np.int64(_NO_TAG), closing
    while j < end and data[j] > SPACE and data[j] != SLASH and data[j] != GREATER_THAN:
        byte = np.int64(data[j])
        name = extend_hash(name, to_lower(byte))
        custom = custom or byte in (HYPHEN, COLON)
        j += 1
    tag = look_up(TAG_HASHES, TAG_VALUES, name)
    unknown = tag == 0 and not custom
    return name, j, tag, np.int64(TagKind.INLINE) if unknown else np.int64(TAG_KINDS[tag]), closing


@njit(cache=True, nogil=True)
def _pass_over_markup(data, i, end, text, state, block):
    """Handle a `<` that begins no element: comment, declaration, malformed end tag, or text.

    Returns the offset after it.
    """
    following = np.int64(data[i + 1]) if i + 1 < end else SPACE
    if following in (EXCLAMATION, QUESTION):
        if i + 3 < end and data[i + 2] == HYPHEN and data[i + 3] == HYPHEN:
            stop = comment_end(data, i + 4)
            return stop if stop >= 0 else end
        return find_byte(data, i, end, GREATER_THAN) + 1
    if following == SLASH and i + 2 < end:
        return find_byte(data, i, end, GREATER_THAN) + 1
    append_text(data, i, i + 1, text, state, block)
    return i + 1


@njit(cache=True, nogil=True)
def _open_inline(tag, attributes, state, block):
    if tag == Tag.A and attributes.has_href:
        state.in_link, state.link_depth, state.link_text_start = 1, state.depth, state.text_length
        block.links += 1
    elif tag == Tag.A:
        state.in_link = 0
    elif tag == Tag.STRONG or tag == Tag.B:
        state.in_strong, state.strong_depth = 1, state.depth
    elif tag in (Tag.CODE, Tag.KBD, Tag.SAMP, Tag.TT) and not state.in_pre and not state.in_code:
        state.pending_marks |= CODE_PENDING
    elif tag == Tag.SUP:
        start_sup_sub(SUPERSCRIPT, state, block)
    elif tag == Tag.SUB:
        start_sup_sub(SUBSCRIPT, state, block)


@njit(cache=True, nogil=True)
def _close_inline(tag, text, state, block):
    if tag == Tag.A:
        state.in_link = 0
    elif tag in (Tag.CODE, Tag.KBD, Tag.SAMP, Tag.TT):
        end_code(text, state)
    elif tag == Tag.STRONG or tag == Tag.B:
        state.in_strong = 0
    elif tag == Tag.SUP or tag == Tag.SUB:
        end_sup_sub(text, state, block)


@njit(cache=True, nogil=True)
def _void_element(tag, data, i, attributes, about, text, state, current_block, blocks):
    """Handle an element without content, which ends before i. Two `br` end a block, one of them a line."""
    if tag == Tag.BR:
        if state.break_pending > 0:
            code_continues = state.in_code
            end_block(text, state, current_block, blocks, i)
            state.pending_marks = CODE_PENDING if code_continues else 0
        elif state.in_pre:
            append_character(NEWLINE, text, state, current_block[0])
        elif state.block_start >= 0:
            state.break_pending = 1
        state.in_word = 0
    elif tag == Tag.HR:
        end_block(text, state, current_block, blocks, i)
    elif tag == Tag.IMG:
        state.n_images += 1
    elif tag == Tag.INPUT:
        state.n_inputs += 1
    elif tag == Tag.META or tag == Tag.LINK:
        add_metadata_tokens(tag, data, attributes, about, state)


@njit(cache=True, nogil=True)
def _skip_element(tag, name, name_length, data, i, attributes, about, end_tag_absent, state):
    """Skip an element whose content, from i on, is not the page's text. Returns the offset after the element.

    Where its end tag is absent, raw text runs to the page's end, and of other elements only the start tag is skipped.
    """
    end = len(data)
    if attributes.self_closing and tag == Tag.SVG:
        return i
    content_end = end if end_tag_absent[tag] else find_end_tag(data, i, end, name, name_length)
    if content_end == end:
        end_tag_absent[tag] = True
        is_raw_text = tag in (
            Tag.SCRIPT, Tag.STYLE, Tag.TITLE, Tag.TEXTAREA, Tag.IFRAME, Tag.NOFRAMES, Tag.NOEMBED,
        )  # fmt: skip
        return end if is_raw_text else i
    if tag == Tag.TITLE and state.title_end == 0:
        state.title_start, state.title_end = i, content_end
    elif tag == Tag.SCRIPT and contains_word(data, attributes.type_start, attributes.type_end, b"ld+json"):
        state.n_about = add_json_ld_types(data, i, content_end, about, state.n_about)
    return find_byte(data, content_end, end, GREATER_THAN) + 1
