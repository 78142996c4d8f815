"""Training of the block classifier: `python -m extract.blocks.train DATA [--out PATH]`.

Cross-validated by registered domain: every page's out-of-fold text comes from trees, and token weights, that saw no
page of its domain. Training rows of a fold get token weights and first-pass probabilities from other folds, too, so
that the second pass learns from what it will meet.
"""

import argparse
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from extract.blocks.features.columns import N_FEATURES, N_FIRST_PASS
from extract.blocks.features.first_pass import first_pass_features
from extract.blocks.features.second_pass import fill_second_pass
from extract.blocks.features.token_weights import Vocabulary
from extract.blocks.gbdt import Forest, predict_log_odds
from extract.blocks.model import WEIGHTS, Model, probability, save_model
from extract.blocks.training.gold import load_gold
from extract.blocks.training.labels import FOLDS, SEED, Example, make_example
from extract.blocks.training.vocabulary import build_vocabulary, count_class_tokens, count_word_tokens

FIRST_SETTINGS = {"trees": 110, "num_leaves": 24, "learning_rate": 0.08, "feature_fraction": 0.15}
# the second pass tries one random threshold a feature (Geurts et al., Machine Learning 2006): it overfits less
SECOND_SETTINGS = {
    "trees": 280, "num_leaves": 31, "learning_rate": 0.07, "feature_fraction": 0.3, "extra_trees": True,
}  # fmt: skip
COMMON_SETTINGS = {
    "objective": "binary", "min_data_in_leaf": 40, "min_sum_hessian_in_leaf": 0.5, "lambda_l2": 5.0,
    "bagging_fraction": 0.5, "bagging_freq": 1, "seed": SEED, "deterministic": True, "force_row_wise": True,
    "verbose": -1, "max_bin": 63, "num_threads": 1,
}  # fmt: skip
Folds = frozenset[int]


