"""Pages with gold text, and which of their blocks belong to it: what the block classifier is trained and measured on.

Three public sets (paths below the data folder): WCXB's development pages (full text, seven page types), Scrapinghub's
article benchmark (article bodies), trafilatura's evaluation pages (segments that must, and must not, be extracted).
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from extract.html.decode import decode_page
from pipeline.kernels.njit import njit

MAX_ALIGNMENT_CELLS = 150_000_000  # words of the page times words of the gold text; longer ones go by trigrams alone
_MIN_MOVED_WORDS = 3  # of a block that the gold text may have elsewhere
_MIN_MOVED_SHARE = 0.8  # of its words, and of its trigrams, that the gold text must have
_WORD = re.compile(r"\w+")
_UP, _LEFT, _MATCH, _CONTINUES = 1, 2, 3, 4  # steps of an alignment; the last one is a bit beside _MATCH


@dataclass
class GoldPage:
    """A page and what is to be extracted from it.

    Attributes:
        name: Of the file.
        source: The set: wcxb, scrapinghub or trafilatura.
        html: The page.
        host: Registered domain.
        kind: Type of page: article, forum ...; "any" where the set has none.
        language: ISO 639-1 code, "" for none.
        gold: The full text, None where only segments are known.
        must: Segments that must be extracted.
        must_not: Segments that must not.
        comments: Segments of users' comments.
    """

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


def words(text: str) -> list[str]:
    """WCXB's tokens: lower-cased runs of word characters."""
    return _WORD.findall(text.lower())


def word_f1(text: str, gold: str) -> tuple[float, float, float]:
    """Precision, recall and F1 of a text's bag of words against the gold text's, as WCXB's evaluation defines them."""
    extracted, expected = Counter(words(text)), Counter(words(gold))
    if not expected or not extracted:
        equal = float(not expected and not extracted)
        return equal, equal, equal
    shared = sum((extracted & expected).values())
    if not shared:
        return 0.0, 0.0, 0.0
    precision, recall = shared / sum(extracted.values()), shared / sum(expected.values())
    return precision, recall, 2 * precision * recall / (precision + recall)


def registered_domain(url: str) -> str:
    """Registered domain of an URL, its host where it has none."""
    from courlan import extract_domain

    return extract_domain(url) or re.sub(r"^.*?//|[/:?].*$", "", url)


def load_gold(data: Path) -> Iterator[GoldPage]:
    """Yield every page of the three sets below `data`, in a fixed order."""
    yield from _load_wcxb(data / "extraction" / "wcxb-dev")
    yield from _load_scrapinghub(data / "extraction" / "scrapinghub-articles")
    yield from _load_trafilatura(data)


def _detect_language(text: str) -> str:
    from resiliparse.parse.lang import detect_fast

    return str(detect_fast(text, cutoff=5000)[0])


def _load_wcxb(folder: Path) -> Iterator[GoldPage]:
    for path in sorted(folder.glob("*.json.gz")):
        record = json.loads(gzip.decompress(path.read_bytes()))
        html = decode_page(gzip.decompress((folder / path.name.replace(".json.", ".html.")).read_bytes())).text
        truth = record["ground_truth"]
        kind, gold = record["_internal"]["page_type"]["primary"], truth["main_content"] or ""
        kind = "collection" if kind == "category" else kind
        must, must_not = tuple(truth.get("with") or ()), tuple(truth.get("without") or ())
        name, host = path.name.split(".")[0], registered_domain(record["url"])
        yield GoldPage(name, "wcxb", html, host, kind, _detect_language(gold), gold, must, must_not)


def _load_scrapinghub(folder: Path) -> Iterator[GoldPage]:
    truth = json.loads((folder / "ground-truth.json").read_text(encoding="utf-8"))
    for name, record in sorted(truth.items()):
        html = decode_page(gzip.decompress((folder / "html" / f"{name}.html.gz").read_bytes())).text
        gold, host = record["articleBody"], registered_domain(record["url"])
        yield GoldPage(name, "scrapinghub", html, host, "article", _detect_language(gold), gold)


def _load_trafilatura(data: Path) -> Iterator[GoldPage]:
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
                html, host = decode_page(entry.reader.read()).text, registered_domain(url)
                language = record.get("lang_guess") or ""
                must, must_not, comments = (tuple(record.get(key) or ()) for key in ("with", "without", "comments"))
                name = record["file"]
                yield GoldPage(name, "trafilatura", html, host, "any", language, None, must, must_not, comments)


