"""Steps, their keys and their order. No Ray and no files: what a run *is*, not how it is carried out.

A step is a stage bound to its inputs and settings, each by the name of a parameter. Keys are hashes of a canonical JSON
of everything that may change rows, and of nothing else: name, version, releases of the libraries that shape rows,
settings with their defaults, what is read. Never in a key: root, paths, hosts, workers, time. There are two kinds:

    content key of a shard   configuration of the step, and the contents of the shards that this one reads
    key of a step            configuration of the step, and the keys of its inputs: known before anything has run

Files are named by content keys (`shard_key`), so that a shard is computed once, whichever run, input or recipe it is
part of. Manifests are named by the keys of steps.
"""

import functools
import hashlib
import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version as release
from pathlib import Path
from typing import Any

from pipeline.base.errors import UserError
from pipeline.base.user_code import UserFunction
from pipeline.runner.stage import Stage
from pipeline.store.shard import DIGEST_BYTES, KEY_BYTES


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
    """Raw input files: `rows` describe one shard each (with paths); `identities` say what is in each (without)."""

    name: str
    identities: tuple[Any, ...]
    rows: tuple[dict, ...]

    @functools.cached_property
    def digests(self) -> bytes:
        """Digests of the identities, DIGEST_BYTES each."""
        return b"".join(_sha256([self.name, identity])[:DIGEST_BYTES] for identity in self.identities)

    @functools.cached_property
    def key(self) -> str:
        return digest({"leaf": self.name, "identities": hashlib.sha256(self.digests).hexdigest()})

    def bytes(self) -> int:
        """Return the size of the files. A row with `start` and `end` (None: to the end) is a range of one file."""
        return sum(map(row_bytes, self.rows))


def row_bytes(row: Mapping[str, Any]) -> int:
    """Return the bytes that one row of input files covers."""
    end = row.get("end")
    return (row.get("size", 0) if end is None else end) - row.get("start", 0)


@dataclass(frozen=True, eq=False)
class Edge:
    """How a step reads an input: `aligned` (shard i), `all_shards`, or `partition` (partition i of every shard)."""

    mode: str
    source: "Step | InputFiles"


@dataclass(frozen=True, eq=False)
class Step:
    """A stage bound to its inputs and settings.

    function: the generator function that makes the rows of one shard.
    inputs: an edge for each input, by parameter; a mapping of edges where the parameter takes several.
    params: the settings, all of them, by parameter.
    tasks: how many shards it has where no input says it.
    name: what its folder and its line in a plan are called.
    stage: its declaration; `function.stage`, unless the recipe made one (user code brings its columns with it).
    """

    function: Callable
    inputs: dict[str, Edge | dict[str, Edge]]
    params: dict[str, Any]
    tasks: int | None
    name: str
    stage: Stage = field(repr=False)

    @functools.cached_property
    def edges(self) -> dict[str, Edge]:
        """Every edge by the input it serves: "pages", or "selections.near" where the input is a mapping."""
        flat: dict[str, Edge] = {}
        for parameter, edge in self.inputs.items():
            flat |= {parameter: edge} if isinstance(edge, Edge) else {f"{parameter}.{k}": e for k, e in edge.items()}
        return flat

    @functools.cached_property
    def configuration(self) -> dict[str, Any]:
        """Everything but contents that decides what the rows of a shard are. The order of a mapping counts."""
        return {
            "name": self.stage.name,
            "version": self.stage.version,
            "libraries": {name: release(name) for name in sorted(self.stage.libraries)},
            "params": canonical(self.params, self.name),
            "edges": [[place, edge.mode] for place, edge in self.edges.items()],
            "tasks": self.tasks,
        }

    @functools.cached_property
    def folder(self) -> str:
        """The folder of all shards with this configuration, whatever they were made from, relative to the root."""
        return self.name if self.stage.published else f"{self.name}/{digest(self.configuration)}"

    @functools.cached_property
    def identity(self) -> dict[str, Any]:
        """Everything the key is made of, so that two keys can be compared in words."""
        inputs = [[place, edge.mode, edge.source.name, edge.source.key] for place, edge in self.edges.items()]
        return {**self.configuration, "inputs": inputs}

    @functools.cached_property
    def key(self) -> str:
        return digest(self.identity)

    def shard_key(self, contents: Sequence[bytes], index: int | None) -> bytes:
        """Return the content key of a shard, KEY_BYTES: digests of what each edge reads, in the order of the edges.

        `index` is given where the rows depend on the shard's number: of a partition, or of a stage that is `numbered`.
        """
        number = b"" if index is None else index.to_bytes(8, "big")
        return hashlib.sha256(b"".join([self._configuration_hash, *contents, number])).digest()[:KEY_BYTES]

    @functools.cached_property
    def _configuration_hash(self) -> bytes:
        return _sha256(self.configuration)

    @functools.cached_property
    def is_numbered(self) -> bool:
        """Whether the rows of a shard depend on its number."""
        return self.stage.numbered or any(edge.mode == "partition" for edge in self.edges.values())


