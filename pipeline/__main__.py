"""The command line: `python -m pipeline COMMAND`. stdout is the answer; progress and errors go to stderr.

Exit codes: 0 the output is complete; 1 the run failed (run it again to continue); 2 bad input (one line: what to type).
"""

import argparse
import contextlib
import errno
import io
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from pipeline.base.errors import UserError


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _stop)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # answers are data, whatever the locale
    try:
        arguments.command(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; run the same again to continue where it was", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # whoever read the output has gone, as `head` does
        return 1
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC):
            raise
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {place}{_reason(error)}; give a folder that can be read and written", file=sys.stderr)
        return 2
    except Exception as error:
        if type(error).__name__ != "RunFailed":
            raise
        print(f"error: the run failed; what was finished is kept, the same command continues\n{error}", file=sys.stderr)
        return 1
    return 0


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m pipeline", description="Common Crawl in, a corpus in one language out.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Callable, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=function)
        return sub

    for name, function, text in (
        ("corpus", _corpus, "make the corpus of a recipe; prints its folder"),
        ("plan", _plan, "what `corpus` would run, why, and what it may cost"),
    ):
        _recipe_options(command(name, function, text))
    explain = command("explain", _explain, "one page's story: each stage, each value against its bound")
    explain.add_argument("page", metavar="URL-or-id")
    explain.add_argument("--recipe", required=True, metavar="LANGUAGE-or-recipe.toml")
    _run_options(explain)
    settings = command("settings", _settings, "every setting of a recipe: type, range, default, meaning")
    settings.add_argument("section", nargs="?", help="a section, or rules, columns or presets (default: all settings)")
    settings.add_argument("--recipe", metavar="LANGUAGE-or-recipe.toml", help="show what it sets, and where")
    settings.add_argument("--markdown", action="store_true", help="the page configs/REFERENCE.md")
    command("warm", _warm, "compile all kernels now; a run does it by itself, once for a version of the code")
    gc = command("gc", _gc, "step folders that no recorded run needs")
    gc.add_argument("--root", default="data")
    gc.add_argument("--yes", action="store_true", help="remove them")
    index = command("index", _index, "what an index of earlier runs holds; join a corpus to it, withdraw documents")
    index.add_argument("name", nargs="?", help="without one: the names there are")
    what = index.add_mutually_exclusive_group()
    what.add_argument("--add", metavar="FILES", help="join every row of these Parquet or JSONL files")
    what.add_argument("--withdraw", metavar="FILE", help="ids (one a line, - for standard input) that no run may keep")
    what.add_argument("--compact", action="store_true", help="merge its segments, but for the newest dump's")
    index.add_argument("--preset", help="bands x rows of a new index (default 14x8)")
    index.add_argument("--text-column", default="text")
    index.add_argument("--id-column", default="id")
    _place_options(index)
    command("funnel", _funnel, "the page funnel of a finished corpus as a Markdown table").add_argument("folder")
    command("costs", _costs, "what a corpus cost, step by step, as a Markdown table").add_argument("folder")
    extract = command("extract", _extract, "text of an HTML file, or JSONL of url and text of a WARC")
    extract.add_argument("file")
    extract.add_argument("--engine", default="blocks")
    identify = command("identify", _identify, "a language and its score for each line of standard input")
    identify.add_argument("--model", default="embedded", help="embedded, langdetect, or a fastText model's path")
    signals = command("signals", _signals, "the heuristic signals of each text of a JSONL or Parquet file")
    signals.add_argument("file")
    signals.add_argument("--text-column", default="text")
    signals.add_argument("--language", default="en", help="whose stop words count")
    dedup = command("dedup", _dedup, "near-duplicates of a JSONL or Parquet file, verified")
    dedup.add_argument("file")
    dedup.add_argument("--preset", default="14x8", help="bands x rows")
    dedup.add_argument("--threshold", type=float, default=0.8, help="Jaccard similarity of word 5-grams")
    dedup.add_argument("--text-column", default="text")
    dedup.add_argument("--id-column", help="default: id, or row numbers where there is none")
    return parser


