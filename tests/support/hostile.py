"""Work for the watchdog's tests, run in its child: every item is a word that says how it behaves."""

import os
import signal
import time
from collections.abc import Callable, Iterator

from extract.html.decode import DecodedPage


def work(
    settings: list[str], first_item: int, skipped_items: dict, begin: Callable[[int], None]
) -> Iterator[tuple[int, str]]:
    for number, word in enumerate(settings):
        if number < first_item:
            continue
        if number in skipped_items:
            yield number, f"{word}: {skipped_items[number][0]} {skipped_items[number][1]:g}"
            continue
        begin(number)
        yield number, act(word)


def act(word: str) -> str:
    kind, _, value = word.partition("=")
    if kind == "spin":
        while True:
            pass
    elif kind == "sleep":
        time.sleep(float(value))
    elif kind == "die":
        os.kill(os.getpid(), getattr(signal, value))
        time.sleep(5)
    elif kind == "exit":
        os._exit(int(value))
    elif kind == "eat":
        held = [bytearray(b"x" * 20_000_000) for _ in range(int(value) // 20)]
        time.sleep(0.3)
        del held
    elif kind == "once":  # behaves badly the first time only: what came from outside
        if not os.path.exists(value):
            open(value, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "divs":
        from extract import engines

        engines.MAX_DEPTH = 1 << 30
        engines.extract("<div>" * int(value) + "text", "resiliparse")
    elif kind == "raise":
        raise ValueError(value)
    elif kind == "pid":
        return str(os.getpid())
    return word


def outside(
    settings: str, first_item: int, skipped_items: dict, begin: Callable[[int], None]
) -> Iterator[tuple[int, str]]:
    yield 0, "a result before"
    os._exit(3)


def pages_work(task, first_item, skipped_items, begin):
    """The pages' own work with an engine that fails on some pages. The child outlives it, so the engine is put back."""
    from extract import engines, pages

    real_engine = engines.ENGINES["resiliparse"]
    engines.ENGINES["resiliparse"] = hostile_engine
    try:
        yield from pages.work(task, first_item, skipped_items, begin)
    finally:
        engines.ENGINES["resiliparse"] = real_engine


def hostile_engine(page: DecodedPage, favour: str, markdown: bool) -> str:
    html = page.text
    for word in ("spin", "die=SIGSEGV", "exit=5", "eat=900", "raise=no good"):
        if f"[{word}]" in html:
            act(word)
    if "[memory error]" in html:
        raise MemoryError
    return "" if "[nothing]" in html else html


def parquet_work(task, first_item, skipped_items, begin):
    """The pages' own work with an Arrow that dies in pages that contain `[exit]`, and in row groups that have one."""
    from extract import pages
    from pipeline.inputs import parquet, parquet_pages

    class HostileGroup(parquet._GroupReader):
        def _arrow_batches(self):
            for batch in super()._arrow_batches():
                if any("[exit]" in text for text in batch["text"].to_pylist()):
                    os._exit(7)
                yield batch

    class HostilePages(parquet_pages.ColumnPages):
        def _plain_page(self, page):
            data = super()._plain_page(page)
            if b"[exit]" in data:
                os._exit(7)
            return data

    real = parquet._GroupReader, parquet.ColumnPages
    parquet._GroupReader, parquet.ColumnPages = HostileGroup, HostilePages
    try:
        yield from pages.work(task, first_item, skipped_items, begin)
    finally:
        parquet._GroupReader, parquet.ColumnPages = real


def json_work(task, first_item, skipped_items, begin):
    """The pages' own work with a JSON parser that dies in lines that contain `[exit]`, or eats memory."""
    from extract import pages
    from pipeline.inputs import json_lines

    real = json_lines._parse_line

    def parse_line(source_name, offset, line):
        for word in ("exit=7", "eat=900", "spin"):
            if f"[{word}]".encode() in line:
                act(word)
        return real(source_name, offset, line)

    json_lines._parse_line = parse_line
    try:
        yield from pages.work(task, first_item, skipped_items, begin)
    finally:
        json_lines._parse_line = real
