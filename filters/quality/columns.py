"""The columns that the stage `quality` adds to a page."""

import pyarrow as pa

from pipeline.base.columns import Column, sidecar_schema

QUALITY: tuple[Column, ...] = (
    Column(
        "quality",
        pa.float64(),
        "Probability that the text is a reference rather than crawl, by a fastText classifier in the manner of DCLM; "
        "null for other languages, for short texts and without a model.",
        low=0.0,
        high=1.0,
    ),
    Column(
        "quality_percentile",
        pa.float64(),
        "Percent of the sampled documents of the crawl with a lower `quality`, ties counted half; null where that is.",
        low=0.0,
        high=100.0,
    ),
)
QUALITY_SCHEMA = sidecar_schema(QUALITY)
