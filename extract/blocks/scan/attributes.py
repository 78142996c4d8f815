"""A tag's attributes: what the scanner asks of them."""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars are passed for int)

import numpy as np

from extract.blocks.scan.byte_kernels import contains_word, is_digit, to_lower
from extract.blocks.scan.hashing import FNV_BASIS, extend_hash, look_up
from extract.blocks.scan.tags import ATTRIBUTE_HASHES, ATTRIBUTE_VALUES, Attribute, TagKind
from extract.blocks.scan.tokens import CLASS_SEED, ITEMPROP_SEED, ITEMTYPE_SEED, ROLE_SEED, add_tokens
from extract.html.byte_search import DOUBLE_QUOTE, EQUALS, GREATER_THAN, SINGLE_QUOTE, SLASH, SPACE, find_byte
from pipeline.kernels.njit import njit

MAX_TOKENS = 24  # class and id tokens of one element

ATTRIBUTES = np.dtype(
    [
        ("hidden", np.int64),  # `hidden`, `aria-hidden` or `display:none`
        ("is_code", np.int64),  # styled as code editors copy their text
        ("has_href", np.int64),
        ("self_closing", np.int64),
        ("class_hash", np.int64),  # 31 bits, of the first class
        ("type_start", np.int64),  # bounds of values in the source
        ("type_end", np.int64),
        ("name_start", np.int64),  # of `name`, `property` or `rel`
        ("name_end", np.int64),
        ("content_start", np.int64),
        ("content_end", np.int64),
        ("href_start", np.int64),
        ("href_end", np.int64),
    ],
    align=True,
)
_NO_ATTRIBUTES = np.zeros(1, ATTRIBUTES)


@njit(cache=True, nogil=True)
def read_attributes(data, j, end, kind, closing, tokens, state, buffer):  # type: ignore[no-untyped-def]
    """Read a tag's attributes from data[j] on into buffer[0] (ATTRIBUTES) and `tokens`.

    Returns the offset of the tag's `>`, or `end`. An end tag's attributes are passed over.
    """
    buffer[0] = _NO_ATTRIBUTES[0]
    attributes = buffer[0]
    token_limit = min(state.n_tokens + MAX_TOKENS, len(tokens))
    while j < end and data[j] != GREATER_THAN:
        if data[j] <= SPACE or data[j] == SLASH:
            attributes.self_closing = data[j] == SLASH
            j += 1
            continue
        attributes.self_closing = 0
        code, j = _read_name(data, j, end)
        start, stop, j = _read_value(data, j, end)
        if not closing:
            attribute = look_up(ATTRIBUTE_HASHES, ATTRIBUTE_VALUES, code)
            if attribute > 0:
                _set_attribute(data, attribute, start, stop, kind, tokens, token_limit, state, attributes)
    return j


@njit(cache=True, nogil=True)
def _read_name(data, j, end):  # type: ignore[no-untyped-def]
    """Hash of the lower-cased name at j, and the offset after it and after the white space that follows."""
    code, first = np.uint64(FNV_BASIS), True
    while j < end and data[j] > SPACE and data[j] != SLASH and data[j] != GREATER_THAN:
        if data[j] == EQUALS and not first:
            break
        code = extend_hash(code, to_lower(np.int64(data[j])))
        first = False
        j += 1
    while j < end and data[j] <= SPACE:
        j += 1
    return code, j


@njit(cache=True, nogil=True)
def _read_value(data, j, end):  # type: ignore[no-untyped-def]
    """Start and end of the value whose `=` is at j, and the offset after it; an empty value where there is no `=`."""
    if j >= end or data[j] != EQUALS:
        return j, j, j
    j += 1
    while j < end and data[j] <= SPACE:
        j += 1
    if j < end and (data[j] == DOUBLE_QUOTE or data[j] == SINGLE_QUOTE):
        stop = find_byte(data, j + 1, end, data[j])
        return j + 1, stop, stop + 1
    start = j
    while j < end and data[j] > SPACE and data[j] != GREATER_THAN:
        j += 1
    return start, j, j


@njit(cache=True, nogil=True)
def _set_attribute(data, attribute, start, stop, kind, tokens, token_limit, state, attributes):  # type: ignore[no-untyped-def]
    """Note one attribute, whose value is data[start:stop]. Only block elements have class and id tokens."""
    if attribute == Attribute.CLASS or attribute == Attribute.ID:
        if kind == TagKind.BLOCK:
            state.n_tokens = add_tokens(data, start, stop, CLASS_SEED, tokens, state.n_tokens, token_limit)
            if attribute == Attribute.CLASS:
                attributes.class_hash = _hash_first_class(data, start, stop)
    elif attribute == Attribute.ROLE:
        state.n_tokens = add_tokens(data, start, stop, ROLE_SEED, tokens, state.n_tokens, token_limit)
    elif attribute == Attribute.ITEMPROP:
        state.n_tokens = add_tokens(data, start, stop, ITEMPROP_SEED, tokens, state.n_tokens, token_limit)
    elif attribute == Attribute.ITEMTYPE:
        state.n_tokens = add_tokens(data, start, stop, ITEMTYPE_SEED, tokens, state.n_tokens, token_limit)
    elif attribute == Attribute.STYLE:
        attributes.hidden |= contains_word(data, start, stop, b"display:none")
        if kind == TagKind.BLOCK and contains_word(data, start, stop, b"white-space:pre"):
            attributes.is_code = contains_word(data, start, stop, b"monospace")
    elif attribute == Attribute.HIDDEN:
        attributes.hidden = 1
    elif attribute == Attribute.ARIA_HIDDEN:
        attributes.hidden |= stop > start and data[start] == 116  # t, of "true"
    elif attribute == Attribute.HREF:
        attributes.has_href, attributes.href_start, attributes.href_end = 1, start, stop
    elif attribute == Attribute.TYPE:
        attributes.type_start, attributes.type_end = start, stop
    elif attribute == Attribute.PROPERTY or attribute == Attribute.NAME or attribute == Attribute.REL:
        attributes.name_start, attributes.name_end = start, stop
    elif attribute == Attribute.CONTENT:
        attributes.content_start, attributes.content_end = start, stop


@njit(cache=True, nogil=True)
def _hash_first_class(data, i, end):  # type: ignore[no-untyped-def]
    """31 bits of the first class's hash; digits do not count, so that `item-1` and `item-2` are one."""
    code = np.uint64(FNV_BASIS)
    while i < end and data[i] <= SPACE:
        i += 1
    while i < end and data[i] > SPACE:
        if not is_digit(data[i]):
            code = extend_hash(code, np.int64(data[i]))
        i += 1
    return np.int64(code & np.uint64(0x7FFFFFFF))
