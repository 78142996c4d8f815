"""Write configs/presets/fineweb-2/<language>.toml from FineWeb-2's published config.

    python -m filters.make_presets PATH/fineweb2-configs.jsonl [xx=yyy_Zzzz ...]

The input has one JSON object a line: the content of one file of `configs/` in github.com/huggingface/fineweb-2, with
the file's name as `language` (`deu_Latn`). Without further arguments the languages with a shipped recipe are written;
`fi=fin_Latn` writes that one. Numbers and stop words are copied unchanged; the order of the rules, and the bounds that
are the same for all languages, follow `fineweb-2-pipeline.py` there (arXiv:2506.20920).
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.base.errors import UserError
from pipeline.base.paths import CONFIGS

SHIPPED = {
    "cs": "ces_Latn",
    "da": "dan_Latn",
    "de": "deu_Latn",
    "es": "spa_Latn",
    "fr": "fra_Latn",
    "it": "ita_Latn",
    "nl": "nld_Latn",
    "pl": "pol_Latn",
    "pt": "por_Latn",
    "ru": "rus_Cyrl",
    "sv": "swe_Latn",
    "tr": "tur_Latn",
}
FOLDER = CONFIGS / "presets" / "fineweb-2"
_HEAD = """\
# Written by `python -m filters.make_presets`; do not edit, change bounds in a recipe's [rules.set].
source = "FineWeb-2 (arXiv:2506.20920): configs/{code}.yml and fineweb-2-pipeline.py, github.com/huggingface/fineweb-2"

# The language score of {language_score} there is calibrated for GlotLID v3 and is no rule here: with that model in
# [identify], say language_score = {language_score} under [rules.set].
# Paragraph rules, dup_line_char_frac, short lines and C4 are off in FineWeb-2, for every language.

[stop_words]
{language} = [{stop_words}]
"""


def published_rules(config: dict) -> Iterator[tuple[str, str, str, float, str]]:
    """Yield (name, column, bound, value, why) of each rule in FineWeb-2's order, also if it can never fire."""
    yield "dup_line_frac", "dup_line_frac", "max", config["dup_line_frac"], "share of lines that repeat an earlier one"
    for n, value in config["top_n_grams"]:
        yield f"top_{n}_gram", f"top_{n}_gram", "max", value, f"characters in the most frequent sequence of {n} words"
    for n, value in config["dup_n_grams"]:
        yield f"dup_{n}_gram", f"dup_{n}_gram", "max", value, f"characters in sequences of {n} words that came before"
    yield "line_punct_ratio", "line_punct_ratio", "min", config["line_punct_thr"], "share of lines with a terminal mark"
    yield "char_dup_ratio", "char_dup_ratio", "max", 0.1, "characters in lines that repeat an earlier one"
    yield "list_ratio", "new_line_ratio", "max", config["new_line_ratio"], "line ends a word: lists and columns"
    yield "gopher_short_doc", "word_count", "min", 50, "too short to be a text: a caption, a menu, a stub"
    yield "gopher_long_doc", "word_count", "max", 100_000, "too long for one page: dumps, logs, generated text"
    average = "mean_word_length"
    yield "gopher_below_avg_threshold", average, "min", config["min_avg_word_length"], "symbols instead of words"
    yield "gopher_above_avg_threshold", average, "max", config["max_avg_word_length"], "URLs, codes, no blanks"
    yield "gopher_too_many_hashes", "hash_ratio", "max", 0.1, "hash signs a word: hashtags, headings"
    yield "gopher_too_many_ellipsis", "ellipsis_ratio", "max", 0.1, "ellipses a word: teasers cut off"
    yield "gopher_too_many_bullets", "bullet_line_ratio", "max", 0.9, "nearly every line is a bullet point"
    yield "gopher_too_many_end_ellipsis", "ellipsis_line_ratio", "max", 0.3, "lines that break off: a list of teasers"
    alpha = config["max_non_alpha_words_ratio"]  # datatrove's name; it is the least share of words *with* a letter
    yield "gopher_below_alpha_threshold", "alpha_word_ratio", "min", alpha, "too few words with a letter in them"
    yield "gopher_enough_stop_words", "stop_word_count", "min", 2, "no running text in this language"


def can_fire(column: str, bound: str, value: float) -> bool:
    """Whether any document can fail: a share is never below 0 nor above 1 (line feeds a word may be)."""
    if bound == "min":
        return value > 0
    return value < 1 or column in ("new_line_ratio", "word_count", "mean_word_length")


def preset(config: dict, language: str) -> str:
    """Return the preset file of a language, from its line of the input."""
    words = ", ".join(json.dumps(word.lower(), ensure_ascii=False) for word in config["stopwords"])
    score = config["language_score"]
    head = _HEAD.format(code=config["language"], language=language, language_score=score, stop_words=words)
    return head + "".join(_rule_toml(*entry) for entry in published_rules(config))


def _rule_toml(name: str, column: str, bound: str, value: float, why: str) -> str:
    if not can_fire(column, bound, value):
        return f"\n# {name}: {bound} = {value} in FineWeb-2 can never fire\n"
    return f'\n[[rule]]\nname = "{name}"\ncolumn = "{column}"\n{bound} = {value}\nwhy = "{why}"\n'


def main(arguments: list[str]) -> None:
    """Write the presets. Raises UserError for arguments that are none, or name no file or language."""
    if not arguments or any("=" not in word for word in arguments[1:]):
        raise UserError("usage: python -m filters.make_presets PATH/fineweb2-configs.jsonl [xx=yyy_Zzzz ...]")
    languages = dict(word.split("=", 1) for word in arguments[1:]) or SHIPPED
    try:
        lines = Path(arguments[0]).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{arguments[0]}: cannot be read ({error.strerror})") from error
    published = {entry["language"]: entry for entry in map(json.loads, lines)}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for language, code in sorted(languages.items()):
        if code not in published:
            raise UserError(f"{arguments[0]}: no language {code}; codes look like deu_Latn (English has none)")
        (FOLDER / f"{language}.toml").write_text(preset(published[code], language), encoding="utf-8")
        print(FOLDER / f"{language}.toml")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
