"""Records of WARC and ARC files, whole or damaged, plain or compressed.

An own reader and not FastWARC's: what FastWARC or warcio skip silently or stop at (wrong lengths, junk between records,
broken members, records without a type, ARC) is here either read or told, at about nine tenths of FastWARC's speed
(`make bench-limits`). Both libraries are the tests' oracles: every record that either of them reads is found.

Sources: ISO 28500:2017 (WARC 1.1), section 4 and annex D; the Internet Archive's ARC format (Burner, Kahle 1996).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from extract.sources.compression import BLOCK, GZIP, Codec, Lost, codec_of, open_source, size_of
from extract.sources.gzip_members import Piece, behind, compressed, plain
from extract.sources.record_buffer import Tape

CONTENT_LIMIT = 64 << 20  # bytes of one record's content that are kept; the rest counts as missing
_HEADER_LIMIT = 1 << 16
_WARC = re.compile(rb"[\r\n\t ]*WARC/\d", re.I)
_WARC_INSIDE = re.compile(rb"\n(?=WARC/[01]\.\d+[ \t]*\r?\n)", re.I)
_ARC_REST = rb"[^ \r\n]+(?: [^ \r\n]+){0,5} -?\d+[ \t]*\r?\n"  # type, (version 2: status ... file name,) length
_ARC_START = re.compile(rb"(?:https?|ftp|dns):[^\n]+ \d{12,18} " + _ARC_REST)
_ARC_INSIDE = re.compile(rb"\n(?=(?:https?|ftp|dns|filedesc):[^\n]+ \d{12,18} " + _ARC_REST + rb")")
_ARC = re.compile(
    rb"[\r\n]*(filedesc:[^\n]*?|[A-Za-z][A-Za-z0-9+.-]*:[^\n]*?) (\d{8,18}|-|[^ \r\n]+(?= [^ \r\n]+ [^ \r\n]+\r?\n))"
    rb" ([^ \r\n]+)(?: [^ \r\n]+){0,5} ([^ \r\n]+)[ \t]*\r?\n"
)
_BLANK_LINE = re.compile(rb"\n\r?\n")


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    `offset`: of its gzip member (of itself where nothing is compressed) in the stored file, `inner`: bytes into what
    that member decompresses to. `type`: lower case, "unknown" when none is given. `headers`: lower-case name to the
    first value given. `missing`: bytes of content that the length promises and the file has not; `damage`: why the
    content is not to be trusted (its member is broken), "" when it is.
    """

    source: str
    offset: int
    inner: int
    type: str
    headers: dict[str, str]
    view: memoryview = field(repr=False)
    missing: int = 0
    damage: str = ""

    @property
    def content(self) -> bytes:
        """A copy of what the record holds; `view` is the same without one, as long as the record lives."""
        return bytes(self.view)


def records(path: str, start: int = 0, end: int | None = None, source: str | None = None) -> Iterator[Record | Lost]:
    """Every record of the file at `path` whose place (see `Record.offset`) is in [start, end), in order, and every lost
    stretch there. Whatever the ranges, together they give what one pass gives. An uncompressed file is read from its
    start for each range, since only the lengths of the records before tell where a record begins.

    `source` names the file in what is yielded (`path` when None). Memory: one record of at most CONTENT_LIMIT bytes.
    Raises UserError when the file cannot be opened, nothing for what is in it; a file without any record is one Lost
    with the reason "not a WARC".
    """
    with open_source(path) as file:
        size = size_of(file)
        found = False
        for event in _joined(_read(file, source or path, start, end), size):
            found = True
            yield event
        if not found and start == 0 and (end is None or end >= size):  # blank lines or zeros only
            yield Lost(source or path, 0, size, "not a WARC")


def _joined(events: Iterator[Record | Lost], size: int) -> Iterator[Record | Lost]:
    """Lost stretches that follow each other are one."""
    lost: Lost | None = None
    seen = False
    for event in events:
        if isinstance(event, Lost):
            lost = _both(lost, event) if lost else event
            continue
        if lost:
            yield lost
        yield event
        lost, seen = None, True
    if lost and not seen and lost.offset + lost.length >= size and lost.offset <= 16:  # only blanks before it
        lost = Lost(lost.source, 0, size, "not a WARC")
    if lost:
        yield lost


