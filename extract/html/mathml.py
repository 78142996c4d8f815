"""Presentation MathML to LaTeX, for formulas that come without their TeX source.

Elements as MathML 4 (section 3) defines them; commands of LaTeX with amsmath and amssymb. What has no command stays the
character that it is. Only the look is written: x^{2}, whatever was meant by it.
"""

import re
from collections.abc import Callable
from typing import Any

from extract.html.mathml_symbols import join, symbols

MAX_DEPTH = 60  # elements below each other; what is deeper counts as its text
_UNSEEN = dict.fromkeys(map(ord, "\u2061\u2062\u2063\u2064\u200b\u200c\u200d\ufeff"))  # applied, times, comma, plus
_IN_TEXT = {"\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}"}
_FUNCTIONS = frozenset((
    "arccos", "arcsin", "arctan", "arg", "cos", "cosh", "cot", "coth", "csc", "deg", "det", "dim", "exp", "gcd", "hom",
    "inf", "ker", "lg", "lim", "liminf", "limsup", "ln", "log", "max", "min", "Pr", "sec", "sin", "sinh", "sup", "tan",
    "tanh",
))  # fmt: skip
_VARIANTS = {
    "normal": "mathrm", "bold": "mathbf", "bold-italic": "boldsymbol", "double-struck": "mathbb", "script": "mathcal",
    "bold-script": "mathcal", "fraktur": "mathfrak", "sans-serif": "mathsf", "monospace": "mathtt",
}  # fmt: skip
_OVER = {
    "¯": "overline", "‾": "overline", "_": "overline", "^": "hat", "ˆ": "hat", "~": "tilde", "˜": "tilde", "→": "vec",
    "⃗": "vec", "˙": "dot", ".": "dot", "¨": "ddot", "ˇ": "check", "˘": "breve", "⏞": "overbrace", "´": "acute",
    "`": "grave", "←": "overleftarrow", "↔": "overleftrightarrow", "̂": "hat", "̃": "tilde", "̄": "bar",
}  # fmt: skip
_UNDER = {
    "_": "underline",
    "̲": "underline",
    "¯": "underline",
    "‾": "underline",
    "⏟": "underbrace",
    "→": "underrightarrow",
}
_LIMITS = frozenset("∑∏∐⋃⋂⨁⨂⋀⋁∫∬∭∮")
_PAIRS = {
    ("(", ")"): "pmatrix",
    ("[", "]"): "bmatrix",
    ("|", "|"): "vmatrix",
    ("‖", "‖"): "Vmatrix",
    ("{", ""): "cases",
}
_TALL = frozenset(("mfrac", "munder", "mover", "munderover", "mtable"))
_OPEN, _CLOSE = frozenset("([{⟨⌊⌈"), frozenset(")]}⟩⌋⌉")


def latex(element: Any) -> str:
    """LaTeX of an lxml element `math` (any prefix), "" when it shows nothing. Never raises."""
    return " ".join(_of(element, 0).split())


def _name(element: Any) -> str:
    return element.tag.rpartition(":")[2].rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


def _text(element: Any) -> str:
    return " ".join("".join(element.itertext()).translate(_UNSEEN).split())


def _kids(element: Any) -> list[Any]:
    return [child for child in element if isinstance(child.tag, str) and _name(child) not in ("annotation", "none")]


def _of(element: Any, depth: int) -> str:
    if depth > MAX_DEPTH:
        return symbols(_text(element))
    write = _WRITERS.get(_name(element))
    return write(element, depth + 1) if write else _row(element, depth + 1)


def _row(element: Any, depth: int) -> str:
    """Elements side by side; a table or a stack between brackets becomes one thing with them."""
    kids = _kids(element)
    if not kids:
        return symbols(_text(element))
    if matrix := _matrix(kids, depth):
        return matrix
    tall = any(_name(x) in _TALL for child in kids for x in child.iter())
    return join(_fence(child, depth) if tall else _of(child, depth) for child in kids)


def _fence(child: Any, depth: int) -> str:
    text = _text(child)
    if _name(child) != "mo" or child.get("stretchy") == "false" or text not in _OPEN | _CLOSE | {"|"}:
        return _of(child, depth)
    form = child.get("form") or ("prefix" if text in _OPEN else "postfix" if text in _CLOSE else "")
    return {"prefix": r"\left", "postfix": r"\right"}.get(form, "") + symbols(text)


