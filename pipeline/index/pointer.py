"""The pointer of a persistent index: which dumps it holds, in which order, and where their files are.

`ROOT/indexes/<name>/index.json` is the only file of an index that ever changes, and it changes at once: by a rename, or
by one PUT. Everything else is in folders of finished steps. So a run that is killed leaves the index as it was, and the
same command, run again, finds the steps that are finished and commits them.

What a run sees is an input of the DAG whose identity is the content of the dumps before its own (and what is
withdrawn), not where their bands are stored at present: compaction changes no key.
"""

import contextlib
import json
import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

from dedup.index.files import IndexedDocuments, Segment, StoredIndex
from pipeline.base.errors import UserError
from pipeline.base.format import counted
from pipeline.runner.dag import InputFiles
from pipeline.store.filesystem import Store

LOCK_POLL_SECONDS = 0.2  # between two attempts to lock an index that another run has locked

log = logging.getLogger(__name__)


class DumpEntry(TypedDict):
    """One dump of an index, as `index.json` has it."""

    source: str  # key of its input
    fingerprint: str  # of how its documents were read and chosen
    key: str  # of its bands: its content
    documents: str  # manifest of the step that wrote them
    shards: int  # of `documents`
    rows: int  # documents
    label: str
    dates: list[str | None]  # of the first and the last capture
    corpus: str | None  # published folder; None for a corpus that was added from files


class SegmentEntry(TypedDict):
    """Bands of consecutive dumps, as `index.json` has them."""

    manifest: str  # of the step that wrote them
    first: int  # position of the first dump
    entries: int  # dumps
    rows: int  # bands
    partitions: int


class WithdrawnEntry(TypedDict):
    """Documents that no run may keep, as `index.json` has them."""

    manifest: str
    key: str
    rows: int


