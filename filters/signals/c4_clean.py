"""C4's line rules applied to the text itself: an optional stage between extraction and everything else.

datatrove's C4QualityFilter changes the text that it judges. Here cleaning is a stage of its own, and judging is a rule
on columns. A line is dropped if it has a word that is too long, has no terminal mark (off by default, as in FineWeb),
has too few words, contains "javascript", or contains a phrase of cookie notices and terms of use. Citations (`[12]`,
`[edit]`) are removed from the lines that are kept.
"""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.signals.c4 import (
    KEPT,
    LINE_RULES,
    POLICIES,
    RULES,
    LineRules,
    compile_line_phrases,
    copy_without_citations,
    judge_line,
)
from filters.signals.character_classes import SPACE, character_classes, class_index, decode_text
from filters.signals.lines import allocate_lines, splitlines
from filters.signals.phrases import Phrases
from pipeline.base.schema import PAGES, REJECTS
from pipeline.base.unseen import UNSEEN
from pipeline.config.values import Range
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import buffers, encode
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output


class CleanedTexts(NamedTuple):
    """Texts of d documents after the line rules."""

    text: pa.Array  # (d,) large_string
    lines: np.ndarray  # (d, len(RULES)) int64: lines by verdict, in the order of `filters.signals.c4.RULES`


@stage(version=2, libraries=(), outputs={"part": PAGES, "rejects": REJECTS})
def clean(
    pages: Shard,
    *,
    terminal_punctuation: bool = LINE_RULES.terminal_punctuation,
    min_words_per_line: Annotated[int, Range(-1)] = LINE_RULES.min_words,
    max_word_length: Annotated[int, Range(-1)] = LINE_RULES.max_word_length,
    javascript: bool = True,
    policy: bool = True,
    citations: bool = LINE_RULES.citations,
    policy_phrases: tuple[str, ...] = POLICIES,
) -> Iterator[pa.Table | Output]:
    """Apply C4's line rules to the text of pages; a page without any line left is rejected (rule "no_lines_left").

    Source: Raffel et al. 2020, section 2.2, and tensorflow_datasets' c4_utils.

    Args:
        pages: Pages (schema PAGES), with their rejects.
        terminal_punctuation: Whether to drop lines that do not end with a terminal mark; off as in FineWeb, since it
            costs 30 % of the tokens.
        min_words_per_line: Words between white space below which a line is dropped; -1 switches the rule off.
        max_word_length: Characters of a word above which its line is dropped; -1 switches the rule off.
        javascript: Whether to drop lines that contain "javascript".
        policy: Whether to drop lines that contain one of `policy_phrases`.
        citations: Whether to remove citations such as `[12]` and `[edit]` from the lines that are kept.
        policy_phrases: Phrases of cookie notices and terms of use in lower case, English and German by default.
    """
    rules = LineRules(terminal_punctuation, min_words_per_line, max_word_length, citations)
    phrases = compile_line_phrases(javascript, policy_phrases if policy else ())
    for batch in pages.batches(name="rejects"):  # the ledger reads pages and rejects of one step
        yield Output(pa.Table.from_batches([batch]), name="rejects")
    for batch in pages.batches():
        table = pa.Table.from_batches([batch])
        cleaned = clean_texts(batch["text"], rules, phrases)
        text = cleaned.text.cast(pa.string())
        has_text = pc.greater(pc.binary_length(pc.utf8_trim(text, characters=UNSEEN)), 0)
        yield table.set_column(table.schema.get_field_index("text"), "text", text).filter(has_text)
        rejected = np.flatnonzero(~has_text.to_numpy(zero_copy_only=False))
        if len(rejected):
            yield Output(_rejects(table.take(rejected), cleaned.lines[rejected]), name="rejects")


