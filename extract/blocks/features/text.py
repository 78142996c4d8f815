"""Features of what is said: learned weights of classes and words, the headings above, the title. Kernels of
`block_features`."""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars stand for int)

import numpy as np

from extract.blocks.features.prefix_sums import ratio, sections
from extract.blocks.features.token_weights import title_words
from extract.blocks.scan.nodes import N_B0, N_B1, N_PARENT
from extract.blocks.scan.text_runs import NODE, T0, T1, WORDS
from pipeline.kernels.njit import njit


@njit(cache=True, nogil=True)
def said_by_classes(x, c, blocks, nodes, score):  # type: ignore[no-untyped-def]
    for b in range(len(blocks)):
        node = blocks[b, NODE]
        parent = nodes[node, N_PARENT]
        x[b, c : c + 7] = score[node]
        x[b, c + 7] = score[parent, 0]
        x[b, c + 8] = score[nodes[parent, N_PARENT], 0]
        x[b, c + 9] = score[parent, 6]
    return c + 10


@njit(cache=True, nogil=True)
def said_by_words(x, c, blocks, nodes, level, words, below):  # type: ignore[no-untyped-def]
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
def headings(x, c, text, blocks, level, score, title):  # type: ignore[no-untyped-def]
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
