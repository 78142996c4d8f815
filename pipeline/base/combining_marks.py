"""Long runs of combining marks in canonical order, so that no normalisation sorts them in quadratic time.

Unicode normalisation sorts the marks after a letter by their class (UAX 15, section 1.3). Python's `unicodedata`,
(which Arrow uses) and others sort by insertion: fine for the three or four marks of real text, minutes for a page of
them. UAX 15 lets streams break runs of more than 30 marks (section 13, "Stream-Safe Text Format"). That would change
texts; sorting the runs beforehand does not.
"""

import functools
import re
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_LONG_RUN = 32  # marks; a shorter run is left to the normalisation
_FIRST_MARK, _LAST_MARK = 0x300, 0x1FFFF  # codepoints; beyond them no character decomposes into marks
_MAY_HAVE_LONG_RUN = rf"\pM{{{_LONG_RUN}}}"  # as Arrow's RE2 spells it; 10 ms a megabyte


def order_marks(text: str) -> str:
    """Return the text with each run of 32 combining marks or more decomposed and in canonical order.

    The result is canonically equivalent to the text, so its normal forms are the same; a text without such runs is
    returned as it is. Takes O(n log n).
    """
    return text if text.isascii() else _long_runs().sub(_order_run, text)


def order_marks_in_column(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return the column with `order_marks` of each text; the column itself if no text has a long run. Nulls stay."""
    may_have_run = pc.fill_null(pc.match_substring_regex(texts, _MAY_HAVE_LONG_RUN), False)
    rows = np.flatnonzero(may_have_run.to_numpy(zero_copy_only=False) if isinstance(texts, pa.Array) else may_have_run)
    if not len(rows):
        return texts
    ordered = texts.to_pylist()
    for row in rows.tolist():
        ordered[row] = order_marks(ordered[row])
    column = pa.array(ordered, texts.type)
    return column if isinstance(texts, pa.Array) else pa.chunked_array([column])


def _order_run(match: re.Match[str]) -> str:
    return "".join(sorted("".join(map(_decomposition, match[0])), key=unicodedata.combining))  # sorted is stable


@functools.cache
def _decomposition(mark: str) -> str:
    return unicodedata.normalize("NFD", mark)


@functools.cache
def _long_runs() -> re.Pattern[str]:
    """Pattern of long runs of characters whose decomposition consists of combining marks only."""
    marks = [
        char
        for char in map(chr, range(_FIRST_MARK, _LAST_MARK + 1))
        if unicodedata.category(char)[0] == "M" and all(map(unicodedata.combining, _decomposition(char)))
    ]
    return re.compile(f"[{''.join(marks)}]{{{_LONG_RUN},}}+")
