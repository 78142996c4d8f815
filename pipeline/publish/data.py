"""The data files of a corpus: kept documents with their columns, text fixed and personal data masked."""

from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.passages.text_spans import delete_spans, removed_passages
from filters.fix_text import fix_mojibake
from filters.pii import mask as personal
from pipeline.publish.columns import DATA
from pipeline.runner.stage import stage
from pipeline.store.join import read_aligned
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

# What the texts add up to, so that statistics need not read them again.
TOTALS = pa.schema([("name", pa.string()), ("value", pa.int64())])
_FROM_PAGES = ["id", "url", "host", "date", "dump", "source", "offset", "title", "text", "license"]
_FROM_PAGES += ["author", "published", "canonical"]
_FROM_SIDECARS = ["language", "script", "language_score", "quality", "word_count"]
_BATCH = 1024


@stage(version=4, libraries=("ftfy", "phonenumbers", "python-stdnum"), outputs={"part": DATA, "totals": TOTALS})
def data(
    layout: list[Shard],
    ledgers: list[Shard],
    pages: list[Shard],
    sidecars: Mapping[str, list[Shard]],
    selection: list[Shard],
    removed: Mapping[str, list[Shard]] = MappingProxyType({}),
    *,
    pii: tuple[str, ...] = personal.KINDS,
    region: str = "DE",
    tag: str = personal.TAG,
    mend_text: bool = True,
) -> Iterator[pa.Table | Output]:
    """The rows of one file, in the order of the pages.

    `sidecars` and the last `selection` bring columns to publish; `removed` are the selections that remove passages from
    texts, in their order.

    Args:
        pii: Kinds of personal data to mask (`filters/pii/mask.py`); none when empty.
        region: ISO 3166-1 country whose phone numbers are meant where the host's top-level domain names none.
        tag: Text that replaces personal data; `{kind}` in it is the kind.
        mend_text: Whether mojibake is fixed before masking (`filters/fix_text.py`).
    """
    personal.check_masking(pii, region, tag)
    ranges = [row for shard in layout for row in shard.table().to_pylist()]
    totals: Counter = Counter()

    def kept() -> Iterator[pa.Table]:
        for row in sorted(ranges, key=lambda row: (row["shard"], row["first"])):
            i = row["shard"]
            beside = _published_columns({name: shards[i] for name, shards in sidecars.items()}, selection[i])
            passages = [removed_passages(shards[i]) for shards in removed.values()]
            chosen = _chosen(ledgers[i], row["first"], row["last"])
            yield from _rows(pages[i], beside, passages, chosen)

    for batch in _batches(kept()):
        rows, first = _published(pa.concat_tables(batch), totals, (pii, region, tag, mend_text)), 0
        for table in batch:  # the bytes of the file do not depend on which tables were joined
            yield rows.slice(first, table.num_rows)
            first += table.num_rows
    table = pa.table({"name": sorted(totals), "value": [totals[name] for name in sorted(totals)]}, TOTALS)
    yield Output(table, name="totals")


def _published_columns(sidecars: Mapping[str, Shard], selection: Shard) -> pa.Table:
    """Return the columns of sidecars and selection that are published; null where a sidecar did not run."""
    ids = selection.table(["id"])["id"]
    columns = {"id": ids, "cluster_size": read_aligned(ids, selection, ["cluster_size"])["cluster_size"]}
    for shard in sidecars.values():
        names = [name for name in _FROM_SIDECARS if name in shard.columns()]
        table = read_aligned(ids, shard, names)
        columns |= {name: table[name] for name in names}
    absent = {name: pa.nulls(len(ids), DATA.field(name).type) for name in _FROM_SIDECARS if name not in columns}
    return pa.table({**columns, **absent})


def _chosen(ledger: Shard, first: int, last: int) -> pa.Table:
    """Kept rows of the range: id, row."""
    kept = ledger.table(["id", "row"], name="kept")
    return kept.filter(pc.and_(pc.greater_equal(kept["row"], first), pc.less(kept["row"], last)))


