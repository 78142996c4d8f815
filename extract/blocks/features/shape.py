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
def fill_own_text(x, blocks, nodes, levels):
    """The block's text and element."""
    for b in range(len(blocks)):
        block = blocks[b]
        words, chars = block.words, max(1, block.chars)
        x[b, columns.words] = words
        x[b, columns.chars] = chars
        x[b, columns.link_char_share] = ratio(block.link_chars, chars)
        x[b, columns.links] = block.links
        x[b, columns.chars_per_word] = ratio(chars, words)
        x[b, columns.digit_share] = block.digits / chars
        x[b, columns.uppercase_share] = block.uppercase / chars
        x[b, columns.commas] = block.commas
        x[b, columns.sentence_ends] = block.sentence_ends
        x[b, columns.last_class] = block.last_class
        x[b, columns.first_class] = block.first_class
        x[b, columns.strong_share] = block.strong_chars / chars
        x[b, columns.breaks] = block.breaks
        x[b, columns.capitalized_word_share] = ratio(block.capitalized_words, words)
        x[b, columns.symbol_share] = block.symbols / chars
        x[b, columns.heading_level] = levels[b]
        node = nodes[block.node]
        x[b, columns.tag_category] = _TAG_CATEGORIES[node.tag]
        for flag in range(_N_FLAGS):
            x[b, columns.inside[flag]] = 1 if node.flags & (1 << flag) else 0


@njit(cache=True, nogil=True)
def fill_place(x, blocks, nodes, sums, n_bytes):
    """Where the block is on the page of `n_bytes`."""
    n, page_words = len(blocks), max(sums[-1].words, 1.0)
    for b in range(n):
        x[b, columns.block_position] = b / n
        x[b, columns.words_before_share] = sums[b].words / page_words
        x[b, columns.blocks_before] = min(b, _MAX_BLOCK_DISTANCE)
        x[b, columns.blocks_after] = min(n - b, _MAX_BLOCK_DISTANCE)
        x[b, columns.source_position] = blocks[b].source_end / max(1, n_bytes)
        x[b, columns.depth] = nodes[blocks[b].node].depth
        x[b, columns.words_from_here] = page_words - sums[b].words
        x[b, columns.words_before] = sums[b].words


@njit(cache=True, nogil=True)
def fill_ancestors(x, blocks, nodes, sums):
    """The block's element and those around it: words, links, images, inputs in each."""
    page_words = max(sums[-1].words, 1.0)
    for b in range(len(blocks)):
        number = blocks[b].node
        for step in range(columns.ANCESTORS):
            node = nodes[number]
            n_blocks, first, end = node.end_block - node.first_block, sums[node.first_block], sums[node.end_block]
            words = end.words - first.words
            x[b, columns.ancestor_words[step]] = words
            x[b, columns.ancestor_link_share[step]] = ratio(end.link_words - first.link_words, words)
            x[b, columns.ancestor_blocks[step]] = n_blocks
            x[b, columns.ancestor_words_per_block[step]] = ratio(words, n_blocks)
            sentence_ends = end.sentence_ends - first.sentence_ends
            x[b, columns.ancestor_sentence_end_share[step]] = ratio(sentence_ends, n_blocks)
            x[b, columns.ancestor_word_share[step]] = words / page_words
            x[b, columns.ancestor_images[step]] = node.end_image - node.first_image
            x[b, columns.ancestor_inputs[step]] = node.end_input - node.first_input
            x[b, columns.ancestor_long_word_share[step]] = ratio(end.long_words - first.long_words, words)
            if step > 0:
                x[b, columns.ancestor_tag_category[step - 1]] = _TAG_CATEGORIES[node.tag]
            else:
                x[b, columns.depth_below_parent] = node.depth - nodes[node.parent].depth
            number = node.parent


@njit(cache=True, nogil=True)
def fill_neighbours(x, blocks, paths, sums):
    """Blocks before and after the block, one by one and in windows."""
    n = len(blocks)
    for b in range(n):
        node = blocks[b].node
        for i in range(len(columns.NEIGHBOURS)):
            other = b + columns.NEIGHBOURS[i]
            if 0 <= other < n:
                block = blocks[other]
                same_path, same_node = paths[block.node] == paths[node], block.node == node
                x[b, columns.neighbour_words[i]] = block.words
                x[b, columns.neighbour_link_share[i]] = ratio(block.link_chars, block.chars)
                x[b, columns.neighbour_ends_sentence[i]] = 1 if block.last_class == SENTENCE_END else 0
                x[b, columns.neighbour_similarity[i]] = (1 if same_path else 0) + (1 if same_node else 0)
            else:
                x[b, columns.neighbour_words[i]] = -1
        for i in range(len(columns.WINDOWS)):
            low, high = max(0, b - columns.WINDOWS[i]), min(n, b + columns.WINDOWS[i] + 1)
            words = sums[high].words - sums[low].words
            x[b, columns.window_words_per_block[i]] = words / (high - low)
            x[b, columns.window_link_share[i]] = ratio(sums[high].link_words - sums[low].link_words, words)
            n_long = sums[high].long_blocks - sums[low].long_blocks
            x[b, columns.window_long_block_share[i]] = n_long / (high - low)


@njit(cache=True, nogil=True)
def fill_main_element(x, blocks, nodes, sums):
    """Where the block is from the element that holds most of the long text, and from the chain down to it."""
    on_chain, innermost = find_main_element(nodes, sums)
    main = nodes[innermost]
    words = sums[main.end_block].words - sums[main.first_block].words
    for b in range(len(blocks)):
        node = blocks[b].node
        joint = node  # innermost element of the chain around the block
        while not on_chain[joint]:
            joint = nodes[joint].parent
        x[b, columns.depth_above_main_element] = main.depth - nodes[joint].depth
        x[b, columns.depth_below_chain] = nodes[node].depth - nodes[joint].depth
        x[b, columns.main_element_depth] = main.depth
        x[b, columns.main_element_word_share] = ratio(words, max(sums[-1].words, 1.0))
        x[b, columns.blocks_into_main_element] = b - main.first_block
        x[b, columns.blocks_to_main_element_end] = main.end_block - b


@njit(cache=True, nogil=True)
def fill_page(x, nodes, sums):
    """The page: the same for all of its blocks."""
    n, page_words = len(x), max(sums[-1].words, 1.0)
    x[:, columns.page_words] = page_words
    x[:, columns.page_link_share] = sums[n].link_words / page_words
    x[:, columns.page_blocks] = n
    x[:, columns.page_long_word_share] = sums[n].long_words / page_words
    x[:, columns.page_long_blocks] = sums[n].long_blocks
    x[:, columns.page_sentence_end_share] = sums[n].sentence_ends / n
    x[:, columns.page_nodes] = len(nodes)
    x[:, columns.page_images] = nodes[0].end_image
    x[:, columns.page_inputs] = nodes[0].end_input
