"""The steps that add a dump to an index of earlier runs."""

from collections.abc import Callable

from dedup.index import segment
from pipeline.runner.dag import InputFiles, Step, all_shards, partition


def index_steps(
    bind: Callable[..., Step], pages: Step, signatures: Step, selection: Step | None, partitions: int,
    corpus: Step | None, label: str,
) -> dict[str, Step]:  # fmt: skip
    """Bind what an index stores of the documents that are kept; the last step is `index_entry`.

    `label` names the dump where its documents do not. `corpus` is None for documents that are joined as they are.
    """
    documents = bind(segment.index_documents, pages=pages, signatures=signatures, selection=selection)
    rows = bind(segment.index_rows, signatures=signatures, selection=selection, partitions=partitions)
    bands = bind(segment.index_bands, rows=partition(rows), tasks=partitions)
    published = {"corpus": all_shards(corpus)} if corpus else {}
    edges = {"documents": all_shards(documents), "bands": all_shards(bands), **published}
    entry = bind(segment.index_entry, label=label, **edges)
    return {step.name: step for step in (documents, rows, bands, entry)}


def label(crawl: InputFiles | Step) -> str:
    """Return the names of the files, for a dump whose documents name none."""
    rows = crawl.rows if isinstance(crawl, InputFiles) else ()
    names = sorted({file["name"] for row in rows for file in row["files"]}) or ["demo"]
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
