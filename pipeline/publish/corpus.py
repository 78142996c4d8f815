"""Publishing: even files of the kept documents, text mended and personal data masked; and the folder people get."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.passages.text_spans import without
from filters.fix_text import mend
from filters.pii import mask as personal
from pipeline.config.values import Range
from pipeline.publish import samples, stats
from pipeline.publish.card import card
from pipeline.publish.report import report
from pipeline.runner.dag import stage
from pipeline.store.join import join_sidecars, read_aligned
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

# Rows [first, last) of one shard of pages belong to one file; their kept rows are what it holds.
RANGES = pa.schema([(n, pa.int64()) for n in ("file", "shard", "first", "last", "documents", "text_bytes")])
DATA = pa.schema(
    [
        ("id", pa.string()),  # 32 hex digits; the ledger knows it too
        ("url", pa.string()),
        ("host", pa.string()),
        ("date", pa.timestamp("ms", "UTC")),  # of the capture; Parquet has no seconds, so readers agree on milliseconds
        ("dump", pa.string()),
        ("source", pa.string()),
        ("offset", pa.int64()),  # of the record in the source: where to read the page again
        ("title", pa.string()),
        ("text", pa.string()),  # mended, personal data masked
        ("language", pa.string()),
        ("script", pa.string()),
        ("language_score", pa.float64()),
        ("quality", pa.float64()),  # null where no classifier ran
        ("license", pa.string()),  # the page's own link, null if none
        ("author", pa.string()),  # as the page names them, null if not; personal data masked
        ("published", pa.date32()),
        ("canonical", pa.string()),
        ("duplicates", pa.int64()),  # documents of the crawl that this one stands for, itself among them
        ("word_count", pa.int64()),
        ("char_count", pa.int64()),  # of `text` as it stands here
        ("pii_masked", pa.int64()),  # in title, author and text
    ]
)
# What the texts add up to, so that statistics need not read them again.
TOTALS = pa.schema([("name", pa.string()), ("value", pa.int64())])
_FROM_PAGES = ["id", "url", "host", "date", "dump", "source", "offset", "title", "text", "license"]
_FROM_PAGES += ["author", "published", "canonical"]
_BATCH = 1024


@stage(version=1, outputs={"part": RANGES})
def layout(ledgers: list[Shard], *, shard_bytes: Annotated[int, Range(1)] = 256 << 20) -> Iterator[Output]:
    """Cut the kept documents, in their order, into the fewest files of at most about `shard_bytes` of UTF-8 text each.

    A document belongs to the file in which its middle byte falls when the whole is cut evenly, so files differ by less
    than a document at either end. One bucket a file; an empty corpus has one empty file.
    """
    total = sum(sum(pc.sum(b["text_bytes"], min_count=0).as_py() for b in _sizes(part)) for part in ledgers)
    count = max(1, -(-total // shard_bytes))
    edges = np.array([total * k // count for k in range(1, count)], dtype=np.int64)
    ranges, before = [], 0
    for part in ledgers:
        for batch in _sizes(part):
            found, before = _cut(part.index, batch, before, edges)
            ranges += found
    yield from _files(ranges)


def _sizes(part: Shard) -> Iterator[pa.RecordBatch]:
    return part.batches(["row", "text_bytes"], name="kept", rows=1 << 16)


def _cut(shard: int, batch: pa.RecordBatch, before: int, edges: np.ndarray) -> tuple[list[dict], int]:
    """Ranges of one batch of kept rows, and the bytes up to its end."""
    rows, sizes = (batch[name].to_numpy(zero_copy_only=False) for name in ("row", "text_bytes"))
    ends = before + np.cumsum(sizes)
    files = np.searchsorted(edges, ends - sizes + sizes // 2, side="right")
    starts = np.flatnonzero(np.diff(files, prepend=-1)).tolist()
    ranges = [
        {
            "file": int(files[a]),
            "shard": shard,
            "first": int(rows[a]),
            "last": int(rows[b - 1]) + 1,
            "documents": int(b - a),
            "text_bytes": int(sizes[a:b].sum()),
        }
        for a, b in zip(starts, [*starts[1:], len(files)], strict=True)
    ]
    return ranges, int(ends[-1]) if len(ends) else before


def _files(ranges: list[dict]) -> Iterator[Output]:
    """One bucket a file, numbered without gaps (a document larger than a file leaves numbers over)."""
    if not ranges:
        ranges = [dict.fromkeys(RANGES.names, 0)]
    for k, file in enumerate(sorted({r["file"] for r in ranges})):
        mine = [{**r, "file": k} for r in ranges if r["file"] == file]
        yield Output(pa.Table.from_pylist(mine, schema=RANGES), bucket=k)


@stage(version=3, libraries=("ftfy", "phonenumbers", "python-stdnum"), outputs={"part": DATA, "totals": TOTALS})
def data(
    layout: list[Shard],
    ledgers: list[Shard],
    pages: list[Shard],
    languages: list[Shard],
    signals: list[Shard],
    near: list[Shard],
    *others: list[Shard],
    pii: tuple[str, ...] = personal.KINDS,
    region: str = "DE",
    tag: str = personal.TAG,
    mend_text: bool = True,
) -> Iterator[pa.Table | Output]:
    """The rows of one file, in the order of the pages.

    `others`: what the classifier measured, and what steps after near dedup cut out of the texts, in their order.
    `pii`: kinds of personal data to mask (`filters/pii/mask.py`), none when empty. `region`: ISO 3166-1 country whose
    phone
    numbers are meant where the host's top-level domain names none. `tag`: what stands in their place. `mend_text`:
    undo mojibake first (`filters/fix_text.py`).
    """
    personal.check(pii, region, tag)
    ranges = [r for part in layout for r in part.table().to_pylist()]
    totals: Counter = Counter()

    def kept() -> Iterator[pa.Table]:
        for r in sorted(ranges, key=lambda r: (r["shard"], r["first"])):
            i = r["shard"]
            sidecars = _sidecars(languages[i], signals[i], near[i], [other[i] for other in others])
            chosen = _chosen(ledgers[i], r["first"], r["last"])
            yield from map(_left, _rows(pages[i], sidecars, chosen))

    for pieces in _gathered(kept()):
        rows, first = _published(pa.concat_tables(pieces), totals, (pii, region, tag, mend_text)), 0
        for piece in pieces:  # the bytes of the file do not depend on what was gathered
            yield rows.slice(first, piece.num_rows)
            first += piece.num_rows
    yield Output(
        pa.table({"name": sorted(totals), "value": [totals[n] for n in sorted(totals)]}, TOTALS), name="totals"
    )


def _sidecars(languages: Shard, signals: Shard, near: Shard, others: list[Shard]) -> pa.Table:
    """Columns to publish, and those of cutting steps as `cuts 0`, `left_ratio 0`, `cuts 1` ..."""
    wanted = [
        (languages, ["language", "script", "language_score"]),
        (signals, ["word_count"]),
        (near, ["cluster_size"]),  # with the exact copies of members
    ]
    joined, number = join_sidecars(*wanted), 0
    for part in others:
        table = read_aligned(joined["id"], part)
        cutting = "cuts" in table.column_names
        for name in ("cuts", "left_ratio") if cutting else ("quality",):
            joined = joined.append_column(f"{name} {number}" if cutting else name, table[name])
        number += cutting
    if "quality" not in joined.column_names:
        joined = joined.append_column("quality", pa.nulls(joined.num_rows, pa.float64()))
    return joined


def _left(rows: pa.Table) -> pa.Table:
    """Texts and word counts after the cuts. Words in proportion: signals count them otherwise than deduplication."""
    number = 0
    while f"cuts {number}" in rows.column_names:
        text = without(rows["text"].combine_chunks(), rows[f"cuts {number}"].combine_chunks())
        count = pc.round(pc.multiply(rows["word_count"].cast(pa.float64()), rows[f"left_ratio {number}"]))
        for name, column in (("text", text), ("word_count", count.cast(pa.int64()))):
            rows = rows.set_column(rows.schema.get_field_index(name), name, column)
        number += 1
    return rows


def _chosen(ledger: Shard, first: int, last: int) -> pa.Table:
    """Kept rows of the range: id, row."""
    kept = ledger.table(["id", "row"], name="kept")
    return kept.filter(pc.and_(pc.greater_equal(kept["row"], first), pc.less(kept["row"], last)))


def _rows(pages: Shard, sidecars: pa.Table, chosen: pa.Table) -> Iterator[pa.Table]:
    """Chosen pages with their sidecars, a batch at a time. Raises AssertionError where ids differ."""
    wanted = chosen["row"].to_numpy()
    first = 0
    for batch in pages.batches(_FROM_PAGES, rows=_BATCH):
        last = first + batch.num_rows
        a, b = np.searchsorted(wanted, [first, last])
        if b > a:
            rows = pa.Table.from_batches([batch]).take(pa.array(wanted[a:b] - first))
            beside, mine = sidecars.take(pa.array(wanted[a:b])), chosen.slice(a, b - a)
            if not rows["id"].equals(beside["id"]) or not rows["id"].equals(mine["id"]):
                raise AssertionError(f"{pages.folder} shard {pages.index}: ids of sidecars or ledger differ")
            for table in (beside, mine):
                for name in table.column_names:
                    rows = rows if name in rows.column_names else rows.append_column(name, table[name])
            yield rows
        first = last
        if first and len(wanted) and first > wanted[-1]:
            return


def _gathered(tables: Iterator[pa.Table]) -> Iterator[list[pa.Table]]:
    """`_BATCH` rows and more at once: a shard in many languages has few that are kept, and each search for what is
    mended or masked has its fixed cost."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(rows.num_rows for rows in held) >= _BATCH:
            yield held
            held = []
    if held:
        yield held


