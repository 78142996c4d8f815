"""What is written for the marks that the scanner leaves in a block's text: inline code, superscripts and subscripts.

Digits and signs have Unicode forms: m², H₂O, 10⁻³. Other letters stay on the line: 20th, 1er, Brand®. A superscript
that is a link to a note, `[1]` or 1, is left out with the space before it, as annotators of main text do.
"""

import re

from extract.blocks.scan.text_runs import CODE_MARK, LINKED_END, SCRIPT_END, SUBSCRIPT, SUPERSCRIPT

_CODE, _SUP, _SUB, _END, _LINKED = map(chr, (CODE_MARK, SUPERSCRIPT, SUBSCRIPT, SCRIPT_END, LINKED_END))
MARKS = tuple(mark.encode() for mark in (_CODE, _SUP, _SUB))  # what a page's text has where it has marks at all
_FORMS = {
    _SUP: str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ"),
    _SUB: str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎"),
}
_NOTE = re.compile(rf"( ?){_SUP}(?:\[[^\[\]\n]{{1,30}}\]|[\d,;*†‡§¶–-]|\b[a-z]\b| )+{_LINKED}(?=(\w?))")
_SCRIPT = re.compile(f"([{_SUP}{_SUB}])([^{_END}{_LINKED}]*)[{_END}{_LINKED}]")


def shown(text: str, markdown: bool) -> str:
    """A block's text without marks; inline code is between backticks in Markdown."""
    if _CODE in text:
        text = text.replace(_CODE * 2, "").replace(_CODE, "`" if markdown else "")
    if _LINKED in text:
        text = _NOTE.sub(lambda note: note[1] if note[2] else "", text)
    return _SCRIPT.sub(_script, text) if _END in text or _LINKED in text else text


def _script(found: re.Match[str]) -> str:
    forms = _FORMS[found[1]]
    return found[2].translate(forms) if all(ord(char) in forms for char in found[2]) else found[2]
