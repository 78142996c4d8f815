"""The embedded language identifier: py3langid's model, applied by kernels over UTF-8 bytes.

The model is a multinomial naive Bayes over byte n-grams found by an Aho-Corasick automaton (Lui and Baldwin,
"langid.py: An Off-the-shelf Language Identification Tool", ACL 2012; py3langid 0.4 retrained it on 139 languages and
100,053 features, and weighs a feature by log(1 + count)). It comes with the package, so nothing is downloaded. Ours
are the kernels (several times the package's speed, with nearly the same sums), the cleaning, the prior and the score.
"""

import functools
import importlib.util
import io
import lzma
import math
import threading
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np

from extract.langid.codes import two_letters
from extract.langid.prior import prior
from pipeline.base.errors import UserError
from pipeline.kernels import disk_cache as kept
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import lowered

CHUNK = 2048  # texts at once: bounds the memory of scores
CLASSES = 142  # of the model: languages, one of them once a script
TOGETHER, STRETCH = 8, 256
STEP = np.float32(0.05)  # of the weights; a quarter of the package's memory, and of the time to fetch them


class Model(NamedTuple):
    """Automaton with s states (r distinct rows), n features, k classes; l labels (sr has a class a script)."""

    rows: np.ndarray  # (256 r,) uint32: next state
    row: np.ndarray  # (s,) uint16: row of a state
    feature: np.ndarray  # (s,) int32: feature found on entering a state, or -1
    weights: np.ndarray  # (n, k) uint8: log P(feature | class) above the class's least, in steps of STEP
    least: np.ndarray  # (k,) float32
    bias: np.ndarray  # (k,) float32: log P(class) of the package
    label: np.ndarray  # (k,) int64: index into labels
    labels: tuple[str, ...]
    prior: np.ndarray  # (l,) float32: ours, in log units of the calibrated score


_INSTALL = "type: pip install 'py3langid==0.4.0'"


@functools.cache
def load() -> Model:
    """The model inside the installed py3langid, mapped into memory. Raises UserError where the package is absent."""
    found = importlib.util.find_spec("py3langid")
    if found is None or found.origin is None:
        raise UserError(f"the embedded language identifier needs py3langid; {_INSTALL}")
    path = Path(found.origin).parent / "data" / "model.npz.xz"
    arrays = kept.arrays("language-model", (Path(__file__), path), lambda: _unpacked(path))
    classes = [two_letters(str(name)) for name in arrays.pop("classes")]
    if len(classes) != CLASSES:
        raise UserError(f"the installed py3langid tells {len(classes)} classes, not {CLASSES}; {_INSTALL}")
    labels = tuple(dict.fromkeys(classes))
    label = np.array([labels.index(name) for name in classes], np.int64)
    return Model(**arrays, label=label, labels=labels, prior=prior(labels))


def _unpacked(path: Path) -> dict[str, np.ndarray]:
    """Arrays of the package's model (0.4 s), by the names of Model's fields; and its `classes`."""
    with lzma.open(path) as file:
        arrays = np.load(io.BytesIO(file.read()), allow_pickle=False)
        weights = arrays["ptc"].astype(np.float32)
        least = weights.min(axis=0)
        return {
            "classes": arrays["classes"],
            "rows": arrays["nextmove"],
            "row": arrays["nextmove_row"],
            "feature": arrays["out_feat"],
            "weights": np.round((weights - least) / STEP).astype(np.uint8),
            "least": least,
            "bias": arrays["pc"],
        }


