"""The dataset card: `README.md` with the Hub's YAML header, by which `datasets.load_dataset` finds the data."""

from typing import Any

import pyarrow as pa

from pipeline.base.columns import Column
from pipeline.base.format import format_bytes
from pipeline.publish.templating import markdown_environment

# The Hub's names for numbers of rows, with the number at which the next one begins.
SIZE_CATEGORIES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
    (10**10, "1B<n<10B"),
    (10**11, "10B<n<100B"),
    (10**12, "100B<n<1T"),
)


def render_card(
    stats: dict[str, Any], columns: tuple[Column, ...], title: str, language: str, download_bytes: int
) -> str:
    """Return the `README.md` of the published folder.

    `stats` is the content of `stats.json` and `columns` those of the data files, whose total size is `download_bytes`.
    `language` is an ISO 639 code; an empty one and "any" stand for several languages.
    """
    kept = stats["kept"]
    selecting_steps = [*stats["duplicates"], *stats["cuts"]]
    described = [{"name": column.name, "type": str(column.type), "description": column.doc} for column in columns]
    return _render(
        "card.md.j2",
        stats=stats,
        title=title,
        language=language,
        hub_languages=[language] if language not in ("", "any") else ["multilingual"],
        size_category=size_category(kept["documents"]),
        features=[{"name": column.name, "dtype": _hub_dtype(column.type)} for column in columns],
        split={"name": "train", "num_bytes": kept["text_bytes"], "num_examples": kept["documents"]},
        download_bytes=download_bytes,
        format_bytes=format_bytes,
        columns=described,
        rules_of={name: [row["rule"] for row in stats["funnel"] if row["stage"] == name] for name in selecting_steps},
        masked={kind: count for kind, count in stats["pii"].items() if kind != "documents"},
        masked_documents=stats["pii"].get("documents", 0),
    )


def funnel_table(stats: dict[str, Any]) -> str:
    """Return the funnel as a Markdown table: what each stage dropped, for which reason, and how much remained."""
    return _render("funnel.md.j2", stats=stats)


def size_category(documents: int) -> str:
    """Return the Hub's name for a number of rows."""
    return next((name for limit, name in SIZE_CATEGORIES if documents < limit), "n>1T")


def _hub_dtype(arrow_type: pa.DataType) -> str:
    """Return the name that the Hub's `datasets` gives to an Arrow type."""
    return str(arrow_type).replace("double", "float64").replace("[day]", "")


def _render(template: str, **values: Any) -> str:
    return markdown_environment(__package__).get_template(template).render(**values)
