"""Dumps of small documents, and the steps that deduplicate them with an index, bound as the recipe binds them."""

import json
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from dedup import chains
from dedup.exact.exact import drop_exact_duplicates, exact_hashes
from dedup.exact.fingerprints import fingerprints
from pipeline.base.logs import configure_logging
from pipeline.base.schema import PAGES
from pipeline.index.compaction import add_dump, compact
from pipeline.index.dump import index_steps
from pipeline.index.identity import band_parameters, fingerprint, source_key
from pipeline.index.pointer import Pointer, open_index
from pipeline.runner.dag import InputFiles, Step, step
from pipeline.runner.manifests import shards_of
from pipeline.runner.scheduler import InProcess, execute
from pipeline.runner.stage import stage
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard

PARTITIONS = 2
SELECTIONS = ("exact", "index", "near")


@stage(version=1, outputs={"part": PAGES})
def documents(source: Shard) -> Iterator[pa.Table]:
    """The documents of a shard as PAGES."""
    rows = json.loads(source.table()["rows"][0].as_py())
    yield pa.Table.from_pylist([dict.fromkeys(PAGES.names) | row for row in rows], PAGES)


def crawl(rows: list[dict], shards: int = 1) -> Step:
    """Return rows (id, text, date in ms, dump) as pages, dealt out to shards."""
    parts = [rows[i::shards] for i in range(shards)]
    return step(documents, source=InputFiles("rows", tuple(parts), tuple({"rows": json.dumps(part)} for part in parts)))


def deduplication_steps(pages: Step, index: Pointer | None, **settings: Any) -> dict[str, Step]:
    """Return the steps by name; with an index, those that add the dump to it as well.

    `settings` are those of [exact] and [near]: keep, bands, rows, ngram, threshold.
    """
    steps = {"pages": pages}
    bind = _recording(chains.settings_binder(**settings), steps)
    keys = bind(fingerprints, pages=pages)
    exact = chains.same_keys(bind, "exact", exact_hashes, drop_exact_duplicates, pages, keys, PARTITIONS)
    earlier = index.leaf(index.position(source_key(steps))) if index else None
    near = chains.near_duplicates(bind, pages, PARTITIONS, exact, earlier=earlier)
    if index:
        index_steps(bind, pages, near.signatures, near.near, PARTITIONS, corpus=None, label="dump")
    return steps


def _recording(bind: chains.Bind, steps: dict[str, Step]) -> chains.Bind:
    def recording_bind(function: Callable, **arguments: Any) -> Step:
        bound = bind(function, **arguments)
        steps[bound.name] = bound
        return bound

    return recording_bind


def join(store: Store, name: str, pages: Step, **settings: Any) -> dict[str, Step]:
    """Deduplicate a dump against the index and add it, as `corpus --index` does; return its steps."""
    with open_index(store, name) as pointer:
        steps = deduplication_steps(pages, pointer, **settings)
        identity = source_key(steps), fingerprint(steps), band_parameters(steps)
        if pointer.admit(*identity):
            execute(steps["index_entry"], store, InProcess)
            pointer = add_dump(pointer, steps, *identity)
        else:
            execute(steps["near"], store, InProcess)
        compact(pointer, InProcess)
    return steps


def dropped(store: Store, steps: dict[str, Step], *names: str) -> dict[str, tuple[str, float]]:
    """Return id -> (document that it duplicates, similarity) of all selections together, or of those in `names`."""
    duplicates = {}
    for name in [name for name in names or SELECTIONS if name in steps]:
        for shard in shards_of(store, steps[name]):
            rows = shard.table().to_pylist()
            duplicates |= {row["id"]: (row["duplicate_of"], row["value"]) for row in rows if row["duplicate_of"]}
    return duplicates


def kept(store: Store, steps: dict[str, Step]) -> set[str]:
    """Return the ids of the documents that all selections keep."""
    rows = [row for shard in shards_of(store, steps["near"]) for row in shard.table(["id", "keep"]).to_pylist()]
    assert not any(row["keep"] for row in rows if row["id"] in dropped(store, steps))
    return {row["id"] for row in rows if row["keep"]}


def memory_folder() -> tempfile.TemporaryDirectory:
    """Return a temporary folder in memory where the system has one."""
    return tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)


def dump_rows(number: int, texts: list[str]) -> list[dict]:
    """Return the documents of dump `number`. Later dumps are of later days."""
    return [
        {"id": f"{number:02x}{i:030x}", "text": text, "date": 1000 * number + i, "dump": f"dump {number}"}
        for i, text in enumerate(texts)
    ]


def random_text(seed: int, words: int = 60) -> str:
    """Return words drawn from 10,000, the same ones for the same seed."""
    rng = random.Random(seed)
    return " ".join(f"wort{rng.randrange(10_000)}" for _ in range(words))


def with_word_replaced(text: str, position: int) -> str:
    """Return the text with one word replaced: still a near duplicate of a `random_text`."""
    words = text.split()
    words[position] = "anders"
    return " ".join(words)


def monthly_rows(number: int) -> list[dict]:
    """Return dump `number`: thirty texts, of which the first ten are in the dump before; four edited; and a copy.

    Of the edited ones, two are texts of the dump before, two are new ones.
    """
    texts = [random_text(20 * number + i) for i in range(30)]
    texts += [with_word_replaced(texts[8 + i], 30 + i) for i in range(4)] + [texts[25]]
    return dump_rows(number, texts)


def join_monthly_dumps(store: Store, count: int, **settings: Any) -> list[dict[str, Step]]:
    """Add the first `count` monthly dumps to index "w", one after the other."""
    return [join(store, "w", crawl(monthly_rows(number), 2), **settings) for number in range(count)]


def main(root: str, dumps: str) -> None:
    """Join each list of rows of a JSON file to an index "w", one after the other."""
    configure_logging()
    for rows in json.loads(Path(dumps).read_text()):
        join(Store(root), "w", crawl(rows, 2))
