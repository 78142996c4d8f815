"""`python -m pipeline index NAME`: what an index holds; add a corpus, withdraw documents, merge segments."""

import argparse
import logging
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dedup.index import segment
from dedup.index.files import RECORD, StoredIndex, documents_file
from dedup.near import minhash
from dedup.near.shingle_files import signatures_and_sets
from extract import pages
from pipeline.base.errors import UserError
from pipeline.base.format import counted
from pipeline.builder import DOCUMENTS, input_files, partition_count
from pipeline.commands.options import add_log_option, add_store_options, executor_maker, open_store
from pipeline.config import cli_inputs
from pipeline.index.add_files import add_files
from pipeline.index.compaction import compact
from pipeline.index.pointer import Pointer, index_names, load_pointer, open_index
from pipeline.index.withdraw import withdraw

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="without one: print the names of all indexes")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--add", metavar="FILES", help="add every row of these Parquet or JSONL files")
    action.add_argument(
        "--withdraw", metavar="FILE", help="ids (one a line, - for standard input) that no run may keep"
    )
    action.add_argument("--compact", action="store_true", help="merge all segments but the newest dump's")
    parser.add_argument("--preset", help="bands x rows of a new index (default 14x8)")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--id-column", default="id")
    add_store_options(parser)
    add_log_option(parser)


def run(arguments: argparse.Namespace) -> None:
    store = open_store(arguments)
    only_show = arguments.add is None and arguments.withdraw is None and not arguments.compact
    if arguments.name is None and only_show:
        if names := index_names(store):
            print("\n".join(names))
        else:
            log.info("no index is in %s", store.root)
        return
    if arguments.name is None:
        raise UserError("which index? type its name first, for example: index german --compact")
    if arguments.preset is not None and arguments.add is None:
        raise UserError("--preset is for a new index that --add begins; a recipe has it in [near]")
    if only_show:
        print(index_table(load_pointer(store, arguments.name)))
        return
    make_executor = executor_maker(arguments)
    with open_index(store, arguments.name) as pointer:
        if arguments.add is not None:
            files = input_files(list(cli_inputs.parse_source(arguments.add, "--add") or ()))
            pointer = add_files(
                pointer,
                files,
                make_executor,
                buckets=partition_count(files, DOCUMENTS),
                preset=arguments.preset,
                text_column=arguments.text_column,
                id_column=arguments.id_column,
            )
        elif arguments.withdraw is not None:
            index_table(pointer)  # raises for an empty index
            pointer = withdraw(pointer, read_ids(arguments.withdraw), arguments.withdraw, make_executor)
        else:
            pointer = compact(pointer, make_executor, everything=True)
    print(index_table(pointer))


def index_table(pointer: Pointer) -> str:
    """The dumps of an index as a table for a terminal. Raises UserError for an index without dumps."""
    if not pointer.entries:
        raise UserError(
            f"index {pointer.name}: nothing is in it; `corpus --index {pointer.name}` adds a run, "
            "`index --add FILES` a corpus"
        )
    rows = [("dump", "documents", "captured", "corpus")]
    for entry in pointer.entries:
        days = " to ".join(dict.fromkeys(day for day in entry["dates"] if day)) or "unknown"
        corpus = pointer.store.uri(entry["corpus"]) if entry["corpus"] else "(joined)"
        rows.append((entry["label"], f"{entry['rows']:,}", days, corpus))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = ["  ".join([*(cell.ljust(n) for cell, n in zip(row, widths, strict=False)), row[3]]) for row in rows]
    documents = counted(sum(entry["rows"] for entry in pointer.entries), "document")
    withdrawn = pointer.withdrawn["rows"] if pointer.withdrawn else 0
    parameters = ", ".join(f"{name} {value}" for name, value in sorted(pointer.parameters.items()))
    totals = f"{documents} in {counted(len(pointer.segments), 'segment')}, {withdrawn:,} withdrawn ({parameters})"
    return "\n".join([*lines, totals])


