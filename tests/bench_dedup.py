"""Near deduplication against its peers, on the same texts, in one run: `python -m tests.bench_dedup [--docs 20000]`.

Signatures from texts to 14 x 8 minima of word 5-grams, one core, in turns, of which the fastest counts (whatever else
the machine does only slows a turn down); then texts on disk to removed output on disk, in seconds of CPU, against
datatrove's four stages. Peers get fewer of the same texts (rates are a document's cost). Compilation is not timed:
kernels are cached on disk from the first run on.
"""

import argparse
import multiprocessing
import os
import re
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from numba import njit

from dedup.candidates import near_components, near_links, near_route, union
from dedup.minhash import band_hashes, measure, signature, signatures
from dedup.near import near_elect, near_gather, near_join
from dedup.shingles import jaccard, shingle_sets, shingles
from pipeline.dag import Asset, Leaf, Step, ancestors, bucket, stage, step, whole
from pipeline.run import InProcess, execute, folder_of, quiet
from pipeline.schema import PAGES
from pipeline.store import Part, Store
from pipeline.tokens import mix

WORDS, TURNS = 380, 4


def texts(count: int, duplicates: float = 0.2, seed: int = 1) -> list[str]:
    """Texts of some 2.8 kB in words of Zipf frequencies; a fifth are earlier ones with a few words replaced."""
    rng = np.random.default_rng(seed)
    syllables = [a + b for a in "bdfgklmnprst" for b in ("a", "e", "i", "o", "u", "an", "er", "in", "ei", "ung")]
    vocabulary = np.array(["".join(rng.choice(syllables, rng.integers(1, 5))) for _ in range(50_000)])
    frequency = 1 / np.arange(1, len(vocabulary) + 1)
    rows: list[np.ndarray] = []
    for i in range(count):
        if i and rng.random() < duplicates:
            found = rows[rng.integers(0, i)].copy()
            found[rng.choice(WORDS, rng.integers(0, 12), replace=False)] = rng.choice(vocabulary)
        else:
            found = rng.choice(vocabulary, WORDS, p=frequency / frequency.sum())
        rows.append(found)
    return [sentences(row) for row in rows]


def sentences(found: np.ndarray) -> str:
    return " ".join(w.capitalize() if i % 11 == 0 else w + "." if i % 11 == 10 else w for i, w in enumerate(found))


def ours(sample: list[str]) -> None:
    column = pa.chunked_array([pa.array(sample)])
    measure(pa.array([str(i) for i in range(len(sample))]), column, 14, 8, 5)


def grams(text: str) -> list[str]:
    found = re.findall(r"\w+", text.lower())
    return [" ".join(found[i : i + 5]) for i in range(len(found) - 4)]


def with_datasketch(sample: list[str]) -> None:
    from datasketch import MinHash

    for text in sample:
        MinHash(num_perm=112).update_batch([g.encode() for g in grams(text)])


def with_rensa(sample: list[str]) -> None:
    from rensa import RMinHash

    for text in sample:
        sketch = RMinHash(num_perm=112, seed=1)
        sketch.update(grams(text))
        sketch.digest()


def with_rensa_batches(sample: list[str]) -> None:
    from rensa import RMinHash

    RMinHash.digests_from_token_sets([grams(text) for text in sample], num_perm=112, seed=1)


def encoded_xxhash(text: str) -> int:
    """datatrove's own hash, for xxhash 4, which wants bytes."""
    return xxhash.xxh64_intdigest(text.encode())


def with_datatrove() -> Callable[[list[str]], None]:
    from datatrove.pipeline.dedup.minhash import MinhashDedupSignature

    with tempfile.TemporaryDirectory() as folder:
        signer = MinhashDedupSignature(folder, language="de")
    signer._hash_func = encoded_xxhash

    def sign(sample: list[str]) -> None:
        for text in sample:
            signer.get_signature(signer.get_shingles(text))

    return sign


def rate(sign: Callable[[list[str]], None], sample: list[str]) -> float:
    start = time.perf_counter()
    sign(sample)
    return len(sample) / (time.perf_counter() - start)


