"""Training of the block classifier: `python -m extract.blocks.train DATA [--out PATH]`.

Cross-validated by registered domain: every page's reported text comes from trees, and class token weights, that saw
no page of its domain. Training rows of a fold get token weights and first-pass probabilities from other folds too, so
that the second pass learns from what it will meet.
"""

import argparse
import hashlib
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from extract.blocks.features.prefix_sums import levels, sections
from extract.blocks.features.second_pass import second
from extract.blocks.features.shape import N_KINDS, Vocabulary, features
from extract.blocks.features.token_weights import block_tokens, spread
from extract.blocks.gbdt import Forest, score
from extract.blocks.gold import GoldPage, block_texts, load, overlap
from extract.blocks.model import WEIGHTS, Model, probability, save
from extract.blocks.scan.nodes import N_B0, N_B1, N_TAG, N_TOK0, N_TOK1, Page
from extract.blocks.scan.scanner import scan
from extract.blocks.scan.tags import table
from extract.blocks.scan.text_runs import WORDS

FOLDS = 4
SEED = 7
RARE = ("forum", "product", "listing", "collection", "service", "documentation")  # kinds of which there are few pages
POWER = 0.6  # a block weighs as its words to this power
WEAK, STRONG = 40.0, 10.0  # weight of a page's weakly labelled blocks together, of one segment; full gold text has 100
Counts = dict[int, tuple[float, float]]  # class token: main text below it, other text below it
KINDS = {"article": 0, "product": 1, "forum": 2, "listing": 3, "collection": 3, "service": 4, "documentation": 5}
TOKEN_PAGES = 5  # a class token needs so many domains
# the second pass tries one random bound a feature (Geurts et al., Machine Learning 2006): less is left to chance
FIRST = {"trees": 110, "num_leaves": 24, "learning_rate": 0.08, "feature_fraction": 0.15}
SECOND = {"trees": 280, "num_leaves": 31, "learning_rate": 0.07, "feature_fraction": 0.3, "extra_trees": True}
COMMON = {
    "objective": "binary", "min_data_in_leaf": 40, "min_sum_hessian_in_leaf": 0.5, "lambda_l2": 5.0,
    "bagging_fraction": 0.5, "bagging_freq": 1, "seed": SEED, "deterministic": True, "force_row_wise": True,
    "verbose": -1, "max_bin": 63, "num_threads": 1,
}  # fmt: skip


@dataclass
class Example:
    """A page's scan with the label (0..1) and weight of each block."""

    page: GoldPage
    scan: Page
    data: bytes
    label: np.ndarray
    weight: np.ndarray
    fold: int


def fold_of(host: str) -> int:
    """The fold of a registered domain: the same in every run."""
    return hashlib.sha256(f"{SEED}:{host}".encode()).digest()[0] % FOLDS


def example(page: GoldPage) -> Example:
    """Scan and label a page."""
    data = page.html.encode("utf-8", "replace")
    seen = scan(data)
    label, weight = labels(page, seen)
    return Example(page, seen, data, label, weight, fold_of(page.host))


def labels(page: GoldPage, seen: Page) -> tuple[np.ndarray, np.ndarray]:
    """(blocks,) labels and weights: words matter, each page as much as another."""
    texts = block_texts(seen)
    words = seen.blocks[:, WORDS].astype(np.float64)
    if page.gold is not None:
        share = overlap(texts, page.gold)
        weight = words**POWER + 0.5
        if share.sum() == 0:  # the gold text is not on the page (written by a script): nothing to learn
            weight[:] = 0
        return (share >= 0.5).astype(np.float64), (160 if page.kind in RARE else 100) * weight / max(weight.sum(), 1)
    return _segments(page, texts, words)


