"""The heuristic signals of a page: everything that the rules of Gopher, C4 and FineWeb need, measured once.

`filters.signals.columns` declares them. Definitions are those of datatrove 0.10.1 (GopherQualityFilter,
GopherRepetitionFilter, C4QualityFilter, FineWebQualityFilter); tests/filters/test_signals_parity.py lists where ours
differ, and why. Words are those of `filters.signals.words`, characters are codepoints. The ratio of nothing is 0, so
no signal is ever null. Trailing blanks, carriage returns before line feeds, kinds of blanks and invisible characters
change no signal (`filters.signals.character_classes.decode_visible_text`).
"""

import json
import sys
import tomllib
from collections.abc import Iterator
from typing import IO, Annotated, Any

import numpy as np
import pyarrow as pa

from filters.signals.bad_words import BadWords, count_bad_words, load_bad_words
from filters.signals.c4 import LINE_RULES, POLICIES, LineRules
from filters.signals.columns import SIGNALS, SIGNALS_SCHEMA, record_dtype
from filters.signals.kernel import SignalSettings, kernel_settings, measure_documents
from filters.signals.word_splits import SplitRules
from pipeline.base.errors import UserError
from pipeline.base.paths import CONFIGS
from pipeline.config.presets import PresetLibrary
from pipeline.config.values import Range
from pipeline.inputs.text_files import LostReport, read_batches
from pipeline.kernels.tokens import buffers
from pipeline.runner.dag import Asset
from pipeline.runner.stage import sidecar
from pipeline.store.shard import Shard

GOPHER_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")


@sidecar(version=2, columns=SIGNALS)
def signals(
    pages: Shard,
    *,
    stop_words: tuple[str, ...] = GOPHER_STOP_WORDS,
    bad_words: Asset | None = None,
    split_hyphens: bool = True,
    split_ordinals: bool = True,
    terminal_punctuation: bool = LINE_RULES.terminal_punctuation,
    min_words_per_line: Annotated[int, Range(-1)] = LINE_RULES.min_words,
    max_word_length: Annotated[int, Range(-1)] = LINE_RULES.max_word_length,
    javascript: bool = True,
    citations: bool = LINE_RULES.citations,
    policy_phrases: tuple[str, ...] = POLICIES,
) -> Iterator[pa.Table]:
    """Measure the signals of each page: one row (schema SIGNALS_SCHEMA) a page, in the order of the pages.

    Tokens follow spaCy. It splits hyphens and ordinals like this: neither in German, Danish and Norwegian; ordinals
    only in Dutch, Swedish, Spanish and Portuguese; hyphens only in Turkish; both elsewhere. The last six settings say
    what C4's line rules do before `c4_sentences` and `c4_kept_line_ratio` are counted, as those of the stage `clean`.

    Args:
        pages: Pages (schema PAGES).
        stop_words: Words whose different ones in a page `stop_word_count` counts; lower case, Capitalised and UPPER
            CASE count, and `’` is `'`.
        bad_words: A UTF-8 list, one word or phrase a line (such as LDNOOBW); without one `c4_bad_words` is 0.
        split_hyphens: Whether `E-Mail` is three tokens rather than one.
        split_ordinals: Whether `12.` is two tokens rather than one.
        terminal_punctuation: Whether a line that does not end with a terminal mark is dropped.
        min_words_per_line: Words between white space below which a line is dropped; -1 switches the rule off.
        max_word_length: Characters of a word above which its line is dropped; -1 switches the rule off.
        javascript: Whether a line that contains "javascript" is dropped.
        citations: Whether citations such as `[12]` and `[edit]` are ignored.
        policy_phrases: Phrases of cookie notices and terms of use in lower case; a line with one is dropped.
    """
    settings = kernel_settings(
        stop_words,
        SplitRules(split_hyphens, split_ordinals),
        LineRules(terminal_punctuation, min_words_per_line, max_word_length, citations),
        javascript,
        policy_phrases,
    )
    bad = load_bad_words(bad_words.path) if bad_words else None
    for batch in pages.batches(["id", "text"]):
        yield signal_table(batch["id"], batch["text"], settings, bad)


def signal_table(
    ids: pa.Array, texts: pa.Array, settings: SignalSettings, bad_words: BadWords | None = None
) -> pa.Table:
    """Return the signals of d texts: schema SIGNALS_SCHEMA, d rows."""
    data, offsets = buffers(texts)
    rows = np.zeros(len(texts), record_dtype())
    measure_documents(data, offsets, settings, rows)
    if bad_words is not None:
        rows["c4_bad_words"] = count_bad_words(texts, bad_words)
    columns = [pa.array(np.ascontiguousarray(rows[column.name])) for column in SIGNALS]
    return pa.table([ids, *columns], schema=SIGNALS_SCHEMA)


def signals_file(path: str, out: IO[str], text_column: str = "text", language: str = "en") -> None:
    """Write the signals of every text of a file to `out`, as JSON Lines (`pipeline.inputs.text_files.read_batches`).

    A line has the text's `id` and every signal, with the stop words and token rules of `language`'s recipe. What
    cannot be read is left out and reported on standard error. Raises UserError with file and line for a file of which
    nothing can be read.
    """
    options = _settings_of_language(language)
    lost = LostReport(sys.stderr.write)
    for ids, texts in read_batches(path, text_column, on_lost=lost):
        table = pa.table({"id": pa.array(map(str, ids)), "text": texts})
        for measured in signals(Shard.of(table), **options):
            for row in measured.to_pylist():
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
    lost.finish()


def _settings_of_language(language: str) -> dict[str, Any]:
    """Settings of the stage `signals` in configs/<language>.toml, with the language's stop words if it has none.

    A list of bad words is left out: its path is relative to the recipe, and the command takes no list.
    """
    recipes = sorted(file.stem for file in CONFIGS.glob("*.toml"))
    if language not in recipes:
        raise UserError(f"no recipe for language {language!r}; type one of {', '.join(recipes)}")
    section = tomllib.loads((CONFIGS / f"{language}.toml").read_text()).get("signals", {})
    stop_words = PresetLibrary(CONFIGS / "presets", language).stop_words() or GOPHER_STOP_WORDS
    return {"stop_words": stop_words, **{name: value for name, value in section.items() if name != "bad_words"}}
