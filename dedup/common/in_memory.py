"""Stages on tables in memory, in this process: for single files, and for tests of the stages.

Inputs are passed as the runner passes them (aligned shards, all shards, partitions), without folders and manifests.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.runner.dag import Edge, InputFiles, Step
from pipeline.runner.stage import Stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output


@dataclass
class StageOutput:
    """What a step wrote.

    shards: the tables of each shard, by output name.
    partitions: for each shard, the rows of its main table by partition.
    """

    shards: list[Shard] = field(default_factory=list)
    partitions: list[dict[int, pa.Table]] = field(default_factory=list)

    def partition(self, index: int) -> list[Shard]:
        """Return partition `index` of every shard; empty tables where a shard has none."""
        empty = self.shards[0].table().schema.empty_table() if self.shards else None
        return [Shard.of(tables.get(index, empty), i) for i, tables in enumerate(self.partitions)]

    def table(self, name: str = "part") -> pa.Table:
        """Return the rows of all shards."""
        return pa.concat_tables([shard.table(name=name) for shard in self.shards])


def run(function: Callable, /, *, tasks: int = 1, stage: Stage | None = None, **arguments: Any) -> StageOutput:
    """Call a stage once for each task.

    An input is a list of shards, of which task i gets the i-th, a function of i, or a mapping of those. Settings are
    passed as they are.
    """
    declaration = stage or function.stage  # type: ignore[attr-defined]
    settings = {p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY}
    output = StageOutput()
    for i in range(tasks):
        given = {name: value if name in settings else _input(value, i) for name, value in arguments.items()}
        tables, partitions = _collect(declaration, function(**given))
        output.shards.append(Shard(index=i, count=tasks, tables=tables))
        output.partitions.append(partitions)
    return output


def evaluate(goal: Step, given: Mapping[str, list[Shard]]) -> dict[str, StageOutput]:
    """Compute a bound step and all that it depends on; return what every step wrote, by name.

    `given` has the shards of the input files that the steps read, by the name of the input files.
    """
    outputs: dict[str, StageOutput] = {}

    def visit(node: Step | InputFiles) -> StageOutput:
        if isinstance(node, InputFiles):
            return StageOutput(given[node.name])
        if node.name not in outputs:
            inputs = {
                name: {k: read(e) for k, e in edge.items()} if isinstance(edge, dict) else read(edge)
                for name, edge in node.inputs.items()
            }
            tasks = _task_count(node, outputs, given)
            outputs[node.name] = run(node.function, tasks=tasks, stage=node.stage, **inputs, **node.params)
        return outputs[node.name]

    def read(edge: Edge) -> Any:
        output = visit(edge.source)
        if edge.mode == "partition":
            return output.partition
        return output.shards if edge.mode == "aligned" else lambda _: output.shards

    visit(goal)
    return outputs


def _task_count(node: Step, outputs: Mapping[str, StageOutput], given: Mapping[str, list[Shard]]) -> int:
    """Return the number of tasks: what the step says, else the shards of aligned inputs, else the partitions."""
    aligned, partitions = [], []
    for edge in node.edges.values():
        is_file = isinstance(edge.source, InputFiles)
        output = StageOutput(given[edge.source.name]) if is_file else outputs[edge.source.name]
        aligned += [len(output.shards)] if edge.mode == "aligned" else []
        partitions += [1 + max(tables, default=-1) for tables in output.partitions if edge.mode == "partition"]
    return node.tasks or max(aligned or partitions, default=1)


def _input(value: Any, task: int) -> Any:
    if isinstance(value, Mapping):
        return {name: _input(item, task) for name, item in value.items()}
    return value(task) if callable(value) else None if value is None else value[task]


def _collect(declaration: Stage, items: Any) -> tuple[dict[str, pa.Table], dict[int, pa.Table]]:
    """Return what a task yields: tables by output name, and the main table's rows by partition."""
    rows: dict[str, list[pa.Table]] = {name: [] for name in declaration.outputs}
    partitions: dict[int, list[pa.Table]] = {}
    for item in items:
        output = item if isinstance(item, Output) else Output(item)
        table = output.table
        assert table is not None and table.schema.equals(declaration.outputs[output.name]), (declaration, output.name)
        rows[output.name].append(pa.Table.from_batches([table]) if isinstance(table, pa.RecordBatch) else table)
        if output.bucket is not None:
            partitions.setdefault(output.bucket, []).append(table)
    schemas = declaration.outputs
    tables = {name: pa.concat_tables([schemas[name].empty_table(), *some]) for name, some in rows.items()}
    return tables, {number: pa.concat_tables(some) for number, some in partitions.items()}
