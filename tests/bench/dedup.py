"""Near deduplication against its peers, on the same texts, in one run: `make bench-dedup`.

Texts are documents of sentences drawn from real pages, a fifth of them earlier ones with a few words replaced, so it is
known which are duplicates. Signatures from texts to 14 x 8 minima of word 5-grams, in turns; then texts on disk to
output without duplicates on disk, against datatrove's four stages and text-dedup. Seconds of CPU, one core each. Slow
peers get fewer of the same texts (a rate is a document's cost). Compilation is not timed.
"""

import json
import os
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from dedup.chains import near_duplicates, settings_binder
from dedup.near.components import unite_pairs
from dedup.near.minhash import band_hashes, minhash, sign_texts
from dedup.near.shingles import jaccard, shingle_sets, shingles
from pipeline.base.schema import PAGES
from pipeline.kernels.njit import njit
from pipeline.runner.dag import Asset, Step, step
from pipeline.runner.manifests import shards_of
from pipeline.runner.scheduler import InProcess, execute
from pipeline.runner.stage import stage
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard
from tests.bench.process import NotInstalled, Peer, measured, pinned
from tests.bench.table import Options, Row, in_turns, turn
from tests.support.real_texts import real_texts

LENGTH = 2800  # bytes of a text
TURNS = 3
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_PEERS = (("text-dedup", "text-dedup"), ("data-juicer", "py-data-juicer"))


def texts(data: Path, count: int, duplicates: float = 0.2, seed: int = 1) -> tuple[list[str], list[int]]:
    """(texts, number of the text that each was made from: its own, or of the earlier one that it is a copy of)."""
    rng = np.random.default_rng(seed)
    sentences = [s for texts in real_texts(data).values() for text in texts for s in _SENTENCE.split(text) if s.strip()]
    sample: list[str] = []
    sources: list[int] = []
    for i in range(count):
        copy = bool(i) and rng.random() < duplicates
        sources.append(int(rng.integers(0, i)) if copy else i)
        sample.append(_altered(sample[sources[-1]], rng) if copy else _drawn(sentences, rng))
    return sample, sources


def _drawn(sentences: list[str], rng: np.random.Generator) -> str:
    parts: list[str] = []
    while sum(map(len, parts)) < LENGTH:
        parts.append(sentences[rng.integers(0, len(sentences))])
    return " ".join(parts)


def _altered(text: str, rng: np.random.Generator) -> str:
    words = text.split(" ")
    for at in rng.choice(len(words), min(len(words), rng.integers(0, 12)), replace=False):
        words[at] = words[rng.integers(0, len(words))]
    return " ".join(words)


def figures(options: Options) -> dict[str, Any]:
    """Seconds a document of each side's signatures, end to end, and who kept what."""
    count, few = (4000, 600) if options.quick else (20_000, 3000)
    sample, sources = texts(options.data, count)
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        signed, missing = sign_in_turns(options, sample, Path(name))
        return {
            "documents": count,
            "characters": sum(map(len, sample)),
            "signatures": signed,
            "missing": missing,
            "kernels": kernels(sample),
            "end_to_end": end_to_end_in_turns(options, sample, sources, few, Path(name)),
        }


_END = {"datatrove": 100.0}
_LEAST = {"datatrove": 100.0, "rensa": 5.0, "rensa, in batches": 5.0}


def rows(figures: dict[str, Any]) -> list[Row]:
    signed = {name: statistics.median(turns) for name, turns in figures["signatures"].items()}
    ours = signed.pop("ours")
    table_rows = [
        Row(
            "MinHash signatures",
            name,
            taken / ours,
            least=_LEAST.get(name),
            note=f"{1 / ours:,.0f} / {1 / taken:,.0f} docs/s",
        )
        for name, taken in signed.items()
    ]
    table_rows += [Row("MinHash signatures", name, None, note=why) for name, why in figures["missing"].items()]
    return table_rows + [row for name, side in figures["end_to_end"].items() for row in _end_row(name, side, figures)]


def _end_row(name: str, side: dict[str, Any], figures: dict[str, Any]) -> list[Row]:
    if name.startswith("ours"):
        return []
    if "missing" in side:
        return [Row("near dedup end to end", name, None, note=side["missing"])]
    ours = figures["end_to_end"][f"ours, {side['documents']}"]
    kept = f"kept {ours['kept']:,} / {side['kept']:,}, by both {side['both']:,}"
    quality = [
        f"{who}: duplicates left {k['duplicates_left']}, families lost {k['families_lost']}"
        for who, k in (("ours", ours), (name, side))
    ]
    note = "; ".join([f"{side['documents']:,} texts, {side['families']} families", kept, *quality])
    same = side["seconds"] / ours["seconds"]
    many = figures["end_to_end"][f"ours, {figures['documents']}"]
    each = [one["seconds"] / one["documents"] for one in (many, side)]
    rates = f"{1 / each[0]:,.0f} / {1 / each[1]:,.0f} docs/s, ours on {many['documents']:,} texts"
    return [
        Row("near dedup end to end, same texts", name, same, note=note),
        Row("near dedup end to end, a document", name, each[1] / each[0], least=_END.get(name), note=rates),
    ]


