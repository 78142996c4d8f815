"""What a corpus is made of: the whole DAG on one page. Read this first.

    source -> pages --+-> languages, urls, signals, quality, contamination --> verdicts --> exact --> near --+
                      +-> fingerprints, signatures ----------------------------------^---------^           |
                      +-----------------------------------------> ledger --> layout --> data --> corpus <----+

A recipe may switch on `url_dedup` before exact, and `spans` and `substrings` after near: these cut the texts of the
documents that are left, and only when they are published, so nothing that is measured runs again for them.

With an index of earlier runs, `index` stands between exact and near: it drops what resembles documents that they kept;
what is kept in the end is added to it (`index_documents`, `index_bands`).

Measure once, decide cheaply, account for everything: a changed threshold runs `verdicts` and what follows, never
extraction; scores are kept beside the documents; every record has one row in the ledger that says why.
"""

import functools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from dedup.exact import exact
from dedup.exact import resolve_chains as follow
from dedup.index import against_index as known
from dedup.index import segment
from dedup.near import gather, minhash
from dedup.near import lsh as candidates
from dedup.near import shingle_files as sets
from dedup.near import verify as near
from dedup.passages import spans, substrings
from extract import pages
from extract.langid import embedded as lid_embedded
from extract.langid import identify as language
from filters import rules
from filters.contamination import contamination
from filters.quality import classifier as quality
from filters.signals import c4_clean as lines
from filters.signals import signals
from filters.urls import match as urls
from pipeline import preflight as early
from pipeline.base import schema
from pipeline.base.errors import UserError
from pipeline.base.format import counted
from pipeline.builder import DOCUMENTS, PIECES, Binder, said_at
from pipeline.config import recipe_file as config
from pipeline.config.recipe_file import Config, languages
from pipeline.config.values import Range
from pipeline.index.pointer import Pointer
from pipeline.publish import corpus as publish
from pipeline.publish import ledger
from pipeline.publish.large_clusters import ELECTIONS
from pipeline.runner.dag import Asset, Edge, InputFiles, Step, all_shards, digest, partition
from pipeline.runner.manifests import folder_of, manifest, parts
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard


def source(*, paths: tuple[str, ...] = (), chunk_bytes: Annotated[int, Range(1 << 20)] = 1 << 26) -> None:
    """Input. `paths`: files and globs, none for the demo crawl. `chunk_bytes`: larger files are read in pieces, by
    default of `extract.sources.listing.default_chunk_bytes`."""


def lsh(*, preset: str = "") -> None:
    """Near dedup's bands x rows in one word, "14x8", "26x11" or any pair, instead of `bands` and `rows`."""


# Section of a recipe -> the stages whose settings it holds.
SECTIONS: Mapping[str, Callable | tuple[Callable, ...]] = {
    "source": source,
    "extract": pages.pages,
    "clean": lines.clean,
    "identify": language.identify,
    "urls": urls.urls,
    "signals": signals.signals,
    "quality": (quality.quality_model, quality.quality),
    "decontaminate": (contamination.benchmark_index, contamination.benchmark_phrases, contamination.contamination),
    "url_dedup": (exact.url_route, exact.exact_elect),
    "exact": (exact.exact_route, exact.exact_elect),
    "near": (
        lsh,
        minhash.signatures,
        candidates.near_route,
        candidates.near_links,
        gather.near_gather,
        near.near_elect,
    ),
    "spans": (spans.span_route, spans.span_join),
    "substrings": (substrings.substring_route, substrings.substring_join),
    "publish": (publish.layout, publish.data),
}
COLUMNS = {
    "extract": schema.PAGES,
    "identify": schema.LANGUAGES,
    "urls": schema.URLS,
    "signals": schema.SIGNALS,
    "quality": schema.QUALITY,
    "decontaminate": schema.CONTAMINATION,
}
OPTIONAL = ("clean", "quality", "decontaminate", "url_dedup", "spans", "substrings")
ALWAYS = ("source", "extract", "identify", "exact", "near", "publish")