def bench_signatures(sample: list[str]) -> None:
    peers: dict[str, tuple[Callable, int]] = {"this": (ours, len(sample))}
    for name, make, count in [
        ("datatrove", with_datatrove, 300),
        ("datasketch", lambda: with_datasketch, 2000),
        ("rensa", lambda: with_rensa, 2000),
        ("rensa, in batches", lambda: with_rensa_batches, 2000),
    ]:
        try:
            sign = make()
            sign(sample[:20])
        except (ImportError, TypeError, AttributeError) as error:
            print(f"  {name}: not measured ({type(error).__name__}: {str(error).splitlines()[0]})")
            continue
        peers[name] = sign, count
    ours(sample[:100])
    found = {name: [rate(sign, sample[:n]) for _ in range(TURNS)] for name, (sign, n) in peers.items()}
    mine = max(found["this"])
    for name, rates in found.items():
        turns = f"(turns {min(rates):,.0f} to {max(rates):,.0f})"
        print(f"  {name:20} {max(rates):10,.0f} docs/s   this is {mine / max(rates):6,.1f}x   {turns}")


@stage(version=1, outputs={"part": PAGES})
def given(*, source: Asset) -> Iterator[pa.RecordBatch]:
    """PAGES from a Parquet file."""
    with pq.ParquetFile(source.path) as file:
        for batch in file.iter_batches(4096):
            yield pa.Table.from_batches([batch]).cast(PAGES)  # Parquet knows no whole seconds


@stage(version=1, outputs={"part": PAGES})
def removed(pages: Part, near: Part) -> Iterator[pa.Table]:
    """The documents that stay."""
    keep, at = near.table(["duplicate_of"])["duplicate_of"].is_null(), 0
    for batch in pages.batches():
        yield pa.Table.from_batches([batch]).cast(PAGES).filter(keep.slice(at, batch.num_rows))
        at += batch.num_rows


def recipe(pages: Step, partitions: int = 4) -> Step:
    """The stages as a recipe binds them, without verdicts."""
    sigs = step(signatures, pages)
    routed = step(near_route, pages, sigs, partitions=partitions)
    links = step(near_links, bucket(routed), tasks=partitions)
    components = step(near_components, whole(links), whole(sigs), tasks=1)
    gathered = step(near_gather, pages, sigs, bucket(components), partitions=partitions)
    elected = step(near_elect, bucket(gathered), tasks=partitions)
    return step(removed, pages, step(near_join, pages, bucket(elected)))


def as_pages(sample: list[str]) -> pa.Table:
    n = len(sample)
    nulls = {field.name: pa.nulls(n, field.type) for field in PAGES}
    return pa.table({**nulls, "id": [f"{i:032x}" for i in range(n)], "text": sample}, schema=PAGES)


def end_to_end(sample: list[str], folder: Path) -> tuple[float, int, Store, Step]:
    """Seconds from Parquet to Parquet without duplicates, documents that stay."""
    pq.write_table(as_pages(sample), folder / "pages.parquet", row_group_size=8192)
    store, pages = Store(folder / "root"), step(given, source=Asset.of(folder / "pages.parquet"))
    goal = recipe(pages)
    execute(pages, store, InProcess, quiet)  # a copy of the input in the store: not part of it
    start = time.process_time()
    execute(goal, store, InProcess, quiet)
    seconds = time.process_time() - start
    return seconds, store.read_json(f"{folder_of(goal)}/manifest.json")["rows"]["part"], store, goal


