"""How often words and phrases of a list occur (C4's bad words): complete words only, in any case."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from filters.signals.word_splits import HASH_BASE
from pipeline.base.errors import UserError
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import mix, words

_FILTER_BITS = 1 << 16


class BadWords(NamedTuple):
    """A list of words and phrases, hashed."""

    may_start: np.ndarray  # (65536,) bool: by the last bits of a word's hash, whether an entry may start with it
    entry: np.ndarray  # (k,) uint64, sorted
    longest: int  # words of the longest entry


def load_bad_words(path: str | Path) -> BadWords:
    """Read a UTF-8 list, one entry a line; an entry without a letter or digit (an emoji) is ignored.

    Raises UserError if the file cannot be read or has no entry.
    """
    try:
        entries = sorted({line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()})
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: no readable UTF-8 word list ({error}); give one word or phrase a line") from error
    parsed = words(pa.array(entries, pa.string()))
    if not len(parsed.hash):
        raise UserError(f"{path}: the word list has no word; give one word or phrase a line")
    bounds = zip(parsed.first[:-1], parsed.first[1:], strict=True)
    phrases = [parsed.hash[start:end] for start, end in bounds if end > start]
    may_start = np.zeros(_FILTER_BITS, np.bool_)
    may_start[[int(phrase[0]) % _FILTER_BITS for phrase in phrases]] = True
    hashes = np.unique(np.array([_phrase_hash(phrase, 0, len(phrase)) for phrase in phrases], np.uint64))
    return BadWords(may_start, hashes, max(map(len, phrases)))


def count_bad_words(texts: pa.Array, bad_words: BadWords) -> np.ndarray:
    """Number of words in each text at which an entry of the list starts: (d,) int64."""
    parsed = words(texts)
    return _count_entries(parsed.hash, parsed.first, bad_words)


@njit(cache=True, nogil=True)
def _phrase_hash(hashes, start, end):
    """Hash of the words [start, end)."""
    hash_ = np.uint64(end - start)
    for i in range(start, end):
        hash_ = hash_ * np.uint64(HASH_BASE) + mix(hashes[i])
    return hash_


@njit(cache=True, nogil=True)
def _count_entries(hashes, first, bad_words):
    counts = np.zeros(len(first) - 1, np.int64)
    for document in range(len(counts)):
        for i in range(first[document], first[document + 1]):
            if bad_words.may_start[hashes[i] & np.uint64(_FILTER_BITS - 1)]:
                counts[document] += _entry_starts(hashes, i, first[document + 1], bad_words)
    return counts


@njit(cache=True, nogil=True)
def _entry_starts(hashes, start, end, bad_words):
    """1 if an entry of the list starts at word `start`, else 0; the text ends at word `end`."""
    for size in range(1, min(bad_words.longest, end - start) + 1):
        hash_ = _phrase_hash(hashes, start, start + size)
        k = np.searchsorted(bad_words.entry, hash_)
        if k < len(bad_words.entry) and bad_words.entry[k] == hash_:
            return 1
    return 0
