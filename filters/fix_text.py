"""Mojibake and stray control characters fixed by ftfy, with settings that change nothing a reader could have meant."""

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.base.combining_marks import order_marks
from pipeline.base.time_limit import document_time_limit

# All that ftfy changes with the settings below, mojibake and composition apart (its tables of C0, C1 and
# interlinear controls, line separators, byte order marks), as Arrow's RE2 spells it; its strings hold no surrogates.
_STRAY = r"[\x00-\x08\x0b-\x1f\x7f-\x{9f}\x{2028}\x{2029}\x{206a}-\x{206f}\x{feff}\x{fff9}-\x{fffc}]"
_MAX_PIECE = 20_000  # characters; a longer line is fixed in pieces
_MAX_MARKS = 64  # combining marks that a cut is moved behind, so that it does not separate a letter from its marks
_LINE_START = re.compile(r"(?<=\n)")
_VERBOSE = re.compile(r"(?P<set>\[[^]]*\])|(?P<any>\\[sw])|#.*|[\s^]")


def fix_mojibake(texts: pa.Array, documents: Sequence[str] | None = None) -> pa.Array:
    """Undo mojibake, remove control characters, make line breaks "\\n" and compose letters (NFC); nulls stay.

    The result is that of `ftfy.fix_text` with `ftfy_settings`, which treats each line by itself, and it takes a
    fraction of the time: one search for all that ftfy may change finds the texts, and in them the lines, to pass to it.

    Time is linear. What ftfy does with a line may take more (it composes what it has decoded, see
    `pipeline.base.combining_marks`), so lines of more than _MAX_PIECE characters, of which there are hardly any in real
    texts, are passed to it in pieces that end at white space. Raises DocumentTimeout for a text that takes minutes;
    `documents` are the names of the texts in its message.
    """
    may_change, fixed = _may_change(texts), []
    for row in np.flatnonzero(may_change.to_numpy(zero_copy_only=False)).tolist():
        text = texts[row].as_py()
        with document_time_limit(text, "fixing", documents[row] if documents else f"text {row}"):
            fixed.append(_fix_lines(text))
    return pc.replace_with_mask(texts, may_change, pa.array(fixed, texts.type))


def _fix_lines(text: str) -> str:
    from ftfy import fix_text

    text = text if unicodedata.is_normalized("NFC", text) else order_marks(text)
    lines = [piece for line in _LINE_START.split(text) for piece in _pieces(line)]
    may_change = _may_change(pa.array(lines)).to_pylist()
    settings = ftfy_settings()
    return "".join(fix_text(line, settings) if fix else line for line, fix in zip(lines, may_change, strict=True))


def _pieces(line: str) -> Iterator[str]:
    """Cut a long line behind white space; where it has none, anywhere but before a combining mark."""
    start = 0
    while len(line) - start > _MAX_PIECE:
        end = 1 + max(line.rfind(blank, start, start + _MAX_PIECE) for blank in " \t")
        if end <= start:
            end = start + _MAX_PIECE
            limit = min(len(line), end + _MAX_MARKS)
            while end < limit and unicodedata.combining(line[end]):
                end += 1
        yield line[start:end]
        start = end
    yield line[start:]


def _may_change(texts: pa.Array) -> pa.Array:
    """Whether ftfy may change each text; False for null."""
    is_composed = [text is None or unicodedata.is_normalized("NFC", text) for text in texts.to_pylist()]
    has_sign = pc.fill_null(pc.match_substring_regex(texts, _change_pattern()), False)
    return pc.or_(has_sign, pc.invert(pa.array(is_composed, pa.bool_())))


@functools.cache
def _change_pattern() -> str:
    """Pattern of stray characters and of ftfy's signs of mojibake, or more than these.

    Any character stands for Python's classes of space and of word characters, which are wider than RE2's, and what must
    be at the start of a line may be anywhere.
    """
    from ftfy.badness import BADNESS_RE

    plain = _VERBOSE.sub(lambda match: match["set"] or ("(?s:.)" if match["any"] else ""), BADNESS_RE.pattern)
    return f"{_STRAY}|" + re.sub(r"\\x(..)", r"\\x{\1}", plain)


@functools.cache
def ftfy_settings() -> Any:
    """Return ftfy's settings, which depart from its defaults for these reasons.

    Off: `unescape_html` (the text comes from an HTML parser, `&lt;` in it is a page about HTML), `fix_latin_ligatures`,
    `fix_character_width` (it puts half-width punctuation into Chinese and Japanese), `uncurl_quotes` (typography the
    author chose). On, unlike in datatrove's ftfy step: `fix_line_breaks`, and NFC, the form that the W3C recommends for
    the Web; canonically equivalent text looks the same and should be the same tokens.
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
