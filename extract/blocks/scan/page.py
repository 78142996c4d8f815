"""A scanned page as arrays: what the fields of a block and of an element mean, and the flags of elements."""

from typing import NamedTuple

import numpy as np

from extract.blocks.scan.tags import TAG_NAMES

MAX_OPEN = 512  # elements open at once, as in Chromium
MAX_NODES = 400_000  # elements of a page
MAX_BLOCKS = 60_000  # blocks of a page; those after them are counted only

BLOCK = np.dtype(
    [
        ("start", np.int32),  # its text is Page.text[start:end]
        ("end", np.int32),
        ("node", np.int32),  # innermost element
        ("source_end", np.int32),  # offset in the source after the tag that ended the block
        ("chars", np.int32),
        ("words", np.int32),  # each Han character is a word
        ("link_chars", np.int32),
        ("link_words", np.int32),
        ("links", np.int32),
        ("digits", np.int32),
        ("uppercase", np.int32),
        ("commas", np.int32),
        ("sentence_ends", np.int32),  # full stops, colons, exclamation and question marks
        ("strong_chars", np.int32),
        ("breaks", np.int32),  # lines ended by `br`
        ("capitalized_words", np.int32),
        ("first_class", np.int32),  # classes of the first and of the last character, see characters.py
        ("last_class", np.int32),
        ("images", np.int32),  # images and inputs of the page before the block's end
        ("inputs", np.int32),
        ("symbols", np.int32),
    ],
    align=True,
)
NODE = np.dtype(
    [
        ("tag", np.int32),
        ("parent", np.int32),
        ("depth", np.int32),
        ("first_block", np.int32),  # blocks, images and inputs in the element: [first, end)
        ("end_block", np.int32),
        ("flags", np.int32),
        ("first_image", np.int32),
        ("end_image", np.int32),
        ("first_input", np.int32),
        ("end_input", np.int32),
        ("children", np.int32),
        ("source_end", np.int32),  # offset in the source after its start tag
        ("first_token", np.int32),  # its tokens are Page.tokens[first_token:end_token]
        ("end_token", np.int32),
    ],
    align=True,
)


class Page(NamedTuple):
    """What the scanner saw of a page.

    Attributes:
        text: UTF-8 bytes of all blocks.
        blocks: (blocks,) of BLOCK, in the order of the page.
        nodes: (elements,) of NODE, in order of opening; element 0 is the page itself.
        paths: (elements,) uint64, hash of the tags and first classes from the page down to the element.
        tokens: uint64 hashes of class, id, role and schema.org tokens, element by element.
        about: uint64 hashes of tokens about the page: its body's classes, og:type, generator, its own address, the
            types in its JSON-LD.
        title: (start, end) of the title's text in the source's bytes.
        lost_blocks: Blocks after MAX_BLOCKS.
    """

    text: np.ndarray
    blocks: np.ndarray
    nodes: np.ndarray
    paths: np.ndarray
    tokens: np.ndarray
    about: np.ndarray
    title: tuple[int, int]
    lost_blocks: int


# An element has the flags of the elements around it, too. Bit k of `flags` is FLAG_NAMES[k].
FLAG_NAMES = (
    "hidden", "preformatted", "list", "cell", "heading", "form", "nav", "footer", "header", "aside", "article", "main",
    "figure", "quote", "button", "select", "code", "details", "address", "dialog", "noscript",
)  # fmt: skip
HIDDEN, PREFORMATTED, LIST, CELL, HEADING, QUOTE = (
    1 << FLAG_NAMES.index(name) for name in ("hidden", "preformatted", "list", "cell", "heading", "quote")
)
_TAGS_OF_FLAG = {
    "preformatted": "pre listing xmp", "list": "li dt dd", "cell": "td th", "heading": "h1 h2 h3 h4 h5 h6",
    "nav": "nav menu", "figure": "figure figcaption", "quote": "blockquote",
    **{name: name for name in ("form", "footer", "header", "aside", "article", "main", "button", "select")},
    **{name: name for name in ("details", "address", "dialog", "noscript")},
}  # fmt: skip
_FLAG_OF_TAG = {tag: 1 << FLAG_NAMES.index(name) for name, tags in _TAGS_OF_FLAG.items() for tag in tags.split()}
TAG_FLAGS = np.array([_FLAG_OF_TAG.get(name, 0) for name in TAG_NAMES], np.int64)  # by tag

# What the scanner knows between two tags. The counts are of the page so far.
SCAN_STATE = np.dtype(
    [
        # text
        ("text_length", np.int64),
        ("block_start", np.int64),  # where the block's text begins, -1 while it has none
        ("node", np.int64),  # innermost element, which text belongs to
        ("space_pending", np.int64),  # white space waits for a character
        ("break_pending", np.int64),  # a `br` waits for a character
        ("indent", np.int64),  # spaces at the beginning of the next line of code
        ("in_word", np.int64),
        ("in_pre", np.int64),
        ("in_link", np.int64),
        ("in_strong", np.int64),
        ("in_code", np.int64),  # a code mark is open
        ("in_sup_sub", np.int64),  # a mark of a superscript or subscript is open
        ("pending_marks", np.int64),  # marks that wait for a character
        ("link_text_start", np.int64),  # text length where the last link began
        ("links_before_sup_sub", np.int64),
        # elements
        ("depth", np.int64),  # of the stack of open elements
        ("link_depth", np.int64),  # depth where the link, and the bold text, began
        ("strong_depth", np.int64),
        ("first_token", np.int64),  # of the tag that is being read
        ("title_start", np.int64),
        ("title_end", np.int64),
        # counts
        ("n_blocks", np.int64),
        ("n_lost_blocks", np.int64),  # blocks after MAX_BLOCKS
        ("n_images", np.int64),
        ("n_inputs", np.int64),
        ("n_nodes", np.int64),
        ("n_tokens", np.int64),
        ("n_about", np.int64),
    ],
    align=True,
)
