"""Identifiers that need a model file or another package: fastText (lid.176, GlotLID, OpenLID) and langdetect."""

import hashlib
import itertools
import os
import re
import shutil
import tempfile
import urllib.request
from pathlib import Path

from extract.langid.base import UNKNOWN, Guess, Identifier, best_two, sample
from extract.langid.codes import two_letters
from extract.langid.embedded import clean, encode
from extract.langid.script import scripts
from pipeline.base.errors import UserError
from pipeline.base.suggestions import nearest_name

_PREFIX = "__label__"


def backend(model: str, sha256: str | None, characters: int) -> Identifier:
    """See `extract.langid.identify.identifier`."""
    if model == "langdetect":
        return LangDetect(characters)
    return FastText(fetch(model, sha256), characters)


def check(model: str, sha256: str | None) -> None:
    """Raise UserError unless `model` is a fastText model that is pinned, and, for a file, there with that content."""
    _known(model)
    if "://" not in model and not Path(model).is_file():
        raise UserError(_missing(model))
    if sha256 is None:
        digest = "..." if "://" in model else _sha256(Path(model))
        hint = " (64 hex digits, as sha256sum prints them)" if "://" in model else ""
        raise UserError(
            f"{model}: pin the model, so that the same settings give the same rows: "
            f'type sha256 = "{digest}" below it{hint}'
        )
    if not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise UserError(f"{model}: sha256 {sha256!r} is not 64 hex digits; type what sha256sum prints for the model")
    if "://" not in model:
        fetch(model, sha256)


def fetch(model: str, sha256: str | None) -> Path:
    """Local path of a model, downloaded once to the user's cache, its content verified against `sha256` when given.

    A URL must be pinned: what is at an address may change, and rows with it. Raises UserError.
    """
    _known(model)
    if "://" not in model:
        path = Path(model)
        if not path.is_file():
            raise UserError(_missing(model))
        _verify(path, sha256, model)
        return path
    if sha256 is None:
        raise UserError(f'{model}: a model from a URL needs sha256 = "..." (64 hex digits) beside it')
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "corpus-models"
    path = cache / (sha256.lower() + Path(model).suffix)
    if not path.is_file():
        _download(model, path, sha256)
    return path


def _missing(model: str) -> str:
    return f"{model}: no such fastText model; give the path of an existing .bin or .ftz file"


def _known(model: str) -> None:
    if not model.endswith((".bin", ".ftz")):
        guess = nearest_name(model, ("embedded", "langdetect"))
        raise UserError(
            f"language model {model!r} is unknown: {f'did you mean {guess}? Type' if guess else 'type'} embedded, "
            "langdetect, or the path or URL of a fastText model that ends in .bin or .ftz"
        )


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(path: Path, sha256: str | None, name: str) -> None:
    if sha256 is None:
        return
    found = _sha256(path)
    if found != sha256.lower():
        raise UserError(f'{name}: its sha256 is {found}, not {sha256}; get the right file, or set sha256 = "{found}"')


def _download(url: str, path: Path, sha256: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as sink, urllib.request.urlopen(url, timeout=60) as source:
            shutil.copyfileobj(source, sink, 1 << 20)
        _verify(Path(part), sha256, url)
        os.replace(part, path)
    except (OSError, ValueError) as error:
        raise UserError(f"{url}: cannot be fetched ({error}); download it yourself and give its path") from error
    finally:
        Path(part).unlink(missing_ok=True)


class FastText:
    """A supervised fastText model with labels `__label__de`, `__label__deu_Latn` or `__label__deu-Latn`."""

    def __init__(self, path: Path, characters: int = 1000):
        import fasttext

        self.characters = characters
        try:
            self.model = fasttext.load_model(str(path))
            labels = self.model.get_labels()
        except (ValueError, RuntimeError, MemoryError) as error:
            raise UserError(f"{path}: not a fastText model ({error}); give a .bin or .ftz file") from error
        if not labels or not all(label.startswith(_PREFIX) for label in labels):
            raise UserError(f"{path}: its labels are not of the form {_PREFIX}de; give a language model")

    def identify(self, texts: list[str]) -> list[Guess]:
        data, offsets = encode([sample(text, self.characters) for text in texts])
        cleaned, bounds = clean(data, offsets)
        lines = [bytes(cleaned[a:b]).decode("utf-8") for a, b in itertools.pairwise(bounds)]
        return [self._guess(line, script) for line, script in zip(lines, scripts(data, offsets), strict=True)]

    def _guess(self, line: str, script: str) -> Guess:
        if script == "Zyyy" or not line.strip():
            return UNKNOWN
        labels, scores = self.model.predict(line, k=3)
        found: dict[str, float] = {}  # one label a language: zho_Hans and zho_Hant are one
        for label, score in zip(labels, scores, strict=True):
            name = two_letters(label[len(_PREFIX) :])
            found[name] = min(found.get(name, 0.0) + float(score), 1.0)
        return best_two(found, script)


class LangDetect:
    """langdetect (a port of Nakatani's language-detection), seeded before each text, so that order has no effect."""

    def __init__(self, characters: int = 1000) -> None:
        from langdetect import detector_factory

        self.characters = characters
        detector_factory.init_factory()
        detector_factory.DetectorFactory.seed = 0

    def identify(self, texts: list[str]) -> list[Guess]:
        texts = [sample(text, self.characters) for text in texts]
        return [self._guess(text, s) for text, s in zip(texts, scripts(*encode(texts)), strict=True)]

    def _guess(self, text: str, script: str) -> Guess:
        from langdetect import detect_langs
        from langdetect.lang_detect_exception import LangDetectException

        try:
            ranked = detect_langs(text)
        except LangDetectException:  # it found no letter of a script it knows
            return UNKNOWN
        found: dict[str, float] = {}
        for one in ranked:
            name = two_letters(one.lang)
            found[name] = min(found.get(name, 0.0) + one.prob, 1.0)
        return UNKNOWN if script == "Zyyy" else best_two(found, script)