def sign_in_turns(options: Options, sample: list[str], folder: Path) -> tuple[dict[str, list[float]], dict[str, str]]:
    """({side: seconds a document, by turn}, {peer: why it is missing})."""
    missing: dict[str, str] = {}
    turns = {"ours": _own(ours, sample)}
    sides = [("datatrove", with_datatrove, 300), ("datasketch", lambda: with_datasketch, 2000)]
    sides += [("rensa", lambda: with_rensa, 2000), ("rensa, in batches", lambda: with_rensa_batches, 2000)]
    for name, make, few in sides:
        try:
            turns[name] = _own(make(), sample[:few])
        except (ImportError, TypeError, AttributeError) as error:
            missing[name] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in sample[:1000]))
    others = []
    for name, distribution in _PEERS:
        try:
            others.append(Peer(options.python(name), "peer_texts.py", f"{name}-minhash", str(path)))
            turns[name] = lambda peer=others[-1]: peer.turn()["seconds"] / peer.ready["ready"]
        except NotInstalled as no:
            missing[name] = f"{distribution} {pinned(name, distribution)}: {no}"
    turns_by_side = in_turns(turns, TURNS)
    for peer in others:
        peer.close()
    return turns_by_side, missing


def _own(sign: Callable[[list[str]], None], sample: list[str]) -> Callable[[], float]:
    sign(sample[:20])
    return turn(lambda: sign(sample), len(sample))


def ours(sample: list[str]) -> None:
    column = pa.chunked_array([pa.array(sample)])
    sign_texts(pa.array([str(i) for i in range(len(sample))]), column, 14, 8, 5)


def grams(text: str) -> list[str]:
    words = re.findall(r"\w+", text.lower())
    return [" ".join(words[i : i + 5]) for i in range(len(words) - 4)]


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


@stage(version=1, outputs={"part": PAGES})
def given(*, source: Asset) -> Iterator[pa.RecordBatch]:
    """PAGES from a Parquet file."""
    with pq.ParquetFile(source.path) as file:
        for batch in file.iter_batches(4096):
            yield pa.Table.from_batches([batch]).cast(PAGES)  # Parquet knows no whole seconds


@stage(version=1, outputs={"part": PAGES})
def kept_pages(pages: Shard, selection: Shard) -> Iterator[pa.Table]:
    """The documents that are kept."""
    keep, row = selection.table(["keep"])["keep"], 0
    for batch in pages.batches():
        yield pa.Table.from_batches([batch]).cast(PAGES).filter(keep.slice(row, batch.num_rows))
        row += batch.num_rows


def near_deduplication(pages: Step, partitions: int = 2) -> Step:
    """Bind near deduplication with its default settings; partitions as for input of up to two GiB."""
    return step(kept_pages, pages=pages, selection=near_duplicates(settings_binder(), pages, partitions).near)


def as_pages(sample: list[str]) -> pa.Table:
    n = len(sample)
    nulls = {field.name: pa.nulls(n, field.type) for field in PAGES}
    return pa.table({**nulls, "id": [f"{i:032x}" for i in range(n)], "text": sample}, schema=PAGES)


def end_to_end_in_turns(
    options: Options, sample: list[str], sources: list[int], few: int, folder: Path
) -> dict[str, dict[str, Any]]:
    """By side: documents, seconds from Parquet to Parquet without duplicates, what was kept and what should not be."""
    end_to_end(sample[:200], _made(folder / "warm"))
    all_, some = f"ours, {len(sample)}", f"ours, {few}"
    pq.write_table(as_pages(sample[:few]).select(["id", "text"]), _made(folder / "in") / "pages.parquet")
    turns: dict[str, list[tuple[float, set[int]]]] = {all_: [], some: [], "datatrove": [], "text-dedup": []}
    missing = {}
    for i in range(2):
        turns[all_].append(end_to_end(sample, _made(folder / f"all{i}")))
        for k in range(3):
            turns[some].append(end_to_end(sample[:few], _made(folder / f"few{i}{k}")))
        for name, run in (("datatrove", datatrove_end_to_end), ("text-dedup", text_dedup_end_to_end)):
            try:
                turns[name].append(run(options, folder / "in", _made(folder / f"{name}{i}")))
            except (ImportError, TypeError, NotInstalled) as error:
                missing[name] = f"{type(error).__name__}: {error}"
    our_kept = turns[some][0][1]
    judged = {
        name: _judged(len(sample) if name == all_ else few, taken, our_kept, sample, sources)
        for name, taken in turns.items()
        if taken
    }
    return judged | {name: {"missing": why} for name, why in missing.items()}


