"""Features of the blocks of one page, for the block classifier: a float32 matrix, one row a block, in linear time.

Shape of the text, links, elements around, learned weights of class tokens and of words in short blocks and headings
(extract/block_words.py), sums over enclosing elements, repetition of the same path, neighbours, headings, place in the
page. Shallow text features after Kohlschütter et al., WSDM 2010 ("Boilerplate Detection using Shallow Text Features").
Each kernel below fills some columns and returns the number of the next one.
"""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars stand for int)

import numpy as np

from extract.block_characters import ENDER
from extract.block_nodes import (
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
from extract.block_sums import dominant, groups, hashes, levels, ratio, records, sections, sums
from extract.block_tags import TAG_NAMES
from extract.block_text import (
    BREAKS,
    CAPS,
    CHARS,
    COMMAS,
    DIGITS,
    ENDERS,
    FIRST,
    LAST,
    LINK_CHARS,
    LINK_WORDS,
    LINKS,
    NODE,
    POS,
    STRONG,
    SYMBOLS,
    T0,
    T1,
    UPPER,
    WORDS,
)
from extract.block_words import BELOW, block_tokens, kinds, title_words, token_scores, word_scores
from pipeline.kernels import njit

_CATEGORIES = ("p", "div", "li", "td", "h1", "h2", "h3", "h4", "h5", "h6", "dd", "dt", "section", "article", "main")
_CATEGORIES += ("ul", "ol", "tr", "th", "table", "tbody", "figure", "figcaption", "blockquote", "pre", "form", "label")
_CATEGORIES += (
    "button",
    "nav",
    "header",
    "footer",
    "aside",
    "dl",
    "fieldset",
    "option",
    "summary",
    "details",
    "center",
)
CATEGORY = np.array([_CATEGORIES.index(n) + 1 if n in _CATEGORIES else 0 for n in TAG_NAMES], np.int32)
N_BITS = 21
ANCESTORS = 5
N_KINDS = 6
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
    c = _classes(x, c, blocks, nodes, score)
    c = _repeated(x, c, text, blocks, nodes, paths, total)
    c = _neighbours(x, c, blocks, nodes, paths, total)
    c = _headings(x, c, text, blocks, level, score, title)
    c = _chain(x, c, blocks, nodes, total)
    c = _page(x, c, nodes, total)
    c = _words(x, c, blocks, nodes, level, words, below)
    c = _records(x, c, blocks, nodes, paths, total)
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
def _classes(x, c, blocks, nodes, score):  # type: ignore[no-untyped-def]
    for b in range(len(blocks)):
        node = blocks[b, NODE]
        parent = nodes[node, N_PARENT]
        x[b, c : c + 7] = score[node]
        x[b, c + 7] = score[parent, 0]
        x[b, c + 8] = score[nodes[parent, N_PARENT], 0]
        x[b, c + 9] = score[parent, 6]
    return c + 10


@njit(cache=True, nogil=True)
def _repeated(x, c, text, blocks, nodes, paths, total):  # type: ignore[no-untyped-def]
    """Blocks of the same path, of the same text, and of the same path two elements up."""
    n, words = len(blocks), max(total[-1, 0], 1.0)
    own_path, up_path = np.empty(n, np.uint64), np.empty(n, np.uint64)
    for b in range(n):
        node = blocks[b, NODE]
        own_path[b], up_path[b] = paths[node], paths[nodes[nodes[node, N_PARENT], N_PARENT]]
    group, n_groups = groups(own_path)
    same, n_same = groups(hashes(text, blocks))
    upper, n_upper = groups(up_path)
    own, copies, up = np.zeros((n_groups, 6), np.float64), np.zeros(n_same, np.int64), np.zeros((n_upper, 3))
    order = np.zeros(n, np.int64)
    for b in range(n):
        g, u, r = group[b], upper[b], blocks[b]
        if own[g, 0] == 0:
            own[g, 4] = b
        own[g, 0] += 1
        own[g, 1] += r[WORDS]
        own[g, 2] += r[LINK_WORDS]
        own[g, 3] += 1 if r[LAST] == ENDER else 0
        own[g, 5] = b
        order[b] = copies[same[b]]
        copies[same[b]] += 1
        up[u, 0] += 1
        up[u, 1] += r[WORDS]
        up[u, 2] += r[LINK_WORDS]
    for b in range(n):
        row, g, u = x[b, c:], own[group[b]], up[upper[b]]
        row[0] = g[0]
        row[1] = g[1] / words
        row[2] = g[1] / g[0]
        row[3] = ratio(g[2], g[1])
        row[4] = g[3] / g[0]
        row[5] = (g[5] - g[4]) / n
        row[6] = (b - g[4]) / max(1.0, g[5] - g[4])
        row[7] = copies[same[b]]
        row[8] = u[0]
        row[9] = u[1] / u[0]
        row[10] = ratio(u[2], u[1])
        row[11] = order[b]
    return c + 12


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
def _headings(x, c, text, blocks, level, score, title):  # type: ignore[no-untyped-def]
    """The heading above, the first `h1`, the title's words."""
    wanted, found = np.zeros(48, np.uint64), np.zeros(48, np.uint64)
    n_title = title_words(title, 0, len(title), wanted)
    h1, n_h1, first_title = -1, 0, -1
    for b in range(len(blocks)):
        if level[b] == 1:
            h1 = b if h1 < 0 else h1
            n_h1 += 1
    since, above, above_score, words_since, above_words = 0, 0, np.float32(0), 0.0, 0
    for b in range(len(blocks)):
        row, r = x[b, c:], blocks[b]
        words = r[WORDS]
        if level[b] > 0:
            since, above, above_score, words_since, above_words = 0, level[b], score[r[NODE], 3], 0.0, words
        row[0] = since
        row[1] = above
        row[2] = above_score
        row[3] = words_since
        row[4] = above_words
        since, words_since = since + 1, words_since + words
        row[5] = b - h1 if h1 >= 0 else -999
        row[6] = n_h1
        if n_title > 0 and words <= 48:
            n_words, overlap = title_words(text, r[T0], r[T1], found), 0.0
            for k in range(n_words):
                for m in range(n_title):
                    if found[k] == wanted[m]:
                        overlap += 1
                        break
            row[7] = overlap / max(1, n_words)
            row[8] = overlap / n_title
            if first_title < 0 and 2 * overlap >= n_words and 5 * overlap >= 2 * n_title and n_words > 1:
                first_title = b
        row[9] = b - first_title if first_title >= 0 else -999
    return c + 10


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


@njit(cache=True, nogil=True)
def _words(x, c, blocks, nodes, level, words, below):  # type: ignore[no-untyped-def]
    """What the block's words, its neighbours', and the headings above it say."""
    n = len(blocks)
    under, above = sections(level)
    run = np.zeros(n + 1, np.float64)
    for b in range(n):
        run[b + 1] = run[b] + words[b, 0] + words[b, 3]
    for b in range(n):
        row = x[b, c:]
        row[:4] = words[b]
        h = under[b]
        least, most = np.float32(0), np.float32(0)
        if h >= 0:
            row[4:8] = below[h]
            row[8] = below[above[h], 0] + below[above[h], 3] if above[h] >= 0 else 0
            while h >= 0:
                said = below[h, 0] + below[h, 3]
                least, most = min(least, said), max(most, said)
                h = above[h]
        row[9], row[10] = least, most
        i = 11
        for k in (-2, -1, 1, 2):
            row[i] = words[b + k, 0] + words[b + k, 3] if 0 <= b + k < n else 0
            i += 1
        for k in (4, 12):
            lo, hi = max(0, b - k), min(n, b + k + 1)
            row[i] = (run[hi] - run[lo]) / (hi - lo)
            i += 1
        up = blocks[b, NODE]
        for _ in range(5):
            row[i] = ratio(run[nodes[up, N_B1]] - run[nodes[up, N_B0]], nodes[up, N_B1] - nodes[up, N_B0])
            up = nodes[up, N_PARENT]
            i += 1
    return c + 22


@njit(cache=True, nogil=True)
def _records(x, c, blocks, nodes, paths, total):  # type: ignore[no-untyped-def]
    """The card of a list that a block is in: among its ancestors the one with most siblings of its own path."""
    group, size, n_groups = records(nodes, paths)
    held = np.zeros((n_groups, 4), np.float64)  # words, words in links, blocks, elements so far
    place = np.zeros(len(nodes), np.int64)
    for k in range(1, len(nodes)):
        g, b0, b1 = group[k], nodes[k, N_B0], nodes[k, N_B1]
        if b1 > b0:
            held[g, 0] += total[b1, 0] - total[b0, 0]
            held[g, 1] += total[b1, 1] - total[b0, 1]
            held[g, 2] += b1 - b0
            place[k] = held[g, 3]
            held[g, 3] += 1
    words, most, biggest = max(total[-1, 0], 1.0), 0.0, 0
    for g in range(n_groups):
        if size[g] >= 3 and held[g, 0] > most:
            most, biggest = held[g, 0], g
    for b in range(len(blocks)):
        row, up, best, up_by = x[b, c:], blocks[b, NODE], 0, 0
        for k in range(8):
            if up > 0 and (best == 0 or size[group[up]] > size[group[best]]):
                best, up_by = up, k
            up = nodes[up, N_PARENT]
        g = group[best]
        row[0] = size[g]
        row[1] = up_by
        row[2] = held[g, 0] / max(1, size[g])
        row[3] = ratio(held[g, 1], held[g, 0])
        row[4] = held[g, 2] / max(1, size[g])
        row[5] = held[g, 0] / words
        row[6] = place[best]
        row[7] = size[biggest] if most > 0 else 0
        row[8] = most / words
        row[9] = ratio(held[biggest, 1], most)
        row[10] = most / max(1, size[biggest])
        row[11] = 1 if g == biggest else 0
    return c + 12
