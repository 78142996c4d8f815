"""Characters of mathematics to LaTeX with amsmath and amssymb; what has no command stays the character that it is."""

import re
import unicodedata
from collections.abc import Iterable

_NAMED = {
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
_PLAIN = {"−": "-", "–": "-", "′": "'", "″": "''", "‴": "'''", "‵": "`", "∶": ":", "ˆ": "^", "⁄": "/"}
# Greek letters with a command; the others look like Latin ones
_LETTERS = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi"
_LETTERS += " psi omega digamma Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
_GREEK = frozenset(_LETTERS.split())
_STYLES = (
    ("DOUBLE-STRUCK", "mathbb"), ("BOLD SCRIPT", "mathcal"), ("SCRIPT", "mathcal"), ("FRAKTUR", "mathfrak"),
    ("BLACK-LETTER", "mathfrak"), ("BOLD ITALIC", "boldsymbol"), ("BOLD", "mathbf"), ("SANS-SERIF", "mathsf"),
    ("MONOSPACE", "mathtt"),
)  # fmt: skip
_COMMAND = re.compile(r"\\[A-Za-z]+\Z")


def join(parts: Iterable[str]) -> str:
    """Commands and letters side by side, a space where a command's name would go on."""
    text = ""
    for part in parts:
        if part:
            text += " " + part if part[0].isalpha() and _COMMAND.search(text[-24:]) else part
    return text


def symbols(text: str) -> str:
    """A text, character by character."""
    return join(_symbol(c) for c in text)


def _symbol(char: str) -> str:
    if char in _NAMED:
        return "\\" + _NAMED[char]
    if char in _PLAIN or char.isascii():
        return _PLAIN.get(char, char)
    name = unicodedata.name(char, "")
    if found := re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", name):
        letter = {"LAMDA": "LAMBDA"}.get(found[2], found[2]).lower()
        letter = letter if found[1] == "SMALL" else letter.capitalize()
        if letter in _GREEK:
            return "\\" + letter
    plain = unicodedata.normalize("NFKC", char)
    style = next((command for word, command in _STYLES if word in name), "")
    return (rf"\{style}{{{symbols(plain)}}}" if style else symbols(plain)) if plain != char else char