def encode(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """UTF-8 bytes (uint8) of NFC texts and their (d + 1,) int64 offsets. A lone surrogate becomes a question mark."""
    parts = [
        (text if text.isascii() else unicodedata.normalize("NFC", text)).encode("utf-8", "replace") for text in texts
    ]
    offsets = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return np.frombuffer(b"".join(parts), np.uint8), offsets


@functools.cache
def _lower2() -> np.ndarray:
    """(2048,) uint16: lower case of the codepoints of one and two bytes whose lower case is as short."""
    table = lowered()[:2048].copy()
    keep = (table >= 2048) | ((table < 128) != (np.arange(2048) < 128))
    table[keep] = np.arange(2048)[keep]
    return table.astype(np.uint16)


@njit(cache=True, nogil=True, inline="always")
def _word(data, at, stop, lower):
    """(end of the word at `at`, whether it is an address: with @ or ://, or www., whether it is all in capitals)"""
    end, address, capitals, small = at, False, 0, False
    while end < stop and data[end] > 32:
        b = data[end]
        slashes = b == 58 and end + 2 < stop and data[end + 1] == 47 and data[end + 2] == 47
        address |= slashes or (b == 64 and end > at)
        point, size = np.uint16(b), 1
        if 0xC0 <= b < 0xE0 and end + 1 < stop:
            point, size = (np.uint16(b & 31) << np.uint16(6)) | np.uint16(data[end + 1] & 63), 2
        if (b < 0x80 or size == 2) and lower[point] != point:
            capitals += 1
        elif 97 <= b <= 122 or (size == 2 and point > 0xBF):
            small = True
        end += size
    if end - at > 4 and data[at + 3] == 46:
        address |= data[at] | 32 == 119 and data[at + 1] | 32 == 119 and data[at + 2] | 32 == 119
    return end, address, capitals > 1 and not small


@njit(cache=True, nogil=True)
def _clean(data, offsets, lower, out, bounds):
    """Words in capitals become lower case; addresses, digits and extra space go."""
    n = 0
    for d in range(len(offsets) - 1):
        at, stop = offsets[d], offsets[d + 1]
        while at < stop:
            while at < stop and data[at] <= 32:
                at += 1
            end, address, fold = _word(data, at, stop, lower)
            if not address and end > at:
                n = _write(data, at, end, fold, lower, out, n)
            at = end
        bounds[d + 1] = n


@njit(cache=True, nogil=True, inline="always")
def _write(data, at, end, fold, lower, out, n):
    """Write a word, in lower case where `fold` is true, and a space to out[n:]; returns the place behind them."""
    while at < end:
        b = data[at]
        if fold and b < 0x80:
            out[n] = np.uint8(lower[b])
            n += 1
        elif fold and 0xC0 <= b < 0xE0 and at + 1 < end:
            point = lower[(np.uint16(b & 31) << np.uint16(6)) | np.uint16(data[at + 1] & 63)]
            out[n] = np.uint8(0xC0 | (point >> np.uint16(6)))
            out[n + 1] = np.uint8(0x80 | (point & np.uint16(63)))
            n += 2
            at += 1
        elif b < 48 or b > 57:
            out[n] = b
            n += 1
        at += 1
    out[n] = 32
    return n + 1


def clean(data: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the model reads of d texts: see `_clean`. Same shapes as `encode`'s answer."""
    out, bounds = np.empty(2 * len(data) + 2, np.uint8), np.zeros(len(offsets), np.int64)
    _clean(data, offsets, _lower2(), out, bounds)
    return out, bounds


@njit(cache=True, nogil=True)
def _walk(data, offsets, rows, row, states):
    """states[at]: that of the automaton behind byte `at` of its text. TOGETHER texts are walked at a time: a step waits
    for memory, and those of different texts do not wait for each other."""
    here = np.zeros(TOGETHER, np.int64)
    for first in range(0, len(offsets) - 1, TOGETHER):
        stop = min(first + TOGETHER, len(offsets) - 1)
        here[:] = 0
        longest = (offsets[first + 1 : stop + 1] - offsets[first:stop]).max()
        for i in range(longest):
            for d in range(first, stop):
                at = offsets[d] + i
                if at < offsets[d + 1]:
                    state = rows[(np.int64(row[here[d - first]]) << 8) | np.int64(data[at])]
                    here[d - first] = states[at] = state


@njit(cache=True, nogil=True)
def _features(states, start, stop, feature, counts, seen):
    """counts[f] occurrences of the features seen[:n] of states[start:stop], in order. Returns n.

    By STRETCH states: those with a feature are put side by side first, which takes no branch that must be guessed.
    """
    n, held = 0, np.empty(STRETCH, np.int32)
    for begin in range(start, stop, STRETCH):
        k = 0
        for at in range(begin, min(begin + STRETCH, stop)):
            held[k] = feature[states[at]]
            k += held[k] >= 0
        for i in range(k):
            if counts[held[i]] == 0:
                seen[n] = held[i]
                n += 1
            counts[held[i]] += 1
    return n


@njit(cache=True, nogil=True)
def _add(total, weights, w):
    for k in range(CLASSES):  # a function of its own and a constant, so that it is vectorised
        total[k] += w * np.float32(weights[k])


@njit(cache=True, nogil=True)
def _fetch(weights, seen, n):
    """Bring rows of 14 MB of weights into the cache at once, rather than wait for one after the other."""
    total, last = 0, weights.shape[1] - 1
    for i in range(n):
        total += weights[seen[i], 0] + weights[seen[i], last // 2] + weights[seen[i], last]
    return total


@njit(cache=True, nogil=True)
def _scores(data, offsets, rows, row, feature, weights, log1p, counts, seen, out, weight):
    """out[d] += log(1 + count(f)) * weights[f] for every feature f of text d; weight[d] = sum of those logs.

    `counts` is all zeros before and after. The answer says nothing: it makes the compiler leave `_fetch` in.
    """
    fetched = 0
    states = np.empty(offsets[-1], np.int32)
    _walk(data, offsets, rows, row, states)
    for d in range(len(offsets) - 1):
        n = _features(states, offsets[d], offsets[d + 1], feature, counts, seen)
        fetched += _fetch(weights, seen, n)
        for i in range(n):
            w = log1p[min(np.int64(counts[seen[i]]), len(log1p) - 1)]
            counts[seen[i]] = 0
            weight[d] += w
            _add(out[d], weights[seen[i]], w)
    return fetched


class _Scratch(threading.local):
    """A thread's, kept from call to call: it is larger than what a page touches of it."""

    def __init__(self) -> None:
        features = load().weights.shape[0]
        self.counts, self.seen = np.zeros(features, np.int32), np.empty(features, np.int32)


@functools.cache
def _scratch() -> _Scratch:
    return _Scratch()


@functools.cache
def _log1p() -> np.ndarray:
    return np.log1p(np.arange(65536)).astype(np.float32)


def scores(data: np.ndarray, offsets: np.ndarray, model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Log-posteriors (d, k) float32 up to a constant, and the weight (d,) float32 of the features each rests on."""
    out = np.zeros((len(offsets) - 1, model.weights.shape[1]), np.float32)
    weight = np.zeros(len(out), np.float32)
    tables = model.rows, model.row, model.feature, model.weights, _log1p()
    _scores(data, offsets, *tables, _scratch().counts, _scratch().seen, out, weight)
    return out * STEP + np.outer(weight, model.least) + model.bias, weight


@njit(cache=True, nogil=True)
def _posterior(raw, weight, label, prior, out):
    for d in range(raw.shape[0]):
        if weight[d] == 0:
            continue
        scale, top = 1.0 / math.sqrt(max(weight[d], 1.0)), -math.inf
        for k in range(raw.shape[1]):
            top = max(top, raw[d, k] * scale + prior[label[k]])
        total = 0.0
        for k in range(raw.shape[1]):
            p = math.exp(raw[d, k] * scale + prior[label[k]] - top)
            out[d, label[k]] += p
            total += p
        out[d] /= total


def probabilities(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(d, l) float64 calibrated probabilities of `load().labels`; a text without features has a row of zeros.

    The features of a text depend on each other, so naive Bayes is far too sure of itself: log-posteriors are divided by
    the square root of the weight of the features before the softmax (py3langid divides by that of the bytes).
    """
    model = load()
    raw, weight = scores(*clean(data, offsets), model)
    out = np.zeros((len(raw), len(model.labels)))
    _posterior(raw, weight, model.label, model.prior, out)
    return out