@dataclass(frozen=True)
class Wanted:
    """A recipe bound to its input: the last step, and all that explain and gc want to know."""

    name: str
    corpus: Step
    steps: dict[str, Step]
    config: Config
    told: dict[str, Any]  # recipe, sources and overrides, as gc labels the run
    index: Pointer | None = None  # of earlier runs
    adds: bool = False  # to the index: the dump is not in it yet

    @property
    def goal(self) -> Step:
        """What must be finished: the corpus, and what an index needs of it."""
        return self.steps["index_entry"] if self.adds else self.corpus

    def notes(self) -> str:
        """What the numbers of a recipe mean, for `plan`."""
        sigs, alike = self.steps["signatures"].params, self.steps["near_elect"].params
        b, r = sigs["bands"], sigs["rows"]
        chances = [(j / 100, minhash.probability(j / 100, b, r)) for j in (50, 60, 70, 75, 80, 85, 90, 95)]
        shown = "  ".join(f"{j:.2f}: {chance:.1%}" for j, chance in chances)
        presets = dict.fromkeys(rule["stage"] for rule in self.config.rules)
        return (
            f"near dedup: {b} bands x {r} rows over word {sigs['ngram']}-grams, verified Jaccard {alike['threshold']}\n"
            f"  chance that a pair of this similarity is compared:  {shown}\n"
            f"rules: {len(self.config.rules)}, in the order {', '.join(presets)}{self._indexed()}"
        )

    def _indexed(self) -> str:
        """What is compared with which earlier runs, and what becomes of this one."""
        if self.index is None:
            return ""
        before = self.index.entries[: self.index.position(source_key(self.steps))]
        documents = sum(entry["rows"] for entry in before)
        then = "the dump is added" if self.adds else "the dump is in it already"
        met = f"{counted(documents, 'document')} of {counted(len(before), 'dump')}"
        said = self.unindexed()
        return f"\nindex {self.index.name}: compared with {met}; {then}" + (f"\n{said}" if said else "")

    def unindexed(self) -> str:
        """Which steps look at the documents of this run alone though there is an index; "" for none."""
        names = [name for name in ("url_dedup", "spans", "substrings") if self.index and name in self.steps]
        verb = "looks" if len(names) == 1 else "look"
        return f"index: {' and '.join(names)} {verb} at this dump's own documents, not at the index" if names else ""


def load(
    recipe: str, files: tuple[str, ...] | None, overrides: Mapping[str, str], index: Pointer | None = None
) -> Wanted:
    """Check a recipe (a language or a file) and bind it, to an index of earlier runs if there is one.

    Raises UserError before anything runs.
    """
    settings = config.load(recipe, overrides, sections=SECTIONS, columns=COLUMNS, optional=OPTIONAL, always=ALWAYS)
    early.check(settings)
    steps = build(settings, files, index)
    told = {"recipe": recipe, "source": list(files or ()), "set": dict(sorted(overrides.items()))}
    told |= {"index": index.name} if index else {}
    adds = index is not None and index.admit(source_key(steps), fingerprint(steps), parameters(steps))
    return Wanted(settings.name, steps["corpus"], steps, settings, told, index, adds)


def source_key(steps: Mapping[str, Step]) -> str:
    """Which input it is, for an index."""
    return steps["pages"].inputs[0].source.key


def fingerprint(steps: Mapping[str, Step]) -> str:
    """Of all that decides what a dump would keep without an index."""
    names = ("near_links", "near_gather", "near_elect", "spans", "substrings")
    chosen = [steps[name] for name in names if name in steps]
    return digest([steps["near_route"].key, *[[made.stage.version, made.params] for made in chosen]])


def parameters(steps: Mapping[str, Step]) -> dict[str, Any]:
    """What all dumps of an index must have in common: bands can only be met by bands of the same kind."""
    made = steps["signatures"]
    return {**made.params, "version": made.stage.version}


