"""Pages with gold text, and which of their blocks belong to it: what the block classifier is trained and measured on.

Three public sets (paths below the data folder): WCXB's development pages (full text, seven page types), Scrapinghub's
article benchmark (article bodies), trafilatura's evaluation pages (segments that must, and must not, be extracted).
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from extract.blocks.scan.nodes import Page
from extract.blocks.scan.text_runs import T0, T1
from extract.html.decode import decode_page
from pipeline.kernels.njit import njit

MOST_CELLS = 150_000_000  # of an alignment; longer pages are aligned by their trigrams alone
_WORD = re.compile(r"\w+")


@dataclass
class GoldPage:
    """`html`; `kind`: page type; `gold`: full text or None; `must`, `must_not`: segments; `host`: registered domain."""

    name: str
    source: str
    html: str
    host: str
    kind: str
    language: str
    gold: str | None
    must: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    extra: dict[str, str] = field(default_factory=dict)


def words(text: str) -> list[str]:
    """WCXB's tokens: lower-cased runs of word characters."""
    return _WORD.findall(text.lower())


def word_f1(text: str, gold: str) -> tuple[float, float, float]:
    """Precision, recall and F1 of a text's bag of words against the gold text's, as WCXB's evaluation defines them."""
    ours, theirs = Counter(words(text)), Counter(words(gold))
    if not theirs or not ours:
        same = float(not theirs and not ours)
        return same, same, same
    both = sum((ours & theirs).values())
    if not both:
        return 0.0, 0.0, 0.0
    precision, recall = both / sum(ours.values()), both / sum(theirs.values())
    return precision, recall, 2 * precision * recall / (precision + recall)


def domain(url: str) -> str:
    """Registered domain of an URL, "" where it has none."""
    from courlan import extract_domain

    return extract_domain(url) or re.sub(r"^.*?//|[/:?].*$", "", url)


def load(data: Path) -> Iterator[GoldPage]:
    """Every page of the three sets below `data`, in a fixed order."""
    yield from _wcxb(data / "extraction" / "wcxb-dev")
    yield from _scrapinghub(data / "extraction" / "scrapinghub-articles")
    yield from _trafilatura(data)


def _language(text: str) -> str:
    from resiliparse.parse.lang import detect_fast

    return str(detect_fast(text, cutoff=5000)[0])


def _wcxb(folder: Path) -> Iterator[GoldPage]:
    for path in sorted(folder.glob("*.json.gz")):
        record = json.loads(gzip.decompress(path.read_bytes()))
        html = decode_page(gzip.decompress((folder / path.name.replace(".json.", ".html.")).read_bytes())).text
        truth = record["ground_truth"]
        kind, gold = record["_internal"]["page_type"]["primary"], truth["main_content"] or ""
        kind = "collection" if kind == "category" else kind
        must, must_not = tuple(truth.get("with") or ()), tuple(truth.get("without") or ())
        name, host = path.name.split(".")[0], domain(record["url"])
        yield GoldPage(name, "wcxb", html, host, kind, _language(gold), gold, must, must_not)


def _scrapinghub(folder: Path) -> Iterator[GoldPage]:
    truth = json.loads((folder / "ground-truth.json").read_text(encoding="utf-8"))
    for name, record in sorted(truth.items()):
        html = decode_page(gzip.decompress((folder / "html" / f"{name}.html.gz").read_bytes())).text
        gold = record["articleBody"]
        yield GoldPage(name, "scrapinghub", html, domain(record["url"]), "article", _language(gold), gold)


