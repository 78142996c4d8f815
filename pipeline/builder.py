"""How a recipe's steps are bound, one after the other: files as input, settings from sections, partitions by size."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dedup.common.keep_policy import check_policy
from extract.demo import crawl as demo
from extract.sources import listing as sources
from pipeline.base import schema
from pipeline.base.errors import UserError
from pipeline.config.recipe_file import Config
from pipeline.config.values import unknown
from pipeline.runner.dag import Edge, InputFiles, Step, partition, row_bytes, step

# GiB of crawl a partition, of what is compared by document (some 240,000, half a kB each) and by piece of text (some
# four million, 45 bytes each): a task's memory stays near a GiB. Not fewer: on an object store, every partition of a
# step asks every shard of the step before (`dedup/README.md`).
DOCUMENTS, PIECES = 8, 4
_DENSE = 8  # times the documents of a crawl's HTML that files of texts have in a byte
_MOST = 4096


@contextlib.contextmanager
def said_at(head: str) -> Iterator[None]:
    """What a stage's own check finds wrong, with the place in the recipe (`Config.at`) before it."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{head}{error}") from error


def source_files(paths: list[str], chunk: int | None = None) -> InputFiles:
    """These files as input, larger ones in pieces of `chunk` bytes."""
    rows = sources.list_chunks(paths, chunk)
    seen = sorted({(row["name"], row["size"], row["mtime_ns"]) for row in rows})
    chunk = chunk or sources.default_chunk_bytes(sum(size for _, size, _ in seen))
    return InputFiles("files", [[list(entry) for entry in seen], chunk], tuple(rows))


def partitions(crawl: InputFiles | Step, gib: int) -> int:
    """Shuffle partitions for raw input: one for so many GiB of crawl, or an eighth of it where files are of texts."""
    rows = crawl.rows if isinstance(crawl, InputFiles) else ()
    size = sum(row_bytes(row) * (_DENSE if sources.holds_text(row["name"]) else 1) for row in rows)
    return min(max(2, -(-size // (gib << 30))), _MOST)


@dataclass
class Binder:
    """The steps of a recipe that are bound so far."""

    c: Config
    steps: dict[str, Step] = field(default_factory=dict)
    crawl: InputFiles | Step | None = None

    def source(self, files: tuple[str, ...] | None) -> InputFiles | Step:
        """Files of the command line, else of the recipe, else the demo crawl."""
        said = self.c["source"]
        found = files or tuple(path for pattern in said.get("paths", ()) for path in self._expanded(pattern))
        if found:
            self.crawl = source_files(list(found), said.get("chunk_bytes"))
        else:
            self.crawl = self.add("crawl", demo.crawl, texts_sha256=demo.content_digest())
        return self.crawl

    def _expanded(self, pattern: str) -> tuple[str, ...]:
        """Files of one entry of `source.paths`, which starts where the recipe lies."""
        from pipeline.config.cli_inputs import matching

        full = pattern if "://" in pattern else str(self.c.folders["source.paths"] / pattern)
        return matching(full, f"{self.c.at('source.paths')}paths")

    def add(
        self, name: str, fn: Callable, *inputs: Any, section: str = "", tasks: int | None = None, **more: Any
    ) -> Step:
        """The next step: settings are those of `section`, and of `more` where it says others."""
        settings = {**(self.c.of(section, fn) if section else {}), **more}
        self.steps[name] = step(fn, *inputs, name=name, tasks=tasks, **settings)
        return self.steps[name]

    def elect(
        self, name: str, section: str, route: Callable, elect: Callable, *inputs: Any, gib: int, **more: Any
    ) -> tuple[Step, Edge]:
        """NAME_route sends rows of `inputs` to partitions, NAME_elect sends back what it finds in each (an edge)."""
        n = self.partitions(section, gib)
        routed = self.add(f"{name}_route", route, *inputs, section=section, partitions=n)
        return routed, partition(self.add(f"{name}_elect", elect, partition(routed), section=section, tasks=n, **more))

    def partitions(self, section: str, gib: int) -> int:
        """As many as the section says, else as the size of the crawl asks for."""
        assert self.crawl is not None
        return self.c[section].get("partitions") or partitions(self.crawl, gib)

    def ranked(self, section: str) -> list[Step]:
        """The sidecar with the column of `keep = "best:<column>"`, so that dedup can rank by it."""
        keep, head = self.c[section].get("keep", "oldest"), self.c.at(f"{section}.keep")
        with said_at(head):
            check_policy(keep)
        column = keep.partition("best:")[2].strip()
        sidecars = [self.steps[name] for name in ("quality", "languages", "signals") if name in self.steps]
        homes = {name: made for made in sidecars for name in _numbers(made)}
        if column in schema.QUALITY.names and not self.c.has("quality"):
            hint = "[quality] makes that column and is off: type [quality] to switch it on"
            raise UserError(f"{head}keep = {keep!r}: {hint}")
        if column and column not in homes:
            raise UserError(f"{head}keep = {keep!r}: {unknown('column of numbers', column, homes)}")
        return [homes[column]] if column else []


def _numbers(made: Step) -> list[str]:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    return [field.name for field in made.stage.outputs["part"] if any(fits(field.type) for fits in kinds)]
