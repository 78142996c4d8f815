"""Golden digests: what the rows of every step are, with the version of its stage (`make golden` writes them).

    python -m tests.support.golden

A line is a table or a raw file of a step. A step whose rows are others under the same version, with the same settings,
libraries and input rows, is one whose version must be raised; then nothing is written.

Digests are of rows, in their order and by shards, not of bytes: releases of Arrow and Parquet have no say. Of a float,
six digits count, since libraries of mathematics differ in the last ones. Not compared is what depends on the machine:
what is learned (`LEARNED`: floats of these steps, and models). Nor are texts for people (`FOR_PEOPLE`).
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.runner.dag import InputFiles, Step, digest
from pipeline.runner.manifests import shards_of
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard
from tests.support.golden_world import run_demo, run_every_step
from tests.support.paths import CHECKOUT

FILE = CHECKOUT / "tests" / "golden_digests.tsv"
WORLDS: dict[str, Callable[[Path], dict[str, Step]]] = {"demo": run_demo, "every step": run_every_step}
LEARNED = ("quality_model", "quality")
LEARNED_COLUMNS = ("quality", "quality_percentile")  # where they are published
FOR_PEOPLE = ("README.md", "report.html", "stats.json", "data/", "ledger/")
FLOAT_FORMAT = ".6g"


@dataclass(frozen=True)
class Line:
    """A table or a raw file of a step: what it is made of and by, and its digest."""

    world: str
    step: str
    output: str
    version: int
    settings: str  # digest of everything but version, libraries and rows of other steps that decides about rows
    libraries: str  # releases of the libraries that the stage names
    rows: int
    digest: str

    @property
    def place(self) -> tuple[str, str, str]:
        return self.world, self.step, self.output


def read_lines(path: Path = FILE) -> dict[tuple[str, str, str], Line]:
    """Read the file of golden digests, by place."""
    lines = [line.split("\t") for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    kinds = [field.type for field in fields(Line)]
    read = [Line(*(int(v) if kind is int else v for kind, v in zip(kinds, line, strict=True))) for line in lines]
    return {line.place: line for line in read}


def write_lines(lines: Mapping[tuple[str, str, str], Line], path: Path = FILE) -> None:
    """Write the file."""
    head = "# " + "\t".join(field.name for field in fields(Line))
    rows = ["\t".join(map(str, asdict(line).values())) for line in lines.values()]
    path.write_text("\n".join([head, *rows]) + "\n", "utf-8")


def compute_lines(world: str, root: Path) -> tuple[dict[str, Step], dict[tuple[str, str, str], Line]]:
    """Run a world below `root`; return its steps, and their lines in the order of the DAG."""
    steps = WORLDS[world](root)
    store = Store(root / "root") if (root / "root").exists() else Store(root)
    lines = {}
    for name, step in steps.items():
        configuration = dict(step.configuration)
        version, libraries = configuration.pop("version"), configuration.pop("libraries")
        configuration["files"] = [
            edge.source.key for edge in step.edges.values() if isinstance(edge.source, InputFiles)
        ]
        releases = " ".join(f"{library}={release}" for library, release in libraries.items())
        for output, rows, found in sorted(_digests(name, list(shards_of(store, step)), step.stage.outputs)):
            line = Line(world, name, output, version, digest(configuration), releases, rows, found)
            lines[line.place] = line
    return steps, lines


def _digests(step: str, shards: list[Shard], outputs: Mapping[str, pa.Schema]) -> Iterator[tuple[str, int, str]]:
    """Yield the tables and raw files of a step: name, rows, digest."""
    learned = LEARNED_COLUMNS if step not in LEARNED else tuple(n for schema in outputs.values() for n in schema.names)
    for output in outputs:
        rows, hasher = 0, hashlib.sha256()
        for shard in shards:
            hasher.update(b"shard\n")  # where shards end is part of what other steps read
            buckets = range(shard.outputs[output]["buckets"])
            for part in [replace(shard, bucket=bucket) for bucket in buckets] or [shard]:
                table = part.table(name=output)
                rows += table.num_rows
                hasher.update(canonical_rows(table, learned))
        yield output, rows, hasher.hexdigest()[:32]
    for number, shard in enumerate(shards):
        for name in sorted(shard.files):
            place = f"{number}/{name}"
            if name == "sources.parquet":
                table = pq.read_table(shard.file(name))
                yield place, table.num_rows, hashlib.sha256(canonical_rows(table)).hexdigest()[:32]
            elif step not in LEARNED and not name.startswith(FOR_PEOPLE):
                yield place, 0, hashlib.sha256(shard.file(name).read_bytes()).hexdigest()[:32]


def canonical_rows(table: pa.Table, learned: tuple[str, ...] = ()) -> bytes:
    """Return rows as JSON lines. Floats have six digits; those of `learned` columns are left out."""
    names = [field.name for field in table.schema if not (pa.types.is_floating(field.type) and field.name in learned)]
    rows = table.select(names).to_pylist()
    return "".join(json.dumps(_rounded(list(row.values())), default=str) + "\n" for row in rows).encode()


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return format(value, FLOAT_FORMAT)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return value


def forgotten_versions(
    steps: Mapping[str, Step],
    golden: Mapping[tuple[str, str, str], Line],
    actual: Mapping[tuple[str, str, str], Line],
) -> list[str]:
    """Return what has other rows although nothing says that it may: one line for each step.

    A step is looked at if its version, settings and libraries are those of the golden lines, and if the rows that it
    reads are.
    """
    found = []
    changed_steps = {line.step for place, line in actual.items() if golden.get(place) != line}
    changed_steps |= {line.step for place, line in golden.items() if place not in actual}
    for step in changed_steps & {line.step for line in golden.values()}:
        bound = steps.get(step)
        sources = [edge.source for edge in bound.edges.values()] if bound else []
        if bound is None or any(
            source.name in changed_steps for source in sources if not isinstance(source, InputFiles)
        ):
            continue
        before, after = ({p: line for p, line in lines.items() if line.step == step} for lines in (golden, actual))
        declared = [
            {(line.version, line.settings, line.libraries) for line in lines.values()} for lines in (before, after)
        ]
        if declared[0] == declared[1]:
            outputs = sorted(place[2] for place in before | after if before.get(place) != after.get(place))
            line = next(iter(after.values()))
            found.append(
                f"{step} ({line.world}): other rows of {', '.join(outputs)} under the same version {line.version}; "
                "raise `version` of its stage and type make golden, or fix the change"
            )
    return sorted(found)


def main() -> int:
    golden = read_lines() if FILE.exists() else {}
    lines, forgotten = {}, []
    for world in WORLDS:
        with tempfile.TemporaryDirectory(prefix="golden-") as root:
            steps, own = compute_lines(world, Path(root))
        lines |= own
        forgotten += forgotten_versions(steps, {p: line for p, line in golden.items() if p[0] == world}, own)
    if forgotten:
        print("\n".join(forgotten), file=sys.stderr)
        return 1
    write_lines(lines)
    print(
        f"{FILE}: {len(lines)} digests, {sum(golden.get(place) != line for place, line in lines.items())} of them new"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
