"""The few tags of a page that tell something about it, by a scan of its bytes that makes no tree.

Comments, scripts, styles and other elements without markup of the page in them are stepped over.
"""

# mypy: disable-error-code="no-untyped-def"

import re
from html import unescape

import numpy as np

from extract.html.byte_search import comment_end, element_end, find, is_blank, key, tag_name
from pipeline.kernels.njit import njit

Tag = tuple[str, dict[str, str]]  # name and attributes
_RAW = ("script", "style", "noscript", "template", "textarea", "title")  # what is in them is no markup of the page
_LONGEST = 4096  # bytes of a tag; a longer one (a picture in a data URI) says nothing of interest here
_BATCH = 256  # tags that one call of the kernel finds
_ATTRIBUTE = re.compile(
    rb"(?<![a-zA-Z0-9:_-])[0-9:_-]*+([a-zA-Z][a-zA-Z0-9:_-]*+)\s*+=\s*+(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))"
)


_RAW_NAMES = np.array([key(name) for name in _RAW], np.int64)


def tags(html: bytes, wanted: tuple[str, ...], last: str = "") -> np.ndarray:
    """Start tags named as one of `wanted`, up to one named `last`.

    (n, 3) int64: which of `wanted`, where its attributes begin, and where they end. Names have eight letters at most.
    Time is linear in the page.
    """
    data, found, parts = np.frombuffer(html, np.uint8), np.empty((_BATCH, 3), np.int64), []
    names, endless = np.array([key(name) for name in wanted], np.int64), np.zeros(len(_RAW) + 1, np.bool_)
    n, at = _BATCH, 0
    while n == _BATCH:
        n, at = _tags(data, at, names, key(last), endless, found)
        parts.append(found[:n].copy())
    return np.concatenate(parts)


def attributes(html: bytes) -> dict[str, str]:
    """Names in lower case and values of what is inside of a tag; of two of a name the first."""
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(html):
        if (key := name.lower().decode()) not in found:
            found[key] = unescape((double or single or bare).decode("utf-8", "replace"))
    return found


@njit(cache=True, nogil=True)
def _tag_end(data, at):
    """Offset of the `>` that ends the tag with attributes from `at` on; -1 where none is near.

    As an HTML tokenizer reads them: quotes count after `=` only, and when they are closed.
    """
    stop = min(len(data), at + _LONGEST)
    while at < stop:
        byte = data[at]
        if byte == 62:
            return at
        at += 1
        if byte == 61:
            while at < stop and is_blank(data[at]):
                at += 1
            if at < stop and (data[at] == 34 or data[at] == 39):
                end = at + 1
                while end < stop and data[end] != data[at]:
                    end += 1
                at = end + 1 if end < stop else at
    return -1


@njit(cache=True, nogil=True)
def _position(keys, key):
    for i in range(len(keys)):
        if keys[i] == key:
            return i
    return -1


@njit(cache=True, nogil=True)
def _tags(data, at, wanted, last, endless, found):
    """Fill `found` with the next tags: which of `wanted`, where its attributes begin and end. Returns how many, and
    where to go on. `endless`: elements, and comments last, that nothing closes from here on; they are text."""
    n = 0
    at = find(data, at, len(data), 60)
    while at < len(data) and n < len(found):
        at += 1
        raw, after = -1, at
        if at + 2 < len(data) and data[at] == 33 and data[at + 1] == 45 and data[at + 2] == 45:
            raw, after = len(_RAW_NAMES), at + 3
        else:
            name, after = tag_name(data, at)
            if name == last and name != 0:
                return n, len(data)
            raw = _position(_RAW_NAMES, name)
            which = _position(wanted, name)
            end = _tag_end(data, after) if raw < 0 and which >= 0 and name != 0 else -1
            if end >= 0:
                found[n, 0], found[n, 1], found[n, 2] = which, after, end
                n, after = n + 1, end + 1
        if raw >= 0 and not endless[raw]:
            end = comment_end(data, after) if raw == len(_RAW_NAMES) else element_end(data, after, name)
            endless[raw] = end < 0
            after = max(after, end)
        at = find(data, after, len(data), 60)
    return n, at