def _segments(page: GoldPage, texts: list[str], words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Segments that must be there are 1, those that must not are 0; all else is a weak label from trafilatura."""
    label, weight = _weak(page, texts, words)
    plain = [" ".join(text.split()) for text in texts]
    strong = np.zeros(len(texts))
    for segments, value in ((page.comments, 0.0), (page.must_not, 0.0), (page.must, 1.0)):
        for segment in segments:
            wanted = " ".join(segment.split())
            hits = [b for b, text in enumerate(plain) if wanted in text]
            for b in hits:
                label[b] = value
                strong[b] = max(strong[b], 1 / len(hits))
    weak = weight * (strong == 0)
    return label, WEAK * weak / max(weak.sum(), 1) + STRONG * strong


def _weak(page: GoldPage, texts: list[str], words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    votes = [overlap(texts, text) >= 0.5 for text in teachers(page)]
    agree = votes[0] == votes[1]
    return votes[0].astype(np.float64), (words**POWER + 0.5) * agree


def teachers(page: GoldPage) -> list[str]:
    """What trafilatura takes, in favour of precision and of recall."""
    from trafilatura import extract

    settings: tuple[dict[str, Any], ...] = ({"favor_precision": True}, {"favor_recall": True})
    return [extract(page.html, include_comments=False, deduplicate=False, **favour) or "" for favour in settings]


def token_counts(case: Example) -> Counts:
    """How much of the page's text below each class token belongs to the main text, and how much does not: each 0..1."""
    words = case.weight
    good = np.concatenate(([0], np.cumsum(words * case.label)))
    all_ = np.concatenate(([0], np.cumsum(words)))
    total_good, total_bad = max(good[-1], 1e-9), max(all_[-1] - good[-1], 1e-9)
    spans: dict[int, list[tuple[int, int]]] = {}
    for node in case.scan.nodes[1:]:
        if node[N_B1] > node[N_B0]:
            for code in (int(node[N_TAG]) + 1, *case.scan.tokens[node[N_TOK0] : node[N_TOK1]].tolist()):
                spans.setdefault(code, []).append((int(node[N_B0]), int(node[N_B1])))
    counts = {}
    for code, held in spans.items():
        yes = no = 0.0
        last = 0
        for lo, hi in held:  # in order of opening: nested spans are counted once
            lo = max(lo, last)
            if hi > lo:
                yes, no, last = yes + good[hi] - good[lo], no + all_[hi] - all_[lo] - good[hi] + good[lo], hi
        counts[code] = (yes / total_good, no / total_bad)
    return counts


def word_counts(case: Example) -> Counts:
    """Of each word of short blocks, and of headings above text: which share of its text on the page belongs to the main
    text, and which does not. They sum to 1."""
    tokens, starts = block_tokens(case.scan.text, case.scan.blocks)
    below, above = sections(levels(case.scan.blocks, case.scan.nodes))
    codes, rows = spread(tokens, starts, below, above)
    found, place = np.unique(codes, return_inverse=True)
    weight = case.weight + 1e-9
    all_ = np.bincount(place, weight[rows], len(found))
    good = np.bincount(place, (weight * case.label)[rows], len(found))
    return {code: (g / a, 1 - g / a) for code, g, a in zip(found.tolist(), good.tolist(), all_.tolist(), strict=True)}


def vocabulary(cases: list["Example"], classes: list[Counts], spoken: list[Counts]) -> Vocabulary:
    """Hash table of the tokens that enough domains have, and their smoothed log-odds: of main text (column 0), of the
    page's being of each kind (columns 1 on)."""
    sums: dict[int, np.ndarray] = {}
    hosts: dict[int, set[str]] = {}
    prior, main = np.zeros(N_KINDS), np.zeros(2)
    for case, marks, words in zip(cases, classes, spoken, strict=True):
        kind = KINDS.get(case.page.kind, -1)
        if kind >= 0:
            prior[kind] += 1
        for code in words.keys() | marks.keys() | set(case.scan.about.tolist()):
            held = sums.setdefault(code, np.zeros(4 + N_KINDS))
            held[:2] += marks.get(code, (0, 0))
            held[2:4] += words.get(code, (0, 0))
            if kind >= 0:
                held[4 + kind] += 1
            hosts.setdefault(code, set()).add(case.page.host)
        main += np.sum(list(words.values()), axis=0) if words else 0
    kept = sorted(code for code in sums if len(hosts[code]) >= TOKEN_PAGES)
    weights = np.array([_weights(sums[code], prior / prior.sum(), main[0] / main.sum()) for code in kept], np.float32)
    wanted = (abs(weights[:, 0]) > 0.4) | (abs(weights[:, 1:]).max(axis=1) > 0.6)
    codes = [code for code, use in zip(kept, wanted, strict=True) if use]
    bits = max(4, (2 * len(codes)).bit_length())
    return (*table({code: i + 1 for i, code in enumerate(codes)}, bits), np.vstack((0 * weights[:1], weights[wanted])))


def _weights(sums: np.ndarray, prior: np.ndarray, main: float) -> np.ndarray:
    text = np.log((sums[0] + 0.5) / (sums[1] + 0.5))
    if sums[2:4].sum() > 0:
        text = _log_odds(sums[2], sums[2:4].sum(), main)
    n = float(sums[4:].sum())
    return np.concatenate(([text], [_log_odds(yes, n, p) for yes, p in zip(sums[4:], prior, strict=True)]))


def _log_odds(yes: float, n: float, prior: float) -> float:
    """Log-odds of `yes` among `n` smoothed towards the prior and relative to it."""
    return float(np.log((yes + 2 * prior) / (n - yes + 2 * (1 - prior))) - np.log(prior / (1 - prior)))


def forest(booster: object) -> Forest:
    """LightGBM's trees as flat arrays; bounds rounded down to float32, so that float32 features compare the same."""
    feature: list[int] = []
    value: list[np.float32] = []
    right: list[int] = []
    roots: list[int] = []

    def add(node: dict) -> int:
        place = len(feature)
        feature.append(node.get("split_feature", -1))
        bound = node.get("threshold", node.get("leaf_value", 0.0))
        value.append(_down(bound) if "split_feature" in node else np.float32(bound))
        right.append(0)
        if "split_feature" in node:
            add(node["left_child"])
            right[place] = add(node["right_child"])
        return place

    for tree in booster.dump_model()["tree_info"]:  # type: ignore[attr-defined]
        roots.append(add(tree["tree_structure"]))
    ints = (np.array(v, np.int32) for v in (right, roots))
    return Forest(np.array(feature, np.int16), np.array(value, np.float32), *ints)


def _down(bound: float) -> np.float32:
    near = np.float32(bound)
    return near if float(near) <= bound else np.nextafter(near, np.float32(-np.inf))


def fit(x: np.ndarray, label: np.ndarray, weight: np.ndarray, settings: dict) -> Forest:
    """Train one pass."""
    import lightgbm

    use = weight > 0
    rounds = {key: value for key, value in settings.items() if key != "trees"}
    rows = lightgbm.Dataset(x[use], (label[use] >= 0.5).astype(np.int8), weight=weight[use], params={"max_bin": 63})
    return forest(lightgbm.train(rounds | COMMON, rows, settings["trees"]))


class Trainer:
    """Nested cross-validation over examples; vocabularies and features are kept by the folds they leave out."""

    def __init__(self, cases: list[Example]):
        self.cases = cases
        self.classes = [token_counts(case) for case in cases]
        self.spoken = [word_counts(case) for case in cases]
        self.words: dict[frozenset[int], Vocabulary] = {}
        self.kept: dict[frozenset[int], list[np.ndarray | None]] = {}
        self.firsts: dict[frozenset[int], Forest] = {}
        self.folds = np.array([case.fold for case in cases])
        self.starts = np.concatenate(([0], np.cumsum([len(case.label) for case in cases])))
        self.label = np.concatenate([case.label for case in cases])
        self.weight = np.concatenate([case.weight for case in cases])

    def vocabulary(self, without: frozenset[int]) -> Vocabulary:
        """Token weights from the folds that are not in `without`."""
        if without not in self.words:
            rows = [k for k, case in enumerate(self.cases) if case.fold not in without]
            held = [self.cases[k] for k in rows]
            self.words[without] = vocabulary(held, [self.classes[k] for k in rows], [self.spoken[k] for k in rows])
        return self.words[without]

    def features(self, k: int, without: frozenset[int]) -> np.ndarray:
        """Features of page k with token weights from folds that are neither in `without` nor its own."""
        key = without | {self.cases[k].fold}
        held = self.kept.setdefault(key, [None] * len(self.cases))
        if held[k] is None:
            case = self.cases[k]
            held[k] = features(case.scan, case.data, self.vocabulary(key))
        return held[k]  # type: ignore[return-value]

    def first(self, without: frozenset[int]) -> Forest:
        """The first pass from the folds that are not in `without`."""
        if without not in self.firsts:
            rows = [k for k, case in enumerate(self.cases) if case.fold not in without]
            x = np.concatenate([self.features(k, without) for k in rows])
            self.firsts[without] = fit(x, *self.targets(rows), FIRST)
        return self.firsts[without]

    def targets(self, rows: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Labels and weights of the pages `rows`."""
        spans = [slice(*pair) for pair in list(pairwise(self.starts))]
        return tuple(np.concatenate([v[spans[k]] for k in rows]) for v in (self.label, self.weight))  # type: ignore[return-value]

    def both(self, k: int, without: frozenset[int]) -> np.ndarray:
        """Second-pass features of page k, the first pass being of folds that are neither in `without` nor its own."""
        x, case = self.features(k, without), self.cases[k]
        p = probability(score(x, self.first(without | {case.fold})))
        return np.hstack([x, second(case.scan, p)])

    def second(self, without: frozenset[int]) -> Forest:
        """The second pass from the folds that are not in `without`."""
        rows = [k for k, case in enumerate(self.cases) if case.fold not in without]
        return fit(np.concatenate([self.both(k, without) for k in rows]), *self.targets(rows), SECOND)

    def out_of_fold(self) -> list[np.ndarray]:
        """Log-odds of every page's blocks from models that never saw its domain."""
        answers: list[np.ndarray] = [np.zeros(0)] * len(self.cases)
        for fold in range(FOLDS):
            without = frozenset((fold,))
            trees = self.second(without)
            for k in map(int, np.flatnonzero(self.folds == fold)):
                answers[k] = score(self.both(k, without), trees)
            self.kept.clear()
        return answers

    def final(self) -> Model:
        """The model of all pages."""
        none: frozenset[int] = frozenset()
        return Model(self.vocabulary(none), self.first(none), self.second(none))


def examples(data: Path) -> list[Example]:
    """Every page of the sets below `data`, scanned and labelled."""
    return [example(page) for page in load(data)]


def main() -> None:
    """Train on the pages below DATA and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with extraction/ and warc/ (see block_gold)")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    if not all((arguments.data / name).is_dir() for name in ("extraction", "warc")):
        parser.error(f"{arguments.data}: no such data; give a folder with extraction/ and warc/ in it")
    begun = time.perf_counter()
    cases = examples(arguments.data)
    print(f"{len(cases)} pages, {sum(len(c.label) for c in cases)} blocks, {time.perf_counter() - begun:.0f} s")
    model = Trainer(cases).final()
    save(model, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes, {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
