"""The few tags of a page that say something about it, found by a scan of its bytes that builds no tree.

Comments, scripts, styles and other elements that contain no markup of the page are skipped.
"""

# mypy: disable-error-code="no-untyped-def"

import re
from html import unescape

import numpy as np

from extract.html.byte_search import (
    DOUBLE_QUOTE,
    EQUALS,
    EXCLAMATION,
    GREATER_THAN,
    HYPHEN,
    LESS_THAN,
    SINGLE_QUOTE,
    comment_end,
    element_end,
    find_byte,
    is_blank,
    name_key,
    read_tag_name,
)
from pipeline.kernels.njit import njit

Tag = tuple[str, dict[str, str]]  # name and attributes
_RAW_ELEMENTS = ("script", "style", "noscript", "template", "textarea", "title")  # they contain no markup of the page
_RAW_NAMES = np.array([name_key(name) for name in _RAW_ELEMENTS], np.int64)
_MAX_TAG_BYTES = 4096  # a longer tag (a picture in a data URI) says nothing of interest here
_BATCH_TAGS = 256  # tags that one call of the kernel finds
_ATTRIBUTE = re.compile(
    rb"(?<![a-zA-Z0-9:_-])[0-9:_-]*+([a-zA-Z][a-zA-Z0-9:_-]*+)\s*+=\s*+(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))"
)


def find_tags(html: bytes, wanted: tuple[str, ...], last: str = "") -> np.ndarray:
    """Start tags of the names `wanted`, up to a tag named `last`.

    Returns (n, 3) int64: index into `wanted`, and the offsets where its attributes begin and end. Names have eight
    letters at most. Time is linear in the size of the page.
    """
    data, batch, batches = np.frombuffer(html, np.uint8), np.empty((_BATCH_TAGS, 3), np.int64), []
    wanted_names = np.array([name_key(name) for name in wanted], np.int64)
    never_closed = np.zeros(len(_RAW_ELEMENTS) + 1, np.bool_)
    count, position = _BATCH_TAGS, 0
    while count == _BATCH_TAGS:
        count, position = _find_tags(data, position, wanted_names, name_key(last), never_closed, batch)
        batches.append(batch[:count].copy())
    return np.concatenate(batches)


def parse_attributes(inner: bytes) -> dict[str, str]:
    """Attributes of a tag, names in lower case. `inner` is the tag without its name; the first of two names counts."""
    attributes: dict[str, str] = {}
    for name, double_quoted, single_quoted, unquoted in _ATTRIBUTE.findall(inner):
        if (lower := name.lower().decode()) not in attributes:
            attributes[lower] = unescape((double_quoted or single_quoted or unquoted).decode("utf-8", "replace"))
    return attributes


@njit(cache=True, nogil=True)
def _tag_end(data, position):
    """Offset of the `>` that ends the tag whose attributes start at `position`, -1 if there is none nearby.

    As in an HTML tokenizer, quotes count only after `=`, and only if they are closed.
    """
    stop = min(len(data), position + _MAX_TAG_BYTES)
    while position < stop:
        byte = data[position]
        if byte == GREATER_THAN:
            return position
        position += 1
        if byte == EQUALS:
            while position < stop and is_blank(data[position]):
                position += 1
            if position < stop and (data[position] == DOUBLE_QUOTE or data[position] == SINGLE_QUOTE):
                end = position + 1
                while end < stop and data[end] != data[position]:
                    end += 1
                position = end + 1 if end < stop else position
    return -1


@njit(cache=True, nogil=True)
def _index_of(names, name):
    for i in range(len(names)):
        if names[i] == name:
            return i
    return -1


@njit(cache=True, nogil=True)
def _find_tags(data, position, wanted_names, last_name, never_closed, batch):
    """Fill `batch` with the next tags: index into `wanted_names`, begin and end of the attributes.

    `never_closed` marks elements (and comments, the last entry) that nothing closes from here on; they are text.
    Returns (number of tags, offset where to go on).
    """
    count = 0
    position = find_byte(data, position, len(data), LESS_THAN)
    while position < len(data) and count < len(batch):
        position += 1
        raw, after = -1, position
        is_comment = position + 2 < len(data) and data[position] == EXCLAMATION
        if is_comment and data[position + 1] == HYPHEN and data[position + 2] == HYPHEN:
            raw, after = len(_RAW_NAMES), position + 3
        else:
            name, after = read_tag_name(data, position)
            if name == last_name and name != 0:
                return count, len(data)
            raw = _index_of(_RAW_NAMES, name)
            wanted = _index_of(wanted_names, name)
            end = _tag_end(data, after) if raw < 0 and wanted >= 0 and name != 0 else -1
            if end >= 0:
                batch[count, 0], batch[count, 1], batch[count, 2] = wanted, after, end
                count, after = count + 1, end + 1
        if raw >= 0 and not never_closed[raw]:
            end = comment_end(data, after) if raw == len(_RAW_NAMES) else element_end(data, after, name)
            never_closed[raw] = end < 0
            after = max(after, end)
        position = find_byte(data, after, len(data), LESS_THAN)
    return count, position
