"""Models of the quality classifier: trained by fastText, asked for scores, and what scores are worth."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from filters.quality.sampling import keys
from pipeline.base.errors import UserError

POSITIVE = "1"  # label of the models trained here
_STEP = 10_000  # lines hashed at once


def train(
    folder: Path, positives: Iterable[str], negatives: Iterable[str], epochs: int, min_lines: int, options: dict
) -> Path:
    """Train on the lines of both classes in equal numbers, the smaller class repeated; returns where the model is.

    One thread, seeded, lines in the order of their hashes: the same bytes on every run (fastText's parallel training
    races by design).
    """
    import fasttext

    lines = {POSITIVE: list(positives), "0": list(negatives)}
    most = max(map(len, lines.values()))
    count = most * len(lines)

    def line(i: int) -> str:  # made when it is written: all of them at once would be most of a worker's memory
        label, of = list(lines.items())[i // most]
        return f"__label__{label} {of[i % most % len(of)]}"

    steps = [range(first, min(first + _STEP, count)) for first in range(0, count, _STEP)]
    seed = f"order {options['seed']}"
    order = np.argsort(np.concatenate([keys([f"{i} {line(i)}" for i in step], seed) for step in steps]))
    with open(folder / "train.txt", "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line(i)}\n" for i in order.tolist())
    epoch = max(epochs, min(100, -(-min_lines // count)))
    source = str(folder / "train.txt")
    trained = fasttext.train_supervised(source, epoch=epoch, thread=1, minCount=1, verbose=0, **options)
    trained.save_model(str(folder / "model.bin"))
    return folder / "model.bin"


class Scorer:
    """A fastText model and its positive label. Raises UserError for a file that is none, or without the label."""

    def __init__(self, path: str, label: str):
        import fasttext

        try:
            self._model = fasttext.load_model(path)
        except (ValueError, RuntimeError, MemoryError) as error:
            raise UserError(f"{path}: not a fastText model ({error}); give a .bin or .ftz file") from error
        self._label = f"__label__{label.removeprefix('__label__')}"
        if self._label not in self._model.labels:
            there = ", ".join(sorted(self._model.labels)[:5])
            raise UserError(f"{path}: no label {self._label}; its labels are {there}; set `label`")

    def scores(self, lines: list[str]) -> np.ndarray:
        """(n,) probability of the positive label, 0 to 1."""
        if not lines:
            return np.zeros(0)
        labels, found = self._model.predict(lines, k=len(self._model.labels))
        at = [of.index(self._label) for of in labels]
        # its softmax comes from a table and may pass 1 by a little
        return np.clip([float(row[i]) for row, i in zip(found, at, strict=True)], 0.0, 1.0)


def mean_scores(documents: list[list[str]], model: list[int], scorers: list[Scorer]) -> np.ndarray:
    """(d,) mean probability of each document's lines under the model given for it; NaN where there is no line."""
    out = np.full(len(documents), np.nan)
    for number, scorer in enumerate(scorers):
        own = [i for i, m in enumerate(model) if m == number and documents[i]]
        found = scorer.scores([line for i in own for line in documents[i]])
        bounds = np.concatenate([[0], np.cumsum([len(documents[i]) for i in own], dtype=np.int64)])
        for i, a, b in zip(own, bounds[:-1], bounds[1:], strict=True):
            out[i] = found[a:b].mean()
    return out


def auc(positives: np.ndarray, negatives: np.ndarray) -> float | None:
    """Area under the ROC curve: how often a positive scores above a negative, ties half (Hanley and McNeil 1982)."""
    if not len(positives) or not len(negatives):
        return None
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, "left") + np.searchsorted(ordered, positives, "right")
    return float(below.sum() / (2 * len(positives) * len(negatives)))


def percentile(scores: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """(n,) share of documents with a lower score, ties half, in percent; `quantiles` ascend."""
    below = np.searchsorted(quantiles, scores, "left") + np.searchsorted(quantiles, scores, "right")
    return 100.0 * below / (2 * len(quantiles))
