"""HTTP messages as they stand in a WARC: status, headers, and the body without its codings.

FastWARC's `auto_decode="all"` gives up at raw deflate, chunk extensions, `x-gzip`, a wrong `Content-Encoding` (many
crawlers store decoded bodies under the old header) and at a line end of LF. Browsers do not, so neither does this.

Sources: RFC 9112 (chunks, section 7.1), RFC 9110 (content codings, section 8.4.1).
"""

import contextlib
import re
from dataclasses import dataclass

from extract.sources.compression import GZIP, DecodeError, Decoder, gzip_decoder, zstd_decoder
from extract.sources.warc import parse_header, text_of

_STATUS = re.compile(rb"[A-Za-z]+/?[\d.]*[ \t]+(\d{3})(?!\d)")
_END = re.compile(rb"\r?\n\r?\n")
_CHUNK = re.compile(rb"(?:\r?\n)?[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\n]*)?\r?\n")


@dataclass(frozen=True, slots=True)
class Message:
    """`status` 0 when the first line gives none. `headers`: lower-case name to its values joined by ",\\n", as a list
    (RFC 9110, section 5.3) of which X-Robots-Tag still tells where a header ends."""

    status: int
    headers: dict[str, str]
    body: bytes
    damage: str = ""


def parse(block: bytes | memoryview, limit: int) -> Message:
    """The message in `block`, its body decoded up to about `limit` bytes. Never raises: a body that its codings do not
    fit is kept as it is when it is no such coding at all, and told in `damage` when it breaks on the way."""
    end = _END.search(block)
    view = memoryview(block)
    head, body = (bytes(view[: end.start()]), bytes(view[end.end() :])) if end else (bytes(view), b"")
    status = _STATUS.match(head)
    if not status:
        return Message(0, {}, bytes(view))
    headers = _joined(head)
    damage = ""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body, damage = unchunk(body)
    codings = [c.strip().lower() for c in headers.get("content-encoding", "").split(",")]
    if len(set(codings)) == 1:
        codings = codings[:1]  # one coding said twice
    for coding in reversed(codings):
        body, why = uncode(body, coding, limit)
        damage = damage or why
    return Message(int(status[1]), headers, body, damage)


def _joined(head: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in re.split(r"\n(?![ \t])", text_of(head))[1:]:
        for name, value in parse_header(b"\n" + line.encode()).items():
            headers[name] = f"{headers[name]},\n{value}" if name in headers else value
    return headers


def unchunk(body: bytes) -> tuple[bytes, str]:
    """(chunks joined, what is wrong with them); a body that does not start with a chunk is taken as it is."""
    parts: list[bytes] = []
    at = 0
    while match := _CHUNK.match(body, at):
        size = int(match[1], 16)
        at = match.end()
        if size == 0:
            return b"".join(parts), ""
        parts.append(body[at : at + size])
        at += size
    if not parts:
        return body, ""
    if at < len(body):  # a broken size: the rest has text all the same
        parts.append(body[at:])
    return b"".join(parts), "chunks break off"


def uncode(body: bytes, coding: str, limit: int) -> tuple[bytes, str]:
    """(body without the content coding, what is wrong with it). Bodies that are not so coded stay as they are."""
    if not body or coding not in _DECODERS:
        return body, ""
    for make in _DECODERS[coding]:
        try:
            text, whole = _run(make(), body, limit)
        except DecodeError:
            continue
        if text or whole:
            return text, "" if whole else f"{coding} body breaks off"
    if body.startswith(GZIP.magic):  # short and broken: in sips it gives what precedes the damage
        with contextlib.suppress(DecodeError):
            return _run(gzip_decoder(), body, limit, step=8)[0], f"{coding} body breaks off"
    return body, ""


def _run(decoder: Decoder, body: bytes, limit: int, step: int = 4096) -> tuple[bytes, bool]:
    """Decoded in steps, so that a bomb is noticed. What precedes an error is kept; DecodeError for an error at once."""
    parts: list[bytes] = []
    size = 0
    for at in range(0, len(body), step):
        try:
            text, _, done = decoder.decode(body[at : at + step])
        except DecodeError:
            if not size:
                raise
            return b"".join(parts), False
        parts.append(text)
        size += len(text)
        if done or size > limit:
            return b"".join(parts), True
    return b"".join(parts), False


class _Brotli:
    """brotli's decompressor in the form of the others."""

    unused_data = b""

    def __init__(self) -> None:
        import brotli

        self._inner = brotli.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._inner.is_finished())

    def decompress(self, data: bytes) -> bytes:
        return bytes(self._inner.process(data))


def _brotli() -> Decoder:
    import brotli

    return Decoder(_Brotli(), brotli.error)


def _zlib() -> Decoder:
    return gzip_decoder(15)


def _deflate() -> Decoder:
    return gzip_decoder(-15)


_DECODERS = {
    "gzip": (gzip_decoder,),
    "x-gzip": (gzip_decoder,),
    "deflate": (_zlib, _deflate),  # the standard means zlib, many servers mean raw deflate
    "br": (_brotli,),
    "zstd": (zstd_decoder,),
}
