"""How a recipe's steps are bound: files as input, settings from sections, partitions by size, selections in a chain."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pyarrow as pa

from dedup.common.keep_policy import check_policy
from extract.demo import crawl as demo
from extract.sources import listing
from extract.sources.check import check_files
from pipeline.base.columns import Column
from pipeline.base.errors import UserError
from pipeline.base.suggestions import unknown_name_in_groups
from pipeline.base.user_code import UserFunction
from pipeline.config.config_value import with_prefix
from pipeline.config.recipe_file import Config
from pipeline.config.values import Range
from pipeline.runner.dag import InputFiles, Step, step

# Input size per shuffle partition, in GiB of crawl, chosen so that a task needs about 1 GiB: 8 GiB of crawl are some
# 240,000 documents of 0.5 kB of rows, 4 GiB are some 4 million passages of 45 bytes. Smaller partitions would cost
# requests: on an object store each one reads from every shard of the step before (`dedup/README.md`).
DOCUMENTS, PASSAGES = 8, 4
TEXT_DENSITY = 8  # a byte of a file of texts holds so many times the documents of a byte of HTML
MAX_PARTITIONS = 4096


@contextlib.contextmanager
def locate_errors(prefix: str) -> Iterator[None]:
    """Put the place in the recipe (`Config.error_prefix`) in front of a UserError that a stage's own check raises."""
    try:
        yield
    except UserError as error:
        raise UserError(with_prefix(prefix, str(error))) from error


def input_files(
    paths: list[str],
    chunk_bytes: int | None = None,
    readers: tuple[UserFunction, ...] = (),
    pack_bytes: int | None = None,
    identity: str = "blocks",
) -> InputFiles:
    """Return these files as input: larger ones in ranges of `chunk_bytes`, small ones in packs of about `pack_bytes`.

    `readers` are the user's. `identity` is the setting of `source`.
    """
    chunks = listing.list_chunks(paths, chunk_bytes, readers, identity == "full")
    if pack_bytes is None:
        pack_bytes = min(listing.PACK_BYTES, chunk_bytes or listing.PACK_BYTES)
    rows = listing.pack_chunks(chunks, pack_bytes)
    return InputFiles(listing.INPUT_FILES, tuple(map(listing.row_identity, rows)), tuple(rows))


