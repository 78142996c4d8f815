"""Source formats: a format is one reader function with `@source` above it, in this package or in a file of the user's.

    @source(suffixes=(".tsv", ".tsv.gz"), splittable=True)
    def tsv(file, start, end):
        \"\"\"Rows of a TSV file with the columns url and text.\"\"\"
        if start:  # the line that `start` falls into belongs to the range before
            file.seek(start - 1)
            file.readline()
        while (end is None or file.tell() < end) and (line := file.readline()):
            url, text = line.decode().rstrip("\\n").split("\\t")
            yield {"url": url, "text": text}

A reader is a generator function. `file` is an open binary file, decompressed, and `start` and `end` are the range of
its bytes whose rows are wanted (0 and None: all). Only uncompressed files of a splittable format are read in ranges:
the reader then yields every row that begins in the range. A row is a dictionary with `text` or `html`, and optionally
`url`, `date` (text in ISO 8601, or a date), `title`, `language` and `id`; other keys are ignored.

Readers in modules of this package are found by themselves; those of a user's file are given to `find_format`,
`list_chunks` and the stage `pages` as `readers`, for one run.
"""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Union

from pipeline.base.errors import UserError
from pipeline.base.paths import PLUGINS_MODULE
from pipeline.base.user_code import UserFunction, describe_error
from pipeline.inputs.columns import Columns
from pipeline.inputs.compression import (
    DecodeError,
    LostRange,
    detect_codec,
    file_size,
    is_compressed,
    open_decompressed,
    open_source,
)
from pipeline.inputs.guard import NO_GUARD, ReadGuard
from pipeline.inputs.rows import Row

if TYPE_CHECKING:
    from extract.sources.record_parser import Record

Event = Union["Record", Row, LostRange]  # what a file gives: a record or row, or a range that cannot be read
_OPTIONAL_ARGUMENTS = ("source_name", "columns", "guard")
_ROW_KEYS = ("text", "html", "url", "date", "title", "language", "id")