def build(c: Config, files: tuple[str, ...] | None, index: Pointer | None = None) -> dict[str, Step]:
    """All steps by name. Arguments are edges: aligned shard by shard, `whole` or `bucket`."""
    b = Binder(c)
    s, add, crawl = b.steps, b.add, b.source(files)
    earlier = index.leaf(index.position(crawl.key)) if index else None
    docs = add("pages", pages.pages, crawl if isinstance(crawl, InputFiles) else partition(crawl), section="extract")
    if c.has("clean"):
        docs = add("clean", lines.clean, docs, section="clean")

    # measure
    tongue = add("languages", language.identify, docs, section="identify", **_model(c))
    listed = add("urls", urls.urls, docs, section="urls")
    measured = add("signals", signals.signals, docs, section="signals")
    sidecars = [docs, tongue, listed, measured]
    scores = _quality(b, docs, tongue) if c.has("quality") else None
    hits = _contamination(b, docs) if c.has("decontaminate") else None
    sidecars += [x for x in (scores, hits) if x is not None]

    # decide
    judged = add("verdicts", rules.verdicts, *sidecars, rules=c.rules)
    add("fingerprints", exact.fingerprints, docs)
    left = [judged]
    if c.has("url_dedup"):
        left += [_same(b, "url_dedup", exact.url_route, docs, left)]
    same = _same(b, "exact", exact.exact_route, docs, left)
    alike = _near(b, docs, [*left, same], earlier)
    left += [same, *([s["index"]] if index else []), alike]
    for name, cut_by in (("spans", _spans), ("substrings", _substrings)):
        left += [cut_by(b, docs, left)] if c.has(name) else []

    # account and publish
    threshold = s["near_elect"].params["threshold"]
    decided = [s[name] for name in ("url_dedup", "exact", "index", "near", "spans", "substrings") if name in s]
    names = tuple(made.name for made in decided)
    ends = _followed(b, decided)
    book = add("ledger", ledger.ledger, docs, judged, *decided, *ends, names=names, similarity=threshold)
    cut = add("layout", publish.layout, all_shards(book), section="publish")
    cuts = [all_shards(s[name]) for name in ("spans", "substrings") if name in s]
    optional = [*([all_shards(scores)] if scores else []), *cuts]
    beside = [all_shards(x) for x in (book, docs, tongue, measured, alike)]
    rows = add("data", publish.data, partition(cut), *beside, *optional, section="publish")
    beside = [all_shards(x) for x in (rows, book, docs, judged, tongue, same, alike)]
    optional_steps = ("contamination", "url_dedup", "index", "spans", "substrings", *ELECTIONS)
    others = [name for name in optional_steps if name in s]
    said = json.dumps(
        {"name": c.name, "rules": _explained(c), "steps": {k: v.key for k, v in s.items()}}, sort_keys=True
    )
    region = rows.params["region"]
    add(
        "corpus",
        publish.corpus,
        *beside,
        *(all_shards(s[name]) for name in others),
        names=tuple(others),
        title=f"Web corpus ({c.language})",
        language=c.language,
        region=region,
        recipe=said,
    )
    if index:
        _index(b, docs, left, _label(crawl))
    return s


def _model(c: Config) -> dict[str, Any]:
    """A language model's content is in the key, where it lies is not. Raises UserError for one that is not pinned."""
    model, sha256 = c["identify"].get("model", "embedded"), c["identify"].get("sha256")
    if model.endswith((".bin", ".ftz")) and "://" not in model:
        model = str(c.folders["identify.model"] / Path(model).expanduser())
    with said_at(c.at("identify.model")):
        language.check(model, sha256)
    if model == "embedded" and c.language not in languages() and c.language not in lid_embedded.load().labels:
        raise UserError(
            f'{c.at("language")}the embedded model does not tell the language "{c.language}": take a code it tells '
            f"({', '.join(lid_embedded.load().labels[:8])}, ...), or name a fastText model: [identify] model and sha256"
        )
    return {"model": Asset(model, sha256)} if sha256 else {}