def _published(rows: pa.Table, totals: Counter, settings: tuple) -> pa.Table:
    kinds, region, tag, mended = settings
    regions = [personal.region_of(host, region) for host in rows["host"].to_pylist()]
    counts: list[Counter] = [Counter() for _ in regions]
    made = {}
    for name in ("text", "title", "author"):
        given = pc.fill_null(rows[name], "") if name == "text" else rows[name]
        whole = mend(given.combine_chunks()) if mended else given.combine_chunks()
        made[name], found = personal.mask_all(whole, kinds, regions, tag)
        if name == "text":
            totals["mended"] += pc.sum(pc.not_equal(whole, given), min_count=0).as_py()
        for held, more in zip(counts, found, strict=True):
            held.update(more)
    for held in counts:
        totals.update({f"pii_{kind}": n for kind, n in held.items()})
        totals["pii_documents"] += bool(held)
    return _table(rows, made, [held.total() for held in counts], totals)


def _table(rows: pa.Table, texts: dict[str, pa.Array], masked: list[int], totals: Counter) -> pa.Table:
    text = texts["text"]
    made = {
        **texts,
        "char_count": pc.utf8_length(text).cast(pa.int64()),
        "pii_masked": pa.array(masked, pa.int64()),
        "duplicates": rows["cluster_size"],
        "date": rows["date"].cast(pa.timestamp("ms", "UTC")),
    }
    totals["documents"] += rows.num_rows
    totals["text_bytes"] += pc.sum(pc.binary_length(text).cast(pa.int64()), min_count=0).as_py()
    totals["characters"] += pc.sum(made["char_count"], min_count=0).as_py()
    totals["words"] += pc.sum(rows["word_count"], min_count=0).as_py()
    return pa.table({name: made[name] if name in made else rows[name] for name in DATA.names}, DATA)


