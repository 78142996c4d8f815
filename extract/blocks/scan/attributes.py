"""A tag's name and attributes: what the scanner asks of them, and the tokens of classes and ids."""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars stand for int)

import numpy as np

from extract.blocks.scan.byte_kernels import contains, step
from extract.blocks.scan.nodes import (
    AT_ARIA_HIDDEN,
    AT_CLASS,
    AT_CONTENT,
    AT_HIDDEN,
    AT_HREF,
    AT_ID,
    AT_ITEMPROP,
    AT_ITEMTYPE,
    AT_NAME,
    AT_PROPERTY,
    AT_REL,
    AT_ROLE,
    AT_STYLE,
    AT_TYPE,
    ATTRIBUTE_STATE,
    CLASS_CODE,
    CONT0,
    CONT1,
    HAS_HREF,
    HREF0,
    HREF1,
    IS_CODE,
    IS_HIDDEN,
    MAX_TOKENS,
    N_TOKENS,
    PROP0,
    PROP1,
    SELF_CLOSING,
    TYPE0,
    TYPE1,
)
from extract.blocks.scan.tags import ATTRIBUTE_CODES, ATTRIBUTE_VALUES, BLOCK, FNV_BASIS, look
from extract.html.byte_search import find_byte
from pipeline.kernels.njit import njit


@njit(cache=True, nogil=True)
def class_tokens(data: np.ndarray, i: int, end: int, seed: int, tokens: np.ndarray, n: int, stop: int) -> int:
    """Hashes of a class list's tokens and of their parts (cut at non-letters and camel case) from place n on."""
    while i < end and n < stop:
        while i < end and data[i] <= 32:
            i += 1
        whole = step(np.uint64(FNV_BASIS), seed)
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
                parts, part, letters, lower = parts + 1, step(np.uint64(FNV_BASIS), seed), 0, False
                if not 48 <= c <= 57:
                    whole = step(whole, 45)
                i += 1
                continue
            if upper and lower:
                if letters > 1 and n < stop:
                    tokens[n] = part
                    n += 1
                parts, part, letters = parts + 1, step(np.uint64(FNV_BASIS), seed), 0
            lower = not upper
            part, whole, letters = step(part, small), step(whole, small), letters + 1
            i += 1
        if letters > 1 and n < stop:
            tokens[n] = part
            n += 1
        if parts > 0 and n < stop:
            tokens[n] = whole
            n += 1
    return n


@njit(cache=True, nogil=True)
def linked_types(data: np.ndarray, i: int, end: int, about: np.ndarray, n: int) -> int:
    """Hashes of the values of `"@type"` in data[i:end] from place n on; one value each, the first of a list."""
    while i + 8 < end:
        if data[i] == 64 and data[i + 1] == 116 and data[i + 2] == 121 and data[i + 3] == 112 and data[i + 4] == 101:
            start = find_byte(data, find_byte(data, i + 5, end, 34) + 1, end, 34) + 1
            stop = find_byte(data, start, end, 34)
            n = class_tokens(data, start, min(stop, start + 40), 7, about, n, min(n + 3, len(about)))
            i = stop
        i += 1
    return n


@njit(cache=True, nogil=True)
def attributes(data, j, n, kind, closing, tokens, state, says):  # type: ignore[no-untyped-def]
    """Read attributes from data[j] to the tag's end into `says` and `tokens`; the place of its `>`, or n."""
    for k in range(ATTRIBUTE_STATE):
        says[k] = 0
    room = min(state[N_TOKENS] + MAX_TOKENS, len(tokens))
    while j < n and data[j] != 62:
        if data[j] <= 32 or data[j] == 47:
            says[SELF_CLOSING] = data[j] == 47
            j += 1
            continue
        says[SELF_CLOSING] = 0
        code, j = _attribute_name(data, j, n)
        v0, v1, j = _value(data, j, n)
        if not closing:
            at = look(ATTRIBUTE_CODES, ATTRIBUTE_VALUES, code)
            if at > 0:
                _say(data, at, v0, v1, kind, tokens, room, state, says)
    return j


