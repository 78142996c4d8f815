"""A dump deduplicated against an index of 1, 4 and 16 dumps of its size, beside the dump alone: `make bench-index`.

Texts are those of `bench_dedup`; a fifth of a dump are texts of the first one, half of these with a few words replaced.
Seconds of CPU of the deduplication steps, from fingerprints to the last one; a step that does not depend on the
index is run once and counts the same in both. Three other dumps each time, of which the sum counts.
"""

import json
import resource
import tempfile
from typing import Any

import numpy as np

from pipeline.index.pointer import Pointer, open_index
from pipeline.runner.dag import Step
from pipeline.runner.manifests import costs_of, load_manifest, manifest_name, read_costs
from pipeline.runner.scheduler import InProcess, execute
from pipeline.store.filesystem import Store
from tests.bench.dedup import _altered, texts
from tests.bench.table import Options, Row
from tests.support import index_world

DUMPS, PROBES, SHARDS = (1, 4, 16), 3, 2
LOOKUP, ADDING = ("index_candidates", "index"), ("index_documents", "index_rows", "index_bands", "index_entry")


def figures(options: Options) -> dict[str, Any]:
    """Per number of dumps in the index: microseconds a document of the dump alone and with it, and what it takes."""
    documents = 1500 if options.quick else 10_000
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        store, first = Store(name), texts(options.data, documents, seed=0)[0]
        _warm(options, store)
        measured = []
        for number in range(max(DUMPS)):
            index_world.join(store, "bench", crawl(options, documents, number, first))
            if number + 1 in DUMPS:
                measured.append(_probed(options, store, documents, number + 1, first))
        return {"documents": documents, "measured": measured}


def crawl(options: Options, documents: int, number: int, first: list[str]) -> Step:
    """Dump `number` as pages."""
    sample = texts(options.data, documents, seed=number)[0]
    if number:
        rng = np.random.default_rng(1000 + number)
        for i in range(0, documents, 5):
            other = first[int(rng.integers(0, documents))]
            sample[i] = _altered(other, rng) if i % 2 else other
    ids = [f"{number:08x}{i:024x}" for i in range(documents)]
    rows = [
        {"id": i, "text": text, "date": number, "dump": f"dump {number}"} for i, text in zip(ids, sample, strict=True)
    ]
    return index_world.crawl(rows, SHARDS)


def _warm(options: Options, store: Store) -> None:
    """Kernels are compiled before anything is timed."""
    for number in (0, 1):
        index_world.join(store, "warm", crawl(options, 400, number, texts(options.data, 400, seed=0)[0]))


def _probed(options: Options, store: Store, documents: int, dumps: int, first: list[str]) -> dict[str, Any]:
    spent = dict.fromkeys(("alone", "with", "lookup", "adding"), 0.0)
    removed = 0
    for probe in range(PROBES):
        docs = crawl(options, documents, 100 + probe, first)
        with open_index(store, "bench") as pointer:
            steps = index_world.deduplication_steps(docs, pointer)
            execute(steps["index_entry"], store, InProcess)
            alone = index_world.deduplication_steps(docs, None)
            execute(alone["near"], store, InProcess)
            size = _size(store, pointer)
        removed += len(index_world.dropped(store, steps, "index"))
        spent["alone"] += _seconds(store, alone, tuple(alone))
        spent["with"] += _seconds(store, steps, tuple(steps))
        spent["lookup"] += _seconds(store, steps, LOOKUP)
        spent["adding"] += _seconds(store, steps, ADDING)
    each = {name: seconds * 1e6 / documents / PROBES for name, seconds in spent.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"dumps": dumps, "us": each, "known": removed / documents / PROBES, **size, "peak_mb": round(peak)}


def _seconds(store: Store, steps: dict[str, Step], names: tuple[str, ...]) -> float:
    costs = [read_costs(store, costs_of(manifest_name(steps[name]))) for name in names if name != "pages"]
    return sum(sum(cost[0]["cpu_seconds"].to_pylist()) for cost in costs if cost)


def _size(store: Store, pointer: Pointer) -> dict[str, Any]:
    """Documents and bytes each of them takes: records and shingles, bands."""
    documents = sum(entry["rows"] for entry in pointer.entries)
    manifests = {
        "documents": [entry["documents"] for entry in pointer.entries],
        "bands": [segment["manifest"] for segment in pointer.segments],
    }
    bytes_ = {name: sum(load_manifest(store, one).bytes for one in some) for name, some in manifests.items()}
    each = {f"bytes_{name}": round(size / documents) for name, size in bytes_.items()}
    return {"indexed": documents, "segments": len(pointer.segments), **each}


def rows(figures: dict[str, Any]) -> list[Row]:
    table_rows = []
    for measured in figures["measured"]:
        us = measured["us"]
        note = (
            f"{us['with']:.0f} us a document against {us['alone']:.0f}: look-up {us['lookup']:.0f}, adding "
            f"{us['adding']:.0f}; {measured['indexed']:,} documents in {measured['segments']} segments, "
            f"{measured['known']:.1%} of the dump known; peak {measured['peak_mb']:,} MB"
        )
        what = f"index: dump {measured['dumps'] + 1} against {measured['dumps']}"
        table_rows.append(Row(what, "the dump alone", 100 * us["with"] / us["alone"], "%", most=120, note=note))
    last = figures["measured"][-1]
    note = f"records and shingles {last['bytes_documents']:,}, bands {last['bytes_bands']:,}"
    size = last["bytes_documents"] + last["bytes_bands"]
    return [*table_rows, Row("index: a document on disk", "", float(size), "bytes", note=note)]


def main() -> None:
    measured = figures(Options())
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
