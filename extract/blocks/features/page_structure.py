"""What several features need of a page: groups of equal keys, sums over blocks, headings, sections, lists of cards."""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars are passed for int)

import numpy as np

from extract.blocks.scan.characters import SENTENCE_END
from extract.blocks.scan.hashing import extend_hash
from extract.blocks.scan.page import HEADING
from extract.blocks.scan.tags import TAG_NAMES
from pipeline.kernels.njit import njit

_LONG_WORDS = 10  # words from which a block is long, unless a third of them are in links
_HEADING_LEVELS = np.array([int(name[1]) if name in {f"h{k}" for k in range(1, 7)} else 0 for name in TAG_NAMES])
MAX_CARD_STEPS = 8  # elements around a block that may be a card

# Sums over the blocks before one; the sum over blocks [a, b) is sums[b] - sums[a].
PREFIX_SUMS = np.dtype(
    [
        ("words", np.float64),
        ("link_words", np.float64),
        ("sentence_ends", np.float64),  # blocks that end with the end of a sentence
        ("long_words", np.float64),  # words of long blocks
        ("long_blocks", np.float64),
    ],
    align=True,
)


@njit(cache=True, nogil=True)
def ratio(numerator: float, denominator: float) -> float:
    """The quotient, 0 where the denominator is 0."""
    return numerator / denominator if denominator > 0 else 0.0


@njit(cache=True, nogil=True)
def group_equal(keys: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the groups of equal keys (uint64) in order of first occurrence.

    Returns the group of each key and the number of groups.
    """
    size = 16
    while size < 2 * len(keys) + 2:
        size *= 2
    mask = np.uint64(size - 1)
    groups_by_place, keys_by_place = np.full(size, -1, np.int64), np.zeros(size, np.uint64)
    groups, n = np.empty(len(keys), np.int64), 0
    for i in range(len(keys)):
        key = keys[i]
        place = np.uint64((key ^ (key >> np.uint64(29))) & mask)  # open addressing, linear probing
        while groups_by_place[place] >= 0 and keys_by_place[place] != key:
            place = np.uint64((place + np.uint64(1)) & mask)
        if groups_by_place[place] < 0:
            groups_by_place[place], keys_by_place[place] = n, key
            n += 1
        groups[i] = groups_by_place[place]
    return groups, n


@njit(cache=True, nogil=True)
def hash_texts(text: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """(blocks,) uint64 hash of each block's text: four interleaved FNV-1a hashes, so that they run in parallel."""
    hashes = np.empty(len(blocks), np.uint64)
    for b in range(len(blocks)):
        k, end = blocks[b].start, blocks[b].end
        one, two, three, four = np.uint64(end - k), np.uint64(1), np.uint64(2), np.uint64(3)
        while k + 4 <= end:
            one, two = extend_hash(one, text[k]), extend_hash(two, text[k + 1])
            three, four = extend_hash(three, text[k + 2]), extend_hash(four, text[k + 3])
            k += 4
        while k < end:
            one = extend_hash(one, text[k])
            k += 1
        for code in (two, three, four):
            one = extend_hash(one, (code >> np.uint64(32)) ^ code)
        hashes[b] = one
    return hashes


@njit(cache=True, nogil=True)
def sum_blocks(blocks: np.ndarray) -> np.ndarray:
    """(blocks + 1,) of PREFIX_SUMS."""
    sums = np.zeros(len(blocks) + 1, PREFIX_SUMS)
    for b in range(len(blocks)):
        words, link_words = blocks[b].words, blocks[b].link_words
        is_long = words >= _LONG_WORDS and 3 * link_words < words
        before, after = sums[b], sums[b + 1]
        after.words = before.words + words
        after.link_words = before.link_words + link_words
        after.sentence_ends = before.sentence_ends + (1 if blocks[b].last_class == SENTENCE_END else 0)
        after.long_words = before.long_words + (words if is_long else 0)
        after.long_blocks = before.long_blocks + (1 if is_long else 0)
    return sums


@njit(cache=True, nogil=True)
def find_main_element(nodes: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, int]:
    """The innermost element that holds more than half of the words of long blocks.

    Returns (elements,) bool, true on the chain from the page down to it, and its number.
    """
    on_chain = np.zeros(len(nodes), np.bool_)
    on_chain[0], innermost = True, 0
    page_words = sums[-1].long_words if sums[-1].long_words > 0 else 1.0
    for k in range(1, len(nodes)):
        words = sums[nodes[k].end_block].long_words - sums[nodes[k].first_block].long_words
        if on_chain[nodes[k].parent] and nodes[k].parent == innermost and 2 * words > page_words:
            on_chain[k], innermost = True, k
    return on_chain, innermost


@njit(cache=True, nogil=True)
def heading_levels(blocks: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """(blocks,) int64: 1 to 6 for text in a heading of that level, 0 elsewhere."""
    levels = np.zeros(len(blocks), np.int64)
    for b in range(len(blocks)):
        node = blocks[b].node
        if nodes[node].flags & HEADING:
            while node > 0 and _HEADING_LEVELS[nodes[node].tag] == 0:
                node = nodes[node].parent
            levels[b] = _HEADING_LEVELS[nodes[node].tag]
    return levels


@njit(cache=True, nogil=True)
def find_sections(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sections that headings open, as two (blocks,) arrays of block numbers, -1 for none.

    The first one has the last heading up to each block (a heading has itself), the second one, for headings, the last
    heading of a higher level before it.
    """
    heading, outer_heading = np.full(len(levels), -1, np.int64), np.full(len(levels), -1, np.int64)
    last_of_level = np.full(7, -1, np.int64)
    current = -1
    for b in range(len(levels)):
        if levels[b] > 0:
            current = b
            last_of_level[levels[b]] = b
            last_of_level[levels[b] + 1 :] = -1
            for level in range(levels[b] - 1, 0, -1):
                if last_of_level[level] >= 0:
                    outer_heading[b] = last_of_level[level]
                    break
        heading[b] = current
    return heading, outer_heading


@njit(cache=True, nogil=True)
def group_cards(nodes: np.ndarray, paths: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Group elements with their siblings of the same path: the cards of a list.

    Returns the group of each element, the number of elements with text of each group, and the number of groups.
    """
    keys = np.empty(len(nodes), np.uint64)
    for k in range(len(nodes)):
        keys[k] = extend_hash(paths[k], nodes[k].parent)
    groups, n_groups = group_equal(keys)
    sizes = np.zeros(n_groups, np.int64)
    for k in range(len(nodes)):
        if nodes[k].end_block > nodes[k].first_block:
            sizes[groups[k]] += 1
    return groups, sizes, n_groups


@njit(cache=True, nogil=True)
def find_card(node: int, nodes: np.ndarray, card_groups: np.ndarray, card_sizes: np.ndarray) -> tuple[int, int]:
    """The card that an element is in: of it and the elements around it, the one with most siblings of its own path.

    Returns the card's number and how many steps up it is.
    """
    card, card_steps = 0, 0
    for step in range(MAX_CARD_STEPS):
        if node > 0 and (card == 0 or card_sizes[card_groups[node]] > card_sizes[card_groups[card]]):
            card, card_steps = node, step
        node = nodes[node].parent
    return card, card_steps
