import copy
import json
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import jinja2
import pytest

from pipeline.base.format import bound, format_bytes, number, plain
from pipeline.publish import samples
from pipeline.publish.report.render import bar_segments, render_report
from pipeline.runner.manifests import shards_of
from tests.support import small_world as world

# What a page may contain to break a report: markup, ends of markup, template syntax, bidirectional controls (an
# override, an isolate, an embedding), characters that XML forbids, and a surrogate that UTF-8 cannot encode.
HOSTILE = (
    "<script>alert(1)</script></style></title>\"'&amp;]]><!-- --><?x ?>{{ 7 * 7 }}{% raw %}"
    "\u202etxt.exe\u2066\u202b\x00\x0b\x1b[31m\x9b\ufffe\ud800 end"
)
HOSTILE_AS_SHOWN = (
    "<script>alert(1)</script></style></title>\"'&amp;]]><!-- --><?x ?>{{ 7 * 7 }}{% raw %}"
    "\ufffdtxt.exe\ufffd\ufffd\ufffd\ufffd\ufffd[31m\ufffd\ufffd\ufffd end"
)
EMPTY_STATS = {
    "records": 0, "documents": 0, "files": 1, "kept": {"documents": 0, "words": 0, "text_bytes": 0}, "alarms": [],
    "duplicates": {}, "cuts": {}, "funnel": [], "rules": [], "contamination": [], "lengths": [], "quality": None,
    "hosts": {"top": []}, "languages": {}, "dumps": {}, "pii": {}, "recipe": {}, "violations": [],
    "sources": {"files": 1, "lossy_files": 0, "unreadable_files": 0, "bytes": 9, "read_bytes": 9, "lost_bytes": 0,
                "losses": []},
}  # fmt: skip
NO_SAMPLES = {"kept": [], "dropped": {}, "hits": []}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    store, steps, folder = world.build(tmp_path_factory.mktemp("root"))
    shards = {name: shards_of(store, steps[name]) for name in ("data", "ledger", "pages", "contamination")}
    return shards, Path(folder)


@pytest.fixture(scope="module")
def page(published):
    return published[1] / "report.html"


def _parse(html):
    return ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>"))


def _texts(html, *tags):
    return ["".join(element.itertext()) for element in _parse(html).iter() if element.tag in tags]


def _arguments(published):
    """Statistics and samples of the small world, as `render_report` takes them."""
    shards, folder = published
    shown = {
        "kept": samples.sample_kept_documents(shards["data"]),
        "dropped": samples.sample_dropped_records(shards["ledger"], shards["pages"], "DE"),
        "hits": samples.highest_contamination(shards["contamination"], shards["ledger"]),
    }
    return json.loads((folder / "stats.json").read_text()), shown


def _with_every_text_replaced(value, text):
    """A copy of statistics or samples in which each text is `text`, names of steps and reasons in keys too."""
    if isinstance(value, str):
        return text
    if isinstance(value, list):
        return [_with_every_text_replaced(item, text) for item in value]
    if isinstance(value, dict):
        return {
            tuple(text for _ in key) if isinstance(key, tuple) else key: _with_every_text_replaced(item, text)
            for key, item in value.items()
        }
    return value


def test_page_is_well_formed_and_loads_nothing(page):
    html = page.read_text()
    assert html.startswith("<!DOCTYPE html>\n<html")
    tags = {element.tag for element in _parse(html).iter()}
    assert not tags & {"script", "link", "img", "iframe", "object", "a", "form"}
    attributes = {name for element in _parse(html).iter() for name in element.attrib}
    assert not [name for name in attributes if name.startswith("on") or name in ("href", "src")]
    assert "url(" not in html
    assert "@import" not in html


def test_markup_of_pages_is_shown_as_text(page):
    """It is planted in a title, a text, an address, a reject's detail and a benchmark's item."""
    html = page.read_text()
    for planted in (world.SCRIPT, "?q=<script>alert(1)</script>", "Small <World>"):
        assert planted not in html
        assert planted not in re.sub("&amp;|&#39;", "", html)
    shown = _texts(html, "b", "p", "small", "td")
    assert any(f"{world.SCRIPT} not_html" in text for text in shown)
    assert any(text.startswith("small-bench small/") and world.SCRIPT in text for text in shown)


