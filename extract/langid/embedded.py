"""The embedded identifier, the default: it needs no download (see `extract/langid/model.py`)."""

import numpy as np

from extract.langid.clean import encode_texts
from extract.langid.guess import SAMPLE_CHARACTERS, UNKNOWN, Guess, sample_text
from extract.langid.model import label_probabilities, load_model
from extract.langid.script import dominant_scripts

_BATCH_TEXTS = 2048  # texts at once, which bounds the memory of their scores
# Scripts in which (nearly) one language of the web is written, and that the model does not know.
_SCRIPT_LANGUAGE = {
    "Thaa": "dv", "Tibt": "bo", "Syrc": "syr", "Cher": "chr", "Cans": "iu", "Tfng": "zgh", "Yiii": "ii", "Olck": "sat",
    "Nkoo": "nqo", "Mtei": "mni", "Mong": "mn", "Adlm": "ff", "Vaii": "vai", "Rohg": "rhg", "Lisu": "lis",
}  # fmt: skip


class EmbeddedIdentifier:
    """Identifies languages by the model in this folder, from three pieces of `characters` characters of a text."""

    def __init__(self, characters: int = SAMPLE_CHARACTERS):
        self.characters = characters

    def identify(self, texts: list[str]) -> list[Guess]:
        """The guess for each text."""
        guesses: list[Guess] = []
        for first in range(0, len(texts), _BATCH_TEXTS):
            batch = [sample_text(text, self.characters) for text in texts[first : first + _BATCH_TEXTS]]
            data, offsets = encode_texts(batch)
            probabilities, scripts = label_probabilities(data, offsets), dominant_scripts(data, offsets)
            guesses += _best_guesses(probabilities, scripts, load_model().labels)
        return guesses


def _best_guesses(probabilities: np.ndarray, scripts: list[str], labels: tuple[str, ...]) -> list[Guess]:
    """Best and second best of each row of probabilities (d, l). The array is changed."""
    rows = np.arange(len(probabilities))
    best = probabilities.argmax(axis=1)
    best_score = probabilities[rows, best]
    probabilities[rows, best] = -1.0
    second = probabilities.argmax(axis=1)
    second_score = probabilities[rows, second]
    guesses = []
    for i, script in enumerate(scripts):
        if script in _SCRIPT_LANGUAGE:
            guesses.append(Guess(_SCRIPT_LANGUAGE[script], script, 1.0))
        elif script == "Zyyy" or best_score[i] == 0.0:
            guesses.append(UNKNOWN)
        else:
            best_two = labels[best[i]], script, float(best_score[i]), labels[second[i]], float(second_score[i])
            guesses.append(Guess(*best_two))
    return guesses
