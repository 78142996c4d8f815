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

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from dedup import candidates, exact, follow, known, minhash, near, segment, sets, spans, substrings
from dedup.order import check_policy
from extract import demo, language, lid_embedded, pages, sources
from filters import contamination, lines, quality, rules, signals, urls
from pipeline import config, ledger, publish, schema
from pipeline.check import Range
from pipeline.config import Config, languages
from pipeline.dag import Asset, Edge, Leaf, Step, bucket, digest, step, whole
from pipeline.errors import UserError
from pipeline.finished import folder_of, manifest, parts
from pipeline.giants import ELECTIONS
from pipeline.index import Pointer
from pipeline.store import Part, Store
from pipeline.wording import counted

# Bytes of a piece: 16 tasks for a file of Common Crawl, each inflating 16 MiB to find where it begins. In the key,
# so it cannot depend on the number of workers.
CHUNK = 1 << 26


def source(*, paths: tuple[str, ...] = (), chunk_bytes: Annotated[int, Range(1 << 20)] = CHUNK) -> None:
    """Input. `paths`: files and globs, none for the demo crawl. `chunk_bytes`: larger files are read in pieces."""


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
        near.near_gather,
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
DOCUMENTS = 8  # GiB of crawl a partition of what is compared by document: some 240,000 pages, half a kB each
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
        return f"\nindex {self.index.name}: compared with {met}; {then}"


def load(
    recipe: str, files: tuple[str, ...] | None, overrides: Mapping[str, str], index: Pointer | None = None
) -> Wanted:
    """Check a recipe (a language or a file) and bind it, to an index of earlier runs if there is one.

    Raises UserError before anything runs.
    """
    settings = config.load(recipe, overrides, sections=SECTIONS, columns=COLUMNS, optional=OPTIONAL, always=ALWAYS)
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
    s: dict[str, Step] = {}

    def add(name: str, fn: Callable, *inputs: Any, section: str = "", tasks: int | None = None, **more: Any) -> Step:
        settings = {**(c.of(section, fn) if section else {}), **more}
        s[name] = step(fn, *inputs, name=name, tasks=tasks, **settings)
        return s[name]

    crawl = _source(c, files, add)
    earlier = index.leaf(index.position(crawl.key)) if index else None
    size = sum(row["size"] for row in crawl.rows) if isinstance(crawl, Leaf) else 0
    docs = add("pages", pages.pages, crawl if isinstance(crawl, Leaf) else bucket(crawl), section="extract")
    if c.has("clean"):
        docs = add("clean", lines.clean, docs, section="clean")

    # measure
    tongue = add("languages", language.identify, docs, section="identify", **_model(c))
    listed = add("urls", urls.urls, docs, section="urls")
    measured = add("signals", signals.signals, docs, section="signals")
    sidecars = [docs, tongue, listed, measured]
    scores = _quality(c, docs, tongue, add) if c.has("quality") else None
    hits = _contamination(c, docs, add) if c.has("decontaminate") else None
    sidecars += [x for x in (scores, hits) if x is not None]

    # decide
    judged = add("verdicts", rules.verdicts, *sidecars, rules=c.rules)
    add("fingerprints", exact.fingerprints, docs)
    left = [judged]
    if c.has("url_dedup"):
        left += [_same(c, "url_dedup", exact.url_route, docs, left, s, size, add)]
    same = _same(c, "exact", exact.exact_route, docs, left, s, size, add)
    alike = _near(c, docs, [*left, same], _ranked(c, "near", s), size, add, earlier)
    left += [same, *([s["index"]] if index else []), alike]
    for name, cut_by in (("spans", _spans), ("substrings", _substrings)):
        left += [cut_by(c, docs, left, s, size, add)] if c.has(name) else []

    # account and publish
    threshold = s["near_elect"].params["threshold"]
    decided = [s[name] for name in ("url_dedup", "exact", "index", "near", "spans", "substrings") if name in s]
    names = tuple(made.name for made in decided)
    ends = _followed(decided, s, add)
    book = add("ledger", ledger.ledger, docs, judged, *decided, *ends, names=names, similarity=threshold)
    cut = add("layout", publish.layout, whole(book), section="publish")
    cuts = [whole(s[name]) for name in ("spans", "substrings") if name in s]
    optional = [*([whole(scores)] if scores else []), *cuts]
    beside = [whole(x) for x in (book, docs, tongue, measured, alike)]
    rows = add("data", publish.data, bucket(cut), *beside, *optional, section="publish")
    beside = [whole(x) for x in (rows, book, docs, judged, tongue, same, alike)]
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
        *(whole(s[name]) for name in others),
        names=tuple(others),
        title=f"Web corpus ({c.language})",
        language=c.language,
        region=region,
        recipe=said,
    )
    if index:
        _index(docs, left, s, add, _label(crawl))
    return s


def _source(c: Config, files: tuple[str, ...] | None, add: Callable) -> Leaf | Step:
    """Files of the command line, else of the recipe, else the demo crawl."""
    found = files or tuple(f for pattern in c["source"].get("paths", ()) for f in expand(c, pattern))
    if not found:
        return add("crawl", demo.crawl, texts_sha256=demo.content_digest())
    chunk = c["source"].get("chunk_bytes", CHUNK)
    return source_files(list(found), chunk)


