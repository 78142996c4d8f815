"""Compiling all kernels once for a version of the code, before workers would each do it: a run on a thimbleful of text.

Two processes share the work: one makes documents of HTML pages, the other makes a corpus of texts. What they compile is
kept (pipeline/kernels/njit.py), and so is a mark that says that nothing is left to compile.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.kernels import disk_cache as kept

HALVES: dict[str, tuple[str, ...]] = {  # the steps of each, in order: what both run comes late in the second
    "pages": ("pages", "languages", "signatures", "fingerprints"),
    "texts": ("signals", "contamination", "corpus", "index_entry"),
}
_RECIPES = {
    "pages": 'extends = "de"\n[extract]\nengine = "blocks"\n',
    "texts": 'extends = "de"\n[near]\nthreshold = 0.5\n',  # and every optional section
}


def ready(say: Callable[[str], None]) -> None:
    """Compile what is not compiled yet; where somebody else is at it, wait for them.

    Where a half fails, `say` tells why, and kernels are compiled when they are called.
    """
    mark = kept.entry("kernels", "ready", _version())
    if mark.exists():
        return
    with _lock(mark.parent / ".lock"):
        if not mark.exists():
            say("compiling kernels, once for this version of the code (a minute, with two cores)")
            failed = _compile()
            mark.mkdir() if not failed else say(f"not all kernels were compiled before they are needed: {failed}")


def _version() -> str:
    """Of all kernels, of numba and Python, and of the CPU that machine code is for."""
    import llvmlite.binding
    import numba

    from pipeline.kernels.machine_code import digest, sources

    around = [numba.__version__, sys.version, llvmlite.binding.get_host_cpu_name()]
    return hashlib.sha256(repr([*around, *map(digest, sorted(sources()))]).encode()).hexdigest()[:16]


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _compile() -> str:
    """Run both halves; returns the last line of one that failed, else nothing."""
    around = {**os.environ, "PYTHONPATH": str(kept.CHECKOUT), "CORPUS_CACHE": str(kept.root())}
    with tempfile.TemporaryFile("w+") as log, contextlib.ExitStack() as stack:
        halves = []
        for name in HALVES:
            command = [sys.executable, "-m", "pipeline.commands.compile_kernels", name]
            half = subprocess.Popen(command, cwd=kept.CHECKOUT, env=around, stdout=log, stderr=log)
            stack.callback(half.wait)
            stack.callback(half.kill)  # where this process is told to stop
            halves.append(half)
        codes = [half.wait() for half in halves]
        if any(codes):
            log.seek(0)
            return log.read().strip().rpartition("\n")[2]
    return ""


def run(half: str) -> None:
    """One half, in a folder of its own that goes; the texts twice, to meet themselves in an index of earlier runs."""
    from pipeline import build
    from pipeline.index import pointer as index
    from pipeline.runner.manifests import folder_of
    from pipeline.runner.scheduler import InProcess, execute, quiet
    from pipeline.store.filesystem import Store

    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "warm.toml")
        optional = [f"[{name}]\n" for name in build.recipe_schema().optional if half == "texts"]
        written.write_text(_RECIPES[half] + "".join(optional))
        store, found = Store(Path(folder, "root")), (str(_source(half, Path(folder))),)
        earlier = index.Pointer(store, "warm") if half == "texts" else None
        wanted = build.load_recipe(str(written), found, {}, earlier)
        for name in HALVES[half]:
            execute(wanted.steps[name], store, InProcess, quiet)
        if earlier:
            earlier = index.commit(earlier, wanted, InProcess, quiet)
            published = tuple(map(str, Path(store.root, folder_of(wanted.corpus), "data").glob("*.parquet")))
            execute(build.load_recipe(str(written), published, {}, earlier).steps["index"], store, InProcess, quiet)


def _source(half: str, folder: Path) -> Path:
    """A WARC file of demo pages, or German texts with copies, near-duplicates and benchmark items among them."""
    if half == "pages":
        from extract.demo import crawl as demo

        name, data = next(iter(demo.build_warc_files().items()))
        (folder / name).write_bytes(data)
        return folder / name
    configs = kept.CHECKOUT / "configs" / "demo"
    texts = [row["text"] for row in _rows(configs / "reference-de.jsonl")]
    leaks = [f"{row['question']} {row['answer']}" for row in _rows(configs / "benchmark-de.jsonl")]
    near = [f"{text}\n\nEin Satz mehr." for text in texts]
    backwards = [" ".join(reversed(text.split())) for text in texts]
    parts = ["\n\n".join(three) for three in zip(texts[:9], backwards, backwards[1:], strict=False)]  # a third is known
    texts += [*texts[:9], *near, *parts, *(f"{text}\n\n{leak}" for text, leak in zip(texts, leaks, strict=False))]
    rows = [{"url": f"https://www.example/{i}", "text": text} for i, text in enumerate(texts)]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "texts.jsonl"


def _rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    run(sys.argv[1])
