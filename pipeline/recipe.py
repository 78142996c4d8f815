"""What a corpus is made of: the whole DAG on one page. Read this first.

    source -> pages -+-> languages, urls, signals, quality, contamination   measure: sidecars, one row a page
                     |         |
                     |         v
                     +-> verdicts -> url_dedup -> exact -> index -> near -> spans -> substrings   select: each step
                     |         |     reads what the one before has left, and says why it drops what it drops
                     |         v
                     +-> ledger -> layout -> data -> corpus     account and publish

Measure once, decide cheaply, account for everything: a changed threshold runs `verdicts` and what follows, never
extraction; scores are kept beside the documents; every record has one row in the ledger that says why.

`clean`, `quality`, `contamination`, `url_dedup`, `spans` and `substrings` run where the recipe has their section,
`index` where a run is given an index of earlier runs.
"""

from dedup import chains
from dedup.exact import exact
from dedup.exact import fingerprints as fingerprinting
from extract import pages as extraction
from extract.langid import identify as langid
from filters import rules
from filters.contamination import contamination as decontamination
from filters.quality import classifier
from filters.signals import c4_clean
from filters.signals import signals as heuristics
from filters.urls import match as url_lists
from pipeline import options
from pipeline.builder import DOCUMENTS, PASSAGES, Builder
from pipeline.config.recipe_file import Config
from pipeline.index import dump
from pipeline.index.identity import input_key
from pipeline.index.pointer import Pointer
from pipeline.plugins import bind as plugins
from pipeline.plugins.stages import drop_same_keys, user_keys, user_sidecar
from pipeline.publish.corpus import corpus as published_folder
from pipeline.publish.data import data as data_files
from pipeline.publish.layout import layout as file_layout
from pipeline.publish.ledger import ledger
from pipeline.runner.dag import InputFiles, all_shards, partition


def build(recipe: Config, files: tuple[str, ...] | None = None, index: Pointer | None = None) -> Builder:
    """Bind every step of a recipe. An input is read shard by shard, `all_shards`, or one `partition` a task."""
    b = Builder(recipe)
    b.readers = plugins.readers(recipe)
    crawl = b.source(files)
    earlier = index.leaf(index.position(input_key(crawl))) if index else None
    source = crawl if isinstance(crawl, InputFiles) else partition(crawl)
    pages = extracted = b.step(extraction.pages, section="extract", source=source, readers=b.readers)
    if b.on("clean"):
        pages = b.step(c4_clean.clean, section="clean", pages=pages)

    # 1. Measure: sidecars, one row a page. Nothing is dropped here.
    model = options.language_model(recipe)
    languages = b.measure(langid.identify, name="languages", section="identify", pages=pages, **model)
    b.measure(url_lists.urls, section="urls", pages=pages)
    b.measure(heuristics.signals, section="signals", pages=pages)
    if b.on("quality"):
        bind = b.binder("quality")
        trained = bind(classifier.quality_model, pages=all_shards(pages), languages=all_shards(languages))
        b.measure(classifier.quality, section="quality", pages=pages, languages=languages, trained=all_shards(trained))
    if b.on("decontaminate"):
        bind, named = b.binder("decontaminate"), options.benchmarks(recipe)
        items = all_shards(bind(decontamination.benchmark_index, name="benchmarks", **named))
        phrases = all_shards(bind(decontamination.benchmark_phrases, name="phrases", pages=pages, index=items))
        b.measure(decontamination.contamination, section="decontaminate", pages=pages, index=items, phrases=phrases)
    for own in plugins.sidecar_steps(recipe):
        b.measure(user_sidecar, pages=pages, **own)

    # 2. Select: each step reads what the one before has left, and says why it drops what it drops.
    b.select(b.step(rules.verdicts, sidecars={"pages": pages, **b.sidecars}, rules=recipe.rules))
    fingerprints = b.step(fingerprinting.fingerprints, pages=pages)
    for section, hashes, drop in (
        ("url_dedup", exact.url_hashes, exact.drop_url_duplicates),
        ("exact", exact.exact_hashes, exact.drop_exact_duplicates),
    ):
        if section == "exact" or b.on(section):
            bind, n, scores = b.binder(section), b.partitions(section, DOCUMENTS), b.scores(section)
            b.select(chains.same_keys(bind, section, hashes, drop, pages, fingerprints, n, b.selection, scores))
    bind = b.binder("near", **options.banding(recipe, b))
    n = b.partitions("near", DOCUMENTS)
    near = chains.near_duplicates(bind, pages, n, b.selection, b.scores("near"), options.checked_index(recipe, earlier))
    b.select(near.known)
    b.select(near.near)
    for section, remove in (("spans", chains.repeated_spans), ("substrings", chains.repeated_substrings)):
        if b.on(section):
            n, scores = b.partitions(section, PASSAGES), b.scores(section)
            b.select(remove(b.binder(section), pages, n, b.selection, scores, b.removed))
    for own in plugins.selection_steps(recipe):
        name, n, scores = own["label"], b.partitions("", DOCUMENTS), b.ranking(own["keep"], f"{own['label']}: ")
        bind, keys, drop = b.binder("", **own), user_keys, drop_same_keys
        b.select(chains.same_keys(bind, name, keys, drop, pages, fingerprints, n, b.selection, scores))

    # 3. Account: one row a record; duplicates name the document that is published.
    n = max(1, near.bands.params["partitions"] // 16)  # chains are few beside all documents
    resolved = chains.resolved_chains(b.binder(""), b.related, n)
    book = b.step(ledger, pages=pages, selections=b.selections, resolved=resolved, relations=b.relations)

    # 4. Publish: even files, texts fixed, personal data masked; then card, statistics and report.
    layout = b.step(file_layout, section="publish", ledgers=all_shards(book))
    beside = {name: all_shards(b.sidecars[name]) for name in ("languages", "signals", "quality") if name in b.sidecars}
    data = b.step(
        data_files,
        section="publish",
        layout=partition(layout),
        ledgers=all_shards(book),
        pages=all_shards(pages),
        sidecars=beside,
        selection=all_shards(b.selection),
        removed={name: all_shards(bound) for name, bound in b.removed.items()},
    )
    corpus = b.step(
        published_folder,
        data=all_shards(data),
        ledgers=all_shards(book),
        pages=all_shards(pages),
        sidecars={name: all_shards(bound) for name, bound in b.sidecars.items()},
        selections={name: all_shards(bound) for name, bound in b.selections.items()},
        alarms={name: all_shards(bound) for name, bound in b.with_output("alarms").items()},
        extracted=all_shards(extracted),
        relations=b.relations,
        title=f"Web corpus ({recipe.language})",
        language=recipe.language,
        region=data.params["region"],
        recipe=options.description(recipe, b.steps),
        bounds=options.alarm_bounds(b),
    )
    if index:
        n = near.bands.params["partitions"]
        dump.index_steps(b.binder(""), pages, near.signatures, b.selection, n, corpus, dump.label(crawl))
    return b
