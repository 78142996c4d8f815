"""The script that a text is written in, counted from its codepoints and never guessed.

Codes are ISO 15924. A codepoint's script is taken from its Unicode name (`CYRILLIC SMALL LETTER A`), which agrees with
the property Script of Unicode Standard Annex 24 on every letter in use on the web (tested against `regex`).
"""

import functools
import unicodedata
from pathlib import Path

import numpy as np

from pipeline.kernels import disk_cache
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import decode

POINT_LIMIT = 0x20000  # planes 0 and 1; of those above, only Han characters (and symbols) are in use
_FIRST_HAN, _HAN_END = 0x4E00, 0xA000
_MIN_KANA_SHARE = 20  # one kana in so many Han characters: a Chinese text quotes a title at most
# First word(s) of the Unicode names -> code. Scripts that are missing here count as Zzzz (unknown).
_CODE_OF_NAME = {
    "LATIN": "Latn", "FULLWIDTH LATIN": "Latn", "MODIFIER LETTER SMALL": "Latn", "FEMININE": "Latn",
    "MASCULINE": "Latn",
    "CYRILLIC": "Cyrl", "GREEK": "Grek", "ARABIC": "Arab", "HEBREW": "Hebr", "CJK": "Hani", "HANGUL": "Hang",
    "HALFWIDTH HANGUL": "Hang", "HIRAGANA": "Hira", "KATAKANA": "Kana", "HALFWIDTH KATAKANA": "Kana",
    "BOPOMOFO": "Bopo", "DEVANAGARI": "Deva", "BENGALI": "Beng", "GURMUKHI": "Guru", "GUJARATI": "Gujr",
    "ORIYA": "Orya", "TAMIL": "Taml", "TELUGU": "Telu", "KANNADA": "Knda", "MALAYALAM": "Mlym", "SINHALA": "Sinh",
    "THAI": "Thai", "LAO": "Laoo", "TIBETAN": "Tibt", "MYANMAR": "Mymr", "KHMER": "Khmr", "GEORGIAN": "Geor",
    "ARMENIAN": "Armn", "ETHIOPIC": "Ethi", "MONGOLIAN": "Mong", "THAANA": "Thaa", "SYRIAC": "Syrc", "NKO": "Nkoo",
    "CHEROKEE": "Cher", "CANADIAN": "Cans", "TIFINAGH": "Tfng", "YI": "Yiii", "OL CHIKI": "Olck", "MEETEI": "Mtei",
    "JAVANESE": "Java", "BALINESE": "Bali", "SUNDANESE": "Sund", "BUGINESE": "Bugi", "CHAKMA": "Cakm", "VAI": "Vaii",
    "ADLAM": "Adlm", "HANIFI": "Rohg", "NEW TAI": "Talu", "TAI LE": "Tale", "TAI THAM": "Lana", "LIMBU": "Limb",
    "LEPCHA": "Lepc", "LISU": "Lisu", "COPTIC": "Copt", "GOTHIC": "Goth", "RUNIC": "Runr", "TAGALOG": "Tglg",
    "CHAM": "Cham", "CUNEIFORM": "Xsux", "EGYPTIAN": "Egyp",
}  # fmt: skip
CODES = ("Zyyy", "Zzzz", *sorted(set(_CODE_OF_NAME.values())))  # Zyyy: common to all scripts (digits, punctuation)
_HANI, _HIRA, _KANA = CODES.index("Hani"), CODES.index("Hira"), CODES.index("Kana")
_HANS, _HANT = len(CODES), len(CODES) + 1  # two more counters: characters that only one of the standards has
_COUNTERS = len(CODES) + 2


def _script_of_point(point: int) -> int:
    """Index into CODES of a codepoint. Marks and signs that scripts share are Zyyy, as is what is no letter."""
    char = chr(point)
    if unicodedata.category(char)[0] not in "LM":
        return 0
    if "\u4e00" <= char <= "\u9fff":
        return _HANI
    words = unicodedata.name(char, "").replace("-", " ").split(" ")
    if words[0] in ("COMBINING", "MODIFIER", "VARIATION", "VEDIC") and words[:3] != ["MODIFIER", "LETTER", "SMALL"]:
        return 0
    for n in (3, 2, 1):
        code = _CODE_OF_NAME.get(" ".join(words[:n]))
        if code:
            return CODES.index(code)
    return 1


def _is_encodable(char: str, charset: str) -> bool:
    try:
        char.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


@functools.cache
def script_table() -> np.ndarray:
    """(131072,) uint8: script of each codepoint as an index into CODES; Han of one standard alone is _HANS or _HANT.

    The standards are GB 2312 (6,763 simplified characters) and Big5 (13,053 traditional ones): a character that one
    of them has and the other lacks shows the orthography.
    """
    made_from = (Path(__file__), unicodedata.unidata_version)
    return disk_cache.cached_arrays("scripts", made_from, lambda: {"scripts": _build_script_table()})["scripts"]


def _build_script_table() -> np.ndarray:
    table = np.fromiter((_script_of_point(point) for point in range(POINT_LIMIT)), np.uint8, POINT_LIMIT)
    for point in range(_FIRST_HAN, _HAN_END):
        simplified, traditional = _is_encodable(chr(point), "gb2312"), _is_encodable(chr(point), "big5")
        if simplified != traditional:
            table[point] = _HANS if simplified else _HANT
    return table


@njit(cache=True, nogil=True)
def _count_scripts(data, offsets, scripts, counters):
    counts = np.zeros((len(offsets) - 1, counters), np.int32)
    for text in range(len(counts)):
        position = offsets[text]
        while position < offsets[text + 1]:
            if data[position] < 0x80:
                point, position = np.uint32(data[position]), position + 1
            else:
                point, position = decode(data, position)
            script = np.int64(scripts[point]) if point < np.uint32(POINT_LIMIT) else np.int64(0)
            counts[text, script] += 1
    return counts


def dominant_scripts(data: np.ndarray, offsets: np.ndarray) -> list[str]:
    """Dominant script of each of d texts: `data` uint8, valid UTF-8; `offsets` (d + 1,) int64 bytes.

    Chinese is Hans or Hant (Hani if no character tells), Han with kana is Jpan, and a text without letters is Zyyy.
    """
    if len(offsets) < 2:
        return []
    return [_dominant_script(counts) for counts in _count_scripts(data, offsets, script_table(), _COUNTERS)]


def _dominant_script(counts: np.ndarray) -> str:
    hans, hant = int(counts[_HANS]), int(counts[_HANT])
    kana, han = int(counts[_HIRA] + counts[_KANA]), int(counts[_HANI]) + hans + hant
    totals = counts[: len(CODES)].copy()
    totals[0] = totals[_HIRA] = totals[_KANA] = 0
    totals[_HANI] = han + kana
    best = int(totals.argmax())
    if totals[best] == 0:
        return "Zyyy"
    if best != _HANI:
        return CODES[best]
    if kana * _MIN_KANA_SHARE > han:
        return "Jpan"
    return "Hani" if hans == hant else "Hans" if hans > hant else "Hant"
