"""MinHash signatures of shingle sets, banded for LSH, as kernels over word hashes.

A signature is bands x rows minima, each over a permutation of the shingles (Broder 1997, "On the resemblance and
containment of documents"); two sets agree in a minimum with probability J, their Jaccard similarity, and so in all
rows of at least one band with 1 - (1 - J^rows)^bands (Leskovec et al., "Mining of Massive Datasets", section 3.4).
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pyarrow as pa

from dedup.near.shingles import shingles
from pipeline.base.errors import UserError
from pipeline.config.values import Range
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import mix
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard

# bands x rows of others, by where they are from: datatrove and FineWeb; Dolma 3; Nemotron-CC; HPLT v3; RefinedWeb;
# DCLM's equivalent of it. Any other BxR can be typed as well.
PRESETS = ("14x8", "26x11", "20x13", "17x15", "450x20", "93x15")
SKETCH_BITS = 128
HOPELESS = 1e-5  # chance that a pair just at the threshold is cut by its sketch
SIGNATURES = pa.schema([("id", pa.string()), ("bands", pa.large_binary()), ("sketch", pa.binary(SKETCH_BITS // 8))])


def parse_preset(text: str) -> tuple[int, int]:
    """(bands, rows) of "14x8". Raises UserError for what is not two positive numbers, or too many hashes."""
    bands, cross, rows = text.strip().lower().partition("x")
    if not (cross and bands.isdigit() and rows.isdigit() and int(bands) and int(rows)):
        raise UserError(f"preset {text!r}: not bands x rows; type one of {', '.join(PRESETS)} or any such pair")
    if int(bands) * int(rows) > 1 << 16:
        raise UserError(f"preset {text!r}: {int(bands) * int(rows):,} hashes a document; type at most 65,536 in all")
    return int(bands), int(rows)


def probability(similarity: float, bands: int, rows: int) -> float:
    """Chance that two sets of this Jaccard similarity share a band."""
    return -math.expm1(bands * math.log1p(-(similarity**rows))) if similarity < 1 else 1.0


@dataclass(frozen=True)
class Permutations:
    """h -> a * h + b mod 2**32 over 32-bit shingle hashes: a bijection for odd a."""

    a: np.ndarray  # (bands * rows,) uint32, odd
    b: np.ndarray  # (bands * rows,) uint32


@functools.cache
def permutations(n: int) -> Permutations:
    """The first n of one fixed sequence (SplitMix64, Steele et al. 2014), the same on every machine for ever."""
    state = np.arange(1, 2 * n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    drawn = ((state ^ (state >> np.uint64(31))) >> np.uint64(32)).astype(np.uint32).reshape(n, 2)
    return Permutations(drawn[:, 0] | np.uint32(1), drawn[:, 1].copy())


def signature(hashes: np.ndarray, first: np.ndarray, n: int) -> np.ndarray:
    """(d, n) uint32 minima of d documents; shingle hashes (uint64) of document i are hashes[first[i]:first[i + 1]].

    A document without shingles has all ones.
    """
    chosen = permutations(n)
    out = np.empty((len(first) - 1, n), np.uint32)
    _minima((hashes >> np.uint64(32)).astype(np.uint32), first, chosen.a, chosen.b, out)
    return out


def band_hashes(minima: np.ndarray, bands: int, rows: int) -> np.ndarray:
    """(d, bands) uint64: one hash of each band's rows and number."""
    out = np.empty((len(minima), bands), np.uint64)
    _bands(minima, rows, out)
    return out


def sketches(minima: np.ndarray) -> np.ndarray:
    """(d, 2) uint64: one bit of each of the first 128 minima (b-bit minwise hashing with b = 1, Li and König 2010).

    Two sets agree in a bit with probability (1 + J) / 2.
    """
    out = np.zeros((len(minima), 2), np.uint64)
    _sketch(minima, out)
    return out


@functools.cache
def sketch_cut(threshold: float, bands: int, rows: int) -> int:
    """Most differing sketch bits of a pair that is still compared: one at the threshold has more with chance 1e-5.

    Pairs share a band besides, whose bits agree for certain, so the true loss is smaller yet.
    """
    n, p = min(SKETCH_BITS, bands * rows), (1 - threshold) / 2
    chance = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    return next(k for k in range(n + 1) if 1 - sum(chance[: k + 1]) <= HOPELESS)


@stage(version=1, outputs={"part": SIGNATURES})
def signatures(
    pages: Shard,
    *,
    bands: Annotated[int, Range(1, 4096)] = 14,
    rows: Annotated[int, Range(1, 256)] = 8,
    ngram: Annotated[int, Range(1, 1000)] = 5,
) -> Iterator[pa.Table]:
    """Band hashes (8 bytes a band) and a 16-byte sketch of every document, measured once.

    `ngram`: words a shingle. A document with fewer words has one shingle, all of them, so it can only equal one with
    the same words; one without words has no bands and is compared with nothing.
    """
    for batch in pages.batches(["id", "text"]):
        yield measure(batch["id"], pa.chunked_array([batch["text"]]), bands, rows, ngram)


def measure(ids: pa.Array, text: pa.ChunkedArray, bands: int, rows: int, ngram: int) -> pa.Table:
    """SIGNATURES of a batch of texts."""
    return signed(ids, *shingles(text, ngram), bands, rows)


def signed(ids: pa.Array, hashes: np.ndarray, first: np.ndarray, bands: int, rows: int) -> pa.Table:
    """SIGNATURES of documents with these shingles, whether each of them is there once or as often as it occurs."""
    minima = signature(hashes, first, bands * rows)
    written = np.diff(first) > 0
    ends = np.zeros(len(first), np.int64)
    ends[1:] = np.cumsum(np.where(written, bands * 8, 0))
    data = band_hashes(minima, bands, rows)[written]
    banded = pa.Array.from_buffers(pa.large_binary(), len(ids), [None, pa.py_buffer(ends), pa.py_buffer(data)])
    sketch = pa.Array.from_buffers(SIGNATURES.field("sketch").type, len(ids), [None, pa.py_buffer(sketches(minima))])
    return pa.table([ids, banded, sketch], schema=SIGNATURES)


@njit(cache=True, nogil=True)
def _minima(hashes, first, a, b, out):
    for d in range(len(first) - 1):
        these = hashes[first[d] : first[d + 1]]
        for p in range(len(a)):
            ap, bp, low = a[p], b[p], np.uint32(0xFFFFFFFF)
            for i in range(len(these)):
                low = min(low, np.uint32(np.uint32(ap * these[i]) + bp))  # the products wrap: uint64 cut to 32 bits
            out[d, p] = low


@njit(cache=True, nogil=True)
def _bands(minima, rows, out):
    for d in range(len(out)):
        for k in range(out.shape[1]):
            h = mix(np.uint64(k + 1))
            for r in range(k * rows, (k + 1) * rows):
                h = (h ^ np.uint64(minima[d, r])) * np.uint64(0x9E3779B97F4A7C15)
                h ^= h >> np.uint64(32)
            out[d, k] = mix(h)


@njit(cache=True, nogil=True)
def _sketch(minima, out):
    for d in range(len(out)):
        for k in range(min(128, minima.shape[1])):
            bit = mix(np.uint64(minima[d, k]) ^ np.uint64(0x5851F42D4C957F2D)) >> np.uint64(63)
            out[d, k >> 6] |= bit << np.uint64(k & 63)
