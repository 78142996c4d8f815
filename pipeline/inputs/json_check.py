"""Whether a file is JSON lines with texts, told from its first lines before anything runs."""

import shlex
from itertools import islice
from typing import Any, BinaryIO

from pipeline.inputs.columns import column_value, has_path, missing_column, possible_paths, resolve
from pipeline.inputs.compression import DecodeError, LostRange, detect_codec, open_decompressed
from pipeline.inputs.json_lines import read_objects

OTHER_JSON = ("a JSON ", "UTF-16")  # begin what is said of files that are JSON, but not lines of UTF-8
_SAMPLE_LINES = 100
_HEAD_BYTES = 4096
_JQ = "type jq -c {} {} > lines.jsonl and give that file"


def check_json_lines(file: BinaryIO, path: str, text_column: str, option: str) -> str:
    """Return what is wrong with a file of JSON lines and what to type, "" if its first lines can be read.

    What is damaged, or empty, is no mistake of the user's: a run reports it. The first text that is not null must be
    text. Raises UserError for a column that may be two; `option` is how a user types a name `{}`.
    """
    head = _head(file)
    encoding = "UTF-16" if _is_utf16(head) else ""
    if encoding:
        return f"{encoding}; type iconv -f {encoding} -t UTF-8 {shlex.quote(path)} > lines.jsonl and give that file"
    names: dict[str, Any] = {}
    objects = broken_lines = 0
    broken = ""
    for line in islice(read_objects(file, path), _SAMPLE_LINES):
        if isinstance(line.values, LostRange):
            if not line.is_json:
                return ""
            broken_lines += 1
            broken = broken or f"line {line.number} is {line.values.reason.partition(' (char')[0]}"
            continue
        objects += 1
        names |= line.values
        values = line.values
        resolve(text_column, lambda path, values=values: has_path(values, path), option)  # type: ignore[misc]
        text = column_value(line.values, text_column)
        if isinstance(text, str):
            return ""
        if text is not None:
            return f"{text_column!r} is {_type_name(text)} in line {line.number}, not text; name another column"
        if any(has_path(line.values, path) for path in possible_paths(text_column)):
            return ""  # null: other lines may have texts
    if objects:
        texts = [name for name, value in names.items() if isinstance(value, str)]
        nested = [
            f"{name}.{key}"
            for name, value in names.items()
            if isinstance(value, dict)
            for key, inner in value.items()
            if isinstance(inner, str)
        ]
        similar = next((name for name in nested if name.endswith(f".{text_column}")), "")
        message = missing_column(text_column, [*texts, *(name for name in names if name not in texts)], option)
        hint = f"; type {option.format(similar)}" if similar else ""
        return f"{message.partition('; type')[0]}{hint}" if similar else f"{message}, or leave the file out"
    start = head.lstrip()
    if start.startswith(b"["):
        return f"a JSON array; {_JQ.format(repr('.[]'), shlex.quote(path))}"
    if start.startswith(b"{") and broken_lines > 1:
        return f"a JSON object over several lines; {_JQ.format('.', shlex.quote(path))}"
    if broken and _is_printable(head):
        return f'not JSON lines ({broken}); each line is like {{"text": "..."}}'
    return ""


def _head(file: BinaryIO) -> bytes:
    """Return the first bytes of a file, decompressed; b"" where they are damaged."""
    try:
        return open_decompressed(file, detect_codec(file)).read(_HEAD_BYTES) or b""
    except DecodeError:
        return b""


def _is_utf16(head: bytes) -> bool:
    return head.startswith((b"\xff\xfe", b"\xfe\xff")) or (
        len(head) > 1 and ((head[:1] in b"{[" and head[1:2] == b"\0") or (head[:1] == b"\0" and head[1:2] in b"{["))
    )


def _is_printable(head: bytes) -> bool:
    """Whether bytes are text and not damage."""
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
    return b"\0" not in head


def _type_name(value: Any) -> str:
    names = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)
