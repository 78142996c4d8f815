"""How far each stage is from what this machine cannot beat: `make bench-limits`.

In one process and one run: each stage over the pages of a crawl all in German, and beside it a floor, the least that
any program must do for it (decompress the same members, touch the same bytes once, parse, hash the same words, compress
the same text). Seconds of CPU a page, medians of turns; `how far` is stage / floor. A stage may beat a floor that is
another library's work (a parse that builds no tree). Besides: reading against FastWARC.
"""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.kernels.njit import njit
from tests.bench import input as bench_input
from tests.bench.table import FLOOR, Options, Row, in_turns, turn
from tests.support.peer_signals import settings as settings_of


@dataclass
class Material:
    """A crawl at every step of its way: what the stages and floors start from."""

    warc: Path
    stored: bytes
    members: list[tuple[int, int]]  # where each gzip member starts and ends
    records: list[Any]
    bodies: list[tuple[bytes, str]]  # body and Content-Type
    htmls: list[bytes]  # in UTF-8
    texts: list[str]

    @property
    def column(self) -> pa.ChunkedArray:
        return pa.chunked_array([pa.array(self.texts, pa.string())])


def material(options: Options, folder: Path) -> Material:
    from extract.blocks.engine import extract_blocks
    from extract.html.decode import decode_page
    from extract.sources.http import parse_message
    from extract.sources.record_parser import Record
    from extract.sources.warc import read_records

    pages = [page for page in bench_input.captures(options.data) if page.language == "de"]
    warc = bench_input.write(folder / "german.warc.gz", bench_input.repeated(pages, 120 if options.quick else 500))
    stored = warc.read_bytes()
    found = [event for event in read_records(str(warc)) if isinstance(event, Record)]
    messages = [parse_message(record.view, 1 << 26) for record in found]
    bodies = [(message.body, message.headers.get("content-type", "")) for message in messages]
    htmls = [decode_page(*body).utf8 for body in bodies]
    places = [record.offset for record in found]
    members = list(zip(places, [*places[1:], len(stored)], strict=True))
    return Material(warc, stored, members, found, bodies, htmls, [extract_blocks(html) for html in htmls])


def stages(m: Material, folder: Path) -> Iterator[tuple[str, str, Callable[[], Any], Callable[[], Any]]]:
    """(stage, what its floor is, the stage, its floor)."""
    from dedup.near.minhash import sign_texts
    from extract.blocks.engine import extract_blocks
    from extract.html.decode import decode_page
    from extract.html.rights import read_rights
    from extract.langid.prefilter import prefilter
    from extract.sources.http import parse_message
    from extract.sources.warc import read_records
    from filters.signals.signals import signal_table
    from pipeline.kernels.tokens import words

    settings, ids = settings_of("de"), pa.array([str(i) for i in range(len(m.texts))])
    column, texts = m.column, pa.array(m.texts, pa.large_string())
    table = pa.table({"text": m.texts})
    blob, out = "".join(m.texts).encode(), folder / "out.parquet"
    yield (
        "reading records",
        "decompression of the same members",
        lambda: sum(1 for _ in read_records(str(m.warc))),
        _inflate(m),
    )
    yield (
        "HTTP message",
        "one copy of the bodies",
        lambda: [parse_message(record.view, 1 << 26) for record in m.records],
        lambda: [bytes(memoryview(body)[1:]) for body, _ in m.bodies],
    )
    yield (
        "character set",
        "every byte touched once",
        lambda: [decode_page(*body) for body in m.bodies],
        lambda: [_touch(np.frombuffer(body, np.uint8)) for body, _ in m.bodies],
    )
    yield (
        "prefilter",
        "every byte touched once",
        lambda: [prefilter(body, "de") for body, _ in m.bodies],
        lambda: [_touch(np.frombuffer(body, np.uint8)) for body, _ in m.bodies],
    )
    yield (
        "rights",
        "every byte searched once",
        lambda: [read_rights(html, {}) for html in m.htmls],
        lambda: [html.count(b"<meta") for html in m.htmls],
    )
    yield "extraction (blocks)", "lexbor's parse", lambda: [extract_blocks(html) for html in m.htmls], _lexbor(m)
    yield "signals", "the same words hashed once", lambda: signal_table(ids, texts, settings), lambda: words(column)
    yield "MinHash", "the same words hashed once", lambda: sign_texts(ids, column, 14, 8, 5), lambda: words(column)
    yield (
        "writing Parquet",
        "zstd of the same text",
        lambda: pq.write_table(table, out, compression="zstd", compression_level=3),
        lambda: pa.Codec("zstd", 3).compress(blob),
    )


