"""Near duplicates of one file of texts, without a recipe or a run: JSON lines or Parquet in, JSON lines out."""

import difflib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from dedup.candidates import near_components, near_links, near_route
from dedup.local import Shards, run
from dedup.minhash import parse_preset, signatures
from dedup.near import near_elect, near_gather, near_join
from pipeline.errors import UserError
from pipeline.schema import PAGES
from pipeline.store import Part

_ROWS = 8192
_DOCUMENTS_A_PARTITION = 1 << 20
Row = tuple[Any, str | None]  # the id as the file has it, the text


def dedup_file(
    path: str | Path,
    out: TextIO,
    preset: str = "14x8",
    threshold: float = 0.8,
    text_column: str = "text",
    id_column: str | None = None,
    ngram: int = 5,
) -> dict[str, int]:
    """Write one line of {id, duplicate_of, similarity, cluster, cluster_size} a row of the file, in its order.

    The first of several near duplicates stays. `id_column` None: column `id`, or row numbers from 0 without one.
    Texts are held in memory (and 200 bytes a row besides). Returns counts for a summary: rows, removed, clusters.
    Raises UserError, naming file and line, for what cannot be read.
    """
    bands, rows = parse_preset(preset)
    if not 0 < threshold <= 1:
        raise UserError(f"threshold {threshold}: not a Jaccard similarity; type a number over 0 and up to 1")
    if ngram < 1:
        raise UserError(f"ngram {ngram}: not a number of words; type 1 or more (5 is usual)")
    ids, texts = _load(Path(path), text_column, id_column)
    found = near_duplicates(_page_tables(texts), bands, rows, threshold, ngram).table()
    counts = {"rows": len(ids), "removed": 0, "clusters": 0}
    for id_, row in zip(ids, found.to_pylist(), strict=True):
        named = {k: None if row[k] is None else ids[int(row[k], 16)] for k in ("duplicate_of", "cluster")}
        counts["removed"] += row["duplicate_of"] is not None
        counts["clusters"] += row["duplicate_of"] is None and row["cluster_size"] > 1
        line = {"id": id_, **named, "similarity": row["similarity"], "cluster_size": row["cluster_size"]}
        out.write(json.dumps(line) + "\n")
    return counts


def near_duplicates(pages: pa.Table, bands: int, rows: int, threshold: float, ngram: int) -> Shards:
    """DUPLICATES of a table of PAGES in memory: the stages of a run, one after the other."""
    parts, p = [Part.of(pages)], 1 + pages.num_rows // _DOCUMENTS_A_PARTITION
    sigs = run(signatures, parts, bands=bands, rows=rows, ngram=ngram).parts
    routed = run(near_route, parts, sigs, partitions=p)
    links = run(near_links, routed.bucket, tasks=p, bands=bands, rows=rows, threshold=threshold).parts
    components = run(near_components, lambda _: links, lambda _: sigs)
    gathered = run(near_gather, parts, sigs, components.bucket, ngram=ngram, partitions=p)
    elected = run(near_elect, gathered.bucket, tasks=p, bands=bands, rows=rows, threshold=threshold)
    return run(near_join, parts, elected.bucket)


def _page_tables(texts: list[pa.Array]) -> pa.Table:
    """PAGES with row numbers as ids, so that the first row stays, and nothing else but the texts."""
    tables, at = [PAGES.empty_table()], 0
    for text in texts:
        nulls = {field.name: pa.nulls(len(text), field.type) for field in PAGES}
        numbers = pa.array([f"{at + i:032x}" for i in range(len(text))])
        tables.append(pa.table({**nulls, "id": numbers, "text": text}, schema=PAGES))
        at += len(text)
    return pa.concat_tables(tables)


def _load(path: Path, text_column: str, id_column: str | None) -> tuple[list, list[pa.Array]]:
    ids, texts, held = [], [], []
    for id_, text in _rows(path, text_column, id_column):
        ids.append(id_)
        held.append(text)
        if len(held) == _ROWS:
            texts.append(_strings(held))
            held = []
    return ids, [*texts, _strings(held)]


def _strings(texts: list[str | None]) -> pa.Array:
    """As UTF-8; halves of surrogate pairs, which JSON can say and UTF-8 cannot, become question marks."""
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if t is None else t.encode("utf-8", "replace").decode() for t in texts], pa.string())


def _rows(path: Path, text_column: str, id_column: str | None) -> Iterator[Row]:
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a .jsonl (.gz, .zst) or .parquet file")
    name = path.name.lower().removesuffix(".gz").removesuffix(".zst")
    if name.endswith((".parquet", ".pq")):
        return _parquet(path, text_column, id_column)
    if name.endswith((".jsonl", ".ndjson", ".json")):
        return _jsonl(path, text_column, id_column)
    raise UserError(f"{path}: unknown kind of file; give a .jsonl (.gz, .zst) or .parquet file")


def _parquet(path: Path, text_column: str, id_column: str | None) -> Iterator[Row]:
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            _check(path, text_column, names, lambda name: f"--text-column {name}")
            if id_column is not None:
                _check(path, id_column, names, lambda name: f"--id-column {name}")
            wanted = id_column or ("id" if "id" in names else None)
            at = 0
            for batch in file.iter_batches(_ROWS, columns=[text_column, *([wanted] if wanted else [])]):
                texts = batch[text_column]
                if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
                    raise UserError(f"{path}: column {text_column!r} is {texts.type}, not text; name another one")
                ids = batch[wanted].to_pylist() if wanted else range(at, at + len(texts))
                yield from zip(ids, texts.to_pylist(), strict=True)
                at += len(texts)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error


def _check(path: Path, name: str, names: list[str], option: Callable[[str], str]) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, 1) or names[:1]
        tip = f"; type {option(near[0])}" if near else ""
        raise UserError(f"{path}: no column {name!r}; there are {', '.join(names) or 'none'}{tip}")


def _jsonl(path: Path, text_column: str, id_column: str | None) -> Iterator[Row]:
    number, use_id = 0, None
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            for number, line in enumerate(io.BufferedReader(stream), 1):
                row = _object(path, number, line)
                _check(Path(f"{path}:{number}"), text_column, [*row], lambda name: f"--text-column {name}")
                if use_id is None:
                    use_id = id_column or ("id" if "id" in row else "")
                if use_id:
                    _check(Path(f"{path}:{number}"), use_id, [*row], lambda name: f"--id-column {name}")
                text = row[text_column]
                if text is not None and not isinstance(text, str):
                    raise UserError(
                        f"{path}:{number}: {text_column!r} is {type(text).__name__}, not text; mend the line"
                    )
                yield (row[use_id] if use_id else number - 1), text
    except (OSError, EOFError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}:{number + 1}: cannot be read on ({said}); is the file whole?") from error


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:  # not JSON, or not UTF-8
        raise UserError(f"{path}:{number}: not JSON ({error}); one object a line, please") from error
    if not isinstance(row, dict):
        raise UserError(f'{path}:{number}: {type(row).__name__}, not an object; each line is like {{"text": "..."}}')
    return row
