"""The features of a block by name, declared once and in order: FIRST_PASS, then SECOND_PASS.

Kernels write a feature as `features[block, columns.words]`: numba reads a module's attribute as a constant. Features
that a loop fills are a family, named `family:member`; `columns.family` is then the array of its columns, in order. So a
new name may stand anywhere: no other feature's value changes. The weights file has the names that it was trained with,
and its trees find their columns by them.
"""

from functools import cache
from typing import Any

import numpy as np

from extract.blocks.scan.page import FLAG_NAMES

PAGE_KINDS = ("article", "product", "forum", "listing", "service", "documentation")
ANCESTORS = 5  # elements around a block that are described, its own first
NEIGHBOURS = np.array([-3, -2, -1, 1, 2, 3])  # by their distance in blocks
WINDOWS = np.array([3, 8, 20])  # blocks on each side
WEIGHT_NEIGHBOURS, WEIGHT_WINDOWS, WEIGHT_ANCESTORS = np.array([-2, -1, 1, 2]), np.array([4, 12]), 5
PROBABILITY_NEIGHBOURS, PROBABILITY_ANCESTORS = np.array([-4, -3, -2, -1, 1, 2, 3, 4]), 7


def _family(members: Any, *names: str) -> tuple[str, ...]:
    return tuple(f"{name}:{member}" for member in members for name in names)


FIRST_PASS: tuple[str, ...] = (
    # text of the block; shares are of its characters or words
    "words", "chars", "link_char_share", "links", "chars_per_word", "digit_share", "uppercase_share", "commas",
    "sentence_ends", "last_class", "first_class", "strong_share", "breaks", "capitalized_word_share", "symbol_share",
    "heading_level", "tag_category", *_family(FLAG_NAMES, "inside"),
    # place in the page
    "block_position", "words_before_share", "blocks_before", "blocks_after", "source_position", "depth",
    "words_from_here", "words_before",
    # elements around it: its own (0), its parent (1) ...
    *(
        name
        for step in range(ANCESTORS)
        for name in (
            *_family(
                [step], "ancestor_words", "ancestor_link_share", "ancestor_blocks", "ancestor_words_per_block",
                "ancestor_sentence_end_share", "ancestor_word_share", "ancestor_images", "ancestor_inputs",
                "ancestor_long_word_share",
            ),
            f"ancestor_tag_category:{step}" if step else "depth_below_parent",
        )
    ),
    # learned weights of class and id tokens: of its element, of the path down to it
    "class_weight_sum", "class_weight_min", "class_weight_max", "path_weight_sum", "path_weight_min",
    "path_weight_max", "nearest_class_weight", "parent_class_weight", "grandparent_class_weight",
    "parent_nearest_class_weight",
    # blocks of the same path, of the same text, and of the same path two elements up
    "same_path_blocks", "same_path_word_share", "same_path_words_per_block", "same_path_link_share",
    "same_path_sentence_end_share", "same_path_span", "same_path_position", "same_text_blocks",
    "same_outer_path_blocks", "same_outer_path_words_per_block", "same_outer_path_link_share", "same_text_before",
    # blocks before and after it
    *_family(NEIGHBOURS, "neighbour_words", "neighbour_link_share", "neighbour_ends_sentence", "neighbour_similarity"),
    *_family(WINDOWS, "window_words_per_block", "window_link_share", "window_long_block_share"),
    # headings and title
    "blocks_since_heading", "last_heading_level", "last_heading_path_weight", "words_since_heading",
    "last_heading_words", "blocks_since_h1", "h1_headings", "title_share_of_block", "block_share_of_title",
    "blocks_since_title",
    # the chain of elements that holds most of the long text
    "depth_above_main_element", "depth_below_chain", "main_element_depth", "main_element_word_share",
    "blocks_into_main_element", "blocks_to_main_element_end",
    # the page
    "page_words", "page_link_share", "page_blocks", "page_long_word_share", "page_long_blocks",
    "page_sentence_end_share", "page_nodes", "page_images", "page_inputs",
    # learned weights of words: of the block, of its heading, of the headings above, of other blocks
    "word_weight_sum", "word_weight_min", "word_weight_max", "phrase_weight",
    "heading_word_weight_sum", "heading_word_weight_min", "heading_word_weight_max", "heading_phrase_weight",
    "outer_heading_weight", "headings_weight_min", "headings_weight_max",
    *_family(WEIGHT_NEIGHBOURS, "neighbour_word_weight"), *_family(WEIGHT_WINDOWS, "window_word_weight"),
    *_family(range(WEIGHT_ANCESTORS), "ancestor_word_weight"),
    # the list of cards that it is in (siblings of one path), and the page's largest one
    "cards", "card_steps_up", "words_per_card", "card_link_share", "blocks_per_card", "card_list_word_share",
    "card_number", "largest_list_cards", "largest_list_word_share", "largest_list_link_share",
    "largest_list_words_per_card", "in_largest_list",
    # learned weights of all tokens of the page for each kind of page
    *_family(PAGE_KINDS, "kind_weight_mean"), *_family(PAGE_KINDS, "kind_weight_min"),
    *_family(PAGE_KINDS, "kind_weight_max"),
)  # fmt: skip

# Means of the first pass's probabilities, weighted by words unless the comment differs
SECOND_PASS: tuple[str, ...] = (
    "probability", *_family(PROBABILITY_NEIGHBOURS, "neighbour_probability"),
    *_family(WINDOWS, "window_probability", "window_block_probability"),  # the second one counts blocks alike
    *_family(range(PROBABILITY_ANCESTORS), "ancestor_probability"),
    "same_path_probability", "same_path_pool", "section_probability", "section_blocks", "outer_section_probability",
    "outer_section_blocks", "card_list_probability", "card_list_blocks", "last_heading_probability",
    # main text: words times probability; a sure block is probably main text and no short one
    "page_probability", "main_text_before_share", "page_main_text", "blocks_since_first_sure", "blocks_to_last_sure",
    "probability_before", "probability_after", "blocks_since_sure", "main_text_before", "blocks_to_sure",
    "main_text_after",
)  # fmt: skip
FEATURES = FIRST_PASS + SECOND_PASS
N_FIRST_PASS, N_FEATURES = len(FIRST_PASS), len(FEATURES)


@cache
def _columns() -> dict[str, int | np.ndarray]:
    """Column of every feature that is alone, columns of every family."""
    families: dict[str, list[int]] = {}
    for column, name in enumerate(FEATURES):
        families.setdefault(name.partition(":")[0], []).append(column)
    alone = {name for name in FEATURES if ":" not in name}
    return {name: numbers[0] if name in alone else np.array(numbers) for name, numbers in families.items()}


def __getattr__(name: str) -> Any:
    """Column of the feature, or columns of the family, of that name."""
    if name in _columns():
        return _columns()[name]
    raise AttributeError(f"no feature {name!r} in FIRST_PASS or SECOND_PASS")