def _quality(b: Binder, docs: Step, tongue: Step) -> Step:
    model = b.add("quality_model", quality.quality_model, all_shards(docs), all_shards(tongue), section="quality")
    return b.add("quality", quality.quality, docs, tongue, all_shards(model), section="quality")


def _contamination(b: Binder, docs: Step) -> Step:
    said = b.c["decontaminate"]
    paths = [Path(asset.path).with_suffix("") for asset in said.get("benchmarks", ())]
    base = os.path.commonpath([path.parent for path in paths])
    names = said.get("names") or tuple(path.relative_to(base).as_posix() for path in paths)
    index = all_shards(b.add("benchmarks", contamination.benchmark_index, section="decontaminate", names=names))
    phrases = all_shards(b.add("phrases", contamination.benchmark_phrases, docs, index, section="decontaminate"))
    return b.add("contamination", contamination.contamination, docs, index, phrases, section="decontaminate")


def _same(b: Binder, section: str, route: Callable, docs: Step, left: list[Step]) -> Step:
    """One document of each hash that `route` sends out: of an address (whatever its text), or of a text."""
    inputs = docs, b.steps["fingerprints"], *left, *b.ranked(section)
    name = section.removesuffix("_dedup")
    _, elected = b.elect(name, section, route, exact.exact_elect, *inputs, gib=DOCUMENTS)
    return b.add(section, exact.exact_join, docs, elected, *left)


def _near(b: Binder, docs: Step, left: list[Step], earlier: InputFiles | None) -> Step:
    n, banding, ranked = b.partitions("near", DOCUMENTS), _lsh(b.c), b.ranked("near")
    measure = sets.signatures_and_sets if earlier else minhash.signatures
    sigs = b.add("signatures", measure, docs, section="near", **banding)
    routed = b.add("near_route", candidates.near_route, docs, sigs, *left, section="near", partitions=n)
    if earlier:
        left = [*left, _known(b, sigs, routed, earlier)]
    links = b.add("near_links", candidates.near_links, partition(routed), section="near", tasks=n, **banding)
    groups = partition(b.add("near_components", candidates.near_components, all_shards(links), all_shards(sigs)))
    kept = [*left, *ranked]
    gathered = b.add("near_gather", gather.near_gather, docs, sigs, groups, *kept, section="near", partitions=n)
    elected = b.add("near_elect", near.near_elect, partition(gathered), section="near", tasks=n, **banding)
    return b.add("near", near.near_join, docs, partition(elected), *left)


def _known(b: Binder, sigs: Step, routed: Step, earlier: InputFiles) -> Step:
    """Documents that resemble what earlier runs with the same index kept."""
    if b.c["near"].get("scope", "corpus") == "dump":
        raise UserError(f'{b.c.at("near.scope")}scope = "dump" compares no dumps: leave it out, or the index')
    met = b.add("index_met", known.index_met, partition(routed), all_shards(earlier), tasks=routed.params["partitions"])
    return b.add("index", known.index_known, sigs, partition(met), all_shards(earlier), section="near", **_lsh(b.c))


def _index(b: Binder, docs: Step, left: list[Step], label: str) -> Step:
    """What an index keeps of the documents that are left."""
    sigs, n = b.steps["signatures"], b.steps["near_route"].params["partitions"]
    stored = b.add("index_documents", segment.index_documents, docs, sigs, *left)
    rows = b.add("index_rows", segment.index_rows, sigs, *left, partitions=n)
    bands = b.add("index_bands", segment.index_bands, partition(rows), tasks=n)
    return b.add(
        "index_entry",
        segment.index_entry,
        all_shards(stored),
        all_shards(bands),
        all_shards(b.steps["corpus"]),
        label=label,
    )


