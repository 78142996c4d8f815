"""The columns of the published data."""

import pyarrow as pa

from pipeline.base.columns import Column

# Meanings are Markdown: the dataset card prints them.
DATA_COLUMNS = (
    Column("id", pa.string(), "32 hex digits; the ledger has the same"),
    Column("url", pa.string(), "address as captured"),
    Column("host", pa.string(), "host name of the address"),
    Column("date", pa.timestamp("ms", "UTC"), "time of the capture (UTC), null if unknown"),
    Column("dump", pa.string(), "crawl that the page is from"),
    Column("source", pa.string(), "file that the record was read from"),
    Column("offset", pa.int64(), "position of the record in that file, in bytes (row number in a table)"),
    Column("title", pa.string(), "title of the page"),
    Column("text", pa.string(), "main text, mojibake fixed, personal data masked"),
    Column("language", pa.string(), "identified language, ISO 639-1, else 639-3"),
    Column("script", pa.string(), "its script, ISO 15924"),
    Column("language_score", pa.float64(), "confidence of the language, 0 to 1"),
    Column("quality", pa.float64(), "the classifier's probability of the better class, 0 to 1; null where none ran"),
    Column("license", pa.string(), "licence that the page itself links to, null if none"),
    Column("author", pa.string(), "author that the page names (several joined by `; `), null if it names none"),
    Column("published", pa.date32(), "day of publication that the page states, null if it states none"),
    Column("canonical", pa.string(), "canonical address that the page states, null if it states none"),
    Column(
        "duplicates",
        pa.int64(),
        "documents that this one represents, itself included (weight by it to undo dedup)",
    ),
    Column("word_count", pa.int64(), "words of the text as the rules count them, less the share in removed passages"),
    Column("char_count", pa.int64(), "characters of `text`"),
    Column("pii_masked", pa.int64(), "pieces of personal data masked in title, author and text"),
)
DATA = pa.schema([(column.name, column.type) for column in DATA_COLUMNS])
