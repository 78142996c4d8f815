"""The block classifier's weights: reading and writing the file, `weights.npz`, and its names for features and tags."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from extract.blocks.features.columns import FEATURES, PAGE_KINDS
from extract.blocks.features.token_weights import Vocabulary
from extract.blocks.gbdt import BitvectorForest, Forest, to_bitvectors
from extract.blocks.scan.tags import TAG_NAMES

WEIGHTS = Path(__file__).with_name("weights.npz")


class Model(NamedTuple):
    """Weights of tokens, and the forests of the two passes (Forest as trained and stored, BitvectorForest to apply)."""

    vocabulary: Vocabulary
    first: Forest | BitvectorForest
    second: Forest | BitvectorForest


def save_model(model: Model, path: Path) -> None:
    """Write a model, and the names that it was trained with, as a compressed NumPy archive.

    The same model gives the same bytes.
    """
    arrays = {f"vocabulary_{key}": array for key, array in model.vocabulary._asdict().items()}
    for name, forest in (("first", model.first), ("second", model.second)):
        arrays |= {f"{name}_{key}": array for key, array in forest._asdict().items()}
    arrays |= {"features": np.array(FEATURES), "tags": np.array(TAG_NAMES), "page_kinds": np.array(PAGE_KINDS)}
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_model(path: Path = WEIGHTS) -> Model:
    """Read a model that `save_model` wrote; trees find their columns by the features' names.

    Raises FileNotFoundError where there is no file, ValueError where a feature that it was trained with is no longer
    declared, or where tags or kinds of pages have other numbers now.
    """
    with np.load(path) as archive:
        arrays = dict(archive)
    for key, declared, file in (("tags", TAG_NAMES, "scan/tags.py"), ("page_kinds", PAGE_KINDS, "features/columns.py")):
        if tuple(arrays[key].tolist()) != declared:
            raise ValueError(f"{path}: trained with other {key} than {file} has; train anew (extract.blocks.train)")
    if unknown := set(arrays["features"].tolist()) - set(FEATURES):
        raise ValueError(f"{path}: trained with features that columns.py does not have: {', '.join(sorted(unknown))}")
    columns = np.array([FEATURES.index(name) for name in arrays["features"].tolist()], np.int16)
    forests = []
    for name in ("first", "second"):
        feature, *others = (arrays[f"{name}_{key}"] for key in Forest._fields)
        forests.append(Forest(np.where(feature < 0, feature, columns[feature]), *others))
    return Model(Vocabulary(*(arrays[f"vocabulary_{key}"] for key in Vocabulary._fields)), *forests)


@cache
def shipped_model() -> Model:
    """The weights that come with the repository, read and prepared once."""
    vocabulary, first, second = load_model()
    return Model(vocabulary, to_bitvectors(first), to_bitvectors(second))


def probability(log_odds: np.ndarray) -> np.ndarray:
    """Logistic function."""
    return 1.0 / (1.0 + np.exp(-log_odds))
