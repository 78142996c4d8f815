"""Every benchmark in turn: `python -m tests.bench.suite [PART ...] [--quick] [--warc FILE] [--out FILE]`.

Prints one table; with `--out` every figure is written there as JSON and the picture beside it as SVG. Each part
(`tests/bench/<part>.py`) has `figures(options)`, all that it measured, and `rows(figures)`, its lines of the table; it
runs in a process of its own, so that no part inherits another's memory. Costs are seconds of CPU, since others may use
the machine too; sides are measured in turns, and medians compared. Exit 1 when a part fails: the others are shown.
"""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.table import Options, Row, as_json, picture, table
from tests.support.paths import CHECKOUT, SHARED

PARTS = ("corpus", "signals", "dedup", "spans", "index", "contamination", "language", "extraction", "limits", "scale")


def main() -> None:
    said = _arguments()
    options = Options(said.data, said.warc, said.quick, said.work)
    _check(options)
    if said.child:
        figures = importlib.import_module(f"tests.bench.{said.parts[0]}").figures(options)
        Path(said.child).write_text(json.dumps(figures, ensure_ascii=False))
        return
    figures: dict[str, Any] = {}
    rows: list[Row] = []
    for part in said.parts or PARTS:
        figures[part] = _measured(part, options)
        rows += rows_of(part, figures[part])
        if said.out:  # after each part: what is interrupted has its figures
            write(Path(said.out), figures, rows)
    print(table(rows))
    sys.exit(any("failed" in found for found in figures.values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.bench.suite", description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--warc", type=Path, help="a crawl of your own instead of the mixed one that is made")
    parser.add_argument("--quick", action="store_true", help="fewer pages and rounds: minutes, and coarser figures")
    parser.add_argument("--data", type=Path, default=SHARED, help="folder of real pages")
    parser.add_argument("--work", type=Path, help="folder for temporary files (default: the system's)")
    parser.add_argument("--out", help="write every figure there as JSON, and the picture beside it")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    said = parser.parse_args()
    if unknown := [part for part in said.parts if part not in PARTS]:
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    return said


def _check(options: Options) -> None:
    if not options.data.is_dir():
        sys.exit(f"{options.data}: no real pages there; name a folder that has them: --data FOLDER")
    if options.warc and not options.warc.is_file():
        sys.exit(f"{options.warc}: no such file; name a WARC: --warc FILE")


def _measured(part: str, options: Options) -> dict[str, Any]:
    """What the part's process found; {"failed": the last line that it said} when it failed."""
    print(f"[{time.strftime('%H:%M:%S')}] {part}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.bench.suite", part, "--child", f"{folder}/figures.json", "--data"]
        command += [str(options.data), *(["--quick"] if options.quick else [])]
        for name, path in (("--warc", options.warc), ("--work", options.work)):
            command += [name, str(path.absolute())] if path else []
        code, last = _followed(command)
        if code:
            return {"failed": last or f"exit status {code}"}
        found: dict[str, Any] = json.loads(Path(folder, "figures.json").read_text())
        return found


def _followed(command: list[str]) -> tuple[int, str]:
    """(exit status, last line of stderr), which is passed on as it comes."""
    last = ""
    with subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.PIPE, stdout=sys.stderr, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            last = line.strip() or last
    return process.returncode, last


def rows_of(part: str, figures: dict[str, Any]) -> list[Row]:
    """The part's lines of the table; of one that failed a line that says so."""
    if "failed" in figures:
        return [Row(part, "", None, note=f"failed: {figures['failed']}")]
    found: list[Row] = importlib.import_module(f"tests.bench.{part}").rows(figures)
    return found


def write(path: Path, figures: dict[str, Any], rows: list[Row]) -> None:
    said = {"machine": machine(), "rows": as_json(rows), "figures": figures}
    path.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n")
    path.with_suffix(".svg").write_text(picture(rows, "corpus-pipeline beside its peers, per core"))


def machine() -> dict[str, Any]:
    """What absolute figures depend on."""
    names = [line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    main()