def _inflate(m: Material) -> Callable[[], Any]:
    from isal import igzip_lib

    view = memoryview(m.stored)
    return lambda: [len(igzip_lib.decompress(view[a:b], flag=igzip_lib.DECOMP_GZIP)) for a, b in m.members]


def _lexbor(m: Material) -> Callable[[], Any]:
    from resiliparse.parse.html import HTMLTree

    return lambda: [HTMLTree.parse_from_bytes(html).body is None for html in m.htmls]


def _fastwarc(m: Material) -> Callable[[], Any]:
    from fastwarc.warc import ArchiveIterator

    def run() -> int:
        with m.warc.open("rb") as stream:
            return sum(len(record.reader.read()) for record in ArchiveIterator(stream, parse_http=True))

    return run


def _bodies(m: Material) -> Callable[[], Any]:
    from extract.sources.http import parse_message
    from extract.sources.warc import read_records

    return lambda: sum(len(parse_message(record.view, 1 << 26).body) for record in read_records(str(m.warc)))  # type: ignore[union-attr]


@njit(nogil=True)
def _touch(data):  # type: ignore[no-untyped-def]
    total = 0
    for value in data:
        total += value == 60
    return total


def figures(options: Options) -> dict[str, Any]:
    """Seconds of CPU a page of every stage and floor, by turn, and how many bytes each of them meets."""
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        m = material(options, Path(name))
        measured = []
        for stage, floor, run, least in stages(m, Path(name)):
            turns = in_turns({"stage": _turn(run), "floor": _turn(least)}, 5)
            measured.append({"stage": stage, "floor": floor, "seconds": turns})
        reading = in_turns({"ours": _turn(_bodies(m)), "FastWARC": _turn(_fastwarc(m))}, 5)
        return {
            "pages": len(m.bodies),
            "bytes": {
                "stored": len(m.stored),
                "html": sum(len(body) for body, _ in m.bodies),
                "text": sum(len(text.encode()) for text in m.texts),
            },
            "stages": measured,
            "reading": reading,
        }


def _turn(run: Callable[[], Any]) -> Callable[[], float]:
    run()  # compiles
    return turn(run)


def rows(figures: dict[str, Any]) -> list[Row]:
    """How far each stage is from its floor; all of them together; reading beside FastWARC."""
    pages, size = figures["pages"], figures["bytes"]
    found, sums = [], [0.0, 0.0]
    for one in figures["stages"]:
        spent, least = (statistics.median(one["seconds"][side]) for side in ("stage", "floor"))
        sums = [sums[0] + spent, sums[1] + least]
        note = f"{1e6 * spent / pages:,.0f} / {1e6 * least / pages:,.0f} us a page"
        found.append(Row(f"how far: {one['stage']}", f"floor: {one['floor']}", spent / least, FLOOR, note=note))
    note = f"{1e3 * sums[0] / pages:.2f} / {1e3 * sums[1] / pages:.2f} ms a page of {size['html'] // pages:,} bytes"
    found.append(Row("how far: all of these", "floor: all of these", sums[0] / sums[1], FLOOR, note=note))
    costs = {name: statistics.median(turns) for name, turns in figures["reading"].items()}
    speeds = {name: size["stored"] / cost / 1e6 for name, cost in costs.items()}
    note = f"{speeds['ours']:.0f} / {speeds['FastWARC']:.0f} MB/s of compressed WARC"
    found.append(Row("WARC to HTTP bodies", "FastWARC", costs["FastWARC"] / costs["ours"], note=note))
    return found
