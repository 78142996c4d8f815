"""Labelled texts and real pages for the tests and the benchmark of language identification."""

import gzip
import json
import random
import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from extract.html.decode import decode_page
from extract.langid.languages import two_letter_code

RECIPES = ["de", "en", "fr", "es", "it", "nl", "pl", "pt", "ru", "tr", "cs", "sv", "da"]
Labelled = list[tuple[str, str]]  # (language, text)
_CRAWLS = ("hplt-cc100.warc.gz", "trafilatura-demo.warc.gz", "trafilatura-dev.warc.gz")


def _lines(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        return [line.strip() for line in file if line.strip()]


def _drawn(items: Iterable[tuple[str, list[str]]], count: int) -> Labelled:
    """`count` texts of each language, the same ones always."""
    found: dict[str, list[str]] = defaultdict(list)
    for language, texts in items:
        found[language] += texts
    chance = random.Random(0)
    return [(name, t) for name in sorted(found) for t in chance.sample(found[name], min(count, len(found[name])))]


def lingua(shared: Path, count: int) -> Labelled:
    """Sentences of 75 languages (the test set of lingua)."""
    folder = shared / "lid" / "lingua-sentences"
    return _drawn(((two_letter_code(path.name[:-7]), _lines(path)) for path in sorted(folder.glob("*.txt.gz"))), count)


def tatoeba(shared: Path, count: int) -> Labelled:
    """Short sentences of 111 languages."""
    paths = sorted((shared / "lid" / "tatoeba-laser").glob("*.gz"))
    items = [(path.name.split(".")[-2], path) for path in paths]
    # three letters throughout: `als` is Tosk Albanian here, and no spelling of Wikipedia's
    return _drawn(((two_letter_code(name + "_"), _lines(path)) for name, path in items if name != "eng"), count)


def flores(shared: Path, count: int) -> Labelled:
    """Sentences of 20 languages."""
    paths = sorted((shared / "lid").glob("flores200-dev-*/*.dev.gz"))
    return _drawn(
        ((two_letter_code(path.name[:8]), _lines(path)) for path in paths if "arb_Latn" not in path.name), count
    )


def udhr(shared: Path, count: int) -> Labelled:
    """Paragraphs of at least 40 characters of the Universal Declaration of Human Rights, by ISO 639-3 code."""

    def items() -> Iterator[tuple[str, list[str]]]:
        for path in sorted((shared / "lid" / "udhr-xml").glob("udhr_*.xml.gz")):
            with gzip.open(path) as file:
                root = ElementTree.parse(file).getroot()
            name = two_letter_code(root.get("iso639-3", "und") + "_")
            found = (" ".join("".join(p.itertext()).split()) for p in root.iter("{http://efele.net/udhr}para"))
            yield name, [text for text in found if len(text) >= 40]

    return _drawn(((name, texts) for name, texts in items() if name != "und" and texts), count)


def pages(shared: Path) -> Iterator[tuple[str, str, str | None]]:
    """(name, HTML, language that somebody else says or None) of every real page at hand, in order.

    The other's word is HPLT's prediction on its own extraction (probability of at least 0.5) where there is one.
    """
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    silver = _silver(shared / "warc" / "hplt-cc100.meta.jsonl")
    paths = [shared / "warc" / name for name in _CRAWLS]
    for path in [*paths, *sorted((shared / "warc" / "commoncrawl" / "cc-main-2020-34").glob("*.warc.gz"))]:
        with open(path, "rb") as stream:
            for record in ArchiveIterator(stream, record_types=WarcRecordType.response, auto_decode="all"):
                kind = record.http_headers.get("Content-Type") if record.http_headers else None
                url = record.headers.get("WARC-Target-URI")
                if "html" in (kind or "html"):
                    yield f"{path.name} {url}", decode_page(record.reader.read(), kind).text, silver.get(url)
    for path in sorted((shared / "extraction" / "wcxb-dev").glob("*.html.gz")):
        with gzip.open(path) as file:
            yield path.name, decode_page(file.read()).text, None


def _silver(path: Path) -> dict[str, str]:
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return {row["url"]: two_letter_code(row["lang"]) for row in rows if row["lang"] and row["prob"] >= 0.5}


def declared(html: str) -> str | None:
    found = re.search(r"<html[^>]*?\slang\s*=\s*[\"']?([A-Za-z]{2,3})", html[:20000], re.I)
    return two_letter_code(found[1]) if found else None


def scores(truth: list[str], guess: list[str], languages: list[str]) -> tuple[float, float]:
    """Macro F1 over `languages`, and accuracy, of the texts that are in one of them."""
    pairs = [(t, g) for t, g in zip(truth, guess, strict=True) if t in languages]
    right = [sum(t == g == name for t, g in pairs) for name in languages]
    both = [sum(t == name for t, _ in pairs) + sum(g == name for _, g in pairs) for name in languages]
    return sum(2 * r / b for r, b in zip(right, both, strict=True) if b) / len(languages), sum(right) / len(pairs)