def _matrix(kids: list[Any], depth: int) -> str:
    """A table, or a fraction without a bar, between its brackets; "" for anything else."""
    inner = [k for k in kids if _name(k) in ("mtable", "mfrac")]
    edges = [_text(k) for k in kids if _name(k) == "mo"]
    if (
        len(inner) != 1
        or len(kids) > 3
        or len(edges) + 1 != len(kids)
        or _name(kids[0]) != "mo"
        or _text(kids[0]) not in ("(", "[", "|", "‖", "{")
    ):
        return ""
    pair = (edges[0], edges[1] if len(edges) == 2 else "")
    if _name(inner[0]) == "mtable" and pair in _PAIRS:
        return _environment(_PAIRS[pair], inner[0], depth)
    return r"\binom" + _groups(_kids(inner[0]), depth) if pair == ("(", ")") and _barless(inner[0]) else ""


def _barless(element: Any) -> bool:
    return bool(re.fullmatch(r"0+(?:\.0+)?[a-z]*", element.get("linethickness", "")))


def _environment(name: str, table: Any, depth: int) -> str:
    rows = [r for r in _kids(table) if _name(r) in ("mtr", "mlabeledtr")]
    cells = [[_of(c, depth) for c in _kids(r) if _name(c) == "mtd"] for r in rows]
    return rf"\begin{{{name}}} " + r" \\ ".join(" & ".join(row) for row in cells) + rf" \end{{{name}}}"


def _table(element: Any, depth: int) -> str:
    aligned = "right" in element.get("columnalign", "")
    return _environment("aligned" if aligned else "matrix", element, depth)


def _identifier(element: Any, _depth: int) -> str:
    text, variant = _text(element), element.get("mathvariant", "")
    if text in _FUNCTIONS:
        return "\\" + text
    whole = symbols(text)
    if variant in _VARIANTS and not (variant == "normal" and whole.startswith("\\")):
        return rf"\{_VARIANTS[variant]}{{{whole}}}" if whole else ""
    return rf"\mathrm{{{whole}}}" if len(text) > 1 and text.isalpha() and not variant else whole


def _words(element: Any, _depth: int) -> str:
    text = "".join(element.itertext()).translate(_UNSEEN).replace("\xa0", " ")
    if not text.strip():
        return r"\ " if text else ""
    spelled = re.sub(r"[{}%#&$_^~\\]", lambda c: _IN_TEXT.get(c[0], "\\" + c[0]), re.sub(r"\s+", " ", text))
    return rf"\text{{{spelled}}}"


def _space(element: Any, _depth: int) -> str:
    width = re.fullmatch(r"(\d*\.?\d+)em", element.get("width", "").strip())
    return r"\quad " if width and float(width[1]) >= 1 else r"\ " if width and float(width[1]) > 0.2 else ""


def _operator(element: Any, _depth: int) -> str:
    text = _text(element)
    if text in _FUNCTIONS:
        return "\\" + text
    return rf"\operatorname{{{text}}}" if len(text) > 1 and text.isalpha() else symbols(text)


def _group(element: Any, depth: int) -> str:
    return "{" + _of(element, depth) + "}"


def _groups(kids: list[Any], depth: int) -> str:
    return "".join(_group(kid, depth) for kid in kids)


def _fraction(element: Any, depth: int) -> str:
    kids = _kids(element)
    if _barless(element) and len(kids) == 2:
        return "{" + _of(kids[0], depth) + r" \atop " + _of(kids[1], depth) + "}"
    return r"\frac" + _groups(kids, depth)


def _root(element: Any, depth: int) -> str:
    kids = _kids(element)
    if _name(element) == "msqrt" or len(kids) != 2:
        return r"\sqrt{" + _row(element, depth) + "}"
    return rf"\sqrt[{_of(kids[1], depth)}]" + _group(kids[0], depth)


def _base(element: Any, depth: int) -> str:
    """What carries a script: braces around what is more than one thing."""
    text = _of(element, depth)
    return (
        text if len(_text(element)) <= 1 or re.fullmatch(r"\\?\w+|\\\w+\{[^{}]*\}|.*[)\]]", text) else "{" + text + "}"
    )