@njit(cache=True, nogil=True)
def _attribute_name(data, j, n):  # type: ignore[no-untyped-def]
    """(hash of the lower-cased name at j, first byte after it and the white space that follows)"""
    code, first = np.uint64(FNV_BASIS), True
    while j < n and data[j] > 32 and data[j] != 47 and data[j] != 62 and (first or data[j] != 61):
        c = np.int64(data[j])
        code = step(code, c | 32 if 65 <= c <= 90 else c)
        first = False
        j += 1
    while j < n and data[j] <= 32:
        j += 1
    return code, j


@njit(cache=True, nogil=True)
def _value(data, j, n):  # type: ignore[no-untyped-def]
    """(start, end of the value, first byte after it) where data[j] is `=`; an empty value elsewhere."""
    if j >= n or data[j] != 61:
        return j, j, j
    j += 1
    while j < n and data[j] <= 32:
        j += 1
    if j < n and (data[j] == 34 or data[j] == 39):
        end = find_byte(data, j + 1, n, data[j])
        return j + 1, end, end + 1
    start = j
    while j < n and data[j] > 32 and data[j] != 62:
        j += 1
    return start, j, j


@njit(cache=True, nogil=True)
def _say(data, at, v0, v1, kind, tokens, room, state, says):  # type: ignore[no-untyped-def]
    """Note one attribute's value, data[v0:v1]."""
    if at == AT_CLASS:
        if kind == BLOCK:
            state[N_TOKENS] = class_tokens(data, v0, v1, 0, tokens, state[N_TOKENS], room)
            says[CLASS_CODE] = _first_class(data, v0, v1)
    elif at == AT_ID:
        if kind == BLOCK:
            state[N_TOKENS] = class_tokens(data, v0, v1, 0, tokens, state[N_TOKENS], room)
    elif at == AT_ROLE:
        state[N_TOKENS] = class_tokens(data, v0, v1, 1, tokens, state[N_TOKENS], room)
    elif at == AT_ITEMPROP:
        state[N_TOKENS] = class_tokens(data, v0, v1, 2, tokens, state[N_TOKENS], room)
    elif at == AT_ITEMTYPE:
        state[N_TOKENS] = class_tokens(data, v0, v1, 3, tokens, state[N_TOKENS], room)
    elif at == AT_STYLE:
        says[IS_HIDDEN] |= contains(data, v0, v1, b"display:none")
        if kind == BLOCK and contains(data, v0, v1, b"white-space:pre"):  # as code editors copy their text
            says[IS_CODE] = contains(data, v0, v1, b"monospace")
    elif at == AT_HIDDEN:
        says[IS_HIDDEN] = 1
    elif at == AT_ARIA_HIDDEN:
        says[IS_HIDDEN] |= v1 > v0 and data[v0] == 116
    elif at == AT_HREF:
        says[HAS_HREF], says[HREF0], says[HREF1] = 1, v0, v1
    elif at == AT_TYPE:
        says[TYPE0], says[TYPE1] = v0, v1
    elif at in (AT_PROPERTY, AT_NAME, AT_REL):
        says[PROP0], says[PROP1] = v0, v1
    elif at == AT_CONTENT:
        says[CONT0], says[CONT1] = v0, v1


@njit(cache=True, nogil=True)
def _first_class(data, k, end):  # type: ignore[no-untyped-def]
    """31 bits of the first class's hash, digits left out."""
    code = np.uint64(FNV_BASIS)
    while k < end and data[k] <= 32:
        k += 1
    while k < end and data[k] > 32:
        if not 48 <= data[k] <= 57:
            code = step(code, np.int64(data[k]))
        k += 1
    return np.int64(code & np.uint64(0x7FFFFFFF))
