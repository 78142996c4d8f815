"""Ids of records: the same in every run, and unique among all records of a run."""

import posixpath
import re

import xxhash

from extract.sources.record_parser import Record
from extract.sources.registry import Event
from pipeline.inputs.compression import LostRange
from pipeline.inputs.rows import Row

_CORPUS_ID = re.compile(r"[0-9a-f]{32}")
_KINDS = {Record: "Record", Row: "Row", LostRange: "Lost"}  # part of ids: they must not change with names in the code


class RecordIds:
    """Assigns ids to the records of a file.

    An id is 32 hex digits: xxh3-128 of the file's base name, the record's place in the file, and the id that the record
    has of its own. So ids are unique in a run whatever ids records have of their own, and those of a file are the same
    in every run, whatever folder it is in and however it is split or packed. Where a run has several files of that base
    name, all but the first are called by the ends of their folders, too (`extract.sources.listing`): these are part of
    their ids.

    A row of a table whose id is one of ours keeps it (a corpus that is read again), unless an earlier row of the shard
    has the same. If documents of several files share an id and are kept, the report says so.
    """

    def __init__(self) -> None:
        self._kept_ids: set[str] = set()

    def assign(self, event: Event) -> str:
        """The id of the next record, row or lost range."""
        own_id = _own_id(event)
        if isinstance(event, Row) and _CORPUS_ID.fullmatch(own_id) and own_id not in self._kept_ids:
            self._kept_ids.add(own_id)
            return own_id
        inner_offset = 0 if isinstance(event, LostRange) else event.inner_offset
        folder, base_name = posixpath.split(event.source)
        place = (base_name, folder or 0, event.offset, inner_offset, _KINDS[type(event)], own_id)
        return xxhash.xxh3_128_hexdigest("\0".join(map(str, place)).encode("utf-8", "replace"))


def _own_id(event: Event) -> str:
    """The id that a record has of its own, else its address; for a row of a table without an id, its content."""
    if isinstance(event, Record):
        return event.headers.get("warc-record-id") or event.headers.get("warc-target-uri", "")
    if isinstance(event, Row):
        values = event.values
        content = values["text"] if values.get("html") is None else values["html"]
        return str(content if values["id"] is None else values["id"])
    return ""
