"""Converts mathematical characters to LaTeX with amsmath and amssymb. A character without a command stays as it is."""

import re
import unicodedata
from collections.abc import Iterable

# Tables of `extract.html.mathml`
INVISIBLE = dict.fromkeys(map(ord, "\u2061\u2062\u2063\u2064\u200b\u200c\u200d\ufeff"))  # applied, times, comma, plus
ESCAPES = {"\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}"}
FUNCTIONS = frozenset((
    "arccos", "arcsin", "arctan", "arg", "cos", "cosh", "cot", "coth", "csc", "deg", "det", "dim", "exp", "gcd", "hom",
    "inf", "ker", "lg", "lim", "liminf", "limsup", "ln", "log", "max", "min", "Pr", "sec", "sin", "sinh", "sup", "tan",
    "tanh",
))  # fmt: skip
VARIANTS = {
    "normal": "mathrm", "bold": "mathbf", "bold-italic": "boldsymbol", "double-struck": "mathbb", "script": "mathcal",
    "bold-script": "mathcal", "fraktur": "mathfrak", "sans-serif": "mathsf", "monospace": "mathtt",
}  # fmt: skip
ACCENTS_ABOVE = {
    "¯": "overline", "‾": "overline", "_": "overline", "^": "hat", "ˆ": "hat", "~": "tilde", "˜": "tilde", "→": "vec",
    "⃗": "vec", "˙": "dot", ".": "dot", "¨": "ddot", "ˇ": "check", "˘": "breve", "⏞": "overbrace", "´": "acute",
    "`": "grave", "←": "overleftarrow", "↔": "overleftrightarrow", "̂": "hat", "̃": "tilde", "̄": "bar",
}  # fmt: skip
ACCENTS_BELOW = {
    "_": "underline",
    "̲": "underline",
    "¯": "underline",
    "‾": "underline",
    "⏟": "underbrace",
    "→": "underrightarrow",
}
WITH_LIMITS = frozenset("∑∏∐⋃⋂⨁⨂⋀⋁∫∬∭∮")
MATRIX_BRACKETS = {
    ("(", ")"): "pmatrix",
    ("[", "]"): "bmatrix",
    ("|", "|"): "vmatrix",
    ("‖", "‖"): "Vmatrix",
    ("{", ""): "cases",
}
TALL_ELEMENTS = frozenset(("mfrac", "munder", "mover", "munderover", "mtable"))
OPEN, CLOSE = frozenset("([{⟨⌊⌈"), frozenset(")]}⟩⌋⌉")