def _judged(
    count: int, turns: list[tuple[float, set[int]]], our_kept: set[int], sample: list[str], sources: list[int]
) -> dict[str, Any]:
    """What a side kept against what is known: families of texts whose Jaccard with their source is at least 0.8. It
    should keep one of each, whichever."""
    kept = turns[0][1]
    family = list(range(count))
    for i in range(count):
        if sources[i] != i and _alike(sample[i], sample[sources[i]]) >= 0.8:
            family[i] = family[sources[i]]
    kept_by_family = Counter(family[i] for i in kept)
    return {
        "documents": count,
        "seconds": statistics.median(seconds for seconds, _ in turns),
        "kept": len(kept),
        "both": len(kept & our_kept),
        "families": len(set(family)),
        "duplicates_left": sum(count_kept - 1 for count_kept in kept_by_family.values()),
        "families_lost": len(set(family) - set(kept_by_family)),
    }


def _alike(a: str, b: str) -> float:
    one, other = set(grams(a)), set(grams(b))
    return len(one & other) / max(1, len(one | other))


def end_to_end(sample: list[str], folder: Path) -> tuple[float, set[int]]:
    """Seconds from Parquet to Parquet without duplicates, documents that stay."""
    pq.write_table(as_pages(sample), folder / "pages.parquet", row_group_size=8192)
    store, pages = Store(folder / "root"), step(given, source=Asset.of(folder / "pages.parquet"))
    goal = near_deduplication(pages)
    execute(pages, store, InProcess)  # a copy of the input in the store: not part of it
    start = time.process_time()
    execute(goal, store, InProcess)
    seconds = time.process_time() - start
    return seconds, _ids([Path(store.path(shard.shard("part"))) for shard in shards_of(store, goal)])


def _ids(paths: list[Path]) -> set[int]:
    return {int(id_, 16) for path in paths for id_ in pq.read_table(path, columns=["id"])["id"].to_pylist()}


def datatrove_end_to_end(options: Options, given: Path, folder: Path) -> tuple[float, set[int]]:
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
    reader = ParquetReader(str(given))
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
    return seconds, _ids(sorted(Path(f"{place}/out").glob("*.parquet")))


def text_dedup_end_to_end(options: Options, given: Path, folder: Path) -> tuple[float, set[int]]:
    """The same with `python -m text_dedup.minhash` on one process, without what importing it and five texts cost."""
    python = options.python("text-dedup")
    if not python.exists() or (python.parent.parent / "failed").exists():
        raise NotInstalled(f"text-dedup {pinned('text-dedup', 'text-dedup')} is not installed")
    pq.write_table(pq.read_table(given).slice(0, 5), _made(folder / "few") / "pages.parquet")
    seconds = [_text_dedup(python, source, folder / f"out{i}") for i, source in enumerate((folder / "few", given))]
    return seconds[1] - seconds[0], _ids_of_arrow(folder / "out1")


def _text_dedup(python: Path, given: Path, out: Path) -> float:
    command = [
        str(python),
        "-m",
        "text_dedup.minhash",
        "--path",
        "parquet",
        "--data_dir",
        str(given),
        "--split",
        "train",
    ]
    command += ["--output", str(out), "--column", "text", "--ngram", "5", "--num_perm", "112", "--b", "14", "--r", "8"]
    command += ["--num_proc", "1", "--cache_dir", str(out.with_suffix(".cache"))]
    return measured(command, out.with_suffix(".log"), Path(), HF_HUB_OFFLINE="1", HF_HOME=str(out.parent))[0].cpu


def _ids_of_arrow(folder: Path) -> set[int]:
    tables = [pa.ipc.open_stream(path).read_all() for path in sorted(folder.glob("*.arrow"))]
    return {int(id_, 16) for table in tables for id_ in table["id"].to_pylist()}


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def kernels(sample: list[str]) -> dict[str, float]:
    """What the inner loops do a second: pairs verified, edges clustered, documents signed."""
    hashes, bounds = shingles(pa.chunked_array([pa.array(sample)]), 5)
    sets, ends = shingle_sets(hashes, bounds)
    rng, n = np.random.default_rng(1), 5_000_000
    links = rng.integers(0, n, (2, n))
    rates = {
        "pairs verified in full": (len(sample) - 1) / timed(_compare, sets, ends),
        "edges clustered": n / timed(lambda: unite_pairs(links[0], links[1], np.arange(n))),
    }
    few, upto = hashes[: bounds[2000]], bounds[:2001]
    for bands, each in ((14, 8), (450, 20)):
        seconds = timed(lambda b=bands, r=each: band_hashes(minhash(few, upto, b * r), b, r))
        rates[f"documents signed, {bands} x {each}, words hashed before"] = 2000 / seconds
    return rates


@njit(nogil=True)
def _compare(sets, ends):
    total = 0.0
    for i in range(1, len(ends) - 1):
        total += jaccard(sets[ends[i - 1] : ends[i]], sets[ends[i] : ends[i + 1]], 0.0)
    return total


def timed(work: Callable, *arguments: object) -> float:
    work(*arguments)
    return turn(lambda: work(*arguments))()
