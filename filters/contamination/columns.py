"""The columns that the stage `contamination` adds to a page."""

import pyarrow as pa

from pipeline.base.columns import Column, sidecar_schema

CONTAMINATION: tuple[Column, ...] = (
    Column(
        "contamination",
        pa.float64(),
        "Score of the benchmark item that the text has most of: its share of the item's words, weighted by rarity; "
        "0 below the score from which items are reported.",
        low=0.0,
        high=1.0,
    ),
    Column("benchmark", pa.string(), "Benchmark of that item, null without one."),
    Column("item", pa.string(), "Id of that item in its benchmark, null without one."),
    Column("kind", pa.string(), "What of that item was found: question, answer or both, null without one."),
    Column("contaminated_items", pa.int64(), "Benchmark items of which the text has enough to be reported.", low=0),
)
CONTAMINATION_SCHEMA = sidecar_schema(CONTAMINATION)
