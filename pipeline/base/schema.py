"""The contracts between stages: PAGES, SIDECAR, SELECTION and LEDGER. Arrow schemas are explicit, never inferred.

PAGES      documents, and beside them rejects: records that never became documents.
SIDECAR    `id` and a stage's own columns, a row a document in the order of the pages (`pipeline.base.columns`).
SELECTION  which documents are kept after a step, and why the step dropped the ones that it dropped.
LEDGER     one row an input record, kept or dropped, with the one reason.
"""

import pyarrow as pa

from pipeline.base.columns import Column

_ID = [("id", pa.string())]
_RECORD = [("id", pa.string()), ("url", pa.string()), ("source", pa.string()), ("offset", pa.int64())]
_REASON = [
    ("stage", pa.string()),
    ("rule", pa.string()),
    ("value", pa.float64()),
    ("threshold", pa.float64()),
    ("detail", pa.string()),
]

_DAY = pa.timestamp("ms", "UTC")  # Parquet has no seconds
PAGE_COLUMNS = (
    Column("id", pa.string(), "Identifier of 32 hex digits, the same on every run."),
    Column("url", pa.string(), "Address as captured."),
    Column("host", pa.string(), "Host name of the address."),
    Column("date", _DAY, "Time of the capture, UTC."),
    Column("dump", pa.string(), "Name of the crawl that the page is from."),
    Column("source", pa.string(), "File that the record was read from, as the user gave it."),
    Column("offset", pa.int64(), "Byte offset of the record in the compressed file, or row number in a table.", 0),
    Column("text", pa.string(), "Main text."),
    Column("title", pa.string(), "Title of the page."),
    Column("charset", pa.string(), "Character set that the page was decoded from."),
    Column("extractor", pa.string(), "Engine that extracted the text."),
    Column("html_bytes", pa.int64(), "Size of the decoded HTML in bytes.", 0),
    Column("html_lang", pa.string(), "Language that the page declares."),
    Column("robots", pa.string(), "Directives of robots metas and X-Robots-Tag, joined by commas."),
    Column("tdm_reservation", pa.bool_(), "Whether text and data mining is reserved (TDMRep)."),
    Column("license", pa.string(), "Licence that the page links to."),
    Column("author", pa.string(), "Names of the authors, joined by semicolons."),
    Column("published", pa.date32(), "Day of publication that the page states."),
    Column("sitename", pa.string(), "Name of the site that the page states."),
    Column("canonical", pa.string(), "Address that the page states as its own."),
)
PAGES = pa.schema([(column.name, column.type) for column in PAGE_COLUMNS])
REJECTS = pa.schema(_RECORD + _REASON)
LANGUAGE_COLUMNS = (
    Column("language", pa.string(), "Identified language, ISO 639-1, else 639-3."),
    Column("script", pa.string(), "Script of the text, ISO 15924."),
    Column("language_score", pa.float64(), "Confidence of the language.", 0, 1),
    Column("second_language", pa.string(), "Second most likely language."),
    Column("second_score", pa.float64(), "Confidence of the second language.", 0, 1),
)
LANGUAGES = pa.schema([*_ID, *((column.name, column.type) for column in LANGUAGE_COLUMNS)])
SELECTION = pa.schema(
    [
        *_ID,
        ("keep", pa.bool_()),  # after this step: true only where every step before has kept the document too
        *_REASON,  # of the step's own drops; null elsewhere
        ("duplicate_of", pa.string()),  # document that this one was dropped for
        ("cluster", pa.string()),  # document that represents the group this one was put into by this step
        ("cluster_size", pa.int64()),  # documents that a kept one represents, itself included; of a dropped one's group
    ]
)
# Passages that a selection removes from the texts of documents when these are published. Output "removed".
REMOVED_PASSAGES = pa.schema(
    [
        *_ID,
        (
            "removed",
            pa.list_(pa.int32()),
        ),  # start, end, start, end ... in bytes of the text before; empty where dropped
        ("duplicate_ratio", pa.float64()),  # share of the words that occur elsewhere, 0 to 1
        ("remaining_ratio", pa.float64()),  # share of the words that remain, 1 where nothing is removed
        ("removed_bytes", pa.int64()),
        ("removed_chars", pa.int64()),
    ]
)
# Duplicates, by row in the shard, of documents that a later step dropped: the document that they duplicate in the end.
RESOLVED = pa.schema([("row", pa.int64()), ("duplicate_of", pa.string()), ("similarity", pa.float64())])
LEDGER = pa.schema([*_RECORD, ("verdict", pa.string()), *_REASON, ("duplicate_of", pa.string())])
