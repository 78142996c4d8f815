"""Makes the crawl that the benchmarks run on: real pages in one WARC, with a language mix like Common Crawl's."""

import gzip
import itertools
import json
import random
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

GERMAN_SHARE = 0.06  # of Common Crawl's pages: between 5 and 6 % in its language statistics of 2024 and 2025
COPIES = 8  # one German capture in so many is a slightly changed copy of another


@dataclass(frozen=True)
class Capture:
    """One page as a server sent it: `body` in the charset of `kind` (the HTTP header), `language` only "de" or ""."""

    url: str
    kind: str
    body: bytes
    language: str


def captures(data: Path) -> list[Capture]:
    """Every real page under `data`, a URL once, in an order that is always the same."""
    found: dict[str, Capture] = {}
    for capture in (*_crawls(data), *_wcxb(data), *_scrapinghub(data)):
        if capture.body and capture.url and capture.url.isascii():
            found.setdefault(capture.url, capture)
    return list(found.values())


def _crawls(data: Path) -> Iterator[Capture]:
    german = _german(data)
    samples = ("cc-main-2020-34/warcfile", "cc-main-2016-50/repaired-sample", "cc-main-2019-51-jwarc/cc")
    names = ("trafilatura-dev", "trafilatura-demo", "hplt-cc100", *(f"commoncrawl/{name}" for name in samples))
    for name in names:
        for url, kind, body in _responses(data / "warc" / f"{name}.warc.gz"):
            if "html" in kind.lower():
                yield Capture(url, kind, body, "de" if url in german or _declares_german(body) else "")


def _german(data: Path) -> set[str]:
    with (data / "extraction/trafilatura-dev.gold.jsonl").open(encoding="utf-8") as file:
        return {row["url"] for row in map(json.loads, file) if row["lang_guess"] == "de"}


def _declares_german(body: bytes) -> bool:
    from extract.langid.prefilter import declared_language

    return declared_language(body) == "de"


def _responses(path: Path) -> Iterator[tuple[str, str, bytes]]:
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    with path.open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response, auto_decode="all"):
            kind = record.http_headers.get("Content-Type") if record.http_headers else None
            yield record.headers.get("WARC-Target-URI") or "", kind or "text/html", record.reader.read()


def _wcxb(data: Path) -> Iterator[Capture]:
    for path in sorted((data / "extraction/wcxb-dev").glob("*.html.gz")):
        said = json.loads(gzip.decompress(path.with_name(path.name.replace(".html.", ".json.")).read_bytes()))
        body = gzip.decompress(path.read_bytes())
        yield Capture(said["url"], "text/html; charset=utf-8", body, "de" if _declares_german(body) else "")


def _scrapinghub(data: Path) -> Iterator[Capture]:
    for path in sorted((data / "extraction/scrapinghub-articles/html").glob("*.html.gz")):
        url = f"https://www.articles.example/{path.name.removesuffix('.html.gz')}"
        yield Capture(url, "text/html; charset=utf-8", gzip.decompress(path.read_bytes()), "")


def mixed(pages: list[Capture], count: int, seed: int = 1) -> list[Capture]:
    """`count` captures, GERMAN_SHARE of them German, as many languages as there are in the rest, in a random order."""
    rng = random.Random(seed)
    german = round(count * GERMAN_SHARE)
    groups = ([c for c in pages if c.language == "de"], [c for c in pages if c.language != "de"])
    for group in groups:
        rng.shuffle(group)
    found = [*repeated(groups[0], german, COPIES), *repeated(groups[1], count - german)]
    rng.shuffle(found)
    return found


def german(pages: list[Capture], count: int | None = None) -> list[Capture]:
    """A crawl all in German: every German page once, and slightly changed copies of one in COPIES - 1."""
    found = [c for c in pages if c.language == "de"]
    return repeated(found, count or len(found) * COPIES // (COPIES - 1), COPIES)


def repeated(pages: list[Capture], count: int, every: int = 0) -> list[Capture]:
    """`count` captures: pages in turn, changed from the second time on; with `every`, each so-many-th is a copy too."""
    found: list[Capture] = []
    fresh = 0
    while len(found) < count:
        if every and len(found) % every == every - 1:
            found.append(changed(found[len(found) // 2], len(found)))
            continue
        time, at = divmod(fresh, len(pages))
        found.append(changed(pages[at], fresh) if time else pages[at])
        fresh += 1
    return found


def changed(capture: Capture, number: int) -> Capture:
    """The page under another URL, its first three paragraphs changed a little."""
    mark = "&" if "?" in capture.url else "?"
    body = capture.body.replace(b"</p>", b" (%d)</p>" % number, 3)
    return replace(capture, url=f"{capture.url}{mark}copy={number}", body=body)


def reworded(pages: list[Capture], seed: int = 1) -> Iterator[Capture]:
    """Pages without end, in turn, three in ten of their words replaced by words of pages of their kind: as long, as
    noisy and in the same languages as the real ones, and no two alike."""
    rng = random.Random(seed)
    words = [[word for word in page.body.split(b" ") if word.isalpha()] or [b"a"] for page in pages]
    for number in itertools.count():
        capture, other = pages[number % len(pages)], rng.choice(words)
        body = b" ".join(
            rng.choice(other) if word.isalpha() and rng.random() < 0.3 else word for word in capture.body.split(b" ")
        )
        mark = "&" if "?" in capture.url else "?"
        yield replace(capture, url=f"{capture.url}{mark}number={number}", body=body)


def write(path: Path, found: Iterable[Capture], size: int | None = None) -> Path:
    """A WARC of one gzip member a record, as Common Crawl writes them; with `size`, no more than so many bytes.

    Large ones are compressed by isal, which takes a tenth of zlib's time and some more bytes.
    """
    from isal import igzip

    with path.open("wb") as file:
        for capture in found:
            record = _record(capture)
            file.write(gzip.compress(record, 6, mtime=0) if size is None else igzip.compress(record, 2))
            if size is not None and file.tell() >= size:
                break
    return path


def _record(capture: Capture) -> bytes:
    message = (
        f"HTTP/1.1 200 OK\r\nContent-Type: {capture.kind}\r\nContent-Length: {len(capture.body)}\r\n\r\n"
    ).encode("latin-1", "replace") + capture.body
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Date: 2025-01-01T00:00:00Z\r\n"
        f"WARC-Record-ID: <urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, capture.url)}>\r\n"
        f"WARC-Target-URI: {capture.url}\r\nWARC-Identified-Payload-Type: text/html\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(message)}\r\n\r\n"
    )
    return head.encode() + message + b"\r\n\r\n"