def _both(a: Lost, b: Lost) -> Lost:
    return Lost(a.source, a.offset, max(a.offset + a.length, b.offset + b.length) - a.offset, a.why)


def _read(file: BinaryIO, source: str, start: int, end: int | None) -> Iterator[Record | Lost]:
    size = size_of(file)
    if not size:
        if start == 0:
            yield Lost(source, 0, 0, "empty")
        return
    codec, arc = _kind(file)
    if codec:
        tape = Tape(compressed(file, source, codec, _ARC if arc else _WARC, start, end))
        yield from _Parser(tape, source, size, False, arc).events()
        return
    for event in _Parser(Tape(plain(file)), source, size, True, arc).events():
        if end is not None and event.offset >= end:
            return
        if event.offset >= start:
            yield event


def _kind(file: BinaryIO) -> tuple[Codec | None, bool]:
    """(compression, whether it is an ARC). What starts like nothing known (a ZIP of WARCs, a broken first member) is
    searched for gzip members that hold records."""
    codec = codec_of(file)
    head = next(iter(compressed(file, "", codec, _WARC, 0, None) if codec else plain(file)), None)
    text = head.data[:BLOCK] if isinstance(head, Piece) else b""
    if _WARC.match(text) or _WARC_INSIDE.search(text):
        return codec, False
    if text.startswith(b"filedesc:") or _ARC_START.match(text):
        return codec, True
    return (GZIP if codec is None and behind(file, GZIP, _WARC, 0) is not None else codec), False


class _Parser:
    """Records and lost stretches on a tape."""

    def __init__(self, tape: Tape, source: str, size: int, whole: bool, arc: bool):
        self.tape, self.source, self.size, self.whole, self.arc = tape, source, size, whole, arc
        self.first, self.inside = (_ARC, _ARC_INSIDE) if arc else (_WARC, _WARC_INSIDE)

    def events(self) -> Iterator[Record | Lost]:
        tape = self.tape
        while True:
            tape.forget()
            if not tape.blanks():
                if lost := tape.border():
                    yield lost
                elif tape.over:
                    return
                continue
            tape.fill(_HEADER_LIMIT if self.arc else 64)
            yield from self._record() if self.first.match(tape.buffer, tape.at) else self._junk()

    def _junk(self) -> Iterator[Lost]:
        """What is no record, up to the next line that starts one."""
        tape = self.tape
        offset, _ = tape.place(tape.at, self.whole)
        tape.at += 1
        while not (match := tape.find(self.inside, tape.at - 1, 1 << 20)):
            at_border = not tape.more()
            tape.at = len(tape.buffer) if at_border else max(tape.at, len(tape.buffer) - 4096)
            tape.forget()
            if at_border:
                break
        else:
            tape.at = match.end()
        until = tape.place(tape.at, self.whole)[0] if match else tape.ahead(self.size)
        yield Lost(self.source, offset, max(0, until - offset), "bytes that are no record")

    def _record(self) -> Iterator[Record | Lost]:
        tape = self.tape
        offset, inner = tape.place(tape.at, self.whole)
        head = self._header()
        if head is None:
            yield from self._junk()
            return
        kind, headers, length = head
        content, missing = self._content(length)
        at_border = not tape.blanks()
        short = missing > 0 and at_border and (length or 0) - missing < CONTENT_LIMIT
        damage = f"longer than {CONTENT_LIMIT} bytes" if missing and not short else ""
        if at_border and tape.broken and (missing or tape.ahead(self.size) == offset):
            damage = tape.broken
        elif short:
            damage = "the file ends inside the record" if tape.over else "the record ends before its length"
        kind = kind or ("response" if content[:5] == b"HTTP/" else "resource")
        yield Record(self.source, offset, inner, kind, headers, content, missing, damage)
        if short and not tape.broken:
            yield Lost(self.source, tape.ahead(self.size), 0, f"{missing} bytes of the record at {offset} are missing")

    def _header(self) -> tuple[str, dict[str, str], int | None] | None:
        """(type, headers, length) and the position behind them; None for what is too long to be a header."""
        tape = self.tape
        if self.arc:
            line = _ARC.match(tape.buffer, tape.at)
            assert line
            tape.at = line.end()
            return arc_header(line)
        end = tape.find(_BLANK_LINE, tape.at, _HEADER_LIMIT)
        stop, behind = (end.start(), end.end()) if end else (len(tape.buffer), len(tape.buffer))
        if another := self.inside.search(tape.buffer, tape.at + 5, stop + 1):  # a header that never ended
            stop, behind = another.start(), another.end()
        if stop - tape.at > _HEADER_LIMIT:
            return None
        headers = parse_header(bytes(tape.buffer[tape.at : stop]))
        tape.at = behind
        return headers.get("warc-type", "unknown").lower(), headers, _length(headers.get("content-length"))

    def _content(self, length: int | None) -> tuple[memoryview, int]:
        """(content, missing bytes) and the position behind it."""
        tape = self.tape
        begin = tape.at
        if length is None:
            return self._until_next(begin)
        if length > CONTENT_LIMIT:
            return self._too_long(length)
        whole = tape.fill(length)
        end = begin + length if whole else len(tape.buffer)
        tape.at = end
        sound = whole and self._at_record()
        if not sound and (match := self.inside.search(tape.buffer, max(0, begin - 1), end + 5)) and match.end() < end:
            tape.at = match.end()  # the length leads into a later record: it is wrong
            return _trimmed(tape.buffer[begin : match.start()]), 0
        tape.at = end
        return _slice(tape.buffer, begin, end), begin + length - end

    def _at_record(self) -> bool:
        """Whether a record or a border follows."""
        tape = self.tape
        if not tape.blanks():
            return not tape.broken
        tape.fill(_HEADER_LIMIT if self.arc else 64)
        return bool(self.first.match(tape.buffer, tape.at))

    def _until_next(self, begin: int) -> tuple[memoryview, int]:
        """Content without a length goes up to the next record."""
        tape = self.tape
        match = tape.find(self.inside, max(0, begin - 1), CONTENT_LIMIT)
        end, tape.at = (match.start(), match.end()) if match else (len(tape.buffer), len(tape.buffer))
        return _trimmed(tape.buffer[begin : max(begin, end)]), 0

    def _too_long(self, length: int) -> tuple[memoryview, int]:
        """The first CONTENT_LIMIT bytes; the others are read and let go."""
        tape = self.tape
        tape.fill(CONTENT_LIMIT)
        content = memoryview(bytes(memoryview(tape.buffer)[tape.at : tape.at + CONTENT_LIMIT]))
        left = length
        while left:
            step = min(left, len(tape.buffer) - tape.at)
            tape.at, left = tape.at + step, left - step
            tape.forget()
            if left and tape.at >= len(tape.buffer) and not tape.more():
                break
        return content, length - len(content)


