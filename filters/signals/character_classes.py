"""Classes of codepoints that the signals ask about, as bits of one table, and text as arrays of codepoints.

The kernels work on codepoints and not on bytes: every length in the rules is a number of characters, and "the character
before" is then one index away.
"""

import functools
import unicodedata
from pathlib import Path

import numpy as np

from pipeline.kernels import disk_cache as kept
from pipeline.kernels import tokens
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import CHARACTER, classes, decode

SPACE = 1  # str.isspace
BREAK = 2  # str.splitlines breaks here
ALPHA = 4  # str.isalpha
UPPER = 8  # str.isupper
DIGIT = 16  # category Nd, regex \d
PREFIX = 32  # a token of its own at the front of a word
SUFFIX = 64  # ... and at its end
AFTER_DIGIT = 128  # ... and at its end behind a digit
SYMBOL = 256  # a token of nothing else is no word (datatrove utils/text.py PUNCTUATION_SET)
TERMINAL = 512  # ends a line well, ends a sentence (Unicode Sentence_Terminal)
SINGLE = 1024  # a word of its own: scripts without spaces
PUNCT = 2048  # category P*
ICON = 4096  # a token of its own wherever it stands: dingbats, emoji, the ellipsis
HYPHEN = 8192  # joins two words
SPECIAL = 16384  # may start or end a token inside a run of non-space

_PLANES = 0x20000  # table entries: planes 0 and 1, then one for Han above them, then one for the rest
# Sentence_Terminal of Unicode 15 (PropList.txt) as FineWeb's line rule has it, code points in hex.
_TERMINAL_RANGES = """
21 2e 3f 589 61d-61f 6d4 700-702 7f9 837 839 83d-83e 964-965 104a-104b 1362 1367-1368 166e 1735-1736 17d4-17d6 17d9-17da
1803 1809 1944-1945 1aa8-1aab 1b5a-1b5b 1b5e-1b5f 1b7d-1b7e 1c3b-1c3c 1c7e-1c7f 203c-203d 2047-2049 2e2e 2e3c 2e53-2e54
3002 a4ff a60e-a60f a6f3 a6f7 a876-a877 a8ce-a8cf a92f a9c8-a9c9 aa5d-aa5f aaf0-aaf1 abeb fe52 fe56-fe57 ff01 ff0e ff1f
ff61 10a56-10a57 10f55-10f59 10f86-10f89 11047-11048 110be-110c1 11141-11143 111c5-111c6 111cd 111de-111df 11238-11239
1123b-1123c 112a9 1144b-1144c 115c2-115c3 115c9-115d7 11641-11642 1173c-1173e 11944 11946 11a42-11a43 11a9b-11a9c
11c41-11c42 11ef7-11ef8 11f43-11f44 16a6e-16a6f 16af5 16b37-16b38 16b44 16e98 1bc9f 1da88
"""
_SYMBOLS = "’“”—％〈〉&、━【】「」，；„；～«»∶´．（）–？！：。…►‘“《》"  # besides ASCII, controls and terminal marks
_EDGES = ",:;¡¿_#*&<>、，；：～·،؛٪'\"`´…"  # besides brackets, quotes, terminal marks and icons
_FRONT = "§%=—–+"


def ranges(text: str) -> list[int]:
    """Codepoints of "21 2e-3f": hex numbers and closed ranges."""
    pairs = [(part + "-" + part).split("-")[:2] if "-" not in part else part.split("-") for part in text.split()]
    return [point for low, high in pairs for point in range(int(low, 16), int(high, 16) + 1)]


@functools.cache
def table() -> np.ndarray:
    """(131074,) uint16: class bits of each codepoint of planes 0 and 1, of Han above, of everything else."""
    made_from = (Path(__file__), Path(tokens.__file__), unicodedata.unidata_version)
    return kept.arrays("signal-classes", made_from, lambda: {"bits": _table()})["bits"]


def _table() -> np.ndarray:
    bits = np.zeros(_PLANES + 2, np.uint16)
    for point in range(_PLANES):
        bits[point] = _of(chr(point))
    bits[ranges(_TERMINAL_RANGES)] |= TERMINAL | SYMBOL | PREFIX | SUFFIX | SPECIAL
    bits[ord(".")] &= ~np.uint16(PREFIX | SUFFIX)  # has rules of its own: abbreviations, domains, ellipses
    bits[:_PLANES][classes() == CHARACTER] |= SINGLE | SPECIAL
    bits[_PLANES] = ALPHA | SINGLE | SPECIAL
    return bits


def _of(char: str) -> int:
    category = unicodedata.category(char)
    bits = SPACE | SPECIAL if char.isspace() else 0
    bits |= BREAK if len(f"{char}x".splitlines()) == 2 else 0
    bits |= (ALPHA if char.isalpha() else 0) | (UPPER if char.isupper() else 0) | (DIGIT if category == "Nd" else 0)
    bits |= PUNCT if category[0] == "P" else 0
    bits |= ICON | PREFIX | SUFFIX if category == "So" or char == "…" else 0
    bits |= PREFIX | SUFFIX if category in ("Ps", "Pe", "Pi", "Pf") or char in _EDGES else 0
    bits |= PREFIX if category == "Sc" or char in _FRONT else 0
    bits |= SUFFIX if char in "—–" else 0
    bits |= AFTER_DIGIT if category == "Sc" or char in "%+" else 0
    bits |= HYPHEN if char in "-–—~" else 0
    bits |= SYMBOL if _is_symbol(char) else 0
    special = bits & (PREFIX | SUFFIX | HYPHEN) or char in "./+*^'’<>=:"
    return bits | (SPECIAL if special else 0)


def _is_symbol(char: str) -> bool:
    point = ord(char)
    return char not in "\t\n " and not char.isalnum() if point < 160 else char in _SYMBOLS


@njit(cache=True, nogil=True)
def spell(data, low, high, bits, points, kinds):
    """Decode UTF-8 bytes [low, high) into `points` (uint32) and their class bits `kinds` (uint16); returns how many.

    Behind the last there is a blank, so that no search for the end of a word has to ask whether the text goes on.
    """
    n, at = 0, low
    while at < high:
        byte = data[at]
        if byte < 0x80:
            points[n], kinds[n] = byte, bits[byte]
            at += 1
        else:
            point, at = decode(data, at)
            points[n], kinds[n] = point, bits[place(point)]
        n += 1
    points[n], kinds[n] = 0x20, bits[0x20]
    return n


@njit(cache=True, nogil=True, inline="always")
def place(point):
    """Index of a codepoint in the table of class bits."""
    if point < np.uint32(0x20000):
        return np.int64(point)
    return np.int64(0x20000) if point < np.uint32(0x33480) else np.int64(0x20001)