def _rejects(rows: pa.Table, lines: np.ndarray) -> pa.Table:
    """One reject (schema REJECTS) for each row; its detail counts the lines that each rule dropped."""
    counts = [", ".join(f"{RULES[k]} {line[k]}" for k in range(1, len(RULES)) if line[k]) or None for line in lines]
    columns = {
        **{name: rows[name] for name in ("id", "url", "source", "offset")},
        "stage": ["clean"] * rows.num_rows,
        "rule": ["no_lines_left"] * rows.num_rows,
        "value": [0.0] * rows.num_rows,
        "threshold": [1.0] * rows.num_rows,
        "detail": counts,
    }
    return pa.table(columns, schema=REJECTS)


def clean_text(text: str, rules: LineRules = LINE_RULES, phrases: Phrases | None = None) -> tuple[str, dict[str, int]]:
    """Return one text after the line rules, and its number of lines by verdict (`filters.signals.c4.RULES`)."""
    cleaned = clean_texts(pa.array([text]), rules, phrases or compile_line_phrases(True, POLICIES))
    return cleaned.text[0].as_py(), dict(zip(RULES, cleaned.lines[0].tolist(), strict=True))


def clean_texts(texts: pa.Array | pa.ChunkedArray, rules: LineRules, phrases: Phrases) -> CleanedTexts:
    """Apply the line rules to d texts."""
    data, offsets = buffers(texts)
    out, ends, lines = _clean(data, offsets, character_classes(), rules, phrases)
    arrow_buffers = [None, pa.py_buffer(ends), pa.py_buffer(out[: ends[-1]])]
    return CleanedTexts(pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, arrow_buffers), lines)


@njit(cache=True, nogil=True)
def _clean(data, offsets, class_bits, rules, phrases):
    """(UTF-8 of the cleaned texts, where each ends and the next starts, their lines by verdict)."""
    documents, size = len(offsets) - 1, 1
    for i in range(documents):
        size = max(size, offsets[i + 1] - offsets[i])
    points, kinds = np.empty(size + 1, np.uint32), np.empty(size + 1, np.uint16)
    kept, lines = np.empty(size + 1, np.uint32), allocate_lines(size + 1)
    out, ends = np.empty(offsets[documents] - offsets[0], np.uint8), np.zeros(documents + 1, np.int64)
    counts = np.zeros((documents, len(RULES)), np.int64)
    for i in range(documents):
        length = decode_text(data, offsets[i], offsets[i + 1], class_bits, points, kinds)
        line_count = splitlines(points, kinds, length, lines)
        kept_length = _copy_kept_lines(points, kinds, lines, line_count, rules, phrases, kept, counts[i])
        ends[i + 1] = _encode_stripped(kept, kept_length, class_bits, out, ends[i])
    return out, ends, counts


@njit(cache=True, nogil=True)
def _copy_kept_lines(points, kinds, lines, count, rules, phrases, kept, verdicts):
    """Copy the lines that are kept to `kept`, with line feeds between them; returns how many codepoints.

    Adds each line to `verdicts`, the counts of the document. Curly brackets do not matter here: a rule judges them.
    """
    length = 0
    for k in range(count):
        start, end = lines.text_start[k], lines.text_end[k]
        verdict, _, _ = judge_line(points, kinds, start, end, False, rules, phrases)
        verdicts[verdict] += 1
        if verdict == KEPT:
            if verdicts[KEPT] > 1:
                kept[length] = 0x0A
                length += 1
            if rules.citations:
                length = copy_without_citations(points, kinds, start, end, kept, length)
            else:
                kept[length : length + end - start] = points[start:end]
                length += end - start
    return length


@njit(cache=True, nogil=True)
def _encode_stripped(points, length, class_bits, out, position):
    """Write the codepoints to out[position:] as UTF-8, without white space at both ends; returns where they end."""
    start, end = 0, length
    while start < end and class_bits[class_index(points[start])] & SPACE:
        start += 1
    while end > start and class_bits[class_index(points[end - 1])] & SPACE:
        end -= 1
    for i in range(start, end):
        position = encode(out, position, np.int64(points[i]))
    return position
