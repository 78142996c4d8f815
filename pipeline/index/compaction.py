"""Commits of finished runs to an index, and merges of segments that have become too many."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dedup.index.files import BAND, BANDS_FILE
from dedup.index.segment import index_merge
from pipeline.index import identity
from pipeline.index.pointer import DumpEntry, Pointer, SegmentEntry
from pipeline.runner.dag import InputFiles, Step, step
from pipeline.runner.manifests import manifest_name, output_folder, shards_of
from pipeline.runner.scheduler import MakeExecutor, execute

MERGED_SEGMENTS = 4  # segments of one size that become one: an index of N dumps has at most 3 log4(N) + 2
PARTITION_BYTES = 128 << 20  # of bands that one merging task sorts


def commit_run(pointer: Pointer, steps: Mapping[str, Step], adds: bool, make_executor: MakeExecutor) -> Pointer:
    """Note a finished run in the index, and merge its segments where they are too many.

    `steps` are those of the run's recipe. `adds` tells whether the index does not have the dump yet
    (`Pointer.admit`); otherwise only the folder of its corpus may have changed.
    """
    source = identity.source_key(steps)
    if adds:
        pointer = add_dump(pointer, steps, source, identity.fingerprint(steps), identity.band_parameters(steps))
    else:
        corpus = output_folder(pointer.store, steps["corpus"])
        pointer = _replace_corpus(pointer, pointer.position(source), corpus)
    return compact(pointer, make_executor)


def _replace_corpus(pointer: Pointer, position: int, corpus: str) -> Pointer:
    """The same dump with its corpus in another folder: published otherwise, or without what was withdrawn since."""
    if pointer.entries[position]["corpus"] == corpus:
        return pointer
    entry: DumpEntry = {**pointer.entries[position], "corpus": corpus}
    entries = (*pointer.entries[:position], entry, *pointer.entries[position + 1 :])
    return replace(pointer, entries=entries).save(pointer)


def add_dump(
    pointer: Pointer, steps: Mapping[str, Step], source: str, fingerprint: str, parameters: dict[str, Any]
) -> Pointer:
    """Add the dump whose step `index_entry` is finished, as the last one of the index."""
    store, bands, corpus = pointer.store, steps["index_bands"], steps.get("corpus")
    description = store.read_json(shards_of(store, steps["index_entry"])[0].raw("entry.json"), checked=False)
    entry: DumpEntry = {
        "shards": description["shards"],
        "rows": description["rows"],
        "label": description["label"],
        "dates": description["dates"],
        "source": source,
        "fingerprint": fingerprint,
        "key": bands.key,
        "documents": manifest_name(steps["index_documents"]),
        "corpus": output_folder(store, corpus) if corpus else None,
    }
    shards = shards_of(store, bands)
    size = sum(shard.files[BANDS_FILE]["bytes"] for shard in shards)
    segment: SegmentEntry = {
        "manifest": manifest_name(bands),
        "first": pointer.position(source),
        "entries": 1,
        "rows": size // BAND.itemsize,
        "partitions": len(shards),
    }
    return pointer.with_dump(entry, segment, parameters).save(pointer)


def compact(pointer: Pointer, make_executor: MakeExecutor, everything: bool = False) -> Pointer:
    """Merge segments until fewer than MERGED_SEGMENTS have one size, or `everything`; commit after each merge.

    The last dump's segment is left alone: another run of the same dump may replace it.
    """
    while mergeable := _mergeable(pointer, everything):
        segments = pointer.segments[mergeable]
        rows = sum(segment["rows"] for segment in segments)
        partitions = max(1, -(-rows * BAND.itemsize // PARTITION_BYTES))
        goal = _merge_step(pointer, segments, partitions)
        execute(goal, pointer.store, make_executor)
        merged: SegmentEntry = {
            "manifest": manifest_name(goal),
            "first": segments[0]["first"],
            "entries": sum(segment["entries"] for segment in segments),
            "rows": rows,
            "partitions": partitions,
        }
        remaining = (*pointer.segments[: mergeable.start], merged, *pointer.segments[mergeable.stop :])
        pointer = replace(pointer, segments=remaining).save(pointer)
    return pointer


def _mergeable(pointer: Pointer, everything: bool) -> slice | None:
    """Which segments are merged next: the last MERGED_SEGMENTS neighbours of one size, or all; None for none."""
    settled = len(pointer.segments) - 1
    if everything:
        return slice(0, settled) if settled > 1 else None
    sizes = [(segment["entries"].bit_length() - 1) // 2 for segment in pointer.segments[:settled]]  # floor(log4)
    for end in range(settled, MERGED_SEGMENTS - 1, -1):
        if len(set(sizes[end - MERGED_SEGMENTS : end])) == 1:
            return slice(end - MERGED_SEGMENTS, end)
    return None


def _merge_step(pointer: Pointer, segments: tuple[SegmentEntry, ...], partitions: int) -> Step:
    manifests = [segment["manifest"] for segment in segments]
    stored = pointer.stored()
    merged = replace(stored, segments=tuple(segment for segment in stored.segments if segment.manifest in manifests))
    identities = ({"segments": manifests, "partitions": partitions},) * partitions
    return step(index_merge, segments=InputFiles("segments", identities, (merged.as_row(),) * partitions))
