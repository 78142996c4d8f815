"""Texts of real pages for the tests and benchmarks of the signals, by language."""

import functools
import gzip
import json
from pathlib import Path

_LIMIT = 20_000  # characters: longer texts (novels, law codes) would take all the time


@functools.cache
def real_texts(data: Path) -> dict[str, list[str]]:
    """Texts under `data` of less than 20,000 characters: "de" pages and laws, "en" crawl texts that people labelled,
    "pages" of a crawl in any language, "wet" Common Crawl's own texts. Page text is resiliparse's main content.
    """
    pages = [text for name in ("trafilatura-dev", "trafilatura-demo") for text in _warc(data / f"warc/{name}.warc.gz")]
    german = [text for text in pages if _looks_german(text)]
    laws = [gzip.decompress(f.read_bytes()).decode() for f in sorted((data / "dedup/gesetze-de").glob("*.gz"))[:60]]
    english = [json.loads(line)["text"] for line in (data / "quality/dclm-human-labels/majority_data.jsonl").open()]
    mixed = list(_warc(data / "warc/hplt-cc100.warc.gz"))
    wet = [text for f in sorted((data / "warc/commoncrawl").rglob("*.wet*")) for text in _wet(f)]
    found = {"de": german[:100] + laws + german[100:], "en": english, "pages": mixed, "wet": wet}
    return {name: [text for text in texts if text.strip() and len(text) < _LIMIT] for name, texts in found.items()}


def _looks_german(text: str) -> bool:
    return sum(f" {word} " in text for word in ("der", "die", "und", "nicht", "ist", "mit")) >= 4


def _warc(path: Path):
    from fastwarc.warc import ArchiveIterator, WarcRecordType
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    with path.open("rb") as file:
        for record in ArchiveIterator(file, record_types=WarcRecordType.response):
            body = record.reader.read()
            yield extract_plain_text(bytes_to_str(body, detect_encoding(body)), main_content=True)


def _wet(path: Path):
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    with path.open("rb") as file:
        for record in ArchiveIterator(file, record_types=WarcRecordType.conversion):
            yield record.reader.read().decode("utf-8", "replace")
