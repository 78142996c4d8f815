"""Documents with repeated passages, and the texts that remain when these are removed."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from dedup.passages.text_spans import remaining_texts
from pipeline.store.shard import Shard
from tests.support.documents import Shards, evaluate_chain, page_shards


def dated_pages(texts: list[str | None], shards: int = 1, **columns: list) -> Shards:
    """Return texts as PAGES whose dates count up, so that the first document is the oldest."""
    rows = [
        {"text": text, "date": i, **{name: column[i] for name, column in columns.items()}}
        for i, text in enumerate(texts)
    ]
    return page_shards(rows, shards)


def passage_selection(
    chain: Callable,
    name: str,
    pages: Shards,
    selection: Shards | None = None,
    removed: dict[str, Shards] | None = None,
    partitions: int = 3,
    min_left: int = 0,
    **settings: Any,
) -> Shards:
    """Return what the chain that ends in step `name` wrote: SELECTION, and beside it output "removed".

    `removed` are the passage steps before it.
    """
    before = removed or {}

    def bound(bind: Callable, pages: Any, selection: Any = None, **earlier: Any) -> Any:
        return chain(bind, pages=pages, partitions=partitions, selection=selection, removed=earlier)

    inputs = {"pages": pages, "selection": selection, **before}
    return evaluate_chain(bound, inputs, min_left=min_left, **settings)[name].shards


def texts_after(pages: Shards, *steps: Shards) -> list[str | None]:
    """Return the texts as they are published after these passage steps, in the order of ids."""
    batches = []
    for shard, *removed in zip(pages, *steps, strict=True):
        batches += remaining_texts(shard, {str(i): step for i, step in enumerate(removed)}, ["id", "text"])
    return pa.Table.from_batches(batches).sort_by("id")["text"].to_pylist() if batches else []


def output_column(shards: list[Shard], column: str, output: str = "part") -> list:
    """Return a column of one of a step's outputs, in the order of ids."""
    return pa.concat_tables([shard.table(name=output) for shard in shards]).sort_by("id")[column].to_pylist()
