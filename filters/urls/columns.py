"""The columns that the stage `urls` adds to a page."""

import pyarrow as pa

from pipeline.base.columns import Column, sidecar_schema

URLS: tuple[Column, ...] = (
    Column(
        "url_blocked",
        pa.string(),
        "Why the address is listed, null if it is not: domain, subdomain, url, hard_word, soft_words or subword "
        "(RefinedWeb, appendix G.1).",
    ),
    Column("url_match", pa.string(), "The listed host, address or words that matched, null if none did."),
)
URLS_SCHEMA = sidecar_schema(URLS)
