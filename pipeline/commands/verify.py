"""`python -m pipeline verify [FOLDER] [--root R] [--repair]`: compare every stored file with its checksum."""

import argparse
import sys
from collections.abc import Iterator

from pipeline.base.errors import CorruptFile, UserError
from pipeline.base.format import counted
from pipeline.config.cli_inputs import parse_root
from pipeline.runner.manifests import listed_files
from pipeline.runner.repair import forget_shard
from pipeline.store.checksums import hash_file
from pipeline.store.filesystem import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", help="a published folder; default: everything below the root")
    parser.add_argument("--root", default="data")
    parser.add_argument("--repair", action="store_true", help="forget corrupt shards: the next run computes them again")


def run(arguments: argparse.Namespace) -> None:
    store = Store(arguments.folder if arguments.folder is not None else parse_root(arguments.root))
    files, problems = 0, []
    for folder in [""] if arguments.folder is not None else _step_folders(store):
        for name, problem in _check_folder(store, folder):
            files += 1
            if problem:
                print(f"corrupt: {store.uri(name)} ({problem})")
                problems.append(name)
    if not files:
        raise UserError(f"{store.root}: no finished step and no published folder; give another folder or --root")
    if not problems:
        print(f"{counted(files, 'file')} in {store.root}: every checksum is right")
        return
    if arguments.repair and arguments.folder is None:
        for name in problems:
            forget_shard(store, name)
        hint = "these shards are forgotten; run the same `corpus` command again to compute them"
    elif arguments.folder is None:
        hint = "add --repair and run the same `corpus` command again to compute these shards anew"
    else:
        hint = "copy the folder again from where it was made"
    print(f"error: {counted(len(problems), 'file')} of {files:,} corrupt: {hint}", file=sys.stderr)
    raise SystemExit(1)


def _step_folders(store: Store) -> Iterator[str]:
    for step in store.list():
        for entry in store.list(step.base_name) if not step.is_file else []:
            folder = f"{step.base_name}/{entry.base_name}"
            if store.exists(f"{folder}/manifest.json"):
                yield folder


def _check_folder(store: Store, folder: str) -> Iterator[tuple[str, str]]:
    """Yield every file that a manifest lists, and the manifest, with what is wrong with it; "" for nothing."""
    prefix = f"{folder}/" if folder else ""
    if not store.exists(f"{prefix}manifest.json"):
        return
    try:
        markers = store.read_json(f"{prefix}manifest.json")["shards"]
        yield f"{prefix}manifest.json", ""
    except (CorruptFile, KeyError) as error:
        yield f"{prefix}manifest.json", getattr(error, "problem", "it lists no shards")
        return
    for index, marker in enumerate(markers):
        digests = [entry["xxh3"] for entry in [*marker["outputs"].values(), *marker["files"].values()]]
        for (name, size), digest in zip(listed_files(marker, index), digests, strict=True):
            yield f"{prefix}{name}", _problem(store, f"{prefix}{name}", size, digest)


def _problem(store: Store, name: str, size: int, digest: str) -> str:
    stored = store.size(name)
    if stored != size:
        return "it is missing" if stored < 0 else f"it has {stored:,} bytes, {size:,} were written"
    with store.open(name) as file:
        return "" if hash_file(file) == digest else "a checksum differs"
