"""URL rules: which addresses are on lists of hosts, of addresses, or have listed words in them.

As datatrove 0.10.1's URLFilter (after RefinedWeb, arXiv:2306.01116, appendix G.1), with these differences, each tested:
a listed host blocks everything below it, not only its registered domain and itself; a listed address blocks itself and
what lies below its path, with any scheme and with or without `www.` (datatrove compares whole URLs, scheme included,
with a list that has none); words are compared case-folded and percent-decoded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.urls import lists as url_lists
from filters.urls.lists import BREAK, Names, addresses_of, archived, bundled, hosts_of, opened, words_of
from pipeline.base.schema import URLS
from pipeline.config.values import Range
from pipeline.kernels import disk_cache as kept
from pipeline.runner.dag import Asset
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard

_PATTERN_WORDS = 500  # RE2 refuses patterns that are too large
_SCHEME = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*://")  # RFC 3986, section 3.1
_KEPT = frozenset("ßς")  # by IDNA 2008 (RFC 5894, section 7.2); Python's codec, of 2003, writes ss and σ


@stage(version=2, libraries=("datatrove",), outputs={"part": URLS})
def urls(
    pages: Shard,
    *,
    hosts: tuple[Asset, ...] = (),
    addresses: tuple[Asset, ...] = (),
    hard_words: tuple[Asset, ...] = (),
    soft_words: tuple[Asset, ...] = (),
    soft_min: Annotated[int, Range(1)] = 2,
    subwords: tuple[Asset, ...] = (),
    datatrove_lists: bool = False,
) -> Iterator[pa.Table]:
    """One row (schema URLS) a page. Reasons, the first that holds: `domain` (the host is listed), `subdomain` (it lies
    below a listed one), `url`, `hard_word` (a word of the address is listed), `soft_words` (`soft_min` or more
    different ones are), `subword` (listed letters anywhere in the address, punctuation left out).

    Lists are UTF-8 text, one entry a line, `#` comments, `.gz` too; UT1's `domains` and `urls` files are such lists.
    `datatrove_lists` adds the lists that datatrove ships (UT1's adult, phishing and other hosts: 4.6 million; English
    words). Raises UserError with file and line for an entry that is none.
    """
    lists = load(hosts, addresses, hard_words, soft_words, subwords, datatrove_lists)
    for batch in pages.batches(["id", "url"], rows=16384):
        reason, match = lists.look(batch["url"], soft_min)
        yield pa.table({"id": batch["id"], "url_blocked": reason, "url_match": match}, URLS)


@dataclass(frozen=True)
class Lists:
    """All lists, ready to be looked up."""

    hosts: Names
    addresses: Names
    hard: frozenset[str]
    soft: frozenset[str]
    subwords: tuple[str, ...]

    def look(self, column: pa.Array, soft_min: int) -> tuple[pa.Array, pa.Array]:
        """(reason, what matched), both string[rows], null where nothing is listed."""
        split = [parts(url) for url in column.to_pylist()]
        host, address = (pa.array([pair[side] for pair in split], pa.string()) for side in (0, 1))
        found: list[tuple[str, str] | None] = [None] * len(split)
        self._words(column, soft_min, found)
        for i, start in self.addresses.prefixes(address):
            found[i] = ("url", address[i].as_py().encode()[:start].decode())
        for i, start in self.hosts.suffixes(host):
            name = host[i].as_py()
            found[i] = ("domain" if start == 0 else "subdomain", name[start:])
        reason, match = (pa.array([hit and hit[side] for hit in found], pa.string()) for side in (0, 1))
        return reason, match

    def _words(self, column: pa.Array, soft_min: int, found: list) -> None:
        if not (self.hard or self.soft or self.subwords):
            return
        texts = [unquote(url or "").casefold() for url in column.to_pylist()]
        for i, word in self._within([BREAK.sub("", text) for text in texts]):
            found[i] = ("subword", word)
        for i, text in enumerate(texts):
            tokens = set(BREAK.split(text))
            if len(soft := self.soft & tokens) >= soft_min:
                found[i] = ("soft_words", " ".join(sorted(soft)))
            if hard := self.hard & tokens:
                found[i] = ("hard_word", min(hard))

    def _within(self, squashed: list[str]) -> Iterator[tuple[int, str]]:
        """(row, word) for rows with a subword in them; RE2 looks for many at once in linear time."""
        column = pa.array(squashed, pa.string())
        for at in range(0, len(self.subwords), _PATTERN_WORDS):
            words = self.subwords[at : at + _PATTERN_WORDS]
            hits = pc.match_substring_regex(column, "|".join(words))
            for i in np.flatnonzero(hits.to_numpy(zero_copy_only=False)):
                yield int(i), next(word for word in words if word in squashed[i])


def parts(url: str | None) -> tuple[str, str]:
    """(host, address): lower-case host in ASCII without port and `www.`; the address is that, path and query.

    >>> parts("https://www.Example.org:8080/a/B?c=1#d")
    ('example.org', 'example.org/a/B?c=1')
    """
    rest = _SCHEME.sub("", (url or "").partition("#")[0])
    cut = next((i for i, c in enumerate(rest) if c in "/?"), len(rest))
    host = rest[:cut].rpartition("@")[2].partition(":")[0].rstrip(".").lower().removeprefix("www.")
    if not host.isascii():
        host = in_ascii(host)
    return host, (host + rest[cut:]).rstrip("/")


def in_ascii(host: str) -> str:
    """The host as DNS has it (`xn--...`); as it is where it is no valid name."""
    try:
        return ".".join(map(_label, host.split(".")))
    except UnicodeError:
        return host


def _label(name: str) -> str:
    return f"xn--{name.lower().encode('punycode').decode()}" if _KEPT & set(name) else name.encode("idna").decode()


@lru_cache(maxsize=4)  # once a worker, not once a shard
def load(
    hosts: tuple[Asset, ...],
    addresses: tuple[Asset, ...],
    hard: tuple[Asset, ...],
    soft: tuple[Asset, ...],
    subwords: tuple[Asset, ...],
    datatrove: bool,
) -> Lists:
    """Read the lists. Raises UserError with file and line."""
    shipped = bundled() if datatrove else {}

    def words(assets: tuple[Asset, ...], name: str) -> frozenset[str]:
        return words_of([*(opened(a.path) for a in assets), *([opened(shipped[name])] if shipped else [])])

    return Lists(
        *_names(hosts, addresses, shipped.get("archive")),
        words(hard, "banned_words"),
        words(soft, "soft_banned_words"),
        tuple(sorted(words(subwords, "banned_subwords"))),
    )


def _names(hosts: tuple[Asset, ...], addresses: tuple[Asset, ...], archive: Path | None) -> tuple[Names, Names]:
    """Listed hosts and addresses; their hashes are kept, since datatrove's list takes more than a second to read."""

    def read() -> dict[str, np.ndarray]:
        more = archived(archive) if archive else {}
        listed = {n: [*(opened(a.path) for a in said), *([more[n]] if more else [])] for n, said in given.items()}
        return {
            "hosts": hosts_of(listed["domains"], in_ascii).hashes,
            "addresses": addresses_of(listed["urls"], parts).hashes,
        }

    given = {"domains": hosts, "urls": addresses}
    contents = repr([[asset.sha256 for asset in said] for said in given.values()])
    made_from = (Path(__file__), Path(url_lists.__file__), archive or "", contents)
    found = kept.arrays("url-lists", made_from, read) if hosts or addresses or archive else read()
    return Names(found["hosts"]), Names(found["addresses"])
