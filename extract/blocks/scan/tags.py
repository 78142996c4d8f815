"""Names the block scanner knows: elements and their kinds, attributes, character references; hash tables for kernels.

Kinds follow the HTML Living Standard's rendering section (which elements are blocks by default) and its parsing section
(raw text, void elements, implied end tags). Custom elements (`x-y`) count as blocks.
"""

from html.entities import html5

import numpy as np

from pipeline.kernels.njit import njit

INLINE, BLOCK, VOID, SKIP = 0, 1, 2, 3  # SKIP: its content is not text of the page
_INLINE = (
    "a abbr acronym b bdi bdo big blink cite code data del dfn em font i ins kbd label mark nobr q rb rp rt ruby s samp"
)
_INLINE += " small span strike strong sub sup time tt u var slot output picture"
_INLINE += (
    " mi mn mo mtext mrow mfrac msup msub msubsup msqrt mroot mover munder munderover mstyle semantics mspace mpadded"
)
_INLINE += " menclose mphantom merror ms mtable mtr mtd math"
_BLOCK = "html body div p h1 h2 h3 h4 h5 h6 ul ol li dl dt dd table thead tbody tfoot tr td th caption pre blockquote"
_BLOCK += " article section main nav aside header footer figure figcaption address form fieldset legend details summary"
_BLOCK += " center button select optgroup option hgroup search dialog dir menu colgroup listing xmp"
_BLOCK += " audio video canvas object noscript"
_VOID = "head area base br col embed hr img input link meta param source track wbr basefont bgsound frame keygen"
_SKIP = "script style template svg iframe textarea title annotation annotation-xml noframes noembed"


def _names() -> dict[str, int]:
    kinds = ((_INLINE, INLINE), (_BLOCK, BLOCK), (_VOID, VOID), (_SKIP, SKIP))
    return {name: kind for names, kind in kinds for name in names.split()}


_KINDS = _names()
TAG_NAMES = ("", *sorted(_KINDS))  # tag 0: any name that is not in the list
TAG = {name: i for i, name in enumerate(TAG_NAMES)}
TAG_KIND = np.array([BLOCK, *(_KINDS[name] for name in TAG_NAMES[1:])], np.uint8)
_ATTRIBUTES = "class id role itemprop itemtype style hidden aria-hidden href type property name content rel"
ATTRIBUTE = {name: i + 1 for i, name in enumerate(_ATTRIBUTES.split())}

FNV_BASIS = 0xCBF29CE484222325
FNV_PRIME = 0x100000001B3


def fnv(name: bytes) -> int:
    """FNV-1a, 64 bits (Fowler, Noll, Vo; RFC 9923)."""
    code = FNV_BASIS
    for byte in name:
        code = ((code ^ byte) * FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return code


def table(keys: dict[int, int], bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Open addressing with linear probing: (hashes uint64, values int32) of 2**bits places, hash 0 where empty."""
    mask = (1 << bits) - 1
    codes, values = np.zeros(mask + 1, np.uint64), np.zeros(mask + 1, np.int32)
    for code, value in keys.items():
        place = code & mask
        while codes[place]:
            place = (place + 1) & mask
        codes[place], values[place] = code, value
    return codes, values


@njit(cache=True, nogil=True)
def look(codes: np.ndarray, values: np.ndarray, code: np.uint64) -> int:
    """The value at `code`, 0 where there is none."""
    mask = np.uint64(len(codes) - 1)
    place = np.uint64(code & mask)
    while codes[place] != 0:
        if codes[place] == code:
            return values[place]
        place = np.uint64((place + np.uint64(1)) & mask)
    return 0


TAG_CODES, TAG_VALUES = table({fnv(name.encode()): i for name, i in TAG.items() if name}, 10)
ATTRIBUTE_CODES, ATTRIBUTE_VALUES = table({fnv(name.encode()): i for name, i in ATTRIBUTE.items()}, 7)


def _entities() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    names = sorted(html5)
    texts = [html5[name].encode() for name in names]
    ends = np.cumsum([0, *(len(text) for text in texts)]).astype(np.int32)
    codes, values = table({fnv(name.encode()): i + 1 for i, name in enumerate(names)}, 13)
    return codes, values, ends, np.frombuffer(b"".join(texts), np.uint8)


ENTITY_CODES, ENTITY_VALUES, ENTITY_ENDS, ENTITY_BYTES = _entities()
