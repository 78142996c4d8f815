"""Hashes by which exact copies of a text and captures of one address are recognised."""

import itertools
import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup.exact.normal_form import has_words, normalised
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard

FINGERPRINTS = pa.schema(
    [
        ("id", pa.string()),
        ("text_hash", pa.binary(16)),  # xxh3-128 of the normal text; null where it has no word
        ("url_hash", pa.binary(16)),  # xxh3-128 of the normal URL; null where there is none
        ("chars", pa.int64()),  # codepoints of the text as it is
    ]
)
_TRACKING = re.compile(r"(?:utm_\w+|fbclid|gclid|msclkid|mc_cid|mc_eid|phpsessid|jsessionid)=[^&]*(?:&|$)")
_PREFIX = re.compile(r"^[a-z][a-z0-9+.-]*://(?:www\.)?", re.IGNORECASE)
_PORT = re.compile(r":(?:80|443)$")


@stage(version=2, libraries=("xxhash",), outputs={"part": FINGERPRINTS})
def fingerprints(pages: Shard) -> Iterator[pa.Table]:
    """Hashes of text and URL of every document, measured once. Normal forms: `dedup.exact.normal_form`,
    `normal_url`."""
    for batch in pages.batches(["id", "url", "text"]):
        text = pa.chunked_array([batch["text"]])
        urls = [None if url is None else _digest(normal_url(url).encode()) for url in batch["url"].to_pylist()]
        columns = [batch["id"], text_hashes(text), pa.array(urls, pa.binary(16)), pc.utf8_length(text).cast(pa.int64())]
        yield pa.table(columns, schema=FINGERPRINTS)


def text_hashes(column: pa.ChunkedArray) -> pa.Array:
    """Return the xxh3-128 of each text's normal form, (d,); null for a text without a word.

    Texts without words (empty ones, punctuation, invisible characters) are no copies of one another: they have nothing
    in common that near deduplication or an index of earlier runs could compare, so these keep them all as well.
    """
    data, bounds = normalised(column)
    view, spans = memoryview(data.data), itertools.pairwise(bounds.tolist())
    hashes = [
        _digest(view[low:high]) if worded else None
        for (low, high), worded in zip(spans, has_words(column).tolist(), strict=True)
    ]
    return pa.array(hashes, pa.binary(16))


def _digest(data: bytes | memoryview) -> bytes:
    return xxhash.xxh3_128_digest(data)


def normal_url(url: str) -> str:
    """The URL without what does not change the page: scheme, `www.`, fragment, tracking parameters, a final slash.

    The host is lower-cased; path and query are not, since servers may tell their cases apart.
    """
    body = _PREFIX.sub("", url.strip().partition("#")[0])
    host, _, path = body.partition("/")
    path, _, query = path.partition("?")
    query = _TRACKING.sub("", query).rstrip("&")
    return f"{_PORT.sub('', host.lower())}/{path}".rstrip("/") + (f"?{query}" if query else "")
