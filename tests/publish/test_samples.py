import pyarrow as pa
import pytest

from pipeline.base.schema import LEDGER, PAGES
from pipeline.publish import samples
from pipeline.runner.manifests import shards_of
from pipeline.store.shard import Shard
from tests.support import small_world as world


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    store, steps, _ = world.build(tmp_path_factory.mktemp("root"))
    return {name: shards_of(store, steps[name]) for name in ("data", "ledger", "pages", "contamination")}


def _one_row(schema, **values):
    return Shard.of(pa.Table.from_pylist([dict.fromkeys(schema.names) | values], schema=schema))


def test_dropped_records_have_excerpts_where_they_have_text(shards):
    shown = samples.sample_dropped_records(shards["ledger"], shards["pages"], "DE", per_reason=1000)
    assert sum(map(len, shown.values())) == 69
    for (stage, rule), rows in shown.items():
        assert {(row["stage"], row["rule"], row["verdict"]) for row in rows} == {(stage, rule, "dropped")}
        assert all(len(row.get("excerpt", "")) <= samples.EXCERPT_CHARACTERS + 1 for row in rows)
        assert stage in ("http", "extract") or all(row["excerpt"] for row in rows)


def test_each_reason_has_at_most_its_share_of_samples(shards):
    shown = samples.sample_dropped_records(shards["ledger"], shards["pages"], "DE", per_reason=2)
    assert [len(rows) for rows in shown.values()] == [2] * 9


def test_samples_of_dropped_pages_are_masked():
    page = _one_row(PAGES, id="x", host="a.de", text="Tel. 030 22751170 oder a@b.de", title="c@d.de")
    ledger = _one_row(LEDGER, id="x", verdict="dropped", stage="s", rule="r", offset=0)
    row = samples.sample_dropped_records([ledger], [page], "DE")["s", "r"][0]
    assert (row["title"], row["excerpt"]) == ("<email-pii>", "Tel. <phone-pii> oder <email-pii>")


def test_published_samples_do_not_show_what_the_corpus_masks(shards):
    shown = samples.sample_kept_documents(shards["data"], number=1000)
    assert len(shown) == sum(part.rows() for part in shards["data"])
    assert not any("@beispiel-verein.de" in row["excerpt"] for row in shown)
    assert any("<email-pii>" in row["excerpt"] for row in shown)


def test_samples_are_the_same_however_the_data_is_divided(shards, tmp_path):
    store, steps, _ = world.build(tmp_path, shard_bytes=10**9)
    one_file = shards_of(store, steps["data"])
    assert len(one_file) < len(shards["data"])
    ids = [[row["id"] for row in samples.sample_kept_documents(data)] for data in (shards["data"], one_file)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 12


def test_hits_are_those_with_the_highest_scores(shards):
    hits = samples.highest_contamination(shards["contamination"], shards["ledger"], number=7)
    assert [hit["contamination"] for hit in hits] == [0.97] * 6 + [0.4]
    assert all(hit["url"].startswith("https://www.host") for hit in hits)
    assert samples.highest_contamination(None, shards["ledger"]) == []
