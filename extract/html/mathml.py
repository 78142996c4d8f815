"""Converts presentation MathML to LaTeX, for formulas that come without their TeX source.

Elements are those of MathML 4 (section 3), commands those of LaTeX with amsmath and amssymb. A character without a
command stays as it is. Only the presentation is converted: x^{2}, whatever it means.
"""

import re
from collections.abc import Callable
from typing import Any

from extract.html.mathml_symbols import (
    ACCENTS_ABOVE,
    ACCENTS_BELOW,
    CLOSE,
    ESCAPES,
    FUNCTIONS,
    INVISIBLE,
    MATRIX_BRACKETS,
    OPEN,
    TALL_ELEMENTS,
    VARIANTS,
    WITH_LIMITS,
    join_latex,
    symbols_to_latex,
)

MAX_DEPTH = 60  # nested elements; what is nested deeper becomes its text


def mathml_to_latex(element: Any) -> str:
    """Convert an lxml element `math` (any prefix); "" if it shows nothing. Never raises."""
    return " ".join(_convert(element, 0).split())


def _element_name(element: Any) -> str:
    return element.tag.rpartition(":")[2].rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


def _element_text(element: Any) -> str:
    return " ".join("".join(element.itertext()).translate(INVISIBLE).split())


def _child_elements(element: Any) -> list[Any]:
    return [
        child for child in element if isinstance(child.tag, str) and _element_name(child) not in ("annotation", "none")
    ]


def _convert(element: Any, depth: int) -> str:
    if depth > MAX_DEPTH:
        return symbols_to_latex(_element_text(element))
    convert = _CONVERTERS.get(_element_name(element))
    return convert(element, depth + 1) if convert else _convert_row(element, depth + 1)


def _convert_row(element: Any, depth: int) -> str:
    """Elements side by side. A table or fraction between brackets becomes one command with them."""
    children = _child_elements(element)
    if not children:
        return symbols_to_latex(_element_text(element))
    if matrix := _convert_matrix(children, depth):
        return matrix
    tall = any(_element_name(inner) in TALL_ELEMENTS for child in children for inner in child.iter())
    return join_latex(_convert_bracket(child, depth) if tall else _convert(child, depth) for child in children)


def _convert_bracket(child: Any, depth: int) -> str:
    text = _element_text(child)
    if _element_name(child) != "mo" or child.get("stretchy") == "false" or text not in OPEN | CLOSE | {"|"}:
        return _convert(child, depth)
    form = child.get("form") or ("prefix" if text in OPEN else "postfix" if text in CLOSE else "")
    return {"prefix": r"\left", "postfix": r"\right"}.get(form, "") + symbols_to_latex(text)


def _convert_matrix(children: list[Any], depth: int) -> str:
    """A table, or a fraction without a bar, between brackets; "" for anything else."""
    inner = [k for k in children if _element_name(k) in ("mtable", "mfrac")]
    edges = [_element_text(k) for k in children if _element_name(k) == "mo"]
    if (
        len(inner) != 1
        or len(children) > 3
        or len(edges) + 1 != len(children)
        or _element_name(children[0]) != "mo"
        or _element_text(children[0]) not in ("(", "[", "|", "‖", "{")
    ):
        return ""
    pair = (edges[0], edges[1] if len(edges) == 2 else "")
    if _element_name(inner[0]) == "mtable" and pair in MATRIX_BRACKETS:
        return _write_environment(MATRIX_BRACKETS[pair], inner[0], depth)
    return (
        r"\binom" + _each_in_braces(_child_elements(inner[0]), depth)
        if pair == ("(", ")") and _is_barless(inner[0])
        else ""
    )


def _is_barless(element: Any) -> bool:
    return bool(re.fullmatch(r"0+(?:\.0+)?[a-z]*", element.get("linethickness", "")))


