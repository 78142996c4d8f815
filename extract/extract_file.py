"""`python -m pipeline extract`: an engine on a file, without a pipeline."""

import json
import sys
from collections import Counter
from typing import TextIO

from extract import engines
from extract.html.decode import decode
from extract.pages import check_engine
from extract.record_to_page import Settings
from extract.sources.compression import open_source
from extract.sources.listing import Columns
from extract.watchdog import Limits, guarded
from pipeline.base.errors import UserError


def extract_file(path: str, engine: str, out: TextIO, *, timeout: float = 30.0, memory: int = 1_200_000_000) -> None:
    """Write the text of an HTML file, or a line of JSON (url, text) for each page of a WARC, ARC or WET, to `out`.

    What gave no text is counted on standard error. `timeout`: seconds a page, `memory`: bytes of RSS. Raises UserError
    for an unknown engine, and for a file that cannot be opened or has no page with text.
    """
    check_engine(engine)
    if path.lower().endswith((".html", ".htm", ".xhtml")):
        with open_source(path) as file:
            out.write(engines.extract(decode(file.read()), engine).text + "\n")
        return
    with open_source(path):  # says in one line what is wrong with it
        pass
    place = {"path": path, "name": path.rpartition("/")[2], "start": 0, "end": None}
    task = {"place": place, "settings": Settings(engine=engine), "columns": Columns()}
    pages, rejects = 0, Counter[str]()
    for kind, row in guarded("extract.pages:work", task, Limits(timeout, memory)):
        if kind == "part":
            out.write(json.dumps({"url": row["url"], "text": row["text"]}, ensure_ascii=False) + "\n")
            pages += 1
        elif kind == "rejects":
            rejects[row["rule"]] += 1
    for rule, count in sorted(rejects.items()):
        print(f"{rule}: {count} record{'s' if count > 1 else ''} without text", file=sys.stderr)
    if not pages:
        raise UserError(f"{path}: no page in it gave text; give a WARC, ARC, WET, Parquet, JSON lines or .html file")
