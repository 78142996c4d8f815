"""`python -m pipeline extract`: run an engine on a file, without a pipeline."""

import json
import sys
from collections import Counter
from typing import TextIO

from extract import engines
from extract.html.decode import decode_page
from extract.pages import FileRange, PagesTask, check_engine
from extract.record_to_html import ExtractSettings
from extract.watchdog import Limits, run_guarded
from pipeline.base.errors import UserError
from pipeline.inputs.compression import open_source


def extract_file(path: str, engine: str, out: TextIO, *, timeout: float = 30.0, memory: int = 1_200_000_000) -> None:
    """Write the text of an HTML file, or a line of JSON (url, text) for each page of a WARC, ARC or WET, to `out`.

    What gives no text is counted on standard error. `timeout`: seconds per page, `memory`: bytes of RSS. Raises
    UserError for an unknown engine, and for a file that cannot be opened or has no page with text.
    """
    check_engine(engine)
    if path.lower().endswith((".html", ".htm", ".xhtml")):
        with open_source(path) as file:
            out.write(engines.extract(decode_page(file.read()), engine).text + "\n")
        return
    with open_source(path):  # reports in one line what is wrong with it
        pass
    task = PagesTask(FileRange(path, path.rpartition("/")[2]), ExtractSettings(engine=engine))
    pages, rejects = 0, Counter[str]()
    for kind, row in run_guarded(f"{__package__}.pages:work", task, Limits(timeout, memory)):
        if kind == "part":
            out.write(json.dumps({"url": row["url"], "text": row["text"]}, ensure_ascii=False) + "\n")
            pages += 1
        elif kind == "rejects":
            rejects[row["rule"]] += 1
    for rule, count in sorted(rejects.items()):
        print(f"{rule}: {count} record{'s' if count > 1 else ''} without text", file=sys.stderr)
    if not pages:
        raise UserError(f"{path}: no page in it gave text; give a WARC, ARC, WET, Parquet, JSON lines or .html file")
