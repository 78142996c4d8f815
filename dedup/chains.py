"""Deduplication as chains of steps. Every chain is bound here and nowhere else.

Every function takes `bind(function, name=..., tasks=..., **inputs)`, which makes a step and fills in its settings (from
a recipe's section, or with `settings_binder`), and returns the selection that the chain ends in. `pages` are the
documents, `selection` is the last selection before the chain, and `scores` the sidecar that the keep policy ranks by.

    exact       fingerprints -> hashes -> clusters -> exact (or url_dedup)
    near        signatures -> near_bands -> near_links -> near_components -> near_candidates -> near_clusters -> near
                                \\-> index_candidates -> index (with an index of earlier runs)
    spans       span_hashes -> span_duplicates -> spans
    substrings  anchor_hashes -> repeated_anchors -> substring_hashes -> substring_duplicates -> substrings
    chains      chain_links -> chain_ends, once or twice
"""

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from dedup.exact.exact import hash_clusters
from dedup.exact.resolve_chains import chain_ends, chain_links
from dedup.index.against_index import drop_known, index_candidates
from dedup.near.candidates import near_candidates
from dedup.near.components import near_components, near_links
from dedup.near.lsh import near_bands
from dedup.near.minhash import signatures
from dedup.near.shingle_files import signatures_and_sets
from dedup.near.verify import drop_near_duplicates, near_clusters
from dedup.passages.spans import duplicate_passages, remove_spans, span_hashes
from dedup.passages.substrings import anchor_hashes, remove_substrings, repeated_anchors, substring_hashes
from pipeline.runner.dag import Edge, InputFiles, Step, all_shards, partition, step

Bind = Callable[..., Step]
Source = Step | InputFiles


def settings_binder(**settings: Any) -> Bind:
    """Return `bind` for a chain outside a recipe: every function is given those of `settings` that it has."""

    def bind(function: Callable, **arguments: Any) -> Step:
        parameters = inspect.signature(function).parameters
        own = {name: value for name, value in settings.items() if name in parameters and name not in arguments}
        return step(function, **own, **arguments)

    return bind


class NearSteps(NamedTuple):
    """The steps of near deduplication that others read.

    signatures: band hashes and sketches of all documents.
    bands: the bands of the documents that are still kept, in partitions.
    known: the selection that drops what an index of earlier runs has; None without an index.
    near: the selection that drops near duplicates.
    """

    signatures: Step
    bands: Step
    known: Step | None
    near: Step


def same_keys(
    bind: Bind,
    name: str,
    hashes: Callable,
    drop: Callable,
    pages: Source,
    keys: Source,
    partitions: int,
    selection: Source | None = None,
    scores: Source | None = None,
) -> Step:
    """Bind the selection `name`, which keeps one document of each key.

    `hashes` is the stage that writes a row for every document in the partition of its key, which it finds in `keys`;
    `drop` is the stage that makes the selection.
    """
    rows = bind(
        hashes,
        name=f"{name}_hashes",
        pages=pages,
        fingerprints=keys,
        selection=selection,
        scores=scores,
        partitions=partitions,
    )
    clusters = bind(hash_clusters, name=f"{name}_clusters", hashes=partition(rows), tasks=partitions)
    return bind(drop, name=name, pages=pages, clusters=partition(clusters), selection=selection)


def near_duplicates(
    bind: Bind,
    pages: Source,
    partitions: int,
    selection: Source | None = None,
    scores: Source | None = None,
    earlier: InputFiles | None = None,
) -> NearSteps:
    """Bind the selection `near`, and `index` before it where `earlier` is an index of earlier runs."""
    signed = bind(signatures_and_sets if earlier else signatures, name="signatures", pages=pages)
    bands = bind(near_bands, pages=pages, signatures=signed, selection=selection, partitions=partitions)
    index = None
    if earlier:
        index = selection = known_documents(bind, signed, bands, earlier, selection)
    links = bind(near_links, band_rows=partition(bands), tasks=partitions)
    components = bind(near_components, links=all_shards(links), signatures=all_shards(signed))
    candidates = bind(
        near_candidates,
        pages=pages,
        signatures=signed,
        components=partition(components),
        selection=selection,
        scores=scores,
        partitions=partitions,
    )
    clusters = bind(near_clusters, candidates=partition(candidates), tasks=partitions)
    near = bind(drop_near_duplicates, name="near", pages=pages, clusters=partition(clusters), selection=selection)
    return NearSteps(signed, bands, index, near)


