"""Texts with near duplicates, and the Jaccard similarity of texts computed the obvious way."""

import functools
import gzip
import random
import re
from collections.abc import Iterator
from pathlib import Path


@functools.cache
def word_ngrams(text: str, n: int) -> set[tuple]:
    """Return the shingles of a text in Latin letters: its runs of n words, or all its words where it has fewer."""
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)} or ({tuple(words)} if words else set())


def jaccard_similarity(a: set, b: set) -> float:
    """Return the Jaccard similarity of two sets; 0 for two empty ones."""
    return len(a & b) / len(a | b) if a or b else 0.0


def edited_copy(words: list[str], similarity: float, rng: random.Random) -> str:
    """Return the words with so many replaced, far enough apart, that about this similarity of 5-grams remains."""
    count = round((len(words) - 4) * (1 - similarity) / (1 + similarity) / 5)
    copy = list(words)
    for slot in rng.sample(range(len(words) // 5), count):
        copy[slot * 5 + 2] = f"ersatz{rng.random()}"
    return " ".join(copy)


def numbered_words(first: int, count: int) -> str:
    """Return a text of `count` words that all differ; texts whose numbers overlap share shingles."""
    return " ".join(f"wort{i}" for i in range(first, first + count))


def laws(shared: Path) -> Iterator[list[str]]:
    """Yield up to 400 words of every German law in the test data, lower-cased."""
    for path in sorted((shared / "dedup" / "gesetze-de").glob("*.md.gz")):
        yield re.findall(r"\w+", gzip.decompress(path.read_bytes()).decode().lower())[:400]


def licences(shared: Path) -> list[dict]:
    """Return the SPDX licence texts in the test data as documents whose ids are file names."""
    files = sorted((shared / "dedup" / "spdx-licences").glob("*"))
    return [{"id": path.name, "text": path.read_text(encoding="utf-8")} for path in files]
