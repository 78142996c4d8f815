"""The pointer of a persistent index: which dumps it holds, in which order, and where their files are.

`ROOT/indexes/<name>/index.json` is the only file of an index that ever changes, and it changes at once: by a rename, or
one PUT. All else are folders of finished steps. So a run that is killed leaves the index as it was, and the same
command, run again, finds the steps that were finished and commits them.

What a run sees is a leaf of the DAG whose identity is the content of the dumps before its own (and what is withdrawn),
not where their bands lie at present: compaction changes no key.
"""

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dedup.index.files import BAND, Documents, Segment, Stored
from dedup.index.segment import index_merge
from pipeline.base.errors import UserError
from pipeline.base.format import counted
from pipeline.index.identity import band_parameters, fingerprint, source_key
from pipeline.runner.dag import InputFiles, Step, step
from pipeline.runner.manifests import folder_of
from pipeline.runner.scheduler import Executor, execute
from pipeline.store.filesystem import Store

FAN = 4  # segments of one size that become one: an index of N dumps has at most 3 log4 N + 2
_PARTITION = 128 << 20  # bytes of bands that a merging task sorts
Say = Callable[[str], None]
Make = Callable[[], Executor]


@dataclass(frozen=True)
class Pointer:
    """An index: `entries` are dumps in order (documents of each), `segments` their bands, of one dump or several.

    entry: source (key of its input), fingerprint (of how it was read and judged), key, documents (folder), shards,
    rows, label, dates, corpus (folder, null for one that was joined). segment: folder, first (entry), entries, rows,
    partitions.
    """

    store: Store
    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    entries: tuple[dict[str, Any], ...] = ()
    segments: tuple[dict[str, Any], ...] = ()
    withdrawn: dict[str, Any] | None = None

    @property
    def file(self) -> str:
        return f"indexes/{self.name}/index.json"

    def position(self, source: str) -> int:
        """Where the dump made from this input stands; behind all others when it is not there."""
        return next((i for i, entry in enumerate(self.entries) if entry["source"] == source), len(self.entries))

    def leaf(self, before: int) -> InputFiles:
        """The index as the dump at position `before` sees it."""
        keys = [entry["key"] for entry in self.entries[:before]]
        withdrawn = self.withdrawn["key"] if self.withdrawn else None
        return InputFiles("index", {"dumps": keys, "withdrawn": withdrawn}, (self.stored(before).said(),))

    def stored(self, before: int | None = None) -> Stored:
        """Where everything lies now; documents of the dumps from position `before` on do not count."""
        gone = int(self.withdrawn is not None)
        firsts = [gone]
        for entry in self.entries:
            firsts.append(firsts[-1] + entry["shards"])
        documents = [Documents(e["documents"], first, e["shards"], e["label"])
                     for e, first in zip(self.entries, firsts, strict=False)]  # fmt: skip
        segments = [Segment(s["folder"], firsts[s["first"]], s["partitions"]) for s in self.segments]
        if self.withdrawn:
            documents.insert(0, Documents(self.withdrawn["folder"], 0, 1, "withdrawn documents"))
            segments.insert(0, Segment(self.withdrawn["folder"], 0, 1))
        below = firsts[len(self.entries) if before is None else before]
        return Stored(self.store, tuple(documents), tuple(segments), below, gone)

    def admit(self, source: str, fingerprint: str, parameters: dict[str, Any]) -> bool:
        """Whether the dump is to be added (or to take the place of its last run). Raises UserError where it cannot."""
        if self.parameters and self.parameters != parameters:
            differ = [n for n in parameters if parameters[n] != self.parameters.get(n)]
            said = ", ".join(f"{n} {self.parameters.get(n)} there, {parameters[n]} here" for n in differ)
            raise UserError(f"index {self.name}: made with other settings of near deduplication ({said}); "
                            "give the recipe these, or name a new index")  # fmt: skip
        at = self.position(source)
        if at < len(self.entries) - 1 and self.entries[at]["fingerprint"] != fingerprint:
            later = ", ".join(entry["label"] for entry in self.entries[at + 1 :])
            raise UserError(
                f"index {self.name}: {self.entries[at]['label']} was added with other rules, settings or releases, and "
                f"later dumps rest on it ({later}); run it as it was added, or name a new index"
            )
        return at == len(self.entries) or self.entries[at]["fingerprint"] != fingerprint

    def joined(self, entry: dict[str, Any], segment: dict[str, Any], parameters: dict[str, Any]) -> "Pointer":
        """With one more dump, or the last one replaced."""
        at = self.position(entry["source"])
        segments = tuple(s for s in self.segments if s["first"] < at)
        segment = {**segment, "first": at, "entries": 1}
        return replace(self, entries=(*self.entries[:at], entry), segments=(*segments, segment), parameters=parameters)

    def folders(self) -> set[str]:
        """What `gc` keeps."""
        found = {e[key] for e in self.entries for key in ("documents", "corpus") if e[key]}
        withdrawn = {self.withdrawn["folder"]} if self.withdrawn else set()
        return found | {s["folder"] for s in self.segments} | withdrawn

    def _text(self) -> str:
        said = {n: getattr(self, n) for n in ("parameters", "entries", "segments", "withdrawn")}
        return json.dumps(said, sort_keys=True)

    def save(self, before: "Pointer", said: Say) -> "Pointer":
        """Commit. Raises UserError where another run has committed since `before` was read (object stores)."""
        if load(self.store, self.name)._text() != before._text():
            raise UserError(f"index {self.name}: another run has changed it meanwhile; run the same again")
        self.store.write_json(self.file, json.loads(self._text()))
        documents = counted(sum(entry["rows"] for entry in self.entries), "document")
        said(f"index {self.name}: {counted(len(self.entries), 'dump')}, {documents}")
        return self


