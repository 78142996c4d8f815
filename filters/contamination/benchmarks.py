"""Benchmark files as items: question, choices and answer apart, whatever the file calls its fields.

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
from string import ascii_uppercase
from typing import Any, NamedTuple

from pipeline.base.errors import UserError
from pipeline.runner.dag import Asset

QUESTION = ("question", "problem", "prompt", "query", "goal", "sentence", "instruction", "input", "text")
CHOICES = ("choices", "options", "endings", "mc1_targets")
LETTERED = (
    ("choice0", "choice1", "choice2", "choice3", "choice4"),
    ("A", "B", "C", "D", "E"),
    ("answerA", "answerB", "answerC"),
    ("option1", "option2", "option3", "option4", "option5"),
    ("sol1", "sol2"),
)
ANSWER = ("answer", "canonical_solution", "solution", "answerKey", "answers", "target", "label", "gold")
IDS = ("id", "task_id", "qid", "question_id", "idx")
SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
# Prompts made of an item: words of the prompt's author are no part of the item.
_HEAD = re.compile(
    r"^(?:Please [^:]{0,120}?(?:question|sentence)|Please [^:]{0,120}), question: |^Please [^:]{0,120}: "
)
_TAIL = re.compile(r"\s*Answer format: [\w/]+\s*$")
_OPTIONS = re.compile(r"\s*(?:Answer Choices|The options):\s*")
_NUMBERED = re.compile(r"\s*\b(?:Answer|Option|Solution|Ending)\s?\d\s?:\s*")
_LETTERED = re.compile(r"\s*,?\s*(?:\(\s*[A-E]\s*\)|\b[A-E]\s*\))\s*")
_LABEL = re.compile(r"(?:answer|option|solution|ending)\s?(\d)", re.IGNORECASE)


_CALCULATOR = re.compile(r"<<[^<>]{0,200}>>")  # GSM8K's annotations of its own sums


class Item(NamedTuple):
    """One item of a benchmark. `answer` is text: for multiple choice that of the right choice."""

    id: str
    question: str
    choices: tuple[str, ...]
    answer: str


def bare(answer: str) -> str:
    """The answer without a dataset's own marks (GSM8K's calculator annotations), as a leaked copy may have it."""
    return _CALCULATOR.sub("", answer)


def find(places: tuple[str, ...]) -> tuple[tuple[Asset, ...], tuple[str, ...]]:
    """Benchmark files under files, folders and globs, sorted, and the name of each (its path below the folder).

    Raises UserError for a place without any.
    """
    found: dict[str, Asset] = {}
    for place in places:
        base = Path(place)
        paths = sorted(p for p in base.rglob("*") if p.is_file()) if base.is_dir() else sorted(map(Path, _files(place)))
        paths = [path for path in paths if _suffix(path)]
        if not paths:
            raise UserError(f"{place}: no benchmark file there; give a file, folder or glob of {', '.join(SUFFIXES)}")
        for path in paths:
            name = path.relative_to(base).as_posix() if base.is_dir() else path.name
            found.setdefault(_stem(name), Asset.of(path))
    names = tuple(sorted(found))
    return tuple(found[name] for name in names), names


def _files(place: str) -> list[str]:
    return (
        [place]
        if Path(place).is_file()
        else [path for path in glob.glob(place, recursive=True) if Path(path).is_file()]
    )


def _suffix(path: Path | str) -> str:
    name = str(path).lower().removesuffix(".gz")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def _stem(name: str) -> str:
    name = name[:-3] if name.lower().endswith(".gz") else name
    return name[: -len(_suffix(name))]


def read(path: str) -> Iterator[Item]:
    """Items of one file, in its order. Raises UserError (file and row) for what is no benchmark."""
    number = 0
    for record in _records(path):
        number += 1
        yield _item(record, number, path)
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
    yield from {".csv": _csv, ".tsv": _tsv, ".json": _json}.get(suffix, _jsonl)(text, path)


def _jsonl(text: str, path: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _object(_parsed(line, f"{path} line {number}"), f"{path} line {number}")


def _json(text: str, path: str) -> Iterator[dict[str, Any]]:
    whole = _parsed(text, path)
    records = whole.get("data", whole.get("examples")) if isinstance(whole, dict) else whole
    if not isinstance(records, list):
        raise UserError(f"{path}: no list of items; a .json benchmark is a list, or an object with one under 'data'")
    for number, record in enumerate(records, 1):
        record = _object(record, f"{path} item {number}")
        yield from _squad(record, f"{path} item {number}") if "paragraphs" in record else (record,)


def _squad(article: dict[str, Any], place: str) -> Iterator[dict[str, Any]]:
    """SQuAD's questions. The passage is left out: a page that has a passage of Wikipedia is no leak of the question."""
    for paragraph in article["paragraphs"]:
        yield from (_object(item, place) for item in _object(paragraph, place).get("qas", ()))