def source_files(paths: list[str], chunk: int = CHUNK) -> Leaf:
    """These files as input, larger ones in pieces."""
    rows = sources.list_chunks(paths, chunk)
    seen = sorted({(row["name"], row["size"], row["mtime_ns"]) for row in rows})
    return Leaf("files", [[list(entry) for entry in seen], chunk], tuple(rows))


def expand(c: Config, pattern: str) -> tuple[str, ...]:
    """Files of one entry of `source.paths`, which starts where the recipe lies."""
    from pipeline.inputs import matching

    full = pattern if "://" in pattern else str(c.folders["source.paths"] / pattern)
    return matching(full, f"{c.at('source.paths')}: source.paths")


@contextlib.contextmanager
def said_at(place: str) -> Iterator[None]:
    """What a stage's own check finds wrong, with the place in the recipe before it."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{place}: {error}") from error


def _model(c: Config) -> dict[str, Any]:
    """A language model's content is in the key, where it lies is not. Raises UserError for one that is not pinned."""
    model, sha256 = c["identify"].get("model", "embedded"), c["identify"].get("sha256")
    with said_at(c.at("identify.model")):
        language.check(model, sha256)
    if model == "embedded" and c.language not in languages() and c.language not in lid_embedded.load().labels:
        raise UserError(
            f'{c.files[-1]}: the embedded model does not tell the language "{c.language}": take a code that it tells '
            f"({', '.join(lid_embedded.load().labels[:8])}, ...), or name a fastText model: [identify] model and sha256"
        )
    return {"model": Asset(model, sha256)} if sha256 else {}


def _quality(c: Config, docs: Step, tongue: Step, add: Callable) -> Step:
    model = add("quality_model", quality.quality_model, whole(docs), whole(tongue), section="quality")
    return add("quality", quality.quality, docs, tongue, whole(model), section="quality")


def _contamination(c: Config, docs: Step, add: Callable) -> Step:
    said = c["decontaminate"]
    paths = [Path(asset.path).with_suffix("") for asset in said.get("benchmarks", ())]
    if not paths:
        hint = 'type benchmarks = ["file.jsonl"] in it, or decontaminate = "off"'
        raise UserError(f"{c.files[-1]}: [decontaminate] is on and names no benchmark: {hint}")
    base = os.path.commonpath([path.parent for path in paths])
    names = said.get("names") or tuple(path.relative_to(base).as_posix() for path in paths)
    index = add("benchmarks", contamination.benchmark_index, section="decontaminate", names=names)
    phrases = add("phrases", contamination.benchmark_phrases, docs, whole(index), section="decontaminate")
    return add(
        "contamination", contamination.contamination, docs, whole(index), whole(phrases), section="decontaminate"
    )


def _ranked(c: Config, section: str, s: Mapping[str, Step]) -> list[Step]:
    """The sidecar with the column of `keep = "best:<column>"`, so that dedup can rank by it."""
    keep, place = c[section].get("keep", "oldest"), c.at(f"{section}.keep")
    with said_at(place):
        check_policy(keep)
    column = keep.partition("best:")[2].strip()
    found = [s[name] for name in ("signals", "languages", "quality") if name in s and column in _columns(s[name])]
    if column and not found:
        raise UserError(f"{place}: keep = {keep!r}: no stage that is on makes a column {column!r}")
    return found[:1]


def _columns(made: Step) -> list[str]:
    return [name for name in made.stage.outputs["part"].names if name != "id"]


def _same(
    c: Config, section: str, route: Callable, docs: Step, left: list[Step], s: Mapping[str, Step], size: int,
    add: Callable,
) -> Step:  # fmt: skip
    """One document of each hash that `route` sends out: of an address (whatever its text), or of a text."""
    n, ranked = c[section].get("partitions") or partitions(size, DOCUMENTS), _ranked(c, section, s)
    inputs, name = (docs, s["fingerprints"], *left, *ranked), section.removesuffix("_dedup")
    routed = add(f"{name}_route", route, *inputs, section=section, partitions=n)
    elected = add(f"{name}_elect", exact.exact_elect, bucket(routed), section=section, tasks=n)
    return add(section, exact.exact_join, docs, bucket(elected), *left)


def _near(
    c: Config, docs: Step, left: list[Step], ranked: list[Step], size: int, add: Callable, earlier: Leaf | None
) -> Step:
    n = c["near"].get("partitions") or partitions(size, DOCUMENTS)
    banding = _lsh(c)
    measure = sets.signatures_and_sets if earlier else minhash.signatures
    sigs = add("signatures", measure, docs, section="near", **banding)
    routed = add("near_route", candidates.near_route, docs, sigs, *left, section="near", partitions=n)
    if earlier:
        left = [*left, _known(c, sigs, routed, earlier, n, add)]
    kept = [*left, *ranked]
    links = add("near_links", candidates.near_links, bucket(routed), section="near", tasks=n, **banding)
    groups = add("near_components", candidates.near_components, whole(links), whole(sigs))
    gathered = add("near_gather", near.near_gather, docs, sigs, bucket(groups), *kept, section="near", partitions=n)
    elected = add("near_elect", near.near_elect, bucket(gathered), section="near", tasks=n, **banding)
    return add("near", near.near_join, docs, bucket(elected), *left)


