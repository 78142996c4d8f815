"""Features of the second pass: what the first pass said of a block's neighbours, elements, section and list."""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars stand for int)

import numpy as np

from extract.blocks.features.prefix_sums import groups, levels, records, sections
from extract.blocks.scan.nodes import N_B0, N_B1, N_PARENT, Page
from extract.blocks.scan.text_runs import NODE, WORDS
from pipeline.kernels.njit import njit

N_SECOND = 22 + 9 + 11
_SURE, _SURE_WORDS = 0.6, 4  # a block is surely main text above this probability and so many words


def second(page: Page, p: np.ndarray) -> np.ndarray:
    """(blocks, N_SECOND) float32 of the first pass's probabilities `p`."""
    return _second(page.blocks, page.nodes, page.paths, p)


@njit(cache=True, nogil=True)
def _second(blocks: np.ndarray, nodes: np.ndarray, paths: np.ndarray, p: np.ndarray) -> np.ndarray:
    n = len(blocks)
    x = np.zeros((N_SECOND, n), np.float32).T
    if n == 0:
        return x
    weight = blocks[:, WORDS] + 1.0
    mass, words, plain = np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1)
    for b in range(n):
        mass[b + 1], words[b + 1] = mass[b] + weight[b] * p[b], words[b] + weight[b]
        plain[b + 1] = plain[b] + p[b]
    c = _near(x, 0, blocks, nodes, p, mass, words, plain)
    c = _pooled(x, c, blocks, nodes, paths, p, weight)
    _run(x, c, blocks, p, mass, words)
    return x


@njit(cache=True, nogil=True)
def _near(x, c, blocks, nodes, p, mass, words, plain):  # type: ignore[no-untyped-def]
    """Neighbours one by one, windows, and enclosing elements."""
    n = len(blocks)
    for b in range(n):
        row, i = x[b, c:], 1
        row[0] = p[b]
        for k in (-4, -3, -2, -1, 1, 2, 3, 4):
            row[i] = p[b + k] if 0 <= b + k < n else -1
            i += 1
        for k in (3, 8, 20):
            lo, hi = max(0, b - k), min(n, b + k + 1)
            row[i] = (mass[hi] - mass[lo]) / (words[hi] - words[lo])
            row[i + 1] = (plain[hi] - plain[lo]) / (hi - lo)
            i += 2
        up = blocks[b, NODE]
        for _ in range(7):
            b0, b1 = nodes[up, N_B0], nodes[up, N_B1]
            row[i] = (mass[b1] - mass[b0]) / (words[b1] - words[b0]) if b1 > b0 else 0
            i += 1
            up = nodes[up, N_PARENT]
    return c + 22


@njit(cache=True, nogil=True)
def _pooled(x, c, blocks, nodes, paths, p, weight):  # type: ignore[no-untyped-def]
    """Blocks of the same path, of the same section, of the section around it, and cards of the same list."""
    n, level = len(blocks), levels(blocks, nodes)
    below, above = sections(level)
    card, size, _ = records(nodes, paths)
    keys = np.empty((4, n), np.uint64)
    for b in range(n):
        up, best = blocks[b, NODE], 0
        keys[0, b] = paths[up]
        for _ in range(8):
            if up > 0 and (best == 0 or size[card[up]] > size[card[best]]):
                best = up
            up = nodes[up, N_PARENT]
        h = below[b]
        keys[1, b] = np.uint64(h + 1)
        keys[2, b] = np.uint64(above[h] + 1 if h >= 0 else 0)
        keys[3, b] = np.uint64(card[best])
    for k in range(4):
        group, n_groups = groups(keys[k])
        held = np.zeros((n_groups, 3))
        for b in range(n):
            held[group[b], 0] += weight[b] * p[b]
            held[group[b], 1] += weight[b]
            held[group[b], 2] += 1
        for b in range(n):
            x[b, c + 2 * k] = held[group[b], 0] / held[group[b], 1]
            x[b, c + 2 * k + 1] = held[group[b], 2]
    for b in range(n):
        x[b, c + 8] = p[below[b]] if below[b] >= 0 else -1
    return c + 9


@njit(cache=True, nogil=True)
def _run(x, c, blocks, p, mass, words):  # type: ignore[no-untyped-def]
    """How much main text there is in all, before and after, and where the nearest sure block is."""
    n = len(blocks)
    sure0, sure1, gap = n, -1, 999
    for b in range(n - 1, -1, -1):
        sure = p[b] > _SURE and blocks[b, WORDS] > _SURE_WORDS
        gap = 0 if sure else gap + 1
        x[b, c + 9] = gap
        if sure:
            sure0, sure1 = b, max(sure1, b)
    gap = 999
    for b in range(n):
        row = x[b, c:]
        gap = 0 if p[b] > _SURE and blocks[b, WORDS] > _SURE_WORDS else gap + 1
        row[0] = mass[n] / words[n]
        row[1] = mass[b] / max(mass[n], 1e-6)
        row[2] = mass[n]
        row[3] = b - sure0
        row[4] = sure1 - b
        lo, hi = max(0, b - 4), min(n, b + 5)
        row[5] = (mass[b] - mass[lo]) / (words[b] - words[lo]) if b > lo else -1
        row[6] = (mass[hi] - mass[b + 1]) / (words[hi] - words[b + 1]) if hi > b + 1 else -1
        row[7] = gap
        row[8] = mass[b]
        row[10] = mass[n] - mass[b + 1]