def share_in_gold(texts: list[str], gold: str) -> np.ndarray:
    """(blocks,) float64 share of each block's words that the gold text has.

    The gold text is aligned with the page in order. Of blocks that the alignment leaves out, those count that the gold
    text has elsewhere.
    """
    numbers: dict[str, int] = {}
    block_words = [[numbers.setdefault(word, len(numbers)) for word in words(text)] for text in texts]
    page_words = np.array([number for row in block_words for number in row], np.int64)
    gold_words = np.array([numbers.get(word, -1) for word in words(gold)], np.int64)
    lengths = np.array([len(row) for row in block_words], np.int64)
    matched, unmatched_gold = np.zeros(len(page_words), np.bool_), np.ones(len(gold_words), np.bool_)
    if len(page_words) * len(gold_words) <= MAX_ALIGNMENT_CELLS and len(gold_words) and len(page_words):
        matched, unmatched_gold = _align(page_words, gold_words)
    sums, ends = np.concatenate(([0], np.cumsum(matched))), np.cumsum(lengths)
    share = (sums[ends] - sums[ends - lengths]) / np.maximum(lengths, 1)
    return _add_moved_blocks(block_words, gold_words, unmatched_gold, share)


def _add_moved_blocks(
    block_words: list[list[int]], gold_words: np.ndarray, unmatched_gold: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Set the share of blocks that the gold text has elsewhere, longest first.

    Nearly all of their words are among the gold words that are still unmatched, and nearly all trigrams in the gold.
    """
    unmatched = Counter(gold_words[unmatched_gold].tolist())
    gold = gold_words.tolist()
    trigrams = set(zip(gold, gold[1:], gold[2:], strict=False))
    for b, row in sorted(enumerate(block_words), key=lambda item: -len(item[1])):
        if share[b] >= 0.5 or len(row) < _MIN_MOVED_WORDS:
            continue
        counts = Counter(row)
        word_share = sum((counts & unmatched).values()) / len(row)
        in_gold = [trigram in trigrams for trigram in zip(row, row[1:], row[2:], strict=False)]
        trigram_share = sum(in_gold) / len(in_gold)
        if word_share >= _MIN_MOVED_SHARE and trigram_share >= _MIN_MOVED_SHARE:
            share[b] = word_share
            unmatched -= counts
    return share


@njit(cache=True, nogil=True)
def _align(page_words: np.ndarray, gold_words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Align two sequences of words in order, preferring runs: a match counts 1, next to a match 2.

    Returns which words of the page are matched, and which of the gold text are not.
    """
    n_page, n_gold = len(page_words), len(gold_words)
    steps = np.zeros((n_page + 1, n_gold + 1), np.uint8)
    best, best_match = np.zeros((2, n_gold + 1), np.int32), np.full((2, n_gold + 1), -1, np.int32)  # of two rows
    for i in range(1, n_page + 1):
        row, last = i & 1, (i - 1) & 1
        for j in range(1, n_gold + 1):
            match = np.int32(-1)
            continues = 0
            if page_words[i - 1] == gold_words[j - 1]:
                match = best[last, j - 1] + 1
                if best_match[last, j - 1] >= 0 and best_match[last, j - 1] + 2 >= match:
                    match, continues = best_match[last, j - 1] + 2, _CONTINUES
            best_match[row, j] = match
            value, step = best[last, j], _UP
            if best[row, j - 1] > value:
                value, step = best[row, j - 1], _LEFT
            if match > value:
                value, step = match, _MATCH
            best[row, j] = value
            steps[i, j] = step | continues
    matched, unmatched_gold = np.zeros(n_page, np.bool_), np.ones(n_gold, np.bool_)
    i, j, continues_run = n_page, n_gold, False
    while i > 0 and j > 0:
        step = steps[i, j] & 3
        if continues_run or step == _MATCH:
            matched[i - 1], unmatched_gold[j - 1] = True, False
            continues_run = steps[i, j] & _CONTINUES != 0
            i, j = i - 1, j - 1
        elif step == _UP:
            i -= 1
        else:
            j -= 1
    return matched, unmatched_gold
