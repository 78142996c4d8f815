"""Hashes by which copies of a text and captures of an address are recognised."""

import itertools
import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup.exact.normal_form import has_words, normalize
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard

FINGERPRINTS = pa.schema(
    [
        ("id", pa.string()),
        ("text_hash", pa.binary(16)),  # xxh3-128 of the text's normal form; null for a text without a word
        ("url_hash", pa.binary(16)),  # xxh3-128 of the URL's normal form; null where there is no URL
        ("chars", pa.int64()),  # codepoints of the text as it is
    ]
)
_TRACKING = re.compile(r"(?:utm_\w{1,64}|fbclid|gclid|msclkid|mc_cid|mc_eid|phpsessid|jsessionid)=[^&]*(?:&|$)")
_SCHEME_AND_WWW = re.compile(r"^[a-z][a-z0-9+.-]*://(?:www\.)?", re.IGNORECASE)
_DEFAULT_PORT = re.compile(r":(?:80|443)$")


@stage(version=3, libraries=("xxhash",), outputs={"part": FINGERPRINTS})
def fingerprints(pages: Shard) -> Iterator[pa.Table]:
    """Hash text and URL of every document in their normal forms (`dedup.exact.normal_form`, `normal_url`)."""
    for batch in pages.batches(["id", "url", "text"]):
        text = pa.chunked_array([batch["text"]])
        urls = [None if url is None else _digest(normal_url(url).encode()) for url in batch["url"].to_pylist()]
        columns = [batch["id"], text_hashes(text), pa.array(urls, pa.binary(16)), pc.utf8_length(text).cast(pa.int64())]
        yield pa.table(columns, schema=FINGERPRINTS)


def text_hashes(column: pa.ChunkedArray) -> pa.Array:
    """Return the xxh3-128 of each text's normal form, (d,); null for a text without a word.

    Texts without words (empty ones, punctuation, invisible characters) are no copies of one another: they have nothing
    that near deduplication or an index of earlier runs could compare, so these keep them all as well. So one run over
    several dumps keeps the same documents as one run for each dump with an index.
    """
    data, bounds = normalize(column)
    view, spans = memoryview(data.data), itertools.pairwise(bounds.tolist())
    hashes = [
        _digest(view[low:high]) if worded else None
        for (low, high), worded in zip(spans, has_words(column).tolist(), strict=True)
    ]
    return pa.array(hashes, pa.binary(16))


def _digest(data: bytes | memoryview) -> bytes:
    return xxhash.xxh3_128_digest(data)


def normal_url(url: str) -> str:
    """Return the URL without the parts that do not change the page.

    These are scheme, `www.`, default port, fragment, tracking parameters and a final slash. The host is lower-cased;
    path and query are not, since servers may distinguish their cases.
    """
    body = _SCHEME_AND_WWW.sub("", url.strip().partition("#")[0])
    host, _, path = body.partition("/")
    path, _, query = path.partition("?")
    query = _TRACKING.sub("", query).rstrip("&")
    return f"{_DEFAULT_PORT.sub('', host.lower())}/{path}".rstrip("/") + (f"?{query}" if query else "")
