"""Language identification: one interface over several models, the stage that labels pages, and lines for the CLI."""

import functools
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, TextIO

import numpy as np
import pyarrow as pa

from extract.langid.base import UNKNOWN, Guess, Identifier, sample
from extract.langid.prefilter import prefilter
from extract.langid.script import scripts
from pipeline.base.schema import LANGUAGE_COLUMNS, LANGUAGES
from pipeline.config.values import Range
from pipeline.runner.dag import Asset
from pipeline.runner.stage import sidecar
from pipeline.store.shard import Shard

__all__ = ["Guess", "Identifier", "identifier", "identify", "identify_lines", "prefilter"]


# Scripts in which (nearly) one language of the web is written, and that the embedded model does not tell.
_ONLY = {
    "Thaa": "dv", "Tibt": "bo", "Syrc": "syr", "Cher": "chr", "Cans": "iu", "Tfng": "zgh", "Yiii": "ii", "Olck": "sat",
    "Nkoo": "nqo", "Mtei": "mni", "Mong": "mn", "Adlm": "ff", "Vaii": "vai", "Rohg": "rhg", "Lisu": "lis",
}  # fmt: skip


class Embedded:
    """The default: no download (extract/langid/embedded.py)."""

    def __init__(self, characters: int = 1000):
        self.characters = characters

    def identify(self, texts: list[str]) -> list[Guess]:
        from extract.langid import embedded as lid

        found: list[Guess] = []
        for first in range(0, len(texts), lid.CHUNK):
            data, offsets = lid.encode([sample(text, self.characters) for text in texts[first : first + lid.CHUNK]])
            found += _guesses(lid.probabilities(data, offsets), scripts(data, offsets), lid.load().labels)
        return found


def _guesses(p: np.ndarray, written: list[str], labels: tuple[str, ...]) -> list[Guess]:
    """Best and second best of each row of probabilities (d, l)."""
    index = np.arange(len(p))
    best = p.argmax(axis=1)
    score = p[index, best]
    p[index, best] = -1.0
    second = p.argmax(axis=1)
    rest = p[index, second]
    return [
        Guess(_ONLY[script], script, 1.0)
        if script in _ONLY
        else UNKNOWN
        if script == "Zyyy" or s == 0.0
        else Guess(labels[b], script, float(s), labels[c], float(r))
        for b, s, c, r, script in zip(best, score, second, rest, written, strict=True)
    ]


@functools.cache
def identifier(model: str = "embedded", sha256: str | None = None, characters: int = 1000) -> Identifier:
    """The identifier named `model`: "embedded", "langdetect", or the path or URL of a fastText model (.bin, .ftz).

    `sha256` pins the content of a fastText model. `characters`: length of each of the three pieces of a text that are
    read. Raises UserError with what to type.
    """
    if model == "embedded":
        return Embedded(characters)
    from extract.langid import models as lid_models

    return lid_models.backend(model, sha256, characters)


def check(model: str = "embedded", sha256: str | None = None) -> None:
    """Raise UserError unless `identify` can run with these settings: a model file must be there and be pinned."""
    if model in ("embedded", "langdetect"):
        return
    from extract.langid import models as lid_models

    lid_models.check(model, sha256)


@sidecar(version=1, libraries=("py3langid", "fasttext-community", "langdetect", "numba"), columns=LANGUAGE_COLUMNS)
def identify(
    pages: Shard,
    *,
    model: str | Asset = "embedded",
    sha256: str | None = None,
    characters: Annotated[int, Range(1)] = 1000,
    window: Annotated[int, Range(1)] = 500,
) -> Iterator[pa.Table]:
    """Label each page with its language, and with a second one where part of the text is in it.

    `model`, `sha256`: see `identifier`; a file must be pinned, since its content shapes the rows. `characters`: length
    of each of the three pieces of text that are read. `window`: characters of the windows that are labelled one by
    one. `second_language` is the most frequent other language of the windows that are sure (score of at least 0.5),
    `second_score` its share of all windows (0..1).
    """
    model = model.path if isinstance(model, Asset) else model  # an asset's place is not in the step's key
    check(model, sha256)
    backend = identifier(model, sha256, characters)
    for batch in pages.batches(["id", "text"], rows=1024):
        texts = [text or "" for text in batch.column("text").to_pylist()]
        yield _rows(batch.column("id"), [sample(text, characters) for text in texts], backend, window)


def _rows(ids: pa.Array, samples: list[str], backend: Identifier, window: int) -> pa.Table:
    guesses = backend.identify(samples)
    cut = [[text[at : at + window] for at in range(0, len(text), window)] for text in samples]
    labelled = iter(backend.identify([piece for pieces in cut for piece in pieces]))
    seconds = [
        _second(guess.language, list(itertools.islice(labelled, len(pieces))))
        for guess, pieces in zip(guesses, cut, strict=True)
    ]
    columns = [
        ids,
        [guess.language for guess in guesses],
        [guess.script for guess in guesses],
        [guess.score for guess in guesses],
        [second for second, _ in seconds],
        [share for _, share in seconds],
    ]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, LANGUAGES, strict=True)], schema=LANGUAGES)


def _second(first: str, windows: list[Guess]) -> tuple[str | None, float | None]:
    """The other language that most windows are in, ties by name, and its share of them."""
    others = Counter(w.language for w in windows if w.score >= 0.5 and w.language not in (first, "und", "zxx"))
    if not others:
        return None, None
    language, count = min(others.items(), key=lambda item: (-item[1], item[0]))
    return language, count / len(windows)


def identify_lines(stream_in: TextIO, stream_out: TextIO, model: str = "embedded", sha256: str | None = None) -> None:
    """Write `language<TAB>score<TAB>script` for every line of `stream_in`, in order; `und`, 0.0 for an empty line."""
    backend = identifier(model, sha256)
    for lines in _groups(stream_in, 1024):
        for guess in backend.identify(lines):
            stream_out.write(f"{guess.language}\t{round(guess.score, 4)}\t{guess.script}\n")


def _groups(items: Iterable[str], size: int) -> Iterator[list[str]]:
    items = iter(items)
    while group := list(itertools.islice(items, size)):
        yield group