def _recipe_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="LANGUAGE-or-recipe.toml")
    _run_options(parser)


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", help="files or globs (default: the recipe's, else the demo crawl)")
    parser.add_argument("--index", metavar="NAME", help="deduplicate against earlier runs with this index, and join it")
    _place_options(parser)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change settings")
    parser.add_argument("--shuffle", type=int, metavar="SEED", help="start shards in a random order (for tests)")


def _place_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", default="data", help="where steps are kept: a folder or s3://bucket/prefix")
    parser.add_argument("--workers", type=_positive, default=os.cpu_count() or 1, help="shards at once")
    parser.add_argument("--local", action="store_true", help="in this process, without Ray: for debugging")


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of workers; give 1 or more")
    return int(text)


def say(line: str) -> None:
    """Progress, with the time of day."""
    print(f"[{time.strftime('%H:%M:%S')}] {line}", file=sys.stderr, flush=True)


def _goal(arguments: argparse.Namespace, index: Any = None) -> Any:
    from pipeline.build import load_recipe
    from pipeline.config.cli_inputs import parse_overrides, parse_source

    build = load_recipe(arguments.recipe, parse_source(arguments.source), parse_overrides(arguments.set), index)
    _print_warnings(build.config.warnings)
    return build


def _print_warnings(warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


def _pointer(arguments: argparse.Namespace, store: Any) -> Any:
    """The index as it is, for commands that change nothing."""
    from pipeline.index import pointer as index

    return index.load(store, arguments.index) if arguments.index is not None else None


def _store(arguments: argparse.Namespace) -> Any:
    from pipeline.config.cli_inputs import parse_root
    from pipeline.store.filesystem import Store

    return Store(parse_root(arguments.root))


def _corpus(arguments: argparse.Namespace) -> None:
    from pipeline.index import pointer as index

    store = _store(arguments)
    with contextlib.ExitStack() as stack:
        try:
            found = index.opened(store, arguments.index, say) if arguments.index is not None else None
            pointer = stack.enter_context(found) if found else None
        except OSError as error:
            raise _unusable(arguments, error) from error
        _run(arguments, store, pointer)


def _unusable(arguments: argparse.Namespace, error: Exception) -> UserError:
    return UserError(f"ROOT={arguments.root}: cannot be written ({_reason(error)}); give another ROOT")


def _run(arguments: argparse.Namespace, store: Any, pointer: Any) -> None:
    from pipeline.commands.plan import record
    from pipeline.index.pointer import commit
    from pipeline.runner.manifests import folder_of
    from pipeline.runner.scheduler import execute

    wanted = _goal(arguments, pointer)
    try:
        record(wanted.goal, store, wanted.name, wanted.invocation)
    except (OSError, ValueError) as error:  # ValueError: pyarrow's, for a path that cannot be
        raise _unusable(arguments, error) from error
    if said := wanted.index_warning():
        say(said)
    folder = folder_of(wanted.corpus)
    before = store.exists(f"{folder}/manifest.json")
    execute(wanted.goal, store, _pool(arguments), say, arguments.shuffle)
    if pointer:
        commit(pointer, wanted, _pool(arguments), say)
    for alarm in () if before else store.read_json(f"{folder}/stats.json")["alarms"]:
        say(f"{alarm['level']}: {alarm['text']}")
    print(store.uri(folder))


def _pool(arguments: argparse.Namespace) -> Callable:
    from pipeline.commands.compile_kernels import ready
    from pipeline.runner.scheduler import InProcess

    def pool() -> Any:
        ready(say)
        if arguments.local:
            return InProcess()
        from pipeline.runner.ray_pool import RayPool

        say(f"starting {arguments.workers} Ray worker{'s' if arguments.workers > 1 else ''}")
        return RayPool(arguments.workers)

    return pool


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]


def _plan(arguments: argparse.Namespace) -> None:
    from pipeline.commands.plan import plan, table

    store = _store(arguments)
    wanted = _goal(arguments, _pointer(arguments, store))
    print(table(plan(wanted.goal, store)))
    print(wanted.summary())


def _settings(arguments: argparse.Namespace) -> None:
    from pipeline.commands.settings import settings_text

    text, warnings = settings_text(arguments.section, arguments.recipe, arguments.markdown)
    print(text, end="")
    _print_warnings(warnings)


def _warm(_: argparse.Namespace) -> None:
    from pipeline.commands.compile_kernels import ready

    ready(say)


def _gc(arguments: argparse.Namespace) -> None:
    from pipeline.commands.plan import garbage, remove

    store = _store(arguments)
    try:
        found = garbage(store)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"ROOT={arguments.root}: cannot be read ({_reason(error)}); give a folder of steps") from error
    for name in found:
        gone = arguments.yes and remove(store, name)
        print(f"{'removed' if gone else 'in use' if arguments.yes else 'not needed'}: {store.uri(name)}")
    if not found:
        say(f"nothing to remove in {store.root}")
    elif not arguments.yes:
        say("nothing was removed; add --yes (make gc YES=1) to remove these")


