"""Character classes that the signals need, as bits of one table, and the decoding of text into codepoints.

Kernels work on codepoints rather than bytes: every length in the rules is a number of characters, and the previous
character is one index away.
"""

import functools
import unicodedata
from pathlib import Path

import numpy as np

from pipeline.base.unseen import INVISIBLE
from pipeline.kernels import disk_cache, tokens
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import CHARACTER, classes, decode

SPACE = 1  # str.isspace
BREAK = 2  # str.splitlines breaks here
ALPHA = 4  # str.isalpha
UPPER = 8  # str.isupper
DIGIT = 16  # category Nd, regex \d
PREFIX = 32  # split off as a token at the start of a word
SUFFIX = 64  # split off as a token at the end of a word
AFTER_DIGIT = 128  # split off as a token at the end of a word, after a digit
SYMBOL = 256  # a token of symbols alone is not counted as a word (datatrove utils/text.py PUNCTUATION_SET)
TERMINAL = 512  # ends a sentence (Unicode Sentence_Terminal)
SINGLE = 1024  # a word of one character: scripts without spaces
PUNCT = 2048  # category P*
ICON = 4096  # a token anywhere in a word: dingbats, emoji, the ellipsis
HYPHEN = 8192  # joins two words
SPECIAL = 16384  # may start or end a token inside a run of non-space

_NEWLINE, _RETURN = 0x0A, 0x0D
_INVISIBLE_POINTS = tuple(map(ord, INVISIBLE))
_PLANES_0_AND_1 = 0x20000  # codepoints with an entry of their own
# The two entries after those: Han ideographs of planes 2 and 3, and every other codepoint.
_HAN_ENTRY, _OTHER_ENTRY = 0x20000, 0x20001
_HAN_END = 0x33480
# Sentence_Terminal of Unicode 15 (PropList.txt), which FineWeb's line rule uses; codepoints in hex.
TERMINAL_RANGES = """
21 2e 3f 589 61d-61f 6d4 700-702 7f9 837 839 83d-83e 964-965 104a-104b 1362 1367-1368 166e 1735-1736 17d4-17d6 17d9-17da
1803 1809 1944-1945 1aa8-1aab 1b5a-1b5b 1b5e-1b5f 1b7d-1b7e 1c3b-1c3c 1c7e-1c7f 203c-203d 2047-2049 2e2e 2e3c 2e53-2e54
3002 a4ff a60e-a60f a6f3 a6f7 a876-a877 a8ce-a8cf a92f a9c8-a9c9 aa5d-aa5f aaf0-aaf1 abeb fe52 fe56-fe57 ff01 ff0e ff1f
ff61 10a56-10a57 10f55-10f59 10f86-10f89 11047-11048 110be-110c1 11141-11143 111c5-111c6 111cd 111de-111df 11238-11239
1123b-1123c 112a9 1144b-1144c 115c2-115c3 115c9-115d7 11641-11642 1173c-1173e 11944 11946 11a42-11a43 11a9b-11a9c
11c41-11c42 11ef7-11ef8 11f43-11f44 16a6e-16a6f 16af5 16b37-16b38 16b44 16e98 1bc9f 1da88
"""
_SYMBOLS = "’“”—％〈〉&、━【】「」，；„；～«»∶´．（）–？！：。…►‘“《》"  # besides ASCII, controls and terminal marks
_EDGES = ",:;¡¿_#*&<>、，；：～·،؛٪'\"`´…"  # besides brackets, quotes, terminal marks and icons
_PREFIX_ONLY = "§%=—–+"
_LATIN_1_SYMBOLS_END = 160  # below it, every character but letters, digits and white space is a symbol


def parse_ranges(text: str) -> list[int]:
    """Codepoints listed as hex numbers and inclusive ranges, for example "21 2e-3f"."""
    bounds = [(part.partition("-")[0], part.rpartition("-")[2]) for part in text.split()]
    return [point for low, high in bounds for point in range(int(low, 16), int(high, 16) + 1)]


@functools.cache
def character_classes() -> np.ndarray:
    """Class bits of every codepoint of planes 0 and 1, of Han beyond them and of the rest: (131074,) uint16.

    `class_index` gives the entry of a codepoint.
    """
    made_from = (Path(__file__), Path(tokens.__file__), unicodedata.unidata_version)
    return disk_cache.cached_arrays("signal-classes", made_from, lambda: {"bits": _build_classes()})["bits"]


