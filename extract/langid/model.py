"""The model of the embedded identifier, and the kernels that apply it to UTF-8 bytes.

The model is a multinomial naive Bayes over byte n-grams, which an Aho-Corasick automaton finds (Lui and Baldwin,
"langid.py: An Off-the-shelf Language Identification Tool", ACL 2012). py3langid 0.4 trained it anew on 139 languages
and 100,053 features, and weighs a feature by log(1 + count). Its tables are in this folder, so nothing is downloaded;
`build_tables.py` makes them and says where they are from. The kernels are several times as fast as the package, with
nearly the same sums.
"""

# mypy: disable-error-code="no-untyped-def"

import functools
import io
import lzma
import math
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np

from extract.langid.clean import clean_texts
from extract.langid.languages import log_prior, two_letter_code
from pipeline.kernels import disk_cache
from pipeline.kernels.njit import njit

TABLES = Path(__file__).with_name("tables.npz.xz")
CLASSES = 142  # of the model: languages, one of them in two scripts
WEIGHT_STEP = np.float32(0.05)  # of the rounded weights: a quarter of the package's memory, and of the time to fetch it
_TEXTS_AT_ONCE = 8  # that the automaton walks in turns
_BLOCK_STATES = 256  # states whose features are gathered at once
_MAX_COUNT = 65536  # occurrences of a feature that are told apart


class Model(NamedTuple):
    """Automaton with s states (r distinct rows), n features, k classes, l labels (sr has one class per script)."""

    transitions: np.ndarray  # (256 r,) uint32: next state
    state_row: np.ndarray  # (s,) uint16: row of a state
    state_feature: np.ndarray  # (s,) int32: feature found on entering a state, or -1
    weights: np.ndarray  # (n, k) uint8: log P(feature | class) above weight_offset, in steps of WEIGHT_STEP
    weight_offset: np.ndarray  # (k,) float32: the smallest log P(feature | class)
    class_bias: np.ndarray  # (k,) float32: log P(class) of the package
    class_label: np.ndarray  # (k,) int64: index into labels
    labels: tuple[str, ...]
    prior: np.ndarray  # (l,) float32: ours, in log units of the calibrated score


@functools.cache
def load_model() -> Model:
    """The model, mapped into memory from a decompressed copy that is kept on disk."""
    arrays = disk_cache.cached_arrays("language-model", (Path(__file__), TABLES), _read_tables)
    classes = [two_letter_code(str(name)) for name in arrays.pop("classes")]
    assert len(classes) == CLASSES, f"{TABLES} has {len(classes)} classes, not {CLASSES}"
    labels = tuple(dict.fromkeys(classes))
    class_label = np.array([labels.index(name) for name in classes], np.int64)
    return Model(**arrays, class_label=class_label, labels=labels, prior=log_prior(labels))


def _read_tables() -> dict[str, np.ndarray]:
    with lzma.open(TABLES) as file:
        return dict(np.load(io.BytesIO(file.read()), allow_pickle=False))


@njit(cache=True, nogil=True)
def _walk_automaton(data, offsets, transitions, state_row, states):
    """Set states[i] to the automaton's state after byte i of its text.

    _TEXTS_AT_ONCE texts are walked in turns: a step waits for memory, and steps of different texts do not wait for each
    other.
    """
    current = np.zeros(_TEXTS_AT_ONCE, np.int64)
    for first in range(0, len(offsets) - 1, _TEXTS_AT_ONCE):
        stop = min(first + _TEXTS_AT_ONCE, len(offsets) - 1)
        current[:] = 0
        longest = (offsets[first + 1 : stop + 1] - offsets[first:stop]).max()
        for i in range(longest):
            for text in range(first, stop):
                position = offsets[text] + i
                if position < offsets[text + 1]:
                    row = np.int64(state_row[current[text - first]])
                    state = transitions[(row << 8) | np.int64(data[position])]
                    current[text - first] = states[position] = state


