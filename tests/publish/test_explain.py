import pytest

from pipeline.base.errors import UserError
from pipeline.publish.explain import explain
from tests.support import small_world as world


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    store, made, _ = world.build(tmp_path_factory.mktemp("root"))
    return world.parts_of(store, made)


def _tell(parts, query):
    return explain(parts, world.RULES, query)


def test_a_kept_page(parts):
    story = _tell(parts, "https://www.host4.de/seite/0/4")
    for line in (
        f"id         {world.id_of(0, 4)}",
        "found      crawl-0.warc.gz at 4,000, captured 2021-01-01 04:00 UTC, dump CC-MAIN-2020-05",
        "language   de (Latn) 0.98",
        "rules      4, 0 failed",
        "ok   fineweb/line_punct_ratio     line_punct_ratio ≥ 0.12  0.9",
        "exact      no duplicate",
        "near       no duplicate",
        "benchmark  no hit",
        "personal data masked 2 times, stands for 1 document",
        "verdict    KEPT",
    ):
        assert line in story


def test_every_rule_is_told_with_value_and_bound(parts):
    story = _tell(parts, world.id_of(1, 8))  # too short, and fails another rule besides
    rows = [line.split() for line in story.splitlines() if line.startswith("    ") and "/" in line.split()[1]]
    assert [(row[0], row[1].partition("/")[2], row[-1]) for row in rows] == [
        ("ok", "language", "de"),
        ("FAIL", "gopher_word_count", "12"),
        ("FAIL", "line_punct_ratio", "0.05"),
        ("ok", "contamination", "0"),
    ]
    assert "rules      4, 2 failed" in story
    assert "near       not compared: dropped before" in story
    assert "verdict    DROPPED by gopher/gopher_word_count: 12 against 50" in story


def test_duplicates_name_the_page_that_is_kept(parts):
    exact, near = _tell(parts, world.id_of(2, 20)), _tell(parts, world.id_of(3, 21))
    assert (
        f"one of 4 documents with the same text; first is https://www.host6.de/seite/0/20 ({world.id_of(0, 20)})"
        in exact
    )
    assert "verdict    DROPPED by exact/duplicate_text: 1" in exact
    assert "near       not compared" in exact
    assert (
        "one of 7 documents that are nearly the same (similarity 0.91); first is https://www.host0.de/seite/0/21"
        in near
    )
    assert "verdict    DROPPED by near/near_duplicate: 0.91 against 0.8" in near
    assert "stands for 7 documents that are nearly the same" in _tell(parts, world.id_of(0, 21))


def test_benchmark_hits_and_other_languages(parts):
    hit = _tell(parts, world.id_of(0, 11))
    assert "benchmark  small-bench small/0-11" in hit
    assert ": 0.4 (both), 2 items in all" in hit
    foreign = next((s, r) for s in range(4) for r in range(60) if world.fate_of(s, r) == "language")
    assert "verdict    DROPPED by language/language: nl" in _tell(parts, world.id_of(*foreign))


def test_a_record_that_never_became_a_document(parts):
    story = _tell(parts, "https://www.host9.de/1/8.pdf")
    assert "found      crawl-1.warc.gz at 8,500" in story
    assert "document   none: it never became one (extract)" in story
    assert "verdict    DROPPED by extract/timeout" in story


@pytest.mark.parametrize(
    "query",
    [
        "http://host4.de/seite/0/4",
        "https://www.host4.de/seite/0/4/",
        "HTTPS://WWW.HOST4.DE/seite/0/4#top",
        "host4.de/seite/0/4",
    ],
)
def test_another_spelling_of_the_address_is_found(parts, query):
    assert _tell(parts, query).startswith("https://www.host4.de/seite/0/4\n")


def test_an_id_may_be_cut(parts):
    assert _tell(parts, world.id_of(0, 4)[:12].upper()).startswith("https://www.host4.de/seite/0/4\n")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("https://www.host4.de/seit/0/4", "the nearest are https://www.host4.de/seite/0/4, "),
        ("https://nirgends.example/x", "among 276 records, nor any page of such a host"),
        ("0123456789abcdef", "no such URL or id among 276 records"),
        ("\x1b[2Jx", "[2Jx: no such"),
    ],
)
def test_a_page_that_is_not_there(parts, query, said):
    with pytest.raises(UserError) as error:
        _tell(parts, query)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_several_captures_of_one_address(parts):
    twice = {**parts, "ledger": [parts["ledger"][0], *parts["ledger"][:1]]}
    assert _tell(twice, "https://www.host4.de/seite/0/4").count("verdict    KEPT") == 2


def test_a_verdict_that_the_rules_do_not_give_is_an_error(parts):
    with pytest.raises(AssertionError, match="the verdict says"):
        explain(parts, world.RULES[:1], world.id_of(1, 8))


def test_works_without_classifier_and_benchmarks(parts):
    fewer = {name: p for name, p in parts.items() if name not in ("quality", "data")}
    assert "verdict    KEPT" in explain(fewer, world.RULES, world.id_of(0, 4))