def _csv(text: str, path: str) -> Iterator[dict[str, Any]]:
    rows = _rows(text, path)
    header = rows[0] if rows else []
    if not _known(header) and len(header) == 6 and re.fullmatch(r"\s*[A-E]\s*", header[5]):  # MMLU as first published
        header, rows = ["question", "A", "B", "C", "D", "answer"], [header, *rows]
    for row in rows[1:]:
        if row:
            yield dict(zip(header, row, strict=False))


def _tsv(text: str, path: str) -> Iterator[dict[str, Any]]:
    """Tab-separated; without a header (MGSM) the first column is the question and the last one the answer."""
    rows = [row for row in _rows(text, path, delimiter="\t", quoting=csv.QUOTE_NONE) if row]
    if rows and _known(rows[0]):
        yield from (dict(zip(rows[0], row, strict=False)) for row in rows[1:])
        return
    for row in rows:
        yield {"question": row[0], "answer": row[-1] if len(row) > 1 else ""}


def _rows(text: str, path: str, **form: Any) -> list[list[str]]:
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a passage may be longer than its 128 KiB
    try:
        return list(csv.reader(io.StringIO(text, newline=""), **form))
    except csv.Error as error:
        raise UserError(f"{path}: cannot be read as a benchmark ({error})") from error


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(f"{place}: not JSON ({error})") from error


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{place}: an item is an object with a question and an answer, not {type(value).__name__}")
    return value


def _known(fields: list[str]) -> bool:
    return any(field in fields for field in QUESTION)


def _item(record: dict[str, Any], number: int, path: str) -> Item:
    name = next((field for field in QUESTION if isinstance(record.get(field), str) and record[field].strip()), None)
    if name is None:
        known, there = ", ".join(QUESTION), ", ".join(map(str, record))
        raise UserError(f"{path} item {number}: none of the fields {known} has text; it has: {there}")
    question, choices = _unprompted(record[name]) if name == "instruction" else (record[name], _choices(record))
    answer = next((record[field] for field in ANSWER if record.get(field) not in (None, "", [])), "")
    ident = next((str(record[field]) for field in IDS if record.get(field) not in (None, "")), str(number))
    return Item(ident, question.strip(), choices, _answer(answer, choices, record))


def _choices(record: dict[str, Any]) -> tuple[str, ...]:
    for field in CHOICES:
        value = record.get(field)
        value = value.get("text", value.get("choices")) if isinstance(value, dict) else value
        if isinstance(value, list) and value:
            return tuple(str(v.get("text", "") if isinstance(v, dict) else v).strip() for v in value)
    for fields in LETTERED:
        present = tuple(str(record[f]).strip() for f in fields if record.get(f) not in (None, ""))
        if len(present) > 1:
            return present
    return ()


def _unprompted(prompt: str) -> tuple[str, tuple[str, ...]]:
    """Question and choices of an instruction that was made of an item."""
    text = _TAIL.sub("", _HEAD.sub("", prompt.strip()))
    stem, *listed = _OPTIONS.split(text, maxsplit=1)
    if listed:
        return stem, tuple(c.strip(" ,") for c in _LETTERED.split(listed[0]) if c.strip(" ,"))
    stem, *numbered = _NUMBERED.split(text)
    return stem, tuple(c.strip() for c in numbered)


def _answer(answer: Any, choices: tuple[str, ...], record: dict[str, Any]) -> str:
    """The answer as text: an index, letter or label is the choice it names."""
    if isinstance(answer, dict):
        answer = answer.get("text", "")
    if isinstance(answer, list):
        first = answer[0] if answer else ""
        answer = first.get("text", "") if isinstance(first, dict) else first
    if isinstance(answer, bool) or not choices:
        return str(answer).strip()
    at = _index(answer, choices, record)
    return choices[at] if at is not None and 0 <= at < len(choices) else str(answer).strip()


def _index(answer: Any, choices: tuple[str, ...], record: dict[str, Any]) -> int | None:
    """Which choice is right: a number is an index where the file numbers its choices, else the choice's own text."""
    said = str(answer).strip()
    labels = record["choices"].get("label") if isinstance(record.get("choices"), dict) else None
    if isinstance(labels, list) and said in labels:
        return labels.index(said)
    if said.isdecimal() and (isinstance(answer, int) or "choice0" in record):
        return int(said) - ("option1" in record)
    if said in choices:
        return choices.index(said)
    if len(said) == 1 and said in ascii_uppercase:  # MMLU-Pro has ten choices
        return ascii_uppercase.index(said)
    if label := _LABEL.fullmatch(said):
        return int(label[1]) - 1
    return int(said) - ("option1" in record) if said.isdecimal() else None
