"""Text as a quality classifier reads it: words and basic punctuation, in chunks of comparable length.

References and crawl often come from different extractors. So whatever tells sources apart rather than quality is
removed in the same way on both sides: case, layout, markup, kinds of quotes and dashes, figures (`0` for every digit),
length.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import WORD, buffers, class_of, classes, decode, encode, lowered

_SOFT_HYPHEN, _UNDERSCORE, _SPACE, _DIGIT_0, _DIGIT_9 = 0xAD, 95, 32, 48, 57


class PlainTexts(NamedTuple):
    """Normalized texts of d documents, t tokens in all, separated by one space."""

    data: bytes
    token: np.ndarray  # (t + 1,) int64: where each token begins; the last entry is one behind the end
    first: np.ndarray  # (d + 1,) int64: tokens of document i are first[i] to first[i + 1]

    def token_counts(self) -> np.ndarray:
        """Tokens of each document, (d,)."""
        return np.diff(self.first)

    def chunks(self, document: int, size: int, limit: int) -> list[str]:
        """At most `limit` chunks of `size` to 2 * size - 1 tokens (a shorter text is one), evenly spread."""
        begin, tokens = int(self.first[document]), int(self.first[document + 1] - self.first[document])
        count = max(1, tokens // size)
        chosen = range(count) if count <= limit else [i * count // limit for i in range(limit)]
        bounds = [(begin + i * tokens // count, begin + (i + 1) * tokens // count) for i in chosen]
        return [self.data[self.token[start] : self.token[end] - 1].decode() for start, end in bounds if end > start]


def plain_texts(column: pa.Array | pa.ChunkedArray) -> PlainTexts:
    """Return texts in lower case, with every digit as 0 and of punctuation only `. , ; : ! ?`.

    In scripts without spaces a character is a word. Underscores are removed: fastText would read `__label__` in a text
    as a label.
    """
    data, token, first = _normalize(*buffers(column), classes(), lowered())
    return PlainTexts(data.tobytes(), token, first)


@njit(cache=True, nogil=True)
def _normalize(data, offsets, char_classes, lower):
    size = offsets[-1] - offsets[0]
    out, token, first = np.empty(2 * size + 8, np.uint8), np.empty(size + 1, np.int64), np.zeros(len(offsets), np.int64)
    length, tokens = 0, 0
    for document in range(len(offsets) - 1):
        position, is_in_word = offsets[document], False
        while position < offsets[document + 1]:
            point, position = decode(data, position)
            kind = class_of(point, char_classes)
            if point == _SOFT_HYPHEN:  # does not end its word
                continue
            is_mark = point in (33, 44, 46, 58, 59, 63)  # ! , . : ; ?
            if (kind >= WORD and point != _UNDERSCORE) or is_mark:
                if not is_in_word or kind != WORD:
                    if length:
                        out[length] = _SPACE
                        length += 1
                    token[tokens] = length
                    tokens += 1
                folded = lower[point] if point < np.uint32(0x20000) else point
                is_digit = _DIGIT_0 <= point <= _DIGIT_9
                length = encode(out, length, np.uint32(_DIGIT_0) if is_digit else np.uint32(folded))
                is_in_word = kind == WORD
            else:
                is_in_word = False
        first[document + 1] = tokens
    token[tokens] = length + 1
    return out[:length], token[: tokens + 1], first