def _build_classes() -> np.ndarray:
    bits = np.zeros(_PLANES_0_AND_1 + 2, np.uint16)
    for point in range(_PLANES_0_AND_1):
        bits[point] = _class_bits(chr(point))
    bits[parse_ranges(TERMINAL_RANGES)] |= TERMINAL | SYMBOL | PREFIX | SUFFIX | SPECIAL
    bits[ord(".")] &= ~np.uint16(PREFIX | SUFFIX)  # has rules of its own: abbreviations, domains, ellipses
    bits[:_PLANES_0_AND_1][classes() == CHARACTER] |= SINGLE | SPECIAL
    bits[_HAN_ENTRY] = ALPHA | SINGLE | SPECIAL
    return bits


def _class_bits(char: str) -> int:
    """Class bits of a character, but for those that hold for ranges of them (terminal marks, single characters)."""
    category = unicodedata.category(char)
    bits = SPACE | SPECIAL if char.isspace() else 0
    bits |= BREAK if len(f"{char}x".splitlines()) == 2 else 0
    bits |= (ALPHA if char.isalpha() else 0) | (UPPER if char.isupper() else 0) | (DIGIT if category == "Nd" else 0)
    bits |= PUNCT if category[0] == "P" else 0
    bits |= ICON | PREFIX | SUFFIX if category == "So" or char == "…" else 0
    bits |= PREFIX | SUFFIX if category in ("Ps", "Pe", "Pi", "Pf") or char in _EDGES else 0
    bits |= PREFIX if category == "Sc" or char in _PREFIX_ONLY else 0
    bits |= SUFFIX if char in "—–" else 0
    bits |= AFTER_DIGIT if category == "Sc" or char in "%+" else 0
    bits |= HYPHEN if char in "-–—~" else 0
    if ord(char) < _LATIN_1_SYMBOLS_END:
        bits |= SYMBOL if char not in "\t\n " and not char.isalnum() else 0
    else:
        bits |= SYMBOL if char in _SYMBOLS else 0
    special = bits & (PREFIX | SUFFIX | HYPHEN) or char in "./+*^'’<>=:"
    return bits | (SPECIAL if special else 0)


@njit(cache=True, nogil=True)
def decode_text(data, start, end, class_bits, points, kinds):
    """Decode the UTF-8 bytes [start, end) into codepoints and their class bits; returns how many.

    points (uint32) and kinds (uint16) are filled and get a space after the last codepoint, so that a search for the
    end of a word needs no bounds check.
    """
    count, position = 0, start
    while position < end:
        byte = data[position]
        if byte < 0x80:
            points[count], kinds[count] = byte, class_bits[byte]
            position += 1
        else:
            point, position = decode(data, position)
            points[count], kinds[count] = point, class_bits[class_index(point)]
        count += 1
    points[count], kinds[count] = 0x20, class_bits[0x20]
    return count


@njit(cache=True, nogil=True)
def decode_visible_text(data, start, end, class_bits, points, kinds):
    """Decode the UTF-8 bytes [start, end) as `decode_text` does, as a reader sees them; returns how many codepoints.

    What leaves no trace on the page leaves none in a signal: blanks (and a carriage return) before a line feed or the
    end of the text, and INVISIBLE characters, are left out; a no-break, ideographic or other blank is a space.
    """
    count, position = 0, start
    while position < end:
        byte = data[position]
        if byte < 0x80:
            point, kind = np.uint32(byte), class_bits[byte]
            position += 1
            if point == _NEWLINE:
                count = _trim_blanks(points, kinds, count)
        else:
            point, position = decode(data, position)
            if point in _INVISIBLE_POINTS:
                continue
            kind = class_bits[class_index(point)]
            if kind & (SPACE | BREAK) == SPACE:
                point, kind = np.uint32(0x20), class_bits[0x20]
        points[count], kinds[count] = point, kind
        count += 1
    count = _trim_blanks(points, kinds, count)
    points[count], kinds[count] = 0x20, class_bits[0x20]
    return count


@njit(cache=True, nogil=True, inline="always")
def _trim_blanks(points, kinds, count):
    """Number of codepoints without the blanks at their end."""
    while count > 0 and (kinds[count - 1] & (SPACE | BREAK) == SPACE or points[count - 1] == _RETURN):
        count -= 1
    return count


@njit(cache=True, nogil=True, inline="always")
def class_index(point):
    """Entry of a codepoint in the table of `character_classes`."""
    if point < np.uint32(_PLANES_0_AND_1):
        return np.int64(point)
    return np.int64(_HAN_ENTRY) if point < np.uint32(_HAN_END) else np.int64(_OTHER_ENTRY)
