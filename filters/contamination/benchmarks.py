"""Benchmark files: where they are, and their items.

Formats: JSON lines, JSON (a list, or SQuAD's data/paragraphs/qas), CSV, TSV and Parquet, each also gzipped.
"""

import csv
import glob
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filters.contamination.benchmark_items import Item, has_question_field, parse_item
from pipeline.base.errors import UserError
from pipeline.runner.dag import Asset

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")


def find_benchmarks(patterns: tuple[str, ...]) -> tuple[tuple[Asset, ...], tuple[str, ...]]:
    """Return the benchmark files under files, folders and globs, sorted by name, and their names.

    A file's name is its path below the folder, without suffix. Raises UserError for a pattern without any file.
    """
    benchmarks: dict[str, Asset] = {}
    for pattern in patterns:
        base = Path(pattern)
        if base.is_dir():
            paths = sorted(path for path in base.rglob("*") if path.is_file())
        else:
            matches = [pattern] if base.is_file() else glob.glob(pattern, recursive=True)
            paths = sorted(path for path in map(Path, matches) if path.is_file())
        paths = [path for path in paths if _suffix(path)]
        if not paths:
            raise UserError(f"{pattern}: no benchmark file there; give a file, folder or glob of {', '.join(SUFFIXES)}")
        for path in paths:
            name = path.relative_to(base).as_posix() if base.is_dir() else path.name
            name = name[:-3] if name.lower().endswith(".gz") else name
            benchmarks.setdefault(name[: -len(_suffix(name))], Asset.of(path))
    names = tuple(sorted(benchmarks))
    return tuple(benchmarks[name] for name in names), names


def _suffix(path: Path | str) -> str:
    """The suffix of SUFFIXES that a file has, `.gz` apart; "" for none."""
    name = str(path).lower().removesuffix(".gz")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def read_benchmark(path: str) -> Iterator[Item]:
    """Yield the items of one file, in its order. Raises UserError (file and row) for what is no benchmark."""
    number = 0
    for record in _records(path):
        number += 1
        yield parse_item(record, number, path)
    if not number:
        raise UserError(f"{path}: no items; a benchmark file has one record an item")


def _records(path: str) -> Iterator[dict[str, Any]]:
    suffix = _suffix(path)
    try:
        if suffix == ".parquet":
            import pyarrow.parquet as pq

            yield from pq.read_table(path).to_pylist()
            return
        opener = gzip.open if path.lower().endswith(".gz") else open
        with opener(path, "rb") as file:
            text = file.read().decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise UserError(f"{path}: cannot be read as a benchmark ({error})") from error
    parsers = {".csv": _parse_csv, ".tsv": _parse_tsv, ".json": _parse_json}
    yield from parsers.get(suffix, _parse_json_lines)(text, path)


def _parse_json_lines(text: str, path: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _check_object(_load_json(line, f"{path} line {number}"), f"{path} line {number}")


def _parse_json(text: str, path: str) -> Iterator[dict[str, Any]]:
    document = _load_json(text, path)
    records = document.get("data", document.get("examples")) if isinstance(document, dict) else document
    if not isinstance(records, list):
        raise UserError(f"{path}: no list of items; a .json benchmark is a list, or an object with one under 'data'")
    for number, record in enumerate(records, 1):
        location = f"{path} item {number}"
        record = _check_object(record, location)
        if "paragraphs" not in record:
            yield record
            continue
        # SQuAD. The passage is left out: a page with a passage of Wikipedia is no leak of the question.
        for paragraph in record["paragraphs"]:
            for item in _check_object(paragraph, location).get("qas", ()):
                yield _check_object(item, location)


def _parse_csv(text: str, path: str) -> Iterator[dict[str, Any]]:
    rows = _csv_rows(text, path)
    header = rows[0] if rows else []
    is_mmlu = len(header) == 6 and re.fullmatch(r"\s*[A-E]\s*", header[5])  # as first published, without a header
    if is_mmlu and not has_question_field(header):
        header, rows = ["question", "A", "B", "C", "D", "answer"], [header, *rows]
    for row in rows[1:]:
        if row:
            yield dict(zip(header, row, strict=False))


def _parse_tsv(text: str, path: str) -> Iterator[dict[str, Any]]:
    """Tab-separated; without a header (MGSM) the first column is the question and the last one the answer."""
    rows = [row for row in _csv_rows(text, path, delimiter="\t", quoting=csv.QUOTE_NONE) if row]
    if rows and has_question_field(rows[0]):
        yield from (dict(zip(rows[0], row, strict=False)) for row in rows[1:])
        return
    for row in rows:
        yield {"question": row[0], "answer": row[-1] if len(row) > 1 else ""}


def _csv_rows(text: str, path: str, **dialect: Any) -> list[list[str]]:
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a passage may be longer than its 128 KiB
    try:
        return list(csv.reader(io.StringIO(text, newline=""), **dialect))
    except csv.Error as error:
        raise UserError(f"{path}: cannot be read as a benchmark ({error})") from error


def _load_json(text: str, location: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(f"{location}: not JSON ({error})") from error


def _check_object(value: Any, location: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{location}: an item is an object with a question and an answer, not {type(value).__name__}")
    return value
