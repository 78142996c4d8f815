"""Features of the second pass: the first pass's probabilities of a block's neighbours, elements, section and list."""

# mypy: disable-error-code="arg-type,assignment,return-value,no-untyped-def"
# (kernels: NumPy's scalars are passed for int)

import numpy as np

from extract.blocks.features import columns
from extract.blocks.features.page_structure import (
    find_card,
    find_sections,
    group_cards,
    group_equal,
    heading_levels,
)
from extract.blocks.scan.page import Page
from pipeline.kernels.njit import njit

_SURE_PROBABILITY, _SURE_WORDS = 0.6, 4  # a block above both is surely main text
_NO_SURE_BLOCK = 999  # distance in blocks where there is none
_SIDE_BLOCKS = 4  # before and after a block, for `probability_before` and `probability_after`
_NONE = -1  # probability of a block that there is not

_SUMS = np.dtype([("main_text", np.float64), ("words", np.float64), ("probability", np.float64)], align=True)
_POOL = np.dtype([("main_text", np.float64), ("words", np.float64), ("blocks", np.float64)], align=True)


def fill_second_pass(features: np.ndarray, page: Page, probability: np.ndarray) -> None:
    """Fill the second pass's columns of (blocks, N_FEATURES) from the first pass's probabilities (blocks,)."""
    if len(page.blocks):
        _fill_second_pass(features, page.blocks, page.nodes, page.paths, probability)


@njit(cache=True, nogil=True)
def _fill_second_pass(features, blocks, nodes, paths, probability):
    words = np.empty(len(blocks), np.float64)
    sums = np.zeros(len(blocks) + 1, _SUMS)
    for b in range(len(blocks)):
        words[b] = blocks[b].words + 1.0  # so that a block without words counts, too
        before, after = sums[b], sums[b + 1]
        after.main_text = before.main_text + words[b] * probability[b]
        after.words = before.words + words[b]
        after.probability = before.probability + probability[b]
    _fill_around(features, blocks, nodes, probability, sums)
    _fill_pools(features, blocks, nodes, paths, probability, words)
    _fill_main_text(features, blocks, probability, sums)


@njit(cache=True, nogil=True)
def _fill_around(features, blocks, nodes, probability, sums):
    """Neighbours one by one, windows, and the elements around."""
    n = len(blocks)
    for b in range(n):
        features[b, columns.probability] = probability[b]
        for i in range(len(columns.PROBABILITY_NEIGHBOURS)):
            other = b + columns.PROBABILITY_NEIGHBOURS[i]
            features[b, columns.neighbour_probability[i]] = probability[other] if 0 <= other < n else _NONE
        for i in range(len(columns.WINDOWS)):
            low, high = max(0, b - columns.WINDOWS[i]), min(n, b + columns.WINDOWS[i] + 1)
            first, end = sums[low], sums[high]
            features[b, columns.window_probability[i]] = (end.main_text - first.main_text) / (end.words - first.words)
            features[b, columns.window_block_probability[i]] = (end.probability - first.probability) / (high - low)
        number = blocks[b].node
        for step in range(columns.PROBABILITY_ANCESTORS):
            low, high = nodes[number].first_block, nodes[number].end_block
            first, end = sums[low], sums[high]
            mean = (end.main_text - first.main_text) / (end.words - first.words) if high > low else 0
            features[b, columns.ancestor_probability[step]] = mean
            number = nodes[number].parent


@njit(cache=True, nogil=True)
def _fill_pools(features, blocks, nodes, paths, probability, words):
    """Blocks of the same path, of the same section, of the section around it, of the same list of cards."""
    n = len(blocks)
    heading, outer_heading = find_sections(heading_levels(blocks, nodes))
    card_groups, card_sizes, _ = group_cards(nodes, paths)
    path_keys, section_keys = np.empty(n, np.uint64), np.empty(n, np.uint64)
    outer_section_keys, list_keys = np.empty(n, np.uint64), np.empty(n, np.uint64)
    for b in range(n):
        node, above = blocks[b].node, heading[b]
        card, _ = find_card(node, nodes, card_groups, card_sizes)
        path_keys[b] = paths[node]
        section_keys[b] = np.uint64(above + 1)
        outer_section_keys[b] = np.uint64(outer_heading[above] + 1 if above >= 0 else 0)
        list_keys[b] = np.uint64(card_groups[card])
        features[b, columns.last_heading_probability] = probability[above] if above >= 0 else _NONE
    _fill_pool(features, columns.same_path_probability, columns.same_path_pool, path_keys, probability, words)
    _fill_pool(features, columns.section_probability, columns.section_blocks, section_keys, probability, words)
    _fill_pool(
        features,
        columns.outer_section_probability,
        columns.outer_section_blocks,
        outer_section_keys,
        probability,
        words,
    )
    _fill_pool(features, columns.card_list_probability, columns.card_list_blocks, list_keys, probability, words)


@njit(cache=True, nogil=True)
def _fill_pool(features, probability_column, blocks_column, keys, probability, words):
    """Mean probability, and number, of the blocks with the same key."""
    groups, n_groups = group_equal(keys)
    pools = np.zeros(n_groups, _POOL)
    for b in range(len(keys)):
        pool = pools[groups[b]]
        pool.main_text += words[b] * probability[b]
        pool.words += words[b]
        pool.blocks += 1
    for b in range(len(keys)):
        pool = pools[groups[b]]
        features[b, probability_column] = pool.main_text / pool.words
        features[b, blocks_column] = pool.blocks


@njit(cache=True, nogil=True)
def _fill_main_text(features, blocks, probability, sums):
    """How much main text there is on the page, before and after the block, and where the nearest sure block is."""
    n = len(blocks)
    page = sums[n]
    first_sure, last_sure, distance = n, -1, _NO_SURE_BLOCK
    for b in range(n - 1, -1, -1):
        is_sure = probability[b] > _SURE_PROBABILITY and blocks[b].words > _SURE_WORDS
        distance = 0 if is_sure else distance + 1
        features[b, columns.blocks_to_sure] = distance
        if is_sure:
            first_sure, last_sure = b, max(last_sure, b)
    distance = _NO_SURE_BLOCK
    for b in range(n):
        is_sure = probability[b] > _SURE_PROBABILITY and blocks[b].words > _SURE_WORDS
        distance = 0 if is_sure else distance + 1
        low, high = max(0, b - _SIDE_BLOCKS), min(n, b + _SIDE_BLOCKS + 1)
        here, after, first, end = sums[b], sums[b + 1], sums[low], sums[high]
        features[b, columns.page_probability] = page.main_text / page.words
        features[b, columns.main_text_before_share] = here.main_text / max(page.main_text, 1e-6)
        features[b, columns.page_main_text] = page.main_text
        features[b, columns.blocks_since_first_sure] = b - first_sure
        features[b, columns.blocks_to_last_sure] = last_sure - b
        before = (here.main_text - first.main_text) / (here.words - first.words) if b > low else _NONE
        features[b, columns.probability_before] = before
        following = (end.main_text - after.main_text) / (end.words - after.words) if high > b + 1 else _NONE
        features[b, columns.probability_after] = following
        features[b, columns.blocks_since_sure] = distance
        features[b, columns.main_text_before] = here.main_text
        features[b, columns.main_text_after] = page.main_text - after.main_text
