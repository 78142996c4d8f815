import copy
import json
from pathlib import Path

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.publish.card import funnel_table, render_card, size_category
from pipeline.publish.columns import DATA_COLUMNS
from pipeline.publish.templating import escape_markdown, replace_unsafe_characters
from tests.support import small_world as world

# Ends of the header, of a table cell, of a code span and of a line; a link, an image, raw HTML, a formula, emphasis;
# template syntax; line ends and control characters of YAML; a bidirectional override; a surrogate.
HOSTILE = (
    'no: "x"\n---\n# [a](b) ![i](j) <script>|`*_e_* $x$ ~~s~~ &lt; \\ {{ 7 * 7 }} '
    "\u2028\u2029\x85\x00\x1b\u202e\ud800 end #"
)
STATS = {
    "records": 20, "kept": {"documents": 4, "words": 5, "characters": 30, "text_bytes": 31}, "pii": {}, "cuts": {},
    "contamination": [], "duplicates": {}, "funnel": [], "violations": [],
    "sources": {"files": 1, "bytes": 9, "lost_bytes": 0, "losses": []},
}  # fmt: skip


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    _, _, folder = world.build(tmp_path_factory.mktemp("root"))
    return Path(folder)


def _header(card):
    yaml = pytest.importorskip("yaml")
    opening, header, body = card.split("---\n", 2)
    assert opening == ""
    return yaml.safe_load(header), body


def _rendered(markdown):
    """HTML of what GitHub and the Hub make of it, tables and strikethrough included."""
    parser = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable(["table", "strikethrough"])
    return parser.render(markdown)


def test_card_header_is_what_the_hub_reads(published):
    text = (published / "README.md").read_text()
    header, body = _header(text)
    assert header["pretty_name"] == "Small <World>"
    assert header["language"] == ["de"]
    assert header["license"] == "other"
    assert header["size_categories"] == ["n<1K"]
    assert header["configs"][0]["data_files"] == [{"split": "train", "path": "data/*.parquet"}]
    assert [feature["name"] for feature in header["dataset_info"]["features"]] == [
        column.name for column in DATA_COLUMNS
    ]
    assert header["dataset_info"]["splits"][0]["num_examples"] == 207
    assert "No licence is claimed" in body
    assert "| near | near_duplicate | 6 | 2.2% | 207 |" in body


def test_features_of_the_header_have_the_dtypes_of_the_datasets_library(published):
    header, _ = _header((published / "README.md").read_text())
    dtypes = {feature["name"]: feature["dtype"] for feature in header["dataset_info"]["features"]}
    assert (dtypes["quality"], dtypes["published"], dtypes["date"]) == ("float64", "date32", "timestamp[ms, tz=UTC]")


def test_every_published_column_is_described(published):
    assert all(column.doc for column in DATA_COLUMNS)
    html = _rendered((published / "README.md").read_text())
    for name in [column.name for column in DATA_COLUMNS]:
        assert f"<td><code>{name}</code></td>" in html


@pytest.mark.parametrize(
    ("documents", "name"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**6, "1M<n<10M"), (10**11, "100B<n<1T"), (10**12, "n>1T")],
)
def test_size_category(documents, name):
    assert size_category(documents) == name


@pytest.mark.parametrize(("language", "in_header"), [("no", "no"), ("", "multilingual"), ("any", "multilingual")])
def test_language_of_the_header_is_a_text(language, in_header):
    header, body = _header(render_card(STATS, DATA_COLUMNS, "Corpus", language, 0))
    assert header["language"] == [in_header]
    assert f"| language | {language or 'any'} |" in body


