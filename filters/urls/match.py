"""URL rules: which addresses are on lists of hosts, of addresses, or contain listed words.

As datatrove 0.10.1's URLFilter (after RefinedWeb, arXiv:2306.01116, appendix G.1), with these differences, each tested:
a listed host blocks everything below it, not only its registered domain and itself; a listed address blocks itself and
what is below its path, with any scheme and with or without `www.` (datatrove compares whole URLs, scheme included, with
a list that has none); words are compared case-folded and percent-decoded.
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

from filters.urls import hashed_names, lists
from filters.urls.columns import URLS, URLS_SCHEMA
from filters.urls.hashed_names import HashedNames
from filters.urls.lists import (
    WORD_BREAK,
    datatrove_files,
    open_archive,
    open_list,
    plain_ipv6,
    read_addresses,
    read_hosts,
    read_words,
)
from pipeline.config.values import Range
from pipeline.kernels import disk_cache
from pipeline.runner.dag import Asset
from pipeline.runner.stage import sidecar
from pipeline.store.shard import Shard

_PATTERN_WORDS = 500  # of one pattern: RE2 refuses patterns that are too large
_BATCH_ROWS = 16384
_HOST_END = re.compile(r"[/?]")
_MAX_LABEL = 252  # characters; a label has at most 63 bytes, and a letter may be written as four codepoints
_SCHEME = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*://")  # RFC 3986, section 3.1
_IDNA_2008_LETTERS = frozenset("ßς")  # kept by IDNA 2008 (RFC 5894, section 7.2); Python's codec (2003) writes ss and σ


@sidecar(version=3, libraries=("datatrove",), columns=URLS)
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
    """Look up the address of each page in lists: one row (schema URLS_SCHEMA) a page.

    The reason is the first that holds of `domain` (the host is listed), `subdomain` (it is below a listed one), `url`,
    `hard_word`, `soft_words` and `subword`. Lists are UTF-8 text, one entry a line, with `#` comments, plain or .gz;
    UT1's `domains` and `urls` files are such lists, and so are lists of hosts for ad blockers (`||host^`). Raises
    UserError with file and line for an entry that is none.

    Args:
        pages: Pages (schema PAGES).
        hosts: Lists of hosts that block themselves and everything below them.
        addresses: Lists of addresses that block themselves and what is below their path.
        hard_words: Lists of words of which one in the address blocks it (datatrove's banned words).
        soft_words: Lists of words of which `soft_min` different ones in the address block it (soft banned words).
        soft_min: Different soft words from which an address is blocked.
        subwords: Lists of strings that block anywhere in the address, punctuation left out (banned subwords).
        datatrove_lists: Whether to add the lists that datatrove ships (UT1's adult, phishing and other hosts: 4.6
            million; English words).
    """
    url_lists = load_lists(hosts, addresses, hard_words, soft_words, subwords, datatrove_lists)
    for batch in pages.batches(["id", "url"], rows=_BATCH_ROWS):
        reason, match = url_lists.match_urls(batch["url"], soft_min)
        yield pa.table({"id": batch["id"], "url_blocked": reason, "url_match": match}, URLS_SCHEMA)


@dataclass(frozen=True)
class UrlLists:
    """All lists, ready for lookups."""

    hosts: HashedNames
    addresses: HashedNames
    banned_words: frozenset[str]
    soft_banned_words: frozenset[str]
    banned_subwords: tuple[str, ...]

    def match_urls(self, column: pa.Array, soft_word_threshold: int) -> tuple[pa.Array, pa.Array]:
        """Return (reason, what matched) of each URL, both string[rows], null for an URL that is not listed."""
        hosts, addresses = zip(*map(split_url, column.to_pylist()), strict=True) if len(column) else ((), ())
        matches: list[tuple[str, str] | None] = [None] * len(column)
        # From the last reason to the first, which overwrites the others.
        if self.banned_words or self.soft_banned_words or self.banned_subwords:
            self._match_words(column, soft_word_threshold, matches)
        for i, end in self.addresses.match_addresses(pa.array(addresses, pa.string())):
            matches[i] = ("url", addresses[i].encode()[:end].decode())
        for i, start in self.hosts.match_hosts(pa.array(hosts, pa.string())):
            matches[i] = ("domain" if start == 0 else "subdomain", hosts[i][start:])
        reasons, names = (pa.array([match and match[side] for match in matches], pa.string()) for side in (0, 1))
        return reasons, names

    def _match_words(self, column: pa.Array, soft_word_threshold: int, matches: list) -> None:
        texts = [unquote(url or "").casefold() for url in column.to_pylist()]
        for i, word in self._match_subwords([WORD_BREAK.sub("", text) for text in texts]):
            matches[i] = ("subword", word)
        for i, text in enumerate(texts):
            words = set(WORD_BREAK.split(text))
            if len(soft_banned := self.soft_banned_words & words) >= soft_word_threshold:
                matches[i] = ("soft_words", " ".join(sorted(soft_banned)))
            if banned := self.banned_words & words:
                matches[i] = ("hard_word", min(banned))

    def _match_subwords(self, texts: list[str]) -> Iterator[tuple[int, str]]:
        """Yield (row, word) of texts with a subword in them; RE2 searches for many at once in linear time."""
        column = pa.array(texts, pa.string())
        for start in range(0, len(self.banned_subwords), _PATTERN_WORDS):
            words = self.banned_subwords[start : start + _PATTERN_WORDS]
            is_match = pc.match_substring_regex(column, "|".join(words))
            for i in np.flatnonzero(is_match.to_numpy(zero_copy_only=False)):
                yield int(i), next(word for word in words if word in texts[i])


def split_url(url: str | None) -> tuple[str, str]:
    """Return (host, address): lower-case host in ASCII without port and `www.`; the address adds path and query.

    An IPv6 address is in its shortest form without brackets.

    >>> split_url("https://www.Example.org:8080/a/B?c=1#d")
    ('example.org', 'example.org/a/B?c=1')
    """
    rest = _SCHEME.sub("", (url or "").partition("#")[0])
    path = end_of_host.start() if (end_of_host := _HOST_END.search(rest)) else len(rest)
    authority = rest[:path].rpartition("@")[2]
    if authority.startswith("[") and (ipv6 := plain_ipv6(authority.partition("]")[0])):
        return ipv6, (ipv6 + rest[path:]).rstrip("/")
    host = authority.partition(":")[0].rstrip(".").lower().removeprefix("www.")
    if not host.isascii():
        host = to_ascii(host)
    return host, (host + rest[path:]).rstrip("/")


def to_ascii(host: str) -> str:
    """Return the host as DNS has it (`xn--...`), unchanged if it is no valid name."""
    try:
        return ".".join(map(_label_to_ascii, host.split(".")))
    except UnicodeError:
        return host


def _label_to_ascii(label: str) -> str:
    if len(label) > _MAX_LABEL:
        raise UnicodeError("a label of this length is no name; the codec would take quadratic time to say so")
    if _IDNA_2008_LETTERS & set(label):
        return f"xn--{label.lower().encode('punycode').decode()}"
    return label.encode("idna").decode()


@lru_cache(maxsize=4)  # once a worker, not once a shard
def load_lists(
    hosts: tuple[Asset, ...],
    addresses: tuple[Asset, ...],
    banned_words: tuple[Asset, ...],
    soft_banned_words: tuple[Asset, ...],
    banned_subwords: tuple[Asset, ...],
    datatrove: bool,
) -> UrlLists:
    """Read the lists, with those of datatrove if asked. Raises UserError with file and line."""
    shipped = datatrove_files() if datatrove else {}

    def words(assets: tuple[Asset, ...], name: str) -> frozenset[str]:
        paths: list[str | Path] = [asset.path for asset in assets]
        return read_words([open_list(path) for path in ([*paths, shipped[name]] if shipped else paths)])

    return UrlLists(
        *_load_names(hosts, addresses, shipped.get("archive")),
        words(banned_words, "banned_words"),
        words(soft_banned_words, "soft_banned_words"),
        tuple(sorted(words(banned_subwords, "banned_subwords"))),
    )


def _load_names(
    hosts: tuple[Asset, ...], addresses: tuple[Asset, ...], archive: Path | None
) -> tuple[HashedNames, HashedNames]:
    """Listed hosts and addresses; hashes are cached on disk, since datatrove's list takes over a second to read."""

    def read() -> dict[str, np.ndarray]:
        shipped = open_archive(archive) if archive else {}
        host_files = [*(open_list(asset.path) for asset in hosts), *([shipped["domains"]] if archive else [])]
        address_files = [*(open_list(asset.path) for asset in addresses), *([shipped["urls"]] if archive else [])]
        return {
            "hosts": read_hosts(host_files, to_ascii).hashes,
            "addresses": read_addresses(address_files, split_url).hashes,
        }

    if not (hosts or addresses or archive):
        names = read()
    else:
        contents = repr([[asset.sha256 for asset in assets] for assets in (hosts, addresses)])
        code = (Path(__file__), Path(lists.__file__), Path(hashed_names.__file__))
        names = disk_cache.cached_arrays("url-lists", (*code, archive or "", contents), read)
    return HashedNames(names["hosts"]), HashedNames(names["addresses"])
