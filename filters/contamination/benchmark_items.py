"""One record of a benchmark file as an item: question, choices and answer, whatever the file calls its fields."""

import re
from string import ascii_uppercase
from typing import Any, NamedTuple

from pipeline.base.errors import UserError

QUESTION_FIELDS = ("question", "problem", "prompt", "query", "goal", "sentence", "instruction", "input", "text")
_CHOICES_FIELDS = ("choices", "options", "endings", "mc1_targets")
_CHOICE_FIELD_SETS = (
    ("choice0", "choice1", "choice2", "choice3", "choice4"),
    ("A", "B", "C", "D", "E"),
    ("answerA", "answerB", "answerC"),
    ("option1", "option2", "option3", "option4", "option5"),
    ("sol1", "sol2"),
)
_ANSWER_FIELDS = ("answer", "canonical_solution", "solution", "answerKey", "answers", "target", "label", "gold")
_ID_FIELDS = ("id", "task_id", "qid", "question_id", "idx")
_EMPTY: tuple[Any, ...] = (None, "")
# Prompts made of an item: words of the prompt's author are no part of the item.
_PROMPT_START = re.compile(
    r"^(?:Please [^:]{0,120}?(?:question|sentence)|Please [^:]{0,120}), question: |^Please [^:]{0,120}: "
)
_BLANKS = r"(?:(?<!\s)\s++)?"  # all that stand together; to begin at each of a long run would take quadratic time
_PROMPT_END = re.compile(rf"{_BLANKS}Answer format: [\w/]+\s*$")
_CHOICES_START = re.compile(rf"{_BLANKS}(?:Answer Choices|The options):\s*")
_NUMBERED_CHOICE = re.compile(rf"{_BLANKS}\b(?:Answer|Option|Solution|Ending)\s?\d\s?:\s*")
_LETTERED_CHOICE = re.compile(rf"{_BLANKS}(?:,\s*+)?(?:\(\s*[A-E]\s*\)|\b[A-E]\s*\))\s*")
_NUMBERED_LABEL = re.compile(r"(?:answer|option|solution|ending)\s?(\d)", re.IGNORECASE)
_CALCULATOR = re.compile(r"<<[^<>]{0,200}>>")  # GSM8K's annotations of its own sums


class Item(NamedTuple):
    """One item of a benchmark. `answer` is text: for multiple choice that of the right choice."""

    id: str
    question: str
    choices: tuple[str, ...]
    answer: str


def without_annotations(answer: str) -> str:
    """Return the answer without a dataset's own marks (GSM8K's calculator annotations): a leaked copy may lack them."""
    return _CALCULATOR.sub("", answer)


def has_question_field(fields: list[str]) -> bool:
    """Whether a record with these fields may have a question."""
    return any(field in fields for field in QUESTION_FIELDS)


def parse_item(record: dict[str, Any], number: int, path: str) -> Item:
    """Make an item of record `number` of a file; its question is empty where the record's is.

    Raises UserError if the record has no field for a question.
    """
    present_fields = [field for field in QUESTION_FIELDS if isinstance(record.get(field), str)]
    name = next((field for field in present_fields if record[field].strip()), next(iter(present_fields), None))
    if name is None:
        known, present = ", ".join(QUESTION_FIELDS), ", ".join(map(str, record))
        raise UserError(f"{path} item {number}: none of the fields {known} has text; it has: {present}")
    if name == "instruction":
        question, choices = _parse_prompt(record[name])
    else:
        question, choices = record[name], _choices(record)
    answer = next((record[field] for field in _ANSWER_FIELDS if record.get(field) not in (*_EMPTY, [])), "")
    item_id = next((str(record[field]) for field in _ID_FIELDS if record.get(field) not in _EMPTY), str(number))
    return Item(item_id, question.strip(), choices, _answer_text(answer, choices, record))


def _choices(record: dict[str, Any]) -> tuple[str, ...]:
    for field in _CHOICES_FIELDS:
        value = record.get(field)
        value = value.get("text", value.get("choices")) if isinstance(value, dict) else value
        if isinstance(value, list) and value:
            return tuple(str(v.get("text", "") if isinstance(v, dict) else v).strip() for v in value)
    for fields in _CHOICE_FIELD_SETS:
        present = tuple(str(record[field]).strip() for field in fields if record.get(field) not in _EMPTY)
        if len(present) > 1:
            return present
    return ()


def _parse_prompt(prompt: str) -> tuple[str, tuple[str, ...]]:
    """Question and choices of an instruction that was made of an item."""
    text = _PROMPT_END.sub("", _PROMPT_START.sub("", prompt.strip()))
    stem, *lettered = _CHOICES_START.split(text, maxsplit=1)
    if lettered:
        choices = (choice.strip(" ,") for choice in _LETTERED_CHOICE.split(lettered[0]))
        return stem, tuple(choice for choice in choices if choice)
    stem, *numbered = _NUMBERED_CHOICE.split(text)
    return stem, tuple(choice.strip() for choice in numbered)


def _answer_text(answer: Any, choices: tuple[str, ...], record: dict[str, Any]) -> str:
    """The answer as text: an index, letter or label is the choice it names."""
    if isinstance(answer, dict):
        answer = answer.get("text", "")
    if isinstance(answer, list):
        first = answer[0] if answer else ""
        answer = first.get("text", "") if isinstance(first, dict) else first
    if isinstance(answer, bool) or not choices:
        return str(answer).strip()
    index = _choice_index(answer, choices, record)
    return choices[index] if index is not None and 0 <= index < len(choices) else str(answer).strip()


def _choice_index(answer: Any, choices: tuple[str, ...], record: dict[str, Any]) -> int | None:
    """Which choice is right: a number is an index where the file numbers its choices, else the choice's own text."""
    text = str(answer).strip()
    labels = record["choices"].get("label") if isinstance(record.get("choices"), dict) else None
    if isinstance(labels, list) and text in labels:
        return labels.index(text)
    if text.isdecimal() and (isinstance(answer, int) or "choice0" in record):
        return int(text) - ("option1" in record)
    if text in choices:
        return choices.index(text)
    if len(text) == 1 and text in ascii_uppercase:  # MMLU-Pro has ten choices
        return ascii_uppercase.index(text)
    if label := _NUMBERED_LABEL.fullmatch(text):
        return int(label[1]) - 1
    return int(text) - ("option1" in record) if text.isdecimal() else None