def test_no_value_can_become_markdown_or_yaml():
    funnel = [{"what": "rule", "stage": HOSTILE, "rule": HOSTILE, "dropped": 1, "left": 19}]
    clusters = {"dropped": 1, "clusters": 1, "largest": []}
    benchmark = {"benchmark": HOSTILE, "documents": 1, "items": 1, "highest": 1.0, "kept": 0}
    stats = STATS | {
        "funnel": funnel, "duplicates": {HOSTILE: clusters}, "contamination": [benchmark], "pii": {HOSTILE: 1},
        "cuts": {HOSTILE: {"characters": 1, "documents": 1, "dropped": 0}},
    }  # fmt: skip
    card = render_card(stats, DATA_COLUMNS, HOSTILE, HOSTILE, 0)
    header, body = _header(card)
    shown = replace_unsafe_characters(HOSTILE)
    assert (header["pretty_name"], header["language"]) == (shown, [shown])
    assert header["license"] == "other"
    harmless = copy.deepcopy(stats)
    harmless |= {
        "funnel": [funnel[0] | {"stage": "s", "rule": "r"}], "duplicates": {"s": clusters}, "pii": {"k": 1},
        "contamination": [benchmark | {"benchmark": "b"}], "cuts": {"s": stats["cuts"][HOSTILE]},
    }  # fmt: skip
    _, harmless_body = _header(render_card(harmless, DATA_COLUMNS, "title", "de", 0))
    assert _tags(_rendered(body)) == _tags(_rendered(harmless_body))
    card.encode()


def _tags(html):
    return [piece.split(">")[0].split(" ")[0] for piece in html.split("<")[1:]]


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("\\`*_[]<>|~#$&!() a1\n")), max_size=30))
def test_escaped_text_is_shown_as_it_is(text):
    import html

    shown = " ".join(replace_unsafe_characters(text).split())
    cell = _rendered(f"| x | y |\n|---|---|\n| {escape_markdown(text)} | . |\n").split("<tbody>")[1]
    assert html.unescape(cell.split("<td>")[1].split("</td>")[0]) == shown
    paragraph = _rendered(f"x {escape_markdown(text)} y")
    assert html.unescape(paragraph) == f"<p>x {shown} y</p>\n" or shown == ""


def test_names_of_rules_stay_readable_in_the_source():
    assert escape_markdown("gopher_word_count, top_2_gram (20.9%)") == "gopher_word_count, top_2_gram (20.9%)"


def test_steps_are_those_of_the_statistics():
    """A step that this code does not know, such as a user's own, is described like any other."""
    stats = STATS | {
        "funnel": [{"what": "duplicate", "stage": "same_title", "rule": "duplicate_title", "dropped": 3, "left": 17}],
        "duplicates": {
            "same_title": {"dropped": 3, "clusters": 2, "largest": []},
            "known": {"dropped": 5, "withdrawn": 4, "clusters": 0, "largest": []},
        },
        "cuts": {"menus": {"characters": 1, "documents": 2, "dropped": 0}},
    }
    body = " ".join(render_card(stats, DATA_COLUMNS, "Corpus", "de", 0).split())
    assert "**same_title** (duplicate_title): 3 documents in 2 clusters." in body
    assert "**known**: 5 documents, duplicates of documents in earlier corpora of the same index; 4 of those" in body
    assert "**menus**: 1 character removed from 2 documents, 0 documents dropped." in body


def test_sections_without_content():
    body = render_card(STATS, DATA_COLUMNS, "Corpus", "de", 0)
    assert "Nothing was masked." in body
    assert "## Benchmarks" not in body
    assert "Passages that" not in body


def test_personal_data_is_counted_by_kind(published):
    body = " ".join((published / "README.md").read_text().split())
    assert "Masked in 12 documents, each time by a tag such as `<email-pii>`: 8 email, 4 iban, 4 ip, 4 phone." in body


def test_a_missing_statistic_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="words"):
        render_card(STATS | {"kept": {"documents": 1, "text_bytes": 1}}, DATA_COLUMNS, "Corpus", "de", 0)


def test_funnel_table_has_a_row_for_each_reason(published):
    stats = json.loads((published / "stats.json").read_text())
    lines = funnel_table(stats).splitlines()
    assert len(lines) == 2 + len(stats["funnel"])
    assert lines[2] == "| **records** | | | | **276** |"
    assert lines[4] == "| http | status | 12 | 4.3% | 252 |"
    assert lines[-1] == "| **kept** | | | | **207** |"
    assert funnel_table(stats) in (published / "README.md").read_text()