def _label(crawl: InputFiles | Step) -> str:
    """The names of the files, for a dump whose documents say none."""
    found = sorted({row["name"] for row in crawl.rows}) if isinstance(crawl, InputFiles) else ["demo"]
    return found[0] + (f" and {len(found) - 1} more" if len(found) > 1 else "")


def _lsh(c: Config) -> dict[str, int]:
    """`preset` as bands and rows. Raises UserError for none, or beside other numbers."""
    said, place = c["near"], c.at("near.preset")
    if not said.get("preset"):
        return {}
    with said_at(place):
        b, r = minhash.parse_preset(said["preset"])
        if (said.get("bands", b), said.get("rows", r)) != (b, r):
            raise UserError(f"preset = {said['preset']!r} is {b} bands x {r} rows: leave out bands and rows, or preset")
    return {"bands": b, "rows": r}


def _spans(b: Binder, docs: Step, left: list[Step]) -> Step:
    """Lines or runs of sentences that stand elsewhere before: what to cut out of the documents that are left."""
    inputs = docs, *left, *b.ranked("spans")
    routed, elected = b.elect("span", "spans", spans.span_route, spans.span_elect, *inputs, gib=PIECES)
    return b.add("spans", spans.span_join, docs, routed, elected, *left, section="spans")


def _substrings(b: Binder, docs: Step, left: list[Step]) -> Step:
    """Runs of words that stand elsewhere before, in what spans have left."""
    elect, section = functools.partial(b.elect, gib=PIECES), "substrings"
    anchors, again = elect("anchor", section, substrings.anchor_route, substrings.anchor_elect, docs, *left)
    inputs, span = (docs, anchors, again, *left, *b.ranked(section)), anchors.params["tokens"]
    routed, elected = elect("substring", section, substrings.substring_route, spans.span_elect, *inputs, span=span)
    return b.add(section, substrings.substring_join, docs, routed, elected, *left, section=section)


def _followed(b: Binder, decided: list[Step]) -> list[Edge]:
    """Where duplicates of documents that were dropped later belong: they are few beside all documents."""
    n, ends = max(1, b.steps["near_route"].params["partitions"] // 16), list[Edge]()
    rounds = len(decided) - 1 - ("index" in b.steps)  # what an index knows leads out of the corpus at once
    for name in ("follow", "follow_further")[:rounds]:
        asked = b.add(f"{name}_route", follow.follow_route, *decided, *ends[-1:], partitions=n)
        ends.append(partition(b.add(name, follow.follow, partition(asked), tasks=n)))
    return ends


def _explained(c: Config) -> list[dict[str, Any]]:
    return [{**rule, "why": c.why.get(rule["name"], "")} for rule in c.rules]


def story(wanted: Wanted, store: Store, page: str) -> str:
    """`explain` for a page of the finished corpus of a recipe. Raises UserError when it is not finished."""
    from pipeline.publish.explain import explain

    if manifest(store, wanted.corpus) is None:
        raise UserError(
            f"{store.root}: the corpus of this recipe and source is not made yet; run `corpus` with the same options"
        )
    names = {"pages": "clean" if "clean" in wanted.steps else "pages"}
    shown = (
        "ledger",
        "pages",
        "languages",
        "urls",
        "signals",
        "quality",
        "contamination",
        "verdicts",
        "url_dedup",
        "exact",
        "index",
        "near",
        "spans",
        "substrings",
        "data",
    )
    found: dict[str, list[Shard]] = {}
    for name in shown:
        made = wanted.steps.get(names.get(name, name))
        if made is not None and store.exists(f"{folder_of(made)}/manifest.json"):
            found[name] = parts(store, made)
        elif made is not None:
            raise UserError(f"{store.uri(folder_of(made))} is gone; run `corpus` again to explain pages from it")
    return explain(found, wanted.config.rules, page)
