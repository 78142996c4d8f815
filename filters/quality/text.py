"""Text as a quality classifier sees it: words and plain punctuation, in chunks of comparable length.

References and crawl often come from different extractors, so whatever tells sources apart rather than quality is taken
away in the same way on both sides: case, layout, markup, kinds of quotes and dashes, figures (`0` for every digit),
length.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import buffers, class_of, classes, decode, encode, lowered


class Plain(NamedTuple):
    """Normalised texts of d documents, t tokens in all, one space between two of them."""

    data: bytes
    token: np.ndarray  # (t + 1,) int64: where each token begins; the last entry is behind the end
    first: np.ndarray  # (d + 1,) int64: tokens of document i are first[i] to first[i + 1]

    def tokens(self) -> np.ndarray:
        """(d,) tokens of each document."""
        return np.diff(self.first)

    def chunks(self, document: int, size: int, most: int) -> list[str]:
        """Consecutive chunks of size to 2 * size - 1 tokens (a shorter text is one), `most` of them, evenly spread."""
        begin, n = int(self.first[document]), int(self.first[document + 1] - self.first[document])
        count = max(1, n // size)
        kept = range(count) if count <= most else [i * count // most for i in range(most)]
        bounds = [(begin + i * n // count, begin + (i + 1) * n // count) for i in kept]
        return [self.data[self.token[a] : self.token[b] - 1].decode() for a, b in bounds if b > a]


def plain(column: pa.Array | pa.ChunkedArray) -> Plain:
    """Lower-cased words, every digit as 0, and `. , ; : ! ?`; in scripts without spaces a character is a word.

    Everything else goes, underscores too (fastText would read `__label__` in a text as a label).
    """
    data, token, first = _plain(*buffers(column), classes(), lowered())
    return Plain(data.tobytes(), token, first)


@njit(cache=True, nogil=True)
def _plain(data, offsets, table, lower):
    size = offsets[-1] - offsets[0]
    out, token, first = np.empty(2 * size + 8, np.uint8), np.empty(size + 1, np.int64), np.zeros(len(offsets), np.int64)
    n, t = 0, 0
    for d in range(len(offsets) - 1):
        at, inside = offsets[d], False
        while at < offsets[d + 1]:
            point, at = decode(data, at)
            kind = class_of(point, table)
            if point == 0xAD:  # a soft hyphen does not end its word
                continue
            mark = point in (33, 44, 46, 58, 59, 63)
            if (kind >= 2 and point != 95) or mark:
                if not inside or kind != 2:
                    if n:
                        out[n] = 32
                        n += 1
                    token[t] = n
                    t += 1
                folded = lower[point] if point < np.uint32(0x20000) else point
                n = encode(out, n, np.uint32(48) if 48 <= point <= 57 else np.uint32(folded))
                inside = kind == 2
            else:
                inside = False
        first[d + 1] = t
    token[t] = n + 1
    return out[:n], token[: t + 1], first
