"""Text of a block without the scanner's marks: inline code, superscripts and subscripts in Unicode or Markdown.

Digits and signs have Unicode forms: m², H₂O, 10⁻³. Other letters stay on the line: 20th, 1er, Brand®. A superscript
that is a link to a note, `[1]` or 1, is left out with the space before it, as annotators of main text do.
"""

import re

from extract.blocks.scan import marks

_CODE, _SUP, _SUB = map(chr, (marks.CODE_MARK, marks.SUPERSCRIPT, marks.SUBSCRIPT))
_END, _LINKED_END = map(chr, (marks.SUP_SUB_END, marks.LINKED_SUP_SUB_END))
MARKS = tuple(mark.encode() for mark in (_CODE, _SUP, _SUB))  # a text without these has no marks at all
_UNICODE_FORMS = {
    _SUP: str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ"),
    _SUB: str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎"),
}
_NOTE = re.compile(rf"( ?){_SUP}(?:\[[^\[\]\n]{{1,30}}\]|[\d,;*†‡§¶–-]|\b[a-z]\b| )+{_LINKED_END}(?=(\w?))")
_SUP_OR_SUB = re.compile(f"([{_SUP}{_SUB}])([^{_END}{_LINKED_END}]*)[{_END}{_LINKED_END}]")


def render_marks(text: str, markdown: bool) -> str:
    """Replace the marks in a block's text; inline code is between backticks in Markdown."""
    if _CODE in text:
        text = text.replace(_CODE * 2, "").replace(_CODE, "`" if markdown else "")
    if _LINKED_END in text:
        text = _NOTE.sub(lambda note: note[1] if note[2] else "", text)
    end = 1 + max(text.rfind(_END), text.rfind(_LINKED_END))  # behind it each mark would look for its end in vain
    return _SUP_OR_SUB.sub(_to_unicode, text[:end]) + text[end:] if end else text


def _to_unicode(match: re.Match[str]) -> str:
    forms = _UNICODE_FORMS[match[1]]
    return match[2].translate(forms) if all(ord(char) in forms for char in match[2]) else match[2]
