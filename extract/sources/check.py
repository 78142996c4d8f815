"""Checks of input files before anything runs: of an unknown kind, without texts, or in a form that no reader takes."""

import shlex
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from extract.sources.registry import find_format
from extract.sources.warc import has_records
from pipeline.base.errors import UserError
from pipeline.base.user_code import UserFunction
from pipeline.inputs.compression import SUFFIXES, file_size, open_source
from pipeline.inputs.json_check import check_json_lines
from pipeline.inputs.parquet_schema import read_schema, text_column

RECIPE_OPTION = "--set extract.text_column={}"
_RECORD_FILES = tuple(stem + suffix for stem in (".warc", ".arc", ".wet", ".wat") for suffix in ("", *SUFFIXES))
_NAMED = 5  # further files that an error names
_THREADS = 16  # that look at files of an object store
_KINDS = "give WARC, WET, Parquet or JSON lines files"
# Ends of names -> what a file of that kind is, and what to do with it.
_ADVICE = (
    (
        (".csv", ".csv.gz", ".tsv", ".tsv.gz"),
        "a table of text; write it as Parquet or JSON lines, or read it by [[sources]]",
    ),
    ((".arrow", ".feather", ".ipc", ".orc", ".avro"), "a table of another kind; write it as Parquet"),
    ((".txt", ".txt.gz", ".md"), "plain text; write JSON lines: jq -Rc '{{text: .}}' {path} > lines.jsonl"),
    ((".bz2",), "compressed by bzip2, which is not read; type bunzip2 -k {path}"),
    ((".xz", ".lzma"), "compressed by xz, which is not read; type unxz -k {path}"),
    ((".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar"), "an archive; unpack it and give its files"),
    ((".html", ".htm", ".xhtml"), "a page; python -m pipeline extract {path} shows its text, a run reads WARC files"),
    ((".parquet.gz", ".parquet.zst"), "a compressed Parquet file; decompress it"),
)


def check_files(
    paths: list[str], readers: tuple[UserFunction, ...], text_name: str, option: str = RECIPE_OPTION
) -> None:
    """Raise UserError, in one line with what to type, for files that no reader can read.

    Damaged files pass, since a run reports what is lost of them. Files that are called as WARCs are not opened: those
    that cannot be are reported when files are identified. `text_name` is the column of the texts, `option` how a user
    types its name `{}`.
    """
    paths = [path for path in paths if not (_is_called_records(path) and find_format(path, readers).holds_records)]

    def problem(path: str) -> str:
        try:
            with open_source(path) as file:
                return (
                    _problem(file, path, readers, text_name, option)
                    if file_size(file)
                    else _unknown_kind(path, readers)
                )
        except UserError as error:
            return str(error)
        except OSError as error:
            return f"cannot be read ({error.strerror or error})"

    if any("://" in path for path in paths):
        with ThreadPoolExecutor(_THREADS) as pool:
            problems = list(pool.map(problem, paths))
    else:
        problems = [problem(path) for path in paths]
    wrong = [(path, text) for path, text in zip(paths, problems, strict=True) if text]
    if wrong:
        path, text = wrong[0]
        names = ", ".join(other for other, _ in wrong[1 : 1 + _NAMED])
        more = f"; nor can {len(wrong) - 1} more be read: {names}" if names else ""
        place = "" if text.startswith(path) else f"{path}: "
        raise UserError(f"{place}{text}{more}{', ...' if len(wrong) > 1 + _NAMED else ''}")


def _is_called_records(path: str) -> bool:
    return path.lower().endswith(_RECORD_FILES)


def _problem(file: BinaryIO, path: str, readers: tuple[UserFunction, ...], text_name: str, option: str) -> str:
    kind = find_format(path, readers)
    if kind.user_function:
        return ""
    if kind.name == "parquet":
        schema = read_schema(file)
        if schema is not None:
            text_column(schema, text_name, option)
        return ""
    if kind.name == "json_lines":
        return check_json_lines(file, path, text_name, option)
    if kind.name == "warc" and not _is_called_records(path) and not has_records(file):
        return _unknown_kind(path, readers)
    return ""


def _unknown_kind(path: str, readers: tuple[UserFunction, ...]) -> str:
    """Return what to do with a file whose name says that it is of no kind that is read, "" for others."""
    kind = find_format(path, readers)
    if kind.name != "warc" or kind.user_function or _is_called_records(path):
        return ""
    fitting = [advice for suffixes, advice in _ADVICE if path.lower().endswith(suffixes)]
    return fitting[-1].format(path=shlex.quote(path)) if fitting else f"a file of an unknown kind; {_KINDS}"
