"""The command line: `python -m pipeline COMMAND`. stdout is the answer; progress and errors go to stderr.

Exit codes: 0 the output is complete; 1 the run failed (run it again to continue); 2 bad input (one line: what to type).
"""

import importlib
import io
import signal
import sys

from pipeline.base.exit_codes import CommandParser, exit_code_of, stop
from pipeline.base.logs import configure_logging
from pipeline.base.paths import COMMAND

COMMANDS = {  # name -> module in pipeline.commands, imported when the command is typed, and the command's help
    "corpus": ("corpus", "make the corpus of a recipe; prints its folder"),
    "plan": ("plan", "what `corpus` would run, why, and what it may cost"),
    "explain": ("explain", "one page's story: each stage, each value against its bound"),
    "settings": ("settings", "every setting of a recipe: type, range, default, meaning"),
    "warm": ("compile_kernels", "compile all kernels now; a run does it by itself, once for a version of the code"),
    "gc": ("gc", "step folders that no recorded run needs"),
    "verify": ("verify", "compare every stored file, or those of a published folder, with its checksum"),
    "index": ("index", "what an index of earlier runs holds; join a corpus to it, withdraw documents"),
    "funnel": ("funnel", "the page funnel of a finished corpus as a Markdown table"),
    "costs": ("costs", "what a corpus cost, step by step, as a Markdown table"),
    "extract": ("single_files.extract", "text of an HTML file, or JSONL of url and text of a WARC"),
    "identify": ("single_files.identify", "a language and its score for each line of standard input"),
    "signals": ("single_files.signals", "the heuristic signals of each text of a JSONL or Parquet file"),
    "dedup": ("single_files.dedup", "near-duplicates of a JSONL or Parquet file, verified"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    signal.signal(signal.SIGTERM, stop)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # answers are data, whatever the locale
    return exit_code_of(lambda: _run(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: list[str]) -> None:
    parser = CommandParser(COMMAND, description="Common Crawl in, a corpus in one language out.")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module_name, text) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=text, description=text)
        if arguments[:1] == [name]:
            command = importlib.import_module(f"{__package__}.commands.{module_name}")
            command.add_arguments(subparser)
    options = parser.parse_args(arguments)
    configure_logging(getattr(options, "json_log", False))
    command.run(options)


if __name__ == "__main__":
    sys.exit(main())
