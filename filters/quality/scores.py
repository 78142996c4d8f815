"""fastText models of the quality classifier: training, scores of texts, and measures of scores."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from filters.quality.sampling import hash_keys
from pipeline.base.errors import UserError

POSITIVE_LABEL = "1"  # of the models trained here
_NEGATIVE_LABEL = "0"
_HASHED_LINES = 10_000  # lines hashed at once
_MAX_EPOCHS = 100


def train_model(
    folder: Path, positives: Iterable[str], negatives: Iterable[str], epochs: int, min_lines: int, options: dict
) -> Path:
    """Train on the lines of both classes in equal numbers, the smaller class repeated; returns the model's path.

    One thread, seeded, with the lines in the order of their hashes gives the same bytes on every run (fastText's
    parallel training races by design).

    Args:
        folder: Where the training file and the model are written.
        positives: Lines of the positive class.
        negatives: Lines of the negative class.
        epochs: Times that the lines are read.
        min_lines: Lines that are read in all at least, in up to 100 epochs.
        options: Options of fastText; `seed` also seeds the order.
    """
    import fasttext

    lines = {POSITIVE_LABEL: list(positives), _NEGATIVE_LABEL: list(negatives)}
    class_size = max(map(len, lines.values()))
    count = class_size * len(lines)

    def training_line(i: int) -> str:  # made when it is written: all of them would be most of a worker's memory
        label, texts = list(lines.items())[i // class_size]
        return f"__label__{label} {texts[i % class_size % len(texts)]}"

    seed = f"order {options['seed']}"
    hashes = [
        hash_keys([f"{i} {training_line(i)}" for i in range(start, min(start + _HASHED_LINES, count))], seed)
        for start in range(0, count, _HASHED_LINES)
    ]
    with open(folder / "train.txt", "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{training_line(i)}\n" for i in np.argsort(np.concatenate(hashes)).tolist())
    epochs = max(epochs, min(_MAX_EPOCHS, -(-min_lines // count)))
    source = str(folder / "train.txt")
    model = fasttext.train_supervised(source, epoch=epochs, thread=1, minCount=1, verbose=0, **options)
    model.save_model(str(folder / "model.bin"))
    return folder / "model.bin"


class Scorer:
    """A fastText model and its positive label."""

    def __init__(self, path: str, label: str):
        """Load a model. Raises UserError for a file that is none, or that has no such label."""
        import fasttext

        try:
            self._model = fasttext.load_model(path)
        except (ValueError, RuntimeError, MemoryError) as error:
            raise UserError(f"{path}: not a fastText model ({error}); give a .bin or .ftz file") from error
        self._label = f"__label__{label.removeprefix('__label__')}"
        if self._label not in self._model.labels:
            labels = ", ".join(sorted(self._model.labels)[:5])
            raise UserError(f"{path}: no label {self._label}; its labels are {labels}; set `label`")

    def score_lines(self, lines: list[str]) -> np.ndarray:
        """Probability of the positive label for each line, (n,) 0 to 1."""
        if not lines:
            return np.zeros(0)
        labels, probabilities = self._model.predict(lines, k=len(self._model.labels))
        positions = [line_labels.index(self._label) for line_labels in labels]
        # its softmax comes from a table and may exceed 1 by a little
        return np.clip([float(row[i]) for row, i in zip(probabilities, positions, strict=True)], 0.0, 1.0)


def mean_scores(documents: list[list[str]], models: list[int], scorers: list[Scorer]) -> np.ndarray:
    """Mean probability of each document's lines, (d,); NaN for a document without lines.

    models: number of the scorer of each document.
    """
    means = np.full(len(documents), np.nan)
    for number, scorer in enumerate(scorers):
        own = [i for i, model in enumerate(models) if model == number and documents[i]]
        scores = scorer.score_lines([line for i in own for line in documents[i]])
        bounds = np.concatenate([[0], np.cumsum([len(documents[i]) for i in own], dtype=np.int64)])
        for i, start, end in zip(own, bounds[:-1], bounds[1:], strict=True):
            means[i] = scores[start:end].mean()
    return means


def area_under_roc(positives: np.ndarray, negatives: np.ndarray) -> float | None:
    """How often a positive scores above a negative, ties half (Hanley and McNeil 1982); None if a class is empty."""
    if not len(positives) or not len(negatives):
        return None
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, "left") + np.searchsorted(ordered, positives, "right")
    return float(below.sum() / (2 * len(positives) * len(negatives)))


def percentile_ranks(scores: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Percent of documents with a lower score, ties half, (n,) 0 to 100; `quantiles` ascend."""
    below = np.searchsorted(quantiles, scores, "left") + np.searchsorted(quantiles, scores, "right")
    return 100.0 * below / (2 * len(quantiles))