def datatrove_end_to_end(sample: list[str], folder: Path) -> tuple[float, int]:
    """The same with datatrove's four stages, one task each."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils.logging import logger

    logger.remove()  # its executor adds one for each task
    config, place = MinhashConfig(), str(folder / "datatrove")
    (folder / "in").mkdir()
    pq.write_table(as_pages(sample).select(["id", "text"]), folder / "in" / "pages.parquet")
    reader = ParquetReader(str(folder / "in"))
    stages: list[tuple[list, int]] = [
        ([reader, MinhashDedupSignature(f"{place}/sig", config=config, language="de")], 1),
        ([MinhashDedupBuckets(f"{place}/sig", f"{place}/buckets", config=config)], config.num_buckets),
        ([MinhashDedupCluster(f"{place}/buckets", f"{place}/remove", config=config)], 1),
        ([reader, MinhashDedupFilter(f"{place}/remove"), ParquetWriter(f"{place}/out", compression="zstd")], 1),
    ]
    stages[0][0][1]._hash_func = encoded_xxhash
    start = time.process_time()
    for i, (pipeline, tasks) in enumerate(stages):
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=f"{place}/logs{i}").run()
    seconds = time.process_time() - start
    return seconds, sum(pq.read_metadata(path).num_rows for path in Path(f"{place}/out").glob("*.parquet"))


def bench_end_to_end(sample: list[str], peers: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        end_to_end(sample[:200], _made(Path(name) / "warm"))
        seconds, stay, store, goal = end_to_end(sample, _made(Path(name) / "all"))
        mine = len(sample) / seconds
        print(f"  this      {mine:10,.0f} docs/s   {len(sample):,} documents, {stay:,} stay")
        for line in costs(store, goal, len(sample)):
            print(line)
        few, stay, _, _ = end_to_end(sample[:peers], _made(Path(name) / "few"))
        try:
            theirs, left = datatrove_end_to_end(sample[:peers], _made(Path(name) / "peer"))
        except (ImportError, TypeError) as error:
            print(f"  datatrove: not measured ({type(error).__name__}: {error})")
            return
        print(f"  on {peers:,} documents: this {peers / few:,.0f} docs/s, {stay:,} stay; "
              f"datatrove {peers / theirs:,.0f} docs/s, {left:,} stay; ratio {theirs / few:,.0f}x "
              f"(at {len(sample):,} of ours: {mine * theirs / peers:,.0f}x)")  # fmt: skip


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def costs(store: Store, goal: Step, documents: int) -> Iterator[str]:
    """CPU, bytes and the process's peak memory of each step."""
    total = 0
    for done in ancestors(goal):
        said, cost = (store.read_json(f"{folder_of(done)}/{file}.json") for file in ("manifest", "cost"))
        if done.name == "generated" or done.name == "given":
            continue
        size = sum(output["bytes"] for shard in said["shards"] for output in shard["outputs"].values())
        seconds = sum(shard["cpu_seconds"] for shard in cost["shards"])
        slowest = max(shard["cpu_seconds"] for shard in cost["shards"])
        peak = max(shard["peak_rss_bytes"] for shard in cost["shards"]) >> 20
        total += size if done.name != "removed" else 0
        yield (
            f"    {done.name:16} {seconds * 1e6 / documents:6.1f} us {size / documents:8.1f} bytes a document; "
            f"{len(cost['shards']):4} tasks, the longest {slowest:.1f} s; peak so far {peak:,} MB"
        )
    yield f"    all but the texts: {total / documents:,.0f} bytes a document on disk"


def bench_kernels(sample: list[str]) -> None:
    column = pa.chunked_array([pa.array(sample)])
    hashes, bounds = shingles(column, 5)
    sets, ends = shingle_sets(hashes, bounds)
    rate = (len(sample) - 1) / timed(_compare, sets, ends)
    print(f"  pairs verified in full {rate:14,.0f} a second (shingle sets of {len(sets) // len(sample)})")
    rng = np.random.default_rng(1)
    n = 5_000_000
    links = rng.integers(0, n, (2, n))
    seconds = timed(lambda: union(links[0], links[1], np.arange(n)))
    print(f"  edges clustered        {n / seconds:14,.0f} a second ({n:,} random edges over as many documents)")
    for bands, rows in [(14, 8), (450, 20)]:
        few, upto = hashes[: bounds[2000]], bounds[:2001]
        seconds = timed(lambda few=few, upto=upto, b=bands, r=rows: band_hashes(signature(few, upto, b * r), b, r))
        print(
            f"  minima and bands, {bands:3}x{rows:<2} {2000 / seconds:13,.0f} documents a second, words hashed before"
        )


