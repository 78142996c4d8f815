"""Features of repetition: blocks of the same path or text, and lists of cards."""

# mypy: disable-error-code="arg-type,assignment,return-value,no-untyped-def"
# (kernels: NumPy's scalars are passed for int)

import numpy as np

from extract.blocks.features import columns
from extract.blocks.features.page_structure import find_card, group_cards, group_equal, hash_texts, ratio
from extract.blocks.scan.characters import SENTENCE_END
from pipeline.kernels.njit import njit

_MIN_CARDS = 3  # of a list that may be the page's largest
_PATH_TOTALS = np.dtype(
    [
        ("blocks", np.float64),
        ("words", np.float64),
        ("link_words", np.float64),
        ("sentence_ends", np.float64),
        ("first", np.float64),  # first and last block
        ("last", np.float64),
    ],
    align=True,
)
_CARD_TOTALS = np.dtype(
    [("words", np.float64), ("link_words", np.float64), ("blocks", np.float64), ("cards", np.float64)], align=True
)


@njit(cache=True, nogil=True)
def fill_repeats(features, text, blocks, nodes, paths, sums):
    """Blocks of the same path, of the same text, and of the same path two elements up."""
    n, page_words = len(blocks), max(sums[-1].words, 1.0)
    inner_paths, outer_paths = np.empty(n, np.uint64), np.empty(n, np.uint64)
    for b in range(n):
        node = blocks[b].node
        inner_paths[b], outer_paths[b] = paths[node], paths[nodes[nodes[node].parent].parent]
    path_of, n_paths = group_equal(inner_paths)
    text_of, n_texts = group_equal(hash_texts(text, blocks))
    outer_path_of, n_outer_paths = group_equal(outer_paths)
    path_totals, outer_totals = np.zeros(n_paths, _PATH_TOTALS), np.zeros(n_outer_paths, _PATH_TOTALS)
    copies, copies_before = np.zeros(n_texts, np.int64), np.zeros(n, np.int64)
    for b in range(n):
        block, path, outer = blocks[b], path_totals[path_of[b]], outer_totals[outer_path_of[b]]
        if path.blocks == 0:
            path.first = b
        path.blocks += 1
        path.words += block.words
        path.link_words += block.link_words
        path.sentence_ends += 1 if block.last_class == SENTENCE_END else 0
        path.last = b
        copies_before[b] = copies[text_of[b]]
        copies[text_of[b]] += 1
        outer.blocks += 1
        outer.words += block.words
        outer.link_words += block.link_words
    for b in range(n):
        path, outer = path_totals[path_of[b]], outer_totals[outer_path_of[b]]
        features[b, columns.same_path_blocks] = path.blocks
        features[b, columns.same_path_word_share] = path.words / page_words
        features[b, columns.same_path_words_per_block] = path.words / path.blocks
        features[b, columns.same_path_link_share] = ratio(path.link_words, path.words)
        features[b, columns.same_path_sentence_end_share] = path.sentence_ends / path.blocks
        features[b, columns.same_path_span] = (path.last - path.first) / n
        features[b, columns.same_path_position] = (b - path.first) / max(1.0, path.last - path.first)
        features[b, columns.same_text_blocks] = copies[text_of[b]]
        features[b, columns.same_outer_path_blocks] = outer.blocks
        features[b, columns.same_outer_path_words_per_block] = outer.words / outer.blocks
        features[b, columns.same_outer_path_link_share] = ratio(outer.link_words, outer.words)
        features[b, columns.same_text_before] = copies_before[b]


@njit(cache=True, nogil=True)
def fill_cards(features, blocks, nodes, paths, sums):
    """The card of a list that a block is in, its list, and the list with most words on the page."""
    groups, sizes, n_groups = group_cards(nodes, paths)
    lists = np.zeros(n_groups, _CARD_TOTALS)
    card_numbers = np.zeros(len(nodes), np.int64)
    for k in range(1, len(nodes)):
        totals, first, end = lists[groups[k]], nodes[k].first_block, nodes[k].end_block
        if end > first:
            totals.words += sums[end].words - sums[first].words
            totals.link_words += sums[end].link_words - sums[first].link_words
            totals.blocks += end - first
            card_numbers[k] = totals.cards
            totals.cards += 1
    page_words, largest_words, largest = max(sums[-1].words, 1.0), 0.0, 0
    for group in range(n_groups):
        if sizes[group] >= _MIN_CARDS and lists[group].words > largest_words:
            largest_words, largest = lists[group].words, group
    for b in range(len(blocks)):
        card, steps = find_card(blocks[b].node, nodes, groups, sizes)
        group = groups[card]
        totals, n_cards = lists[group], max(1, sizes[group])
        features[b, columns.cards] = sizes[group]
        features[b, columns.card_steps_up] = steps
        features[b, columns.words_per_card] = totals.words / n_cards
        features[b, columns.card_link_share] = ratio(totals.link_words, totals.words)
        features[b, columns.blocks_per_card] = totals.blocks / n_cards
        features[b, columns.card_list_word_share] = totals.words / page_words
        features[b, columns.card_number] = card_numbers[card]
        features[b, columns.largest_list_cards] = sizes[largest] if largest_words > 0 else 0
        features[b, columns.largest_list_word_share] = largest_words / page_words
        features[b, columns.largest_list_link_share] = ratio(lists[largest].link_words, largest_words)
        features[b, columns.largest_list_words_per_card] = largest_words / max(1, sizes[largest])
        features[b, columns.in_largest_list] = 1 if group == largest else 0
