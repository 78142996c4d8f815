"""Features of what the text says: learned weights of classes and words, the headings above, the title."""

# mypy: disable-error-code="arg-type,assignment,return-value,no-untyped-def"
# (kernels: NumPy's scalars are passed for int)

import numpy as np

from extract.blocks.features import columns
from extract.blocks.features.page_structure import find_sections, ratio
from extract.blocks.features.token_weights import hash_title_words
from pipeline.kernels.njit import njit

_MAX_TITLE_WORDS = 48  # of the title, and of a block that is compared with it
_NEVER = -999  # distance in blocks from what the page does not have


@njit(cache=True, nogil=True)
def fill_class_weights(features, blocks, nodes, class_weights):
    """Weights of the class tokens of the block's element and of the elements around it."""
    for b in range(len(blocks)):
        node = blocks[b].node
        parent = nodes[node].parent
        own = class_weights[node]
        features[b, columns.class_weight_sum] = own.sum
        features[b, columns.class_weight_min] = own.min
        features[b, columns.class_weight_max] = own.max
        features[b, columns.path_weight_sum] = own.path_sum
        features[b, columns.path_weight_min] = own.path_min
        features[b, columns.path_weight_max] = own.path_max
        features[b, columns.nearest_class_weight] = own.nearest
        features[b, columns.parent_class_weight] = class_weights[parent].sum
        features[b, columns.grandparent_class_weight] = class_weights[nodes[parent].parent].sum
        features[b, columns.parent_nearest_class_weight] = class_weights[parent].nearest


@njit(cache=True, nogil=True)
def fill_word_weights(features, blocks, nodes, levels, own, as_heading):
    """Weights of the words of the block, of other blocks, and of the headings above.

    `own`, `as_heading`: (blocks,) of WORD_WEIGHTS, of a block's words for itself and for the text below it.
    """
    n = len(blocks)
    heading, outer_heading = find_sections(levels)
    sums = np.zeros(n + 1, np.float64)
    for b in range(n):
        sums[b + 1] = sums[b] + own[b].sum + own[b].phrase
    for b in range(n):
        features[b, columns.word_weight_sum] = own[b].sum
        features[b, columns.word_weight_min] = own[b].min
        features[b, columns.word_weight_max] = own[b].max
        features[b, columns.phrase_weight] = own[b].phrase
        above = heading[b]
        lowest, highest = np.float32(0), np.float32(0)
        if above >= 0:
            features[b, columns.heading_word_weight_sum] = as_heading[above].sum
            features[b, columns.heading_word_weight_min] = as_heading[above].min
            features[b, columns.heading_word_weight_max] = as_heading[above].max
            features[b, columns.heading_phrase_weight] = as_heading[above].phrase
            outer = outer_heading[above]
            features[b, columns.outer_heading_weight] = (
                as_heading[outer].sum + as_heading[outer].phrase if outer >= 0 else 0
            )
            while above >= 0:
                weight = as_heading[above].sum + as_heading[above].phrase
                lowest, highest = min(lowest, weight), max(highest, weight)
                above = outer_heading[above]
        features[b, columns.headings_weight_min] = lowest
        features[b, columns.headings_weight_max] = highest
        for i in range(len(columns.WEIGHT_NEIGHBOURS)):
            other = b + columns.WEIGHT_NEIGHBOURS[i]
            weight = own[other].sum + own[other].phrase if 0 <= other < n else np.float32(0)
            features[b, columns.neighbour_word_weight[i]] = weight
        for i in range(len(columns.WEIGHT_WINDOWS)):
            low, high = max(0, b - columns.WEIGHT_WINDOWS[i]), min(n, b + columns.WEIGHT_WINDOWS[i] + 1)
            features[b, columns.window_word_weight[i]] = (sums[high] - sums[low]) / (high - low)
        number = blocks[b].node
        for step in range(columns.WEIGHT_ANCESTORS):
            first, end = nodes[number].first_block, nodes[number].end_block
            features[b, columns.ancestor_word_weight[step]] = ratio(sums[end] - sums[first], end - first)
            number = nodes[number].parent


@njit(cache=True, nogil=True)
def fill_headings(features, text, blocks, levels, class_weights, title):
    """The last heading, the first `h1`, the words of the page's title (`title`: UTF-8 bytes)."""
    block_words, title_words = np.zeros(_MAX_TITLE_WORDS, np.uint64), np.zeros(_MAX_TITLE_WORDS, np.uint64)
    n_title_words = hash_title_words(title, 0, len(title), title_words)
    first_h1, n_h1, first_title = -1, 0, -1
    for b in range(len(blocks)):
        if levels[b] == 1:
            first_h1 = b if first_h1 < 0 else first_h1
            n_h1 += 1
    blocks_since, level, path_weight, words_since, heading_words = 0, 0, np.float32(0), 0.0, 0
    for b in range(len(blocks)):
        block = blocks[b]
        if levels[b] > 0:
            path_weight = class_weights[block.node].path_sum
            blocks_since, level, words_since, heading_words = 0, levels[b], 0.0, block.words
        features[b, columns.blocks_since_heading] = blocks_since
        features[b, columns.last_heading_level] = level
        features[b, columns.last_heading_path_weight] = path_weight
        features[b, columns.words_since_heading] = words_since
        features[b, columns.last_heading_words] = heading_words
        blocks_since, words_since = blocks_since + 1, words_since + block.words
        features[b, columns.blocks_since_h1] = b - first_h1 if first_h1 >= 0 else _NEVER
        features[b, columns.h1_headings] = n_h1
        if n_title_words > 0 and block.words <= _MAX_TITLE_WORDS:
            n_words, shared = hash_title_words(text, block.start, block.end, block_words), 0.0
            for i in range(n_words):
                for k in range(n_title_words):
                    if block_words[i] == title_words[k]:
                        shared += 1
                        break
            features[b, columns.title_share_of_block] = shared / max(1, n_words)
            features[b, columns.block_share_of_title] = shared / n_title_words
            is_title = 2 * shared >= n_words and 5 * shared >= 2 * n_title_words and n_words > 1
            if first_title < 0 and is_title:
                first_title = b
        features[b, columns.blocks_since_title] = b - first_title if first_title >= 0 else _NEVER