Input = "Step | InputFiles | Edge"


def step(
    function: Callable, /, *, name: str = "", tasks: int | None = None, stage: Stage | None = None, **arguments: Any
) -> Step:
    """Bind a stage to inputs and settings, each by the name of the function's parameter.

    An input is a step or input files (read shard by shard), `all_shards(x)`, `partition(x)`, or a mapping of those for
    a parameter that takes several. Settings left out take the function's defaults. Raises TypeError for an argument
    that the function does not have, for a missing one, and for what is no input (recipes are checked before, with line
    numbers).
    """
    declaration = stage or function.stage  # type: ignore[attr-defined]
    parameters = inspect.signature(function).parameters
    if unknown := arguments.keys() - parameters.keys():
        raise TypeError(f"{declaration.name} has no parameter {sorted(unknown)}; it has {list(parameters)}")
    inputs: dict[str, Edge | dict[str, Edge]] = {}
    settings: dict[str, Any] = {}
    for parameter in parameters.values():
        place = f"{declaration.name}({parameter.name}=...)"
        if parameter.name not in arguments and parameter.default is parameter.empty:
            raise TypeError(f"{place} is missing")
        if parameter.kind is parameter.KEYWORD_ONLY:
            value = arguments.get(parameter.name, parameter.default)
            settings[parameter.name] = spelled(value, parameter.annotation)
        elif parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            raise TypeError(f"{place}: a stage names each of its inputs")
        elif arguments.get(parameter.name) is not None:
            inputs[parameter.name] = _bound(arguments[parameter.name], place)
    return Step(function, inputs, settings, tasks, name or declaration.name, declaration)


def _bound(value: Any, place: str) -> Edge | dict[str, Edge]:
    if isinstance(value, Mapping):
        return {name: _edge(item, f"{place}[{name!r}]") for name, item in value.items()}
    return _edge(value, place)


def _edge(value: Any, place: str) -> Edge:
    if isinstance(value, Step | InputFiles):
        return Edge("aligned", value)
    if isinstance(value, Edge):
        return value
    raise TypeError(
        f"{place} is an input: give a step, input files, all_shards(step) or partition(step), not {value!r}"
    )


def all_shards(source: Step | InputFiles) -> Edge:
    """Every task reads all shards of `source`."""
    return Edge("all_shards", source)


def partition(source: Step | InputFiles) -> Edge:
    """Task i reads partition i of every shard of `source`: the shuffle."""
    return Edge("partition", source)


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
    return _sha256(value)[:KEY_BYTES].hex()


def _sha256(value: Any) -> bytes:
    text = json.dumps(canonical(value, "key"), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).digest()


def ancestors(goal: Step) -> list[Step]:
    """Return `goal` and every step it depends on, each after its inputs, each once (equal keys are one step)."""
    order: dict[str, Step] = {}

    def visit(node: Step | InputFiles) -> None:
        if isinstance(node, InputFiles) or node.key in order:
            return
        for edge in node.edges.values():
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
