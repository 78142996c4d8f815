"""The heuristic signals of a page: everything that Gopher's, C4's and FineWeb's rules ask, measured once.

Definitions are those of datatrove 0.10.1 (GopherQualityFilter, GopherRepetitionFilter, C4QualityFilter,
FineWebQualityFilter); where ours differ is listed, with the reason, in tests/filters/test_signals_parity.py. Words
are those of
`filters.signals.words`; characters are codepoints; a ratio of nothing is 0, so no signal is ever null. Sources: Rae et
al. 2021 (Gopher, appendix A.1.1, table A1), Raffel et al. 2020 (C4, section 2.2), Penedo et al. 2024 (FineWeb, 3.6).
"""

import json
import tomllib
from collections.abc import Iterator
from typing import IO

import numpy as np
import pyarrow as pa

from filters.signals.bad_words import BadWords, load, occurrences
from filters.signals.c4 import POLICIES, LineRules, phrases
from filters.signals.character_classes import table
from filters.signals.kernel import COUNTS, RATIOS, STOP_BITS, Settings, measure
from filters.signals.words import Split, hash_of
from pipeline.base.errors import UserError
from pipeline.base.paths import CONFIGS
from pipeline.base.schema import SIGNALS
from pipeline.base.text_files import read_batches
from pipeline.kernels.tokens import buffers
from pipeline.runner.dag import Asset
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard

GOPHER_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")


@stage(version=1, libraries=(), outputs={"part": SIGNALS})
def signals(
    pages: Shard,
    *,
    stop_words: tuple[str, ...] = GOPHER_STOP_WORDS,
    bad_words: Asset | None = None,
    split_hyphens: bool = True,
    split_ordinals: bool = True,
    terminal_punctuation: bool = False,
    min_words_per_line: int = 3,
    max_word_length: int = 1000,
    javascript: bool = True,
    citations: bool = True,
    policy_phrases: tuple[str, ...] = POLICIES,
) -> Iterator[pa.Table]:
    """One row of signals (schema SIGNALS) a page, in the order of the pages.

    `stop_words`: a page's count of different ones is `stop_word_count`; lower case, Capitalised and UPPER CASE count,
    `’` is `'`. `bad_words`: a UTF-8 list, one word or phrase a line (LDNOOBW); none: `c4_bad_words` is 0.
    `split_hyphens`: `E-Mail` is three tokens or one, `split_ordinals`: `12.` is two tokens or one; as spaCy has it, one
    and one in German, Danish and Norwegian, one and two in Dutch, Swedish, Spanish and Portuguese, three and one in
    Turkish, three and two elsewhere. The rest says what C4's line rules do before `c4_sentences` and
    `c4_kept_line_ratio` are counted: as in `filters.signals.c4_clean.clean`.
    """
    settings = prepare(
        stop_words,
        Split(split_hyphens, split_ordinals),
        LineRules(terminal_punctuation, min_words_per_line, max_word_length, citations),
        javascript,
        policy_phrases,
    )
    bad = load(bad_words.path) if bad_words else None
    for batch in pages.batches(["id", "text"]):
        yield signal_table(batch["id"], batch["text"], settings, bad)


def prepare(
    stop_words: tuple[str, ...], split: Split, rules: LineRules, javascript: bool, policies: tuple[str, ...]
) -> Settings:
    """Settings as the kernels take them. Raises UserError for what they cannot look for."""
    for phrase in policies:
        if len(phrase) < 2:
            raise UserError(f"policy_phrases: {phrase!r} is too short to look for; give two letters or more")
    spelled: dict[int, int] = {}
    for number, word in enumerate(dict.fromkeys(word.lower() for word in stop_words)):
        for form in (word, word.capitalize(), word.upper()):
            for spelling in (form, form.replace("'", "’")):
                points = np.array([ord(c) for c in spelling], np.uint32)
                spelled.setdefault(int(hash_of(points, 0, len(points))), number)
    hashes = sorted(spelled)
    numbers = np.array([spelled[h] for h in hashes], np.int64)
    maybe = np.zeros(STOP_BITS, np.bool_)
    maybe[[h % STOP_BITS for h in hashes]] = True
    return Settings(maybe, np.array(hashes, np.uint64), numbers, split, rules, phrases(javascript, policies))


def signal_table(ids: pa.Array, texts: pa.Array, settings: Settings, bad: BadWords | None = None) -> pa.Table:
    """Signals of d texts (schema SIGNALS, d rows). `bad`: a list from `signal_badwords.load`."""
    data, offsets = buffers(texts)
    counts, ratios = measure(data, offsets, table(), settings)
    values = {name: counts[:, k] for k, name in enumerate(COUNTS)} | {n: ratios[:, k] for k, n in enumerate(RATIOS)}
    values["c4_bad_words"] = occurrences(texts, bad) if bad is not None else np.zeros(len(texts), np.int64)
    columns = [ids if f.name == "id" else pa.array(np.ascontiguousarray(values[f.name])).cast(f.type) for f in SIGNALS]
    return pa.table(columns, schema=SIGNALS)


def signals_file(path: str, out: IO[str], text_column: str = "text", language: str = "en") -> None:
    """Write the signals of every text of a file (see `pipeline.base.text_files.read_batches`) to `out`, as JSON Lines.

    A line has the text's `id` and every signal, with the stop words and token rules of `language`'s recipe. Raises
    UserError with file and line for what is no such file.
    """
    settings = _of_language(language)
    for ids, texts in read_batches(path, text_column):
        for row in signal_table(pa.array(map(str, ids)), texts, settings).to_pylist():
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


def _of_language(language: str) -> Settings:
    """Settings as in configs/<language>.toml, stop words of FineWeb-2's preset where the recipe has none."""
    known = sorted(file.stem for file in CONFIGS.glob("*.toml"))
    if language not in known:
        raise UserError(f"no recipe for language {language!r}; type one of {', '.join(known)}")
    said = tomllib.loads((CONFIGS / f"{language}.toml").read_text()).get("signals", {})
    preset = CONFIGS / "presets/fineweb-2" / f"{language}.toml"
    listed = tomllib.loads(preset.read_text())["stop_words"][language] if preset.exists() else GOPHER_STOP_WORDS
    rules = LineRules(
        said.get("terminal_punctuation", False),
        said.get("min_words_per_line", 3),
        said.get("max_word_length", 1000),
        said.get("citations", True),
    )
    split = Split(said.get("split_hyphens", True), said.get("split_ordinals", True))
    phrases_said = tuple(said.get("policy_phrases", POLICIES))
    return prepare(tuple(said.get("stop_words", listed)), split, rules, said.get("javascript", True), phrases_said)
