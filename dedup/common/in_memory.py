"""Stages of this package on tables in memory, in this process: for single files, and for tests of the stages.

What the runner does with folders and manifests, without either: aligned inputs, whole inputs, and the shuffle.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.store.shard import Shard
from pipeline.store.writer import Output


@dataclass
class Shards:
    """What a step wrote: per shard its tables by name, and the buckets of the main one."""

    parts: list[Shard] = field(default_factory=list)
    buckets: list[dict[int, pa.Table]] = field(default_factory=list)

    def bucket(self, index: int) -> list[Shard]:
        """Bucket `index` of every shard; empty tables where a shard has none."""
        empty = self.parts[0].table().schema.empty_table() if self.parts else None
        return [Shard.of(found.get(index, empty), i) for i, found in enumerate(self.buckets)]

    def table(self, name: str = "part") -> pa.Table:
        """Rows of all shards."""
        return pa.concat_tables([part.table(name=name) for part in self.parts])


def run(fn: Callable, *inputs: Any, tasks: int = 1, **params: Any) -> Shards:
    """Call stage `fn` once a task: an input is a list of parts (task i gets the i-th) or a function of i."""
    done = Shards()
    for i in range(tasks):
        tables, buckets = _collect(fn, [given(i) if callable(given) else given[i] for given in inputs], params)
        done.parts.append(Shard(index=i, count=tasks, tables=tables))
        done.buckets.append(buckets)
    return done


def _collect(fn: Callable, inputs: list, params: dict) -> tuple[dict[str, pa.Table], dict[int, pa.Table]]:
    """Tables by output name, and the main table's rows by bucket."""
    schemas = fn.stage.outputs  # type: ignore[attr-defined]
    rows: dict[str, list[pa.Table]] = {name: [] for name in schemas}
    shuffled: dict[int, list[pa.Table]] = {}
    for item in fn(*inputs, **params):
        out = item if isinstance(item, Output) else Output(item)
        assert out.table is not None and out.table.schema.equals(schemas[out.name]), (fn, out.name)
        rows[out.name].append(out.table)
        if out.bucket is not None:
            shuffled.setdefault(out.bucket, []).append(out.table)
    tables = {name: pa.concat_tables([schemas[name].empty_table(), *found]) for name, found in rows.items()}
    return tables, {bucket: pa.concat_tables(found) for bucket, found in shuffled.items()}
