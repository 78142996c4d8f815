"""Exact duplicates: the same normal text (or the same normal URL), wherever in the corpus.

    prints  = step(fingerprints, pages)
    routed  = step(exact_route, pages, prints, verdicts, quality, partitions=P)
    elected = step(exact_elect, bucket(routed), tasks=P)
    exact   = step(exact_join, pages, bucket(elected), verdicts)

URLs in the same way before, with `url_route` in place of `exact_route` and their result among the sidecars here.
Rows go to partitions by the prefix of their hash, so a partition sees every copy of its texts: 70 bytes a document,
memory by partition. Which copy stays does not depend on partitions, shards or the order of either.
"""

import itertools
import re
from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dedup.common.clusters import ALARMS, ELECTED, concat, in_buckets, join
from dedup.common.keep_policy import order_keys, read_sidecars
from dedup.exact.normal_form import normalised
from pipeline.base.schema import DUPLICATES
from pipeline.config.values import Range
from pipeline.runner.dag import stage
from pipeline.store.shard import Shard
from pipeline.store.writer import Output

FINGERPRINTS = pa.schema(
    [
        ("id", pa.string()),
        ("text_hash", pa.binary(16)),  # xxh3-128 of the normal text
        ("url_hash", pa.binary(16)),  # xxh3-128 of the normal URL; null where there is none
        ("chars", pa.int64()),  # codepoints of the text as it is
    ]
)
ROUTED = pa.schema(
    [
        ("high", pa.uint64()),
        ("low", pa.uint64()),
        ("order", pa.int64()),
        ("id", pa.string()),
        ("shard", pa.int32()),
        ("row", pa.int64()),
        ("copies", pa.int64()),  # documents that it stands for already: itself, and the same URL's other captures
    ]
)
_TRACKING = re.compile(r"(?:utm_\w+|fbclid|gclid|msclkid|mc_cid|mc_eid|phpsessid|jsessionid)=[^&]*(?:&|$)")
_PREFIX = re.compile(r"^[a-z][a-z0-9+.-]*://(?:www\.)?", re.IGNORECASE)
_PORT = re.compile(r":(?:80|443)$")


@stage(version=1, libraries=("xxhash",), outputs={"part": FINGERPRINTS})
def fingerprints(pages: Shard) -> Iterator[pa.Table]:
    """Hashes of text and URL of every document, measured once. Normal forms: `dedup.exact.normal_form`,
    `normal_url`."""
    for batch in pages.batches(["id", "url", "text"]):
        text = pa.chunked_array([batch["text"]])
        urls = [None if url is None else _digest(normal_url(url).encode()) for url in batch["url"].to_pylist()]
        columns = [batch["id"], text_hashes(text), pa.array(urls, pa.binary(16)), pc.utf8_length(text).cast(pa.int64())]
        yield pa.table(columns, schema=FINGERPRINTS)


def text_hashes(column: pa.ChunkedArray) -> pa.Array:
    """(d,) xxh3-128 of each text's normal form."""
    data, bounds = normalised(column)
    view = memoryview(data.data)
    ends = bounds.tolist()
    return pa.array([_digest(view[low:high]) for low, high in itertools.pairwise(ends)], pa.binary(16))


def _digest(data: bytes | memoryview) -> bytes:
    return xxhash.xxh3_128_digest(data)


def normal_url(url: str) -> str:
    """The URL without what does not change the page: scheme, `www.`, fragment, tracking parameters, a final slash.

    The host is lower-cased; path and query are not, since servers may tell their cases apart.
    """
    body = _PREFIX.sub("", url.strip().partition("#")[0])
    host, _, path = body.partition("/")
    path, _, query = path.partition("?")
    query = _TRACKING.sub("", query).rstrip("&")
    return f"{_PORT.sub('', host.lower())}/{path}".rstrip("/") + (f"?{query}" if query else "")


@stage(version=2, outputs={"part": ROUTED})
def exact_route(
    pages: Shard,
    prints: Shard,
    *sidecars: Shard,
    keep: str = "oldest",
    scope: Literal["corpus", "dump"] = "corpus",
    partitions: Annotated[int, Range(0, 65536)] = 16,
) -> Iterator[Output]:
    """Rows of the documents that are still kept, in the bucket of their text's hash.

    `keep`: which one stays, `oldest | newest | longest | best:<column>`, with the column of any sidecar.
    `scope = "dump"`: documents of different dumps are never duplicates.
    """
    yield from _routed("text", pages, prints, sidecars, keep, scope, partitions)


@stage(version=1, outputs={"part": ROUTED})
def url_route(
    pages: Shard,
    prints: Shard,
    *sidecars: Shard,
    keep: str = "newest",
    scope: Literal["corpus", "dump"] = "corpus",
    partitions: Annotated[int, Range(0, 65536)] = 16,
) -> Iterator[Output]:
    """Rows of the documents that are still kept, in the bucket of their URL's hash: of each address one capture stays,
    whatever its text says. Settings as for `exact_route`."""
    yield from _routed("url", pages, prints, sidecars, keep, scope, partitions)


