"""Features of the blocks of one page, for the block classifier: a float32 matrix, one row a block, in linear time.

Shape of the text, links, elements around, learned weights of class tokens and of words in short blocks and headings
(token_weights.py), sums over enclosing elements, repetition of the same path, neighbours, headings, place in the
page. Shallow text features after Kohlschütter et al., WSDM 2010 ("Boilerplate Detection using Shallow Text Features").
Each kernel, here and in `block_repeats` and `block_said`, fills some columns and returns the number of the next one.
"""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars stand for int)

import numpy as np

from extract.blocks.features.prefix_sums import dominant, levels, ratio, sums
from extract.blocks.features.repeats import cards, repeated
from extract.blocks.features.text import headings, said_by_classes, said_by_words
from extract.blocks.features.token_weights import BELOW, block_tokens, kinds, token_scores, word_scores
from extract.blocks.scan.characters import ENDER
from extract.blocks.scan.nodes import (
    N_B0,
    N_B1,
    N_DEPTH,
    N_FLAGS,
    N_IMG0,
    N_IMG1,
    N_INP0,
    N_INP1,
    N_PARENT,
    N_TAG,
    Page,
)
from extract.blocks.scan.tags import TAG_NAMES
from extract.blocks.scan.text_runs import (
    BREAKS,
    CAPS,
    CHARS,
    COMMAS,
    DIGITS,
    ENDERS,
    FIRST,
    LAST,
    LINK_CHARS,
    LINKS,
    NODE,
    POS,
    STRONG,
    SYMBOLS,
    UPPER,
    WORDS,
)
from pipeline.kernels.njit import njit

_CATEGORIES = "p div li td h1 h2 h3 h4 h5 h6 dd dt section article main ul ol tr th table tbody figure figcaption"
_CATEGORIES += " blockquote pre form label button nav header footer aside dl fieldset option summary details center"
_PLACE = {name: k for k, name in enumerate(_CATEGORIES.split(), 1)}
CATEGORY = np.array([_PLACE.get(name, 0) for name in TAG_NAMES], np.int32)
N_BITS = 21  # flags of an element
ANCESTORS = 5  # elements around a block, its own first
N_KINDS = 6  # of pages
# columns by kernel, in the order of `_features`
N_FEATURES = 17 + N_BITS + 8 + 10 * ANCESTORS + 10 + 12 + 24 + 9 + 10 + 6 + 9 + 22 + 12 + 3 * N_KINDS
Vocabulary = tuple[np.ndarray, np.ndarray, np.ndarray]


def features(page: Page, data: bytes, vocabulary: Vocabulary, room: int = 0) -> np.ndarray:
    """(blocks, N_FEATURES + room) float32, each column contiguous, the last `room` 0.

    `vocabulary`: hash table (codes, places) of tokens, weights by place.
    """
    title = np.frombuffer(data[page.title[0] : page.title[1]], np.uint8)
    tokens, starts = block_tokens(page.text, page.blocks)
    return _features(tuple(page[:6]), title, tokens, starts, vocabulary, len(data), room)


@njit(cache=True, nogil=True)
def _features(held, title, tokens, starts, vocabulary, n_bytes, room):  # type: ignore[no-untyped-def]
    text, blocks, nodes, paths, classes, about = held
    codes, places, all_weights = vocabulary
    n, weights = len(blocks), all_weights[:, 0]
    x = np.zeros((N_FEATURES + room, n), np.float32).T
    if n == 0:
        return x
    total, level = sums(blocks), levels(blocks, nodes)
    score = token_scores(nodes, classes, codes, places, weights)
    words = word_scores(tokens, starts, np.uint64(0), codes, places, weights)
    below = word_scores(tokens, starts, BELOW, codes, places, weights)
    c = _own(x, 0, blocks, nodes, level)
    c = _place(x, c, blocks, nodes, total, n_bytes)
    c = _around(x, c, blocks, nodes, total)
    c = said_by_classes(x, c, blocks, nodes, score)
    c = repeated(x, c, text, blocks, nodes, paths, total)
    c = _neighbours(x, c, blocks, nodes, paths, total)
    c = headings(x, c, text, blocks, level, score, title)
    c = _chain(x, c, blocks, nodes, total)
    c = _page(x, c, nodes, total)
    c = said_by_words(x, c, blocks, nodes, level, words, below)
    c = cards(x, c, blocks, nodes, paths, total)
    x[:, c:N_FEATURES] = kinds((classes, about, tokens), codes, places, all_weights)
    return x


@njit(cache=True, nogil=True)
def _own(x, c, blocks, nodes, level):  # type: ignore[no-untyped-def]
    for b in range(len(blocks)):
        row, r = x[b, c:], blocks[b]
        words, chars = r[WORDS], max(1, r[CHARS])
        row[0] = words
        row[1] = chars
        row[2] = ratio(r[LINK_CHARS], chars)
        row[3] = r[LINKS]
        row[4] = ratio(chars, words)
        row[5] = r[DIGITS] / chars
        row[6] = r[UPPER] / chars
        row[7] = r[COMMAS]
        row[8] = r[ENDERS]
        row[9] = r[LAST]
        row[10] = r[FIRST]
        row[11] = r[STRONG] / chars
        row[12] = r[BREAKS]
        row[13] = ratio(r[CAPS], words)
        row[14] = r[SYMBOLS] / chars
        row[15] = level[b]
        row[16] = CATEGORY[nodes[r[NODE], N_TAG]]
        for bit in range(N_BITS):
            row[17 + bit] = 1 if nodes[r[NODE], N_FLAGS] & (1 << bit) else 0
    return c + 17 + N_BITS


