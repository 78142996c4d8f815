"""`python -m pipeline verify [FOLDER] [--root R] [--repair]`: compare every stored file with its checksum."""

import argparse
import sys
from collections.abc import Iterator

from pipeline.base.errors import CorruptFile, UserError
from pipeline.base.format import counted
from pipeline.config.cli_inputs import parse_root
from pipeline.runner.known_shards import forget_shard
from pipeline.runner.manifests import key_folders, load_manifest, manifests_in
from pipeline.store.checksums import hash_file
from pipeline.store.filesystem import Store
from pipeline.store.shard import listed_files
from pipeline.store.shard_table import ShardTable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", help="a published folder; default: everything below the root")
    parser.add_argument("--root", default="data")
    parser.add_argument("--repair", action="store_true", help="forget corrupt shards: the next run computes them again")


def run(arguments: argparse.Namespace) -> None:
    store = Store(arguments.folder if arguments.folder is not None else parse_root(arguments.root))
    files, problems = 0, []
    checked = _check_published(store) if arguments.folder is not None else _check_steps(store)
    for name, problem in checked:
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


def _check_steps(store: Store) -> Iterator[tuple[str, str]]:
    """Yield every file that a manifest lists, once, and the manifests, with what is wrong with them; "" for nothing."""
    for folder in key_folders(store):
        seen: set[str] = set()
        for name in manifests_in(store, folder):
            try:
                shards = list(ShardTable(load_manifest(store, name).table).shards())
                yield name, ""
            except CorruptFile as error:
                yield error.name, error.problem
                continue
            for key, marker in shards:
                if key not in seen:
                    seen.add(key)
                    yield from _check_files(store, f"{folder}/", marker, key)


def _check_published(store: Store) -> Iterator[tuple[str, str]]:
    """The same of a published folder."""
    if not store.exists("manifest.json"):
        return
    try:
        (marker,) = store.read_json("manifest.json")["shards"]
        yield "manifest.json", ""
    except (CorruptFile, KeyError, ValueError) as error:
        yield "manifest.json", getattr(error, "problem", "it lists no files")
        return
    for name, file in marker["files"].items():
        yield name, _problem(store, name, file["bytes"], file["xxh3"])


def _check_files(store: Store, prefix: str, marker: dict, key: str) -> Iterator[tuple[str, str]]:
    for name, size, digest in listed_files(marker, key):
        yield f"{prefix}{name}", _problem(store, f"{prefix}{name}", size, digest)


def _problem(store: Store, name: str, size: int, digest: str) -> str:
    stored = store.size(name)
    if stored != size:
        return "it is missing" if stored < 0 else f"it has {stored:,} bytes, {size:,} were written"
    with store.open(name) as file:
        return "" if hash_file(file) == digest else "a checksum differs"
