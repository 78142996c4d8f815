"""Near duplicates of one file of texts, without a recipe or a run: JSON lines or Parquet in, JSON lines out."""

import json
import sys
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from dedup.chains import near_duplicates, settings_binder
from dedup.common.in_memory import evaluate
from dedup.near.minhash import parse_preset
from pipeline.base.errors import UserError
from pipeline.base.schema import PAGES
from pipeline.inputs.text_files import LostReport, read_batches
from pipeline.runner.dag import InputFiles
from pipeline.store.shard import Shard

DOCUMENTS_PER_PARTITION = 1 << 20


def dedup_file(
    path: str | Path,
    out: TextIO,
    preset: str = "14x8",
    threshold: float = 0.8,
    text_column: str = "text",
    id_column: str | None = None,
    ngram: int = 5,
) -> dict[str, int]:
    """Write {id, duplicate_of, similarity, cluster, cluster_size} as a line for every row of a file, in its order.

    The first of several near duplicates is kept. `id_column` None: column `id`, or row numbers from 0 without one.
    Texts are in memory, with 200 bytes a row in addition. Returns counts for a summary: rows, removed, clusters. What
    cannot be read is left out and reported on standard error. Raises UserError, which names file and line, for a file
    of which nothing can be read.
    """
    settings = near_settings(preset, threshold, ngram)
    ids, texts = _read(Path(path), text_column, id_column)
    counts = {"rows": len(ids), "removed": 0, "clusters": 0}
    for id_, row in zip(ids, deduplicate_texts(texts, **settings).to_pylist(), strict=True):
        names = {name: None if row[name] is None else ids[row[name]] for name in ("duplicate_of", "cluster")}
        counts["removed"] += row["duplicate_of"] is not None
        counts["clusters"] += row["duplicate_of"] is None and row["cluster_size"] > 1
        line = {"id": id_, **names, "similarity": row["similarity"], "cluster_size": row["cluster_size"]}
        out.write(json.dumps(line) + "\n")
    return counts


def near_settings(preset: str, threshold: float, ngram: int) -> dict[str, Any]:
    """Return the settings of the chain of near deduplication. Raises UserError for a value that is not possible."""
    bands, rows = parse_preset(preset)
    if not 0 < threshold <= 1:
        raise UserError(f"threshold {threshold}: not a Jaccard similarity; type a number over 0 and up to 1")
    if ngram < 1:
        raise UserError(f"ngram {ngram}: not a number of words; type 1 or more (5 is usual)")
    return {"bands": bands, "rows": rows, "threshold": threshold, "ngram": ngram}


def deduplicate_texts(texts: list[pa.Array], **settings: Any) -> pa.Table:
    """Return a row for every text: duplicate_of and cluster (row numbers from 0), similarity, cluster_size.

    The first of several near duplicates is kept. `texts` are arrays of strings, `settings` those of `near_settings`.
    """
    selection = near_selection(_pages_of(texts), **settings)
    columns = {
        name: pa.array([id_ and int(id_, 16) for id_ in selection[name].to_pylist()], pa.int64())
        for name in ("duplicate_of", "cluster")
    }
    return pa.table({**columns, "similarity": selection["value"], "cluster_size": selection["cluster_size"]})


def near_selection(pages: pa.Table, **settings: Any) -> pa.Table:
    """Return the SELECTION of near deduplication of a table of PAGES in memory, with these settings of [near]."""
    source = InputFiles("pages", (), ())
    chain = near_duplicates(settings_binder(**settings), source, 1 + pages.num_rows // DOCUMENTS_PER_PARTITION)
    return evaluate(chain.near, {"pages": [Shard.of(pages)]})["near"].table()


def _pages_of(texts: list[pa.Array]) -> pa.Table:
    """Return texts as PAGES with row numbers as ids, so that the first of several is kept; other columns are null."""
    tables, first_row = [PAGES.empty_table()], 0
    for text in texts:
        nulls = {field.name: pa.nulls(len(text), field.type) for field in PAGES}
        ids = pa.array([f"{first_row + i:032x}" for i in range(len(text))])
        tables.append(pa.table({**nulls, "id": ids, "text": text}, schema=PAGES))
        first_row += len(text)
    return pa.concat_tables(tables)


def _read(path: Path, text_column: str, id_column: str | None) -> tuple[list, list[pa.Array]]:
    ids, texts = [], []
    lost = LostReport(sys.stderr.write)
    for batch_ids, batch_texts in read_batches(path, text_column, id_column, on_lost=lost):
        ids += batch_ids
        texts.append(batch_texts)
    lost.finish()
    return ids, texts
