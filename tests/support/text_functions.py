"""Every function that takes page text, HTML or an address, each as a function of one text, for tests of its time."""

import io
import tempfile
from collections.abc import Callable

import pyarrow as pa

TextFunction = Callable[[str], object]


def text_functions() -> dict[str, TextFunction]:
    """Name to function. Settings that cost are made here, before anything is measured."""
    return {**_filters(), **_extraction(), **_deduplication(), **_publishing()}


def _column(text: str) -> pa.Array:
    return pa.array([text], pa.large_string())


def _filters() -> dict[str, TextFunction]:
    from filters import fix_text
    from filters.contamination import benchmark_items
    from filters.contamination.normalize import normalize_words
    from filters.pii import mask, phone
    from filters.quality.text import plain_texts
    from filters.signals import bad_words, c4_clean
    from filters.signals.c4 import LINE_RULES, POLICIES, compile_line_phrases
    from filters.signals.kernel import kernel_settings
    from filters.signals.signals import GOPHER_STOP_WORDS, signal_table
    from filters.signals.word_splits import SplitRules
    from filters.urls import lists, match

    signal_settings = kernel_settings(GOPHER_STOP_WORDS, SplitRules(True, True), LINE_RULES, True, POLICIES)
    phrases = compile_line_phrases(True, POLICIES)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("bad\nworse word\na 1 a 1\n天")
        file.flush()
        list_of_words = bad_words.load_bad_words(file.name)
    url_lists = match.UrlLists(
        lists.read_hosts([lists.ListFile("hosts", io.BytesIO(b"a.b"))], match.to_ascii),
        lists.read_addresses([lists.ListFile("addresses", io.BytesIO(b"a.b/c"))], match.split_url),
        frozenset(["bad"]),
        frozenset(["worse"]),
        ("worst",),
    )

    def mask_column(text: str) -> object:
        return mask.mask_all(_column(text), mask.KINDS, ["DE"], mask.TAG)

    def measure_signals(text: str) -> object:
        return signal_table(pa.array([""]), _column(text), signal_settings)

    def plain_chunks(text: str) -> object:
        return plain_texts(_column(text)).chunks(0, 100, 4)

    return {
        "filters.pii.mask.mask": mask.mask,
        "filters.pii.mask.mask, tag without brackets": lambda text: mask.mask(text, tag="{kind}"),
        "filters.pii.mask.mask, US": lambda text: mask.mask(text, region="US"),
        "filters.pii.mask.mask_all": mask_column,
        "filters.pii.phone.find_phones": lambda text: list(phone.find_phones(text, "FR")),
        "filters.fix_text.fix_mojibake": lambda text: fix_text.fix_mojibake(_column(text)),
        "filters.contamination.normalize.normalize_words": lambda text: normalize_words(_column(text)),
        "filters.contamination.benchmark_items.parse_item": lambda text: benchmark_items.parse_item(
            {"instruction": "a" + text}, 0, "file"
        ),
        "filters.quality.text.plain_texts": plain_chunks,
        "filters.signals.signals.signal_table": measure_signals,
        "filters.signals.c4_clean.clean_text": lambda text: c4_clean.clean_text(text, LINE_RULES, phrases),
        "filters.signals.bad_words.count_bad_words": lambda text: bad_words.count_bad_words(
            _column(text), list_of_words
        ),
        "filters.urls.match.split_url": match.split_url,
        "filters.urls.match.UrlLists.match_urls": lambda text: url_lists.match_urls(pa.array([text]), 2),
        "filters.urls.lists.read_hosts": lambda text: _ignoring_user_errors(
            lambda: lists.read_hosts([lists.ListFile("hosts", io.BytesIO(text.encode()))], match.to_ascii)
        ),
        "filters.urls.lists.read_addresses": lambda text: _ignoring_user_errors(
            lambda: lists.read_addresses([lists.ListFile("addresses", io.BytesIO(text.encode()))], match.split_url)
        ),
    }  # fmt: skip


def _ignoring_user_errors(function: Callable[[], object]) -> object:
    from pipeline.base.errors import UserError

    try:
        return function()
    except UserError as error:
        return error


