"""Identifiers that need a fastText model file: lid.176, GlotLID, OpenLID."""

import hashlib
import itertools
import os
import re
import shutil
import tempfile
import urllib.request
from pathlib import Path

from extract.langid.clean import clean_texts, encode_texts
from extract.langid.guess import SAMPLE_CHARACTERS, UNKNOWN, Guess, best_two, sample_text
from extract.langid.languages import two_letter_code
from extract.langid.script import dominant_scripts
from pipeline.base.errors import UserError
from pipeline.base.suggestions import nearest_name

_LABEL_PREFIX = "__label__"
_TOP_LABELS = 3
_DOWNLOAD_TIMEOUT = 60  # seconds


def check_model(model: str, sha256: str | None) -> None:
    """Raise UserError unless `model` is a fastText model that is pinned, and, for a file, exists with that content."""
    _check_name(model)
    if "://" not in model and not Path(model).is_file():
        raise UserError(_missing_message(model))
    if sha256 is None:
        digest = "..." if "://" in model else _file_sha256(Path(model))
        hint = " (64 hex digits, as sha256sum prints them)" if "://" in model else ""
        raise UserError(
            f"{model}: pin the model, so that the same settings give the same rows: "
            f'type sha256 = "{digest}" below it{hint}'
        )
    if not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise UserError(f"{model}: sha256 {sha256!r} is not 64 hex digits; type what sha256sum prints for the model")
    if "://" not in model:
        fetch_model(model, sha256)


def fetch_model(model: str, sha256: str | None) -> Path:
    """Local path of a model, downloaded once to the user's cache and verified against `sha256` if that is given.

    A URL must be pinned, since what is at an address may change, and rows with it. Raises UserError.
    """
    _check_name(model)
    if "://" not in model:
        path = Path(model)
        if not path.is_file():
            raise UserError(_missing_message(model))
        _verify_sha256(path, sha256, model)
        return path
    if sha256 is None:
        raise UserError(f'{model}: a model from a URL needs sha256 = "..." (64 hex digits) beside it')
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "corpus-models"
    path = cache / (sha256.lower() + Path(model).suffix)
    if not path.is_file():
        _download(model, path, sha256)
    return path


def _missing_message(model: str) -> str:
    return f"{model}: no such fastText model; give the path of an existing .bin or .ftz file"


def _check_name(model: str) -> None:
    if not model.endswith((".bin", ".ftz")):
        guess = nearest_name(model, ("embedded", "langdetect"))
        raise UserError(
            f"language model {model!r} is unknown: {f'did you mean {guess}? Type' if guess else 'type'} embedded, "
            "langdetect, or the path or URL of a fastText model that ends in .bin or .ftz"
        )


def _file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify_sha256(path: Path, sha256: str | None, name: str) -> None:
    if sha256 is None:
        return
    actual = _file_sha256(path)
    if actual != sha256.lower():
        raise UserError(f'{name}: its sha256 is {actual}, not {sha256}; get the right file, or set sha256 = "{actual}"')


def _download(url: str, path: Path, sha256: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as sink, urllib.request.urlopen(url, timeout=_DOWNLOAD_TIMEOUT) as response:
            shutil.copyfileobj(response, sink, 1 << 20)
        _verify_sha256(Path(temporary), sha256, url)
        os.replace(temporary, path)
    except (OSError, ValueError) as error:
        raise UserError(f"{url}: cannot be fetched ({error}); download it yourself and give its path") from error
    finally:
        Path(temporary).unlink(missing_ok=True)


class FastTextIdentifier:
    """Identifies languages by a supervised fastText model with labels such as `__label__de` and `__label__deu_Latn`."""

    def __init__(self, path: Path, characters: int = SAMPLE_CHARACTERS):
        import fasttext

        self.characters = characters
        try:
            self.model = fasttext.load_model(str(path))
            labels = self.model.get_labels()
        except (ValueError, RuntimeError, MemoryError) as error:
            raise UserError(f"{path}: not a fastText model ({error}); give a .bin or .ftz file") from error
        if not labels or not all(label.startswith(_LABEL_PREFIX) for label in labels):
            raise UserError(f"{path}: its labels are not of the form {_LABEL_PREFIX}de; give a language model")

    def identify(self, texts: list[str]) -> list[Guess]:
        """The guess for each text."""
        data, offsets = encode_texts([sample_text(text, self.characters) for text in texts])
        cleaned, bounds = clean_texts(data, offsets)
        lines = [bytes(cleaned[start:end]).decode("utf-8") for start, end in itertools.pairwise(bounds)]
        scripts = dominant_scripts(data, offsets)
        return [self._guess(line, script) for line, script in zip(lines, scripts, strict=True)]

    def _guess(self, line: str, script: str) -> Guess:
        if script == "Zyyy" or not line.strip():
            return UNKNOWN
        labels, label_scores = self.model.predict(line, k=_TOP_LABELS)
        scores: dict[str, float] = {}  # one entry per language: zho_Hans and zho_Hant are one
        for label, score in zip(labels, label_scores, strict=True):
            language = two_letter_code(label[len(_LABEL_PREFIX) :])
            scores[language] = min(scores.get(language, 0.0) + float(score), 1.0)
        return best_two(scores, script)
