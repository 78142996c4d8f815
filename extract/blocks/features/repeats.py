"""Features of repetition: blocks of the same path or text, and the cards of lists. Kernels of `block_features`."""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars stand for int)

import numpy as np

from extract.blocks.features.prefix_sums import groups, hashes, ratio, records
from extract.blocks.scan.characters import ENDER
from extract.blocks.scan.nodes import N_B0, N_B1, N_PARENT
from extract.blocks.scan.text_runs import LAST, LINK_WORDS, NODE, WORDS
from pipeline.kernels.njit import njit


@njit(cache=True, nogil=True)
def repeated(x, c, text, blocks, nodes, paths, total):  # type: ignore[no-untyped-def]
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
def cards(x, c, blocks, nodes, paths, total):  # type: ignore[no-untyped-def]
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
