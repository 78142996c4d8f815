"""Withdraws documents from an index: no later run keeps them, or documents that resemble them."""

from dataclasses import replace

import numpy as np

from dedup.index import segment
from dedup.index.files import DOCUMENTS_FILE, RECORD, StoredIndex, stored_file
from pipeline.base.errors import UserError
from pipeline.base.format import counted
from pipeline.index.pointer import Pointer
from pipeline.runner.dag import step
from pipeline.runner.manifests import manifest_name
from pipeline.runner.scheduler import MakeExecutor, execute

SHOWN_IDS = 3  # of those that are not in the index, in an error


def withdraw(pointer: Pointer, ids: list[str], source: str, make_executor: MakeExecutor) -> Pointer:
    """Withdraw the documents with these ids (32 hex digits), beside those that are withdrawn already.

    Raises UserError, which names the `source` of the ids, for ids that are not in the index.
    """
    stored = pointer.stored()
    known = {
        value.tobytes().hex() for value in segment.find_documents(stored, [bytes.fromhex(i) for i in ids])[1]["id"]
    }
    missing = [i for i in ids if i not in known]
    if missing:
        shown = ", ".join(missing[:SHOWN_IDS]) + (", ..." if missing[SHOWN_IDS:] else "")
        raise UserError(
            f"{source}: {len(missing)} of {counted(len(ids), 'id')} {'is' if len(missing) == 1 else 'are'} not in "
            f"index {pointer.name} ({shown}): it has kept documents only; the ledger's duplicate_of names the document "
            "that was kept instead of a dropped one"
        )
    ids = sorted({*ids, *_withdrawn_ids(stored)})
    banding = {name: pointer.parameters[name] for name in ("bands", "rows")}
    goal = step(segment.index_withdrawn, index=pointer.leaf(len(pointer.entries)), ids=tuple(ids), **banding)
    execute(goal, pointer.store, make_executor)
    return replace(pointer, withdrawn={"manifest": manifest_name(goal), "key": goal.key, "rows": len(ids)}).save(
        pointer
    )


def _withdrawn_ids(stored: StoredIndex) -> list[str]:
    """Ids of the documents that are withdrawn already."""
    if not stored.withdrawn_shards:
        return []
    name = stored_file(stored.store, stored.documents[0].manifest, DOCUMENTS_FILE, 0)
    with stored.store.open(name) as file:
        records = np.frombuffer(file.read(), RECORD)
    return [value.tobytes().hex() for value in records["id"]]
