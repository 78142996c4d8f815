"""Mojibake and stray control characters mended by ftfy, with settings that change nothing a reader could have meant."""

import functools
import re
import unicodedata
from typing import Any

# All that ftfy changes with the settings below, mojibake and composition apart (its tables of C0, C1 and
# interlinear controls, line separators, surrogates, byte order marks).
_STRAY = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u206a-\u206f\ufeff\ufff9-\ufffc\ud800-\udfff]")


_NEAR = 6
# Neighbourhoods of what is not ASCII: ftfy's signs of mojibake hold such a character and are at most 7 long.
_FOREIGN = re.compile(f"[^\x00-\x7f](?:.{{0,{2 * _NEAR}}}[^\x00-\x7f])*")


def mend(text: str) -> str:
    """`text` with mojibake undone, controls removed, line breaks as "\\n", and canonical composition (NFC).

    Same as `ftfy.fix_text` with these settings, which sees to each line by itself, and a few times faster: lines that
    it would leave alone are told beforehand, by its own measure of badness on the little of them that can be bad.
    """
    from ftfy import fix_text

    if not _suspect(text):
        return text
    *lines, last = text.split("\n")
    return "".join(fix_text(s, settings()) if _suspect(s) else s for s in [*(f"{line}\n" for line in lines), last])


def _suspect(text: str) -> bool:
    from ftfy.badness import is_bad

    if text.isascii():
        return _STRAY.search(text) is not None
    spans = (found.span() for found in _FOREIGN.finditer(text))
    foreign = "\n".join(text[max(0, start - _NEAR) : end + _NEAR] for start, end in spans)
    return bool(_STRAY.search(text)) or not unicodedata.is_normalized("NFC", text) or is_bad(foreign)


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
