"""Features of a block's shape and place: its text, its elements, its neighbours, where it is on the page."""

# mypy: disable-error-code="arg-type,assignment,return-value,no-untyped-def"
# (kernels: NumPy's scalars are passed for int)

import numpy as np

from extract.blocks.features import columns
from extract.blocks.features.page_structure import find_main_element, ratio
from extract.blocks.scan.characters import SENTENCE_END
from extract.blocks.scan.page import FLAG_NAMES
from extract.blocks.scan.tags import TAG_NAMES
from pipeline.kernels.njit import njit

# The value of the features `tag_category`; 0 is any other tag. A new tag comes last.
_CATEGORY_NAMES = (
    "p div li td h1 h2 h3 h4 h5 h6 dd dt section article main ul ol tr th table tbody figure figcaption blockquote pre "
    "form label button nav header footer aside dl fieldset option summary details center"
)
_CATEGORY_BY_NAME = {name: category for category, name in enumerate(_CATEGORY_NAMES.split(), 1)}
_TAG_CATEGORIES = np.array([_CATEGORY_BY_NAME.get(name, 0) for name in TAG_NAMES], np.int32)
_N_FLAGS = len(FLAG_NAMES)
_MAX_BLOCK_DISTANCE = 200  # greater distances from the page's begin and end are alike


@njit(cache=True, nogil=True)
def fill_own_text(features, blocks, nodes, levels):
    """The block's text and element."""
    for b in range(len(blocks)):
        block = blocks[b]
        words, chars = block.words, max(1, block.chars)
        features[b, columns.words] = words
        features[b, columns.chars] = chars
        features[b, columns.link_char_share] = ratio(block.link_chars, chars)
        features[b, columns.links] = block.links
        features[b, columns.chars_per_word] = ratio(chars, words)
        features[b, columns.digit_share] = block.digits / chars
        features[b, columns.uppercase_share] = block.uppercase / chars
        features[b, columns.commas] = block.commas
        features[b, columns.sentence_ends] = block.sentence_ends
        features[b, columns.last_class] = block.last_class
        features[b, columns.first_class] = block.first_class
        features[b, columns.strong_share] = block.strong_chars / chars
        features[b, columns.breaks] = block.breaks
        features[b, columns.capitalized_word_share] = ratio(block.capitalized_words, words)
        features[b, columns.symbol_share] = block.symbols / chars
        features[b, columns.heading_level] = levels[b]
        node = nodes[block.node]
        features[b, columns.tag_category] = _TAG_CATEGORIES[node.tag]
        for flag in range(_N_FLAGS):
            features[b, columns.inside[flag]] = 1 if node.flags & (1 << flag) else 0


@njit(cache=True, nogil=True)
def fill_place(features, blocks, nodes, sums, n_bytes):
    """Where the block is on the page of `n_bytes`."""
    n, page_words = len(blocks), max(sums[-1].words, 1.0)
    for b in range(n):
        features[b, columns.block_position] = b / n
        features[b, columns.words_before_share] = sums[b].words / page_words
        features[b, columns.blocks_before] = min(b, _MAX_BLOCK_DISTANCE)
        features[b, columns.blocks_after] = min(n - b, _MAX_BLOCK_DISTANCE)
        features[b, columns.source_position] = blocks[b].source_end / max(1, n_bytes)
        features[b, columns.depth] = nodes[blocks[b].node].depth
        features[b, columns.words_from_here] = page_words - sums[b].words
        features[b, columns.words_before] = sums[b].words