def _routed(
    by: str, pages: Shard, prints: Shard, sidecars: tuple[Shard, ...], keep: str, scope: str, partitions: int
) -> Iterator[Output]:
    documents = pages.table(["id", "date", "dump"])
    kept, scores = read_sidecars(documents, (*sidecars, prints))
    order = order_keys(keep, documents.append_column("chars", scores["chars"]), scores)
    hashes = scores[f"{by}_hash"]
    kept &= pc.is_valid(hashes).to_numpy()
    high, low = _halves(hashes.fill_null(bytes(16)))
    if scope == "dump":
        high = high ^ dump_hashes(documents["dump"])
    rows = np.flatnonzero(kept)
    columns = [high[rows], low[rows], order[rows], documents["id"].take(pa.array(rows))]
    where = [np.full(len(rows), pages.index, np.int32), rows, copies_of(scores, len(kept))[rows]]
    table = pa.table([*columns, *where], schema=ROUTED)
    yield from in_buckets(table, partition_of(high[rows], partitions))


def copies_of(scores: dict[str, pa.ChunkedArray], count: int) -> np.ndarray:
    """(d,) int64: documents that each stands for after an earlier step, with its sidecar's columns among `scores`."""
    sizes = scores.get("cluster_size", pa.chunked_array([np.ones(count, np.int64)]))
    return sizes.fill_null(1).to_numpy()


def _halves(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    array = column.combine_chunks()
    values = np.frombuffer(array.buffers()[1] or b"", ">u8").reshape(-1, 2)[array.offset : array.offset + len(array)]
    return values[:, 0].astype(np.uint64), values[:, 1].astype(np.uint64)


def dump_hashes(dumps: pa.ChunkedArray) -> np.ndarray:
    """(d,) uint64, equal for documents of one dump; null is a dump of its own."""
    coded = dumps.combine_chunks().dictionary_encode(null_encoding="encode")
    names = [repr(name).encode() for name in coded.dictionary.to_pylist()]
    return np.array([xxhash.xxh3_64_intdigest(name) for name in names], np.uint64)[coded.indices.to_numpy()]


def partition_of(hashes: np.ndarray, partitions: int) -> np.ndarray:
    """(d,) int64 partition of each uint64 hash, by its prefix: the i-th of `partitions` equal ranges."""
    return ((hashes >> np.uint64(32)) * np.uint64(partitions) >> np.uint64(32)).astype(np.int64)


@stage(version=2, outputs={"part": ELECTED, "alarms": ALARMS})
def exact_elect(routed: list[Shard], *, alarm: int = 1000) -> Iterator[Output]:
    """One partition: for each hash the first document in the keep order stays, the others are its duplicates.

    Clusters of `alarm` documents and more are reported as rows of `alarms`.
    """
    table = _repeated(concat(routed, ROUTED))
    by = [("high", "ascending"), ("low", "ascending"), ("order", "ascending"), ("id", "ascending")]
    table = table.take(pc.sort_indices(table, sort_keys=by))
    first = _group_starts(table)
    size = np.diff(np.append(first, table.num_rows))
    group = np.repeat(np.arange(len(first)), size)
    size = np.bincount(group, table["copies"].to_numpy(), len(first)).astype(np.int64)
    cluster = table["id"].take(pa.array(first[group]))
    stays = np.arange(table.num_rows) == first[group]
    similarity = pa.array(np.ones(len(group)), mask=stays)
    duplicate_of = pc.if_else(pa.array(stays), pa.scalar(None, pa.string()), cluster)
    columns = [table["row"], duplicate_of, similarity, cluster, size[group]]
    yield from in_buckets(pa.table(columns, schema=ELECTED), table["shard"].to_numpy())
    yield alarms(table["id"].take(pa.array(first)), size, alarm, "large_exact_cluster")


def _repeated(table: pa.Table) -> pa.Table:
    """Rows whose hash occurs twice or more; most do not, and need not be sorted by strings."""
    order = np.lexsort((table["low"].to_numpy(), table["high"].to_numpy()))
    sorted_ = table.select(["high", "low"]).take(pa.array(order))
    first = _group_starts(sorted_)
    size = np.diff(np.append(first, table.num_rows))
    return table.take(pa.array(np.sort(order[np.repeat(size > 1, size)])))


def _group_starts(table: pa.Table) -> np.ndarray:
    """Where each run of equal hashes begins."""
    high, low = table["high"].to_numpy(), table["low"].to_numpy()
    new = np.ones(len(high), bool)
    new[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    return np.flatnonzero(new)


def alarms(ids: pa.ChunkedArray, sizes: np.ndarray, bound: int, rule: str) -> Output:
    """Rows of `alarms` for every id whose size is at or over `bound`."""
    large = np.flatnonzero(sizes >= bound)
    n = len(large)
    columns = [pa.array([rule] * n, pa.string()), ids.take(pa.array(large)), sizes[large].astype(float)]
    return Output(pa.table([*columns, np.full(n, float(bound))], schema=ALARMS), name="alarms")


@stage(version=2, outputs={"part": DUPLICATES})
def exact_join(pages: Shard, elected: list[Shard], *sidecars: Shard) -> Iterator[pa.Table]:
    """Back to the shards: one DUPLICATES row a document. Documents that were dropped before belong to no cluster."""
    documents = pages.table(["id"])
    kept, scores = read_sidecars(documents, sidecars)
    yield join(documents["id"], kept, copies_of(scores, len(kept)), concat(elected, ELECTED))