def test_no_value_can_become_markup_or_reorder_the_page(published):
    stats, shown = (_with_every_text_replaced(value, HOSTILE) for value in _arguments(published))
    for key in ("languages", "dumps", "pii", "duplicates"):
        stats[key] = {HOSTILE: next(iter(stats[key].values()))}
    stats["recipe"] = {HOSTILE: HOSTILE, "steps": {HOSTILE: HOSTILE}}
    stats["cuts"] = {HOSTILE: {"characters": 1, "documents": 1, "dropped": 1}}
    stats["alarms"] = [{"level": HOSTILE, "text": HOSTILE}]
    html = render_report(stats, shown, HOSTILE, HOSTILE)
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe]", html)
    plain_html = render_report(*_arguments(published), "name", "de")
    assert {element.tag for element in _parse(html).iter()} == {element.tag for element in _parse(plain_html).iter()}
    assert _texts(html, "title") == [HOSTILE_AS_SHOWN]
    alarm = _parse(html).find(".//header/p")
    assert alarm.get("class") == HOSTILE_AS_SHOWN
    assert "".join(alarm.itertext()) == f"{HOSTILE_AS_SHOWN} {HOSTILE_AS_SHOWN}"
    assert {"".join(text.itertext()) for text in _parse(html).iterfind(".//article/p")} == {HOSTILE_AS_SHOWN}
    html.encode()


def test_letters_of_any_script_and_their_marks_are_kept():
    hebrew_and_arabic = "שלום \u200fעולם\u200e مرحبا \u061c 🏳️‍🌈 e\u0301 \xa0\t"
    assert _texts(render_report(EMPTY_STATS, NO_SAMPLES, hebrew_and_arabic, ""), "title") == [hebrew_and_arabic]


def test_page_answers_what_an_engineer_asks(page):
    text = "\n".join(_texts(page.read_text(), "p", "tr", "header", "h3"))
    assert "12 records (4.3%) lost to extract/timeout." in text
    assert "75.0%" in text
    assert "line_punct_ratio ≥ 0.12" in text
    assert "0.05 against 0.12" in text
    assert "near: 6 dropped, 1 cluster" in text
    assert re.search(r"gopher\s+gopher_word_count\s*6", text)


def test_steps_are_those_of_the_statistics():
    """A step that this code does not know, such as a user's own, is shown like any other."""
    step = {"dropped": 3, "clusters": 2, "largest": [{"size": 2, "url": "https://a.de", "members": ["https://b.de"]}]}
    earlier = {"dropped": 5, "withdrawn": 4, "clusters": 0, "largest": []}
    funnel = [{"what": "duplicate", "stage": "same_title", "rule": "duplicate_title", "dropped": 3, "left": 1}]
    stats = EMPTY_STATS | {
        "duplicates": {"same_title": step, "known": earlier},
        "cuts": {"menus": {"characters": 1, "documents": 2, "dropped": 0}},
        "funnel": funnel,
    }
    html = render_report(stats, NO_SAMPLES, "n", "")
    assert _texts(html, "h3") == [
        "same_title: 3 dropped, 2 clusters",
        "known: 5 dropped as duplicates of documents in earlier corpora, 4 of these withdrawn since",
        "menus: 1 character removed from 2 documents, 0 dropped",
    ]
    assert any("same_title" in row and "duplicate_title" in row for row in _texts(html, "tr"))


def test_rules_that_every_document_passes_take_one_line():
    passed = [{"rule": name, "fails": 0, "alone": 0, "dropped": 0} for name in ("first", "<second>")]
    failed = [{"rule": "failed", "column": "c", "max": 1, "fails": 3, "alone": 1, "dropped": 2}]

    def rules_section(rules):
        html = render_report(EMPTY_STATS | {"rules": rules}, NO_SAMPLES, "n", "")
        return next(section for section in _parse(html).iter("section") if section.find("h2").text == "Rules")

    section = rules_section(passed + failed)
    assert "".join(section.findall("p")[-1].itertext()) == "Every document passes: first, <second>."
    assert len(list(section.iter("tr"))) == 2
    assert "None." in "".join(rules_section([]).itertext())
    assert "None." not in "".join(rules_section(passed).itertext())