def _rows(pages: Shard, beside: pa.Table, removed: list[pa.Table], chosen: pa.Table) -> Iterator[pa.Table]:
    """Chosen pages with their columns from sidecars, a batch at a time, passages removed from their texts.

    Raises AssertionError where ids differ.
    """
    rows = chosen["row"].to_numpy()
    first = 0
    for batch in pages.batches(_FROM_PAGES, rows=_BATCH):
        last = first + batch.num_rows
        low, high = np.searchsorted(rows, [first, last])
        if high > low:
            taken = pa.array(rows[low:high])
            table = pa.Table.from_batches([batch]).take(pa.array(rows[low:high] - first))
            columns = beside.take(taken)
            for other in (columns, chosen.slice(low, high - low)):
                if not table["id"].equals(other["id"]):
                    raise AssertionError(f"{pages.label}: ids of sidecars or ledger differ")
            for name in columns.column_names[1:]:
                table = table.append_column(name, columns[name])
            for passages in removed:
                table = _without_passages(table, passages.take(taken))
            yield table
        first = last
        if first and len(rows) and first > rows[-1]:
            return


def _without_passages(rows: pa.Table, passages: pa.Table) -> pa.Table:
    """Remove passages from the texts. Word counts shrink in proportion: signals and deduplication count words apart."""
    text = delete_spans(rows["text"].combine_chunks(), passages["removed"].combine_chunks())
    words = pc.round(pc.multiply(rows["word_count"].cast(pa.float64()), passages["remaining_ratio"]))
    for name, column in (("text", text), ("word_count", words.cast(pa.int64()))):
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    return rows


def _batches(tables: Iterator[pa.Table]) -> Iterator[list[pa.Table]]:
    """Join tables up to `_BATCH` rows. Of a shard in many languages few rows are kept, and each search for what is
    fixed or masked has a fixed cost."""
    buffered: list[pa.Table] = []
    for table in tables:
        buffered.append(table)
        if sum(rows.num_rows for rows in buffered) >= _BATCH:
            yield buffered
            buffered = []
    if buffered:
        yield buffered


def _published(rows: pa.Table, totals: Counter, settings: tuple) -> pa.Table:
    kinds, region, tag, fixes_text = settings
    regions = [personal.region_of(host, region) for host in rows["host"].to_pylist()]
    addresses = zip(rows["id"].to_pylist(), rows["url"].to_pylist(), strict=True)
    names = [f"document {id_} ({url})" for id_, url in addresses]
    masks: list[Counter] = [Counter() for _ in regions]  # of each document, by kind
    columns = {}
    for name in ("text", "title", "author"):
        original = pc.fill_null(rows[name], "") if name == "text" else rows[name]
        fixed = fix_mojibake(original.combine_chunks(), names) if fixes_text else original.combine_chunks()
        columns[name], counts = personal.mask_all(fixed, kinds, regions, tag, names)
        if name == "text":
            totals["mended"] += pc.sum(pc.not_equal(fixed, original), min_count=0).as_py()
        for mask, count in zip(masks, counts, strict=True):
            mask.update(count)
    for mask in masks:
        totals.update({f"pii_{kind}": n for kind, n in mask.items()})
        totals["pii_documents"] += bool(mask)
    text = columns["text"]
    columns |= {
        "char_count": pc.utf8_length(text).cast(pa.int64()),
        "pii_masked": pa.array([mask.total() for mask in masks], pa.int64()),
        "duplicates": rows["cluster_size"],
        "date": rows["date"].cast(pa.timestamp("ms", "UTC")),
    }
    totals["documents"] += rows.num_rows
    totals["text_bytes"] += pc.sum(pc.binary_length(text).cast(pa.int64()), min_count=0).as_py()
    totals["characters"] += pc.sum(columns["char_count"], min_count=0).as_py()
    totals["words"] += pc.sum(rows["word_count"], min_count=0).as_py()
    return pa.table({name: columns[name] if name in columns else rows[name] for name in DATA.names}, DATA)