# Characters
_COMMANDS = {
    "±": "pm", "∓": "mp", "×": "times", "÷": "div", "⋅": "cdot", "·": "cdot", "∗": "ast", "∘": "circ", "∙": "bullet",
    "≤": "leq", "≥": "geq", "⩽": "leqslant", "⩾": "geqslant", "≪": "ll", "≫": "gg", "≠": "neq", "≡": "equiv",
    "≈": "approx", "∼": "sim", "≃": "simeq", "≅": "cong", "∝": "propto", "≔": "coloneqq", "≺": "prec", "≻": "succ",
    "∈": "in", "∉": "notin", "∋": "ni", "⊂": "subset", "⊃": "supset", "⊆": "subseteq", "⊇": "supseteq", "∪": "cup",
    "∩": "cap", "∖": "setminus", "∅": "emptyset", "∀": "forall", "∃": "exists", "∄": "nexists", "¬": "neg",
    "∧": "wedge", "∨": "vee", "⊕": "oplus", "⊗": "otimes", "⊙": "odot", "⊥": "perp", "∥": "parallel", "∣": "mid",
    "⊢": "vdash", "⊨": "models", "→": "to", "←": "leftarrow", "↔": "leftrightarrow", "⇒": "Rightarrow",
    "⇐": "Leftarrow", "⇔": "Leftrightarrow", "⟹": "implies", "⟸": "impliedby", "⟺": "iff", "↦": "mapsto",
    "⟶": "longrightarrow", "⟵": "longleftarrow", "↑": "uparrow", "↓": "downarrow", "↪": "hookrightarrow",
    "⇌": "rightleftharpoons", "∂": "partial", "∇": "nabla", "∞": "infty", "ℏ": "hbar", "ℓ": "ell", "ℜ": "Re",
    "ℑ": "Im", "ℵ": "aleph", "℘": "wp", "∑": "sum", "∏": "prod", "∐": "coprod", "∫": "int", "∬": "iint",
    "∭": "iiint", "∮": "oint", "⋃": "bigcup", "⋂": "bigcap", "⨁": "bigoplus", "⨂": "bigotimes", "⋀": "bigwedge",
    "⋁": "bigvee", "…": "ldots", "⋯": "cdots", "⋮": "vdots", "⋱": "ddots", "⟨": "langle", "⟩": "rangle",
    "〈": "langle", "〉": "rangle", "⌊": "lfloor", "⌋": "rfloor", "⌈": "lceil", "⌉": "rceil", "‖": "Vert",
    "∠": "angle", "△": "triangle", "□": "square", "†": "dagger", "‡": "ddagger", "⋆": "star", "√": "surd",
    "ϵ": "epsilon", "ε": "varepsilon", "ϕ": "phi", "φ": "varphi", "ϑ": "vartheta", "ϱ": "varrho", "ς": "varsigma",
    "ϖ": "varpi", "ı": "imath", "ȷ": "jmath", "∴": "therefore", "∵": "because", "∤": "nmid", "⊤": "top",
    "{": "{", "}": "}", "%": "%", "#": "#", "&": "&", "$": "$", "_": "_", "\\": "backslash",
}  # fmt: skip
_PLAIN_CHARACTERS = {"−": "-", "–": "-", "′": "'", "″": "''", "‴": "'''", "‵": "`", "∶": ":", "ˆ": "^", "⁄": "/"}
# Greek letters with a command; the others look like Latin ones
_GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi"
)
_GREEK_NAMES += " psi omega digamma Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
_GREEK_COMMANDS = frozenset(_GREEK_NAMES.split())
_STYLES = (
    ("DOUBLE-STRUCK", "mathbb"), ("BOLD SCRIPT", "mathcal"), ("SCRIPT", "mathcal"), ("FRAKTUR", "mathfrak"),
    ("BLACK-LETTER", "mathfrak"), ("BOLD ITALIC", "boldsymbol"), ("BOLD", "mathbf"), ("SANS-SERIF", "mathsf"),
    ("MONOSPACE", "mathtt"),
)  # fmt: skip
_COMMAND = re.compile(r"\\[A-Za-z]+\Z")


def join_latex(parts: Iterable[str]) -> str:
    """Join commands and letters, with a space where a letter would otherwise continue the name of a command."""
    text = ""
    for part in parts:
        if part:
            text += " " + part if part[0].isalpha() and _COMMAND.search(text[-24:]) else part
    return text


def symbols_to_latex(text: str) -> str:
    """Convert a text, character by character."""
    return join_latex(_symbol_to_latex(character) for character in text)


def _symbol_to_latex(character: str) -> str:
    if character in _COMMANDS:
        return "\\" + _COMMANDS[character]
    if character in _PLAIN_CHARACTERS or character.isascii():
        return _PLAIN_CHARACTERS.get(character, character)
    name = unicodedata.name(character, "")
    if greek := re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", name):
        letter = {"LAMDA": "LAMBDA"}.get(greek[2], greek[2]).lower()
        letter = letter if greek[1] == "SMALL" else letter.capitalize()
        if letter in _GREEK_COMMANDS:
            return "\\" + letter
    plain = unicodedata.normalize("NFKC", character)
    style = next((command for word, command in _STYLES if word in name), "")
    return (
        (rf"\{style}{{{symbols_to_latex(plain)}}}" if style else symbols_to_latex(plain))
        if plain != character
        else character
    )