@njit(nogil=True)
def _compare(sets, ends):
    total = 0.0
    for i in range(1, len(ends) - 1):
        total += jaccard(sets[ends[i - 1] : ends[i]], sets[ends[i] : ends[i + 1]], 0.0)
    return total


def timed(work: Callable, *arguments: object) -> float:
    work(*arguments)
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


@stage(version=1, outputs={"part": PAGES})
def generated(source: Part, *, documents: int = 50_000) -> Iterator[pa.Table]:
    """PAGES with texts of 60 words, a fifth of them copies of texts of any earlier number with some words replaced."""
    begin = source.table()["first"][0].as_py()
    for low in range(begin, begin + documents, 10_000):
        n = min(10_000, begin + documents - low)
        data = np.empty((n, 360), np.uint8)
        _letters(low, data)
        bounds = np.arange(0, data.size + 1, 360, dtype=np.int32)
        text = pa.Array.from_buffers(pa.string(), n, [None, pa.py_buffer(bounds), pa.py_buffer(data)])
        nulls = {field.name: pa.nulls(n, field.type) for field in PAGES}
        yield pa.table({**nulls, "id": [f"{low + i:032x}" for i in range(n)], "text": text}, schema=PAGES)


@njit(nogil=True)
def _letters(first, out):
    """Texts of documents first, first + 1, ...: 60 words of five letters, drawn by their numbers or their sources'."""
    for i in range(len(out)):
        d = np.uint64(first + i)
        copy = mix(d ^ np.uint64(77)) % np.uint64(5) == 0 and d > 0
        source = mix(d) % d if copy else d
        changed = mix(d ^ np.uint64(99)) % np.uint64(5) if copy else np.uint64(0)
        for w in range(60):
            other = copy and np.uint64(w) % np.uint64(12) < np.uint64(1) and np.uint64(w // 12) < changed
            h = mix((d if other else source) * np.uint64(64) + np.uint64(w))
            for k in range(5):
                out[i, w * 6 + k] = 97 + (h >> np.uint64(8 * k)) % np.uint64(26)
            out[i, w * 6 + 5] = 32


def scale(documents: int, shard: int = 50_000) -> None:
    """All steps over generated pages, in a process of its own: cost and memory as the corpus grows."""
    leaf = Leaf("numbers", shard, tuple({"first": i} for i in range(0, documents, shard)))
    pages = step(generated, leaf, documents=shard)
    goal = recipe(pages, max(2, documents // 125_000))
    with tempfile.TemporaryDirectory() as name:
        store = Store(name)
        execute(pages, store, InProcess, quiet)
        before, start = time.process_time(), time.monotonic()
        execute(goal, store, InProcess, quiet)
        seconds = time.process_time() - before
        stay = store.read_json(f"{folder_of(goal)}/manifest.json")["rows"]["part"]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"  {documents:,} documents, {stay:,} stay: {seconds:,.0f} s of CPU ({time.monotonic() - start:,.0f} s), "
              f"{seconds * 1e6 / documents:.1f} us a document, peak {peak:,.0f} MB", flush=True)  # fmt: skip
        for line in costs(store, goal, documents):
            print(line, flush=True)


def in_new_process(work: Callable, *arguments: object) -> None:
    child = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    child.start()
    child.join()
    if child.exitcode:
        raise SystemExit(child.exitcode)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=int, default=20_000)
    parser.add_argument("--peer-docs", type=int, default=1_500)
    parser.add_argument("--scale", type=int, nargs="+", help="instead: all steps over so many generated documents each")
    options = parser.parse_args()
    for documents in options.scale or []:
        in_new_process(scale, documents)
    if options.scale:
        return
    sample = texts(options.docs)
    print(f"{len(sample):,} texts of {sum(map(len, sample)) // len(sample):,} characters")
    print("signatures, one core:")
    bench_signatures(sample)
    print("kernels, one core:")
    bench_kernels(sample)
    print("end to end, one worker, CPU time, texts on disk to output on disk:")
    bench_end_to_end(sample, min(options.peer_docs, len(sample)))


if __name__ == "__main__":
    main()
