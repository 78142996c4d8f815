"""Dumps of small documents and the steps that deduplicate them with an index, bound as the recipe binds them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from dedup.exact import exact
from dedup.index import against_index as known
from dedup.index import segment
from dedup.near import gather, minhash
from dedup.near import lsh as candidates
from dedup.near import shingle_files as sets
from dedup.near import verify as near
from pipeline.base.logs import configure_logging
from pipeline.base.schema import PAGES
from pipeline.index.compaction import add_dump, compact
from pipeline.index.pointer import Pointer, open_index
from pipeline.runner.dag import InputFiles, Step, all_shards, digest, partition, step
from pipeline.runner.manifests import shards_of
from pipeline.runner.scheduler import InProcess, execute
from pipeline.runner.stage import stage
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard

PARTITIONS = 2


@stage(version=1, outputs={"part": PAGES})
def documents(source: Shard) -> Iterator[pa.Table]:
    rows = json.loads(source.table()["rows"][0].as_py())
    yield pa.Table.from_pylist([dict.fromkeys(PAGES.names) | row for row in rows], PAGES)


def crawl(rows: list[dict], shards: int = 1) -> Step:
    """Rows (id, text, date in ms, dump) as pages, dealt out to shards."""
    cut = [rows[i::shards] for i in range(shards)]
    return step(documents, InputFiles("rows", cut, tuple({"rows": json.dumps(mine)} for mine in cut)))


def steps(docs: Step, index: Pointer | None, keep: str = "oldest", **near_settings) -> dict[str, Step]:
    """`near_settings`: bands, rows, ngram, threshold."""
    b, r = (near_settings.get(name, value) for name, value in (("bands", 14), ("rows", 8)))
    n, t = near_settings.get("ngram", 5), near_settings.get("threshold", 0.8)
    s: dict[str, Step] = {"pages": docs}

    def add(name: str, fn, *inputs, **more) -> Step:
        s[name] = step(fn, *inputs, name=name, **more)
        return s[name]

    prints = add("fingerprints", exact.fingerprints, docs)
    routed = add("exact_hashes", exact.exact_hashes, docs, prints, keep=keep, partitions=PARTITIONS)
    elected = add("hash_clusters", exact.hash_clusters, partition(routed), tasks=PARTITIONS)
    same = add("exact", exact.drop_exact_duplicates, docs, partition(elected))
    measure = minhash.signatures if index is None else sets.signatures_and_sets
    sigs = add("signatures", measure, docs, bands=b, rows=r, ngram=n)
    routed = add("near_bands", candidates.near_bands, docs, sigs, same, partitions=PARTITIONS)
    beside = [same]
    if index is not None:
        leaf = index.leaf(index.position(docs.key))
        met = add("index_candidates", known.index_candidates, partition(routed), all_shards(leaf), tasks=PARTITIONS)
        alike = {"bands": b, "rows": r, "threshold": t}
        beside.append(add("index", known.drop_known, sigs, partition(met), all_shards(leaf), **alike))
    links = add("near_links", candidates.near_links, partition(routed), tasks=PARTITIONS, bands=b, rows=r, threshold=t)
    groups = add("near_components", candidates.near_components, all_shards(links), all_shards(sigs))
    how = {"keep": keep, "ngram": n, "partitions": PARTITIONS}
    gathered = add("near_candidates", gather.near_candidates, docs, sigs, partition(groups), *beside, **how)
    elected = add(
        "near_clusters", near.near_clusters, partition(gathered), tasks=PARTITIONS, bands=b, rows=r, threshold=t
    )
    beside.append(add("near", near.drop_near_duplicates, docs, partition(elected), *beside))
    if index is None:
        return s
    stored = add("index_documents", segment.index_documents, docs, sigs, *beside)
    rows = add("index_rows", segment.index_rows, sigs, *beside, partitions=PARTITIONS)
    bands = add("index_bands", segment.index_bands, partition(rows), tasks=PARTITIONS)
    add("index_entry", segment.index_entry, all_shards(stored), all_shards(bands), label="dump")
    return s


def join(store: Store, name: str, docs: Step, **settings) -> dict[str, Step]:
    """Deduplicate a dump against the index and add it, as `corpus --index` does."""
    with open_index(store, name) as pointer:
        made = steps(docs, pointer, **settings)
        print_ = digest([made["near_bands"].key, made["near_clusters"].params])
        how = {"bands": made["signatures"].params["bands"]}
        if pointer.admit(docs.key, print_, how):
            execute(made["index_entry"], store, InProcess)
            pointer = add_dump(pointer, made, docs.key, print_, how)
        else:
            execute(made["near"], store, InProcess)
        compact(pointer, InProcess)
    return made


def removed(store: Store, made: dict[str, Step], *names: str) -> dict[str, tuple]:
    """id -> (what it is a duplicate of, similarity), of all deduplication together, or of some of it."""
    found = {}
    for name in [name for name in names or ("exact", "index", "near") if name in made]:
        for part in shards_of(store, made[name]):
            found |= {
                row["id"]: (row["duplicate_of"], row["similarity"])
                for row in part.table().to_pylist()
                if row["duplicate_of"]
            }
    return found


def kept(store: Store, made: dict[str, Step]) -> set[str]:
    ids = {i for part in shards_of(store, made["pages"]) for i in part.table(["id"])["id"].to_pylist()}
    return ids - removed(store, made).keys()


def main(root: str, dumps: str) -> None:
    """Join each list of rows of a JSON file, one after the other."""
    configure_logging()
    for rows in json.loads(Path(dumps).read_text()):
        join(Store(root), "w", crawl(rows, 2))