def load(store: Store, name: str) -> Pointer:
    """The index as it is, a new one where there is none. Raises UserError for a name that cannot be a folder."""
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(f"index {name!r}: a name has letters, digits, dots and dashes, for example {'german'!r}")
    empty = Pointer(store, name)
    if not store.exists(empty.file):
        return empty
    said = store.read_json(empty.file)
    return Pointer(store, name, said["parameters"], tuple(said["entries"]), tuple(said["segments"]), said["withdrawn"])


def names(store: Store) -> list[str]:
    """Indexes of this root."""
    return [info.base_name for info in store.list("indexes") if store.exists(f"indexes/{info.base_name}/index.json")]


@contextlib.contextmanager
def opened(store: Store, name: str, say: Say) -> Iterator[Pointer]:
    """The index, for a run that may change it: on a local disk no other run has it until this one ends."""
    load(store, name)  # the name is one
    lock = store.lock(f"indexes/{name}")
    if lock is None:
        say(f"index {name}: another run is at it, waiting")
        while lock is None:
            time.sleep(0.2)
            lock = store.lock(f"indexes/{name}")
    with lock:
        store.sweep(f"indexes/{name}")  # of a run that was killed while it committed
        yield load(store, name)


def commit(pointer: Pointer, wanted: Any, make: Make, say: Say) -> Pointer:
    """Note a finished run in the pointer, if it is new to it, and merge segments that have become too many.

    `wanted`: a bound recipe (`pipeline.build.Build`).
    """
    steps = wanted.steps
    if wanted.adds_to_index:
        pointer = add(pointer, steps, source_key(steps), fingerprint(steps), band_parameters(steps), say)
    else:
        pointer = _made_anew(pointer, pointer.position(source_key(steps)), folder_of(wanted.corpus), say)
    return compact(pointer, make, say)


def _made_anew(pointer: Pointer, at: int, corpus: str, say: Say) -> Pointer:
    """The same dump in another folder: published in another way, or without what was withdrawn since."""
    if pointer.entries[at]["corpus"] == corpus:
        return pointer
    entry = {**pointer.entries[at], "corpus": corpus}
    entries = (*pointer.entries[:at], entry, *pointer.entries[at + 1 :])
    return replace(pointer, entries=entries).save(pointer, say)


def add(pointer: Pointer, made: Mapping[str, Step], source: str, print_: str, parameters: dict, say: Say) -> Pointer:
    """The dump whose step `index_entry` is finished, as the last one of the index."""
    said = pointer.store.read_json(f"{folder_of(made['index_entry'])}/entry.json")
    bands, corpus = made["index_bands"], made.get("corpus")
    entry = {**said, "source": source, "fingerprint": print_, "key": bands.key}
    entry |= {"documents": folder_of(made["index_documents"]), "corpus": folder_of(corpus) if corpus else None}
    shards = pointer.store.read_json(f"{folder_of(bands)}/manifest.json")["shards"]
    size = sum(file["bytes"] for shard in shards for file in shard["files"].values())
    segment = {"folder": folder_of(bands), "partitions": len(shards), "rows": size // BAND.itemsize}
    return pointer.joined(entry, segment, parameters).save(pointer, say)


def compact(pointer: Pointer, make: Make, say: Say, everything: bool = False) -> Pointer:
    """Merge segments until there are fewer than `FAN` of one size, or all there are; each time, commit.

    The last dump's segment is left alone: another run of the same dump may replace it.
    """
    while found := _mergeable(pointer, everything):
        old = pointer.segments[found]
        merged = {"first": old[0]["first"], "entries": sum(s["entries"] for s in old)}
        merged["rows"] = sum(s["rows"] for s in old)
        merged["partitions"] = max(1, -(-merged["rows"] * BAND.itemsize // _PARTITION))
        goal = _merge(pointer, old, merged["partitions"])
        execute(goal, pointer.store, make, say)
        merged["folder"] = folder_of(goal)
        segments = (*pointer.segments[: found.start], merged, *pointer.segments[found.stop :])
        pointer = replace(pointer, segments=segments).save(pointer, say)
    return pointer


def _mergeable(pointer: Pointer, everything: bool) -> slice | None:
    """Which segments become one next."""
    settled = len(pointer.segments) - 1
    if everything:
        return slice(0, settled) if settled > 1 else None
    sizes = [(s["entries"].bit_length() - 1) // 2 for s in pointer.segments[:settled]]  # floor(log4)
    for end in range(settled, FAN - 1, -1):
        if len(set(sizes[end - FAN : end])) == 1:
            return slice(end - FAN, end)
    return None


def _merge(pointer: Pointer, old: tuple[dict, ...], partitions: int) -> Step:
    stored = pointer.stored()
    chosen = [s for s in stored.segments if s.folder in {segment["folder"] for segment in old}]
    row = replace(stored, segments=tuple(chosen)).said()
    identity = {"segments": [segment["folder"] for segment in old], "partitions": partitions}
    return step(index_merge, segments=InputFiles("segments", identity, (row,) * partitions))
