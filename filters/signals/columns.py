"""The signals: every column of the sidecar, declared once and by name.

Kernels write `row.<name> = ...` into a record that has a field of each name (`record_dtype`), so the order of this
tuple is the order of published columns and nothing else. Sources: Rae et al. 2021 (Gopher, appendix A.1.1 and table
A1), Raffel et al. 2020 (C4, section 2.2), Penedo et al. 2024 (FineWeb, section 3.6).
"""

import math
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from pipeline.base.columns import Column, sidecar_schema


def _count(name: str, doc: str) -> Column:
    return Column(name, pa.int64(), doc, low=0)


def _ratio(name: str, doc: str, high: float = 1.0) -> Column:
    return Column(name, pa.float64(), doc, low=0.0, high=high)


def _flag(name: str, doc: str) -> Column:
    return Column(name, pa.bool_(), doc)


SIGNALS: tuple[Column, ...] = (
    _count("word_count", "Words: tokens that are not made of punctuation and symbols alone (Gopher)."),
    _ratio("mean_word_length", "Characters of a word on average (Gopher).", math.inf),
    _ratio("hash_ratio", "Hash signs a token (Gopher).", math.inf),
    _ratio("ellipsis_ratio", "Ellipses a token, `...` or `…` (Gopher).", math.inf),
    _ratio("bullet_line_ratio", "Share of lines that start with a bullet point or a hyphen (Gopher)."),
    _ratio("ellipsis_line_ratio", "Share of lines that end with an ellipsis (Gopher)."),
    _ratio("alpha_word_ratio", "Share of tokens with at least one letter (Gopher)."),
    _count("stop_word_count", "Different stop words of the language in the text, in any case (Gopher)."),
    _ratio("dup_line_frac", "Share of lines that repeat an earlier one (Gopher)."),
    _ratio("dup_para_frac", "Share of paragraphs that repeat an earlier one (Gopher)."),
    _ratio("dup_line_char_frac", "Share of characters in lines that repeat an earlier one (Gopher)."),
    _ratio("dup_para_char_frac", "Share of characters in paragraphs that repeat an earlier one (Gopher)."),
    *(
        _ratio(
            f"top_{n}_gram",
            f"Characters in the most frequent sequence of {n} tokens, its spaces included, a character of the text; "
            "0 if none occurs twice, above 1 where occurrences overlap (Gopher).",
            math.inf,
        )
        for n in (2, 3, 4)
    ),
    *(
        _ratio(f"dup_{n}_gram", f"Share of characters in sequences of {n} tokens that occurred before (Gopher).")
        for n in range(5, 11)
    ),
    _ratio("line_punct_ratio", "Share of lines that end with a terminal punctuation mark (FineWeb)."),
    _ratio("short_line_ratio", "Share of lines of at most 30 characters (FineWeb)."),
    _ratio("char_dup_ratio", "Share of characters in lines that repeat an earlier one, line feeds apart (FineWeb)."),
    _ratio("new_line_ratio", "Line feeds a token (FineWeb).", math.inf),
    _count("c4_sentences", "Sentences of the lines that C4's line rules keep (C4)."),
    _ratio("c4_kept_line_ratio", "Share of lines that C4's line rules keep (C4)."),
    _flag("c4_lorem_ipsum", "Whether a line that C4's word and end rules keep contains `lorem ipsum` (C4)."),
    _flag("c4_curly_bracket", "Whether such a line contains `{`, lines with `javascript` apart (C4)."),
    _count("c4_bad_words", "Places at which a word or phrase of the list `bad_words` starts, 0 without a list (C4)."),
    _count("max_word_length", "Characters of the longest run without white space."),
    _count("char_count", "Characters (Unicode code points) of the text."),
    _count("line_count", "Lines that are not blank."),
    _ratio("upper_ratio", "Share of letters that are upper case."),
    _ratio("digit_ratio", "Share of characters that are decimal digits."),
)
SIGNALS_SCHEMA = sidecar_schema(SIGNALS)


def record_dtype(columns: Iterable[Column] = SIGNALS) -> np.dtype:
    """The record of one document that kernels fill in: a field of each column's name and type."""
    return np.dtype([(column.name, column.type.to_pandas_dtype()) for column in columns], align=True)
