import pytest

from pipeline.base.errors import UserError
from pipeline.publish.explain import explain
from tests.support import small_world as world


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    store, bound, _ = world.build(tmp_path_factory.mktemp("root"))
    return world.evidence(store, bound)


def test_a_kept_page(evidence):
    story = explain(evidence, "https://www.host4.de/seite/0/4")
    for line in (
        f"id         {world.id_of(0, 4)}",
        "record     crawl-0.warc.gz at 4,000, captured 2021-01-01 04:00 UTC, dump CC-MAIN-2020-05",
        "language   de (Latn) 0.98",
        "rules      4, 0 failed",
        "ok   fineweb/line_punct_ratio     line_punct_ratio ≥ 0.12  0.9",
        "exact      no duplicate",
        "near       no duplicate",
        "benchmark  no hit",
        "personal data masked 2 times, represents 1 document",
        "verdict    KEPT",
    ):
        assert line in story


def test_every_rule_is_told_with_value_and_bound(evidence):
    story = explain(evidence, world.id_of(1, 8))  # too short, and fails another rule besides
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


def test_duplicates_name_the_page_that_is_kept(evidence):
    exact, near = explain(evidence, world.id_of(2, 20)), explain(evidence, world.id_of(3, 21))
    first = f"https://www.host6.de/seite/0/20 ({world.id_of(0, 20)})"
    assert f"exact      same text as {first}; 4 documents in all" in exact
    assert "verdict    DROPPED by exact/duplicate_text: 1" in exact
    assert "near       not compared" in exact
    first = f"https://www.host0.de/seite/0/21 ({world.id_of(0, 21)})"
    assert f"near       like {first} (similarity 0.91); 7 documents in all" in near
    assert "verdict    DROPPED by near/near_duplicate: 0.91 against 0.8" in near
    assert "represents 7 documents, itself included" in explain(evidence, world.id_of(0, 21))


def test_benchmark_hits_and_other_languages(evidence):
    hit = explain(evidence, world.id_of(0, 11))
    assert "benchmark  small-bench small/0-11" in hit
    assert ": 0.4 (both), 2 items in all" in hit
    foreign = next((s, r) for s in range(4) for r in range(60) if world.fate_of(s, r) == "language")
    assert "verdict    DROPPED by language/language: nl" in explain(evidence, world.id_of(*foreign))


def test_a_record_that_never_became_a_document(evidence):
    story = explain(evidence, "https://www.host9.de/1/8.pdf")
    assert "record     crawl-1.warc.gz at 8,500" in story
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
def test_another_spelling_of_the_address_is_found(evidence, query):
    assert explain(evidence, query).startswith("https://www.host4.de/seite/0/4\n")


def test_an_id_may_be_cut(evidence):
    assert explain(evidence, world.id_of(0, 4)[:12].upper()).startswith("https://www.host4.de/seite/0/4\n")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("https://www.host4.de/seit/0/4", "the nearest are https://www.host4.de/seite/0/4, "),
        ("https://nirgends.example/x", "among 276 records, nor any page of such a host"),
        ("0123456789abcdef", "no such URL or id among 276 records"),
        ("\x1b[2Jx", "[2Jx: no such"),
    ],
)
def test_a_page_that_is_not_there(evidence, query, said):
    with pytest.raises(UserError) as error:
        explain(evidence, query)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_several_captures_of_one_address(evidence):
    twice = evidence._replace(ledger=[evidence.ledger[0], evidence.ledger[0]])
    assert explain(twice, "https://www.host4.de/seite/0/4").count("verdict    KEPT") == 2


def test_a_decision_that_the_rules_do_not_give_is_an_error(evidence):
    with pytest.raises(AssertionError, match="the decision says"):
        explain(evidence._replace(rules=world.RULES[:1]), world.id_of(1, 8))


def test_works_without_classifier_and_published_data(evidence):
    sidecars = {name: shards for name, shards in evidence.sidecars.items() if name != "quality"}
    assert "verdict    KEPT" in explain(evidence._replace(sidecars=sidecars, data=[]), world.id_of(0, 4))
