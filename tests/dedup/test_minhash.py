"""Shingles, signatures and bands: the kernels against the obvious way, estimates and recall against theory."""

import csv
import itertools
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.near.minhash import (
    PRESETS,
    band_hashes,
    candidate_probability,
    max_sketch_distance,
    minhash,
    parse_preset,
    permutations,
    signatures,
    sketches,
)
from dedup.near.shingles import jaccard, shingle_sets, shingles
from pipeline.base.errors import UserError
from pipeline.kernels.tokens import words
from pipeline.store.shard import Shard
from tests.support.near_pages import edited_copy, laws

M64 = (1 << 64) - 1
texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=6)
scripts = st.lists(st.text("ab \u0301é中文かไท1_.ſÅ\U0001f600\U00020000", max_size=40), max_size=6)


def column(values: list[str]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string())])


def mixed(h: int) -> int:
    """MurmurHash3's finaliser on plain integers."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        h = (h ^ h >> 33) * factor & M64
    return h ^ h >> 33


def slow_shingles(text: str, n: int) -> list[int]:
    hashes = words(column([text])).hash.tolist()
    runs = [hashes[i : i + n] for i in range(len(hashes) - n + 1)] or ([hashes] if hashes else [])
    out = []
    for run in runs:
        h = len(run)
        for word in run:
            h = (h * 0xD6E8FEB86659FD93 + word) & M64
        out.append(mixed(h))
    return out


@given(st.one_of(texts, scripts), st.integers(1, 6))
@settings(max_examples=300, deadline=None)
def test_shingles_are_runs_of_the_shared_tokenizers_words(values, n):
    hashes, bounds = shingles(column(values), n)
    assert [hashes[a:b].tolist() for a, b in itertools.pairwise(bounds)] == [slow_shingles(v, n) for v in values]


@pytest.mark.parametrize(
    ("a", "b", "shared", "all_"),
    [
        ("eins zwei drei vier fünf sechs", "Eins, zwei. DREI vier fünf — sechs!", 2, 2),
        ("eins zwei drei vier", "eins zwei drei vier", 1, 1),  # short: one shingle of all words
        ("eins zwei drei vier", "eins zwei drei", 0, 2),
        ("eins zwei drei vier", "eins zwei drei vier fünf", 0, 2),
        ("Preis 10 Euro am 3 Mai", "Preis 12 Euro am 3 Mai", 0, 4),  # numbers count
        ("我们爱吃苹果", "我们爱吃苹果吗", 2, 3),  # a word a character
        ("", "", 0, 0),
        ("--- !", "...", 0, 0),
    ],
)
def test_what_shingles_two_texts_share(a, b, shared, all_):
    hashes, bounds = shingles(column([a, b]), 5)
    one, two = (set(hashes[low:high].tolist()) for low, high in itertools.pairwise(bounds))
    assert (len(one & two), len(one | two)) == (shared, all_)


anything = st.one_of(st.integers(0, M64), st.sampled_from([0, 1, M64, M64 - 1]))


@given(st.lists(st.lists(anything, max_size=40), max_size=4))
@settings(max_examples=200, deadline=None)
def test_sets_are_sorted(documents):
    flat = np.array(list(itertools.chain(*documents)), np.uint64)
    hashes, ends = shingle_sets(flat, np.cumsum([0, *map(len, documents)]))
    assert [hashes[a:b].tolist() for a, b in itertools.pairwise(ends)] == [sorted(set(d)) for d in documents]


sets = st.lists(st.integers(0, 40), max_size=40)


@given(sets, sets, st.sampled_from([0.0, 0.1, 1 / 3, 0.5, 0.75, 0.8, 1.0]))
@settings(max_examples=500, deadline=None)
def test_jaccard_of_sorted_sets(a, b, at_least):
    hashes, bounds = shingle_sets(np.array(a + b, np.uint64), np.array([0, len(a), len(a) + len(b)]))
    one, two = hashes[: bounds[1]], hashes[bounds[1] :]
    assert one.tolist() == sorted(set(a)) and two.tolist() == sorted(set(b))
    true = len(set(a) & set(b)) / len(set(a) | set(b)) if a or b else 0.0
    assert jaccard(one, two, at_least) == (true if true >= at_least else -1.0)


@given(st.lists(st.lists(st.integers(0, M64), max_size=9), max_size=5))
@settings(max_examples=100, deadline=None)
def test_minima_bands_and_sketches_are_those_of_plain_integers(documents):
    first = np.cumsum([0, *map(len, documents)])
    minima = minhash(np.array(list(itertools.chain(*documents)), np.uint64), first, 12)
    chosen = permutations(12)
    pairs = list(zip(chosen.a.tolist(), chosen.b.tolist(), strict=True))
    low = (1 << 32) - 1
    expected = [[min([((h >> 32) * a + b) & low for h in d], default=low) for a, b in pairs] for d in documents]
    assert minima.tolist() == expected
    for row, bands, (sketch, _) in zip(
        expected, band_hashes(minima, 4, 3).tolist(), sketches(minima).tolist(), strict=True
    ):
        for k in range(4):
            h = mixed(k + 1)
            for value in row[3 * k : 3 * k + 3]:
                h = (h ^ value) * 0x9E3779B97F4A7C15 & M64
                h ^= h >> 32
            assert bands[k] == mixed(h)
        assert sketch == sum((mixed(v ^ 0x5851F42D4C957F2D) >> 63) << k for k, v in enumerate(row))


def test_permutations_never_change():
    """Signatures are kept on disk and compared with those of later versions."""
    chosen = permutations(9000)
    assert chosen.a[:3].tolist() == [3793791033, 113532185, 456755563]
    assert chosen.b[:3].tolist() == [1853398634, 4169906344, 1405853452]
    assert (chosen.a % 2 == 1).all() and len(set(zip(chosen.a.tolist(), chosen.b.tolist(), strict=True))) == 9000
    assert permutations(5).a.tolist() == chosen.a[:5].tolist()


def overlapping(similarity: float, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """Two random sets of `size` hashes and their exact similarity, as near to the wish as whole numbers allow."""
    same = round(2 * size * similarity / (1 + similarity))
    drawn = rng.integers(0, M64, 2 * size - same, np.uint64, endpoint=True)
    return drawn[:size], np.concatenate([drawn[:same], drawn[size:]]), same / (2 * size - same)


def signed_pairs(similarity: float, count: int, n: int, size: int = 200) -> tuple[np.ndarray, np.ndarray, float]:
    """Minima (count, n) of both sides of `count` independent pairs."""
    rng = np.random.default_rng(round(similarity * 1000) + n)
    pairs = [overlapping(similarity, size, rng) for _ in range(count)]
    flat = np.concatenate([x for a, b, _ in pairs for x in (a, b)])
    minima = minhash(flat, np.arange(0, len(flat) + 1, size), n)
    return minima[::2], minima[1::2], pairs[0][2]


@pytest.mark.parametrize("similarity", [0.02, 0.2, 0.5, 0.8, 0.95, 1.0])
def test_estimates_are_unbiased_and_as_sharp_as_independent_draws(similarity):
    a, b, true = signed_pairs(similarity, 1000, 128)
    estimates = (a == b).mean(axis=1)
    sigma = (true * (1 - true) / 128) ** 0.5
    assert abs(estimates.mean() - true) <= 3.3 * sigma / 1000**0.5
    assert abs(estimates.std() - sigma) <= 0.08 * sigma  # chi: 3.6 standard errors
    bits = sketches(a) ^ sketches(b)
    agree = 1 - sum(int(x).bit_count() for x in bits.ravel()) / (1000 * 128)
    p = (1 + true) / 2
    assert abs(agree - p) <= 3.3 * (p * (1 - p) / 128_000) ** 0.5


@pytest.mark.parametrize("similarity", [0.3, 0.6, 0.9])
def test_estimates_agree_with_datasketch(similarity):
    from datasketch import MinHash

    rng = np.random.default_rng(5)
    datasketch_estimates, estimates, n, count = [], [], 256, 60
    for _ in range(count):
        a, b, _ = overlapping(similarity, 120, rng)
        minima = minhash(np.concatenate([a, b]), np.array([0, 120, 240]), n)
        estimates.append((minima[0] == minima[1]).mean())
        one, two = (
            MinHash(n, hashfunc=lambda x: int(x) & 0xFFFFFFFF),
            MinHash(n, hashfunc=lambda x: int(x) & 0xFFFFFFFF),
        )
        one.update_batch(a)
        two.update_batch(b)
        datasketch_estimates.append(one.jaccard(two))
    error = (2 * similarity * (1 - similarity) / n / count) ** 0.5
    assert abs(np.mean(estimates) - np.mean(datasketch_estimates)) <= 3.3 * error


@pytest.mark.parametrize("preset", PRESETS)
def test_recall_of_independent_pairs_is_that_of_theory(preset):
    bands, rows = parse_preset(preset)
    total_hits, expected, variance = 0, 0.0, 0.0
    for similarity in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95):
        count = 60 if bands * rows > 2000 else 400
        a, b, true = signed_pairs(similarity, count, bands * rows)
        hits = int((band_hashes(a, bands, rows) == band_hashes(b, bands, rows)).any(axis=1).sum())
        p = candidate_probability(true, bands, rows)
        assert abs(hits - count * p) <= 3.5 * (count * p * (1 - p)) ** 0.5 + 1, (similarity, hits, count * p)
        total_hits, expected, variance = total_hits + hits, expected + count * p, variance + count * p * (1 - p)
    assert abs(total_hits - expected) <= 1.96 * variance**0.5


@pytest.mark.parametrize("preset", PRESETS)
def test_recall_of_edited_pages_is_that_of_theory(shared, preset):
    """Real German laws and copies of them with words replaced, at exact similarities from 0.5 to 1."""
    rng = random.Random(7)
    pairs = []
    for i, law in enumerate(laws(shared)):
        if len(law) >= 60:
            pairs.append((" ".join(law), edited_copy(law, 0.5 + 0.05 * (i % 11), rng)))
    bands, rows = parse_preset(preset)
    hashes, bounds = shingles(column([text for pair in pairs for text in pair]), 5)
    sets_, ends = shingle_sets(hashes, bounds)
    pieces = [sets_[a:b] for a, b in itertools.pairwise(ends)]
    true = [jaccard(a, b, 0.0) for a, b in zip(pieces[::2], pieces[1::2], strict=True)]
    assert min(true) < 0.55 and max(true) == 1.0 and len(true) > 500
    signed = band_hashes(minhash(hashes, bounds, bands * rows), bands, rows)
    hits = int((signed[::2] == signed[1::2]).any(axis=1).sum())
    p = np.array([candidate_probability(j, bands, rows) for j in true])
    assert abs(hits - p.sum()) <= 1.96 * (p * (1 - p)).sum() ** 0.5 + 0.5


@pytest.fixture(scope="module")
def licences(shared):
    """Shingle hashes, bounds and names of the SPDX licence texts; the pairs (similarity, i, j) of the truth."""
    files = sorted((shared / "dedup" / "spdx-licences").glob("*"))
    index = {path.name: i for i, path in enumerate(files)}
    with open(shared / "dedup" / "spdx-licences.pairs.tsv") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    pairs = [(float(r["jaccard_word5"]), index[r["a"]], index[r["b"]]) for r in rows]
    return *shingles(column([path.read_text(encoding="utf-8") for path in files]), 5), [*index], pairs


def test_exact_similarity_is_that_of_the_truth(licences):
    hashes, bounds, names, pairs = licences
    sets_, ends = shingle_sets(hashes, bounds)
    pieces = [sets_[a:b] for a, b in itertools.pairwise(ends)]
    differ = [(names[i], names[j]) for j_, i, j in pairs if abs(jaccard(pieces[i], pieces[j], 0.0) - j_) > 6e-5]
    assert differ == [("MulanPSL-1.0.txt", "MulanPSL-2.0.txt")]  # Chinese: a word a character here, a line there
    similar = sum(jaccard(a, b, 0.3) >= 0 for a, b in itertools.combinations(pieces, 2))
    assert similar == len(pairs) == 3142


@pytest.mark.parametrize("preset", PRESETS)
def test_recall_of_licences_is_that_of_theory(licences, preset):
    """Pairs of one family stand and fall together: the interval is that of the mean over independent permutations."""
    hashes, bounds, _, pairs = licences
    bands, rows = parse_preset(preset)
    n, times = bands * rows, 4 if bands * rows > 2000 else 30
    alike = [(i, j) for s, i, j in pairs if 0.6 <= s < 1]
    expected = sum(candidate_probability(s, bands, rows) for s, i, j in pairs if 0.6 <= s < 1)
    minima = minhash(hashes, bounds, n * times)
    hits = []
    for k in range(times):
        signed = band_hashes(np.ascontiguousarray(minima[:, k * n : (k + 1) * n]), bands, rows)
        hits.append(sum(bool((signed[i] == signed[j]).any()) for i, j in alike))
    assert abs(np.mean(hits) - expected) <= 1.96 * np.std(hits, ddof=1) / times**0.5 + 1


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9, 1.0])
def test_sketches_lose_no_pair_at_the_threshold(threshold):
    a, b, _ = signed_pairs(threshold, 3000, 112)
    differing = [int(x).bit_count() + int(y).bit_count() for x, y in sketches(a) ^ sketches(b)]
    assert max(differing) <= max_sketch_distance(threshold, 14, 8)
    if threshold >= 0.7:
        a, b, _ = signed_pairs(0.05, 3000, 112)
        differing = [int(x).bit_count() + int(y).bit_count() for x, y in sketches(a) ^ sketches(b)]
        assert np.mean(np.array(differing) <= max_sketch_distance(threshold, 14, 8)) < 0.02


@pytest.mark.parametrize(
    ("preset", "similarity", "chance"),
    [
        ("14x8", 0.8, 0.9236),
        ("14x8", 0.7, 0.5645),
        ("26x11", 0.8, 0.9032),
        ("20x13", 0.8, 0.6773),
        ("450x20", 0.8, 0.9946),
    ],
)
def test_the_curve(preset, similarity, chance):
    assert candidate_probability(similarity, *parse_preset(preset)) == pytest.approx(chance, abs=1e-4)
    curve = [candidate_probability(i / 20, *parse_preset(preset)) for i in range(21)]
    assert (curve[0], curve[20]) == (0.0, 1.0) and curve == sorted(curve)


@pytest.mark.parametrize("text", ["14", "x8", "14x", "0x8", "-1x8", "14x8x2", "axb", "", "1000x1000"])
def test_presets_that_there_are_not(text):
    with pytest.raises(UserError, match="type"):
        parse_preset(text)


def test_signatures_of_texts_without_words():
    texts = pa.array(["", "Wort", None], pa.string())
    part = Shard.of(pa.table({"id": ["a", "b", "c"], "text": texts}))
    table = pa.Table.from_batches([b for t in signatures(part, bands=3, rows=2) for b in t.to_batches()])
    assert [len(b) for b in table["bands"].to_pylist()] == [0, 24, 0]
