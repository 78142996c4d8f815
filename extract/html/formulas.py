r"""Writes the formulas of a page as TeX between dollar signs into its HTML, before any engine reads it.

Formulas are MathML (its TeX annotation or alttext, else converted), MathJax's scripts and rendered output, KaTeX's
output, and pictures with TeX as their alternative text (MediaWiki, WordPress, CodeCogs, Zhihu). TeX in the text itself,
`\(x\)` or `$x$`, stays as it is.
"""

import re
from html import escape, unescape

from extract.html.byte_search import contains

_HINTS = (b"math", b"latex", b"?tex=")  # every kind of formula has one of these; KaTeX and MathJax have "math"
_CONTAINERS = r"katex(?:-display)?|MathJax(?:_Display|_Preview|_SVG|_SVG_Display|_CHTML|_MathML)?|mwe-math-element"
_FORMULA_START = re.compile(
    r"<(?:(?P<skip>!--)|(?P<name>(?:[a-z]+:)?math|mjx-container|script|img|(?:span|div)"
    rf"(?=\s[^>]{{0,300}}?class\s*=\s*[\"']?(?:[^\"'>]{{0,99}}\s)?(?:{_CONTAINERS})[\s\"'>]))"
    r"(?=[\s/>])(?P<rest>(?:[^<>\"']|\"[^\"]*+\"|'[^']*+')*+)>)",
    re.I,
)
# No possessive repeat of a group with a lookahead in it: Python 3.11 before 3.11.5 gets these wrong. The first match of
# an atomic group is as good as another one, since what follows it reads on to the same place.
_ANNOTATION = re.compile(r"<(?:[a-z]+:)?annotation\s(?>[^<>]*?tex)[^<>]*+>([^<]*)</(?:[a-z]+:)?annotation", re.I)
_ALT_TEXT = re.compile(r"^<[^>]*?\salttext\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.I)
_TEX_SCRIPT = re.compile(
    r"<script(?>[^<>]*?\stype\s*=\s*[\"']?math/tex)[^<>]*+>([^<]*(?:<(?!/?script)[^<]*)*)</script", re.I
)
_TEX_SCRIPT_FOLLOWS = re.compile(r"\s*(?:</(?:span|div)>\s*){0,3}<script[^<>]*?\stype\s*=\s*[\"']?math/tex", re.I)
_IMAGE_ALT = re.compile(r"<img\s(?:(?!<img\s)[^>])*?\balt\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.I)
_MATH_ELEMENT = re.compile(
    r"<(?:[a-z]+:)?math(?=[\s>])[^<]*(?:<(?!/?(?:[a-z]+:)?math[\s>])[^<]*)*</(?:[a-z]+:)?math\s*>", re.I
)
_FORMULA_IMAGE = re.compile(
    r"class\s*=\s*[\"']?(?:[^\"'>]{0,99}\s)?(?:tex|latex|mwe-math-fallback-image-\w+)[\s\"'>]|\seeimg\s*="
    r"|src\s*=\s*[\"']?[^\"'\s>]{0,200}(?:latex\.php|codecogs\.com|/cgi-bin/mimetex|equation\?tex=)",
    re.I,
)
_DISPLAY_STYLE = re.compile(
    r"display\s*=\s*[\"']?(?:block|true)|katex-display|MathJax_(?:SVG_)?Display|mode=display|element-block"
)
_TEX_COMMENT = re.compile(r"(?<!\\)%.*")
_DELIMITERS = (("$$", "$$"), (r"\[", r"\]"), (r"\(", r"\)"), ("$", "$"))
_STYLE_GROUP = re.compile(r"\{\\(?:display|text)style\s*+(.*)\}", re.S)
MAX_FORMULA = 20_000  # characters of markup


def may_have_formulas(html: bytes) -> bool:
    """Whether a page (UTF-8) may have formulas. Most have none and need no closer look."""
    return any(contains(html, hint) for hint in _HINTS)


def formulas_to_tex(html: str) -> str:
    """Replace every formula that has a source by `$TeX$`, and by `$$TeX$$` if it is displayed on its own.

    Never raises, and takes time linear in the length of the page. A formula without a source stays the markup that it
    is.
    """
    parts, copied, position = [], 0, 0
    budget = 2 * len(html) + 50 * MAX_FORMULA  # characters that may be searched in vain
    while budget > 0 and (match := _FORMULA_START.search(html, position)):
        position = match.end()
        if match["skip"]:
            position = _end_of(html, "-->", position)
            continue
        end = _element_end(html, match)
        text = _replacement(html, match, end)
        if text is not None:
            parts += [html[copied : match.start()], text]
            copied = position = end
            continue
        budget -= (end or position + MAX_FORMULA) - position
        if match["name"].lower() == "script":
            position = _end_of(html, "</script", position)
    return "".join((*parts, html[copied:])) if parts else html


def _end_of(html: str, mark: str, start: int) -> int:
    """Index after the next `mark`, the end of the page if there is none."""
    index = html.find(mark, start)
    return len(html) if index < 0 else index + len(mark)


def _element_end(html: str, match: re.Match[str]) -> int:
    """Where the element ends (elements of its name inside it are counted), 0 if it does not end nearby."""
    name = match["name"]
    if name.lower() == "img" or match["rest"].endswith("/"):
        return match.end()
    depth = 1
    for tag in re.compile(rf"<(/?){name}[\s/>]", re.I).finditer(html, match.end(), match.end() + MAX_FORMULA):
        depth += -1 if tag[1] else 1
        if depth == 0:
            return html.find(">", tag.end() - 1) + 1
    return 0


def _replacement(html: str, match: re.Match[str], end: int) -> str | None:
    """HTML of the formula, "" for the rendered copy of one, None to keep the markup."""
    if not end:
        return None
    markup, name = html[match.start() : end], match["name"].lower()
    if name == "img":
        return _format_tex(_image_alt(markup), markup) if _FORMULA_IMAGE.search(markup) else None
    if name == "script" and not _TEX_SCRIPT.match(markup):
        return None
    if name != "script" and _TEX_SCRIPT_FOLLOWS.match(html, end):
        return ""  # what MathJax rendered; its source comes next
    return _format_tex(tex_source(markup), markup)


def tex_source(markup: str) -> str | None:
    """TeX of the markup of a formula, None if it has none."""
    if script := _TEX_SCRIPT.search(markup):
        return script[1]
    if annotation := _ANNOTATION.search(markup):
        return unescape(annotation[1])
    math = _MATH_ELEMENT.search(markup)
    if math and (alt := _ALT_TEXT.match(math[0])):
        return unescape(alt[1] or alt[2] or "")
    if math:
        return _convert_mathml(math[0])
    return _image_alt(markup) if "<img" in markup else None


def _image_alt(markup: str) -> str | None:
    alt = _IMAGE_ALT.search(markup)
    return unescape(alt[1] or alt[2] or "") if alt else None


def _convert_mathml(math: str) -> str:
    from lxml import html as parser

    from extract.html.mathml import mathml_to_latex

    page = parser.document_fromstring(re.sub(r"<(/?)[a-z]+:(?=m|semantics|annotation)", r"<\1", math, flags=re.I))
    return mathml_to_latex(page.find(".//math"))


def _format_tex(tex: str | None, markup: str) -> str | None:
    """A formula as HTML text in one line, without comments, its own delimiters and MediaWiki's style group."""
    if tex is None:
        return None
    tex = " ".join(_TEX_COMMENT.sub("", tex).split())
    for opening, closing in _DELIMITERS:
        if tex.startswith(opening) and tex.endswith(closing) and len(tex) > len(opening + closing):
            tex = tex[len(opening) : -len(closing)].strip()
    if style := _STYLE_GROUP.fullmatch(tex):
        tex = style[1].strip()
    delimiter = "$$" if _DISPLAY_STYLE.search(markup) else "$"
    return f"{delimiter}{escape(tex, quote=False)}{delimiter}" if tex else ""
