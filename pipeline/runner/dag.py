"""Steps, their keys and their order. Neither Ray nor pyarrow: what a run *is*, not how it is carried out.

A step is a stage (a plain generator function) bound to its inputs and settings. Its key is the sha256 of a canonical
JSON of everything that may change its rows, and of nothing else: name, version, releases of the libraries that shape
rows, settings with their defaults, keys of its inputs. Never in a key: root, paths, hosts, workers, time.
"""

import functools
import hashlib
import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version as release
from pathlib import Path
from typing import Any

from pipeline.base.errors import UserError
from pipeline.base.user_code import UserFunction


@dataclass(frozen=True)
class Stage:
    """What a stage promises: `version` is raised when the same input and settings give other rows."""

    name: str
    version: int
    libraries: tuple[str, ...]
    outputs: Mapping[str, Any]  # output name -> pyarrow.Schema


def stage(*, version: int, libraries: tuple[str, ...] = (), outputs: Mapping[str, Any]) -> Callable:
    """Declare a generator function to be a stage. `outputs` maps names to Arrow schemas; "part" is the main one."""

    def declare(fn: Callable) -> Callable:
        fn.stage = Stage(fn.__name__, version, tuple(sorted(libraries)), dict(outputs))  # type: ignore[attr-defined]
        return fn

    return declare


@dataclass(frozen=True)
class Asset:
    """A file as a setting (model, word list, benchmark): its content is in the key, its path is not."""

    path: str
    sha256: str

    @classmethod
    def of(cls, path: str | Path) -> "Asset":
        """Hash the file at `path`. Raises UserError when it cannot be read."""
        try:
            with open(path, "rb") as file:
                return cls(str(Path(path).absolute()), hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); give the path of an existing file") from error


@dataclass(frozen=True, eq=False)
class InputFiles:
    """Raw input files: `rows` describe one shard each (with paths); `identity` says what is in them (without)."""

    name: str
    identity: Any
    rows: tuple[dict, ...]

    @functools.cached_property
    def key(self) -> str:
        return digest({"leaf": self.name, "identity": self.identity})

    def bytes(self) -> int:
        """Of its files; a row with `start` and `end` (None: to the end) is a piece of one of `size` bytes."""
        return sum(map(row_bytes, self.rows))


def row_bytes(row: Mapping[str, Any]) -> int:
    """Bytes of a leaf's row."""
    end = row.get("end")
    return (row.get("size", 0) if end is None else end) - row.get("start", 0)


@dataclass(frozen=True, eq=False)
class Edge:
    """How a step reads an input: `aligned` (shard i), `whole` (all shards) or `bucket` (bucket i of every shard)."""

    mode: str
    source: "Step | InputFiles"


@dataclass(frozen=True, eq=False)
class Step:
    """A stage bound to its inputs and settings."""

    fn: Callable
    inputs: tuple[Edge, ...]
    params: dict[str, Any]
    tasks: int | None = None  # how many tasks, where neither shards nor buckets of an input say it
    name: str = field(default="")

    @property
    def stage(self) -> Stage:
        return self.fn.stage  # type: ignore[attr-defined]

    @functools.cached_property
    def identity(self) -> dict[str, Any]:
        """Everything the key is made of, so that two keys can be compared in words."""
        return {
            "name": self.stage.name,
            "version": self.stage.version,
            "libraries": {name: release(name) for name in self.stage.libraries},
            "params": canonical(self.params, self.name),
            "inputs": [[edge.mode, edge.source.name, edge.source.key] for edge in self.inputs],
            "tasks": self.tasks,
        }

    @functools.cached_property
    def key(self) -> str:
        return digest(self.identity)


def step(
    fn: Callable, *inputs: "Step | InputFiles | Edge", name: str = "", tasks: int | None = None, **params: Any
) -> Step:
    """Bind stage `fn` to inputs and settings; settings left out take the function's defaults.

    Raises TypeError for a setting that the stage does not have (recipes are checked before, with line numbers).
    """
    edges = tuple(x if isinstance(x, Edge) else Edge("aligned", x) for x in inputs)
    bound = inspect.signature(fn).bind(*edges, **params)
    bound.apply_defaults()
    wanted = {k: p for k, p in inspect.signature(fn).parameters.items() if p.kind is p.KEYWORD_ONLY}
    settings = {k: spelled(bound.arguments[k], p.annotation) for k, p in wanted.items()}
    return Step(fn, edges, settings, tasks, name or fn.stage.name)  # type: ignore[attr-defined]


def all_shards(source: Step | InputFiles) -> Edge:
    """Every task reads all shards of `source`."""
    return Edge("whole", source)


def partition(source: Step | InputFiles) -> Edge:
    """Task i reads bucket i of every shard of `source`: the shuffle."""
    return Edge("bucket", source)


def spelled(value: Any, annotation: Any) -> Any:
    """One spelling a value: `1` for a float setting is `1.0`, a list for a tuple setting is a tuple."""
    if annotation is float or annotation == (float | None):
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return tuple(value) if isinstance(value, list) else value


def canonical(value: Any, place: str) -> Any:
    """`value` in the only JSON spelling it has; raises TypeError naming `place` for what has none."""
    match value:
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value + 0.0  # -0.0 and 0.0 are one number
        case Asset():
            return {"sha256": value.sha256}
        case UserFunction():
            return {"function": value.name, "sha256": value.sha256}
        case list() | tuple():
            return [canonical(item, f"{place}[{i}]") for i, item in enumerate(value)]
        case dict() if all(isinstance(k, str) for k in value):
            return {k: canonical(value[k], f"{place}.{k}") for k in sorted(value)}
    raise TypeError(f"{place}: {value!r} has no single spelling in a key")


def digest(value: Any) -> str:
    """24 hex digits of the sha256 of `value`'s canonical JSON (96 bits: no collision in any run)."""
    text = json.dumps(canonical(value, "key"), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def ancestors(goal: Step) -> list[Step]:
    """`goal` and every step it rests on, each after its inputs, each once (equal keys are one step)."""
    order: dict[str, Step] = {}

    def visit(node: Step | InputFiles) -> None:
        if isinstance(node, InputFiles) or node.key in order:
            return
        for edge in node.inputs:
            visit(edge.source)
        order[node.key] = node

    visit(goal)
    return list(order.values())


def differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """What changed between two identities, one line a place: `params.rules[1].min: 0.12 -> 0.3`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for k in sorted(old.keys() | new.keys()):
            yield from differences(old.get(k), new.get(k), f"{place}.{k}" if place else k)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from differences(a, b, f"{place}[{i}]")
    elif old != new:
        yield f"{place}: {_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
