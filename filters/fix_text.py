"""Mojibake and stray control characters mended by ftfy, with settings that change nothing a reader could have meant."""

import functools
import re
import unicodedata
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# All that ftfy changes with the settings below, mojibake and composition apart (its tables of C0, C1 and
# interlinear controls, line separators, byte order marks), as Arrow's RE2 spells it; its strings hold no surrogates.
_STRAY = r"[\x00-\x08\x0b-\x1f\x7f-\x{9f}\x{2028}\x{2029}\x{206a}-\x{206f}\x{feff}\x{fff9}-\x{fffc}]"
_VERBOSE = re.compile(r"(?P<set>\[[^]]*\])|(?P<any>\\[sw])|#.*|[\s^]")


def mend(texts: pa.Array) -> pa.Array:
    """`texts` with mojibake undone, controls removed, line breaks as "\\n", composition (NFC); nulls stay.

    Same as `ftfy.fix_text` with these settings, which sees to each line by itself, and many times faster: texts, and
    then lines, that it would leave alone are told beforehand, by one search for all that it may change.
    """
    suspect = _suspect(texts)
    mended = [_mended(text) for text in texts.filter(suspect).to_pylist()]
    return pc.replace_with_mask(texts, suspect, pa.array(mended, texts.type))


def _mended(text: str) -> str:
    from ftfy import fix_text

    lines = re.split(r"(?<=\n)", text)
    suspect = _suspect(pa.array(lines)).to_pylist()
    return "".join(fix_text(line, settings()) if bad else line for line, bad in zip(lines, suspect, strict=True))


def _suspect(texts: pa.Array) -> pa.Array:
    composed = [text is None or unicodedata.is_normalized("NFC", text) for text in texts.to_pylist()]
    found = pc.fill_null(pc.match_substring_regex(texts, _signs()), False)
    return pc.or_(found, pc.invert(pa.array(composed, pa.bool_())))


@functools.cache
def _signs() -> str:
    """Stray characters, and ftfy's signs of mojibake or more than these: any character stands for Python's classes of
    space and of word characters, which are wider than RE2's, and what must be at a line's start may be anywhere."""
    from ftfy.badness import BADNESS_RE

    plain = _VERBOSE.sub(lambda found: found["set"] or ("(?s:.)" if found["any"] else ""), BADNESS_RE.pattern)
    return f"{_STRAY}|" + re.sub(r"\\x(..)", r"\\x{\1}", plain)


@functools.cache
def settings() -> Any:
    """ftfy's settings, and why each departs from its defaults.

    Off: `unescape_html` (the text comes from an HTML parser, `&lt;` in it is a page about HTML), `fix_latin_ligatures`,
    `fix_character_width` (it puts half-width punctuation into Chinese and Japanese), `uncurl_quotes` (typography the
    author chose). On, unlike datatrove's ftfy step: `fix_line_breaks`, and NFC, the form the W3C asks of the Web;
    canonically equivalent text looks the same and should be the same tokens.
    """
    from ftfy import TextFixerConfig

    return TextFixerConfig(
        unescape_html=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        normalization="NFC",
        explain=False,
    )
