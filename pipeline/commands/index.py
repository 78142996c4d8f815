"""`python -m pipeline index NAME`: what an index holds; add a corpus, withdraw documents, merge segments."""

import argparse
import logging
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from extract.sources.check import check_files
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
            paths = list(cli_inputs.parse_source(arguments.add, "--add") or ())
            files = input_files(paths)
            check_files(paths, (), arguments.text_column, "--text-column {}")
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


def read_ids(path: str) -> list[str]:
    """Ids of a file with one id a line, or of standard input for "-". Raises UserError for anything else."""
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
