"""The dataset card: `README.md` with the Hub's YAML header, by which `datasets.load_dataset` finds the data."""

import json
from typing import Any

import pyarrow as pa

from pipeline.base.format import counted
from pipeline.publish.stats import funnel_table

# What a column is, for the card; its type comes from the schema.
COLUMNS = {
    "id": "32 hex digits; the ledger has the same",
    "url": "address as captured",
    "host": "host name of the address",
    "date": "time of the capture (UTC), null if unknown",
    "dump": "crawl that the page is from",
    "source": "file that the record was read from",
    "offset": "place of the record in that file, in bytes (row number in a table)",
    "title": "title of the page",
    "text": "main text, mojibake mended, personal data masked",
    "language": "identified language, ISO 639-1, else 639-3",
    "script": "its script, ISO 15924",
    "language_score": "confidence of the language, 0 to 1",
    "quality": "the classifier's probability of the better class, 0 to 1; null where none ran",
    "license": "licence that the page itself links to, null if none",
    "author": "who wrote it, as the page says (names joined by `; `), null if it does not",
    "published": "day of publication, as the page says, null if it does not",
    "canonical": "address that the page calls its own, null if it does not",
    "duplicates": "documents of the crawl that this one stands for, itself among them (weight by it to undo dedup)",
    "word_count": "words of the text as measured by the rules, less the share that was cut out",
    "char_count": "characters of `text`",
    "pii_masked": "pieces of personal data masked in title, author and text",
}
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
_LARGE = ((10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B"), (10**11, "10B<n<100B"))


def card(stats: dict[str, Any], schema: pa.Schema, name: str, language: str, download_bytes: int) -> str:
    """`README.md` of the published folder. `download_bytes`: size of the data files together."""
    return "\n".join([_header(stats, schema, name, language, download_bytes), _body(stats, schema, name, language)])


def size_category(documents: int) -> str:
    """The Hub's name for a number of rows."""
    return next((name for below, name in (*_SIZES, *_LARGE) if documents < below), "n>1T")


def _header(stats: dict[str, Any], schema: pa.Schema, name: str, language: str, download_bytes: int) -> str:
    """YAML in its JSON spelling for values, so that no name can break it (`no` is Norwegian, not False)."""
    kept = stats["kept"]
    said: dict[str, Any] = {
        "pretty_name": name,
        "language": [language] if language not in ("", "any") else ["multilingual"],
        "license": "other",
        "license_name": "rights-of-the-pages-authors",
        "task_categories": ["text-generation"],
        "size_categories": [size_category(kept["documents"])],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "data/*.parquet"}]}],
    }
    features = [
        {"name": f.name, "dtype": str(f.type).replace("double", "float64").replace("[day]", "")} for f in schema
    ]
    split = {"name": "train", "num_bytes": kept["text_bytes"], "num_examples": kept["documents"]}
    sizes = [f"  download_size: {download_bytes}", f"  dataset_size: {kept['text_bytes']}"]
    info = ["dataset_info:", "  features:", *[f"  - {_yaml(f)}" for f in features], "  splits:", f"  - {_yaml(split)}"]
    return "\n".join(["---", *[f"{key}: {_yaml(value)}" for key, value in said.items()], *info, *sizes, "---", ""])


def _yaml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _body(stats: dict[str, Any], schema: pa.Schema, name: str, language: str) -> str:
    parts = [f"# {_plain(name)}", _summary(stats, language), _USE, "## How it came to be", _RECIPE, funnel_table(stats)]
    parts += ["## Columns", _columns(schema), "## Duplicates", _duplicates(stats), "## Personal data", _personal(stats)]
    if stats["contamination"]:
        parts += ["## Benchmarks", _benchmarks(stats)]
    return "\n\n".join([*parts, "## Rights", _RIGHTS, "## Known limits", _LIMITS]) + "\n"