@njit(cache=True, nogil=True)
def fill_ancestors(features, blocks, nodes, sums):
    """The block's element and those around it: words, links, images, inputs in each."""
    page_words = max(sums[-1].words, 1.0)
    for b in range(len(blocks)):
        number = blocks[b].node
        for step in range(columns.ANCESTORS):
            node = nodes[number]
            n_blocks, first, end = node.end_block - node.first_block, sums[node.first_block], sums[node.end_block]
            words = end.words - first.words
            features[b, columns.ancestor_words[step]] = words
            features[b, columns.ancestor_link_share[step]] = ratio(end.link_words - first.link_words, words)
            features[b, columns.ancestor_blocks[step]] = n_blocks
            features[b, columns.ancestor_words_per_block[step]] = ratio(words, n_blocks)
            sentence_ends = end.sentence_ends - first.sentence_ends
            features[b, columns.ancestor_sentence_end_share[step]] = ratio(sentence_ends, n_blocks)
            features[b, columns.ancestor_word_share[step]] = words / page_words
            features[b, columns.ancestor_images[step]] = node.end_image - node.first_image
            features[b, columns.ancestor_inputs[step]] = node.end_input - node.first_input
            features[b, columns.ancestor_long_word_share[step]] = ratio(end.long_words - first.long_words, words)
            if step > 0:
                features[b, columns.ancestor_tag_category[step - 1]] = _TAG_CATEGORIES[node.tag]
            else:
                features[b, columns.depth_below_parent] = node.depth - nodes[node.parent].depth
            number = node.parent


@njit(cache=True, nogil=True)
def fill_neighbours(features, blocks, paths, sums):
    """Blocks before and after the block, one by one and in windows."""
    n = len(blocks)
    for b in range(n):
        node = blocks[b].node
        for i in range(len(columns.NEIGHBOURS)):
            other = b + columns.NEIGHBOURS[i]
            if 0 <= other < n:
                block = blocks[other]
                same_path, same_node = paths[block.node] == paths[node], block.node == node
                features[b, columns.neighbour_words[i]] = block.words
                features[b, columns.neighbour_link_share[i]] = ratio(block.link_chars, block.chars)
                features[b, columns.neighbour_ends_sentence[i]] = 1 if block.last_class == SENTENCE_END else 0
                features[b, columns.neighbour_similarity[i]] = (1 if same_path else 0) + (1 if same_node else 0)
            else:
                features[b, columns.neighbour_words[i]] = -1
        for i in range(len(columns.WINDOWS)):
            low, high = max(0, b - columns.WINDOWS[i]), min(n, b + columns.WINDOWS[i] + 1)
            words = sums[high].words - sums[low].words
            features[b, columns.window_words_per_block[i]] = words / (high - low)
            features[b, columns.window_link_share[i]] = ratio(sums[high].link_words - sums[low].link_words, words)
            n_long = sums[high].long_blocks - sums[low].long_blocks
            features[b, columns.window_long_block_share[i]] = n_long / (high - low)


@njit(cache=True, nogil=True)
def fill_main_element(features, blocks, nodes, sums):
    """Where the block is from the element that holds most of the long text, and from the chain down to it."""
    on_chain, innermost = find_main_element(nodes, sums)
    main = nodes[innermost]
    words = sums[main.end_block].words - sums[main.first_block].words
    for b in range(len(blocks)):
        node = blocks[b].node
        joint = node  # innermost element of the chain around the block
        while not on_chain[joint]:
            joint = nodes[joint].parent
        features[b, columns.depth_above_main_element] = main.depth - nodes[joint].depth
        features[b, columns.depth_below_chain] = nodes[node].depth - nodes[joint].depth
        features[b, columns.main_element_depth] = main.depth
        features[b, columns.main_element_word_share] = ratio(words, max(sums[-1].words, 1.0))
        features[b, columns.blocks_into_main_element] = b - main.first_block
        features[b, columns.blocks_to_main_element_end] = main.end_block - b


@njit(cache=True, nogil=True)
def fill_page(features, nodes, sums):
    """The page: the same for all of its blocks."""
    n, page_words = len(features), max(sums[-1].words, 1.0)
    features[:, columns.page_words] = page_words
    features[:, columns.page_link_share] = sums[n].link_words / page_words
    features[:, columns.page_blocks] = n
    features[:, columns.page_long_word_share] = sums[n].long_words / page_words
    features[:, columns.page_long_blocks] = sums[n].long_blocks
    features[:, columns.page_sentence_end_share] = sums[n].sentence_ends / n
    features[:, columns.page_nodes] = len(nodes)
    features[:, columns.page_images] = nodes[0].end_image
    features[:, columns.page_inputs] = nodes[0].end_input
