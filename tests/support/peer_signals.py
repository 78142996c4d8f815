"""datatrove's heuristic filters on one side, ours on the other, on the same texts: for parity tests and benchmark.

Imports datatrove and spaCy, so only import it where they are installed.
"""

import re

import numpy as np
import pyarrow as pa
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.filters.gopher_repetition_filter import (
    find_all_duplicate,
    find_duplicates,
    find_top_duplicate,
    get_n_grams,
)
from datatrove.utils.text import PUNCTUATION_SET, TERMINAL_PUNCTUATION, split_into_words

from filters.signals.c4 import POLICIES, LineRules
from filters.signals.kernel import SignalSettings, kernel_settings
from filters.signals.word_splits import SplitRules

ENGLISH_POLICIES = POLICIES[:6]
WHOLE_HYPHENS = ("de", "da", "nl", "sv", "es", "pt", "nb", "hu", "ro", "el", "ca")  # as spaCy's tokenizers have it
WHOLE_ORDINALS = ("de", "da", "nb", "hu", "tr", "el", "sl")
FILTERS = ("gopher_repetition", "gopher_quality", "c4", "fineweb")
# Each filter's rules in its order, with datatrove's default bounds: (reason, column, kept from, kept up to).
_INF = float("inf")
RULES: dict[str, tuple[tuple[str, str, float, float], ...]] = {
    "gopher_repetition": (
        ("empty", "char_count", 1, _INF),
        ("dup_para_frac", "dup_para_frac", 0, 0.3),
        ("dup_para_char_frac", "dup_para_char_frac", 0, 0.2),
        ("dup_line_frac", "dup_line_frac", 0, 0.3),
        ("dup_line_char_frac", "dup_line_char_frac", 0, 0.2),
        *((f"top_{n}_gram", f"top_{n}_gram", 0, bound) for n, bound in ((2, 0.2), (3, 0.18), (4, 0.16))),
        *((f"duplicated_{n}_n_grams", f"dup_{n}_gram", 0, 0.2 - n / 100) for n in range(5, 11)),
    ),
    "gopher_quality": (
        ("gopher_short_doc", "word_count", 50, _INF),
        ("gopher_long_doc", "word_count", 0, 100_000),
        ("gopher_below_avg_threshold", "mean_word_length", 3, _INF),
        ("gopher_above_avg_threshold", "mean_word_length", 0, 10),
        ("gopher_too_many_hashes", "hash_ratio", 0, 0.1),
        ("gopher_too_many_ellipsis", "ellipsis_ratio", 0, 0.1),
        ("gopher_too_many_bullets", "bullet_line_ratio", 0, 0.9),
        ("gopher_too_many_end_ellipsis", "ellipsis_line_ratio", 0, 0.3),
        ("gopher_below_alpha_threshold", "alpha_word_ratio", 0.8, _INF),
        ("gopher_enough_stop_words", "stop_word_count", 2, _INF),
    ),
    "c4": (
        ("lorem_ipsum", "c4_lorem_ipsum", 0, 0),
        ("curly_bracket", "c4_curly_bracket", 0, 0),
        ("too_few_sentences", "c4_sentences", 5, _INF),
    ),
    "fineweb": (
        ("empty", "line_count", 1, _INF),
        ("line_punct_ratio", "line_punct_ratio", 0.12, _INF),
        ("short_line_ratio", "short_line_ratio", 0, 0.67),
        ("char_dup_ratio", "char_dup_ratio", 0, 0.01),
        ("list_ratio", "new_line_ratio", 0, 0.3),
    ),
}
GERMAN_STOP_WORDS = (
    "der",
    "und",
    "die",
    "in",
    "von",
    "im",
    "den",
    "des",
    "mit",
    "das",
    "er",
    "dem",
    "als",
    "wurde",
    "für",
)


