"""Near deduplication against the definition, spelled out over all pairs."""

import re

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.candidates import near_components, near_links, near_route
from dedup.local import run
from dedup.minhash import signatures, sketch_cut
from dedup.near import near_elect, near_gather, near_join
from pipeline.schema import PAGES
from pipeline.store import Part


def pages(rows: list[dict], shards: int = 1) -> list[Part]:
    """Documents as PAGES parts; what a row does not say is null."""
    rows = [{"id": f"{i:032x}", **row} for i, row in enumerate(rows)]
    cut = [rows[i::shards] for i in range(shards)]
    return [Part.of(pa.Table.from_pylist(part, PAGES), i, shards) for i, part in enumerate(cut)]


def near(
    parts: list[Part], *sidecars, partitions=3, bands=14, rows=8, ngram=5, threshold=0.8, keep="oldest", scope="corpus",
    alarm=1000,
) -> pa.Table:  # fmt: skip
    """All stages, as a recipe binds them; alarms are left in `near.alarms`."""
    n = len(parts)
    sigs = run(signatures, parts, tasks=n, bands=bands, rows=rows, ngram=ngram).parts
    routed = run(near_route, parts, sigs, *sidecars, tasks=n, partitions=partitions, scope=scope)
    links = run(near_links, routed.bucket, tasks=partitions, bands=bands, rows=rows, threshold=threshold)
    components = run(near_components, lambda _: links.parts, lambda _: sigs)
    gathered = run(
        near_gather, parts, sigs, components.bucket, *sidecars,
        tasks=n, keep=keep, ngram=ngram, scope=scope, partitions=partitions,
    )  # fmt: skip
    elected = run(
        near_elect, gathered.bucket, tasks=partitions, bands=bands, rows=rows, threshold=threshold, alarm=alarm
    )
    near.alarms = elected.table("alarms").to_pylist()
    return run(near_join, parts, elected.bucket, *sidecars, tasks=n).table()


def grams(text: str, n: int) -> set[tuple]:
    """Shingles of a Latin text, the obvious way."""
    found = re.findall(r"\w+", text.lower())
    return {tuple(found[i : i + n]) for i in range(len(found) - n + 1)} or ({tuple(found)} if found else set())


def similarity(a: set, b: set) -> float:
    return len(a & b) / len(a | b) if a or b else 0.0


def reference(rows: list[dict], bands: int, width: int, ngram: int, threshold: float, order) -> dict[str, tuple]:
    """id -> (id of what stays, similarity): the definition, with the signatures taken from the stage."""
    part = pages(rows)[0]
    signed = run(signatures, [part], bands=bands, rows=width, ngram=ngram).table().to_pylist()
    known = {
        s["id"]: ({s["bands"][i : i + 8] + i.to_bytes(4) for i in range(0, len(s["bands"]), 8)}, s["sketch"])
        for s in signed
    }
    documents = sorted(part.table().to_pylist(), key=order)
    kept, removed = [], {}
    for document in documents:
        mine = grams(document["text"], ngram)
        best = None
        for other in kept:
            (bands_a, sketch_a), (bands_b, sketch_b) = known[document["id"]], known[other["id"]]
            differing = (int.from_bytes(sketch_a) ^ int.from_bytes(sketch_b)).bit_count()
            if bands_a & bands_b and differing <= sketch_cut(threshold, bands, width):
                found = similarity(mine, grams(other["text"], ngram))
                if found >= threshold and (best is None or found > best[1]):
                    best = (other["id"], found)
        if best:
            removed[document["id"]] = best
        else:
            kept.append(document)
    return removed


def removed(table: pa.Table) -> dict[str, tuple]:
    return {r["id"]: (r["duplicate_of"], r["similarity"]) for r in table.to_pylist() if r["duplicate_of"]}


letters = st.lists(st.sampled_from("abc"), max_size=14).map(" ".join)


@st.composite
def corpora(draw):
    """Small corpora of edited copies: prefixes, suffixes and single changes of few texts."""
    bases = draw(st.lists(letters, min_size=1, max_size=3))
    rows = []
    for i in range(draw(st.integers(1, 14))):
        found = draw(st.sampled_from(bases)).split()
        if found and draw(st.booleans()):
            found[draw(st.integers(0, len(found) - 1))] = draw(st.sampled_from("abcd"))
        rows.append({"id": f"{i:032x}", "text": " ".join(found)})
    return draw(st.permutations(rows))


@given(
    corpora(), st.integers(1, 4), st.integers(1, 5), st.sampled_from([0.3, 0.5, 0.8, 1.0]), st.sampled_from([1, 2, 5])
)
@settings(max_examples=150, deadline=None)
def test_clusters_are_those_of_the_definition(rows, shards, partitions, threshold, ngram):
    expected = reference(rows, 30, 2, ngram, threshold, lambda r: r["id"])
    table = near(pages(rows, shards), bands=30, rows=2, ngram=ngram, threshold=threshold, partitions=partitions)
    assert removed(table) == expected
    clusters = {r["id"]: expected.get(r["id"], (r["id"],))[0] for r in rows}
    sizes = {c: list(clusters.values()).count(c) for c in clusters.values()}
    assert {r["id"]: (r["cluster"], r["cluster_size"]) for r in table.to_pylist()} == {
        i: (c, sizes[c]) for i, c in clusters.items()
    }
