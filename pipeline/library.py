"""The pipeline's parts as functions on values in memory, without recipes, folders and runs.

`from pipeline.library import ...` in a checkout, `from corpus_pipeline import ...` where the wheel is installed. Each
function gives what the stage of a run gives with the same settings. The first call of a function compiles its kernels,
once for a version of the code (some seconds to a minute), and caches them in the folder that CORPUS_CACHE names, else
in the checkout's or the user's cache.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple, get_args

import pyarrow as pa

from pipeline.base.errors import UserError as UserError
from pipeline.base.suggestions import unknown_name

TextFormat = Literal["text", "markdown"]

_STRING_TYPES = (pa.string(), pa.large_string(), pa.string_view())
_BATCH_ROWS = 2048  # texts of one array: an array of strings holds 2 GiB


class LanguageResult(NamedTuple):
    """The language of a text.

    Attributes:
        language: Code of ISO 639-1 if there is one, else of 639-3. "und" is a text without letters, "zxx" a text in no
            language, such as numbers or code.
        score: Probability that the model gives to the language, 0 to 1.
        script: Code of ISO 15924 of the script that most letters are in.
    """

    language: str
    score: float
    script: str


def extract(html: str | bytes, *, engine: str = "blocks", format: TextFormat = "text") -> str:
    """Extract the main text of a web page: without navigation, advertisements and comments.

    The page is parsed in this process. A run parses pages in a child process that is killed when a page takes too long
    or too much memory.

    Args:
        html: The page. Of bytes, the character set is determined as browsers do.
        engine: "blocks", "trafilatura" or "resiliparse".
        format: "text" gives one paragraph a line, "markdown" headings, lists, tables, quotes and code as well.

    Returns:
        The text, "" for a page without one.

    Raises:
        UserError: There is no such engine or format.
        ValueError: The page exceeds a limit of the engine, such as 1,000 nested elements.

    Example:
        >>> extract("<title>A</title><article><h1>Rye</h1><p>Rye is a grass grown as a grain.</p></article>")
        'Rye\\nRye is a grass grown as a grain.'
    """
    from extract import engines
    from extract.html.decode import decode_page
    from extract.pages import check_engine

    check_engine(engine)
    if format not in get_args(TextFormat):
        raise UserError(unknown_name("format", format, get_args(TextFormat)))
    page = html if isinstance(html, str) else decode_page(html)
    return engines.extract(page, engine, markdown=format == "markdown").text


def identify(texts: Iterable[str], *, model: str = "embedded", sha256: str | None = None) -> list[LanguageResult]:
    """Identify the language and the script of each text.

    Args:
        texts: The texts. Of a long one, the beginning, the middle and the end are read, 1,000 characters each.
        model: "embedded" (nothing is downloaded), "langdetect", or the path or URL of a fastText model (.bin, .ftz).
        sha256: SHA-256 of the fastText model's file, 64 hex digits; required for a URL.

    Returns:
        One result for each text, in order.

    Raises:
        UserError: There is no such model, or its file has another SHA-256.
        TypeError: `texts` is a single text.

    Example:
        >>> [(language, script) for language, score, script in identify(["Der Hund schläft.", "Ο σκύλος κοιμάται."])]
        [('de', 'Latn'), ('el', 'Grek')]
    """
    from extract.langid.identify import load_identifier

    if isinstance(texts, str):
        raise TypeError("texts is a list of texts, not a single one: identify([text])")
    guesses = load_identifier(model, sha256).identify(list(texts))
    return [LanguageResult(guess.language, guess.score, guess.script) for guess in guesses]


def deduplicate(
    table: pa.Table,
    *,
    preset: str = "14x8",
    threshold: float = 0.8,
    ngram: int = 5,
    text_column: str = "text",
    id_column: str | None = None,
) -> pa.Table:
    """Find near duplicates: MinHash proposes pairs, and the exact Jaccard similarity of their word n-grams decides.

    Of several near duplicates, the first one in the table is kept. Memory is the texts and some 200 bytes a row.

    Args:
        table: The documents, one a row. A text that is null or has no words is no duplicate of another.
        preset: Bands x rows of the MinHash signatures. More bands find more of the pairs at the threshold.
        threshold: Jaccard similarity from which two documents are near duplicates, over 0 and up to 1.
        ngram: Words of an n-gram.
        text_column: Column of the texts, a string column.
        id_column: Column of the ids. None: the column "id", or row numbers from 0 where there is none.

    Returns:
        One row for each row of `table`, in order, with the columns

        - id: the document's id,
        - duplicate_of: the id of the kept document that it duplicates, null for a document that is kept,
        - similarity (float64): the Jaccard similarity of the two, null for a document that is kept,
        - cluster_size (int64): documents that duplicate the same kept document, that one included.

    Raises:
        UserError: A setting is not possible, there is no such column, or the column of texts has no strings.

    Example:
        >>> table = pa.table({"id": ["a", "b"], "text": ["one two three four five six"] * 2})
        >>> deduplicate(table)["duplicate_of"].to_pylist()
        [None, 'a']
        >>> table.filter(deduplicate(table)["duplicate_of"].is_null())["id"].to_pylist()
        ['a']
    """
    from dedup.dedup_file import deduplicate_texts, near_settings

    settings = near_settings(preset, threshold, ngram)
    if id_column is None and "id" in table.column_names:
        id_column = "id"
    for name in (text_column, *([] if id_column is None else [id_column])):
        if name not in table.column_names:
            raise UserError(unknown_name("column", name, table.column_names))
    text_type = table.schema.field(text_column).type
    if text_type not in _STRING_TYPES:
        raise UserError(f"column {text_column!r} is {text_type}, not text; name another one")
    ids = table[id_column] if id_column is not None else pa.array(range(table.num_rows), pa.int64())
    batches = table.select([text_column]).to_batches(max_chunksize=_BATCH_ROWS)
    rows = deduplicate_texts([batch.column(0).cast(pa.string()) for batch in batches], **settings)
    return pa.table(
        {
            "id": ids,
            "duplicate_of": ids.take(rows["duplicate_of"]),
            "similarity": rows["similarity"],
            "cluster_size": rows["cluster_size"],
        }
    )


def mask(
    text: str,
    *,
    kinds: Iterable[str] = ("email", "iban", "ip", "phone"),
    region: str = "DE",
    tag: str = "<{kind}-pii>",
) -> str:
    """Mask personal data: e-mail addresses, IBANs, public IP addresses and phone numbers that exist.

    Names and postal addresses are not masked. Masking a masked text changes nothing.

    Args:
        text: The text.
        kinds: What to mask, some of "email", "iban", "ip" and "phone".
        region: Country (ISO 3166-1 alpha-2) in whose numbering plan national phone numbers are looked up.
        tag: What replaces a find; `{kind}` becomes its kind. It must not have digits, @ or brackets.

    Returns:
        The text with a tag in place of each find.

    Raises:
        UserError: There is no such kind or region, or the tag itself could be taken for personal data.

    Example:
        >>> mask("Write to jane.doe@example.org or call 030 901820.")
        'Write to <email-pii> or call <phone-pii>.'
    """
    from filters.pii.mask import check_masking
    from filters.pii.mask import mask as mask_and_count

    kinds = tuple(kinds)
    check_masking(kinds, region, tag)
    return mask_and_count(text, kinds, region, tag)[0]
