"""How often the words and phrases of a list occur (C4's bad words), whole words only and whatever their case."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from filters.signals.words import BASE
from pipeline.base.errors import UserError
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import mix, words

_MAYBE = 1 << 16


class BadWords(NamedTuple):
    """A list, hashed: `maybe` tells by the last bits of a word's hash whether an entry may start with it."""

    maybe: np.ndarray  # (65536,) bool
    entry: np.ndarray  # (k,) uint64, sorted
    longest: int  # words of the longest entry


def load(path: str | Path) -> BadWords:
    """Read a UTF-8 list, one entry a line; an entry without a letter or digit (an emoji) cannot be found and is left.

    Raises UserError when the file is no such list or has no entry.
    """
    try:
        entries = sorted({line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()})
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: no readable UTF-8 word list ({error}); give one word or phrase a line") from error
    found = words(pa.array(entries, pa.string()))
    if not len(found.hash):
        raise UserError(f"{path}: the word list has no word; give one word or phrase a line")
    bounds = zip(found.first[:-1], found.first[1:], strict=True)
    lists = [found.hash[a:b] for a, b in bounds if b > a]
    maybe = np.zeros(_MAYBE, np.bool_)
    maybe[[int(w[0]) % _MAYBE for w in lists]] = True
    hashes = np.unique(np.array([phrase_hash(w, 0, len(w)) for w in lists], np.uint64))
    return BadWords(maybe, hashes, max(map(len, lists)))


def occurrences(texts: pa.Array, bad: BadWords) -> np.ndarray:
    """(d,) int64: words of each text at which an entry of the list starts."""
    found = words(texts)
    return _occurrences(found.hash, found.first, bad)


@njit(cache=True, nogil=True)
def phrase_hash(hashes, a, b):
    """Hash of the words a to b."""
    h = np.uint64(b - a)
    for i in range(a, b):
        h = h * np.uint64(BASE) + mix(hashes[i])
    return h


@njit(cache=True, nogil=True)
def _occurrences(hashes, first, bad):
    counts = np.zeros(len(first) - 1, np.int64)
    for d in range(len(counts)):
        for i in range(first[d], first[d + 1]):
            if bad.maybe[hashes[i] & np.uint64(0xFFFF)]:
                counts[d] += _starts(hashes, i, first[d + 1], bad)
    return counts


@njit(cache=True, nogil=True)
def _starts(hashes, i, end, bad):
    for size in range(1, min(bad.longest, end - i) + 1):
        key = phrase_hash(hashes, i, i + size)
        at = np.searchsorted(bad.entry, key)
        if at < len(bad.entry) and bad.entry[at] == key:
            return 1
    return 0