def test_bars_are_in_proportion(page):
    html = page.read_text()
    funnel = next(section for section in _parse(html).iter("section") if section.find("h2").text == "Funnel")
    bars = [[float(rect.get("width")) for rect in svg.iter("rect")] for svg in funnel.iter("svg")]
    assert bars[0] == [100.0]
    assert bars[1] == pytest.approx([100 * 264 / 276, 100 * 12 / 276], abs=0.01)
    assert bars[-1] == pytest.approx([100 * 207 / 276], abs=0.01)
    assert all(sum(bar) <= 100.01 for bar in bars)


def test_segments_of_a_bar_follow_each_other():
    assert bar_segments(8, [(2, "kept"), (6, "rule")]) == [("kept", "0.00", "25.00"), ("rule", "25.00", "75.00")]
    assert bar_segments(0, [(0, "kept")]) == [("kept", "0.00", "0.00")]


def test_every_kind_of_loss_has_a_colour(published):
    """The class of a segment is the kind that the funnel names; the style sheet must know it."""
    stats, shown = _arguments(published)
    html = render_report(stats, shown, "n", "de")
    classes = {rect.get("class") for rect in _parse(html).iter("rect")}
    assert classes == {"kept", "no-document", "rule", "shared", "duplicate"}
    style = _parse(html).find(".//style").text
    assert all(f".{css_class} {{" in style for css_class in classes)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (123_456, "123 kB"), (2_345_678_901, "2.35 GB")]
)
def test_sizes_have_three_digits_and_a_unit(size, text):
    assert format_bytes(size) == text


def test_a_corpus_of_nothing_has_a_report():
    html = render_report(EMPTY_STATS, NO_SAMPLES, "n", "")
    _parse(html)
    assert "Nothing alarming" in html


def test_a_missing_statistic_is_an_error():
    stats = copy.deepcopy(EMPTY_STATS)
    del stats["kept"]["words"]
    with pytest.raises(jinja2.UndefinedError, match="words"):
        render_report(stats, NO_SAMPLES, "n", "")


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"column": "a", "min": 50}, "a ≥ 50"),
        ({"column": "a", "max": 0.25, "exclusive": True}, "a < 0.25"),
        ({"column": "l", "equals": "de"}, "l = de"),
        ({"column": "b", "not_equals": True}, "b ≠ True"),
        ({"column": "l", "any_of": ("de", "en")}, "l one of de, en"),
        ({"column": "r", "lacks": ["noai"]}, "r without noai"),
    ],
)
def test_bounds_in_words(rule, text):
    assert bound(rule) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1234567, "1,234,567"), (0.123456, "0.1235"), (100000.0, "100,000"), (2.0, "2"), (True, "True")]
)
def test_numbers_in_words(value, text):
    assert number(value) == text


def test_nothing_that_a_terminal_obeys():
    assert plain("a\x1b[31mb\nc\u202ed\x9b") == "a [31mb c d"
    assert plain("abcdef", 3) == "abc…"


@pytest.mark.parametrize("width", [1200, 400])
def test_page_fits_a_browser_window(page, width, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here")
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    frame = tmp_path / "frame.html"
    # scrollWidth is what a reader would have to scroll to; the frame gives the width that a headless window cannot have
    frame.write_text(
        f"<iframe id=f src='{page.as_uri()}' style='width:{width}px;height:900px'></iframe><p id=result></p><script>"
        "f.onload = () => { const d = f.contentDocument; result.textContent = [d.title, d.scripts.length,"
        " d.documentElement.scrollWidth <= f.clientWidth, d.querySelectorAll('svg').length > 20].join('|') }</script>"
    )
    ran = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", *quiet,
         f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000", "--dump-dom", frame.as_uri()],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Small &lt;World&gt;|0|true|true" in ran.stdout, ran.stdout[-500:] + ran.stderr[-500:]
