"""A small crawl in four shards, as the stages before publishing leave it: every kind of fate, and texts that bite."""

import datetime
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa

from dedup.chains import resolved_chains
from extract.range_counts import RANGES, RangeCounts
from filters.contamination.columns import CONTAMINATION_SCHEMA
from filters.contamination.hits import HITS
from filters.quality.columns import QUALITY_SCHEMA
from filters.rules import verdicts
from filters.signals.columns import SIGNALS_SCHEMA
from filters.urls.columns import URLS_SCHEMA
from pipeline.base.schema import LANGUAGES, PAGES, REJECTS, SELECTION
from pipeline.publish import ledger
from pipeline.publish.corpus import corpus as published_folder
from pipeline.publish.data import data as data_files
from pipeline.publish.explain import Evidence
from pipeline.publish.layout import layout as file_layout
from pipeline.runner.dag import InputFiles, Step, all_shards, partition, step
from pipeline.runner.manifests import shards_of
from pipeline.runner.scheduler import InProcess, execute
from pipeline.runner.stage import selection, stage
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

SHARDS, EACH = 4, 60
RULES = (
    {"name": "language", "column": "language", "equals": "de", "stage": "language"},
    {"name": "gopher_word_count", "column": "word_count", "min": 50, "stage": "gopher"},
    {"name": "line_punct_ratio", "column": "line_punct_ratio", "min": 0.12, "stage": "fineweb"},
    {"name": "contamination", "column": "contamination", "max": 0.8, "stage": "contamination"},
)
RECIPE = json.dumps({"rules": RULES, "steps": {"pages": "ab" * 12, "verdicts": "cd" * 12}, "preset": "small <world>"})
SIDECARS = ("languages", "urls", "signals", "quality", "contamination")
RELATIONS = {"exact": "same text as", "near": "like"}
SCRIPT = "<script>alert('gelesen & ausgeführt')</script>"
_WORDS = [
    "Garten",
    "Fluss",
    "Brücke",
    "Abend",
    "lesen",
    "schreiben",
    "zwischen",
    "Häuser",
    "Straße",
    "weil",
    "größer",
    "Zeit",
    "Morgen",
    "Wald",
]


def id_of(shard: int, row: int) -> str:
    return hashlib.md5(f"{shard}/{row}".encode()).hexdigest()


def text_of(shard: int, row: int) -> str:
    seed = random.Random(f"{shard}/{row}")
    text = " ".join(seed.choice(_WORDS) for _ in range(60 + seed.randrange(400))) + "."
    special = {
        3: "SchÃ¶ne GrÃ¼ÃŸe von " + text,
        4: f"Schreiben Sie an jana.weber{shard}@beispiel-verein.de oder Tel. 030 22751170. " + text,
        5: "IBAN DE89 3704 0044 0532 0130 00, Server 93.184.216.34. " + text,
        6: f"{SCRIPT} </style>]]> & \x0b{text}",
        7: "שלום עולם " + text,
    }
    return special.get(row, text)