def known_documents(bind: Bind, signed: Step, bands: Step, earlier: InputFiles, selection: Source | None) -> Step:
    """Bind the selection `index`, which drops documents that resemble what earlier runs with the same index kept."""
    index, tasks = all_shards(earlier), bands.params["partitions"]
    candidates = bind(index_candidates, band_rows=partition(bands), index=index, tasks=tasks)
    edges = {"candidates": partition(candidates), "index": index}
    return bind(drop_known, name="index", signatures=signed, selection=selection, **edges)


def repeated_spans(
    bind: Bind,
    pages: Source,
    partitions: int,
    selection: Source | None = None,
    scores: Source | None = None,
    removed: Mapping[str, Source] = MappingProxyType({}),
) -> Step:
    """Bind the selection `spans`, which removes lines or runs of sentences that occur earlier in the corpus.

    `removed` are the passage steps before it, on whose remaining texts it works.
    """
    inputs = {"pages": pages, "selection": selection, "removed": removed}
    hashes = bind(span_hashes, **inputs, scores=scores, partitions=partitions)
    duplicates = bind(
        duplicate_passages,
        name="span_duplicates",
        passages=partition(hashes),
        tasks=partitions,
        span=hashes.params["span"],
    )
    return bind(remove_spans, name="spans", **inputs, passages=hashes, duplicates=partition(duplicates))


def repeated_substrings(
    bind: Bind,
    pages: Source,
    partitions: int,
    selection: Source | None = None,
    scores: Source | None = None,
    removed: Mapping[str, Source] = MappingProxyType({}),
) -> Step:
    """Bind the selection `substrings`, which removes runs of words that occur earlier in the corpus.

    `removed` are the passage steps before it, on whose remaining texts it works.
    """
    anchors = bind(anchor_hashes, pages=pages, selection=selection, removed=removed, partitions=partitions)
    repeated = bind(repeated_anchors, anchors=partition(anchors), tasks=partitions)
    hashes = bind(
        substring_hashes,
        pages=pages,
        anchors=anchors,
        repeated=partition(repeated),
        scores=scores,
        removed=removed,
        partitions=partitions,
    )
    span = anchors.params["tokens"]
    duplicates = bind(
        duplicate_passages, name="substring_duplicates", passages=partition(hashes), tasks=partitions, span=span
    )
    edges = {"passages": hashes, "duplicates": partition(duplicates)}
    return bind(remove_substrings, name="substrings", pages=pages, selection=selection, removed=removed, **edges)


def resolved_chains(bind: Bind, selections: Mapping[str, Step], partitions: int) -> dict[str, Edge]:
    """Bind the rounds that resolve chains of duplicates; return what the ledger reads, a later round last.

    `selections` are those that may drop a document which others name. Two kinds of documents end a chain: those dropped
    for a document of an earlier corpus (`index`), and those dropped for the passages removed from them.
    """
    links = [name for name, bound in selections.items() if bound.stage.relation and name != "index"]
    ends_without_document = any(not bound.stage.relation for bound in selections.values())
    rounds = (len(links) + ends_without_document - 1).bit_length()  # each round doubles the links that are resolved
    resolved: dict[str, Edge] = {}
    for number in range(1, rounds + 1):
        suffix = "" if number == 1 else f"_{number}"
        last_round = {"resolved": [*resolved.values()][-1]} if resolved else {}
        edges = {"selections": selections, "partitions": partitions, **last_round}
        chain = bind(chain_links, name=f"chain_links{suffix}", **edges)
        ends = bind(chain_ends, name=f"chain_ends{suffix}", links=partition(chain), tasks=partitions)
        resolved[f"round{number}"] = partition(ends)
    return resolved
