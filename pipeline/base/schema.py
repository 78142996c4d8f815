"""Arrow schemas of everything that passes between stages. Explicit, never inferred."""

import pyarrow as pa

_ID = [("id", pa.string())]
_WHERE = [("id", pa.string()), ("url", pa.string()), ("source", pa.string()), ("offset", pa.int64())]
_WHY = [
    ("stage", pa.string()),
    ("rule", pa.string()),
    ("value", pa.float64()),
    ("threshold", pa.float64()),
    ("detail", pa.string()),
]

PAGES = pa.schema(
    [
        ("id", pa.string()),  # 32 hex digits, stable over runs
        ("url", pa.string()),
        ("host", pa.string()),
        ("date", pa.timestamp("ms", "UTC")),  # of the capture; Parquet has no seconds
        ("dump", pa.string()),
        ("source", pa.string()),  # file name as the user gave it
        ("offset", pa.int64()),  # bytes into the (compressed) source, or row number of a table
        ("text", pa.string()),
        ("title", pa.string()),
        ("charset", pa.string()),
        ("extractor", pa.string()),
        ("html_bytes", pa.int64()),
        ("html_lang", pa.string()),
        ("robots", pa.string()),
        ("tdm_reservation", pa.bool_()),
        ("license", pa.string()),
        ("author", pa.string()),  # names, joined by "; "
        ("published", pa.date32()),  # day that the page says it was published
        ("sitename", pa.string()),
        ("canonical", pa.string()),  # address that the page calls its own
    ]
)
REJECTS = pa.schema(_WHERE + _WHY)
LANGUAGES = pa.schema(
    [
        *_ID,
        ("language", pa.string()),  # ISO 639-1, else 639-3
        ("script", pa.string()),  # ISO 15924
        ("language_score", pa.float64()),
        ("second_language", pa.string()),
        ("second_score", pa.float64()),
    ]
)
SIGNALS = pa.schema(
    [
        *_ID,
        ("word_count", pa.int64()),
        *[(n, pa.float64()) for n in ("mean_word_length", "hash_ratio", "ellipsis_ratio")],
        *[(n, pa.float64()) for n in ("bullet_line_ratio", "ellipsis_line_ratio", "alpha_word_ratio")],
        ("stop_word_count", pa.int64()),
        *[(f"dup_{unit}_{what}", pa.float64()) for what in ("frac", "char_frac") for unit in ("line", "para")],
        *[(f"top_{n}_gram", pa.float64()) for n in (2, 3, 4)],
        *[(f"dup_{n}_gram", pa.float64()) for n in range(5, 11)],
        *[(n, pa.float64()) for n in ("line_punct_ratio", "short_line_ratio", "char_dup_ratio", "new_line_ratio")],
        ("c4_sentences", pa.int64()),
        ("c4_kept_line_ratio", pa.float64()),
        ("c4_lorem_ipsum", pa.bool_()),
        ("c4_curly_bracket", pa.bool_()),
        ("c4_bad_words", pa.int64()),
        ("max_word_length", pa.int64()),
        ("char_count", pa.int64()),
        ("line_count", pa.int64()),
        ("upper_ratio", pa.float64()),
        ("digit_ratio", pa.float64()),
    ]
)
URLS = pa.schema([*_ID, ("url_blocked", pa.string()), ("url_match", pa.string())])
QUALITY = pa.schema([*_ID, ("quality", pa.float64()), ("quality_percentile", pa.float64())])
CONTAMINATION = pa.schema(
    [
        *_ID,
        ("contamination", pa.float64()),
        ("benchmark", pa.string()),
        ("item", pa.string()),
        ("kind", pa.string()),
        ("contaminated_items", pa.int64()),
    ]
)
VERDICTS = pa.schema([*_ID, ("keep", pa.bool_()), *_WHY, ("failed", pa.list_(pa.string()))])
DUPLICATES = pa.schema(
    [
        *_ID,
        ("duplicate_of", pa.string()),
        ("similarity", pa.float64()),
        ("cluster", pa.string()),
        ("cluster_size", pa.int64()),
    ]
)
# Documents that an index of earlier runs knows.
KNOWN = pa.schema(
    [
        *_ID,
        ("duplicate_of", pa.string()),  # a document of an earlier corpus
        ("similarity", pa.float64()),
        ("rule", pa.string()),  # duplicate_of_earlier | withdrawn
        ("detail", pa.string()),  # which dump it stands in
    ]
)
# Duplicates (by their row in the shard) of documents that were dropped later: what they are duplicates of after all.
FOLLOWED = pa.schema([("row", pa.int64()), ("duplicate_of", pa.string()), ("similarity", pa.float64())])
# What a step after near dedup cuts out of documents, and the documents that it drops.
CUTS = pa.schema(
    [
        *_ID,
        ("keep", pa.bool_()),
        ("rule", pa.string()),  # why not, with value and threshold
        ("value", pa.float64()),
        ("threshold", pa.float64()),
        ("cuts", pa.list_(pa.int32())),  # start, end, start, end ... in bytes of the text that came; none when dropped
        ("duplicate_ratio", pa.float64()),  # share of the words that stand elsewhere, 0..1
        ("left_ratio", pa.float64()),  # share of the words that stay, 1 when nothing is cut
        ("cut_bytes", pa.int64()),
        ("cut_chars", pa.int64()),
    ]
)
LEDGER = pa.schema([*_WHERE, ("verdict", pa.string()), *_WHY, ("duplicate_of", pa.string())])
