import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pipeline.base.format import bound, number, plain
from pipeline.publish import report, samples
from tests.support import small_world as world


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    _, _, folder = world.build(tmp_path_factory.mktemp("root"))
    return Path(folder, "report.html")


def _tree(page):
    return ElementTree.fromstring(page.read_text().removeprefix("<!DOCTYPE html>"))


def test_it_is_well_formed_and_loads_nothing(page):
    tree = _tree(page)
    tags = {element.tag for element in tree.iter()}
    assert not tags & {"script", "link", "img", "iframe", "object", "a", "form"}
    assert not [e for e in tree.iter() for name in e.attrib if name.startswith("on") or name in ("href", "src")]
    assert "url(" not in page.read_text()
    assert "@import" not in page.read_text()


def test_texts_of_pages_are_texts(page):
    """Planted in a title, a text, an address, a reject's detail and a benchmark's item."""
    words = ["".join(e.itertext()) for e in _tree(page).iter() if e.tag in ("b", "p", "small", "td")]
    for planted in (world.SCRIPT, "?q=<script>alert(1)</script>", "Small <World>"):
        source = page.read_text()
        assert planted not in source
        assert planted not in re.sub("&amp;|&#x27;", "", source)
    assert any(f"{world.SCRIPT} not_html" in text for text in words)
    assert any(text.startswith("small-bench small/") and world.SCRIPT in text for text in words)


def test_it_says_what_an_engineer_asks(page):
    text = "\n".join("".join(e.itertext()) for e in _tree(page).iter() if e.tag in ("p", "tr", "header", "h3"))
    assert "12 records (4.3%) lost to extract/timeout." in text
    assert "75.0%" in text
    assert "line_punct_ratio ≥ 0.12" in text
    assert "0.05 against 0.12" in text
    assert "near: 6 dropped, 1 cluster" in text
    assert re.search(r"gopher\s+gopher_word_count\s*6", text)


def test_rules_that_nothing_fails_take_one_line():
    idle = [
        {"rule": "idle", "fails": 0, "alone": 0, "dropped": 0},
        {"rule": "<idle>", "fails": 0, "alone": 0, "dropped": 0},
    ]
    busy = [{"rule": "busy", "column": "c", "max": 1, "fails": 3, "alone": 1, "dropped": 2}]
    assert "Every document passes: idle, &lt;idle&gt;.</p>" in report._rules({"rules": idle + busy}, {})
    assert report._rules({"rules": idle + busy}, {}).count("<tr>") == 2
    assert "None." in report._rules({"rules": []}, {})


def test_bars_are_in_proportion(page):
    funnel = next(s for s in _tree(page).iter("section") if s.find("h2").text == "Funnel")
    bars = [[float(r.get("width")) for r in svg.iter("rect")] for svg in funnel.iter("svg")]
    assert bars[0] == [100.0]
    assert bars[1] == pytest.approx([100 * 264 / 276, 100 * 12 / 276], abs=0.01)
    assert bars[-1] == pytest.approx([100 * 207 / 276], abs=0.01)
    assert all(sum(bar) <= 100.01 for bar in bars)


def test_samples_do_not_leak_what_the_corpus_masks(page, tmp_path):
    store, made, _ = world.build(tmp_path)
    parts = world.shards_by_step(store, made)
    shown = samples.dropped(parts["ledger"], parts["pages"], "DE", each=1000)
    assert sum(map(len, shown.values())) == 69
    assert all(row["excerpt"] for key, rows in shown.items() for row in rows if key[0] not in ("http", "extract"))
    assert all(len(row.get("excerpt", "")) <= samples.CHARACTERS + 1 for rows in shown.values() for row in rows)
    assert "@beispiel-verein.de" not in page.read_text()
    texts = {(4, "030"): "Tel. 030 22751170 oder a@b.de"}
    table = world.pa.Table.from_pylist(
        [dict.fromkeys(world.PAGES.names) | {"id": "x", "host": "a.de", "text": texts[4, "030"], "title": "c@d.de"}],
        schema=world.PAGES,
    )
    entry = dict.fromkeys(world.ledger.LEDGER.names) | {
        "id": "x",
        "verdict": "dropped",
        "stage": "s",
        "rule": "r",
        "offset": 0,
    }
    ledger = world.pa.Table.from_pylist([entry], schema=world.ledger.LEDGER)
    row = samples.dropped([world.Shard.of(ledger)], [world.Shard.of(table)], "DE")["s", "r"][0]
    assert (row["title"], row["excerpt"]) == ("<email-pii>", "Tel. <phone-pii> oder <email-pii>")


def test_samples_are_the_same_however_the_data_is_cut(tmp_path):
    said = []
    for i, size in enumerate((110_000, 10**9)):
        store, made, _ = world.build(tmp_path / str(i), shard_bytes=size)
        said.append([row["id"] for row in samples.kept(world.shards_by_step(store, made)["data"])])
    assert said[0] == said[1]
    assert len(set(said[0])) == 12


def test_a_corpus_of_nothing_has_a_report():
    stats = {
        "records": 0, "documents": 0, "files": 1, "kept": {"documents": 0, "words": 0, "text_bytes": 0}, "alarms": [],
        "duplicates": {}, "cuts": {}, "funnel": [], "rules": [], "contamination": [], "lengths": [], "quality": None,
        "hosts": {"top": []}, "languages": {}, "dumps": {}, "pii": {}, "recipe": {},
    }  # fmt: skip
    shown = report.report(stats, {"kept": [], "dropped": {}, "hits": []}, "n", "")
    ElementTree.fromstring(shown.removeprefix("<!DOCTYPE html>"))
    assert "Nothing alarming" in shown


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"column": "a", "min": 50}, "a ≥ 50"),
        ({"column": "a", "max": 0.25, "exclusive": True}, "a < 0.25"),
        ({"column": "l", "equals": "de"}, "l = de"),
        ({"column": "b", "not_equals": True}, "b ≠ True"),
        ({"column": "l", "any_of": ("de", "en")}, "l one of de, en"),
        ({"column": "r", "lacks": ["noai"]}, "r without noai"),
    ],
)
def test_bounds_in_words(rule, said):
    assert bound(rule) == said


@pytest.mark.parametrize(
    ("value", "said"), [(1234567, "1,234,567"), (0.123456, "0.1235"), (100000.0, "100,000"), (2.0, "2"), (True, "True")]
)
def test_numbers_in_words(value, said):
    assert number(value) == said


def test_nothing_that_a_terminal_obeys():
    assert plain("a\x1b[31mb\nc\u202ed\x9b") == "a [31mb c d"
    assert plain("abcdef", 3) == "abc…"


@pytest.mark.parametrize("width", [1200, 400])
def test_it_opens_in_a_browser(page, width, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here")
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    frame = tmp_path / "frame.html"
    # scrollWidth is what a reader would have to scroll to; the frame gives the width that a headless window cannot have
    frame.write_text(
        f"<iframe id=f src='{page.as_uri()}' style='width:{width}px;height:900px'></iframe><p id=said></p><script>"
        "f.onload = () => { const d = f.contentDocument; said.textContent = [d.title, d.scripts.length,"
        " d.documentElement.scrollWidth <= f.clientWidth, d.querySelectorAll('svg').length > 20].join('|') }</script>"
    )
    ran = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", *quiet,
         f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000", "--dump-dom", frame.as_uri()],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Small &lt;World&gt;|0|true|true" in ran.stdout, ran.stdout[-500:] + ran.stderr[-500:]