def _trafilatura(data: Path) -> Iterator[GoldPage]:
    from fastwarc.warc import ArchiveIterator

    lines = (data / "extraction" / "trafilatura-dev.gold.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    by_url = {record["url"].strip(): record for record in records}
    by_file = {record["file"]: record for record in records}
    with gzip.open(data / "warc" / "trafilatura-dev.warc.gz") as stream:
        for entry in ArchiveIterator(stream):
            url = (entry.headers.get("WARC-Target-URI") or "").removesuffix("%20")
            record = by_url.get(url) or by_file.get(url.rpartition("/")[2])
            if record is not None and record.get("with") is not None:
                html = decode_page(entry.reader.read()).text
                must, must_not, comments = (tuple(record.get(key) or ()) for key in ("with", "without", "comments"))
                language = "de" if record.get("lang_guess") == "de" else record.get("lang_guess") or ""
                yield GoldPage(
                    record["file"], "trafilatura", html, domain(url), "any", language, None, must, must_not, comments
                )


def block_texts(page: Page) -> list[str]:
    """The text of each block."""
    whole = page.text.tobytes()
    return [whole[block[T0] : block[T1]].decode("utf-8", "replace") for block in page.blocks]


def overlap(texts: list[str], gold: str) -> np.ndarray:
    """(blocks,) float64: the share of each block's words that the gold text's alignment with the page matches."""
    numbers: dict[str, int] = {}
    lists = [[numbers.setdefault(word, len(numbers)) for word in words(text)] for text in texts]
    ours = np.array([number for row in lists for number in row], np.int64)
    theirs = np.array([numbers.get(word, -1) for word in words(gold)], np.int64)
    lengths = np.array([len(row) for row in lists], np.int64)
    hit = np.zeros(len(ours), np.bool_)
    left = np.ones(len(theirs), np.bool_)
    if len(ours) * len(theirs) <= MOST_CELLS and len(theirs) and len(ours):
        hit, left = _align(ours, theirs)
    return _moved(lists, theirs, left, _shares(hit, lengths))


def _shares(hit: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    ends = np.cumsum(lengths)
    sums = np.concatenate(([0], np.cumsum(hit)))
    return (sums[ends] - sums[ends - lengths]) / np.maximum(lengths, 1)


def _moved(lists: list[list[int]], theirs: np.ndarray, left: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Blocks that the gold text has elsewhere: nearly all of their words and trigrams are among what is left."""
    bag = Counter(theirs[left].tolist())
    gold = theirs.tolist()
    trigrams = set(zip(gold, gold[1:], gold[2:], strict=False))
    for b, row in sorted(enumerate(lists), key=lambda item: -len(item[1])):
        if share[b] >= 0.5 or len(row) < 3:
            continue
        need = Counter(row)
        found = sum((need & bag).values()) / len(row)
        known = sum(t in trigrams for t in zip(row, row[1:], row[2:], strict=False)) / (len(row) - 2)
        if found >= 0.8 and known >= 0.8:
            share[b] = found
            bag -= need
    return share


@njit(cache=True, nogil=True)
def _align(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In-order alignment that prefers runs: a match counts 1, 2 next to a match. (matched ours, unmatched theirs)"""
    n, m = len(ours), len(theirs)
    back = np.zeros((n + 1, m + 1), np.uint8)  # bits 0-1: 1 up, 2 left, 3 match; bit 2: the match continues one
    best, run = np.zeros((2, m + 1), np.int32), np.full((2, m + 1), -1, np.int32)
    for i in range(1, n + 1):
        now, last = i & 1, (i - 1) & 1
        for j in range(1, m + 1):
            match = np.int32(-1)
            flag = 0
            if ours[i - 1] == theirs[j - 1]:
                match = best[last, j - 1] + 1
                if run[last, j - 1] >= 0 and run[last, j - 1] + 2 >= match:
                    match, flag = run[last, j - 1] + 2, 4
            run[now, j] = match
            value, way = best[last, j], 1
            if best[now, j - 1] > value:
                value, way = best[now, j - 1], 2
            if match > value:
                value, way = match, 3
            best[now, j] = value
            back[i, j] = way | flag
    hit, left = np.zeros(n, np.bool_), np.ones(m, np.bool_)
    i, j, forced = n, m, False
    while i > 0 and j > 0:
        way = back[i, j] & 3
        if forced or way == 3:
            hit[i - 1], left[j - 1] = True, False
            forced = back[i, j] & 4 != 0
            i, j = i - 1, j - 1
        elif way == 1:
            i -= 1
        else:
            j -= 1
    return hit, left