@njit(cache=True, nogil=True)
def _count_features(states, start, stop, state_feature, counts, seen):
    """Count the features of states[start:stop] in `counts`, and list them in `seen`. Returns how many there are.

    In blocks: states with a feature are put side by side first, which takes no branch that must be predicted.
    """
    n, block = 0, np.empty(_BLOCK_STATES, np.int32)
    for begin in range(start, stop, _BLOCK_STATES):
        size = 0
        for i in range(begin, min(begin + _BLOCK_STATES, stop)):
            block[size] = state_feature[states[i]]
            size += block[size] >= 0
        for i in range(size):
            if counts[block[i]] == 0:
                seen[n] = block[i]
                n += 1
            counts[block[i]] += 1
    return n


@njit(cache=True, nogil=True)
def _add_weighted(total, weights, factor):
    for k in range(CLASSES):  # in a function of its own, and a constant, so that it is vectorised
        total[k] += factor * np.float32(weights[k])


@njit(cache=True, nogil=True)
def _prefetch_rows(weights, seen, n):
    """Bring rows of 14 MB of weights into the cache at once, rather than wait for one after the other."""
    total, last = 0, weights.shape[1] - 1
    for i in range(n):
        total += weights[seen[i], 0] + weights[seen[i], last // 2] + weights[seen[i], last]
    return total


@njit(cache=True, nogil=True)
def _score_texts(data, offsets, transitions, state_row, state_feature, weights, log1p, counts, seen, out, weight):
    """For every feature f of text d, add log(1 + count(f)) * weights[f] to out[d], and that log to weight[d].

    `counts` is all zeros before and after. The returned number means nothing: it keeps the compiler from removing
    `_prefetch_rows`.
    """
    prefetched = 0
    states = np.empty(offsets[-1], np.int32)
    _walk_automaton(data, offsets, transitions, state_row, states)
    for text in range(len(offsets) - 1):
        n = _count_features(states, offsets[text], offsets[text + 1], state_feature, counts, seen)
        prefetched += _prefetch_rows(weights, seen, n)
        for i in range(n):
            factor = log1p[min(np.int64(counts[seen[i]]), len(log1p) - 1)]
            counts[seen[i]] = 0
            weight[text] += factor
            _add_weighted(out[text], weights[seen[i]], factor)
    return prefetched


class _Scratch(threading.local):
    """Working memory of a thread, kept from call to call: it is larger than what a page touches of it."""

    def __init__(self) -> None:
        features = load_model().weights.shape[0]
        self.counts, self.seen = np.zeros(features, np.int32), np.empty(features, np.int32)


@functools.cache
def _scratch() -> _Scratch:
    return _Scratch()


@functools.cache
def _log1p_table() -> np.ndarray:
    return np.log1p(np.arange(_MAX_COUNT)).astype(np.float32)


def class_scores(data: np.ndarray, offsets: np.ndarray, model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Log-posteriors (d, k) float32 up to a constant, and the weight (d,) float32 of the features of each text."""
    out = np.zeros((len(offsets) - 1, model.weights.shape[1]), np.float32)
    weight = np.zeros(len(out), np.float32)
    tables = model.transitions, model.state_row, model.state_feature, model.weights, _log1p_table()
    _score_texts(data, offsets, *tables, _scratch().counts, _scratch().seen, out, weight)
    return out * WEIGHT_STEP + np.outer(weight, model.weight_offset) + model.class_bias, weight


@njit(cache=True, nogil=True)
def _softmax_by_label(raw, weight, class_label, prior, out):
    for text in range(raw.shape[0]):
        if weight[text] == 0:
            continue
        scale, top = 1.0 / math.sqrt(max(weight[text], 1.0)), -math.inf
        for k in range(raw.shape[1]):
            top = max(top, raw[text, k] * scale + prior[class_label[k]])
        total = 0.0
        for k in range(raw.shape[1]):
            share = math.exp(raw[text, k] * scale + prior[class_label[k]] - top)
            out[text, class_label[k]] += share
            total += share
        out[text] /= total


def label_probabilities(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(d, l) float64 calibrated probabilities of `load_model().labels` for d texts; zeros for one without features.

    The features of a text depend on each other, so naive Bayes is far too sure of itself: log-posteriors are divided by
    the square root of the weight of the features before the softmax (py3langid divides by that of the bytes).
    """
    model = load_model()
    raw, weight = class_scores(*clean_texts(data, offsets), model)
    out = np.zeros((len(raw), len(model.labels)))
    _softmax_by_label(raw, weight, model.class_label, model.prior, out)
    return out