def _scripts(element: Any, depth: int) -> str:
    kids = _kids(element)
    marks = {"msub": "_", "msup": "^", "munder": "_", "mover": "^"}.get(_name(element), "_^")
    if not kids:
        return ""
    text = _base(kids[0], depth)
    for mark, kid in zip(marks, kids[1:], strict=False):
        primes = symbols(_text(kid)) if mark == "^" else ""
        text += primes if primes and not primes.strip("'") else mark + _group(kid, depth) if _text(kid) else ""
    return text


def _stacked(element: Any, depth: int) -> str:
    """Over and under: limits of operators, accents, else what stands above or below."""
    kids = _kids(element)
    if len(kids) < 2 or _text(kids[0]) in _LIMITS or _text(kids[0]) in _FUNCTIONS:
        return _scripts(element, depth)
    if len(kids) == 3:
        return rf"\overset{_group(kids[2], depth)}{{\underset{_groups([kids[1], kids[0]], depth)}}}"
    accents, plain = (_OVER, "overset") if _name(element) == "mover" else (_UNDER, "underset")
    if command := accents.get(_text(kids[1])):
        return rf"\{command}" + _group(kids[0], depth)
    if _name(kids[0]) in ("munder", "mover") and _text(kids[0])[-1:] in ("⏟", "⏞"):
        return _scripts(element, depth)
    return rf"\{plain}" + _groups([kids[1], kids[0]], depth)


def _multiscripts(element: Any, depth: int) -> str:
    """A base with pairs of sub- and superscripts, those before it behind `mprescripts`."""
    sides: list[list[str]] = [[], []]
    before = 0
    kids = [child for child in element if isinstance(child.tag, str)]
    for kid in kids[1:]:
        if _name(kid) == "mprescripts":
            before = 1
        else:
            sides[before].append(_of(kid, depth) if _name(kid) != "none" else "")
    after, front = ("".join(f"{m}{{{s}}}" for m, s in zip("_^" * len(side), side, strict=False) if s) for side in sides)
    return (f"{{}}{front}" if front else "") + (_base(kids[0], depth) if kids else "") + after


def _fenced(element: Any, depth: int) -> str:
    """`mfenced` of MathML 3: brackets and separators as attributes."""
    separators = element.get("separators", ",").replace(" ", "") or ""
    kids, parts = _kids(element), []
    edges = (element.get("open", "("), element.get("close", ")"))
    if len(kids) == 1 and _name(kids[0]) == "mtable" and edges in _PAIRS:
        return _environment(_PAIRS[edges], kids[0], depth)
    for k, kid in enumerate(kids):
        parts += [symbols(separators[min(k, len(separators)) - 1]) if k and separators else "", _of(kid, depth)]
    left, right = (symbols(edge) or "." for edge in edges)
    return join([r"\left" + left, *parts, r"\right" + right])


def _enclosed(element: Any, depth: int) -> str:
    notation = element.get("notation", "longdiv")
    commands = (("box", r"\boxed"), ("strike", r"\cancel"), ("radical", r"\sqrt"))
    command = next((command for word, command in commands if word in notation), "")
    return f"{command}{{{_row(element, depth)}}}" if command else _row(element, depth)


def _first(element: Any, depth: int) -> str:
    kids = _kids(element)
    return _of(kids[0], depth) if kids else symbols(_text(element))


_WRITERS: dict[str, Callable[[Any, int], str]] = {
    "mi": _identifier, "mo": _operator, "mtext": _words, "ms": _words, "mspace": _space, "mfrac": _fraction,
    "msqrt": _root, "mroot": _root, "msub": _scripts, "msup": _scripts, "msubsup": _scripts, "munder": _stacked,
    "mover": _stacked, "munderover": _stacked, "mmultiscripts": _multiscripts, "mtable": _table, "mfenced": _fenced,
    "menclose": _enclosed, "semantics": _first, "maction": _first, "annotation-xml": lambda *_: "",
    "mphantom": lambda element, depth: r"\phantom{" + _row(element, depth) + "}",
}  # fmt: skip
