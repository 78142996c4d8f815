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

# Bands x rows that others use: datatrove and FineWeb; Dolma 3; Nemotron-CC; HPLT v3; RefinedWeb; DCLM's equivalent of
# RefinedWeb's. Any other pair can be given as well.
PRESETS = ("14x8", "26x11", "20x13", "17x15", "450x20", "93x15")
SKETCH_BITS = 128
MAX_SKETCH_LOSS = 1e-5  # chance that the sketches rule out a pair just at the threshold
MAX_HASHES = 1 << 16  # bands x rows
SIGNATURES = pa.schema([("id", pa.string()), ("bands", pa.large_binary()), ("sketch", pa.binary(SKETCH_BITS // 8))])


def parse_preset(text: str) -> tuple[int, int]:
    """Return (bands, rows) of "14x8". Raises UserError for anything but two positive numbers, and too many hashes."""
    bands, cross, rows = text.strip().lower().partition("x")
    if not (cross and bands.isdigit() and rows.isdigit() and int(bands) and int(rows)):
        raise UserError(f"preset {text!r}: not bands x rows; type one of {', '.join(PRESETS)} or any such pair")
    if int(bands) * int(rows) > MAX_HASHES:
        raise UserError(
            f"preset {text!r}: {int(bands) * int(rows):,} hashes a document; type at most {MAX_HASHES:,} in all"
        )
    return int(bands), int(rows)


def candidate_probability(similarity: float, bands: int, rows: int) -> float:
    """Return the chance that two sets of this Jaccard similarity share a band."""
    return -math.expm1(bands * math.log1p(-(similarity**rows))) if similarity < 1 else 1.0


@dataclass(frozen=True)
class Permutations:
    """Permutations h -> a * h + b mod 2^32 of 32-bit shingle hashes: bijections, since a is odd.

    a: (bands * rows,) uint32, odd.
    b: (bands * rows,) uint32.
    """

    a: np.ndarray
    b: np.ndarray


@functools.cache
def permutations(n: int) -> Permutations:
    """Return the first n of one fixed sequence (SplitMix64, Steele et al. 2014), the same on every machine."""
    state = np.arange(1, 2 * n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    drawn = ((state ^ (state >> np.uint64(31))) >> np.uint64(32)).astype(np.uint32).reshape(n, 2)
    return Permutations(drawn[:, 0] | np.uint32(1), drawn[:, 1].copy())


def minhash(hashes: np.ndarray, bounds: np.ndarray, n: int) -> np.ndarray:
    """Return n minima of each of d documents, (d, n) uint32.

    The shingle hashes (uint64) of document i are hashes[bounds[i]:bounds[i + 1]]. A document without shingles has all
    ones.
    """
    chosen = permutations(n)
    out = np.empty((len(bounds) - 1, n), np.uint32)
    _minima((hashes >> np.uint64(32)).astype(np.uint32), bounds, chosen.a, chosen.b, out)
    return out


def band_hashes(minima: np.ndarray, bands: int, rows: int) -> np.ndarray:
    """Return a hash of each band's rows and number, (d, bands) uint64."""
    out = np.empty((len(minima), bands), np.uint64)
    _bands(minima, rows, out)
    return out


def sketches(minima: np.ndarray) -> np.ndarray:
    """Return one bit of each of the first 128 minima, (d, 2) uint64.

    This is b-bit minwise hashing with b = 1 (Li and König 2010): two sets agree in a bit with probability (1 + J) / 2.
    """
    out = np.zeros((len(minima), 2), np.uint64)
    _sketch(minima, out)
    return out


@functools.cache
def max_sketch_distance(threshold: float, bands: int, rows: int) -> int:
    """Return in how many bits the sketches of a pair may differ that is still compared.

    A pair just at the threshold differs in more bits with chance 1e-5. Pairs share a band as well, whose bits agree, so
    the true loss is even smaller.
    """
    n, p = min(SKETCH_BITS, bands * rows), (1 - threshold) / 2
    chance = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    return next(k for k in range(n + 1) if 1 - sum(chance[: k + 1]) <= MAX_SKETCH_LOSS)


@stage(version=1, outputs={"part": SIGNATURES})
def signatures(
    pages: Shard,
    *,
    bands: Annotated[int, Range(1, 4096)] = 14,
    rows: Annotated[int, Range(1, 256)] = 8,
    ngram: Annotated[int, Range(1, 1000)] = 5,
) -> Iterator[pa.Table]:
    """Measure band hashes (8 bytes a band) and a 16-byte sketch of every document.

    A document of fewer than `ngram` words has one shingle of all its words, so it can only equal one of the same words.
    A document without words has no bands and is compared with nothing.

    Args:
        bands: Number of bands of the signature.
        rows: MinHash values a band.
        ngram: Words a shingle.
    """
    for batch in pages.batches(["id", "text"]):
        yield sign_texts(batch["id"], pa.chunked_array([batch["text"]]), bands, rows, ngram)


def sign_texts(ids: pa.Array, text: pa.ChunkedArray, bands: int, rows: int, ngram: int) -> pa.Table:
    """Return the SIGNATURES of a batch of texts."""
    return sign_shingles(ids, *shingles(text, ngram), bands, rows)


def sign_shingles(ids: pa.Array, hashes: np.ndarray, bounds: np.ndarray, bands: int, rows: int) -> pa.Table:
    """Return the SIGNATURES of documents with these shingles, which may occur once or several times in a document."""
    minima = minhash(hashes, bounds, bands * rows)
    has_shingles = np.diff(bounds) > 0
    ends = np.zeros(len(bounds), np.int64)
    ends[1:] = np.cumsum(np.where(has_shingles, bands * 8, 0))
    data = band_hashes(minima, bands, rows)[has_shingles]
    band_column = pa.Array.from_buffers(pa.large_binary(), len(ids), [None, pa.py_buffer(ends), pa.py_buffer(data)])
    sketch = pa.Array.from_buffers(SIGNATURES.field("sketch").type, len(ids), [None, pa.py_buffer(sketches(minima))])
    return pa.table([ids, band_column, sketch], schema=SIGNATURES)


@njit(cache=True, nogil=True)
def _minima(hashes, bounds, a, b, out):
    for d in range(len(bounds) - 1):
        own = hashes[bounds[d] : bounds[d + 1]]
        for k in range(len(a)):
            factor, summand, minimum = a[k], b[k], np.uint32(0xFFFFFFFF)
            for i in range(len(own)):
                minimum = min(minimum, np.uint32(np.uint32(factor * own[i]) + summand))  # products wrap to 32 bits
            out[d, k] = minimum


@njit(cache=True, nogil=True)
def _bands(minima, rows, out):
    for d in range(len(out)):
        for k in range(out.shape[1]):
            band_hash = mix(np.uint64(k + 1))
            for r in range(k * rows, (k + 1) * rows):
                band_hash = (band_hash ^ np.uint64(minima[d, r])) * np.uint64(0x9E3779B97F4A7C15)
                band_hash ^= band_hash >> np.uint64(32)
            out[d, k] = mix(band_hash)


@njit(cache=True, nogil=True)
def _sketch(minima, out):
    for d in range(len(out)):
        for k in range(min(128, minima.shape[1])):
            bit = mix(np.uint64(minima[d, k]) ^ np.uint64(0x5851F42D4C957F2D)) >> np.uint64(63)
            out[d, k >> 6] |= bit << np.uint64(k & 63)
