"""HTTP messages as WARC files hold them: status, headers, and the body without its codings.

FastWARC's `auto_decode="all"` gives up at raw deflate, chunk extensions, `x-gzip`, a wrong `Content-Encoding` (many
crawlers store decoded bodies under the old header) and at line ends of LF alone. Browsers do not, so neither does this.

Sources: RFC 9112 (chunks, section 7.1), RFC 9110 (content codings, section 8.4.1).
"""

import contextlib
import re
from dataclasses import dataclass

from extract.sources.record_headers import decode_header, parse_header
from pipeline.inputs.compression import GZIP, DecodeError, Decoder, gzip_decoder, zstd_decoder

_STATUS = re.compile(rb"[A-Za-z]+/?[\d.]*[ \t]+(\d{3})(?!\d)")
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE = re.compile(rb"(?:\r?\n)?[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\n]*)?\r?\n")
_STEP_BYTES = 4096  # input per call of a decoder, so that a decompression bomb is noticed
_SALVAGE_STEP_BYTES = 8  # for a broken body: little of what precedes the damage is lost


@dataclass(frozen=True, slots=True)
class HttpMessage:
    """An HTTP response.

    `status` is 0 if the first line has none. `headers` maps a lower-case name to its values joined by ",\\n": a list
    (RFC 9110, section 5.3) in which X-Robots-Tag still shows where one header ends. `damage` says what is wrong with
    the body, "" for nothing.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    damage: str = ""


def parse_message(block: bytes | memoryview, limit: int) -> HttpMessage:
    """Parse the message in `block` and decode its body up to about `limit` bytes. Never raises.

    A body that is not in the declared coding at all is kept as it is. If its decoding breaks off, `damage` says so.
    """
    header_end = _HEADER_END.search(block)
    view = memoryview(block)
    if header_end:
        head, body = bytes(view[: header_end.start()]), bytes(view[header_end.end() :])
    else:
        head, body = bytes(view), b""
    status = _STATUS.match(head)
    if not status:
        return HttpMessage(0, {}, bytes(view))
    headers: dict[str, str] = {}
    for line in re.split(r"\n(?![ \t])", decode_header(head))[1:]:
        for name, value in parse_header(b"\n" + line.encode()).items():
            headers[name] = f"{headers[name]},\n{value}" if name in headers else value
    damage = ""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body, damage = decode_chunked(body)
    codings = [coding.strip().lower() for coding in headers.get("content-encoding", "").split(",")]
    if len(set(codings)) == 1:
        codings = codings[:1]  # one coding, declared twice
    for coding in reversed(codings):
        body, coding_damage = decode_content(body, coding, limit)
        damage = damage or coding_damage
    return HttpMessage(int(status[1]), headers, body, damage)


def decode_chunked(body: bytes) -> tuple[bytes, str]:
    """Return (the chunks joined, what is wrong with them). A body that does not start with a chunk is kept as it is."""
    parts: list[bytes] = []
    position = 0
    while match := _CHUNK_SIZE.match(body, position):
        size = int(match[1], 16)
        position = match.end()
        if size == 0:
            return b"".join(parts), ""
        parts.append(body[position : position + size])
        position += size
    if not parts:
        return body, ""
    if position < len(body):  # after a broken size, the rest still has text
        parts.append(body[position:])
    return b"".join(parts), "chunks break off"


def decode_content(body: bytes, coding: str, limit: int) -> tuple[bytes, str]:
    """Return (body without the content coding, what is wrong with it). A body not so coded is kept as it is."""
    if not body or coding not in _DECODERS:
        return body, ""
    for new_decoder in _DECODERS[coding]:
        try:
            text, complete = _decode_in_steps(new_decoder(), body, limit, _STEP_BYTES)
        except DecodeError:
            continue
        if text or complete:
            return text, "" if complete else f"{coding} body breaks off"
    if body.startswith(GZIP.magic):
        with contextlib.suppress(DecodeError):
            text, _ = _decode_in_steps(gzip_decoder(), body, limit, _SALVAGE_STEP_BYTES)
            return text, f"{coding} body breaks off"
    return body, ""


def _decode_in_steps(decoder: Decoder, body: bytes, limit: int, step: int) -> tuple[bytes, bool]:
    """Return (decoded bytes, whether the end or `limit` was reached).

    What precedes an error is kept. Raises DecodeError if nothing does.
    """
    parts: list[bytes] = []
    size = 0
    for i in range(0, len(body), step):
        try:
            text, _, at_end = decoder.decode(body[i : i + step])
        except DecodeError:
            if not size:
                raise
            return b"".join(parts), False
        parts.append(text)
        size += len(text)
        if at_end or size > limit:
            return b"".join(parts), True
    return b"".join(parts), False


class _BrotliDecompressor:
    """brotli's decompressor with the interface of the others."""

    unused_data = b""

    def __init__(self) -> None:
        import brotli

        self._decompressor = brotli.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._decompressor.is_finished())

    def decompress(self, data: bytes) -> bytes:
        return bytes(self._decompressor.process(data))


def _brotli_decoder() -> Decoder:
    import brotli

    return Decoder(_BrotliDecompressor(), brotli.error)


def _zlib_decoder() -> Decoder:
    return gzip_decoder(15)


def _raw_deflate_decoder() -> Decoder:
    return gzip_decoder(-15)


_DECODERS = {
    "gzip": (gzip_decoder,),
    "x-gzip": (gzip_decoder,),
    "deflate": (_zlib_decoder, _raw_deflate_decoder),  # the standard means zlib, many servers mean raw deflate
    "br": (_brotli_decoder,),
    "zstd": (zstd_decoder,),
}
