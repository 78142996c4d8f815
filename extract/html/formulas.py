r"""Formulas of a page as TeX between dollar signs, written into its HTML before any engine reads it.

MathML (its TeX annotation or alttext, else converted), MathJax's scripts and rendered output, KaTeX's output, pictures
with their TeX as alternative text (MediaWiki, WordPress, CodeCogs, Zhihu). Source that stands in the text, `\(x\)` or
`$x$`, stays as it is.
"""

import re
from html import escape, unescape

from extract.html.byte_search import has

_HINTS = (b"math", b"latex", b"?tex=")  # what each kind of formula has somewhere; KaTeX and MathJax have "math"
_CONTAINERS = r"katex(?:-display)?|MathJax(?:_Display|_Preview|_SVG|_SVG_Display|_CHTML|_MathML)?|mwe-math-element"
_START = re.compile(
    r"<(?:(?P<skip>!--)|(?P<name>(?:[a-z]+:)?math|mjx-container|script|img|(?:span|div)"
    rf"(?=\s[^>]{{0,300}}?class\s*=\s*[\"']?(?:[^\"'>]{{0,99}}\s)?(?:{_CONTAINERS})[\s\"'>]))"
    r"(?=[\s/>])(?P<rest>(?:[^<>\"']|\"[^\"]*+\"|'[^']*+')*+)>)",
    re.I,
)
# No possessive repeat of a group with a lookahead in it: Python 3.11 before 3.11.5 gets these wrong.
_ANNOTATION = re.compile(r"<(?:[a-z]+:)?annotation\s[^<>]*?tex[^<>]*>([^<]*)</(?:[a-z]+:)?annotation", re.I)
_ALTTEXT = re.compile(r"^<[^>]*?\salttext\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.I)
_SCRIPT = re.compile(r"<script[^<>]*?\stype\s*=\s*[\"']?math/tex[^<>]*>([^<]*(?:<(?!/?script)[^<]*)*)</script", re.I)
_FOLLOWS = re.compile(r"\s*(?:</(?:span|div)>\s*){0,3}<script[^<>]*?\stype\s*=\s*[\"']?math/tex", re.I)
_ALT = re.compile(r"<img\s[^>]*?\balt\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.I)
_MATH = re.compile(r"<(?:[a-z]+:)?math(?=[\s>])[^<]*(?:<(?!/?(?:[a-z]+:)?math[\s>])[^<]*)*</(?:[a-z]+:)?math\s*>", re.I)
_PICTURE = re.compile(
    r"class\s*=\s*[\"']?(?:[^\"'>]{0,99}\s)?(?:tex|latex|mwe-math-fallback-image-\w+)[\s\"'>]|\seeimg\s*="
    r"|src\s*=\s*[\"']?[^\"'\s>]{0,200}(?:latex\.php|codecogs\.com|/cgi-bin/mimetex|equation\?tex=)",
    re.I,
)
_DISPLAY = re.compile(
    r"display\s*=\s*[\"']?(?:block|true)|katex-display|MathJax_(?:SVG_)?Display|mode=display|element-block"
)
_COMMENT = re.compile(r"(?<!\\)%.*")
_DELIMITERS = (("$$", "$$"), (r"\[", r"\]"), (r"\(", r"\)"), ("$", "$"))
_STYLE = re.compile(r"\{\\(?:display|text)style\s*(.*)\}", re.S)
LONGEST = 20_000  # characters of markup that one formula may have


def hinted(html: bytes) -> bool:
    """Whether a page (UTF-8) may have formulas: most have none, and need not be looked at any closer."""
    return any(has(html, hint) for hint in _HINTS)


def spelled(html: str) -> str:
    """The page with every formula that has a source replaced by `$TeX$`, `$$TeX$$` where it stands alone.

    Never raises; linear in the page's length. A formula without any source stays the markup that it is.
    """
    parts, at, start = [], 0, 0
    budget = 2 * len(html) + 50 * LONGEST  # characters that may be looked at in vain
    while budget > 0 and (found := _START.search(html, start)):
        start = found.end()
        if found["skip"]:
            start = _after(html, "-->", start)
            continue
        end = _end(html, found)
        text = _replacement(html, found, end)
        if text is not None:
            parts += [html[at : found.start()], text]
            at = start = end
            continue
        budget -= (end or start + LONGEST) - start
        if found["name"].lower() == "script":
            start = _after(html, "</script", start)
    return "".join((*parts, html[at:])) if parts else html


def _after(html: str, mark: str, start: int) -> int:
    """Past the next `mark`; the page's end where there is none."""
    end = html.find(mark, start)
    return len(html) if end < 0 else end + len(mark)


def _end(html: str, found: re.Match[str]) -> int:
    """Where the element ends: its own end tag, elements of its name inside it counted; 0 where that is not near."""
    name = found["name"]
    if name.lower() == "img" or found["rest"].endswith("/"):
        return found.end()
    depth = 1
    for tag in re.compile(rf"<(/?){name}[\s/>]", re.I).finditer(html, found.end(), found.end() + LONGEST):
        depth += -1 if tag[1] else 1
        if depth == 0:
            return html.find(">", tag.end() - 1) + 1
    return 0


def _replacement(html: str, found: re.Match[str], end: int) -> str | None:
    """HTML of the formula, "" for the twin of one; None to leave the markup."""
    if not end:
        return None
    whole, name = html[found.start() : end], found["name"].lower()
    if name == "img":
        return _written(_alt(whole), whole) if _PICTURE.search(whole) else None
    if name == "script" and not _SCRIPT.match(whole):
        return None
    if name != "script" and _FOLLOWS.match(html, end):
        return ""  # what MathJax drew; its source comes next
    return _written(source(whole), whole)


def source(markup: str) -> str | None:
    """TeX of a formula's markup, None where it has none."""
    if script := _SCRIPT.search(markup):
        return script[1]
    if annotation := _ANNOTATION.search(markup):
        return unescape(annotation[1])
    math = _MATH.search(markup)
    if math and (alt := _ALTTEXT.match(math[0])):
        return unescape(alt[1] or alt[2] or "")
    if math:
        return _converted(math[0])
    return _alt(markup) if "<img" in markup else None


def _alt(markup: str) -> str | None:
    alt = _ALT.search(markup)
    return unescape(alt[1] or alt[2] or "") if alt else None


def _converted(math: str) -> str:
    from lxml import html as parser

    from extract.html.mathml import latex

    page = parser.document_fromstring(re.sub(r"<(/?)[a-z]+:(?=m|semantics|annotation)", r"<\1", math, flags=re.I))
    return latex(page.find(".//math"))


def _written(tex: str | None, whole: str) -> str | None:
    """A formula as HTML text: without comments, own delimiters and MediaWiki's style group, in one line."""
    if tex is None:
        return None
    tex = " ".join(_COMMENT.sub("", tex).split())
    for opening, closing in _DELIMITERS:
        if tex.startswith(opening) and tex.endswith(closing) and len(tex) > len(opening + closing):
            tex = tex[len(opening) : -len(closing)].strip()
    if style := _STYLE.fullmatch(tex):
        tex = style[1].strip()
    mark = "$$" if _DISPLAY.search(whole) else "$"
    return f"{mark}{escape(tex, quote=False)}{mark}" if tex else ""
