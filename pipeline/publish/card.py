"""The dataset card: `README.md` with the Hub's YAML header, by which `datasets.load_dataset` finds the data."""

from typing import Any

import pyarrow as pa

from pipeline.publish.templating import markdown_environment

# Descriptions of the published columns, as Markdown. Names and types come from the schema.
COLUMN_DESCRIPTIONS = {
    "id": "32 hex digits; the ledger has the same",
    "url": "address as captured",
    "host": "host name of the address",
    "date": "time of the capture (UTC), null if unknown",
    "dump": "crawl that the page is from",
    "source": "file that the record was read from",
    "offset": "position of the record in that file, in bytes (row number in a table)",
    "title": "title of the page",
    "text": "main text, mojibake fixed, personal data masked",
    "language": "identified language, ISO 639-1, else 639-3",
    "script": "its script, ISO 15924",
    "language_score": "confidence of the language, 0 to 1",
    "quality": "the classifier's probability of the better class, 0 to 1; null where none ran",
    "license": "licence that the page itself links to, null if none",
    "author": "author that the page names (several joined by `; `), null if it names none",
    "published": "day of publication that the page states, null if it states none",
    "canonical": "canonical address that the page states, null if it states none",
    "duplicates": "documents of the crawl that this one represents, itself included (weight by it to undo dedup)",
    "word_count": "words of the text as the rules count them, less the share in removed passages",
    "char_count": "characters of `text`",
    "pii_masked": "pieces of personal data masked in title, author and text",
}
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


def render_card(stats: dict[str, Any], schema: pa.Schema, title: str, language: str, download_bytes: int) -> str:
    """Return the `README.md` of the published folder.

    `stats` is the content of `stats.json` and `schema` that of the data files, whose total size is `download_bytes`.
    `language` is an ISO 639 code; an empty one and "any" stand for several languages.
    """
    kept = stats["kept"]
    selecting_steps = [*stats["duplicates"], *stats["cuts"]]
    columns = [
        {"name": field.name, "type": str(field.type), "description": COLUMN_DESCRIPTIONS[field.name]}
        for field in schema
    ]
    return _render(
        "card.md.j2",
        stats=stats,
        title=title,
        language=language,
        hub_languages=[language] if language not in ("", "any") else ["multilingual"],
        size_category=size_category(kept["documents"]),
        features=[{"name": field.name, "dtype": _hub_dtype(field.type)} for field in schema],
        split={"name": "train", "num_bytes": kept["text_bytes"], "num_examples": kept["documents"]},
        download_bytes=download_bytes,
        columns=columns,
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
    return markdown_environment("pipeline.publish").get_template(template).render(**values)
