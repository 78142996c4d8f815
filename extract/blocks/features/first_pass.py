"""Features of the blocks of one page for the first forest: a float32 matrix, one row a block, in linear time.

Shallow text features after Kohlschütter et al., WSDM 2010 ("Boilerplate Detection using Shallow Text Features"), with
sums over the elements around, repetition, learned weights of tokens, headings and place. `columns.py` lists them all;
each `fill_*` kernel of this folder writes some of them.
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from extract.blocks.features import columns
from extract.blocks.features.page_structure import heading_levels, sum_blocks
from extract.blocks.features.repeats import fill_cards, fill_repeats
from extract.blocks.features.shape import (
    fill_ancestors,
    fill_main_element,
    fill_neighbours,
    fill_own_text,
    fill_page,
    fill_place,
)
from extract.blocks.features.text import fill_class_weights, fill_headings, fill_word_weights
from extract.blocks.features.token_weights import (
    HEADING_TOKEN,
    Vocabulary,
    hash_block_words,
    weigh_classes,
    weigh_page_kinds,
    weigh_words,
)
from extract.blocks.scan.page import Page
from pipeline.kernels.njit import njit


def first_pass_features(
    page: Page, html: bytes, vocabulary: Vocabulary, n_columns: int = columns.N_FIRST_PASS
) -> np.ndarray:
    """(blocks, n_columns) float32, each column contiguous; columns after the first pass's are 0.

    `html`: the bytes that `page` was scanned from. `n_columns`: N_FEATURES leaves space for the second pass's.
    """
    title = np.frombuffer(html[page.title[0] : page.title[1]], np.uint8)
    words, starts = hash_block_words(page.text, page.blocks)
    return _first_pass_features(tuple(page[:6]), title, words, starts, vocabulary, len(html), n_columns)


@njit(cache=True, nogil=True)
def _first_pass_features(arrays, title, words, starts, vocabulary, n_bytes, n_columns):
    text, blocks, nodes, paths, class_tokens, about = arrays
    hashes, places, weights = vocabulary
    features = np.zeros((n_columns, len(blocks)), np.float32).T
    if len(blocks) == 0:
        return features
    main_text_weights = weights[:, 0]
    sums, levels = sum_blocks(blocks), heading_levels(blocks, nodes)
    class_weights = weigh_classes(nodes, class_tokens, hashes, places, main_text_weights)
    own_weights = weigh_words(words, starts, np.uint64(0), hashes, places, main_text_weights)
    heading_weights = weigh_words(words, starts, HEADING_TOKEN, hashes, places, main_text_weights)
    fill_own_text(features, blocks, nodes, levels)
    fill_place(features, blocks, nodes, sums, n_bytes)
    fill_ancestors(features, blocks, nodes, sums)
    fill_class_weights(features, blocks, nodes, class_weights)
    fill_repeats(features, text, blocks, nodes, paths, sums)
    fill_neighbours(features, blocks, paths, sums)
    fill_headings(features, text, blocks, levels, class_weights, title)
    fill_main_element(features, blocks, nodes, sums)
    fill_page(features, nodes, sums)
    fill_word_weights(features, blocks, nodes, levels, own_weights, heading_weights)
    fill_cards(features, blocks, nodes, paths, sums)
    mean, lowest, highest = weigh_page_kinds((class_tokens, about, words), hashes, places, weights)
    for kind in range(len(mean)):
        features[:, columns.kind_weight_mean[kind]] = mean[kind]
        features[:, columns.kind_weight_min[kind]] = lowest[kind]
        features[:, columns.kind_weight_max[kind]] = highest[kind]
    return features