@dataclass(frozen=True)
class SourceFormat:
    """A declared reader; see `source` for the fields."""

    name: str
    suffixes: tuple[str, ...]
    reader: Callable[..., Iterator[Any]]
    splittable: bool | Callable[[str], bool]
    decompress: bool
    holds_html: bool
    holds_records: bool
    user_function: UserFunction | None = None

    def can_be_split(self, path: str) -> bool:
        """Whether ranges of the file at `path` can be read by themselves."""
        if callable(self.splittable):
            return self.splittable(path)
        return self.splittable and not is_compressed(path)

    def read(
        self,
        path: str,
        source_name: str,
        start: int,
        end: int | None,
        columns: Columns,
        guard: ReadGuard = NO_GUARD,
    ) -> Iterator[Event]:
        """Records or rows of the file in [start, end) bytes, and ranges that are lost, in order.

        The `offset` of a row of a user's reader is the row's number; in a file that can be split it is the byte at
        which the reader stood after the row, which does not depend on the ranges if it reads line by line.
        Raises UserError if the file cannot be opened, or if its reader fails.
        """
        with open_source(path) as file:
            size = file_size(file)
            if not size:
                yield from [LostRange(source_name, 0, 0, "empty")] if start == 0 else []
                return
            opened = file
            if self.decompress:
                codec = detect_codec(file)
                if codec and (start or end is not None):
                    raise UserError(f"{path}: is compressed and its name does not say so; rename it")
                opened = open_decompressed(file, codec)
            parameters = inspect.signature(self.reader).parameters
            given = {"source_name": source_name, "columns": columns, "guard": guard}
            arguments = {name: given[name] for name in _OPTIONAL_ARGUMENTS if name in parameters}
            try:
                yield from self._events(opened, path, source_name, lambda: self.reader(opened, start, end, **arguments))
            except DecodeError as error:
                yield LostRange(source_name, file.tell(), size - file.tell(), str(error))
            except UserError as error:
                raise UserError(f"{path}: {error}") from error

    def _events(
        self, file: BinaryIO, path: str, source_name: str, reader: Callable[[], Iterator[Any]]
    ) -> Iterator[Event]:
        """What a reader yields, dictionaries as rows. Raises UserError with the line of user code that fails."""
        function = self.user_function
        by_position = self.can_be_split(path)
        offset, inner_offset = -1, 0
        for number, values in enumerate(self._iterate_user_code(function, reader) if function else reader()):
            if not isinstance(values, dict):
                if function is None:  # a record, a row or a lost range of a built-in reader
                    yield values
                    continue
                raise UserError(
                    f"{function.path}: {function.name} yields {type(values).__name__}; "
                    'yield dictionaries such as {"text": "..."}'
                )
            if "text" not in values and "html" not in values:
                keys = ", ".join(map(str, values)) or "nothing"
                place = f"{function.path}: {function.name}" if function else self.name
                raise UserError(f"{place} yields a row with neither text nor html; it has {keys}")
            position = number
            if by_position:
                position = offset if file.closed else file.tell()
            inner_offset = inner_offset + 1 if position == offset else 0
            offset = position
            yield Row(source_name, offset, {key: values.get(key) for key in _ROW_KEYS}, inner_offset)

    @staticmethod
    def _iterate_user_code(function: UserFunction, start: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        """What the iterator that `start` makes yields; an error of the user's code is a UserError with its line."""
        try:
            yield from iter(start())
        except (UserError, DecodeError):
            raise
        except Exception as error:
            raise UserError(describe_error(error, function.path)) from error


def source(
    *,
    suffixes: tuple[str, ...],
    splittable: bool | Callable[[str], bool] = False,
    decompress: bool = True,
    holds_html: bool = False,
    holds_records: bool = False,
) -> Callable[[Callable], Callable]:
    """Declare a generator function `(file, start, end)` to be the reader of a source format.

    A reader may take `source_name` (what rows call the file), `columns` (the recipe's names of columns) and `guard` (to
    which it announces the parts of the file that it reads), too.

    Args:
        suffixes: Ends of the names of its files, in lower case. The longest suffix that fits a name decides.
        splittable: Whether uncompressed files can be read in ranges; or a function that says so of a path.
        decompress: Give the reader decompressed bytes. False: the file as it is stored.
        holds_html: Most rows are HTML. A byte of the file then holds an eighth of the documents that text would have.
        holds_records: The reader yields records of a WARC, of which the first may name the crawl.
    """
    if not isinstance(suffixes, tuple | list) or not all(isinstance(suffix, str) for suffix in suffixes):
        raise TypeError('suffixes is a tuple of texts, for example suffixes=(".tsv",)')

    def declare(reader: Callable) -> Callable:
        lower = tuple(suffix.lower() for suffix in suffixes)
        reader.source_format = SourceFormat(  # type: ignore[attr-defined]
            reader.__name__, lower, reader, splittable, decompress, holds_html, holds_records
        )
        return reader

    return declare


@functools.cache
def built_in_formats() -> tuple[SourceFormat, ...]:
    """Formats that modules of this package declare, in the order of modules."""
    package = importlib.import_module(__package__)
    formats = []
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{__package__}.{info.name}")
        for value in vars(module).values():
            if hasattr(value, "source_format") and value.__module__ == module.__name__:
                formats.append(value.source_format)
    return tuple(formats)


@functools.cache
def load_reader(function: UserFunction) -> SourceFormat:
    """The format that a function of a user's file declares. Raises UserError if it declares none."""
    declared = getattr(function.load(), "source_format", None)
    if not isinstance(declared, SourceFormat):
        raise UserError(
            f"{function.path}: {function.name} is not a reader; write `from {PLUGINS_MODULE} import source` and "
            f'@source(suffixes=(".{function.name}",)) above it'
        )
    return replace(declared, user_function=function)


def find_format(path: str, readers: tuple[UserFunction, ...] = ()) -> SourceFormat:
    """The format of the file at `path` by the longest suffix that fits its name.

    Readers of the user's (`readers`) come before built-in ones of the same suffix. A file of an unknown name is read as
    a WARC. Raises UserError if a user's file cannot be loaded.
    """
    name = path.lower()
    return next(declared for suffix, declared in _formats_by_suffix(readers) if name.endswith(suffix))


@functools.cache
def _formats_by_suffix(readers: tuple[UserFunction, ...]) -> tuple[tuple[str, SourceFormat], ...]:
    """Suffixes with their formats, the longest first: the last one, which is empty, fits every name."""
    formats = (*map(load_reader, readers), *built_in_formats())
    suffixes = [(suffix, declared) for declared in formats for suffix in declared.suffixes]
    return tuple(sorted(suffixes, key=lambda entry: -len(entry[0])))