def _known(c: Config, sigs: Step, routed: Step, earlier: Leaf, n: int, add: Callable) -> Step:
    """Documents that resemble what earlier runs with the same index kept."""
    if c["near"].get("scope", "corpus") == "dump":
        raise UserError(f'{c.at("near.scope")}: scope = "dump" compares no dumps: leave it out, or the index')
    met = add("index_met", known.index_met, bucket(routed), whole(earlier), tasks=n)
    return add("index", known.index_known, sigs, bucket(met), whole(earlier), section="near", **_lsh(c))


def _index(docs: Step, left: list[Step], s: dict[str, Step], add: Callable, label: str) -> Step:
    """What an index keeps of the documents that are left."""
    sigs, n = s["signatures"], s["near_route"].params["partitions"]
    stored = add("index_documents", segment.index_documents, docs, sigs, *left)
    rows = add("index_rows", segment.index_rows, sigs, *left, partitions=n)
    bands = add("index_bands", segment.index_bands, bucket(rows), tasks=n)
    return add("index_entry", segment.index_entry, whole(stored), whole(bands), whole(s["corpus"]), label=label)


def _label(crawl: Leaf | Step) -> str:
    """The names of the files, for a dump whose documents say none."""
    found = sorted({row["name"] for row in crawl.rows}) if isinstance(crawl, Leaf) else ["demo"]
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


def _spans(c: Config, docs: Step, left: list[Step], s: Mapping[str, Step], size: int, add: Callable) -> Step:
    """Lines or runs of sentences that stand elsewhere before: what to cut out of the documents that are left."""
    n, ranked = c["spans"].get("partitions") or partitions(size), _ranked(c, "spans", s)
    routed = add("span_route", spans.span_route, docs, *left, *ranked, section="spans", partitions=n)
    elected = add("span_elect", spans.span_elect, bucket(routed), tasks=n, span=routed.params["span"])
    return add("spans", spans.span_join, docs, routed, bucket(elected), *left, section="spans")


def _substrings(c: Config, docs: Step, left: list[Step], s: Mapping[str, Step], size: int, add: Callable) -> Step:
    """Runs of words that stand elsewhere before, in what spans have left."""
    n, ranked = c["substrings"].get("partitions") or partitions(size), _ranked(c, "substrings", s)
    settings: dict[str, Any] = {"section": "substrings", "partitions": n}
    anchors = add("anchor_route", substrings.anchor_route, docs, *left, **settings)
    again = add("anchor_elect", substrings.anchor_elect, bucket(anchors), tasks=n)
    inputs = docs, anchors, bucket(again), *left, *ranked
    routed = add("substring_route", substrings.substring_route, *inputs, **settings)
    elected = add("substring_elect", spans.span_elect, bucket(routed), tasks=n, span=routed.params["tokens"])
    return add("substrings", substrings.substring_join, docs, routed, bucket(elected), *left, section="substrings")


def _followed(decided: list[Step], s: Mapping[str, Step], add: Callable) -> list[Edge]:
    """Where duplicates of documents that were dropped later belong: they are few beside all documents."""
    n, ends = max(1, s["near_route"].params["partitions"] // 16), list[Edge]()
    rounds = len(decided) - 1 - ("index" in s)  # what an index knows leads out of the corpus at once
    for name in ("follow", "follow_further")[:rounds]:
        asked = add(f"{name}_route", follow.follow_route, *decided, *ends[-1:], partitions=n)
        ends.append(bucket(add(name, follow.follow, bucket(asked), tasks=n)))
    return ends


def partitions(size: int, gib: int = 1) -> int:
    """Shuffle partitions for `size` bytes of raw input: one for so many GiB keeps the memory of each below a GiB.

    Not more: on an object store, every partition of a step asks every shard of the step before (`dedup/README.md`).
    """
    return min(max(2, -(-size // (gib << 30))), 4096)


def _explained(c: Config) -> list[dict[str, Any]]:
    return [{**rule, "why": c.why.get(rule["name"], "")} for rule in c.rules]


def story(wanted: Wanted, store: Store, page: str) -> str:
    """`explain` for a page of the finished corpus of a recipe. Raises UserError when it is not finished."""
    from pipeline.explain import explain

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
    found: dict[str, list[Part]] = {}
    for name in shown:
        made = wanted.steps.get(names.get(name, name))
        if made is not None and store.exists(f"{folder_of(made)}/manifest.json"):
            found[name] = parts(store, made)
        elif made is not None:
            raise UserError(f"{store.uri(folder_of(made))} is gone; run `corpus` again to explain pages from it")
    return explain(found, wanted.config.rules, page)
