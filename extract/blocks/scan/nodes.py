"""The arrays of a scanned page and what their columns mean, with the numbers of the elements that kernels ask for."""

from typing import NamedTuple

import numpy as np

from extract.blocks.scan.tags import ATTRIBUTE, TAG, TAG_NAMES
from extract.blocks.scan.text_runs import STATE_SIZE as _TEXT_STATE

MAX_OPEN = 512  # elements open at once, as Chromium has it
MAX_NODES = 400_000
MAX_BLOCKS = 60_000  # blocks after so many are counted only
MAX_TOKENS = 24  # class and id tokens of one element
MAX_ABOUT = 256  # tokens about the page: its body's classes, og:type, generator, address, types of its JSON-LD

(N_TAG, N_PARENT, N_DEPTH, N_B0, N_B1, N_FLAGS, N_IMG0, N_IMG1, N_INP0, N_INP1, N_CHILDREN, N_POS, N_TOK0, N_TOK1) = (
    range(14)
)
NODE_COLUMNS = 14
# inherited flags of a node
HIDDEN, PREFORMATTED, LIST, CELL, HEADING, FORM, NAV, FOOTER, HEADER, ASIDE, ARTICLE, MAIN, FIGURE, QUOTE, BUTTON = (
    1 << k for k in range(15)
)
SELECT, CODE, DETAILS, ADDRESS, DIALOG, NOSCRIPT = (1 << k for k in range(15, 21))
_FLAG_OF = {
    **dict.fromkeys(("pre", "listing", "xmp"), PREFORMATTED),
    **dict.fromkeys(("li", "dt", "dd"), LIST),
    **dict.fromkeys(("td", "th"), CELL),
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), HEADING),
    **{"form": FORM, "nav": NAV, "footer": FOOTER, "header": HEADER, "aside": ASIDE, "article": ARTICLE, "main": MAIN},
    **{"figure": FIGURE, "figcaption": FIGURE, "blockquote": QUOTE, "button": BUTTON, "select": SELECT},
    **{"details": DETAILS, "address": ADDRESS, "dialog": DIALOG, "menu": NAV, "noscript": NOSCRIPT},
}
TAG_FLAGS = np.array([_FLAG_OF.get(name, 0) for name in TAG_NAMES], np.int64)
# the scanner's state after that of its text
(LINK_DEPTH, STRONG_DEPTH, DEPTH, N_NODES, N_TOKENS, TOKEN0, N_ABOUT) = range(_TEXT_STATE, _TEXT_STATE + 7)
SCAN_STATE = _TEXT_STATE + 7
# what a start tag's attributes say: yes or no, a hash, bounds of values in the source
(IS_HIDDEN, HAS_HREF, SELF_CLOSING, CLASS_CODE, TYPE0, TYPE1, PROP0, PROP1, CONT0, CONT1) = range(10)
HREF0, HREF1, IS_CODE = range(10, 13)
ATTRIBUTE_STATE = 13


def _numbers(of: dict[str, int], names: str) -> tuple[int, ...]:
    return tuple(of[name] for name in names.split())


(P, LI, DD, DT, TD, TH, TR, TBODY, THEAD, TFOOT, TABLE, UL, OL, MENU, OPTION, CAPTION) = _numbers(
    TAG, "p li dd dt td th tr tbody thead tfoot table ul ol menu option caption"
)
(A, BR, HR, IMG, INPUT, LINK_TAG, META, STRONG_TAG, B, SCRIPT, STYLE, TITLE, TEXTAREA, SVG) = _numbers(
    TAG, "a br hr img input link meta strong b script style title textarea svg"
)
(CODE_TAG, KBD, SAMP, TT, SUP, SUB) = _numbers(TAG, "code kbd samp tt sup sub")
(BODY, HTML, H1, H6, ADDRESS_TAG, DIV, IFRAME, NOFRAMES, NOEMBED) = _numbers(
    TAG, "body html h1 h6 address div iframe noframes noembed"
)
(AT_CLASS, AT_ID, AT_ROLE, AT_ITEMPROP, AT_ITEMTYPE, AT_STYLE, AT_HIDDEN, AT_ARIA_HIDDEN, AT_HREF) = _numbers(
    ATTRIBUTE, "class id role itemprop itemtype style hidden aria-hidden href"
)
AT_TYPE, AT_PROPERTY, AT_NAME, AT_CONTENT, AT_REL = _numbers(ATTRIBUTE, "type property name content rel")


class Page(NamedTuple):
    """What the scanner saw: `text` UTF-8 bytes; `blocks` (n, BLOCK_COLUMNS) int32, columns as in block_text;
    `nodes` (m, NODE_COLUMNS) int32 in order of opening, node 0 the page; `paths` (m,) uint64, hash of the tags and
    first classes above; `tokens` uint64, hashes of class, id, role, schema.org tokens, nodes[i] has [N_TOK0, N_TOK1);
    `about` the same of the page itself: its body's classes, og:type, generator, its own address, JSON-LD's types;
    `title` (start, end) of the title's text in the source's bytes; `lost` blocks after MAX_BLOCKS."""

    text: np.ndarray
    blocks: np.ndarray
    nodes: np.ndarray
    paths: np.ndarray
    tokens: np.ndarray
    about: np.ndarray
    title: tuple[int, int]
    lost: int