def _extraction() -> dict[str, TextFunction]:
    from extract import engines, record_to_html, record_to_page
    from extract.blocks import inline_marks
    from extract.blocks.engine import extract_blocks, render_all
    from extract.html import dates, decode, formulas, json_ld, metadata, rights
    from extract.langid import identify, prefilter
    from extract.sources.record_parser import Record

    identifier = identify.load_identifier()

    def blocks(function: Callable[[str, str, bool], str], markdown: bool) -> TextFunction:
        from extract.limits import TooMuch

        def run(text: str) -> object:
            try:
                return function(text, "default", markdown)
            except TooMuch as error:
                return error

        return run

    def all_metadata(text: str) -> object:
        html = text.encode()
        head = rights.read_head(html)
        return metadata.read_metadata(html, head, text), rights.read_rights(html, {"x-robots-tag": text}, head)

    def sniff(text: str) -> object:
        return record_to_html._HTML_START.match(text.encode()[: record_to_html._SNIFF_BYTES])

    del Record
    return {
        "extract.blocks.engine.extract_blocks": blocks(extract_blocks, False),
        "extract.blocks.engine.extract_blocks, Markdown": blocks(extract_blocks, True),
        "extract.blocks.engine.render_all": blocks(lambda text, _, markdown: render_all(text, markdown), False),
        "extract.blocks.engine.render_all, Markdown": blocks(
            lambda text, _, markdown: render_all(text, markdown), True
        ),
        "extract.blocks.inline_marks.render_marks": lambda text: inline_marks.render_marks(text, True),
        "extract.engines.nesting_depth": engines.nesting_depth,
        "extract.engines.clean_text": engines.clean_text,
        "extract.engines.page_title": lambda text: engines.page_title(text.encode()),
        "extract.engines.article_text": lambda text: blocks(lambda t, _, m: engines.article_text(t, m), True)(text),
        "extract.html.decode.decode_page": lambda text: decode.decode_page(text.encode(), text),
        "extract.html.decode.decode_page, not UTF-8": lambda text: decode.decode_page(text.encode() + b"\xff\xe4"),
        "extract.html.formulas.formulas_to_tex": formulas.formulas_to_tex,
        "extract.html.formulas.formulas_to_tex, in math": lambda text: formulas.formulas_to_tex(f"<math>{text}</math>"),
        "extract.html.metadata.read_metadata": all_metadata,
        "extract.html.rights.parse_directives": rights.parse_directives,
        "extract.html.json_ld.read_json_ld": lambda text: list(
            json_ld.read_json_ld(f'<script type="application/ld+json">{text}</script>'.encode())
        ),
        "extract.html.dates.parse_url_day": dates.parse_url_day,
        "extract.langid.identify.identify": lambda text: identify._label_rows(
            pa.array([""]), [identify.sample_text(text)], identifier, 500
        ),
        "extract.langid.prefilter.prefilter": lambda text: prefilter.prefilter(text, "de"),
        "extract.langid.html_text.visible_runs": lambda text: prefilter.prefilter(f"<p>{text}</p>", "de"),
        "extract.record_to_html sniffing": sniff,
        "extract.record_to_page.url_host": record_to_page.url_host,
    }


def _deduplication() -> dict[str, TextFunction]:
    from dedup.exact import fingerprints
    from pipeline.kernels.tokens import words

    return {
        "dedup.exact.fingerprints.text_hashes": lambda text: fingerprints.text_hashes(
            pa.chunked_array([_column(text)])
        ),
        "dedup.exact.fingerprints.normal_url": fingerprints.normal_url,
        "pipeline.kernels.tokens.words": lambda text: words(_column(text)),
    }


def _publishing() -> dict[str, TextFunction]:
    from pipeline.base import format as people
    from pipeline.publish import explain, samples, templating

    table = pa.table({"url": ["http://a.b/c"], "id": ["0"]})
    return {
        "pipeline.base.format.plain": people.plain,
        "pipeline.publish.explain._is_same": lambda text: explain._is_same(table, text),
        "pipeline.publish.explain._is_spelled_otherwise": lambda text: explain._is_spelled_otherwise(table, text),
        "pipeline.publish.explain, addresses": lambda text: explain._is_spelled_otherwise(
            pa.table({"url": [text], "id": ["0"]}), "http://a.b"
        ),
        "pipeline.publish.samples._excerpt": samples._excerpt,
        "pipeline.publish.templating.escape_markdown": templating.escape_markdown,
        "pipeline.publish.templating.yaml_value": templating.yaml_value,
    }
