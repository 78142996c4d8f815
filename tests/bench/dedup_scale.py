"""Near deduplication as the corpus grows: `python -m tests.bench.dedup_scale DOCUMENTS ...`, and its kernels' rates.

All steps over generated pages, each size in a process of its own: cost a document and peak memory.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from dedup.near.lsh import BANDS
from pipeline.base.schema import PAGES
from pipeline.kernels.njit import njit
from pipeline.kernels.tokens import mix
from pipeline.runner.dag import InputFiles, Step, ancestors, step
from pipeline.runner.manifests import costs_of, load_manifest, manifest_name, read_costs
from pipeline.runner.scheduler import InProcess, execute
from pipeline.runner.stage import stage
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard
from pipeline.store.writer import Output, ShardWriter
from tests.bench.dedup import near_deduplication


def costs(store: Store, goal: Step, documents: int) -> Iterator[str]:
    """CPU, bytes and the process's peak memory of each step."""
    total = 0
    for done in ancestors(goal):
        manifest = load_manifest(store, manifest_name(done))
        cost = read_costs(store, costs_of(manifest_name(done)))
        if done.name == "generated" or done.name == "given":
            continue
        assert cost is not None
        seconds = cost[0]["cpu_seconds"].to_pylist()
        peak = max(cost[0]["peak_rss_bytes"].to_pylist()) >> 20
        total += manifest.bytes if done.name != "kept_pages" else 0
        yield (
            f"    {done.name:17} {sum(seconds) * 1e6 / documents:6.1f} us {manifest.bytes / documents:8.1f} bytes a "
            f"document; {len(seconds):4} tasks, the longest {max(seconds):.1f} s; peak so far {peak:,} MB"
        )
    yield f"    all but the texts: {total / documents:,.0f} bytes a document on disk"


@stage(version=1, outputs={"part": PAGES})
def generated(source: Shard, *, documents: int = 50_000) -> Iterator[pa.Table]:
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
    numbers = InputFiles(
        "numbers", tuple(range(0, documents, shard)), tuple({"first": i} for i in range(0, documents, shard))
    )
    pages = step(generated, source=numbers, documents=shard)
    goal = near_deduplication(pages, max(2, documents // 125_000))
    with tempfile.TemporaryDirectory() as name:
        store = Store(name)
        execute(pages, store, InProcess)
        before, start = time.process_time(), time.monotonic()
        execute(goal, store, InProcess)
        seconds = time.process_time() - before
        kept = load_manifest(store, manifest_name(goal)).rows["part"]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"  {documents:,} documents, {kept:,} kept: {seconds:,.0f} s of CPU ({time.monotonic() - start:,.0f} s), "
              f"{seconds * 1e6 / documents:.1f} us a document, peak {peak:,.0f} MB", flush=True)  # fmt: skip
        for line in costs(store, goal, documents):
            print(line, flush=True)


def buckets(count: int = 1024, rows: int = 100) -> None:
    """What it costs to write and to read one bucket of one shard, where a shuffle has many of them."""
    rng, schema = np.random.default_rng(1), BANDS
    tables = [pa.table(rng.integers(0, 1 << 62, (4, rows)).tolist(), schema.names).cast(schema) for _ in range(count)]
    with tempfile.TemporaryDirectory() as name:
        store, heads = Store(name), dict[str, bytes]()
        start = time.process_time()
        with ShardWriter(store, "a/b", "0a", {"part": schema}) as writer:
            for b, table in enumerate(tables):
                writer.add(Output(table, bucket=b))
            outputs = writer.close()["outputs"]
        written = time.process_time()
        for b in range(count):
            assert Shard(store, "a/b", "0a", 0, 1, b, {}, outputs, heads).table().num_rows == rows
        read = time.process_time()
    write_us, read_us = (written - start) * 1e6 / count, (read - written) * 1e6 / count
    size = outputs["part"]["bytes"] / count
    print(
        f"  a bucket of {rows} bands: {write_us:.0f} us to write, {read_us:.0f} us to read, {size:,.0f} bytes",
        flush=True,
    )


def in_new_process(work: Callable, *arguments: object) -> None:
    child = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    child.start()
    child.join()
    if child.exitcode:
        raise SystemExit(child.exitcode)


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.bench.dedup_scale", description=__doc__.split("\n")[0])
    parser.add_argument("documents", type=int, nargs="+")
    buckets()
    for documents in parser.parse_args().documents:
        in_new_process(scale, documents)


if __name__ == "__main__":
    main()