def _slice(buffer: bytes | bytearray, begin: int, end: int) -> memoryview:
    """Without a copy where the buffer does not change: one record a member, the usual case."""
    part = memoryview(buffer)[begin:end]
    return part if isinstance(buffer, bytes) else memoryview(bytes(part))


def _trimmed(part: bytes | bytearray) -> memoryview:
    return memoryview(bytes(part).rstrip(b"\r\n"))


def parse_header(block: bytes) -> dict[str, str]:
    """Lower-case names to the first value given; continued lines are joined by a space, others without a colon left."""
    text = text_of(block)
    lines = text.split("\n")[1:]
    if "\n " in text or "\n\t" in text:
        lines = _unfolded(lines)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), value.strip())
    return headers


def _unfolded(lines: list[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        if line[:1] in (" ", "\t") and found:
            found[-1] = f"{found[-1].rstrip()} {line.strip()}"
        else:
            found.append(line)
    return found


def text_of(raw: bytes) -> str:
    """Header bytes as text: UTF-8 where they are that, else ISO-8859-1."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def arc_header(line: re.Match[bytes]) -> tuple[str, dict[str, str], int | None]:
    """An ARC record's line as WARC headers; the type is told by the content, "" here."""
    uri, _, address = line[1].rpartition(b" ")
    headers = {
        "warc-target-uri": text_of(uri),
        "warc-ip-address": text_of(address),
        "warc-date": text_of(line[2]),
        "content-type": text_of(line[3]),
    }
    return "warcinfo" if uri.startswith(b"filedesc:") else "", headers, _length(text_of(line[4]))


def _length(value: str | None) -> int | None:
    """None where it is no length: files have none of twenty digits, and Python reads no number of thousands."""
    return int(value) if value is not None and re.fullmatch("[0-9]{1,19}", value) else None
