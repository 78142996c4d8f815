"""What many one-document files cost, packed and one a shard: tasks, files and CPU (`make bench-small-files`).

    python -m tests.bench.small_files [COUNT ...]

Documents are pages of the demo crawl with a number of their own, one WARC of one record each. Each run is one process
(`--local`), on a root of its own; kernels are compiled before. CPU is of the whole process tree. The last line is the
demo crawl, which has four files.
"""

import gzip
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from extract.demo import crawl as demo
from pipeline.runner.manifests import key_folders
from pipeline.store.filesystem import Store
from tests.bench.process import measured

COUNTS = (600, 10_000)
MAX_UNPACKED = 600  # more shards take minutes


def write_files(folder: Path, count: int) -> None:
    """Write `count` WARC files of one German page each."""
    pages = [page for page in demo.demo_captures() if page.language == "de" and page.kind == "good_article"]
    folder.mkdir()
    for number in range(count):
        page = pages[number % len(pages)]
        words = page.text.split()
        body = " ".join(words[number % len(words) :] + words[: number % len(words)] + [f"Nummer {number}."])
        html = f"<html lang=de><head><title>{number}</title></head><body><article><p>{body}</p></article></body></html>"
        message = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}".encode()
        head = {
            "WARC-Type": "response",
            "WARC-Target-URI": f"{page.url}?{number}",
            "WARC-Date": "2026-09-01T00:00:00Z",
            "WARC-Record-ID": f"<urn:demo:{number}>",
            "Content-Length": len(message),
        }
        fields = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        record = f"WARC/1.0\r\n{fields}\r\n".encode() + message + b"\r\n\r\n"
        (folder / f"page-{number:06}.warc.gz").write_bytes(gzip.compress(record, 1, mtime=0))


def run(folder: Path, pages: int, name: str, *options: str) -> str:
    """Make a corpus of the files and return its line of the table, with the time of the same run again."""
    root = folder / name.replace(" ", "-")
    command = [sys.executable, "-m", "pipeline", "corpus", "de", "--local", "--root", str(root), *options]
    cost, _ = measured(command, folder / "log")
    again, _ = measured(command, folder / "log")
    store = Store(root)
    markers = [file for step in key_folders(store) for file in store.sizes(f"{step}/shards")]
    tasks = sum(file.endswith(".json") for file in markers)
    files = sum(len(names) for _, _, names in os.walk(root))
    figures = f"{tasks:,} | {files:,} | {cost.wall:.1f} | {1000 * cost.cpu / pages:.1f} | {again.wall:.1f}"
    return f"| {name} | {pages:,} | {figures} |"


def lines(counts: tuple[int, ...]) -> Iterator[str]:
    """Yield the table."""
    yield "| input | pages | tasks | files | wall s | CPU ms a page | same run again, s |"
    yield "| --- | --: | --: | --: | --: | --: | --: |"
    with tempfile.TemporaryDirectory(prefix="bench-small-files-") as name:
        folder = Path(name)
        for count in counts:
            crawl = folder / f"crawl{count}"
            write_files(crawl, count)
            source = ("--source", f"{crawl}/*.warc.gz")
            if count <= MAX_UNPACKED:
                yield run(folder, count, f"{count:,} files, one a shard", *source, "--set", "source.pack_bytes=0")
            yield run(folder, count, f"{count:,} files, packed", *source)
        yield run(folder, len(demo.demo_captures()), "demo crawl")


if __name__ == "__main__":
    for line in lines(tuple(map(int, sys.argv[1:])) or COUNTS):
        print(line, flush=True)
