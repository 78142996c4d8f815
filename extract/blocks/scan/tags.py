"""HTML elements and attributes by name: numbers that kernels compare, kinds of elements, hash tables of the names.

Kinds follow the HTML Living Standard's rendering section (which elements are blocks by default) and its parsing section
(raw text, void elements, implied end tags). Custom elements (`x-y`) count as blocks.

The numbers of tags are in the trained weights (a tag is a token of its element, and `tag_category` a feature): the
weights file stores the names it was trained with, and `model.load_model` compares them with these.
"""

from enum import IntEnum

import numpy as np

from extract.blocks.scan.hashing import build_table, fnv1a


class TagKind(IntEnum):
    """What an element means for text."""

    INLINE = 0  # part of a line
    BLOCK = 1  # begins and ends a block of text
    VOID = 2  # has no content and no end tag
    SKIPPED = 3  # its content is not text of the page


_NAMES_BY_KIND = {
    TagKind.INLINE: (
        "a abbr acronym b bdi bdo big blink cite code data del dfn em font i ins kbd label mark nobr q rb rp rt ruby s "
        "samp small span strike strong sub sup time tt u var slot output picture "
        "mi mn mo mtext mrow mfrac msup msub msubsup msqrt mroot mover munder munderover mstyle semantics mspace "
        "mpadded menclose mphantom merror ms mtable mtr mtd math"
    ),
    TagKind.BLOCK: (
        "html body div p h1 h2 h3 h4 h5 h6 ul ol li dl dt dd table thead tbody tfoot tr td th caption pre blockquote "
        "article section main nav aside header footer figure figcaption address form fieldset legend details summary "
        "center button select optgroup option hgroup search dialog dir menu colgroup listing xmp "
        "audio video canvas object noscript"
    ),
    TagKind.VOID: (
        "head area base br col embed hr img input link meta param source track wbr basefont bgsound frame keygen"
    ),
    TagKind.SKIPPED: "script style template svg iframe textarea title annotation annotation-xml noframes noembed",
}
_KIND_BY_NAME = {name: kind for kind, names in _NAMES_BY_KIND.items() for name in names.split()}
TAG_NAMES = ("", *sorted(_KIND_BY_NAME))  # by number; number 0 is any name that is not listed
TAG_NUMBERS = {name: number for number, name in enumerate(TAG_NAMES)}
TAG_KINDS = np.array([TagKind.BLOCK, *(_KIND_BY_NAME[name] for name in TAG_NAMES[1:])], np.uint8)
TAG_HASHES, TAG_VALUES = build_table({fnv1a(name.encode()): number for name, number in TAG_NUMBERS.items() if name}, 10)


class Tag(IntEnum):
    """Numbers of the elements that the scanner and the features ask for by name; TAG_NAMES has all of them."""

    OTHER = 0
    A = TAG_NUMBERS["a"]
    ADDRESS = TAG_NUMBERS["address"]
    B = TAG_NUMBERS["b"]
    BLOCKQUOTE = TAG_NUMBERS["blockquote"]
    BODY = TAG_NUMBERS["body"]
    BR = TAG_NUMBERS["br"]
    CAPTION = TAG_NUMBERS["caption"]
    CODE = TAG_NUMBERS["code"]
    DD = TAG_NUMBERS["dd"]
    DIV = TAG_NUMBERS["div"]
    DT = TAG_NUMBERS["dt"]
    H1 = TAG_NUMBERS["h1"]
    H6 = TAG_NUMBERS["h6"]
    HR = TAG_NUMBERS["hr"]
    HTML = TAG_NUMBERS["html"]
    IFRAME = TAG_NUMBERS["iframe"]
    IMG = TAG_NUMBERS["img"]
    INPUT = TAG_NUMBERS["input"]
    KBD = TAG_NUMBERS["kbd"]
    LI = TAG_NUMBERS["li"]
    LINK = TAG_NUMBERS["link"]
    MENU = TAG_NUMBERS["menu"]
    META = TAG_NUMBERS["meta"]
    NOEMBED = TAG_NUMBERS["noembed"]
    NOFRAMES = TAG_NUMBERS["noframes"]
    OL = TAG_NUMBERS["ol"]
    OPTION = TAG_NUMBERS["option"]
    P = TAG_NUMBERS["p"]
    SAMP = TAG_NUMBERS["samp"]
    SCRIPT = TAG_NUMBERS["script"]
    STRONG = TAG_NUMBERS["strong"]
    STYLE = TAG_NUMBERS["style"]
    SUB = TAG_NUMBERS["sub"]
    SUP = TAG_NUMBERS["sup"]
    SVG = TAG_NUMBERS["svg"]
    TABLE = TAG_NUMBERS["table"]
    TBODY = TAG_NUMBERS["tbody"]
    TD = TAG_NUMBERS["td"]
    TEXTAREA = TAG_NUMBERS["textarea"]
    TFOOT = TAG_NUMBERS["tfoot"]
    TH = TAG_NUMBERS["th"]
    THEAD = TAG_NUMBERS["thead"]
    TITLE = TAG_NUMBERS["title"]
    TR = TAG_NUMBERS["tr"]
    TT = TAG_NUMBERS["tt"]
    UL = TAG_NUMBERS["ul"]


class Attribute(IntEnum):
    """Attributes that the scanner reads; 0 is any other."""

    OTHER = 0
    CLASS = 1
    ID = 2
    ROLE = 3
    ITEMPROP = 4
    ITEMTYPE = 5
    STYLE = 6
    HIDDEN = 7
    ARIA_HIDDEN = 8
    HREF = 9
    TYPE = 10
    PROPERTY = 11
    NAME = 12
    CONTENT = 13
    REL = 14


ATTRIBUTE_HASHES, ATTRIBUTE_VALUES = build_table(
    {fnv1a(item.name.lower().replace("_", "-").encode()): item.value for item in Attribute if item.value}, 7
)