def fate_of(shard: int, row: int) -> str:
    """kept, a rule's name, exact or near."""
    if row % 10 == 8:
        return ("language", "gopher_word_count", "line_punct_ratio", "contamination")[(row // 10 + shard) % 4]
    if row == 20 and shard:
        return "exact"  # of row 20 in shard 0
    if row in (21, 22) and shard:
        return "near"  # of row 21 in shard 0
    return "kept"


def _head(shard: int, row: int) -> str | None:
    kind = fate_of(shard, row)
    return {"exact": id_of(0, 20), "near": id_of(0, 21)}.get(kind)


def _rows(shard: int) -> range:
    return range(EACH)


@stage(version=1, outputs={"part": PAGES, "rejects": REJECTS, "ranges": RANGES})
def pages(source: Shard) -> Iterator[pa.Table | Output]:
    s = source.index
    rows, rejects = [], []
    for r in _rows(s):
        url = f"https://www.host{r % 7}.de/seite/{s}/{r}" + ("?q=<script>alert(1)</script>" if r == 6 else "")
        row = dict.fromkeys(PAGES.names)
        row |= {"id": id_of(s, r), "url": url, "host": f"www.host{r % 7}.de", "dump": f"CC-MAIN-202{s % 2}-05"}
        row |= {"source": f"crawl-{s}.warc.gz", "offset": 1000 * r, "text": text_of(s, r), "html_bytes": 5000}
        row |= {"title": SCRIPT if r == 6 else f"Seite {r} <b>&", "charset": "utf-8", "extractor": "trafilatura"}
        row |= {
            "author": "Erna Muster, erna@muster.example" if r == 3 else None,
            "published": datetime.date(2020, 5, r % 28 + 1),
        }
        rows.append(row | {"date": datetime.datetime(2021, 1, 1 + s, r % 24, tzinfo=datetime.UTC)})
    for r in range(9):
        rule = ("not_html", "status", "timeout")[r % 3]
        reject = dict.fromkeys(REJECTS.names) | {"id": id_of(s, 1000 + r), "url": f"https://www.host9.de/{s}/{r}.pdf"}
        reject |= {"source": f"crawl-{s}.warc.gz", "offset": 1000 * r + 500, "rule": rule, "detail": f"{SCRIPT} {rule}"}
        rejects.append(reject | {"stage": "extract" if rule == "timeout" else "http"})
    yield pa.Table.from_pylist(rows, schema=PAGES)
    yield Output(pa.Table.from_pylist(rejects, schema=REJECTS), name="rejects")
    counts = RangeCounts(f"crawl-{s}.warc.gz", "warc", 100_000, 100_000, records=EACH + len(rejects), documents=EACH)
    yield Output(counts.table(), name="ranges")


def _sidecar(schema: pa.Schema, shard: int, **columns) -> pa.Table:
    """A sidecar: id and what `columns` (functions of the row) say, null elsewhere."""
    rows = [dict.fromkeys(schema.names) | {n: f(r) for n, f in columns.items()} for r in _rows(shard)]
    return pa.Table.from_pylist([row | {"id": id_of(shard, r)} for r, row in enumerate(rows)], schema=schema)


@stage(version=1, outputs={"part": LANGUAGES})
def languages(pages: Shard) -> Iterator[pa.Table]:
    foreign = {r for r in _rows(pages.index) if fate_of(pages.index, r) == "language"}
    yield _sidecar(
        LANGUAGES, pages.index, language=lambda r: "nl" if r in foreign else "de", script=lambda r: "Latn",
        language_score=lambda r: 0.98,
    )  # fmt: skip


@stage(version=1, outputs={"part": URLS_SCHEMA})
def urls(pages: Shard) -> Iterator[pa.Table]:
    yield _sidecar(URLS_SCHEMA, pages.index)


@stage(version=1, outputs={"part": SIGNALS_SCHEMA})
def signals(pages: Shard) -> Iterator[pa.Table]:
    failing = {r: fate_of(pages.index, r) for r in _rows(pages.index)}
    yield _sidecar(
        SIGNALS_SCHEMA, pages.index,
        word_count=lambda r: 12 if failing[r] == "gopher_word_count" else len(text_of(pages.index, r).split()),
        line_punct_ratio=lambda r: 0.05 if failing[r] in ("line_punct_ratio", "gopher_word_count") else 0.9,
    )  # fmt: skip


@stage(version=1, outputs={"part": QUALITY_SCHEMA})
def quality(pages: Shard) -> Iterator[pa.Table]:
    score = {r: random.Random(r).random() for r in _rows(pages.index)}
    yield _sidecar(QUALITY_SCHEMA, pages.index, quality=lambda r: score[r], quality_percentile=lambda r: 100 * score[r])


@stage(version=1, outputs={"part": CONTAMINATION_SCHEMA, "hits": HITS})
def contamination(pages: Shard) -> Iterator[pa.Table]:
    leaked = {r: 0.97 for r in _rows(pages.index) if fate_of(pages.index, r) == "contamination"} | {11: 0.4}
    named = {r: f"small/{pages.index}-{r}{SCRIPT}" for r in leaked}
    yield _sidecar(
        CONTAMINATION_SCHEMA, pages.index, contamination=lambda r: leaked.get(r, 0.0), item=named.get,
        benchmark=lambda r: "small-bench" if r in leaked else None, kind=lambda r: "both" if r in leaked else None,
        contaminated_items=lambda r: 1 + (r == 11) if r in leaked else 0,
    )  # fmt: skip
    hits = [(r, "small-bench", named[r], leaked[r]) for r in leaked] + [(11, "other-bench", "0", 0.3)]
    columns = zip(
        *[(id_of(pages.index, r), name, item, "both", score, 0, 9) for r, name, item, score in hits], strict=True
    )
    yield Output(pa.table([list(column) for column in columns], schema=HITS), name="hits")


def _selection(shard: int, before: list[dict], kind: str, head: tuple[int, int], size: int, **reason) -> pa.Table:
    """SELECTION of a step that drops the documents of this kind as duplicates of `head`; the rest is as `before`."""
    rows = []
    for r, earlier in enumerate(before):
        row = dict.fromkeys(SELECTION.names) | {"id": id_of(shard, r), "keep": earlier["keep"]}
        if earlier["keep"]:
            row |= {"cluster": row["id"], "cluster_size": earlier["cluster_size"]}
            if fate_of(shard, r) == kind or (shard, r) == head:
                row |= {"cluster": id_of(*head), "cluster_size": size}
            if fate_of(shard, r) == kind:
                row |= {"keep": False, "stage": kind, "duplicate_of": id_of(*head), **reason}
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=SELECTION)


@selection(version=1, relation="same text as")
def exact(pages: Shard, selection: Shard) -> Iterator[pa.Table]:
    before = selection.table().to_pylist()
    yield _selection(pages.index, before, "exact", (0, 20), SHARDS, rule="duplicate_text", value=1.0)


@selection(version=1, relation="like")
def near(pages: Shard, selection: Shard) -> Iterator[pa.Table]:
    before, reason = selection.table().to_pylist(), {"rule": "near_duplicate", "value": 0.91, "threshold": 0.8}
    yield _selection(pages.index, before, "near", (0, 21), 1 + 2 * (SHARDS - 1), **reason)


def numbered(function: Callable, **inputs: Any) -> Step:
    """A step of this world's own stages, whose rows are invented from the number of the shard."""
    return step(function, stage=replace(function.stage, numbered=True), **inputs)  # type: ignore[attr-defined]


def steps(shard_bytes: int = 110_000, **settings) -> dict[str, Step]:
    """The graph from pages to the printed folder, bound as the recipe binds it."""
    bound = {
        "pages": numbered(
            pages, source=InputFiles("small world", tuple(range(SHARDS)), tuple({"n": i} for i in range(SHARDS)))
        )
    }
    for function in (languages, urls, signals, quality, contamination):
        bound[function.__name__] = numbered(function, pages=bound["pages"])
    sidecars = {name: bound[name] for name in SIDECARS}
    bound["verdicts"] = step(verdicts, sidecars={"pages": bound["pages"], **sidecars}, rules=RULES)
    bound["exact"] = numbered(exact, pages=bound["pages"], selection=bound["verdicts"])
    bound["near"] = numbered(near, pages=bound["pages"], selection=bound["exact"])
    selections = {name: bound[name] for name in ("verdicts", "exact", "near")}
    related = {name: bound[name] for name in RELATIONS}
    resolved = resolved_chains(step, related, 2)
    bound["ledger"] = step(
        ledger.ledger, pages=bound["pages"], selections=selections, resolved=resolved, relations=RELATIONS
    )
    bound["layout"] = step(file_layout, ledgers=all_shards(bound["ledger"]), shard_bytes=shard_bytes)
    common = {"ledgers": all_shards(bound["ledger"]), "pages": all_shards(bound["pages"])}
    bound["data"] = step(
        data_files,
        layout=partition(bound["layout"]),
        sidecars={name: all_shards(bound[name]) for name in ("languages", "signals", "quality")},
        selection=all_shards(bound["near"]),
        **common,
        **settings,
    )
    bound["corpus"] = step(
        published_folder,
        data=all_shards(bound["data"]),
        sidecars={name: all_shards(step_) for name, step_ in sidecars.items()},
        selections={name: all_shards(step_) for name, step_ in selections.items()},
        alarms={},
        extracted=all_shards(bound["pages"]),
        relations=RELATIONS,
        title="Small <World>",
        language="de",
        recipe=RECIPE,
        **common,
    )
    return bound


def build(root, **settings) -> tuple[Store, dict[str, Step], str]:
    """Run it all in this process; returns the store, the steps and the printed folder."""
    store, bound = Store(root), steps(**settings)
    return store, bound, execute(bound["corpus"], store, InProcess)


def shards_by_step(store: Store, bound: dict[str, Step]) -> dict[str, list[Shard]]:
    return {name: shards_of(store, bound[name]) for name in bound if name not in ("layout", "corpus")}


def evidence(store: Store, bound: dict[str, Step]) -> Evidence:
    """What `explain` reads of the finished steps."""
    shards = shards_by_step(store, bound)
    sidecars = {name: shards[name] for name in SIDECARS}
    selections = {name: shards[name] for name in ("verdicts", "exact", "near")}
    return Evidence(shards["pages"], shards["ledger"], shards["data"], sidecars, selections, RELATIONS, RULES)
