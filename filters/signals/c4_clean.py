"""C4's line rules applied to the text itself: an optional stage between pages and everything else.

datatrove's C4QualityFilter changes the text that it judges; here cleaning is a stage of its own and judging is a rule
on columns. Lines that go: with a word too long, without a terminal mark (off, as in FineWeb), with too few words, with
"javascript", with a phrase of cookie notices and terms. Citations (`[12]`, `[edit]`) go from the lines that stay.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.signals.c4 import KEPT, POLICIES, RULES, LineRules, Phrases, judge, phrases, without_citations
from filters.signals.character_classes import SPACE, place, spell, table
from filters.signals.lines import breaks, room_for_lines
from pipeline.base.schema import PAGES, REJECTS
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import buffers, encode
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output


class Cleaned(NamedTuple):
    """Texts of d documents after the line rules."""

    text: pa.Array  # (d,) large_string
    lines: np.ndarray  # (d, len(RULES)) int64: lines by what became of them (`filters.signals.c4.RULES`)


@stage(version=1, libraries=(), outputs={"part": PAGES, "rejects": REJECTS})
def clean(
    pages: Shard,
    *,
    terminal_punctuation: bool = False,
    min_words_per_line: int = 3,
    max_word_length: int = 1000,
    javascript: bool = True,
    policy: bool = True,
    citations: bool = True,
    policy_phrases: tuple[str, ...] = POLICIES,
) -> Iterator[pa.Table | Output]:
    """Pages with the text that C4's line rules leave; a page without any joins the rejects (rule "no_lines_left").

    `min_words_per_line` in words between white space, `max_word_length` in characters; -1 switches either off.
    `policy_phrases` (with `policy`): lower case, English and German by default. Source: Raffel et al. 2020, section
    2.2, and tensorflow_datasets' c4_utils; `terminal_punctuation` is off as in FineWeb (it costs 30 % of the tokens).
    """
    rules = LineRules(terminal_punctuation, min_words_per_line, max_word_length, citations)
    found = phrases(javascript, policy_phrases if policy else ())
    for batch in pages.batches(name="rejects"):  # the ledger reads pages and rejects of one step
        yield Output(pa.Table.from_batches([batch]), name="rejects")
    for batch in pages.batches():
        table = pa.Table.from_batches([batch])
        cleaned = clean_column(batch["text"], rules, found)
        text = cleaned.text.cast(pa.string())
        stay = pc.greater(pc.binary_length(text), 0)
        yield table.set_column(table.schema.get_field_index("text"), "text", text).filter(stay)
        gone = np.flatnonzero(~stay.to_numpy(zero_copy_only=False))
        if len(gone):
            yield Output(_rejects(table.take(gone), cleaned.lines[gone]), name="rejects")


def _rejects(rows: pa.Table, lines: np.ndarray) -> pa.Table:
    """A reject for each row; its detail says which rules took its lines."""
    n = rows.num_rows
    said = [", ".join(f"{RULES[k]} {line[k]}" for k in range(1, len(RULES)) if line[k]) or None for line in lines]
    columns = {
        **{name: rows[name] for name in ("id", "url", "source", "offset")},
        "stage": ["clean"] * n,
        "rule": ["no_lines_left"] * n,
        "value": [0.0] * n,
        "threshold": [1.0] * n,
        "detail": said,
    }
    return pa.table(columns, schema=REJECTS)


def clean_lines(text: str, rules: LineRules | None = None, found: Phrases | None = None) -> tuple[str, dict[str, int]]:
    """One text after the line rules, and how many of its lines each rule took (`filters.signals.c4.RULES`)."""
    rules = rules or LineRules(False, 3, 1000, True)
    cleaned = clean_column(pa.array([text]), rules, found or phrases(True, POLICIES))
    return cleaned.text[0].as_py(), dict(zip(RULES, cleaned.lines[0].tolist(), strict=True))


def clean_column(texts: pa.Array | pa.ChunkedArray, rules: LineRules, found: Phrases) -> Cleaned:
    """Apply the line rules to d texts."""
    data, offsets = buffers(texts)
    out, ends, lines = _clean(data, offsets, table(), rules, found)
    pieces = [None, pa.py_buffer(ends), pa.py_buffer(out[: ends[-1]])]
    return Cleaned(pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, pieces), lines)


@njit(cache=True, nogil=True)
def _clean(data, offsets, bits, rules, found):
    d, room = len(offsets) - 1, 1
    for i in range(d):
        room = max(room, offsets[i + 1] - offsets[i])
    points, kinds = np.empty(room + 1, np.uint32), np.empty(room + 1, np.uint16)
    kept, found_lines = np.empty(room + 1, np.uint32), room_for_lines(room + 1)
    out, ends = np.empty(offsets[d] - offsets[0], np.uint8), np.zeros(d + 1, np.int64)
    lines = np.zeros((d, len(RULES)), np.int64)
    for i in range(d):
        n = spell(data, offsets[i], offsets[i + 1], bits, points, kinds)
        m = _kept(points, kinds, found_lines, breaks(points, kinds, n, found_lines), rules, found, kept, lines[i])
        ends[i + 1] = _write(kept, m, bits, out, ends[i])
    return out, ends, lines


@njit(cache=True, nogil=True)
def _kept(points, kinds, lines, count, rules, found, kept, verdicts):
    """Copy the lines that stay to `kept`, with line feeds between; returns how many codepoints."""
    m, curly = 0, False  # curly brackets are for the rules to judge
    for k in range(count):
        a, b = lines.first[k], lines.last[k]
        verdict, _, _ = judge(points, kinds, a, b, curly, rules, found)
        verdicts[verdict] += 1
        if verdict == KEPT:
            if verdicts[KEPT] > 1:
                kept[m] = 0x0A
                m += 1
            if rules.citations:
                m = without_citations(points, kinds, a, b, kept, m)
            else:
                kept[m : m + b - a] = points[a:b]
                m += b - a
    return m


@njit(cache=True, nogil=True)
def _write(points, n, bits, out, at):
    """Write the `n` codepoints to `out` as UTF-8, without white space at both ends; returns the end."""
    a, b = 0, n
    while a < b and bits[place(points[a])] & SPACE:
        a += 1
    while b > a and bits[place(points[b - 1])] & SPACE:
        b -= 1
    for i in range(a, b):
        at = encode(out, at, np.int64(points[i]))
    return at