def join(
    pointer: Pointer, files: str, make: Make, say: Say, preset: str | None, text_column: str, id_column: str
) -> Pointer:
    """Add every row of a published corpus, as its text stands there. Nothing is compared with it before."""
    like = pointer.parameters or {"bands": 14, "rows": 8, "ngram": 5}
    if preset:
        like = {**like, **dict(zip(("bands", "rows"), minhash.parse_preset(preset), strict=True))}
    made = _steps(input_files(list(parse_source(files, "--add") or ())), like, text_column, id_column)
    source = source_key(made)
    if not pointer.admit(source, made["index_bands"].key, band_parameters(made)):
        return pointer
    execute(made["index_entry"], pointer.store, make, say)
    _account(made, pointer.store, text_column, say)
    return compact(add(pointer, made, source, made["index_bands"].key, band_parameters(made), say), make, say)


def _account(made: dict[str, Step], store: Store, text_column: str, say: Say) -> None:
    """Tell how many rows are no document, and why. Raises UserError when none is: nothing was added then."""
    found = shards_of(store, made["pages"])
    documents = sum(part.rows() for part in found)
    rules = Counter(rule for part in found for rule in part.table(["rule"], name="rejects")["rule"].to_pylist())
    why = ", ".join(f"{rule} {n:,}" for rule, n in sorted(rules.items())) or "no row is there"
    name = made["index_entry"].params["label"]
    if not documents:
        raise UserError(f"{name}: no document is in it ({why}); --text-column says where texts are, "
                        f"{text_column!r} was read")  # fmt: skip
    if rules:
        say(f"{name}: {counted(documents, 'document')}, {counted(rules.total(), 'row')} left out ({why})")


def _steps(files: InputFiles, like: dict, text_column: str, id_column: str) -> dict[str, Step]:
    documents = step(pages.pages, source=files, text_column=text_column, id_column=id_column)
    signature = {name: like[name] for name in ("bands", "rows", "ngram")}
    signatures = step(signatures_and_sets, name="signatures", pages=documents, **signature)
    n = partition_count(files, DOCUMENTS)
    return {
        "pages": documents,
        "signatures": signatures,
        **index_steps(step, documents, signatures, None, n, None, label(files)),
    }


def withdraw(pointer: Pointer, path: str, make: Make, say: Say) -> Pointer:
    """No later run keeps these documents or what resembles them. Raises UserError for ids that are not there."""
    table(pointer)  # there is something
    stored, wanted = pointer.stored(), _ids(path)
    there = {
        value.tobytes().hex() for value in segment.find_documents(stored, [bytes.fromhex(i) for i in wanted])[1]["id"]
    }
    missing = [i for i in wanted if i not in there]
    if missing:
        raise UserError(
            f"{path}: {len(missing)} of {counted(len(wanted), 'id')} {'is' if len(missing) == 1 else 'are'} not in "
            f"index {pointer.name} ({', '.join(missing[:3])}{', ...' if missing[3:] else ''}): "
            "it has kept documents only; the ledger's duplicate_of names the one that stands for a dropped one"
        )
    wanted = sorted({*wanted, *_withdrawn(stored)})
    like = {name: pointer.parameters[name] for name in ("bands", "rows")}
    goal = step(segment.index_withdrawn, index=pointer.leaf(len(pointer.entries)), ids=tuple(wanted), **like)
    execute(goal, pointer.store, make, say)
    made = {"folder": folder_of(goal), "key": goal.key, "rows": len(wanted)}
    return replace(pointer, withdrawn=made).save(pointer, say) if made["rows"] else pointer


def _withdrawn(stored: StoredIndex) -> list[str]:
    """Ids of what is withdrawn already."""
    if not stored.withdrawn_shards:
        return []
    folder = stored.documents[0].folder
    with stored.store.open(f"{folder}/{documents_file(0)}") as file:
        records = np.frombuffer(file.read(), RECORD)
    return [value.tobytes().hex() for value in records["id"]]


def _ids(path: str) -> list[str]:
    try:
        lines: Iterable[str] = sys.stdin or () if path == "-" else Path(path).read_text("utf-8-sig").splitlines()
        ids = list(dict.fromkeys(word.lower() for line in lines if (word := line.strip())))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UserError(f"{path}: cannot be read ({reason}); give a file of one id a line, or -") from error
    for number, value in enumerate(ids, 1):
        if not re.fullmatch("[0-9a-f]{32}", value):
            raise UserError(f"{path}: id {number} ({value[:40]!r}) is none: give 32 hex digits, as the ledger has them")
    if not ids:
        raise UserError(f"{path}: no id is in it; give one a line")
    return ids