@njit(cache=True, nogil=True)
def _place(x, c, blocks, nodes, total, n_bytes):  # type: ignore[no-untyped-def]
    n, words = len(blocks), max(total[-1, 0], 1.0)
    for b in range(n):
        row = x[b, c:]
        row[0] = b / n
        row[1] = total[b, 0] / words
        row[2] = min(b, 200)
        row[3] = min(n - b, 200)
        row[4] = blocks[b, POS] / max(1, n_bytes)
        row[5] = nodes[blocks[b, NODE], N_DEPTH]
        row[6] = words - total[b, 0]
        row[7] = total[b, 0]
    return c + 8


@njit(cache=True, nogil=True)
def _around(x, c, blocks, nodes, total):  # type: ignore[no-untyped-def]
    """The element that a block is in, and those around it: words, links, pictures, inputs in each."""
    words = max(total[-1, 0], 1.0)
    for b in range(len(blocks)):
        up = blocks[b, NODE]
        for a in range(ANCESTORS):
            row, b0, b1 = x[b, c + 10 * a :], nodes[up, N_B0], nodes[up, N_B1]
            inside = total[b1, 0] - total[b0, 0]
            row[0] = inside
            row[1] = ratio(total[b1, 1] - total[b0, 1], inside)
            row[2] = b1 - b0
            row[3] = ratio(inside, b1 - b0)
            row[4] = ratio(total[b1, 2] - total[b0, 2], b1 - b0)
            row[5] = inside / words
            row[6] = nodes[up, N_IMG1] - nodes[up, N_IMG0]
            row[7] = nodes[up, N_INP1] - nodes[up, N_INP0]
            row[8] = ratio(total[b1, 4] - total[b0, 4], inside)
            parent = nodes[up, N_PARENT]
            row[9] = CATEGORY[nodes[up, N_TAG]] if a > 0 else nodes[up, N_DEPTH] - nodes[parent, N_DEPTH]
            up = parent
    return c + 10 * ANCESTORS


@njit(cache=True, nogil=True)
def _neighbours(x, c, blocks, nodes, paths, total):  # type: ignore[no-untyped-def]
    n = len(blocks)
    for b in range(n):
        node, i = blocks[b, NODE], c
        for k in (-3, -2, -1, 1, 2, 3):
            row, other = x[b, i:], b + k
            if 0 <= other < n:
                q = blocks[other]
                row[0] = q[WORDS]
                row[1] = ratio(q[LINK_CHARS], q[CHARS])
                row[2] = 1 if q[LAST] == ENDER else 0
                row[3] = (1 if paths[q[NODE]] == paths[node] else 0) + (1 if q[NODE] == node else 0)
            else:
                row[0] = -1
            i += 4
        for k in (3, 8, 20):
            row, lo, hi = x[b, i:], max(0, b - k), min(n, b + k + 1)
            inside = total[hi, 0] - total[lo, 0]
            row[0] = inside / (hi - lo)
            row[1] = ratio(total[hi, 1] - total[lo, 1], inside)
            row[2] = (total[hi, 5] - total[lo, 5]) / (hi - lo)
            i += 3
    return c + 33


@njit(cache=True, nogil=True)
def _chain(x, c, blocks, nodes, total):  # type: ignore[no-untyped-def]
    """Where a block is from the chain of elements that holds most of the long text."""
    on_chain, last = dominant(nodes, total)
    depth, share = nodes[last, N_DEPTH], total[nodes[last, N_B1], 0] - total[nodes[last, N_B0], 0]
    for b in range(len(blocks)):
        row, node = x[b, c:], blocks[b, NODE]
        up = node
        while not on_chain[up]:
            up = nodes[up, N_PARENT]
        row[0] = depth - nodes[up, N_DEPTH]
        row[1] = nodes[node, N_DEPTH] - nodes[up, N_DEPTH]
        row[2] = depth
        row[3] = ratio(share, max(total[-1, 0], 1.0))
        row[4] = b - nodes[last, N_B0]
        row[5] = nodes[last, N_B1] - b
    return c + 6


@njit(cache=True, nogil=True)
def _page(x, c, nodes, total):  # type: ignore[no-untyped-def]
    n, words = len(x), max(total[-1, 0], 1.0)
    x[:, c] = words
    x[:, c + 1] = total[n, 1] / words
    x[:, c + 2] = n
    x[:, c + 3] = total[n, 4] / words
    x[:, c + 4] = total[n, 5]
    x[:, c + 5] = total[n, 2] / n
    x[:, c + 6] = len(nodes)
    x[:, c + 7] = nodes[0, N_IMG1]
    x[:, c + 8] = nodes[0, N_INP1]
    return c + 9