def partition_count(crawl: InputFiles | Step, gib: int, readers: tuple[UserFunction, ...] = ()) -> int:
    """Return the shuffle partitions for raw input: one for so many GiB of crawl, or for an eighth of that of texts.

    It is a power of two, so that it changes seldom when the input grows: it is in the keys of all that shuffle.
    """
    chunks = [file for row in crawl.rows for file in row["files"]] if isinstance(crawl, InputFiles) else []
    size = sum(
        listing.chunk_size(file) * (TEXT_DENSITY if listing.holds_text(file["name"], readers) else 1) for file in chunks
    )
    return min(max(2, 1 << (-(-size // (gib << 30)) - 1).bit_length()), MAX_PARTITIONS)


@dataclass
class Builder:
    """The steps of a recipe that are bound so far, and what they tell of themselves.

    steps: all of them, by name.
    sidecars: those that measure documents, in the order in which rules look at them.
    selections: those that drop documents, in the order in which they do.
    sections: recipe section -> the functions whose keyword-only parameters are its settings.
    optional: sections that are off unless the recipe has their header.
    switchable: sections that are on unless the recipe says `off`.
    crawl: the input. readers: the user's readers of source files.
    """

    recipe: Config
    steps: dict[str, Step] = field(default_factory=dict)
    sidecars: dict[str, Step] = field(default_factory=dict)
    selections: dict[str, Step] = field(default_factory=dict)
    sections: dict[str, tuple[Callable, ...]] = field(default_factory=dict)
    columns: dict[str, tuple[Column, ...]] = field(default_factory=dict)
    optional: set[str] = field(default_factory=set)
    switchable: set[str] = field(default_factory=set)
    crawl: InputFiles | Step | None = None
    readers: tuple[UserFunction, ...] = ()

    def on(self, section: str, default: bool = False) -> bool:
        """Return whether the recipe has the section switched on. `default`: on where the recipe says nothing."""
        (self.switchable if default else self.optional).add(section)
        return self.recipe.is_on(section)

    def settings(self, section: str, function: Callable) -> dict[str, Any]:
        """Return what the recipe says in `section` for the keyword-only parameters of `function`."""
        known = self.sections.setdefault(section, ())
        if function not in known:
            self.sections[section] = (*known, function)
        return self.recipe.settings_for(section, function)

    def step(
        self, function: Callable, /, *, section: str = "", name: str = "", tasks: int | None = None, **arguments: Any
    ) -> Step:
        """Bind the next step. Its settings are those of `section`, and of `arguments` where these say others."""
        settings = self.settings(section, function) if section else {}
        bound = step(function, name=name, tasks=tasks, **{**settings, **arguments})
        if bound.name in self.steps:
            raise UserError(f"'{bound.name}' is the name of a step already: give the user code another `name`")
        if section and bound.stage.columns:
            self.columns.setdefault(section, bound.stage.columns)
        self.steps[bound.name] = bound
        return bound

    def measure(self, function: Callable, /, **arguments: Any) -> Step:
        """Bind a step that measures documents: a sidecar of the pages."""
        bound = self.step(function, **arguments)
        self.sidecars[bound.name] = bound
        if section := arguments.get("section"):
            self.columns.setdefault(section, bound.stage.columns or _columns(bound))
        return bound

    def select(self, selected: Step | None) -> None:
        """Append a selection to the chain. None, for a step that is off, changes nothing."""
        if selected is not None:
            self.selections[selected.name] = selected

    def binder(self, section: str, **settings: Any) -> Callable[..., Step]:
        """Return `step` for the chain of a section. `settings` go to the functions that have such parameters."""

        def bind(function: Callable, /, **arguments: Any) -> Step:
            own = {name: value for name, value in settings.items() if name in inspect.signature(function).parameters}
            return self.step(function, section=section, **{**own, **arguments})

        return bind

    @property
    def selection(self) -> Step:
        """What all selections so far have left."""
        return list(self.selections.values())[-1]

    @property
    def removed(self) -> dict[str, Step]:
        """The selections that remove passages from texts."""
        return {name: bound for name, bound in self.selections.items() if "removed" in bound.stage.outputs}

    @property
    def related(self) -> dict[str, Step]:
        """The selections that drop a document for another one, or for what they remove from it."""
        return {name: bound for name, bound in self.selections.items() if bound.stage.relation} | self.removed

    @property
    def relations(self) -> dict[str, str]:
        """What a dropped document has in common with the one that it duplicates, in words, by selection."""
        return {name: bound.stage.relation for name, bound in self.selections.items() if bound.stage.relation}

    def with_output(self, output: str) -> dict[str, Step]:
        """Return the steps that write a table of this name."""
        return {name: bound for name, bound in self.steps.items() if output in bound.stage.outputs}

    def source(self, files: tuple[str, ...] | None) -> InputFiles | Step:
        """Return the files of the command line, else those of the recipe, else the demo crawl."""
        settings = self.settings("source", source)
        paths = files or tuple(path for pattern in settings.get("paths", ()) for path in self._matches(pattern))
        if paths:
            cut = {name: settings[name] for name in ("chunk_bytes", "pack_bytes", "identity") if name in settings}
            self.crawl = input_files(list(paths), readers=self.readers, **cut)
            check_files(list(paths), self.readers, self.recipe["extract"].get("text_column", "text"))
        else:
            self.crawl = self.step(demo.crawl, texts_sha256=demo.content_digest())
        return self.crawl

    def _matches(self, pattern: str) -> tuple[str, ...]:
        """Return the files of one entry of `source.paths`, which is relative to the recipe's folder."""
        from pipeline.config.source_files import expand_pattern

        full = pattern if "://" in pattern else str(self.recipe.folder_of("source.paths") / pattern)
        return expand_pattern(full, f"{self.recipe.error_prefix('source.paths')}paths")

    def partitions(self, section: str, gib: int) -> int:
        """Return as many partitions as the section says, else as the size of the crawl needs."""
        assert self.crawl is not None
        chosen = self.recipe[section].get("partitions") if section else None
        return chosen or partition_count(self.crawl, gib, self.readers)

    def scores(self, section: str) -> Step | None:
        """Return the sidecar that the section's `keep` ranks by (`ranking`)."""
        return self.ranking(self.recipe[section].get("keep", "oldest"), self.recipe.error_prefix(f"{section}.keep"))

    def ranking(self, keep: str, prefix: str) -> Step | None:
        """Return the sidecar with the column of `keep = "best:<column>"`; None for another policy.

        Raises UserError, with `prefix` before the message, for a column that there is not.
        """
        with locate_errors(prefix):
            check_policy(keep)
        column = keep.partition("best:")[2].strip()
        if not column:
            return None
        owners = {name: bound for bound in reversed(self.sidecars.values()) for name in _numeric_columns(bound)}
        if column not in owners:
            section = self.recipe.off_columns.get(column, "")
            numbers = {name: _numeric_columns(bound) for name, bound in self.sidecars.items()}
            problem = unknown_name_in_groups("column of numbers", column, numbers)
            if section:
                problem = f"[{section}] makes that column and is off: type [{section}] to switch it on"
            raise UserError(f"{prefix}keep = {keep!r}: {problem}")
        return owners[column]


def source(
    *,
    paths: tuple[str, ...] = (),
    chunk_bytes: Annotated[int, Range(1 << 20)] = 1 << 26,
    pack_bytes: Annotated[int, Range(0)] = 1 << 26,
    identity: Literal["blocks", "full"] = "blocks",
) -> None:
    """Name the input files.

    Args:
        paths: Files and globs; relative ones start at the recipe's folder. An empty list is the demo crawl.
        chunk_bytes: Bytes of a range in which larger files are read; by default a quarter of the file, from 64 to 256
            MiB.
        pack_bytes: Bytes of small files that are read as one shard, about; 0 makes each file a shard. By default 64
            MiB, or `chunk_bytes` if that is less.
        identity: What tells whether a file is the same as in an earlier run, beside its name and size: a digest of
            blocks (its first and last MiB and three blocks between them), or of all its bytes (full).
    """


def _columns(bound: Step) -> tuple[Column, ...]:
    return tuple(Column(field.name, field.type, "") for field in bound.stage.outputs["part"] if field.name != "id")


def _numeric_columns(bound: Step) -> list[str]:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    return [field.name for field in bound.stage.outputs["part"] if any(fits(field.type) for fits in kinds)]
