"""Documents that a quality classifier is trained and measured on: samples of the crawl and of reference corpora."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.quality.reference_texts import read_texts
from filters.quality.sampling import BottomKSample, hash_keys
from filters.quality.text import plain_texts
from pipeline.runner.dag import Asset
from pipeline.store.shard import Shard

_EXCERPT = 200  # characters


class Document(NamedTuple):
    """A sampled document."""

    id: str
    host: str
    lines: list[str]  # what the model reads
    excerpt: str  # its first characters
    is_trusted: bool  # a reference, or on a trusted host


class Chunking(NamedTuple):
    """How texts become lines that a model reads: chunks of plain text, or the text on one line for a given model."""

    min_words: int  # shorter texts have no lines
    chunk_words: int
    max_chunks: int  # of a document
    is_plain: bool  # whether lines are chunks of plain text

    def lines(self, column: pa.Array) -> Iterator[list[str]]:
        """Yield the lines of each document; none for a text that is too short."""
        texts = plain_texts(column)
        for i, words in enumerate(texts.token_counts()):
            if words < self.min_words:
                yield []
            elif self.is_plain:
                yield texts.chunks(i, self.chunk_words, self.max_chunks)
            else:
                yield [" ".join((column[i].as_py() or "").split("\n"))]


def sample_crawl(
    pages: list[Shard],
    languages: list[Shard],
    language: str,
    samples: int,
    chunking: Chunking,
    trusted_hosts: tuple[str, ...],
    seed: int,
) -> tuple[list[Document], list[Document]]:
    """Return a uniform sample of the crawl's documents, and one of those on trusted hosts.

    language: documents of it are sampled, "" for all. samples: size of each sample.
    """
    everywhere, trusted = BottomKSample(samples), BottomKSample(samples)
    for pages_shard, languages_shard in zip(pages, languages, strict=True):
        for batch, labels in batches_with_language(pages_shard, languages_shard):
            rows = batch.filter(pc.equal(labels, language)) if language else batch
            _offer_rows(rows, everywhere, trusted, chunking, trusted_hosts, seed)
    return everywhere.items(), trusted.items()


def batches_with_language(pages: Shard, languages: Shard) -> Iterator[tuple[pa.RecordBatch, pa.ChunkedArray]]:
    """Yield batches of pages with the language of each row. Raises AssertionError where ids differ."""
    table, position = languages.table(["id", "language"]), 0
    for batch in pages.batches(["id", "host", "text"]):
        rows = table.slice(position, len(batch))
        if not rows["id"].combine_chunks().equals(batch["id"]):
            raise AssertionError(f"{pages.label}: ids of pages and languages differ from row {position} on")
        yield batch, rows["language"]
        position += len(batch)


def _offer_rows(
    rows: pa.RecordBatch,
    everywhere: BottomKSample,
    trusted: BottomKSample,
    chunking: Chunking,
    trusted_hosts: tuple[str, ...],
    seed: int,
) -> None:
    hosts = [host or "" for host in rows["host"].to_pylist()]
    ids = rows["id"].to_pylist()
    hashes = hash_keys(ids, f"sample {seed}")
    is_trusted = np.array([is_below(host, trusted_hosts) for host in hosts], bool)

    def make_document(i: int) -> Document | None:
        text = rows["text"].slice(i, 1)
        lines = next(chunking.lines(text))
        excerpt = (text[0].as_py() or "")[:_EXCERPT]
        return Document(ids[i], hosts[i], lines, excerpt, bool(is_trusted[i])) if lines else None

    everywhere.offer(hashes, make_document)
    rows_trusted = np.flatnonzero(is_trusted)
    trusted.offer(hashes[rows_trusted], lambda i: make_document(int(rows_trusted[i])))


def is_below(host: str, hosts: tuple[str, ...]) -> bool:
    """Whether the host is one of `hosts` or a subdomain of one."""
    return any(host == known or host.endswith(f".{known}") for known in hosts)


def sample_references(
    references: tuple[Asset, ...], column: str, samples: int, chunking: Chunking, seed: int
) -> list[Document]:
    """Return a sample of the texts of reference corpora; equal texts are one."""
    sample = BottomKSample(samples)
    for asset in references:
        for texts in read_texts(asset.path, column):
            hashes = hash_keys(texts, f"reference {seed}")
            lines = list(chunking.lines(pa.array(texts, pa.string())))

            def make_document(i: int, texts=texts, hashes=hashes, lines=lines) -> Document | None:
                name = f"{hashes[i]:016x}"
                return Document(name, name, lines[i], texts[i][:_EXCERPT], True) if lines[i] else None

            sample.offer(hashes, make_document)
    return sample.items()