_USE = """\
```python
from datasets import load_dataset

corpus = load_dataset("PATH/OF/THIS/FOLDER", split="train", streaming=True)
```

`polars.scan_parquet("data/*.parquet")` and DuckDB's `FROM 'data/*.parquet'` read the same files."""
_RECIPE = """\
Every input record has one row in `ledger/`, kept or dropped, with stage, rule, measured value and bound; duplicates
name the document that stands for them. `stats.json` has the numbers, `report.html` samples and the effect of each
rule, `manifest.json` digests of all files and the keys of the steps. Records are dropped in this order:"""
_RIGHTS = """\
No licence is claimed or granted for the pages: their text belongs to its authors, and what one may do with it depends
on the law that applies and on the terms of the crawl. `license` holds a licence that the page links to; it was read by
a machine and may be that of a picture on the page. To have a page removed, name its `url` or `id`."""
_LIMITS = """\
- Text is what an extractor took for a page's main content: some pages keep navigation, others miss content.
- Rules judge form, not truth. Pages may be wrong, offensive, or written by machines.
- Personal data is masked by pattern, not by understanding: names, `author` too, and postal addresses stay, and so does
  `url`."""


def _plain(text: str) -> str:
    return " ".join(text.split())


def _summary(stats: dict[str, Any], language: str) -> str:
    kept = stats["kept"]
    share = kept["documents"] / max(1, stats["records"])
    lines = ["| | |", "|---|--:|", f"| language | {language or 'any'} |", f"| documents | {kept['documents']:,} |"]
    lines += [f"| {what} | {kept[key]:,} |" for what, key in (("words", "words"), ("characters", "characters"))]
    lines += [
        f"| text, bytes | {kept['text_bytes']:,} |",
        f"| share of the {stats['records']:,} records | {share:.1%} |",
    ]
    return "\n".join(lines)


def _columns(schema: pa.Schema) -> str:
    rows = [f"| `{field.name}` | {field.type} | {COLUMNS[field.name]} |" for field in schema]
    return "\n".join(["| column | type | |", "|---|---|---|", *rows])


def _duplicates(stats: dict[str, Any]) -> str:
    exact, near = (stats["duplicates"][n] for n in ("exact", "near"))
    said = (
        f"{exact['dropped']:,} exact copies and {near['dropped']:,} verified near duplicates were left out, each for a "
        "document that is kept; `duplicates` says how many a document stands for."
    )
    if "index" in stats["duplicates"]:
        said += (
            f" {stats['duplicates']['index']['dropped']:,} more are verified near duplicates of documents in earlier "
            "corpora of the same index: use those together with this one."
        )
    if "url_dedup" in stats["duplicates"]:
        said += f" So were {stats['duplicates']['url_dedup']['dropped']:,} other captures of the same addresses."
    for name, cut in stats["cuts"].items():
        said += (
            f" Pieces that stand elsewhere before ({name}) were cut out of {counted(cut['documents'], 'document')} "
            f"({cut['characters']:,} characters); dropped for them: {counted(cut['dropped'], 'document')}."
        )
    return said


def _personal(stats: dict[str, Any]) -> str:
    kinds = {kind: n for kind, n in stats["pii"].items() if kind != "documents"}
    if not kinds:
        return "Nothing was masked."
    counts = ", ".join(f"{n:,} {kind}" for kind, n in kinds.items())
    documents = counted(stats["pii"].get("documents", 0), "document")
    return f"Masked in {documents}, each by a tag such as `<email-pii>`: {counts}."


def _benchmarks(stats: dict[str, Any]) -> str:
    lines = ["| benchmark | documents with a hit | items hit | highest score | still in the corpus |"]
    lines += ["|---|--:|--:|--:|--:|"]
    for row in stats["contamination"]:
        numbers = f"{row['documents']:,} | {row['items']:,} | {row['highest']:.3f} | {row['kept']:,}"
        lines.append(f"| {row['benchmark']} | {numbers} |")
    return "\n".join(lines)