def _index(arguments: argparse.Namespace) -> None:
    from pipeline.commands import index
    from pipeline.index.pointer import load, names, opened

    store, make = _store(arguments), _pool(arguments)
    nothing = arguments.add is arguments.withdraw is None and not arguments.compact
    if arguments.name is None and nothing:
        return print("\n".join(names(store))) if names(store) else say(f"no index is in {store.root}")
    if arguments.name is None:
        raise UserError("which index? type its name first, for example: index german --compact")
    if arguments.preset is not None and arguments.add is None:
        raise UserError("--preset is for a new index that --add begins; a recipe has it in [near]")
    if nothing:
        return print(index.table(load(store, arguments.name)))
    with opened(store, arguments.name, say) as pointer:
        if arguments.add is not None:
            pointer = index.join(
                pointer, arguments.add, make, say, arguments.preset, arguments.text_column, arguments.id_column
            )
        elif arguments.withdraw is not None:
            pointer = index.withdraw(pointer, arguments.withdraw, make, say)
        else:
            pointer = index.compact(pointer, make, say, everything=True)
    return print(index.table(pointer))


def _funnel(arguments: argparse.Namespace) -> None:
    from pipeline.publish.card import funnel_table

    print(funnel_table(_published(arguments.folder).read_json("stats.json")))


def _costs(arguments: argparse.Namespace) -> None:
    from pipeline.commands.costs import costs

    print(costs(_published(arguments.folder)))


def _published(folder: str) -> Any:
    from pipeline.store.filesystem import Store

    store = None if os.path.isfile(folder) else Store(folder)
    if store is None or not store.exists("stats.json"):
        raise UserError(f"{folder}: no finished corpus (stats.json is missing); give a folder `corpus` printed")
    return store


def _explain(arguments: argparse.Namespace) -> None:
    from pipeline.publish.explain import explain_page

    store = _store(arguments)
    print(explain_page(_goal(arguments, _pointer(arguments, store)), store, arguments.page), end="")


def _extract(arguments: argparse.Namespace) -> None:
    from extract.extract_file import extract_file

    extract_file(arguments.file, arguments.engine, sys.stdout)


def _identify(arguments: argparse.Namespace) -> None:
    from extract.langid.identify import identify_lines

    if sys.stdin is None:
        raise UserError("standard input is closed; give lines of text: python -m pipeline identify < lines.txt")
    identify_lines(sys.stdin, sys.stdout, arguments.model)


def _signals(arguments: argparse.Namespace) -> None:
    from filters.signals.signals import signals_file

    signals_file(arguments.file, sys.stdout, arguments.text_column, arguments.language)


def _dedup(arguments: argparse.Namespace) -> None:
    from dedup.dedup_file import dedup_file

    dedup_file(
        arguments.file,
        sys.stdout,
        preset=arguments.preset,
        threshold=arguments.threshold,
        text_column=arguments.text_column,
        id_column=arguments.id_column,
    )


if __name__ == "__main__":
    sys.exit(main())
