"""Features of the blocks of one page, for the block classifier: a float32 matrix, one row a block, in linear time.

Nothing depends on a language or a site's name: shape of the text, links, elements around, class tokens (their learned
weights), sums over enclosing elements, repetition of the same path, neighbours, headings, place in the page.
Shallow text features after Kohlschütter et al., WSDM 2010 ("Boilerplate Detection using Shallow Text Features").
"""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars stand for int)

import numba
import numpy as np

from extract.block_nodes import (
    HEADING,
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
    N_TOK0,
    N_TOK1,
    Page,
)
from extract.block_tags import FNV_BASIS, FNV_PRIME, TAG, TAG_NAMES, look
from extract.block_text import (
    BREAKS,
    CAPS,
    CHARS,
    COMMAS,
    DIGITS,
    ENDER,
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

_LEVEL = np.array([int(n[1]) if n in ("h1", "h2", "h3", "h4", "h5", "h6") else 0 for n in TAG_NAMES], np.int32)
_CATEGORIES: tuple[str, ...] = (
    "p",
    "div",
    "li",
    "td",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "dd",
    "dt",
    "section",
    "article",
    "main",
)
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
H1, P = TAG["h1"], TAG["p"]
N_BITS = 21
OWN, ANCESTORS, NEIGHBOURS = 17, 5, 4
N_KINDS = 6
N_FEATURES = 175 + 3 * N_KINDS
N_SECOND = 33


def features(page: Page, data: bytes, vocabulary: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """(blocks, N_FEATURES) float32. `vocabulary`: hash table (codes, places) of class tokens, weights by place."""
    codes, places, weights = vocabulary
    title = np.frombuffer(data[page.title[0] : page.title[1]], np.uint8)
    kind = kinds(page.tokens, page.about, codes, places, weights)
    held = (page.text, page.blocks, page.nodes, page.paths, page.tokens)
    return _features(*held, title, codes, places, weights[:, 0].copy(), len(data), kind)


@numba.njit(cache=True, nogil=True)
def kinds(tokens, about, codes, places, weights):  # type: ignore[no-untyped-def]
    """(3 * kinds,) float32: mean, least and most weight for each kind of page over the page's distinct tokens."""
    n_kinds = weights.shape[1] - 1
    answer, seen, n = np.zeros(3 * n_kinds, np.float32), np.zeros(len(weights), np.bool_), 0
    for k in range(len(tokens) + len(about)):
        place = look(codes, places, tokens[k] if k < len(tokens) else about[k - len(tokens)])
        if place > 0 and not seen[place]:
            seen[place] = True
            n += 1
            for j in range(n_kinds):
                w = weights[place, j + 1]
                answer[j] += w
                answer[n_kinds + j] = min(answer[n_kinds + j], w)
                answer[2 * n_kinds + j] = max(answer[2 * n_kinds + j], w)
    answer[:n_kinds] /= max(1.0, np.sqrt(n))
    return answer


@numba.njit(cache=True, nogil=True)
def _slot(table: np.ndarray, keys: np.ndarray, key: np.uint64) -> int:
    """Place of `key` in an open-addressing table, or of the empty place where it belongs."""
    mask = np.uint64(len(table) - 1)
    place = np.uint64((key ^ (key >> np.uint64(29))) & mask)
    while table[place] >= 0 and keys[place] != key:
        place = np.uint64((place + np.uint64(1)) & mask)
    return np.int64(place)


@numba.njit(cache=True, nogil=True)
def groups(keys: np.ndarray) -> tuple[np.ndarray, int]:
    """Group number of each key, in order of first occurrence, and how many there are."""
    size = 16
    while size < 2 * len(keys) + 2:
        size *= 2
    table, held = np.full(size, -1, np.int64), np.zeros(size, np.uint64)
    group, n = np.empty(len(keys), np.int64), 0
    for i in range(len(keys)):
        place = _slot(table, held, keys[i])
        if table[place] < 0:
            table[place], held[place] = n, keys[i]
            n += 1
        group[i] = table[place]
    return group, n


@numba.njit(cache=True, nogil=True)
def _hashes(text: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    hashes = np.empty(len(blocks), np.uint64)
    for b in range(len(blocks)):
        code = np.uint64(FNV_BASIS)
        for k in range(blocks[b, T0], blocks[b, T1]):
            code = np.uint64((code ^ np.uint64(text[k])) * np.uint64(FNV_PRIME))
        hashes[b] = code
    return hashes


@numba.njit(cache=True, nogil=True)
def _words(text: np.ndarray, i: int, end: int, found: np.ndarray) -> int:
    """Hashes of the first len(found) words of text[i:end], ASCII letters lower-cased; how many."""
    n, code, inside = 0, np.uint64(FNV_BASIS), False
    while i <= end and n < len(found):
        c = np.int64(text[i]) if i < end else 32
        if 65 <= c <= 90:
            c |= 32
        if 97 <= c <= 122 or 48 <= c <= 57 or c >= 128:
            code, inside = np.uint64((code ^ np.uint64(c)) * np.uint64(FNV_PRIME)), True
        elif inside:
            found[n] = code
            n, code, inside = n + 1, np.uint64(FNV_BASIS), False
        i += 1
    return n


@numba.njit(cache=True, nogil=True)
def _token_scores(nodes, tokens, codes, places, weights):  # type: ignore[no-untyped-def]
    """(nodes, 7): sum, least, most of the node's own token weights; the same of its path; the nearest not 0."""
    score = np.zeros((len(nodes), 7), np.float32)
    for x in range(1, len(nodes)):
        parent = nodes[x, N_PARENT]
        total, least, most = np.float32(0), np.float32(0), np.float32(0)
        for k in range(nodes[x, N_TOK0] - 1, nodes[x, N_TOK1]):
            code = np.uint64(nodes[x, N_TAG] + 1) if k < nodes[x, N_TOK0] else tokens[k]
            place = look(codes, places, code)
            if place > 0:
                w = weights[place]
                total += w
                least, most = min(least, w), max(most, w)
        score[x, 0], score[x, 1], score[x, 2] = total, least, most
        score[x, 3] = score[parent, 3] + total
        score[x, 4], score[x, 5] = min(score[parent, 4], least), max(score[parent, 5], most)
        score[x, 6] = total if total != 0 else score[parent, 6]
    return score


@numba.njit(cache=True, nogil=True)
def _ratio(a: float, b: float) -> float:
    return a / b if b > 0 else 0.0


@numba.njit(cache=True, nogil=True)
def _sums(blocks: np.ndarray) -> np.ndarray:
    """Prefix sums over blocks: words, words in links, sentence ends, commas, words of long text blocks, paragraphs."""
    sums = np.zeros((len(blocks) + 1, 6), np.float64)
    for b in range(len(blocks)):
        words, link = blocks[b, WORDS], blocks[b, LINK_WORDS]
        long = words >= 10 and 3 * link < words
        sums[b + 1, 0] = sums[b, 0] + words
        sums[b + 1, 1] = sums[b, 1] + link
        sums[b + 1, 2] = sums[b, 2] + (1 if blocks[b, LAST] == ENDER else 0)
        sums[b + 1, 3] = sums[b, 3] + blocks[b, COMMAS]
        sums[b + 1, 4] = sums[b, 4] + (words if long else 0)
        sums[b + 1, 5] = sums[b, 5] + (1 if long else 0)
    return sums


@numba.njit(cache=True, nogil=True)
def _dominant(nodes: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, int]:
    """Marks the chain from the page to the innermost element that holds half of the long text; its last node."""
    on_chain = np.zeros(len(nodes), np.bool_)
    on_chain[0], last = True, 0
    total = sums[-1, 4] if sums[-1, 4] > 0 else 1.0
    for x in range(1, len(nodes)):
        inside = sums[nodes[x, N_B1], 4] - sums[nodes[x, N_B0], 4]
        if on_chain[nodes[x, N_PARENT]] and nodes[x, N_PARENT] == last and 2 * inside > total:
            on_chain[x], last = True, x
    return on_chain, last


@numba.njit(cache=True, nogil=True)
def _features(  # type: ignore[no-untyped-def]
    text, blocks, nodes, paths, tokens, title, codes, places, weights, n_bytes, kind
):
    n = len(blocks)
    x = np.zeros((n, N_FEATURES), np.float32)
    if n == 0:
        return x
    sums = _sums(blocks)
    score = _token_scores(nodes, tokens, codes, places, weights)
    on_chain, last = _dominant(nodes, sums)
    chain_depth = nodes[last, N_DEPTH]
    own_path = np.empty(n, np.uint64)
    up_path = np.empty(n, np.uint64)
    for b in range(n):
        node = blocks[b, NODE]
        own_path[b] = paths[node]
        up_path[b] = paths[nodes[nodes[node, N_PARENT], N_PARENT]]
    group, n_groups = groups(own_path)
    gsum = np.zeros((n_groups, 6), np.float64)
    same, n_same = groups(_hashes(text, blocks))
    copies = np.zeros(n_same, np.int64)
    upper, n_upper = groups(up_path)
    usum = np.zeros((n_upper, 3), np.float64)
    h1, n_h1 = -1, 0
    for b in range(n):
        g, words = group[b], blocks[b, WORDS]
        if gsum[g, 0] == 0:
            gsum[g, 4] = b
        gsum[g, 0] += 1
        gsum[g, 1] += words
        gsum[g, 2] += blocks[b, LINK_WORDS]
        gsum[g, 3] += 1 if blocks[b, LAST] == ENDER else 0
        gsum[g, 5] = b
        copies[same[b]] += 1
        u = upper[b]
        usum[u, 0] += 1
        usum[u, 1] += words
        usum[u, 2] += blocks[b, LINK_WORDS]
        if nodes[blocks[b, NODE], N_FLAGS] & HEADING:
            k = blocks[b, NODE]
            while k > 0 and _LEVEL[nodes[k, N_TAG]] == 0:
                k = nodes[k, N_PARENT]
            if nodes[k, N_TAG] == H1:
                h1 = b if h1 < 0 else h1
                n_h1 += 1
    title_words, found = np.zeros(48, np.uint64), np.zeros(48, np.uint64)
    n_title = _words(title, 0, len(title), title_words)
    total = max(sums[n, 0], 1.0)
    since, level, heading_score, words_since, heading_words = 0, 0, np.float32(0), 0.0, 0
    first_title = -1
    for b in range(n):
        row, r = x[b], blocks[b]
        node = np.int64(r[NODE])
        words, chars = r[WORDS], max(1, r[CHARS])
        row[0] = words
        row[1] = chars
        row[2] = _ratio(r[LINK_CHARS], chars)
        row[3] = r[LINKS]
        row[4] = _ratio(chars, words)
        row[5] = r[DIGITS] / chars
        row[6] = r[UPPER] / chars
        row[7] = r[COMMAS]
        row[8] = r[ENDERS]
        row[9] = r[LAST]
        row[10] = r[FIRST]
        row[11] = r[STRONG] / chars
        row[12] = r[BREAKS]
        row[13] = _ratio(r[CAPS], words)
        row[14] = r[SYMBOLS] / chars
        k, own_level = node, 0
        if nodes[node, N_FLAGS] & HEADING:
            while k > 0 and _LEVEL[nodes[k, N_TAG]] == 0:
                k = nodes[k, N_PARENT]
            own_level = _LEVEL[nodes[k, N_TAG]]
        row[15] = own_level
        row[16] = CATEGORY[nodes[node, N_TAG]]
        c = OWN
        for bit in range(N_BITS):
            row[c + bit] = 1 if nodes[node, N_FLAGS] & (1 << bit) else 0
        c += N_BITS
        row[c] = b / n
        row[c + 1] = sums[b, 0] / total
        row[c + 2] = min(b, 200)
        row[c + 3] = min(n - b, 200)
        row[c + 4] = r[POS] / max(1, n_bytes)
        row[c + 5] = nodes[node, N_DEPTH]
        row[c + 6] = total - sums[b, 0]
        row[c + 7] = sums[b, 0]
        c += 8
        up = node
        for a in range(ANCESTORS):
            b0, b1 = nodes[up, N_B0], nodes[up, N_B1]
            inside = sums[b1, 0] - sums[b0, 0]
            row[c] = inside
            row[c + 1] = _ratio(sums[b1, 1] - sums[b0, 1], inside)
            row[c + 2] = b1 - b0
            row[c + 3] = _ratio(inside, b1 - b0)
            row[c + 4] = _ratio(sums[b1, 2] - sums[b0, 2], b1 - b0)
            row[c + 5] = inside / total
            row[c + 6] = nodes[up, N_IMG1] - nodes[up, N_IMG0]
            row[c + 7] = nodes[up, N_INP1] - nodes[up, N_INP0]
            row[c + 8] = _ratio(sums[b1, 4] - sums[b0, 4], inside)
            row[c + 9] = (
                CATEGORY[nodes[up, N_TAG]] if a > 0 else nodes[up, N_DEPTH] - nodes[nodes[up, N_PARENT], N_DEPTH]
            )
            c += 10
            up = nodes[up, N_PARENT]
        for k in range(7):
            row[c + k] = score[node, k]
        row[c + 7] = score[nodes[node, N_PARENT], 0]
        row[c + 8] = score[nodes[nodes[node, N_PARENT], N_PARENT], 0]
        row[c + 9] = score[nodes[node, N_PARENT], 6]
        c += 10
        g = group[b]
        row[c] = gsum[g, 0]
        row[c + 1] = gsum[g, 1] / total
        row[c + 2] = gsum[g, 1] / gsum[g, 0]
        row[c + 3] = _ratio(gsum[g, 2], gsum[g, 1])
        row[c + 4] = gsum[g, 3] / gsum[g, 0]
        row[c + 5] = (gsum[g, 5] - gsum[g, 4]) / n
        row[c + 6] = (b - gsum[g, 4]) / max(1.0, gsum[g, 5] - gsum[g, 4])
        row[c + 7] = copies[same[b]]
        u = upper[b]
        row[c + 8] = usum[u, 0]
        row[c + 9] = usum[u, 1] / usum[u, 0]
        row[c + 10] = _ratio(usum[u, 2], usum[u, 1])
        c += 11
        for k in (-3, -2, -1, 1, 2, 3):
            other = b + k
            if 0 <= other < n:
                q = blocks[other]
                row[c] = q[WORDS]
                row[c + 1] = _ratio(q[LINK_CHARS], q[CHARS])
                row[c + 2] = 1 if q[LAST] == ENDER else 0
                row[c + 3] = (1 if own_path[other] == own_path[b] else 0) + (1 if q[NODE] == r[NODE] else 0)
            else:
                row[c] = -1
            c += 4
        for k in (3, 8, 20):
            lo, hi = max(0, b - k), min(n, b + k + 1)
            inside = sums[hi, 0] - sums[lo, 0]
            row[c] = inside / (hi - lo)
            row[c + 1] = _ratio(sums[hi, 1] - sums[lo, 1], inside)
            row[c + 2] = (sums[hi, 5] - sums[lo, 5]) / (hi - lo)
            c += 3
        if own_level > 0:
            since, level, heading_score, words_since, heading_words = 0, own_level, score[node, 3], 0.0, words
        row[c] = since
        row[c + 1] = level
        row[c + 2] = heading_score
        row[c + 3] = words_since
        row[c + 4] = heading_words
        since, words_since = since + 1, words_since + words
        row[c + 5] = b - h1 if h1 >= 0 else -999
        row[c + 6] = n_h1
        overlap = 0.0
        if n_title > 0 and words <= 48:
            n_words = _words(text, r[T0], r[T1], found)
            for k in range(n_words):
                for m in range(n_title):
                    if found[k] == title_words[m]:
                        overlap += 1
                        break
            row[c + 7] = overlap / max(1, n_words)
            row[c + 8] = overlap / n_title
            if first_title < 0 and 2 * overlap >= n_words and 5 * overlap >= 2 * n_title and n_words > 1:
                first_title = b
        row[c + 9] = b - first_title if first_title >= 0 else -999
        c += 10
        up = node
        while not on_chain[up]:
            up = nodes[up, N_PARENT]
        row[c] = chain_depth - nodes[up, N_DEPTH]
        row[c + 1] = nodes[node, N_DEPTH] - nodes[up, N_DEPTH]
        row[c + 2] = chain_depth
        row[c + 3] = _ratio(sums[nodes[last, N_B1], 0] - sums[nodes[last, N_B0], 0], total)
        row[c + 4] = b - nodes[last, N_B0]
        row[c + 5] = nodes[last, N_B1] - b
        c += 6
        row[c] = total
        row[c + 1] = sums[n, 1] / total
        row[c + 2] = n
        row[c + 3] = sums[n, 4] / total
        row[c + 4] = sums[n, 5]
        row[c + 5] = sums[n, 2] / n
        row[c + 6] = len(nodes)
        row[c + 7] = nodes[0, N_IMG1]
        row[c + 8] = nodes[0, N_INP1]
        c += 9
        row[c : c + len(kind)] = kind
    return x


@numba.njit(cache=True, nogil=True)
def second(blocks: np.ndarray, nodes: np.ndarray, paths: np.ndarray, p: np.ndarray) -> np.ndarray:
    """(blocks, N_SECOND) float32: what the first pass said (probabilities `p`) of neighbours, elements and path."""
    n = len(blocks)
    x = np.zeros((n, N_SECOND), np.float32)
    if n == 0:
        return x
    mass, words, plain = np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1)
    own_path = np.empty(n, np.uint64)
    for b in range(n):
        w = blocks[b, WORDS] + 1.0
        mass[b + 1], words[b + 1] = mass[b] + w * p[b], words[b] + w
        plain[b + 1] = plain[b] + p[b]
        own_path[b] = paths[blocks[b, NODE]]
    group, n_groups = groups(own_path)
    gsum = np.zeros((n_groups, 3))
    for b in range(n):
        gsum[group[b], 0] += (blocks[b, WORDS] + 1.0) * p[b]
        gsum[group[b], 1] += blocks[b, WORDS] + 1.0
        gsum[group[b], 2] += 1
    sure0, sure1 = n, -1
    for b in range(n):
        if p[b] > 0.6 and blocks[b, WORDS] > 4:
            sure0, sure1 = min(sure0, b), b
    heading = np.float32(0)
    nearest = np.full(n, 999, np.int64)
    gap = 999
    for b in range(n - 1, -1, -1):
        gap = 0 if p[b] > 0.6 and blocks[b, WORDS] > 4 else gap + 1
        nearest[b] = gap
    gap = 999
    for b in range(n):
        row, node = x[b], np.int64(blocks[b, NODE])
        row[0] = p[b]
        c = 1
        for k in (-4, -3, -2, -1, 1, 2, 3, 4):
            row[c] = p[b + k] if 0 <= b + k < n else -1
            c += 1
        for k in (3, 8, 20):
            lo, hi = max(0, b - k), min(n, b + k + 1)
            row[c] = (mass[hi] - mass[lo]) / (words[hi] - words[lo])
            row[c + 1] = (plain[hi] - plain[lo]) / (hi - lo)
            c += 2
        up = node
        for _ in range(6):
            b0, b1 = nodes[up, N_B0], nodes[up, N_B1]
            w = words[b1] - words[b0]
            row[c] = (mass[b1] - mass[b0]) / w if w > 0 else 0
            c += 1
            up = nodes[up, N_PARENT]
        g = group[b]
        row[c] = gsum[g, 0] / gsum[g, 1]
        row[c + 1] = gsum[g, 2]
        row[c + 2] = mass[n] / words[n]
        row[c + 3] = mass[b] / max(mass[n], 1e-6)
        row[c + 4] = b - sure0
        row[c + 5] = sure1 - b
        if nodes[node, N_FLAGS] & HEADING:
            heading = p[b]
        row[c + 6] = heading
        gap = 0 if p[b] > 0.6 and blocks[b, WORDS] > 4 else gap + 1
        row[c + 7] = gap
        row[c + 8] = nearest[b]
        row[c + 9] = mass[n]
        lo, hi = max(0, b - 4), b
        row[c + 10] = (mass[hi] - mass[lo]) / (words[hi] - words[lo]) if hi > lo else -1
        lo, hi = b + 1, min(n, b + 5)
        row[c + 11] = (mass[hi] - mass[lo]) / (words[hi] - words[lo]) if hi > lo else -1
        c += 12
    return x