@dataclass(frozen=True)
class Pointer:
    """An index at one moment: its dumps in order, and the segments that hold their bands."""

    store: Store
    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    entries: tuple[DumpEntry, ...] = ()
    segments: tuple[SegmentEntry, ...] = ()
    withdrawn: WithdrawnEntry | None = None

    @property
    def file(self) -> str:
        return f"indexes/{self.name}/index.json"

    def position(self, source: str) -> int:
        """Position of the dump that was read from this input; after all others when there is none."""
        return next((i for i, entry in enumerate(self.entries) if entry["source"] == source), len(self.entries))

    def leaf(self, before: int) -> InputFiles:
        """The index as the dump at position `before` sees it."""
        keys = [entry["key"] for entry in self.entries[:before]]
        withdrawn = self.withdrawn["key"] if self.withdrawn else None
        return InputFiles("index", ({"dumps": keys, "withdrawn": withdrawn},), (self.stored(before).as_row(),))

    def stored(self, before: int | None = None) -> StoredIndex:
        """Where all files are now. Documents of the dumps from position `before` on are not visible."""
        withdrawn_shards = int(self.withdrawn is not None)
        first_shards = [withdrawn_shards]  # of each dump, and one after the last
        for entry in self.entries:
            first_shards.append(first_shards[-1] + entry["shards"])
        documents = [
            IndexedDocuments(entry["documents"], first, entry["shards"], entry["label"])
            for entry, first in zip(self.entries, first_shards, strict=False)
        ]
        segments = [
            Segment(entry["manifest"], first_shards[entry["first"]], entry["partitions"]) for entry in self.segments
        ]
        if self.withdrawn:
            documents.insert(0, IndexedDocuments(self.withdrawn["manifest"], 0, 1, "withdrawn documents"))
            segments.insert(0, Segment(self.withdrawn["manifest"], 0, 1))
        visible_shards = first_shards[len(self.entries) if before is None else before]
        return StoredIndex(self.store, tuple(documents), tuple(segments), visible_shards, withdrawn_shards)

    def admit(self, source: str, fingerprint: str, parameters: dict[str, Any]) -> bool:
        """Whether the dump is to be added, or to replace its last run. Raises UserError where neither is possible."""
        if self.parameters and self.parameters != parameters:
            names = [name for name in parameters if parameters[name] != self.parameters.get(name)]
            differences = ", ".join(
                f"{name} {self.parameters.get(name)} there, {parameters[name]} here" for name in names
            )
            raise UserError(
                f"index {self.name}: made with other settings of near deduplication ({differences}); "
                "give the recipe these, or name a new index"
            )
        position = self.position(source)
        if position == len(self.entries):
            return True
        changed = self.entries[position]["fingerprint"] != fingerprint
        if changed and position < len(self.entries) - 1:
            later = ", ".join(entry["label"] for entry in self.entries[position + 1 :])
            raise UserError(
                f"index {self.name}: {self.entries[position]['label']} was added with other rules, settings or "
                f"releases, and later dumps rest on it ({later}); run it as it was added, or name a new index"
            )
        return changed

    def with_dump(self, entry: DumpEntry, segment: SegmentEntry, parameters: dict[str, Any]) -> "Pointer":
        """The index with one more dump, or with its last dump replaced."""
        position = self.position(entry["source"])
        segments = tuple(earlier for earlier in self.segments if earlier["first"] < position)
        entries = (*self.entries[:position], entry)
        return replace(self, entries=entries, segments=(*segments, segment), parameters=parameters)

    def needs(self) -> set[str]:
        """Manifests and published folders (of an earlier release, folders of steps) that garbage collection keeps."""
        needed = {entry["documents"] for entry in self.entries} | {segment["manifest"] for segment in self.segments}
        needed |= {entry["corpus"] for entry in self.entries if entry["corpus"]}
        return needed | ({self.withdrawn["manifest"]} if self.withdrawn else set())

    def save(self, before: "Pointer") -> "Pointer":
        """Commit this state. Raises UserError where another run has committed since `before` was read (on S3)."""
        if load_pointer(self.store, self.name)._as_json() != before._as_json():
            raise UserError(f"index {self.name}: another run has changed it meanwhile; run the same again")
        self.store.write_json(self.file, json.loads(self._as_json()))
        documents = counted(sum(entry["rows"] for entry in self.entries), "document")
        log.info("index %s: %s, %s", self.name, counted(len(self.entries), "dump"), documents)
        return self

    def _as_json(self) -> str:
        fields = {name: getattr(self, name) for name in ("parameters", "entries", "segments", "withdrawn")}
        return json.dumps(fields, sort_keys=True)


def load_pointer(store: Store, name: str) -> Pointer:
    """The index as it is, an empty one where it does not exist. Raises UserError for a name that cannot be a folder."""
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(f"index {name!r}: a name has letters, digits, dots and dashes, for example {'german'!r}")
    empty = Pointer(store, name)
    if not store.exists(empty.file):
        return empty
    saved = store.read_json(empty.file)
    for entry in [*saved["segments"], *([saved["withdrawn"]] if saved["withdrawn"] else [])]:
        if "folder" in entry:  # written by an earlier release
            entry["manifest"] = entry.pop("folder")
    entries, segments = tuple(saved["entries"]), tuple(saved["segments"])
    return Pointer(store, name, saved["parameters"], entries, segments, saved["withdrawn"])


def index_names(store: Store) -> list[str]:
    """Names of all indexes of a root."""
    return [info.base_name for info in store.list("indexes") if store.exists(f"indexes/{info.base_name}/index.json")]


@contextlib.contextmanager
def open_index(store: Store, name: str) -> Iterator[Pointer]:
    """The index, for a run that may change it: on a local disk no other run can open it until this one ends."""
    load_pointer(store, name)  # checks the name
    lock = store.lock(f"indexes/{name}")
    if lock is None:
        log.info("index %s: another run is at it, waiting", name)
        while lock is None:
            time.sleep(LOCK_POLL_SECONDS)
            lock = store.lock(f"indexes/{name}")
    with lock:
        store.remove_temporaries(f"indexes/{name}")  # of a run that was killed while it committed
        yield load_pointer(store, name)