@stage(version=2, outputs={})
def corpus(
    data: list[Shard],
    ledgers: list[Shard],
    pages: list[Shard],
    verdicts: list[Shard],
    languages: list[Shard],
    exact: list[Shard],
    near: list[Shard],
    *others: list[Shard],
    names: tuple[str, ...] = (),
    title: str = "Corpus",
    language: str = "",
    region: str = "DE",
    recipe: str = "{}",
) -> Iterator[Output]:
    """The folder people get: data and ledger (linked, not copied), `stats.json`, `README.md`, `report.html`.

    `others`: shards of the optional steps that ran, with their `names`: contamination, url_dedup, spans, substrings.
    `title`, `language`: what the card calls it (language as ISO 639-1, else 639-3). `region`: as for `data`, for the
    samples of dropped pages in the report. `recipe`: JSON with "rules" (objects in the recipe's order) and "steps"
    (name: key); other plain values are printed too.
    """
    for i, part in enumerate(data):
        yield Output.copy(f"data/train-{i:05d}-of-{len(data):05d}.parquet", part.shard("part"))
    for i, part in enumerate(ledgers):
        yield Output.copy(f"ledger/ledger-{i:05d}.parquet", part.shard("part"))
    more = dict(zip(names, others, strict=True))
    found = stats.count(data, ledgers, pages, verdicts, languages, exact, near, more, json.loads(recipe))
    shown = {
        "kept": samples.kept(data),
        "dropped": samples.dropped(ledgers, pages, region),
        "hits": samples.hits(more.get("contamination"), ledgers),
    }
    size = sum(part.store.size(part.shard("part")) for part in data if part.store)
    yield Output.file("stats.json", json.dumps(found, indent=1, ensure_ascii=False).encode() + b"\n")
    yield Output.file("README.md", card(found, DATA, title, language, size).encode())
    yield Output.file("report.html", report(found, shown, title, language).encode())
