"""Cost as the input grows, memory of a worker, cores kept busy, what Ray costs: `make bench-scale [SIZE=bytes]`.

The input is made: German pages of the real ones, reworded so that no two are alike, as many as the size asks for, and
deleted afterwards. Cost is CPU of the whole process tree. Memory is the sum over a worker and its extraction child,
looked at ten times a second. How busy one file keeps many cores is computed: the shards' measured seconds are given to
so many workers, each the next one as it gets free, as the runner does. Wall clock only counts for two workers against
one, and says little where others use the machine.
"""

import heapq
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from tests.bench import input as bench_input
from tests.bench.process import Cost, measured
from tests.bench.table import Options, Row

SIZE = int(os.environ.get("SIZE") or 10**9)  # bytes of the WARC that memory is measured on
STEPS = (1, 4, 16)
LIMIT = 1.5e9  # bytes of a worker
HUGE = 8_000_000  # bytes of HTML, of the ten million that a page may have
# Without a quality model, whose training costs the same whatever the size of a small crawl.
_PLAIN = """language = "de"
[extract]
engine = "blocks"
[urls]
datatrove_lists = true
[rules]
presets = ["url", "rights", "language", "fineweb-2"]
"""


def figures(options: Options) -> dict[str, Any]:
    """Linear cost, memory on one large WARC, and what Ray and a second worker do."""
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        folder = Path(name)
        pages = [page for page in bench_input.captures(options.data) if page.language == "de"]
        size = SIZE // 10 if options.quick else SIZE
        large = options.warc or bench_input.write(folder / "large.warc.gz", bench_input.reworded(pages), size)
        return {
            "linear": linear(folder, pages, 100 if options.quick else 400),
            "memory": memory(folder, large),
            "ray": ray(folder, large, 1 if options.quick else 3),
            "huge": huge(folder, pages, size // 8),
        }


def linear(folder: Path, pages: list[bench_input.Capture], unit: int) -> list[dict[str, Any]]:
    """Seconds of CPU by step for 1, 4 and 16 times `unit` pages, each the beginning of the next."""
    found = []
    for times in STEPS:
        warc = bench_input.write(folder / f"x{times}.warc.gz", islice(bench_input.reworded(pages), unit * times))
        root = folder / f"linear{times}"
        cost, _ = _corpus(warc, root, folder, "--local", recipe=_plain(folder))
        found.append({"pages": unit * times, "cpu_seconds": cost.cpu, "steps": _steps(root)})
        warc.unlink()
    return found


def memory(folder: Path, warc: Path) -> dict[str, Any]:
    """One worker on one large WARC: its peak, and what its shards cost."""
    root, peak = folder / "large", Watch()
    with peak:
        cost, _ = _corpus(warc, root, folder, "--local", "--set", "extract.engine=blocks")
    return {
        "warc_bytes": warc.stat().st_size,
        "peak_bytes": peak.bytes,
        "peak_step": peak.step(root),
        "cpu_seconds": cost.cpu,
        "steps": _steps(root),
        "shard_seconds": _seconds(root, "pages"),
    }


def huge(folder: Path, pages: list[bench_input.Capture], size: int) -> dict[str, Any]:
    """A WARC of `size` bytes in which one page in a thousand has HUGE bytes of HTML: what its sixteen shards cost."""
    found = (
        replace(page, body=page.body * (HUGE // len(page.body) + 1)) if number % 1000 == 500 else page
        for number, page in enumerate(bench_input.reworded(pages))
    )
    warc = bench_input.write(folder / "huge.warc.gz", found, size)
    root, piece = folder / "huge", max(1 << 20, warc.stat().st_size // 16)
    _corpus(warc, root, folder, "--local", "--set", f"source.chunk_bytes={piece}", recipe=_plain(folder))
    return {"shard_seconds": _seconds(root, "pages")}


class Watch:
    """Processes below this one: the most memory that they have had at once, bytes of RSS, and when; seconds of CPU of
    all of them, also of those that Ray reaps without a trace, but for the last tenth of each."""

    def __init__(self) -> None:
        self.bytes, self.when = 0, 0.0
        self._cpu: dict[tuple[int, float], float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            now = sum(self._rss(child) for child in psutil.Process().children(recursive=True))
            if now > self.bytes:
                self.bytes, self.when = now, time.time()

    def _rss(self, process: psutil.Process) -> int:
        try:
            with process.oneshot():
                times = process.cpu_times()
                self._cpu[process.pid, process.create_time()] = times.user + times.system
                return int(process.memory_info().rss)
        except psutil.Error:  # ended meanwhile: it holds nothing
            return 0

    @property
    def cpu(self) -> float:
        return sum(self._cpu.values())

    def step(self, root: Path) -> str:
        """The step that was under way: the first one that was finished after the peak."""
        manifests = root.rglob("manifests/*.json")
        ended = sorted((path.stat().st_mtime, path.relative_to(root).parts[0]) for path in manifests)
        return next((f"in {name}" for when, name in ended if when >= self.when), "after the last step")


def ray(folder: Path, warc: Path, rounds: int = 3) -> dict[str, dict[str, Any]]:
    """The large WARC in this process, on Ray with one worker and with two, in turns: CPU and wall clock, medians and
    each. It is cut into sixteen pieces and as many files, so that there is work for all to the end as in a larger
    crawl."""
    piece = max(1 << 20, warc.stat().st_size // 16)
    cut = ("--set", f"source.chunk_bytes={piece}", "--set", f"publish.shard_bytes={piece // 4}")  # text is a quarter
    sides = {"local": ("--local",), "one worker": ("--workers", "1"), "two workers": ("--workers", "2")}
    each: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, how in sides.items():
            root = folder / f"ray {name}"
            with Watch() as watch:
                cost, _ = _corpus(warc, root, folder, *how, *cut, recipe=_plain(folder))
            each[name].append({"cpu": watch.cpu, "wall": cost.wall, "load": os.getloadavg()[0]})
            shutil.rmtree(root)
    return {name: {"rounds": one, **{k: median(r[k] for r in one) for k in one[0]}} for name, one in each.items()}


def _plain(folder: Path) -> str:
    (folder / "plain.toml").write_text(_PLAIN)
    return str(folder / "plain.toml")


def _corpus(warc: Path, root: Path, folder: Path, *how: str, recipe: str = "de") -> tuple[Cost, str]:
    command = [sys.executable, "-m", "pipeline", "corpus", recipe, "--source", str(warc), "--root", str(root)]
    return measured([*command, *how], folder / "log")


def _steps(root: Path) -> dict[str, float]:
    return {path.name: sum(_seconds(root, path.name)) for path in sorted(root.iterdir()) if path.name != "runs"}


def _seconds(root: Path, step: str) -> list[float]:
    """Of CPU, each shard of a step."""
    markers = sorted((root / step).rglob("shards/*.json"))
    return [json.loads(marker.read_text())["cost"]["cpu_seconds"] for marker in markers]


def busy(seconds: list[float], workers: int) -> float:
    """Share of `workers` cores that is used until the last shard is done; each takes the next one as it gets free."""
    ends = [0.0] * workers
    for spent in seconds:
        heapq.heappush(ends, heapq.heappop(ends) + spent)
    return sum(seconds) / (workers * max(ends))


def rows(figures: dict[str, Any]) -> list[Row]:
    """Linear cost, memory, cores kept busy, Ray."""
    linear, memory, ray = (figures[part] for part in ("linear", "memory", "ray"))
    return [
        *_linear_rows(linear),
        *_memory_rows(memory),
        *_ray_rows(ray),
        *_busy_rows(figures["huge"], "with huge pages"),
    ]


def _linear_rows(found: list[dict[str, Any]]) -> Iterator[Row]:
    """All steps together a page, and the steps that take most at the largest size."""
    sums = [1e3 * sum(one["steps"].values()) / one["pages"] for one in found]
    note = ", ".join(f"{one['pages']:,} pages {ms:.2f}" for one, ms in zip(found, sums, strict=True))
    yield Row(
        "a page at 16x", "a page at 4x", sums[2] / sums[1], "times", most=1.1, note=f"core-ms a page, all steps: {note}"
    )
    for name in sorted(found[2]["steps"], key=lambda step: -found[2]["steps"][step])[:6]:
        each = [1e6 * one["steps"].get(name, 0.0) / one["pages"] for one in found]
        note = "1x, 4x, 16x: " + ", ".join(f"{us:,.0f}" for us in each) + " us a page"
        yield Row(f"a page at 16x: {name}", "a page at 4x", each[2] / max(each[1], 1e-9), "times", note=note)


def _memory_rows(found: dict[str, Any]) -> Iterator[Row]:
    size = f"{found['warc_bytes'] / 1e9:.2f} GB of WARC, {found['cpu_seconds']:.0f} core-s"
    note = f"worker and extraction child together, highest {found['peak_step']}; {size}"
    yield Row("memory of a worker", "", found["peak_bytes"] / 1e9, "GB", most=LIMIT / 1e9, note=note)
    yield from _busy_rows(found)


def _busy_rows(found: dict[str, Any], kind: str = "") -> Iterator[Row]:
    shards = found["shard_seconds"]
    for workers in (2, 8, 16):
        note = f"{len(shards)} shards of {min(shards):.1f} to {max(shards):.1f} core-s, one file"
        what = f"{workers} cores kept busy by one WARC {kind}".strip()
        yield Row(what, "", 100 * busy(shards, workers), "%", note=note)


def _ray_rows(found: dict[str, dict[str, Any]]) -> Iterator[Row]:
    local, one, two = (found[name] for name in ("local", "one worker", "two workers"))
    note = f"core-s: {one['cpu']:.1f} / {local['cpu']:.1f}, Ray's start among them"
    yield Row("Ray, CPU over --local's", "", max(100 * (one["cpu"] / local["cpu"] - 1), 0.0), "%", most=10, note=note)
    note = f"seconds: {one['wall']:.1f} / {two['wall']:.1f}; load {two['load']:.1f} on {os.cpu_count()} cores"
    yield Row("two workers", "one worker", one["wall"] / two["wall"], least=1.8, note=note)
