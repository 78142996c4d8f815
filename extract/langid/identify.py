"""Language identification: one interface to several models, the stage that labels pages, and lines of text."""

import functools
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, TextIO

import pyarrow as pa

from extract.langid.embedded import EmbeddedIdentifier
from extract.langid.guess import SAMPLE_CHARACTERS, Guess, Identifier, sample_text
from pipeline.base.schema import LANGUAGE_COLUMNS, LANGUAGES
from pipeline.config.values import Range
from pipeline.runner.dag import Asset
from pipeline.runner.stage import sidecar
from pipeline.store.shard import Shard

_BATCH_ROWS = 1024
_MIN_WINDOW_SCORE = 0.5  # of a window that counts for a second language


@functools.cache
def load_identifier(
    model: str = "embedded", sha256: str | None = None, characters: int = SAMPLE_CHARACTERS
) -> Identifier:
    """The identifier named `model`: "embedded", "langdetect", or the path or URL of a fastText model (.bin, .ftz).

    `sha256` pins the content of a fastText model. `characters`: length of each of the three pieces of a text that are
    read. Raises UserError with what to type.
    """
    if model == "embedded":
        return EmbeddedIdentifier(characters)
    if model == "langdetect":
        from extract.langid.langdetect_model import LangDetectIdentifier

        return LangDetectIdentifier(characters)
    from extract.langid import fasttext_model

    return fasttext_model.FastTextIdentifier(fasttext_model.fetch_model(model, sha256), characters)


def check_identifier(model: str = "embedded", sha256: str | None = None) -> None:
    """Raise UserError unless `identify` can run with these settings: a model file must exist and be pinned."""
    if model not in ("embedded", "langdetect"):
        from extract.langid import fasttext_model

        fasttext_model.check_model(model, sha256)


@sidecar(version=1, libraries=("fasttext-community", "langdetect", "numba"), columns=LANGUAGE_COLUMNS)
def identify(
    pages: Shard,
    *,
    model: str | Asset = "embedded",
    sha256: str | None = None,
    characters: Annotated[int, Range(1)] = SAMPLE_CHARACTERS,
    window: Annotated[int, Range(1)] = 500,
) -> Iterator[pa.Table]:
    """Label each page with its language, and with a second one if part of the text is in it.

    `second_language` is the most frequent other language of the windows that have a score of at least 0.5, and
    `second_score` its share of all windows (0 to 1).

    Args:
        pages: Shard of PAGES; the columns id and text are read.
        model: Identifier: "embedded", "langdetect", or the path or URL of a fastText model (.bin, .ftz).
        sha256: SHA-256 of the fastText model's file (64 hex digits). A model file must be pinned, since its content
            decides about the rows.
        characters: Length in characters of each of the three pieces of a text that are read.
        window: Length in characters of the windows that are labelled one by one to find a second language.
    """
    model = model.path if isinstance(model, Asset) else model  # the path of an asset is not in the step's key
    check_identifier(model, sha256)
    identifier = load_identifier(model, sha256, characters)
    for batch in pages.batches(["id", "text"], rows=_BATCH_ROWS):
        texts = [text or "" for text in batch.column("text").to_pylist()]
        yield _label_rows(batch.column("id"), [sample_text(text, characters) for text in texts], identifier, window)


def _label_rows(ids: pa.Array, samples: list[str], identifier: Identifier, window: int) -> pa.Table:
    guesses = identifier.identify(samples)
    windows = [[text[start : start + window] for start in range(0, len(text), window)] for text in samples]
    window_guesses = iter(identifier.identify([piece for pieces in windows for piece in pieces]))
    seconds = [
        _second_language(guess.language, list(itertools.islice(window_guesses, len(pieces))))
        for guess, pieces in zip(guesses, windows, strict=True)
    ]
    columns = [
        ids,
        [guess.language for guess in guesses],
        [guess.script for guess in guesses],
        [guess.score for guess in guesses],
        [language for language, _ in seconds],
        [share for _, share in seconds],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, LANGUAGES, strict=True)]
    return pa.table(arrays, schema=LANGUAGES)


def _second_language(first: str, windows: list[Guess]) -> tuple[str | None, float | None]:
    """(the other language that most windows are in, its share of all windows); ties are broken by name."""
    others = Counter(
        guess.language
        for guess in windows
        if guess.score >= _MIN_WINDOW_SCORE and guess.language not in (first, "und", "zxx")
    )
    if not others:
        return None, None
    language, count = min(others.items(), key=lambda item: (-item[1], item[0]))
    return language, count / len(windows)


def identify_lines(stream_in: TextIO, stream_out: TextIO, model: str = "embedded", sha256: str | None = None) -> None:
    """Write `language<TAB>score<TAB>script` for every line of `stream_in`, in order; `und`, 0.0 for an empty line."""
    identifier = load_identifier(model, sha256)
    while lines := list(itertools.islice(stream_in, _BATCH_ROWS)):
        for guess in identifier.identify(lines):
            stream_out.write(f"{guess.language}\t{round(guess.score, 4)}\t{guess.script}\n")