class Trainer:
    """Nested cross-validation over examples.

    Vocabularies, features and first passes are kept by the folds that they leave out (`without`).
    """

    def __init__(self, examples: list[Example]):
        self.examples = examples
        self.class_counts = [count_class_tokens(example) for example in examples]
        self.word_counts = [count_word_tokens(example) for example in examples]
        self._vocabularies: dict[Folds, Vocabulary] = {}
        self._features: dict[Folds, dict[int, np.ndarray]] = {}
        self._first_passes: dict[Folds, Forest] = {}
        self.folds = np.array([example.fold for example in examples])
        ends = np.cumsum([0, *(len(example.label) for example in examples)])
        self.rows_of_page = [slice(*pair) for pair in pairwise(ends)]
        self.label = np.concatenate([example.label for example in examples])
        self.weight = np.concatenate([example.weight for example in examples])

    def train_final(self) -> Model:
        """Train on all pages."""
        everything: Folds = frozenset()
        return Model(self.vocabulary(everything), self.train_first(everything), self.train_second(everything))

    def out_of_fold_log_odds(self) -> list[np.ndarray]:
        """Log-odds of every page's blocks from models that never saw its domain."""
        log_odds: list[np.ndarray] = [np.zeros(0)] * len(self.examples)
        for fold in range(FOLDS):
            without = frozenset((fold,))
            forest = self.train_second(without)
            for page in map(int, np.flatnonzero(self.folds == fold)):
                log_odds[page] = predict_log_odds(self.second_pass_features(page, without), forest)
            self._features.clear()
        return log_odds

    def vocabulary(self, without: Folds) -> Vocabulary:
        """Token weights from the folds that are not in `without`."""
        if without not in self._vocabularies:
            pages = self._pages(without)
            self._vocabularies[without] = build_vocabulary(
                [self.examples[page] for page in pages],
                [self.class_counts[page] for page in pages],
                [self.word_counts[page] for page in pages],
            )
        return self._vocabularies[without]

    def first_pass_features(self, page: int, without: Folds) -> np.ndarray:
        """Features of a page with token weights from folds that are neither in `without` nor its own."""
        example = self.examples[page]
        without = without | {example.fold}
        features = self._features.setdefault(without, {})
        if page not in features:
            features[page] = first_pass_features(example.scan, example.html, self.vocabulary(without))
        return features[page]

    def train_first(self, without: Folds) -> Forest:
        """Train the first pass on the folds that are not in `without`."""
        if without not in self._first_passes:
            pages = self._pages(without)
            features = np.concatenate([self.first_pass_features(page, without) for page in pages])
            self._first_passes[without] = train_forest(features, *self._targets(pages), FIRST_SETTINGS)
        return self._first_passes[without]

    def second_pass_features(self, page: int, without: Folds) -> np.ndarray:
        """All features of a page, the first pass trained on folds that are neither in `without` nor its own."""
        first, example = self.first_pass_features(page, without), self.examples[page]
        features = np.zeros((len(first), N_FEATURES), np.float32, order="F")
        features[:, :N_FIRST_PASS] = first
        log_odds = predict_log_odds(first, self.train_first(without | {example.fold}))
        fill_second_pass(features, example.scan, probability(log_odds))
        return features

    def train_second(self, without: Folds) -> Forest:
        """Train the second pass on the folds that are not in `without`."""
        pages = self._pages(without)
        features = np.concatenate([self.second_pass_features(page, without) for page in pages])
        return train_forest(features, *self._targets(pages), SECOND_SETTINGS)

    def _pages(self, without: Folds) -> list[int]:
        return [page for page, example in enumerate(self.examples) if example.fold not in without]

    def _targets(self, pages: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Labels and weights of the blocks of the pages."""
        rows = [self.rows_of_page[page] for page in pages]
        return np.concatenate([self.label[span] for span in rows]), np.concatenate([self.weight[span] for span in rows])


def train_forest(features: np.ndarray, label: np.ndarray, weight: np.ndarray, settings: dict) -> Forest:
    """Train one pass with LightGBM on rows of features; rows without weight are left out."""
    import lightgbm

    use = weight > 0
    parameters = {key: value for key, value in settings.items() if key != "trees"}
    is_main_text = (label[use] >= 0.5).astype(np.int8)
    rows = lightgbm.Dataset(features[use], is_main_text, weight=weight[use], params={"max_bin": 63})
    return flatten_trees(lightgbm.train(parameters | COMMON_SETTINGS, rows, settings["trees"]).dump_model())


def flatten_trees(dump: dict[str, Any]) -> Forest:
    """LightGBM's trees, as its `dump_model` gives them, as flat arrays.

    Thresholds are rounded down to float32, so that float32 features compare as in training.
    """
    feature: list[int] = []
    value: list[np.float32] = []
    right: list[int] = []
    roots: list[int] = []

    def add_node(node: dict) -> int:
        number, is_leaf = len(feature), "split_feature" not in node
        feature.append(-1 if is_leaf else node["split_feature"])
        value.append(np.float32(node.get("leaf_value", 0.0)) if is_leaf else _round_down(node["threshold"]))
        right.append(0)
        if not is_leaf:
            add_node(node["left_child"])
            right[number] = add_node(node["right_child"])
        return number

    for tree in dump["tree_info"]:
        roots.append(add_node(tree["tree_structure"]))
    integers = (np.array(numbers, np.int32) for numbers in (right, roots))
    return Forest(np.array(feature, np.int16), np.array(value, np.float32), *integers)


def _round_down(threshold: float) -> np.float32:
    nearest = np.float32(threshold)
    return nearest if float(nearest) <= threshold else np.nextafter(nearest, np.float32(-np.inf))


def load_examples(data: Path) -> list[Example]:
    """Every page of the sets below `data`, scanned and labelled."""
    return [make_example(page) for page in load_gold(data)]


def main() -> None:
    """Train on the pages below DATA and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with extraction/ and warc/ (see training/gold.py)")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    if not all((arguments.data / name).is_dir() for name in ("extraction", "warc")):
        parser.error(f"{arguments.data}: no such data; give a folder with extraction/ and warc/ in it")
    begin = time.perf_counter()
    examples = load_examples(arguments.data)
    n_blocks = sum(len(example.label) for example in examples)
    print(f"{len(examples)} pages, {n_blocks} blocks, {time.perf_counter() - begin:.0f} s")
    save_model(Trainer(examples).train_final(), arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes, {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
