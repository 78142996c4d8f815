"""Sums over the blocks of one page: groups of equal keys, running totals, the chain of elements that holds the text."""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars stand for int)

import numpy as np

from extract.blocks.scan.byte_kernels import step
from extract.blocks.scan.characters import ENDER
from extract.blocks.scan.nodes import HEADING, N_B0, N_B1, N_FLAGS, N_PARENT, N_TAG
from extract.blocks.scan.tags import TAG_NAMES
from extract.blocks.scan.text_runs import COMMAS, LAST, LINK_WORDS, NODE, T0, T1, WORDS
from pipeline.kernels.njit import njit

LEVEL = np.array([int(n[1]) if n in ("h1", "h2", "h3", "h4", "h5", "h6") else 0 for n in TAG_NAMES], np.int32)


@njit(cache=True, nogil=True)
def _slot(table: np.ndarray, keys: np.ndarray, key: np.uint64) -> int:
    """Place of `key` in an open-addressing table, or of the empty place where it belongs."""
    mask = np.uint64(len(table) - 1)
    place = np.uint64((key ^ (key >> np.uint64(29))) & mask)
    while table[place] >= 0 and keys[place] != key:
        place = np.uint64((place + np.uint64(1)) & mask)
    return np.int64(place)


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def hashes(text: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """(blocks,) uint64: of each block's text; every fourth byte by itself, for these can be multiplied side by side."""
    hashes = np.empty(len(blocks), np.uint64)
    for b in range(len(blocks)):
        k, end = blocks[b, T0], blocks[b, T1]
        one, two, three, four = np.uint64(end - k), np.uint64(1), np.uint64(2), np.uint64(3)
        while k + 4 <= end:
            one, two = step(one, text[k]), step(two, text[k + 1])
            three, four = step(three, text[k + 2]), step(four, text[k + 3])
            k += 4
        while k < end:
            one = step(one, text[k])
            k += 1
        for code in (two, three, four):
            one = step(one, (code >> np.uint64(32)) ^ code)
        hashes[b] = one
    return hashes


@njit(cache=True, nogil=True)
def ratio(a: float, b: float) -> float:
    """a / b, 0 where b is 0."""
    return a / b if b > 0 else 0.0


@njit(cache=True, nogil=True)
def sums(blocks: np.ndarray) -> np.ndarray:
    """Prefix sums over blocks: words, words in links, sentence ends, commas, words of long text blocks, paragraphs."""
    total = np.zeros((len(blocks) + 1, 6), np.float64)
    for b in range(len(blocks)):
        words, link = blocks[b, WORDS], blocks[b, LINK_WORDS]
        long = words >= 10 and 3 * link < words
        total[b + 1, 0] = total[b, 0] + words
        total[b + 1, 1] = total[b, 1] + link
        total[b + 1, 2] = total[b, 2] + (1 if blocks[b, LAST] == ENDER else 0)
        total[b + 1, 3] = total[b, 3] + blocks[b, COMMAS]
        total[b + 1, 4] = total[b, 4] + (words if long else 0)
        total[b + 1, 5] = total[b, 5] + (1 if long else 0)
    return total


@njit(cache=True, nogil=True)
def dominant(nodes: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, int]:
    """Marks the chain from the page to the innermost element that holds half of the long text; its last node."""
    on_chain = np.zeros(len(nodes), np.bool_)
    on_chain[0], last = True, 0
    most = total[-1, 4] if total[-1, 4] > 0 else 1.0
    for x in range(1, len(nodes)):
        inside = total[nodes[x, N_B1], 4] - total[nodes[x, N_B0], 4]
        if on_chain[nodes[x, N_PARENT]] and nodes[x, N_PARENT] == last and 2 * inside > most:
            on_chain[x], last = True, x
    return on_chain, last


@njit(cache=True, nogil=True)
def levels(blocks: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """(blocks,) int64: 1 to 6 for text in such a heading, 0 elsewhere."""
    level = np.zeros(len(blocks), np.int64)
    for b in range(len(blocks)):
        k = blocks[b, NODE]
        if nodes[k, N_FLAGS] & HEADING:
            while k > 0 and LEVEL[nodes[k, N_TAG]] == 0:
                k = nodes[k, N_PARENT]
            level[b] = LEVEL[nodes[k, N_TAG]]
    return level


@njit(cache=True, nogil=True)
def sections(level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(blocks,) each: the heading that a block is below, itself where it is one, and the next higher heading above a
    heading; -1 where there is none."""
    below, above = np.full(len(level), -1, np.int64), np.full(len(level), -1, np.int64)
    last = np.full(7, -1, np.int64)
    now = -1
    for b in range(len(level)):
        if level[b] > 0:
            now = b
            last[level[b]] = b
            last[level[b] + 1 :] = -1
            for k in range(level[b] - 1, 0, -1):
                if last[k] >= 0:
                    above[b] = last[k]
                    break
        below[b] = now
    return below, above


@njit(cache=True, nogil=True)
def records(nodes: np.ndarray, paths: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """(group of each element among its siblings of equal path, elements of each group, groups): the cards of a list."""
    keys = np.empty(len(nodes), np.uint64)
    for x in range(len(nodes)):
        keys[x] = step(paths[x], nodes[x, N_PARENT])
    group, n = groups(keys)
    size = np.zeros(n, np.int64)
    for x in range(len(nodes)):
        if nodes[x, N_B1] > nodes[x, N_B0]:
            size[group[x]] += 1
    return group, size, n