def _write_environment(name: str, table: Any, depth: int) -> str:
    rows = [row for row in _child_elements(table) if _element_name(row) in ("mtr", "mlabeledtr")]
    cells = [[_convert(cell, depth) for cell in _child_elements(row) if _element_name(cell) == "mtd"] for row in rows]
    return rf"\begin{{{name}}} " + r" \\ ".join(" & ".join(row) for row in cells) + rf" \end{{{name}}}"


def _convert_table(element: Any, depth: int) -> str:
    aligned = "right" in element.get("columnalign", "")
    return _write_environment("aligned" if aligned else "matrix", element, depth)


def _convert_identifier(element: Any, _depth: int) -> str:
    text, variant = _element_text(element), element.get("mathvariant", "")
    if text in FUNCTIONS:
        return "\\" + text
    converted = symbols_to_latex(text)
    if variant in VARIANTS and not (variant == "normal" and converted.startswith("\\")):
        return rf"\{VARIANTS[variant]}{{{converted}}}" if converted else ""
    return rf"\mathrm{{{converted}}}" if len(text) > 1 and text.isalpha() and not variant else converted


def _convert_text(element: Any, _depth: int) -> str:
    text = "".join(element.itertext()).translate(INVISIBLE).replace("\xa0", " ")
    if not text.strip():
        return r"\ " if text else ""
    escaped = re.sub(r"[{}%#&$_^~\\]", lambda match: ESCAPES.get(match[0], "\\" + match[0]), re.sub(r"\s+", " ", text))
    return rf"\text{{{escaped}}}"


def _convert_space(element: Any, _depth: int) -> str:
    width = re.fullmatch(r"(\d++(?:\.\d+)?|\.\d+)em", element.get("width", "").strip())
    return r"\quad " if width and float(width[1]) >= 1 else r"\ " if width and float(width[1]) > 0.2 else ""


def _convert_operator(element: Any, _depth: int) -> str:
    text = _element_text(element)
    if text in FUNCTIONS:
        return "\\" + text
    return rf"\operatorname{{{text}}}" if len(text) > 1 and text.isalpha() else symbols_to_latex(text)


def _in_braces(element: Any, depth: int) -> str:
    return "{" + _convert(element, depth) + "}"


def _each_in_braces(children: list[Any], depth: int) -> str:
    return "".join(_in_braces(child, depth) for child in children)


def _convert_fraction(element: Any, depth: int) -> str:
    children = _child_elements(element)
    if _is_barless(element) and len(children) == 2:
        return "{" + _convert(children[0], depth) + r" \atop " + _convert(children[1], depth) + "}"
    return r"\frac" + _each_in_braces(children, depth)


def _convert_root(element: Any, depth: int) -> str:
    children = _child_elements(element)
    if _element_name(element) == "msqrt" or len(children) != 2:
        return r"\sqrt{" + _convert_row(element, depth) + "}"
    return rf"\sqrt[{_convert(children[1], depth)}]" + _in_braces(children[0], depth)


def _script_base(element: Any, depth: int) -> str:
    """The base of a script, in braces if it is more than one symbol."""
    text = _convert(element, depth)
    return (
        text
        if len(_element_text(element)) <= 1 or re.fullmatch(r"\\?\w+|\\\w+\{[^{}]*\}|.*[)\]]", text)
        else "{" + text + "}"
    )


def _convert_scripts(element: Any, depth: int) -> str:
    children = _child_elements(element)
    marks = {"msub": "_", "msup": "^", "munder": "_", "mover": "^"}.get(_element_name(element), "_^")
    if not children:
        return ""
    text = _script_base(children[0], depth)
    for mark, child in zip(marks, children[1:], strict=False):
        primes = symbols_to_latex(_element_text(child)) if mark == "^" else ""
        text += (
            primes
            if primes and not primes.strip("'")
            else mark + _in_braces(child, depth)
            if _element_text(child)
            else ""
        )
    return text