def stop_words(language: str) -> tuple[str, ...]:
    return GERMAN_STOP_WORDS if language == "de" else ("the", "be", "to", "of", "and", "that", "have", "with")


def settings(language: str, terminal: bool = False) -> SignalSettings:
    """Ours, as close to the peer's as they go."""
    rules = LineRules(terminal, 3, 1000, True)
    split = SplitRules(language not in WHOLE_HYPHENS, language not in WHOLE_ORDINALS)
    return kernel_settings(stop_words(language), split, rules, True, ENGLISH_POLICIES)


def peers(language: str, terminal: bool = False) -> dict:
    """The four filters of FineWeb's chain, in their order, at their default bounds."""
    return {
        "gopher_repetition": GopherRepetitionFilter(language=language),
        "gopher_quality": GopherQualityFilter(language=language, stop_words=list(stop_words(language))),
        "c4": C4QualityFilter(language=language, filter_no_terminal_punct=terminal),
        "fineweb": FineWebQualityFilter(language=language),
    }


def peer_verdict(peer, text: str) -> str:
    """ "" when the filter keeps the text, else its reason."""
    result = peer.filter(Document(text=text, id=""))
    return "" if result is True else result[1]


def our_verdict(name: str, row: dict) -> str:
    """The first rule of the filter that fails, "" when none does."""
    for reason, column, low, high in RULES[name]:
        if not low <= row[column] <= high:
            return reason
    return ""


def our_verdicts(table: pa.Table, name: str) -> list[str]:
    """`our_verdict` of every row, a column at a time."""
    verdicts = np.full(table.num_rows, "", dtype="U40")
    for reason, column, low, high in reversed(RULES[name]):
        values = table[column].to_numpy().astype(float)
        verdicts[~((low <= values) & (values <= high))] = reason
    return verdicts.tolist()


def peer_values(text: str, language: str) -> dict:
    """The numbers that datatrove's filters compare with their bounds, by its own functions; text has a word."""
    words = split_into_words(text, language)
    real = [w for w in words if any(c not in PUNCTUATION_SET for c in w)]
    lines, n = text.splitlines(), len(text)
    nonblank = [line for line in text.split("\n") if line.strip()]
    pieces, paragraphs = re.split("\n+", text), re.split(r"\n{2,}", text.strip())
    line_again, line_chars = find_duplicates(pieces)
    para_again, para_chars = find_duplicates(paragraphs)
    return {
        "word_count": len(real),
        "mean_word_length": float(np.mean([len(w) for w in real])) if real else 0.0,
        "hash_ratio": text.count("#") / len(words),
        "ellipsis_ratio": (text.count("...") + text.count("…")) / len(words),
        "bullet_line_ratio": sum(s.lstrip().startswith(("•", "-")) for s in lines) / len(lines),
        "ellipsis_line_ratio": sum(s.rstrip().endswith(("...", "…")) for s in lines) / len(lines),
        "alpha_word_ratio": sum(any(c.isalpha() for c in w) for w in words) / len(words),
        "stop_word_count": len(set(stop_words(language)) & set(words)),
        "dup_line_frac": line_again / len(pieces),
        "dup_para_frac": para_again / len(paragraphs),
        "dup_line_char_frac": line_chars / n,
        "dup_para_char_frac": para_chars / n,
        **{f"top_{k}_gram": find_top_duplicate(g) / n for k in (2, 3, 4) if (g := get_n_grams(words, k))},
        **{f"dup_{k}_gram": find_all_duplicate(words, k) / n for k in range(5, 11)},
        "line_punct_ratio": sum(line.endswith(tuple(TERMINAL_PUNCTUATION)) for line in nonblank) / len(nonblank),
        "short_line_ratio": sum(len(line) <= 30 for line in nonblank) / len(nonblank),
        "char_dup_ratio": find_duplicates(nonblank)[1] / len(text.replace("\n", "")),
        "new_line_ratio": text.count("\n") / len(words),
    }
