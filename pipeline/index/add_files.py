"""Adds a published corpus to an index from its files, without running a recipe."""

import logging
from collections import Counter
from typing import Any

from dedup.near import minhash
from dedup.near.shingle_files import signatures_and_sets
from extract import pages
from pipeline.base.errors import UserError
from pipeline.base.format import counted
from pipeline.index import identity
from pipeline.index.compaction import add_dump, compact
from pipeline.index.dump import index_steps, label
from pipeline.index.pointer import Pointer
from pipeline.runner.dag import InputFiles, Step, step
from pipeline.runner.manifests import shards_of
from pipeline.runner.scheduler import MakeExecutor, execute
from pipeline.store.filesystem import Store

DEFAULT_PARAMETERS = {"bands": 14, "rows": 8, "ngram": 5}  # of a new index

log = logging.getLogger(__name__)


def add_files(
    pointer: Pointer,
    files: InputFiles,
    make_executor: MakeExecutor,
    *,
    buckets: int,
    preset: str | None,
    text_column: str,
    id_column: str,
) -> Pointer:
    """Add every row of Parquet or JSONL files, with its text as it is. No row is compared with the index before.

    `buckets` is the number of shuffle partitions, `preset` the bands x rows of a new index. Raises UserError where the
    index has other settings, and where no row has a text.
    """
    parameters = pointer.parameters or DEFAULT_PARAMETERS
    if preset:
        parameters = {**parameters, **dict(zip(("bands", "rows"), minhash.parse_preset(preset), strict=True))}
    steps = _bind_steps(files, buckets, parameters, text_column, id_column)
    source, fingerprint = identity.source_key(steps), steps["index_bands"].key
    if not pointer.admit(source, fingerprint, identity.band_parameters(steps)):
        return pointer
    execute(steps["index_entry"], pointer.store, make_executor)
    _report_rejects(steps, pointer.store, text_column)
    return compact(add_dump(pointer, steps, source, fingerprint, identity.band_parameters(steps)), make_executor)


def _bind_steps(
    files: InputFiles, buckets: int, parameters: dict[str, Any], text_column: str, id_column: str
) -> dict[str, Step]:
    documents = step(pages.pages, source=files, text_column=text_column, id_column=id_column)
    settings = {name: parameters[name] for name in ("bands", "rows", "ngram")}
    signatures = step(signatures_and_sets, name="signatures", pages=documents, **settings)
    stored = index_steps(step, documents, signatures, None, buckets, None, label(files))
    return {"pages": documents, "signatures": signatures, **stored}


def _report_rejects(steps: dict[str, Step], store: Store, text_column: str) -> None:
    """Log how many rows are not documents, and why. Raises UserError when none is: nothing has been added then."""
    shards = shards_of(store, steps["pages"])
    documents = sum(shard.rows() for shard in shards)
    rules = Counter(rule for shard in shards for rule in shard.table(["rule"], name="rejects")["rule"].to_pylist())
    reasons = ", ".join(f"{rule} {count:,}" for rule, count in sorted(rules.items())) or "no row is there"
    name = steps["index_entry"].params["label"]
    if not documents:
        raise UserError(
            f"{name}: no document is in it ({reasons}); --text-column says where texts are, {text_column!r} was read"
        )
    if rules:
        left_out = counted(rules.total(), "row")
        log.warning("%s: %s, %s left out (%s)", name, counted(documents, "document"), left_out, reasons)