def _convert_stacked(element: Any, depth: int) -> str:
    """Over and under: limits of operators, accents, or else anything set above or below."""
    children = _child_elements(element)
    if len(children) < 2 or _element_text(children[0]) in WITH_LIMITS or _element_text(children[0]) in FUNCTIONS:
        return _convert_scripts(element, depth)
    if len(children) == 3:
        base_and_below = _each_in_braces([children[1], children[0]], depth)
        return rf"\overset{_in_braces(children[2], depth)}{{\underset{base_and_below}}}"
    accents, plain = (ACCENTS_ABOVE, "overset") if _element_name(element) == "mover" else (ACCENTS_BELOW, "underset")
    if command := accents.get(_element_text(children[1])):
        return rf"\{command}" + _in_braces(children[0], depth)
    if _element_name(children[0]) in ("munder", "mover") and _element_text(children[0])[-1:] in ("⏟", "⏞"):
        return _convert_scripts(element, depth)
    return rf"\{plain}" + _each_in_braces([children[1], children[0]], depth)


def _convert_multiscripts(element: Any, depth: int) -> str:
    """A base with pairs of sub- and superscripts; those before the base follow `mprescripts`."""
    after_base: list[str] = []
    before_base: list[str] = []
    current = after_base
    children = [child for child in element if isinstance(child.tag, str)]
    for child in children[1:]:
        if _element_name(child) == "mprescripts":
            current = before_base
        else:
            current.append(_convert(child, depth) if _element_name(child) != "none" else "")

    def write(scripts: list[str]) -> str:
        pairs = zip("_^" * len(scripts), scripts, strict=False)
        return "".join(f"{mark}{{{script}}}" for mark, script in pairs if script)

    before = f"{{}}{write(before_base)}" if write(before_base) else ""
    return before + (_script_base(children[0], depth) if children else "") + write(after_base)


def _convert_fenced(element: Any, depth: int) -> str:
    """`mfenced` of MathML 3, with brackets and separators as attributes."""
    separators = element.get("separators", ",").replace(" ", "") or ""
    children, parts = _child_elements(element), []
    edges = (element.get("open", "("), element.get("close", ")"))
    if len(children) == 1 and _element_name(children[0]) == "mtable" and edges in MATRIX_BRACKETS:
        return _write_environment(MATRIX_BRACKETS[edges], children[0], depth)
    for k, child in enumerate(children):
        parts += [
            symbols_to_latex(separators[min(k, len(separators)) - 1]) if k and separators else "",
            _convert(child, depth),
        ]
    opening, closing = (symbols_to_latex(edge) or "." for edge in edges)
    return join_latex([r"\left" + opening, *parts, r"\right" + closing])


def _convert_enclosed(element: Any, depth: int) -> str:
    notation = element.get("notation", "longdiv")
    commands = (("box", r"\boxed"), ("strike", r"\cancel"), ("radical", r"\sqrt"))
    command = next((command for word, command in commands if word in notation), "")
    return f"{command}{{{_convert_row(element, depth)}}}" if command else _convert_row(element, depth)


def _convert_first(element: Any, depth: int) -> str:
    children = _child_elements(element)
    return _convert(children[0], depth) if children else symbols_to_latex(_element_text(element))


_CONVERTERS: dict[str, Callable[[Any, int], str]] = {
    **dict.fromkeys(("mtext", "ms"), _convert_text),
    **dict.fromkeys(("msqrt", "mroot"), _convert_root),
    **dict.fromkeys(("msub", "msup", "msubsup"), _convert_scripts),
    **dict.fromkeys(("munder", "mover", "munderover"), _convert_stacked),
    **dict.fromkeys(("semantics", "maction"), _convert_first),
    "mi": _convert_identifier,
    "mo": _convert_operator,
    "mspace": _convert_space,
    "mfrac": _convert_fraction,
    "mmultiscripts": _convert_multiscripts,
    "mtable": _convert_table,
    "mfenced": _convert_fenced,
    "menclose": _convert_enclosed,
    "annotation-xml": lambda *_: "",
    "mphantom": lambda element, depth: r"\phantom{" + _convert_row(element, depth) + "}",
}
