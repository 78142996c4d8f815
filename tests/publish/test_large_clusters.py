import pyarrow as pa

from dedup.common.clusters import CLUSTERS, OVERSIZED
from pipeline.publish.statistics.large_clusters import describe_large_clusters, find_large_clusters
from pipeline.store.shard import Shard


def _shard(*sizes: tuple[float, str], rule: str = "large_near_cluster") -> Shard:
    rows = [{"rule": rule, "id": id_, "value": float(size), "threshold": 1000.0} for size, id_ in sizes]
    return Shard.of(CLUSTERS.empty_table(), alarms=pa.Table.from_pylist(rows, schema=OVERSIZED))


def test_alarms_are_summed_by_step_and_rule():
    near = [_shard((1200, "b"), (5000, "c")), _shard((5000, "a")), _shard()]
    found = find_large_clusters({"near_clusters": near})
    assert found == [
        {"step": "near_clusters", "rule": "large_near_cluster", "count": 3, "total": 11200, "value": 5000,
         "threshold": 1000, "id": "a"}
    ]  # fmt: skip
    assert describe_large_clusters([{**found[0], "url": "a.de/1"}]) == [
        ("alarm", "near: 3 clusters of 1,000 or more near duplicates; the largest has 5,000 (a.de/1).")
    ]


def test_a_step_without_large_clusters_is_not_mentioned():
    assert find_large_clusters({"exact_clusters": [_shard(), _shard()], "index_candidates": []}) == []


def test_each_rule_has_a_sentence_of_its_own():
    sizes = {"large_exact_cluster": 2000, "large_component": 3000, "full_bands": 4000, "full_index_bands": 5000}
    shards = [_shard((size, "0a1b"), rule=rule) for rule, size in sizes.items()]
    messages = describe_large_clusters(find_large_clusters({"same_title_clusters": shards}))
    assert messages == [
        ("alarm", "same_title: 4,000 times an LSH band had more kept documents than are compared, so some near "
         "duplicates among pages of one template may remain; 4,000 of these in the partition that begins with 0a1b."),
        ("alarm", "same_title: 5,000 documents of earlier corpora not compared, because an LSH band had more than "
         "1,000 of them; some of their duplicates may remain."),
        ("note", "same_title: 1 group of 1,000 or more documents connected by LSH bands that they share (often pages "
         "of one template); the largest has 3,000 (0a1b)."),
        ("alarm", "same_title: 1 cluster of 1,000 or more identical documents; the largest has 2,000 (0a1b)."),
    ]  # fmt: skip
